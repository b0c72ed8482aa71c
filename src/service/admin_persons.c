/* Finding a person by what a clerk knows. */
#include "service/admin.h"

#include "model/search_values.h"
#include "service/persons.h"
#include "store/search/search.h"

#define WORDS_MAX 12
#define CANDIDATES_MAX 200
#define COUNT_DEFAULT 20
#define COUNT_MAX 100

enum word_kind { WORD_NAME, WORD_IDENTIFIER, WORD_DATE };

struct words {
  struct str p[WORDS_MAX];
  size_t n;
};

struct candidate {
  const struct search_row *row;
  const struct yyjson_val *json;
  int score;
};

struct candidates {
  VEC(struct candidate) list;
};

/* ---- Words to a query ----------------------------------------------------------------------- */

/* What has neither a letter nor a digit says nothing: "Lee - Ann", and what is still being typed.
 */
static void split_words(struct arena *arena, struct str text, struct words *ret_words) {
  struct str rest = text, word;
  ret_words->n = 0;
  while (rest.n > 0 && ret_words->n < WORDS_MAX && str_split(&rest, ' ', &word)) {
    word = str_trim(word);
    if (word.n > 0 && word.p[word.n - 1] == ',')
      word.n--; /* "Lee, Ann" */
    if (search_normal_string(arena, word).n > 0)
      ret_words->p[ret_words->n++] = word;
  }
}

static bool has_digit(struct str word) {
  for (size_t i = 0; i < word.n; i++)
    if (word.p[i] >= '0' && word.p[i] <= '9')
      return true;
  return false;
}

/* A year of our time, or more of a date. */
static bool is_birth_date(struct str word) {
  int64_t from_us, to_us;
  return (word.n == 4 || word.n == 7 || word.n == 10) &&
         (str_starts_with(word, STR("18")) || str_starts_with(word, STR("19")) ||
          str_starts_with(word, STR("20"))) &&
         search_normal_date(word, &from_us, &to_us);
}

/* A word of digits may be more than one thing: each way of reading is one try. */
static enum word_kind kind_of(struct str word, unsigned reading) {
  if (!has_digit(word))
    return reading < 2 ? WORD_NAME : WORD_IDENTIFIER;
  return is_birth_date(word) && reading == 0 ? WORD_DATE : WORD_IDENTIFIER;
}

/* The characters that mean something in a search value are taken literally. */
static struct str escaped(struct arena *arena, struct str word) {
  struct buf buf;
  buf_init_arena(&buf, arena, word.n * 2 + 1);
  for (size_t i = 0; i < word.n; i++) {
    if (strchr("\\,|$", word.p[i]))
      buf_add_char(&buf, '\\');
    buf_add_char(&buf, word.p[i]);
  }
  return buf_str(&buf);
}

static int run_query(struct admin_call *call, struct store_view *view,
                     const struct search_pair *pairs, size_t n, struct search_result *ret_result,
                     struct err *reterr) {
  struct search_options options = {.default_count = CANDIDATES_MAX, .max_count = CANDIDATES_MAX};
  struct issues issues = {0};
  const struct search *search;
  int code = search_parse(call->arena, defs_type_by_name(STR("Patient")), pairs, n, &options,
                          &search, &issues, reterr);
  return code ? code : search_run(view, &call->access, call->arena, search, ret_result, reterr);
}

/* All words, each read as `reading` says. */
static int find(struct admin_call *call, struct store_view *view, const struct words *words,
                unsigned reading, struct search_result *ret_result, struct err *reterr) {
  static const char *const params[] = {
      [WORD_NAME] = "name", [WORD_IDENTIFIER] = "identifier", [WORD_DATE] = "birthdate"};
  struct search_pair pairs[WORDS_MAX + 2];
  size_t n = 0;
  for (size_t i = 0; i < words->n; i++)
    pairs[n++] = (struct search_pair){str_of(params[kind_of(words->p[i], reading)]),
                                      escaped(call->arena, words->p[i])};
  if (words->n == 0)
    pairs[n++] = (struct search_pair){STR("_sort"), STR("-_lastUpdated")};
  pairs[n++] = (struct search_pair){STR("_total"), STR("none")};
  return run_query(call, view, pairs, n, ret_result, reterr);
}

/* ---- The best first ------------------------------------------------------------------------- */

/* How well a word fits the parts of a name: a whole family name, a whole given name, a beginning.
 */
static int score_word(struct arena *arena, const struct yyjson_val *names, struct str word) {
  struct str wanted = search_normal_string(arena, word);
  struct json_each each = json_each(names);
  int best = 0;
  while (json_next(&each)) {
    struct str family = search_normal_string(arena, json_get_text(each.value, STR("family")));
    if (str_equal(family, wanted))
      return 4;
    if (best < 2 && str_starts_with(family, wanted))
      best = 2;
    struct json_each given = json_each(json_get(each.value, STR("given")));
    while (json_next(&given)) {
      struct str part = search_normal_string(arena, json_text(given.value));
      if (best < 3 && str_equal(part, wanted))
        best = 3;
      if (best < 1 && str_starts_with(part, wanted))
        best = 1;
    }
  }
  return best;
}

static int compare(const void *a, const void *b) {
  const struct candidate *x = a, *y = b;
  if (x->score != y->score)
    return x->score < y->score ? 1 : -1;
  int64_t left = x->row->resource.updated_us, right = y->row->resource.updated_us;
  return left < right ? 1 : left > right ? -1 : 0;
}

static bool is_known(const struct candidates *candidates, uint64_t rid) {
  for (size_t i = 0; i < candidates->list.n; i++)
    if (candidates->list.p[i].row->resource.rid == rid)
      return true;
  return false;
}

static int add_candidates(struct admin_call *call, const struct words *words,
                          const struct search_result *result, struct candidates *candidates,
                          struct err *reterr) {
  for (size_t i = 0; i < result->matches_n; i++) {
    const struct search_row *row = &result->rows[i];
    const struct yyjson_val *json;
    if (is_known(candidates, row->resource.rid))
      continue;
    int code = json_parse(call->arena, row->resource.body, NULL, &json, reterr);
    if (code)
      return code;
    size_t at = 0;
    if (words->n == 0 && persons_next_link(json, "replaced-by", &at).n > 0)
      continue; /* the one that replaced it has changed, too */
    struct candidate *candidate = VEC_PUSH(call->arena, &candidates->list);
    if (!candidate)
      return err_no_memory(reterr);
    *candidate = (struct candidate){.row = row, .json = json};
    for (size_t w = 0; w < words->n; w++)
      candidate->score += score_word(call->arena, json_get(json, STR("name")), words->p[w]);
  }
  return 0;
}

/* Tries the readings until there are enough; sorts. */
static int collect(struct admin_call *call, size_t wanted, struct candidates *candidates,
                   bool *ret_more, struct err *reterr) {
  struct words words;
  struct store_view *view;
  struct str text = str_trim(admin_param(call, "text"));
  split_words(call->arena, text, &words);
  if (text.n > 0 && words.n == 0)
    return 0; /* nobody, rather than everybody */
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  for (unsigned reading = 0; reading < (words.n > 0 ? 3 : 1) && code == 0; reading++) {
    struct search_result result = {0};
    code = find(call, view, &words, reading, &result, reterr);
    if (code == 0)
      code = add_candidates(call, &words, &result, candidates, reterr);
    *ret_more = *ret_more || result.next_cursor.n > 0;
    if (candidates->list.n >= wanted)
      break;
  }
  store_view_close(view);
  if (code == 0 && words.n > 0 && candidates->list.n > 1)
    qsort(candidates->list.p, candidates->list.n, sizeof *candidates->list.p, compare);
  return code;
}

/* ---- The answer ----------------------------------------------------------------------------- */

static void write_person(struct admin_call *call, const struct candidate *candidate) {
  struct json_writer *w = &call->w;
  json_begin_object(w);
  json_member_string(w, STR("id"), candidate->row->resource.id);
  persons_write_basics(w, call->arena, candidate->json);
  json_key(w, STR("identifiers"));
  json_begin_array(w);
  struct json_each each = json_each(json_get(candidate->json, STR("identifier")));
  while (json_next(&each)) {
    json_begin_object(w);
    persons_write_identifier(w, each.value);
    json_end_object(w);
  }
  json_end_array(w);
  admin_member_instant(w, "lastUpdated", candidate->row->resource.updated_us);
  json_end_object(w);
}

int admin_persons(struct admin_call *call, struct err *reterr) {
  struct candidates candidates = {0};
  struct json_writer *w = &call->w;
  uint64_t count;
  bool has_more = false;
  int code = admin_param_number(call, "count", COUNT_DEFAULT, COUNT_MAX, &count, reterr);
  if (code == 0)
    code = collect(call, (size_t)count, &candidates, &has_more, reterr);
  if (code)
    return code;
  json_begin_object(w);
  json_key(w, STR("persons"));
  json_begin_array(w);
  for (size_t i = 0; i < candidates.list.n && i < count; i++)
    write_person(call, &candidates.list.p[i]);
  json_end_array(w);
  json_member_bool(w, STR("more"), has_more || candidates.list.n > count);
  json_end_object(w);
  return 0;
}
