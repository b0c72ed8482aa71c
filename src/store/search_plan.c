#include "store/search_plan.h"

#include "store/search_collect.h"
#include "store/search_single.h"

/*
 * Costs, measured on a 2-core machine: a row of an index 0.1 us, a row of `resource` passed by 1
 * us, a candidate fetched and tested 2 to 3 us.
 */
enum {
  PROBE_MAX = 500,  /* rows counted to compare conditions */
  FEW = 16,         /* no need to look for fewer */
  STREAMS_MAX = 16, /* spans that are merged while they are read */
  CHUNK_MIN = 32,   /* rids read at once from a stream, rising */
  CHUNK_MAX = 512,
  SHARE = 20, /* a condition that 1/20 of a type meets is better tested than looked up */
  SHARE_PROBE_MAX = 20000,
  PAGE_CANDIDATES = 256, /* candidates that a page is thought to need */
};

/* Rids of one span, read in chunks, so that no statement stays open. */
struct stream {
  const struct search_condition *condition; /* NULL: all resources of the type */
  struct search_span span;
  uint64_t rids[CHUNK_MAX];
  size_t n, at, chunk;
  uint64_t after;
  bool is_last; /* the chunk at hand is the last one */
};

struct search_source {
  struct search_context *c;
  defs_type_id type;
  uint64_t after; /* the rid given last */
  struct stream *streams;
  size_t streams_n;
  struct search_rids rids; /* when collected */
  size_t at;
};

/* A condition and how it could give the candidates. */
struct option {
  const struct search_condition *condition;
  struct search_spans spans;
  bool is_ordered;
  uint64_t n;
};

int search_type_count(struct search_context *c, defs_type_id type, uint64_t *ret_n,
                      struct err *reterr) {
  struct db_query query;
  int64_t n;
  db_query_init(&query, c->arena);
  db_query_addf(&query, "SELECT n FROM counter WHERE kind=%d AND number=", SCHEMA_COUNTER_TYPE);
  db_query_i64(&query, schema_type_number(c->schema, type));
  int code = db_query_number(c->db, &query, 0, &n, reterr);
  if (code == 0)
    *ret_n = n > 0 ? (uint64_t)n : 0;
  return code;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

/* Another condition on the same values of the same resource: ge and lt of one date are one range of
 * its index. Only where a resource has one value, else each may be met by a different one. */
static const struct search_test *partner_of(const struct search_wish *wish,
                                            const struct search_condition *condition) {
  if (condition->table != KEYS_DATE || condition->tests_n != 1 ||
      condition->predicate->value_type != SEARCH_DATE ||
      !search_is_single_valued(defs_param(condition->predicate->param)))
    return NULL;
  for (size_t i = 0; i < wish->n; i++) {
    const struct search_condition *other = &wish->conditions[i];
    if (other != condition && other->param == condition->param && other->tests_n == 1 &&
        other->table == KEYS_DATE && search_is_drivable(other))
      return &other->tests[0];
  }
  return NULL;
}

static int make_option(struct search_context *c, const struct search_wish *wish,
                       const struct search_condition *condition, struct option *ret_option,
                       struct err *reterr) {
  struct option option = {.condition = condition};
  if (condition->predicate->subject == SEARCH_ON_PARAM) {
    int code = search_spans_make(c, condition, &option.spans, reterr);
    if (code)
      return code;
    const struct search_test *partner = partner_of(wish, condition);
    for (size_t i = 0; i < option.spans.n; i++)
      option.spans.p[i].also = partner;
    option.is_ordered = option.spans.n <= STREAMS_MAX;
    for (size_t i = 0; i < option.spans.n; i++)
      option.is_ordered &= option.spans.p[i].is_ordered;
  }
  option.is_ordered |= condition->predicate->subject == SEARCH_ON_ID;
  *ret_option = option;
  return 0;
}

/* The option with the fewest rows; `condition` NULL when none can be looked up. A single one that
 * is read in order is taken without counting. */
static int choose(struct search_context *c, const struct search_wish *wish, struct option *ret_best,
                  struct err *reterr) {
  struct option best = {.n = UINT64_MAX};
  size_t drivable_n = 0;
  for (size_t i = 0; i < wish->n; i++)
    drivable_n += search_is_drivable(&wish->conditions[i]);
  for (size_t i = 0; i < wish->n && best.n > FEW; i++) {
    struct option option;
    if (!search_is_drivable(&wish->conditions[i]))
      continue;
    int code = make_option(c, wish, &wish->conditions[i], &option, reterr);
    if (code == 0 && (drivable_n > 1 || !option.is_ordered))
      code = search_count(c, option.condition,
                          option.condition->predicate->subject == SEARCH_ON_PARAM ? &option.spans
                                                                                  : NULL,
                          best.n < PROBE_MAX ? best.n + 1 : PROBE_MAX, &option.n, reterr);
    if (code)
      return code;
    if (!best.condition || option.n < best.n ||
        (option.n == best.n && option.is_ordered && !best.is_ordered))
      best = option;
  }
  *ret_best = best;
  return 0;
}

/* Is it cheaper to go through the type and test, than to look up all rows of `option`, which must
 * be sorted before the first can be given? */
static int is_too_common(struct search_context *c, const struct search_wish *wish,
                         const struct option *option, bool *ret_is, struct err *reterr) {
  *ret_is = false;
  if (wish->wants_all || option->is_ordered || option->n < PROBE_MAX)
    return 0;
  uint64_t all, n = option->n;
  int code = search_type_count(c, wish->type, &all, reterr);
  uint64_t limit = all / SHARE < PROBE_MAX ? PROBE_MAX : all / SHARE;
  limit = limit > SHARE_PROBE_MAX ? SHARE_PROBE_MAX : limit;
  if (code == 0 && option->condition->predicate->subject == SEARCH_ON_PARAM)
    code = search_count(c, option->condition, &option->spans, limit, &n, reterr);
  *ret_is = n >= limit;
  return code;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int open_streams(struct search_source *source, const struct option *option,
                        struct err *reterr) {
  size_t n = option->spans.n;
  source->streams = arena_alloc(source->c->arena, (n ? n : 1) * sizeof *source->streams);
  if (!source->streams)
    return err_no_memory(reterr);
  source->streams_n = n;
  for (size_t i = 0; i < n; i++) {
    struct stream *stream = &source->streams[i];
    stream->condition = option->condition;
    stream->span = option->spans.p[i];
    stream->n = stream->at = 0;
    stream->chunk = CHUNK_MIN;
    stream->after = source->after;
    stream->is_last = false;
  }
  return 0;
}

/* Puts the position behind `after`. */
static void start_behind(struct search_source *source) {
  size_t from = 0, to = source->rids.n;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (source->rids.p[middle] <= source->after)
      from = middle + 1;
    else
      to = middle;
  }
  source->at = from;
}

static int collect_type(struct search_source *source, struct err *reterr) {
  struct search_context *c = source->c;
  struct db_query query;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT rid FROM resource WHERE state=1 AND type=");
  db_query_i64(&query, schema_type_number(c->schema, source->type));
  int code = search_rids_add_query(c, &query, &source->rids, reterr);
  search_rids_sort(&source->rids);
  start_behind(source);
  return code;
}

/* Every resource of the type: from the index when they are few among all, else by going through
 * `resource` in order. */
static int open_type(struct search_source *source, bool wants_all, struct err *reterr) {
  struct search_context *c = source->c;
  struct db_query query;
  uint64_t of_type;
  int64_t last;
  int code = search_type_count(c, source->type, &of_type, reterr);
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT max(rid) FROM resource");
  if (code == 0)
    code = db_query_number(c->db, &query, 0, &last, reterr);
  if (code)
    return code;
  double all = (double)last, n = (double)of_type;
  bool is_rare = wants_all ? n * 4 < all : n * n * 0.15 < PAGE_CANDIDATES * all;
  if (is_rare && of_type < SEARCH_COLLECT_MAX)
    return collect_type(source, reterr);
  struct search_span whole = {0};
  struct option option = {.spans = {&whole, 1}};
  return open_streams(source, &option, reterr);
}

int search_source_open(struct search_context *c, const struct search_wish *wish,
                       struct search_source **ret_source, struct err *reterr) {
  struct search_source *source = ARENA_NEW(c->arena, struct search_source);
  if (!source)
    return err_no_memory(reterr);
  source->c = c;
  source->type = wish->type;
  source->after = wish->after;
  source->rids.arena = c->arena;
  *ret_source = source;
  struct option best;
  bool is_common = false;
  int code = choose(c, wish, &best, reterr);
  if (code == 0 && best.condition)
    code = is_too_common(c, wish, &best, &is_common, reterr);
  if (code)
    return code;
  if (!best.condition || is_common)
    return open_type(source, wish->wants_all, reterr);
  if (best.is_ordered && best.condition->predicate->subject == SEARCH_ON_PARAM)
    return open_streams(source, &best, reterr);
  code = best.condition->predicate->subject == SEARCH_ON_PARAM
             ? search_collect_spans(c, best.condition, &best.spans, &source->rids, reterr)
             : search_collect(c, best.condition, &source->rids, reterr);
  search_rids_sort(&source->rids);
  start_behind(source);
  return code;
}

int search_wish_estimate(struct search_context *c, const struct search_wish *wish, uint64_t limit,
                         uint64_t *ret_n, struct err *reterr) {
  uint64_t least = 0;
  int code = search_type_count(c, wish->type, &least, reterr);
  for (size_t i = 0; i < wish->n && code == 0; i++) {
    uint64_t n = least;
    if (search_is_drivable(&wish->conditions[i]))
      code = search_count(c, &wish->conditions[i], NULL, least < limit ? least + 1 : limit, &n,
                          reterr);
    least = n < least ? n : least;
  }
  *ret_n = least < limit ? least : limit;
  return code;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void stream_query(struct search_source *source, struct stream *stream,
                         struct db_query *query) {
  struct search_context *c = source->c;
  db_query_init(query, c->scratch);
  if (stream->condition) {
    db_query_add(query, "SELECT rid");
    search_span_add(query, c, stream->condition, &stream->span);
    db_query_add(query, " AND rid>");
  } else {
    /* '+' keeps the engine from the index on type, whose order is another */
    db_query_add(query, "SELECT rid FROM resource WHERE state=1 AND +type=");
    db_query_i64(query, schema_type_number(c->schema, source->type));
    db_query_add(query, " AND rid>");
  }
  db_query_i64(query, (int64_t)stream->after);
  db_query_add(query, " ORDER BY rid LIMIT ");
  db_query_i64(query, (int64_t)stream->chunk);
}

static int stream_fill(struct search_source *source, struct stream *stream, struct err *reterr) {
  struct db_query query;
  struct db_statement *statement;
  stream_query(source, stream, &query);
  int code = db_query_start(source->c->db, &query, &statement, reterr);
  if (code)
    return code;
  bool has_row;
  stream->n = stream->at = 0;
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row && stream->n < CHUNK_MAX)
    stream->rids[stream->n++] = (uint64_t)db_column_i64(statement, 0);
  db_release(statement);
  stream->is_last = stream->n < stream->chunk;
  if (stream->n > 0)
    stream->after = stream->rids[stream->n - 1];
  stream->chunk = stream->chunk * 2 > CHUNK_MAX ? CHUNK_MAX : stream->chunk * 2;
  return code;
}

int search_source_next(struct search_source *source, uint64_t *ret_rid, struct err *reterr) {
  uint64_t least = 0;
  for (size_t i = 0; i < source->streams_n; i++) {
    struct stream *stream = &source->streams[i];
    while (stream->at < stream->n && stream->rids[stream->at] <= source->after)
      stream->at++; /* given already, from another stream */
    while (stream->at == stream->n && !stream->is_last) {
      int code = stream_fill(source, stream, reterr);
      if (code)
        return code;
      while (stream->at < stream->n && stream->rids[stream->at] <= source->after)
        stream->at++;
    }
    if (stream->at < stream->n && (least == 0 || stream->rids[stream->at] < least))
      least = stream->rids[stream->at];
  }
  if (source->at < source->rids.n)
    least = source->rids.p[source->at++];
  if (least)
    source->after = least;
  *ret_rid = least;
  return 0;
}
