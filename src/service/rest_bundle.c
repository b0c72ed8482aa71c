/*
 * batch and transaction.
 *
 * A transaction is one commit; its GETs are answered from what is there after it. A batch is many
 * calls of their own: those of one kind at once (the store groups their commits), the kinds in the
 * order DELETE, POST, PUT, GET.
 */
#include "service/bundle_writer.h"
#include "service/rest_write.h"

#include <malloc.h>
#include <stdatomic.h>

#define TRIM_FROM_ENTRIES 2000 /* whose memory goes back to the system */
#define ENTRY_ARENA_BYTES ((size_t)256 << 20)

/* ---- Entries as calls of their own ---------------------------------------------------------- */

static void split_url(struct rest_call *entry_call, struct str url) {
  ssize_t question = str_find_char(url, '?', 0);
  entry_call->path = question < 0 ? url : str_slice(url, 0, (size_t)question);
  if (question >= 0)
    entry_call->query = str_slice(url, (size_t)question + 1, url.n);
}

/* Makes the call of an entry; its query is not read yet. */
static void init_entry_call(struct rest_call *entry_call, const struct rest_call *outer,
                            const struct transaction_entry *entry, struct arena *arena) {
  *entry_call = (struct rest_call){.service = outer->service,
                                   .arena = arena,
                                   .access = outer->access,
                                   .base_url = outer->base_url,
                                   .method = entry->method,
                                   .headers = {.if_match = entry->if_match,
                                               .if_none_match = entry->if_none_match,
                                               .if_none_exist = entry->if_none_exist,
                                               .if_modified_since = entry->if_modified_since,
                                               .prefer = outer->headers.prefer},
                                   .resource = entry->resource,
                                   .is_entry = true,
                                   .is_job = outer->is_job};
  split_url(entry_call, entry->url);
}

static void run_entry_call(struct rest_call *entry_call) {
  struct search_pair *pairs = NULL;
  struct err err;
  int code = transaction_search_pairs(entry_call->arena, entry_call->query, &pairs,
                                      &entry_call->pairs_n, &err);
  entry_call->pairs = pairs;
  if (code)
    rest_fail(entry_call, &err);
  else
    rest_run(entry_call);
}

static bool is_read(struct str method) {
  return str_is(method, "GET") || str_is(method, "HEAD");
}

/* ---- Transactions --------------------------------------------------------------------------- */

static void entry_is_done(struct rest_call *entry_call) {
  (void)entry_call; /* reads end before rest_run returns; their answer is taken there */
}

static int answer_of_entry(struct rest_call *call, const struct transaction_entry *entry,
                           struct rest_answer *ret_answer, struct err *reterr) {
  if (!is_read(entry->method))
    return rest_answer_entry(call, entry, false, ret_answer, reterr);
  struct rest_call *entry_call = ARENA_NEW(call->arena, struct rest_call);
  if (!entry_call)
    return err_no_memory(reterr);
  init_entry_call(entry_call, call, entry, call->arena);
  entry_call->done = entry_is_done;
  run_entry_call(entry_call);
  *ret_answer = entry_call->answer;
  return 0;
}

static void answer_transaction(struct rest_call *call) {
  struct bundle_writer b;
  struct err err;
  int code = 0;
  bundle_begin(&b, call, "transaction-response");
  for (size_t i = 0; i < call->write->n && code == 0; i++) {
    struct rest_answer answer = {0};
    code = answer_of_entry(call, &call->write->entries[i], &answer, &err);
    if (code == 0)
      bundle_answer(&b, &answer, is_read(call->write->entries[i].method));
  }
  call->answer = (struct rest_answer){.status = 200};
  if (code == 0)
    code = bundle_end(&b, &call->answer.body, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}

/* Parses the bundle again where a try went stale: the one before has changed the tree. */
static int read_transaction(struct rest_call *call, struct err *reterr) {
  struct rest_write *write = call->write;
  const struct yyjson_val *bundle = call->resource;
  int code = write->attempts > 0 ? rest_read_body(call, &bundle, reterr) : 0;
  if (code == 0)
    code = transaction_read_bundle(call->arena, bundle, call->base_url, &write->entries, &write->n,
                                   &write->issues, reterr);
  return code;
}

/* ---- Batches -------------------------------------------------------------------------------- */

struct batch {
  struct rest_call *call;
  struct transaction_entry *entries;
  struct rest_call *calls; /* one per entry, each with its own arena */
  size_t n;
  unsigned phase;
  atomic_size_t pending; /* calls of this phase that run, and 1 while it is being started */
};

#define PHASES 4

static unsigned phase_of(struct str method) {
  return str_is(method, "DELETE") ? 0 : str_is(method, "POST") ? 1 : is_read(method) ? 3 : 2;
}

static void free_arenas(void *what) {
  struct batch *batch = what;
  for (size_t i = 0; i < batch->n; i++)
    arena_free(batch->calls[i].arena);
  if (batch->n >= TRIM_FROM_ENTRIES)
    malloc_trim(0);
}

static void answer_batch(struct batch *batch) {
  struct rest_call *call = batch->call;
  struct bundle_writer b;
  struct err err;
  bundle_begin(&b, call, "batch-response");
  for (size_t i = 0; i < batch->n; i++)
    bundle_answer(&b, &batch->calls[i].answer, is_read(batch->entries[i].method));
  call->answer = (struct rest_answer){.status = 200};
  if (bundle_end(&b, &call->answer.body, &err) != 0)
    rest_fail(call, &err);
  else
    rest_finish(call);
}

static void run_phases(void *what) {
  struct batch *batch = what;
  while (batch->phase < PHASES) {
    atomic_store(&batch->pending, 1);
    for (size_t i = 0; i < batch->n; i++)
      if (phase_of(batch->entries[i].method) == batch->phase) {
        atomic_fetch_add(&batch->pending, 1);
        run_entry_call(&batch->calls[i]);
      }
    /* Who ends last goes on: this thread, or the last call that was still under way. */
    if (atomic_fetch_sub(&batch->pending, 1) != 1)
      return;
    batch->phase++;
  }
  answer_batch(batch);
}

static void batch_entry_is_done(struct rest_call *entry_call) {
  struct batch *batch = entry_call->what;
  if (atomic_fetch_sub(&batch->pending, 1) != 1)
    return;
  batch->phase++;
  batch->call->job = (struct worker_job){.run = run_phases, .what = batch};
  workers_submit(batch->call->service->workers, &batch->call->job);
}

static int init_batch(struct rest_call *call, const struct yyjson_val *bundle,
                      struct issues *issues, struct batch **ret_batch, struct err *reterr) {
  struct batch *batch = ARENA_NEW(call->arena, struct batch);
  if (!batch)
    return err_no_memory(reterr);
  batch->call = call;
  int code = transaction_read_bundle(call->arena, bundle, call->base_url, &batch->entries,
                                     &batch->n, issues, reterr);
  if (code || issues->errors_n > 0)
    return code;
  batch->calls = ARENA_ARRAY(call->arena, struct rest_call, batch->n + 1);
  if (!batch->calls || arena_on_free(call->arena, free_arenas, batch) != 0)
    return err_no_memory(reterr);
  for (size_t i = 0; i < batch->n; i++) {
    struct arena *arena = arena_new_within(arena_budget(call->arena), ENTRY_ARENA_BYTES);
    if (!arena)
      return err_no_memory(reterr);
    init_entry_call(&batch->calls[i], call, &batch->entries[i], arena);
    batch->calls[i].done = batch_entry_is_done;
    batch->calls[i].what = batch;
    if (str_is(call->headers.prefer, ""))
      batch->calls[i].headers.prefer =
          is_read(batch->entries[i].method) ? STR_NULL : STR("return=minimal");
  }
  *ret_batch = batch;
  return 0;
}

static void run_batch(struct rest_call *call, const struct yyjson_val *bundle) {
  struct issues issues = {0};
  struct batch *batch = NULL;
  struct err err = {0};
  int code = init_batch(call, bundle, &issues, &batch, &err);
  if (code == 0 && issues.errors_n > 0)
    rest_fail_issues(call, 0, &issues);
  else if (batch)
    run_phases(batch);
  else
    rest_fail(call, &err);
}

/* ---- Both ----------------------------------------------------------------------------------- */

/* What the specification leaves to the server ("accepting other bundle types"): none is guessed to
 * be something to be carried out. */
static int refuse_type(struct str type, struct err *reterr) {
  static const char *const kept[] = {"document", "collection", "history", "searchset"};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    if (str_is(type, kept[i]))
      return err_set(
          reterr, ERR_UNPROCESSABLE, "Bundle.type",
          "The base carries out a Bundle of type batch or transaction. One of type %s is "
          "stored as it is by POST Bundle.",
          kept[i]);
  if (str_is(type, "message"))
    return err_set(reterr, ERR_UNPROCESSABLE, "Bundle.type",
                   "The base carries out a Bundle of type batch or transaction. FHIR messages are "
                   "not processed; POST Bundle stores one as it is.");
  return err_set(reterr, type.n ? ERR_VALUE : ERR_REQUIRED, "Bundle.type",
                 "The Bundle must be of type batch or transaction.");
}

void rest_bundle(struct rest_call *call) {
  const struct yyjson_val *bundle;
  struct err err;
  int code = rest_read_body(call, &bundle, &err);
  struct str type = code ? STR_NULL : json_get_text(bundle, STR("type"));
  if (code == 0 && !str_is(json_get_text(bundle, STR("resourceType")), "Bundle"))
    code = err_set(&err, ERR_STRUCTURE, "", "What is sent to the base must be a Bundle.");
  uint64_t most = call->service->limits.bundle_entries;
  if (code == 0 && json_count(json_get(bundle, STR("entry"))) > most)
    code = err_set(&err, ERR_TOO_LONG, "Bundle.entry",
                   "A bundle has at most %llu entries (limits.bundleEntries).",
                   (unsigned long long)most);
  if (code == 0 && str_is(type, "batch")) {
    run_batch(call, bundle);
    return;
  }
  if (code == 0 && !str_is(type, "transaction"))
    code = refuse_type(type, &err);
  if (code == 0) {
    call->write = ARENA_NEW(call->arena, struct rest_write);
    if (!call->write)
      code = err_no_memory(&err);
  }
  if (code) {
    rest_fail(call, &err);
    return;
  }
  call->resource = bundle;
  call->write->is_transaction = true;
  call->write->read = read_transaction;
  call->write->answer = answer_transaction;
  call->write->audit = (struct store_audit){.action = STR("transaction"), .outcome = STR("0")};
  rest_write_run(call);
}
