/*
 * What the data of a store lies on and what goes on in it now, for those who look after it: numbers
 * and names of the machinery only, nothing of what is stored.
 *
 * Threads: any. Memory: texts on the caller's arena.
 */
#ifndef STORE_OVERVIEW_H
#define STORE_OVERVIEW_H

#include "store/db/db.h"
#include "store/work/job.h"

#define OVERVIEW_JOBS_MAX 100

struct store_overview {
  struct db_server server;
  struct db_size size;
  uint32_t schema_version;
  bool is_distributed; /* are there several machines (schema/shard.h)? */
  uint64_t resources, versions, messages;
  uint64_t commits;                /* the number of the last one; 0: none */
  int64_t committed_us;            /* when it was */
  uint64_t events, events_indexed; /* the last one, and the last one whose words can be found */
  uint64_t dictionaries;
  /* WAITING and RUNNING, the oldest first, at most OVERVIEW_JOBS_MAX of `jobs_n`: without owner,
   * request, progress and result, which may tell of patients. */
  struct jobs jobs;
  uint64_t jobs_n;
  uint64_t failed_jobs_n; /* as long as they are kept */
};

int store_overview(struct store_view *view, struct arena *arena,
                   struct store_overview *ret_overview, struct err *reterr) MUST_CHECK;

#endif
