/* SearchParameter, CompartmentDefinition -> parameters by base. */
#include "fhir.h"

static const struct {
  const char *name;
  enum search_type type;
} search_types[] = {
    {"number", SEARCH_NUMBER},       {"date", SEARCH_DATE},
    {"string", SEARCH_STRING},       {"token", SEARCH_TOKEN},
    {"reference", SEARCH_REFERENCE}, {"composite", SEARCH_COMPOSITE},
    {"quantity", SEARCH_QUANTITY},   {"uri", SEARCH_URI},
    {"special", SEARCH_SPECIAL},
};

static enum search_type search_type_of(struct str name) {
  for (size_t i = 0; i < sizeof search_types / sizeof *search_types; i++)
    if (str_is(name, search_types[i].name))
      return search_types[i].type;
  fail("'%.*s' is not a type of search parameter", STR_ARG(name));
}

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "(Patient.deceased as dateTime)" -> "Patient" */
static struct str first_name(struct str branch) {
  size_t from = 0, to;
  while (from < branch.n && (branch.p[from] == '(' || branch.p[from] == ' '))
    from++;
  for (to = from; to < branch.n && is_name_char(branch.p[to]);)
    to++;
  return str_slice(branch, from, to - from);
}

/* Takes the branch before the next '|' that is in no bracket or string off the front of `*rest`. */
static bool next_branch(struct str *rest, struct str *ret_branch) {
  if (!rest->p)
    return false;
  int depth = 0;
  bool is_in_string = false;
  for (size_t i = 0; i < rest->n; i++) {
    char c = rest->p[i];
    is_in_string ^= c == '\'';
    depth += c == '(';
    depth -= c == ')';
    if (c == '|' && depth == 0 && !is_in_string) {
      *ret_branch = str_trim(str_slice(*rest, 0, i));
      *rest = str_slice(*rest, i + 1, rest->n);
      return true;
    }
  }
  *ret_branch = str_trim(*rest);
  *rest = STR_NULL;
  return true;
}

/*
 * The branches of `expression` that apply to `base`: those that begin with its name. A branch that
 * begins with no type's name ("name | alias" of InsurancePlan) applies to every base.
 */
static struct str expression_for(struct compile *c, struct str expression, struct str base) {
  struct buf kept;
  buf_init_arena(&kept, c->arena, expression.n + 1);
  struct str rest = expression, branch;
  while (next_branch(&rest, &branch)) {
    struct str first = first_name(branch);
    if (!str_equal(first, base) && type_id(c, first))
      continue;
    if (kept.n > 0)
      buf_add_z(&kept, " | ");
    buf_add(&kept, branch);
  }
  return buf_str(&kept);
}

static void add_param(struct compile *c, const struct yyjson_val *source, struct str base) {
  struct str url = json_get_text(source, STR("url"));
  struct defs_param param = {
      .code = json_get_text(source, STR("code")),
      .url = url,
      .base = type_id(c, base),
      .type = search_type_of(json_get_text(source, STR("type"))),
      .first_target = (uint32_t)c->targets.n,
  };
  if (!param.base)
    fail("%.*s is on the unknown type '%.*s'", STR_ARG(url), STR_ARG(base));
  struct str expression = json_get_text(source, STR("expression"));
  if (!str_is_empty(expression)) {
    param.expression = expression_for(c, expression, base);
    if (str_is_empty(param.expression))
      fail("no branch of %.*s is for %.*s", STR_ARG(url), STR_ARG(base));
  }
  struct json_each each = json_each(json_get(source, STR("target")));
  while (json_next(&each)) {
    defs_type_id target = type_id(c, json_text(each.value));
    if (!target)
      fail("%.*s leads to the unknown type '%.*s'", STR_ARG(url), STR_ARG(json_text(each.value)));
    *PUSH(c, &c->targets) = target;
  }
  param.targets_n = (uint16_t)(c->targets.n - param.first_target);
  if (c->params.n > UINT16_MAX - 1)
    fail("too many search parameters");
  *PUSH(c, &c->params) = param;
}

static defs_param_id param_by_url(const struct compile *c, struct str url, defs_type_id base) {
  for (defs_type_id type = base; type; type = c->types.p[type].base)
    for (size_t i = 1; i < c->params.n; i++)
      if (c->params.p[i].base == type && str_equal(c->params.p[i].url, url))
        return (defs_param_id)i;
  return 0;
}

static void add_components(struct compile *c, defs_param_id id, const struct yyjson_val *source) {
  struct defs_param *param = &c->params.p[id];
  param->first_component = (uint32_t)c->components.n;
  struct json_each each = json_each(json_get(source, STR("component")));
  while (json_next(&each)) {
    struct str definition = json_get_text(each.value, STR("definition"));
    struct defs_component component = {.param = param_by_url(c, definition, param->base),
                                       .expression = json_get_text(each.value, STR("expression"))};
    if (!component.param)
      fail("%.*s has the unknown component %.*s", STR_ARG(param->url), STR_ARG(definition));
    *PUSH(c, &c->components) = component;
  }
  param->components_n = (uint16_t)(c->components.n - param->first_component);
}

/* Own parameters, then those of the bases. */
static void add_param_list(struct compile *c, defs_type_id type) {
  struct defs_range range = {.first = (uint32_t)c->param_lists.n};
  for (defs_type_id t = type; t; t = c->types.p[t].base)
    if (c->types.p[t].kind == DEFS_KIND_RESOURCE)
      for (size_t i = 1; i < c->params.n; i++)
        if (c->params.p[i].base == t)
          *PUSH(c, &c->param_lists) = (defs_param_id)i;
  range.n = (uint32_t)(c->param_lists.n - range.first);
  *PUSH(c, &c->type_params) = range;
}

struct source_param {
  const struct yyjson_val *definition;
};

void compile_params(struct compile *c, const struct yyjson_val *bundle) {
  struct json_each each = json_each(json_get(bundle, STR("entry")));
  VEC(struct source_param) sources = {0}; /* in step with c->params */
  (void)PUSH(c, &sources);
  while (json_next(&each)) {
    const struct yyjson_val *source = json_get(each.value, STR("resource"));
    struct json_each bases = json_each(json_get(source, STR("base")));
    while (json_next(&bases)) {
      add_param(c, source, json_text(bases.value));
      PUSH(c, &sources)->definition = source;
    }
  }
  for (size_t i = 1; i < c->params.n; i++)
    add_components(c, (defs_param_id)i, sources.p[i].definition);
  for (size_t type = 1; type < c->types.n; type++)
    add_param_list(c, (defs_type_id)type);
}

static defs_param_id param_by_code(const struct compile *c, defs_type_id type, struct str code) {
  const struct defs_range *range = &c->type_params.p[type];
  for (uint32_t i = 0; i < range->n; i++) {
    defs_param_id id = c->param_lists.p[range->first + i];
    if (str_equal(c->params.p[id].code, code))
      return id;
  }
  return 0;
}

static void add_compartment_params(struct compile *c, const struct yyjson_val *definition,
                                   defs_type_id type) {
  struct defs_range range = {.first = (uint32_t)c->param_lists.n};
  struct json_each each = json_each(json_get(definition, STR("resource")));
  while (json_next(&each)) {
    if (!str_equal(json_get_text(each.value, STR("code")), c->types.p[type].name))
      continue;
    struct json_each params = json_each(json_get(each.value, STR("param")));
    while (json_next(&params)) {
      struct str code = json_text(params.value);
      defs_param_id id = param_by_code(c, type, code);
      if (id)
        *PUSH(c, &c->param_lists) = id;
      else if (!str_is(code, "{def}")) /* the resource itself */
        fail("compartment %.*s: %.*s has no parameter '%.*s'",
             STR_ARG(json_get_text(definition, STR("code"))), STR_ARG(c->types.p[type].name),
             STR_ARG(code));
    }
  }
  range.n = (uint32_t)(c->param_lists.n - range.first);
  *PUSH(c, &c->compartment_params) = range;
}

void compile_compartments(struct compile *c, const struct yyjson_val *bundle) {
  struct json_each each = json_each(json_get(bundle, STR("entry")));
  while (json_next(&each)) {
    const struct yyjson_val *definition = json_get(each.value, STR("resource"));
    if (!str_is(json_get_text(definition, STR("resourceType")), "CompartmentDefinition"))
      continue;
    *PUSH(c, &c->compartments) = type_id(c, json_get_text(definition, STR("code")));
    for (size_t type = 0; type < c->types.n; type++)
      add_compartment_params(c, definition, (defs_type_id)type);
  }
}
