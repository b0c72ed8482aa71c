/*
 * Quantities: comparison, conversion and arithmetic over UCUM units and calendar durations.
 *
 * A calendar year or month has no fixed length: it compares with its like (12 months = 1 year), not
 * with the UCUM year 'a'; from the week down both are the same (7 days = 1 'wk'). A FHIR Quantity
 * in a UCUM unit of time can be either.
 *
 * Spec: FHIRPath 2.0.0, sections 4.1.5 (quantities), 6.1, 6.2, 6.6; FHIR R4, fhirpath.html
 * (Quantity). Threads, memory: as fhirpath_program.h.
 */
#ifndef MODEL_FHIRPATH_QUANTITY_H
#define MODEL_FHIRPATH_QUANTITY_H

#include "model/fhirpath_decimal.h"
#include "model/fhirpath_program.h"

/* fhirpath_value.integer of a quantity */
enum fhirpath_unit_kind {
  FHIRPATH_UNIT_UCUM,     /* 4 'd' */
  FHIRPATH_UNIT_CALENDAR, /* 4 days */
  FHIRPATH_UNIT_EITHER,   /* a FHIR Quantity with the UCUM code of a time */
  FHIRPATH_UNIT_OTHER,    /* a code of another system: compares with the very same only */
};

/* The UCUM code of a calendar keyword ("days": "d"), of either number; NULL: it is none. */
const char *fhirpath_calendar_code(struct str keyword);
/* The keyword of a UCUM code of time ("d": "day"); NULL: it has none. */
const char *fhirpath_calendar_keyword(struct str code);

/* Numbers without unit have the unit 1. False: the units can't be compared. */
bool fhirpath_quantity_order(const struct fhirpath_value *a, const struct fhirpath_value *b,
                             int *ret_order);
/* To the precision of the less precise. */
bool fhirpath_quantity_equivalent(const struct fhirpath_value *a, const struct fhirpath_value *b);

/* +, -, * and /; one side may be a number. Nothing is pushed where the units don't allow it. */
int fhirpath_quantity_arithmetic(struct fhirpath_eval *e, const struct fhirpath_node *node,
                                 const struct fhirpath_value *a, const struct fhirpath_value *b,
                                 struct fhirpath_list *out) MUST_CHECK;

/* `value` in the unit `unit`, a UCUM code or a calendar keyword, in place. False: it can't be. */
bool fhirpath_quantity_convert(struct arena *arena, struct fhirpath_value *value, struct str unit);

#endif
