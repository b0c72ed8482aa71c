/* The query of a call: its pairs, what is about the form of the answer, links that say it again. */
#include "service/rest_parameters.h"
#include "service/rest_write.h"

#include "base/nearest.h"
#include "format/url.h"

#define URL_MAX_BYTES ((size_t)1 << 20)

int rest_read_pairs(struct rest_call *call, struct str query, struct search_pair **ret_pairs,
                    size_t *ret_n, struct err *reterr) {
  struct search_pair *pairs = NULL;
  size_t n = 0, kept = 0;
  int code = transaction_search_pairs(call->arena, query, &pairs, &n, reterr);
  if (code)
    return code;
  for (size_t i = 0; i < n; i++) {
    if (str_is(pairs[i].name, "_format")) {
      call->format = pairs[i].value;
    } else if (str_is(pairs[i].name, "_pretty")) {
      if (!str_is(pairs[i].value, "true") && !str_is(pairs[i].value, "false"))
        return err_set(reterr, ERR_VALUE, "_pretty", "wants true or false");
      call->is_pretty = str_is(pairs[i].value, "true");
    } else {
      pairs[kept++] = pairs[i];
    }
  }
  *ret_pairs = pairs;
  *ret_n = kept;
  return 0;
}

static bool is_one_of(struct str name, const char *const *names) {
  for (; *names; names++)
    if (str_is(name, *names))
      return true;
  return false;
}

static void add_pair(struct buf *url, struct str name, struct str value) {
  buf_add_char(url, str_find_char(buf_str(url), '?', 0) >= 0 ? '&' : '?');
  url_encode(url, name);
  buf_add_char(url, '=');
  url_encode(url, value);
}

void rest_add_form(const struct rest_call *call, struct buf *url) {
  if (call->format.n > 0)
    add_pair(url, STR("_format"), call->format);
  if (call->is_pretty)
    add_pair(url, STR("_pretty"), STR("true"));
}

struct str rest_self_url(const struct rest_call *call, struct str path,
                         const char *const *left_out) {
  struct buf url;
  buf_init_arena(&url, call->arena, URL_MAX_BYTES);
  buf_add(&url, call->base_url);
  buf_add_char(&url, '/');
  buf_add(&url, path);
  for (size_t i = 0; i < call->pairs_n; i++)
    if (!is_one_of(call->pairs[i].name, left_out))
      add_pair(&url, call->pairs[i].name, call->pairs[i].value);
  rest_add_form(call, &url);
  return buf_str(&url);
}

struct str rest_next_url(const struct rest_call *call, struct str self, const char *name,
                         struct str value) {
  struct buf url;
  buf_init_arena(&url, call->arena, URL_MAX_BYTES);
  buf_add(&url, self);
  add_pair(&url, str_of(name), value);
  return buf_str(&url);
}

int rest_unknown_parameter(struct str name, const char *where, const char *const *known,
                           struct err *reterr) {
  struct nearest nearest = nearest_to(name);
  char list[160] = "";
  size_t n = 0;
  for (size_t i = 0; known[i]; i++) {
    nearest_consider(&nearest, str_of(known[i]));
    int added = snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", known[i]);
    n += added > 0 && (size_t)added < sizeof list - n ? (size_t)added : 0;
  }
  if (nearest.name.n > 0)
    return err_set_at(reterr, ERR_NOT_SUPPORTED, str_slice(name, 0, 60),
                      "%s has no parameter '%.*s'; did you mean '%.*s'? It has %s.", where,
                      STR_ARG(str_slice(name, 0, 60)), STR_ARG(nearest.name), list);
  return err_set_at(reterr, ERR_NOT_SUPPORTED, str_slice(name, 0, 60),
                    "%s has no parameter '%.*s'; it has %s.", where,
                    STR_ARG(str_slice(name, 0, 60)), known[0] ? list : "none");
}

int rest_subset_of(const struct rest_call *call, const struct search **ret_subset,
                   struct err *reterr) {
  VEC(struct search_pair) pairs = {0};
  *ret_subset = NULL;
  for (size_t i = 0; i < call->pairs_n; i++)
    if (str_is(call->pairs[i].name, "_summary") || str_is(call->pairs[i].name, "_elements")) {
      struct search_pair *pair = VEC_PUSH(call->arena, &pairs);
      if (!pair)
        return err_no_memory(reterr);
      *pair = call->pairs[i];
    }
  if (pairs.n == 0)
    return 0;
  struct search_options options = {.base_url = call->base_url};
  struct issues issues = {0};
  /* How a resource is cut depends on its own type; any type serves for reading what is asked. */
  defs_type_id type = call->type ? call->type : defs_type_by_name(STR("Basic"));
  return search_parse(call->arena, type, pairs.p, pairs.n, &options, ret_subset, &issues, reterr);
}

static int add_parameter(struct rest_call *call, const struct yyjson_val *parameter, size_t i,
                         struct search_pair *ret_pair, struct err *reterr) {
  struct str where = arena_printf(call->arena, "Parameters.parameter[%zu]", i);
  *ret_pair = (struct search_pair){.name = json_get_text(parameter, STR("name")),
                                   .value = rest_parameter_text(parameter)};
  if (ret_pair->name.n == 0 || !ret_pair->value.p)
    return err_set_at(reterr, ERR_VALUE, where, "It wants a name and a value of a primitive type.");
  return 0;
}

int rest_operation_pairs(struct rest_call *call, const struct search_pair **ret_pairs,
                         size_t *ret_n, struct err *reterr) {
  *ret_pairs = call->pairs;
  *ret_n = call->pairs_n;
  if (!str_is(call->method, "POST") || (call->body.n == 0 && !call->resource))
    return 0;
  const struct yyjson_val *list;
  int code = rest_parameters_read(call, &list, reterr);
  if (code)
    return code;
  size_t n = call->pairs_n;
  struct search_pair *all = ARENA_ARRAY(call->arena, struct search_pair, n + json_count(list) + 1);
  if (!all)
    return err_no_memory(reterr);
  if (n > 0)
    memcpy(all, call->pairs, n * sizeof *all);
  struct json_each each = json_each(list);
  for (size_t i = 0; json_next(&each); i++)
    if ((code = add_parameter(call, each.value, i, &all[n++], reterr)) != 0)
      return code;
  *ret_pairs = all;
  *ret_n = n;
  return 0;
}

int rest_check_parameters(const struct rest_call *call, const char *what, const char *const *known,
                          struct err *reterr) {
  for (size_t i = 0; i < call->pairs_n && !call->is_lenient; i++)
    if (!is_one_of(call->pairs[i].name, known))
      return rest_unknown_parameter(call->pairs[i].name, what, known, reterr);
  return 0;
}
