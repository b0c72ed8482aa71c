/* Values of search parameters: from the text of a URL to checked operands. Private to the search.
 * Spec: FHIR R4 search, 2.1.1.4.5 (escaping), 2.1.1.4.1 (prefixes) and the section of each type.
 * Threads: pure. Memory: on the arena. */
#ifndef STORE_SEARCH_OPERAND_H
#define STORE_SEARCH_OPERAND_H

#include "store/search/search_parser.h"

/* The part of `*rest` before the next `separator` that no backslash precedes, as str_split does. */
bool search_split_escaped(struct str *rest, char separator, struct str *ret_part);

/* Takes the backslashes off; borrowed where there are none. `.p` is NULL without memory. */
struct str search_unescape(struct arena *arena, struct str s);

/*
 * Parses the OR list `value` for `predicate` (its type, parameter and modifier are set) into its
 * operands. `reference_type`: of the modifier in subject:Patient=1, else empty. ERR_VALUE with what
 * is expected, ERR_TOO_LONG over the limit, ERR_NOT_SUPPORTED. `name` is for the error.
 */
int search_operands_parse(const struct search_parser *parser, struct search_predicate *predicate,
                          struct str name, struct str value, struct str reference_type,
                          struct err *reterr) MUST_CHECK;

/* Splits "a|b|c" into at most `max` unescaped parts; the number of parts, or max + 1. */
size_t search_split_bars(struct arena *arena, struct str s, struct str *parts, size_t max);

#endif
