/*
 * Code systems and value sets: is this code in that set, which codes are, what lies below a
 * concept, what is a code called. Over the definitions (every CodeSystem and ValueSet that the R4
 * package publishes) and over resources of the store, which a source hands in.
 *
 * Spec: FHIR R4 (4.0.1) http://hl7.org/fhir/R4/terminologies.html, valueset.html#compositions,
 * codesystem.html, terminology-service.html.
 *
 * An answer is never guessed. Where a code system is not loaded (SNOMED CT, LOINC) or is only a
 * fragment, what can't be known is TERMINOLOGY_UNKNOWN, with a reason that names the system. Codes
 * of UCUM, of languages (BCP 47) and of MIME types (BCP 13) are judged by their grammar.
 *
 * A resource of the store goes before one of the definitions with the same URL (and version, where
 * one is asked for). Imports may be 16 deep and must not go in circles.
 *
 * Threads: a cache is shared; a handle belongs to one thread. What a handle gives is immutable.
 * Loading takes a lock of the cache's generation; what is loaded is looked up under it.
 * Memory: what is loaded belongs to the generation, which lives as long as a handle uses it or it
 * is the newest: texts and sets are borrowed until `terminology_close`.
 */
#ifndef MODEL_TERMINOLOGY_H
#define MODEL_TERMINOLOGY_H

#include "model/fhirpath.h"

enum {
  TERMINOLOGY_MEMBERS_MAX = 1000000,  /* of one value set */
  TERMINOLOGY_CONCEPTS_MAX = 1000000, /* of one code system */
  TERMINOLOGY_IMPORTS_MAX = 16,       /* value sets that import value sets */
};

/* ---- Life ------------------------------------------------------------------------------------ */

struct terminology_cache;
struct terminology;

int terminology_cache_new(struct terminology_cache **ret_cache, struct err *reterr) MUST_CHECK;
/* When no handle is open any more. NULL is allowed. */
void terminology_cache_free(struct terminology_cache *cache);

/*
 * Where resources beside the definitions come from. `type` is "ValueSet" or "CodeSystem"; `url` and
 * `version` (empty: whichever is best) name it. Gives the parsed resource on `arena`, or NULL when
 * there is none. `find_supplements`: the code systems with content=supplement that supplement
 * `url`, at most `max`. ERR_STORE, ERR_NO_MEMORY.
 */
struct terminology_source {
  int (*find)(void *what, struct arena *arena, struct str type, struct str url, struct str version,
              const struct yyjson_val **ret_resource, struct err *reterr);
  int (*find_supplements)(void *what, struct arena *arena, struct str url,
                          const struct yyjson_val **ret_resources, size_t max, size_t *ret_n,
                          struct err *reterr);
  void *what;
};

/*
 * A handle. Without a `cache` what it loads is its own. `source` (borrowed; NULL: the definitions
 * only) shows the world of `epoch`, a number that rises with every change of a resource that the
 * source could give: what was loaded in another epoch is not used.
 */
int terminology_open(struct terminology_cache *cache, const struct terminology_source *source,
                     uint64_t epoch, struct terminology **ret_terminology,
                     struct err *reterr) MUST_CHECK;
void terminology_close(struct terminology *terminology); /* NULL is allowed */

/* ---- Questions ------------------------------------------------------------------------------- */

enum terminology_answer { TERMINOLOGY_NO, TERMINOLOGY_YES, TERMINOLOGY_UNKNOWN };

struct terminology_coding {
  struct str system;  /* `.p` NULL: any system (an element of type code) */
  struct str version; /* may be empty */
  struct str code;
};

/*
 * Is the coding in the value set `canonical` (url or url|version)? With TERMINOLOGY_UNKNOWN
 * `*reterr` says why (ERR_NOT_SUPPORTED), though 0 is returned. ERR_NOT_FOUND: there is no such
 * value set. ERR_TOO_COSTLY, ERR_VALUE (a compose that can't be understood), ERR_STORE,
 * ERR_NO_MEMORY.
 */
int terminology_value_set_has(struct terminology *terminology, struct str canonical,
                              const struct terminology_coding *coding,
                              enum terminology_answer *ret_answer, struct err *reterr) MUST_CHECK;

/*
 * May `code` be in one of the value sets that required bindings name and that no list can hold:
 * ucum-units, currencies? By its form; true for any other value set.
 */
bool terminology_form_fits(struct str value_set_url, struct str code);

/* Is it a code of its system? As above; a system that is not known gives TERMINOLOGY_UNKNOWN. */
int terminology_system_has(struct terminology *terminology, const struct terminology_coding *coding,
                           enum terminology_answer *ret_answer, struct err *reterr) MUST_CHECK;

enum terminology_subsumption {
  TERMINOLOGY_EQUIVALENT,
  TERMINOLOGY_SUBSUMES, /* a is above b */
  TERMINOLOGY_SUBSUMED_BY,
  TERMINOLOGY_NOT_SUBSUMED,
};
/*
 * How two codes of one system (canonical) lie in its hierarchy. ERR_NOT_SUPPORTED, naming the
 * system: it is not loaded, or a code is not in the part of it that is; ERR_CODE_INVALID: it has no
 * such code.
 */
int terminology_subsumes(struct terminology *terminology, struct str system, struct str a,
                         struct str b, enum terminology_subsumption *ret_subsumption,
                         struct err *reterr) MUST_CHECK;

struct terminology_codes {
  const struct str *p;
  size_t n;
};
/* The code itself and all below it (or above it), in no order. Errors as above. */
int terminology_relatives(struct terminology *terminology, struct str system, struct str code,
                          bool is_above, struct arena *arena, struct terminology_codes *ret_codes,
                          struct err *reterr) MUST_CHECK;

/* ---- Concepts -------------------------------------------------------------------------------- */

struct terminology_concept {
  struct str system, system_version, system_name;
  struct str code, display, definition;
  bool is_abstract;              /* notSelectable */
  const struct yyjson_val *node; /* CodeSystem.concept: designations and properties */
  struct terminology_codes parents, children;
  const struct yyjson_val *const *supplements; /* the same concept in supplements */
  size_t supplements_n;
};
/* ERR_NOT_SUPPORTED: the system is not loaded; ERR_CODE_INVALID: it has no such code. */
int terminology_lookup(struct terminology *terminology, struct str system, struct str code,
                       struct arena *arena, struct terminology_concept *ret_concept,
                       struct err *reterr) MUST_CHECK;

/* ---- Value sets, worked out ------------------------------------------------------------------ */

struct terminology_member {
  struct str system, code, display;
  uint32_t order;  /* of the definition */
  bool is_certain; /* false: an exclusion or an intersection that isn't known may take it out */
  bool is_abstract;
};

/* Codes beyond the members that may be in it. */
enum terminology_extent {
  TERMINOLOGY_WHOLE,    /* all codes that the system has */
  TERMINOLOGY_FRAGMENT, /* the members are those of the fragment that is loaded */
  TERMINOLOGY_HIDDEN,   /* some codes; which, can't be said */
};
struct terminology_open {
  struct str system; /* empty: any */
  enum terminology_extent extent;
  struct str why; /* a sentence */
};

struct terminology_value_set {
  struct str url, version, name, title;
  const struct terminology_member *members; /* by code, then system */
  size_t members_n;
  const struct terminology_open *opens; /* none: the members are all */
  size_t opens_n;
  struct str uncertain_why; /* of the first member that is not certain; empty: all are */
  const struct terminology_member *excluded; /* of `opens`; by code, then system */
  size_t excluded_n;
};

/* The value set `canonical`, worked out. Errors as terminology_value_set_has. */
int terminology_value_set(struct terminology *terminology, struct str canonical,
                          const struct terminology_value_set **ret_set,
                          struct err *reterr) MUST_CHECK;
/* The same of a resource that is at hand; on `arena`. */
int terminology_value_set_of(struct terminology *terminology, struct arena *arena,
                             const struct yyjson_val *resource,
                             const struct terminology_value_set **ret_set,
                             struct err *reterr) MUST_CHECK;
/* Is the coding in this set? No I/O; `*ret_why` (may be NULL) with TERMINOLOGY_UNKNOWN. */
enum terminology_answer terminology_set_has(const struct terminology_value_set *set,
                                            const struct terminology_coding *coding,
                                            struct str *ret_why);

/* memberOf(), subsumes() and subsumedBy() of FHIRPath ask this handle (borrowed). What can't be
 * known is ERR_NOT_SUPPORTED there. */
struct fhirpath_terminology terminology_for_fhirpath(struct terminology *terminology);

#endif
