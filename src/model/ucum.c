/*
 * From a code to what it is in base units. A code is read from left to right; each part is an atom
 * of the table, perhaps with a prefix, and its power. The atoms are resolved to base units once.
 *
 *   main      = ["/"] term
 *   term      = component *(("." / "/") component)           from left to right: a/b.c = (a/b).c
 *   component = (unit [exponent] / factor / "(" term ")") [annotation] / annotation
 */
#include "model/ucum.h"

#include <pthread.h>

#include "model/ucum_ratio.h"
#include "model/ucum_units.h"

/* ---- Arithmetic of units --------------------------------------------------------------------- */

#define EXPONENT_MAX 100

static const struct ucum_unit ONE = {
    .factor = {.numerator = 1, .denominator = 1, .is_exact = true},
    .scale = {.numerator = 1, .denominator = 1, .is_exact = true},
};

static bool add_exponent(int8_t *exponent, int more) {
  int sum = *exponent + more;
  *exponent = (int8_t)sum;
  return sum >= -EXPONENT_MAX && sum <= EXPONENT_MAX;
}

/* Keeps the list ascending and without zeros, so that equal sets are equal bytes. */
static bool add_arbitrary(struct ucum_unit *unit, uint16_t which, int exponent) {
  size_t i = 0;
  while (i < UCUM_ARBITRARY && unit->arbitrary[i].unit && unit->arbitrary[i].unit < which)
    i++;
  if (i == UCUM_ARBITRARY)
    return false;
  size_t after = UCUM_ARBITRARY - 1 - i;
  if (unit->arbitrary[i].unit == which) {
    if (!add_exponent(&unit->arbitrary[i].exponent, exponent))
      return false;
    if (unit->arbitrary[i].exponent == 0) {
      memmove(&unit->arbitrary[i], &unit->arbitrary[i + 1], after * sizeof unit->arbitrary[0]);
      unit->arbitrary[UCUM_ARBITRARY - 1].unit = 0;
      unit->arbitrary[UCUM_ARBITRARY - 1].exponent = 0;
    }
    return true;
  }
  if (unit->arbitrary[UCUM_ARBITRARY - 1].unit)
    return false;
  memmove(&unit->arbitrary[i + 1], &unit->arbitrary[i], after * sizeof unit->arbitrary[0]);
  unit->arbitrary[i].unit = which;
  unit->arbitrary[i].exponent = (int8_t)exponent;
  return true;
}

static bool is_number(const struct ucum_unit *unit) {
  return !unit->special && ucum_is_commensurable(unit, &ONE);
}

/* unit *= other^sign, sign 1 or -1. A special unit takes only numbers beside it. */
static bool join(struct ucum_unit *unit, const struct ucum_unit *other, int sign) {
  struct ucum_ratio (*apply)(struct ucum_ratio, struct ucum_ratio) =
      sign > 0 ? ucum_ratio_multiply : ucum_ratio_divide;
  if (other->special) {
    if (sign < 0 || !is_number(unit))
      return false;
    struct ucum_ratio number = unit->factor;
    *unit = *other;
    unit->scale = ucum_ratio_multiply(unit->scale, number);
    return true;
  }
  if (unit->special) {
    unit->scale = apply(unit->scale, other->factor);
    return is_number(other);
  }
  unit->factor = apply(unit->factor, other->factor);
  for (size_t i = 0; i < UCUM_BASES; i++)
    if (other->dimension[i] && !add_exponent(&unit->dimension[i], sign * other->dimension[i]))
      return false;
  for (size_t i = 0; i < UCUM_ARBITRARY && other->arbitrary[i].unit; i++)
    if (!add_arbitrary(unit, other->arbitrary[i].unit, sign * other->arbitrary[i].exponent))
      return false;
  return true;
}

static bool raise_to(struct ucum_unit *unit, int exponent) {
  if (exponent == 1)
    return true;
  if (unit->special || exponent == 0)
    return !unit->special && (*unit = ONE, true);
  struct ucum_unit base = *unit;
  *unit = ONE;
  for (int i = 0; i < (exponent < 0 ? -exponent : exponent); i++)
    if (!join(unit, &base, exponent < 0 ? -1 : 1))
      return false;
  return true;
}

bool ucum_multiply(const struct ucum_unit *a, const struct ucum_unit *b,
                   struct ucum_unit *ret_unit) {
  *ret_unit = *a;
  return !a->special && !b->special && join(ret_unit, b, 1);
}

bool ucum_divide(const struct ucum_unit *a, const struct ucum_unit *b, struct ucum_unit *ret_unit) {
  *ret_unit = *a;
  return !a->special && !b->special && join(ret_unit, b, -1);
}

bool ucum_is_commensurable(const struct ucum_unit *a, const struct ucum_unit *b) {
  if (memcmp(a->dimension, b->dimension, sizeof a->dimension) != 0)
    return false;
  for (size_t i = 0; i < UCUM_ARBITRARY; i++)
    if (a->arbitrary[i].unit != b->arbitrary[i].unit ||
        a->arbitrary[i].exponent != b->arbitrary[i].exponent)
      return false;
  return true;
}

/* ---- The table, resolved --------------------------------------------------------------------- */

#define ROWS_MAX 400
#define COMMON_MAX 200
#define SLOTS 2048 /* a power of two, several times the rows */

static struct {
  struct ucum_unit units[ROWS_MAX]; /* by row of UCUM_ROWS */
  uint16_t slots[SLOTS];            /* row; 0 is free */
  bool is_resolved[ROWS_MAX];
  struct ucum_unit common[COMMON_MAX]; /* by index of UCUM_COMMON */
  uint16_t common_slots[SLOTS];        /* index + 1; 0 is free */
} table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static size_t slot_of(struct str code) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < code.n; i++)
    hash = (hash ^ (unsigned char)code.p[i]) * 16777619u;
  return (hash ^ hash >> 15) & (SLOTS - 1);
}

/* 0: no such unit. */
static size_t find_row(struct str code) {
  for (size_t i = slot_of(code); table.slots[i]; i = (i + 1) & (SLOTS - 1))
    if (str_is(code, UCUM_ROWS[table.slots[i]].code))
      return table.slots[i];
  return 0;
}

static bool parse_main(struct str code, struct ucum_unit *ret_unit);

/* A definition that can't be resolved is a fault of the table, which a test finds. */
static void resolve_row(size_t row) {
  const struct ucum_row *r = &UCUM_ROWS[row];
  struct ucum_unit unit = ONE;
  struct ucum_ratio factor = ONE.factor;
  if (table.is_resolved[row])
    return;
  table.is_resolved[row] = true;
  if (!r->term)
    unit.dimension[row - 1] = 1;
  else if (!parse_main(str_of(r->term), &unit) || !ucum_ratio_parse(str_of(r->factor), &factor))
    return;
  unit.factor = ucum_ratio_multiply(unit.factor, factor);
  unit.special = r->function;
  if (r->flags & UCUM_IS_ARBITRARY)
    (void)add_arbitrary(&unit, (uint16_t)row, 1);
  if (strcmp(r->code, "[pi]") == 0)
    unit.factor.pi = 1;
  table.units[row] = unit;
}

/* NULL: not one of them. */
static const struct ucum_unit *find_common(struct str code) {
  for (size_t i = slot_of(code); table.common_slots[i]; i = (i + 1) & (SLOTS - 1))
    if (str_is(code, UCUM_COMMON[table.common_slots[i] - 1]))
      return &table.common[table.common_slots[i] - 1];
  return NULL;
}

/* A code that can't be parsed is a fault of the list, which a test finds. */
static void make_common(void) {
  for (size_t k = 0; k < UCUM_COMMON_N && k < COMMON_MAX; k++) {
    struct str code = str_of(UCUM_COMMON[k]);
    size_t i = slot_of(code);
    while (table.common_slots[i])
      i = (i + 1) & (SLOTS - 1);
    if (parse_main(code, &table.common[k]))
      table.common_slots[i] = (uint16_t)(k + 1);
  }
}

static void make_table(void) {
  for (size_t row = 1; row < UCUM_ROWS_N && row < ROWS_MAX; row++) {
    size_t i = slot_of(str_of(UCUM_ROWS[row].code));
    while (table.slots[i])
      i = (i + 1) & (SLOTS - 1);
    table.slots[i] = (uint16_t)row;
  }
  for (size_t row = 1; row < UCUM_ROWS_N && row < ROWS_MAX; row++)
    resolve_row(row);
  make_common();
}

/* Only while the table is made is a row met that isn't resolved. */
static const struct ucum_unit *unit_of_row(size_t row) {
  if (!table.is_resolved[row])
    resolve_row(row);
  return &table.units[row];
}

/* ---- Codes ----------------------------------------------------------------------------------- */

struct parser {
  struct str code;
  size_t at;
  unsigned depth;
};

static char peek(const struct parser *p) {
  return p->at < p->code.n ? p->code.p[p->at] : '\0';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* A unit's own characters; what stands in brackets belongs to it, whatever it is. */
static struct str take_symbol(struct parser *p) {
  size_t start = p->at;
  bool in_brackets = false;
  for (; p->at < p->code.n; p->at++) {
    char c = peek(p);
    if (c <= ' ' || c > '~' || (!in_brackets && strchr("./(){}", c)))
      break;
    if (c == '[' || c == ']')
      in_brackets = c == '[';
  }
  return str_slice(p->code, start, p->at - start);
}

/* Takes [+-]digits off the end; 1 where there are none, EXPONENT_MAX + 1 for too many. */
static int take_exponent(struct str *symbol) {
  size_t end = symbol->n;
  int value = 0, weight = 1;
  while (end > 0 && is_digit(symbol->p[end - 1])) {
    value = weight > EXPONENT_MAX ? EXPONENT_MAX + 1 : value + (symbol->p[end - 1] - '0') * weight;
    weight *= weight > EXPONENT_MAX ? 1 : 10;
    end--;
  }
  if (end == symbol->n)
    return 1;
  bool is_negative = end > 0 && symbol->p[end - 1] == '-';
  if (end > 0 && (is_negative || symbol->p[end - 1] == '+'))
    end--;
  symbol->n = end;
  return is_negative ? -value : value;
}

static bool find_atom(struct str symbol, struct ucum_unit *ret_unit) {
  size_t row = find_row(symbol);
  if (row) {
    *ret_unit = *unit_of_row(row);
    return true;
  }
  for (size_t i = 0; i < UCUM_PREFIXES_N; i++) {
    const char *prefix = UCUM_PREFIXES[i].code;
    size_t n = prefix[1] ? 2 : 1;
    if (symbol.n <= n || memcmp(symbol.p, prefix, n) != 0)
      continue;
    row = find_row(str_slice(symbol, n, symbol.n));
    if (!row || !(UCUM_ROWS[row].flags & UCUM_METRIC))
      continue;
    *ret_unit = *unit_of_row(row);
    struct ucum_ratio *factor = ret_unit->special ? &ret_unit->scale : &ret_unit->factor;
    *factor = ucum_ratio_multiply(
        *factor, ucum_ratio_of(UCUM_PREFIXES[i].factor, UCUM_PREFIXES[i].exponent));
    return true;
  }
  return false;
}

static bool parse_unit(struct parser *p, struct ucum_unit *ret_unit) {
  struct str symbol = take_symbol(p);
  int exponent = take_exponent(&symbol);
  return symbol.n > 0 && exponent <= EXPONENT_MAX && exponent >= -EXPONENT_MAX &&
         find_atom(symbol, ret_unit) && raise_to(ret_unit, exponent);
}

/* Up to 18 digits. */
static bool parse_factor(struct parser *p, struct ucum_unit *ret_unit) {
  size_t start = p->at;
  int64_t value;
  while (is_digit(peek(p)))
    p->at++;
  struct str digits = str_slice(p->code, start, p->at - start);
  if (digits.n > 18 || !str_to_i64(digits, &value) || value == 0)
    return false;
  *ret_unit = ONE;
  ret_unit->factor = ucum_ratio_of(value, 0);
  return true;
}

/* {anything printable}: means nothing. */
static bool take_annotation(struct parser *p) {
  p->at++;
  for (; p->at < p->code.n && peek(p) != '}'; p->at++)
    if (peek(p) < '!' || peek(p) > '~' || peek(p) == '{')
      return false;
  return p->at++ < p->code.n;
}

static bool parse_term(struct parser *p, struct ucum_unit *ret_unit);

static bool parse_group(struct parser *p, struct ucum_unit *ret_unit) {
  if (p->depth == UCUM_DEPTH_MAX)
    return false;
  p->depth++;
  p->at++;
  bool is_good = parse_term(p, ret_unit) && peek(p) == ')';
  p->at++;
  p->depth--;
  return is_good;
}

static bool parse_component(struct parser *p, struct ucum_unit *ret_unit) {
  struct str rest = str_slice(p->code, p->at, p->code.n);
  bool is_ten = str_starts_with(rest, STR("10*")) || str_starts_with(rest, STR("10^"));
  if (peek(p) == '{') {
    *ret_unit = ONE;
    return take_annotation(p);
  }
  bool is_good = peek(p) == '('                 ? parse_group(p, ret_unit)
                 : is_digit(peek(p)) && !is_ten ? parse_factor(p, ret_unit)
                                                : parse_unit(p, ret_unit);
  return is_good && (peek(p) != '{' || take_annotation(p));
}

/* *(("." / "/") component), joined to what was read before. */
static bool parse_rest(struct parser *p, struct ucum_unit *unit) {
  while (peek(p) == '.' || peek(p) == '/') {
    struct ucum_unit next;
    int sign = peek(p) == '/' ? -1 : 1;
    p->at++;
    if (!parse_component(p, &next) || !join(unit, &next, sign))
      return false;
  }
  return true;
}

static bool parse_term(struct parser *p, struct ucum_unit *ret_unit) {
  return parse_component(p, ret_unit) && parse_rest(p, ret_unit);
}

/* A leading solidus inverts what directly follows it: parse_rest sees it as "1/...". */
static bool parse_main(struct str code, struct ucum_unit *ret_unit) {
  struct parser p = {.code = code};
  *ret_unit = ONE;
  bool is_good = peek(&p) == '/' ? parse_rest(&p, ret_unit) : parse_term(&p, ret_unit);
  return is_good && p.at == code.n;
}

/* Powers that no number holds (Ym99) are no unit; 38 digits above and below leave 10^308, and a
 * value must find room too. */
static bool is_representable(const struct ucum_ratio *ratio) {
  return ratio->is_exact ? ratio->exponent > -230 && ratio->exponent < 200
                         : ratio->approximate > 1e-270 && ratio->approximate < 1e240;
}

bool ucum_parse(struct str code, struct ucum_unit *ret_unit) {
  (void)pthread_once(&table_once, make_table);
  if (code.n == 0 || code.n > UCUM_CODE_MAX_BYTES)
    return false;
  const struct ucum_unit *common = find_common(code);
  if (common) {
    *ret_unit = *common;
    return true;
  }
  if (!parse_main(code, ret_unit))
    return false;
  return is_representable(&ret_unit->factor) && is_representable(&ret_unit->scale);
}

bool ucum_is_valid(struct str code) {
  struct ucum_unit unit;
  return ucum_parse(code, &unit);
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void add_text(char to[UCUM_TEXT_BYTES], size_t *n, struct str text) {
  for (size_t i = 0; i < text.n && *n < UCUM_TEXT_BYTES; i++)
    to[(*n)++] = text.p[i];
}

static void add_factor(char to[UCUM_TEXT_BYTES], size_t *n, const char *code, int exponent) {
  int magnitude = exponent < 0 ? -exponent : exponent;
  char digits[3];
  size_t at = sizeof digits;
  for (; magnitude > 1 || (magnitude == 1 && at < sizeof digits); magnitude /= 10)
    digits[--at] = (char)('0' + magnitude % 10);
  add_text(to, n, exponent < 0 ? STR("/") : *n > 0 ? STR(".") : STR(""));
  add_text(to, n, str_of(code));
  add_text(to, n, str_n(digits + at, sizeof digits - at));
}

/* First what is above the line, then what is below; in the order in which units are spoken. */
struct str ucum_dimension_text(const struct ucum_unit *unit, char to[UCUM_TEXT_BYTES]) {
  static const uint8_t order[UCUM_BASES] = {2, 0, 1, 3, 4, 5, 6};
  size_t n = 0;
  for (int sign = 1; sign >= -1; sign -= 2) {
    for (size_t i = 0; i < UCUM_ARBITRARY; i++)
      if (unit->arbitrary[i].exponent * sign > 0)
        add_factor(to, &n, UCUM_ROWS[unit->arbitrary[i].unit].code, unit->arbitrary[i].exponent);
    for (size_t i = 0; i < UCUM_BASES; i++)
      if (unit->dimension[order[i]] * sign > 0)
        add_factor(to, &n, UCUM_ROWS[order[i] + 1].code, unit->dimension[order[i]]);
  }
  if (n == 0)
    to[n++] = '1';
  return str_n(to, n);
}
