/*
 * From a value of a FHIR type to index rows, by type of search parameter.
 *
 * Spec: http://hl7.org/fhir/R4/search.html, 2.1.1.4.4 to 2.1.1.4.12.
 */
#include <float.h>
#include <math.h>

#include "model/search_values_plan.h"

static struct search_value *add_row(struct extraction *x, const struct plan_emit *emit,
                                    enum search_type type) {
  struct search_value *row = VEC_PUSH(x->arena, &x->rows);
  if (!row) {
    (void)err_no_memory(x->err);
    return NULL;
  }
  row->param = emit->param;
  row->type = type;
  row->component = emit->component;
  row->tuple = emit->component ? x->tuple : 0;
  return row;
}

static int bad_value(struct extraction *x, const struct plan_emit *emit, const char *what) {
  return err_set_at(x->err, ERR_VALUE, defs_param(emit->param)->code,
                    "A value for this search parameter is not a valid %s.", what);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static int add_token(struct extraction *x, const struct plan_emit *emit, struct str system,
                     struct str code, struct str text) {
  if (str_is_empty(system) && str_is_empty(code) && str_is_empty(text))
    return 0;
  struct search_value *row = add_row(x, emit, SEARCH_TOKEN);
  if (!row)
    return ERR_NO_MEMORY;
  row->token.system = system;
  row->token.code = code;
  row->token.text = text;
  return 0;
}

/* The text members wanted of an object, found in one pass over it. */
struct wanted {
  struct str name, text;
};

static void read_texts(const struct yyjson_val *object, struct wanted *wanted, size_t n) {
  struct json_each each = json_each(object);
  while (json_next(&each))
    for (size_t i = 0; i < n; i++)
      if (str_equal(each.name, wanted[i].name)) {
        if (json_kind(each.value) == JSON_STRING)
          wanted[i].text = json_text(each.value);
        break;
      }
}

static int token_coding(struct extraction *x, const struct plan_emit *emit,
                        const struct yyjson_val *v) {
  struct wanted w[] = {{.name = STR("system")}, {.name = STR("code")}, {.name = STR("display")}};
  read_texts(v, w, 3);
  return add_token(x, emit, w[0].text, w[1].text, w[2].text);
}

static int token_concept(struct extraction *x, const struct plan_emit *emit,
                         const struct yyjson_val *v) {
  struct json_each codings = json_each(json_get(v, STR("coding")));
  while (json_next(&codings)) {
    int code = token_coding(x, emit, codings.value);
    if (code < 0)
      return code;
  }
  return add_token(x, emit, STR_NULL, STR_NULL, json_get_text(v, STR("text")));
}

static int token_identifier(struct extraction *x, const struct plan_emit *emit,
                            const struct yyjson_val *v) {
  struct wanted w[] = {{.name = STR("system")}, {.name = STR("value")}};
  read_texts(v, w, 2);
  struct str text = json_get_text(json_get(v, STR("type")), STR("text"));
  size_t before = x->rows.n;
  int code = add_token(x, emit, w[0].text, w[1].text, text);
  if (code == 0 && x->rows.n > before)
    x->rows.p[before].token.identifier = v;
  return code;
}

static int token_contact(struct extraction *x, const struct plan_emit *emit,
                         const struct yyjson_val *v) {
  return add_token(x, emit, STR_NULL, json_get_text(v, STR("value")), STR_NULL);
}

static int token_primitive(struct extraction *x, const struct plan_emit *emit,
                           const struct yyjson_val *v) {
  struct str code = json_text(v);
  struct str system = emit->value_set ? defs_value_set_system(emit->value_set, code) : STR_NULL;
  return add_token(x, emit, system, code, STR_NULL);
}

/* ---- References ------------------------------------------------------------------------------ */

static int add_reference(struct extraction *x, const struct plan_emit *emit,
                         struct search_reference to, struct str identifier_system,
                         struct str identifier_value) {
  struct search_value *row = add_row(x, emit, SEARCH_REFERENCE);
  if (!row)
    return ERR_NO_MEMORY;
  row->reference.type = to.type;
  row->reference.id = to.id;
  row->reference.url = to.url;
  row->reference.identifier_system = identifier_system;
  row->reference.identifier_value = identifier_value;
  row->reference.contained = STR_NULL;
  return 0;
}

static int reference_reference(struct extraction *x, const struct plan_emit *emit,
                               const struct yyjson_val *v) {
  struct wanted w[] = {{.name = STR("reference")}, {.name = STR("type")}};
  read_texts(v, w, 2);
  const struct yyjson_val *identifier = json_get(v, STR("identifier"));
  struct wanted id[] = {{.name = STR("system")}, {.name = STR("value")}};
  if (identifier)
    read_texts(identifier, id, 2);
  struct search_reference to = {0};
  bool is_contained = w[0].text.n > 1 && w[0].text.p[0] == '#';
  if (is_contained)
    to.url = STR(SEARCH_CONTAINED_URL);
  else if (w[0].text.n > 0 && w[0].text.p[0] != '#')
    to = search_normal_reference(w[0].text, STR_NULL);
  else if (id[1].text.n == 0)
    to.url = STR("#"); /* only a display: nothing asks for it by a value, but it is not missing */
  else
    to.type = w[1].text;
  int code = add_reference(x, emit, to, id[0].text, id[1].text);
  if (code == 0 && is_contained)
    x->rows.p[x->rows.n - 1].reference.contained = str_slice(w[0].text, 1, w[0].text.n);
  return code;
}

/* A canonical is found with its version and without. */
static int reference_uri(struct extraction *x, const struct plan_emit *emit,
                         const struct yyjson_val *v) {
  struct str text = json_text(v);
  if (str_is_empty(text) || text.p[0] == '#')
    return 0;
  int code = add_reference(x, emit, search_normal_reference(text, STR_NULL), STR_NULL, STR_NULL);
  ssize_t bar = str_find_char(text, '|', 0);
  if (code < 0 || bar <= 0)
    return code;
  struct str plain = str_slice(text, 0, (size_t)bar);
  return add_reference(x, emit, search_normal_reference(plain, STR_NULL), STR_NULL, STR_NULL);
}

/* Bundle.entry[0].resource: the resource stands there itself. */
static int reference_resource(struct extraction *x, const struct plan_emit *emit,
                              const struct yyjson_val *v) {
  struct wanted w[] = {{.name = STR("resourceType")}, {.name = STR("id")}};
  read_texts(v, w, 2);
  const struct defs_param *param = defs_param(emit->param);
  bool is_target = param->targets_n == 0;
  for (uint16_t i = 0; i < param->targets_n && !is_target; i++)
    is_target = str_equal(defs_type(defs_target(param->first_target + i))->name, w[0].text);
  if (!is_target || str_is_empty(w[1].text))
    return 0;
  struct search_reference to = {.type = w[0].text, .id = w[1].text};
  return add_reference(x, emit, to, STR_NULL, STR_NULL);
}

/* ---- Dates ----------------------------------------------------------------------------------- */

static int add_date(struct extraction *x, const struct plan_emit *emit, int64_t from_us,
                    int64_t to_us) {
  struct search_value *row = add_row(x, emit, SEARCH_DATE);
  if (!row)
    return ERR_NO_MEMORY;
  row->date.from_us = from_us;
  row->date.to_us = to_us;
  return 0;
}

static int date_primitive(struct extraction *x, const struct plan_emit *emit,
                          const struct yyjson_val *v) {
  int64_t from_us = 0, to_us = 0;
  if (!search_normal_date(json_text(v), &from_us, &to_us))
    return bad_value(x, emit, "date");
  return add_date(x, emit, from_us, to_us);
}

static int read_period(struct extraction *x, const struct plan_emit *emit,
                       const struct yyjson_val *v, int64_t *ret_from_us, int64_t *ret_to_us) {
  struct wanted w[] = {{.name = STR("start")}, {.name = STR("end")}};
  int64_t ignored;
  read_texts(v, w, 2);
  *ret_from_us = INT64_MIN;
  *ret_to_us = INT64_MAX;
  if ((w[0].text.n && !search_normal_date(w[0].text, ret_from_us, &ignored)) ||
      (w[1].text.n && !search_normal_date(w[1].text, &ignored, ret_to_us)))
    return bad_value(x, emit, "period");
  return 0;
}

static int date_period(struct extraction *x, const struct plan_emit *emit,
                       const struct yyjson_val *v) {
  int64_t from_us = 0, to_us = 0;
  int code = read_period(x, emit, v, &from_us, &to_us);
  if (code < 0 || (from_us == INT64_MIN && to_us == INT64_MAX))
    return code;
  return add_date(x, emit, from_us, to_us);
}

/* Only the outer limits of a schedule matter. */
static int date_timing(struct extraction *x, const struct plan_emit *emit,
                       const struct yyjson_val *v) {
  int64_t from_us = INT64_MAX, to_us = INT64_MIN, start_us = 0, end_us = 0;
  struct json_each events = json_each(json_get(v, STR("event")));
  while (json_next(&events)) {
    if (!search_normal_date(json_text(events.value), &start_us, &end_us))
      return bad_value(x, emit, "date");
    from_us = start_us < from_us ? start_us : from_us;
    to_us = end_us > to_us ? end_us : to_us;
  }
  const struct yyjson_val *bounds = json_get(json_get(v, STR("repeat")), STR("boundsPeriod"));
  if (bounds) {
    int code = read_period(x, emit, bounds, &start_us, &end_us);
    if (code < 0)
      return code;
    from_us = start_us < from_us ? start_us : from_us;
    to_us = end_us > to_us ? end_us : to_us;
  }
  return from_us < to_us ? add_date(x, emit, from_us, to_us) : 0;
}

/* ---- Strings and uris ------------------------------------------------------------------------ */

static int add_string(struct extraction *x, const struct plan_emit *emit,
                      const struct yyjson_val *v) {
  struct str text = json_kind(v) == JSON_STRING ? json_text(v) : STR_NULL;
  if (str_is_empty(text))
    return 0;
  struct search_value *row = add_row(x, emit, SEARCH_STRING);
  if (!row)
    return ERR_NO_MEMORY;
  row->string.exact = text;
  row->string.folded = search_normal_string(x->arena, text);
  return row->string.folded.p ? 0 : err_no_memory(x->err);
}

/* All parts of a name or an address: every member that is text, but for what only qualifies it. */
static int string_parts(struct extraction *x, const struct plan_emit *emit,
                        const struct yyjson_val *v) {
  struct json_each each = json_each(v);
  while (json_next(&each)) {
    if (str_equal(each.name, STR("use")) || str_equal(each.name, STR("type")) ||
        str_equal(each.name, STR("id")))
      continue;
    if (json_kind(each.value) == JSON_STRING) {
      int code = add_string(x, emit, each.value);
      if (code < 0)
        return code;
    }
    struct json_each items = json_each(json_kind(each.value) == JSON_ARRAY ? each.value : NULL);
    while (json_next(&items)) {
      int code = add_string(x, emit, items.value);
      if (code < 0)
        return code;
    }
  }
  return 0;
}

static int add_uri(struct extraction *x, const struct plan_emit *emit, struct str uri) {
  struct search_value *row = add_row(x, emit, SEARCH_URI);
  if (!row)
    return ERR_NO_MEMORY;
  row->uri = uri;
  return 0;
}

/* A canonical (_profile) is found with its version and without. */
static int uri_primitive(struct extraction *x, const struct plan_emit *emit,
                         const struct yyjson_val *v) {
  struct str text = json_text(v);
  ssize_t bar = defs_type(emit->type)->builtin == DEFS_CANONICAL ? str_find_char(text, '|', 0) : -1;
  if (str_is_empty(text))
    return 0;
  int code = add_uri(x, emit, text);
  if (code == 0 && bar > 0)
    code = add_uri(x, emit, str_slice(text, 0, (size_t)bar));
  return code;
}

/* ---- Numbers and quantities ------------------------------------------------------------------ */

/* A number beyond a double's range is the largest one: it still compares as it should. */
static bool read_number(const struct yyjson_val *v, double *ret_value) {
  struct str text = json_text(v);
  if (json_kind(v) != JSON_NUMBER)
    return false;
  if (!str_to_double(text, ret_value) || !isfinite(*ret_value))
    *ret_value = text.p[0] == '-' ? -DBL_MAX : DBL_MAX;
  return true;
}

static int add_number(struct extraction *x, const struct plan_emit *emit, double from, double to) {
  struct search_value *row = add_row(x, emit, SEARCH_NUMBER);
  if (!row)
    return ERR_NO_MEMORY;
  row->number.from = from;
  row->number.to = to;
  return 0;
}

static int number_primitive(struct extraction *x, const struct plan_emit *emit,
                            const struct yyjson_val *v) {
  double value = 0;
  if (!read_number(v, &value))
    return bad_value(x, emit, "number");
  return add_number(x, emit, value, value);
}

static int number_range(struct extraction *x, const struct plan_emit *emit,
                        const struct yyjson_val *v) {
  double from = -INFINITY, to = INFINITY;
  bool has_low = read_number(json_get(json_get(v, STR("low")), STR("value")), &from);
  bool has_high = read_number(json_get(json_get(v, STR("high")), STR("value")), &to);
  return has_low || has_high ? add_number(x, emit, from, to) : 0;
}

static int add_quantity(struct extraction *x, const struct plan_emit *emit, double from, double to,
                        const struct yyjson_val *unit_of) {
  struct wanted w[] = {{.name = STR("system")}, {.name = STR("code")}, {.name = STR("unit")}};
  read_texts(unit_of, w, 3);
  struct search_value *row = add_row(x, emit, SEARCH_QUANTITY);
  if (!row)
    return ERR_NO_MEMORY;
  row->quantity.from = from;
  row->quantity.to = to;
  row->quantity.system = w[0].text;
  row->quantity.code = w[1].text;
  row->quantity.unit = w[2].text;
  return 0;
}

static int quantity_quantity(struct extraction *x, const struct plan_emit *emit,
                             const struct yyjson_val *v) {
  double from = 0;
  if (!read_number(json_get(v, STR("value")), &from))
    return 0;
  double to = from;
  struct str comparator = json_get_text(v, STR("comparator"));
  if (comparator.n && comparator.p[0] == '<')
    from = -INFINITY;
  else if (comparator.n)
    to = INFINITY;
  return add_quantity(x, emit, from, to, v);
}

static int quantity_range(struct extraction *x, const struct plan_emit *emit,
                          const struct yyjson_val *v) {
  const struct yyjson_val *low = json_get(v, STR("low")), *high = json_get(v, STR("high"));
  double from = -INFINITY, to = INFINITY;
  bool has_low = read_number(json_get(low, STR("value")), &from);
  bool has_high = read_number(json_get(high, STR("value")), &to);
  return has_low || has_high ? add_quantity(x, emit, from, to, has_low ? low : high) : 0;
}

static int quantity_money(struct extraction *x, const struct plan_emit *emit,
                          const struct yyjson_val *v) {
  double value = 0;
  if (!read_number(json_get(v, STR("value")), &value))
    return 0;
  int code = add_quantity(x, emit, value, value, NULL);
  if (code < 0)
    return code;
  struct search_value *row = &x->rows.p[x->rows.n - 1];
  row->quantity.code = json_get_text(v, STR("currency"));
  if (row->quantity.code.n)
    row->quantity.system = STR("urn:iso:std:iso:4217");
  return 0;
}

/* A position on the earth (WGS 84); what lies on none of its latitudes has no row. */
static int special_position(struct extraction *x, const struct plan_emit *emit,
                            const struct yyjson_val *v) {
  double latitude, longitude;
  if (!read_number(json_get(v, STR("latitude")), &latitude) ||
      !read_number(json_get(v, STR("longitude")), &longitude) || fabs(latitude) > 90 ||
      fabs(longitude) > 360)
    return 0;
  struct search_value *row = add_row(x, emit, SEARCH_SPECIAL);
  if (!row)
    return ERR_NO_MEMORY;
  row->number.from = latitude;
  row->number.to = remainder(longitude, 360);
  return 0;
}

/* ---- Which converter ------------------------------------------------------------------------- */

/* By parameter type and FHIR type; "" stands for every primitive, "Resource" for every resource. */
static const struct {
  enum search_type search;
  const char *type;
  plan_convert *convert;
} CONVERTERS[] = {
    {SEARCH_TOKEN, "Coding", token_coding},
    {SEARCH_TOKEN, "CodeableConcept", token_concept},
    {SEARCH_TOKEN, "Identifier", token_identifier},
    {SEARCH_TOKEN, "ContactPoint", token_contact},
    {SEARCH_TOKEN, "", token_primitive},
    {SEARCH_REFERENCE, "Reference", reference_reference},
    {SEARCH_REFERENCE, "Resource", reference_resource},
    {SEARCH_REFERENCE, "", reference_uri},
    {SEARCH_DATE, "Period", date_period},
    {SEARCH_DATE, "Timing", date_timing},
    {SEARCH_DATE, "date", date_primitive},
    {SEARCH_DATE, "dateTime", date_primitive},
    {SEARCH_DATE, "instant", date_primitive},
    {SEARCH_STRING, "HumanName", string_parts},
    {SEARCH_STRING, "Address", string_parts},
    {SEARCH_STRING, "", add_string},
    {SEARCH_URI, "", uri_primitive},
    {SEARCH_NUMBER, "Range", number_range},
    {SEARCH_NUMBER, "", number_primitive},
    {SEARCH_QUANTITY, "Quantity", quantity_quantity},
    {SEARCH_QUANTITY, "Range", quantity_range},
    {SEARCH_QUANTITY, "Money", quantity_money},
    {SEARCH_SPECIAL, "Location.position", special_position},
};

static bool fits(defs_type_id type, const char *name) {
  if (*name == '\0')
    return defs_type(type)->kind == DEFS_KIND_PRIMITIVE;
  for (; type; type = defs_type(type)->base)
    if (str_is(defs_type(type)->name, name))
      return true;
  return false;
}

plan_convert *plan_converter(enum search_type search, defs_type_id type) {
  for (size_t i = 0; i < sizeof CONVERTERS / sizeof *CONVERTERS; i++)
    if (CONVERTERS[i].search == search && fits(type, CONVERTERS[i].type))
      return CONVERTERS[i].convert;
  return NULL;
}
