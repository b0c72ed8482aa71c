/* Packed bytes, and dictionaries that a store makes for itself. */
#include "store_fixture.h"

#include "store/body/body.h"
#include "store/body/body_memo.h"
#include "store/body/train.h"

static struct db *open_db(void) {
  struct db *db;
  struct err err;
  assert_int_equal(
      db_open(&(struct db_options){.path = fixture_path, .is_writer = true}, &db, &err), 0);
  struct schema schema;
  assert_int_equal(schema_open(db, test_arena, &schema, &err), 0);
  return db;
}

static void bytes_survive_packing(void **state) {
  (void)state;
  struct db *db = open_db();
  struct body_codec *codec;
  struct err err;
  assert_int_equal(body_codec_open(db, NULL, false, &codec, &err), 0);
  static const size_t sizes[] = {0, 1, 10, 1000, 70000, 3000000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    for (unsigned kind = 0; kind < BODY_KINDS; kind++)
      for (unsigned is_random = 0; is_random < 2; is_random++) {
        char *bytes = arena_alloc(test_arena, sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++)
          bytes[j] = (char)(is_random ? random() : 'a');
        struct str packed, back;
        assert_int_equal(body_pack(codec, test_arena, kind, str_n(bytes, sizes[i]), &packed, &err),
                         0);
        assert_true(packed.n <= sizes[i] + 1);
        assert_int_equal(body_unpack(codec, test_arena, packed, &back, &err), 0);
        assert_true(str_equal(back, str_n(bytes, sizes[i])));
      }
  body_codec_close(codec);
  db_close(db);
}

/* More pairs than there are places, of all sizes: what is found is always what was kept for exactly
 * these packed bytes. */
static void memo_finds_only_what_was_kept(void **state) {
  (void)state;
  struct body_memo *memo;
  struct err err;
  assert_int_equal(body_memo_open(&memo, &err), 0);
  size_t found_n = 0;
  for (unsigned round = 0; round < 2; round++)
    for (unsigned i = 0; i < BODY_MEMO_PLACES * 2; i++) {
      struct str packed = arena_printf(test_arena, "\2%u %*s", i, (int)(i % 40), "");
      struct str bytes = arena_printf(test_arena, "unpacked %u", i), got;
      if (body_memo_find(memo, test_arena, packed, &got)) {
        assert_true(str_equal(got, bytes));
        found_n++;
      }
      body_memo_keep(memo, packed, bytes);
      assert_true(body_memo_find(memo, test_arena, packed, &got) && str_equal(got, bytes));
      assert_int_equal(got.p[got.n], 0);
    }
  assert_true(found_n > 0);
  struct str packed = STR("\2packed"), got;
  body_memo_keep(memo, packed, STR("first"));
  body_memo_keep(memo, packed, STR(""));
  assert_true(body_memo_find(memo, test_arena, packed, &got) && got.n == 0);
  assert_false(body_memo_find(memo, test_arena, str_slice(packed, 0, packed.n - 1), &got));
  assert_false(body_memo_find(memo, test_arena, STR(""), &got));
  body_memo_clear(memo);
  assert_false(body_memo_find(memo, test_arena, packed, &got));
  char *large = arena_calloc(test_arena, BODY_MEMO_MAX_BYTES, 1);
  body_memo_keep(memo, packed, str_n(large, BODY_MEMO_MAX_BYTES));
  assert_false(body_memo_find(memo, test_arena, packed, &got));
  body_memo_close(memo);
}

static void damaged_bytes_are_told(void **state) {
  (void)state;
  struct db *db = open_db();
  struct body_codec *codec;
  struct err err;
  struct str packed, back;
  struct str text = body_of("Patient", "1", "some text that goes on for a while, and on, and on");
  assert_int_equal(body_codec_open(db, NULL, false, &codec, &err), 0);
  assert_int_equal(body_pack(codec, test_arena, BODY_JSON, text, &packed, &err), 0);
  char *copy = arena_alloc(test_arena, packed.n);
  for (size_t i = 0; i < packed.n * 8; i++) {
    memcpy(copy, packed.p, packed.n);
    copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
    if (body_unpack(codec, test_arena, str_n(copy, packed.n), &back, &err) != 0)
      assert_true(err.code == ERR_STORE);
  }
  for (size_t n = 1; n < packed.n; n++)
    assert_int_equal(body_unpack(codec, test_arena, str_n(packed.p, n), &back, &err), ERR_STORE);
  copy[0] = (char)250; /* a dictionary that there is not */
  assert_int_equal(body_unpack(codec, test_arena, str_n(copy, packed.n), &back, &err), ERR_STORE);
  body_codec_close(codec);
  db_close(db);
}

/* Two processes: what one adds, the other can read at once, and does not add a second time. */
static void dictionary_of_another_process_is_found(void **state) {
  (void)state;
  struct db *db = open_db(), *reading;
  struct body_codec *one, *other;
  struct err err;
  struct str packed, back;
  struct str text = STR("what the house says, and says again, as no other house does");
  struct str dictionary = arena_printf(test_arena, "%.*s %.*s", STR_ARG(text), STR_ARG(text));
  assert_int_equal(body_codec_open(db, fixture_path, false, &one, &err), 0);
  assert_int_equal(db_open(&(struct db_options){.path = fixture_path,
                                                .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION}},
                           &reading, &err),
                   0);
  assert_int_equal(body_codec_open(reading, fixture_path, true, &other, &err), 0);
  assert_int_equal(body_codec_add(one, db, BODY_MESSAGE, 2000, dictionary, &err), 0);
  assert_int_equal(body_codec_known(one), 2);
  assert_int_equal(body_codec_known(other), 1);
  assert_int_equal(body_pack(one, test_arena, BODY_MESSAGE, text, &packed, &err), 0);
  assert_int_equal(packed.p[0], 1 + 2);
  assert_int_equal(body_unpack(other, test_arena, packed, &back, &err), 0);
  assert_true(str_equal(back, text));
  assert_int_equal(body_codec_known(other), 2);
  body_codec_close(other);

  /* One that began to make it before it saw the other's. */
  assert_int_equal(body_codec_open(reading, fixture_path, true, &other, &err), 0);
  assert_int_equal(body_codec_add(one, db, BODY_MESSAGE, 70000, dictionary, &err), 0);
  assert_int_equal(body_codec_add(other, db, BODY_MESSAGE, 70100, dictionary, &err), 0);
  assert_int_equal(body_codec_known(one), 3);
  assert_int_equal(body_codec_known(other), 3);
  body_codec_close(other);
  body_codec_close(one);
  db_close(reading);
  db_close(db);
}

static void training_is_due_when_there_is_enough_that_is_new(void **state) {
  (void)state;
  assert_false(train_is_due(BODY_JSON, 1999, 0));
  assert_true(train_is_due(BODY_JSON, 2000, 0));
  assert_false(train_is_due(BODY_JSON, 63999, 2000));
  assert_true(train_is_due(BODY_JSON, 64000, 2000));
  assert_false(train_is_due(BODY_OTHER, 64000, 0));
}

#define COMMITS 25
#define PER_COMMIT 100

static struct str long_id(size_t i) {
  return arena_printf(test_arena, "patient-%zu", i);
}

static void store_many(size_t from) {
  struct store_write *writes = ARENA_ARRAY(test_arena, struct store_write, PER_COMMIT);
  for (size_t i = 0; i < PER_COMMIT; i++) {
    const char *note = arena_printf(test_arena,
                                    "number %zu of a house with words of its own, "
                                    "which no specification has foreseen",
                                    from + i)
                           .p;
    writes[i] = write_of("Patient", long_id(from + i).p, note);
  }
  assert_int_equal(commit(writes, PER_COMMIT), 0);
}

static int64_t dictionaries_n(void) {
  return sql_number("SELECT count(*) FROM dictionary");
}

static void store_learns_the_words_of_its_house(void **state) {
  (void)state;
  fixture_open();
  struct store *reader;
  struct err err;
  size_t n = 0;
  for (; n < COMMITS * PER_COMMIT; n += PER_COMMIT)
    store_many(n);
  assert_int_equal(store_open(&(struct store_options){.path = fixture_path, .is_read_only = true},
                              &reader, &err),
                   0);
  for (unsigned i = 0; i < 300 && dictionaries_n() < 2; i++, n += PER_COMMIT) {
    usleep(20000);
    store_many(n);
  }
  assert_int_equal(dictionaries_n(), 2);
  store_many(n);
  n += PER_COMMIT;
  /* Another process that had it open before can read what was packed since. */
  struct store_view *view;
  struct access access = everything();
  struct store_resource found;
  assert_int_equal(store_view_open(reader, &view, &err), 0);
  assert_int_equal(
      store_read(view, &access, test_arena, type_of("Patient"), long_id(n - 1), &found, &err), 0);
  store_view_close(view);
  store_close(reader);
  fixture_reopen();
  for (size_t i = 0; i < n; i++)
    assert_int_equal(read_one("Patient", long_id(i).p, &found), 0);
  assert_int_equal(dictionaries_n(), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(bytes_survive_packing),
      TEST(memo_finds_only_what_was_kept),
      STORE_TEST(damaged_bytes_are_told),
      STORE_TEST(dictionary_of_another_process_is_found),
      TEST(training_is_due_when_there_is_enough_that_is_new),
      STORE_TEST(store_learns_the_words_of_its_house),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
