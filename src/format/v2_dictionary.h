/*
 * The HL7 v2 dictionary (segments, fields, data types, tables; 2.1 to 2.7.1), compiled by defs/
 * into a blob used in place. Threads: immutable. Memory: static.
 */
#ifndef FORMAT_V2_DICTIONARY_H
#define FORMAT_V2_DICTIONARY_H

#include "base/base.h"

struct v2_field {
  struct str name;      /* "Patient Identifier List" */
  struct str data_type; /* "CX" */
  uint16_t table;       /* HL7 table number, or 0 */
  uint32_t max_length;  /* 0: unlimited */
  bool is_required, repeats;
};

/*
 * Of the nearest version at or below `version` that knows it ("2.8" uses 2.7.1), else of the
 * nearest one above, for senders use newer fields than their MSH-12 says; a `version` that isn't a
 * number means the newest. Fields and components count from 1. NULL when no version knows it.
 */
const struct v2_field *v2_segment_field(struct str version, struct str segment, unsigned field);
const struct v2_field *v2_type_component(struct str version, struct str data_type,
                                         unsigned component);
struct str v2_segment_name(struct str segment); /* "Patient Identification"; empty when unknown */
struct str v2_table_name(uint16_t table);       /* "Administrative Sex" */
struct str v2_table_display(uint16_t table, struct str code);
/* Does any version know this message, as ("ADT", "A01")? An ACK goes with every event. */
bool v2_event_is_known(struct str type, struct str event);

#endif
