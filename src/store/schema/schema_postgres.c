/*
 * The tables for PostgreSQL. They are those of schema_sqlite.c, column by column; but:
 *
 * - A text and packed bytes are both `bytea`: any byte may occur in a message, and the order of
 *   bytes, not of a language, is what the searches rely on. What identifies something (rid, seq,
 *   hash, time) is `bigint`; `integer` is what counts kinds of something (type, param, state,
 *   version).
 * - The order of the columns. Fixed widths come first, the wide ones in front of the narrow ones,
 *   so that nothing is lost to alignment and a row's numbers are read without stepping over its
 *   texts. In the search tables it is that of the key. Every INSERT names its columns, or is into a
 *   table that has the same order here and there.
 * - `shard` is the last column of every table and of every primary key (docs/scale.md). Therefore
 *   no ON CONFLICT names columns.
 * - callosum_identity is what SQLite has in the header of its file, db_writer is the driver's own
 *   (db_postgres.c): which of its transactions became durable.
 *
 * What is only ever added to is frozen when it is first vacuumed, which makes it visible to
 * index-only scans and is never to be done again. The scale factors make that happen soon after a
 * load: by default a table of 100 million rows would wait for 20 million more.
 */
#include "store/schema/schema_tables.h"

#define SHARD " shard integer NOT NULL DEFAULT 0"

/* Rows that come and, at most, go. */
#define GROWING                                                                                    \
  " WITH (autovacuum_vacuum_insert_scale_factor=0.02, autovacuum_vacuum_scale_factor=0.05,"        \
  " autovacuum_analyze_scale_factor=0.05, autovacuum_freeze_min_age=0)"

/* Few rows, changed by every group: a page keeps room for its rows' next versions, so that no index
 * has to follow, and what is left over is taken out by whoever comes next. */
#define HOT                                                                                        \
  " WITH (fillfactor=20, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000,"      \
  " autovacuum_analyze_threshold=100000)"

static const char *const MAKE[] = {
    "CREATE TABLE callosum_identity(application bigint NOT NULL, version bigint NOT NULL)",
    "CREATE TABLE db_writer(id bigint PRIMARY KEY, number bigint NOT NULL)" HOT,

    "CREATE TABLE store(name bytea, value bytea NOT NULL," SHARD ", PRIMARY KEY(name, shard))",
    "CREATE TABLE type(number integer, name bytea NOT NULL," SHARD
    ", PRIMARY KEY(number, shard), UNIQUE(name, shard))",
    "CREATE TABLE param(number integer, type bytea NOT NULL, code bytea NOT NULL,"
    " state integer NOT NULL DEFAULT 0, job bigint NOT NULL DEFAULT 0,"
    " definition bytea NOT NULL DEFAULT ''," SHARD
    ", PRIMARY KEY(number, shard), UNIQUE(type, code, shard))",
    "CREATE TABLE dictionary(number integer, kind integer NOT NULL, trained_at bigint NOT NULL,"
    " bytes bytea NOT NULL," SHARD ", PRIMARY KEY(number, shard))",
    "CREATE TABLE counter(kind integer, number bigint, n bigint NOT NULL," SHARD
    ", PRIMARY KEY(kind, number, shard))" HOT,
    "CREATE TABLE sequence(id bigint, schema bigint NOT NULL, rid bigint NOT NULL,"
    " seq bigint NOT NULL, time bigint NOT NULL, message bigint NOT NULL,"
    " versions bigint NOT NULL, event bigint NOT NULL, audit bigint NOT NULL,"
    " delivery bigint NOT NULL, job bigint NOT NULL, definitions bigint NOT NULL,"
    " dictionaries bigint NOT NULL," SHARD ", PRIMARY KEY(id, shard))" HOT,
    "INSERT INTO sequence SELECT 1,3,0,0,0,0,0,0,0,0,0,0,0",
    "CREATE TABLE process(id bigint, name bytea NOT NULL, started bigint NOT NULL,"
    " seen bigint NOT NULL, detail bytea NOT NULL," SHARD ", PRIMARY KEY(id, shard))" HOT,
    "CREATE TABLE lease(name bytea, holder bigint NOT NULL, until bigint NOT NULL," SHARD
    ", PRIMARY KEY(name, shard))" HOT,

    "CREATE TABLE commit_log(seq bigint, time bigint NOT NULL, principal bytea NOT NULL," SHARD
    ", PRIMARY KEY(seq, shard))" GROWING,

    /* A new version of a row finds room on the page of the old one; its indexes have to follow in
       any case, as `updated` is in resource_live. */
    "CREATE TABLE resource(rid bigint, updated bigint NOT NULL, seq bigint NOT NULL,"
    " type integer NOT NULL, version integer NOT NULL, state integer NOT NULL,"
    " id bytea NOT NULL, keys bytea, body bytea," SHARD
    ", PRIMARY KEY(rid, shard)) WITH (fillfactor=90, autovacuum_vacuum_insert_scale_factor=0.02,"
    " autovacuum_vacuum_scale_factor=0.05, autovacuum_analyze_scale_factor=0.05)",
    "CREATE INDEX resource_live ON resource(type, updated, rid) WHERE state=1",
    "CREATE TABLE identity(key bigint, rid bigint," SHARD ", PRIMARY KEY(key, rid, shard))" GROWING,
    "CREATE TABLE version(rid bigint, updated bigint NOT NULL, seq bigint NOT NULL,"
    " version integer, state integer NOT NULL, body bytea," SHARD
    ", PRIMARY KEY(rid, version, shard))" GROWING,

    "CREATE TABLE token(param integer, first bigint, hash bigint, rid bigint," SHARD
    ", PRIMARY KEY(param, first, hash, rid, shard))" GROWING,
    "CREATE TABLE string(param integer, first bigint, folded bytea, exact bigint, rid bigint," SHARD
    ", PRIMARY KEY(param, first, folded, exact, rid, shard))" GROWING,
    "CREATE TABLE date(param integer, first bigint, class integer, lo bigint, hi bigint,"
    " rid bigint," SHARD ", PRIMARY KEY(param, first, class, lo, hi, rid, shard))" GROWING,
    "CREATE TABLE number(param integer, first bigint, lo double precision, hi double precision,"
    " rid bigint," SHARD ", PRIMARY KEY(param, first, lo, hi, rid, shard))" GROWING,
    "CREATE TABLE quantity(param integer, first bigint, unit bigint, lo double precision,"
    " hi double precision, rid bigint," SHARD
    ", PRIMARY KEY(param, first, unit, lo, hi, rid, shard))" GROWING,
    "CREATE TABLE uri(param integer, hash bigint, rid bigint," SHARD
    ", PRIMARY KEY(param, hash, rid, shard))" GROWING,
    "CREATE TABLE reference(param integer, target bigint, rid bigint," SHARD
    ", PRIMARY KEY(param, target, rid, shard))" GROWING,
    "CREATE TABLE stray(rid bigint, other integer," SHARD
    ", PRIMARY KEY(rid, other, shard))" GROWING,
    "CREATE TABLE vocabulary(param integer, text bytea, hash bigint," SHARD
    ", PRIMARY KEY(param, text, hash, shard))" GROWING,
    "CREATE TABLE text(word bytea, type integer, first bigint, rids bytea NOT NULL," SHARD
    ", PRIMARY KEY(word, type, first, shard))",

    "CREATE TABLE message(number bigint, seq bigint NOT NULL, received bigint NOT NULL,"
    " size bigint NOT NULL, status integer NOT NULL, channel bytea NOT NULL, sender bytea NOT NULL,"
    " control_id bytea NOT NULL, type bytea NOT NULL, event bytea NOT NULL,"
    " version_id bytea NOT NULL, patient bytea NOT NULL, reason bytea NOT NULL, reply bytea,"
    " raw bytea," SHARD ", PRIMARY KEY(number, shard))" GROWING,
    "CREATE INDEX message_status ON message(status, number) WHERE status<>1",
    "CREATE TABLE message_seen(key bigint, number bigint," SHARD
    ", PRIMARY KEY(key, number, shard))" GROWING,
    "CREATE TABLE message_word(word bytea, number bigint," SHARD
    ", PRIMARY KEY(word, number, shard))" GROWING,
    "CREATE TABLE lineage(message bigint, rid bigint, version integer, bytes bytea," SHARD
    ", PRIMARY KEY(message, rid, version, shard))" GROWING,
    "CREATE INDEX lineage_resource ON lineage(rid, version, message)",

    "CREATE TABLE audit(number bigint, seq bigint NOT NULL, action bytea NOT NULL,"
    " what bytea NOT NULL, outcome bytea NOT NULL, detail bytea NOT NULL," SHARD
    ", PRIMARY KEY(number, shard))" GROWING,
    "CREATE TABLE event(number bigint, seq bigint NOT NULL, rid bigint NOT NULL,"
    " message bigint NOT NULL, kind integer NOT NULL, version integer NOT NULL,"
    " type integer NOT NULL DEFAULT 0," SHARD ", PRIMARY KEY(number, shard))" GROWING,
    "CREATE INDEX event_type ON event(type, number) WHERE type>0",
    "CREATE TABLE delivery(number bigint, seq bigint NOT NULL, not_before bigint NOT NULL,"
    " holder bigint NOT NULL DEFAULT 0, lease bigint NOT NULL DEFAULT 0, state integer NOT NULL,"
    " attempts integer NOT NULL, destination bytea NOT NULL, content_type bytea NOT NULL,"
    " body bytea," SHARD ", PRIMARY KEY(number, shard)) WITH (fillfactor=80,"
    " autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_insert_scale_factor=0.02)",
    "CREATE INDEX delivery_waiting ON delivery(not_before, number) WHERE state=0",
    "CREATE INDEX delivery_due ON delivery(destination, not_before, number) WHERE state=0",

    "CREATE TABLE job(number bigint, created bigint NOT NULL, updated bigint NOT NULL,"
    " expires bigint NOT NULL, done bigint NOT NULL, total bigint NOT NULL,"
    " holder bigint NOT NULL DEFAULT 0, lease bigint NOT NULL DEFAULT 0, state integer NOT NULL,"
    " kind bytea NOT NULL, owner bytea NOT NULL, progress bytea NOT NULL, request bytea,"
    " result bytea," SHARD ", PRIMARY KEY(number, shard))"
    " WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000)",
    "CREATE INDEX job_unfinished ON job(number) WHERE state<3",

    /* Packed with zstd already (body.h): what is too long for its row is moved out as it is. */
    "ALTER TABLE resource ALTER body SET STORAGE EXTERNAL",
    "ALTER TABLE version ALTER body SET STORAGE EXTERNAL",
    "ALTER TABLE message ALTER raw SET STORAGE EXTERNAL, ALTER reply SET STORAGE EXTERNAL",
    "ALTER TABLE lineage ALTER bytes SET STORAGE EXTERNAL",
    "ALTER TABLE delivery ALTER body SET STORAGE EXTERNAL",
    "ALTER TABLE job ALTER request SET STORAGE EXTERNAL, ALTER result SET STORAGE EXTERNAL",
    "ALTER TABLE dictionary ALTER bytes SET STORAGE EXTERNAL",

    NULL,
};

const struct schema_tables schema_tables_postgres = {.made_version = 3, .make = MAKE};
