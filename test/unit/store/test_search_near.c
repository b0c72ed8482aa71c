/* Locations near a place. */
#include "search_fixture.h"

#include "store/search/search_near.h"

#include <math.h>
#include <stdlib.h>

static void put_place(const char *id, double latitude, double longitude) {
  put(arena_printf(test_arena,
                   "{'resourceType':'Location','id':'%s','position':{'latitude':%.6f,'longitude':"
                   "%.6f}}",
                   id, latitude, longitude)
          .p);
}

static void put_cities(void) {
  put_place("bern", 46.948, 7.447);
  put_place("thun", 46.758, 7.628);   /* 25 km from Bern */
  put_place("zurich", 47.377, 8.542); /* 96 km */
  put_place("geneva", 46.204, 6.143); /* 130 km */
  put_place("tokyo", 35.677, 139.65);
  put("{'resourceType':'Location','id':'nowhere'}");
  put("{'resourceType':'Location','id':'wrong','position':{'latitude':91,'longitude':7}}");
}

static void distances_and_units(void **state) {
  (void)state;
  put_cities();
  assert_found("Location?near=46.948%7C7.447", "bern thun");
  assert_found("Location?near=46.948%7C7.447%7C20", "bern");
  assert_found("Location?near=46.948%7C7.447%7C0", "bern");
  assert_found("Location?near=46.948%7C7.447%7C100%7Ckm", "bern thun zurich");
  assert_found("Location?near=46.948%7C7.447%7C26000%7Cm", "bern thun");
  assert_found("Location?near=46.948%7C7.447%7C62%7C[mi_i]", "bern thun zurich");
  assert_found("Location?near=46.948%7C7.447%7C62%7Cmi", "bern thun zurich");
  assert_found("Location?near=46.948%7C7.447%7C99999", "bern thun zurich geneva tokyo");
  assert_found("Location?near=46.948%7C7.447%7C20,35.6%7C139.6%7C20", "bern tokyo");
  assert_found("Location?near:missing=true", "nowhere wrong");
  put("{'resourceType':'Encounter','id':'e','status':'finished','class':{'code':'AMB'},'location':"
      "[{'location':{'reference':'Location/thun'}}]}");
  assert_found("Encounter?location.near=46.948%7C7.447", "e");
  assert_found("Encounter?location.near=46.948%7C7.447%7C5", "");
}

static void poles_and_the_antimeridian(void **state) {
  (void)state;
  put_place("fiji", -17, 179.9);
  put_place("taveuni", -17, -179.9);
  put_place("line", -17, 180);
  put_place("far", -17, 175);
  put_place("pole", 90, 0);
  put_place("arctic1", 89.5, 10);
  put_place("arctic2", 89.5, -170);
  put_place("south", -89.9, 45);
  assert_found("Location?near=-17%7C179.95", "fiji taveuni line");
  assert_found("Location?near=-17%7C-179.95", "fiji taveuni line");
  assert_found("Location?near=-17%7C180%7C1", "line");
  assert_found("Location?near=-17%7C-180%7C1", "line");
  assert_found("Location?near=89.6%7C10%7C150", "pole arctic1 arctic2");
  assert_found("Location?near=90%7C123%7C1", "pole");
  assert_found("Location?near=-90%7C0", "south");
}

static void what_is_no_place_is_refused(void **state) {
  (void)state;
  static const char *const values[] = {
      "",       "47",          "47|",      "91|7",     "47|181",        "a|b",
      "47|7|x", "47|7|-1",     "47|7|nan", "47|7|inf", "47|7|1|kg",     "47|7|1|parsec",
      "nan|7",  "47|7|1|km|x", "47|7||kg", "47 |7",    "47|7|1e999|km",
  };
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    struct search_operand o = {0};
    struct err err = {0};
    int code = search_near_parse(test_arena, str_of(values[i]), STR("near"), &o, &err);
    if (code != ERR_VALUE)
      fail_msg("'%s' was understood", values[i]);
  }
}

static double random_between(double low, double high) {
  return low + (high - low) * ((double)(rand() % 100000) / 100000);
}

/* What the index finds is what the formula says. */
static void the_index_leaves_nothing_out(void **state) {
  (void)state;
  enum { PLACES = 300, QUERIES = 200 };
  double lat[PLACES], lon[PLACES];
  const char *seed = getenv("SEED");
  unsigned start = seed ? (unsigned)strtoul(seed, NULL, 10) : 7;
  print_message("SEED=%u\n", start);
  srand(start);
  for (int i = 0; i < PLACES; i++) {
    lat[i] = floor(random_between(i % 3 ? -90 : 80, 90) * 1000) / 1000;
    lon[i] = floor(random_between(i % 5 ? -180 : 170, 180) * 1000) / 1000;
    put_place(arena_printf(test_arena, "l%d", i).p, lat[i], lon[i]);
  }
  for (int q = 0; q < QUERIES; q++) {
    struct search_operand o = {.from = floor(random_between(q % 3 ? -90 : 75, 90) * 100) / 100,
                               .to = floor(random_between(-180, 180) * 100) / 100,
                               .exact = floor(pow(10, random_between(1, 4.3)))};
    size_t expected = 0;
    for (int i = 0; i < PLACES; i++)
      expected += search_near_fits(&o, lat[i], lon[i]);
    struct access access = everything();
    struct str url = arena_printf(test_arena, "Location?near=%.2f%%7C%.2f%%7C%.0f&_count=1000",
                                  o.from, o.to, o.exact);
    size_t found_n = run_as(&access, url.p).matches_n;
    if (found_n != expected)
      fail_msg("%s: %zu instead of %zu", url.p, found_n, expected);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(distances_and_units),
      SEARCH_TEST(poles_and_the_antimeridian),
      SEARCH_TEST(what_is_no_place_is_refused),
      SEARCH_TEST(the_index_leaves_nothing_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
