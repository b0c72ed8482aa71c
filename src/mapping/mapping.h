/*
 * v2 -> FHIR, driven by the map files (docs/maps.md describes their language).
 *
 * Spec: HL7 Version 2 to FHIR, STU 1 (1.0.0). Pure: (message, maps) -> resources + lineage + notes.
 * Threads: `struct maps` is immutable and shared; a run has its own arena. Memory: all on the
 * arena; texts may be borrowed from the message, the maps and the definitions.
 */
#ifndef MAPPING_MAPPING_H
#define MAPPING_MAPPING_H

#include "base/hash.h"
#include "format/er7.h"
#include "format/json.h"
#include "model/definitions.h"

struct maps;

/* The maps built into the program, with every file that `override_dir` (NULL: none) holds in place
 * of its namesake. `reterr->where` is "PID.map line 12". */
int maps_open(const char *override_dir, struct maps **ret_maps, struct err *reterr) MUST_CHECK;
void maps_close(struct maps *maps);

/* SHA-256 of all files with their names: equal maps have equal digests. */
void maps_digest(const struct maps *maps, uint8_t ret_digest[HASH_SHA256_BYTES]);

/* One element made from one place in the message. */
struct mapping_lineage {
  struct str element; /* FHIR element path inside the resource, with indices: "name[0].given[1]" */
  struct er7_place source; /* segment UINT32_MAX: a constant of the map */
  uint32_t row;            /* of the map: maps_row() tells file and line */
};

enum mapping_merge {
  MAPPING_MERGE,   /* onto what is there: elements that this message valued replace, the rest stays
                      (identifiers unite) */
  MAPPING_REPLACE, /* a snapshot: the message says all there is */
};

struct mapping_identifier {
  struct str system, value;
};

struct mapping_resource {
  defs_type_id type;
  struct str full_url; /* "urn:uuid:..": what references inside this result use; the same key gives
                          the same one */
  const struct yyjson_val *json; /* no id */
  /* Who it is: an existing resource of this type with any of these identifiers, in this order;
   * where there are none or none is found, the resource whose id is derived from `key` (type and
   * sender are part of it). */
  const struct mapping_identifier *identifiers;
  size_t identifiers_n;
  struct str key;
  bool is_transient; /* in the bundle of `convert`, not stored (MessageHeader). A Bundle among them
                        is what the map of MSH says of the bundle itself: identifier, timestamp */
  enum mapping_merge merge;
  const struct str *nulled; /* elements that the message set to "" explicitly: to be removed */
  size_t nulled_n;
  const struct str *yielded; /* elements that give way to what is stored */
  size_t yielded_n;
  const struct mapping_lineage *lineage;
  size_t lineage_n;
};

/* A40 and its kind: what is known under `from` is from now on `into` (indices of resources). */
struct mapping_link {
  size_t into, from;
};

struct mapping_result {
  const struct mapping_resource *resources;
  size_t resources_n;
  const struct mapping_link *links;
  size_t links_n;
  const struct err *notes; /* warnings: fields with a value and no mapping, unmapped codes, unknown
                              segments. `where` is "PID-3(2).4" */
  size_t notes_n;
};

struct mapping_options {
  int64_t now_us;
  int time_zone_minutes; /* of times without an offset; from configuration */
  struct str source;     /* name of the channel: part of keys of things without identifier */
};

/* ERR_UNSUPPORTED_MESSAGE / _EVENT when no map covers MSH-9, ERR_REQUIRED when the message lacks
 * what its map needs. */
int mapping_run(struct arena *arena, const struct maps *maps, const struct er7_message *message,
                const struct mapping_options *options, struct mapping_result *ret_result,
                struct err *reterr) MUST_CHECK;

/* The result as a FHIR Bundle (`type` "collection" or "message"; "transaction" with conditional
 * entries). */
int mapping_write_bundle(struct buf *buf, const struct mapping_result *result, struct str type,
                         struct err *reterr) MUST_CHECK;

struct mapping_row {
  struct str file;
  uint32_t line;
  struct str text;
};
struct mapping_row maps_row(const struct maps *maps, uint32_t row);

#endif
