#include "model/search_values_union.h"

#include <stdlib.h>

#define BRANCHES_MAX 8

struct parts {
  defs_param_id p[SEARCH_UNION_PARTS_MAX];
  uint8_t n;
};

/* By param; NULL before search_unions_init. */
static struct parts *unions;
static size_t unions_n;

/* The operands of '|' outside of parentheses. */
struct branches {
  struct str p[BRANCHES_MAX];
  size_t n;
};

static bool split_branches(struct str expression, struct branches *ret_branches) {
  struct branches branches = {0};
  size_t from = 0, depth = 0;
  for (size_t i = 0; i <= expression.n; i++) {
    char c = i < expression.n ? expression.p[i] : '|';
    if (c == '\'')
      return false; /* a literal may hold anything */
    depth += c == '(';
    depth -= c == ')' && depth > 0;
    if (c != '|' || (depth > 0 && i < expression.n))
      continue;
    if (branches.n == BRANCHES_MAX)
      return false;
    branches.p[branches.n++] = str_trim(str_slice(expression, from, i - from));
    from = i + 1;
  }
  *ret_branches = branches;
  return branches.n > 0;
}

static size_t find_branch(const struct branches *branches, struct str branch) {
  for (size_t i = 0; i < branches->n; i++)
    if (str_equal(branches->p[i], branch))
      return i;
  return SIZE_MAX;
}

static bool have_same_values(const struct defs_param *a, const struct defs_param *b) {
  if (a->type != b->type || a->base != b->base || a->components_n != b->components_n)
    return false;
  for (uint32_t i = 0; i < a->components_n; i++) {
    const struct defs_component *x = defs_component(a->first_component + i),
                                *y = defs_component(b->first_component + i);
    if (!str_equal(x->expression, y->expression) ||
        defs_param(x->param)->type != defs_param(y->param)->type)
      return false;
  }
  return true;
}

/* Which branches of `whole` those of `part` are, as bits; 0 unless they are some but not all. */
static unsigned branches_of_part(const struct branches *whole, struct str part) {
  struct branches branches;
  unsigned bits = 0;
  if (!split_branches(part, &branches))
    return 0;
  for (size_t i = 0; i < branches.n; i++) {
    size_t at = find_branch(whole, branches.p[i]);
    if (at == SIZE_MAX)
      return 0;
    bits |= 1u << at;
  }
  return bits == (1u << whole->n) - 1 ? 0 : bits;
}

static struct parts find_parts(defs_param_id id, const defs_param_id *others, size_t others_n) {
  const struct defs_param *param = defs_param(id);
  struct branches whole;
  struct parts parts = {0};
  bool can_be = param->type == SEARCH_TOKEN || param->type == SEARCH_QUANTITY ||
                param->type == SEARCH_COMPOSITE;
  if (!can_be || !split_branches(param->expression, &whole) || whole.n < 2)
    return parts;
  unsigned covered = 0, all = (1u << whole.n) - 1;
  for (size_t i = 0; i < others_n && covered != all; i++) {
    const struct defs_param *other = defs_param(others[i]);
    unsigned bits = others[i] != id && have_same_values(param, other)
                        ? branches_of_part(&whole, other->expression)
                        : 0;
    if ((bits & ~covered) == 0)
      continue;
    if (parts.n == SEARCH_UNION_PARTS_MAX)
      return (struct parts){0};
    parts.p[parts.n++] = others[i];
    covered |= bits;
  }
  return covered == all ? parts : (struct parts){0};
}

/* A part that is a union itself has no rows. */
static bool has_rows(const struct parts *parts) {
  for (size_t i = 0; i < parts->n; i++)
    if (unions[parts->p[i]].n > 0)
      return false;
  return true;
}

int search_unions_init(struct err *reterr) {
  if (unions)
    return 0;
  unions_n = defs_params_count() + 1;
  unions = calloc(unions_n, sizeof *unions);
  if (!unions)
    return err_no_memory(reterr);
  for (size_t type = 1; type <= defs_types_count(); type++) {
    if (!defs_is_resource(defs_type((defs_type_id)type)))
      continue;
    size_t n;
    const defs_param_id *params = defs_params_of((defs_type_id)type, &n);
    for (size_t i = 0; i < n; i++)
      unions[params[i]] = find_parts(params[i], params, n);
    for (size_t i = 0; i < n; i++)
      if (!has_rows(&unions[params[i]]))
        unions[params[i]].n = 0;
  }
  return 0;
}

const defs_param_id *search_union_parts(defs_param_id param, size_t *ret_n) {
  *ret_n = param < unions_n ? unions[param].n : 0;
  return *ret_n ? unions[param].p : NULL;
}
