/*
 * XML: bytes <-> a tree that can be edited. Parsed by expat.
 *
 * Spec: XML 1.0 (fifth edition), Namespaces in XML 1.0. Narrower: UTF-8 only, no document type
 * declaration, hence no entities but the five of XML and character references; limits on bytes,
 * depth, nodes and attributes. Processing instructions are dropped: FHIR gives them no meaning.
 *
 * What is written has no prefixes of elements: each element that is in another namespace than its
 * parent declares its own as the default one.
 *
 * Threads: a tree belongs to one thread at a time; shared once nobody edits it. Memory: nodes and
 * values are on the arena; names are borrowed from the text, which must live as long as the tree.
 */
#ifndef FORMAT_XML_H
#define FORMAT_XML_H

#include "base/base.h"

#define XML_NS_FHIR "http://hl7.org/fhir"
#define XML_NS_XHTML "http://www.w3.org/1999/xhtml"
#define XML_NS_XSI "http://www.w3.org/2001/XMLSchema-instance"

enum xml_kind { XML_ELEMENT, XML_TEXT, XML_COMMENT };

/* A prefix that an element declares; the default namespace has an empty one. */
struct xml_namespace {
  struct str prefix, uri;
  struct xml_namespace *next;
};

struct xml_attribute {
  struct str prefix, name, ns; /* ns: empty without prefix */
  struct str value;
  struct xml_attribute *next;
};

struct xml_node {
  enum xml_kind kind;
  uint32_t at;       /* byte of the text at which it begins; see xml_place */
  struct str prefix; /* as written */
  struct str name, ns;
  struct str text; /* of text and comments. Of an element with `is_source`: the bytes that it was
                      written with, in place of children */
  bool is_source;
  struct xml_attribute *attributes;
  struct xml_namespace *namespaces; /* that it declares itself */
  struct xml_node *parent, *first_child, *last_child, *previous, *next;
};

struct xml_limits {
  size_t max_bytes;
  unsigned max_depth;
  size_t max_nodes;      /* of all kinds */
  size_t max_attributes; /* of one element */
  bool keep_space;       /* text that is only white space is kept outside XHTML too */
  bool xhtml_as_source;  /* an element that goes over into XHTML is a single node with its bytes as
                            they are but for CR, where these stand for themselves (own
                            declaration, no prefixes, CDATA, processing instructions) */
};
#define XML_LIMITS_DEFAULT                                                                         \
  ((struct xml_limits){.max_bytes = (size_t)64 << 20,                                              \
                       .max_depth = 100,                                                           \
                       .max_nodes = 4000000,                                                       \
                       .max_attributes = 64})

/*
 * Parses a document. `limits` NULL: the default ones. Adjoining text is one node. ERR_STRUCTURE
 * with "line L column C" for what isn't XML or is refused, ERR_TOO_LONG over a limit.
 */
int xml_parse(struct arena *arena, struct str text, const struct xml_limits *limits,
              struct xml_node **ret_root, struct err *reterr) MUST_CHECK;

/* Line and column, both from 1, of a byte of the text. */
void xml_position(struct str text, size_t at, size_t *ret_line, size_t *ret_column);

/* Appends the document or part of one, without XML declaration. `is_pretty`: indented by two
 * spaces where an element has only elements. */
void xml_write(struct buf *buf, const struct xml_node *node, bool is_pretty);

/* Escaped for the place between two tags, or between quotation marks: there line ends and tabs are
 * written as references, so that they are read back. */
void xml_write_text(struct buf *buf, struct str s);
void xml_write_attribute_value(struct buf *buf, struct str s);

/* Has it only characters that XML can hold? (Most control characters can't be written at all.) */
bool xml_can_hold(struct str utf8);

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* An attribute without namespace; its value, with NULL bytes where there is none. */
const struct xml_attribute *xml_attribute(const struct xml_node *element, struct str name);
struct str xml_attribute_value(const struct xml_node *element, struct str name);
/* What a prefix stands for at this element; false when nothing declares it. The empty prefix is
 * always declared. */
bool xml_namespace(const struct xml_node *element, struct str prefix, struct str *ret_uri);
/* The text of an element and all that is in it. */
struct str xml_text(struct arena *arena, const struct xml_node *node);

/* ---- Editing: a node is in one place of one tree -----------------------------------------------
 */

struct xml_node *xml_new_element(struct arena *arena, struct str ns, struct str name);
/* A copy with everything in it, in no tree yet. Texts are shared. NULL without memory. */
struct xml_node *xml_copy(struct arena *arena, const struct xml_node *node);
/* Puts `node`, which is in no tree, before `before`; NULL: at the end. */
void xml_insert(struct xml_node *parent, struct xml_node *node, struct xml_node *before);
/* Takes it out of its tree. */
void xml_detach(struct xml_node *node);
/* Sets or adds an attribute without namespace. */
int xml_set_attribute(struct arena *arena, struct xml_node *element, struct str name,
                      struct str value, struct err *reterr) MUST_CHECK;

#endif
