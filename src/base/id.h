/*
 * Identifiers.
 * Spec: RFC 9562 (UUID): version 4 (random) and version 8 with the first 122 bits of a SHA-256 (by
 * name).
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/hash.h"

#define ID_UUID_BYTES 37 /* with the NUL */

/* A random UUID, lower case; 36 characters and a NUL. */
void id_uuid_random(char ret_uuid[ID_UUID_BYTES]);

/* The same parts always give the same UUID. */
void id_uuid_of(const struct str *parts, size_t n, char ret_uuid[ID_UUID_BYTES]);

/* Is this a FHIR id: 1 to 64 of A-Z a-z 0-9 - . ? */
bool id_is_fhir_id(struct str s);

#endif
