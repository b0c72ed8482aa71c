#include "maps.h"

#include <stdlib.h>
#include <sys/stat.h>

struct fault {
  const char *text;  /* the file */
  unsigned line;     /* 0: no fault */
  const char *about; /* a part of the sentence */
};

#define PATIENT "map PID[Patient] : Patient\n"

static const struct fault faults[] = {
    {PATIENT "  PID-7 -> birthDate\n", 0, ""},
    {PATIENT "  PID-7 -> birthday\n", 2, "Patient has no element 'birthday'"},
    {PATIENT "\n# note\n  PID-5 -> name\n", 4, "a HumanName needs a map"},
    {PATIENT "  PID-5 -> name : XPN[HumanName]\n", 2, "there is no map 'XPN[HumanName]'"},
    {PATIENT "  PID-8 -> gender via Sex\n", 2, "there is no table 'Sex'"},
    {PATIENT "  PID-0 -> gender\n", 2, "a number from 1 to 255"},
    {PATIENT "  PID-8 > gender\n", 2, "'->' is missing"},
    {PATIENT "  PID-8 -> gender nonsense\n", 2, "'nonsense' is not understood"},
    {PATIENT "  PID-8 -> gender if PID-7\n", 2, "a condition is missing"},
    {PATIENT "  PID-8 -> gender\n      if (PID-7 valued\n", 2, "')' is missing"},
    {PATIENT "  PID-8 -> gender if PID-7 valued and\n", 2, "is not a field"},
    {PATIENT "  name\n      PID-8 -> use\n    PID-7 -> birthDate\n", 4, "the indentation"},
    {PATIENT "\tPID-8 -> gender\n", 2, "a tab"},
    {PATIENT "  gender = \"male\n", 2, "a string is not closed"},
    {PATIENT "  name = \"x\"\n", 2, "a text can't be put into a HumanName"},
    {PATIENT "  managingOrganization = @org\n", 0, ""},
    {PATIENT "  birthDate = @org\n", 2, "a reference can't be put into a date"},
    {PATIENT "  PID-8 -> extension.valueString\n", 2, "an extension needs its URL"},
    {PATIENT "map PID[Patient] : Patient\n", 2, "already there"},
    {"map X : Nothing\n", 1, "FHIR has no type 'Nothing'"},
    {"mop X : Patient\n", 1, "a block begins with"},
    {"  map X : Patient\n", 1, "left margin"},
    {"table T\n  A -> b\n  A -> c\n", 3, "stands here twice"},
    {"table T\n  A > b\n", 2, "'->' is missing"},
    {"table T\n  A -> \"b\" \"c\" d\n", 2, "not understood"},
    {"message M\n  for\n", 2, "a message type and event"},
    {"message M\n  PID\n    p = PID[Patient]\n", 3, "there is no map"},
    {"message M\n  PID\n    @p.active = \"Y\"\n", 3, "no row further up makes '@p'"},
    {PATIENT "message M\n  PID\n    p = PID[Patient]\n    merge @p from @q\n", 5, "'@q'"},
    {"map C[C] : CodeableConcept\n  .1 -> text\n" PATIENT "  PID-5 -> name : C[C]\n", 4,
     "makes a CodeableConcept, but a HumanName stands here"},
    {"map A[A] : Patient\n  choose A[A]\n  active = \"Y\"\n", 3, "either rows or 'choose'"},
};

static void compiler_tells_file_line_and_reason(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    struct err err = {.text = ""};
    char where[60];
    struct maps *maps = compile(faults[i].text, &err);
    snprintf(where, sizeof where, "segments/T.map line %u", faults[i].line);
    if (!faults[i].line && !maps)
      fail_msg("case %zu: %s: %s", i, err.where, err.text);
    if (faults[i].line && maps)
      fail_msg("case %zu: no fault found", i);
    if (faults[i].line && (strcmp(err.where, where) || !strstr(err.text, faults[i].about)))
      fail_msg("case %zu: '%s: %s', not '%s: ...%s...'", i, err.where, err.text, where,
               faults[i].about);
    maps_close(maps);
  }
}

static void nesting_without_end_is_refused(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  buf_add_z(&buf, PATIENT "  active = \"Y\" if ");
  for (int i = 0; i < 50000; i++)
    buf_add_char(&buf, '(');
  struct err err;
  assert_null(compile(buf_z(&buf), &err));
  buf_clear(&buf);
  buf_add_z(&buf, PATIENT "  birthDate = ");
  for (int i = 0; i < 50000; i++)
    buf_add_z(&buf, "join(\"\",");
  assert_null(compile(buf_z(&buf), &err));
}

static void maps_of_the_program_compile(void **state) {
  (void)state;
  struct maps *maps = NULL;
  struct err err;
  if (maps_open(NULL, &maps, &err))
    fail_msg("%s: %s", err.where, err.text);
  maps_close(maps);
}

static void folder_that_is_not_there_is_told(void **state) {
  (void)state;
  struct maps *maps = NULL;
  struct err err;
  assert_int_equal(maps_open("/nonexistent/maps", &maps, &err), ERR_IO);
}

static void write_map(const char *dir, const char *name, const char *text) {
  struct str path = arena_printf(test_arena, "%s/tables/%s", dir, name);
  FILE *out = fopen(path.p, "w");
  assert_non_null(out);
  assert_true(fputs(text, out) >= 0);
  assert_int_equal(fclose(out), 0);
}

static void files_of_the_site_take_the_place_of_their_namesakes(void **state) {
  (void)state;
  char dir[] = "/tmp/callosum-maps-XXXXXX";
  assert_non_null(mkdtemp(dir));
  struct str tables = arena_printf(test_arena, "%s/tables", dir);
  assert_int_equal(mkdir(tables.p, 0700), 0);
  struct maps *maps = NULL;
  struct err err;
  write_map(dir, "AdministrativeSex.map", "table AdministrativeSex\n  F > female\n");
  assert_int_equal(maps_open(dir, &maps, &err), ERR_STRUCTURE);
  assert_string_equal(err.where, "tables/AdministrativeSex.map line 2");
  write_map(dir, "AdministrativeSex.map", "table AdministrativeSex\n  W -> female\n");
  write_map(dir, "Local.map", "table Local\n  1 -> one\n");
  assert_int_equal(maps_open(dir, &maps, &err), 0);
  maps_close(maps);
  const char *const names[] = {"tables/AdministrativeSex.map", "tables/Local.map", "tables", ""};
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(remove(arena_printf(test_arena, "%s/%s", dir, names[i]).p), 0);
}

static void row_is_found_by_its_number(void **state) {
  (void)state;
  struct err err;
  struct maps *maps = compile(PATIENT "  PID-7 -> birthDate  # born\n", &err);
  assert_non_null(maps);
  struct mapping_row row = maps_row(maps, 1);
  assert_str(row.file, "segments/T.map");
  assert_int_equal(row.line, 2);
  assert_str(row.text, "PID-7 -> birthDate  # born");
  assert_int_equal(maps_row(maps, 99).line, 0);
  maps_close(maps);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(compiler_tells_file_line_and_reason),
      TEST(nesting_without_end_is_refused),
      TEST(maps_of_the_program_compile),
      TEST(folder_that_is_not_there_is_told),
      TEST(files_of_the_site_take_the_place_of_their_namesakes),
      TEST(row_is_found_by_its_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
