/*
 * Conditions whose values are a whole set: of a value set (:in, :not-in), of a concept's relatives
 * (:above and :below on tokens), of a resource's relatives (:above and :below on references).
 *
 * Spec: http://hl7.org/fhir/R4/search.html#modifiers, #reference ("circular references").
 */
#include "store/search/search_terminology.h"

#include "base/map.h"
#include "store/search/search_match.h"

/* Resources that one value of :above or :below may stand for. */
enum { RELATIVES_MAX = 10000 };

int search_terminology(struct search_context *c, struct terminology **ret_terminology,
                       struct err *reterr) {
  int code = 0;
  if (!c->terminology)
    code = store_terminology_open(c->view, c->arena, &c->terminology, reterr);
  *ret_terminology = c->terminology;
  return code;
}

/* ---- Value sets ------------------------------------------------------------------------------ */

static void add_code(const struct schema *schema, struct str system, struct str code,
                     struct search_range_list *ranges) {
  int64_t hash = schema_token_hash(schema, system, code);
  search_range_add(ranges, hash, hash);
}

/* The codes of a set, each with its system and without, as an element of type code has none of its
 * own. Hashing is most of the work: the bits of a code are worked out once, those of a system when
 * it changes. */
static void add_members(const struct schema *schema, const struct terminology_value_set *set,
                        struct search_range_list *ranges) {
  struct str system = STR_NULL;
  int64_t system_bits = 0;
  for (size_t i = 0; i < set->members_n; i++) {
    const struct terminology_member *member = &set->members[i];
    int64_t code_bits = schema_token_first(schema, member->code);
    if (i == 0 || !str_equal(system, member->system)) {
      system = member->system;
      system_bits = schema_token_hash(schema, system, STR("")) & SCHEMA_TOKEN_SYSTEM_MASK;
    }
    search_range_add(ranges, code_bits, code_bits);
    if (system_bits)
      search_range_add(ranges, code_bits | system_bits, code_bits | system_bits);
  }
}

/* Which codes a search may take for all that there are: those of a fragment too, which is what this
 * server knows; but nothing where a part can't be named at all. */
static int check_searchable(const struct terminology_value_set *set, struct str canonical,
                            struct err *reterr) {
  struct str why = set->uncertain_why;
  for (size_t i = 0; i < set->opens_n; i++)
    if (set->opens[i].extent == TERMINOLOGY_HIDDEN)
      why = set->opens[i].why;
  if (why.n == 0)
    return 0;
  return err_set(reterr, ERR_NOT_SUPPORTED, "",
                 "The codes of the value set %.*s are not known. %.*s",
                 STR_ARG(str_slice(canonical, 0, 100)), STR_ARG(why));
}

/* Every code of a system: what is excluded of it is told by the body. */
static void set_whole(const struct schema *schema, const struct terminology_open *open,
                      struct search_test *test) {
  test->firsts = search_no_first;
  test->is_system_only = true;
  test->system = schema_token_hash(schema, open->system, STR("")) & SCHEMA_TOKEN_SYSTEM_MASK;
  test->needs_body = true;
}

static int load_sets(struct search_context *c, const struct search_predicate *p,
                     const struct terminology_value_set **sets, size_t *ret_opens,
                     struct err *reterr) {
  struct terminology *terminology;
  int code = search_terminology(c, &terminology, reterr);
  *ret_opens = 0;
  for (size_t i = 0; i < p->operands_n && code == 0; i++) {
    code = terminology_value_set(terminology, p->operands[i].text, &sets[i], reterr);
    if (code == 0)
      code = check_searchable(sets[i], p->operands[i].text, reterr);
    if (code == 0)
      *ret_opens += sets[i]->opens_n;
  }
  return code;
}

int search_value_set_tests(struct search_context *c, struct search_condition *condition,
                           struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  const struct terminology_value_set **sets =
      ARENA_ARRAY(c->arena, const struct terminology_value_set *, p->operands_n);
  struct search_range_list ranges = {.arena = c->arena};
  size_t opens_n, n = 0;
  if (!sets)
    return err_no_memory(reterr);
  int code = load_sets(c, p, sets, &opens_n, reterr);
  if (code)
    return code;
  struct search_test *tests = ARENA_ARRAY(c->arena, struct search_test, opens_n + 1);
  if (!tests)
    return err_no_memory(reterr);
  for (size_t i = 0; i < p->operands_n; i++) {
    add_members(c->schema, sets[i], &ranges);
    for (size_t k = 0; k < sets[i]->opens_n; k++)
      if (sets[i]->opens[k].extent == TERMINOLOGY_WHOLE)
        set_whole(c->schema, &sets[i]->opens[k], &tests[n++]);
  }
  struct search_ranges values = search_ranges_finish(&ranges);
  if (values.n > 0)
    tests[n++] = (struct search_test){.firsts = search_no_first, .values = values};
  condition->tests = tests;
  condition->tests_n = n;
  return ranges.is_out_of_memory ? err_no_memory(reterr) : search_spend(c, values.n, reterr);
}

bool search_value_set_has(struct terminology *terminology, struct str canonical, struct str system,
                          struct str code) {
  const struct terminology_value_set *set;
  struct terminology_coding coding = {.system = system.n > 0 ? system : STR_NULL, .code = code};
  if (!terminology || code.n == 0 || terminology_value_set(terminology, canonical, &set, NULL) != 0)
    return false;
  switch (terminology_set_has(set, &coding, NULL)) {
  case TERMINOLOGY_YES:
    return true;
  case TERMINOLOGY_NO:
    return false;
  case TERMINOLOGY_UNKNOWN:
    break;
  }
  for (size_t i = 0; i < set->opens_n && coding.system.p; i++)
    if (set->opens[i].extent == TERMINOLOGY_WHOLE && str_equal(set->opens[i].system, system))
      return true; /* what resources hold is taken for a code of its system */
  return false;
}

/* ---- Concepts -------------------------------------------------------------------------------- */

int search_concept_ranges(struct search_context *c, const struct search_operand *o, bool is_above,
                          struct search_range_list *ranges, struct err *reterr) {
  struct terminology *terminology;
  struct terminology_codes codes;
  int code = search_terminology(c, &terminology, reterr);
  if (code == 0)
    code =
        terminology_relatives(terminology, o->system, o->code, is_above, c->arena, &codes, reterr);
  for (size_t i = 0; code == 0 && i < codes.n; i++)
    add_code(c->schema, o->system, codes.p[i], ranges);
  return code ? code : search_spend(c, codes.n, reterr);
}

bool search_concept_fits(struct terminology *terminology, const struct search_operand *o,
                         bool is_above, struct str system, struct str code) {
  enum terminology_subsumption subsumption;
  if (!terminology || !str_equal(o->system, system) || code.n == 0)
    return false;
  if (str_equal(o->code, code))
    return true;
  if (terminology_subsumes(terminology, system, o->code, code, &subsumption, NULL) != 0)
    return false;
  return subsumption == (is_above ? TERMINOLOGY_SUBSUMED_BY : TERMINOLOGY_SUBSUMES);
}

/* ---- Resources ------------------------------------------------------------------------------- */

defs_param_id search_hierarchy_param(defs_type_id type) {
  static const char *const codes[] = {"partof", "part-of", "parent"};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    defs_param_id id = defs_param_by_code(type, str_of(codes[i]));
    const struct defs_param *param = defs_param(id);
    for (uint32_t k = 0; k < param->targets_n; k++)
      if (param->type == SEARCH_REFERENCE && defs_target(param->first_target + k) == type)
        return id;
  }
  return 0;
}

/* What was found so far, in the order of finding; each is looked at once. */
struct relatives {
  struct search_context *c;
  defs_type_id type;
  uint16_t param;
  VEC(uint64_t) rids;
  struct map seen;
};

static int add_relative(struct relatives *r, uint64_t rid, struct err *reterr) {
  struct arena *arena = r->c->arena;
  if (map_get(&r->seen, str_n((const char *)&rid, sizeof rid)))
    return 0;
  if (r->rids.n >= RELATIVES_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "", "more than %d resources lie above or below this one",
                   RELATIVES_MAX);
  struct str key = arena_str(arena, str_n((const char *)&rid, sizeof rid));
  uint64_t *place = VEC_PUSH(arena, &r->rids);
  if (!key.p || !place || map_set(&r->seen, key, r) < 0)
    return err_no_memory(reterr);
  *place = rid;
  return 0;
}

static int add_parents(struct relatives *r, const struct search_candidate *candidate,
                       struct err *reterr) {
  struct keys keys = search_keys_of(candidate->keys, KEYS_REFERENCE, r->param);
  int code = 0;
  for (size_t i = 0; i < keys.n && code == 0; i++)
    if (keys.p[i].target > 0)
      code = add_relative(r, (uint64_t)keys.p[i].target, reterr);
  return code;
}

static int add_children(struct relatives *r, uint64_t rid, struct err *reterr) {
  uint64_t children[64], after = 0;
  size_t n = 64;
  int code = 0;
  while (n == 64 && code == 0) {
    code = search_referrers(r->c, r->param, rid, after, children, 64, &n, reterr);
    for (size_t i = 0; i < n && code == 0; i++)
      code = add_relative(r, children[i], reterr);
    after = n ? children[n - 1] : after;
  }
  return code;
}

/* A hierarchy leads on only through resources of its type that the caller may see. */
static int look_at(struct relatives *r, uint64_t rid, bool is_above, struct err *reterr) {
  struct search_candidate candidate;
  bool found;
  int code = search_fetch(r->c, rid, &candidate, &found, reterr);
  if (code || !found || candidate.type != r->type)
    return code;
  return is_above ? add_parents(r, &candidate, reterr) : add_children(r, rid, reterr);
}

int search_resource_ranges(struct search_context *c, defs_type_id type, uint64_t rid, bool is_above,
                           struct search_range_list *ranges, struct err *reterr) {
  defs_param_id param = search_hierarchy_param(type);
  struct relatives r = {.c = c, .type = type, .param = schema_param_number(c->schema, param)};
  map_init(&r.seen, c->arena);
  int code = add_relative(&r, rid, reterr);
  for (size_t i = 0; param && i < r.rids.n && code == 0; i++)
    code = look_at(&r, r.rids.p[i], is_above, reterr);
  for (size_t i = 0; i < r.rids.n && code == 0; i++)
    search_range_add(ranges, (int64_t)r.rids.p[i], (int64_t)r.rids.p[i]);
  return code;
}
