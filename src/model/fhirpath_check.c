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

/* Functions whose result has the types of what they are called on. */
static bool keeps_types(const char *name) {
  static const char *const names[] = {"where", "first",  "last",     "tail",    "skip",     "take",
                                      "trace", "single", "distinct", "exclude", "intersect"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

static bool is_lambda(const char *name) {
  return strcmp(name, "where") == 0 || strcmp(name, "exists") == 0 || strcmp(name, "all") == 0 ||
         strcmp(name, "select") == 0;
}

static int infer_call(struct checker *c, const struct fhirpath_node *node,
                      const struct types *focus, struct types *ret_types) {
  const char *name = node->function->name;
  struct types result = UNKNOWN;
  if (node->function->flags & FHIRPATH_TAKES_TYPE) {
    *ret_types = UNKNOWN;
    if (node->spec.type && strcmp(name, "is") != 0)
      *ret_types = (struct types){.p = {node->spec.type}, .n = 1};
    return 0;
  }
  if (is_lambda(name) && node->args_n > 0) {
    int code = infer(c, node->args[0], focus, focus, &result);
    if (code < 0)
      return code;
  }
  if (strcmp(name, "extension") == 0)
    result = (struct types){.p = {defs_type_by_name(STR("Extension"))}, .n = 1};
  else if (strcmp(name, "select") != 0)
    result = keeps_types(name) ? *focus : UNKNOWN;
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
    return infer_member(c, node, focus, ret_types);
  case FHIRPATH_OP_CALL:
    return infer_call(c, node, focus, ret_types);
  case FHIRPATH_OP_DOT:
    code = infer(c, node->args[0], focus, this_, &left);
    return code < 0 ? code : infer(c, node->args[1], &left, this_, ret_types);
  case FHIRPATH_OP_INDEXER:
    return infer(c, node->args[0], focus, this_, ret_types);
  default:
    return infer_binary(c, node, focus, this_, ret_types);
  }
}

/* The check recurses along the nodes: what has more of them is let through. */
#define CHECKED_NODES_MAX 1000

int fhirpath_compile_strict(struct arena *arena, struct str text, defs_type_id type,
                            const struct fhirpath **ret_program, struct err *reterr) {
  const struct fhirpath *program;
  int code = fhirpath_compile(arena, text, type, &program, reterr);
  if (code < 0)
    return code;
  struct checker c = {.program = program, .err = reterr};
  struct types root = {.p = {type}, .n = 1}, result;
  if (!is_open(type) && program->nodes_n <= CHECKED_NODES_MAX)
    code = infer(&c, (uint32_t)(program->nodes_n - 1), &root, &root, &result);
  if (code == 0)
    *ret_program = program;
  return code;
}
