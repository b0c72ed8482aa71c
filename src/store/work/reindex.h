/*
 * Going through resources again, in the background, so that the index has what their bodies say:
 * for a parameter that was defined, or changed, or taken back, for a file whose index has an older
 * form, and because somebody asked ($reindex).
 *
 * A job (job.h) of kind "reindex". Its thread reads a few resources at a time, extracts their
 * values, and hands them to the committer as writes that change nothing but the index; the
 * committer takes them only for a resource that is still of that version. A resource that was
 * written meanwhile has its keys by the same rules already. Progress is part of the same commit: a
 * job goes on after a crash where it was, and doing a part twice does no harm.
 *
 * Threads: requests from any; one thread of the store runs the jobs (background.h). Memory: on the
 * caller's arena.
 */
#ifndef STORE_REINDEX_H
#define STORE_REINDEX_H

#include "store/work/job.h"

#define REINDEX_KIND "reindex"
#define REINDEX_OWN "callosum" /* owner of the jobs that the store makes for itself */

struct reindex_request {
  struct str owner;
  const defs_type_id *types; /* none: all */
  size_t types_n;
  struct str id;  /* with one type: only this resource; empty: all of them */
  struct str url; /* of a parameter that it was asked for; kept in the request, changes nothing */
};

/* Makes a job and has it run soon. */
int reindex_start(struct store *store, const struct reindex_request *request, uint64_t *ret_number,
                  struct err *reterr) MUST_CHECK;

/* ---- Inside src/store ---- */

struct db;
struct schema;
struct body_codec;

/* The change that creates the job. */
int reindex_make_change(struct db *db, struct arena *arena, const struct schema *schema,
                        const struct reindex_request *request, struct job_change *ret_change,
                        struct err *reterr) MUST_CHECK;

/* Does the store's index have an older form, and no job of the store's own that goes through all?
 * Then makes it, in a transaction of its own. */
int reindex_check_form(struct db *db, const struct schema *schema, const struct body_codec *codec,
                       struct err *reterr) MUST_CHECK;

/* How far another process is with what is being built, for who asks here (model/parameters.h). */
int reindex_follow(struct db *db, struct err *reterr) MUST_CHECK;

/* What the thread remembers between two steps. */
struct reindex {
  bool may_have_work;
  bool must_publish;   /* a job has ended: what it built can be searched by */
  uint64_t number;     /* of the job at hand; 0: none */
  struct arena *arena; /* of the job */
  struct reindex_request request;
  uint64_t after, last; /* rids */
  bool is_form;         /* its end makes the form of the index this version's */
  uint64_t done, total;
};

/* Nothing is remembered, and there may be work. */
void reindex_forget(struct reindex *reindex);

/* One group of resources of one job. `*ret_has_more` false: nothing is left to do. */
int reindex_step(struct reindex *reindex, struct store *store, bool *ret_has_more,
                 struct err *reterr) MUST_CHECK;

#endif
