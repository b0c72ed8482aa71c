/*
 * Random resources of any type, made from the definitions: every type of value, from small pools,
 * so that queries meet them. They are well formed, not meaningful.
 */
#ifndef TEST_UNIT_SCAN_DATA_H
#define TEST_UNIT_SCAN_DATA_H

#include "search_fixture.h"

enum { IDS = 9 };

static uint64_t seed;

static uint64_t random_below(uint64_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (seed >> 33) % n;
}

static bool chance(unsigned percent) {
  return random_below(100) < percent;
}

#define PICK(list) ((list)[random_below(sizeof(list) / sizeof(list)[0])])

#define STREET                                                                                     \
  "Zo\xC3\xAB Stra\xC3\x9F"                                                                        \
  "e"
static const char *const texts[] = {"Ann",  "Anna",        "M\xC3\xBCller", "O-Neil",
                                    STREET, "Blood sugar", "ANN b. Lee"};
static const char *const codes[] = {"a", "b", "c|d", "8480-6"};
static const char *const systems[] = {"urn:s", "http://loinc.org", "http://x.org/a"};
static const char *const units[] = {"mg", "g", "mm"};
#define UCUM "http://unitsofmeasure.org"
static const char *const uris[] = {"http://x.org/a", "http://x.org/a/b", "urn:oid:1.2",
                                   "http://x.org", "http://x.org/ab"};
static const char *const canonicals[] = {"http://x.org/a", "http://x.org/a|1.0",
                                         "http://x.org/a/b|2", "http://x.org"};
static const char *const numbers[] = {"1", "5.4", "5.40", "100", "-3", "0.001", "1e2", "5.449"};
static const char *const integers[] = {"1", "2", "100", "5"};
static const char *const dates[] = {"2020",       "2020-03",    "2020-03-01", "2019-12-31",
                                    "2020-02-29", "2021-01-05", "1999"};
static const char *const times[] = {"2020",
                                    "2020-03",
                                    "2020-03-01",
                                    "2020-03-01T08:00:00Z",
                                    "2020-03-01T08:00:00.250-01:00",
                                    "2020-02-29T23:30:00-05:00",
                                    "2019-12-31T23:59:59Z"};
static const char *const instants[] = {"2020-03-01T08:00:00Z", "2020-03-01T08:00:00.250-01:00",
                                       "2019-12-31T23:59:59.999+14:00"};
static const char *const urns[] = {"urn:uuid:11111111-2222-3333-4444-555555555555"};

/* The types of this round. */
static defs_type_id round_types[8];
static size_t round_types_n;

static bool is_of_round(defs_type_id type) {
  for (size_t i = 0; i < round_types_n; i++)
    if (round_types[i] == type)
      return true;
  return false;
}

static struct str type_name(defs_type_id type) {
  return defs_type(type)->name;
}

/* A type that a reference of this element may lead to; one of the round, if possible. */
static defs_type_id random_target(const struct defs_property *property) {
  const struct defs_element *element = defs_element(property->element);
  for (uint32_t k = 0; k < element->types_n; k++) {
    const struct defs_element_type *t = defs_element_type(element->first_type + k);
    if (t->type != property->type || t->targets_n == 0)
      continue;
    for (int tries = 0; tries < 20; tries++) {
      defs_type_id type = defs_target(t->first_target + (uint32_t)random_below(t->targets_n));
      if (defs_is_resource(defs_type(type)) && (is_of_round(type) || tries > 15))
        return type;
    }
  }
  return round_types[random_below(round_types_n)];
}

static struct str pool_text(const char *text) {
  return str_of(text);
}

static struct str random_reference(const struct defs_property *property) {
  struct str type = type_name(random_target(property));
  unsigned kind = (unsigned)random_below(20), id = (unsigned)random_below(IDS);
  if (kind == 0)
    return arena_printf(test_arena, "%.*s/r%u/_history/2", STR_ARG(type), id);
  if (kind <= 2)
    return arena_printf(test_arena, "http://other.org/fhir/%.*s/r%u", STR_ARG(type), id);
  if (kind == 3)
    return str_of(urns[0]);
  if (kind == 4)
    return STR("#c");
  return arena_printf(test_arena, "%.*s/r%u", STR_ARG(type), id);
}

static void write_object(struct json_writer *w, defs_type_id type, const struct defs_property *of,
                         unsigned depth);

/* A code of the element's value set, where it has a required one. */
static struct str random_code(const struct defs_property *property) {
  uint16_t set = defs_element(property->element)->value_set;
  struct str system, code;
  if (set && defs_value_set_code(set, random_below(3), &system, &code))
    return code;
  return pool_text(PICK(codes));
}

static void write_primitive(struct json_writer *w, defs_type_id owner,
                            const struct defs_property *property) {
  struct str name = property->name;
  bool is_system = str_is(name, "system") && defs_type(property->type)->builtin == DEFS_URI;
  if (is_system && str_is(type_name(owner), "Quantity") && chance(50)) {
    json_string(w, STR(UCUM));
    return;
  }
  switch (defs_type(property->type)->builtin) {
  case DEFS_BOOLEAN:
    json_bool(w, chance(50));
    return;
  case DEFS_INTEGER:
  case DEFS_UNSIGNED_INT:
  case DEFS_POSITIVE_INT:
    json_raw(w, pool_text(PICK(integers)));
    return;
  case DEFS_DECIMAL:
    json_raw(w, pool_text(PICK(numbers)));
    return;
  case DEFS_CODE:
    json_string(w, str_is(type_name(owner), "Quantity") && str_is(name, "code")
                       ? pool_text(PICK(units))
                       : random_code(property));
    return;
  case DEFS_URI:
  case DEFS_URL:
  case DEFS_OID:
  case DEFS_UUID:
    json_string(w, pool_text(is_system ? PICK(systems) : PICK(uris)));
    return;
  case DEFS_CANONICAL:
    json_string(w, pool_text(PICK(canonicals)));
    return;
  case DEFS_DATE:
    json_string(w, pool_text(PICK(dates)));
    return;
  case DEFS_DATE_TIME:
    json_string(w, pool_text(PICK(times)));
    return;
  case DEFS_INSTANT:
    json_string(w, pool_text(PICK(instants)));
    return;
  case DEFS_TIME:
    json_string(w, STR("08:00:00"));
    return;
  case DEFS_BASE64_BINARY:
    json_string(w, STR("AAAA"));
    return;
  default:
    json_string(w, pool_text(str_is(type_name(owner), "Identifier") && str_is(name, "value")
                                 ? PICK(codes)
                             : str_is(name, "unit") ? PICK(units)
                                                    : PICK(texts)));
    return;
  }
}

static void write_value(struct json_writer *w, defs_type_id owner,
                        const struct defs_property *property, unsigned depth) {
  if (defs_type(property->type)->kind == DEFS_KIND_PRIMITIVE) {
    if (defs_type(owner)->builtin == DEFS_REFERENCE && str_is(property->name, "reference"))
      json_string(w, STR("#"));
    else
      write_primitive(w, owner, property);
    return;
  }
  write_object(w, property->type, property, depth + 1);
}

static bool is_left_out(defs_type_id type, const struct defs_property *property, unsigned depth) {
  static const char *const names[] = {"id",   "extension",     "modifierExtension", "contained",
                                      "text", "implicitRules", "versionId",         "lastUpdated"};
  const struct defs_type *t = defs_type(property->type);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (str_is(property->name, names[i]) &&
        !(str_is(property->name, "text") && t->kind == DEFS_KIND_PRIMITIVE))
      return true;
  if (t->kind == DEFS_KIND_RESOURCE || t->is_abstract || t->builtin == DEFS_XHTML)
    return true;
  if (defs_type(type)->builtin == DEFS_REFERENCE && str_is(property->name, "reference"))
    return true; /* written by itself */
  return depth >= 5 && t->kind != DEFS_KIND_PRIMITIVE;
}

/* One of the properties of a choice. */
static bool is_chosen(const struct defs_property *properties, size_t n, size_t i) {
  size_t first = i, last = i;
  while (first > 0 && properties[first - 1].element == properties[i].element)
    first--;
  while (last + 1 < n && properties[last + 1].element == properties[i].element)
    last++;
  static uint32_t element = UINT32_MAX;
  static size_t chosen;
  if (element != properties[i].element || i == first) {
    element = properties[i].element;
    chosen = first + random_below(last - first + 1);
  }
  return i == chosen;
}

static void write_members(struct json_writer *w, defs_type_id type, unsigned depth) {
  size_t n;
  const struct defs_property *properties = defs_properties_of(type, &n);
  unsigned percent = depth == 0 ? 45 : depth < 3 ? 45 : 35;
  bool is_small = defs_type(type)->kind == DEFS_KIND_COMPLEX;
  for (size_t i = 0; i < n; i++) {
    bool is_there = is_chosen(properties, n, i) && chance(is_small ? 70 : percent);
    if (!is_there || is_left_out(type, &properties[i], depth))
      continue;
    bool is_list = defs_element(properties[i].element)->max != 1;
    json_key(w, properties[i].name);
    if (is_list)
      json_begin_array(w);
    for (unsigned items = is_list && chance(35) ? 2 : 1; items > 0; items--)
      write_value(w, type, &properties[i], depth);
    if (is_list)
      json_end_array(w);
  }
}

/* What must be in order: the ends of a Period and of a Range. */
static bool write_ends(struct json_writer *w, struct str type) {
  static const char *const from[] = {"2019-12-31T23:59:59Z", "2020", "1999-12", "2020-01-31"};
  static const char *const to[] = {"2020-03-01", "2020-03-01T08:00:00Z", "2021", "2020-02-29"};
  static const char *const low[] = {"-3", "0.001", "1"}, *const high[] = {"5.4", "100", "1e2"};
  bool is_period = str_is(type, "Period");
  unsigned which = 1 + (unsigned)random_below(3);
  if (!is_period && !str_is(type, "Range"))
    return false;
  for (unsigned end = 0; end < 2; end++) {
    if (!(which & (1u << end)))
      continue;
    json_key(w, is_period ? end ? STR("end") : STR("start") : end ? STR("high") : STR("low"));
    if (is_period) {
      json_string(w, pool_text(end ? PICK(to) : PICK(from)));
      continue;
    }
    json_begin_object(w);
    json_key(w, STR("value"));
    json_raw(w, pool_text(end ? PICK(high) : PICK(low)));
    json_member_string(w, STR("code"), pool_text(PICK(units)));
    json_end_object(w);
  }
  return true;
}

static void write_object(struct json_writer *w, defs_type_id type, const struct defs_property *of,
                         unsigned depth) {
  json_begin_object(w);
  if (write_ends(w, type_name(type))) {
    json_end_object(w);
    return;
  }
  if (defs_type(type)->builtin == DEFS_REFERENCE && chance(90))
    json_member_string(w, STR("reference"), random_reference(of));
  write_members(w, type, depth);
  json_end_object(w);
}

/* The JSON of a random resource of `type` with the id "r<id>". */
static struct str random_resource(defs_type_id type, unsigned id) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)4 << 20);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  json_member_string(&w, STR("resourceType"), type_name(type));
  json_member_string(&w, STR("id"), arena_printf(test_arena, "r%u", id));
  write_members(&w, type, 0);
  json_end_object(&w);
  assert_false(buf_is_overflown(&buf));
  return arena_str(test_arena, buf_str(&buf));
}

#endif
