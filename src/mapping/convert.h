/*
 * Text of a v2 field -> text of a FHIR primitive.
 *
 * Spec: HL7 v2.8 chapter 2A (DTM, NM, TM, ID); FHIR R4
 * http://hl7.org/fhir/R4/datatypes.html#primitive. Threads: pure. Memory: on the arena, or
 * borrowed.
 */
#ifndef MAPPING_CONVERT_H
#define MAPPING_CONVERT_H

#include "mapping/program.h"

/*
 * `text` (unescaped) as a value of this primitive type. Returns NULL and the result, or why not (a
 * phrase: "is not a date"). `*ret_is_raw`: a number or true/false, no quotes in JSON.
 * `time_zone_minutes`: of times without offset. An empty result means: nothing to say.
 */
const char *convert_text(struct arena *arena, enum primitive primitive, struct str text,
                         int time_zone_minutes, struct str *ret_text, bool *ret_is_raw);

/*
 * `time` (a DTM) and an amount of a unit later, as a DTM of the same offset. Units as senders write
 * them: s, min, h, d, wk, or words that begin so; minutes where there is none. Empty when one of
 * them is not understood.
 */
struct str convert_plus(struct arena *arena, struct str time, struct str amount, struct str unit);

#endif
