/*
 * A ValueSet's compose, worked out: members, and what stays open.
 *
 * Spec: http://hl7.org/fhir/R4/valueset.html#compositions. Within an include everything must hold;
 * includes add up; excludes take away. Where a system is not loaded the logic is three-valued: what
 * is certain is kept apart from what can't be known.
 */
#include "model/terminology_internal.h"

#include <stdlib.h>

/* A set while it is put together; `members` and `excluded` are sorted where they are looked up. */
struct part {
  VEC(struct terminology_member) members, excluded;
  VEC(struct terminology_open) opens;
  struct str uncertain_why;
};

struct builder {
  struct terminology *t;
  struct arena *arena;
  const struct import *import;
  uint32_t order;
  bool drops_inactive; /* compose.inactive = false */
  struct err *err;
};

/* ---- Members --------------------------------------------------------------------------------- */

static int compare_members(const void *a, const void *b) {
  const struct terminology_member *x = a, *y = b;
  int order = str_compare(x->code, y->code);
  if (order == 0)
    order = str_compare(x->system, y->system);
  return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Sorts, and makes one of those with the same system and code. */
static size_t sort_members(struct terminology_member *p, size_t n) {
  size_t kept = 0;
  qsort(p, n, sizeof *p, compare_members);
  for (size_t i = 0; i < n; i++) {
    struct terminology_member *last = kept ? &p[kept - 1] : NULL;
    if (last && str_equal(last->code, p[i].code) && str_equal(last->system, p[i].system)) {
      last->is_certain |= p[i].is_certain;
      if (last->display.n == 0)
        last->display = p[i].display;
    } else {
      p[kept++] = p[i];
    }
  }
  return kept;
}

/* The first member with this code; others with it follow. */
static size_t first_with(const struct terminology_member *p, size_t n, struct str code) {
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (str_compare(p[middle].code, code) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static const struct terminology_member *find_member(const struct terminology_member *p, size_t n,
                                                    const struct terminology_coding *coding) {
  const struct terminology_member *found = NULL;
  for (size_t i = first_with(p, n, coding->code); i < n && str_equal(p[i].code, coding->code); i++)
    if (!coding->system.p || str_equal(p[i].system, coding->system)) {
      found = &p[i];
      if (found->is_certain)
        break;
    }
  return found;
}

static int push_member(struct builder *b, struct part *part, struct terminology_member member) {
  if (part->members.n >= TERMINOLOGY_MEMBERS_MAX)
    return err_set(b->err, ERR_TOO_COSTLY, "ValueSet.compose",
                   "A value set may have at most %d codes.", TERMINOLOGY_MEMBERS_MAX);
  struct terminology_member *place = VEC_PUSH(b->arena, &part->members);
  if (!place)
    return err_no_memory(b->err);
  *place = member;
  return 0;
}

static int push_open(struct builder *b, struct part *part, struct terminology_open open) {
  struct terminology_open *place = VEC_PUSH(b->arena, &part->opens);
  if (!place || !open.why.p)
    return err_no_memory(b->err);
  *place = open;
  return 0;
}

/* ---- What is in a set ------------------------------------------------------------------------ */

static bool covers(const struct terminology_open *open, struct str system) {
  return open->system.n == 0 || !system.p || str_equal(open->system, system);
}

static enum terminology_answer open_has(const struct terminology_open *open,
                                        const struct terminology_coding *coding,
                                        struct str *ret_why) {
  enum terminology_answer answer = TERMINOLOGY_UNKNOWN;
  if (open->extent == TERMINOLOGY_WHOLE && open->system.n > 0)
    answer = terminology_grammar(open->system, coding->code);
  if (answer == TERMINOLOGY_UNKNOWN && ret_why)
    *ret_why = open->why;
  return answer;
}

enum terminology_answer terminology_set_has(const struct terminology_value_set *set,
                                            const struct terminology_coding *coding,
                                            struct str *ret_why) {
  enum terminology_answer answer = TERMINOLOGY_NO;
  if (coding->code.n == 0)
    return TERMINOLOGY_NO;
  const struct terminology_member *member = find_member(set->members, set->members_n, coding);
  if (member && member->is_certain)
    return TERMINOLOGY_YES;
  if (member) {
    answer = TERMINOLOGY_UNKNOWN;
    if (ret_why)
      *ret_why = set->uncertain_why;
  }
  if (set->opens_n == 0 || find_member(set->excluded, set->excluded_n, coding))
    return answer;
  for (size_t i = 0; i < set->opens_n && answer != TERMINOLOGY_YES; i++)
    if (covers(&set->opens[i], coding->system)) {
      enum terminology_answer open = open_has(&set->opens[i], coding, ret_why);
      if (open != TERMINOLOGY_NO)
        answer = open;
    }
  return answer;
}

static struct terminology_coding coding_of(const struct terminology_member *member) {
  return (struct terminology_coding){.system = member->system.p ? member->system : STR(""),
                                     .code = member->code};
}

static enum terminology_answer has(const struct terminology_value_set *set,
                                   const struct terminology_member *member, struct str *ret_why) {
  struct terminology_coding coding = coding_of(member);
  return terminology_set_has(set, &coding, ret_why);
}

static struct terminology_value_set finish(struct part *part) {
  if (part->members.n > 1)
    part->members.n = sort_members(part->members.p, part->members.n);
  if (part->excluded.n > 1)
    part->excluded.n = sort_members(part->excluded.p, part->excluded.n);
  return (struct terminology_value_set){.members = part->members.p,
                                        .members_n = part->members.n,
                                        .opens = part->opens.p,
                                        .opens_n = part->opens.n,
                                        .excluded = part->excluded.p,
                                        .excluded_n = part->excluded.n,
                                        .uncertain_why = part->uncertain_why};
}

/* ---- Intersection, union, difference --------------------------------------------------------- */

/* What is common to two opens of one system; neither grammar nor list can say more. */
static int intersect_opens(struct builder *b, const struct terminology_value_set *x,
                           const struct terminology_value_set *y, struct part *both) {
  int code = 0;
  for (size_t i = 0; i < x->opens_n && code == 0; i++)
    for (size_t j = 0; j < y->opens_n && code == 0; j++) {
      const struct terminology_open *one = &x->opens[i], *other = &y->opens[j];
      if (one->system.n > 0 && other->system.n > 0 && !str_equal(one->system, other->system))
        continue;
      struct terminology_open open = one->extent >= other->extent ? *one : *other;
      open.system = one->system.n > 0 ? one->system : other->system;
      code = push_open(b, both, open);
    }
  return code;
}

/* The members of `x` that are in `y`. */
static int intersect_members(struct builder *b, const struct terminology_value_set *x,
                             const struct terminology_value_set *y, struct part *both) {
  int code = 0;
  for (size_t i = 0; i < x->members_n && code == 0; i++) {
    struct terminology_member member = x->members[i];
    struct str why = x->uncertain_why;
    enum terminology_answer answer = has(y, &member, &why);
    if (answer == TERMINOLOGY_NO)
      continue;
    member.is_certain &= answer == TERMINOLOGY_YES;
    if (!member.is_certain)
      both->uncertain_why = why;
    code = push_member(b, both, member);
  }
  return code;
}

static int add_excluded(struct builder *b, struct part *part,
                        const struct terminology_member *members, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!members[i].is_certain)
      continue;
    struct terminology_member *place = VEC_PUSH(b->arena, &part->excluded);
    if (!place)
      return err_no_memory(b->err);
    *place = members[i];
  }
  return 0;
}

static int intersect(struct builder *b, struct part *part, const struct terminology_value_set *y) {
  struct terminology_value_set x = finish(part);
  struct part both = {.uncertain_why = x.uncertain_why};
  int code = intersect_members(b, &x, y, &both);
  /* a member of one may be in what is open of the other */
  if (code == 0 && x.opens_n > 0)
    code = intersect_members(b, y, &x, &both);
  if (code == 0)
    code = intersect_opens(b, &x, y, &both);
  if (code == 0 && both.opens.n > 0)
    code = add_excluded(b, &both, x.excluded, x.excluded_n);
  if (code == 0 && both.opens.n > 0)
    code = add_excluded(b, &both, y->excluded, y->excluded_n);
  *part = both;
  return code;
}

/* What one of both excludes is excluded of both together only if the other hasn't it. */
static int keep_excluded(struct builder *b, struct part *sum, const struct terminology_value_set *x,
                         const struct terminology_value_set *y) {
  int code = 0;
  for (size_t i = 0; i < x->excluded_n && code == 0; i++)
    if (has(y, &x->excluded[i], NULL) == TERMINOLOGY_NO)
      code = add_excluded(b, sum, &x->excluded[i], 1);
  return code;
}

static int unite(struct builder *b, struct part *part, const struct terminology_value_set *y) {
  int code = 0;
  if (part->excluded.n + y->excluded_n > 0) {
    struct terminology_value_set x = finish(part);
    struct part excluded = {0};
    code = keep_excluded(b, &excluded, &x, y);
    if (code == 0)
      code = keep_excluded(b, &excluded, y, &x);
    part->excluded.p = excluded.excluded.p;
    part->excluded.n = excluded.excluded.n;
    part->excluded.capacity = excluded.excluded.capacity;
  }
  for (size_t i = 0; i < y->members_n && code == 0; i++)
    code = push_member(b, part, y->members[i]);
  for (size_t i = 0; i < y->opens_n && code == 0; i++)
    code = push_open(b, part, y->opens[i]);
  if (y->uncertain_why.n > 0)
    part->uncertain_why = y->uncertain_why;
  return code;
}

static int subtract(struct builder *b, struct part *part, const struct terminology_value_set *y) {
  struct terminology_value_set x = finish(part);
  struct part rest = {.uncertain_why = x.uncertain_why, .opens = part->opens};
  int code = 0;
  for (size_t i = 0; i < x.members_n && code == 0; i++) {
    struct terminology_member member = x.members[i];
    struct str why = STR_NULL;
    enum terminology_answer answer = has(y, &member, &why);
    if (answer == TERMINOLOGY_YES)
      continue;
    if (answer == TERMINOLOGY_UNKNOWN) {
      member.is_certain = false;
      rest.uncertain_why = why;
    }
    code = push_member(b, &rest, member);
  }
  if (code == 0 && x.opens_n > 0) {
    code = add_excluded(b, &rest, x.excluded, x.excluded_n);
    if (code == 0)
      code = add_excluded(b, &rest, y->members, y->members_n);
    /* what can't be known of the exclusion hides what is open */
    for (size_t i = 0; i < rest.opens.n && y->opens_n > 0; i++)
      rest.opens.p[i].extent = TERMINOLOGY_HIDDEN;
  }
  *part = rest;
  return code;
}

/* ---- Includes -------------------------------------------------------------------------------- */

static int add_concept(struct builder *b, struct part *part, const struct code_system *system,
                       uint32_t at) {
  const struct concept *concept = &system->concepts[at];
  if (concept->is_inactive && b->drops_inactive)
    return 0;
  return push_member(b, part,
                     (struct terminology_member){.system = system->url,
                                                 .code = concept->code,
                                                 .display = concept->display,
                                                 .order = b->order + concept->order,
                                                 .is_certain = true,
                                                 .is_abstract = concept->is_abstract});
}

static int add_listed(struct builder *b, struct part *part, struct str system,
                      const struct yyjson_val *listed) {
  struct json_each each = json_each(listed);
  int code = 0;
  while (code == 0 && json_next(&each)) {
    struct terminology_member member = {.system = system,
                                        .code = json_get_text(each.value, STR("code")),
                                        .display = json_get_text(each.value, STR("display")),
                                        .order = b->order++,
                                        .is_certain = true};
    if (member.code.n > 0)
      code = push_member(b, part, member);
  }
  return code;
}

/* Which concepts pass all filters. `*ret_is_known` false: one names a code that isn't there. */
static int pass_filters(struct builder *b, const struct code_system *system,
                        const struct yyjson_val *filters, bool *marks, bool *ret_is_known) {
  *ret_is_known = true;
  memset(marks, true, system->concepts_n);
  struct json_each each = json_each(filters);
  while (json_next(&each)) {
    bool *passed = ARENA_ARRAY(b->arena, bool, system->concepts_n + 1u);
    bool is_known = true;
    if (!passed)
      return err_no_memory(b->err);
    int code = code_system_filter(system, b->arena, each.value, passed, &is_known, b->err);
    if (code)
      return code;
    *ret_is_known &= is_known;
    for (uint32_t i = 0; i < system->concepts_n; i++)
      marks[i] &= passed[i];
  }
  return 0;
}

static int add_system(struct builder *b, struct part *part, struct str url, struct str version,
                      const struct yyjson_val *filters) {
  const struct code_system *system;
  struct str canonical =
      version.n > 0 ? arena_printf(b->arena, "%.*s|%.*s", STR_ARG(url), STR_ARG(version)) : url;
  int code = terminology_load_system(b->t, canonical, &system, b->err);
  if (code)
    return code;
  if (system->content == SYSTEM_ABSENT)
    return push_open(b, part,
                     (struct terminology_open){.system = url,
                                               .extent = json_count(filters) ? TERMINOLOGY_HIDDEN
                                                                             : TERMINOLOGY_WHOLE,
                                               .why = code_system_why(system, b->arena)});
  bool *marks = ARENA_ARRAY(b->arena, bool, system->concepts_n + 1u), is_known;
  if (!marks)
    return err_no_memory(b->err);
  code = pass_filters(b, system, filters, marks, &is_known);
  for (uint32_t i = 0; i < system->concepts_n && code == 0; i++)
    if (marks[i])
      code = add_concept(b, part, system, i);
  b->order += system->concepts_n;
  if (code == 0 && !is_known && system->content == SYSTEM_COMPLETE)
    return push_open(
        b, part,
        (struct terminology_open){
            .system = url,
            .extent = TERMINOLOGY_HIDDEN,
            .why = arena_printf(b->arena, "A filter names a code that %.*s does not have.",
                                STR_ARG(url))});
  if (code == 0 && system->content == SYSTEM_FRAGMENT)
    return push_open(b, part,
                     (struct terminology_open){.system = url,
                                               .extent = TERMINOLOGY_FRAGMENT,
                                               .why = code_system_why(system, b->arena)});
  return code;
}

/* An imported value set; one that isn't there leaves everything open. */
static int import_set(struct builder *b, struct str canonical,
                      const struct terminology_value_set **ret_set) {
  int code = terminology_load_set(b->t, canonical, b->import, ret_set, b->err);
  if (code != ERR_NOT_FOUND)
    return code;
  struct terminology_value_set *set = ARENA_NEW(b->arena, struct terminology_value_set);
  struct part part = {0};
  if (!set)
    return err_no_memory(b->err);
  code = push_open(
      b, &part,
      (struct terminology_open){.system = STR(""),
                                .extent = TERMINOLOGY_HIDDEN,
                                .why = arena_printf(b->arena,
                                                    "The value set %.*s, which is imported, is not "
                                                    "known.",
                                                    STR_ARG(canonical))});
  *set = finish(&part);
  *ret_set = set;
  return code;
}

static int add_include(struct builder *b, const struct yyjson_val *include, struct part *part) {
  struct str system = json_get_text(include, STR("system"));
  const struct yyjson_val *listed = json_get(include, STR("concept"));
  const struct yyjson_val *filters = json_get(include, STR("filter"));
  const struct yyjson_val *imports = json_get(include, STR("valueSet"));
  bool has_base = system.n > 0;
  int code = 0;
  if ((listed || filters) && !has_base)
    return err_set(b->err, ERR_VALUE, "ValueSet.compose.include",
                   "What lists or filters codes must name their system (vsd-2, vsd-3).");
  if (!has_base && json_count(imports) == 0)
    return err_set(b->err, ERR_VALUE, "ValueSet.compose.include",
                   "An include must name a system or a value set (vsd-1).");
  if (has_base)
    code = listed ? add_listed(b, part, system, listed)
                  : add_system(b, part, system, json_get_text(include, STR("version")), filters);
  struct json_each each = json_each(imports);
  while (code == 0 && json_next(&each)) {
    const struct terminology_value_set *set;
    code = import_set(b, json_text(each.value), &set);
    if (code == 0)
      code = has_base ? intersect(b, part, set) : unite(b, part, set);
    has_base = true;
  }
  return code;
}

/* ---- The whole ------------------------------------------------------------------------------- */

typedef int combine(struct builder *b, struct part *all, const struct terminology_value_set *set);

/* Combines each include or exclude of `list` with what is there already. */
static int add_each(struct builder *b, const struct yyjson_val *list, combine *with,
                    struct part *all) {
  struct json_each each = json_each(list);
  int code = 0;
  while (code == 0 && json_next(&each)) {
    struct part part = {0};
    code = add_include(b, each.value, &part);
    if (code)
      break;
    struct terminology_value_set set = finish(&part);
    code = with(b, all, &set);
  }
  return code;
}

static int add_compose(struct builder *b, const struct yyjson_val *compose, struct part *all) {
  const struct yyjson_val *inactive = json_get(compose, STR("inactive"));
  b->drops_inactive = json_kind(inactive) == JSON_BOOL && !json_is_true(inactive);
  int code = add_each(b, json_get(compose, STR("include")), unite, all);
  return code ? code : add_each(b, json_get(compose, STR("exclude")), subtract, all);
}

/* A set that is given as an expansion only. */
static int add_contains(struct builder *b, const struct yyjson_val *contains, struct part *all) {
  struct json_each each = json_each(contains);
  int code = 0;
  while (code == 0 && json_next(&each)) {
    struct terminology_member member = {.system = json_get_text(each.value, STR("system")),
                                        .code = json_get_text(each.value, STR("code")),
                                        .display = json_get_text(each.value, STR("display")),
                                        .order = b->order++,
                                        .is_certain = true};
    if (member.code.n > 0 && !json_is_true(json_get(each.value, STR("abstract"))))
      code = push_member(b, all, member);
    if (code == 0)
      code = add_contains(b, json_get(each.value, STR("contains")), all);
  }
  return code;
}

int value_set_build(struct terminology *t, struct arena *arena, const struct yyjson_val *resource,
                    const struct import *import, const struct terminology_value_set **ret_set,
                    struct err *reterr) {
  struct builder b = {.t = t, .arena = arena, .import = import, .err = reterr};
  struct terminology_value_set *set = ARENA_NEW(arena, struct terminology_value_set);
  const struct yyjson_val *compose = json_get(resource, STR("compose"));
  const struct yyjson_val *contains =
      json_get(json_get(resource, STR("expansion")), STR("contains"));
  struct part all = {0};
  if (!set)
    return err_no_memory(reterr);
  if (!compose && !contains)
    return err_set(reterr, ERR_NOT_SUPPORTED, "ValueSet.compose",
                   "The value set %.*s says nothing about its codes.",
                   STR_ARG(json_get_text(resource, STR("url"))));
  int code = compose ? add_compose(&b, compose, &all) : add_contains(&b, contains, &all);
  if (code)
    return code;
  *set = finish(&all);
  set->url = json_get_text(resource, STR("url"));
  set->version = json_get_text(resource, STR("version"));
  set->name = json_get_text(resource, STR("name"));
  set->title = json_get_text(resource, STR("title"));
  *ret_set = set;
  return arena_is_exhausted(arena) ? err_no_memory(reterr) : 0;
}
