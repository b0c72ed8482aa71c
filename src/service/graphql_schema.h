/*
 * The GraphQL schema of FHIR: what types there are, and what fields and arguments they have. It is
 * not kept anywhere: each question is answered from the definitions.
 *
 * A datatype or resource has the names of FHIR; a backbone element those of its path
 * (PatientContact). The primitive types boolean, integer, string and id are GraphQL's Boolean, Int,
 * String and ID; the others are scalars of their own. Beside the primitive element `x` stands `_x`
 * of type ElementBase. `Resource` is an interface that all resources implement.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/graphql.html and its schema files; GraphQL, October 2021,
 * sections 3 and 4. Threads: pure. Memory: lists on the arena; names borrowed from the definitions,
 * from static tables or from the arena.
 */
#ifndef SERVICE_GRAPHQL_SCHEMA_H
#define SERVICE_GRAPHQL_SCHEMA_H

#include "model/definitions.h"

enum schema_kind {
  SCHEMA_NONE,
  SCHEMA_SCALAR,     /* id: index of the table of scalars */
  SCHEMA_ENUM,       /* id: schema_enum */
  SCHEMA_FHIR,       /* id: defs_type_id of a datatype, a backbone element or a resource; the
                        abstract Resource is the interface */
  SCHEMA_CONNECTION, /* id: defs_type_id of the resources; so EDGE */
  SCHEMA_EDGE,
  SCHEMA_ELEMENT_BASE, /* what "_birthDate" leads to */
  SCHEMA_QUERY,        /* the root of the system */
  SCHEMA_META,         /* id: schema_meta */
};

struct schema_type {
  enum schema_kind kind;
  uint16_t id;
};
#define SCHEMA_TYPE_NONE ((struct schema_type){SCHEMA_NONE, 0})

enum schema_scalar {
  SCHEMA_STRING,
  SCHEMA_INT,
  SCHEMA_FLOAT,
  SCHEMA_BOOLEAN,
  SCHEMA_ID,
  SCHEMA_CODE, /* the first of FHIR's own */
};

enum schema_enum { SCHEMA_TYPE_KIND, SCHEMA_DIRECTIVE_LOCATION };

enum schema_meta {
  SCHEMA_META_SCHEMA,
  SCHEMA_META_TYPE,
  SCHEMA_META_FIELD,
  SCHEMA_META_INPUT,
  SCHEMA_META_ENUM_VALUE,
  SCHEMA_META_DIRECTIVE,
};

enum schema_field_kind {
  SCHEMA_FIELD_PROPERTY, /* an element, by the name of its JSON property */
  SCHEMA_FIELD_SIBLING,  /* "_birthDate" */
  SCHEMA_FIELD_TYPENAME, /* __typename, resourceType */
  SCHEMA_FIELD_RESOURCE, /* what a Reference leads to */
  SCHEMA_FIELD_READ,     /* Patient(id: ..) */
  SCHEMA_FIELD_LIST,     /* PatientList(..) */
  SCHEMA_FIELD_CONNECTION,
  SCHEMA_FIELD_PLAIN,       /* of a connection, an edge, and of introspection: told apart by name */
  SCHEMA_FIELD_META_SCHEMA, /* __schema */
  SCHEMA_FIELD_META_TYPE,   /* __type(name: ..) */
};

struct schema_field {
  enum schema_field_kind kind;
  struct str name;
  struct schema_type type;
  bool is_list, is_reverse;             /* reverse: a search below a resource, with _reference */
  const struct defs_property *property; /* of PROPERTY and SIBLING */
};

struct schema_argument {
  struct str name;
  struct schema_type type;
  bool is_list, is_required;
  defs_param_id param;                  /* a search parameter, or 0 */
  const struct defs_property *property; /* a filter by a primitive element, or NULL */
};

struct schema_fields {
  const struct schema_field *p;
  size_t n;
};
struct schema_arguments {
  const struct schema_argument *p;
  size_t n;
};
struct schema_names {
  const char *const *p;
  size_t n;
};

/* The type of this name, SCHEMA_NONE when there is none. */
struct schema_type schema_type_by_name(struct arena *arena, struct str name);
/* Its name; `p` is NULL without memory. */
struct str schema_type_name(struct arena *arena, struct schema_type type);
struct schema_type schema_type_of(defs_type_id type);
bool schema_is_leaf(struct schema_type type);
bool schema_is_interface(struct schema_type type);
bool schema_same(struct schema_type a, struct schema_type b);
/* Can an object be of both? */
bool schema_overlaps(struct schema_type a, struct schema_type b);
/* Is an object of the type `object` one of `type`? */
bool schema_is_a(struct schema_type object, struct schema_type type);

/* The field of a type (own, or __typename); `is_root`: also __schema and __type. On the interface
 * Resource only those that every resource has. */
bool schema_find_field(struct schema_type parent, bool is_root, struct str name,
                       struct schema_field *ret_field);
/* The fields that introspection shows: all but __typename, and but the searches by a reference that
 * may lead to any type. */
int schema_list_fields(struct arena *arena, struct schema_type parent,
                       struct schema_fields *ret_fields, struct err *reterr) MUST_CHECK;
int schema_list_arguments(struct arena *arena, const struct schema_field *field,
                          struct schema_arguments *ret_arguments, struct err *reterr) MUST_CHECK;
/* The values of an enum. */
struct schema_names schema_enum_values(enum schema_enum id);

/* All types, for introspection: 0, 1, ... until false. */
bool schema_type_at(size_t index, struct schema_type *ret_type);

#endif
