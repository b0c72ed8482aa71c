/*
 * Names checked against types when an expression is compiled: `name.given1` on a Patient is
 * refused, not empty for ever.
 *
 * A node's static type is the set of FHIR types that its items can have, or unknown; only a name
 * that none of a known set has is a fault. So what can't be followed is let through.
 *
 * Spec: FHIRPath 2.0.0, section 11 (type safety and strict evaluation).
 */
#include "model/fhirpath_program.h"

#define TYPES_MAX 64

struct types {
  defs_type_id p[TYPES_MAX];
  size_t n;
  bool is_unknown;
  bool is_unordered; /* what children() and descendants() give, and what is reached from there */
};

struct checker {
  const struct fhirpath *program;
  struct err *err;
};

static const struct types UNKNOWN = {.is_unknown = true};

static int infer(struct checker *c, uint32_t index, const struct types *focus,
                 const struct types *this_, struct types *ret_types);

static void add_type(struct types *types, defs_type_id type) {
  for (size_t i = 0; i < types->n; i++)
    if (types->p[i] == type)
      return;
  if (types->n == TYPES_MAX)
    types->is_unknown = true;
  else
    types->p[types->n++] = type;
}

/* Any resource may stand where an abstract one is declared; a primitive's children are rarely
 * known. */
static bool is_open(defs_type_id type) {
  const struct defs_type *t = defs_type(type);
  return type == 0 || t->is_abstract || t->kind == DEFS_KIND_PRIMITIVE || t->kind == DEFS_KIND_NONE;
}

/* The types that the element `name` of `type` can have. */
static void add_element(struct types *types, defs_type_id type, struct str name) {
  size_t n;
  const struct defs_property *all = defs_properties_of(type, &n);
  for (size_t i = 0; i < n; i++)
    if (str_equal(defs_element(all[i].element)->name, name))
      add_type(types, all[i].type);
}

static bool are_related(const struct types *focus, defs_type_id type) {
  for (size_t i = 0; i < focus->n; i++)
    if (defs_type_is_a(focus->p[i], type) || defs_type_is_a(type, focus->p[i]))
      return true;
  return false;
}

static int infer_member(struct checker *c, const struct fhirpath_node *node,
                        const struct types *focus, struct types *ret_types) {
  struct str name = node->value.text;
  struct types found = {.n = 0};
  *ret_types = UNKNOWN;
  if (focus->is_unknown || focus->n == 0)
    return 0;
  if (node->spec.type) {
    if (!are_related(focus, node->spec.type))
      return fhirpath_syntax_error(c->program->text, node->at, c->err,
                                   "%.*s is not the type that is looked at here (%.*s)",
                                   STR_ARG(name), STR_ARG(defs_type(focus->p[0])->name));
    add_type(&found, node->spec.type);
    *ret_types = found;
    return 0;
  }
  for (size_t i = 0; i < focus->n; i++) {
    if (is_open(focus->p[i]))
      return 0;
    add_element(&found, focus->p[i], name);
  }
  if (found.n == 0)
    return fhirpath_syntax_error(c->program->text, node->at, c->err, "%.*s has no element %.*s",
                                 STR_ARG(defs_type(focus->p[0])->name), STR_ARG(name));
  *ret_types = found;
  return 0;
}

static bool is_one_of(const char *name, const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

/* Functions whose result has the types of what they are called on. */
static bool keeps_types(const char *name) {
  static const char *const names[] = {"where", "first",  "last",     "tail",    "skip",     "take",
                                      "trace", "single", "distinct", "exclude", "intersect"};
  return is_one_of(name, names, sizeof names / sizeof *names);
}

/* Functions whose arguments are seen by each item. */
static bool is_lambda(const char *name) {
  static const char *const names[] = {"where", "exists", "all", "select", "trace"};
  return is_one_of(name, names, sizeof names / sizeof *names);
}

static bool needs_order(const char *name) {
  static const char *const names[] = {"first", "last", "tail", "skip", "take"};
  return is_one_of(name, names, sizeof names / sizeof *names);
}

static bool has_no_order(const char *name) {
  return strcmp(name, "children") == 0 || strcmp(name, "descendants") == 0;
}

static int check_order(struct checker *c, const struct fhirpath_node *node, const char *what,
                       const struct types *focus) {
  return focus->is_unordered
             ? fhirpath_syntax_error(c->program->text, node->at, c->err,
                                     "%s needs an order, which children and descendants don't have",
                                     what)
             : 0;
}

/* The arguments; `*ret_last` is what the last one gives. */
static int infer_arguments(struct checker *c, const struct fhirpath_node *node,
                           const struct types *focus, const struct types *this_,
                           struct types *ret_last) {
  struct types item = is_lambda(node->function->name) ? *focus : *this_;
  bool is_open_lambda = strcmp(node->function->name, "repeat") == 0 ||
                        strcmp(node->function->name, "aggregate") == 0 ||
                        strcmp(node->function->name, "iif") == 0 ||
                        strcmp(node->function->name, "sort") == 0;
  item.is_unordered = false;
  if (is_open_lambda)
    item = UNKNOWN;
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < node->args_n; i++)
    code = infer(c, node->args[i], &item, &item, ret_last);
  return code;
}

static int infer_call(struct checker *c, const struct fhirpath_node *node,
                      const struct types *focus, const struct types *this_,
                      struct types *ret_types) {
  const char *name = node->function->name;
  struct types result = UNKNOWN;
  int code = needs_order(name) ? check_order(c, node, name, focus) : 0;
  if (code < 0)
    return code;
  if (node->function->flags & FHIRPATH_TAKES_TYPE) {
    if (node->spec.type && strcmp(name, "is") != 0)
      result = (struct types){.p = {node->spec.type}, .n = 1};
    result.is_unordered = focus->is_unordered;
    *ret_types = result;
    return 0;
  }
  code = infer_arguments(c, node, focus, this_, &result);
  if (code < 0)
    return code;
  if (strcmp(name, "extension") == 0)
    result = (struct types){.p = {defs_type_by_name(STR("Extension"))}, .n = 1};
  else if (strcmp(name, "select") != 0)
    result = keeps_types(name) ? *focus : UNKNOWN;
  result.is_unordered = has_no_order(name) ||
                        (focus->is_unordered && (keeps_types(name) || strcmp(name, "select") == 0));
  *ret_types = result;
  return 0;
}

static int infer_binary(struct checker *c, const struct fhirpath_node *node,
                        const struct types *focus, const struct types *this_,
                        struct types *ret_types) {
  struct types left, right = UNKNOWN;
  int code = infer(c, node->args[0], focus, this_, &left);
  if (code == 0 && node->args_n > 1)
    code = infer(c, node->args[1], focus, this_, &right);
  if (code < 0)
    return code;
  *ret_types = UNKNOWN;
  if (node->op == FHIRPATH_OP_AS && node->spec.type)
    *ret_types = (struct types){.p = {node->spec.type}, .n = 1};
  if (node->op != FHIRPATH_OP_UNION || left.is_unknown || right.is_unknown)
    return 0;
  for (size_t i = 0; i < right.n; i++)
    add_type(&left, right.p[i]);
  *ret_types = left;
  return 0;
}

static int infer(struct checker *c, uint32_t index, const struct types *focus,
                 const struct types *this_, struct types *ret_types) {
  const struct fhirpath_node *node = &c->program->nodes[index];
  struct types left;
  int code;
  *ret_types = UNKNOWN;
  switch (node->op) {
  case FHIRPATH_OP_EMPTY:
  case FHIRPATH_OP_LITERAL:
  case FHIRPATH_OP_INDEX:
  case FHIRPATH_OP_TOTAL:
  case FHIRPATH_OP_CONSTANT:
    return 0;
  case FHIRPATH_OP_THIS:
    *ret_types = *this_;
    return 0;
  case FHIRPATH_OP_MEMBER:
    code = infer_member(c, node, focus, ret_types);
    ret_types->is_unordered = focus->is_unordered;
    return code;
  case FHIRPATH_OP_CALL:
    return infer_call(c, node, focus, this_, ret_types);
  case FHIRPATH_OP_DOT:
    code = infer(c, node->args[0], focus, this_, &left);
    return code < 0 ? code : infer(c, node->args[1], &left, this_, ret_types);
  case FHIRPATH_OP_INDEXER:
    code = infer(c, node->args[0], focus, this_, ret_types);
    if (code == 0)
      code = infer(c, node->args[1], this_, this_, &left);
    return code < 0 ? code : check_order(c, node, "an index", ret_types);
  default:
    return infer_binary(c, node, focus, this_, ret_types);
  }
}

/* The check recurses along the nodes: what has more of them is let through. */
#define CHECKED_NODES_MAX 1000

int fhirpath_check(const struct fhirpath *program, defs_type_id type, struct err *reterr) {
  struct checker c = {.program = program, .err = reterr};
  struct types root = {.p = {type}, .n = 1}, result;
  if (is_open(type))
    root = UNKNOWN;
  return program->nodes_n <= CHECKED_NODES_MAX
             ? infer(&c, (uint32_t)(program->nodes_n - 1), &root, &root, &result)
             : 0;
}
