#include "model/fhirpath_set.h"

#include "model/fhirpath_time.h"

/* Below this a table costs more than the comparisons. */
#define PAIRWISE_MAX 16

void fhirpath_set_init(struct fhirpath_set *set, struct fhirpath_eval *e) {
  *set = (struct fhirpath_set){.e = e};
}

/* ---- Hashes: equal values have equal ones ---------------------------------------------------- */

static uint64_t hash_text(const struct fhirpath_set *set, uint64_t salt, struct str text) {
  return hash_siphash(set->key, text) ^ salt * 0x9E3779B97F4A7C15u;
}

/* 1, 1.0 and 1e0 are equal. */
static uint64_t hash_number(const struct fhirpath_set *set, struct str text) {
  struct fhirpath_decimal d;
  struct {
    fhirpath_int128 integer;
    int64_t scale, padding;
  } key = {0};
  if (!fhirpath_decimal_parse(text, &d))
    return hash_text(set, JSON_NUMBER, text);
  d = fhirpath_decimal_trim(d);
  key.integer = d.integer;
  key.scale = d.scale;
  return hash_text(set, JSON_NUMBER, str_n((const char *)&key, sizeof key));
}

/* The order of an object's members does not matter. */
static uint64_t hash_json(struct fhirpath_set *set, const struct yyjson_val *v) {
  enum json_kind kind = json_kind(v);
  if (kind == JSON_NUMBER)
    return hash_number(set, json_text(v));
  if (kind != JSON_OBJECT && kind != JSON_ARRAY)
    return hash_text(set, (uint64_t)kind, json_text(v));
  uint64_t hash = (uint64_t)kind;
  struct json_each each = json_each(v);
  while (json_next(&each) && fhirpath_step(set->e) == 0) {
    uint64_t one = hash_json(set, each.value);
    if (kind == JSON_OBJECT)
      hash += (one ^ hash_siphash(set->key, each.name)) * 0x9E3779B97F4A7C15u;
    else
      hash = (hash ^ one) * 0x9E3779B97F4A7C15u;
  }
  return hash;
}

static uint64_t hash_value(struct fhirpath_set *set, const struct fhirpath_value *v) {
  struct fhirpath_time time;
  int64_t instant;
  switch (v->kind) {
  case FHIRPATH_NODE:
    return hash_json(set, v->node ? v->node : v->extra);
  case FHIRPATH_BOOLEAN:
    return hash_text(set, JSON_BOOL, v->integer ? STR("true") : STR("false"));
  case FHIRPATH_INTEGER:
  case FHIRPATH_DECIMAL:
  case FHIRPATH_QUANTITY:
    return hash_number(set, v->text);
  case FHIRPATH_STRING:
    return hash_text(set, JSON_STRING, v->text);
  case FHIRPATH_DATE:
  case FHIRPATH_DATETIME:
  case FHIRPATH_TIME:
    break;
  }
  if (!fhirpath_time_parse(v->text, v->kind, &time))
    return 0;
  instant = fhirpath_time_instant(&time);
  return hash_text(set, v->kind == FHIRPATH_TIME ? 98 : 99,
                   str_n((const char *)&instant, sizeof instant));
}

/* ---- The table ------------------------------------------------------------------------------- */

static bool has_pairwise(struct fhirpath_set *set, const struct fhirpath_value *value) {
  for (size_t i = 0; i < set->entries.n && fhirpath_step(set->e) == 0; i++)
    if (fhirpath_equal(set->e, &set->entries.p[i].value, value) == FHIRPATH_TRUE)
      return true;
  return false;
}

/* The slot of an equal value, or the free one where it would go; NULL: the steps are used up. */
static uint32_t *find_slot(struct fhirpath_set *set, const struct fhirpath_value *value,
                           uint64_t hash) {
  size_t mask = set->slots_n - 1;
  for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
    if (set->slots[i] == 0)
      return &set->slots[i];
    if (fhirpath_step(set->e) < 0)
      return NULL;
    const struct fhirpath_set_entry *entry = &set->entries.p[set->slots[i] - 1];
    if (entry->hash == hash && fhirpath_equal(set->e, &entry->value, value) == FHIRPATH_TRUE)
      return &set->slots[i];
  }
}

static void place(struct fhirpath_set *set, size_t index) {
  size_t mask = set->slots_n - 1, i = (size_t)set->entries.p[index].hash & mask;
  while (set->slots[i])
    i = (i + 1) & mask;
  set->slots[i] = (uint32_t)index + 1;
}

/* At most half of the slots are in use. */
static int make_table(struct fhirpath_set *set) {
  bool is_first = !set->slots;
  size_t slots_n = 64;
  while (slots_n < set->entries.n * 4)
    slots_n *= 2;
  uint32_t *slots = ARENA_ARRAY(set->e->arena, uint32_t, slots_n);
  if (!slots || set->entries.n > UINT32_MAX / 8)
    return err_no_memory(set->e->err);
  if (is_first)
    set->key = hash_key_random();
  set->slots = slots;
  set->slots_n = slots_n;
  for (size_t i = 0; i < set->entries.n; i++) {
    if (is_first)
      set->entries.p[i].hash = hash_value(set, &set->entries.p[i].value);
    place(set, i);
  }
  return 0;
}

bool fhirpath_set_has(struct fhirpath_set *set, const struct fhirpath_value *value) {
  struct fhirpath_value v = fhirpath_computed(*value);
  if (!set->slots || set->has_quantity || v.kind == FHIRPATH_QUANTITY)
    return has_pairwise(set, &v);
  const uint32_t *slot = find_slot(set, &v, hash_value(set, &v));
  return slot && *slot;
}

int fhirpath_set_add(struct fhirpath_set *set, const struct fhirpath_value *value,
                     bool *ret_is_new) {
  int code = fhirpath_step(set->e);
  *ret_is_new = false;
  if (code < 0 || fhirpath_set_has(set, value))
    return code;
  struct fhirpath_set_entry *entry = VEC_PUSH(set->e->arena, &set->entries);
  if (!entry)
    return err_no_memory(set->e->err);
  *ret_is_new = true;
  entry->value = fhirpath_computed(*value);
  set->has_quantity |= entry->value.kind == FHIRPATH_QUANTITY;
  if (set->slots)
    entry->hash = hash_value(set, &entry->value);
  if (set->entries.n > PAIRWISE_MAX && set->entries.n * 2 > set->slots_n)
    return make_table(set);
  if (set->slots)
    place(set, set->entries.n - 1);
  return 0;
}

int fhirpath_set_add_all(struct fhirpath_set *set, struct fhirpath_values values) {
  bool is_new;
  int code = 0;
  for (size_t i = 0; code == 0 && i < values.n; i++)
    code = fhirpath_set_add(set, &values.p[i], &is_new);
  return code;
}
