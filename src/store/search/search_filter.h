/*
 * _filter. Private to the parser.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/search_filter.html. Threads: one parser per call. Memory:
 * on its arena.
 */
#ifndef STORE_SEARCH_FILTER_H
#define STORE_SEARCH_FILTER_H

#include "store/search/search_parser.h"

/* The expression `text` on resources of `type`, at the depth of links where it stands. ERR_VALUE
 * (says where), ERR_NOT_SUPPORTED, ERR_TOO_COSTLY. */
int search_filter_parse(struct search_parser *parser, defs_type_id type, struct str text,
                        unsigned depth, struct search_predicate *ret_predicate,
                        struct err *reterr) MUST_CHECK;

/* What stands in the bracket that opens at `at`; `.p` NULL when it does not close. */
struct str search_filter_bracket(struct str path, size_t at);

/* The operator and the value of parser->filter for `predicate`, whose parameter is set. */
int search_filter_operands(struct search_parser *parser, struct search_predicate *predicate,
                           struct str name, struct str reference_type,
                           struct err *reterr) MUST_CHECK;

#endif
