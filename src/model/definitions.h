/*
 * The FHIR R4 definitions, compiled by defs/ into one blob that is linked into the program and used
 * in place.
 *
 * Spec: FHIR R4 (4.0.1) StructureDefinition, SearchParameter, CompartmentDefinition, ValueSet,
 * CodeSystem. Every type, element, search parameter and required value set has a dense small index;
 * 0 means none. A backbone element (Patient.contact) is a type of its own, named by its path. A
 * content reference is resolved.
 *
 * Threads: any; immutable, but for the lists of a type's parameters, which may be exchanged as a
 * whole. Memory: static; strings are borrowed for ever.
 */
#ifndef MODEL_DEFINITIONS_H
#define MODEL_DEFINITIONS_H

#include "base/base.h"

typedef uint16_t
    defs_type_id; /* documented exception to "no typedefs": indices that must not be mixed up */
typedef uint16_t defs_param_id;

enum defs_kind {
  DEFS_KIND_NONE,
  DEFS_KIND_PRIMITIVE,
  DEFS_KIND_COMPLEX,
  DEFS_KIND_BACKBONE,
  DEFS_KIND_RESOURCE
};

/* The types that the specification gives rules of their own, by which code may tell them apart.
 *   name, type of FHIR */
#define DEFS_BUILTIN_TABLE(X)                                                                      \
  X(DEFS_BOOLEAN, "boolean")                                                                       \
  X(DEFS_INTEGER, "integer")                                                                       \
  X(DEFS_UNSIGNED_INT, "unsignedInt")                                                              \
  X(DEFS_POSITIVE_INT, "positiveInt")                                                              \
  X(DEFS_DECIMAL, "decimal")                                                                       \
  X(DEFS_STRING, "string")                                                                         \
  X(DEFS_MARKDOWN, "markdown")                                                                     \
  X(DEFS_CODE, "code")                                                                             \
  X(DEFS_ID, "id")                                                                                 \
  X(DEFS_URI, "uri")                                                                               \
  X(DEFS_URL, "url")                                                                               \
  X(DEFS_CANONICAL, "canonical")                                                                   \
  X(DEFS_OID, "oid")                                                                               \
  X(DEFS_UUID, "uuid")                                                                             \
  X(DEFS_BASE64_BINARY, "base64Binary")                                                            \
  X(DEFS_DATE, "date")                                                                             \
  X(DEFS_DATE_TIME, "dateTime")                                                                    \
  X(DEFS_INSTANT, "instant")                                                                       \
  X(DEFS_TIME, "time")                                                                             \
  X(DEFS_XHTML, "xhtml") /* the last primitive */                                                  \
  X(DEFS_EXTENSION, "Extension")                                                                   \
  X(DEFS_REFERENCE, "Reference")                                                                   \
  X(DEFS_CODING, "Coding")                                                                         \
  X(DEFS_CODEABLE_CONCEPT, "CodeableConcept")                                                      \
  X(DEFS_QUANTITY, "Quantity")                                                                     \
  X(DEFS_RESOURCE, "Resource")

enum defs_builtin {
  DEFS_BUILTIN_NONE,
#define X(name, type) name,
  DEFS_BUILTIN_TABLE(X)
#undef X
};

/* So that a set of a type's elements is one word: a type has no more than this. */
#define DEFS_ELEMENTS_MAX 64

struct defs_type {
  struct str name; /* "Patient", "HumanName", "date", "Patient.contact" */
  enum defs_kind kind;
  enum defs_builtin builtin;
  defs_type_id base; /* DomainResource for Patient, quantity for Age, 0 for none */
  bool is_abstract;
  struct str pattern;     /* primitives: the regular expression, else empty */
  uint32_t first_element; /* of `elements_n` in order of definition, inherited ones first */
  uint16_t elements_n;
  uint32_t first_invariant; /* its own ones; those of its bases apply too */
  uint16_t invariants_n;
  uint64_t required; /* bit i: the element first_element + i must be there (min > 0) */
};

enum defs_binding {
  DEFS_BINDING_NONE,
  DEFS_BINDING_EXAMPLE,
  DEFS_BINDING_PREFERRED,
  DEFS_BINDING_EXTENSIBLE,
  DEFS_BINDING_REQUIRED
};

#define DEFS_MANY UINT16_MAX
struct defs_element {
  struct str name;   /* without [x]: "value" */
  struct str path;   /* "Observation.value[x]" */
  uint16_t min, max; /* max DEFS_MANY: * */
  bool is_choice, is_summary, is_modifier;
  enum defs_binding binding;
  uint16_t value_set;       /* of a required binding, else 0 */
  struct str value_set_url; /* of any binding, without version */
  uint32_t first_type;      /* index for defs_element_type */
  uint16_t types_n;
};

/* One type that an element can have. */
struct defs_element_type {
  defs_type_id type;
  uint32_t
      first_target; /* for Reference and canonical: index for defs_target; targets_n 0 means any */
  uint16_t targets_n;
  bool is_simple_quantity; /* a Quantity that must have no comparator */
};

/* A JSON property of a type: "valueQuantity" leads to the element value[x] and to the type
 * Quantity. */
struct defs_property {
  struct str name;
  uint32_t element;
  defs_type_id type;
};

struct defs_invariant {
  struct str key, human, expression;
  bool is_error;   /* severity */
  struct str path; /* of the element it is on: the type's name, or that of a child */
};

enum search_type {
  SEARCH_NUMBER = 1,
  SEARCH_DATE,
  SEARCH_STRING,
  SEARCH_TOKEN,
  SEARCH_REFERENCE,
  SEARCH_COMPOSITE,
  SEARCH_QUANTITY,
  SEARCH_URI,
  SEARCH_SPECIAL,
};

/* A search parameter of one resource type ("clinical-patient" on 30 bases is 30 of these sharing
 * `code`). The parameters of Resource and DomainResource (_id, _lastUpdated, _tag, ...) belong to
 * those types. */
struct defs_param {
  struct str code; /* "birthdate" */
  struct str url;
  defs_type_id base;
  enum search_type type;
  struct str expression; /* only the branches that apply to `base` */
  uint32_t first_target; /* resource types a reference may lead to; index for defs_target */
  uint16_t targets_n;
  uint32_t first_component; /* composites: index for defs_component */
  uint16_t components_n;
};

struct defs_component {
  defs_param_id param;
  struct str expression;
};

size_t defs_types_count(void); /* ids are 1 .. count */
const struct defs_type *defs_type(defs_type_id id);
defs_type_id defs_type_by_name(struct str name); /* 0: unknown */
bool defs_type_is_a(defs_type_id type, defs_type_id base);
static inline bool defs_is_resource(const struct defs_type *t) {
  return t->kind == DEFS_KIND_RESOURCE && !t->is_abstract;
}

const struct defs_element *defs_element(uint32_t index);
const struct defs_element_type *defs_element_type(uint32_t index);
defs_type_id defs_target(uint32_t index);
const struct defs_invariant *defs_invariant(uint32_t index);

/* The property of `type` with this JSON name (no leading '_'), own or inherited; NULL when there is
 * none. */
const struct defs_property *defs_property(defs_type_id type, struct str json_name);
/* All properties of a type in the order of its elements. */
const struct defs_property *defs_properties_of(defs_type_id type, size_t *ret_n);

/*
 * A server can have parameters beside the compiled ones (parameters.h). Their ids are behind
 * defs_params_count(), and below defs_params_count() + DEFS_CUSTOM_MAX + 1; defs_param,
 * defs_params_of, defs_param_by_code, defs_target and defs_component know them. An id stays valid
 * for the life of the process; the lists are those of the moment.
 */
enum { DEFS_CUSTOM_MAX = 8192 };

size_t defs_params_count(void); /* compiled: ids are 1 .. count */
const struct defs_param *defs_param(defs_param_id id);
/* The parameter `code` of a resource type, own or inherited from DomainResource and Resource; 0:
 * unknown. */
defs_param_id defs_param_by_code(defs_type_id type, struct str code);
/* All parameters of a resource type, inherited ones last. */
const defs_param_id *defs_params_of(defs_type_id type, size_t *ret_n);
const struct defs_component *defs_component(uint32_t index);

/* Compartments: the parameters by which `type` is in a compartment of `compartment` ("Patient"). */
const defs_param_id *defs_compartment_params(struct str compartment, defs_type_id type,
                                             size_t *ret_n);

/*
 * Required value sets. Is `code` (of `system`, or empty for a bound code) in it? Always true where
 * the codes can't be enumerated from the definitions (languages, MIME types, UCUM, currencies):
 * defs_value_set_is_enumerable tells these apart.
 */
bool defs_value_set_is_enumerable(uint16_t value_set);
bool defs_value_set_has(uint16_t value_set, struct str system, struct str code);
/* The value set of this URL (without version) that elements are bound to by `required`; 0: unknown.
 */
uint16_t defs_value_set_by_url(struct str url);
/* Its codes one by one; false past the end, and for what is not enumerable. */
bool defs_value_set_code(uint16_t value_set, size_t index, struct str *ret_system,
                         struct str *ret_code);
/* The system that a bound code belongs to, where only one has it; else empty. */
struct str defs_value_set_system(uint16_t value_set, struct str code);
/* The display of a code in the code systems that the definitions hold; empty when unknown. */
struct str defs_code_display(struct str system, struct str code);

/*
 * The CodeSystems and ValueSets that the package publishes, as JSON (model/terminology.h reads
 * them): all that says which codes there are, how they lie and what they are called, without
 * narratives, extensions and designations. False: there is none with this URL.
 */
struct defs_resource_text {
  struct str url, version, json;
};
bool defs_published(bool is_value_set, struct str url, struct defs_resource_text *ret_text);
/* All of them, from 1; false past the end. */
bool defs_published_at(uint32_t index, struct defs_resource_text *ret_text);

#endif
