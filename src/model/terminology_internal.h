/*
 * What the files of the terminology share. Private to src/model/terminology*.c.
 *
 * A code system is a sorted table of concepts with the edges of its hierarchy; a value set is its
 * compose worked out into members and what stays open.
 *
 * Threads: everything here runs under the generation's lock, or on what is finished. Memory: on the
 * arena of the generation, or on the one that a builder is given.
 */
#ifndef MODEL_TERMINOLOGY_INTERNAL_H
#define MODEL_TERMINOLOGY_INTERNAL_H

#include "base/map.h"
#include "base/vec.h"
#include "model/terminology.h"

/* ---- Code systems ---------------------------------------------------------------------------- */

enum system_content {
  SYSTEM_ABSENT,   /* none of its codes are here */
  SYSTEM_FRAGMENT, /* some are */
  SYSTEM_COMPLETE,
};

/* A run of `system_.edges`, which are indices of concepts. */
struct edges {
  uint32_t first, n;
};

struct concept {
  struct str code, display;
  const struct yyjson_val *node;
  struct edges parents, children;
  uint32_t order; /* of the definition */
  bool is_abstract, is_inactive;
};

struct code_system {
  struct str url, version, name;
  enum system_content content;
  struct concept *concepts; /* by code */
  uint32_t concepts_n;
  const uint32_t *edges;
  const struct yyjson_val *resource;           /* NULL: there is none */
  const struct yyjson_val *const *supplements; /* resources */
  size_t supplements_n;
};

/* The concepts of a CodeSystem. ERR_TOO_COSTLY over TERMINOLOGY_CONCEPTS_MAX. */
int code_system_read(struct arena *arena, const struct yyjson_val *resource,
                     struct code_system *ret_system, struct err *reterr) MUST_CHECK;

/* The place of a code, UINT32_MAX: it has none. */
uint32_t code_system_find(const struct code_system *system, struct str code);

/* Marks `from` and everything below it (or above it). `marks`: one per concept, false at first. */
int code_system_mark(const struct code_system *system, struct arena *arena, uint32_t from,
                     bool is_above, bool *marks, struct err *reterr) MUST_CHECK;

/*
 * Marks the concepts that pass a filter (ValueSet.compose.include.filter). `*ret_is_known` is false
 * when it names a code that the system doesn't have. ERR_VALUE for a filter that is none.
 */
int code_system_filter(const struct code_system *system, struct arena *arena,
                       const struct yyjson_val *filter, bool *marks, bool *ret_is_known,
                       struct err *reterr) MUST_CHECK;

/* "The code system X is not loaded." */
struct str code_system_why(const struct code_system *system, struct arena *arena);

/* ---- Systems with a grammar ------------------------------------------------------------------ */

/* TERMINOLOGY_UNKNOWN: the system is none of those that are judged by their grammar. */
enum terminology_answer terminology_grammar(struct str system, struct str code);

/* ---- Loading --------------------------------------------------------------------------------- */

/* Value sets that are being worked out, from the innermost. */
struct import {
  struct str canonical;
  const struct import *outer;
  unsigned depth;
};

/* Never NULL: a system that isn't there has SYSTEM_ABSENT. `canonical`: url or url|version. */
int terminology_load_system(struct terminology *t, struct str canonical,
                            const struct code_system **ret_system, struct err *reterr) MUST_CHECK;

/* ERR_NOT_FOUND, and what value_set_build says. */
int terminology_load_set(struct terminology *t, struct str canonical, const struct import *outer,
                         const struct terminology_value_set **ret_set,
                         struct err *reterr) MUST_CHECK;

/* The set of a ValueSet resource. ERR_VALUE, ERR_TOO_COSTLY. */
int value_set_build(struct terminology *t, struct arena *arena, const struct yyjson_val *resource,
                    const struct import *import, const struct terminology_value_set **ret_set,
                    struct err *reterr) MUST_CHECK;

/* "url|version" -> url; the version is empty where there is none. */
struct str terminology_split(struct str canonical, struct str *ret_version);

#endif
