/*
 * What a condition means, on the search values of a resource: the rule that the index only speeds
 * up.
 */
#include "store/search/search_match.h"
#include "store/search/search_near.h"
#include "store/search/search_quantity.h"
#include "store/search/search_terminology.h"

struct matcher {
  struct arena *arena;
  struct terminology *terminology;
};

static bool token_fits(const struct search_operand *o, struct str system, struct str code) {
  if (o->has_system && !str_equal(o->system, system))
    return false;
  if (o->has_system && o->code.n == 0)
    return true;
  return o->code.n > 0 && str_equal(o->code, code);
}

static bool text_begins(struct arena *arena, const struct search_operand *o, struct str text) {
  return text.n > 0 && str_starts_with(search_normal_string(arena, text), o->folded);
}

/* co, sw and ew of _filter on a code or its text. */
static bool code_fits(struct arena *arena, enum search_modifier modifier,
                      const struct search_operand *o, struct str code) {
  struct str folded = code.n ? search_normal_string(arena, code) : STR("");
  if (folded.n == 0)
    return false;
  return modifier == SEARCH_CONTAINS ? str_find(folded, o->folded) >= 0
         : modifier == SEARCH_BEGINS ? str_starts_with(folded, o->folded)
                                     : str_ends_with(folded, o->folded);
}

/* The identifier's type is a concept with this coding. */
static bool type_fits(const struct search_operand *o, const struct yyjson_val *identifier) {
  struct json_each each = json_each(json_get(json_get(identifier, STR("type")), STR("coding")));
  while (json_next(&each))
    if (str_equal(o->system, json_get_text(each.value, STR("system"))) &&
        str_equal(o->code, json_get_text(each.value, STR("code"))))
      return true;
  return false;
}

static bool token_value_fits(const struct matcher *m, enum search_modifier modifier,
                             const struct search_operand *o, const struct search_value *v) {
  switch (modifier) {
  case SEARCH_TEXT:
    return text_begins(m->arena, o, v->token.text);
  case SEARCH_CONTAINS:
  case SEARCH_BEGINS:
  case SEARCH_ENDS:
    return code_fits(m->arena, modifier, o, v->token.code) ||
           code_fits(m->arena, modifier, o, v->token.text);
  case SEARCH_IN:
  case SEARCH_NOT_IN:
    return search_value_set_has(m->terminology, o->text, v->token.system, v->token.code);
  case SEARCH_ABOVE:
  case SEARCH_BELOW:
    return search_concept_fits(m->terminology, o, modifier == SEARCH_ABOVE, v->token.system,
                               v->token.code);
  case SEARCH_OF_TYPE:
    return str_equal(o->text, v->token.code) && type_fits(o, v->token.identifier);
  case SEARCH_UNEQUAL:
    return v->token.code.n > 0 && !token_fits(o, v->token.system, v->token.code);
  default:
    return token_fits(o, v->token.system, v->token.code);
  }
}

static bool string_fits(enum search_modifier modifier, const struct search_operand *o,
                        const struct search_value *v) {
  if (modifier == SEARCH_EXACT)
    return str_equal(v->string.exact, o->text);
  if (modifier == SEARCH_CONTAINS)
    return str_find(v->string.folded, o->folded) >= 0;
  if (modifier == SEARCH_ENDS)
    return str_ends_with(v->string.folded, o->folded);
  if (modifier == SEARCH_EQUALS || modifier == SEARCH_UNEQUAL)
    return str_equal(v->string.folded, o->folded) == (modifier == SEARCH_EQUALS);
  return str_starts_with(v->string.folded, o->folded);
}

bool search_uri_fits(enum search_modifier modifier, struct str asked, struct str uri) {
  if (modifier == SEARCH_BELOW || modifier == SEARCH_BEGINS)
    return str_starts_with(uri, asked);
  if (modifier == SEARCH_CONTAINS)
    return str_find(uri, asked) >= 0;
  if (modifier == SEARCH_ENDS)
    return str_ends_with(uri, asked);
  if (modifier == SEARCH_UNEQUAL)
    return !str_equal(uri, asked);
  if (modifier != SEARCH_ABOVE || str_equal(uri, asked))
    return str_equal(uri, asked);
  if (!str_starts_with(asked, uri) || uri.n == 0)
    return false;
  return asked.p[uri.n] == '/' || uri.p[uri.n - 1] == '/';
}

static bool reference_fits(const struct search_operand *o, const struct search_value *v) {
  if (o->url.n > 0) {
    struct str url = v->reference.url;
    ssize_t bar = str_find_char(url, '|', 0);
    return str_equal(url, o->url) || (bar > 0 && str_equal(str_slice(url, 0, (size_t)bar), o->url));
  }
  return v->reference.id.n > 0 && str_equal(o->id, v->reference.id) &&
         (o->type.n == 0 || str_equal(o->type, v->reference.type));
}

/* The unit as the index knows it: the code of its system, or else the unit as written. */
static bool quantity_fits(const struct search_operand *o, const struct search_value *v) {
  struct ucum_unit asked, unit;
  struct search_operand converted;
  if (search_quantity_is_ucum(o, &asked) && str_equal(o->system, v->quantity.system) &&
      ucum_parse(v->quantity.code, &unit))
    return search_quantity_convert(o, &asked, &unit, &converted) &&
           search_number_fits(&converted, v->quantity.from, v->quantity.to);
  if (!search_number_fits(o, v->quantity.from, v->quantity.to))
    return false;
  if (o->code.n == 0)
    return true;
  if (o->has_system)
    return str_equal(o->system, v->quantity.system) && str_equal(o->code, v->quantity.code);
  return str_equal(o->code, v->quantity.code) || str_equal(o->code, v->quantity.unit);
}

static bool value_fits(const struct matcher *m, enum search_modifier modifier,
                       const struct search_operand *o, const struct search_value *v) {
  switch (v->type) {
  case SEARCH_TOKEN:
    return token_value_fits(m, modifier, o, v);
  case SEARCH_REFERENCE:
    if (modifier == SEARCH_IDENTIFIER)
      return v->reference.identifier_value.n > 0 &&
             token_fits(o, v->reference.identifier_system, v->reference.identifier_value);
    return reference_fits(o, v) != (modifier == SEARCH_UNEQUAL);
  case SEARCH_DATE:
    return search_date_fits(o, v->date.from_us, v->date.to_us);
  case SEARCH_NUMBER:
    return search_number_fits(o, v->number.from, v->number.to);
  case SEARCH_QUANTITY:
    return quantity_fits(o, v);
  case SEARCH_STRING:
    return string_fits(modifier, o, v);
  case SEARCH_URI:
    return search_uri_fits(modifier, o->text, v->uri);
  case SEARCH_SPECIAL:
    return search_near_fits(o, v->number.from, v->number.to);
  case SEARCH_COMPOSITE:
    break;
  }
  return false;
}

/* Has the tuple of values[at] a value for every component? Each tuple is looked at from its first
 * value. */
static bool tuple_fits(const struct matcher *m, const struct search_operand *o, defs_param_id param,
                       struct search_values values, size_t at) {
  for (size_t part = 0; part < o->parts_n; part++) {
    bool fits = false;
    for (size_t i = at; i < values.n && !fits; i++) {
      const struct search_value *v = &values.p[i];
      fits = v->param == param && v->tuple == values.p[at].tuple && v->component == part + 1 &&
             value_fits(m, SEARCH_PLAIN, &o->parts[part], v);
    }
    if (!fits)
      return false;
  }
  return true;
}

static bool composite_fits(const struct matcher *m, const struct search_predicate *p,
                           const struct search_operand *o, struct search_values values) {
  uint32_t last = 0;
  for (size_t i = 0; i < values.n; i++) {
    const struct search_value *v = &values.p[i];
    if (v->param != p->param || v->tuple == last)
      continue;
    last = v->tuple;
    if (tuple_fits(m, o, p->param, values, i))
      return true;
  }
  return false;
}

static bool operand_fits(const struct matcher *m, const struct search_predicate *p,
                         const struct search_operand *o, struct search_values values) {
  if (p->value_type == SEARCH_COMPOSITE)
    return composite_fits(m, p, o, values);
  for (size_t i = 0; i < values.n; i++)
    if (values.p[i].param == p->param && value_fits(m, p->modifier, o, &values.p[i]))
      return true;
  return false;
}

static bool is_missing(const struct search_predicate *p, struct search_values values) {
  for (size_t i = 0; i < values.n; i++)
    if (values.p[i].param == p->param)
      return false;
  return true;
}

bool search_is_of_hierarchy(const struct search_predicate *p) {
  return p->value_type == SEARCH_REFERENCE &&
         (p->modifier == SEARCH_ABOVE || p->modifier == SEARCH_BELOW);
}

bool search_values_match(struct arena *arena, struct terminology *terminology,
                         const struct search_predicate *predicate, struct search_values values) {
  struct matcher m = {arena, terminology};
  if (predicate->modifier == SEARCH_MISSING)
    return is_missing(predicate, values) == predicate->is_missing;
  bool is_negated = predicate->modifier == SEARCH_NOT || predicate->modifier == SEARCH_NOT_IN;
  for (size_t i = 0; i < predicate->operands_n; i++)
    if (operand_fits(&m, predicate, &predicate->operands[i], values))
      return !is_negated;
  return is_negated;
}
