/*
 * A set of values by FHIRPath's equality: few are compared one by one, many go through a hash table
 * with a random key, so that a code system of 100,000 codes takes as many steps.
 *
 * Spec: FHIRPath 2.0.0, section 6.1.1. Threads: one evaluation. Memory: the evaluation's arena.
 */
#ifndef MODEL_FHIRPATH_SET_H
#define MODEL_FHIRPATH_SET_H

#include "base/hash.h"
#include "model/fhirpath_program.h"

struct fhirpath_set_entry {
  struct fhirpath_value value; /* computed */
  uint64_t hash;
};

struct fhirpath_set {
  struct fhirpath_eval *e;
  VEC(struct fhirpath_set_entry) entries;
  uint32_t *slots; /* index into entries + 1; 0 is free; NULL: compared one by one */
  size_t slots_n;
  struct hash_key key;
  bool has_quantity; /* quantities in different units may be equal: compared one by one */
};

void fhirpath_set_init(struct fhirpath_set *set, struct fhirpath_eval *e);

/* Comparisons count as steps; false where they are used up (the next step reports that). */
bool fhirpath_set_has(struct fhirpath_set *set, const struct fhirpath_value *value);

/* `*ret_is_new` false: an equal one was there. */
int fhirpath_set_add(struct fhirpath_set *set, const struct fhirpath_value *value,
                     bool *ret_is_new) MUST_CHECK;
int fhirpath_set_add_all(struct fhirpath_set *set, struct fhirpath_values values) MUST_CHECK;

#endif
