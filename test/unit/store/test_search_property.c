/*
 * The law of search: what the plan finds, by index, keys and links, is what a scan over the
 * extracted values of every resource finds; with a restricted access it is that, less what the
 * access hides. Random hospitals and random queries; the seed is printed.
 */
#include "search_fixture.h"

#include "base/clock.h"
#include "store/search/search_match.h"

enum { PATIENTS = 12, OBSERVATIONS = 90, ENCOUNTERS = 25, ROUNDS = 3, QUERIES = 500 };

static uint64_t seed;

static uint64_t random_below(uint64_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (seed >> 33) % n;
}

#define PICK(list) ((list)[random_below(sizeof(list) / sizeof(list)[0])])

static bool chance(unsigned percent) {
  return random_below(100) < percent;
}

/* ---- A random hospital ---- */

static VEC(struct store_write) all; /* everything that is in the store */

static const char *const families[] = {"Meyer",      "Meier", "M\xC3\xBCller",
                                       "Muller-Lee", "Ng",    "O-Neil"};
static const char *const givens[] = {"Ann", "Anna", "Bo", "Zo\xC3\xAB"};
static const char *const days[] = {"1980",       "1980-05",    "1980-05-17",
                                   "1980-06-01", "1999-12-31", "2001-02"};
static const char *const times[] = {"2020",       "2020-03",    "2020-03-01T08:00:00Z",
                                    "2020-03-01", "2021-01-05", "2020-03-01T08:00:00.250-01:00"};
static const char *const codes[] = {"a", "b", "8480-6", "c|d"};
static const char *const systems[] = {"", "urn:s", "http://loinc.org"};
static const char *const units[] = {"mg", "mm[Hg]"};
static const char *const numbers[] = {"1", "5.4", "5.40", "100", "-3", "0.001"};

__attribute__((format(printf, 1, 2))) static struct str text(const char *format, ...) {
  char line[4000];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  return arena_str(test_arena, str_of(line));
}

static struct terminology *terminology; /* of the scan: what the definitions hold */

static const char *coding(void) {
  const char *system = PICK(systems);
  return text("{%s%s%s\"code\":\"%s\"%s}", system[0] ? "\"system\":\"" : "", system,
              system[0] ? "\"," : "", PICK(codes), chance(30) ? ",\"display\":\"Blood sugar\"" : "")
      .p;
}

#define UCUM "http://unitsofmeasure.org"
static const char *const ucum_units[] = {"mg", "g", "ug", "kg", "mg/dL", "Cel", "[degF]", "[pH]"};

static const char *quantity(void) {
  const char *unit = PICK(units);
  unsigned kind = (unsigned)random_below(6);
  if (kind > 3)
    return text("{\"value\":%s,\"unit\":\"mgs\",\"system\":\"" UCUM "\",\"code\":\"%s\"}",
                PICK(numbers), PICK(ucum_units))
        .p;
  if (kind == 0)
    return text("{\"value\":%s}", PICK(numbers)).p;
  if (kind == 1)
    return text("{\"value\":%s,\"unit\":\"%s\"}", PICK(numbers), unit).p;
  return text("{\"value\":%s,\"unit\":\"x%s\",\"system\":\"urn:s\",\"code\":\"%s\"%s}",
              PICK(numbers), unit, unit, kind == 2 ? ",\"comparator\":\"<\"" : "")
      .p;
}

static const char *effective(void) {
  switch (random_below(4)) {
  case 0:
    return "";
  case 1:
    return text(",\"effectiveDateTime\":\"%s\"", PICK(times)).p;
  case 2:
    return text(",\"effectivePeriod\":{\"start\":\"%s\"}", PICK(times)).p;
  default:
    return text(",\"effectivePeriod\":{\"start\":\"2020-01-01\",\"end\":\"%s\"}", PICK(times)).p;
  }
}

static void keep(struct str json) {
  struct store_write *place = VEC_PUSH(test_arena, &all);
  *place = put_write(json.p);
}

static void make_patient(unsigned i) {
  keep(text("{\"resourceType\":\"Patient\",\"id\":\"p%u\"%s,\"name\":[{\"family\":\"%s\",\"given\":"
            "[\"%s\",\"%s\"]}]%s,\"identifier\":[%s],\"birthDate\":\"%s\"}",
            i, chance(70) ? text(",\"gender\":\"%s\"", chance(50) ? "male" : "female").p : "",
            PICK(families), PICK(givens), PICK(givens), chance(50) ? ",\"active\":true" : "",
            text("{\"system\":\"urn:s\",\"value\":\"%s\"}", PICK(codes)).p, PICK(days)));
}

static void make_encounter(unsigned i) {
  keep(text("{\"resourceType\":\"Encounter\",\"id\":\"e%u\",\"status\":\"%s\",\"class\":%s,"
            "\"subject\":{\"reference\":\"Patient/p%u\"}}",
            i, chance(50) ? "finished" : "planned", coding(),
            (unsigned)random_below(PATIENTS + 2)));
}

static void make_observation(unsigned i) {
  struct str subject =
      chance(90) ? text(",\"subject\":{\"reference\":\"Patient/p%u\"%s}",
                        (unsigned)random_below(PATIENTS + 2),
                        chance(30) ? ",\"identifier\":{\"system\":\"urn:s\",\"value\":\"a\"}" : "")
                 : STR("");
  struct str encounter = chance(50) ? text(",\"encounter\":{\"reference\":\"Encounter/e%u\"}",
                                           (unsigned)random_below(ENCOUNTERS))
                                    : STR("");
  struct str value =
      chance(60)
          ? text(",\"valueQuantity\":%s", quantity())
          : text(",\"component\":[{\"code\":{\"coding\":[%s]},\"valueQuantity\":%s},{\"code\":{"
                 "\"coding\":[%s]},\"valueQuantity\":%s}]",
                 coding(), quantity(), coding(), quantity());
  keep(arena_printf(test_arena,
                    "{\"resourceType\":\"Observation\",\"id\":\"b%u\",\"status\":\"%s\",\"code\":{"
                    "\"coding\":[%s,%s]}%s%s%s%s%s}",
                    i,
                    chance(70)   ? "final"
                    : chance(50) ? "preliminary"
                    : chance(50) ? "amended"
                                 : "corrected",
                    coding(), coding(), subject.p, encounter.p, effective(), value.p,
                    chance(30) ? ",\"meta\":{\"tag\":[{\"code\":\"a\"}]}" : ""));
}

static void make_hospital(void) {
  all.n = 0;
  for (unsigned i = 0; i < PATIENTS; i++)
    make_patient(i);
  for (unsigned i = 0; i < ENCOUNTERS; i++)
    make_encounter(i);
  for (unsigned i = 0; i < OBSERVATIONS; i++)
    make_observation(i);
  assert_int_equal(commit(all.p, all.n), 0);
}

/* ---- The scan ---- */

static bool refers(const struct store_write *from, defs_param_id param,
                   const struct store_write *to) {
  for (size_t i = 0; i < from->values.n; i++) {
    const struct search_value *v = &from->values.p[i];
    if (v->param == param && v->type == SEARCH_REFERENCE && str_equal(v->reference.id, to->id) &&
        str_equal(v->reference.type, defs_type(to->type)->name))
      return true;
  }
  return false;
}

static bool is_visible(const struct access *access, const struct store_write *w) {
  bool is_of_type = access->types_n == 0;
  if (access->is_everything)
    return true;
  for (size_t i = 0; i < access->types_n; i++)
    is_of_type |= access->types[i] == w->type;
  struct store_write patient = {.type = type_of("Patient"), .id = access->patient_id};
  if (!is_of_type || patient.id.n == 0)
    return is_of_type;
  if (w->type == patient.type && str_equal(w->id, patient.id))
    return true;
  size_t n;
  const defs_param_id *params = defs_compartment_params(STR("Patient"), w->type, &n);
  for (size_t i = 0; i < n; i++)
    if (refers(w, params[i], &patient))
      return true;
  return false;
}

static bool holds(const struct access *access, const struct search_predicate *p,
                  const struct store_write *w);

static bool link_holds(const struct access *access, const struct search_predicate *p,
                       const struct store_write *w) {
  for (size_t i = 0; i < all.n; i++) {
    const struct store_write *other = &all.p[i];
    bool is_linked =
        p->subject == SEARCH_ON_CHAIN ? refers(w, p->param, other) : refers(other, p->param, w);
    for (size_t t = 0; t < p->targets_n && is_linked && is_visible(access, other); t++)
      if (p->targets[t].type == other->type && holds(access, &p->targets[t], other))
        return true;
  }
  return false;
}

static bool is_in_compartment(const struct search_operand *o, const struct store_write *w) {
  struct store_write of = {.type = defs_type_by_name(o->type), .id = o->id};
  size_t n;
  const defs_param_id *params = defs_compartment_params(o->type, w->type, &n);
  bool is = w->type == of.type && str_equal(w->id, of.id);
  for (size_t i = 0; i < n && !is; i++)
    is = refers(w, params[i], &of);
  return is;
}

static bool joined_hold(const struct access *access, const struct search_predicate *p,
                        const struct store_write *w) {
  bool is_any = p->subject == SEARCH_ON_ANY;
  for (size_t i = 0; i < p->targets_n; i++)
    if (holds(access, &p->targets[i], w) == is_any)
      return is_any;
  return !is_any;
}

static bool id_holds(const struct search_predicate *p, const struct store_write *w) {
  for (size_t i = 0; i < p->operands_n; i++)
    if (str_equal(p->operands[i].id, w->id))
      return true;
  return false;
}

static bool holds(const struct access *access, const struct search_predicate *p,
                  const struct store_write *w) {
  if (p->type && p->type != w->type)
    return false;
  switch (p->subject) {
  case SEARCH_ON_CHAIN:
  case SEARCH_ON_HAS:
    return link_holds(access, p, w);
  case SEARCH_ON_ID:
    return id_holds(p, w);
  case SEARCH_ON_LAST_UPDATED:
    return search_date_fits(p->operands, w->updated_us, w->updated_us + 1);
  case SEARCH_ON_PARAM:
    return search_values_match(test_arena, terminology, p, w->values);
  case SEARCH_ON_COMPARTMENT:
    return is_in_compartment(p->operands, w);
  case SEARCH_ON_ALL:
  case SEARCH_ON_ANY:
    return joined_hold(access, p, w);
  case SEARCH_ON_NOT:
    return !holds(access, p->targets, w);
  case SEARCH_ON_TEXT: /* test_text_index.c */
    return false;
  }
  return false;
}

static int compare_strs(const void *a, const void *b) {
  return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static struct str join(struct str *ids, size_t n) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 100000);
  if (n)
    qsort(ids, n, sizeof *ids, compare_strs);
  for (size_t i = 0; i < n; i++)
    buf_printf(&buf, "%.*s ", STR_ARG(ids[i]));
  return arena_str(test_arena, buf_str(&buf));
}

static struct str scan(const struct access *access, const struct search *search) {
  struct str ids[400];
  size_t n = 0;
  for (size_t i = 0; i < all.n; i++) {
    const struct store_write *w = &all.p[i];
    bool matches = search_types_have(search->types, w->type) && is_visible(access, w);
    for (size_t k = 0; k < search->predicates_n && matches; k++)
      matches = holds(access, &search->predicates[k], w);
    if (matches)
      ids[n++] = w->id;
  }
  return join(ids, n);
}

/* ---- Random queries ---- */

static const char *const prefixes[] = {"", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"};

static struct str token(void) {
  const char *system = PICK(systems);
  const char *code = PICK(codes);
  bool has_bar = strchr(code, '|') != NULL;
  switch (random_below(4)) {
  case 0:
    return text("%s%%7C%s", system, has_bar ? "c%5C%7Cd" : code);
  case 1:
    return text("urn:s%%7C");
  default:
    return text("%s", has_bar ? "c%5C%7Cd" : code);
  }
}

static struct str number(void) {
  static const char *const suffixes[] = {"", "%7C%7Cmg", "%7Curn:s%7Cmg", "%7C%7Cxmg"};
  if (chance(40))
    return text("%s%s%%7C" UCUM "%%7C%s", PICK(prefixes), PICK(numbers), PICK(ucum_units));
  return text("%s%s%s", PICK(prefixes), PICK(numbers), PICK(suffixes));
}

static struct str observation_condition(void) {
  switch (random_below(17)) {
  case 15:
    return text("status:%sin=http://hl7.org/fhir/ValueSet/observation-status",
                chance(50) ? "not-" : "");
  case 16:
    return text("status:%s=http://hl7.org/fhir/observation-status%%7C%s",
                chance(50) ? "above" : "below", chance(50) ? "amended" : "corrected");
  case 0:
    return text("code=%s", token().p);
  case 1:
    return text("code=%s,%s", token().p, token().p);
  case 2:
    return text("code:not=%s", token().p);
  case 3:
    return text("date=%s%s", PICK(prefixes), PICK(times));
  case 4:
    return text("value-quantity=%s", number().p);
  case 5:
    return text("%s-value-quantity=%s$%s", chance(50) ? "code" : "combo-code", token().p,
                number().p);
  case 6:
    return text("component-code-value-quantity=%s$%s,%s$%s", token().p, number().p, token().p,
                number().p);
  case 7:
    return text("subject=%sp%u", chance(50) ? "Patient/" : "", (unsigned)random_below(PATIENTS));
  case 8:
    return text("%s:missing=%s", chance(50) ? "date" : "encounter", chance(50) ? "true" : "false");
  case 9:
    return text("status=%s", chance(50) ? "final" : "preliminary");
  case 10:
    return text("code:text=%s", chance(50) ? "blood" : "sugar");
  case 11:
    return text("_tag=a");
  case 12:
    return text("subject:identifier=%s", token().p);
  case 13:
    return text("_id=b1,b5,b%u,p1", (unsigned)random_below(OBSERVATIONS));
  default:
    return text("_lastUpdated=%s2020", PICK(prefixes));
  }
}

static struct str patient_condition(void) {
  switch (random_below(8)) {
  case 0:
    return text("family=%c", "mngo"[random_below(4)]);
  case 1:
    return text("name:contains=%c", "eyln"[random_below(4)]);
  case 2:
    return text("given:exact=Ann");
  case 3:
    return text("birthdate=%s%s", PICK(prefixes), PICK(days));
  case 4:
    return text("gender:missing=%s", chance(50) ? "true" : "false");
  case 5:
    return text("gender%s=male", chance(50) ? ":not" : "");
  case 6:
    return text("identifier=%s", token().p);
  default:
    return text("active=true");
  }
}

/* One test of a _filter, percent-encoded. */
static struct str filter_test(bool is_patient) {
  static const char *const text_ops[] = {"eq", "ne", "co", "sw", "ew"};
  static const char *const date_ops[] = {"eq", "ne", "gt", "lt", "ge",
                                         "le", "sa", "eb", "ap", "po"};
  static const char *const words[] = {"mey", "\"er\"", "ng", "Muller-Lee", "l", "n"};
  switch (is_patient ? random_below(6) : 6 + random_below(9)) {
  case 0:
    return text("family%%20%s%%20%s", PICK(text_ops), PICK(words));
  case 1:
    return text("birthdate%%20%s%%20%s", PICK(date_ops), PICK(days));
  case 2:
    return text("gender%%20%s%%20male", chance(50) ? "eq" : "ne");
  case 3:
    return text("gender%%20pr%%20%s", chance(50) ? "true" : "false");
  case 4:
    return text("identifier%%20%s%%20urn:s%%7C%s", PICK(text_ops), "a");
  case 5:
    return text("_has:Observation:patient:status%%20eq%%20final");
  case 6:
    return text("code%%20%s%%20%s", PICK(text_ops), chance(50) ? "a" : "8480-6");
  case 7:
    return text("date%%20%s%%20%s", PICK(date_ops), PICK(times));
  case 8:
    return text("value-quantity%%20%s%%20%s", PICK(date_ops), chance(50) ? "5.4" : "100%7C%7Cmg");
  case 9:
    return text("subject%%20%s%%20Patient/p%u", chance(50) ? "re" : "ne",
                (unsigned)random_below(PATIENTS));
  case 10:
    return text("subject:Patient%%5B%s%%5D.%s", filter_test(true).p, filter_test(true).p);
  case 11:
    return text("encounter.subject:Patient.%s", filter_test(true).p);
  case 12:
    return text("encounter%%20pr%%20%s", chance(50) ? "true" : "false");
  case 13:
    return text("code-value-quantity%%20eq%%20%s$5.4", chance(50) ? "a" : "b");
  default:
    return text("status%%20ne%%20final");
  }
}

static struct str filter(bool is_patient, unsigned depth) {
  if (depth == 0 || chance(30)) {
    for (;;) {
      struct str test = filter_test(is_patient);
      bool is_unordered =
          str_find(test, STR("po%20")) > 0 && str_starts_with(test, STR("value-quantity"));
      if (!is_unordered) /* only dates overlap */
        return test;
    }
  }
  struct str left = filter(is_patient, depth - 1), right = filter(is_patient, depth - 1);
  if (chance(25))
    return text("not(%s)", left.p);
  return text(chance(50) ? "(%s%%20%s%%20%s)" : "%s%%20%s%%20(%s)", left.p,
              chance(50) ? "and" : "or", right.p);
}

static struct str one_condition(const char *type) {
  bool is_patient = strcmp(type, "Patient") == 0;
  unsigned kind = (unsigned)random_below(12);
  if (kind >= 10)
    return text("_filter=%s", filter(is_patient, 2).p);
  if (kind == 0)
    return is_patient ? text("_has:Observation:%s:%s", chance(50) ? "patient" : "subject",
                             observation_condition().p)
                      : text("subject:Patient.%s", patient_condition().p);
  if (kind == 1)
    return is_patient ? text("_has:Encounter:patient:_has:Observation:encounter:%s",
                             observation_condition().p)
                      : text("encounter.subject:Patient.%s", patient_condition().p);
  return is_patient ? patient_condition() : observation_condition();
}

/* Over several types: what all of them have. */
static const char *random_wide_url(void) {
  static const char *const places[] = {"?", "?_type=Observation,Encounter&",
                                       "?_type=Patient,Observation,Encounter&", "*", "*"};
  static const char *const compartments[] = {"Patient/p", "Encounter/e"};
  struct str place = text("%s", PICK(places));
  struct str owner = text("%s%u", PICK(compartments), (unsigned)random_below(PATIENTS));
  bool has_subject = str_starts_with(place, STR("?_type=O"));
  bool is_compartment = str_is(place, "*");
  switch (random_below(has_subject ? 7 : 4)) {
  case 0:
    place = text("%s%s_tag=a", place.p, is_compartment ? "?" : "");
    break;
  case 1:
    place = text("%s%s_id=b1,b2,e1,p%u,p1", place.p, is_compartment ? "?" : "",
                 (unsigned)random_below(PATIENTS));
    break;
  case 2:
    place = text("%s%s_lastUpdated=%s2020", place.p, is_compartment ? "?" : "", PICK(prefixes));
    break;
  case 3:
    place = text("%s%s_tag:not=a", place.p, is_compartment ? "?" : "");
    break;
  case 6:
    place = text("%s_filter=not(status%%20eq%%20final%%20or%%20subject%%20re%%20Patient/p%u)",
                 place.p, (unsigned)random_below(PATIENTS));
    break;
  case 4:
    place = text("%ssubject:Patient.%s", place.p, patient_condition().p);
    break;
  default:
    place = text("%sstatus%s=final,finished", place.p, chance(50) ? ":not" : "");
  }
  return text("%s%s%s&_count=1000", is_compartment ? owner.p : "", is_compartment ? "/" : "",
              place.p)
      .p;
}

static const char *random_url(void) {
  if (chance(15))
    return random_wide_url();
  const char *type = chance(60) ? "Observation" : "Patient";
  struct str url = strcmp(type, "Patient") != 0 && chance(15)
                       ? text("Patient/p%u/%s?_count=1000", (unsigned)random_below(PATIENTS), type)
                       : text("%s?_count=1000", type);
  for (uint64_t n = 1 + random_below(3); n > 0; n--)
    url = arena_printf(test_arena, "%s&%s", url.p, one_condition(type).p);
  return url.p;
}

static struct access random_access(void) {
  static defs_type_id types[2];
  if (chance(50))
    return everything();
  types[0] = type_of("Observation");
  types[1] = type_of("Patient");
  struct access access = {.principal = STR("x")};
  if (chance(80))
    access.patient_id = text("p%u", (unsigned)random_below(PATIENTS + 1));
  if (access.patient_id.n == 0 || chance(30)) {
    access.types = types;
    access.types_n = 1 + random_below(2);
  }
  return access;
}

/* ---- The law ---- */

/* The pages of a search, one after the other, are the search; in any order. */
static void check_pages(const struct access *access, const char *url) {
  static const char *const sorts[] = {"_id", "-_lastUpdated", "-_id,_lastUpdated", "_tag,-_id"};
  struct str sorted = text("%s&_sort=%s", url, PICK(sorts)), cursor = STR("");
  struct search_result whole = run_as(access, sorted.p);
  ssize_t count_at = str_find(sorted, STR("_count=1000"));
  struct str paged = text("%.*s_count=%u%s", (int)count_at, sorted.p, 3 + (unsigned)random_below(9),
                          sorted.p + count_at + sizeof "_count=1000" - 1);
  size_t at = 0;
  do {
    struct search_result page = run_as(
        access, cursor.n ? arena_printf(test_arena, "%s&_cursor=%.*s", paged.p, STR_ARG(cursor)).p
                         : paged.p);
    for (size_t i = 0; i < page.rows_n; i++, at++)
      if (at >= whole.rows_n || page.rows[i].resource.rid != whole.rows[at].resource.rid)
        fail_msg("%s: row %zu is another one in pages", paged.p, at);
    cursor = page.next_cursor;
  } while (cursor.n > 0);
  assert_int_equal(at, whole.rows_n);
}

static bool check(const char *url) {
  struct access access = random_access();
  struct search_result result = run_as(&access, url);
  struct str ids[1000];
  for (size_t i = 0; i < result.rows_n; i++)
    ids[i] = result.rows[i].resource.id;
  struct str found_ids = join(ids, result.rows_n), wanted = scan(&access, search_of(url));
  if (!str_equal(found_ids, wanted))
    fail_msg("%s as %.*s (%zu types)\n  found  %s\n  wanted %s", url, STR_ARG(access.patient_id),
             access.types_n, found_ids.p, wanted.p);
  const char *counting = text("%s&_summary=count", url).p;
  assert_int_equal(run_as(&access, counting).total, result.rows_n);
  if (chance(10))
    check_pages(&access, url);
  for (size_t i = 1; i < result.rows_n; i++)
    assert_true(result.rows[i - 1].resource.rid < result.rows[i].resource.rid);
  return result.rows_n > 0;
}

static void search_finds_what_a_scan_finds(void **state) {
  (void)state;
  seed = (uint64_t)clock_now_us();
  const char *given = getenv("SEED");
  if (given && !str_to_u64(str_of(given), &seed))
    fail_msg("SEED is not a number");
  struct err err = {0};
  assert_int_equal(terminology_open(NULL, NULL, 0, &terminology, &err), 0);
  for (int round = 0; round < ROUNDS; round++) {
    print_message("SEED=%llu\n", (unsigned long long)seed);
    make_hospital(); /* over the one before: updates take old rows out */
    int found_n = 0;
    for (int i = 0; i < QUERIES; i++)
      found_n += check(random_url());
    assert_true(found_n > QUERIES / 10); /* else the queries say nothing */
  }
  terminology_close(terminology);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(search_finds_what_a_scan_finds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
