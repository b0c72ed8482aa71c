/*
 * What a message says of a resource, laid over what is known.
 *
 * An HL7 v2 message that leaves a field out says nothing about it; one that sends "" says that it
 * has no value (v2.8, 2.5.3.4). So an element that the message valued replaces the known one as a
 * whole, one that it nulled goes, and all others stay, in their place. Identifiers unite by system
 * and value; extensions by url; meta by member. A choice element (value[x]) replaces the other
 * type.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef IDENTITY_MERGE_H
#define IDENTITY_MERGE_H

#include "format/json.h"
#include "model/definitions.h"

/*
 * Writes `known` with `said` laid over it. `nulled` are names of elements of the resource
 * ("birthDate", "value" for a choice). The same `said` laid over its own result changes nothing:
 * not one byte.
 */
int merge_resource(struct arena *arena, defs_type_id type, const struct yyjson_val *known,
                   const struct yyjson_val *said, const struct str *nulled, size_t nulled_n,
                   struct str *ret_json, struct err *reterr) MUST_CHECK;

/*
 * Where the item `index` of a list of `said` stands in the same list of `merged`; -1 when it is not
 * there. For lineage: a list that unites gives its items other indices.
 */
ssize_t merge_item_index(const struct yyjson_val *merged, const struct yyjson_val *said,
                         struct str list, size_t index);

/* The lists that unite. */
bool merge_unites(struct str element);

struct merge_identifier {
  struct str system, value;
};

/* `resource` without these identifiers. */
int merge_drop_identifiers(struct arena *arena, const struct yyjson_val *resource,
                           const struct merge_identifier *dropped, size_t dropped_n,
                           struct str *ret_json, struct err *reterr) MUST_CHECK;

/*
 * One resource was merged into another: `into` gets the identifiers of `from` that it lacks, with
 * use "old". An identifier thus always has one holder, and what is known by the old number is found
 * under the one that stays.
 */
int merge_move_identifiers(struct arena *arena, const struct yyjson_val *into,
                           const struct yyjson_val *from, struct str *ret_json,
                           struct err *reterr) MUST_CHECK;

/* Adds {"other": {"reference": reference}, "type": link_type} to Patient.link, unless it is there.
 * With `is_gone` the patient has been merged away: active becomes false, and its identifiers go
 * (merge_move_identifiers took them). */
int merge_patient_link(struct arena *arena, const struct yyjson_val *patient, struct str reference,
                       struct str link_type, bool is_gone, struct str *ret_json,
                       struct err *reterr) MUST_CHECK;

#endif
