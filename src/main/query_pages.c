#include "main/query_pages.h"

#include "link/http_client.h"
#include "model/resource.h"
#include "store/search/search.h"

#define PAGE_ARENA_BYTES ((size_t)2 << 30)

enum { TIMEOUT_S = 60 };

struct query_pages {
  struct arena *arena; /* for as long as this is open */
  struct arena *page;
  struct str query, cursor;
  struct store *store; /* one of the two */
  struct http_client *client;
  const char *base_url;
  struct str next_url;
};

/* NULL: no memory. */
static struct query_pages *new_pages(struct str query) {
  struct query_pages *pages = calloc(1, sizeof *pages);
  if (!pages)
    return NULL;
  pages->arena = arena_new((size_t)16 << 20);
  pages->page = arena_new(PAGE_ARENA_BYTES);
  pages->query = query;
  if (pages->arena && pages->page)
    return pages;
  query_pages_close(pages);
  return NULL;
}

void query_pages_close(struct query_pages *pages) {
  if (!pages)
    return;
  store_close(pages->store);
  if (pages->client)
    http_client_close(pages->client);
  arena_free(pages->page);
  arena_free(pages->arena);
  free(pages);
}

/* ---- From a file ----------------------------------------------------------------------------- */

int query_pages_open_store(const char *path, struct str query, struct query_pages **ret_pages,
                           struct err *reterr) {
  int code = search_values_init(reterr);
  if (code)
    return code;
  struct query_pages *pages = new_pages(query);
  if (!pages)
    return err_no_memory(reterr);
  struct store_options options = {.path = path, .readers = 1, .is_read_only = true};
  code = store_open(&options, &pages->store, reterr);
  if (code)
    query_pages_close(pages);
  else
    *ret_pages = pages;
  return code;
}

static int parse(struct query_pages *pages, const struct search **ret_search, struct issues *issues,
                 struct err *reterr) {
  struct search_place place;
  const struct search_pair *pairs;
  struct search_pair *all;
  size_t n;
  int code = search_split_place(pages->page, pages->query, &place, &pairs, &n, reterr);
  if (code)
    return code;
  all = ARENA_ARRAY(pages->page, struct search_pair, n + 1);
  if (!all)
    return err_no_memory(reterr);
  if (n)
    memcpy(all, pairs, n * sizeof *all);
  if (pages->cursor.n)
    all[n++] = (struct search_pair){STR("_cursor"), pages->cursor};
  struct search_options options = {.compartment = place.compartment,
                                   .compartment_id = place.compartment_id};
  return search_parse(pages->page, place.type, all, n, &options, ret_search, issues, reterr);
}

static int entry_of_row(struct query_pages *pages, const struct search *search,
                        const struct search_row *row, struct query_entry *ret_entry,
                        struct err *reterr) {
  struct str body;
  struct buf buf;
  int code = search_subset(pages->page, search, row->resource.body, &body, reterr);
  if (code)
    return code;
  buf_init_arena(&buf, pages->page, body.n + 256);
  if (row->is_contained) /* it has no version of its own */
    buf_add(&buf, body);
  else
    resource_write(&buf, body, row->resource.version, row->resource.updated_us);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_entry = (struct query_entry){.resource = buf_str(&buf), .is_include = row->is_include};
  return 0;
}

static int run(struct query_pages *pages, const struct search *search,
               struct search_result *ret_result, struct err *reterr) {
  struct access access = ACCESS_EVERYTHING(STR("command line"));
  struct store_view *view;
  int code = store_view_open(pages->store, &view, reterr);
  if (code)
    return code;
  code = search_run(view, &access, pages->page, search, ret_result, reterr);
  store_view_close(view);
  return code;
}

static int next_of_store(struct query_pages *pages, struct query_page *page, struct issues *issues,
                         struct err *reterr) {
  const struct search *search;
  struct search_result result;
  int code = parse(pages, &search, issues, reterr);
  if (code == 0)
    code = run(pages, search, &result, reterr);
  if (code)
    return code;
  struct query_entry *entries = ARENA_ARRAY(pages->page, struct query_entry, result.rows_n + 1);
  if (!entries)
    return err_no_memory(reterr);
  for (size_t i = 0; i < result.rows_n && code == 0; i++)
    code = entry_of_row(pages, search, &result.rows[i], &entries[i], reterr);
  pages->cursor = arena_str(pages->arena, result.next_cursor);
  *page = (struct query_page){.entries = entries,
                              .n = result.rows_n,
                              .has_total = result.has_total,
                              .total = result.total,
                              .has_more = result.next_cursor.n > 0};
  return code;
}

/* ---- From a server --------------------------------------------------------------------------- */

/* What may not stand in a URL as it is, encoded: the query comes from a shell. */
static struct str encode(struct arena *arena, struct str s) {
  struct buf buf;
  buf_init_arena(&buf, arena, s.n * 3 + 1);
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c))
      buf_printf(&buf, "%%%02X", c);
    else
      buf_add_char(&buf, (char)c);
  }
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

int query_pages_open_url(const char *base_url, struct str query, struct query_pages **ret_pages,
                         struct err *reterr) {
  struct query_pages *pages = new_pages(query);
  if (!pages)
    return err_no_memory(reterr);
  pages->base_url = base_url;
  struct str encoded = encode(pages->arena, query);
  pages->next_url = arena_printf(pages->arena, "%s/%.*s", base_url, STR_ARG(encoded));
  int code = http_client_open(TIMEOUT_S, &pages->client, reterr);
  if (code)
    query_pages_close(pages);
  else
    *ret_pages = pages;
  return code;
}

/* The faults that an OperationOutcome tells, as issues. */
static int refused(struct query_pages *pages, int status, const struct yyjson_val *outcome,
                   struct issues *issues, struct err *reterr) {
  struct json_each each = json_each(json_get(outcome, STR("issue")));
  while (json_next(&each)) {
    struct err *issue = VEC_PUSH(pages->page, &issues->list);
    if (!issue)
      return err_no_memory(reterr);
    struct json_each where = json_each(json_get(each.value, STR("expression")));
    struct str diagnostics = json_get_text(each.value, STR("diagnostics"));
    if (diagnostics.n == 0)
      diagnostics = json_get_text(json_get(each.value, STR("details")), STR("text"));
    (void)err_set_at(issue, ERR_VALUE, json_next(&where) ? json_text(where.value) : STR(""), "%.*s",
                     STR_ARG(diagnostics));
    issues->errors_n++;
  }
  return err_set(reterr, ERR_VALUE, "", "The server answered with status %d.", status);
}

static int read_bundle(struct query_pages *pages, const struct yyjson_val *bundle,
                       struct query_page *page, struct err *reterr) {
  const struct yyjson_val *list = json_get(bundle, STR("entry"));
  struct query_entry *entries = ARENA_ARRAY(pages->page, struct query_entry, json_count(list) + 1);
  if (!entries)
    return err_no_memory(reterr);
  struct json_each each = json_each(list);
  size_t n = 0;
  while (json_next(&each)) {
    struct buf buf;
    buf_init_arena(&buf, pages->page, PAGE_ARENA_BYTES / 4);
    json_write(&buf, json_get(each.value, STR("resource")));
    entries[n].resource = buf_str(&buf);
    entries[n++].is_include =
        str_is(json_get_text(json_get(each.value, STR("search")), STR("mode")), "include");
  }
  *page = (struct query_page){.entries = entries, .n = n};
  page->has_total = str_to_u64(json_text(json_get(bundle, STR("total"))), &page->total);
  pages->next_url = STR("");
  for (each = json_each(json_get(bundle, STR("link"))); json_next(&each);)
    if (str_is(json_get_text(each.value, STR("relation")), "next"))
      pages->next_url = arena_str(pages->arena, json_get_text(each.value, STR("url")));
  page->has_more = pages->next_url.n > 0;
  return 0;
}

/* What the server has at `url`; its OperationOutcome becomes issues and an error. */
static int fetch(struct query_pages *pages, struct str url, const struct yyjson_val **ret_answer,
                 struct issues *issues, struct err *reterr) {
  struct str own = arena_str(pages->page, url); /* ends with a NUL */
  struct http_exchange exchange = {.method = "GET", .url = own.p};
  if (!url.p || !own.p)
    return err_no_memory(reterr);
  int code = http_client_exchange(pages->client, pages->page, &exchange, reterr);
  if (code == 0)
    code = json_parse(pages->page, exchange.answer, NULL, ret_answer, reterr);
  if (code == 0 && exchange.status != 200)
    code = refused(pages, exchange.status, *ret_answer, issues, reterr);
  return code;
}

static int next_of_server(struct query_pages *pages, struct query_page *page, struct issues *issues,
                          struct err *reterr) {
  const struct yyjson_val *answer = NULL;
  int code = fetch(pages, pages->next_url, &answer, issues, reterr);
  return code ? code : read_bundle(pages, answer, page, reterr);
}

/* ---- Explaining ------------------------------------------------------------------------------ */

static int explain_store(struct query_pages *pages, struct str *ret_text, struct issues *issues,
                         struct err *reterr) {
  struct access access = ACCESS_EVERYTHING(STR("command line"));
  const struct search *search;
  struct search_explanation explanation;
  struct search_result result;
  struct store_view *view;
  struct buf buf;
  int code = parse(pages, &search, issues, reterr);
  if (code == 0)
    code = store_view_open(pages->store, &view, reterr);
  if (code)
    return code;
  code = search_explain(view, &access, pages->page, search, &explanation, &result, reterr);
  store_view_close(view);
  if (code)
    return code;
  buf_init_arena(&buf, pages->page, PAGE_ARENA_BYTES / 4);
  search_explanation_write(&buf, &explanation);
  *ret_text = buf_str(&buf);
  return 0;
}

/* "Patient?a=b" -> "Patient/$explain?a=b". */
static struct str explain_url(struct arena *arena, struct str url) {
  ssize_t mark = str_find_char(url, '?', 0);
  size_t end = mark < 0 ? url.n : (size_t)mark;
  return arena_printf(arena, "%.*s%s$explain%.*s", STR_ARG(str_slice(url, 0, end)),
                      end > 0 && url.p[end - 1] == '/' ? "" : "/",
                      STR_ARG(str_slice(url, end, url.n)));
}

static int explain_server(struct query_pages *pages, struct str *ret_text, struct issues *issues,
                          struct err *reterr) {
  const struct yyjson_val *answer = NULL;
  int code = fetch(pages, explain_url(pages->page, pages->next_url), &answer, issues, reterr);
  if (code)
    return code;
  struct json_each each = json_each(json_get(answer, STR("parameter")));
  *ret_text = STR("");
  while (json_next(&each))
    if (str_is(json_get_text(each.value, STR("name")), "text"))
      *ret_text = json_get_text(each.value, STR("valueString"));
  return 0;
}

int query_pages_explain(struct query_pages *pages, struct str *ret_text, struct issues *issues,
                        struct err *reterr) {
  arena_reset(pages->page);
  *issues = (struct issues){0};
  return pages->store ? explain_store(pages, ret_text, issues, reterr)
                      : explain_server(pages, ret_text, issues, reterr);
}

/* ---- Both ------------------------------------------------------------------------------------ */

int query_pages_next(struct query_pages *pages, struct query_page *ret_page, struct issues *issues,
                     struct err *reterr) {
  arena_reset(pages->page);
  *issues = (struct issues){0};
  int code = pages->store ? next_of_store(pages, ret_page, issues, reterr)
                          : next_of_server(pages, ret_page, issues, reterr);
  ret_page->arena = pages->page;
  return code;
}
