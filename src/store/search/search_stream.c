#include "store/search/search_stream.h"

#include "store/search/search_fetch.h"

enum {
  CHUNK_FIRST_OF_FEW = 32, /* rids read at once from a stream, rising */
  CHUNK_FIRST_OF_MANY = 4,
  CHUNK_FIRST_AHEAD = 128, /* where a question costs more than the rows; of all: CHUNK_MAX */
  ASKED_AT_ONCE = 64,      /* streams, there */
  MANY = 16,
  CHUNK_MAX = 512,
};

struct stream {
  const struct search_span *span; /* NULL: all resources of the types */
  uint64_t *rids;
  size_t n, at, chunk, capacity;
  uint64_t after;
  bool is_last; /* the chunk at hand is the last one */
};

struct search_streams {
  struct search_context *c;
  struct search_types types;
  const struct search_probes *probes;
  struct stream *all;
  struct stream **heap; /* the one with the least rid at hand first; none of them is empty */
  size_t n, opened;
  uint64_t given;    /* last */
  bool is_head_read; /* of the first stream: it gives way when the next one is asked for */
};

/* ---- One stream ------------------------------------------------------------------------------ */

static void add_types(struct search_streams *s, struct db_query *query) {
  /* '+' keeps the engine from the index on type, whose order is another */
  db_query_add(query, "SELECT rid FROM resource WHERE state=1");
  if (s->types.n == 1) {
    db_query_add(query, " AND +type=");
    db_query_i64(query, schema_type_number(s->c->schema, s->types.p[0]));
  } else if (s->types.n > 1) {
    db_query_add(query, " AND +type IN(0");
    for (size_t i = 0; i < s->types.n; i++)
      db_query_addf(query, ",%u", schema_type_number(s->c->schema, s->types.p[i]));
    db_query_add(query, ")");
  }
}

static int make_room(struct search_streams *s, struct stream *stream, struct err *reterr) {
  if (stream->capacity >= stream->chunk)
    return 0;
  stream->rids = ARENA_ARRAY(s->c->arena, uint64_t, stream->chunk);
  stream->capacity = stream->chunk;
  return stream->rids ? 0 : err_no_memory(reterr);
}

/* The next chunk. */
static void write_query(struct search_streams *s, const struct stream *stream,
                        struct db_query *query) {
  db_query_init(query, s->c->scratch);
  if (stream->span) {
    db_query_add(query, "SELECT rid");
    search_span_add(query, s->c, stream->span);
  } else {
    add_types(s, query);
  }
  search_probes_add(query, s->c, s->probes,
                    stream->span ? search_span_table(stream->span) : "resource");
  db_query_add(query, " AND rid>");
  db_query_i64(query, (int64_t)stream->after);
  db_query_add(query, " ORDER BY rid LIMIT ");
  db_query_i64(query, (int64_t)stream->chunk);
}

static int ask(struct search_streams *s, struct stream *stream, struct db_statement **ret_asked,
               struct err *reterr) {
  struct db_query query;
  write_query(s, stream, &query);
  int code = make_room(s, stream, reterr);
  return code ? code : db_query_start(s->c->db, &query, ret_asked, reterr);
}

/* A chunk was read; the next one is to be of `chunk` rows. */
static int note_chunk(struct search_streams *s, struct stream *stream, size_t chunk,
                      struct err *reterr) {
  stream->is_last = stream->n < stream->chunk;
  if (stream->span)
    stream->span->condition->cost->rows += stream->n;
  if (stream->n > 0)
    stream->after = stream->rids[stream->n - 1];
  stream->chunk = chunk > CHUNK_MAX ? CHUNK_MAX : chunk;
  return search_spend(s->c, SEARCH_STEP_QUERY + stream->n, reterr);
}

static int take(struct search_streams *s, struct stream *stream, struct db_statement *asked,
                struct err *reterr) {
  bool has_row;
  int code;
  stream->n = stream->at = 0;
  while ((code = db_step(asked, &has_row, reterr)) == 0 && has_row && stream->n < stream->chunk)
    stream->rids[stream->n++] = (uint64_t)db_column_i64(asked, 0);
  return code ? code : note_chunk(s, stream, stream->chunk * 2, reterr);
}

static int fill(struct search_streams *s, struct stream *stream, struct err *reterr) {
  struct db_statement *asked = NULL;
  int code = ask(s, stream, &asked, reterr);
  if (code == 0)
    code = take(s, stream, asked, reterr);
  db_release(asked);
  return code;
}

/* The server promises no order of what was joined, though it has one. */
static bool is_in_order(const uint64_t *rids, size_t n) {
  for (size_t i = 1; i < n; i++)
    if (rids[i - 1] >= rids[i])
      return false;
  return true;
}

/* The first chunk of a stream that is alone, with the rows of its rids. */
static int fill_with_rows(struct search_streams *s, struct stream *stream,
                          struct search_begin begin, struct err *reterr) {
  struct db_query query;
  size_t next = stream->chunk;
  stream->chunk = begin.rows_n;
  write_query(s, stream, &query);
  int code = make_room(s, stream, reterr);
  if (code == 0)
    code = search_fetch_with(s->c, &query, stream->chunk, begin.needs_body, stream->rids,
                             &stream->n, reterr);
  if (code == 0 && !is_in_order(stream->rids, stream->n)) {
    stream->chunk = next;
    return fill(s, stream, reterr);
  }
  return code ? code : note_chunk(s, stream, next, reterr);
}

/* The first chunks of `n` streams, in one round trip. */
static int fill_together(struct search_streams *s, struct stream *streams, size_t n,
                         struct err *reterr) {
  struct db_statement *asked[ASKED_AT_ONCE] = {0};
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i++)
    code = ask(s, &streams[i], &asked[i], reterr);
  for (size_t i = 0; i < n && code == 0; i++)
    code = take(s, &streams[i], asked[i], reterr);
  for (size_t i = 0; i < n; i++)
    db_release(asked[i]);
  return code;
}

static bool is_empty(const struct stream *stream) {
  return stream->at == stream->n;
}

/* ---- Merging --------------------------------------------------------------------------------- */

static uint64_t head(const struct stream *stream) {
  return stream->rids[stream->at];
}

static void sift_down(struct search_streams *s, size_t at) {
  for (;;) {
    size_t least = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->n; child++)
      if (head(s->heap[child]) < head(s->heap[least]))
        least = child;
    if (least == at)
      return;
    struct stream *other = s->heap[at];
    s->heap[at] = s->heap[least];
    s->heap[least] = other;
    at = least;
  }
}

static int make_streams(struct search_context *c, size_t n, struct search_streams **ret_streams,
                        struct err *reterr) {
  struct search_streams *s = ARENA_NEW(c->arena, struct search_streams);
  if (!s)
    return err_no_memory(reterr);
  s->c = c;
  s->all = ARENA_ARRAY(c->arena, struct stream, n + 1);
  s->heap = ARENA_ARRAY(c->arena, struct stream *, n + 1);
  *ret_streams = s;
  return s->all && s->heap ? 0 : err_no_memory(reterr);
}

static size_t first_chunk(const struct search_streams *s, size_t n, struct search_begin begin) {
  if (n > MANY)
    return CHUNK_FIRST_OF_MANY;
  if (!search_looks_ahead(s->c))
    return CHUNK_FIRST_OF_FEW;
  return begin.reads_all ? CHUNK_MAX : CHUNK_FIRST_AHEAD;
}

static int fill_first(struct search_streams *s, size_t n, struct search_begin begin,
                      struct err *reterr) {
  size_t together = search_looks_ahead(s->c) ? ASKED_AT_ONCE : 1;
  int code = 0;
  if (n == 1 && begin.rows_n > 0)
    return fill_with_rows(s, &s->all[0], begin, reterr);
  for (size_t i = 0; i < n && code == 0; i += together) {
    code = fill_together(s, &s->all[i], n - i < together ? n - i : together, reterr);
    if (n > MANY)
      arena_reset(s->c->scratch);
  }
  return code;
}

static int start(struct search_streams *s, size_t n, struct search_begin begin,
                 struct err *reterr) {
  s->given = begin.after;
  s->opened = n;
  for (size_t i = 0; i < n; i++) {
    s->all[i].after = begin.after;
    s->all[i].chunk = first_chunk(s, n, begin);
  }
  int code = fill_first(s, n, begin, reterr);
  if (code)
    return code;
  for (size_t i = 0; i < n; i++)
    if (!is_empty(&s->all[i]))
      s->heap[s->n++] = &s->all[i];
  for (size_t i = s->n / 2; i-- > 0;)
    sift_down(s, i);
  return 0;
}

int search_streams_open(struct search_context *c, const struct search_spans *spans,
                        const struct search_probes *probes, struct search_begin begin,
                        struct search_streams **ret_streams, struct err *reterr) {
  int code = make_streams(c, spans->n, ret_streams, reterr);
  if (code == 0)
    (*ret_streams)->probes = probes;
  for (size_t i = 0; i < spans->n && code == 0; i++)
    (*ret_streams)->all[i].span = &spans->p[i];
  return code ? code : start(*ret_streams, spans->n, begin, reterr);
}

int search_streams_open_types(struct search_context *c, struct search_types types,
                              const struct search_probes *probes, struct search_begin begin,
                              struct search_streams **ret_streams, struct err *reterr) {
  int code = make_streams(c, 1, ret_streams, reterr);
  if (code)
    return code;
  (*ret_streams)->types = types;
  (*ret_streams)->probes = probes;
  return start(*ret_streams, 1, begin, reterr);
}

size_t search_streams_count(const struct search_streams *streams) {
  return streams->opened;
}

/* Takes the rid at hand off the first stream. */
static int advance(struct search_streams *s, struct err *reterr) {
  struct stream *first = s->heap[0];
  first->at++;
  if (is_empty(first) && !first->is_last) {
    int code = fill(s, first, reterr);
    if (code)
      return code;
  }
  if (is_empty(first))
    s->heap[0] = s->heap[--s->n];
  sift_down(s, 0);
  return 0;
}

int search_streams_next(struct search_streams *s, uint64_t *ret_rid, struct err *reterr) {
  for (;;) {
    int code = s->is_head_read ? advance(s, reterr) : 0;
    s->is_head_read = s->n > 0;
    if (code)
      return code;
    if (s->n == 0)
      break;
    uint64_t rid = head(s->heap[0]);
    if (rid <= s->given)
      continue; /* given already, from another stream */
    *ret_rid = s->given = rid;
    return 0;
  }
  *ret_rid = 0;
  return 0;
}
