#include "model/validate.h"

#include <stdarg.h>

#include "model/terminology.h"
#include "model/validate_internal.h"
#include "model/validate_primitive.h"

#define ISSUES_MAX_DEFAULT 100
/* Of elements within elements. */
#define DEPTH_MAX 100

/* NULL without memory. */
static struct err *add_issue(struct validator *v) {
  struct err *err = VEC_PUSH(v->arena, &v->issues->list);
  if (!err)
    v->has_no_memory = v->is_full = true;
  return err;
}

void validate_report(struct validator *v, const struct place *place, enum err_code code,
                     const char *format, ...) {
  struct err *err = v->is_full ? NULL : add_issue(v);
  if (!err)
    return;
  struct buf where;
  char text[sizeof err->text];
  va_list args;
  buf_init_arena(&where, v->arena, 1 << 16);
  place_write(&where, place);
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  (void)err_set_at(err, code, buf_str(&where), "%s", text);
  v->issues->errors_n++;
  if (v->issues->list.n < v->max_issues)
    return;
  v->is_full = true;
  err = add_issue(v);
  if (!err)
    return;
  (void)err_set(err, ERR_TOO_COSTLY, "",
                "The first %zu faults are listed; there may be more of them.", v->max_issues);
  err->severity = ERR_SEVERITY_INFORMATION;
}

/* One object while its members are walked. */
struct object {
  const struct yyjson_val *json;
  const struct defs_type *type;
  defs_type_id type_id;
  const struct place *place;
  uint64_t seen;                                         /* bit i: the type's element i is there */
  const struct defs_property *chosen[DEFS_ELEMENTS_MAX]; /* set where the bit is */
};

static void check_object(struct validator *v, defs_type_id type, const struct yyjson_val *json,
                         const struct place *place);

/* The first element of every element is its id. */
#define SEEN_ID ((uint64_t)1)

static bool is_primitive(const struct defs_type *type) {
  return type->kind == DEFS_KIND_PRIMITIVE;
}

static const char *kind_name(enum json_kind kind) {
  static const char *const names[] = {
      [JSON_MISSING] = "nothing",  [JSON_NULL] = "null",       [JSON_BOOL] = "true or false",
      [JSON_NUMBER] = "a number",  [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
      [JSON_OBJECT] = "an object",
  };
  return names[kind];
}

static enum json_kind kind_of_primitive(enum defs_builtin type) {
  if (type == DEFS_BOOLEAN)
    return JSON_BOOL;
  return type >= DEFS_INTEGER && type <= DEFS_DECIMAL ? JSON_NUMBER : JSON_STRING;
}

static void check_primitive(struct validator *v, const struct defs_type *type,
                            const struct defs_element *element, const struct yyjson_val *value,
                            const struct place *place) {
  enum json_kind kind = json_kind(value), wanted = kind_of_primitive(type->builtin);
  if (kind != wanted) {
    validate_report(v, place, ERR_STRUCTURE, "This is %s in JSON; a %.*s must be %s.",
                    kind_name(kind), STR_ARG(type->name), kind_name(wanted));
    return;
  }
  struct str text = json_text(value);
  if (type->builtin == DEFS_XHTML) {
    const char *fault = xhtml_fault(text);
    if (fault)
      validate_report(v, place, ERR_INVALID, "%s", fault);
    return;
  }
  if (type->builtin >= DEFS_URI && type->builtin <= DEFS_CANONICAL && text.n > 0 &&
      text.p[0] == '#')
    validate_note_local(v, text);
  if (!primitive_is_valid(type->builtin, text))
    validate_report(v, place, ERR_VALUE, "This must be %s.", primitive_form(type->builtin));
  else if (element->value_set && !(defs_value_set_is_enumerable(element->value_set)
                                       ? defs_value_set_has(element->value_set, STR_NULL, text)
                                       : terminology_form_fits(element->value_set_url, text)))
    validate_report(v, place, ERR_CODE_INVALID,
                    "This code is not one of the value set %.*s, which is required here.",
                    STR_ARG(element->value_set_url));
}

static void check_resource(struct validator *v, const struct yyjson_val *resource,
                           const struct place *place) {
  if (json_kind(resource) != JSON_OBJECT) {
    validate_report(v, place, ERR_STRUCTURE, "This is %s in JSON; a resource must be an object.",
                    kind_name(json_kind(resource)));
    return;
  }
  defs_type_id type = defs_type_by_name(json_get_text(resource, STR("resourceType")));
  if (!defs_is_resource(defs_type(type))) {
    validate_report(v, place, ERR_STRUCTURE,
                    "This must be a resource, with a resourceType that FHIR R4 defines.");
    return;
  }
  const struct yyjson_val *outer = v->resource;
  size_t errors_before = v->issues->errors_n;
  v->resource = resource;
  check_object(v, type, resource, place);
  if (v->with_invariants && resource == v->container.resource &&
      v->issues->errors_n == errors_before)
    validate_contained_use(v, place);
  v->resource = outer;
}

/* A resource in a resource: a contained one shares the container's "#id"s, others have their own.
 */
static void check_inner_resource(struct validator *v, const struct defs_element *element,
                                 const struct yyjson_val *value, const struct place *place) {
  struct container outer = v->container;
  bool is_contained = str_is(element->name, "contained");
  if (!is_contained)
    v->container = (struct container){.resource = value};
  check_resource(v, value, place);
  if (!is_contained)
    v->container = outer;
}

static void check_value(struct validator *v, const struct defs_property *property,
                        const struct yyjson_val *value, const struct place *place) {
  const struct defs_element *element = defs_element(property->element);
  const struct defs_type *type = defs_type(property->type);
  if (is_primitive(type)) {
    check_primitive(v, type, element, value, place);
    return;
  }
  if (type->builtin == DEFS_RESOURCE) {
    check_inner_resource(v, element, value, place);
    return;
  }
  check_object(v, property->type, value, place);
  if (type->builtin >= DEFS_REFERENCE && json_kind(value) == JSON_OBJECT)
    validate_value(v, element, property->type, value, place);
}

/* The "_name" beside a primitive's "name". */
static const struct yyjson_val *sibling_of(const struct validator *v,
                                           const struct yyjson_val *object, struct str name) {
  struct str sibling = arena_printf(v->arena, "_%.*s", STR_ARG(name));
  return sibling.p ? json_get(object, sibling) : NULL;
}

/* The nulls of an array of primitives stand for values that have only extensions; `extras` is the
 * array of these, walked in step. */
static void check_array(struct validator *v, const struct defs_property *property,
                        const struct yyjson_val *object, const struct yyjson_val *array,
                        const struct place *place) {
  const struct defs_element *element = defs_element(property->element);
  size_t n = json_count(array);
  if (json_kind(array) != JSON_ARRAY || n == 0) {
    validate_report(v, place, ERR_STRUCTURE,
                    n == 0 && json_kind(array) == JSON_ARRAY
                        ? "This array is empty; leave it out."
                        : "This may be there several times, so it must be an array.");
    return;
  }
  if (element->max != DEFS_MANY && n > element->max)
    validate_report(v, place, ERR_STRUCTURE, "There are %zu of these; at most %u are allowed.", n,
                    element->max);
  bool may_have_nulls = is_primitive(defs_type(property->type));
  struct json_each extras = {0};
  bool has_extras = false;
  struct place item = *place;
  struct json_each each = json_each(array);
  while (json_next(&each) && !v->is_full) {
    item.index = (ssize_t)each.index;
    if (json_kind(each.value) != JSON_NULL) {
      check_value(v, property, each.value, &item);
      continue;
    }
    if (may_have_nulls && !has_extras) {
      extras = json_each(sibling_of(v, object, property->name));
      has_extras = true;
    }
    bool is_there = false;
    while (has_extras && !is_there && json_next(&extras))
      is_there = extras.index == each.index;
    if (!is_there || json_kind(extras.value) != JSON_OBJECT)
      validate_report(v, &item, ERR_STRUCTURE,
                      "A null is allowed only in an array of simple values, where the array beside "
                      "it (with '_' before its name) has something at that place.");
  }
}

/* The id and extensions of one primitive, whose value may be missing. */
static void check_extra(struct validator *v, defs_type_id type, const struct yyjson_val *value,
                        const struct yyjson_val *extra, const struct place *place) {
  check_object(v, type, extra, place);
  bool has_value = value && json_kind(value) != JSON_NULL;
  if (!has_value && json_kind(extra) == JSON_OBJECT && !json_get(extra, STR("extension")))
    validate_report(v, place, ERR_INVARIANT,
                    "This has an id but neither a value nor an extension (ele-1).");
}

static void check_extra_array(struct validator *v, defs_type_id type,
                              const struct yyjson_val *values, const struct yyjson_val *extras,
                              const struct place *place) {
  if (json_kind(extras) != JSON_ARRAY || json_count(extras) == 0) {
    validate_report(v, place, ERR_STRUCTURE,
                    "What stands beside an array of values must be an array that is not empty.");
    return;
  }
  struct place item = *place;
  struct json_each each = json_each(extras), value = json_each(values);
  bool has_value = json_kind(values) == JSON_ARRAY;
  while (json_next(&each) && !v->is_full) {
    has_value = has_value && json_next(&value);
    item.index = (ssize_t)each.index;
    if (json_kind(each.value) != JSON_NULL)
      check_extra(v, type, has_value ? value.value : NULL, each.value, &item);
    else if (!has_value)
      validate_report(v, &item, ERR_STRUCTURE, "This has neither a value nor an extension.");
  }
}

/* Notes that the element of `property` is there. */
static void note(struct validator *v, struct object *o, const struct defs_property *property,
                 const struct place *place) {
  uint32_t i = property->element - o->type->first_element;
  if ((o->seen >> i & 1) && o->chosen[i] != property)
    validate_report(v, place, ERR_STRUCTURE,
                    "This is there in two of its types; only one is allowed.");
  o->seen |= (uint64_t)1 << i;
  o->chosen[i] = property;
}

/* A property's name is the sender's: only a plain short one is repeated. */
static void report_unknown(struct validator *v, const struct object *o, struct str name) {
  bool is_plain = name.n > 0 && name.n <= 40;
  for (size_t i = 0; i < name.n && is_plain; i++)
    is_plain = (name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= 'A' && name.p[i] <= 'Z') ||
               (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '_' || name.p[i] == '-';
  if (is_plain)
    validate_report(v, o->place, ERR_STRUCTURE, "'%.*s' is not a property of %.*s.", STR_ARG(name),
                    STR_ARG(o->type->name));
  else
    validate_report(v, o->place, ERR_STRUCTURE, "There is a property that %.*s doesn't have.",
                    STR_ARG(o->type->name));
}

/* "_birthDate": the id and extensions of the primitive birthDate. */
static void check_sibling(struct validator *v, struct object *o, const struct json_each *member) {
  struct str name = str_slice(member->name, 1, member->name.n);
  const struct defs_property *property = defs_property(o->type_id, name);
  if (!property || !is_primitive(defs_type(property->type))) {
    report_unknown(v, o, member->name);
    return;
  }
  const struct defs_element *element = defs_element(property->element);
  struct place place = place_of(o->place, element->name);
  note(v, o, property, &place);
  if (element->max > 1)
    check_extra_array(v, property->type, json_get(o->json, name), member->value, &place);
  else
    check_extra(v, property->type, json_get(o->json, name), member->value, &place);
}

static void check_member(struct validator *v, struct object *o, const struct json_each *member) {
  if (member->name.n > 0 && member->name.p[0] == '_') {
    check_sibling(v, o, member);
    return;
  }
  const struct defs_property *property = defs_property(o->type_id, member->name);
  if (!property) {
    if (o->type->kind != DEFS_KIND_RESOURCE || !str_is(member->name, "resourceType"))
      report_unknown(v, o, member->name);
    return;
  }
  const struct defs_element *element = defs_element(property->element);
  struct place place = place_of(o->place, element->name);
  note(v, o, property, &place);
  if (element->max > 1)
    check_array(v, property, o->json, member->value, &place);
  else
    check_value(v, property, member->value, &place);
}

static void report_missing(struct validator *v, const struct object *o) {
  uint64_t missing = o->type->required & ~o->seen;
  for (; missing; missing &= missing - 1) {
    const struct defs_element *element =
        defs_element(o->type->first_element + (uint32_t)__builtin_ctzll(missing));
    struct place place = place_of(o->place, element->name);
    validate_report(v, &place, ERR_REQUIRED, "%.*s must have '%.*s%s'.", STR_ARG(o->type->name),
                    STR_ARG(element->name), element->is_choice ? "[x]" : "");
  }
}

/* ext-1: a value or extensions, not both. */
static void check_extension(struct validator *v, const struct object *o) {
  bool has_value = false, has_extensions = false;
  for (uint32_t i = 0; i < o->type->elements_n; i++) {
    const struct defs_element *element = defs_element(o->type->first_element + i);
    bool is_there = o->seen >> i & 1;
    has_value |= is_there && element->is_choice;
    has_extensions |= is_there && str_is(element->name, "extension");
  }
  if (has_value && has_extensions)
    validate_report(v, o->place, ERR_INVARIANT,
                    "An extension has either a value or extensions, not both (ext-1).");
  else if (!has_value && !has_extensions)
    validate_report(v, o->place, ERR_INVARIANT,
                    "An extension must have a value or extensions (ext-1).");
}

static void check_object(struct validator *v, defs_type_id type, const struct yyjson_val *json,
                         const struct place *place) {
  struct object o; /* `chosen` is left as it is: `seen` says what is in it */
  o.json = json;
  o.type = defs_type(type);
  o.type_id = type;
  o.place = place;
  o.seen = 0;
  size_t errors_before = v->issues->errors_n;
  if (json_kind(json) != JSON_OBJECT) {
    validate_report(v, place, ERR_STRUCTURE, "This is %s in JSON; it must be an object (%.*s).",
                    kind_name(json_kind(json)), STR_ARG(o.type->name));
    return;
  }
  if (place->depth > DEPTH_MAX) {
    validate_report(v, place, ERR_TOO_LONG, "This is nested deeper than %d levels.", DEPTH_MAX);
    return;
  }
  struct json_each each = json_each(json);
  while (json_next(&each) && !v->is_full)
    check_member(v, &o, &each);
  if (json_count(json) == 0)
    validate_report(v, place, ERR_STRUCTURE, "This object is empty; leave it out.");
  else if (o.seen == SEEN_ID && o.type->kind != DEFS_KIND_RESOURCE && !is_primitive(o.type))
    validate_report(v, place, ERR_INVARIANT, "This has an id and nothing else (ele-1).");
  else
    report_missing(v, &o);
  if (o.type->builtin == DEFS_EXTENSION)
    check_extension(v, &o);
  /* A rule says nothing useful of what has the wrong shape. */
  if (v->with_invariants && v->issues->errors_n == errors_before)
    validate_invariants(v, type, json, place);
}

int validate_resource(struct arena *arena, const struct yyjson_val *resource,
                      const struct validate_options *options, struct issues *issues,
                      struct err *reterr) {
  struct validator v = {.arena = arena,
                        .issues = issues,

                        .container = {.resource = resource},
                        .max_issues = options && options->max_issues ? options->max_issues
                                                                     : ISSUES_MAX_DEFAULT,
                        .with_invariants = options && options->with_invariants};
  const struct defs_type *type =
      defs_type(defs_type_by_name(json_get_text(resource, STR("resourceType"))));
  struct place place = place_of(NULL, defs_is_resource(type) ? type->name : STR("Resource"));
  check_resource(&v, resource, &place);
  arena_free(v.scratch);
  return v.has_no_memory ? err_no_memory(reterr) : 0;
}
