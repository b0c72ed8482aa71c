/* Any bytes as SQL of the common subset, as a value in PostgreSQL's binary form (arrays are read
 * back by their lengths), and as a password in a URL that is shown. */
#include "fuzz.h"

#include "store/db/db.h"
#include "store/db/db_postgres_sql.h"
#include "store/db/db_postgres_value.h"

static const uint32_t value_types[] = {PG_BOOL,   PG_BYTEA,   PG_INT8,       PG_INT2,
                                       PG_INT4,   PG_TEXT,    PG_OID,        PG_FLOAT4,
                                       PG_FLOAT8, PG_NUMERIC, PG_TIMESTAMPTZ};

static void check_sql(struct arena *arena, struct str sql) {
  static const enum db_type types[] = {DB_I64, DB_BYTES, DB_DOUBLE};
  struct buf out;
  struct err err;
  int places_n = 0;
  buf_init_arena(&out, arena, (size_t)1 << 20);
  if (pg_sql_plain(sql, &out, &places_n, &err) == 0)
    FUZZ_CHECK(places_n >= 0 && out.n <= sql.n * 12 + 16);
  buf_clear(&out);
  if (pg_sql_keys(sql, &out, &places_n, &err) == 0)
    FUZZ_CHECK(places_n >= 0 && out.n <= sql.n * 12 + 16);
  for (size_t n = 1; n <= sizeof types / sizeof types[0]; n++) {
    buf_clear(&out);
    int code = pg_sql_rows(sql, types, n, &out, &err);
    FUZZ_CHECK(code == 0 || code == ERR_INTERNAL || code == ERR_NO_MEMORY);
  }
}

static void check_array(struct arena *arena, struct str text) {
  struct str rows[3] = {text, STR_NULL, str_slice(text, 0, text.n / 2)};
  struct db_column column = {DB_BYTES, rows, 0, sizeof rows[0]};
  struct buf out;
  buf_init_arena(&out, arena, (size_t)1 << 20);
  FUZZ_CHECK(pg_value_array(&out, &column, 0, 3));
  FUZZ_CHECK(out.n == 20 + 12 + rows[0].n + rows[2].n);
  FUZZ_CHECK(pg_value_i64(PG_INT4, str_n(out.p + 12, 4)) == 3);
}

/* With a mark at both ends and now and then in between, which nothing else in the URL has. */
#define MARK 'Q'
static void add_password(struct buf *url, struct str bytes, bool is_parameter) {
  buf_add_char(url, MARK);
  for (size_t i = 0; i < bytes.n; i++) {
    bool ends_it = bytes.p[i] == '\0' || (is_parameter && bytes.p[i] == '&');
    buf_add_char(url, ends_it || i % 5 == 4 ? MARK : bytes.p[i]);
  }
  buf_add_char(url, MARK);
}

static void check_password(struct arena *arena, struct str bytes) {
  static const struct {
    const char *before, *behind;
    bool is_parameter;
  } forms[] = {
      {"postgresql://u:", "@h:1/d?sslmode=require", false},
      {"postgresql://u:", "@h1,h2:2/d", false},
      {"postgres://:", "@/d?host=/tmp&user=v", false},
      {"postgresql:u:", "@h", false},
      {"postgresql://u:v@h:1,w:", "@[::1]:2/d", false},
      {"mysql://u:", "@h/d", false},
      {"postgresql://h:1/d?password=", "&user=u", true},
      {"postgresql:///d?sslpassword=", "&host=/tmp", true},
      {"postgresql://u@h/d?p%61ssword=", "", true},
      {"postgresql:///?user=u:1&password=", "&dbname=d", true},
  };
  char shown[1024];
  bytes = str_slice(bytes, 0, 400);
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    struct buf url;
    buf_init_arena(&url, arena, 4096);
    buf_add_z(&url, forms[i].before);
    add_password(&url, bytes, forms[i].is_parameter);
    buf_add_z(&url, forms[i].behind);
    (void)db_shown_path(buf_z(&url), shown, sizeof shown);
    FUZZ_CHECK(!strchr(shown, MARK));
  }
}

static void one(struct arena *arena, struct str bytes) {
  check_password(arena, bytes);
  check_sql(arena, bytes);
  check_array(arena, bytes);
  for (size_t i = 0; i < sizeof value_types / sizeof value_types[0]; i++) {
    pg_value_i64(value_types[i], bytes);
    double number = pg_value_double(value_types[i], bytes);
    FUZZ_CHECK(number == number || value_types[i] == PG_FLOAT4 || value_types[i] == PG_FLOAT8 ||
               value_types[i] == PG_NUMERIC || pg_value_is_bytes(value_types[i]));
  }
}

FUZZ_TARGET(one, (size_t)64 << 20)
FUZZ_SEEDS(STR("SELECT a,'?' FROM t CROSS JOIN (SELECT ? x) u ON u.x=t.a WHERE b=? -- ?"),
           STR("INSERT INTO t(a,b) VALUES(?,(?+1)) ON CONFLICT(a) DO UPDATE SET b=excluded.b"),
           STR("UPDATE t SET a=?1,b=?1 /* ? */ WHERE \"c?\"=?"), STR("DELETE FROM t WHERE a=?"),
           STR("INSERT INTO t VALUES("), STR("INSERT INTO t VALUES(?,(?)"),
           STR("SELECT count(*) FROM t WHERE b=?"), STR("\0\2\0\1@\0\0\0\0\1\4\322"),
           STR("/d?host=x@y:z"), STR("%3a%2F@?&password=,[::1]"))
