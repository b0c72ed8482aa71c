#include "store/schema/keys.h"

#include <math.h>
#include <stdlib.h>

#include "base/id.h"
#include "model/search_values_union.h"

static int compare_i64(int64_t a, int64_t b) {
  return (a > b) - (a < b);
}

static int compare_double(double a, double b) {
  return (a > b) - (a < b);
}

static int compare_values(const struct key *a, const struct key *b) {
  int order;
  switch ((enum keys_table)a->table) {
  case KEYS_TOKEN:
  case KEYS_URI:
  case KEYS_REFERENCE:
    return compare_i64(a->hash, b->hash);
  case KEYS_DATE:
    order = compare_i64(a->date.class, b->date.class);
    if (order == 0)
      order = compare_i64(a->lo, b->lo);
    return order ? order : compare_i64(a->date.hi, b->date.hi);
  case KEYS_NUMBER:
  case KEYS_QUANTITY:
    order = compare_i64(a->hash, b->hash);
    if (order == 0)
      order = compare_double(a->number.from, b->number.from);
    return order ? order : compare_double(a->number.to, b->number.to);
  case KEYS_STRING:
    order = str_compare(a->folded, b->folded);
    return order ? order : compare_i64(a->exact, b->exact);
  case KEYS_TABLES:
    break;
  }
  return 0;
}

int keys_compare(const struct key *a, const struct key *b) {
  int order = compare_i64(a->table, b->table);
  if (order == 0)
    order = compare_i64(a->param, b->param);
  if (order == 0)
    order = compare_i64(a->first, b->first);
  if (order == 0)
    order = compare_values(a, b);
  return order ? order : compare_i64(a->rid, b->rid);
}

static int compare_for_sort(const void *a, const void *b) {
  return keys_compare(a, b);
}

/* Sorts and drops what is there twice. */
static struct keys keys_sorted(struct key *p, size_t n) {
  if (n > 1)
    qsort(p, n, sizeof *p, compare_for_sort);
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    if (kept == 0 || keys_compare(&p[kept - 1], &p[i]) != 0)
      p[kept++] = p[i];
  return (struct keys){p, kept};
}

/* ---- From values ---- */

struct maker {
  struct arena *arena;
  const struct schema *schema;
  keys_target_number *target_number;
  void *what;
  struct keys_made *made;
  VEC(struct key) keys;
  bool is_out_of_memory;
};

static void add_key(struct maker *maker, struct key key) {
  struct key *place = VEC_PUSH(maker->arena, &maker->keys);
  if (place)
    *place = key;
  else
    maker->is_out_of_memory = true;
}

static void add_word(struct maker *maker, int64_t param, int64_t hash, struct str text) {
  struct keys_word *place = VEC_PUSH(maker->arena, &maker->made->words);
  struct str own = str_is_empty(text) ? STR("") : arena_str(maker->arena, schema_cut(text));
  if (place && own.p)
    *place = (struct keys_word){param, hash, own};
  else
    maker->is_out_of_memory = true;
}

/* A system without a code is found by `system|`. */
static void add_token(struct maker *maker, int64_t param, int64_t first, struct str system,
                      struct str code) {
  if (!str_is_empty(code) || !str_is_empty(system))
    add_key(maker, (struct key){.table = KEYS_TOKEN,
                                .param = param,
                                .first = first,
                                .hash = schema_token_hash(maker->schema, system, code)});
}

/* :text finds the text in the vocabulary, then its hash. A composite has no :text. */
static void add_token_text(struct maker *maker, int64_t param, struct str text) {
  struct str folded = schema_cut(search_normal_string(maker->arena, text));
  if (str_is_empty(folded))
    return;
  int64_t hash = schema_text_hash(maker->schema, folded);
  add_key(maker, (struct key){.table = KEYS_TOKEN, .param = param, .hash = hash});
  add_word(maker, param, hash, folded);
}

static void add_url(struct maker *maker, int64_t param, struct str url) {
  add_key(maker, (struct key){.table = KEYS_REFERENCE,
                              .param = param,
                              .target = schema_url_target(maker->schema, url)});
}

static void add_reference(struct maker *maker, int64_t param, const struct search_value *value) {
  if (!str_is_empty(value->reference.identifier_value))
    add_token(maker, param, 0, value->reference.identifier_system,
              value->reference.identifier_value);
  defs_type_id type = defs_type_by_name(value->reference.type);
  if (type && schema_type_number(maker->schema, type) && id_is_fhir_id(value->reference.id)) {
    struct keys_link *link = VEC_PUSH(maker->arena, &maker->made->links);
    size_t target = maker->target_number(maker->what, type, value->reference.id);
    if (link && target != SIZE_MAX)
      *link = (struct keys_link){param, target};
    else
      maker->is_out_of_memory = true;
    return;
  }
  struct str url = value->reference.url;
  if (str_is_empty(url))
    return;
  add_url(maker, param, url);
  ssize_t bar = str_find_char(url, '|', 0);
  if (bar > 0)
    add_url(maker, param, str_slice(url, 0, (size_t)bar));
}

static void add_quantity(struct maker *maker, int64_t param, int64_t first,
                         const struct search_value *value) {
  struct str system = value->quantity.system, code = value->quantity.code,
             unit = value->quantity.unit;
  struct key key = {.table = KEYS_QUANTITY,
                    .param = param,
                    .first = first,
                    .number = {value->quantity.from, value->quantity.to}};
  if (isnan(key.number.from) || isnan(key.number.to))
    return;
  bool has_other_unit = !str_is_empty(unit) && !str_equal(unit, code);
  if (!str_is_empty(code) || !has_other_unit) { /* a number without any unit has a row too */
    key.hash = schema_token_hash(maker->schema, system, code);
    add_key(maker, key);
    add_word(maker, param, key.hash, code);
  }
  if (has_other_unit) {
    key.hash = schema_token_hash(maker->schema, STR_NULL, unit);
    add_key(maker, key);
    add_word(maker, param, key.hash, unit);
  }
}

/* One value as rows of its type's table. References and uris occur with `first` 0 only. */
static void add_value(struct maker *maker, int64_t param, int64_t first,
                      const struct search_value *value) {
  struct key key = {.param = param, .first = first};
  switch (value->type) {
  case SEARCH_TOKEN:
    add_token(maker, param, first, value->token.system, value->token.code);
    if (value->tuple == 0)
      add_token_text(maker, param, value->token.text);
    break;
  case SEARCH_REFERENCE:
    add_reference(maker, param, value);
    break;
  case SEARCH_STRING:
    key.table = KEYS_STRING;
    key.folded = arena_str(maker->arena, schema_cut(value->string.folded));
    maker->is_out_of_memory |= !key.folded.p;
    key.exact = schema_exact_hash(maker->schema, value->string.exact);
    add_key(maker, key);
    break;
  case SEARCH_DATE:
    key.table = KEYS_DATE;
    key.lo = value->date.from_us;
    key.date.hi = value->date.to_us;
    key.date.class = schema_date_class(key.lo, key.date.hi);
    add_key(maker, key);
    break;
  case SEARCH_NUMBER:
    if (isnan(value->number.from) || isnan(value->number.to))
      break; /* not a place in an order */
    key.table = KEYS_NUMBER;
    key.number.from = value->number.from;
    key.number.to = value->number.to;
    add_key(maker, key);
    break;
  case SEARCH_QUANTITY:
    add_quantity(maker, param, first, value);
    break;
  case SEARCH_URI:
    key.table = KEYS_URI;
    key.hash = schema_text_hash(maker->schema, value->uri);
    add_key(maker, key);
    add_word(maker, param, key.hash, value->uri);
    break;
  case SEARCH_SPECIAL:
    key.table = KEYS_NUMBER;
    key.first = schema_position_cell(value->number.from, value->number.to);
    key.number.from = value->number.from;
    key.number.to = value->number.to;
    add_key(maker, key);
    break;
  case SEARCH_COMPOSITE:
    break;
  }
}

static int64_t first_of(const struct maker *maker, const struct search_value *value) {
  switch (value->type) {
  case SEARCH_TOKEN:
    return schema_token_hash(maker->schema, value->token.system, value->token.code);
  case SEARCH_STRING:
    return schema_text_hash(maker->schema, value->string.folded);
  case SEARCH_URI:
    return schema_text_hash(maker->schema, value->uri);
  case SEARCH_REFERENCE:
    return schema_url_target(maker->schema, value->reference.url);
  default:
    return 0;
  }
}

/* The values [from, to) of one composite instance: each first component with each other one. */
static void add_composite(struct maker *maker, int64_t param, const struct search_value *values,
                          size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; values[i].component == 1 && j < n; j++)
      if (values[j].component == 2)
        add_value(maker, param, first_of(maker, &values[i]), &values[j]);
}

static void add_contained(struct maker *maker, defs_type_id type) {
  int64_t number = (int64_t)schema_type_number(maker->schema, type);
  if (number)
    add_key(maker,
            (struct key){.table = KEYS_TOKEN, .param = KEYS_CONTAINED_PARAM, .hash = number});
}

int keys_make(struct arena *arena, const struct schema *schema, struct search_values values,
              keys_target_number *target_number, void *what, struct keys_made *ret_made,
              struct err *reterr) {
  struct maker maker = {.arena = arena,
                        .schema = schema,
                        .target_number = target_number,
                        .what = what,
                        .made = ret_made};
  *ret_made = (struct keys_made){0};
  maker.keys.capacity = values.n + 4; /* what most resources need */
  maker.keys.p = ARENA_ARRAY(arena, struct key, maker.keys.capacity);
  if (!maker.keys.p)
    return err_no_memory(reterr);
  size_t next;
  for (size_t i = 0; i < values.n && !maker.is_out_of_memory; i = next) {
    const struct search_value *value = &values.p[i];
    int64_t param = schema_param_number(schema, value->param);
    next = i + 1;
    while (value->tuple && next < values.n && values.p[next].tuple == value->tuple &&
           values.p[next].param == value->param)
      next++;
    size_t parts_n;
    (void)search_union_parts(value->param, &parts_n);
    if (parts_n > 0)
      continue; /* found by the rows of its parts */
    if (param && value->tuple)
      add_composite(&maker, param, value, next - i);
    else if (param)
      add_value(&maker, param, 0, value);
  }
  for (size_t i = 0; i < values.contained_n; i++)
    add_contained(&maker, values.contained[i]);
  if (maker.is_out_of_memory)
    return err_no_memory(reterr);
  ret_made->keys = keys_sorted(maker.keys.p, maker.keys.n);
  return 0;
}

int keys_complete(struct arena *arena, const struct keys_made *made, const uint64_t *rids,
                  struct keys *ret_keys, struct err *reterr) {
  size_t n = made->keys.n;
  struct key *keys = ARENA_ARRAY(arena, struct key, n + made->links.n + 1);
  if (!keys)
    return err_no_memory(reterr);
  if (n)
    memcpy(keys, made->keys.p, n * sizeof *keys);
  for (size_t i = 0; i < made->links.n; i++)
    keys[n + i] = (struct key){.table = KEYS_REFERENCE,
                               .param = made->links.p[i].param,
                               .target = (int64_t)rids[made->links.p[i].target]};
  if (made->links.n)
    *ret_keys = keys_sorted(keys, n + made->links.n);
  else
    *ret_keys = (struct keys){keys, n};
  return 0;
}

/* ---- Packed ---- */

#define HAS_FIRST 8u
#define PACKED_KEY_MAX_BYTES 48 /* without a string's text */

static char *put_varint(char *p, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    *p++ = (char)(value | 0x80);
  *p++ = (char)value;
  return p;
}

static char *put_word(char *p, uint64_t value) {
  memcpy(p, &value, sizeof value); /* little-endian, as all our machines are */
  return p + sizeof value;
}

static uint64_t bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static char *put_key(char *p, const struct key *key) {
  p = put_varint(p,
                 (uint64_t)key->param << 4 | (key->first ? HAS_FIRST : 0) | (uint64_t)key->table);
  if (key->first)
    p = put_word(p, (uint64_t)key->first);
  switch ((enum keys_table)key->table) {
  case KEYS_TOKEN:
  case KEYS_URI:
    return put_word(p, (uint64_t)key->hash);
  case KEYS_REFERENCE: /* rids are small, so the sign goes to the lowest bit */
    return put_varint(p, (uint64_t)key->target << 1 ^ (key->target < 0 ? UINT64_MAX : 0));
  case KEYS_DATE:
    p = put_word(p, (uint64_t)key->lo);
    return put_varint(p, (uint64_t)key->date.hi - (uint64_t)key->lo);
  case KEYS_QUANTITY:
    p = put_word(p, (uint64_t)key->hash);
    __attribute__((fallthrough));
  case KEYS_NUMBER:
    p = put_word(p, bits_of(key->number.from));
    p = put_varint(p, key->number.from != key->number.to);
    return key->number.from != key->number.to ? put_word(p, bits_of(key->number.to)) : p;
  case KEYS_STRING:
    p = put_varint(p, (uint64_t)key->exact);
    p = put_varint(p, key->folded.n);
    if (key->folded.n)
      memcpy(p, key->folded.p, key->folded.n);
    return p + key->folded.n;
  case KEYS_TABLES:
    break;
  }
  return p;
}

int keys_pack(struct arena *arena, struct keys keys, struct str *ret_packed, struct err *reterr) {
  size_t max = 1;
  for (size_t i = 0; i < keys.n; i++)
    max += PACKED_KEY_MAX_BYTES + (keys.p[i].table == KEYS_STRING ? keys.p[i].folded.n : 0);
  char *packed = arena_alloc(arena, max), *p = packed;
  if (!packed)
    return err_no_memory(reterr);
  for (size_t i = 0; i < keys.n; i++)
    p = put_key(p, &keys.p[i]);
  *ret_packed = str_n(packed, (size_t)(p - packed));
  return 0;
}

/* A checked reader: past the end everything is 0 and `is_broken`. */
struct reader {
  struct str rest;
  bool is_broken;
};

static struct str get_bytes(struct reader *reader, uint64_t n) {
  if (n > reader->rest.n) {
    reader->is_broken = true;
    return STR_NULL;
  }
  struct str bytes = str_n(reader->rest.p, (size_t)n);
  reader->rest = str_n(reader->rest.p + n, reader->rest.n - (size_t)n);
  return bytes;
}

static uint64_t get_varint(struct reader *reader) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    struct str byte = get_bytes(reader, 1);
    if (reader->is_broken)
      return 0;
    value |= (uint64_t)(byte.p[0] & 0x7f) << shift;
    if (!(byte.p[0] & 0x80))
      return value;
  }
  reader->is_broken = true;
  return 0;
}

static uint64_t get_word(struct reader *reader) {
  uint64_t value = 0;
  struct str bytes = get_bytes(reader, sizeof value);
  if (!reader->is_broken)
    memcpy(&value, bytes.p, sizeof value);
  return value;
}

static void get_key(struct reader *reader, struct key *key) {
  uint64_t head = get_varint(reader);
  key->table = head & 7;
  key->param = (int64_t)(head >> 4);
  if (head & HAS_FIRST)
    key->first = (int64_t)get_word(reader);
  switch ((enum keys_table)key->table) {
  case KEYS_TOKEN:
  case KEYS_URI:
    key->hash = (int64_t)get_word(reader);
    return;
  case KEYS_REFERENCE: {
    uint64_t target = get_varint(reader);
    key->target = (int64_t)(target >> 1 ^ (0 - (target & 1)));
    return;
  }
  case KEYS_DATE:
    key->lo = (int64_t)get_word(reader);
    key->date.hi = (int64_t)((uint64_t)key->lo + get_varint(reader));
    key->date.class = schema_date_class(key->lo, key->date.hi);
    return;
  case KEYS_QUANTITY:
    key->hash = (int64_t)get_word(reader);
    __attribute__((fallthrough));
  case KEYS_NUMBER:
    key->number.from = key->number.to = double_of(get_word(reader));
    if (get_varint(reader))
      key->number.to = double_of(get_word(reader));
    return;
  case KEYS_STRING:
    key->exact = (int64_t)get_varint(reader);
    key->folded = get_bytes(reader, get_varint(reader));
    return;
  case KEYS_TABLES:
    break;
  }
  reader->is_broken = true;
}

int keys_unpack(struct arena *arena, struct str packed, struct keys *ret_keys, struct err *reterr) {
  struct reader reader = {.rest = packed};
  VEC(struct key) keys = {0};
  while (reader.rest.n > 0 && !reader.is_broken) {
    struct key *key = VEC_PUSH(arena, &keys);
    if (!key)
      return err_no_memory(reterr);
    get_key(&reader, key);
  }
  if (reader.is_broken)
    return err_set(reterr, ERR_STORE, "", "The keys of a resource in the store are damaged.");
  *ret_keys = (struct keys){keys.p, keys.n};
  return 0;
}
