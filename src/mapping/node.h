/*
 * A FHIR resource while it is being made: a tree that grows, by the definitions.
 *
 * Spec: FHIR R4 JSON (http://hl7.org/fhir/R4/json.html): `_name` for extensions on primitives,
 * arrays where the definitions allow many, nothing empty. Threads: one run, one thread. Memory: on
 * the arena of the run.
 */
#ifndef MAPPING_NODE_H
#define MAPPING_NODE_H

#include "mapping/program.h"

struct resource;

/* One element: an object, or a primitive, or both (a primitive with extensions). */
struct node {
  struct node *parent, *next; /* next: in the same list */
  struct member *members, *last_member;
  const struct defs_property *property; /* by which it stands in its parent; NULL: a resource */
  struct resource *target;              /* a Reference: to a resource of this run */
  struct str text;                      /* of a primitive; p NULL: has none */
  struct str url;                       /* of an extension */
  struct er7_place place;               /* where the text came from */
  uint32_t row;                         /* which row set it */
  defs_type_id type;
  bool is_raw;   /* the text is a number or true/false */
  bool has_data; /* something in it came from the message */
};

struct member {
  const struct defs_property *property;
  bool is_list;
  struct node *first, *last;
  struct member *next;
};

struct node *node_new(struct arena *arena, defs_type_id type);

/* The member for this property; NULL when there is none. */
struct member *node_member(const struct node *node, const struct defs_property *property);
/* Is the element set, under whatever type of a choice? */
bool node_has_element(const struct node *node, const struct defs_property *property);

/* A new item at this step, appended where it is a list. NULL when a single element (or another
 * type of the same choice) is already there, or without memory. */
struct node *node_append(struct arena *arena, struct node *parent, const struct path_step *step);
/* The first item at this step (with the step's URL), made if missing. NULL as above. */
struct node *node_first(struct arena *arena, struct node *parent, const struct path_step *step);
/* Only looks. */
struct node *node_find(const struct node *parent, const struct path_step *step);

/* Takes `node` out of its parent. */
void node_remove(struct node *node);

/* Sets the text of a primitive and tells all around it that there is data. */
void node_set(struct node *node, struct str text, bool is_raw, struct er7_place place,
              uint32_t row);
void node_mark_data(struct node *node);

/* Nothing to write in it? */
bool node_is_empty(const struct node *node);
/* The text of a child primitive that is no list, else empty. */
struct str node_child_text(const struct node *node, const char *name);
/* One resource, or two that are known to be one? NULL is only itself. (run_identity.c) */
bool resource_is_same(const struct resource *a, const struct resource *b);

/* The same content, place and row aside? */
bool node_equal(const struct node *a, const struct node *b);
/* Moves into `into` what it doesn't have of `from` (same type). False: where both have a value,
 * they differ somewhere (that of `into` stays). */
bool node_merge(struct node *into, struct node *from);

#endif
