/*
 * Fields with one key in the answer: are they one field?
 *
 * Where objects of one type may have both, name, arguments and the directives that shape the answer
 * must be the same; where the types exclude each other, only the shape. An exception that FHIR's
 * page asks for: `resource(type: A)` beside `resource(type: B)`.
 *
 * Spec: GraphQL, October 2021, 5.3.2. Each field is looked at once per place that it is put into,
 * and compared with one field per type, so that the work is in proportion to the checked weight.
 */
#include "service/graphql_check.h"

#include "base/map.h"

struct spot {
  const struct graphql_selection *field;
  struct schema_type scope; /* of the selection set around it; SCHEMA_NONE: not known */
};

struct group {
  VEC(struct spot) spots;
};

struct merge {
  struct arena *arena;
  const struct graphql_document *document;
  struct graphql_place *ret_place;
  struct err *reterr;
};

bool graphql_same_value(const struct graphql_value *a, const struct graphql_value *b) {
  if (a->kind != b->kind || !str_equal(a->text, b->text) || a->n != b->n)
    return false;
  for (size_t i = 0; i < a->n; i++) {
    if (a->kind == GRAPHQL_LIST && !graphql_same_value(&a->items[i], &b->items[i]))
      return false;
    if (a->kind != GRAPHQL_OBJECT)
      continue;
    const struct graphql_argument *other = graphql_argument(b->fields, b->n, a->fields[i].name);
    if (!other || !graphql_same_value(&a->fields[i].value, &other->value))
      return false;
  }
  return true;
}

static bool same_arguments(const struct graphql_argument *a, size_t a_n,
                           const struct graphql_argument *b, size_t b_n) {
  struct graphql_value x = {.kind = GRAPHQL_OBJECT, .fields = a, .n = a_n};
  struct graphql_value y = {.kind = GRAPHQL_OBJECT, .fields = b, .n = b_n};
  return graphql_same_value(&x, &y);
}

static bool same_shaping(const struct graphql_selection *a, const struct graphql_selection *b) {
  static const char *const names[] = {"flatten", "first", "singleton", "slice"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const struct graphql_directive *x = graphql_directive(a->directives, names[i]);
    const struct graphql_directive *y = graphql_directive(b->directives, names[i]);
    if (!x != !y ||
        (x && !same_arguments(x->arguments, x->arguments_n, y->arguments, y->arguments_n)))
      return false;
  }
  return true;
}

/* resource(type: A) { .. } resource(type: B) { .. } */
static bool are_by_type(const struct graphql_selection *a, const struct graphql_selection *b) {
  return str_is(a->name, "resource") && str_is(b->name, "resource") &&
         graphql_argument(a->arguments, a->arguments_n, STR("type")) &&
         graphql_argument(b->arguments, b->arguments_n, STR("type"));
}

static bool same_shape(const struct spot *a, const struct spot *b) {
  struct schema_field x, y;
  if (!schema_find_field(a->scope, true, a->field->name, &x) ||
      !schema_find_field(b->scope, true, b->field->name, &y))
    return true;
  if (x.is_list != y.is_list || schema_is_leaf(x.type) != schema_is_leaf(y.type))
    return false;
  return !schema_is_leaf(x.type) || schema_same(x.type, y.type);
}

static bool can_be_one(const struct spot *a, const struct spot *b) {
  bool may_meet = a->scope.kind == SCHEMA_NONE || b->scope.kind == SCHEMA_NONE ||
                  schema_overlaps(a->scope, b->scope);
  if (!may_meet)
    return same_shape(a, b) && same_shaping(a->field, b->field);
  return str_equal(a->field->name, b->field->name) && same_shaping(a->field, b->field) &&
         (are_by_type(a->field, b->field) ||
          same_arguments(a->field->arguments, a->field->arguments_n, b->field->arguments,
                         b->field->arguments_n));
}

static int add_spot(struct merge *m, struct map *groups, const struct graphql_selection *field,
                    struct schema_type scope) {
  struct group *group = map_get(groups, field->alias);
  if (!group) {
    group = ARENA_NEW(m->arena, struct group);
    if (!group || map_set(groups, field->alias, group) != 0)
      return err_no_memory(m->reterr);
  }
  struct spot *spot = VEC_PUSH(m->arena, &group->spots);
  if (!spot)
    return err_no_memory(m->reterr);
  *spot = (struct spot){field, scope};
  return 0;
}

static int collect(struct merge *m, struct map *groups, struct graphql_selections selections,
                   struct schema_type scope) {
  int code = 0;
  for (size_t i = 0; i < selections.n && code == 0; i++) {
    const struct graphql_selection *s = &selections.p[i];
    const struct graphql_fragment *fragment;
    if (s->kind == GRAPHQL_FIELD) {
      code = add_spot(m, groups, s, scope);
    } else if (s->kind == GRAPHQL_INLINE) {
      code = collect(m, groups, s->selections,
                     s->name.n ? schema_type_by_name(m->arena, s->name) : scope);
    } else if ((fragment = graphql_fragment(m->document, s->name)) != NULL) {
      code =
          collect(m, groups, fragment->selections, schema_type_by_name(m->arena, fragment->type));
    }
  }
  return code;
}

/* Compares each field with the first of every scope. */
static int compare(struct merge *m, const struct group *group) {
  VEC(const struct spot *) firsts = {0};
  for (size_t i = 0; i < group->spots.n; i++) {
    const struct spot *spot = &group->spots.p[i];
    bool is_new_scope = true;
    for (size_t k = 0; k < firsts.n; k++) {
      if (!can_be_one(firsts.p[k], spot)) {
        *m->ret_place = spot->field->place;
        return err_set(m->reterr, ERR_VALUE, "",
                       "'%.*s' stands for two different things (line %u and here): give one of "
                       "them an alias.",
                       STR_ARG(str_slice(spot->field->alias, 0, 60)),
                       firsts.p[k]->field->place.line);
      }
      is_new_scope = is_new_scope && !schema_same(firsts.p[k]->scope, spot->scope);
    }
    if (!is_new_scope)
      continue;
    const struct spot **place = VEC_PUSH(m->arena, &firsts);
    if (!place)
      return err_no_memory(m->reterr);
    *place = spot;
  }
  return 0;
}

static struct schema_type type_below(const struct spot *spot) {
  struct schema_field field;
  if (spot->scope.kind == SCHEMA_NONE ||
      !schema_find_field(spot->scope, true, spot->field->name, &field))
    return SCHEMA_TYPE_NONE;
  return schema_is_interface(field.type) ? SCHEMA_TYPE_NONE : field.type;
}

static int check_group(struct merge *m, const struct group *group);

static int check_groups(struct merge *m, const struct map *groups) {
  int code = 0;
  for (size_t i = 0; i < groups->n && code == 0; i++)
    code = check_group(m, groups->entries[i].value);
  return code;
}

static int check_group(struct merge *m, const struct group *group) {
  struct map below;
  int code = compare(m, group);
  map_init(&below, m->arena);
  for (size_t i = 0; i < group->spots.n && code == 0; i++)
    code = collect(m, &below, group->spots.p[i].field->selections, type_below(&group->spots.p[i]));
  return code ? code : check_groups(m, &below);
}

int graphql_check_merging(struct arena *arena, const struct graphql_document *document,
                          struct schema_type root, const struct graphql_operation *operation,
                          struct graphql_place *ret_place, struct err *reterr) {
  struct merge merge = {arena, document, ret_place, reterr};
  struct map groups;
  map_init(&groups, arena);
  int code = collect(&merge, &groups, operation->selections, root);
  return code ? code : check_groups(&merge, &groups);
}
