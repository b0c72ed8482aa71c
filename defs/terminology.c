/* CodeSystem, ValueSet -> the codes of required value sets, displays, and the resources as JSON. */
#include "fhir.h"

/* A code of a value set while this is put together; the strings go into the pool afterwards. */
struct member {
  struct str code;
  uint16_t system;
};

struct expansion {
  VEC(struct member) members;
  bool is_enumerable;
};

/* Value sets that import value sets: deeper is a circle. */
#define IMPORT_DEPTH_MAX 16

uint16_t value_set_id(struct compile *c, struct str url) {
  uint32_t known = get_number(&c->value_set_ids, url);
  if (known)
    return (uint16_t)known;
  if (c->value_sets.n > UINT16_MAX - 1)
    fail("too many value sets");
  uint16_t id = (uint16_t)c->value_sets.n;
  set_number(&c->value_set_ids, url, id);
  *PUSH(c, &c->value_sets) = (struct defs_value_set){.url = url};
  return id;
}

void index_terminology(struct compile *c, const struct yyjson_val *bundle) {
  struct json_each each = json_each(json_get(bundle, STR("entry")));
  while (json_next(&each)) {
    const struct yyjson_val *resource = json_get(each.value, STR("resource"));
    struct str type = json_get_text(resource, STR("resourceType"));
    struct str url = json_get_text(resource, STR("url"));
    if (str_is(type, "CodeSystem"))
      set_value(&c->code_systems, url, resource);
    else if (str_is(type, "ValueSet"))
      set_value(&c->value_set_resources, url, resource);
  }
}

static int by_url(const void *a, const void *b) {
  const struct defs_system *left = a, *right = b;
  return str_compare(left->url, right->url);
}

/* The systems of all code systems and of what the value sets include; sorted, so that their places
 * are known before anything refers to them. */
static void list_systems(struct compile *c) {
  struct map seen;
  map_init(&seen, c->arena);
  for (size_t i = 0; i < c->code_systems.n; i++)
    set_number(&seen, c->code_systems.entries[i].key, 1);
  for (size_t i = 0; i < c->value_set_resources.n; i++) {
    const struct yyjson_val *compose =
        json_get(c->value_set_resources.entries[i].value, STR("compose"));
    struct json_each each = json_each(json_get(compose, STR("include")));
    while (json_next(&each)) {
      struct str system = json_get_text(each.value, STR("system"));
      if (!str_is_empty(system))
        set_number(&seen, system, 1);
    }
  }
  for (size_t i = 0; i < seen.n; i++)
    *PUSH(c, &c->systems) = (struct defs_system){.url = seen.entries[i].key};
  qsort(c->systems.p + 1, c->systems.n - 1, sizeof *c->systems.p, by_url);
  if (c->systems.n > UINT16_MAX)
    fail("too many code systems");
}

static uint16_t system_id(const struct compile *c, struct str url) {
  const struct defs_system key = {.url = url};
  const struct defs_system *found =
      bsearch(&key, c->systems.p + 1, c->systems.n - 1, sizeof key, by_url);
  return found ? (uint16_t)(found - c->systems.p) : 0;
}

static void add_member(struct compile *c, struct expansion *expansion, struct str code,
                       uint16_t system) {
  *PUSH(c, &expansion->members) = (struct member){code, system};
}

/* All concepts, nested ones too. */
static void add_concepts(struct compile *c, struct expansion *expansion,
                         const struct yyjson_val *concepts, uint16_t system) {
  struct json_each each = json_each(concepts);
  while (json_next(&each)) {
    add_member(c, expansion, json_get_text(each.value, STR("code")), system);
    add_concepts(c, expansion, json_get(each.value, STR("concept")), system);
  }
}

static struct str without_version(struct str canonical) {
  ssize_t bar = str_find_char(canonical, '|', 0);
  return bar < 0 ? canonical : str_slice(canonical, 0, (size_t)bar);
}

static struct expansion expand(struct compile *c, struct str url, unsigned depth);

static bool has_member(const struct expansion *expansion, struct member m) {
  for (size_t i = 0; i < expansion->members.n; i++)
    if (expansion->members.p[i].system == m.system &&
        str_equal(expansion->members.p[i].code, m.code))
      return true;
  return false;
}

/* Keeps the members from `from` on that are (or are not) in `other`. */
static void keep(struct expansion *expansion, size_t from, const struct expansion *other,
                 bool is_in) {
  size_t kept = from;
  for (size_t i = from; i < expansion->members.n; i++)
    if (has_member(other, expansion->members.p[i]) == is_in)
      expansion->members.p[kept++] = expansion->members.p[i];
  expansion->members.n = kept;
}

/* What compose.include or compose.exclude says: a system, its listed concepts, and value sets, all
 * of which must hold. Filters aren't worked out: the set is then open. */
static void add_include(struct compile *c, struct expansion *expansion,
                        const struct yyjson_val *include, unsigned depth) {
  size_t from = expansion->members.n;
  struct str system = json_get_text(include, STR("system"));
  const struct yyjson_val *listed = json_get(include, STR("concept"));
  const struct yyjson_val *code_system = map_get(&c->code_systems, system);
  bool is_whole_system = !str_is_empty(system) && !listed;
  if (json_get(include, STR("filter")) ||
      (is_whole_system && !str_is(json_get_text(code_system, STR("content")), "complete"))) {
    expansion->is_enumerable = false;
    return;
  }
  if (!str_is_empty(system))
    add_concepts(c, expansion, listed ? listed : json_get(code_system, STR("concept")),
                 system_id(c, system));
  struct json_each each = json_each(json_get(include, STR("valueSet")));
  while (json_next(&each)) {
    struct expansion other = expand(c, without_version(json_text(each.value)), depth + 1);
    expansion->is_enumerable &= other.is_enumerable;
    if (each.index > 0 || !str_is_empty(system))
      keep(expansion, from, &other, true);
    else
      for (size_t i = 0; i < other.members.n; i++)
        *PUSH(c, &expansion->members) = other.members.p[i];
  }
}

static struct expansion expand(struct compile *c, struct str url, unsigned depth) {
  struct expansion all = {.is_enumerable = true}, excluded = {.is_enumerable = true};
  const struct yyjson_val *compose =
      json_get(map_get(&c->value_set_resources, url), STR("compose"));
  if (!compose || depth > IMPORT_DEPTH_MAX)
    return (struct expansion){.is_enumerable = false};
  struct json_each each = json_each(json_get(compose, STR("include")));
  while (json_next(&each))
    add_include(c, &all, each.value, depth);
  each = json_each(json_get(compose, STR("exclude")));
  while (json_next(&each))
    add_include(c, &excluded, each.value, depth);
  keep(&all, 0, &excluded, false);
  all.is_enumerable &= excluded.is_enumerable;
  return all;
}

static int by_code(const void *a, const void *b) {
  const struct member *left = a, *right = b;
  int order = str_compare(left->code, right->code);
  return order ? order : (int)left->system - (int)right->system;
}

static void compile_value_set(struct compile *c, struct defs_value_set *value_set) {
  struct expansion expansion = expand(c, value_set->url, 0);
  value_set->is_enumerable = expansion.is_enumerable;
  value_set->codes.first = (uint32_t)c->value_set_codes.n;
  if (!expansion.is_enumerable)
    return;
  if (expansion.members.n == 0)
    fail("%.*s has no codes", STR_ARG(value_set->url));
  qsort(expansion.members.p, expansion.members.n, sizeof *expansion.members.p, by_code);
  for (size_t i = 0; i < expansion.members.n; i++) {
    const struct member *m = &expansion.members.p[i];
    if (i > 0 && by_code(m - 1, m) == 0)
      continue;
    *PUSH(c, &c->value_set_codes) = (struct defs_value_set_code){
        .code = emit_offset(&c->emit, m->code), .code_n = (uint16_t)m->code.n, .system = m->system};
  }
  value_set->codes.n = (uint32_t)(c->value_set_codes.n - value_set->codes.first);
}

struct displayed {
  struct str code, display;
};
struct displays {
  VEC(struct displayed) list;
};

static void add_displays(struct compile *c, struct displays *displays,
                         const struct yyjson_val *concepts) {
  struct json_each each = json_each(concepts);
  while (json_next(&each)) {
    struct displayed d = {json_get_text(each.value, STR("code")),
                          json_get_text(each.value, STR("display"))};
    if (!str_is_empty(d.display) && d.display.n <= UINT16_MAX)
      *PUSH(c, &displays->list) = d;
    add_displays(c, displays, json_get(each.value, STR("concept")));
  }
}

static int by_displayed_code(const void *a, const void *b) {
  const struct displayed *left = a, *right = b;
  int order = str_compare(left->code, right->code);
  return order ? order : str_compare(left->display, right->display);
}

static void compile_displays(struct compile *c, struct defs_system *system) {
  struct displays displays = {0};
  system->concepts.first = (uint32_t)c->concepts.n;
  add_displays(c, &displays, json_get(map_get(&c->code_systems, system->url), STR("concept")));
  if (displays.list.n == 0)
    return;
  qsort(displays.list.p, displays.list.n, sizeof *displays.list.p, by_displayed_code);
  for (size_t i = 0; i < displays.list.n; i++) {
    const struct displayed *d = &displays.list.p[i];
    if (i > 0 && str_equal(d[-1].code, d->code))
      continue;
    *PUSH(c, &c->concepts) = (struct defs_concept){.code = emit_offset(&c->emit, d->code),
                                                   .code_n = (uint16_t)d->code.n,
                                                   .display = emit_offset(&c->emit, d->display),
                                                   .display_n = (uint16_t)d->display.n};
  }
  system->concepts.n = (uint32_t)(c->concepts.n - system->concepts.first);
}

void compile_terminology(struct compile *c) {
  list_systems(c);
  for (size_t i = 1; i < c->value_sets.n; i++)
    compile_value_set(c, &c->value_sets.p[i]);
  for (size_t i = 1; i < c->systems.n; i++)
    compile_displays(c, &c->systems.p[i]);
}

/* ---- The resources as JSON ------------------------------------------------------------------- */

/* What says nothing of which codes there are. Designations and the many deprecation dates of v2 are
 * left out for their size. */
static const char *const dropped[] = {
    "comment",      "contact",      "contained",         "copyright",  "date",       "description",
    "designation",  "experimental", "extension",         "id",         "identifier", "immutable",
    "jurisdiction", "meta",         "modifierExtension", "publisher",  "purpose",    "requirements",
    "text",         "useContext",   "language",          "lockedDate",
};

static bool is_dropped(struct str name) {
  if (name.n > 0 && name.p[0] == '_')
    return true;
  for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
    if (str_is(name, dropped[i]))
      return true;
  return false;
}

static bool is_dropped_property(const struct yyjson_val *item) {
  return str_is(json_get_text(item, STR("code")), "deprecationDate");
}

static void write_kept(struct json_writer *w, const struct yyjson_val *v) {
  struct json_each each = json_each(v);
  switch (json_kind(v)) {
  case JSON_OBJECT:
    json_begin_object(w);
    while (json_next(&each)) {
      if (is_dropped(each.name))
        continue;
      json_key(w, each.name);
      write_kept(w, each.value);
    }
    json_end_object(w);
    break;
  case JSON_ARRAY:
    json_begin_array(w);
    while (json_next(&each))
      if (!is_dropped_property(each.value))
        write_kept(w, each.value);
    json_end_array(w);
    break;
  default:
    json_value(w, v);
  }
}

static void add_published(struct compile *c, const struct map *resources, bool is_value_set) {
  for (size_t i = 0; i < resources->n; i++) {
    const struct yyjson_val *resource = resources->entries[i].value;
    struct str url = resources->entries[i].key;
    struct str version = json_get_text(resource, STR("version"));
    struct buf buf;
    buf_init_arena(&buf, c->arena, (size_t)64 << 20);
    struct json_writer writer = json_writer(&buf);
    write_kept(&writer, resource);
    struct str text = buf_str(&buf);
    if (url.n > UINT16_MAX || version.n > UINT16_MAX || text.n == 0)
      fail("%.*s can't be kept", STR_ARG(url));
    *PUSH(c, &c->published) = (struct defs_published){.url = emit_offset(&c->emit, url),
                                                      .url_n = (uint16_t)url.n,
                                                      .version = emit_offset(&c->emit, version),
                                                      .version_n = (uint16_t)version.n,
                                                      .text = emit_offset(&c->emit, text),
                                                      .text_n = (uint32_t)text.n,
                                                      .is_value_set = is_value_set};
  }
}

static const char *sorted_pool; /* qsort has no argument for it */

static int by_published_url(const void *a, const void *b) {
  const struct defs_published *left = a, *right = b;
  int order = str_compare(str_n(sorted_pool + left->url, left->url_n),
                          str_n(sorted_pool + right->url, right->url_n));
  return order ? order : (int)left->is_value_set - (int)right->is_value_set;
}

void compile_published(struct compile *c) {
  add_published(c, &c->code_systems, false);
  add_published(c, &c->value_set_resources, true);
  sorted_pool = buf_str(&c->emit.pool).p;
  qsort(c->published.p + 1, c->published.n - 1, sizeof *c->published.p, by_published_url);
}
