/*
 * Pages in the order of _sort. All matches pass by, and the best `count` + 1 behind the mark are
 * kept, so that memory does not grow with the matches. Where matches are many and an index has the
 * order, it is walked instead (search_walk.c).
 */
#include "store/search/search_sort.h"

#include "model/search_values_union.h"

enum {
  SORT_CANDIDATES_MAX = 2000000, /* matches that are sorted */
};

struct sorter {
  struct search_context *c;
  const struct search *search;
  struct search_match *heap; /* the worst is the first */
  size_t n, max;
};

/* ---- Keys ------------------------------------------------------------------------------------ */

/* The bits of a double as an integer of the same order. */
static int64_t ordered_bits(double value) {
  int64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits < 0 ? INT64_MIN - bits - 1 : bits;
}

int search_key_compare(const struct search_key *a, const struct search_key *b) {
  if (a->kind != b->kind)
    return a->kind < b->kind ? -1 : 1;
  if (a->kind == SEARCH_KEY_TEXT)
    return str_compare(a->text, b->text);
  return (a->number > b->number) - (a->number < b->number);
}

/* Keeps the least value of a resource for ascending, the greatest for descending order. */
static void consider(struct search_key *key, struct search_key value, bool is_descending) {
  if (key->kind == SEARCH_KEY_NONE || (search_key_compare(&value, key) < 0) != is_descending)
    if (key->kind == SEARCH_KEY_NONE || search_key_compare(&value, key) != 0)
      *key = value;
}

static struct search_key number_key(int64_t number) {
  return (struct search_key){.kind = SEARCH_KEY_NUMBER, .number = number};
}

static struct search_key text_key(struct str text) {
  if (text.n > SEARCH_SORT_TEXT_BYTES_MAX)
    text.n = SEARCH_SORT_TEXT_BYTES_MAX;
  return (struct search_key){.kind = SEARCH_KEY_TEXT, .text = text};
}

bool search_sort_is_in_keys(const struct search_sort *sort) {
  return sort->key != SEARCH_SORT_PARAM || sort->type == SEARCH_DATE ||
         sort->type == SEARCH_NUMBER || sort->type == SEARCH_QUANTITY ||
         sort->type == SEARCH_STRING;
}

static enum keys_table sort_table(enum search_type type) {
  return type == SEARCH_DATE     ? KEYS_DATE
         : type == SEARCH_STRING ? KEYS_STRING
         : type == SEARCH_NUMBER ? KEYS_NUMBER
                                 : KEYS_QUANTITY;
}

/* Each of several types has a parameter of its own by this name. */
static defs_param_id sort_param(const struct search_sort *sort, defs_type_id type) {
  const struct defs_param *param = defs_param(sort->param);
  return defs_type(param->base)->builtin == DEFS_RESOURCE || param->base == type
             ? sort->param
             : defs_param_by_code(type, param->code);
}

static void consider_keys(const struct search_context *c, const struct search_sort *sort,
                          const struct search_candidate *candidate, defs_param_id param,
                          struct search_key *key) {
  struct keys keys = search_keys_of(candidate->keys, sort_table(sort->type),
                                    schema_param_number(c->schema, param));
  for (size_t i = 0; i < keys.n; i++) {
    const struct key *k = &keys.p[i];
    struct search_key value = sort->type == SEARCH_DATE ? number_key(k->lo)
                              : sort->type == SEARCH_STRING
                                  ? text_key(k->folded)
                                  : number_key(ordered_bits(k->number.from));
    consider(key, value, sort->is_descending);
  }
}

static struct search_key key_from_keys(const struct search_context *c,
                                       const struct search_sort *sort,
                                       const struct search_candidate *candidate) {
  struct search_key key = {.kind = SEARCH_KEY_NONE};
  if (sort->key == SEARCH_SORT_LAST_UPDATED)
    return number_key(candidate->updated_us);
  if (sort->key == SEARCH_SORT_ID)
    return text_key(candidate->id);
  defs_param_id param = sort_param(sort, candidate->type);
  size_t parts_n;
  const defs_param_id *parts = search_union_parts(param, &parts_n);
  for (size_t i = 0; i < parts_n; i++)
    consider_keys(c, sort, candidate, parts[i], &key);
  if (parts_n == 0)
    consider_keys(c, sort, candidate, param, &key);
  return key;
}

/*
 * Codes, references and uris are sorted by their text, of which the index has a hash. A text is
 * learned from the first body that has it; so few bodies are read where few values are common.
 */
struct learned {
  bool is_code; /* else a text beside the codes, which counts where there are none */
  struct str text;
};

static const struct learned *look_up(struct search_context *c, int64_t hash) {
  return map_get(&c->learned, str_n((const char *)&hash, sizeof hash));
}

static int learn(struct search_context *c, int64_t hash, struct str text, bool is_code,
                 struct err *reterr) {
  if (look_up(c, hash))
    return 0;
  int64_t *key = ARENA_NEW(c->arena, int64_t);
  struct learned *learned = ARENA_NEW(c->arena, struct learned);
  if (!key || !learned)
    return err_no_memory(reterr);
  *key = hash;
  learned->is_code = is_code;
  learned->text = arena_str(c->arena, text.n > SEARCH_SORT_TEXT_BYTES_MAX
                                          ? str_slice(text, 0, SEARCH_SORT_TEXT_BYTES_MAX)
                                          : text);
  return learned->text.p &&
                 map_set(&c->learned, str_n((const char *)key, sizeof *key), learned) == 0
             ? 0
             : err_no_memory(reterr);
}

static int learn_value(struct search_context *c, const struct search_value *v, struct err *reterr) {
  int code = 0;
  switch (v->type) {
  case SEARCH_TOKEN:
    if (v->token.code.n > 0)
      code = learn(c, schema_token_hash(c->schema, v->token.system, v->token.code), v->token.code,
                   true, reterr);
    if (code == 0 && v->token.text.n > 0) {
      struct str folded = schema_cut(search_normal_string(c->scratch, v->token.text));
      code = learn(c, schema_text_hash(c->schema, folded), v->token.text, false, reterr);
    }
    return code;
  case SEARCH_URI:
    return learn(c, schema_text_hash(c->schema, v->uri), v->uri, true, reterr);
  case SEARCH_REFERENCE:
    return v->reference.url.n ? learn(c, schema_url_target(c->schema, v->reference.url),
                                      v->reference.url, true, reterr)
                              : 0;
  default:
    return 0;
  }
}

static int learn_body(struct search_context *c, struct search_candidate *candidate,
                      defs_param_id param, struct err *reterr) {
  int code = search_fetch_values(c, candidate, reterr);
  for (size_t i = 0; i < candidate->values.n && code == 0; i++)
    if (candidate->values.p[i].param == param)
      code = learn_value(c, &candidate->values.p[i], reterr);
  return code;
}

/* A local target's "Type/id". */
static int learn_target(struct search_context *c, int64_t target, struct err *reterr) {
  struct db_query query;
  struct db_statement *statement;
  struct str text = STR("");
  bool found;
  db_query_init(&query, c->scratch);
  db_query_add(&query, "SELECT type,id FROM resource WHERE rid=");
  db_query_i64(&query, target);
  int code = db_query_start(c->db, &query, &statement, reterr);
  if (code)
    return code;
  code = db_step(statement, &found, reterr);
  defs_type_id type = code == 0 && found ? schema_type(c->schema, db_column_i64(statement, 0)) : 0;
  if (type)
    text = arena_printf(c->scratch, "%.*s/%.*s", STR_ARG(defs_type(type)->name),
                        STR_ARG(schema_id_unpack(c->scratch, db_column_str(statement, 1))));
  db_release(statement);
  return code ? code : learn(c, target, text, true, reterr);
}

/* The candidate's keys for a sort by text: token rows with first = 0, or uris, or references. */
static struct keys text_keys(const struct search_context *c, const struct search_sort *sort,
                             const struct search_candidate *candidate) {
  enum keys_table table = sort->type == SEARCH_TOKEN ? KEYS_TOKEN
                          : sort->type == SEARCH_URI ? KEYS_URI
                                                     : KEYS_REFERENCE;
  return search_keys_of(candidate->keys, table,
                        schema_param_number(c->schema, sort_param(sort, candidate->type)));
}

static int learn_all(struct search_context *c, const struct search_sort *sort,
                     struct search_candidate *candidate, struct keys keys, struct err *reterr) {
  int code = 0;
  bool has_read = false;
  for (size_t i = 0; i < keys.n && code == 0; i++) {
    if (look_up(c, keys.p[i].hash))
      continue;
    if (keys.p[i].table == KEYS_REFERENCE && keys.p[i].target > 0)
      code = learn_target(c, keys.p[i].target, reterr);
    else if (!has_read)
      code = learn_body(c, candidate, sort_param(sort, candidate->type), reterr);
    has_read |= keys.p[i].target < 0 || keys.p[i].table != KEYS_REFERENCE;
    if (code == 0 && !look_up(c, keys.p[i].hash)) /* two texts of one hash: it counts for nothing */
      code = learn(c, keys.p[i].hash, STR(""), false, reterr);
  }
  return code;
}

static int key_from_texts(struct search_context *c, const struct search_sort *sort,
                          struct search_candidate *candidate, struct search_key *ret_key,
                          struct err *reterr) {
  struct keys keys = text_keys(c, sort, candidate);
  struct search_key code_key = {.kind = SEARCH_KEY_NONE}, key = {.kind = SEARCH_KEY_NONE};
  int code = learn_all(c, sort, candidate, keys, reterr);
  for (size_t i = 0; i < keys.n && code == 0; i++) {
    const struct learned *learned = look_up(c, keys.p[i].hash);
    if (learned->text.n > 0)
      consider(learned->is_code ? &code_key : &key, text_key(learned->text), sort->is_descending);
  }
  *ret_key = code_key.kind ? code_key : key;
  return code;
}

int search_sort_key(struct search_context *c, const struct search_sort *sort,
                    struct search_candidate *candidate, struct search_key *ret_key,
                    struct err *reterr) {
  if (!search_sort_is_in_keys(sort))
    return key_from_texts(c, sort, candidate, ret_key, reterr);
  *ret_key = key_from_keys(c, sort, candidate);
  return 0;
}

/* ---- Order ----------------------------------------------------------------------------------- */

int search_sort_compare(const struct search *search, const struct search_key *a, uint64_t a_rid,
                        const struct search_key *b, uint64_t b_rid) {
  for (size_t i = 0; i < search->sorts_n; i++) {
    bool a_none = a[i].kind == SEARCH_KEY_NONE, b_none = b[i].kind == SEARCH_KEY_NONE;
    if (a_none != b_none)
      return a_none ? 1 : -1;
    int order = search_key_compare(&a[i], &b[i]);
    if (order != 0)
      return search->sorts[i].is_descending ? -order : order;
  }
  return (a_rid > b_rid) - (a_rid < b_rid);
}

static int compare_matches(const struct sorter *s, const struct search_match *a,
                           const struct search_match *b) {
  return search_sort_compare(s->search, a->keys, a->rid, b->keys, b->rid);
}

/* ---- The heap -------------------------------------------------------------------------------- */

static void swap(struct search_match *a, struct search_match *b) {
  struct search_match other = *a;
  *a = *b;
  *b = other;
}

static void sift_down(struct sorter *s, size_t at, size_t n) {
  for (;;) {
    size_t worst = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
      if (compare_matches(s, &s->heap[child], &s->heap[worst]) > 0)
        worst = child;
    if (worst == at)
      return;
    swap(&s->heap[at], &s->heap[worst]);
    at = worst;
  }
}

static void sift_up(struct sorter *s, size_t at) {
  while (at > 0 && compare_matches(s, &s->heap[at], &s->heap[(at - 1) / 2]) > 0) {
    swap(&s->heap[at], &s->heap[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
}

/* Copies the keys of `match` into the place, which has room for their texts. */
static void set_keys(const struct sorter *s, struct search_match *place,
                     const struct search_match *match) {
  for (size_t i = 0; i < s->search->sorts_n; i++) {
    const struct search_key *key = &match->keys[i];
    char *room = place->room + i * SEARCH_SORT_TEXT_BYTES_MAX;
    place->keys[i] = *key;
    if (key->kind == SEARCH_KEY_TEXT && key->text.n > 0)
      memcpy(room, key->text.p, key->text.n);
    place->keys[i].text.p = room;
  }
}

static int make_room(struct sorter *s, struct search_match *place, struct err *reterr) {
  place->room = arena_alloc(s->c->arena, s->search->sorts_n * SEARCH_SORT_TEXT_BYTES_MAX);
  return place->room ? 0 : err_no_memory(reterr);
}

static int offer(struct sorter *s, const struct search_match *match, struct err *reterr) {
  const struct search_mark *mark = &s->search->mark;
  if (mark->is_set &&
      search_sort_compare(s->search, match->keys, match->rid, mark->keys, mark->rid) <= 0)
    return 0;
  bool is_full = s->n == s->max;
  if (is_full && compare_matches(s, match, &s->heap[0]) >= 0)
    return 0;
  struct search_match *place = is_full ? &s->heap[0] : &s->heap[s->n];
  int code = is_full ? 0 : make_room(s, place, reterr);
  if (code)
    return code;
  place->rid = match->rid;
  set_keys(s, place, match);
  if (is_full)
    sift_down(s, 0, s->n);
  else
    sift_up(s, s->n++);
  return 0;
}

/* Worst first becomes best first. */
static void finish(struct sorter *s) {
  for (size_t n = s->n; n > 1; n--) {
    swap(&s->heap[0], &s->heap[n - 1]);
    sift_down(s, 0, n - 1);
  }
}

/* ---- All matches ----------------------------------------------------------------------------- */

static int offer_candidate(struct sorter *s, struct search_candidate *candidate,
                           struct err *reterr) {
  struct search_match match = {.rid = candidate->rid};
  int code = 0;
  for (size_t i = 0; i < s->search->sorts_n && code == 0; i++) {
    code = search_sort_key(s->c, &s->search->sorts[i], candidate, &match.keys[i], reterr);
  }
  return code ? code : offer(s, &match, reterr);
}

int search_sorted_page(struct search_context *c, const struct search *search,
                       const struct search_condition *conditions, struct search_page *ret_page,
                       struct err *reterr) {
  bool walks;
  int code = search_walk_pays(c, search, conditions, &walks, reterr);
  c->facts.order = walks ? SEARCH_ORDER_WALKED : SEARCH_ORDER_SORTED;
  if (code || walks)
    return code ? code : search_walked_page(c, search, conditions, ret_page, reterr);
  struct sorter s = {.c = c, .search = search, .max = search->count + 1};
  s.heap = ARENA_ARRAY(c->arena, struct search_match, s.max);
  if (!s.heap)
    return err_no_memory(reterr);
  struct search_wish wish = {.types = search->types,
                             .conditions = conditions,
                             .n = search->predicates_n,
                             .wants_all = true};
  struct search_source *source;
  size_t looked_at = 0;
  for (size_t i = 0; i < search->sorts_n; i++)
    wish.reads_bodies |= !search_sort_is_in_keys(&search->sorts[i]);
  code = search_source_open(c, &wish, &source, reterr);
  while (code == 0) {
    struct search_candidate candidate;
    code = search_next_match(c, source, &wish, &candidate, reterr);
    if (code || candidate.rid == 0)
      break;
    if (++looked_at > SORT_CANDIDATES_MAX)
      return err_set(reterr, ERR_TOO_COSTLY, "_sort",
                     "more than %d resources would have to be sorted; add a condition",
                     SORT_CANDIDATES_MAX);
    code = offer_candidate(&s, &candidate, reterr);
  }
  finish(&s);
  ret_page->has_more = s.n > search->count;
  ret_page->p = s.heap;
  ret_page->n = s.n - ret_page->has_more;
  return code;
}
