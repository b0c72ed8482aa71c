/* The v2 dictionary as JSON -> tables of src/format/v2_dictionary_tables.h. */
#include "emit.h"
#include "format/v2_dictionary_tables.h"
#include "tool.h"

/* A segment or data type while it is put together: its definition in each version. */
#define VERSIONS_MAX 32
#define GROUPS_MAX 1024
struct source {
  struct str name;
  const struct yyjson_val *fields[VERSIONS_MAX];
  const struct yyjson_val *newest;
};

struct groups {
  struct v2_group *p;
  size_t n;
};

struct v2_compile {
  struct arena *arena;
  VEC(struct str) versions;
  struct groups segments, types;
  VEC(struct v2_run) runs;
  VEC(uint32_t) refs;
  VEC(struct v2_field) fields;
  struct map field_ids; /* by content: index + 1 */
  VEC(struct v2_table) tables;
  VEC(struct v2_code) codes;
  struct map event_names;
  VEC(struct str) events;
  struct emit emit;
};

static uint32_t number_of(const struct yyjson_val *v) {
  uint64_t value;
  if (!v)
    return 0;
  return str_to_u64(json_text(v), &value) && value <= UINT32_MAX ? (uint32_t)value : 0;
}

enum { OPTIONALITY_REQUIRED = 2, REPETITIONS_ONE = 1 };

/* The index of the field's facts; equal facts share one. */
static uint32_t field_id(struct v2_compile *c, const struct yyjson_val *source) {
  struct v2_field field = {
      .name = str_trim(json_get_text(source, STR("desc"))),
      .data_type = str_trim(json_get_text(source, STR("datatype"))),
      .table = (uint16_t)number_of(json_get(source, STR("table"))),
      .max_length = number_of(json_get(source, STR("len"))),
      .is_required = number_of(json_get(source, STR("opt"))) == OPTIONALITY_REQUIRED,
      .repeats = number_of(json_get(source, STR("rep"))) != REPETITIONS_ONE,
  };
  struct str key =
      arena_printf(c->arena, "%.*s|%.*s|%u|%u|%d|%d", STR_ARG(field.data_type), STR_ARG(field.name),
                   field.table, field.max_length, field.is_required, field.repeats);
  uint32_t known = get_number(&c->field_ids, key);
  if (known)
    return known - 1;
  *PUSH(c, &c->fields) = field;
  set_number(&c->field_ids, key, (uint32_t)c->fields.n);
  return (uint32_t)(c->fields.n - 1);
}

/* The new run's references end the table; where the run before has the same, they are dropped. */
static void share_refs(struct v2_compile *c, struct v2_run *run, const struct v2_run *before) {
  if (before->refs_n != run->refs_n ||
      memcmp(&c->refs.p[before->first_ref], &c->refs.p[run->first_ref],
             run->refs_n * sizeof *c->refs.p) != 0)
    return;
  c->refs.n = run->first_ref;
  run->first_ref = before->first_ref;
}

static struct v2_group make_group(struct v2_compile *c, const struct source *source) {
  struct v2_group group = {.name = source->name,
                           .description = str_trim(json_get_text(source->newest, STR("desc"))),
                           .first_run = (uint32_t)c->runs.n};
  for (uint32_t v = 0; v < c->versions.n; v++) {
    if (!source->fields[v])
      continue;
    struct v2_run run = {.version = v, .first_ref = (uint32_t)c->refs.n};
    struct json_each each = json_each(source->fields[v]);
    while (json_next(&each))
      *PUSH(c, &c->refs) = field_id(c, each.value);
    run.refs_n = (uint32_t)(c->refs.n - run.first_ref);
    if (group.runs_n > 0 && run.refs_n > 0)
      share_refs(c, &run, &c->runs.p[c->runs.n - 1]);
    *PUSH(c, &c->runs) = run;
    group.runs_n++;
  }
  return group;
}

static int by_source_name(const void *a, const void *b) {
  return str_compare(((const struct source *)a)->name, ((const struct source *)b)->name);
}

/* All of one kind ("segments" with "fields", "fields" with "subfields") over the versions. */
static struct groups compile_groups(struct v2_compile *c, const struct yyjson_val *definitions,
                                    struct str kind, struct str members) {
  struct map places;
  map_init(&places, c->arena);
  size_t n = 0;
  struct source *sources = require_memory(ARENA_ARRAY(c->arena, struct source, GROUPS_MAX));
  struct json_each versions = json_each(definitions);
  while (json_next(&versions)) {
    struct json_each each = json_each(json_get(versions.value, kind));
    while (json_next(&each)) {
      size_t at = get_number(&places, each.name);
      if (!at) {
        if (n == GROUPS_MAX)
          fail("the dictionary has more than %d %.*s", GROUPS_MAX, STR_ARG(kind));
        sources[n].name = each.name;
        at = ++n;
        set_number(&places, each.name, (uint32_t)at);
      }
      sources[at - 1].fields[versions.index] = json_get(each.value, members);
      sources[at - 1].newest = each.value;
    }
  }
  qsort(sources, n, sizeof *sources, by_source_name);
  struct groups groups = {.p = require_memory(ARENA_ARRAY(c->arena, struct v2_group, n)), .n = n};
  for (size_t i = 0; i < n; i++)
    groups.p[i] = make_group(c, &sources[i]);
  return groups;
}

static int by_number(const void *a, const void *b) {
  const struct v2_table *left = a, *right = b;
  return (left->number > right->number) - (left->number < right->number);
}

static int by_code(const void *a, const void *b) {
  return str_compare(((const struct v2_code *)a)->code, ((const struct v2_code *)b)->code);
}

static void compile_tables(struct v2_compile *c, const struct yyjson_val *tables) {
  struct json_each each = json_each(tables);
  while (json_next(&each)) {
    uint64_t number;
    if (!str_to_u64(each.name, &number) || number > UINT16_MAX)
      fail("'%.*s' is not the number of a table", STR_ARG(each.name));
    struct v2_table table = {.name = str_trim(json_get_text(each.value, STR("desc"))),
                             .number = (uint32_t)number,
                             .first_code = (uint32_t)c->codes.n};
    struct json_each codes = json_each(json_get(each.value, STR("values")));
    while (json_next(&codes))
      *PUSH(c, &c->codes) =
          (struct v2_code){.code = codes.name, .display = str_trim(json_text(codes.value))};
    table.codes_n = (uint32_t)(c->codes.n - table.first_code);
    if (table.codes_n > 0)
      qsort(&c->codes.p[table.first_code], table.codes_n, sizeof *c->codes.p, by_code);
    *PUSH(c, &c->tables) = table;
  }
  qsort(c->tables.p, c->tables.n, sizeof *c->tables.p, by_number);
}

static int by_text(const void *a, const void *b) {
  return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* Table 354 lists the events of a structure: "ADT_A01": "A01, A04, A08, A13". */
static void add_structure_events(struct v2_compile *c, const struct yyjson_val *structures) {
  struct json_each each = json_each(structures);
  while (json_next(&each)) {
    ssize_t end = str_find_char(each.name, '_', 0);
    struct str type = end < 0 ? each.name : str_slice(each.name, 0, (size_t)end);
    struct str rest = json_text(each.value), event;
    while (str_split(&rest, ',', &event)) {
      event = str_trim(event);
      if (event.n == 3)
        set_number(&c->event_names,
                   arena_printf(c->arena, "%.*s_%.*s", STR_ARG(type), STR_ARG(event)), 1);
    }
  }
}

/* The messages of every version, and what the table of structures adds. */
static void compile_events(struct v2_compile *c, const struct yyjson_val *root) {
  struct json_each versions = json_each(json_get(root, STR("definitions")));
  while (json_next(&versions)) {
    struct json_each each = json_each(json_get(versions.value, STR("messages")));
    while (json_next(&each))
      set_number(&c->event_names, each.name, 1);
  }
  const struct yyjson_val *structures = json_get(json_get(root, STR("tables")), STR("354"));
  add_structure_events(c, json_get(structures, STR("values")));
  for (size_t i = 0; i < c->event_names.n; i++)
    *PUSH(c, &c->events) = c->event_names.entries[i].key;
  qsort(c->events.p, c->events.n, sizeof *c->events.p, by_text);
}

#define AT(type, member) offsetof(struct type, member)

static void emit_all(struct v2_compile *c) {
  EMIT(&c->emit, "v2_versions_", c->versions, 0);
  EMIT(&c->emit, "v2_segments_", c->segments, AT(v2_group, name), AT(v2_group, description));
  EMIT(&c->emit, "v2_types_", c->types, AT(v2_group, name), AT(v2_group, description));
  EMIT_PLAIN(&c->emit, "v2_runs_", c->runs);
  EMIT_PLAIN(&c->emit, "v2_refs_", c->refs);
  EMIT(&c->emit, "v2_fields_", c->fields, AT(v2_field, name), AT(v2_field, data_type));
  EMIT(&c->emit, "v2_tables_", c->tables, AT(v2_table, name));
  EMIT(&c->emit, "v2_codes_", c->codes, AT(v2_code, code), AT(v2_code, display));
  EMIT(&c->emit, "v2_events_", c->events, 0);
  emit_number(&c->emit, "v2_versions_n_", c->versions.n);
  emit_number(&c->emit, "v2_segments_n_", c->segments.n);
  emit_number(&c->emit, "v2_types_n_", c->types.n);
  emit_number(&c->emit, "v2_tables_n_", c->tables.n);
  emit_number(&c->emit, "v2_events_n_", c->events.n);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s DICTIONARY.json OUT.S OUT.pool\n", argv[0]);
    return 2;
  }
  struct v2_compile c = {.arena = tool_arena()};
  emit_init(&c.emit, c.arena, "v2_pool_");
  map_init(&c.field_ids, c.arena);
  map_init(&c.event_names, c.arena);
  const struct yyjson_val *root = load_json(c.arena, argv[1]);
  const struct yyjson_val *definitions = json_get(root, STR("definitions"));
  struct json_each each = json_each(definitions);
  while (json_next(&each)) /* the dictionary has them in order */
    *PUSH(&c, &c.versions) = each.name;
  if (c.versions.n == 0 || c.versions.n > VERSIONS_MAX)
    fail("%s holds %zu versions", argv[1], c.versions.n);
  c.segments = compile_groups(&c, definitions, STR("segments"), STR("fields"));
  c.types = compile_groups(&c, definitions, STR("fields"), STR("subfields"));
  compile_tables(&c, json_get(root, STR("tables")));
  compile_events(&c, root);
  emit_all(&c);
  int code = emit_write(&c.emit, argv[2], argv[3]);
  arena_free(c.arena);
  return code < 0 ? 1 : 0;
}
