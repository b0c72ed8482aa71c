#include "store/db/db_postgres_sql.h"

enum { PLACES_MAX = 1 << 20 };

/* ---- Tokens ---- */

enum token_kind {
  TOKEN_END,
  TOKEN_SPACE,
  TOKEN_WORD,
  TOKEN_PLACE,
  TOKEN_OPEN,
  TOKEN_CLOSE,
  TOKEN_OTHER
};

struct token {
  enum token_kind kind;
  struct str text;
};

static bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || (unsigned char)c >= 0x80;
}

static bool is_space_char(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

/* The end of what begins at `from` with a quote; a doubled quote does not end it. */
static size_t end_of_quoted(struct str sql, size_t from) {
  char quote = sql.p[from];
  size_t at = from + 1;
  while (at < sql.n) {
    if (sql.p[at++] != quote)
      continue;
    if (at >= sql.n || sql.p[at] != quote)
      return at;
    at++;
  }
  return sql.n;
}

static size_t end_of_line_comment(struct str sql, size_t from) {
  ssize_t end = str_find_char(sql, '\n', from);
  return end < 0 ? sql.n : (size_t)end + 1;
}

static size_t end_of_block_comment(struct str sql, size_t from) {
  for (size_t at = from + 2; at + 1 < sql.n; at++)
    if (sql.p[at] == '*' && sql.p[at + 1] == '/')
      return at + 2;
  return sql.n;
}

static bool begins_pair(struct str sql, size_t at, char first, char second) {
  return at + 1 < sql.n && sql.p[at] == first && sql.p[at + 1] == second;
}

/* The token at `*at`, which moves behind it. Comments are space. */
static struct token next_token(struct str sql, size_t *at) {
  size_t from = *at, end = from + 1;
  enum token_kind kind = TOKEN_OTHER;
  if (from >= sql.n)
    return (struct token){TOKEN_END, str_n(sql.p + sql.n, 0)};
  char c = sql.p[from];
  if (is_space_char(c)) {
    kind = TOKEN_SPACE;
  } else if (begins_pair(sql, from, '-', '-')) {
    kind = TOKEN_SPACE;
    end = end_of_line_comment(sql, from);
  } else if (begins_pair(sql, from, '/', '*')) {
    kind = TOKEN_SPACE;
    end = end_of_block_comment(sql, from);
  } else if (c == '\'' || c == '"') {
    end = end_of_quoted(sql, from);
    kind = c == '"' ? TOKEN_WORD : TOKEN_OTHER;
  } else if (is_word_char(c)) {
    kind = TOKEN_WORD;
    while (end < sql.n && is_word_char(sql.p[end]))
      end++;
  } else if (c == '?') {
    kind = TOKEN_PLACE;
    while (end < sql.n && sql.p[end] >= '0' && sql.p[end] <= '9')
      end++;
  } else if (c == '(' || c == ')') {
    kind = c == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
  }
  *at = end;
  return (struct token){kind, str_slice(sql, from, end - from)};
}

/* The next token that is no space. */
static struct token next_solid(struct str sql, size_t *at) {
  struct token token;
  do
    token = next_token(sql, at);
  while (token.kind == TOKEN_SPACE);
  return token;
}

static bool is_word(struct token token, const char *word) {
  return token.kind == TOKEN_WORD && str_equal_ignore_case(token.text, str_of(word));
}

/* `*at` is behind an opening parenthesis: moves behind the one that closes it. False where none
 * does: `*at` is at the end then. */
static bool skip_parentheses(struct str sql, size_t *at) {
  for (int depth = 1; depth > 0;) {
    struct token token = next_token(sql, at);
    if (token.kind == TOKEN_END)
      return false;
    depth += token.kind == TOKEN_OPEN ? 1 : token.kind == TOKEN_CLOSE ? -1 : 0;
  }
  return true;
}

/* The position of the first of `words` outside parentheses from `from` on; sql.n where none is. */
static size_t find_words(struct str sql, size_t from, const char *const *words, size_t words_n) {
  for (size_t at = from;;) {
    size_t before = at;
    struct token token = next_token(sql, &at);
    if (token.kind == TOKEN_END)
      return sql.n;
    if (token.kind == TOKEN_OPEN)
      skip_parentheses(sql, &at);
    for (size_t i = 0; i < words_n; i++)
      if (is_word(token, words[i]))
        return before;
  }
}

static size_t find_word(struct str sql, size_t from, const char *word) {
  return find_words(sql, from, &word, 1);
}

static bool has_place(struct str sql, size_t at) {
  for (;;) {
    struct token token = next_token(sql, &at);
    if (token.kind == TOKEN_END || token.kind == TOKEN_PLACE)
      return token.kind == TOKEN_PLACE;
  }
}

/* ---- Joins and placeholders ---- */

/* Behind CROSS JOIN: does a table, a function or a sub-select with its alias end before an ON? */
static bool is_joined_on(struct str sql, size_t at) {
  struct token token = next_solid(sql, &at);
  if (token.kind == TOKEN_OPEN)
    skip_parentheses(sql, &at);
  else if (token.kind != TOKEN_WORD)
    return false;
  for (;;) {
    token = next_solid(sql, &at);
    if (is_word(token, "ON"))
      return true;
    static const char *const ends[] = {"CROSS", "JOIN",  "LEFT",  "INNER", "WHERE",
                                       "GROUP", "ORDER", "LIMIT", "UNION", "SET"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
      if (is_word(token, ends[i]))
        return false;
    if (token.kind == TOKEN_OPEN)
      skip_parentheses(sql, &at);
    else if (token.kind != TOKEN_WORD && !str_is(token.text, "."))
      return false;
  }
}

/* The number of a placeholder: its own (`?3`), or the next one. As SQLite counts. */
static int number_of_place(struct str place, int *places_n) {
  uint64_t number = 0;
  if (!str_to_u64(str_slice(place, 1, place.n), &number) || number > PLACES_MAX)
    number = (uint64_t)*places_n + 1;
  if ((int)number > *places_n)
    *places_n = (int)number;
  return (int)number;
}

/* Copies `sql`, each placeholder as `place` and its number; `*places_n` are known already. */
static void add_translated(struct buf *out, struct str sql, const char *place, int *places_n) {
  for (size_t at = 0;;) {
    struct token token = next_token(sql, &at);
    if (token.kind == TOKEN_END)
      return;
    if (token.kind == TOKEN_PLACE) {
      buf_add_z(out, place);
      buf_add_i64(out, number_of_place(token.text, places_n));
      continue;
    }
    size_t behind = at;
    if (is_word(token, "CROSS") && is_word(next_solid(sql, &behind), "JOIN") &&
        is_joined_on(sql, behind)) {
      buf_add(out, STR("JOIN"));
      at = behind;
      continue;
    }
    buf_add(out, token.text);
  }
}

static int end_of_translation(struct buf *out, struct err *reterr) {
  buf_z(out);
  return buf_is_overflown(out) ? err_no_memory(reterr) : 0;
}

int pg_sql_plain(struct str sql, struct buf *ret_sql, int *ret_places_n, struct err *reterr) {
  int places_n = 0;
  add_translated(ret_sql, sql, "$", &places_n);
  int code = end_of_translation(ret_sql, reterr);
  if (code == 0)
    *ret_places_n = places_n;
  return code;
}

int pg_sql_keys(struct str sql, struct buf *ret_sql, int *ret_places_n, struct err *reterr) {
  struct token token;
  size_t at = 0, place = 0;
  int places_n = 0;
  do {
    place = at;
    token = next_token(sql, &at);
  } while (token.kind != TOKEN_PLACE && token.kind != TOKEN_END);
  add_translated(ret_sql, str_slice(sql, 0, place), "$", &places_n);
  if (token.kind == TOKEN_PLACE) {
    places_n = 1;
    buf_add(ret_sql, STR("ANY($1)"));
  }
  add_translated(ret_sql, str_slice(sql, at, sql.n), "$", &places_n);
  int code = end_of_translation(ret_sql, reterr);
  if (code == 0)
    *ret_places_n = places_n;
  return code;
}

/* ---- Many rows at once ---- */

#define ASKED "asked_"
#define PLACE ASKED ".asked_v"
#define ASKED_ROW "asked_row"

static void add_arrays(struct buf *out, const enum db_type *types, size_t types_n,
                       bool is_numbered) {
  static const char *const names[] = {
      [DB_I64] = "int8[]", [DB_DOUBLE] = "float8[]", [DB_TEXT] = "bytea[]", [DB_BYTES] = "bytea[]"};
  buf_add(out, STR("unnest("));
  for (size_t i = 0; i < types_n; i++)
    buf_printf(out, "%s$%zu::%s", i ? "," : "", i + 1, names[types[i]]);
  buf_add_z(out, is_numbered ? ") WITH ORDINALITY AS " ASKED "(" : ") AS " ASKED "(");
  for (size_t i = 0; i < types_n; i++)
    buf_printf(out, "%sasked_v%zu", i ? "," : "", i + 1);
  if (is_numbered)
    buf_add(out, STR("," ASKED_ROW));
  buf_add_char(out, ')');
}

struct rows_sql {
  struct str sql;
  const enum db_type *types;
  size_t types_n;
  struct buf *out;
  int places_n;
};

static void add_part(struct rows_sql *r, size_t from, size_t to) {
  add_translated(r->out, str_n(r->sql.p + from, to - from), PLACE, &r->places_n);
}

/* INSERT INTO t(..) | VALUES ( values ) | ON CONFLICT .. */
static bool add_insert(struct rows_sql *r) {
  size_t at = find_word(r->sql, 0, "VALUES");
  size_t head = at;
  if (at == r->sql.n || !is_word(next_token(r->sql, &at), "VALUES") ||
      next_solid(r->sql, &at).kind != TOKEN_OPEN)
    return false;
  size_t values = at;
  if (!skip_parentheses(r->sql, &at))
    return false;
  add_part(r, 0, head);
  buf_add(r->out, STR("SELECT "));
  add_part(r, values, at - 1);
  buf_add(r->out, STR(" FROM "));
  add_arrays(r->out, r->types, r->types_n, false);
  add_part(r, at, r->sql.n);
  return !has_place(r->sql, at); /* behind the values the arrays can't be seen */
}

/* UPDATE t SET .. | FROM arrays | WHERE ..;  DELETE FROM t | USING arrays | WHERE .. */
static bool add_change(struct rows_sql *r, const char *keyword) {
  size_t where = find_word(r->sql, 0, "WHERE");
  if (where == r->sql.n)
    return false;
  add_part(r, 0, where);
  buf_add_z(r->out, keyword);
  add_arrays(r->out, r->types, r->types_n, false);
  buf_add_char(r->out, ' ');
  add_part(r, where, r->sql.n);
  return true;
}

/* Does its answer depend on all rows together, so that it has to be asked for each row alone? */
static bool is_about_all(struct str sql, size_t from) {
  static const char *const clauses[] = {"GROUP", "HAVING", "ORDER",    "LIMIT",
                                        "UNION", "EXCEPT", "INTERSECT"};
  static const char *const functions[] = {"count", "sum", "min", "max", "avg", "total", "DISTINCT"};
  return find_words(sql, 0, clauses, sizeof clauses / sizeof clauses[0]) < sql.n ||
         find_words(sql, 0, functions, sizeof functions / sizeof functions[0]) < from;
}

static bool add_select(struct rows_sql *r) {
  size_t from = find_word(r->sql, 0, "FROM");
  if (from == r->sql.n)
    return false;
  if (is_about_all(r->sql, from)) {
    buf_add(r->out, STR("SELECT asked_q.*," ASKED "." ASKED_ROW " FROM "));
    add_arrays(r->out, r->types, r->types_n, true);
    buf_add(r->out, STR(" CROSS JOIN LATERAL ("));
    add_part(r, 0, r->sql.n);
    buf_add(r->out, STR(") AS asked_q"));
    return true;
  }
  add_part(r, 0, from);
  buf_add(r->out, STR("," ASKED "." ASKED_ROW " FROM "));
  add_arrays(r->out, r->types, r->types_n, true);
  buf_add(r->out, STR(" CROSS JOIN"));
  add_part(r, from + 4, r->sql.n);
  return true;
}

int pg_sql_rows(struct str sql, const enum db_type *types, size_t types_n, struct buf *ret_sql,
                struct err *reterr) {
  struct rows_sql r = {.sql = sql, .types = types, .types_n = types_n, .out = ret_sql};
  size_t at = 0;
  struct token first = next_solid(sql, &at);
  bool is_known = false;
  if (is_word(first, "INSERT"))
    is_known = add_insert(&r);
  else if (is_word(first, "UPDATE"))
    is_known = add_change(&r, "FROM ");
  else if (is_word(first, "DELETE"))
    is_known = add_change(&r, "USING ");
  else if (is_word(first, "SELECT"))
    is_known = add_select(&r);
  if (!is_known || (size_t)r.places_n != types_n)
    return err_set(reterr, ERR_INTERNAL, "", "A statement for many rows has no known form: %.*s",
                   STR_ARG(sql));
  return end_of_translation(ret_sql, reterr);
}
