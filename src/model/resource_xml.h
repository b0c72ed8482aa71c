/*
 * Resources in FHIR's XML form <-> the JSON tree that the rest of the program knows.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/xml.html, json.html. Driven by the definitions: the order
 * of elements, which of them repeat, the types of a choice, what is an attribute. Decimals and
 * base64 keep their text. A narrative keeps the bytes of its div, both ways.
 *
 * Refused, with FHIRPath and line: unknown elements and attributes, wrong order or namespace, what
 * is there twice and doesn't repeat, text between elements, empty elements and values, a value
 * that JSON can't write as its type (boolean, numbers). All else is for `validate_resource`.
 * Comments outside narrative and processing instructions are dropped.
 *
 * Threads: pure. Memory: on the arena; the JSON tree borrows nothing from the text.
 */
#ifndef MODEL_RESOURCE_XML_H
#define MODEL_RESOURCE_XML_H

#include "format/json.h"
#include "format/xml.h"
#include "model/definitions.h"

/* `limits` NULL: XML_LIMITS_DEFAULT. Errors of xml_parse; ERR_STRUCTURE, ERR_VALUE as above. */
int resource_from_xml(struct arena *arena, struct str text, const struct xml_limits *limits,
                      const struct yyjson_val **ret_resource, struct err *reterr) MUST_CHECK;

/* Is this text XML (its first character, after white space or a byte order mark, is '<')? */
bool resource_is_xml(struct str text);

/* A resource in either form; JSON may be any JSON. `max_bytes` of the text. */
int resource_parse(struct arena *arena, struct str text, size_t max_bytes,
                   const struct yyjson_val **ret_resource, struct err *reterr) MUST_CHECK;

/* The same as resource_from_xml for a tree; an element in XHTML may have children or its source. */
int resource_from_xml_tree(struct arena *arena, const struct xml_node *root,
                           const struct yyjson_val **ret_resource, struct err *reterr) MUST_CHECK;

/*
 * Appends the resource as a document, with the XML declaration. ERR_STRUCTURE for what the
 * definitions don't know, ERR_VALUE for a character that XML can't hold and for a narrative that
 * is not one well-formed div.
 */
int resource_to_xml(struct arena *arena, const struct yyjson_val *resource, bool is_pretty,
                    struct buf *buf, struct err *reterr) MUST_CHECK;

/* The same as a tree, to be edited: narratives are nodes too. */
int resource_to_xml_tree(struct arena *arena, const struct yyjson_val *resource,
                         struct xml_node **ret_root, struct err *reterr) MUST_CHECK;

#endif
