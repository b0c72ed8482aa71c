/*
 * The search parameters that SearchParameter resources add to the compiled ones: reading such a
 * resource, and the set of those that are in force.
 *
 * Spec: FHIR R4 SearchParameter, http://hl7.org/fhir/R4/searchparameter.html. A resource has effect
 * when its status is active. What describes a parameter of the specification (same url, base, code
 * and type, and an expression that says at least the same) is accepted without a second parameter;
 * such a parameter can't be replaced. A composite's components must be parameters of the
 * specification.
 *
 * The set is one for the process, which serves one store. It is exchanged as a whole: a definition
 * that changed gets a new id, and an id once given keeps its meaning (definitions.h), so that who
 * began with the old set can end with it. Values know the generation that they were extracted with.
 *
 * Threads: reading and checking from any; parameters_install from one at a time. Memory: what is
 * read is on the caller's arena; the set is the process's.
 */
#ifndef MODEL_PARAMETERS_H
#define MODEL_PARAMETERS_H

#include "format/json.h"
#include "model/definitions.h"

/* One parameter on one base type. */
struct parameter {
  struct defs_param definition; /* without first_target, first_component: they stand here */
  const defs_type_id *targets;
  const struct defs_component *components;
  struct str fingerprint; /* all of the definition as one text: equal text, equal meaning */
  struct str source;      /* id of the resource; set by the caller */
  defs_param_id id;       /* set by parameters_number */
};
struct parameters {
  struct parameter *p;
  size_t n;
};

/*
 * What a SearchParameter adds: one parameter per base, or none (draft, retired, unknown; a
 * description of what the specification defines). ERR_UNPROCESSABLE with the reason for what can't
 * become a parameter. Whether another resource has the code is not looked at.
 */
int parameters_read(struct arena *arena, const struct yyjson_val *resource,
                    struct parameters *ret_parameters, struct err *reterr) MUST_CHECK;

/* parameters_read, and: does another resource than the one with this id have the code on one of the
 * bases? ERR_UNPROCESSABLE. */
int parameters_check(struct arena *arena, const struct yyjson_val *resource, struct str id,
                     struct err *reterr) MUST_CHECK;

/* Do two have one code on one type? Only one of them can be in force. */
bool parameters_meet(const struct parameter *a, const struct parameter *b);

/*
 * Gives ids, before they are in force: one that is in force with the same fingerprint keeps its id
 * and state, a new one is building. Of two with one code on one base the first counts, and the
 * other's id is 0.
 */
int parameters_number(struct parameters list, struct err *reterr) MUST_CHECK;

/* Makes these, which have their ids, all that there are beside the compiled ones. On failure
 * nothing has changed. */
int parameters_install(struct parameters list, struct err *reterr) MUST_CHECK;

/* Grows with each change of the set; never 0. */
uint32_t parameters_generation(void);

/* Does the resource with this id define a parameter that is in force? */
bool parameters_have_source(struct str id);

/* Can it be searched by? `*ret_percent`: how far its index is. Compiled ones always can. */
bool parameters_is_ready(defs_param_id id, unsigned *ret_percent);
void parameters_set_ready(defs_param_id id, bool is_ready);
/* Of all that are building. */
void parameters_set_percent(unsigned percent);

/* The parameter in force with this fingerprint; 0: none. */
defs_param_id parameters_by_fingerprint(struct str fingerprint);

#endif
