#include "service/graphql_check.h"

#include <stdarg.h>

#include "base/nearest.h"
#include "model/fhirpath.h"

/* The types that an object may have: one, or all resources where the schema says Resource. */
struct types {
  const struct schema_type *p;
  size_t n;
};

/* What a fragment is, put in place. */
struct weight {
  enum { WEIGHT_UNKNOWN, WEIGHT_BEING_TAKEN, WEIGHT_KNOWN } state;
  size_t fields;
  unsigned depth;
};

struct check {
  struct arena *arena;
  const struct graphql_document *document;
  const struct graphql_check_options *options;
  const struct graphql_operation *operation;
  struct graphql_faults *faults;
  struct types resources;
  struct weight *weights; /* of each fragment */
  bool *is_checked;       /* each fragment */
  bool *is_variable_used; /* each variable of the operation */
  int code;               /* of the first fault */
};

static int report(struct check *c, struct graphql_place place, const struct err *err) {
  if (!c->code)
    c->code = (int)err->code;
  if (c->faults->list.n == GRAPHQL_FAULTS_MAX)
    return c->code;
  struct graphql_fault *fault = VEC_PUSH(c->arena, &c->faults->list);
  if (fault)
    *fault = (struct graphql_fault){.err = *err, .place = place};
  return c->code;
}

__attribute__((format(printf, 4, 5))) static void fault(struct check *c, struct graphql_place place,
                                                        int code, const char *format, ...) {
  struct err err;
  char text[240];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  (void)!err_set(&err, (enum err_code)code, "", "%s", text);
  report(c, place, &err);
}

static struct str cut(struct str s) {
  return str_slice(s, 0, 60);
}

static bool is_full(const struct check *c) {
  return c->faults->list.n == GRAPHQL_FAULTS_MAX || arena_is_exhausted(c->arena);
}

const struct graphql_fragment *graphql_fragment(const struct graphql_document *document,
                                                struct str name) {
  for (size_t i = 0; i < document->fragments_n; i++)
    if (str_equal(document->fragments[i].name, name))
      return &document->fragments[i];
  return NULL;
}

/* ---- Names of operations and fragments ------------------------------------------------------- */

static void check_names(struct check *c) {
  const struct graphql_document *d = c->document;
  for (size_t i = 0; i < d->operations_n && !is_full(c); i++) {
    if (d->operations[i].name.n == 0 && d->operations_n > 1)
      fault(c, d->operations[i].place, ERR_STRUCTURE,
            "An operation without a name must be the only one.");
    for (size_t k = 0; k < i && d->operations[i].name.n; k++)
      if (str_equal(d->operations[i].name, d->operations[k].name))
        fault(c, d->operations[i].place, ERR_STRUCTURE, "There are two operations '%.*s'.",
              STR_ARG(cut(d->operations[i].name)));
  }
  for (size_t i = 0; i < d->fragments_n && !is_full(c); i++)
    for (size_t k = 0; k < i; k++)
      if (str_equal(d->fragments[i].name, d->fragments[k].name))
        fault(c, d->fragments[i].place, ERR_STRUCTURE, "There are two fragments '%.*s'.",
              STR_ARG(cut(d->fragments[i].name)));
}

static void choose_operation(struct check *c) {
  const struct graphql_document *d = c->document;
  struct str name = c->options->operation;
  for (size_t i = 0; i < d->operations_n; i++)
    if (name.n ? str_equal(d->operations[i].name, name) : d->operations_n == 1)
      c->operation = &d->operations[i];
  if (!c->operation) {
    struct graphql_place nowhere = {0, 0};
    if (name.n)
      fault(c, nowhere, ERR_VALUE, "There is no operation '%.*s'.", STR_ARG(cut(name)));
    else
      fault(c, nowhere, ERR_REQUIRED, "Say by operationName which of the operations is to run.");
  } else if (c->operation->kind != GRAPHQL_QUERY) {
    fault(c, c->operation->place, ERR_NOT_SUPPORTED,
          "Only queries are supported: change data by FHIR's create, update, patch and delete.");
  }
}

/* ---- What the fragments make of it ------------------------------------------------------------
 */

static void weigh(struct check *c, struct graphql_selections selections, unsigned level,
                  struct weight *weight);

static void weigh_fragment(struct check *c, const struct graphql_selection *spread, unsigned level,
                           struct weight *weight) {
  const struct graphql_fragment *fragment = graphql_fragment(c->document, spread->name);
  if (!fragment) {
    struct nearest nearest = nearest_to(spread->name);
    for (size_t i = 0; i < c->document->fragments_n; i++)
      nearest_consider(&nearest, c->document->fragments[i].name);
    fault(c, spread->place, ERR_VALUE, "There is no fragment '%.*s'%s%.*s.",
          STR_ARG(cut(spread->name)), nearest.name.n ? "; the nearest is " : "",
          STR_ARG(nearest.name));
    return;
  }
  struct weight *known = &c->weights[fragment - c->document->fragments];
  if (known->state == WEIGHT_BEING_TAKEN) {
    fault(c, spread->place, ERR_STRUCTURE, "The fragment '%.*s' holds itself.",
          STR_ARG(cut(spread->name)));
    return;
  }
  if (known->state == WEIGHT_UNKNOWN) {
    known->state = WEIGHT_BEING_TAKEN;
    weigh(c, fragment->selections, level + 1, known);
    known->state = WEIGHT_KNOWN;
  }
  weight->fields += known->fields;
  if (known->depth + 1 > weight->depth)
    weight->depth = known->depth + 1;
}

/* Adds to `weight`; stops at the first fault, and where it is more than can be allowed. */
static void weigh(struct check *c, struct graphql_selections selections, unsigned level,
                  struct weight *weight) {
  if (level > c->options->depth_max) {
    fault(c, selections.p[0].place, ERR_TOO_COSTLY, "A query nests at most %u levels.",
          c->options->depth_max);
    return;
  }
  for (size_t i = 0; i < selections.n && !c->code; i++) {
    const struct graphql_selection *s = &selections.p[i];
    struct weight inner = {.depth = 0};
    weight->fields++;
    if (s->kind == GRAPHQL_SPREAD)
      weigh_fragment(c, s, level, &inner);
    else if (s->selections.n > 0)
      weigh(c, s->selections, level + 1, &inner);
    weight->fields += inner.fields;
    if (inner.depth + 1 > weight->depth)
      weight->depth = inner.depth + 1;
    if (!c->code && weight->fields > c->options->fields_max)
      fault(c, s->place, ERR_TOO_COSTLY,
            "A query selects at most %zu fields, fragments put in place.", c->options->fields_max);
    else if (!c->code && weight->depth > c->options->depth_max)
      fault(c, s->place, ERR_TOO_COSTLY, "A query nests at most %u levels.", c->options->depth_max);
  }
}

/* Marks as reached what any operation reaches; the rest is a fault. */
static void mark_reached(struct check *c, struct graphql_selections selections, bool *is_reached) {
  for (size_t i = 0; i < selections.n; i++) {
    const struct graphql_selection *s = &selections.p[i];
    const struct graphql_fragment *fragment =
        s->kind == GRAPHQL_SPREAD ? graphql_fragment(c->document, s->name) : NULL;
    if (fragment && !is_reached[fragment - c->document->fragments]) {
      is_reached[fragment - c->document->fragments] = true;
      mark_reached(c, fragment->selections, is_reached);
    } else if (s->selections.n > 0) {
      mark_reached(c, s->selections, is_reached);
    }
  }
}

static void check_weight(struct check *c) {
  const struct graphql_document *d = c->document;
  bool *is_reached = ARENA_ARRAY(c->arena, bool, d->fragments_n + 1);
  if (!is_reached)
    return;
  for (size_t i = 0; i < d->operations_n && !c->code; i++) {
    struct weight weight = {.depth = 0};
    weigh(c, d->operations[i].selections, 1, &weight);
  }
  /* Only now is it known that no chain of fragments is too deep to walk. */
  for (size_t i = 0; i < d->operations_n && !c->code; i++)
    mark_reached(c, d->operations[i].selections, is_reached);
  for (size_t i = 0; i < d->fragments_n && !c->code; i++)
    if (!is_reached[i])
      fault(c, d->fragments[i].place, ERR_VALUE, "The fragment '%.*s' is not used.",
            STR_ARG(cut(d->fragments[i].name)));
}

/* ---- Values ---------------------------------------------------------------------------------- */

enum schema_class schema_class_of(struct schema_type type) {
  if (type.kind != SCHEMA_SCALAR)
    return SCHEMA_CLASS_TEXT;
  if (type.id == SCHEMA_BOOLEAN)
    return SCHEMA_CLASS_BOOLEAN;
  if (type.id == SCHEMA_INT)
    return SCHEMA_CLASS_INT;
  return type.id == SCHEMA_FLOAT ? SCHEMA_CLASS_NUMBER : SCHEMA_CLASS_TEXT;
}

bool graphql_value_fits(enum graphql_value_kind kind, struct schema_type type) {
  switch (schema_class_of(type)) {
  case SCHEMA_CLASS_BOOLEAN:
    return kind == GRAPHQL_BOOLEAN;
  case SCHEMA_CLASS_INT:
    return kind == GRAPHQL_INT;
  case SCHEMA_CLASS_NUMBER:
    return kind == GRAPHQL_INT || kind == GRAPHQL_FLOAT;
  case SCHEMA_CLASS_TEXT:
    break;
  }
  return kind == GRAPHQL_STRING || kind == GRAPHQL_ENUM || kind == GRAPHQL_INT ||
         kind == GRAPHQL_FLOAT || kind == GRAPHQL_BOOLEAN;
}

static bool class_fits(struct schema_type given, struct schema_type wanted) {
  enum schema_class from = schema_class_of(given), to = schema_class_of(wanted);
  return from == to || to == SCHEMA_CLASS_TEXT ||
         (to == SCHEMA_CLASS_NUMBER && from == SCHEMA_CLASS_INT);
}

static void check_variable_use(struct check *c, const struct graphql_value *value,
                               const struct schema_argument *wanted) {
  for (size_t i = 0; i < c->operation->variables_n; i++) {
    const struct graphql_variable *v = &c->operation->variables[i];
    if (!str_equal(v->name, value->text))
      continue;
    const struct graphql_type *named = v->type.item ? v->type.item : &v->type;
    c->is_variable_used[i] = true;
    if (!named->name.n || (v->type.item && !wanted->is_list) ||
        !class_fits(schema_type_by_name(c->arena, named->name), wanted->type))
      fault(c, value->place, ERR_VALUE, "The variable '%.*s' is not of the type of '%.*s'.",
            STR_ARG(cut(v->name)), STR_ARG(wanted->name));
    else if (wanted->is_required && !v->type.is_required && !v->has_default)
      fault(c, value->place, ERR_VALUE, "The variable '%.*s' may be null, '%.*s' may not.",
            STR_ARG(cut(v->name)), STR_ARG(wanted->name));
    return;
  }
  fault(c, value->place, ERR_VALUE, "The variable '%.*s' is not declared.",
        STR_ARG(cut(value->text)));
}

static void check_value(struct check *c, const struct graphql_value *value,
                        const struct schema_argument *wanted, bool is_item) {
  if (value->kind == GRAPHQL_VARIABLE) {
    check_variable_use(c, value, wanted);
  } else if (value->kind == GRAPHQL_LIST && wanted->is_list && !is_item) {
    for (size_t i = 0; i < value->n && !is_full(c); i++)
      check_value(c, &value->items[i], wanted, true);
  } else if (value->kind == GRAPHQL_NULL) {
    if (wanted->is_required || is_item)
      fault(c, value->place, ERR_VALUE, "'%.*s' can't be null.", STR_ARG(wanted->name));
  } else if (!graphql_value_fits(value->kind, wanted->type)) {
    struct str type = schema_type_name(c->arena, wanted->type);
    fault(c, value->place, ERR_VALUE, "'%.*s' takes %s%.*s.", STR_ARG(wanted->name),
          wanted->is_list ? "a list of " : "a value of type ", STR_ARG(type));
  }
}

static void check_arguments(struct check *c, struct graphql_place place, struct str owner,
                            const struct graphql_argument *given, size_t given_n,
                            struct schema_arguments known) {
  for (size_t i = 0; i < given_n && !is_full(c); i++) {
    const struct schema_argument *wanted = NULL;
    struct nearest nearest = nearest_to(given[i].name);
    for (size_t k = 0; k < known.n; k++) {
      if (str_equal(known.p[k].name, given[i].name))
        wanted = &known.p[k];
      nearest_consider(&nearest, known.p[k].name);
    }
    if (wanted)
      check_value(c, &given[i].value, wanted, false);
    else
      fault(c, given[i].place, ERR_VALUE, "'%.*s' has no argument '%.*s'%s%.*s.",
            STR_ARG(cut(owner)), STR_ARG(cut(given[i].name)),
            nearest.name.n ? "; the nearest is " : "", STR_ARG(nearest.name));
  }
  for (size_t k = 0; k < known.n; k++)
    if (known.p[k].is_required && !graphql_argument(given, given_n, known.p[k].name))
      fault(c, place, ERR_REQUIRED, "'%.*s' needs the argument '%.*s'.", STR_ARG(cut(owner)),
            STR_ARG(known.p[k].name));
}

/* ---- Directives ------------------------------------------------------------------------------ */

static const struct graphql_directive_facts directives[] = {
    {"skip", GRAPHQL_ON_FIELD | GRAPHQL_ON_FRAGMENT, "if", NULL, SCHEMA_BOOLEAN,
     "Leaves it out if the argument is true."},
    {"include", GRAPHQL_ON_FIELD | GRAPHQL_ON_FRAGMENT, "if", NULL, SCHEMA_BOOLEAN,
     "Leaves it out unless the argument is true."},
    {"flatten", GRAPHQL_ON_FIELD, NULL, NULL, SCHEMA_STRING,
     "The fields below stand in the place of this one."},
    {"first", GRAPHQL_ON_FIELD, NULL, NULL, SCHEMA_STRING, "Only the first of several."},
    {"singleton", GRAPHQL_ON_FIELD, NULL, NULL, SCHEMA_STRING,
     "One value, not a list, below @flatten."},
    {"slice", GRAPHQL_ON_FIELD, "path", "fhirpath", SCHEMA_STRING,
     "Appends '.' and what the FHIRPath (or $index) gives to the names."},
};
#define DIRECTIVES_N (sizeof directives / sizeof directives[0])

const struct graphql_directive_facts *graphql_directive_table(size_t *ret_n) {
  *ret_n = DIRECTIVES_N;
  return directives;
}

static void check_directive(struct check *c, const struct graphql_directive *directive,
                            unsigned place) {
  struct nearest nearest = nearest_to(directive->name);
  for (size_t i = 0; i < DIRECTIVES_N; i++) {
    nearest_consider(&nearest, str_of(directives[i].name));
    if (!str_is(directive->name, directives[i].name))
      continue;
    if (!(directives[i].places & place))
      fault(c, directive->place, ERR_VALUE, "@%s can't stand here.", directives[i].name);
    const char *argument = directives[i].argument;
    if (directives[i].other_argument &&
        graphql_argument(directive->arguments, directive->arguments_n,
                         str_of(directives[i].other_argument)))
      argument = directives[i].other_argument;
    struct schema_argument wanted = {.name = str_of(argument),
                                     .type = {SCHEMA_SCALAR, (uint16_t)directives[i].type},
                                     .is_required = true};
    check_arguments(c, directive->place, directive->name, directive->arguments,
                    directive->arguments_n, (struct schema_arguments){&wanted, argument ? 1 : 0});
    return;
  }
  fault(c, directive->place, ERR_VALUE, "There is no directive @%.*s%s%.*s.",
        STR_ARG(cut(directive->name)), nearest.name.n ? "; the nearest is @" : "",
        STR_ARG(nearest.name));
}

static void check_directives(struct check *c, struct graphql_directives given, unsigned place) {
  for (size_t i = 0; i < given.n && !is_full(c); i++) {
    check_directive(c, &given.p[i], place);
    for (size_t k = 0; k < i; k++)
      if (str_equal(given.p[i].name, given.p[k].name)) {
        fault(c, given.p[i].place, ERR_STRUCTURE, "@%.*s stands twice on one place.",
              STR_ARG(cut(given.p[i].name)));
        return;
      }
  }
}

/* ---- Fields ---------------------------------------------------------------------------------- */

static void check_selections(struct check *c, struct types parents,
                             struct graphql_selections selections);

static struct types one_type(struct check *c, struct schema_type type) {
  struct schema_type *place = ARENA_NEW(c->arena, struct schema_type);
  if (!place)
    return (struct types){NULL, 0};
  *place = type;
  return (struct types){place, 1};
}

/* The interface stands for all that implement it: what one of them has may be asked for. */
static struct types spread_out(struct check *c, struct schema_type type) {
  return schema_is_interface(type) ? c->resources : one_type(c, type);
}

static void unknown_field(struct check *c, struct types parents,
                          const struct graphql_selection *s) {
  struct nearest nearest = nearest_to(s->name);
  for (size_t i = 0; i < parents.n && i < 4; i++) {
    struct schema_fields fields;
    struct err err;
    if (schema_list_fields(c->arena, parents.p[i], &fields, &err) != 0)
      return;
    for (size_t k = 0; k < fields.n; k++)
      nearest_consider(&nearest, fields.p[k].name);
  }
  struct str type = parents.n == 1 ? schema_type_name(c->arena, parents.p[0]) : STR("Resource");
  fault(c, s->place, ERR_VALUE, "%.*s has no field '%.*s'%s%.*s.", STR_ARG(type),
        STR_ARG(cut(s->name)), nearest.name.n ? "; the nearest is " : "", STR_ARG(nearest.name));
}

/* The types that `resource(type: ..)` names, where it names them in the query itself. */
static struct types named_types(struct check *c, const struct graphql_selection *s) {
  const struct graphql_argument *type = graphql_argument(s->arguments, s->arguments_n, STR("type"));
  VEC(struct schema_type) types = {0};
  if (!type || type->value.kind == GRAPHQL_VARIABLE || type->value.kind == GRAPHQL_NULL)
    return c->resources;
  bool is_list = type->value.kind == GRAPHQL_LIST;
  for (size_t i = 0; i < (is_list ? type->value.n : 1); i++) {
    const struct graphql_value *value = is_list ? &type->value.items[i] : &type->value;
    defs_type_id id = defs_type_by_name(value->text);
    if (value->kind == GRAPHQL_VARIABLE)
      return c->resources;
    if (!id || !defs_is_resource(defs_type(id))) {
      fault(c, value->place, ERR_VALUE, "'%.*s' is not a type of resource.",
            STR_ARG(cut(value->text)));
      return c->resources;
    }
    struct schema_type *place = VEC_PUSH(c->arena, &types);
    if (place)
      *place = (struct schema_type){SCHEMA_FHIR, id};
  }
  return (struct types){types.p, types.n};
}

static bool has_type(const struct schema_type *types, size_t n, struct schema_type type) {
  for (size_t i = 0; i < n; i++)
    if (schema_same(types[i], type))
      return true;
  return false;
}

/* A FHIRPath in the query itself is compiled here, so that its faults come before any work. */
static void check_fhirpath(struct check *c, const struct graphql_value *value,
                           struct schema_type type) {
  const struct fhirpath *program;
  struct err err;
  if (value->kind != GRAPHQL_STRING || str_is(value->text, "$index"))
    return;
  if (fhirpath_compile(c->arena, value->text, type.kind == SCHEMA_FHIR ? type.id : 0, &program,
                       &err) != 0)
    report(c, value->place, &err);
}

static void check_field_directives(struct check *c, const struct graphql_selection *s,
                                   const struct schema_field *field) {
  check_directives(c, s->directives, GRAPHQL_ON_FIELD);
  const struct graphql_directive *slice = graphql_directive(s->directives, "slice");
  for (size_t i = 0; slice && i < slice->arguments_n; i++)
    check_fhirpath(c, &slice->arguments[i].value, field->type);
  if (graphql_directive(s->directives, "flatten") && s->selections.n == 0)
    fault(c, s->place, ERR_VALUE, "@flatten needs fields below '%.*s'.", STR_ARG(cut(s->name)));
}

/* `_reference` must name a parameter that can lead to one of the parents. */
static void check_reference(struct check *c, struct types parents,
                            const struct graphql_selection *s, const struct schema_field *field) {
  const struct graphql_argument *given =
      graphql_argument(s->arguments, s->arguments_n, STR("_reference"));
  struct schema_arguments known;
  struct err err;
  if (!given || given->value.kind == GRAPHQL_VARIABLE ||
      schema_list_arguments(c->arena, field, &known, &err) != 0)
    return;
  for (size_t i = 0; i < known.n; i++) {
    const struct defs_param *param = known.p[i].param ? defs_param(known.p[i].param) : NULL;
    if (!param || param->type != SEARCH_REFERENCE ||
        (!str_equal(known.p[i].name, given->value.text) &&
         !str_equal(param->code, given->value.text)))
      continue;
    for (uint32_t k = 0; k < param->targets_n; k++)
      if (has_type(parents.p, parents.n,
                   (struct schema_type){SCHEMA_FHIR, defs_target(param->first_target + k)}))
        return;
    if (param->targets_n == 0)
      return;
  }
  fault(c, given->value.place, ERR_VALUE,
        "'%.*s' is no reference of %.*s that leads to this type of resource.",
        STR_ARG(cut(given->value.text)), STR_ARG(defs_type(field->type.id)->name));
}

static void check_field_arguments(struct check *c, struct types parents,
                                  const struct graphql_selection *s,
                                  const struct schema_field *field) {
  struct schema_arguments known = {NULL, 0};
  struct err err;
  bool may_need = field->kind == SCHEMA_FIELD_READ || field->kind == SCHEMA_FIELD_META_TYPE ||
                  field->is_reverse;
  if (s->arguments_n == 0 && !may_need)
    return;
  if (schema_list_arguments(c->arena, field, &known, &err) != 0)
    return;
  check_arguments(c, s->place, s->name, s->arguments, s->arguments_n, known);
  const struct graphql_argument *path =
      graphql_argument(s->arguments, s->arguments_n, STR("fhirpath"));
  if (path)
    check_fhirpath(c, &path->value, (struct schema_type){SCHEMA_FHIR, field->type.id});
  if (field->is_reverse)
    check_reference(c, parents, s, field);
}

static void check_field(struct check *c, struct types parents, const struct graphql_selection *s) {
  struct schema_type *children = ARENA_ARRAY(c->arena, struct schema_type, parents.n + 1);
  struct schema_field field = {0}, one;
  size_t leaves_n = 0, children_n = 0;
  if (!children)
    return;
  for (size_t i = 0; i < parents.n; i++) {
    if (!schema_find_field(parents.p[i], schema_same(parents.p[i], c->options->root), s->name,
                           &one))
      continue;
    if (!field.name.n || (schema_is_leaf(field.type) && !schema_is_leaf(one.type)))
      field = one;
    if (schema_is_leaf(one.type))
      leaves_n++;
    else if (!has_type(children, children_n, one.type))
      children[children_n++] = one.type;
  }
  if (!field.name.n) {
    unknown_field(c, parents, s);
    return;
  }
  check_field_arguments(c, parents, s, &field);
  check_field_directives(c, s, &field);
  if (s->selections.n == 0 && leaves_n == 0) {
    struct str type = schema_type_name(c->arena, field.type);
    fault(c, s->place, ERR_REQUIRED, "'%.*s' is of type %.*s: say which fields of it.",
          STR_ARG(cut(s->name)), STR_ARG(type));
  } else if (s->selections.n > 0 && children_n == 0) {
    fault(c, s->place, ERR_VALUE, "'%.*s' is a value without fields.", STR_ARG(cut(s->name)));
  } else if (s->selections.n > 0) {
    bool is_interface = children_n == 1 && schema_is_interface(children[0]);
    check_selections(c, is_interface ? named_types(c, s) : (struct types){children, children_n},
                     s->selections);
  }
}

/* ---- Fragments ------------------------------------------------------------------------------- */

static bool overlaps_any(struct types parents, struct schema_type type) {
  for (size_t i = 0; i < parents.n; i++)
    if (schema_overlaps(parents.p[i], type))
      return true;
  return false;
}

/* The type of a condition; SCHEMA_NONE after a fault. */
static struct schema_type condition_type(struct check *c, struct types parents,
                                         struct graphql_place place, struct str name) {
  struct schema_type type = schema_type_by_name(c->arena, name);
  if (type.kind == SCHEMA_NONE || schema_is_leaf(type)) {
    fault(c, place, ERR_VALUE, "'%.*s' is not a type with fields.", STR_ARG(cut(name)));
    return SCHEMA_TYPE_NONE;
  }
  if (!overlaps_any(parents, type)) {
    fault(c, place, ERR_VALUE, "What is here is never of type '%.*s'.", STR_ARG(cut(name)));
    return SCHEMA_TYPE_NONE;
  }
  return type;
}

static void check_inline(struct check *c, struct types parents, const struct graphql_selection *s) {
  check_directives(c, s->directives, GRAPHQL_ON_FRAGMENT);
  if (s->name.n == 0) {
    check_selections(c, parents, s->selections);
    return;
  }
  struct schema_type type = condition_type(c, parents, s->place, s->name);
  if (type.kind != SCHEMA_NONE)
    check_selections(c, schema_is_interface(type) ? parents : one_type(c, type), s->selections);
}

static void check_spread(struct check *c, struct types parents, const struct graphql_selection *s) {
  const struct graphql_fragment *fragment = graphql_fragment(c->document, s->name);
  check_directives(c, s->directives, GRAPHQL_ON_FRAGMENT);
  if (!fragment)
    return; /* was said when it was weighed */
  struct schema_type type = condition_type(c, parents, s->place, fragment->type);
  bool *is_checked = &c->is_checked[fragment - c->document->fragments];
  if (type.kind == SCHEMA_NONE || *is_checked)
    return;
  *is_checked = true;
  check_directives(c, fragment->directives, 0);
  check_selections(c, spread_out(c, type), fragment->selections);
}

static void check_selections(struct check *c, struct types parents,
                             struct graphql_selections selections) {
  for (size_t i = 0; i < selections.n && !is_full(c); i++) {
    const struct graphql_selection *s = &selections.p[i];
    if (s->kind == GRAPHQL_FIELD)
      check_field(c, parents, s);
    else if (s->kind == GRAPHQL_INLINE)
      check_inline(c, parents, s);
    else
      check_spread(c, parents, s);
  }
}

/* ---- Variables ------------------------------------------------------------------------------- */

static void check_variables(struct check *c) {
  for (size_t i = 0; i < c->operation->variables_n && !is_full(c); i++) {
    const struct graphql_variable *v = &c->operation->variables[i];
    const struct graphql_type *named = &v->type;
    while (named->item)
      named = named->item;
    struct schema_type type = schema_type_by_name(c->arena, named->name);
    if (!schema_is_leaf(type))
      fault(c, named->place, ERR_VALUE, "'%.*s' is not a type that a variable can have.",
            STR_ARG(cut(named->name)));
    check_directives(c, v->directives, 0);
    for (size_t k = 0; k < i; k++)
      if (str_equal(v->name, c->operation->variables[k].name))
        fault(c, v->place, ERR_STRUCTURE, "The variable '%.*s' is declared twice.",
              STR_ARG(cut(v->name)));
    struct schema_argument wanted = {.name = v->name,
                                     .type = type,
                                     .is_list = v->type.item != NULL,
                                     .is_required = v->type.is_required};
    if (v->has_default && schema_is_leaf(type))
      check_value(c, &v->value, &wanted, false);
  }
}

static void check_use_of_variables(struct check *c) {
  for (size_t i = 0; i < c->operation->variables_n && !c->code; i++)
    if (!c->is_variable_used[i])
      fault(c, c->operation->variables[i].place, ERR_VALUE, "The variable '%.*s' is not used.",
            STR_ARG(cut(c->operation->variables[i].name)));
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int prepare(struct check *c, struct err *reterr) {
  const struct graphql_document *d = c->document;
  VEC(struct schema_type) resources = {0};
  for (size_t id = 1; id <= defs_types_count(); id++) {
    if (!defs_is_resource(defs_type((defs_type_id)id)))
      continue;
    struct schema_type *place = VEC_PUSH(c->arena, &resources);
    if (!place)
      return err_no_memory(reterr);
    *place = (struct schema_type){SCHEMA_FHIR, (uint16_t)id};
  }
  c->resources = (struct types){resources.p, resources.n};
  c->weights = ARENA_ARRAY(c->arena, struct weight, d->fragments_n + 1);
  c->is_checked = ARENA_ARRAY(c->arena, bool, d->fragments_n + 1);
  return c->weights && c->is_checked ? 0 : err_no_memory(reterr);
}

/* Names are compared each with each, so that there may not be too many. */
#define DEFINITIONS_MAX 500

static int check_document(struct check *c, struct err *reterr) {
  if (c->document->fragments_n + c->document->operations_n > DEFINITIONS_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "", "A query has at most %d operations and fragments.",
                   DEFINITIONS_MAX);
  check_names(c);
  if (!c->code)
    choose_operation(c);
  if (!c->code)
    check_weight(c);
  if (c->code)
    return 0;
  if (c->operation->variables_n > DEFINITIONS_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "", "A query has at most %d variables.",
                   DEFINITIONS_MAX);
  c->is_variable_used = ARENA_ARRAY(c->arena, bool, c->operation->variables_n + 1);
  if (!c->is_variable_used)
    return err_no_memory(reterr);
  check_variables(c);
  check_directives(c, c->operation->directives, 0);
  check_selections(c, one_type(c, c->options->root), c->operation->selections);
  check_use_of_variables(c);
  if (!c->code) {
    struct graphql_place place = {0, 0};
    struct err err = {0};
    if (graphql_check_merging(c->arena, c->document, c->options->root, c->operation, &place,
                              &err) != 0)
      report(c, place, &err);
  }
  return 0;
}

int graphql_check(struct arena *arena, const struct graphql_document *document,
                  const struct graphql_check_options *options,
                  const struct graphql_operation **ret_operation, struct graphql_faults *faults,
                  struct err *reterr) {
  struct check check = {.arena = arena, .document = document, .options = options, .faults = faults};
  int code = prepare(&check, reterr);
  if (code == 0)
    code = check_document(&check, reterr);
  if (code)
    return code;
  if (arena_is_exhausted(arena))
    return err_no_memory(reterr);
  if (check.code) {
    *reterr = faults->list.p[0].err;
    return check.code;
  }
  *ret_operation = check.operation;
  return 0;
}
