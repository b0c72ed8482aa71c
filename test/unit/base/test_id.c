#include "../test.h"

#include "base/id.h"

static void uuids_have_their_form(void **state) {
  (void)state;
  char a[ID_UUID_BYTES], b[ID_UUID_BYTES];
  const struct str parts[] = {STR("Patient"), STR("x")};
  id_uuid_random(a);
  id_uuid_random(b);
  assert_string_not_equal(a, b);
  assert_int_equal(a[14], '4');
  id_uuid_of(parts, 2, a);
  id_uuid_of(parts, 2, b);
  assert_string_equal(a, b);
  assert_int_equal(a[14], '8');
  assert_int_equal(strlen(a), 36);
  assert_true(id_is_fhir_id(str_of(a)));
}

static void fhir_ids_are_checked(void **state) {
  (void)state;
  char long_id[66];
  memset(long_id, 'a', sizeof long_id);
  assert_true(id_is_fhir_id(str_n(long_id, 64)));
  assert_false(id_is_fhir_id(str_n(long_id, 65)));
  assert_false(id_is_fhir_id(STR("")));
  assert_false(id_is_fhir_id(STR("a_b")));
  assert_false(id_is_fhir_id(STR("a/b")));
  assert_false(id_is_fhir_id(STR("\xC3\xA9")));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(uuids_have_their_form), TEST(fhir_ids_are_checked)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
