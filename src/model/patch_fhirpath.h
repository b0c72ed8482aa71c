/*
 * Inside FHIRPath Patch: elements of a resource as places in its JSON tree.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/fhirpatch.html, json.html (primitives with "_name").
 * Threads: one. Memory: places are good until the tree is changed.
 */
#ifndef MODEL_PATCH_FHIRPATH_H
#define MODEL_PATCH_FHIRPATH_H

#include "model/patch_tree.h"

struct patch_run {
  struct patch_tree *tree;
  struct arena *scratch;             /* of one operation */
  const struct yyjson_val *snapshot; /* the tree as it is now; NULL: not made yet */
  struct patch_node **nodes;         /* of the snapshot's values */
  size_t nodes_n;
  unsigned steps_each;
};

struct patch_operation {
  struct patch_run *run;
  const struct yyjson_val *json; /* the parameter */
  size_t index;
  struct err *err;
};

/* One element. */
struct patch_element {
  defs_type_id type;
  struct patch_node *node, *extra; /* its value, and what "_name" holds; one may be NULL */
  struct patch_node *owner;        /* the object that it is a member of; NULL: the resource */
  struct str name;                 /* of the member, without '_' */
  bool is_item;                    /* of an array, */
  size_t index;                    /* at this place */
};

/* All elements of one name of one parent; there may be none. */
struct patch_list {
  struct patch_element parent;
  const struct defs_element *element;
  struct str name; /* of the member in JSON; empty: a choice that is not there */
  size_t n, max;
};

/* Fills in the fault at "operation[3].member"; puts that place on a fault from below. */
void patch_set_fault(const struct patch_operation *o, enum err_code code, const char *member,
                     const char *text);
void patch_set_place(const struct patch_operation *o, const char *member);

static inline int patch_fail(const struct patch_operation *o, enum err_code code,
                             const char *member, const char *text) {
  patch_set_fault(o, code, member, text);
  return (int)code;
}

static inline int patch_place(const struct patch_operation *o, const char *member, int code) {
  if (code)
    patch_set_place(o, member);
  return code;
}

/* Where `any` (a value, or what "_name" holds of one) stands as an element. */
struct patch_element patch_element_at(struct patch_tree *tree, struct patch_node *any,
                                      defs_type_id type);

/* What `parent` has under `name` ("given", "value", "value[x]", "valueQuantity"). */
int patch_list_of(const struct patch_operation *o, const struct patch_element *parent,
                  struct str name, struct patch_list *ret_list) MUST_CHECK;
/* The list that an element stands in (of one, where it can't repeat). */
int patch_list_around(const struct patch_operation *o, const struct patch_element *item,
                      struct patch_list *ret_list) MUST_CHECK;

/* `value` is the part "value" (NULL: missing). */
int patch_list_insert(const struct patch_operation *o, const struct patch_list *list, size_t index,
                      const struct yyjson_val *value) MUST_CHECK;
int patch_list_move(const struct patch_operation *o, const struct patch_list *list, size_t source,
                    size_t destination) MUST_CHECK;
int patch_element_replace(const struct patch_operation *o, const struct patch_element *element,
                          const struct yyjson_val *value) MUST_CHECK;
/* Also deletes the elements around it that nothing is left in. */
void patch_element_delete(const struct patch_operation *o, const struct patch_element *element);

#endif
