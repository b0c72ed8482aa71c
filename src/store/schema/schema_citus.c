#include "store/schema/schema_citus.h"

#include "store/schema/fact.h"
#include "store/schema/shard.h"

static const char HEAD[] =
    "-- Distributes the tables of an empty Callosum store with Citus (docs/scale.md).\n"
    "--\n"
    "-- Once, on the coordinator, while no `callosum` has the store open:\n"
    "--   callosum schema --postgresql | psql URL    (or let `callosum serve` make the tables)\n"
    "--   callosum schema --citus      | psql URL\n"
    "-- The connections of `callosum` then need, in the URL's options or by ALTER ROLE:\n"
    "--   plan_cache_mode=force_custom_plan    Citus plans by the values of the statement\n"
    "\n"
    "BEGIN;\n"
    "\n"
    "-- What is there already has numbers without a shard: it would all stay on one machine.\n"
    "DO $$ BEGIN\n"
    "  IF EXISTS(SELECT 1 FROM resource) OR EXISTS(SELECT 1 FROM message) THEN\n"
    "    RAISE EXCEPTION 'the store is not empty';\n"
    "  END IF;\n"
    "END $$;\n"
    "\n";

static const char LOCAL[] =
    "\n"
    "-- Small, and read or written by every group of commits: these stay on the coordinator, and "
    "are\n"
    "-- never joined with the tables above.\n"
    "--   store, type, param, dictionary, counter, sequence, process, lease, job, vocabulary,\n"
    "--   db_writer, callosum_identity\n"
    "\n"
    "-- From now on numbers tell where rows are, and statements say so.\n";

void schema_citus_add(struct buf *buf, unsigned shards) {
  buf_add_z(buf, HEAD);
  for (const struct shard_table *table = shard_tables; table->name; table++) {
    buf_printf(buf, "-- %s: %s\n", table->name, table->why);
    if (table == shard_tables)
      buf_printf(buf,
                 "SELECT create_distributed_table('%s', 'shard', colocate_with => 'none',"
                 " shard_count => %u);\n",
                 table->name, shards ? shards : SCHEMA_CITUS_SHARDS);
    else
      buf_printf(buf, "SELECT create_distributed_table('%s', 'shard', colocate_with => '%s');\n",
                 table->name, shard_tables->name);
  }
  buf_add_z(buf, LOCAL);
  buf_printf(buf, "INSERT INTO store(name,value) VALUES('" FACT_SHARDS "','%d');\n\nCOMMIT;\n",
             SHARD_MASK + 1);
}
