/* Reading a Bundle: what its entries ask for. */
#include "flow/transaction.h"

#include "format/json.h"

#define ENTRIES_MAX 100000

static int add_issue(struct arena *arena, struct issues *issues, enum err_code code,
                     struct str where, const char *member, const char *text, struct err *reterr) {
  struct err *issue = VEC_PUSH(arena, &issues->list);
  if (!issue)
    return err_no_memory(reterr);
  char place[sizeof issue->where];
  snprintf(place, sizeof place, "%.*s%s", STR_ARG(where), member);
  (void)!err_set(issue, code, place, "%s", text);
  issues->errors_n++;
  return 0;
}

static bool is_method(struct str method) {
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (str_is(method, methods[i]))
      return true;
  return false;
}

/* "http://host/fhir/Patient/1" below the base, or "/Patient/1", becomes "Patient/1". */
static struct str relative_url(struct str url, struct str base_url) {
  if (base_url.n > 0 && str_starts_with(url, base_url) && url.n > base_url.n &&
      url.p[base_url.n] == '/')
    url = str_slice(url, base_url.n, url.n);
  while (url.n > 0 && url.p[0] == '/')
    url = str_slice(url, 1, url.n);
  return url;
}

static int read_entry(struct arena *arena, const struct yyjson_val *json, struct str base_url,
                      struct transaction_entry *entry, struct issues *issues, struct err *reterr) {
  const struct yyjson_val *request = json_get(json, STR("request"));
  entry->write = TRANSACTION_NO_WRITE;
  entry->full_url = json_get_text(json, STR("fullUrl"));
  entry->resource = json_get(json, STR("resource"));
  entry->method = json_get_text(request, STR("method"));
  entry->url = relative_url(json_get_text(request, STR("url")), base_url);
  entry->if_match = json_get_text(request, STR("ifMatch"));
  entry->if_none_match = json_get_text(request, STR("ifNoneMatch"));
  entry->if_none_exist = json_get_text(request, STR("ifNoneExist"));
  entry->if_modified_since = json_get_text(request, STR("ifModifiedSince"));
  if (json_kind(request) != JSON_OBJECT)
    return add_issue(arena, issues, ERR_REQUIRED, entry->where, ".request",
                     "An entry of a batch or transaction needs a request.", reterr);
  if (!is_method(entry->method))
    return add_issue(arena, issues, ERR_VALUE, entry->where, ".request.method",
                     "The method must be one of GET, HEAD, POST, PUT, PATCH, DELETE.", reterr);
  if (entry->url.n == 0)
    return add_issue(arena, issues, ERR_REQUIRED, entry->where, ".request.url",
                     "The request needs a url.", reterr);
  bool needs_resource = str_is(entry->method, "PUT") ||
                        (str_is(entry->method, "POST") && str_find_char(entry->url, '/', 0) < 0 &&
                         str_find_char(entry->url, '$', 0) < 0);
  if (needs_resource && json_kind(entry->resource) != JSON_OBJECT)
    return add_issue(arena, issues, ERR_REQUIRED, entry->where, ".resource",
                     "An entry with POST or PUT needs a resource.", reterr);
  return 0;
}

int transaction_read_bundle(struct arena *arena, const struct yyjson_val *bundle,
                            struct str base_url, struct transaction_entry **ret_entries,
                            size_t *ret_n, struct issues *issues, struct err *reterr) {
  *ret_entries = NULL;
  *ret_n = 0;
  const struct yyjson_val *list = json_get(bundle, STR("entry"));
  if (!str_is(json_get_text(bundle, STR("resourceType")), "Bundle"))
    return add_issue(arena, issues, ERR_STRUCTURE, STR("Bundle"), "",
                     "What is sent to the base must be a Bundle.", reterr);
  if (list && json_kind(list) != JSON_ARRAY)
    return add_issue(arena, issues, ERR_STRUCTURE, STR("Bundle"), ".entry",
                     "The entries must be an array.", reterr);
  size_t n = json_count(list);
  if (n > ENTRIES_MAX)
    return err_set(reterr, ERR_TOO_LONG, "Bundle.entry", "A bundle may have %d entries at most.",
                   ENTRIES_MAX);
  struct transaction_entry *entries = ARENA_ARRAY(arena, struct transaction_entry, n + 1);
  if (!entries)
    return err_no_memory(reterr);
  struct json_each each = json_each(list);
  for (size_t i = 0; json_next(&each); i++) {
    entries[i].where = arena_printf(arena, "Bundle.entry[%zu]", i);
    int code = entries[i].where.p
                   ? read_entry(arena, each.value, base_url, &entries[i], issues, reterr)
                   : err_no_memory(reterr);
    if (code)
      return code;
  }
  *ret_entries = entries;
  *ret_n = n;
  return 0;
}
