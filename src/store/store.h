/*
 * The store: one place where a message, the FHIR versions made from it, their search index, the
 * lineage, the audit events, the events for automation and the deliveries become durable together.
 *
 * Invariants: a commit is all or nothing, and durable (fsync) before `done` is called with 0.
 * `commit.seq` is the order of the world; `updated` is strictly increasing. Within one connection's
 * submissions order is kept.
 *
 * Threads: every function may be called from any thread. One committer thread per store groups
 * commits. Memory: results on the caller's arena. A submitted commit and its arena belong to the
 * store until `done`.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "format/json.h"
#include "model/search_values.h"
#include "store/access.h"

struct store;
struct job_change;      /* store/work/job.h */
struct delivery_change; /* store/work/delivery.h */
struct store_task;      /* store/commit/commit.h; the store's own */

struct store_options {
  const char *path;  /* SQLite file (":memory:" is refused: no durability), or the URL of a
                        PostgreSQL database, which any number of processes may share (db.h) */
  size_t readers;    /* read connections; 0: 4 */
  size_t group_max;  /* commits in one group; 0: 256 */
  size_t queue_max;  /* waiting commits before store_submit answers ERR_BUSY; 0: 8192 */
  bool is_bulk;      /* import: larger groups, index rows sorted over the whole group */
  bool is_read_only; /* beside another process that may own it, or of a server that only repeats
                        another's; every commit is ERR_READ_ONLY */
  /* What others on the same store are told of this process (process.h). */
  const char *process_name;  /* NULL: "host:pid" */
  const char *configuration; /* a hash of what makes answers differ; NULL: not said */
  int64_t lease_us;          /* for how long it is thought to live without a sign; 0: LEASE_US */
};

/* ERR_CONFLICT when another process has the file open, ERR_READ_ONLY, ERR_NO_SPACE, ERR_STORE for a
 * damaged, foreign or newer store, ERR_UNAVAILABLE when the server can't be reached; else as
 * db_open. */
int store_open(const struct store_options *options, struct store **ret_store,
               struct err *reterr) MUST_CHECK;
/* Waits for what was submitted, then closes. */
/* It will be closed soon: changes that wait for a server that is away are given up after a moment,
 * so that who waits for them ends. NULL is allowed. */
void store_hurry(struct store *store);
void store_close(struct store *store);

/* May other processes have it open too, and write? */
bool store_is_shared(const struct store *store);
/* What was opened, without a password: for people. */
const char *store_shown_path(const struct store *store);

/* ---- Writing ---- */

enum store_expect {
  STORE_ANY,              /* create or update */
  STORE_MUST_BE_NEW,      /* else ERR_CONFLICT */
  STORE_MUST_EXIST,       /* else ERR_NOT_FOUND */
  STORE_MUST_BE_VERSION,  /* If-Match: else ERR_PRECONDITION */
  STORE_IS_STILL_VERSION, /* prepared on that version (0: on "not there"): else ERR_STALE */
};

enum store_effect {
  STORE_CREATED = 1,
  STORE_UPDATED,
  STORE_UNCHANGED,
  STORE_DELETED,
  STORE_WAS_DELETED
};

struct store_write {
  defs_type_id type;
  struct str id;
  bool is_delete;
  bool is_put; /* history tells a creation by PUT from one by POST */
  /* Nothing changes: `lineage` (alone, besides type and id) is kept for `expected_version`, be it
   * still the current one or not. What is said again needs no precondition, so confirmations never
   * go stale. */
  bool is_confirmation;
  /* Nothing changes but the index: `values`, which are of `body`, take the place of what the index
   * has, if the resource is still of `expected_version`. */
  bool is_reindex;
  struct str body; /* canonical (model/resource.h); empty for a delete, and once it is packed */
  struct search_values values;
  enum store_expect expect;
  uint32_t expected_version;
  struct str lineage; /* encoded by flow/lineage.h; empty: none. Kept for this version */
  /* results */
  enum store_effect effect;
  uint32_t version;
  int64_t updated_us;
};

/* What was found when the commit was prepared must still be so inside the transaction, else
 * ERR_STALE. */
struct store_condition {
  defs_type_id type;
  struct str system, code; /* an identifier (the type's parameter `identifier`); or, when `search`
                              is set, that search */
  const struct search *search;
  struct str id;     /* of the only resource that matches; empty: none does */
  bool among_others; /* `id` is one of those that match: the others don't matter */
};

enum store_message_status {
  STORE_MESSAGE_ACCEPTED = 1,
  STORE_MESSAGE_REJECTED,
  STORE_MESSAGE_ERROR
};

struct store_message {
  struct str channel; /* "mllp:2575" */
  struct str sender;  /* MSH-3|MSH-4 */
  struct str control_id, type, event, version_id;
  struct str patient; /* search help: identifier of the patient in the message, may be empty */
  struct str raw;     /* the bytes as received */
  struct str reason;  /* why not accepted, or notes; empty when fine */
  struct str reply;   /* the ACK that will be sent; returned again for a duplicate */
  enum store_message_status status;
  int64_t received_us;
  /* results */
  uint64_t number;   /* of the message log */
  bool is_duplicate; /* seen before (sender, control id, hash of raw): nothing else of the commit
                        was done */
  struct str stored_reply; /* of the first time; on the commit's arena */
};

struct store_audit {
  struct str action, what, outcome, detail;
}; /* "create", "Patient/1", "0", "" */

struct store_delivery {
  struct str destination, content_type, body;
  int64_t not_before_us;
};

struct store_commit {
  struct arena *arena; /* owned by the store from store_submit until `done` */
  struct str principal;
  struct store_message *message; /* NULL: none */
  struct store_write *writes;
  size_t writes_n;
  const struct store_condition *conditions;
  size_t conditions_n;
  const struct store_audit *audits;
  size_t audits_n;
  const struct store_delivery *deliveries;
  size_t deliveries_n;
  struct job_change
      *jobs; /* changes of background jobs; alone they make no row in the commit log */
  size_t jobs_n;
  struct delivery_change *delivery_changes; /* what became of deliveries; as `jobs` */
  size_t delivery_changes_n;
  /* Called once on the committer's thread (must be quick, must not call the store) when it is
   * durable, or has failed; the callee then owns the commit and its arena again. */
  void (*done)(struct store_commit *commit, void *what);
  void *what;
  bool is_urgent; /* a bulk load does not wait for company for it; store_commit_wait sets it */
  /* results */
  int code; /* 0 or an err_code */
  struct err err;
  size_t failed_write; /* index, where one write was refused */
  uint64_t seq;
  int64_t time_us;
  /* the store's own; zero at first */
  struct store_prepared *prepared_;
  const struct store_task *task_;
  struct store_commit *next_;
};

/* The work of a commit that needs no other commit (packing, keys): store_submit does it where it
 * was not done. For a caller who submits in an order, but prepares in parallel. */
int store_prepare(struct store *store, struct store_commit *commit, struct err *reterr) MUST_CHECK;

/* The same for a bulk load, which holds many commits at a time: ids, bodies, values and lineage of
 * the writes are afterwards on the commit's arena, packed; the rest stays borrowed. */
int store_prepare_packed(struct store *store, struct store_commit *commit,
                         struct err *reterr) MUST_CHECK;

/* Queues it. Never blocks: a full queue calls `done` at once with ERR_BUSY. */
void store_submit(struct store *store, struct store_commit *commit);

/* Submits and waits; returns commit->code. For tools and tests. */
int store_commit_wait(struct store *store, struct store_commit *commit,
                      struct err *reterr) MUST_CHECK;

/* ---- Reading ---- */

/* A consistent view (one read transaction on one connection of the pool). Short-lived; one thread.
 */
struct store_view;
int store_view_open(struct store *store, struct store_view **ret_view,
                    struct err *reterr) MUST_CHECK;
void store_view_close(struct store_view *view);

struct store_resource {
  uint64_t rid;
  defs_type_id type;
  struct str id;
  uint32_t version;
  int64_t updated_us;
  bool is_deleted;
  struct str body; /* canonical; resource_write() makes the answer. Empty when deleted */
};

/* ERR_NOT_FOUND; ERR_DELETED (and `*ret_resource` filled without body). What access hides is not
 * found. */
int store_read(struct store_view *view, const struct access *access, struct arena *arena,
               defs_type_id type, struct str id, struct store_resource *ret_resource,
               struct err *reterr) MUST_CHECK;
int store_vread(struct store_view *view, const struct access *access, struct arena *arena,
                defs_type_id type, struct str id, uint32_t version,
                struct store_resource *ret_resource, struct err *reterr) MUST_CHECK;

/* The current versions of many resources, in one question. `ret_resources`: n of them; version 0
 * where there is none, or access hides it. */
struct store_name {
  defs_type_id type;
  struct str id;
};
int store_read_many(struct store_view *view, const struct access *access, struct arena *arena,
                    const struct store_name *names, size_t n, struct store_resource *ret_resources,
                    struct err *reterr) MUST_CHECK;

struct store_resources {
  const struct store_resource *p;
  size_t n;
};

/* The ids of the resources of `type` with this identifier, oldest first, at most `max`. Follows no
 * links. */
int store_find_identifiers(struct store_view *view, const struct access *access,
                           struct arena *arena, defs_type_id type, struct str system,
                           struct str value, size_t max, struct str *ret_ids, size_t *ret_n,
                           struct err *reterr) MUST_CHECK;
/* The same for many identifiers, in one question; `ret_holders`: n of them. */
#define STORE_HOLDERS_MAX 8
struct store_identifier {
  defs_type_id type;
  struct str system, value;
};
struct store_holders {
  struct str ids[STORE_HOLDERS_MAX];
  size_t n;
};
int store_find_many(struct store_view *view, const struct access *access, struct arena *arena,
                    const struct store_identifier *identifiers, size_t n,
                    struct store_holders *ret_holders, struct err *reterr) MUST_CHECK;
/* The id of the only one; empty when there is none; ERR_MULTIPLE_MATCHES. */
int store_find_identifier(struct store_view *view, const struct access *access, struct arena *arena,
                          defs_type_id type, struct str system, struct str value,
                          struct str *ret_id, struct err *reterr) MUST_CHECK;

/* ---- History --------------------------------------------------------------------------------- */

/* Of the bodies of a page, unpacked. */
#define STORE_PAGE_BYTES ((size_t)32 << 20)

/* What is asked; the zero value of a member asks for nothing. */
struct store_history_query {
  defs_type_id type; /* 0: the whole system */
  struct str id;     /* empty: the whole type */
  int64_t since_us;  /* only versions made then or later; 0: all */
  bool has_period;   /* only versions that were current at some time in [from, until) */
  int64_t from_us, until_us;
  size_t count;    /* rows of the page at most; 0: only the total */
  size_t bytes;    /* of bodies: a page ends with the row that passes it; 0: STORE_PAGE_BYTES */
  uint64_t before; /* `next_before` of the page before; 0: from the newest */
};

struct store_history_row {
  struct store_resource resource; /* of a deletion, without body */
  bool is_created;                /* the first version, or the first after a deletion */
  bool is_posted;                 /* created, and not by PUT */
};

/*
 * Newest first. A page begins where the one before ended, whatever is written meanwhile: the
 * position is a version (of one resource) or the number of an event, never a count of rows. A page
 * may be short, even empty, where `next_before` says that there is more: it stops after a bounded
 * number of versions that were looked at, and of bytes.
 */
struct store_history {
  const struct store_history_row *rows;
  size_t n;
  uint64_t next_before; /* 0: this was the last page */
  bool has_total;       /* false where counting would have cost too much */
  uint64_t total;
};

/* ERR_NOT_FOUND where one resource is asked for that never was, or that access hides. */
int store_history(struct store_view *view, const struct access *access, struct arena *arena,
                  const struct store_history_query *query, struct store_history *ret_history,
                  struct err *reterr) MUST_CHECK;

/* ---- The message log and lineage ---- */

struct store_message_row {
  uint64_t number, commit_seq;
  struct str channel, sender, control_id, type, event, version_id, patient, reason;
  enum store_message_status status;
  int64_t received_us;
  uint64_t size_bytes;
  struct str raw, reply; /* only from store_message_read */
};
struct store_message_rows {
  const struct store_message_row *p;
  size_t n;
};

struct store_message_query {
  struct str text; /* in sender, control id, type, event, patient (prefix match); empty: all */
  enum store_message_status status; /* 0: any */
  uint64_t before_number;           /* paging, newest first; 0: from the newest */
  size_t count;                     /* at most */
};
int store_messages(struct store_view *view, const struct access *access, struct arena *arena,
                   const struct store_message_query *query, struct store_message_rows *ret_rows,
                   struct err *reterr) MUST_CHECK;
int store_message_read(struct store_view *view, const struct access *access, struct arena *arena,
                       uint64_t number, struct store_message_row *ret_row,
                       struct err *reterr) MUST_CHECK;

/* One version of one resource that came from one message. */
struct store_lineage_row {
  uint64_t message;
  struct store_resource resource; /* that version, with body */
  struct str lineage;             /* decode with flow/lineage.h */
};
struct store_lineage_rows {
  const struct store_lineage_row *p;
  size_t n;
};
int store_lineage_of_message(struct store_view *view, const struct access *access,
                             struct arena *arena, uint64_t number,
                             struct store_lineage_rows *ret_rows, struct err *reterr) MUST_CHECK;
/* The versions, newest first: 20,000 at most, and 64 MB; the same of the rows of a message. */
int store_lineage_of_resource(struct store_view *view, const struct access *access,
                              struct arena *arena, defs_type_id type, struct str id,
                              struct store_lineage_rows *ret_rows, struct err *reterr) MUST_CHECK;

/* The time as the database has it, as well as this process knows: for comparing with times that
 * it gave. */
int64_t store_now_us(const struct store *store);

/* Can it be read? Of a server as the watch saw it last, so the question itself never waits.
 * ERR_UNAVAILABLE, and what a read of a file may give. */
int store_ping(struct store *store, struct err *reterr) MUST_CHECK;

/* Since when the server that it lies on can't be reached, as far as this process has noticed; 0: it
 * can, or the store is a file. */
int64_t store_away_since_us(const struct store *store);

struct store_figures {
  uint64_t resources, versions, messages, commits, fsyncs, file_bytes, queue_length;
};
int store_figures(struct store *store, struct store_figures *ret_figures,
                  struct err *reterr) MUST_CHECK;
/* How fast this process's commits become durable now: by its last 64 groups of commits of the last
 * minute, from the begin of the transaction on. Asks nothing of the database. */
struct store_pace {
  uint64_t waiting_n; /* commits in the queue */
  size_t groups_n;    /* 0: there was none in the last minute */
  int64_t median_us, longest_us;
  /* Since when no change can be stored (the disk is full, the server takes no writes or is away),
   * and why; 0: the last ones were. By the last try: on a file there is one only when somebody
   * writes. */
  int64_t refused_since_us;
  int refusal; /* an err_code */
};
void store_pace(struct store *store, struct store_pace *ret_pace);

/* Resources per type, for the console and metadata; `counts` has defs_types_count()+1 places. */
int store_counts(struct store_view *view, const struct access *access, uint64_t *ret_counts,
                 struct err *reterr) MUST_CHECK;

#endif
