/*
 * What a resource can be found by: its values for every search parameter, in normal form.
 *
 * Spec: FHIR R4 search, http://hl7.org/fhir/R4/search.html (2.1.1.4 on: the parameter types).
 * The parsing of a value in a search URL uses the same normal forms (the `search_normal_*`
 * functions), so that the index and the query can't disagree.
 *
 * Threads: pure. Memory: on the arena; texts may borrow from the resource.
 */
#ifndef MODEL_SEARCH_VALUES_H
#define MODEL_SEARCH_VALUES_H

#include "format/json.h"
#include "model/definitions.h"

#define SEARCH_CONTAINED_URL "#contained"

struct search_value {
  defs_param_id param;
  enum search_type type; /* SEARCH_SPECIAL: a position, `number` has its latitude and longitude.
                            Never SEARCH_COMPOSITE: a composite gives rows with `tuple` != 0, one
                            per component */
  uint16_t component;    /* 1-based component of a composite, else 0 */
  uint32_t tuple;        /* rows of one composite instance share it; else 0 */
  union {
    struct {
      struct str system, code, text;
      const struct yyjson_val *identifier; /* the Identifier that it is of; else NULL */
    } token; /* text: for :text; a coding's display, an identifier's type.text. A CodeableConcept's
                text is a row of its own, in which system and code are empty */
    struct {
      struct str type, id, url;
      struct str identifier_system, identifier_value;
      struct str contained; /* the id of what the resource contains; the url is then
                               SEARCH_CONTAINED_URL */
    } reference; /* local (type+id) or absolute url; a canonical with a version gives one row with
                    `|version` and one without; what has a display alone has the url "#" */
    struct {
      int64_t from_us, to_us;
    } date; /* half-open [from, to); INT64_MIN/MAX: open */
    struct {
      double from, to;
    } number; /* closed; from == to is the value itself (the precision is the query's concern) */
    struct {
      double from, to;
      struct str system, code, unit;
    } quantity; /* closed, as number; a Range gives low and high; a comparator or a missing end
                   opens its side (-INFINITY, INFINITY) */
    struct {
      struct str exact, folded;
    } string; /* folded: search_normal_string */
    struct str uri;
  };
};

struct search_values {
  const struct search_value *p;
  size_t n;
  const defs_type_id *contained; /* the types of what it contains */
  size_t contained_n;
  uint32_t generation; /* of the set of parameters (parameters.h) that they were extracted with; 0:
                          made by hand */
};

/* Compiles every parameter's expression, the first time. Called at start, from any thread; cheap
 * (a few ms at the most). */
int search_values_init(struct err *reterr) MUST_CHECK;

/*
 * All values of `resource`, but for `_id` and `_lastUpdated` (the store has them itself),
 * parameters without expression (`_text`, `_content`). What can't be
 * evaluated is reported to `reterr` (ERR_VALUE, the parameter in `where`); a resource that passed
 * `validate_resource` gives none.
 */
int search_values_extract(struct arena *arena, const struct yyjson_val *resource,
                          struct search_values *ret_values, struct err *reterr) MUST_CHECK;

/* Unicode NFKD, case folded, marks and punctuation dropped, white space run = one space. */
struct str search_normal_string(struct arena *arena, struct str s);

/* "2013-01" -> the half-open range in UTC; a value without time zone is UTC. False when not a FHIR
 * date/dateTime/instant. */
bool search_normal_date(struct str s, int64_t *ret_from_us, int64_t *ret_to_us);

/* "5.40" -> [5.395, 5.405): the range that the written precision implies. */
bool search_normal_number(struct str s, double *ret_from, double *ret_to);

/* "Patient/1", "http://x/fhir/Patient/1/_history/2", "urn:uuid:..", "#a". Fills type and id where
 * it has the form of a FHIR reference (and `base_url` equals the prefix, or the reference is
 * relative), else url. */
struct search_reference {
  struct str type, id, version, url;
};
struct search_reference search_normal_reference(struct str reference, struct str base_url);

/* The resource type that a reference names, relative or absolute ("http://x/Patient/1"); 0: none.
 */
defs_type_id search_reference_type(struct str reference);

#endif
