/*
 * What the administration API says of a Patient, in the list and on the person's page.
 * Threads: pure. Memory: on the arena.
 */
#ifndef SERVICE_PERSONS_H
#define SERVICE_PERSONS_H

#include "format/json.h"

/* The members that list and page share, but id and identifiers: name, birthDate, gender, deceased,
 * active, replacedBy. */
void persons_write_basics(struct json_writer *w, struct arena *arena,
                          const struct yyjson_val *patient);

/* system, value, type, use of one identifier. */
void persons_write_identifier(struct json_writer *w, const struct yyjson_val *identifier);

/* The id behind "Patient/1" in a link of this type ("replaces", "replaced-by") at or after `*at`,
 * which moves on; empty when there is none left. */
struct str persons_next_link(const struct yyjson_val *patient, const char *type, size_t *at);

#endif
