/*
 * What a person reads of a resource: a title, the text of a name, a code, a quantity.
 *
 * Threads: pure. Memory: on the arena; texts may borrow from the resource. A value that is not
 * there gives an empty text.
 */
#ifndef SERVICE_TITLES_H
#define SERVICE_TITLES_H

#include "format/json.h"

/* A HumanName: its text, else prefix, given, family, suffix. */
struct str titles_name(struct arena *arena, const struct yyjson_val *name);
/* The one to show of a list of names: usual, official, any current one, any. */
const struct yyjson_val *titles_best_name(const struct yyjson_val *names);
/* A CodeableConcept: its text, else the display (own or known) or code of its first coding. */
struct str titles_concept(const struct yyjson_val *concept);
/* The first coding of a CodeableConcept, or NULL. */
const struct yyjson_val *titles_coding(const struct yyjson_val *concept);
/* An Address in one line. */
struct str titles_address(struct arena *arena, const struct yyjson_val *address);
/* "Ann Lee" of a Patient, "Potassium" of an Observation, else the type's name. */
struct str titles_resource(struct arena *arena, const struct yyjson_val *resource);

#endif
