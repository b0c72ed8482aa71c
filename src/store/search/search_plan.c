#include "store/search/search_plan.h"

#include "store/search/search_collect.h"
#include "store/search/search_sieve.h"
#include "store/search/search_stream.h"
#include "store/search/search_window.h"

/*
 * Costs, measured on a 2-core machine: a row of an index 0.1 us, a row of `resource` passed by 1
 * us, a candidate fetched and tested 2 to 3 us.
 */
enum {
  PROBE_FIRST = 200, /* rows counted to compare conditions, */
  PROBE_MAX = 4000,  /* and when all have more */
  FEW_STREAMS = 16,  /* that are merged rather than collected, where all is wanted */
  DRIVER_PROBE_MAX = 50000,
  SHARE = 20, /* a condition that 1/20 of a type meets is better tested than looked up */
  SHARE_PROBE_MAX = 20000,
  PAGE_ROWS = 50,
  PAGE_CANDIDATES = 256, /* candidates that a page is thought to need */
  NARROW_FIRST = 32,     /* candidates after which a source looks at more conditions, */
  NARROW_STEP = 4,       /* then after this many times more, */
  NARROW_ROWS = 20,      /* with rows of the index per candidate that was looked at, or will be */
  LINKS_FIRST = 200,     /* resources behind a _has that are looked at before any candidate is */
};

struct search_source {
  struct search_context *c;
  struct search_types types;
  uint64_t given, matched, narrow_at, wanted;
  uint64_t driver_n; /* candidates there may be */
  const struct search_wish *wish;
  const struct search_condition *driver; /* NULL: none */
  const struct search_condition *joined; /* to the driver's spans */
  struct search_probes probes;
  struct search_sieves sieves;
  uint64_t after;                 /* the rid given last */
  struct search_streams *streams; /* or, where it is NULL: */
  bool is_through_types;          /* the streams are all resources of the types */
  struct search_rids rids;
  size_t at;
  bool has_window; /* over the rids */
  struct search_window window;
  /* What comes next: one, or where a question costs a round trip, as many as may be needed. */
  uint64_t coming[SEARCH_AHEAD_MAX];
  size_t coming_n, coming_at;
};

/* A condition and how it could give the candidates. */
struct option {
  const struct search_condition *condition;
  bool has_spans;
  struct search_spans spans;
  const struct search_condition *joined; /* to the spans, so that they are about both */
  bool is_ordered;
  uint64_t n;
};

/* ---- Types ----------------------------------------------------------------------------------- */

/* Reads how many there are of each type, once in a search. */
static int load_counts(struct search_context *c, struct err *reterr) {
  struct db_statement *row;
  bool has_row;
  if (c->type_counts)
    return 0;
  uint64_t *counts = ARENA_ARRAY(c->arena, uint64_t, defs_types_count() + 1);
  if (!counts)
    return err_no_memory(reterr);
  int code =
      db_prepare(c->db, STR("SELECT number,n FROM counter WHERE kind=1 AND n>0"), &row, reterr);
  if (code)
    return code;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    defs_type_id type = schema_type(c->schema, db_column_i64(row, 0));
    if (type)
      counts[type] = (uint64_t)db_column_i64(row, 1);
  }
  db_release(row);
  if (code == 0)
    c->type_counts = counts;
  return code;
}

static int type_count(struct search_context *c, defs_type_id type, uint64_t *ret_n,
                      struct err *reterr) {
  struct db_query query;
  int64_t n = 0;
  int code = search_looks_ahead(c) ? load_counts(c, reterr) : 0;
  if (code || c->type_counts) {
    *ret_n = code ? 0 : c->type_counts[type];
    return code;
  }
  db_query_init(&query, c->arena);
  db_query_addf(&query, "SELECT n FROM counter WHERE kind=%d AND number=", SCHEMA_COUNTER_TYPE);
  db_query_i64(&query, schema_type_number(c->schema, type));
  code = db_query_number(c->db, &query, 0, &n, reterr);
  if (code == 0)
    *ret_n = n > 0 ? (uint64_t)n : 0;
  return code;
}

int search_types_count(struct search_context *c, struct search_types types, uint64_t *ret_n,
                       struct err *reterr) {
  struct search_types there = {0};
  if (types.n == 1)
    return type_count(c, types.p[0], ret_n, reterr);
  uint64_t sum = 0, n = 0;
  int code = search_types_of(c, 0, &there, reterr);
  for (size_t i = 0; i < there.n && code == 0; i++) {
    if (search_types_have(types, there.p[i]))
      code = type_count(c, there.p[i], &n, reterr);
    else
      n = 0;
    sum += n;
  }
  *ret_n = sum;
  return code;
}

int search_types_of(struct search_context *c, defs_type_id type, struct search_types *ret_types,
                    struct err *reterr) {
  defs_type_id *types = ARENA_ARRAY(c->arena, defs_type_id, defs_types_count() + 1);
  size_t n = 0;
  if (!types)
    return err_no_memory(reterr);
  if (type) {
    types[0] = type;
    *ret_types = (struct search_types){types, 1};
    return 0;
  }
  int code = load_counts(c, reterr);
  for (size_t i = 1; i <= defs_types_count() && code == 0; i++)
    if (c->type_counts[i] && search_types_have(c->types, (defs_type_id)i))
      types[n++] = (defs_type_id)i;
  *ret_types = (struct search_types){types, n};
  return code;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static int make_option(struct search_context *c, const struct search_wish *wish,
                       const struct search_condition *condition, struct option *ret_option,
                       struct err *reterr) {
  struct option option = {.condition = condition, .has_spans = search_has_spans(condition)};
  if (option.has_spans) {
    int code = search_spans_make(c, condition, &option.spans, reterr);
    if (code)
      return code;
    option.joined = search_spans_join(&option.spans, condition, wish->conditions, wish->n);
    option.is_ordered =
        option.spans.n <= (size_t)(wish->wants_all ? FEW_STREAMS : SEARCH_STREAMS_MAX);
    for (size_t i = 0; i < option.spans.n; i++)
      option.is_ordered &= option.spans.p[i].is_ordered;
  }
  option.is_ordered |= condition->predicate->subject == SEARCH_ON_ID;
  *ret_option = option;
  return 0;
}

static int count_option(struct search_context *c, struct option *option, uint64_t limit,
                        struct err *reterr) {
  return search_count(c, option->condition, option->has_spans ? &option->spans : NULL, limit,
                      &option->n, reterr);
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
  const struct search_spans **spans = ARENA_ARRAY(c->arena, const struct search_spans *, n);
  size_t spans_n = 0;
  if (!spans)
    return err_no_memory(reterr);
  for (size_t i = 0; i < n; i++)
    if (options[i].has_spans)
      spans[spans_n++] = &options[i].spans;
  int code = search_count_ahead(c, spans, spans_n, PROBE_FIRST, reterr);
  if (code)
    return code;
  for (size_t round = 0; round < 2; round++) {
    uint64_t limit = limits[round];
    for (size_t i = 0; i < n; i++) {
      code = count_option(c, &options[i], limit, reterr);
      if (code)
        return code;
      limit = options[i].n < limit ? options[i].n + 1 : limit;
    }
    if (least(options, n)->n < limits[round])
      break;
  }
  return 0;
}

/* Would the count of a condition that is alone change anything? Not of one that is read in order,
 * and not where it is looked up however many there are (is_too_common). */
static bool is_counted_alone(const struct search_wish *wish, const struct option *option) {
  return !option->is_ordered && !wish->wants_all &&
         option->condition->predicate->subject != SEARCH_ON_CHAIN;
}

/* The option with the fewest rows; `condition` NULL when none can be looked up. */
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
  if (n > 1 || (n == 1 && is_counted_alone(wish, &options[0])))
    code = count_options(c, options, n, reterr);
  *ret_best = n ? *least(options, n) : (struct option){0};
  return code;
}

/* To solve a _has costs its n sources. To go through what may match, and through what refers to
 * each, costs about all / n sources until one is found, for every row of the page. */
static int is_has_too_common(struct search_context *c, const struct option *option, bool *ret_is,
                             struct err *reterr) {
  defs_type_id type = option->condition->targets[0].predicate->type;
  struct search_types of = {&type, type != 0};
  uint64_t all = 0, n = option->n, limit = 300;
  *ret_is = false;
  if (n < PROBE_FIRST) /* however many resources there are */
    return 0;
  int code = search_types_count(c, of, &all, reterr);
  while (limit * limit < all * PAGE_ROWS)
    limit *= 2;
  if (code == 0)
    code = search_count(c, option->condition, NULL, limit, &n, reterr);
  *ret_is = n >= limit;
  return code;
}

/* Is it cheaper to go through the types and test, than to look up all rows of `option`, which must
 * be sorted before the first can be given? */
static int is_too_common(struct search_context *c, const struct search_wish *wish,
                         const struct option *option, bool *ret_is, struct err *reterr) {
  *ret_is = false;
  enum search_subject subject = option->condition->predicate->subject;
  if (wish->wants_all || option->is_ordered || subject == SEARCH_ON_CHAIN)
    return 0;
  if (subject == SEARCH_ON_HAS)
    return is_has_too_common(c, option, ret_is, reterr);
  if (option->n < PROBE_MAX)
    return 0;
  uint64_t all = 0, n = option->n;
  int code = search_types_count(c, wish->types, &all, reterr);
  uint64_t limit = all / SHARE < PROBE_MAX ? PROBE_MAX : all / SHARE;
  limit = limit > SHARE_PROBE_MAX ? SHARE_PROBE_MAX : limit;
  if (code == 0 && option->has_spans)
    code = search_count_spans(c, &option->spans, limit, &n, reterr);
  *ret_is = n >= limit;
  return code;
}

/* ---- What is read ahead ------------------------------------------------------------------------
 */

/* How many candidates it may still take, as far as the share of those that matched tells. */
static size_t ahead(const struct search_source *source) {
  enum { FEWEST = 8 };
  if (!search_looks_ahead(source->c))
    return 1;
  uint64_t n = source->wanted > source->matched ? source->wanted + 1 - source->matched : 1;
  if (source->given > 1) /* the one that is being looked for is among the given */
    n = n * source->given / (source->matched + 1) + 1;
  return n < FEWEST ? FEWEST : n > SEARCH_AHEAD_MAX ? SEARCH_AHEAD_MAX : (size_t)n;
}

static bool tests_body(const struct search_condition *condition) {
  bool tests = condition->predicate->subject == SEARCH_ON_TEXT;
  for (size_t i = 0; i < condition->tests_n; i++)
    tests |= condition->tests[i].needs_body;
  return tests;
}

/* Will the bodies of most of the `n` that come be read? A few are read in any case: that costs less
 * than to ask for those that match once more. */
static bool wants_bodies(const struct search_source *source, size_t n) {
  enum { FEW = 16 };
  const struct search_wish *wish = source->wish;
  if (wish->reads_bodies && n <= FEW)
    return true;
  bool most_match = source->given > 1 ? source->matched * 2 >= source->given
                                      : source->sieves.n == 0 && !source->is_through_types;
  for (size_t i = 0; i < wish->n; i++)
    if (tests_body(&wish->conditions[i]))
      return true;
  return wish->reads_bodies && (most_match || wish->n == 0);
}

/* ---- Opening --------------------------------------------------------------------------------- */

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

static int collect_types(struct search_source *source, struct err *reterr) {
  struct search_context *c = source->c;
  struct search_types there = {0};
  int code = search_types_of(c, 0, &there, reterr);
  for (size_t i = 0; i < there.n && code == 0; i++) {
    struct db_query query;
    if (!search_types_have(source->types, there.p[i]))
      continue;
    db_query_init(&query, c->arena);
    db_query_add(&query, "SELECT rid FROM resource WHERE state=1 AND type=");
    db_query_i64(&query, schema_type_number(c->schema, there.p[i]));
    code = search_rids_add_query(c, &query, SEARCH_COLLECT_MAX + 1, &source->rids, reterr);
  }
  search_rids_sort(&source->rids);
  start_behind(source);
  return code;
}

/* Where a question costs a round trip, the candidates that are fetched first come with their rows;
 * not where they are many, as a row costs more that way than among others that are asked for by
 * their numbers. */
static bool brings_rows(const struct search_source *source, uint64_t n) {
  bool is_sieved = false;
  for (size_t i = 0; i < source->sieves.n; i++)
    is_sieved |= source->sieves.p[i].is_filled;
  return n <= SEARCH_FEW_MAX && !is_sieved && !source->wish->only_counts &&
         search_fetches_with(source->c);
}

static struct search_begin begin_of(const struct search_source *source) {
  struct search_begin begin = {.after = source->after, .reads_all = source->wish->wants_all};
  size_t n = ahead(source);
  if (brings_rows(source, n)) {
    begin.rows_n = n;
    begin.needs_body = wants_bodies(source, n);
  }
  return begin;
}

/* Every resource of the types: from the index when they are few among all, else by going through
 * `resource` in order. */
static int open_types(struct search_source *source, bool wants_all, struct err *reterr) {
  struct search_context *c = source->c;
  struct db_query query;
  uint64_t of_types;
  int64_t last;
  int code = search_types_count(c, source->types, &of_types, reterr);
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT rid FROM sequence"); /* so many numbers were given */
  if (code == 0)
    code = db_query_number(c->db, &query, 0, &last, reterr);
  if (code)
    return code;
  double all = (double)last, n = (double)of_types;
  bool is_rare = wants_all ? n * 4 < all : n * n * 0.15 < (double)PAGE_CANDIDATES * all;
  if (is_rare && of_types < SEARCH_COLLECT_MAX)
    return collect_types(source, reterr);
  source->is_through_types = true;
  return search_streams_open_types(c, source->types, &source->probes, begin_of(source),
                                   &source->streams, reterr);
}

/* A driver that was counted to have few. `*ret_is_done` is false where that can't be. */
static int collect_few(struct search_source *source, const struct option *best, bool *ret_is_done,
                       struct err *reterr) {
  *ret_is_done = false;
  if (source->wish->wants_all || !best->has_spans || best->spans.n != 1 || source->probes.n > 0 ||
      !brings_rows(source, best->n))
    return 0;
  return search_collect_few(source->c, best->spans.p, wants_bodies(source, best->n), &source->rids,
                            ret_is_done, reterr);
}

static int open_collected(struct search_source *source, const struct option *best,
                          struct err *reterr) {
  bool is_done;
  int code = collect_few(source, best, &is_done, reterr);
  source->has_window = !source->wish->wants_all && best->has_spans && source->probes.n > 0;
  if (source->has_window)
    search_window_init(source->c, &source->probes, &source->window);
  if (code == 0 && !is_done)
    code = best->has_spans ? search_collect_spans(source->c, &best->spans, &source->probes,
                                                  &source->rids, reterr)
                           : search_collect(source->c, best->condition, &source->rids, reterr);
  search_rids_sort(&source->rids);
  start_behind(source);
  return code;
}

/* A chain for a page: what refers to each of its targets is in order. */
static int open_chain(struct search_source *source, const struct option *best, struct err *reterr) {
  struct search_context *c = source->c;
  struct search_rids targets = {.arena = c->arena};
  struct search_spans spans;
  int code = search_collect_targets(c, best->condition, &targets, reterr);
  if (code == 0 && targets.n > SEARCH_STREAMS_MAX)
    return open_types(source, false, reterr);
  if (code == 0)
    code = search_spans_of_targets(c, best->condition, targets.p, targets.n, &spans, reterr);
  if (code == 0)
    code =
        search_streams_open(c, &spans, &source->probes, begin_of(source), &source->streams, reterr);
  return code;
}

static enum search_reading reading_of(const struct search_source *source) {
  return source->is_through_types ? SEARCH_READING_TYPES
         : source->streams        ? SEARCH_READING_STREAMS
                                  : SEARCH_READING_COLLECTED;
}

static int open_best(struct search_source *source, const struct search_wish *wish,
                     const struct option *best, struct err *reterr) {
  if (!best->condition)
    return open_types(source, wish->wants_all, reterr);
  if (best->is_ordered && best->has_spans)
    return search_streams_open(source->c, &best->spans, &source->probes, begin_of(source),
                               &source->streams, reterr);
  if (best->condition->predicate->subject == SEARCH_ON_CHAIN && !wish->wants_all)
    return open_chain(source, best, reterr);
  return open_collected(source, best, reterr);
}

/* How many candidates there may be bounds what it pays to do to avoid them. Where all are wanted,
 * and they are many, that is done at once. */
static int count_driver(struct search_source *source, const struct search_wish *wish,
                        const struct option *best, struct err *reterr) {
  struct search_context *c = source->c;
  uint64_t n = UINT32_MAX;
  int code = 0;
  if (source->sieves.n == 0)
    return 0;
  if (!best->condition)
    code = search_types_count(c, source->types, &n, reterr);
  else if (best->has_spans)
    code = search_count_spans(c, &best->spans, DRIVER_PROBE_MAX, &n, reterr);
  source->driver_n = n;
  uint64_t limit = wish->wants_all ? n * NARROW_ROWS : 0;
  uint64_t links = (uint64_t)LINKS_FIRST * SEARCH_STEP_FETCH;
  return code ? code : search_sieves_fill(c, &source->sieves, limit, links, reterr);
}

int search_source_open(struct search_context *c, const struct search_wish *wish,
                       struct search_source **ret_source, struct err *reterr) {
  struct search_source *source = ARENA_NEW(c->arena, struct search_source);
  if (!source)
    return err_no_memory(reterr);
  source->c = c;
  source->types = wish->types;
  source->after = wish->after;
  source->narrow_at = NARROW_FIRST;
  source->wanted = wish->wants_all ? UINT32_MAX : wish->count ? wish->count : PAGE_ROWS;
  source->rids.arena = c->arena;
  *ret_source = source;
  struct option best = {0};
  bool is_common = false;
  int code = choose(c, wish, &best, reterr);
  if (code == 0 && best.condition)
    code = is_too_common(c, wish, &best, &is_common, reterr);
  if (is_common)
    best = (struct option){0};
  source->wish = wish;
  source->driver = best.condition;
  source->joined = best.joined;
  if (code == 0)
    code = search_probes_make(c, wish, best.condition, &source->probes, reterr);
  if (code == 0)
    code = search_sieves_init(c, wish, best.condition, &source->probes, &source->sieves, reterr);
  search_sieves_cover(&source->sieves, best.joined);
  if (code == 0)
    code = count_driver(source, wish, &best, reterr);
  if (code == 0)
    code = open_best(source, wish, &best, reterr);
  if (c->facts.reading == SEARCH_READING_NONE) {
    c->facts.reading = reading_of(source);
    c->facts.ranges = source->streams ? search_streams_count(source->streams) : 0;
    if (best.condition && best.condition->cost)
      best.condition->cost->role = SEARCH_ROLE_DRIVER;
  }
  return code;
}

int search_wish_estimate(struct search_context *c, const struct search_wish *wish, uint64_t limit,
                         uint64_t *ret_n, struct err *reterr) {
  uint64_t least = 0;
  int code = search_types_count(c, wish->types, &least, reterr);
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
static int narrow_types(struct search_source *source, uint64_t limit, struct err *reterr) {
  uint64_t n;
  if (!source->is_through_types)
    return 0;
  int code = search_types_count(source->c, source->types, &n, reterr);
  if (code || n >= limit)
    return code;
  source->is_through_types = false;
  source->streams = NULL;
  source->coming_n = source->coming_at = 0; /* they come again */
  return collect_types(source, reterr);
}

/* Candidates that are thought to come, or have come in vain. Where they are read ahead those are
 * paid for, so that only what is still to be read counts, and a few are read faster than others are
 * asked for. */
static uint64_t candidates_to_avoid(const struct search_source *source) {
  uint64_t expected = source->wanted * source->given / (source->matched + 1);
  expected = expected > source->driver_n ? source->driver_n : expected;
  uint64_t looked_at = expected > source->given ? expected : source->given;
  if (!search_looks_ahead(source->c))
    return looked_at;
  uint64_t left = source->driver_n > source->given ? source->driver_n - source->given : 0;
  uint64_t avoided = looked_at < left ? looked_at : left;
  return avoided < NARROW_FIRST ? 0 : avoided;
}

/* A row of an index costs a small part of what a candidate does. Where few candidates match, the
 * other conditions' rows are read too; the more candidates were looked at in vain, the more. */
static int narrow(struct search_source *source, struct err *reterr) {
  source->narrow_at = source->given * NARROW_STEP;
  uint64_t limit = candidates_to_avoid(source) * NARROW_ROWS;
  if (source->matched * 4 >= source->given || limit == 0)
    return 0;
  int code = search_sieves_fill(source->c, &source->sieves, limit, limit, reterr);
  return code ? code : narrow_types(source, limit, reterr);
}

bool search_source_is_exact(const struct search_source *source) {
  const struct search_wish *wish = source->wish;
  bool is_typed = source->is_through_types;
  for (size_t i = 0; i < wish->n; i++) {
    const struct search_condition *condition = &wish->conditions[i];
    bool is_exact = search_spans_are_exact(condition);
    if (condition == source->driver) {
      const struct search_predicate *p = condition->predicate;
      if (!is_exact || condition->is_negated || p->subject != SEARCH_ON_PARAM)
        return false;
      is_typed = p->type && wish->types.n == 1 && p->type == wish->types.p[0] &&
                 defs_param(p->param)->base == p->type;
    } else if (condition != source->joined &&
               !(is_exact && search_probes_have(&source->probes, condition)) &&
               !search_sieves_prove(&source->sieves, condition)) {
      return false;
    }
  }
  return is_typed;
}

void search_source_matched(struct search_source *source) {
  source->matched++;
}

static int read_rid(struct search_source *source, uint64_t *ret_rid, struct err *reterr) {
  *ret_rid = 0;
  if (source->streams)
    return search_streams_next(source->streams, ret_rid, reterr);
  if (source->has_window)
    return search_window_next(source->c, &source->window, &source->rids, &source->at, ret_rid,
                              reterr);
  if (source->at < source->rids.n)
    *ret_rid = source->rids.p[source->at++];
  return 0;
}

static int next_rid(struct search_source *source, uint64_t *ret_rid, struct err *reterr) {
  if (source->coming_at == source->coming_n) {
    size_t n = 0, most = ahead(source);
    uint64_t rid = 1;
    while (n < most && rid) {
      int code = read_rid(source, &rid, reterr);
      if (code)
        return code;
      source->coming[n] = rid;
      n += rid != 0;
    }
    source->coming_n = n;
    source->coming_at = 0;
  }
  *ret_rid = source->coming_at < source->coming_n ? source->coming[source->coming_at++] : 0;
  if (*ret_rid)
    source->after = *ret_rid;
  return 0;
}

int search_source_next(struct search_source *source, uint64_t *ret_rid, struct err *reterr) {
  bool is_next_read = source->coming_at == source->coming_n;
  if (source->sieves.n > 0 && source->given >= source->narrow_at && is_next_read) {
    int code = narrow(source, reterr);
    if (code)
      return code;
  }
  source->given++;
  source->c->facts.candidates++;
  do {
    int code = next_rid(source, ret_rid, reterr);
    if (code)
      return code;
  } while (*ret_rid && !search_sieves_pass(&source->sieves, *ret_rid));
  return 0;
}

/* `rid` was just taken; it and what comes behind it are read together. */
static int fetch_ahead(struct search_source *source, uint64_t rid, struct err *reterr) {
  uint64_t rids[SEARCH_AHEAD_MAX] = {rid};
  size_t n = 1;
  if (!search_looks_ahead(source->c) || search_is_at_hand(source->c, rid, false))
    return 0;
  for (size_t i = source->coming_at; i < source->coming_n && n < SEARCH_AHEAD_MAX; i++)
    if (search_sieves_pass(&source->sieves, source->coming[i]))
      rids[n++] = source->coming[i];
  return search_fetch_ahead(source->c, rids, n, wants_bodies(source, n), reterr);
}

int search_source_fetch(struct search_source *source, struct search_candidate *ret_candidate,
                        bool *ret_found, struct err *reterr) {
  uint64_t rid;
  *ret_found = false;
  ret_candidate->rid = 0;
  int code = search_source_next(source, &rid, reterr);
  if (code || rid == 0)
    return code;
  code = fetch_ahead(source, rid, reterr);
  if (code == 0)
    code = search_fetch(source->c, rid, ret_candidate, ret_found, reterr);
  ret_candidate->rid = rid;
  return code;
}
