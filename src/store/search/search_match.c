#include "store/search/search_match.h"

#include "store/search/search_contained.h"
#include "store/search/search_text.h"

#include "store/search/search_near.h"
#include "format/json.h"

/* ---- Contained resources --------------------------------------------------------------------- */

struct target_names {
  struct arena *arena;
  VEC(struct target_name {
    defs_type_id type;
    struct str id;
  })
  list;
};

static size_t note_target(void *what, defs_type_id type, struct str id) {
  struct target_names *names = what;
  struct target_name *place = VEC_PUSH(names->arena, &names->list);
  if (!place)
    return SIZE_MAX;
  *place = (struct target_name){type, id};
  return names->list.n - 1;
}

int search_contained_keys(struct search_context *c, struct search_candidate *candidate,
                          struct err *reterr) {
  struct target_names names = {.arena = c->scratch};
  struct keys_made made;
  if (candidate->has_contained_keys)
    return 0;
  int code =
      keys_make(c->scratch, c->schema, candidate->values, note_target, &names, &made, reterr);
  uint64_t *rids = code ? NULL : ARENA_ARRAY(c->scratch, uint64_t, names.list.n + 1);
  if (!rids)
    return code ? code : err_no_memory(reterr);
  for (size_t i = 0; i < names.list.n && code == 0; i++) {
    code = search_spend(c, SEARCH_STEP_QUERY, reterr);
    if (code == 0)
      code =
          store_rid(c->db, c->schema, names.list.p[i].type, names.list.p[i].id, &rids[i], reterr);
  }
  if (code == 0)
    code = keys_complete(c->scratch, &made, rids, &candidate->keys, reterr);
  candidate->has_contained_keys = code == 0;
  return code;
}

/* What it takes to ask the condition of a contained resource: links are followed by its keys, all
 * else is asked of its values, as the vocabulary of the store need not know them. */
static bool is_asked_of_keys(const struct search_predicate *p) {
  return p->subject == SEARCH_ON_CHAIN || p->subject == SEARCH_ON_COMPARTMENT ||
         search_is_of_hierarchy(p);
}

static bool has_asked_id(const struct search_predicate *p, struct str id) {
  for (size_t i = 0; i < p->operands_n; i++)
    if (str_equal(p->operands[i].id, id))
      return true;
  return false;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

enum truth { NO, YES, UNSURE };

static bool precedes(const struct key *key, enum keys_table table, uint16_t param) {
  return key->table < table || (key->table == table && key->param < param);
}

struct keys search_keys_of(struct keys keys, enum keys_table table, uint16_t param) {
  size_t from = 0, to = keys.n;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (precedes(&keys.p[middle], table, param))
      from = middle + 1;
    else
      to = middle;
  }
  for (to = from; to < keys.n && keys.p[to].table == table && keys.p[to].param == param; to++)
    ;
  return (struct keys){keys.p + from, to - from};
}

static enum truth string_test(enum search_modifier modifier, const struct search_test *test,
                              const struct schema *schema, const struct key *key) {
  struct str asked = schema_cut(test->operand->folded);
  if (modifier == SEARCH_EXACT)
    return str_equal(key->folded, asked) &&
                   key->exact == schema_exact_hash(schema, test->operand->text)
               ? YES
               : NO;
  bool is_cut = key->folded.n + 4 > SCHEMA_FOLDED_MAX_BYTES;
  if (modifier == SEARCH_EQUALS)
    return !str_equal(key->folded, asked) ? NO : is_cut ? UNSURE : YES;
  if (modifier == SEARCH_ENDS && !is_cut)
    return str_ends_with(key->folded, asked) ? YES : NO;
  if (modifier != SEARCH_CONTAINS && modifier != SEARCH_ENDS)
    return str_starts_with(key->folded, asked) ? YES : NO;
  if (modifier == SEARCH_CONTAINS && str_find(key->folded, test->operand->folded) >= 0)
    return YES;
  /* what was cut off may hold it */
  return is_cut ? UNSURE : NO;
}

static enum truth key_test(const struct search_context *c, const struct search_condition *condition,
                           const struct search_test *test, const struct key *key) {
  if (test->is_any_value)
    return UNSURE;
  if (!test->is_any_first && !search_ranges_have(test->firsts, key->first))
    return NO;
  enum truth truth = NO;
  switch ((enum keys_table)key->table) {
  case KEYS_TOKEN:
  case KEYS_URI:
  case KEYS_REFERENCE:
    truth = test->is_system_only ? (key->hash & SCHEMA_TOKEN_SYSTEM_MASK) == test->system
                                 : search_ranges_have(test->values, key->hash);
    break;
  case KEYS_DATE:
    truth = search_date_fits(test->operand, key->lo, key->date.hi);
    break;
  case KEYS_NUMBER:
    truth = condition->type == SEARCH_SPECIAL
                ? search_near_fits(test->operand, key->number.from, key->number.to)
                : search_number_fits(test->operand, key->number.from, key->number.to);
    break;
  case KEYS_QUANTITY:
    truth = search_ranges_have(test->values, key->hash) &&
            search_number_fits(test->operand, key->number.from, key->number.to);
    break;
  case KEYS_STRING:
    truth = string_test(condition->predicate->modifier, test, c->schema, key);
    break;
  case KEYS_TABLES:
    break;
  }
  return truth == YES && test->needs_body ? UNSURE : truth;
}

static bool is_in_compartment(const struct search_condition *condition,
                              const struct search_candidate *candidate) {
  if (condition->rids_n == 0)
    return false;
  for (size_t i = 0; i < candidate->keys.n; i++) {
    const struct key *key = &candidate->keys.p[i];
    uint16_t param = (uint16_t)key->param;
    if (key->table == KEYS_REFERENCE && key->target == (int64_t)condition->rids[0] &&
        condition->params_n > 0 &&
        bsearch(&param, condition->params, condition->params_n, sizeof param,
                search_compare_params))
      return true;
  }
  return candidate->rid == condition->rids[0];
}

static bool has_param(struct keys keys, uint16_t param) {
  for (size_t i = 0; i < keys.n; i++)
    if (keys.p[i].param == param)
      return true;
  return false;
}

static enum truth param_truth(const struct search_context *c,
                              const struct search_condition *condition,
                              const struct search_candidate *candidate) {
  const struct search_predicate *p = condition->predicate;
  if (p->modifier == SEARCH_MISSING)
    return has_param(candidate->keys, condition->param) != p->is_missing ? YES : NO;
  struct keys keys = search_keys_of(candidate->keys, condition->table, condition->param);
  enum truth truth = NO;
  for (size_t i = 0; i < keys.n && truth != YES; i++)
    for (size_t t = 0; t < condition->tests_n && truth != YES; t++) {
      enum truth one = key_test(c, condition, &condition->tests[t], &keys.p[i]);
      truth = one == NO ? truth : one;
    }
  if (!condition->is_negated || truth == UNSURE)
    return truth;
  return truth == YES ? NO : YES;
}

static bool last_updated_fits(const struct search_predicate *p, int64_t updated_us) {
  for (size_t i = 0; i < p->operands_n; i++)
    if (search_date_fits(&p->operands[i], updated_us, updated_us + 1))
      return true;
  return false;
}

static bool id_fits(const struct search_condition *condition,
                    const struct search_candidate *candidate) {
  return candidate->is_contained
             ? has_asked_id(condition->predicate, candidate->id)
             : search_rids_have(condition->rids, condition->rids_n, candidate->rid);
}

/* ---- Links ----------------------------------------------------------------------------------- */

/* What was found out about targets of links, so that each is looked at once. A table of fixed size
 * where a newer answer takes the place of an older one. */
enum { MEMO_PLACES = 4096 };
struct search_memo {
  struct {
    uint64_t rid;
    uint32_t condition;
    bool is_known, matches;
  } places[MEMO_PLACES];
};

static size_t memo_place(size_t condition, uint64_t rid) {
  return (size_t)((rid * 0x9e3779b97f4a7c15u + condition * 0xff51afd7ed558ccdu) >> 52);
}

static bool memo_get(const struct search_context *c, size_t condition, uint64_t rid, bool *ret) {
  size_t place = memo_place(condition, rid);
  if (!c->memo || !c->memo->places[place].is_known || c->memo->places[place].rid != rid ||
      c->memo->places[place].condition != condition)
    return false;
  *ret = c->memo->places[place].matches;
  return true;
}

static void memo_set(struct search_context *c, size_t condition, uint64_t rid, bool matches) {
  if (!c->memo)
    c->memo = ARENA_NEW(c->arena, struct search_memo);
  if (!c->memo)
    return; /* it only saves time */
  size_t place = memo_place(condition, rid);
  c->memo->places[place].rid = rid;
  c->memo->places[place].condition = (uint32_t)condition;
  c->memo->places[place].is_known = true;
  c->memo->places[place].matches = matches;
}

/* Is the resource `rid` of the type of one of `targets`, and does it satisfy it? */
static int link_matches(struct search_context *c, const struct search_condition *condition,
                        uint64_t rid, bool *ret_matches, struct err *reterr) {
  if (memo_get(c, condition->number, rid, ret_matches))
    return 0;
  struct search_candidate candidate;
  bool found, matches = false;
  int code = search_fetch(c, rid, &candidate, &found, reterr);
  for (size_t i = 0; i < condition->targets_n && code == 0 && found && !matches; i++)
    if (condition->targets[i].predicate->type == candidate.type)
      code = search_matches(c, &condition->targets[i], 1, &candidate, &matches, reterr);
  if (code)
    return code;
  memo_set(c, condition->number, rid, matches);
  *ret_matches = matches;
  return 0;
}

static int chain_matches(struct search_context *c, const struct search_condition *condition,
                         const struct search_candidate *candidate, bool *ret_matches,
                         struct err *reterr) {
  struct keys keys = search_keys_of(candidate->keys, KEYS_REFERENCE, condition->param);
  bool leads_inside = false;
  int code = 0;
  *ret_matches = false;
  for (size_t i = 0; i < keys.n && code == 0 && !*ret_matches; i++)
    if (keys.p[i].target > 0)
      code = link_matches(c, condition, (uint64_t)keys.p[i].target, ret_matches, reterr);
    else
      leads_inside = leads_inside || keys.p[i].target == search_contained_target(c);
  if (code == 0 && !*ret_matches && leads_inside)
    code = search_contained_chain(c, condition, candidate, ret_matches, reterr);
  return code;
}

static int has_matches(struct search_context *c, const struct search_condition *condition,
                       const struct search_candidate *candidate, bool *ret_matches,
                       struct err *reterr) {
  uint64_t rids[64], after = 0;
  size_t n = 64;
  int code = 0;
  if (condition->solved->is_known) {
    *ret_matches = search_rids_have(condition->solved->rids, condition->solved->n, candidate->rid);
    return 0;
  }
  *ret_matches = false;
  while (n == 64 && !*ret_matches) {
    code = search_referrers(c, condition->param, candidate->rid, after, rids, 64, &n, reterr);
    for (size_t i = 0; i < n && code == 0 && !*ret_matches; i++)
      code = link_matches(c, condition, rids[i], ret_matches, reterr);
    if (code)
      return code;
    after = n ? rids[n - 1] : after;
  }
  return 0;
}

/* ---- All together ---------------------------------------------------------------------------- */

static int any_matches(struct search_context *c, const struct search_condition *condition,
                       struct search_candidate *candidate, bool *ret_matches, struct err *reterr) {
  int code = 0;
  *ret_matches = false;
  for (size_t i = 0; i < condition->targets_n && code == 0 && !*ret_matches; i++)
    code = search_matches(c, &condition->targets[i], 1, candidate, ret_matches, reterr);
  return code;
}

static int one_matches(struct search_context *c, const struct search_condition *condition,
                       struct search_candidate *candidate, bool *ret_matches, struct err *reterr) {
  enum truth truth = NO;
  condition->cost->tests++;
  defs_type_id only = condition->predicate->type;
  int code = 0;
  *ret_matches = false;
  if (only && only != candidate->type)
    return 0;
  if (candidate->is_contained && is_asked_of_keys(condition->predicate))
    code = search_contained_keys(c, candidate, reterr);
  if (code)
    return code;
  switch (condition->predicate->subject) {
  case SEARCH_ON_ALL:
    return search_matches(c, condition->targets, condition->targets_n, candidate, ret_matches,
                          reterr);
  case SEARCH_ON_ANY:
    return any_matches(c, condition, candidate, ret_matches, reterr);
  case SEARCH_ON_NOT:
    code = search_matches(c, condition->targets, 1, candidate, ret_matches, reterr);
    *ret_matches = !*ret_matches;
    return code;
  case SEARCH_ON_COMPARTMENT:
    truth = is_in_compartment(condition, candidate) ? YES : NO;
    break;
  case SEARCH_ON_CHAIN:
    return chain_matches(c, condition, candidate, ret_matches, reterr);
  case SEARCH_ON_HAS:
    return has_matches(c, condition, candidate, ret_matches, reterr);
  case SEARCH_ON_ID:
    truth = condition->predicate->modifier == SEARCH_MISSING ? !condition->predicate->is_missing
                                                             : id_fits(condition, candidate);
    break;
  case SEARCH_ON_LAST_UPDATED:
    truth = condition->predicate->modifier == SEARCH_MISSING
                ? !condition->predicate->is_missing
                : last_updated_fits(condition->predicate, candidate->updated_us);
    break;
  case SEARCH_ON_TEXT:
    if (candidate->is_contained) /* its text is indexed with its container */
      return 0;
    return search_text_matches(c, condition, candidate, ret_matches, reterr);
  case SEARCH_ON_PARAM:
    truth = candidate->is_contained && !search_is_of_hierarchy(condition->predicate)
                ? UNSURE
                : param_truth(c, condition, candidate);
    break;
  }
  *ret_matches = truth == YES;
  if (truth != UNSURE)
    return 0;
  code = search_fetch_values(c, candidate, reterr);
  if (code == 0)
    *ret_matches =
        search_values_match(c->scratch, c->terminology, condition->predicate, candidate->values);
  return code;
}

static bool is_link(const struct search_condition *condition) {
  /* or joins some that may be; a text needs the body */
  return condition->targets_n > 0 || condition->predicate->subject == SEARCH_ON_TEXT;
}

int search_matches(struct search_context *c, const struct search_condition *conditions, size_t n,
                   struct search_candidate *candidate, bool *ret_matches, struct err *reterr) {
  /* what is at hand before what must be fetched */
  for (int links = 0; links < 2; links++)
    for (size_t i = 0; i < n; i++) {
      if (is_link(&conditions[i]) != (links == 1))
        continue;
      int code = one_matches(c, &conditions[i], candidate, ret_matches, reterr);
      if (code || !*ret_matches)
        return code;
      conditions[i].cost->passed++;
    }
  *ret_matches = true;
  return 0;
}
