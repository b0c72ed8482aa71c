#include "../test.h"

#include "service/admin.h"

static void admin_tells_no_user_of_a_database(void **state) {
  (void)state;
  static const struct {
    const char *text, *want;
  } cases[] = {
      {"", ""},
      {"/var/lib/callosum/callosum.db", "/var/lib/callosum/callosum.db"},
      {"postgresql://ann@db:5432/callosum", "postgresql://db:5432/callosum"},
      {"postgresql://db/callosum", "postgresql://db/callosum"},
      {"postgresql://a@b@db1,db2/x", "postgresql://db1,db2/x"},
      {"postgresql:///x?host=/run&user=ann", "postgresql:///x?host=/run"},
      {"postgresql:///x?user=ann", "postgresql:///x"},
      {"postgresql:///x?user=ann&host=/run", "postgresql:///x?host=/run"},
      {"postgresql:///x?host=/run&user=ann&port=1", "postgresql:///x?host=/run&port=1"},
      {"postgresql:///x?user=ann can't be reached.", "postgresql:///x can't be reached."},
      {"postgresql://ann@db/x can't be reached: no route to ann@db.",
       "postgresql://db/x can't be reached: no route to ann@db."},
      {"://", "://"},
      {"?user=", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct arena *arena = arena_new(1 << 16);
    struct str got = admin_without_user(arena, str_of(cases[i].text));
    if (!str_is(got, cases[i].want))
      fail_msg("%s: %.*s", cases[i].text, STR_ARG(got));
    arena_free(arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(admin_tells_no_user_of_a_database)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
