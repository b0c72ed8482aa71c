/* Containers from the index, and what stands inside them as candidates. */
#include "store/search/search_contained.h"

#include "store/body/body.h"
#include "store/schema/fact.h"

/* ---- A contained resource as a candidate ----------------------------------------------------- */

/* Without keys: search_contained_keys makes them where a link is to be followed. `*ret_is` false:
 * it can't be read, so nothing finds it. */
static int make_candidate(struct search_context *c, const struct yyjson_val *container,
                          const struct yyjson_val *body, int64_t updated_us,
                          struct search_candidate *ret_candidate, bool *ret_is,
                          struct err *reterr) {
  struct search_candidate candidate = {
      .type = defs_type_by_name(json_get_text(body, STR("resourceType"))),
      .updated_us = updated_us,
      .id = json_get_text(body, STR("id")),
      .is_contained = true,
      .has_values = true,
      .container = container};
  int code = search_spend(c, SEARCH_STEP_FETCH, reterr);
  if (code)
    return code;
  code = search_values_extract(c->scratch, body, &candidate.values, reterr);
  *ret_is = code == 0;
  *ret_candidate = candidate;
  return code == ERR_NO_MEMORY ? code : 0;
}

int search_contained_of_row(struct search_context *c, const struct search_row *row,
                            struct search_candidate *ret_candidate, struct err *reterr) {
  const struct yyjson_val *body;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  bool is;
  int code = json_parse(c->scratch, row->resource.body, &limits, &body, reterr);
  if (code == 0)
    code = make_candidate(c, NULL, body, row->resource.updated_us, ret_candidate, &is, reterr);
  return code ? code : search_contained_keys(c, ret_candidate, reterr);
}

/* ---- Chains ---------------------------------------------------------------------------------- */

int64_t search_contained_target(const struct search_context *c) {
  return schema_url_target(c->schema, STR(SEARCH_CONTAINED_URL));
}

/* Does the index know of a resource in it that is of one of the types that the chain leads to? */
static bool contains_target(const struct search_context *c,
                            const struct search_condition *condition,
                            const struct search_candidate *candidate) {
  struct keys keys = search_keys_of(candidate->keys, KEYS_TOKEN, KEYS_CONTAINED_PARAM);
  for (size_t i = 0; i < keys.n; i++)
    for (size_t t = 0; t < condition->targets_n; t++)
      if (keys.p[i].hash == schema_type_number(c->schema, condition->targets[t].predicate->type))
        return true;
  return false;
}

static int one_satisfies(struct search_context *c, const struct search_condition *condition,
                         const struct search_candidate *from, const struct yyjson_val *container,
                         struct str id, bool *ret_matches, struct err *reterr) {
  struct json_each each = json_each(json_get(container, STR("contained")));
  bool found = false;
  while (!found && json_next(&each))
    found = str_equal(json_get_text(each.value, STR("id")), id);
  struct search_candidate candidate;
  if (!found)
    return 0;
  int code = make_candidate(c, container, each.value, from->updated_us, &candidate, &found, reterr);
  for (size_t i = 0; i < condition->targets_n && code == 0 && found && !*ret_matches; i++)
    if (condition->targets[i].predicate->type == candidate.type)
      code = search_matches(c, &condition->targets[i], 1, &candidate, ret_matches, reterr);
  return code;
}

int search_contained_chain(struct search_context *c, const struct search_condition *condition,
                           const struct search_candidate *candidate, bool *ret_matches,
                           struct err *reterr) {
  const struct yyjson_val *container = candidate->container;
  struct search_values values = candidate->values;
  int code = 0;
  *ret_matches = false;
  if (candidate->is_contained ? !container : !contains_target(c, condition, candidate))
    return 0;
  if (!candidate->is_contained) {
    code = search_fetch_body(c, candidate, &container, reterr);
    if (code == 0)
      code = search_values_extract(c->scratch, container, &values, reterr);
  }
  for (size_t i = 0; code == 0 && i < values.n && !*ret_matches; i++)
    if (values.p[i].param == condition->predicate->param && values.p[i].reference.contained.n > 0)
      code = one_satisfies(c, condition, candidate, container, values.p[i].reference.contained,
                           ret_matches, reterr);
  return code;
}

/* ---- Containers ------------------------------------------------------------------------------ */

/* The numbers of the types that are searched in, as ranges. */
static struct search_ranges numbers_of_types(struct search_context *c, struct search_types types) {
  struct search_range_list ranges = {.arena = c->arena};
  if (types.n == 0)
    search_range_add(&ranges, 1, (int64_t)c->schema->types_n);
  for (size_t i = 0; i < types.n; i++) {
    int64_t number = schema_type_number(c->schema, types.p[i]);
    search_range_add(&ranges, number, number);
  }
  struct search_ranges finished = search_ranges_finish(&ranges);
  if (ranges.is_out_of_memory)
    finished = (struct search_ranges){0};
  return finished;
}

/* "Contains a resource of one of these types": a condition like those that are asked for, so that
 * the plan reads it as it reads any other. */
static int make_driver(struct search_context *c, const struct search *search,
                       struct search_condition *ret_condition, struct err *reterr) {
  struct search_predicate *predicate = ARENA_NEW(c->arena, struct search_predicate);
  struct search_test *test = ARENA_NEW(c->arena, struct search_test);
  struct search_cost *cost = ARENA_NEW(c->arena, struct search_cost);
  if (!predicate || !test || !cost)
    return err_no_memory(reterr);
  *predicate = (struct search_predicate){
      .subject = SEARCH_ON_PARAM, .name = STR("contained"), .value_type = SEARCH_TOKEN};
  *test =
      (struct search_test){.firsts = search_no_first, .values = numbers_of_types(c, search->types)};
  if (test->values.n == 0)
    return err_no_memory(reterr);
  *ret_condition = (struct search_condition){.predicate = predicate,
                                             .cost = cost,
                                             .type = SEARCH_TOKEN,
                                             .table = KEYS_TOKEN,
                                             .param = KEYS_CONTAINED_PARAM,
                                             .tests = test,
                                             .tests_n = 1,
                                             .number = c->conditions_n++};
  return 0;
}

/* An old file learns what contains what in the background; until then the answer would lack some.
 */
static int check_form(struct search_context *c, struct err *reterr) {
  bool is_current = false;
  int code = fact_is(c->db, FACT_INDEX_FORM, STR(SCHEMA_INDEX_FORM), &is_current, reterr);
  if (code || is_current)
    return code;
  return err_set(reterr, ERR_BUSY, "_contained",
                 "the index is being brought up to date; try again later");
}

struct walk {
  struct search_context *c;
  const struct search *search;
  const struct search_condition *conditions;
  struct search_condition driver;
  struct search_wish wish;
  struct search_source *source;
  struct search_candidate container; /* at hand; rid 0: none is */
  const struct yyjson_val *body;     /* its body */
  struct json_each each;             /* what is left of it */
  uint32_t place;
};

static int walk_open(struct walk *w, struct search_context *c, const struct search *search,
                     const struct search_condition *conditions, bool wants_all,
                     struct err *reterr) {
  *w = (struct walk){.c = c, .search = search, .conditions = conditions};
  uint64_t behind = search->mark.is_contained && !wants_all ? search->mark.rid : 0;
  w->wish = (struct search_wish){
      .conditions = &w->driver,
      .n = 1,
      /* more of the last container's may match */
      .after = behind && search->returns_contained ? behind - 1 : behind,
      .count = search->count,
      .wants_all = wants_all,
      .reads_bodies = true,
  };
  int code = check_form(c, reterr);
  if (code == 0)
    code = make_driver(c, search, &w->driver, reterr);
  c->types = (struct search_types){0}; /* a container may be of any */
  return code ? code : search_source_open(c, &w->wish, &w->source, reterr);
}

/* With `both` a container that matches by itself has been given already. */
static int was_given(struct walk *w, bool *ret_was, struct err *reterr) {
  const struct search *search = w->search;
  *ret_was = false;
  if (search->contained != SEARCH_CONTAINED_BOTH || search->returns_contained ||
      !search_types_have(search->types, w->container.type))
    return 0;
  return search_matches(w->c, w->conditions, search->predicates_n, &w->container, ret_was, reterr);
}

/* The next container that may be seen; `container.rid` 0 at the end. */
static int next_container(struct walk *w, struct err *reterr) {
  bool found = false, was = false;
  int code = 0;
  do {
    arena_reset(w->c->scratch);
    code = search_source_fetch(w->source, &w->container, &found, reterr);
    if (code == 0 && found)
      search_source_matched(w->source); /* its body is read in any case */
    if (code == 0 && found)
      code = was_given(w, &was, reterr);
  } while (code == 0 && w->container.rid && (!found || was));
  const struct yyjson_val *body = NULL;
  if (code == 0 && w->container.rid)
    code = search_fetch_body(w->c, &w->container, &body, reterr);
  w->container.rid = code ? 0 : w->container.rid;
  w->body = body;
  w->each = json_each(json_get(body, STR("contained")));
  w->place = 0;
  return code;
}

static bool is_behind_mark(const struct walk *w) {
  const struct search_mark *mark = &w->search->mark;
  return !mark->is_contained || w->wish.wants_all || w->container.rid != mark->rid ||
         w->place > mark->place;
}

static int inner_matches(struct walk *w, const struct yyjson_val *body, bool *ret_matches,
                         struct err *reterr) {
  struct search_candidate candidate;
  defs_type_id type = defs_type_by_name(json_get_text(body, STR("resourceType")));
  *ret_matches = false;
  if (!type || !search_types_have(w->search->types, type) || !is_behind_mark(w))
    return 0;
  int code =
      make_candidate(w->c, w->body, body, w->container.updated_us, &candidate, ret_matches, reterr);
  if (code || !*ret_matches)
    return code;
  return search_matches(w->c, w->conditions, w->search->predicates_n, &candidate, ret_matches,
                        reterr);
}

/* The next match; `*ret_body` NULL at the end. It stays on the scratch arena until the next call.
 */
static int walk_next(struct walk *w, const struct yyjson_val **ret_body, struct err *reterr) {
  *ret_body = NULL;
  for (;;) {
    while (w->container.rid && json_next(&w->each)) {
      bool matches;
      w->place++;
      int code = inner_matches(w, w->each.value, &matches, reterr);
      if (code)
        return code;
      if (!matches)
        continue;
      *ret_body = w->each.value;
      if (!w->search->returns_contained) /* once, however many match in it */
        w->each = json_each(NULL);
      return 0;
    }
    int code = next_container(w, reterr);
    if (code || w->container.rid == 0)
      return code;
  }
}

/* ---- Pages and totals ------------------------------------------------------------------------ */

static int keep_row(struct walk *w, const struct yyjson_val *body, struct search_row *ret_row,
                    struct err *reterr) {
  struct arena *arena = w->c->arena;
  struct buf buf;
  buf_init_arena(&buf, arena, BODY_MAX_BYTES);
  json_write(&buf, body);
  struct search_row row = {.resource = {.rid = w->container.rid,
                                        .type = w->container.type,
                                        .id = arena_str(arena, w->container.id),
                                        .updated_us = w->container.updated_us,
                                        .body = buf_str(&buf)},
                           .is_contained = true,
                           .contained_id = arena_str(arena, json_get_text(body, STR("id")))};
  if (buf_is_overflown(&buf) || !row.resource.id.p || !row.contained_id.p)
    return err_no_memory(reterr);
  *ret_row = row;
  return 0;
}

int search_contained_page(struct search_context *c, const struct search *search,
                          const struct search_condition *conditions, size_t count,
                          struct search_inner_page *ret_page, struct err *reterr) {
  struct search_inner_page page = {.p = ARENA_ARRAY(c->arena, struct search_inner, count + 1)};
  struct walk *w = ARENA_NEW(c->arena, struct walk); /* the source borrows of it */
  if (!page.p || !w)
    return err_no_memory(reterr);
  int code = walk_open(w, c, search, conditions, false, reterr);
  while (code == 0 && page.n <= count) {
    const struct yyjson_val *body;
    code = walk_next(w, &body, reterr);
    if (code || !body)
      break;
    struct search_inner *inner = &page.p[page.n++];
    *inner = (struct search_inner){.rid = w->container.rid, .place = w->place};
    if (search->returns_contained && page.n <= count)
      code = keep_row(w, body, &inner->row, reterr);
  }
  page.has_more = page.n > count;
  page.n -= page.has_more;
  *ret_page = page;
  return code;
}

int search_contained_count(struct search_context *c, const struct search *search,
                           const struct search_condition *conditions, uint64_t max, uint64_t *ret_n,
                           struct err *reterr) {
  struct walk *w = ARENA_NEW(c->arena, struct walk);
  uint64_t n = 0;
  if (!w)
    return err_no_memory(reterr);
  int code = walk_open(w, c, search, conditions, true, reterr);
  while (code == 0 && (max == 0 || n < max)) {
    const struct yyjson_val *body;
    code = walk_next(w, &body, reterr);
    if (code || !body)
      break;
    n++;
  }
  *ret_n = n;
  return code;
}
