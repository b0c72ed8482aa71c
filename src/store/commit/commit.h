/*
 * How a commit becomes durable, inside src/store:
 *
 *   commit_prepare   on the caller's thread: packs bodies, computes keys. No data is read.
 *   group_ask        on the committer's thread, inside the transaction: asks the server for what
 *                    the group must know, all at once (group_read.h).
 *   group_add        may it? Reads only, and sees what earlier members of the group have staged;
 *                    if so, notes in memory what the commit will change.
 *   group_write      writes everything that was staged, sorted, table by table.
 *
 * A refused commit therefore never wrote anything and needs no savepoint; its neighbours do not
 * notice (docs/decisions/0003-group-commit.md).
 *
 * Threads: a prepared commit moves with its commit; a group belongs to the committer. Memory: a
 * prepared commit is on the commit's arena, a group's notes on the group's.
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "base/map.h"
#include "store/body/body.h"
#include "store/schema/keys.h"
#include "store/schema/sequence.h"
#include "store/store.h"

/* ---- Prepared ---- */

/* One resource that is named in a commit: written, or only pointed to. */
struct named {
  int64_t key; /* schema_identity_key */
  defs_type_id type;
  struct str id;
  struct schema_id packed_id;
  size_t number; /* its place in `prepared.named` */
};

struct prepared_write {
  struct named *named;
  struct str body; /* packed; empty for a delete */
  struct keys_made keys;
  struct str lineage; /* packed; empty: none */
  bool is_parameter;  /* a SearchParameter that would have effect */
};

struct prepared_message {
  int64_t seen_key;
  struct str raw, reply; /* packed */
  VEC(struct str) words;
};

struct store_prepared {
  VEC(struct named *) named;
  struct map by_key;
  struct prepared_write *writes; /* commit->writes_n */
  struct prepared_message message;
  size_t rows_n; /* about how many rows it will write */
};

/* What the store's own threads do inside a transaction, on the committer's thread, besides writes
 * of resources. It fails only with its whole group. */
struct store_task {
  /* `sequence`: of the group, which writes it afterwards. May be called again, where the
   * transaction of the first time came to nothing. */
  int (*run)(void *what, struct db *db, struct sequence *sequence, struct err *reterr);
  void *what;
  bool is_quiet; /* comes even when nothing happens: what is kept to be fast stays as it is */
};

/* Fills commit->prepared_; also checks what needs no data (ids, bodies). */
int commit_prepare(const struct schema *schema, const struct body_codec *codec,
                   struct store_commit *commit, struct err *reterr) MUST_CHECK;

/* What was prepared is kept; of its writes nothing else is, but of which parameters the values
 * were.
 */
void commit_forget_unpacked(struct store_commit *commit);

/* Were its values extracted with another set of parameters than the one that is in force? */
bool commit_is_outdated(const struct store_commit *commit);
/* Extracts them again, from the bodies (or what was packed of them), and prepares again. On the
 * committer's thread. */
int commit_prepare_again(const struct schema *schema, const struct body_codec *codec,
                         struct store_commit *commit, struct err *reterr) MUST_CHECK;

/* ---- A group ---- */

/* A column that is not null. */
static inline struct str commit_text(struct str text) {
  return text.p ? text : STR("");
}

/* The state of one resource as the group has it so far. */
struct slot {
  int64_t key;
  defs_type_id type;
  struct str id; /* borrowed from the commit that named it first */
  struct schema_id packed_id;
  uint64_t rid; /* 0: it has no row */
  uint32_t version;
  int64_t updated_us;
  enum schema_state state;
  uint64_t seq;
  struct str body;               /* packed; empty where `is_body_apart` */
  struct keys keys, stored_keys; /* now; and as in the tables */
  struct slot *next;             /* another resource with the same key */
  uint64_t touched_by;           /* the last commit that was checked to write it */
  bool is_new;                   /* its row is not yet in the table */
  bool is_dirty;
  bool is_read, has_content; /* content: version and what follows */
  bool is_body_apart;        /* the body is long, stands in the table, and was not read */
  bool is_asked, is_asked_briefly;
};

struct old_version {
  int64_t rid, version, updated_us, state, seq;
  struct str body;
  bool is_body_apart;
};
struct staged_message {
  const struct store_message *message;
  const struct prepared_message *prepared;
  int64_t number, seq;
};
struct staged_lineage {
  int64_t message, rid, version;
  struct str bytes;
};
struct staged_event {
  int64_t number, seq, kind, rid, version, message, type;
};
struct staged_audit {
  int64_t number, seq;
  struct store_audit audit;
};
struct staged_delivery {
  int64_t number, seq, not_before_us;
  struct str destination, content_type, body; /* packed */
};
struct staged_stray {
  int64_t rid, other;
};
struct staged_commit {
  int64_t seq, time_us;
  struct str principal;
};

struct group {
  struct db *db;
  const struct schema *schema;
  const struct body_codec *codec;
  struct arena *arena;
  struct arena *scratch;        /* of one look at a body or two; reset by who looks */
  struct sequence sequence;     /* with the numbers given so far */
  uint64_t first_seq;           /* the one before the group's first */
  int64_t now_us;               /* the time of the group; each commit is a little later */
  struct store_view *view;      /* for conditions that are searches: sees what was written */
  defs_type_id parameter_type;  /* SearchParameter */
  const uint8_t *is_identifier; /* by number of param: its tokens are looked up by conditions */
  /* What is in the tables for sure, as far as this process remembers; cleared when that may be
   * wrong (`group_forget_known`). Marks of words of the vocabulary, and of counters. */
  int64_t *known_words, *known_counters;
  uint64_t ordinal;                /* of the commit that is being checked */
  struct map slots;                /* by key */
  struct map identifiers;          /* (param, hash) -> struct holders */
  struct map seen;                 /* message key -> struct staged_message */
  struct map stored_messages;      /* read ahead (group_read.h): key -> struct stored_messages */
  struct map stored_holders;       /* struct identifier_key -> struct stored_holders */
  struct group_question *question; /* that is on its way */
  VEC(struct slot *) dirty;
  VEC(struct old_version) versions;
  VEC(struct staged_message) messages;
  VEC(struct staged_lineage) lineages;
  VEC(struct staged_event) events;
  VEC(struct staged_audit) audits;
  VEC(struct staged_delivery) deliveries;
  VEC(struct staged_commit) commits;
  VEC(struct keys_word) words;
  VEC(struct staged_stray) strays; /* shard.h */
  int64_t *live_change;            /* by number of type */
  int64_t *version_change;         /* by number of type */
  uint64_t versions_written;       /* of sequence.versions, what the counter has */
  size_t rows_n;
  bool changes_parameters; /* a SearchParameter that has, or had, effect is written */
  bool has_written;        /* something that has no place in the commit log */
};

#define WORDS_KNOWN_BITS 14
#define COUNTERS_KNOWN_BITS 12

/* ERR_NO_MEMORY. The members that are given stay; group_begin makes the others. */
int group_init(struct group *group, struct err *reterr) MUST_CHECK;
void group_fini(struct group *group);

/* After a transaction that came to nothing, or when rows were taken out. */
void group_forget_known(struct group *group);

/* A fresh group; forgets what it had. */
int group_begin(struct group *group, struct err *reterr) MUST_CHECK;

/* In the write transaction: the numbers and the time that the group goes on from. */
void group_continue(struct group *group, struct sequence sequence, int64_t now_us);

/*
 * Checks `commit` and, when nothing stands against it, stages it. A refusal (in `reterr`, and
 * commit->failed_write) leaves the group as it was. ERR_NO_MEMORY and errors of the store: the
 * whole group must be given up; `*ret_is_refusal` tells.
 */
int group_add(struct group *group, struct store_commit *commit, bool *ret_is_refusal,
              struct err *reterr) MUST_CHECK;

/* Writes what is staged into the open transaction; can be called again after more was added. */
int group_write(struct group *group, struct err *reterr) MUST_CHECK;

/* Writes it for the last time, and the numbers that were given. */
int group_end(struct group *group, struct err *reterr) MUST_CHECK;

/* Is there something to make durable? */
bool group_has_changes(const struct group *group);

#endif
