/*
 * The pages of a FHIR search for the command line: from a store's file, or from a server.
 *
 * Threads: one owner. Memory: a page lives until the next one is read.
 */
#ifndef MAIN_QUERY_PAGES_H
#define MAIN_QUERY_PAGES_H

#include "format/json.h"
#include "model/validate.h"

struct query_pages;

/* Opens the data file at `path` read-only; a server may have it open. ERR_STORE, ERR_IO, .... */
int query_pages_open_store(const char *path, struct str query, struct query_pages **ret_pages,
                           struct err *reterr) MUST_CHECK;
/* `base_url`: "http://127.0.0.1:8080/fhir". */
int query_pages_open_url(const char *base_url, struct str query, struct query_pages **ret_pages,
                         struct err *reterr) MUST_CHECK;
void query_pages_close(struct query_pages *pages);

struct query_entry {
  struct str resource; /* JSON */
  bool is_include;
};
struct query_page {
  const struct query_entry *entries;
  size_t n;
  bool has_total, has_more;
  uint64_t total;
  struct arena *arena; /* of this page, for what is made from it */
};

/* How the search is planned and what its first page cost, as lines of text, which live as long as a
 * page. Errors as of query_pages_next. */
int query_pages_explain(struct query_pages *pages, struct str *ret_text, struct issues *issues,
                        struct err *reterr) MUST_CHECK;

/* The next page. ERR_VALUE, ERR_NOT_SUPPORTED: the query is wrong, `issues` has every fault (they
 * may also be warnings). ERR_IO: no answer. */
int query_pages_next(struct query_pages *pages, struct query_page *ret_page, struct issues *issues,
                     struct err *reterr) MUST_CHECK;

#endif
