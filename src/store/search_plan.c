#include "store/search_plan.h"

#include "store/search_collect.h"
#include "store/search_sieve.h"

/*
 * Costs, measured on a 2-core machine: a row of an index 0.1 us, a row of `resource` passed by 1
 * us, a candidate fetched and tested 2 to 3 us.
 */
enum {
  PROBE_FIRST = 200, /* rows counted to compare conditions, */
  LINKS_MAX = 300,   /* resources behind a chain or _has that are looked up for a page */
  PROBE_MAX = 4000,  /* and when all have more */
  STREAMS_MAX = 16,  /* spans that are merged while they are read */
  CHUNK_MIN = 32,    /* rids read at once from a stream, rising */
  CHUNK_MAX = 512,
  SHARE = 20, /* a condition that 1/20 of a type meets is better tested than looked up */
  SHARE_PROBE_MAX = 20000,
  PAGE_CANDIDATES = 256, /* candidates that a page is thought to need */
  NARROW_FIRST = 32,     /* candidates after which a source looks at more conditions, */
  NARROW_STEP = 8,       /* then after this many times more, */
  NARROW_ROWS = 32,      /* with rows of the index per candidate that was looked at */
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
  uint64_t given, matched, narrow_at;
  struct search_sieves sieves;
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

static int make_option(struct search_context *c, const struct search_wish *wish,
                       const struct search_condition *condition, struct option *ret_option,
                       struct err *reterr) {
  struct option option = {.condition = condition};
  if (condition->predicate->subject == SEARCH_ON_PARAM) {
    int code = search_spans_make(c, condition, &option.spans, reterr);
    if (code)
      return code;
    search_spans_join(&option.spans, condition, wish->conditions, wish->n);
    option.is_ordered = option.spans.n <= STREAMS_MAX;
    for (size_t i = 0; i < option.spans.n; i++)
      option.is_ordered &= option.spans.p[i].is_ordered;
  }
  option.is_ordered |= condition->predicate->subject == SEARCH_ON_ID;
  *ret_option = option;
  return 0;
}

static int count_option(struct search_context *c, struct option *option, uint64_t limit,
                        struct err *reterr) {
  bool has_spans = option->condition->predicate->subject == SEARCH_ON_PARAM;
  return search_count(c, option->condition, has_spans ? &option->spans : NULL, limit, &option->n,
                      reterr);
}

static const struct option *least(const struct option *options, size_t n) {
  const struct option *best = &options[0];
  for (size_t i = 1; i < n; i++)
    if (options[i].n < best->n ||
        (options[i].n == best->n && options[i].is_ordered && !best->is_ordered))
      best = &options[i];
  return best;
}

/* Counts all to a first limit, and only when every one reaches it to a higher one. */
static int count_options(struct search_context *c, struct option *options, size_t n,
                         struct err *reterr) {
  static const uint64_t limits[] = {PROBE_FIRST, PROBE_MAX};
  for (size_t round = 0; round < 2; round++) {
    uint64_t limit = limits[round];
    for (size_t i = 0; i < n; i++) {
      int code = count_option(c, &options[i], limit, reterr);
      if (code)
        return code;
      limit = options[i].n < limit ? options[i].n + 1 : limit;
    }
    if (least(options, n)->n < limits[round])
      break;
  }
  return 0;
}

/* The option with the fewest rows; `condition` NULL when none can be looked up. A single one that
 * is read in order is taken without counting. */
static int choose(struct search_context *c, const struct search_wish *wish, struct option *ret_best,
                  struct err *reterr) {
  struct option *options = ARENA_ARRAY(c->arena, struct option, wish->n + 1);
  size_t n = 0;
  int code = options ? 0 : err_no_memory(reterr);
  for (size_t i = 0; i < wish->n && code == 0; i++)
    if (search_is_drivable(&wish->conditions[i]))
      code = make_option(c, wish, &wish->conditions[i], &options[n++], reterr);
  if (code)
    return code;
  if (n > 1 || (n == 1 && !options[0].is_ordered))
    code = count_options(c, options, n, reterr);
  *ret_best = n ? *least(options, n) : (struct option){0};
  return code;
}

/* Is it cheaper to go through the type and test, than to look up all rows of `option`, which must
 * be sorted before the first can be given? */
static int is_too_common(struct search_context *c, const struct search_wish *wish,
                         const struct option *option, bool *ret_is, struct err *reterr) {
  *ret_is = false;
  uint64_t few = option->condition->predicate->targets_n ? LINKS_MAX : PROBE_MAX;
  if (wish->wants_all || option->is_ordered || option->n < few)
    return 0;
  uint64_t all = 0, n = option->n;
  int code = search_type_count(c, wish->type, &all, reterr);
  uint64_t limit = all / SHARE < few ? few : all / SHARE;
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
  bool is_rare = wants_all ? n * 4 < all : n * n * 0.15 < (double)PAGE_CANDIDATES * all;
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
  source->narrow_at = NARROW_FIRST;
  source->rids.arena = c->arena;
  *ret_source = source;
  struct option best;
  bool is_common = false;
  int code = choose(c, wish, &best, reterr);
  if (code == 0 && best.condition)
    code = is_too_common(c, wish, &best, &is_common, reterr);
  if (code)
    return code;
  code = search_sieves_init(c, wish, is_common ? NULL : best.condition, &source->sieves, reterr);
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

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* Going through `resource` gives way to the index when it takes long. */
static int narrow_type(struct search_source *source, uint64_t limit, struct err *reterr) {
  uint64_t n;
  if (source->streams_n != 1 || source->streams[0].condition)
    return 0;
  int code = search_type_count(source->c, source->type, &n, reterr);
  if (code || n >= limit)
    return code;
  source->streams_n = 0;
  return collect_type(source, reterr);
}

/* A row of an index costs a small part of what a candidate does. Where few candidates match, the
 * other conditions' rows are read too; the more candidates were looked at in vain, the more. */
static int narrow(struct search_source *source, struct err *reterr) {
  uint64_t limit = source->given * NARROW_ROWS;
  source->narrow_at = source->given * NARROW_STEP;
  if (source->matched * 4 >= source->given)
    return 0;
  int code = search_sieves_fill(source->c, &source->sieves, limit, reterr);
  return code ? code : narrow_type(source, limit, reterr);
}

void search_source_matched(struct search_source *source) {
  source->matched++;
}

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

static int next_rid(struct search_source *source, uint64_t *ret_rid, struct err *reterr) {
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

int search_source_next(struct search_source *source, uint64_t *ret_rid, struct err *reterr) {
  if (source->sieves.n > 0 && source->given >= source->narrow_at) {
    int code = narrow(source, reterr);
    if (code)
      return code;
  }
  source->given++;
  do {
    int code = next_rid(source, ret_rid, reterr);
    if (code)
      return code;
  } while (*ret_rid && !search_sieves_pass(&source->sieves, *ret_rid));
  return 0;
}
