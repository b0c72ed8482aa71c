/* The tables that a distributed store has on several machines, as partitions of one PostgreSQL:
 * what a statement asks of which partition is what it would ask of which machine. */
#ifndef TEST_UNIT_STORE_PARTITIONS_H
#define TEST_UNIT_STORE_PARTITIONS_H

#include "store/shard.h"

/* Statements that make `n` partitions by `shard` of each table that is distributed. They are empty.
 */
static inline void partitions_add_sql(struct buf *buf, int n) {
  buf_add_z(buf, "DO $$ DECLARE t text; i integer; BEGIN FOREACH t IN ARRAY ARRAY[");
  for (const struct shard_table *table = shard_tables; table->name; table++)
    buf_printf(buf, "%s'%s'", table == shard_tables ? "" : ",", table->name);
  buf_printf(buf,
             "] LOOP"
             " EXECUTE format('ALTER TABLE %%I RENAME TO %%I', t, t||'_whole');"
             " EXECUTE format('CREATE TABLE %%I(LIKE %%I INCLUDING ALL) PARTITION BY HASH(shard)',"
             " t, t||'_whole');"
             " FOR i IN 0..%d LOOP"
             "  EXECUTE format('CREATE TABLE %%I PARTITION OF %%I FOR VALUES WITH"
             " (MODULUS %d, REMAINDER %%s)', t||'_'||i, t, i);"
             " END LOOP;"
             " EXECUTE format('DROP TABLE %%I', t||'_whole');"
             " END LOOP; END $$;",
             n - 1, n);
}

#endif
