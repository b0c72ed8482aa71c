/*
 * The law of search against FHIRPath: what a search finds is what a scan finds that evaluates the
 * published expression of each parameter on each body and compares by the specification's rules.
 * Resources of random types, queries over all their parameters with modifiers, prefixes, chains and
 * _has, as anybody and with a restricted access.
 *
 * Nothing here uses how the store extracts, normalises or compares values: the scan has its own,
 * plain rules. The seed is printed; SEED=.. and ROUNDS=.. repeat and prolong it.
 */
#include "scan_data.h"

#include "base/clock.h"
#include "format/url.h"
#include "model/fhirpath.h"

#include <math.h>
#include <time.h>

enum { PER_TYPE = IDS, QUERIES = 250 };

struct scanned {
  struct store_write write;
  const struct yyjson_val *root;
};

static struct scanned all[200];
static size_t all_n;
static uint64_t round_now; /* from 1: each round has memory of its own */

/* ---- Evaluating the expressions ---------------------------------------------------------------
 */

static struct fhirpath_values eval_text(struct str expression, const struct yyjson_val *input,
                                        defs_type_id type, const struct yyjson_val *root) {
  const struct fhirpath *program;
  struct fhirpath_values values = {0};
  struct fhirpath_context context = {.resource = root, .root_resource = root};
  struct err err = {0};
  /* code-value-date of the package says `value.as(DateTime)`; the type is called dateTime. */
  ssize_t at = str_find(expression, STR("as(DateTime)"));
  if (at >= 0) {
    expression = arena_str(test_arena, expression);
    ((char *)(uintptr_t)expression.p)[at + 3] = 'd';
  }
  if (fhirpath_compile(test_arena, expression, type, &program, &err) ||
      fhirpath_eval(test_arena, program, input, type, &context, &values, &err))
    fail_msg("%.*s: %s", STR_ARG(expression), err.text);
  return values;
}

/* Values of a parameter on a resource; each is evaluated once. */
static struct fhirpath_values values_of(const struct scanned *s, defs_param_id param) {
  struct memo {
    struct fhirpath_values values;
    bool is_known;
  };
  static struct memo *memos[200];
  static uint64_t rounds[200]; /* whose memory a memo is of */
  size_t at = (size_t)(s - all);
  if (rounds[at] != round_now) {
    rounds[at] = round_now;
    memos[at] = ARENA_ARRAY(test_arena, struct memo, defs_params_count() + 1);
  }
  struct memo *memo = &memos[at][param];
  if (!memo->is_known) {
    memo->values = eval_text(defs_param(param)->expression, s->root, s->write.type, s->root);
    memo->is_known = true;
  }
  return memo->values;
}

static bool is_a(const struct fhirpath_value *v, const char *type) {
  return v->type && defs_type_is_a(v->type, defs_type_by_name(str_of(type)));
}

static bool is_primitive(const struct fhirpath_value *v) {
  return v->kind != FHIRPATH_NODE || json_kind(v->node) != JSON_OBJECT;
}

static struct str value_text(const struct fhirpath_value *v) {
  if (v->kind == FHIRPATH_BOOLEAN)
    return v->integer ? STR("true") : STR("false");
  return v->kind == FHIRPATH_NODE ? json_text(v->node) : v->text;
}

static struct str member(const struct yyjson_val *object, const char *name) {
  return json_get_text(object, str_of(name));
}

/* ---- What is asked -----------------------------------------------------------------------------
 */

enum token_form { FORM_CODE, FORM_BOTH, FORM_NO_SYSTEM, FORM_SYSTEM };

struct asked {
  const char *prefix; /* "" or "ge" */
  enum token_form form;
  const char *system, *code; /* tokens, quantities */
  struct str text;           /* strings, uris, references, dates, numbers */
  struct asked *parts;       /* composites */
};

struct condition {
  defs_type_id type; /* of the resources it is about */
  defs_param_id param;
  const char *modifier; /* "" or ":not" */
  struct asked asked[3];
  size_t asked_n;
  bool is_missing;
  defs_type_id other; /* chains and _has: the type there; or of the modifier [type] */
  bool is_has;
  struct condition *inner;
};

/* ---- The rules, by type of parameter ------------------------------------------------------------
 */

static bool token_is(const struct asked *a, struct str system, struct str code) {
  switch (a->form) {
  case FORM_CODE:
    return str_is(code, a->code);
  case FORM_BOTH:
    return str_is(code, a->code) && str_is(system, a->system);
  case FORM_NO_SYSTEM:
    return str_is(code, a->code) && system.n == 0;
  case FORM_SYSTEM:
    return str_is(system, a->system);
  }
  return false;
}

static bool any_token(const struct asked *a, const struct fhirpath_value *v) {
  if (is_primitive(v))
    return token_is(a, STR(""), value_text(v));
  if (is_a(v, "Coding"))
    return token_is(a, member(v->node, "system"), member(v->node, "code"));
  if (is_a(v, "Identifier"))
    return token_is(a, member(v->node, "system"), member(v->node, "value"));
  if (is_a(v, "ContactPoint"))
    return token_is(a, STR(""), member(v->node, "value"));
  struct json_each each = json_each(json_get(v->node, STR("coding")));
  while (is_a(v, "CodeableConcept") && json_next(&each))
    if (token_is(a, member(each.value, "system"), member(each.value, "code")))
      return true;
  return false;
}

/* identifier:of-type=system|code|value */
static bool is_of_type(const struct asked *a, const struct fhirpath_value *v) {
  if (!is_a(v, "Identifier") || !str_equal(member(v->node, "value"), a->text))
    return false;
  struct json_each each = json_each(json_get(json_get(v->node, STR("type")), STR("coding")));
  while (json_next(&each))
    if (str_is(member(each.value, "system"), a->system) &&
        str_is(member(each.value, "code"), a->code))
      return true;
  return false;
}

/* Folded by hand: what the pools hold, and ASCII. */
static struct str fold(struct str s) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1000);
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c == 0xC3 && i + 1 < s.n) {
      unsigned char next = (unsigned char)s.p[++i];
      buf_add_z(&buf, next == 0x9F ? "ss" : next == 0xBC || next == 0x9C ? "u" : "e");
    } else if (c >= 'A' && c <= 'Z') {
      buf_add_char(&buf, (char)(c + 32));
    } else if (c == ' ' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '|' ||
               c == '<' || c == '>' || c == '=') {
      buf_add_char(&buf, (char)c);
    }
  }
  return str_trim(buf.n ? buf_str(&buf) : STR(""));
}

static bool text_begins(const struct asked *a, struct str text) {
  return text.n > 0 && str_starts_with(fold(text), fold(a->text));
}

static bool any_token_text(const struct asked *a, const struct fhirpath_value *v) {
  if (is_a(v, "Identifier"))
    return text_begins(a, member(json_get(v->node, STR("type")), "text"));
  if (is_a(v, "Coding"))
    return text_begins(a, member(v->node, "display"));
  if (!is_a(v, "CodeableConcept"))
    return false;
  struct json_each each = json_each(json_get(v->node, STR("coding")));
  while (json_next(&each))
    if (text_begins(a, member(each.value, "display")))
      return true;
  return text_begins(a, member(v->node, "text"));
}

static bool string_is(const char *modifier, const struct asked *a, struct str text) {
  if (strcmp(modifier, ":exact") == 0)
    return str_equal(text, a->text);
  if (strcmp(modifier, ":contains") == 0)
    return text.n > 0 && str_find(fold(text), fold(a->text)) >= 0;
  return text_begins(a, text);
}

static bool any_string(const char *modifier, const struct asked *a,
                       const struct fhirpath_value *v) {
  static const char *const name_parts[] = {"family", "given", "prefix", "suffix", "text"};
  static const char *const address_parts[] = {"line",    "city",       "district", "state",
                                              "country", "postalCode", "text"};
  bool is_name = is_a(v, "HumanName");
  if (is_primitive(v))
    return string_is(modifier, a, value_text(v));
  if (!is_name && !is_a(v, "Address"))
    return false;
  for (size_t i = 0; i < (is_name ? 5 : 7); i++) {
    const struct yyjson_val *part =
        json_get(v->node, str_of(is_name ? name_parts[i] : address_parts[i]));
    struct json_each each = json_each(json_kind(part) == JSON_ARRAY ? part : NULL);
    while (json_next(&each))
      if (string_is(modifier, a, json_text(each.value)))
        return true;
    if (json_kind(part) == JSON_STRING && string_is(modifier, a, json_text(part)))
      return true;
  }
  return false;
}

static bool uri_is(const char *modifier, const struct asked *a, struct str uri) {
  if (strcmp(modifier, ":below") == 0)
    return str_starts_with(uri, a->text);
  if (strcmp(modifier, ":contains") == 0)
    return str_find(uri, a->text) >= 0;
  if (strcmp(modifier, ":above") != 0 || str_equal(uri, a->text))
    return str_equal(uri, a->text);
  return uri.n > 0 && str_starts_with(a->text, uri) && a->text.p[uri.n] == '/';
}

/* A canonical, with its version and without. */
static bool any_uri(const char *modifier, const struct asked *a, const struct fhirpath_value *v) {
  struct str uri = value_text(v);
  ssize_t bar = defs_type(v->type)->builtin == DEFS_CANONICAL ? str_find_char(uri, '|', 0) : -1;
  return uri_is(modifier, a, uri) ||
         (bar > 0 && uri_is(modifier, a, str_slice(uri, 0, (size_t)bar)));
}

/* "Patient/r1/_history/2" -> "Patient/r1"; `*ret_is_local` for what has that form. */
static struct str plain_reference(struct str r, bool *ret_is_local) {
  ssize_t history = str_find(r, STR("/_history/"));
  if (history > 0)
    r = str_slice(r, 0, (size_t)history);
  ssize_t slash = str_find_char(r, '/', 0);
  defs_type_id type = slash > 0 ? defs_type_by_name(str_slice(r, 0, (size_t)slash)) : 0;
  *ret_is_local = type && defs_is_resource(defs_type(type)) && str_find_char(r, ':', 0) < 0;
  return r;
}

/* The local reference that a node is, "Patient/r1"; empty when it is none. */
static struct str local_reference(const struct fhirpath_value *v) {
  bool is_local = false;
  struct str r =
      is_a(v, "Reference") ? plain_reference(member(v->node, "reference"), &is_local) : STR("");
  return is_local ? r : STR("");
}

static bool any_reference(const struct condition *c, const struct asked *a,
                          const struct fhirpath_value *v) {
  static const struct str base = {"http://here/fhir/", 17};
  struct str wanted = a->text, local = local_reference(v);
  bool is_local;
  if (strcmp(c->modifier, ":identifier") == 0) {
    const struct yyjson_val *identifier = json_get(v->node, STR("identifier"));
    return is_a(v, "Reference") && member(identifier, "value").n > 0 &&
           token_is(a, member(identifier, "system"), member(identifier, "value"));
  }
  if (str_starts_with(wanted, base))
    wanted = str_slice(wanted, base.n, wanted.n);
  if (c->other)
    wanted = arena_printf(test_arena, "%.*s/%.*s", STR_ARG(type_name(c->other)), STR_ARG(wanted));
  (void)plain_reference(wanted, &is_local);
  if (is_local)
    return str_equal(local, wanted);
  if (str_find_char(wanted, ':', 0) < 0) {
    ssize_t slash = str_find_char(local, '/', 0);
    return slash > 0 && str_equal(str_slice(local, (size_t)slash + 1, local.n), wanted);
  }
  if (is_a(v, "Reference"))
    return str_equal(plain_reference(member(v->node, "reference"), &is_local), wanted);
  struct str uri = value_text(v);
  ssize_t bar = str_find_char(uri, '|', 0);
  return str_equal(uri, wanted) || (bar > 0 && str_equal(str_slice(uri, 0, (size_t)bar), wanted));
}

/* ---- Dates -------------------------------------------------------------------------------------
 */

struct span {
  double from, to; /* seconds; half-open for dates, closed for numbers */
};

static int digits_of(struct str s, size_t at, size_t n) {
  int value = 0;
  for (size_t i = at; i < at + n; i++)
    value = value * 10 + (s.p[i] - '0');
  return value;
}

static double seconds_of(int year, int month, int day) {
  struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
  return (double)timegm(&tm);
}

/* "2020", "2020-03", "2020-03-01", "2020-03-01T08:00:00[.250](Z|-01:00)". */
static struct span date_span(struct str s) {
  int year = digits_of(s, 0, 4), month = s.n > 4 ? digits_of(s, 5, 2) : 0;
  if (s.n == 4)
    return (struct span){seconds_of(year, 1, 1), seconds_of(year + 1, 1, 1)};
  if (s.n == 7)
    return (struct span){seconds_of(year, month, 1), seconds_of(year, month + 1, 1)};
  double from = seconds_of(year, month, digits_of(s, 8, 2)), width = 1;
  if (s.n == 10)
    return (struct span){from, from + 86400};
  from += digits_of(s, 11, 2) * 3600 + digits_of(s, 14, 2) * 60 + digits_of(s, 17, 2);
  size_t at = 19;
  for (double scale = 0.1; s.p[at] == '.' || (s.p[at] >= '0' && s.p[at] <= '9'); at++) {
    if (s.p[at] == '.')
      continue;
    from += (s.p[at] - '0') * scale;
    width = scale;
    scale /= 10;
  }
  if (s.p[at] != 'Z')
    from -=
        (s.p[at] == '-' ? -1 : 1) * (digits_of(s, at + 1, 2) * 3600 + digits_of(s, at + 4, 2) * 60);
  return (struct span){from, from + width};
}

static void widen(struct span *span, struct span other) {
  span->from = fmin(span->from, other.from);
  span->to = fmax(span->to, other.to);
}

static struct span period_span(const struct yyjson_val *period) {
  struct str start = member(period, "start"), end = member(period, "end");
  return (struct span){start.n ? date_span(start).from : -INFINITY,
                       end.n ? date_span(end).to : INFINITY};
}

/* False for what has no extent in time. */
static bool time_span(const struct fhirpath_value *v, struct span *ret_span) {
  *ret_span = (struct span){INFINITY, -INFINITY};
  if (is_a(v, "date") || is_a(v, "dateTime") || is_a(v, "instant")) {
    *ret_span = date_span(value_text(v));
  } else if (is_a(v, "Period")) {
    if (member(v->node, "start").n == 0 && member(v->node, "end").n == 0)
      return false;
    *ret_span = period_span(v->node);
  } else if (is_a(v, "Timing")) {
    const struct yyjson_val *bounds =
        json_get(json_get(v->node, STR("repeat")), STR("boundsPeriod"));
    struct json_each each = json_each(json_get(v->node, STR("event")));
    while (json_next(&each))
      widen(ret_span, date_span(json_text(each.value)));
    if (bounds)
      widen(ret_span, period_span(bounds));
  }
  return ret_span->from < ret_span->to;
}

/* search.html, 2.1.1.4.3, on ranges. */
static bool date_holds(const char *prefix, struct span asked, struct span value) {
  bool contains = asked.from <= value.from && value.to <= asked.to;
  bool above = value.to > asked.to, below = value.from < asked.from;
  if (strcmp(prefix, "ne") == 0)
    return !contains;
  if (strcmp(prefix, "gt") == 0)
    return above;
  if (strcmp(prefix, "lt") == 0)
    return below;
  if (strcmp(prefix, "ge") == 0)
    return above || contains;
  if (strcmp(prefix, "le") == 0)
    return below || contains;
  if (strcmp(prefix, "sa") == 0)
    return value.from >= asked.to;
  if (strcmp(prefix, "eb") == 0)
    return value.to <= asked.from;
  return contains;
}

static bool any_date(const struct asked *a, const struct fhirpath_value *v) {
  struct span value;
  return time_span(v, &value) && date_holds(a->prefix, date_span(a->text), value);
}

/* ---- Numbers and quantities ---------------------------------------------------------------------
 */

/* The pools' numbers with the range that their precision implies. */
static struct span number_span(struct str text, double *ret_exact) {
  static const struct {
    const char *text;
    double exact, from, to;
  } known[] = {{"1", 1, 0.5, 1.5},          {"5.4", 5.4, 5.35, 5.45},
               {"5.40", 5.4, 5.395, 5.405}, {"100", 100, 99.5, 100.5},
               {"-3", -3, -3.5, -2.5},      {"0.001", 0.001, 0.0005, 0.0015},
               {"1e2", 100, 95, 105},       {"5.449", 5.449, 5.4485, 5.4495},
               {"2", 2, 1.5, 2.5},          {"5", 5, 4.5, 5.5}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (str_is(text, known[i].text)) {
      *ret_exact = known[i].exact;
      return (struct span){known[i].from, known[i].to};
    }
  fail_msg("no such number: %.*s", STR_ARG(text));
  return (struct span){0, 0};
}

/* In what UCUM's mass units are counted: whole numbers of 1e-9 g, so that nothing is rounded. */
static bool mass_factor(struct str system, struct str code, double *ret_factor) {
  *ret_factor = str_is(code, "mg") ? 1e6 : 1e9;
  return str_is(system, UCUM) && (str_is(code, "mg") || str_is(code, "g"));
}

static double scaled(double value, double factor) {
  return isfinite(value) ? round(value * factor) : value;
}

/* Does a value in units of `value_factor` meet what was asked for in units of `asked_factor`? */
static bool scaled_holds(const struct asked *a, struct span value, double value_factor,
                         double asked_factor) {
  double exact = 0;
  struct span asked = number_span(a->text, &exact);
  if (asked_factor != value_factor) {
    exact = scaled(exact, asked_factor);
    asked = (struct span){scaled(asked.from, asked_factor), scaled(asked.to, asked_factor)};
    value = (struct span){scaled(value.from, value_factor), scaled(value.to, value_factor)};
  }
  bool contains = asked.from <= value.from && value.to < asked.to;
  if (strcmp(a->prefix, "ne") == 0)
    return !contains;
  if (strcmp(a->prefix, "gt") == 0)
    return value.to > exact;
  if (strcmp(a->prefix, "lt") == 0)
    return value.from < exact;
  if (strcmp(a->prefix, "ge") == 0)
    return value.to >= exact;
  if (strcmp(a->prefix, "le") == 0)
    return value.from <= exact;
  if (strcmp(a->prefix, "sa") == 0)
    return value.from > exact;
  if (strcmp(a->prefix, "eb") == 0)
    return value.to < exact;
  return contains;
}

static bool number_holds(const struct asked *a, struct span value) {
  return scaled_holds(a, value, 1, 1);
}

static bool number_of(const struct yyjson_val *v, double *ret_number) {
  return json_kind(v) == JSON_NUMBER && str_to_double(json_text(v), ret_number);
}

static bool range_of(const struct yyjson_val *range, struct span *ret_span) {
  *ret_span = (struct span){-INFINITY, INFINITY};
  bool has_low = number_of(json_get(json_get(range, STR("low")), STR("value")), &ret_span->from);
  bool has_high = number_of(json_get(json_get(range, STR("high")), STR("value")), &ret_span->to);
  return has_low || has_high;
}

static bool any_number(const struct asked *a, const struct fhirpath_value *v) {
  struct span value;
  if (is_a(v, "Range"))
    return range_of(v->node, &value) && number_holds(a, value);
  return number_of(v->node, &value.from) && number_holds(a, (struct span){value.from, value.from});
}

static bool unit_is(const struct asked *a, struct str system, struct str code, struct str unit) {
  if (!a->code)
    return true;
  return a->system ? str_is(system, a->system) && str_is(code, a->code)
                   : str_is(code, a->code) || str_is(unit, a->code);
}

static bool any_quantity(const struct asked *a, const struct fhirpath_value *v) {
  const struct yyjson_val *q = v->node;
  struct span value = {0, 0};
  if (is_a(v, "Money"))
    return number_of(json_get(q, STR("value")), &value.from) &&
           number_holds(a, (struct span){value.from, value.from}) &&
           unit_is(a, STR("urn:iso:std:iso:4217"), member(q, "currency"), STR(""));
  if (is_a(v, "Range")) {
    if (!range_of(q, &value))
      return false;
    const struct yyjson_val *low = json_get(q, STR("low"));
    q = json_get(low, STR("value")) ? low : json_get(q, STR("high"));
  } else if (!is_a(v, "Quantity") || !number_of(json_get(q, STR("value")), &value.from)) {
    return false;
  } else {
    struct str comparator = member(q, "comparator");
    value.to = value.from;
    if (comparator.n && comparator.p[0] == '<')
      value.from = -INFINITY;
    else if (comparator.n)
      value.to = INFINITY;
  }
  double asked_factor, value_factor;
  if (a->code && a->system && mass_factor(str_of(a->system), str_of(a->code), &asked_factor) &&
      mass_factor(member(q, "system"), member(q, "code"), &value_factor))
    return scaled_holds(a, value, value_factor, asked_factor);
  return number_holds(a, value) &&
         unit_is(a, member(q, "system"), member(q, "code"), member(q, "unit"));
}

/* ---- Is there a value? ---- */

static bool has_token(const struct fhirpath_value *v) {
  if (is_primitive(v) || is_a(v, "ContactPoint"))
    return is_primitive(v) || member(v->node, "value").n > 0;
  if (member(v->node, "system").n + member(v->node, "code").n + member(v->node, "text").n > 0)
    return true;
  if (is_a(v, "Identifier"))
    return member(v->node, "value").n + member(json_get(v->node, STR("type")), "text").n > 0;
  if (is_a(v, "Coding"))
    return member(v->node, "display").n > 0;
  struct json_each each = json_each(json_get(v->node, STR("coding")));
  while (json_next(&each))
    if (member(each.value, "system").n + member(each.value, "code").n +
            member(each.value, "display").n >
        0)
      return true;
  return false;
}

/* Anything that a search could ask for; an element of which only qualifiers are there has none. */
static bool has_value(enum search_type type, const struct fhirpath_value *v) {
  struct span span;
  double number;
  switch (type) {
  case SEARCH_TOKEN:
    return has_token(v);
  case SEARCH_STRING:
    return any_string(":contains", &(struct asked){.text = STR("")}, v);
  case SEARCH_DATE:
    return time_span(v, &span);
  case SEARCH_REFERENCE:
    return is_primitive(v) || is_a(v, "Reference");
  case SEARCH_NUMBER:
    return is_primitive(v) || (is_a(v, "Range") && range_of(v->node, &span));
  case SEARCH_QUANTITY:
    if (is_a(v, "Range"))
      return range_of(v->node, &span);
    return (is_a(v, "Quantity") || is_a(v, "Money")) &&
           number_of(json_get(v->node, STR("value")), &number);
  default:
    return true;
  }
}

/* ---- One value, one resource ---- */

static bool value_holds(const struct condition *c, enum search_type type, const struct asked *a,
                        const struct fhirpath_value *v) {
  switch (type) {
  case SEARCH_TOKEN:
    return strcmp(c->modifier, ":of-type") == 0 ? is_of_type(a, v)
           : strcmp(c->modifier, ":text") == 0  ? any_token_text(a, v)
                                                : any_token(a, v);
  case SEARCH_STRING:
    return any_string(c->modifier, a, v);
  case SEARCH_REFERENCE:
    return any_reference(c, a, v);
  case SEARCH_DATE:
    return any_date(a, v);
  case SEARCH_NUMBER:
    return any_number(a, v);
  case SEARCH_QUANTITY:
    return any_quantity(a, v);
  case SEARCH_URI:
    return any_uri(c->modifier, a, v);
  default:
    return false;
  }
}

static bool composite_holds(const struct condition *c, const struct asked *a,
                            const struct fhirpath_value *v, const struct scanned *s) {
  const struct defs_param *param = defs_param(c->param);
  for (uint32_t i = 0; i < param->components_n; i++) {
    const struct defs_component *component = defs_component(param->first_component + i);
    struct fhirpath_values values = eval_text(component->expression, v->node, v->type, s->root);
    bool holds = false;
    for (size_t k = 0; k < values.n && !holds; k++)
      holds = value_holds(c, defs_param(component->param)->type, &a->parts[i], &values.p[k]);
    if (!holds)
      return false;
  }
  return true;
}

static bool is_visible(const struct access *access, const struct scanned *s);
static bool holds(const struct access *access, const struct condition *c, const struct scanned *s);

static bool refers(const struct scanned *from, defs_param_id param, const struct scanned *to) {
  struct fhirpath_values values = values_of(from, param);
  struct str wanted = arena_printf(test_arena, "%.*s/%.*s", STR_ARG(type_name(to->write.type)),
                                   STR_ARG(to->write.id));
  for (size_t i = 0; i < values.n; i++)
    if (str_equal(local_reference(&values.p[i]), wanted))
      return true;
  return false;
}

static bool link_holds(const struct access *access, const struct condition *c,
                       const struct scanned *s) {
  for (size_t i = 0; i < all_n; i++) {
    const struct scanned *other = &all[i];
    if (other->write.type == c->other && is_visible(access, other) &&
        (c->is_has ? refers(other, c->param, s) : refers(s, c->param, other)) &&
        holds(access, c->inner, other))
      return true;
  }
  return false;
}

static bool holds(const struct access *access, const struct condition *c, const struct scanned *s) {
  if (c->inner)
    return link_holds(access, c, s);
  const struct defs_param *param = defs_param(c->param);
  struct fhirpath_values values = values_of(s, c->param);
  bool found = false;
  if (strcmp(c->modifier, ":missing") == 0) {
    for (size_t i = 0; i < values.n; i++)
      found |= has_value(param->type, &values.p[i]);
    return found != c->is_missing;
  }
  for (size_t i = 0; i < values.n && !found; i++)
    for (size_t k = 0; k < c->asked_n && !found; k++)
      found = param->type == SEARCH_COMPOSITE
                  ? composite_holds(c, &c->asked[k], &values.p[i], s)
                  : value_holds(c, param->type, &c->asked[k], &values.p[i]);
  return found != (strcmp(c->modifier, ":not") == 0);
}

static bool is_visible(const struct access *access, const struct scanned *s) {
  bool is_of_type = access->types_n == 0;
  if (access->is_everything)
    return true;
  for (size_t i = 0; i < access->types_n; i++)
    is_of_type |= access->types[i] == s->write.type;
  if (!is_of_type || access->patient_id.n == 0)
    return is_of_type;
  struct scanned patient = {.write = {.type = type_of("Patient"), .id = access->patient_id}};
  if (s->write.type == patient.write.type && str_equal(s->write.id, access->patient_id))
    return true;
  size_t n;
  const defs_param_id *params = defs_compartment_params(STR("Patient"), s->write.type, &n);
  for (size_t i = 0; i < n; i++)
    if (refers(s, params[i], &patient))
      return true;
  return false;
}

/* ---- Random queries ---- */

static const char *const prefixes[] = {"", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"};
static const char *const starts[] = {"an",  "Ann",   "mull",        "m\xC3\xBCl", "oneil", "O-",
                                     "zoe", "sugar", "Blood sugar", "a",          STREET};

/* Has a parameter only values that tokens with systems are about? */
static bool has_systems(defs_type_id type, defs_param_id param) {
  for (size_t i = 0; i < all_n; i++) {
    if (all[i].write.type != type)
      continue;
    struct fhirpath_values values = values_of(&all[i], param);
    for (size_t k = 0; k < values.n; k++)
      if (is_primitive(&values.p[k]) || is_a(&values.p[k], "ContactPoint"))
        return false;
  }
  return true;
}

/* Something that the parameter has as a value somewhere: a text of its pool, or else any. */
static struct str random_text(defs_type_id type, defs_param_id param) {
  for (int tries = 0; tries < 20; tries++) {
    const struct scanned *s = &all[random_below(all_n)];
    if (s->write.type != type)
      continue;
    struct fhirpath_values values = values_of(s, param);
    if (values.n > 0 && is_primitive(&values.p[0]))
      return value_text(&values.p[0]);
  }
  return str_of(PICK(codes));
}

static struct str random_operand_reference(const struct defs_param *param) {
  defs_type_id type = round_types[random_below(round_types_n)];
  struct str local =
      arena_printf(test_arena, "%.*s/r%u", STR_ARG(type_name(type)), (unsigned)random_below(IDS));
  (void)param;
  switch (random_below(8)) {
  case 0:
    return arena_printf(test_arena, "http://here/fhir/%.*s", STR_ARG(local));
  case 1:
    return arena_printf(test_arena, "http://other.org/fhir/%.*s", STR_ARG(local));
  case 2:
    return str_of(PICK(canonicals));
  case 3:
    return str_of(urns[0]);
  case 4:
    return arena_printf(test_arena, "r%u", (unsigned)random_below(IDS));
  default:
    return local;
  }
}

static void random_token(struct asked *a, bool may_have_system) {
  a->form = may_have_system ? (enum token_form)random_below(4) : FORM_CODE;
  a->system = PICK(systems);
  a->code = PICK(codes);
}

static void random_asked(struct condition *c, defs_param_id id, struct asked *a) {
  const struct defs_param *param = defs_param(id);
  bool is_identifier = strcmp(c->modifier, ":identifier") == 0;
  *a = (struct asked){.prefix = ""};
  switch (param->type) {
  case SEARCH_TOKEN:
    if (strcmp(c->modifier, ":of-type") == 0) {
      random_token(a, true);
      a->text = str_of(PICK(codes));
    } else if (strcmp(c->modifier, ":text") == 0) {
      a->text = str_of(PICK(starts));
    } else if (c->param != id || has_systems(c->type, id)) {
      random_token(a, c->param == id);
    } else {
      a->form = FORM_CODE;
      a->code = random_text(c->type, id).p;
      a->code = arena_str(test_arena, random_text(c->type, id)).p;
    }
    return;
  case SEARCH_REFERENCE:
    if (is_identifier)
      random_token(a, true);
    else
      a->text = c->other ? arena_printf(test_arena, "r%u", (unsigned)random_below(IDS))
                         : random_operand_reference(param);
    return;
  case SEARCH_STRING:
    a->text = str_of(strcmp(c->modifier, ":exact") == 0 ? PICK(texts) : PICK(starts));
    return;
  case SEARCH_DATE:
    a->prefix = PICK(prefixes);
    a->text = str_of(chance(50) ? PICK(dates) : PICK(times));
    return;
  case SEARCH_NUMBER:
  case SEARCH_QUANTITY:
    a->prefix = PICK(prefixes);
    a->text = str_of(PICK(numbers));
    if (param->type == SEARCH_QUANTITY && chance(60))
      a->code = PICK(units);
    if (a->code && chance(60))
      a->system = chance(60) ? UCUM : PICK(systems);
    return;
  case SEARCH_URI:
    a->text = str_of(PICK(uris));
    return;
  default:
    break;
  }
  a->parts = ARENA_ARRAY(test_arena, struct asked, param->components_n + 1u);
  for (uint32_t i = 0; i < param->components_n; i++)
    random_asked(c, defs_component(param->first_component + i)->param, &a->parts[i]);
}

static const char *random_modifier(enum search_type type) {
  static const char *const of_token[] = {"", "", "", ":not", ":text"};
  static const char *const of_string[] = {"", "", ":exact", ":contains"};
  static const char *const of_uri[] = {"", "", ":below", ":above", ":contains"};
  if (type != SEARCH_COMPOSITE && chance(12))
    return ":missing";
  return type == SEARCH_TOKEN                     ? PICK(of_token)
         : type == SEARCH_STRING                  ? PICK(of_string)
         : type == SEARCH_URI                     ? PICK(of_uri)
         : type == SEARCH_REFERENCE && chance(15) ? ":identifier"
                                                  : "";
}

/* The parameters that can be asked for: of all types but special, with an expression. */
static defs_param_id random_param(defs_type_id type, bool only_references) {
  size_t n;
  const defs_param_id *params = defs_params_of(type, &n);
  for (int tries = 0; tries < 200; tries++) {
    defs_param_id id = params[random_below(n)];
    const struct defs_param *param = defs_param(id);
    if (param->expression.n == 0 || param->type == SEARCH_SPECIAL ||
        str_is(param->code, "_lastUpdated") || str_is(param->code, "_id") ||
        (only_references && param->type != SEARCH_REFERENCE))
      continue;
    return id;
  }
  return 0;
}

static bool is_target(const struct defs_param *param, defs_type_id type) {
  for (uint32_t i = 0; i < param->targets_n; i++)
    if (defs_target(param->first_target + i) == type)
      return true;
  return param->targets_n == 0;
}

static bool random_link(defs_type_id type, unsigned depth, struct condition *c);

static void random_condition(defs_type_id type, unsigned depth, struct condition *c) {
  if (depth < 2 && chance(20) && random_link(type, depth, c))
    return;
  *c = (struct condition){.type = type, .param = random_param(type, false), .modifier = ""};
  const struct defs_param *param = defs_param(c->param);
  c->modifier = random_modifier(param->type);
  if (str_is(param->code, "identifier") && chance(30))
    c->modifier = ":of-type";
  c->is_missing = chance(50);
  if (param->type == SEARCH_REFERENCE && !c->modifier[0] && chance(15)) {
    defs_type_id other = round_types[random_below(round_types_n)];
    c->other = is_target(param, other) ? other : 0;
  }
  c->asked_n = 1 + (chance(25) ? random_below(3) : 0);
  for (size_t i = 0; i < c->asked_n; i++)
    random_asked(c, c->param, &c->asked[i]);
}

static bool random_link(defs_type_id type, unsigned depth, struct condition *c) {
  for (int tries = 0; tries < 20; tries++) {
    defs_type_id other = round_types[random_below(round_types_n)];
    bool is_has = chance(50);
    defs_param_id param = random_param(is_has ? other : type, true);
    if (!param || !is_target(defs_param(param), is_has ? type : other))
      continue;
    *c = (struct condition){
        .type = type, .param = param, .modifier = "", .other = other, .is_has = is_has};
    c->inner = ARENA_NEW(test_arena, struct condition);
    random_condition(other, depth + 1, c->inner);
    return true;
  }
  return false;
}

/* ---- As a URL ---- */

static void add_escaped(struct buf *buf, struct str s) {
  for (size_t i = 0; i < s.n; i++) {
    if (strchr("\\,|$", s.p[i]))
      buf_add_char(buf, '\\');
    buf_add_char(buf, s.p[i]);
  }
}

static void add_asked(struct buf *buf, const struct condition *c, defs_param_id id,
                      const struct asked *a) {
  const struct defs_param *param = defs_param(id);
  bool is_token = strcmp(c->modifier, ":identifier") == 0 ||
                  (param->type == SEARCH_TOKEN && strcmp(c->modifier, ":text") != 0);
  if (param->type == SEARCH_COMPOSITE) {
    for (uint32_t i = 0; i < param->components_n; i++) {
      if (i > 0)
        buf_add_char(buf, '$');
      add_asked(buf, c, defs_component(param->first_component + i)->param, &a->parts[i]);
    }
  } else if (strcmp(c->modifier, ":of-type") == 0) {
    add_escaped(buf, str_of(a->system));
    buf_add_char(buf, '|');
    add_escaped(buf, str_of(a->code));
    buf_add_char(buf, '|');
    add_escaped(buf, a->text);
  } else if (is_token) {
    if (a->form == FORM_BOTH || a->form == FORM_SYSTEM)
      add_escaped(buf, str_of(a->system));
    if (a->form != FORM_CODE)
      buf_add_char(buf, '|');
    if (a->form != FORM_SYSTEM)
      add_escaped(buf, str_of(a->code));
  } else {
    buf_add_z(buf, a->prefix);
    add_escaped(buf, a->text);
    if (a->code) {
      buf_add_char(buf, '|');
      add_escaped(buf, a->system ? str_of(a->system) : STR(""));
      buf_add_char(buf, '|');
      add_escaped(buf, str_of(a->code));
    }
  }
}

static void add_name(struct buf *buf, const struct condition *c) {
  struct str code = defs_param(c->param)->code;
  if (c->is_has) {
    buf_printf(buf, "_has:%.*s:%.*s:", STR_ARG(type_name(c->other)), STR_ARG(code));
  } else {
    buf_printf(buf, "%.*s%s", STR_ARG(code), c->modifier);
    if (c->other)
      buf_printf(buf, ":%.*s", STR_ARG(type_name(c->other)));
    if (c->inner)
      buf_add_char(buf, '.');
  }
  if (c->inner)
    add_name(buf, c->inner);
}

static void add_values(struct buf *buf, const struct condition *c) {
  struct buf values;
  buf_init_arena(&values, test_arena, 10000);
  while (c->inner)
    c = c->inner;
  if (strcmp(c->modifier, ":missing") == 0)
    buf_add_z(&values, c->is_missing ? "true" : "false");
  else
    for (size_t i = 0; i < c->asked_n; i++) {
      if (i > 0)
        buf_add_char(&values, ',');
      add_asked(&values, c, c->param, &c->asked[i]);
    }
  url_encode(buf, buf_str(&values));
}

static const char *url_of(defs_type_id type, const struct condition *conditions, size_t n) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 20000);
  buf_printf(&buf, "%.*s?_count=1000", STR_ARG(type_name(type)));
  for (size_t i = 0; i < n; i++) {
    buf_add_char(&buf, '&');
    add_name(&buf, &conditions[i]);
    buf_add_char(&buf, '=');
    add_values(&buf, &conditions[i]);
  }
  return buf_z(&buf);
}

/* ---- The law ---- */

static int compare_strs(const void *a, const void *b) {
  return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static struct str join(struct str *ids, size_t n) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 10000);
  if (n)
    qsort(ids, n, sizeof *ids, compare_strs);
  for (size_t i = 0; i < n; i++)
    buf_printf(&buf, "%.*s ", STR_ARG(ids[i]));
  return arena_str(test_arena, buf_str(&buf));
}

static struct access random_access(void) {
  static defs_type_id types[3];
  struct access access = {.principal = STR("x")};
  if (chance(60))
    return everything();
  if (chance(80))
    access.patient_id = arena_printf(test_arena, "r%u", (unsigned)random_below(IDS));
  if (access.patient_id.n == 0 || chance(30)) {
    access.types = types;
    access.types_n = 1 + random_below(3);
    for (size_t i = 0; i < access.types_n; i++)
      types[i] = round_types[random_below(round_types_n)];
  }
  return access;
}

/* Where the two disagree, what each has more. */
static void disagree(const struct access *access, const char *url, struct str found,
                     struct str wanted, defs_type_id type) {
  for (size_t i = 0; i < all_n; i++) {
    struct str id = arena_printf(test_arena, "%.*s ", STR_ARG(all[i].write.id));
    if (all[i].write.type == type && (str_find(found, id) >= 0) != (str_find(wanted, id) >= 0)) {
      print_message("%.*s\n", STR_ARG(all[i].write.body));
      break;
    }
  }
  fail_msg("%s as %.*s (%zu types)\n  found  %s\n  wanted %s", url, STR_ARG(access->patient_id),
           access->types_n, found.p, wanted.p);
}

static bool check_one(void) {
  struct condition conditions[3];
  struct str ids[200];
  defs_type_id type = round_types[random_below(round_types_n)];
  size_t conditions_n = 1 + (chance(30) ? random_below(3) : 0), n = 0;
  struct access access = random_access();
  for (size_t i = 0; i < conditions_n; i++)
    random_condition(type, 0, &conditions[i]);
  const char *url = url_of(type, conditions, conditions_n);
  struct search_result result = run_as(&access, url);
  for (size_t i = 0; i < result.rows_n; i++)
    ids[n++] = result.rows[i].resource.id;
  struct str found_ids = join(ids, n);
  n = 0;
  for (size_t i = 0; i < all_n; i++) {
    bool is_wanted = all[i].write.type == type && is_visible(&access, &all[i]);
    for (size_t k = 0; k < conditions_n && is_wanted; k++)
      is_wanted = holds(&access, &conditions[k], &all[i]);
    if (is_wanted)
      ids[n++] = all[i].write.id;
  }
  struct str wanted = join(ids, n);
  if (!str_equal(found_ids, wanted))
    disagree(&access, url, found_ids, wanted, type);
  return n > 0;
}

static void make_resources(void) {
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  struct store_write writes[200];
  struct err err;
  all_n = 0;
  for (size_t i = 0; i < round_types_n; i++)
    for (unsigned id = 0; id < PER_TYPE; id++) {
      struct scanned *s = &all[all_n];
      s->write = put_write(random_resource(round_types[i], id).p);
      assert_int_equal(json_parse(test_arena, s->write.body, &limits, &s->root, &err), 0);
      writes[all_n++] = s->write;
    }
  assert_int_equal(commit(writes, all_n), 0);
}

static void choose_types(void) {
  static const char *const usual[] = {"Observation",       "Encounter", "Condition",
                                      "MedicationRequest", "ValueSet",  "Questionnaire",
                                      "RiskAssessment"};
  round_types_n = 0;
  round_types[round_types_n++] = type_of("Patient");
  round_types[round_types_n++] = type_of(PICK(usual));
  while (round_types_n < 6) {
    defs_type_id type = (defs_type_id)(1 + random_below(defs_types_count()));
    if (defs_is_resource(defs_type(type)) && !is_of_round(type))
      round_types[round_types_n++] = type;
  }
}

static void search_finds_what_a_scan_with_fhirpath_finds(void **state) {
  uint64_t rounds = 4;
  const char *given = getenv("SEED"), *more = getenv("ROUNDS");
  seed = (uint64_t)clock_now_us();
  if ((given && !str_to_u64(str_of(given), &seed)) || (more && !str_to_u64(str_of(more), &rounds)))
    fail_msg("SEED and ROUNDS are numbers");
  for (uint64_t round = 0; round < rounds; round++) {
    print_message("SEED=%llu\n", (unsigned long long)seed);
    round_now = round + 1;
    choose_types();
    make_resources();
    int found_n = 0;
    for (int i = 0; i < QUERIES; i++)
      found_n += check_one();
    assert_true(found_n > QUERIES / 10); /* else the queries say nothing */
    /* The next round begins with an empty store, of other types. */
    if (round + 1 < rounds) {
      fixture_teardown(state);
      assert_int_equal(search_setup(state), 0);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(search_finds_what_a_scan_with_fhirpath_finds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
