/* callosum query: a FHIR search, on a server or right on a store's file. */
#include "main/command.h"
#include "main/query_pages.h"
#include "main/query_table.h"

#include <getopt.h>
#include <stdio.h>

enum format { FORMAT_NDJSON, FORMAT_BUNDLE, FORMAT_TABLE };

struct query {
  const char *url, *store;
  struct str text; /* "Patient?name=x" */
  enum format format;
  struct str columns;
  bool wants_all, wants_plan;
  struct query_table table;
  size_t pages_n, printed_n;
};

static bool set_format(const char *name, enum format *ret_format) {
  static const char *const names[] = {"ndjson", "bundle", "table"};
  for (size_t i = 0; i < 3; i++)
    if (strcmp(name, names[i]) == 0) {
      *ret_format = (enum format)i;
      return true;
    }
  return false;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static void print_ndjson(const struct query_page *page) {
  for (size_t i = 0; i < page->n; i++)
    printf("%.*s\n", STR_ARG(page->entries[i].resource));
}

/* A Bundle is begun with the first page and ended with the last; `total` is the first page's. */
static void print_bundle_begin(const struct query_page *page) {
  printf("{\"resourceType\":\"Bundle\",\"type\":\"searchset\"");
  if (page->has_total)
    printf(",\"total\":%llu", (unsigned long long)page->total);
}

static void print_bundle_entries(const struct query *query, const struct query_page *page) {
  for (size_t i = 0; i < page->n; i++)
    printf("%s\n{\"resource\":%.*s,\"search\":{\"mode\":\"%s\"}}",
           query->printed_n + i == 0 ? ",\"entry\":[" : ",", STR_ARG(page->entries[i].resource),
           page->entries[i].is_include ? "include" : "match");
}

static int print_table(struct query *query, const struct query_page *page, struct err *reterr) {
  struct str *texts = ARENA_ARRAY(page->arena, struct str, page->n + 1);
  size_t n = 0;
  if (!texts)
    return err_no_memory(reterr);
  for (size_t i = 0; i < page->n; i++)
    if (!page->entries[i].is_include)
      texts[n++] = page->entries[i].resource;
  return query_table_print(&query->table, page->arena, texts, n, query->pages_n == 0, stdout,
                           reterr);
}

static int print_page(struct query *query, const struct query_page *page, struct err *reterr) {
  int code = 0;
  switch (query->format) {
  case FORMAT_NDJSON:
    print_ndjson(page);
    break;
  case FORMAT_BUNDLE:
    if (query->pages_n == 0)
      print_bundle_begin(page);
    print_bundle_entries(query, page);
    break;
  case FORMAT_TABLE:
    code = print_table(query, page, reterr);
    break;
  }
  if (page->has_total && page->n == 0 && query->format != FORMAT_BUNDLE)
    fprintf(stderr, "%llu match\n", (unsigned long long)page->total);
  query->pages_n++;
  query->printed_n += page->n;
  return code;
}

static void print_end(const struct query *query, const struct query_page *last) {
  if (query->format == FORMAT_BUNDLE)
    printf("%s}\n", query->printed_n ? "\n]" : "");
  if (last->has_more)
    fprintf(stderr, "There is more: --all shows it.\n");
}

static int fail(const struct issues *issues, const struct err *err, bool is_refused) {
  for (size_t i = 0; i < issues->list.n; i++)
    (void)command_fail(&command_query, &issues->list.p[i], 0);
  if (issues->list.n == 0)
    (void)command_fail(&command_query, err, 0);
  return is_refused ? EXIT_FAILED : EXIT_IO;
}

static int print_pages(struct query *query, struct query_pages *pages) {
  struct query_page page;
  struct issues issues;
  struct err err = {0};
  do {
    int code = query_pages_next(pages, &page, &issues, &err);
    if (code == 0)
      code = print_page(query, &page, &err);
    if (code)
      return fail(&issues, &err, code != ERR_IO && code != ERR_STORE);
  } while (page.has_more && query->wants_all);
  print_end(query, &page);
  return ferror(stdout) || fflush(stdout) ? EXIT_IO : EXIT_OK;
}

static int print_plan(struct query_pages *pages) {
  struct issues issues;
  struct str text;
  struct err err = {0};
  int code = query_pages_explain(pages, &text, &issues, &err);
  if (code)
    return fail(&issues, &err, code != ERR_IO && code != ERR_STORE);
  printf("%.*s", STR_ARG(text));
  return ferror(stdout) || fflush(stdout) ? EXIT_IO : EXIT_OK;
}

/* ---- The command ----------------------------------------------------------------------------- */

static int read_options(int argc, char **argv, struct query *query) {
  static const struct option options[] = {{"url", required_argument, NULL, 'u'},
                                          {"store", required_argument, NULL, 's'},
                                          {"format", required_argument, NULL, 'f'},
                                          {"columns", required_argument, NULL, 'c'},
                                          {"all", no_argument, NULL, 'a'},
                                          {"explain", no_argument, NULL, 'e'},
                                          {0}};
  int option;
  while ((option = getopt_long(argc, argv, "u:s:f:c:ae", options, NULL)) != -1) {
    if (option == 'u')
      query->url = optarg;
    else if (option == 's')
      query->store = optarg;
    else if (option == 'c')
      query->columns = str_of(optarg);
    else if (option == 'a')
      query->wants_all = true;
    else if (option == 'e')
      query->wants_plan = true;
    else if (option != 'f')
      return command_usage_error(&command_query, "that option is not known");
    else if (!set_format(optarg, &query->format))
      return command_usage_error(&command_query, "a format is ndjson, bundle or table");
  }
  if (query->columns.n > 0)
    query->format = FORMAT_TABLE;
  if (optind + 1 != argc)
    return command_usage_error(&command_query, "give one search, such as 'Patient?name=ann'");
  if (query->url && query->store)
    return command_usage_error(&command_query, "--url and --store are alternatives");
  query->text = str_of(argv[optind]);
  return EXIT_OK;
}

static int run_query(int argc, char **argv) {
  struct query query = {.columns = STR("")};
  struct query_pages *pages;
  struct err err = {0};
  int code = read_options(argc, argv, &query);
  if (code)
    return code;
  struct str rest = query.text, type_name = STR(""), part;
  (void)str_split(&rest, '?', &type_name);
  for (rest = type_name; str_split(&rest, '/', &part);)
    type_name = part; /* of Patient/1/Observation the last */
  defs_type_id type = defs_type_by_name(type_name);
  bool is_any = type_name.n == 0 || str_is(type_name, "*");
  if (!is_any && (!type || !defs_is_resource(defs_type(type))))
    return command_usage_error(&command_query, "a search begins with a type: 'Patient?name=ann'");
  if (is_any && query.format == FORMAT_TABLE && query.columns.n == 0)
    return command_usage_error(&command_query, "a table of several types needs --columns");
  query_table_init(&query.table, query.columns, is_any ? defs_type_by_name(STR("Resource")) : type);
  code = query.store ? query_pages_open_store(query.store, query.text, &pages, &err)
                     : query_pages_open_url(query.url ? query.url : "http://127.0.0.1:8080/fhir",
                                            query.text, &pages, &err);
  if (code)
    return command_fail(&command_query, &err, EXIT_IO);
  code = query.wants_plan ? print_plan(pages) : print_pages(&query, pages);
  query_pages_close(pages);
  return code;
}

const struct command command_query = {
    .name = "query",
    .summary = "FHIR search",
    .usage =
        "query [OPTIONS] SEARCH\n\n"
        "Runs a FHIR search and prints what it finds, one resource a line. Without --store it\n"
        "asks a server.\n\n"
        "Options:\n"
        "  -u, --url URL        the server's FHIR address (http://127.0.0.1:8080/fhir)\n"
        "  -s, --store STORE    search this file or postgresql:// URL, read-only, without a "
        "server\n"
        "  -f, --format FORMAT  ndjson (default), bundle or table\n"
        "  -c, --columns NAMES  a table with these columns, such as id,name,subject.reference\n"
        "  -a, --all            all pages, not only the first\n"
        "  -e, --explain        how the search is planned and what it cost, not what it finds\n\n"
        "Exit code: 0 it was searched, 1 the search is wrong, 2 wrong usage, 3 no answer.\n\n"
        "Examples:\n"
        "  callosum query 'Patient?name=ann&birthdate=ge1980'\n"
        "  callosum query --format table 'Observation?patient=1&code=8480-6&_sort=-date'\n"
        "  callosum query --store callosum.db --all 'Encounter?status=in-progress'\n"
        "  callosum query --explain 'Patient/1/Observation?date=ge2020'",
    .run = run_query,
};
