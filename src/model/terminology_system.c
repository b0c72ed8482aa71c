/*
 * A CodeSystem as a table: concepts by code, the edges of the hierarchy, filters.
 *
 * Spec: http://hl7.org/fhir/R4/codesystem.html, valueset-filter-operator. Nesting and the
 * properties parent, child and subsumedBy are the hierarchy, whatever its hierarchyMeaning.
 */
#include "model/terminology_internal.h"

#include "model/fhirpath_regex.h"

#include <stdlib.h>

enum { NESTING_MAX = 90 }; /* JSON is no deeper */

/* ---- Reading --------------------------------------------------------------------------------- */

/* `child` is below `parent`: orders of definition at first, indices of sorted concepts then. */
struct edge {
  uint32_t parent, child;
};

struct reader {
  struct arena *arena;
  VEC(struct concept) concepts;
  VEC(struct edge) edges;
  struct err *err;
};

static struct str value_of(const struct yyjson_val *property) {
  struct json_each each = json_each(property);
  while (json_next(&each))
    if (str_starts_with(each.name, STR("value")))
      return json_kind(each.value) == JSON_OBJECT ? json_get_text(each.value, STR("code"))
                                                  : json_text(each.value);
  return STR_NULL;
}

static bool is_code_of_inactive(struct str code, struct str value) {
  if (str_is(code, "inactive"))
    return str_is(value, "true");
  return str_is(code, "status") && (str_is(value, "retired") || str_is(value, "inactive"));
}

static void read_flags(struct concept *concept) {
  struct json_each each = json_each(json_get(concept->node, STR("property")));
  while (json_next(&each)) {
    struct str code = json_get_text(each.value, STR("code")), value = value_of(each.value);
    if (str_is(code, "notSelectable") || str_is(code, "abstract"))
    concept->is_abstract |= str_is(value, "true");
    concept->is_inactive |= is_code_of_inactive(code, value);
  }
}

static int read_concepts(struct reader *r, const struct yyjson_val *list, uint32_t parent,
                         unsigned depth) {
  struct json_each each = json_each(list);
  if (depth > NESTING_MAX)
    return err_set(r->err, ERR_TOO_COSTLY, "CodeSystem.concept", "Concepts are nested too deeply.");
  while (json_next(&each)) {
    struct str code = json_get_text(each.value, STR("code"));
    if (code.n == 0)
      continue;
    if (r->concepts.n >= TERMINOLOGY_CONCEPTS_MAX)
      return err_set(r->err, ERR_TOO_COSTLY, "CodeSystem.concept",
                     "A code system may have at most %d concepts.", TERMINOLOGY_CONCEPTS_MAX);
    uint32_t order = (uint32_t)r->concepts.n;
    struct concept *concept = VEC_PUSH(r->arena, &r->concepts);
    if (!concept)
      return err_no_memory(r->err);
    *concept = (struct concept){.code = code,
                                .display = json_get_text(each.value, STR("display")),
                                .node = each.value,
                                .order = order};
    read_flags(concept);
    if (parent != UINT32_MAX) {
      struct edge *edge = VEC_PUSH(r->arena, &r->edges);
      if (!edge)
        return err_no_memory(r->err);
      *edge = (struct edge){parent, order};
    }
    int code_of = read_concepts(r, json_get(each.value, STR("concept")), order, depth + 1);
    if (code_of)
      return code_of;
  }
  return 0;
}

static int by_code(const void *a, const void *b) {
  const struct concept *left = a, *right = b;
  int order = str_compare(left->code, right->code);
  return order ? order : (left->order > right->order) - (left->order < right->order);
}

uint32_t code_system_find(const struct code_system *system, struct str code) {
  uint32_t low = 0, high = system->concepts_n;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (str_compare(system->concepts[middle].code, code) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < system->concepts_n && str_equal(system->concepts[low].code, code) ? low : UINT32_MAX;
}

/* Sorts; a code that is defined twice is one concept, its edges are those of both. */
static int sort_concepts(struct reader *r, struct code_system *system) {
  size_t n = r->concepts.n, kept = 0;
  uint32_t *places = ARENA_ARRAY(r->arena, uint32_t, n + 1);
  if (!places)
    return err_no_memory(r->err);
  if (n > 1)
    qsort(r->concepts.p, n, sizeof *r->concepts.p, by_code);
  for (size_t i = 0; i < n; i++) {
    struct concept concept = r->concepts.p[i];
    if (kept == 0 || !str_equal(r->concepts.p[kept - 1].code, concept.code))
    r->concepts.p[kept++] = concept;
    places[concept.order] = (uint32_t)kept - 1;
  }
  for (size_t i = 0; i < r->edges.n; i++)
    r->edges.p[i] = (struct edge){places[r->edges.p[i].parent], places[r->edges.p[i].child]};
  system->concepts = r->concepts.p;
  system->concepts_n = (uint32_t)kept;
  return 0;
}

/* Which properties are edges: by their code, or as CodeSystem.property.uri says. */
enum edge_kind { NO_EDGE, TO_PARENT, TO_CHILD };

static enum edge_kind kind_of_property(const struct yyjson_val *resource, struct str code) {
  if (str_is(code, "parent") || str_is(code, "subsumedBy"))
    return TO_PARENT;
  if (str_is(code, "child"))
    return TO_CHILD;
  struct json_each each = json_each(json_get(resource, STR("property")));
  while (json_next(&each)) {
    if (!str_equal(json_get_text(each.value, STR("code")), code))
      continue;
    struct str uri = json_get_text(each.value, STR("uri"));
    if (str_ends_with(uri, STR("concept-properties#parent")))
      return TO_PARENT;
    if (str_ends_with(uri, STR("concept-properties#child")))
      return TO_CHILD;
  }
  return NO_EDGE;
}

static int read_property_edges(struct reader *r, const struct yyjson_val *resource,
                               const struct code_system *system) {
  for (uint32_t i = 0; i < system->concepts_n; i++) {
    struct json_each each = json_each(json_get(system->concepts[i].node, STR("property")));
    while (json_next(&each)) {
      enum edge_kind kind = kind_of_property(resource, json_get_text(each.value, STR("code")));
      uint32_t other = kind ? code_system_find(system, value_of(each.value)) : UINT32_MAX;
      if (other == UINT32_MAX)
        continue;
      struct edge *edge = VEC_PUSH(r->arena, &r->edges);
      if (!edge)
        return err_no_memory(r->err);
      *edge = kind == TO_PARENT ? (struct edge){other, i} : (struct edge){i, other};
    }
  }
  return 0;
}

/* The edges as runs: the parents of each concept, then the children of each. */
static int lay_edges(struct reader *r, struct code_system *system) {
  uint32_t *places = ARENA_ARRAY(r->arena, uint32_t, r->edges.n * 2 + 1);
  if (!places)
    return err_no_memory(r->err);
  for (size_t i = 0; i < r->edges.n; i++) {
    system->concepts[r->edges.p[i].child].parents.n++;
    system->concepts[r->edges.p[i].parent].children.n++;
  }
  uint32_t at = 0;
  for (uint32_t i = 0; i < system->concepts_n; i++) {
    struct concept *concept = &system->concepts[i];
    concept->parents.first = at;
    concept->children.first = at + concept->parents.n;
    at += concept->parents.n + concept->children.n;
    concept->parents.n = concept->children.n = 0;
  }
  for (size_t i = 0; i < r->edges.n; i++) {
    struct edges *parents = &system->concepts[r->edges.p[i].child].parents;
    struct edges *children = &system->concepts[r->edges.p[i].parent].children;
    places[parents->first + parents->n++] = r->edges.p[i].parent;
    places[children->first + children->n++] = r->edges.p[i].child;
  }
  system->edges = places;
  return 0;
}

static enum system_content content_of(const struct yyjson_val *resource) {
  struct str content = json_get_text(resource, STR("content"));
  if (str_is(content, "complete"))
    return SYSTEM_COMPLETE;
  return str_is(content, "fragment") || str_is(content, "example") ? SYSTEM_FRAGMENT
                                                                   : SYSTEM_ABSENT;
}

int code_system_read(struct arena *arena, const struct yyjson_val *resource,
                     struct code_system *ret_system, struct err *reterr) {
  struct reader r = {.arena = arena, .err = reterr};
  struct code_system system = {.url = json_get_text(resource, STR("url")),
                               .version = json_get_text(resource, STR("version")),
                               .name = json_get_text(resource, STR("name")),
                               .content = content_of(resource),
                               .resource = resource};
  int code = 0;
  if (system.content != SYSTEM_ABSENT)
    code = read_concepts(&r, json_get(resource, STR("concept")), UINT32_MAX, 0);
  if (code == 0)
    code = sort_concepts(&r, &system);
  if (code == 0)
    code = read_property_edges(&r, resource, &system);
  if (code == 0)
    code = lay_edges(&r, &system);
  if (code == 0)
    *ret_system = system;
  return code;
}

struct str code_system_why(const struct code_system *system, struct arena *arena) {
  return arena_printf(arena,
                      system->content == SYSTEM_FRAGMENT
                          ? "Only a fragment of the code system %.*s is loaded."
                          : "The code system %.*s is not loaded.",
                      STR_ARG(system->url));
}

/* ---- The hierarchy --------------------------------------------------------------------------- */

int code_system_mark(const struct code_system *system, struct arena *arena, uint32_t from,
                     bool is_above, bool *marks, struct err *reterr) {
  uint32_t *waiting = ARENA_ARRAY(arena, uint32_t, system->concepts_n);
  uint32_t n = 0;
  if (!waiting)
    return err_no_memory(reterr);
  marks[from] = true;
  waiting[n++] = from;
  while (n > 0) {
    const struct concept *concept = &system->concepts[waiting[--n]];
    struct edges next = is_above ? concept->parents : concept->children;
    for (uint32_t i = 0; i < next.n; i++) {
      uint32_t other = system->edges[next.first + i];
      if (!marks[other])
        waiting[n++] = other; /* each once: there is room for all */
      marks[other] = true;
    }
  }
  return 0;
}

/* ---- Filters --------------------------------------------------------------------------------- */

enum filter_op {
  OP_NONE,
  OP_EQUAL,
  OP_IS_A,
  OP_DESCENDENT_OF,
  OP_IS_NOT_A,
  OP_REGEX,
  OP_IN,
  OP_NOT_IN,
  OP_GENERALIZES,
  OP_EXISTS,
};

static enum filter_op op_of(struct str text) {
  static const char *const names[] = {"",      "=",  "is-a",   "descendent-of", "is-not-a",
                                      "regex", "in", "not-in", "generalizes",   "exists"};
  for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
    if (str_is(text, names[i]))
      return (enum filter_op)i;
  return OP_NONE;
}

struct filter {
  enum filter_op op;
  struct str property, value;
  enum edge_kind edge; /* `parent = x`, `child = x` */
  struct fhirpath_regex *regex;
};

static bool is_listed(struct str list, struct str value) {
  struct str part;
  while (str_split(&list, ',', &part))
    if (str_equal(str_trim(part), value))
      return true;
  return false;
}

static int value_passes(const struct filter *filter, struct str value, bool *ret_passes,
                        struct err *reterr) {
  *ret_passes = false;
  switch (filter->op) {
  case OP_REGEX:
    return fhirpath_regex_match(filter->regex, value, true, ret_passes, reterr);
  case OP_IN:
  case OP_NOT_IN:
    *ret_passes = is_listed(filter->value, value);
    return 0;
  case OP_EXISTS:
    *ret_passes = true;
    return 0;
  default:
    *ret_passes = str_equal(filter->value, value);
    return 0;
  }
}

/* The values of `filter->property` that a concept has. */
static int any_value_passes(const struct code_system *system, const struct concept *concept,
                            const struct filter *filter, bool *ret_passes, struct err *reterr) {
  struct str property = filter->property;
  *ret_passes = false;
  if (str_is(property, "concept") || str_is(property, "code"))
    return value_passes(filter, concept->code, ret_passes, reterr);
  if (str_is(property, "display"))
    return value_passes(filter, concept->display, ret_passes, reterr);
  int code = 0;
  if (filter->edge) {
    struct edges edges = filter->edge == TO_PARENT ? concept->parents : concept->children;
    for (uint32_t i = 0; i < edges.n && code == 0 && !*ret_passes; i++)
      code = value_passes(filter, system->concepts[system->edges[edges.first + i]].code, ret_passes,
                          reterr);
    return code;
  }
  bool has_value = false;
  struct json_each each = json_each(json_get(concept->node, STR("property")));
  while (code == 0 && !*ret_passes && json_next(&each)) {
    if (!str_equal(json_get_text(each.value, STR("code")), property))
      continue;
    has_value = true;
    code = value_passes(filter, value_of(each.value), ret_passes, reterr);
  }
  /* a flag that isn't there is false */
  if (code == 0 && !has_value &&
      (str_is(property, "inactive") || str_is(property, "notSelectable")))
    *ret_passes = filter->op != OP_EXISTS && str_is(filter->value, "false");
  return code;
}

static int filter_values(const struct code_system *system, const struct filter *filter, bool *marks,
                         struct err *reterr) {
  bool wants = filter->op == OP_NOT_IN                                     ? false
               : filter->op == OP_EXISTS && str_is(filter->value, "false") ? false
                                                                           : true;
  for (uint32_t i = 0; i < system->concepts_n; i++) {
    bool passes;
    int code = any_value_passes(system, &system->concepts[i], filter, &passes, reterr);
    if (code)
      return code;
    marks[i] = passes == wants;
  }
  return 0;
}

static int filter_hierarchy(const struct code_system *system, struct arena *arena,
                            const struct filter *filter, bool *marks, bool *ret_is_known,
                            struct err *reterr) {
  uint32_t from = code_system_find(system, filter->value);
  *ret_is_known = from != UINT32_MAX;
  if (!*ret_is_known)
    return 0;
  int code = code_system_mark(system, arena, from, filter->op == OP_GENERALIZES, marks, reterr);
  if (filter->op == OP_DESCENDENT_OF)
    marks[from] = false;
  for (uint32_t i = 0; filter->op == OP_IS_NOT_A && i < system->concepts_n; i++)
    marks[i] = !marks[i];
  return code;
}

int code_system_filter(const struct code_system *system, struct arena *arena,
                       const struct yyjson_val *filter, bool *marks, bool *ret_is_known,
                       struct err *reterr) {
  struct filter f = {.op = op_of(json_get_text(filter, STR("op"))),
                     .property = json_get_text(filter, STR("property")),
                     .value = json_get_text(filter, STR("value"))};
  *ret_is_known = true;
  if (f.op == OP_NONE || f.property.n == 0)
    return err_set(reterr, ERR_VALUE, "ValueSet.compose.include.filter",
                   "A filter has a property, an operator of FHIR R4, and a value.");
  f.edge = kind_of_property(system->resource, f.property);
  switch (f.op) {
  case OP_IS_A:
  case OP_DESCENDENT_OF:
  case OP_IS_NOT_A:
  case OP_GENERALIZES:
    return filter_hierarchy(system, arena, &f, marks, ret_is_known, reterr);
  case OP_REGEX: {
    int code = fhirpath_regex_compile(arena, f.value, &f.regex, reterr);
    return code ? code : filter_values(system, &f, marks, reterr);
  }
  default:
    return filter_values(system, &f, marks, reterr);
  }
}
