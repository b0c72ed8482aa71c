/*
 * The regular expressions of matches() and replaceMatches(): PCRE2 with JIT and a match limit, so
 * that a catastrophic pattern stops.
 *
 * Threads: a compiled expression is immutable and shared. Memory: freed with the arena.
 */
#ifndef MODEL_FHIRPATH_REGEX_H
#define MODEL_FHIRPATH_REGEX_H

#include "base/base.h"

struct fhirpath_regex;

/* ERR_VALUE for a pattern that isn't one, ERR_NO_MEMORY. */
int fhirpath_regex_compile(struct arena *arena, struct str pattern,
                           struct fhirpath_regex **ret_regex, struct err *reterr) MUST_CHECK;
/* Does it match anywhere (or, with `is_full`, the whole) of `text`? ERR_TOO_COSTLY at the limit. */
int fhirpath_regex_match(const struct fhirpath_regex *regex, struct str text, bool is_full,
                         bool *ret_matches, struct err *reterr) MUST_CHECK;
/* Every match replaced; `substitution` may use $1 and ${name}. */
int fhirpath_regex_replace(struct arena *arena, const struct fhirpath_regex *regex, struct str text,
                           struct str substitution, struct str *ret_text,
                           struct err *reterr) MUST_CHECK;

#endif
