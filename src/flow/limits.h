/*
 * What one request may ask for and cost. One table (limits.c) says of each limit its name in the
 * section `limits:` of the configuration, its bounds, its default and what it is: reading, errors,
 * `callosum check --settings` and docs/configuration.md come from it.
 *
 * Threads: immutable once the service runs. Memory: values.
 */
#ifndef FLOW_LIMITS_H
#define FLOW_LIMITS_H

#include "base/base.h"

struct limits {
  /* Of all that is worked on or waits at the same time. */
  uint64_t memory_bytes;
  /* What comes in. The size of a body is a limit of the listener (http.maxBytes). */
  uint64_t json_depth, xml_depth, bundle_entries, patch_operations, conditional_deletes,
      binary_bytes;
  /* Pages. */
  uint64_t page_default, page_max, history_page_default, history_page_max, everything_page_default,
      everything_page_max;
  /* A search. */
  uint64_t search_parameters, search_value_bytes, search_or_values, search_depth, search_predicates,
      search_included, search_steps, search_ms;
  /* GraphQL. */
  uint64_t graphql_bytes, graphql_depth, graphql_tokens, graphql_fields, graphql_resources,
      graphql_searches, graphql_list, graphql_values, graphql_answer_bytes, graphql_ms;
  /* The asynchronous pattern. */
  uint64_t async_running, async_waiting, async_kept, async_hours, async_result_bytes,
      async_search_ms;
};

struct limits_row {
  const char *name;
  size_t offset; /* of the member in struct limits, a uint64_t */
  uint64_t least, most, standard;
  const char *text;
};

extern const struct limits limits_default;

const struct limits_row *limits_rows(size_t *ret_n);

#endif
