#include "store/schema/schema_text.h"

#include "store/schema/fact.h"
#include "store/schema/schema_tables.h"

static void add_statements(struct buf *buf, const char *const *statements) {
  for (; *statements; statements++) {
    struct str text = str_of(*statements);
    buf_add(buf, text);
    buf_add_z(buf, str_ends_with(text, STR(";")) ? "\n" : ";\n");
  }
}

static void add_tables(struct buf *buf, const struct schema_tables *tables) {
  add_statements(buf, tables->make);
  for (uint32_t version = tables->made_version; version < SCHEMA_VERSION; version++)
    add_statements(buf, tables->upgrades[version - 1]);
}

/* What write_facts and run_upgrades in schema.c do. */
static void add_facts(struct buf *buf, enum db_kind kind) {
  buf_printf(buf, "UPDATE sequence SET schema=%u WHERE id=1;\n", SCHEMA_VERSION);
  buf_add_z(buf, "INSERT INTO counter VALUES(101,0,1);\n"
                 "INSERT INTO store VALUES('" FACT_INDEX_FORM "','" SCHEMA_INDEX_FORM "');\n");
  if (kind == DB_POSTGRES)
    buf_printf(buf,
               "INSERT INTO store SELECT '" FACT_KEY "',substr(sha256(uuid_send(gen_random_uuid())"
               "||uuid_send(gen_random_uuid())),1,16);\n"
               "INSERT INTO callosum_identity VALUES(%u,%u);\n",
               SCHEMA_APPLICATION, SCHEMA_VERSION);
  else
    buf_printf(buf,
               "INSERT INTO store VALUES('" FACT_KEY "',randomblob(16));\n"
               "PRAGMA application_id=%u;\nPRAGMA user_version=%u;\n",
               SCHEMA_APPLICATION, SCHEMA_VERSION);
}

void schema_text_add(struct buf *buf, enum db_kind kind) {
  bool is_server = kind == DB_POSTGRES;
  if (!is_server) /* can't be changed once there are tables */
    buf_add_z(buf, "PRAGMA page_size=4096;\n");
  buf_add_z(buf, "BEGIN;\n");
  add_tables(buf, is_server ? &schema_tables_postgres : &schema_tables_sqlite);
  add_facts(buf, kind);
  buf_add_z(buf, "COMMIT;\n");
}
