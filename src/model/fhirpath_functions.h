/*
 * The functions of FHIRPath: one table of their names, and the code that runs each. What is not in
 * the table is refused when an expression is compiled.
 *
 * Spec: FHIRPath 2.0.0, section 5; http://hl7.org/fhir/R4/fhirpath.html#functions.
 */
#ifndef MODEL_FHIRPATH_FUNCTIONS_H
#define MODEL_FHIRPATH_FUNCTIONS_H

#include "model/fhirpath_program.h"

/* name, arguments at least, at most, flags */
#define FHIRPATH_FUNCTION_TABLE(X)                                                                 \
  X(abs, 0, 0, FHIRPATH_SINGLETON)                                                                 \
  X(aggregate, 1, 2, 0)                                                                            \
  X(all, 1, 1, 0)                                                                                  \
  X(allFalse, 0, 0, 0)                                                                             \
  X(allTrue, 0, 0, 0)                                                                              \
  X(anyFalse, 0, 0, 0)                                                                             \
  X(anyTrue, 0, 0, 0)                                                                              \
  X(as, 1, 1, FHIRPATH_TAKES_TYPE)                                                                 \
  X(ceiling, 0, 0, FHIRPATH_SINGLETON)                                                             \
  X(checkModifiers, 0, FHIRPATH_ARGS_MAX, 0)                                                       \
  X(children, 0, 0, 0)                                                                             \
  X(combine, 1, 1, 0)                                                                              \
  X(comparable, 1, 1, FHIRPATH_SINGLETON)                                                          \
  X(conformsTo, 1, 1, FHIRPATH_SINGLETON)                                                          \
  X(contains, 1, 1, FHIRPATH_SINGLETON)                                                            \
  X(convertsToBoolean, 0, 0, FHIRPATH_SINGLETON)                                                   \
  X(convertsToDate, 0, 0, FHIRPATH_SINGLETON)                                                      \
  X(convertsToDateTime, 0, 0, FHIRPATH_SINGLETON)                                                  \
  X(convertsToDecimal, 0, 0, FHIRPATH_SINGLETON)                                                   \
  X(convertsToInteger, 0, 0, FHIRPATH_SINGLETON)                                                   \
  X(convertsToQuantity, 0, 1, FHIRPATH_SINGLETON)                                                  \
  X(convertsToString, 0, 0, FHIRPATH_SINGLETON)                                                    \
  X(convertsToTime, 0, 0, FHIRPATH_SINGLETON)                                                      \
  X(count, 0, 0, 0)                                                                                \
  X(decode, 1, 1, FHIRPATH_SINGLETON)                                                              \
  X(descendants, 0, 0, 0)                                                                          \
  X(distinct, 0, 0, 0)                                                                             \
  X(elementDefinition, 0, 0, 0)                                                                    \
  X(empty, 0, 0, 0)                                                                                \
  X(encode, 1, 1, FHIRPATH_SINGLETON)                                                              \
  X(endsWith, 1, 1, FHIRPATH_SINGLETON)                                                            \
  X(escape, 1, 1, FHIRPATH_SINGLETON)                                                              \
  X(exclude, 1, 1, 0)                                                                              \
  X(exists, 0, 1, 0)                                                                               \
  X(exp, 0, 0, FHIRPATH_SINGLETON)                                                                 \
  X(extension, 1, 1, 0)                                                                            \
  X(first, 0, 0, 0)                                                                                \
  X(floor, 0, 0, FHIRPATH_SINGLETON)                                                               \
  X(getValue, 0, 0, FHIRPATH_SINGLETON)                                                            \
  X(hasExtension, 1, 1, 0)                                                                         \
  X(hasValue, 0, 0, 0)                                                                             \
  X(highBoundary, 0, 1, FHIRPATH_SINGLETON)                                                        \
  X(htmlChecks, 0, 0, 0)                                                                           \
  X(iif, 2, 3, 0)                                                                                  \
  X(indexOf, 1, 1, FHIRPATH_SINGLETON)                                                             \
  X(intersect, 1, 1, 0)                                                                            \
  X(is, 1, 1, FHIRPATH_TAKES_TYPE | FHIRPATH_SINGLETON)                                            \
  X(isDistinct, 0, 0, 0)                                                                           \
  X(join, 0, 1, 0)                                                                                 \
  X(last, 0, 0, 0)                                                                                 \
  X(length, 0, 0, FHIRPATH_SINGLETON)                                                              \
  X(ln, 0, 0, FHIRPATH_SINGLETON)                                                                  \
  X(log, 1, 1, FHIRPATH_SINGLETON)                                                                 \
  X(lowBoundary, 0, 1, FHIRPATH_SINGLETON)                                                         \
  X(lower, 0, 0, FHIRPATH_SINGLETON)                                                               \
  X(matches, 1, 1, FHIRPATH_SINGLETON | FHIRPATH_REGEX)                                            \
  X(matchesFull, 1, 1, FHIRPATH_SINGLETON | FHIRPATH_REGEX)                                        \
  X(memberOf, 1, 1, FHIRPATH_SINGLETON)                                                            \
  X(not, 0, 0, FHIRPATH_SINGLETON)                                                                 \
  X(now, 0, 0, 0)                                                                                  \
  X(ofType, 1, 1, FHIRPATH_TAKES_TYPE)                                                             \
  X(power, 1, 1, FHIRPATH_SINGLETON)                                                               \
  X(precision, 0, 0, FHIRPATH_SINGLETON)                                                           \
  X(repeat, 1, 1, 0)                                                                               \
  X(replace, 2, 2, FHIRPATH_SINGLETON)                                                             \
  X(replaceMatches, 2, 2, FHIRPATH_SINGLETON | FHIRPATH_REGEX)                                     \
  X(resolve, 0, 0, 0)                                                                              \
  X(round, 0, 1, FHIRPATH_SINGLETON)                                                               \
  X(select, 1, 1, 0)                                                                               \
  X(single, 0, 0, 0)                                                                               \
  X(skip, 1, 1, 0)                                                                                 \
  X(slice, 2, 2, 0)                                                                                \
  X(sort, 0, FHIRPATH_ARGS_MAX, 0)                                                                 \
  X(split, 1, 1, FHIRPATH_SINGLETON)                                                               \
  X(sqrt, 0, 0, FHIRPATH_SINGLETON)                                                                \
  X(startsWith, 1, 1, FHIRPATH_SINGLETON)                                                          \
  X(subsumedBy, 1, 1, FHIRPATH_SINGLETON)                                                          \
  X(subsumes, 1, 1, FHIRPATH_SINGLETON)                                                            \
  X(subsetOf, 1, 1, 0)                                                                             \
  X(substring, 1, 2, FHIRPATH_SINGLETON)                                                           \
  X(supersetOf, 1, 1, 0)                                                                           \
  X(tail, 0, 0, 0)                                                                                 \
  X(take, 1, 1, 0)                                                                                 \
  X(timeOfDay, 0, 0, 0)                                                                            \
  X(toBoolean, 0, 0, FHIRPATH_SINGLETON)                                                           \
  X(toChars, 0, 0, FHIRPATH_SINGLETON)                                                             \
  X(toDate, 0, 0, FHIRPATH_SINGLETON)                                                              \
  X(toDateTime, 0, 0, FHIRPATH_SINGLETON)                                                          \
  X(today, 0, 0, 0)                                                                                \
  X(toDecimal, 0, 0, FHIRPATH_SINGLETON)                                                           \
  X(toInteger, 0, 0, FHIRPATH_SINGLETON)                                                           \
  X(toQuantity, 0, 1, FHIRPATH_SINGLETON)                                                          \
  X(toString, 0, 0, FHIRPATH_SINGLETON)                                                            \
  X(toTime, 0, 0, FHIRPATH_SINGLETON)                                                              \
  X(trace, 1, 2, 0)                                                                                \
  X(trim, 0, 0, FHIRPATH_SINGLETON)                                                                \
  X(truncate, 0, 0, FHIRPATH_SINGLETON)                                                            \
  X(type, 0, 0, 0)                                                                                 \
  X(unescape, 1, 1, FHIRPATH_SINGLETON)                                                            \
  X(union, 1, 1, 0)                                                                                \
  X(upper, 0, 0, FHIRPATH_SINGLETON)                                                               \
  X(where, 1, 1, 0)

#define X(name, min, max, flags) fhirpath_run fhirpath_fn_##name;
FHIRPATH_FUNCTION_TABLE(X)
#undef X

/* The i-th argument as one value; `*ret_there` false when it is empty. */
int fhirpath_one_argument(struct fhirpath_eval *e, const struct fhirpath_call *call, uint32_t arg,
                          bool *ret_there, struct fhirpath_value *ret_value) MUST_CHECK;
/* ... that must be a string, or an integer. */
int fhirpath_string_argument(struct fhirpath_eval *e, const struct fhirpath_call *call,
                             uint32_t arg, bool *ret_there, struct str *ret_text) MUST_CHECK;
int fhirpath_integer_argument(struct fhirpath_eval *e, const struct fhirpath_call *call,
                              uint32_t arg, bool *ret_there, int64_t *ret_value) MUST_CHECK;

#endif
