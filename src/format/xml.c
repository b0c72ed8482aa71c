/* From bytes to the tree. Namespaces are resolved here, not by expat: it would copy every name. */
#include "format/xml.h"

#include <expat.h>

enum { SCOPE_MAX = 64 };

/* A prefix that is declared where the parser is. */
struct declaration {
  struct str prefix, uri;
};

struct xml_reader {
  struct arena *arena;
  struct str text;
  const struct xml_limits *limits;
  XML_Parser expat;
  struct xml_node *root, *current;
  unsigned depth;
  size_t nodes_n;
  struct declaration scope[SCOPE_MAX];
  unsigned scope_n;
  struct buf run;   /* text until the next tag */
  size_t run_at;    /* where it begins */
  unsigned skipped; /* open elements inside the one that is kept as source, itself included */
  /* Where elements begin whose source would not stand for itself, in order. What the first run
   * finds, the second heeds. */
  VEC(size_t) not_sources;
  size_t not_sources_passed;
  bool is_second_run;
  int code;
  struct err *err;
};

void xml_position(struct str text, size_t at, size_t *ret_line, size_t *ret_column) {
  size_t line = 1, start = 0;
  for (size_t i = 0; text.p && i < at && i < text.n; i++)
    if (text.p[i] == '\n') {
      line++;
      start = i + 1;
    }
  *ret_line = line;
  *ret_column = at - start + 1;
}

/* ---- Faults -----------------------------------------------------------------------------------
 */

static size_t here(const struct xml_reader *r) {
  XML_Index at = XML_GetCurrentByteIndex(r->expat);
  return at < 0 ? 0 : (size_t)at;
}

static int fail_at(const struct xml_reader *r, enum err_code code, const char *what) {
  char where[64];
  size_t line, column;
  xml_position(r->text, here(r), &line, &column);
  snprintf(where, sizeof where, "line %zu column %zu", line, column);
  return err_set(r->err, code, where, "%s", what);
}

/* Stops the parser; the first fault counts. */
static void stop(struct xml_reader *r, enum err_code code, const char *what) {
  if (r->code)
    return;
  r->code = code == ERR_NO_MEMORY ? err_no_memory(r->err) : fail_at(r, code, what);
  XML_StopParser(r->expat, XML_FALSE);
}

/* The element that is being skipped has to be read as a tree. */
static void refuse_source(struct xml_reader *r) {
  size_t n = r->not_sources.n;
  if (r->code || (n > 0 && r->not_sources.p[n - 1] == r->current->at))
    return;
  size_t *at = VEC_PUSH(r->arena, &r->not_sources);
  if (at)
    *at = r->current->at;
  else
    stop(r, ERR_NO_MEMORY, NULL);
}

/* ---- Nodes ------------------------------------------------------------------------------------
 */

static bool count_node(struct xml_reader *r) {
  if (++r->nodes_n <= r->limits->max_nodes)
    return true;
  stop(r, ERR_TOO_LONG, "The XML has too many elements, texts and comments.");
  return false;
}

static struct xml_node *add_node(struct xml_reader *r, enum xml_kind kind) {
  if (!count_node(r))
    return NULL;
  struct xml_node *node = ARENA_NEW(r->arena, struct xml_node);
  if (!node) {
    stop(r, ERR_NO_MEMORY, NULL);
    return NULL;
  }
  node->kind = kind;
  node->at = (uint32_t)here(r);
  if (r->current)
    xml_insert(r->current, node, NULL);
  return node;
}

static bool is_space(struct str s) {
  for (size_t i = 0; i < s.n; i++)
    if (s.p[i] != ' ' && s.p[i] != '\n' && s.p[i] != '\t' && s.p[i] != '\r')
      return false;
  return true;
}

/* Makes a node of the text since the last tag, if it is worth one. */
static void end_run(struct xml_reader *r) {
  if (r->run.n == 0 || !r->current)
    return;
  struct str s = buf_str(&r->run);
  bool is_kept = r->limits->keep_space || str_is(r->current->ns, XML_NS_XHTML) || !is_space(s);
  struct xml_node *node = is_kept ? add_node(r, XML_TEXT) : NULL;
  if (node) {
    node->at = (uint32_t)r->run_at;
    node->text = arena_str(r->arena, s);
    if (!node->text.p)
      stop(r, ERR_NO_MEMORY, NULL);
  }
  buf_clear(&r->run);
}

/* May a name begin so? Expat has seen that its characters can be in one. Not: digits, '-', '.',
 * U+00B7, U+0300 to U+036F, U+203F, U+2040. */
static bool can_begin_name(struct str s) {
  unsigned char c = s.n > 0 ? (unsigned char)s.p[0] : '-';
  unsigned char c2 = s.n > 1 ? (unsigned char)s.p[1] : 0, c3 = s.n > 2 ? (unsigned char)s.p[2] : 0;
  if (c < 0x80)
    return !(c >= '0' && c <= '9') && c != '-' && c != '.';
  return !(c == 0xc2 && c2 == 0xb7) && c != 0xcc && !(c == 0xcd && c2 <= 0xaf) &&
         !(c == 0xe2 && ((c2 == 0x80 && c3 == 0xbf) || (c2 == 0x81 && c3 == 0x80)));
}

/* "f:Patient" -> "f", "Patient". Expat doesn't look at colons. */
static void split_name(struct xml_reader *r, struct str whole, struct str *ret_prefix,
                       struct str *ret_name) {
  ssize_t colon = str_find_char(whole, ':', 0);
  *ret_prefix = colon < 0 ? STR_NULL : str_slice(whole, 0, (size_t)colon);
  *ret_name = colon < 0 ? whole : str_slice(whole, (size_t)colon + 1, whole.n);
  if (colon == 0 ||
      (colon > 0 && (!can_begin_name(*ret_name) || str_find_char(*ret_name, ':', 0) >= 0)))
    stop(r, ERR_STRUCTURE, "A name with a colon must be a prefix and a name.");
}

static bool find_prefix(struct xml_reader *r, struct str prefix, struct str *ret_uri) {
  for (unsigned i = r->scope_n; i > 0; i--)
    if (str_equal(r->scope[i - 1].prefix, prefix)) {
      *ret_uri = r->scope[i - 1].uri;
      return true;
    }
  *ret_uri = str_is(prefix, "xml") ? STR("http://www.w3.org/XML/1998/namespace") : STR("");
  if (prefix.n == 0 || ret_uri->n > 0)
    return true;
  stop(r, ERR_STRUCTURE, "A prefix is used here that no xmlns attribute declares.");
  return false;
}

static void declare(struct xml_reader *r, struct xml_node *node, struct str prefix,
                    struct str uri) {
  struct xml_namespace *own = ARENA_NEW(r->arena, struct xml_namespace);
  if (!own) {
    stop(r, ERR_NO_MEMORY, NULL);
    return;
  }
  if (prefix.n > 0 && (uri.n == 0 || str_is(prefix, "xml") || str_is(prefix, "xmlns"))) {
    stop(r, ERR_STRUCTURE, "This prefix can't be declared so.");
    return;
  }
  if (r->scope_n == SCOPE_MAX) {
    stop(r, ERR_TOO_LONG, "The XML declares too many namespaces.");
    return;
  }
  *own = (struct xml_namespace){.prefix = prefix, .uri = uri, .next = node->namespaces};
  node->namespaces = own;
  r->scope[r->scope_n++] = (struct declaration){prefix, uri};
}

/* The names that FHIR has need no copy. */
static struct str keep_name(struct xml_reader *r, const char *z) {
  static const struct str known[] = {{"value", 5}, {"url", 3}, {"id", 2}};
  struct str s = str_of(z);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (str_equal(s, known[i]))
      return known[i];
  return arena_str(r->arena, s);
}

static struct xml_attribute *read_attribute(struct xml_reader *r, struct xml_node *node,
                                            const char *name, const char *value) {
  struct str prefix, local, whole = keep_name(r, name), text = arena_str(r->arena, str_of(value));
  if (!whole.p || !text.p) {
    stop(r, ERR_NO_MEMORY, NULL);
    return NULL;
  }
  split_name(r, whole, &prefix, &local);
  if (str_is(whole, "xmlns")) {
    declare(r, node, STR(""), text);
    return NULL;
  }
  if (str_is(prefix, "xmlns")) {
    declare(r, node, local, text);
    return NULL;
  }
  struct xml_attribute *attribute = r->code ? NULL : ARENA_NEW(r->arena, struct xml_attribute);
  if (!attribute) {
    stop(r, ERR_NO_MEMORY, NULL);
    return NULL;
  }
  *attribute = (struct xml_attribute){.prefix = prefix, .name = local, .value = text};
  return attribute;
}

static void read_attributes(struct xml_reader *r, struct xml_node *node, const char **names) {
  struct xml_attribute **last = &node->attributes;
  for (size_t i = 0; names[i] && !r->code; i += 2) {
    if (i / 2 == r->limits->max_attributes) {
      stop(r, ERR_TOO_LONG, "An element has too many attributes.");
      return;
    }
    struct xml_attribute *attribute = read_attribute(r, node, names[i], names[i + 1]);
    if (attribute) {
      *last = attribute;
      last = &attribute->next;
    }
  }
}

/* After all declarations of the element are known. */
static void resolve_names(struct xml_reader *r, struct xml_node *node) {
  const struct xml_node *parent = node->parent;
  if (!node->namespaces && node->prefix.n == 0 && parent && parent->prefix.n == 0)
    node->ns = parent->ns;
  else if (!find_prefix(r, node->prefix, &node->ns))
    return;
  for (struct xml_attribute *a = node->attributes; a; a = a->next)
    if (a->prefix.n > 0 && !find_prefix(r, a->prefix, &a->ns))
      return;
}

/* Was it found that this element has to be a tree? They come in the order in which they were found.
 */
static bool is_refused_source(struct xml_reader *r, size_t at) {
  if (!r->is_second_run || r->not_sources_passed == r->not_sources.n ||
      r->not_sources.p[r->not_sources_passed] != at)
    return false;
  r->not_sources_passed++;
  return true;
}

/* Will the bytes of this element mean the same in another document? What is in it is seen to on
 * the way. */
static bool may_be_source(const struct xml_reader *r, const struct xml_node *node) {
  return r->limits->xhtml_as_source && str_is(node->ns, XML_NS_XHTML) && node->prefix.n == 0 &&
         node->namespaces && node->namespaces->prefix.n == 0 && !node->namespaces->next &&
         (!node->parent || !str_is(node->parent->ns, XML_NS_XHTML));
}

static bool has_prefix(const char *name) {
  return strchr(name, ':') && strncmp(name, "xml:", 4) != 0;
}

/* ---- What expat calls --------------------------------------------------------------------------
 */

static void skip_element(struct xml_reader *r, const char *name, const char **attributes) {
  r->skipped++;
  if (!count_node(r))
    return;
  for (size_t i = 0; attributes[i]; i += 2)
    if (has_prefix(attributes[i]))
      refuse_source(r);
  if (has_prefix(name))
    refuse_source(r);
}

static void on_start(void *what, const char *name, const char **attributes) {
  struct xml_reader *r = what;
  if (r->code)
    return;
  if (++r->depth > r->limits->max_depth) {
    stop(r, ERR_TOO_LONG, "The XML is nested too deeply.");
    return;
  }
  if (r->skipped) {
    skip_element(r, name, attributes);
    return;
  }
  end_run(r);
  struct xml_node *node = add_node(r, XML_ELEMENT);
  if (!node)
    return;
  split_name(r, str_slice(r->text, (size_t)node->at + 1, strlen(name)), &node->prefix, &node->name);
  if (!r->root)
    r->root = node;
  r->current = node;
  read_attributes(r, node, attributes);
  if (r->code)
    return;
  resolve_names(r, node);
  if (!r->code && may_be_source(r, node) && !is_refused_source(r, node->at)) {
    r->skipped = 1;
    for (size_t i = 0; attributes[i]; i += 2)
      if (has_prefix(attributes[i]))
        refuse_source(r);
  }
}

/* XML reads every end of a line as LF (2.11). */
static struct str with_line_feeds(struct xml_reader *r, struct str s) {
  if (str_find_char(s, '\r', 0) < 0)
    return s;
  char *p = arena_alloc(r->arena, s.n);
  size_t n = 0;
  for (size_t i = 0; p && i < s.n; i++)
    if (s.p[i] != '\r')
      p[n++] = s.p[i];
    else if (i + 1 == s.n || s.p[i + 1] != '\n')
      p[n++] = '\n';
  if (!p)
    stop(r, ERR_NO_MEMORY, NULL);
  return str_n(p, n);
}

/* The bytes from "<div" to "</div>"; expat says where the end tag (of "<div/>": nothing) is. */
static void end_source(struct xml_reader *r) {
  struct xml_node *node = r->current;
  size_t end = here(r) + (size_t)XML_GetCurrentByteCount(r->expat);
  node->text = with_line_feeds(r, str_slice(r->text, node->at, end - node->at));
  node->is_source = true;
}

static void on_end(void *what, const char *name) {
  struct xml_reader *r = what;
  (void)name; /* expat has seen that it is the open one's */
  if (r->code)
    return;
  r->depth--;
  bool was_skipped = r->skipped > 0;
  if (was_skipped && --r->skipped > 0)
    return;
  struct xml_node *node = r->current;
  if (was_skipped)
    end_source(r);
  else
    end_run(r);
  for (const struct xml_namespace *own = node->namespaces; own; own = own->next)
    r->scope_n--;
  r->current = node->parent;
}

static void on_text(void *what, const char *p, int n) {
  struct xml_reader *r = what;
  if (r->skipped || r->code)
    return;
  if (r->run.n == 0)
    r->run_at = here(r);
  buf_add(&r->run, str_n(p, (size_t)n));
  if (buf_is_overflown(&r->run))
    stop(r, ERR_NO_MEMORY, NULL);
}

static void on_comment(void *what, const char *z) {
  struct xml_reader *r = what;
  if (r->skipped || r->code || !r->current)
    return;
  end_run(r);
  struct xml_node *node = r->code ? NULL : add_node(r, XML_COMMENT);
  if (!node)
    return;
  node->text = arena_str(r->arena, str_of(z));
  if (!node->text.p)
    stop(r, ERR_NO_MEMORY, NULL);
}

static void on_cdata(void *what) {
  struct xml_reader *r = what;
  if (r->skipped)
    refuse_source(r);
}

static void on_instruction(void *what, const char *target, const char *data) {
  (void)target;
  (void)data;
  on_cdata(what);
}

static void on_doctype(void *what, const char *name, const char *system_id, const char *public_id,
                       int has_subset) {
  (void)name;
  (void)system_id;
  (void)public_id;
  (void)has_subset;
  stop(what, ERR_STRUCTURE, "A document type declaration (<!DOCTYPE) is not allowed.");
}

static void on_declaration(void *what, const char *version, const char *encoding, int standalone) {
  (void)version;
  (void)standalone;
  struct str name = str_of(encoding);
  if (name.n > 0 && !str_equal_ignore_case(name, STR("UTF-8")) &&
      !str_equal_ignore_case(name, STR("US-ASCII")))
    stop(what, ERR_STRUCTURE, "XML must be in UTF-8; this says that it is in another encoding.");
}

/* ---- Parsing -----------------------------------------------------------------------------------
 */

static void set_handlers(struct xml_reader *r) {
  XML_SetUserData(r->expat, r);
  XML_SetElementHandler(r->expat, on_start, on_end);
  XML_SetCharacterDataHandler(r->expat, on_text);
  XML_SetCommentHandler(r->expat, on_comment);
  XML_SetStartCdataSectionHandler(r->expat, on_cdata);
  XML_SetProcessingInstructionHandler(r->expat, on_instruction);
  XML_SetStartDoctypeDeclHandler(r->expat, on_doctype);
  XML_SetXmlDeclHandler(r->expat, on_declaration);
}

static int explain(const struct xml_reader *r) {
  enum XML_Error error = XML_GetErrorCode(r->expat);
  char what[160];
  if (error == XML_ERROR_NO_MEMORY)
    return err_no_memory(r->err);
  if (error == XML_ERROR_UNDEFINED_ENTITY)
    return fail_at(r, ERR_STRUCTURE,
                   "Only the entities &amp; &lt; &gt; &quot; &apos; and character references "
                   "(&#160;) are allowed.");
  snprintf(what, sizeof what, "This is not XML: %s.", XML_ErrorString(error));
  return fail_at(r, ERR_STRUCTURE, what);
}

static int run(struct xml_reader *r) {
  r->expat = XML_ParserCreate("UTF-8");
  if (!r->expat)
    return err_no_memory(r->err);
  buf_init_arena(&r->run, r->arena, r->text.n);
  set_handlers(r);
  int code = 0;
  if (XML_Parse(r->expat, r->text.p ? r->text.p : "", (int)r->text.n, XML_TRUE) != XML_STATUS_OK)
    code = r->code ? r->code : explain(r);
  XML_ParserFree(r->expat);
  return code;
}

int xml_parse(struct arena *arena, struct str text, const struct xml_limits *limits,
              struct xml_node **ret_root, struct err *reterr) {
  struct xml_limits applied = limits ? *limits : XML_LIMITS_DEFAULT;
  if (text.n > applied.max_bytes || text.n > INT32_MAX)
    return err_set(reterr, ERR_TOO_LONG, "", "The XML has %zu bytes; the limit is %zu.", text.n,
                   applied.max_bytes);
  struct xml_reader r = {.arena = arena, .text = text, .limits = &applied, .err = reterr};
  int code = run(&r);
  if (code == 0 && r.not_sources.n > 0) {
    struct xml_reader second = {.arena = arena,
                                .text = text,
                                .limits = &applied,
                                .err = reterr,
                                .not_sources.p = r.not_sources.p,
                                .not_sources.n = r.not_sources.n,
                                .is_second_run = true};
    r = second;
    code = run(&r);
  }
  if (code == 0)
    *ret_root = r.root;
  return code;
}
