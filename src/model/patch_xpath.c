#include "model/patch_xpath.h"

#define SELECTOR_MAX_BYTES 4096
#define STEPS_MAX 100
#define PREDICATES_MAX 8
#define VALUE_NAMES_MAX 8

enum step_kind { STEP_ELEMENT, STEP_TEXT, STEP_COMMENT, STEP_ATTRIBUTE, STEP_NAMESPACE, STEP_NONE };

struct name {
  struct str ns, local;
  bool is_any; /* "*" */
};

/* What is compared with the literal: from a node down by names, then its attribute or its text. */
struct predicate {
  size_t position; /* 0: a comparison */
  struct name names[VALUE_NAMES_MAX];
  size_t names_n;
  struct name attribute;
  bool is_attribute;
  struct str literal;
};

struct step {
  enum step_kind kind;
  struct name name;
  struct predicate predicates[PREDICATES_MAX];
  size_t predicates_n;
};

struct selector {
  struct arena *arena;
  const struct xml_node *scope;
  struct str text;
  size_t at;
  bool has_id;
  struct str id; /* of id('..') */
  struct step *steps;
  size_t n;
  struct err *err;
};

/* ---- Reading --------------------------------------------------------------------------------- */

static int fail(struct selector *s, const char *text) {
  return err_set(s->err, ERR_VALUE, "", "%s (column %zu of the selector)", text, s->at + 1);
}

static bool accept(struct selector *s, const char *token) {
  struct str rest = str_slice(s->text, s->at, s->text.n);
  if (!str_starts_with(rest, str_of(token)))
    return false;
  s->at += strlen(token);
  return true;
}

static void skip_space(struct selector *s) {
  while (s->at < s->text.n && (s->text.p[s->at] == ' ' || s->text.p[s->at] == '\t' ||
                               s->text.p[s->at] == '\n' || s->text.p[s->at] == '\r'))
    s->at++;
}

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

static struct str read_word(struct selector *s) {
  size_t from = s->at;
  if (s->at < s->text.n && (s->text.p[s->at] == '-' || s->text.p[s->at] == '.' ||
                            (s->text.p[s->at] >= '0' && s->text.p[s->at] <= '9')))
    return STR_NULL;
  while (s->at < s->text.n && is_name_char(s->text.p[s->at]))
    s->at++;
  return str_slice(s->text, from, s->at - from);
}

static int find_namespace(struct selector *s, struct str prefix, struct str *ret_ns) {
  if (xml_namespace(s->scope, prefix, ret_ns))
    return 0;
  if (str_is(prefix, "f"))
    *ret_ns = STR(XML_NS_FHIR);
  else if (str_is(prefix, "h"))
    *ret_ns = STR(XML_NS_XHTML);
  else
    return fail(s, "The patch does not declare a prefix of the selector");
  return 0;
}

/* "name", "prefix:name"; of an element also "*". */
static int read_name(struct selector *s, bool is_attribute, struct name *ret_name) {
  struct name name = {.is_any = !is_attribute && accept(s, "*")};
  int code = 0;
  if (!name.is_any) {
    name.local = read_word(s);
    bool has_prefix = name.local.n > 0 && accept(s, ":");
    if (has_prefix || !is_attribute)
      code = find_namespace(s, has_prefix ? name.local : STR_NULL, &name.ns);
    if (has_prefix)
      name.local = read_word(s);
    if (code == 0 && name.local.n == 0)
      return fail(s, "The selector has no name where there should be one");
  }
  *ret_name = name;
  return code;
}

static int read_literal(struct selector *s, struct str *ret_literal) {
  char quote = s->at < s->text.n ? s->text.p[s->at] : '\0';
  ssize_t end = quote == '\'' || quote == '"' ? str_find_char(s->text, quote, s->at + 1) : -1;
  if (end < 0)
    return fail(s, "The selector has no text in quotation marks where there should be one");
  *ret_literal = str_slice(s->text, s->at + 1, (size_t)end - s->at - 1);
  s->at = (size_t)end + 1;
  return 0;
}

static int read_value(struct selector *s, struct predicate *predicate) {
  int code = 0;
  if (accept(s, "."))
    return 0;
  do {
    predicate->is_attribute = accept(s, "@");
    if (!predicate->is_attribute && predicate->names_n == VALUE_NAMES_MAX)
      return fail(s, "The path in a condition of the selector is too long");
    struct name *name =
        predicate->is_attribute ? &predicate->attribute : &predicate->names[predicate->names_n++];
    code = read_name(s, predicate->is_attribute, name);
  } while (code == 0 && !predicate->is_attribute && accept(s, "/"));
  return code;
}

/* Behind the "[". */
static int read_predicate(struct selector *s, struct predicate *predicate) {
  int code = 0;
  uint64_t position;
  skip_space(s);
  size_t from = s->at;
  while (s->at < s->text.n && s->text.p[s->at] >= '0' && s->text.p[s->at] <= '9')
    s->at++;
  if (s->at > from) {
    if (!str_to_u64(str_slice(s->text, from, s->at - from), &position) || position == 0 ||
        position > INT32_MAX)
      return fail(s, "A position counts from 1");
    predicate->position = (size_t)position;
  } else {
    code = read_value(s, predicate);
    skip_space(s);
    if (code == 0 && !accept(s, "="))
      return fail(s, "A condition of the selector is a position or compares with =");
    skip_space(s);
    if (code == 0)
      code = read_literal(s, &predicate->literal);
  }
  skip_space(s);
  if (code == 0 && !accept(s, "]"))
    return fail(s, "The selector lacks a ]");
  return code;
}

static int read_instruction(struct selector *s) {
  struct str target;
  if (accept(s, ")"))
    return 0;
  int code = read_literal(s, &target);
  return code || accept(s, ")") ? code : fail(s, "The selector lacks a )");
}

static int read_step(struct selector *s, struct step *step) {
  int code = 0;
  bool is_last = false;
  if (accept(s, "@")) {
    step->kind = STEP_ATTRIBUTE;
    code = read_name(s, true, &step->name);
    is_last = true;
  } else if (accept(s, "namespace::")) {
    step->kind = STEP_NAMESPACE;
    step->name.local = read_word(s);
    is_last = true;
  } else if (accept(s, "text()")) {
    step->kind = STEP_TEXT;
  } else if (accept(s, "comment()")) {
    step->kind = STEP_COMMENT;
  } else if (accept(s, "processing-instruction(")) {
    step->kind = STEP_NONE; /* the tree has none */
    code = read_instruction(s);
  } else {
    code = read_name(s, false, &step->name);
  }
  while (code == 0 && !is_last && accept(s, "[")) {
    if (step->predicates_n == PREDICATES_MAX)
      return fail(s, "A step of the selector has too many conditions");
    code = read_predicate(s, &step->predicates[step->predicates_n++]);
  }
  if (code == 0 && step->kind != STEP_ELEMENT && s->at < s->text.n)
    return fail(s, "The selector goes on behind what has no children");
  return code;
}

static int read_selector(struct selector *s) {
  int code = 0;
  s->steps = ARENA_ARRAY(s->arena, struct step, STEPS_MAX);
  if (!s->steps)
    return err_no_memory(s->err);
  s->has_id = accept(s, "id(");
  if (s->has_id) {
    code = read_literal(s, &s->id);
    if (code == 0 && !accept(s, ")"))
      return fail(s, "The selector lacks a )");
    if (code || s->at == s->text.n)
      return code;
    if (!accept(s, "/"))
      return fail(s, "Steps of the selector are separated by /");
  } else {
    accept(s, "/");
  }
  do {
    if (s->n == STEPS_MAX)
      return fail(s, "The selector has too many steps");
    code = read_step(s, &s->steps[s->n++]);
  } while (code == 0 && accept(s, "/"));
  if (code == 0 && s->at < s->text.n)
    return fail(s, "The selector has something that XML Patch does not know");
  return code;
}

/* ---- Finding --------------------------------------------------------------------------------- */

struct search_run {
  const struct selector *selector;
  int64_t *steps_left;
  struct patch_target target; /* the first found */
  size_t found_n;
};

static bool has_name(const struct name *name, struct str ns, struct str local) {
  return name->is_any || (str_equal(name->local, local) && str_equal(name->ns, ns));
}

static bool is_element(const struct xml_node *node, const struct name *name) {
  return node->kind == XML_ELEMENT && has_name(name, node->ns, node->name);
}

/* Takes the text of `node` off the front of `*rest`; false where it is another. */
static bool take_text(struct search_run *run, const struct xml_node *node, struct str *rest) {
  if (--*run->steps_left < 0)
    return false;
  if (node->kind == XML_TEXT) {
    if (!str_starts_with(*rest, node->text))
      return false;
    *rest = str_slice(*rest, node->text.n, rest->n);
    return true;
  }
  for (const struct xml_node *at = node->first_child; at; at = at->next)
    if (at->kind != XML_COMMENT && !take_text(run, at, rest))
      return false;
  return true;
}

static bool has_text(struct search_run *run, const struct xml_node *node, struct str literal) {
  if (node->kind != XML_ELEMENT)
    return str_equal(node->text, literal);
  struct str rest = literal;
  return take_text(run, node, &rest) && rest.n == 0;
}

static bool has_value(struct search_run *run, const struct predicate *predicate,
                      const struct xml_node *node) {
  if (!predicate->is_attribute)
    return has_text(run, node, predicate->literal);
  for (const struct xml_attribute *at = node->attributes; at; at = at->next)
    if (has_name(&predicate->attribute, at->ns, at->name) &&
        str_equal(at->value, predicate->literal))
      return true;
  return false;
}

/* Does anything that the path of the predicate leads to have the value? */
static bool holds(struct search_run *run, const struct predicate *predicate, size_t depth,
                  const struct xml_node *node) {
  if (depth == predicate->names_n)
    return has_value(run, predicate, node);
  for (const struct xml_node *at = node->first_child; at; at = at->next)
    if (--*run->steps_left >= 0 && is_element(at, &predicate->names[depth]) &&
        holds(run, predicate, depth + 1, at))
      return true;
  return false;
}

/* `counts`: how many have come as far as each predicate. */
static bool passes(struct search_run *run, const struct step *step, const struct xml_node *node,
                   size_t *counts) {
  for (size_t i = 0; i < step->predicates_n; i++) {
    const struct predicate *predicate = &step->predicates[i];
    counts[i]++;
    if (predicate->position ? counts[i] != predicate->position : !holds(run, predicate, 0, node))
      return false;
  }
  return true;
}

static void found(struct search_run *run, struct patch_target target) {
  if (run->found_n++ == 0)
    run->target = target;
}

static void find_attribute(struct search_run *run, const struct step *step,
                           struct xml_node *context) {
  for (struct xml_attribute *at = context->attributes; at && step->kind == STEP_ATTRIBUTE;
       at = at->next)
    if (has_name(&step->name, at->ns, at->name))
      found(run, (struct patch_target){.node = context, .attribute = at});
  for (struct xml_namespace *at = context->namespaces; at && step->kind == STEP_NAMESPACE;
       at = at->next)
    if (str_equal(step->name.local, at->prefix))
      found(run, (struct patch_target){.node = context, .declaration = at});
}

static bool is_of_kind(const struct step *step, const struct xml_node *node) {
  switch (step->kind) {
  case STEP_ELEMENT:
    return is_element(node, &step->name);
  case STEP_TEXT:
    return node->kind == XML_TEXT;
  case STEP_COMMENT:
    return node->kind == XML_COMMENT;
  case STEP_ATTRIBUTE:
  case STEP_NAMESPACE:
  case STEP_NONE:
    break;
  }
  return false;
}

/* More than one is as many as two. The depth is that of the selector. */
static void follow(struct search_run *run, size_t number, struct xml_node *context) {
  if (number == run->selector->n) {
    found(run, (struct patch_target){.node = context});
    return;
  }
  const struct step *step = &run->selector->steps[number];
  size_t counts[PREDICATES_MAX] = {0};
  if (step->kind == STEP_ATTRIBUTE || step->kind == STEP_NAMESPACE) {
    find_attribute(run, step, context);
    return;
  }
  for (struct xml_node *at = context->first_child; at && run->found_n < 2; at = at->next)
    if (--*run->steps_left >= 0 && is_of_kind(step, at) && passes(run, step, at, counts))
      follow(run, number + 1, at);
}

/* Elements by their attribute id; the depth of the tree is limited. */
static void find_id(struct search_run *run, struct xml_node *node) {
  struct str id = xml_attribute_value(node, STR("id"));
  if (id.p && str_equal(id, run->selector->id))
    follow(run, 0, node);
  for (struct xml_node *at = node->first_child; at && run->found_n < 2; at = at->next)
    if (at->kind == XML_ELEMENT && --*run->steps_left >= 0)
      find_id(run, at);
}

int patch_select(struct arena *arena, const struct xml_node *scope, struct str selector,
                 struct xml_node *document, int64_t *steps_left, struct patch_target *ret_target,
                 struct err *reterr) {
  struct selector s = {.arena = arena, .scope = scope, .text = str_trim(selector), .err = reterr};
  struct search_run run = {.selector = &s, .steps_left = steps_left};
  if (selector.n > SELECTOR_MAX_BYTES)
    return err_set(reterr, ERR_TOO_LONG, "", "The selector is too long.");
  int code = read_selector(&s);
  if (code)
    return code;
  if (s.has_id)
    find_id(&run, document);
  else
    follow(&run, 0, document);
  if (*steps_left < 0)
    return err_set(reterr, ERR_TOO_COSTLY, "", "The patch takes more work than the limit allows.");
  if (run.found_n != 1)
    return err_set(reterr, ERR_UNPROCESSABLE, "", "The selector leads to %s.",
                   run.found_n == 0 ? "nothing" : "more than one place");
  *ret_target = run.target;
  return 0;
}
