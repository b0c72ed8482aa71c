/* A distributed store on one PostgreSQL: in place of Citus, a function of the same name that makes
 * the table one with partitions by `shard`. What a statement asks of which partition is what it
 * would ask of which machine. */
#ifndef TEST_UNIT_STORE_PARTITIONS_H
#define TEST_UNIT_STORE_PARTITIONS_H

#include "store/schema/schema_citus.h"
#include "store/schema/shard.h"

/* Statements that distribute the empty store in the schema of the search path over `n` partitions,
 * which hold every row to the promise that its shard is what its number says. */
static inline void partitions_add_sql(struct buf *buf, int n) {
  buf_printf(buf,
             "CREATE FUNCTION create_distributed_table(t regclass, distribution_column text,"
             " colocate_with text DEFAULT 'default', shard_count integer DEFAULT NULL) RETURNS void"
             " LANGUAGE plpgsql AS $f$ DECLARE name text := t::text; BEGIN"
             " EXECUTE format('ALTER TABLE %%I RENAME TO %%I', name, name||'_whole');"
             " EXECUTE format('CREATE TABLE %%I(LIKE %%I INCLUDING ALL) PARTITION BY HASH(%%I)',"
             "  name, name||'_whole', distribution_column);"
             " FOR i IN 0..%d LOOP"
             "  EXECUTE format('CREATE TABLE %%I PARTITION OF %%I FOR VALUES WITH"
             "   (MODULUS %d, REMAINDER %%s)', name||'_'||i, name, i);"
             " END LOOP;"
             " EXECUTE format('DROP TABLE %%I', name||'_whole');"
             " END $f$;",
             n - 1, n);
  schema_citus_add(buf, 0);
  for (const struct shard_table *table = shard_tables; table->name; table++) {
    static const char *const rules[] = {
        [SHARD_BY_RID] = ">>44", [SHARD_BY_KEY] = "&65535", [SHARD_BY_NUMBER] = ">>10&65535"};
    buf_printf(buf, "ALTER TABLE %s ADD CHECK(shard=(%s%s));", table->name, table->column,
               rules[table->rule]);
  }
}

#endif
