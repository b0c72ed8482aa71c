/*
 * What maps take from their sources, worked out once: a run compares it with what a message holds,
 * so that nothing with a value is dropped in silence.
 */
#include "mapping/compile.h"

static uint64_t component_bit(const struct source *source) {
  if (source->segment)
    return 0;
  return UINT64_C(1) << (source->component ? source->component : 1);
}

/* The components of "." that an expression looks at, and those of the fields of `segment`. */
static uint64_t expression_components(const struct maps *maps, uint32_t expression,
                                      uint32_t segment, struct field_set *fields, bool *is_data) {
  const struct expression *e = &maps->expressions.p[expression];
  uint64_t components = 0;
  switch (e->op) {
  case EXPRESSION_SOURCE:
  case EXPRESSION_VALUED:
  case EXPRESSION_LENGTH:
  case EXPRESSION_COUNT:
  case EXPRESSION_WHOLE:
    if (e->source.segment || e->op != EXPRESSION_VALUED || e->source.component)
      components = component_bit(&e->source);
    if (e->op == EXPRESSION_WHOLE && !e->source.segment && !e->source.component)
      components = UINT64_MAX;
    if (e->source.segment == segment && e->source.field < 256)
      fields->bits[e->source.field / 64] |= UINT64_C(1) << e->source.field % 64;
    *is_data = true;
    break;
  default:
    break;
  }
  for (uint32_t child = e->child; child; child = maps->expressions.p[child].next)
    components |= expression_components(maps, child, segment, fields, is_data);
  return components;
}

static void measure_map(struct maps *maps, uint32_t map);

/* Measures the rows [first, end) of a map; what they take of "." is returned. */
static uint64_t measure_rows(struct maps *maps, uint32_t segment, uint32_t first, uint32_t end,
                             struct field_set *looked_at, bool *ret_is_data) {
  uint64_t all = 0;
  for (uint32_t i = first; i < end; i = maps->rows.p[i].end) {
    struct row *row = &maps->rows.p[i];
    bool ignored = false, below_is_data = false;
    uint64_t own = 0;
    struct field_set fields = {0};
    if (row->condition)
      own |= expression_components(maps, row->condition, segment, looked_at, &ignored);
    if (row->expression)
      own |= expression_components(maps, row->expression, segment, &fields, &row->is_data);
    if (row->map)
      measure_map(maps, row->map);
    uint64_t called = row->map ? maps->maps.p[row->map].components : 0;
    uint64_t below = measure_rows(maps, segment, i + 1, row->end, looked_at, &below_is_data);
    if (row->kind == ROW_COPY || row->kind == ROW_MAKE) {
      const struct source *s = &row->source;
      row->is_data = true;
      row->components = called | below;
      bool is_dot = !s->segment && !s->component;
      own |= is_dot && row->components ? row->components : component_bit(s);
    } else {
      row->is_data |= below_is_data || (row->map && maps->maps.p[row->map].is_data);
      own |= below | (row->kind == ROW_INCLUDE ? called : 0);
    }
    *ret_is_data |= row->is_data;
    all |= own;
  }
  return all;
}

static void source_fields(const struct maps *maps, const struct program_map *map,
                          struct field_set *fields) {
  for (uint32_t i = map->first_row; i < map->end_row; i++) {
    const struct row *row = &maps->rows.p[i];
    bool ignored = false;
    if ((row->kind == ROW_COPY || row->kind == ROW_MAKE) && row->source.segment == map->segment)
      fields->bits[row->source.field / 64] |= UINT64_C(1) << row->source.field % 64;
    if (row->expression)
      expression_components(maps, row->expression, map->segment, fields, &ignored);
  }
}

static uint64_t measure_choices_and_keys(struct maps *maps, struct program_map *map,
                                         struct field_set *looked_at) {
  bool ignored = false;
  uint64_t components = 0;
  for (uint32_t i = map->first_choice; i; i = maps->choices.p[i].next) {
    const struct choice *choice = &maps->choices.p[i];
    measure_map(maps, choice->map);
    components |= maps->maps.p[choice->map].components;
    map->is_data |= maps->maps.p[choice->map].is_data;
    if (choice->condition)
      components |=
          expression_components(maps, choice->condition, map->segment, looked_at, &ignored);
  }
  for (uint32_t i = map->first_key; i; i = maps->keys.p[i].next)
    for (uint32_t part = 0; part < maps->keys.p[i].parts_n; part++)
      components |= expression_components(
          maps, maps->key_parts.p[maps->keys.p[i].first_part + part].expression, map->segment,
          looked_at, &ignored);
  return components;
}

static void measure_map(struct maps *maps, uint32_t index) {
  struct program_map *map = &maps->maps.p[index];
  if (map->is_measured)
    return;
  map->is_measured = true; /* before its rows: maps can call each other in circles */
  struct field_set looked_at = {0}, taken = {0};
  map->components |= measure_choices_and_keys(maps, map, &looked_at);
  map->components |=
      measure_rows(maps, map->segment, map->first_row, map->end_row, &looked_at, &map->is_data);
  source_fields(maps, map, &taken);
  for (size_t i = 0; i < 4; i++)
    map->condition_fields.bits[i] |= looked_at.bits[i] & ~taken.bits[i];
}

void compile_measure(struct maps *maps) {
  for (uint32_t i = 1; i < maps->maps.n; i++)
    measure_map(maps, i);
  bool ignored = false;
  struct field_set fields = {0};
  for (uint32_t i = 1; i < maps->items.n; i++)
    measure_rows(maps, 0, maps->items.p[i].first_row, maps->items.p[i].end_row, &fields, &ignored);
}
