#include "service/graphql_output.h"

/* From so many members on, an object finds them by a table. */
#define INDEX_FROM 16

struct output_member *output_find(const struct output_object *object, struct str key) {
  if (object->index)
    return map_get(object->index, key);
  for (size_t i = 0; i < object->members.n; i++)
    if (str_equal(object->members.p[i]->key, key))
      return object->members.p[i];
  return NULL;
}

static int add_member(struct arena *arena, struct output_object *object,
                      struct output_member *member) {
  struct output_member **place = VEC_PUSH(arena, &object->members);
  if (!place)
    return -1;
  *place = member;
  if (object->index)
    return map_set(object->index, member->key, member);
  if (object->members.n < INDEX_FROM)
    return 0;
  struct map *index = ARENA_NEW(arena, struct map);
  if (!index)
    return -1;
  map_init(index, arena);
  for (size_t i = 0; i < object->members.n; i++)
    if (map_set(index, object->members.p[i]->key, object->members.p[i]) != 0)
      return -1;
  object->index = index;
  return 0;
}

int output_member(struct arena *arena, struct output_object *object, struct str key,
                  enum output_form form, struct schema_type type, struct output_member **ret_member,
                  struct err *reterr) {
  struct output_member *member = output_find(object, key);
  if (member && !schema_same(member->type, type) && !schema_overlaps(member->type, type))
    return err_set(reterr, ERR_VALUE, "", "Values of different types come together as '%.*s'.",
                   STR_ARG(str_slice(key, 0, 60)));
  if (member) {
    if (member->form == OUTPUT_ONE)
      member->form = form;
    *ret_member = member;
    return 0;
  }
  member = ARENA_NEW(arena, struct output_member);
  if (!member)
    return err_no_memory(reterr);
  *member = (struct output_member){.key = key, .form = form, .type = type};
  *ret_member = member;
  return add_member(arena, object, member) != 0 ? err_no_memory(reterr) : 0;
}

int output_add(struct arena *arena, struct output_member *member, struct output value,
               struct err *reterr) {
  if (member->form == OUTPUT_SINGLETON && member->n == 1)
    return err_set(reterr, ERR_VALUE, "", "@singleton: '%.*s' has more than one value.",
                   STR_ARG(str_slice(member->key, 0, 60)));
  struct output *place = &member->first;
  if (member->n > 0)
    place = VEC_PUSH(arena, &member->more);
  if (!place)
    return err_no_memory(reterr);
  *place = value;
  member->n++;
  return 0;
}

static void write_one(struct json_writer *w, const struct output *value) {
  switch (value->kind) {
  case OUTPUT_NULL:
    json_null(w);
    return;
  case OUTPUT_JSON:
    json_value(w, value->node);
    return;
  case OUTPUT_TEXT:
    json_string(w, value->text);
    return;
  case OUTPUT_NUMBER:
    json_int(w, value->number);
    return;
  case OUTPUT_BOOLEAN:
    json_bool(w, value->number != 0);
    return;
  case OUTPUT_OBJECT:
    output_write(w, value->object);
    return;
  }
}

void output_write(struct json_writer *w, const struct output_object *object) {
  json_begin_object(w);
  for (size_t i = 0; i < object->members.n; i++) {
    const struct output_member *member = object->members.p[i];
    bool is_list = member->form == OUTPUT_LIST || member->n > 1;
    json_key(w, member->key);
    if (is_list)
      json_begin_array(w);
    else if (member->n == 0)
      json_null(w);
    for (size_t k = 0; k < member->n; k++)
      write_one(w, k == 0 ? &member->first : &member->more.p[k - 1]);
    if (is_list)
      json_end_array(w);
  }
  json_end_object(w);
}
