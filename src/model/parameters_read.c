/* From a SearchParameter resource to the parameters that it adds. */
#include "model/parameters.h"
#include "model/search_values_plan.h"

enum { CODE_MAX_BYTES = 64, EXPRESSION_MAX_BYTES = 8192, URL_MAX_BYTES = 1024, COMPONENTS_MAX = 8 };

static const struct {
  const char *name;
  enum search_type type;
} types[] = {
    {"number", SEARCH_NUMBER},       {"date", SEARCH_DATE},
    {"string", SEARCH_STRING},       {"token", SEARCH_TOKEN},
    {"reference", SEARCH_REFERENCE}, {"composite", SEARCH_COMPOSITE},
    {"quantity", SEARCH_QUANTITY},   {"uri", SEARCH_URI},
};

struct reading {
  struct arena *arena;
  const struct yyjson_val *resource;
  struct defs_param common; /* what is the same on all bases */
  VEC(defs_type_id) targets;
  VEC(struct parameter) parameters;
  struct err *err;
};

static int refuse(struct reading *r, const char *where, const char *text) {
  return err_set(r->err, ERR_UNPROCESSABLE, where, "%s", text);
}

static int read_type(struct reading *r) {
  struct str name = json_get_text(r->resource, STR("type"));
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (str_is(name, types[i].name)) {
      r->common.type = types[i].type;
      return 0;
    }
  return refuse(r, "SearchParameter.type", "A search parameter of this type can't be added here.");
}

static bool is_code(struct str code) {
  if (code.n == 0 || code.n > CODE_MAX_BYTES)
    return false;
  for (size_t i = 0; i < code.n; i++) {
    char c = code.p[i];
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool is_other = (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!is_letter && !(is_other && i > 0))
      return false;
  }
  return true;
}

static int read_common(struct reading *r) {
  r->common.code = json_get_text(r->resource, STR("code"));
  r->common.url = json_get_text(r->resource, STR("url"));
  r->common.expression = json_get_text(r->resource, STR("expression"));
  if (!is_code(r->common.code))
    return refuse(r, "SearchParameter.code",
                  "The code must be a letter and then up to 63 letters, digits, '-' or '_'.");
  if (r->common.url.n > URL_MAX_BYTES)
    return refuse(r, "SearchParameter.url", "The url is too long.");
  if (r->common.expression.n == 0)
    return refuse(r, "SearchParameter.expression", "Without an expression nothing can be found.");
  if (r->common.expression.n > EXPRESSION_MAX_BYTES)
    return refuse(r, "SearchParameter.expression", "The expression is too long.");
  return read_type(r);
}

static int read_targets(struct reading *r) {
  struct json_each each = json_each(json_get(r->resource, STR("target")));
  while (json_next(&each)) {
    defs_type_id type = defs_type_by_name(json_text(each.value));
    if (str_is(json_text(each.value), "Resource")) { /* any */
      r->targets.n = 0;
      return 0;
    }
    if (!type || !defs_is_resource(defs_type(type)))
      return refuse(r, "SearchParameter.target", "There is no resource type of this name.");
    defs_type_id *place = VEC_PUSH(r->arena, &r->targets);
    if (!place)
      return err_no_memory(r->err);
    *place = type;
  }
  r->common.targets_n = (uint16_t)r->targets.n;
  return 0;
}

/* ---- The parameters of the specification ---- */

static defs_param_id compiled_by_code(defs_type_id base, struct str code) {
  size_t n;
  const defs_param_id *ids = defs_params_of(base, &n);
  for (size_t i = 0; i < n; i++)
    if (ids[i] <= defs_params_count() && str_equal(defs_param(ids[i])->code, code))
      return ids[i];
  return 0;
}

static defs_param_id compiled_by_url(defs_type_id base, struct str url) {
  size_t n;
  const defs_param_id *ids = defs_params_of(base, &n);
  for (size_t i = 0; i < n; i++)
    if (ids[i] <= defs_params_count() && str_equal(defs_param(ids[i])->url, url))
      return ids[i];
  return 0;
}

/* An expression without what does not change its meaning here. */
static struct str bare(struct arena *arena, struct str expression) {
  char *p = arena_alloc(arena, expression.n + 1);
  size_t n = 0;
  for (size_t i = 0; p && i < expression.n; i++)
    if (!strchr(" \t\r\n()", expression.p[i]))
      p[n++] = expression.p[i];
  return p ? str_n(p, n) : STR("");
}

/* Does the resource only say again what the specification defines? Each part of the compiled
 * expression must be in its own. */
static bool is_description(const struct reading *r, const struct defs_param *compiled) {
  if (!str_equal(compiled->url, r->common.url) || compiled->type != r->common.type)
    return false;
  struct str ours = bare(r->arena, r->common.expression), rest = compiled->expression, part;
  while (str_split(&rest, '|', &part))
    if (str_find(ours, bare(r->arena, part)) < 0)
      return false;
  return rest.n == 0 || str_find(ours, bare(r->arena, rest)) >= 0;
}

/* ---- Components ---- */

static int read_component(struct reading *r, defs_type_id base, const struct yyjson_val *json,
                          struct defs_component *component) {
  struct str url = json_get_text(json, STR("definition"));
  ssize_t bar = str_find_char(url, '|', 0);
  component->param = compiled_by_url(base, bar >= 0 ? str_slice(url, 0, (size_t)bar) : url);
  component->expression = json_get_text(json, STR("expression"));
  enum search_type type = defs_param(component->param)->type;
  if (!component->param || type == SEARCH_COMPOSITE || type == SEARCH_SPECIAL)
    return refuse(r, "SearchParameter.component.definition",
                  "A component must be a parameter that the specification defines for the base.");
  if (component->expression.n == 0 || component->expression.n > EXPRESSION_MAX_BYTES)
    return refuse(r, "SearchParameter.component.expression", "The component needs an expression.");
  return 0;
}

static int read_components(struct reading *r, defs_type_id base, struct parameter *parameter) {
  const struct yyjson_val *list = json_get(r->resource, STR("component"));
  size_t n = json_count(list);
  if (r->common.type != SEARCH_COMPOSITE)
    return n == 0 ? 0 : refuse(r, "SearchParameter.component", "Only a composite has components.");
  if (n < 2 || n > COMPONENTS_MAX)
    return refuse(r, "SearchParameter.component", "A composite has two to eight components.");
  struct defs_component *components = ARENA_ARRAY(r->arena, struct defs_component, n);
  if (!components)
    return err_no_memory(r->err);
  struct json_each each = json_each(list);
  while (json_next(&each)) {
    int code = read_component(r, base, each.value, &components[each.index]);
    if (code != 0)
      return code;
  }
  parameter->components = components;
  parameter->definition.components_n = (uint16_t)n;
  return 0;
}

/* ---- Bases ---- */

static struct str fingerprint(struct reading *r, const struct parameter *p) {
  struct buf buf;
  buf_init_arena(&buf, r->arena, (size_t)1 << 20);
  struct json_writer w = json_writer(&buf);
  json_begin_array(&w);
  json_string(&w, defs_type(p->definition.base)->name);
  json_string(&w, p->definition.code);
  json_string(&w, p->definition.url);
  json_int(&w, p->definition.type);
  json_string(&w, p->definition.expression);
  for (size_t i = 0; i < p->definition.targets_n; i++)
    json_string(&w, defs_type(p->targets[i])->name);
  for (size_t i = 0; i < p->definition.components_n; i++) {
    json_string(&w, defs_param(p->components[i].param)->url);
    json_string(&w, p->components[i].expression);
  }
  json_end_array(&w);
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

/* On Resource and DomainResource the expression must fit some type; it is tried on the first. */
static defs_type_id type_to_try(defs_type_id base) {
  if (!defs_type(base)->is_abstract)
    return base;
  for (size_t i = 1; i <= defs_types_count(); i++)
    if (defs_is_resource(defs_type((defs_type_id)i)) && defs_type_is_a((defs_type_id)i, base))
      return (defs_type_id)i;
  return base;
}

static int read_base(struct reading *r, struct str name) {
  defs_type_id base = defs_type_by_name(name);
  if (!base || defs_type(base)->kind != DEFS_KIND_RESOURCE)
    return refuse(r, "SearchParameter.base", "There is no resource type of this name.");
  for (size_t i = 0; i < r->parameters.n; i++)
    if (r->parameters.p[i].definition.base == base)
      return 0;
  defs_param_id compiled = compiled_by_code(base, r->common.code);
  if (compiled && is_description(r, defs_param(compiled)))
    return 0;
  if (compiled)
    return err_set(r->err, ERR_UNPROCESSABLE, "SearchParameter.code",
                   "'%.*s' is a parameter of the specification on %.*s, which can't be replaced.",
                   STR_ARG(r->common.code), STR_ARG(name));
  struct parameter *parameter = VEC_PUSH(r->arena, &r->parameters);
  if (!parameter)
    return err_no_memory(r->err);
  parameter->definition = r->common;
  parameter->definition.base = base;
  parameter->targets = r->targets.p;
  int code = read_components(r, base, parameter);
  if (code != 0)
    return code;
  code = plan_check(r->arena, type_to_try(base), &parameter->definition, parameter->components,
                    r->err);
  if (code != 0 && code != ERR_NO_MEMORY) {
    struct err why = *r->err;
    return err_set(r->err, ERR_UNPROCESSABLE, "SearchParameter.expression", "%s", why.text);
  }
  parameter->fingerprint = fingerprint(r, parameter);
  return code != 0 || parameter->fingerprint.p ? code : err_no_memory(r->err);
}

int parameters_read(struct arena *arena, const struct yyjson_val *resource,
                    struct parameters *ret_parameters, struct err *reterr) {
  struct reading r = {.arena = arena, .resource = resource, .err = reterr};
  *ret_parameters = (struct parameters){0};
  if (!str_is(json_get_text(resource, STR("status")), "active"))
    return 0;
  int code = read_common(&r);
  if (code == 0)
    code = read_targets(&r);
  struct json_each each = json_each(json_get(resource, STR("base")));
  while (code == 0 && json_next(&each))
    code = read_base(&r, json_text(each.value));
  if (code == 0)
    *ret_parameters = (struct parameters){r.parameters.p, r.parameters.n};
  return code;
}
