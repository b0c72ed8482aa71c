/*
 * The layout of the compiled v2 dictionary: what defs/ writes and v2_dictionary.c reads. Nothing
 * else includes this file. See docs/internals/definitions.md.
 */
#ifndef FORMAT_V2_DICTIONARY_TABLES_H
#define FORMAT_V2_DICTIONARY_TABLES_H

#include "format/v2_dictionary.h"

/* A segment or a data type: one run per version that knows it, oldest first. */
struct v2_group {
  struct str name;        /* "PID" */
  struct str description; /* of the newest version */
  uint32_t first_run;
  uint32_t runs_n;
};

/* The fields of a segment, or components of a data type, in one version. */
struct v2_run {
  uint32_t version;   /* in v2_versions_ */
  uint32_t first_ref; /* in v2_refs_; versions that agree share it */
  uint32_t refs_n;
};

struct v2_table {
  struct str name;
  uint32_t number;
  uint32_t first_code;
  uint32_t codes_n;
};

struct v2_code {
  struct str code, display;
};

extern const struct str v2_versions_[];      /* "2.1", ...; oldest first */
extern const struct v2_group v2_segments_[]; /* sorted by name */
extern const struct v2_group v2_types_[];    /* sorted by name */
extern const struct v2_run v2_runs_[];
extern const uint32_t v2_refs_[];          /* in v2_fields_ */
extern const struct v2_field v2_fields_[]; /* each one that occurs, once */
extern const struct v2_table v2_tables_[]; /* sorted by number */
extern const struct v2_code v2_codes_[];   /* by table, sorted by code */
extern const struct str v2_events_[];      /* "ADT_A01"; sorted */

extern const uint64_t v2_versions_n_, v2_segments_n_, v2_types_n_, v2_tables_n_, v2_events_n_;

#endif
