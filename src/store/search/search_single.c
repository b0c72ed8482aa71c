#include "store/search/search_single.h"

/* "Condition.onset" of "(Condition.onset as dateTime)", "Condition.onset.as(Age)". */
static struct str path_of(struct str branch) {
  branch = str_trim(branch);
  if (str_starts_with(branch, STR("(")))
    branch = str_slice(branch, 1, branch.n);
  ssize_t cut = str_find(branch, STR(" as "));
  if (cut < 0)
    cut = str_find(branch, STR(".as("));
  if (cut >= 0)
    branch = str_slice(branch, 0, (size_t)cut);
  if (str_ends_with(branch, STR(")")))
    branch = str_slice(branch, 0, branch.n - 1);
  return branch;
}

static const struct defs_element *element_of(defs_type_id type, struct str name) {
  const struct defs_type *facts = defs_type(type);
  for (uint32_t i = 0; i < facts->elements_n; i++) {
    const struct defs_element *element = defs_element(facts->first_element + i);
    if (str_equal(element->name, name))
      return element;
  }
  return NULL;
}

static bool is_single_path(struct str path) {
  struct str rest = path, name;
  (void)str_split(&rest, '.', &name);
  defs_type_id type = defs_type_by_name(name);
  if (!type || !rest.p)
    return false;
  while (str_split(&rest, '.', &name)) {
    const struct defs_element *element = type ? element_of(type, name) : NULL;
    if (!element || element->max != 1)
      return false;
    type = element->types_n == 1 ? defs_element_type(element->first_type)->type : 0;
  }
  return true;
}

bool search_is_single_valued(const struct defs_param *param) {
  struct str rest = param->expression, branch, only = STR("");
  while (str_split(&rest, '|', &branch)) {
    struct str path = path_of(branch);
    if (only.n > 0 && !str_equal(path, only))
      return false;
    only = path;
  }
  return is_single_path(only);
}
