#include "flow/limits.h"

#include <stddef.h>

#define MB(n) ((uint64_t)(n) << 20)

/*  member, name in the configuration, least, most, default, what it is */
#define LIMITS_TABLE(X)                                                                            \
  X(memory_bytes, "memoryBytes", MB(64), MB(1 << 20), MB(2048),                                    \
    "bytes of memory of all requests and messages at once; more are answered 503")                 \
  X(json_depth, "jsonDepth", 10, 100, 100, "levels of a JSON body")                                \
  X(xml_depth, "xmlDepth", 10, 100, 100, "levels of an XML body")                                  \
  X(bundle_entries, "bundleEntries", 1, 100000, 100000, "entries of a batch or transaction")       \
  X(patch_operations, "patchOperations", 1, 10000, 10000, "operations of one patch")               \
  X(conditional_deletes, "conditionalDeletes", 1, 100000, 1000,                                    \
    "resources that one conditional delete may delete; 1: the only one that matches")              \
  X(binary_bytes, "binaryBytes", 1, MB(90), MB(64), "bytes of a Binary that comes as bytes")       \
  X(page_default, "searchPage", 1, 10000, 50, "matches on a page of a search without _count")      \
  X(page_max, "searchPageMax", 1, 10000, 1000, "matches on a page of a search at most")            \
  X(history_page_default, "historyPage", 1, 10000, 100, "versions on a page without _count")       \
  X(history_page_max, "historyPageMax", 1, 10000, 1000, "versions on a page at most")              \
  X(everything_page_default, "everythingPage", 1, 100000, 1000,                                    \
    "resources on a page of $everything without _count")                                           \
  X(everything_page_max, "everythingPageMax", 1, 100000, 10000,                                    \
    "resources on a page of $everything at most")                                                  \
  X(search_parameters, "searchParameters", 1, 1000, 100, "parameters of one search")               \
  X(search_value_bytes, "searchValueBytes", 100, MB(16), 262144,                                   \
    "bytes of the value of one search parameter")                                                  \
  X(search_or_values, "searchOrValues", 1, 100000, 5000, "values of one parameter (a,b,c)")        \
  X(search_depth, "searchDepth", 1, 50, 8,                                                         \
    "links of a chain, _has and brackets of _filter, one in another")                              \
  X(search_predicates, "searchConditions", 1, 10000, 400,                                          \
    "conditions of one search, after chains were spread over the types they lead to")              \
  X(search_included, "searchIncluded", 1, 1000000, 10000,                                          \
    "resources that _include and _revinclude add to one page")                                     \
  X(search_steps, "searchSteps", 1000, UINT64_C(1000000000000), 20000000,                          \
    "work of one search: a row of an index is 1, a resource that is looked at is 20")              \
  X(search_ms, "searchMilliseconds", 1, 3600000, 1000, "time of one search")                       \
  X(graphql_bytes, "graphqlBytes", 100, MB(16), 262144, "bytes of a GraphQL query")                \
  X(graphql_depth, "graphqlDepth", 1, 50, 50, "levels of a GraphQL query")                         \
  X(graphql_tokens, "graphqlTokens", 10, 1000000, 30000, "words and signs of a GraphQL query")     \
  X(graphql_fields, "graphqlFields", 1, 100000, 5000,                                              \
    "fields that a GraphQL query selects, its fragments put in place")                             \
  X(graphql_resources, "graphqlResources", 1, 1000000, 10000, "resources that one query reads")    \
  X(graphql_searches, "graphqlSearches", 1, 100000, 1000, "searches that one query makes")         \
  X(graphql_list, "graphqlList", 1, 10000, 1000,                                                   \
    "resources of one list, or of one page of a connection")                                       \
  X(graphql_values, "graphqlValues", 100, 100000000, 2500000,                                      \
    "fields of all objects of an answer, and evaluations of FHIRPath")                             \
  X(graphql_answer_bytes, "graphqlAnswerBytes", 1000, MB(900), MB(64), "bytes of an answer")       \
  X(graphql_ms, "graphqlMilliseconds", 1, 3600000, 10000, "time of one query")                     \
  X(async_running, "asyncRunning", 1, 32, 2, "asynchronous requests that run at once")             \
  X(async_waiting, "asyncWaiting", 1, 100000, 100,                                                 \
    "asynchronous requests that wait or run; more are refused (503)")                              \
  X(async_kept, "asyncKept", 1, 1000000, 1000, "asynchronous requests with result kept in all")    \
  X(async_hours, "asyncHours", 1, 8760, 24, "hours that the result of one is kept")                \
  X(async_result_bytes, "asyncResultBytes", 1000, MB(900), MB(256), "bytes of the result of one")  \
  X(async_search_ms, "asyncSearchMilliseconds", 1, 86400000, 60000,                                \
    "time of one search that is asked for asynchronously")

const struct limits limits_default = {
#define X(member, name, least, most, standard, text) .member = (standard),
    LIMITS_TABLE(X)
#undef X
};

static const struct limits_row rows[] = {
#define X(member, name, least, most, standard, text)                                               \
  {name, offsetof(struct limits, member), least, most, standard, text},
    LIMITS_TABLE(X)
#undef X
};

const struct limits_row *limits_rows(size_t *ret_n) {
  *ret_n = sizeof rows / sizeof rows[0];
  return rows;
}
