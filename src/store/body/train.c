#include "store/body/train.h"

#include <zdict.h>

#define FIRST_AT 2000
#define AGAIN_AFTER_TIMES 32
#define SAMPLES_N 1500
#define SAMPLES_LEAST 200
#define SAMPLE_MAX_BYTES ((size_t)6 << 10)
#define DICTIONARY_BYTES ((size_t)72 << 10)

bool train_is_due(enum body_kind kind, uint64_t pieces_n, uint64_t trained_at) {
  return kind != BODY_OTHER && pieces_n >= FIRST_AT && pieces_n / AGAIN_AFTER_TIMES >= trained_at;
}

/* The piece of this number, or one behind it, before the second number. Resources are numbered by
 * their events, as their own numbers may say where they are (shard.h). Of what is long nothing is
 * read: it would be cut to its first bytes. */
#define PIECE(bytes) "CASE WHEN length(" bytes ")<=65536 THEN " bytes " END"
#define LOOK_MAX 1000
static struct str sql_of(enum body_kind kind) {
  switch (kind) {
  case BODY_JSON:
    return STR("SELECT " PIECE(
        "r.body") " FROM event e CROSS JOIN resource r ON r.rid=e.rid"
                  " WHERE e.number>=? AND e.number<? AND r.state=1 ORDER BY e.number LIMIT 1");
  case BODY_MESSAGE:
    return STR("SELECT " PIECE("raw") " FROM message WHERE number>=? AND number<?"
                                      " ORDER BY number LIMIT 1");
  case BODY_LINEAGE:
  case BODY_OTHER:
    break;
  }
  return STR("SELECT " PIECE("bytes") " FROM lineage WHERE message>=? AND message<?"
                                      " ORDER BY message,rid LIMIT 1");
}

struct samples {
  struct buf bytes;
  size_t sizes[SAMPLES_N];
  unsigned n;
};

static int add_sample(const struct body_codec *codec, struct arena *scratch, struct str packed,
                      struct samples *samples, struct err *reterr) {
  struct str piece;
  int code = body_unpack(codec, scratch, packed, &piece, reterr);
  if (code != 0)
    return code;
  piece = str_slice(piece, 0, SAMPLE_MAX_BYTES);
  if (piece.n > 0) {
    buf_add(&samples->bytes, piece);
    samples->sizes[samples->n++] = piece.n;
  }
  arena_reset(scratch);
  return 0;
}

static int take_samples(struct db *db, const struct body_codec *codec, struct arena *scratch,
                        enum body_kind kind, uint64_t pieces_n, struct samples *samples,
                        struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db, sql_of(kind), &row, reterr);
  if (code != 0)
    return code;
  for (uint64_t i = 0; code == 0 && i < SAMPLES_N; i++) {
    bool has_row = false;
    int64_t first = (int64_t)(1 + i * (pieces_n / SAMPLES_N));
    db_bind_i64(row, 1, first);
    db_bind_i64(row, 2, first + LOOK_MAX);
    code = db_step(row, &has_row, reterr);
    if (code == 0 && has_row)
      code = add_sample(codec, scratch, db_column_str(row, 0), samples, reterr);
    db_reset(row);
  }
  db_release(row);
  return code;
}

int train_dictionary(struct db *db, const struct body_codec *codec, struct arena *arena,
                     enum body_kind kind, uint64_t pieces_n, struct str *ret_dictionary,
                     struct err *reterr) {
  struct samples *samples = ARENA_NEW(arena, struct samples);
  char *dictionary = arena_alloc(arena, DICTIONARY_BYTES);
  struct arena *scratch = arena_new(2 * BODY_MAX_BYTES);
  int code = samples && dictionary && scratch ? 0 : err_no_memory(reterr);
  *ret_dictionary = STR_NULL;
  if (code == 0) {
    buf_init_arena(&samples->bytes, arena, SAMPLES_N * SAMPLE_MAX_BYTES);
    code = take_samples(db, codec, scratch, kind, pieces_n, samples, reterr);
  }
  arena_free(scratch);
  if (code != 0 || samples->n < SAMPLES_LEAST)
    return code;
  if (buf_is_overflown(&samples->bytes))
    return err_no_memory(reterr);
  size_t n = ZDICT_trainFromBuffer(dictionary, DICTIONARY_BYTES, samples->bytes.p, samples->sizes,
                                   samples->n);
  if (!ZDICT_isError(n)) /* an error says that the sample gives no dictionary */
    *ret_dictionary = str_n(dictionary, n);
  return 0;
}
