/*
 * Plans: the selections that apply to objects of one type, merged by their key in the answer.
 *
 * CollectFields of the specification (6.3.2) depends only on the type of the object and on the
 * variables, so that it is done once per type and not once per object.
 */
#include "service/graphql_internal.h"

/* ---- @skip and @include ---------------------------------------------------------------------- */

static bool is_true(const struct graphql_run *run, const struct graphql_directive *directive) {
  const struct graphql_value *value =
      graphql_argument_value(run, directive->arguments, directive->arguments_n, "if");
  return value && str_is(value->text, "true");
}

static bool is_wanted(const struct graphql_run *run, const struct graphql_selection *s) {
  const struct graphql_directive *skip = graphql_directive(s->directives, "skip");
  const struct graphql_directive *include = graphql_directive(s->directives, "include");
  return !(skip && is_true(run, skip)) && !(include && !is_true(run, include));
}

/* ---- What a field needs before it can be run ------------------------------------------------- */

static int compile(struct graphql_run *run, const struct graphql_value *text,
                   struct schema_type type, const struct fhirpath **ret_program,
                   struct err *reterr) {
  return fhirpath_compile(run->arena, text->text, type.kind == SCHEMA_FHIR ? type.id : 0,
                          ret_program, reterr);
}

static int read_slice(struct graphql_run *run, struct plan_field *field, struct err *reterr) {
  const struct graphql_directive *slice = graphql_directive(field->node->directives, "slice");
  if (!slice)
    return 0;
  const struct graphql_value *path =
      graphql_argument_value(run, slice->arguments, slice->arguments_n, "path");
  if (!path)
    path = graphql_argument_value(run, slice->arguments, slice->arguments_n, "fhirpath");
  if (!path)
    return err_set(reterr, ERR_REQUIRED, "", "@slice needs a FHIRPath.");
  field->is_sliced = true;
  return str_is(path->text, "$index")
             ? 0
             : compile(run, path, field->field.type, &field->slice, reterr);
}

static int read_number(const struct graphql_run *run, const struct plan_field *field,
                       const char *name, size_t *ret_number, struct err *reterr) {
  uint64_t number;
  const struct graphql_value *value =
      graphql_argument_value(run, field->node->arguments, field->node->arguments_n, name);
  if (!value)
    return 0;
  if (!str_to_u64(value->text, &number))
    return err_set(reterr, ERR_VALUE, "", "'%s' is a number from 0.", name);
  *ret_number = (size_t)number;
  return 0;
}

static int read_filters(struct graphql_run *run, struct plan_field *field, struct err *reterr) {
  struct schema_arguments known;
  int code = field->field.kind == SCHEMA_FIELD_PROPERTY && field->node->arguments_n > 0
                 ? schema_list_arguments(run->arena, &field->field, &known, reterr)
                 : 1;
  if (code)
    return code > 0 ? 0 : code;
  for (size_t i = 0; i < field->node->arguments_n; i++) {
    const struct graphql_argument *given = &field->node->arguments[i];
    const struct graphql_value *value = graphql_resolve(run, &given->value);
    for (size_t k = 0; k < known.n && value; k++) {
      if (!known.p[k].property || !str_equal(known.p[k].name, given->name))
        continue;
      struct filter *filter = VEC_PUSH(run->arena, &field->filters);
      if (!filter)
        return err_no_memory(reterr);
      *filter = (struct filter){known.p[k].property, value};
    }
  }
  return 0;
}

static int read_arguments(struct graphql_run *run, struct plan_field *field, struct err *reterr) {
  const struct graphql_selection *node = field->node;
  const struct graphql_value *where =
      graphql_argument_value(run, node->arguments, node->arguments_n, "fhirpath");
  struct schema_type type = {SCHEMA_FHIR, field->field.type.id};
  int code = where ? compile(run, where, type, &field->where, reterr) : 0;
  code = code ? code : read_slice(run, field, reterr);
  code = code ? code : read_filters(run, field, reterr);
  code = code ? code : read_number(run, field, "_offset", &field->offset, reterr);
  return code ? code : read_number(run, field, "_count", &field->count, reterr);
}

/* ---- Collecting ------------------------------------------------------------------------------ */

/* The field of this key that is there; two `resource(type: ..)` of different types are two. */
static struct plan_field *find_same(const struct plan *plan, const struct graphql_selection *s) {
  struct graphql_value given = {
      .kind = GRAPHQL_OBJECT, .fields = s->arguments, .n = s->arguments_n};
  for (size_t i = 0; i < plan->fields.n; i++) {
    struct plan_field *field = plan->fields.p[i];
    struct graphql_value own = {
        .kind = GRAPHQL_OBJECT, .fields = field->node->arguments, .n = field->node->arguments_n};
    if (str_equal(field->key, s->alias) &&
        (field->field.kind != SCHEMA_FIELD_RESOURCE || graphql_same_value(&own, &given)))
      return field;
  }
  return NULL;
}

static int add_node(struct graphql_run *run, struct plan *plan, const struct graphql_selection *s,
                    struct err *reterr) {
  struct plan_field *field = find_same(plan, s);
  if (!field) {
    struct schema_field found;
    /* A field of another resource, asked for through the interface. */
    if (!schema_find_field(plan->type, schema_same(plan->type, run->root), s->name, &found))
      return 0;
    struct plan_field **place = VEC_PUSH(run->arena, &plan->fields);
    field = ARENA_NEW(run->arena, struct plan_field);
    if (!place || !field)
      return err_no_memory(reterr);
    *place = field;
    *field = (struct plan_field){.key = s->alias,
                                 .field = found,
                                 .node = s,
                                 .count = SIZE_MAX,
                                 .is_flat = graphql_directive(s->directives, "flatten"),
                                 .is_first = graphql_directive(s->directives, "first"),
                                 .is_singleton = graphql_directive(s->directives, "singleton")};
    run->place = s->place;
    int code = read_arguments(run, field, reterr);
    if (code)
      return code;
  }
  const struct graphql_selection **node = VEC_PUSH(run->arena, &field->nodes);
  if (!node)
    return err_no_memory(reterr);
  *node = s;
  return 0;
}

static int collect(struct graphql_run *run, struct plan *plan, struct graphql_selections selections,
                   struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < selections.n && code == 0; i++) {
    const struct graphql_selection *s = &selections.p[i];
    struct graphql_selections inner = s->selections;
    struct str condition = s->name;
    if (!is_wanted(run, s))
      continue;
    if (s->kind == GRAPHQL_FIELD) {
      code = add_node(run, plan, s, reterr);
      continue;
    }
    if (s->kind == GRAPHQL_SPREAD) {
      const struct graphql_fragment *fragment = graphql_fragment(run->document, s->name);
      inner = fragment->selections;
      condition = fragment->type;
    }
    if (condition.n == 0 || schema_is_a(plan->type, schema_type_by_name(run->arena, condition)))
      code = collect(run, plan, inner, reterr);
  }
  return code;
}

static struct plan *new_plan(struct graphql_run *run, struct schema_type type) {
  struct plan *plan = ARENA_NEW(run->arena, struct plan);
  if (plan)
    plan->type = type;
  return plan;
}

int graphql_plan_root(struct graphql_run *run, const struct plan **ret_plan, struct err *reterr) {
  struct plan *plan = new_plan(run, run->root);
  if (!plan)
    return err_no_memory(reterr);
  *ret_plan = plan;
  return collect(run, plan, run->operation->selections, reterr);
}

int graphql_plan_below(struct graphql_run *run, struct plan_field *field, struct schema_type type,
                       const struct plan **ret_plan, struct err *reterr) {
  for (size_t i = 0; i < field->below.n; i++)
    if (schema_same(field->below.p[i]->type, type)) {
      *ret_plan = field->below.p[i];
      return 0;
    }
  struct plan **place = VEC_PUSH(run->arena, &field->below);
  struct plan *plan = new_plan(run, type);
  if (!place || !plan)
    return err_no_memory(reterr);
  *place = plan;
  *ret_plan = plan;
  int code = 0;
  for (size_t i = 0; i < field->nodes.n && code == 0; i++)
    code = collect(run, plan, field->nodes.p[i]->selections, reterr);
  return code;
}
