#include "store/schema/schema_tables.h"

/*
 * The tables of version 1. What the columns mean for a search is in schema.h, the packed ones are
 * in docs/internals/storage.md. Columns that are read for every row stand before the long ones.
 * These statements don't change any more: a new file is made of them and of all upgrades, so that
 * it has the same tables as an old one.
 */
static const char TABLES_1[] =
    /* Facts of this file (fact.h). */
    "CREATE TABLE store(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE type(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE param(number INTEGER PRIMARY KEY, type TEXT NOT NULL, code TEXT NOT NULL,"
    " UNIQUE(type, code));"
    /* The compression dictionaries that bodies in this file were written with. */
    "CREATE TABLE dictionary(number INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " trained_at INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE counter(kind INTEGER, number INTEGER, n INTEGER NOT NULL,"
    " PRIMARY KEY(kind, number)) WITHOUT ROWID;"

    /* The order of the world. */
    "CREATE TABLE commit_log(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, principal TEXT NOT "
    "NULL);"

    "CREATE TABLE resource(rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id BLOB NOT NULL,"
    " version INTEGER NOT NULL, updated INTEGER NOT NULL, state INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, keys BLOB, body BLOB);"
    "CREATE INDEX resource_live ON resource(type, updated) WHERE state=1;"
    "CREATE TABLE identity(key INTEGER, rid INTEGER, PRIMARY KEY(key, rid)) WITHOUT ROWID;"
    "CREATE TABLE version(rid INTEGER, version INTEGER, updated INTEGER NOT NULL,"
    " state INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB, PRIMARY KEY(rid, version))"
    " WITHOUT ROWID;"

    "CREATE TABLE token(param INTEGER, first INTEGER, hash INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, first, hash, rid)) WITHOUT ROWID;"
    "CREATE TABLE string(param INTEGER, first INTEGER, folded TEXT, exact INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, first, folded, exact, rid)) WITHOUT ROWID;"
    "CREATE TABLE date(param INTEGER, first INTEGER, class INTEGER, lo INTEGER, hi INTEGER,"
    " rid INTEGER, PRIMARY KEY(param, first, class, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE number(param INTEGER, first INTEGER, lo REAL, hi REAL, rid INTEGER,"
    " PRIMARY KEY(param, first, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE quantity(param INTEGER, first INTEGER, unit INTEGER, lo REAL, hi REAL,"
    " rid INTEGER, PRIMARY KEY(param, first, unit, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE uri(param INTEGER, hash INTEGER, rid INTEGER, PRIMARY KEY(param, hash, rid))"
    " WITHOUT ROWID;"
    "CREATE TABLE reference(param INTEGER, target INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, target, rid)) WITHOUT ROWID;"
    "CREATE TABLE vocabulary(param INTEGER, text TEXT, hash INTEGER, PRIMARY KEY(param, text, "
    "hash)) WITHOUT ROWID;"

    /* status: enum store_message_status. raw, reply: packed like bodies. */
    "CREATE TABLE message(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, status INTEGER NOT "
    "NULL, received INTEGER NOT NULL, size INTEGER NOT NULL, channel TEXT NOT NULL,"
    " sender TEXT NOT NULL, control_id TEXT NOT NULL, type TEXT NOT NULL, event TEXT NOT NULL,"
    " version_id TEXT NOT NULL, patient TEXT NOT NULL, reason TEXT NOT NULL, reply BLOB, raw "
    "BLOB);"
    "CREATE INDEX message_status ON message(status) WHERE status<>1;"
    /* key: hash of sender, control id and raw bytes of an accepted message. */
    "CREATE TABLE message_seen(key INTEGER, number INTEGER, PRIMARY KEY(key, number)) WITHOUT "
    "ROWID;"
    /* The words by which a message is found: sender, control id, type, event, patient, in lower
       case. */
    "CREATE TABLE message_word(word TEXT, number INTEGER, PRIMARY KEY(word, number)) WITHOUT "
    "ROWID;"
    /* Which message led to (or confirmed) which version, and by what lineage (flow/lineage.h). */
    "CREATE TABLE lineage(message INTEGER, rid INTEGER, version INTEGER, bytes BLOB,"
    " PRIMARY KEY(message, rid, version)) WITHOUT ROWID;"
    "CREATE INDEX lineage_resource ON lineage(rid, version);"

    "CREATE TABLE audit(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, action TEXT NOT NULL,"
    " what TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL);"
    /* What automation reads: one row per changed resource (kind: enum store_effect) and per message
       (kind 0). */
    "CREATE TABLE event(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " rid INTEGER NOT NULL, version INTEGER NOT NULL, message INTEGER NOT NULL);"
    /* state 0: waits until not_before. */
    "CREATE TABLE delivery(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, state INTEGER NOT "
    "NULL, not_before INTEGER NOT NULL, attempts INTEGER NOT NULL, destination TEXT NOT NULL,"
    " content_type TEXT NOT NULL, body BLOB);"
    "CREATE INDEX delivery_waiting ON delivery(not_before) WHERE state=0;";

/* What version 2 has more; each of these also fills what an old file can tell. */
static const char *const FROM_1[] = {
    /* The history of a type: the events of its resources. */
    "ALTER TABLE event ADD COLUMN type INTEGER NOT NULL DEFAULT 0;"
    "UPDATE event SET type=coalesce((SELECT r.type FROM resource r WHERE r.rid=event.rid),0)"
    " WHERE kind<>0;"
    "CREATE INDEX event_type ON event(type) WHERE type>0;"
    "INSERT INTO counter SELECT 3,type,count(*) FROM event WHERE type>0 GROUP BY type;",

    /* Background jobs (job.h): state is enum job_state; request and result are packed. A number is
       never given again. */
    "CREATE TABLE job(number INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
    " kind TEXT NOT NULL, owner TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL,"
    " progress TEXT NOT NULL, request BLOB, result BLOB);"
    "CREATE INDEX job_unfinished ON job(number) WHERE state<3;",

    /* Parameters that SearchParameter resources define: enum schema_param_state, the definition
       that the rows are of (parameters.h), the job that builds or clears its rows. */
    "ALTER TABLE param ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE param ADD COLUMN job INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE param ADD COLUMN definition TEXT NOT NULL DEFAULT '';",

    /* The index for texts (text_index.h). */
    "CREATE TABLE text(word TEXT, type INTEGER, first INTEGER, rids BLOB NOT NULL,"
    " PRIMARY KEY(word, type, first)) WITHOUT ROWID;",

    NULL,
};

/* What version 3 has more: what several processes on one store share. SQLite has one process, but
 * the same tables. */
static const char *const FROM_2[] = {
    /* The last numbers given (sequence.h). What stands in the tables of an old file tells them. */
    "CREATE TABLE sequence(id INTEGER PRIMARY KEY, schema INTEGER NOT NULL, rid INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, time INTEGER NOT NULL, message INTEGER NOT NULL,"
    " versions INTEGER NOT NULL, event INTEGER NOT NULL, audit INTEGER NOT NULL,"
    " delivery INTEGER NOT NULL, job INTEGER NOT NULL, definitions INTEGER NOT NULL,"
    " dictionaries INTEGER NOT NULL);"
    "INSERT INTO sequence SELECT 1,3,"
    "coalesce((SELECT max(rid) FROM resource),0),"
    "coalesce((SELECT max(seq) FROM commit_log),0),"
    "coalesce((SELECT time FROM commit_log ORDER BY seq DESC LIMIT 1),0),"
    "coalesce((SELECT max(number) FROM message),0),"
    "coalesce((SELECT n FROM counter WHERE kind=2 AND number=0),0),"
    "coalesce((SELECT max(number) FROM event),0),"
    "coalesce((SELECT max(number) FROM audit),0),"
    "coalesce((SELECT max(number) FROM delivery),0),"
    "coalesce((SELECT seq FROM sqlite_sequence WHERE name='job'),0),"
    "0,"
    "coalesce((SELECT max(number) FROM dictionary),0);",

    /* Who has the store open; who may do what only one may do, until when. */
    "CREATE TABLE process(id INTEGER PRIMARY KEY, name TEXT NOT NULL, started INTEGER NOT NULL,"
    " seen INTEGER NOT NULL, detail TEXT NOT NULL);"
    "CREATE TABLE lease(name TEXT PRIMARY KEY, holder INTEGER NOT NULL, until INTEGER NOT NULL)"
    " WITHOUT ROWID;",

    /* Where else than with `rid` there are references to it (shard.h). */
    "CREATE TABLE stray(rid INTEGER, other INTEGER, PRIMARY KEY(rid, other)) WITHOUT ROWID;",

    /* Which process works on it, and until when it may; 0: nobody. */
    "ALTER TABLE job ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE delivery ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE delivery ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX delivery_due ON delivery(destination, not_before) WHERE state=0;",

    NULL,
};

static const char *const MAKE[] = {TABLES_1, NULL};

const struct schema_tables schema_tables_sqlite = {
    .made_version = 1, .make = MAKE, .upgrades = {FROM_1, FROM_2}};
