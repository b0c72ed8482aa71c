#include "store/schema/shard.h"

/* ---- Types ---- */

static const defs_param_id *patient_params(defs_type_id type, size_t *ret_n) {
  return defs_compartment_params(STR("Patient"), type, ret_n);
}

bool shard_is_personal(defs_type_id type) {
  size_t n = 0;
  (void)patient_params(type, &n);
  return n > 0 || str_is(defs_type(type)->name, "Patient");
}

size_t shard_rank(defs_type_id type, defs_param_id param) {
  size_t n = 0;
  const defs_param_id *params = patient_params(type, &n);
  for (size_t i = 0; i < n; i++)
    if (params[i] == param)
      return i;
  return SIZE_MAX;
}

/* ---- Tables ---- */

#define OF_PATIENT "with its patient"
#define OF_RESOURCE "with its resource: found and joined on one shard"
const struct shard_table shard_tables[] = {
    {"resource", "rid", SHARD_BY_RID, -1, OF_PATIENT},
    {"version", "rid", SHARD_BY_RID, -1, OF_RESOURCE},
    {"token", "rid", SHARD_BY_RID, 3, OF_RESOURCE},
    {"string", "rid", SHARD_BY_RID, 4, OF_RESOURCE},
    {"date", "rid", SHARD_BY_RID, 5, OF_RESOURCE},
    {"number", "rid", SHARD_BY_RID, 4, OF_RESOURCE},
    {"quantity", "rid", SHARD_BY_RID, 5, OF_RESOURCE},
    {"uri", "rid", SHARD_BY_RID, 2, OF_RESOURCE},
    {"reference", "rid", SHARD_BY_RID, 2, OF_RESOURCE},
    {"lineage", "rid", SHARD_BY_RID, 1, OF_RESOURCE},
    {"stray", "rid", SHARD_BY_RID, 0, "with the resource that is referred to"},
    {"text", "first", SHARD_BY_RID, 2, "with the first resource of its list"},
    {"identity", "key", SHARD_BY_KEY, 0, "by the hash of type and id: a read asks one shard"},
    {"message_seen", "key", SHARD_BY_KEY, 0, "by the hash of the message: a duplicate asks one"},
    {"message", "number", SHARD_BY_NUMBER, -1, "in blocks of 1,024 messages"},
    {"message_word", "number", SHARD_BY_NUMBER, 1, "with its message"},
    {"event", "number", SHARD_BY_NUMBER, -1, "in blocks of 1,024: a reader of the log asks one"},
    {"commit_log", "seq", SHARD_BY_NUMBER, 0, "in blocks of 1,024 commits"},
    {"audit", "number", SHARD_BY_NUMBER, -1, "in blocks of 1,024 entries"},
    {"delivery", "number", SHARD_BY_NUMBER, -1, "in blocks of 1,024 deliveries"},
    {0},
};

static const struct shard_table *find_table(struct str name) {
  for (const struct shard_table *table = shard_tables; table->name; table++)
    if (str_is(name, table->name))
      return table;
  return NULL;
}

/* ---- Statements ---- */

/* A statement is read as names, keywords, placeholders, quoted texts and single characters.
 * Keywords are in capitals, names are not: that is how this program writes SQL. */
enum token_kind { TOKEN_NAME, TOKEN_KEYWORD, TOKEN_PLACEHOLDER, TOKEN_OTHER };
struct token {
  enum token_kind kind;
  struct str text; /* empty at the end */
};

/* The tables of a statement by the name that stands before their columns, and which one a column
 * without such a name is of: the only one of the innermost SELECT. */
enum { ALIASES_MAX = 32, DEPTH_MAX = 32 };
struct alias {
  struct str name;
  const struct shard_table *table; /* NULL: not distributed, or two of this name differ */
};
struct level {
  size_t tables_n; /* of the SELECT at this depth of parentheses */
  const struct shard_table *table;
};
struct statement {
  struct str sql;
  size_t at;
  unsigned placeholders_n; /* before `at` */
  struct alias aliases[ALIASES_MAX];
  size_t aliases_n;
  struct level levels[DEPTH_MAX];
  size_t depth;
};

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

static struct token token_at(struct str sql, size_t at) {
  enum token_kind kind = TOKEN_OTHER;
  size_t end = at + 1;
  char c = at < sql.n ? sql.p[at] : '\0';
  if (c == '\'') {
    ssize_t close = str_find_char(sql, '\'', end);
    end = close < 0 ? sql.n : (size_t)close + 1;
  } else if (c == '?') {
    kind = TOKEN_PLACEHOLDER;
  } else if (is_word(c)) {
    kind = c >= 'a' && c <= 'z' ? TOKEN_NAME : c >= 'A' && c <= 'Z' ? TOKEN_KEYWORD : TOKEN_OTHER;
    while (end < sql.n && is_word(sql.p[end]))
      end++;
  }
  return (struct token){kind, str_slice(sql, at, end - at)};
}

static bool is_keyword(struct token token, const char *keyword) {
  return token.kind == TOKEN_KEYWORD && str_is(token.text, keyword);
}

static bool is_char(struct token token, char c) {
  return token.kind == TOKEN_OTHER && token.text.n == 1 && token.text.p[0] == c;
}

static size_t skip_spaces(struct str sql, size_t at) {
  while (at < sql.n && sql.p[at] == ' ')
    at++;
  return at;
}

static bool is_before_table(struct token token) {
  return is_keyword(token, "FROM") || is_keyword(token, "JOIN") || is_keyword(token, "UPDATE") ||
         is_keyword(token, "INTO");
}

/* The table named at `at`, behind FROM and the like, and what it is called in the statement. False
 * for a sub-select or a function. */
static bool read_table(struct str sql, size_t at, const struct shard_table **ret_table,
                       struct str *ret_name) {
  at = skip_spaces(sql, at);
  struct token name = token_at(sql, at);
  at = skip_spaces(sql, at + name.text.n);
  if (name.kind != TOKEN_NAME || is_char(token_at(sql, at), '('))
    return false;
  struct token next = token_at(sql, at);
  if (is_keyword(next, "AS"))
    next = token_at(sql, skip_spaces(sql, at + next.text.n));
  *ret_table = find_table(name.text);
  *ret_name = next.kind == TOKEN_NAME ? next.text : name.text;
  return true;
}

static void note_alias(struct statement *s, struct str name, const struct shard_table *table) {
  for (size_t i = 0; i < s->aliases_n; i++)
    if (str_equal(s->aliases[i].name, name)) {
      if (s->aliases[i].table != table)
        s->aliases[i].table = NULL;
      return;
    }
  if (s->aliases_n < ALIASES_MAX)
    s->aliases[s->aliases_n++] = (struct alias){name, table};
}

static void note_tables(struct statement *s) {
  for (size_t at = 0; at < s->sql.n;) {
    struct token token = token_at(s->sql, at);
    const struct shard_table *table;
    struct str name;
    at += token.text.n;
    if (is_before_table(token) && read_table(s->sql, at, &table, &name))
      note_alias(s, name, table);
  }
}

/* Moves behind `token`, which stands at s->at. */
static void pass(struct statement *s, struct token token) {
  const struct shard_table *table;
  struct str name;
  s->at += token.text.n;
  s->placeholders_n += token.kind == TOKEN_PLACEHOLDER;
  if (is_char(token, '(') && s->depth + 1 < DEPTH_MAX) {
    s->levels[++s->depth] = (struct level){0};
  } else if (is_char(token, ')') && s->depth > 0) {
    s->depth--;
  } else if (is_before_table(token) && read_table(s->sql, s->at, &table, &name)) {
    s->levels[s->depth].table = table;
    s->levels[s->depth].tables_n++;
  }
}

/* One side of an equality. */
struct side {
  struct token token;
  unsigned placeholder;            /* its number, where it is one */
  const struct shard_table *table; /* whose shard is computed from it, or NULL */
  struct str prefix;               /* "r." or nothing */
};

static const struct shard_table *alias_table(const struct statement *s, struct str name) {
  for (size_t i = 0; i < s->aliases_n; i++)
    if (str_equal(s->aliases[i].name, name))
      return s->aliases[i].table;
  return NULL;
}

static const struct shard_table *nearest_table(const struct statement *s) {
  size_t depth = s->depth;
  while (depth > 0 && s->levels[depth].tables_n == 0)
    depth--;
  return s->levels[depth].tables_n == 1 ? s->levels[depth].table : NULL;
}

static struct side side_of(const struct statement *s, struct token token) {
  struct side side = {.token = token, .prefix = STR("")};
  if (token.kind != TOKEN_NAME) {
    side.placeholder = s->placeholders_n;
    return side;
  }
  ssize_t dot = str_find_char(token.text, '.', 0);
  size_t prefix_n = (size_t)(dot + 1);
  side.prefix = str_slice(token.text, 0, prefix_n);
  side.table = dot < 0 ? nearest_table(s) : alias_table(s, str_slice(token.text, 0, (size_t)dot));
  if (side.table && !str_is(str_slice(token.text, prefix_n, token.text.n), side.table->column))
    side.table = NULL;
  return side;
}

static void add_rule(struct buf *buf, enum shard_rule rule, struct str operand,
                     unsigned placeholder) {
  buf_printf(buf, "((%.*s", STR_ARG(operand));
  if (placeholder)
    buf_add_u64(buf, placeholder);
  if (rule == SHARD_BY_NUMBER)
    buf_printf(buf, ">>%d", SHARD_BLOCK_BITS);
  if (rule == SHARD_BY_RID)
    buf_printf(buf, ">>%d)", SHARD_RID_SHIFT);
  else
    buf_printf(buf, "&%d)", SHARD_MASK);
  buf_add_z(buf, "::integer)");
}

/* a=b, and what follows from it for the shard of `a`, which has a table. */
static void add_equality(struct buf *buf, const struct side *a, const struct side *b) {
  buf_printf(buf, "(%.*s=%.*s AND %.*sshard=", STR_ARG(a->token.text), STR_ARG(b->token.text),
             STR_ARG(a->prefix));
  if (b->table && a->table->rule == b->table->rule)
    buf_printf(buf, "%.*sshard", STR_ARG(b->prefix));
  else
    add_rule(buf, a->table->rule, b->token.text, b->placeholder);
  buf_add_char(buf, ')');
}

/* May `token` be a whole side? Then no function's name, and not followed by an operator. */
static bool is_side(struct str sql, struct token token, size_t behind) {
  if (token.kind != TOKEN_NAME && token.kind != TOKEN_PLACEHOLDER)
    return false;
  return behind >= sql.n || !strchr("(+-*/|&", sql.p[behind]);
}

/* The equality at s->at, if there is one that tells a shard. */
static bool take_equality(struct buf *buf, struct statement *s) {
  struct token left = token_at(s->sql, s->at);
  size_t middle = s->at + left.text.n;
  if (!is_side(s->sql, left, middle) || !is_char(token_at(s->sql, middle), '='))
    return false;
  struct token right = token_at(s->sql, middle + 1);
  if (!is_side(s->sql, right, middle + 1 + right.text.n))
    return false;
  struct statement before = *s;
  pass(s, left);
  struct side a = side_of(s, left);
  pass(s, token_at(s->sql, s->at));
  pass(s, right);
  struct side b = side_of(s, right);
  if (a.table)
    add_equality(buf, &a, &b);
  else if (b.table)
    add_equality(buf, &b, &a);
  else
    *s = before;
  return a.table || b.table;
}

/* Copies up to the ')' that ends a list, and tells what stands at `place` in it, or where `name`
 * stands. */
struct item {
  struct str name;
  int place;
  struct token token;
  unsigned placeholder;
};

static void copy_list(struct buf *buf, struct statement *s, struct item *item) {
  int place = 0;
  for (size_t depth = s->depth; s->at < s->sql.n;) {
    struct token token = token_at(s->sql, s->at);
    if (s->depth == depth && is_char(token, ')'))
      return;
    pass(s, token);
    buf_add(buf, token.text);
    place += s->depth == depth && is_char(token, ',');
    if (item->name.n && token.kind == TOKEN_NAME && str_equal(token.text, item->name))
      item->place = place;
    else if (!item->name.n && place == item->place && !is_char(token, ','))
      item->token = token, item->placeholder = s->placeholders_n;
  }
}

/* Copies `token`, which must come next, spaces before it. */
static bool copy_next(struct buf *buf, struct statement *s, const char *text) {
  size_t at = skip_spaces(s->sql, s->at);
  struct token token = token_at(s->sql, at);
  if (!str_is(token.text, text))
    return false;
  buf_add(buf, str_slice(s->sql, s->at, at - s->at));
  s->at = at;
  pass(s, token);
  buf_add(buf, token.text);
  return true;
}

/* "INSERT INTO t[(...)] VALUES(...)" with the shard; what follows is left. */
static bool add_insert(struct buf *buf, struct statement *s, const struct shard_table *table) {
  struct item name = {.name = str_of(table->column), .place = -1},
              value = {.place = table->column_place};
  while (!is_char(token_at(s->sql, s->at), '(') && !is_keyword(token_at(s->sql, s->at), "VALUES")) {
    struct token token = token_at(s->sql, s->at);
    if (!token.text.n)
      return false;
    pass(s, token);
    buf_add(buf, token.text);
  }
  if (copy_next(buf, s, "(")) {
    copy_list(buf, s, &name);
    buf_add_z(buf, ",shard");
    value.place = name.place;
    if (!copy_next(buf, s, ")"))
      return false;
  }
  if (value.place < 0 || !copy_next(buf, s, "VALUES") || !copy_next(buf, s, "("))
    return false;
  copy_list(buf, s, &value);
  buf_add_char(buf, ',');
  add_rule(buf, table->rule, value.token.text,
           value.token.kind == TOKEN_PLACEHOLDER ? value.placeholder : 0);
  return value.token.text.n > 0;
}

bool shard_add_sql(struct buf *buf, struct str sql) {
  struct statement s = {.sql = sql};
  note_tables(&s);
  static const struct str insert = STR("INSERT INTO ");
  if (str_starts_with(sql, insert)) {
    const struct shard_table *table = find_table(token_at(sql, insert.n).text);
    if (table && !add_insert(buf, &s, table))
      return false;
  }
  while (s.at < sql.n) {
    if (take_equality(buf, &s))
      continue;
    struct token token = token_at(sql, s.at);
    pass(&s, token);
    buf_add(buf, token.text);
  }
  return !buf_is_overflown(buf);
}
