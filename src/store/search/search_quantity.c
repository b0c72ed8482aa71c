#include "store/search/search_quantity.h"

#include <math.h>

/* Different units of one parameter that measure the same. */
enum { UNITS_MAX = 2000 };

bool search_quantity_is_ucum(const struct search_operand *o, struct ucum_unit *ret_unit) {
  return o->has_system && str_is(o->system, SEARCH_UCUM) && ucum_parse(o->code, ret_unit);
}

/* ---- Conversion ------------------------------------------------------------------------------ */

static double convert_double(const struct ucum_unit *from, const struct ucum_unit *to,
                             double value) {
  return ucum_from_base(to, ucum_to_base(from, value));
}

/* By decimals where there is one, so that 5.4 mg/dL is the double nearest to 54 mg/L. */
static double convert(const struct ucum_unit *from, const struct ucum_unit *to,
                      const struct fhirpath_decimal *value, double fallback) {
  struct fhirpath_decimal converted;
  if (value && ucum_convert(from, to, *value, &converted))
    return fhirpath_decimal_to_double(converted);
  return convert_double(from, to, fallback);
}

/* Half of the last place that was written: 5.40 -> 0.005, 1e2 -> 50. False: not a decimal of ours.
 */
static bool half_step(struct str text, struct fhirpath_decimal *ret_half) {
  ssize_t e = str_find_char(text, 'e', 0);
  if (e < 0)
    e = str_find_char(text, 'E', 0);
  struct str mantissa = e < 0 ? text : str_slice(text, 0, (size_t)e);
  ssize_t point = str_find_char(mantissa, '.', 0);
  int64_t places = point < 0 ? 0 : (int64_t)(mantissa.n - (size_t)point - 1), exponent = 0;
  if (e >= 0) {
    struct str written = str_slice(text, (size_t)e + 1, text.n);
    if (written.n > 0 && written.p[0] == '+')
      written = str_slice(written, 1, written.n);
    if (!str_to_i64(written, &exponent) || exponent > 30 || exponent < -30)
      return false;
  }
  int64_t scale = places - exponent + 1;
  if (scale > 36 || scale < -30)
    return false;
  *ret_half = (struct fhirpath_decimal){5, scale > 0 ? (int)scale : 0};
  for (; scale < 0; scale++)
    ret_half->integer *= 10;
  return true;
}

/* The ends of what eq and ne look at. */
static void convert_bounds(const struct search_operand *o, const struct ucum_unit *from,
                           const struct ucum_unit *to, const struct fhirpath_decimal *exact,
                           struct search_operand *converted) {
  struct fhirpath_decimal half, low, high, minus;
  bool is_exact = exact && o->prefix != SEARCH_AP && half_step(o->text, &half);
  if (is_exact) {
    minus = (struct fhirpath_decimal){-half.integer, half.scale};
    is_exact =
        fhirpath_decimal_add(*exact, minus, &low) && fhirpath_decimal_add(*exact, half, &high);
  }
  converted->from = convert(from, to, is_exact ? &low : NULL, o->from);
  converted->to = convert(from, to, is_exact ? &high : NULL, o->to);
}

static enum search_prefix turned(enum search_prefix prefix) {
  switch (prefix) {
  case SEARCH_GT:
    return SEARCH_LT;
  case SEARCH_LT:
    return SEARCH_GT;
  case SEARCH_GE:
    return SEARCH_LE;
  case SEARCH_LE:
    return SEARCH_GE;
  case SEARCH_SA:
    return SEARCH_EB;
  case SEARCH_EB:
    return SEARCH_SA;
  default:
    return prefix;
  }
}

bool search_quantity_convert(const struct search_operand *o, const struct ucum_unit *from,
                             const struct ucum_unit *to, struct search_operand *ret_operand) {
  struct fhirpath_decimal parsed;
  const struct fhirpath_decimal *exact = fhirpath_decimal_parse(o->text, &parsed) ? &parsed : NULL;
  if (!ucum_is_commensurable(from, to))
    return false;
  *ret_operand = *o;
  ret_operand->exact = convert(from, to, exact, o->exact);
  convert_bounds(o, from, to, exact, ret_operand);
  if (ret_operand->from > ret_operand->to) {
    double end = ret_operand->from;
    ret_operand->from = ret_operand->to;
    ret_operand->to = end;
    ret_operand->prefix = turned(o->prefix);
  }
  /* More digits than a double holds: its own resolution is the precision. */
  ret_operand->from = fmin(ret_operand->from, nextafter(ret_operand->exact, -INFINITY));
  ret_operand->to = fmax(ret_operand->to, nextafter(ret_operand->exact, INFINITY));
  return true;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static int add_test(struct search_test_list *tests, const struct search_test *like,
                    const struct search_operand *converted, int64_t unit, struct err *reterr) {
  struct search_operand *operand = ARENA_NEW(tests->arena, struct search_operand);
  struct search_range *range = ARENA_NEW(tests->arena, struct search_range);
  struct search_test *test = VEC_PUSH(tests->arena, &tests->list);
  if (!operand || !range || !test)
    return err_no_memory(reterr);
  *operand = *converted;
  *range = (struct search_range){unit, unit};
  *test = *like;
  test->operand = operand;
  test->values = (struct search_ranges){range, 1};
  return 0;
}

/* One word of the vocabulary: a unit text, or a code of some system, which its hash tells. */
static int add_word(struct search_context *c, struct str text, int64_t hash,
                    const struct search_operand *o, const struct ucum_unit *unit,
                    const struct search_test *like, struct search_test_list *tests,
                    struct err *reterr) {
  struct ucum_unit other;
  struct search_operand converted;
  if (hash != schema_token_hash(c->schema, STR(SEARCH_UCUM), text) || !ucum_parse(text, &other) ||
      !search_quantity_convert(o, unit, &other, &converted))
    return 0;
  return add_test(tests, like, &converted, hash, reterr);
}

int search_quantity_tests(struct search_context *c, uint16_t param, const struct search_operand *o,
                          const struct ucum_unit *unit, const struct search_test *like,
                          struct search_test_list *tests, struct err *reterr) {
  struct db_statement *statement;
  size_t before = tests->list.n;
  bool has_row;
  int code =
      db_prepare(c->db, STR("SELECT hash,text FROM vocabulary WHERE param=?"), &statement, reterr);
  if (code)
    return code;
  db_bind_i64(statement, 1, param);
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    code = add_word(c, db_column_str(statement, 1), db_column_i64(statement, 0), o, unit, like,
                    tests, reterr);
    if (code == 0)
      code = search_spend(c, SEARCH_STEP_ROW * 4, reterr);
    if (code == 0 && tests->list.n - before > UNITS_MAX)
      code = err_set(reterr, ERR_TOO_COSTLY, "",
                     "more than %d different units measure what this one does", UNITS_MAX);
    if (code)
      break;
  }
  db_release(statement);
  return code;
}
