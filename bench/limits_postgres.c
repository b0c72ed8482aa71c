/*
 * What a PostgreSQL takes in at best, from one client over one pipelined connection: the rows that
 * a resource of the Synthea set makes (the resource, its identity, its event, twelve rows of search
 * tables; the shapes of src/store/schema/schema_postgres.c), by arrays, in groups with a COMMIT
 * each. Nothing is parsed, looked up or checked: it is the limit that an ingest is compared with.
 *
 *   limits_postgres URL GROUP
 *       makes the tables in a schema of its own, inserts groups of so many resources, drops the
 *       schema; prints resources a second
 *
 * The next groups are sent while the server works on one; the rows of a group are in the order of
 * each table's key. Parameters are binary arrays: dimensions (1), nulls (0), type, length, lower
 * bound (1), then each element's length and bytes; all numbers big-endian.
 */
#include "base/base.h"
#include "base/clock.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdlib.h>

#define SECONDS 3
#define GROUP_MAX 10000
#define COLUMNS_MAX 9
#define ROWS_MAX 6 /* of one resource, in one table */
#define IN_FLIGHT_MAX 4
#define ARRAY_MAX_BYTES ((size_t)64 << 20)

/* `types`: i integer, l bigint, d double precision, b bytea (of which a cell is the length). */
struct table {
  size_t rows; /* of one resource */
  const char *types, *name, *columns, *create;
};

#define SHARD "shard integer NOT NULL DEFAULT 0"
static const struct table TABLES[] = {
    {1, "llliiibbb", "resource", "rid,updated,seq,type,version,state,id,keys,body",
     "rid bigint, updated bigint, seq bigint, type integer, version integer, state integer, id "
     "bytea, keys bytea, body bytea, " SHARD ", PRIMARY KEY(rid, shard)"},
    {1, "ll", "identity", "key,rid",
     "key bigint, rid bigint, " SHARD ", PRIMARY KEY(key, rid, shard)"},
    {1, "lllliii", "event", "number,seq,rid,message,kind,version,type",
     "number bigint, seq bigint, rid bigint, message bigint, kind integer, version integer, type "
     "integer, " SHARD ", PRIMARY KEY(number, shard)"},
    {6, "illl", "token", "param,first,hash,rid",
     "param integer, first bigint, hash bigint, rid bigint, " SHARD
     ", PRIMARY KEY(param, first, hash, rid, shard)"},
    {3, "ill", "reference", "param,target,rid",
     "param integer, target bigint, rid bigint, " SHARD ", PRIMARY KEY(param, target, rid, shard)"},
    {1, "ililll", "date", "param,first,class,lo,hi,rid",
     "param integer, first bigint, class integer, lo bigint, hi bigint, rid bigint, " SHARD
     ", PRIMARY KEY(param, first, class, lo, hi, rid, shard)"},
    {1, "illddl", "quantity", "param,first,unit,lo,hi,rid",
     "param integer, first bigint, unit bigint, lo double precision, hi double precision, rid "
     "bigint, " SHARD ", PRIMARY KEY(param, first, unit, lo, hi, rid, shard)"},
    {1, "ilbll", "string", "param,first,folded,exact,rid",
     "param integer, first bigint, folded bytea, exact bigint, rid bigint, " SHARD
     ", PRIMARY KEY(param, first, folded, exact, rid, shard)"},
};
#define TABLES_N (sizeof TABLES / sizeof TABLES[0])

static const char MORE_TABLES[] =
    "CREATE INDEX ON resource(type, updated, rid) WHERE state=1;"
    "CREATE INDEX ON event(type, number) WHERE type>0;"
    "CREATE TABLE commit_log(seq bigint, time bigint, principal bytea, " SHARD
    ", PRIMARY KEY(seq, shard));"
    "CREATE TABLE sequence(id integer PRIMARY KEY, rid bigint, seq bigint);"
    "INSERT INTO sequence VALUES(1,0,0)";

struct row {
  int64_t cells[COLUMNS_MAX];
};

struct load {
  PGconn *connection;
  uint64_t state; /* of the random numbers */
  int64_t rid, seq;
  size_t group;
  struct row *rows; /* of one table of a group */
  struct buf arrays[COLUMNS_MAX];
};

static int fail(const struct load *load, const char *what) {
  fprintf(stderr, "limits_postgres: %s: %s\n", what,
          load->connection ? PQerrorMessage(load->connection) : "no memory");
  return 1;
}

static bool run(struct load *load, const char *sql) {
  PGresult *result = PQexec(load->connection, sql);
  bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return is_done;
}

static int64_t chance(struct load *load, unsigned bits) {
  load->state = load->state * 6364136223846793005u + 1442695040888963407u;
  return (int64_t)(load->state >> (64 - bits));
}

/* ---- Tables and statements ---- */

static bool make_tables(struct load *load) {
  char sql[2048];
  if (!run(load, "SET client_min_messages=error; SET synchronous_commit=on;"
                 "DROP SCHEMA IF EXISTS callosum_limit CASCADE; CREATE SCHEMA callosum_limit;"
                 "SET search_path=callosum_limit"))
    return false;
  for (size_t i = 0; i < TABLES_N; i++) {
    snprintf(sql, sizeof sql, "CREATE TABLE %s(%s)", TABLES[i].name, TABLES[i].create);
    if (!run(load, sql))
      return false;
  }
  return run(load, MORE_TABLES);
}

static const char *type_name(char type) {
  return type == 'i'   ? "integer"
         : type == 'l' ? "bigint"
         : type == 'd' ? "double precision"
                       : "bytea";
}

static bool prepare(struct load *load, const char *name, const char *sql) {
  PGresult *result = PQprepare(load->connection, name, sql, 0, NULL);
  bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return is_done;
}

static bool prepare_all(struct load *load) {
  struct buf sql;
  bool is_done = true;
  buf_init(&sql, 4096);
  for (size_t i = 0; is_done && i < TABLES_N; i++) {
    buf_clear(&sql);
    buf_printf(&sql, "INSERT INTO %s(%s) SELECT * FROM unnest(", TABLES[i].name, TABLES[i].columns);
    for (size_t c = 0; TABLES[i].types[c]; c++)
      buf_printf(&sql, "%s$%zu::%s[]", c ? "," : "", c + 1, type_name(TABLES[i].types[c]));
    buf_add_z(&sql, ")");
    is_done = prepare(load, TABLES[i].name, buf_z(&sql));
  }
  buf_fini(&sql);
  return is_done && prepare(load, "begin", "BEGIN") && prepare(load, "commit", "COMMIT") &&
         prepare(load, "commit_log",
                 "INSERT INTO commit_log VALUES($1::bigint,$2::bigint,'bench')") &&
         prepare(load, "sequence", "UPDATE sequence SET rid=$1::bigint, seq=$2::bigint WHERE id=1");
}

/* ---- Rows ---- */

/* A value as the search tables have them: half of the parameters have few different ones, the
 * others one a resource. */
static struct row make_row(struct load *load, size_t table, size_t k, int64_t rid) {
  int64_t param = (int64_t)(table * 16 + k), value = chance(load, k % 2 ? 44 : 10);
  int64_t time = 1600000000000000 + rid;
  switch (table) {
  case 0:
    return (struct row){{rid, time, load->seq, rid % 20, 1, 1, 17, 120, 350}};
  case 1:
    return (struct row){{chance(load, 63), rid}};
  case 2:
    return (struct row){{rid, load->seq, rid, 0, 1, 1, rid % 20}};
  case 3:
    return (struct row){{param, 0, value, rid}};
  case 4: /* of one patient's resources, one after the other; the patient, the encounter, ... */
    return (struct row){{param, rid - rid % (k ? 20 : 300), rid}};
  case 5:
    return (struct row){{param, 0, 20, value << 20, (value << 20) + 1000000, rid}};
  case 6:
    return (struct row){{param, 0, value % 50, chance(load, 10), chance(load, 10), rid}};
  default:
    return (struct row){{param, 0, 8, value, rid}};
  }
}

static int compare_rows(const void *a, const void *b) {
  const struct row *left = a, *right = b;
  for (size_t c = 0; c < COLUMNS_MAX; c++)
    if (left->cells[c] != right->cells[c])
      return left->cells[c] < right->cells[c] ? -1 : 1;
  return 0;
}

static void add_32(struct buf *buf, uint32_t value) {
  uint32_t big = htobe32(value);
  buf_add(buf, str_n((const char *)&big, sizeof big));
}

static void add_64(struct buf *buf, uint64_t value) {
  uint64_t big = htobe64(value);
  buf_add(buf, str_n((const char *)&big, sizeof big));
}

static void add_cell(struct load *load, struct buf *buf, char type, int64_t cell) {
  if (type == 'i') {
    add_32(buf, 4);
    add_32(buf, (uint32_t)cell);
  } else if (type == 'b') { /* bytes as packed ones are: no compression makes them smaller */
    add_32(buf, (uint32_t)cell);
    for (int64_t n = 0; n < cell; n += 8) {
      uint64_t bytes = (uint64_t)chance(load, 63);
      buf_add(buf, str_n((const char *)&bytes, cell - n < 8 ? (size_t)(cell - n) : 8));
    }
  } else {
    double number = (double)cell;
    uint64_t bits = (uint64_t)cell;
    if (type == 'd')
      memcpy(&bits, &number, sizeof bits);
    add_32(buf, 8);
    add_64(buf, bits);
  }
}

static void make_array(struct load *load, struct buf *buf, char type, size_t column,
                       size_t rows_n) {
  buf_clear(buf);
  add_32(buf, 1);
  add_32(buf, 0);
  add_32(buf, type == 'i' ? 23 : type == 'l' ? 20 : type == 'd' ? 701 : 17);
  add_32(buf, (uint32_t)rows_n);
  add_32(buf, 1);
  for (size_t i = 0; i < rows_n; i++)
    add_cell(load, buf, type, load->rows[i].cells[column]);
}

/* ---- Sending ---- */

static bool send_statement(struct load *load, const char *name, const struct buf *values, int n) {
  const char *bytes[COLUMNS_MAX] = {NULL};
  int lengths[COLUMNS_MAX] = {0}, formats[COLUMNS_MAX] = {0};
  for (int i = 0; i < n; i++) {
    if (buf_is_overflown(&values[i]))
      return false;
    bytes[i] = values[i].p;
    lengths[i] = (int)values[i].n;
    formats[i] = 1;
  }
  return PQsendQueryPrepared(load->connection, name, n, bytes, lengths, formats, 1) == 1;
}

static bool send_two_numbers(struct load *load, const char *name, int64_t first, int64_t second) {
  buf_clear(&load->arrays[0]);
  buf_clear(&load->arrays[1]);
  add_64(&load->arrays[0], (uint64_t)first);
  add_64(&load->arrays[1], (uint64_t)second);
  return send_statement(load, name, load->arrays, 2);
}

static bool send_table(struct load *load, size_t table, int64_t first_rid) {
  size_t rows_n = 0, columns_n = strlen(TABLES[table].types);
  for (size_t i = 0; i < load->group; i++)
    for (size_t k = 0; k < TABLES[table].rows; k++)
      load->rows[rows_n++] = make_row(load, table, k, first_rid + (int64_t)i);
  qsort(load->rows, rows_n, sizeof *load->rows, compare_rows);
  for (size_t c = 0; c < columns_n; c++)
    make_array(load, &load->arrays[c], TABLES[table].types[c], c, rows_n);
  return send_statement(load, TABLES[table].name, load->arrays, (int)columns_n);
}

static bool send_group(struct load *load) {
  int64_t first_rid = load->rid + 1;
  load->rid += (int64_t)load->group;
  load->seq++;
  if (!send_statement(load, "begin", NULL, 0))
    return false;
  for (size_t table = 0; table < TABLES_N; table++)
    if (!send_table(load, table, first_rid))
      return false;
  return send_two_numbers(load, "commit_log", load->seq, load->seq) &&
         send_two_numbers(load, "sequence", load->rid, load->seq) &&
         send_statement(load, "commit", NULL, 0) && PQpipelineSync(load->connection) == 1;
}

/* The answers of one group, up to that of its Sync. */
static bool take_answers(struct load *load) {
  for (;;) {
    PGresult *result = PQgetResult(load->connection);
    ExecStatusType status = result ? PQresultStatus(result) : PGRES_COMMAND_OK;
    PQclear(result);
    if (status == PGRES_PIPELINE_SYNC)
      return true;
    if (status != PGRES_COMMAND_OK)
      return false;
  }
}

/* Answers are a few bytes a statement: with so few groups under way they fit the socket, and
 * sending can't wait for us to read. */
static int insert_groups(struct load *load) {
  int64_t start_us = clock_monotonic_us(), now_us = start_us;
  size_t sent = 0, answered = 0;
  while (answered < sent || now_us - start_us < SECONDS * 1000000) {
    bool is_over = now_us - start_us >= SECONDS * 1000000;
    if (!is_over && sent - answered < IN_FLIGHT_MAX) {
      if (!send_group(load))
        return fail(load, "send");
      sent++;
    } else if (take_answers(load)) {
      answered++;
    } else {
      return fail(load, "insert");
    }
    now_us = clock_monotonic_us();
  }
  printf("%.0f\n", (double)load->rid / ((double)(now_us - start_us) / 1e6));
  return 0;
}

static int measure(struct load *load) {
  load->rows = calloc(load->group * ROWS_MAX, sizeof *load->rows);
  if (!load->rows || PQstatus(load->connection) != CONNECTION_OK)
    return fail(load, "connect");
  if (!make_tables(load) || !prepare_all(load) || PQenterPipelineMode(load->connection) != 1)
    return fail(load, "prepare");
  int code = insert_groups(load);
  if (code == 0 && (PQexitPipelineMode(load->connection) != 1 ||
                    !run(load, "DROP SCHEMA callosum_limit CASCADE")))
    code = fail(load, "drop");
  return code;
}

int main(int argc, char **argv) {
  struct load load = {.state = 1};
  load.group = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
  if (load.group < 1 || load.group > GROUP_MAX) {
    fputs("Usage: limits_postgres URL GROUP\n", stderr);
    return 2;
  }
  for (size_t c = 0; c < COLUMNS_MAX; c++)
    buf_init(&load.arrays[c], ARRAY_MAX_BYTES);
  load.connection = PQconnectdb(argv[1]);
  int code = measure(&load);
  for (size_t c = 0; c < COLUMNS_MAX; c++)
    buf_fini(&load.arrays[c]);
  free(load.rows);
  PQfinish(load.connection);
  return code;
}
