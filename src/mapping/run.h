/*
 * One run of the maps over one message: the state that its parts share.
 *
 * The parts, in the order of a run: run_groups.c gives each segment its place in the message's
 * structure; run_rows.c executes rows and builds trees of nodes; run_expression.c evaluates texts
 * and conditions; run_identity.c finds out which resources are the same; emit.c writes them.
 *
 * Threads: one run, one thread. Memory: on the arena of the run; a refused allocation shows as
 * NULL, is treated as "nothing made", and fails the run at its end (arena_is_exhausted).
 */
#ifndef MAPPING_RUN_H
#define MAPPING_RUN_H

#include "format/json_build.h"
#include "mapping/node.h"

enum { GROUP_MEMO = 4 };

/* One repetition of a group of the message, with the resources made in it. */
struct group {
  uint32_t item;
  struct group *parent;
  struct group *children, *next;       /* latest first; next: beside it */
  uint32_t first_segment, end_segment; /* the range that it covers */
  struct binding *bindings;            /* names known in it: see names_bind */
  struct {
    uint32_t code, from;
    ssize_t segment;
  } memo[GROUP_MEMO]; /* groups_nearest: the last answers */
  uint32_t memo_next;
};

/* The latest resource of a name in a group: made there (below 0), or in a group of the item `below`
 * beneath it. */
struct binding {
  uint32_t name, below;
  uint32_t sequence; /* the higher, the later */
  struct resource *resource;
  struct binding *next;
};

/* A text of the message, and where it stands. `raw` is what `place` covers. */
struct located {
  struct er7_place place;
  struct str raw;
  uint32_t taken_n; /* located_next: repetitions taken off so far */
  uint8_t signs;    /* what may stand in `raw`, of enum sign; what isn't here is surely not there */
};

/* The characters that mean something. Most texts hold none, and are then cut without a look. */
enum sign {
  SIGN_REPETITION = 1,
  SIGN_COMPONENT = 2,
  SIGN_SUBCOMPONENT = 4,
  SIGN_ESCAPE = 8,
  SIGNS_THAT_CUT = SIGN_REPETITION | SIGN_COMPONENT | SIGN_SUBCOMPONENT,
  SIGNS_ALL = SIGNS_THAT_CUT | SIGN_ESCAPE,
};

/* A located text cut once into its components (or subcomponents): most rows of a data type's map
 * are about parts that aren't there. */
enum { PARTS_MAX = 32 };
struct parts {
  unsigned n;
  struct str part[PARTS_MAX];
  uint8_t signs[PARTS_MAX];
};

struct frame {
  struct run *run;
  const struct program_map *map;
  struct located dot;
  const struct parts *parts; /* of dot, while a map runs on it; NULL: not cut */
  struct node *node;         /* `this` */
  struct resource *resource, *parent;
  struct group *group;
  int depth;
};

struct resource {
  struct node *root;
  const struct program_map *map; /* with the identity rules; NULL: none has any */
  struct frame origin;           /* where that map ran: key parts are evaluated there */
  struct group *group;
  uint32_t name; /* in the message map; 0: made at a reference */
  struct resource *same_as;
  bool is_transient, is_snapshot, is_known_by_key;
  VEC(struct str) nulled;
  VEC(struct str) yielded;
  /* run_identity.c */
  enum { IDENTITY_UNKNOWN, IDENTITY_IN_WORK, IDENTITY_KNOWN } identity_state;
  struct str identity;
  struct mapping_identifier *identifiers;
  size_t identifiers_n;
  uint32_t namesakes_n; /* others of this message with the same key */
  struct str full_url;
  uint32_t index;     /* in the result */
  uint32_t list_mark; /* emit.c: the last list that it was written into */
};

struct resource_pair {
  struct resource *into, *from;
};

struct run {
  struct arena *arena;
  const struct maps *maps;
  const struct er7_message *message;
  const struct mapping_options *options;
  const struct program_message *program;
  struct group **groups;   /* of each segment; NULL: it has no place */
  uint32_t *items;         /* of each segment */
  uint32_t *codes;         /* segment_code of each segment */
  uint32_t *codes_after;   /* of the next segment that has another name; 0 */
  struct field_set *taken; /* fields of each segment that rows took or ignore */
  uint8_t sign_of[256];    /* by character */
  uint8_t *signs;          /* of each field, as the message numbers them */
  VEC(struct resource *) resources;
  VEC(struct resource_pair) pairs; /* of `merge` rows */
  VEC(struct err) notes;
  size_t notes_dropped;
  uint64_t values_n;        /* elements set from the message so far */
  bool *is_mapped;          /* did a map run on the segment? */
  uint32_t each_budget;     /* of `all @name...` */
  struct json_builder json; /* emit.c: used again for each resource, as is the path */
  struct buf path;
  uint32_t list_marks;
  uint32_t bindings_n;
  struct str now;
};

enum { NOTES_MAX = 300, REPETITIONS_MAX = 10000, DEPTH_MAX = 24, EACH_BUDGET = 2000000 };
#define PLACE_NONE ((struct er7_place){.segment = UINT32_MAX})

/* A warning at a place. The text must hold no data of the message but codes. */
void run_note(struct run *run, enum err_code code, struct er7_place place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- run_groups.c ---- */

/* Fills run->groups, items, codes. */
int groups_place(struct run *run, struct err *reterr) MUST_CHECK;
/* The segment of this name nearest to `from` (its own, in its group, in the groups around); -1. */
ssize_t groups_nearest(const struct run *run, struct group *group, uint32_t from, uint32_t code);

/*
 * Who sees whom. From a group one sees what is in it and in the groups beneath; then, one group
 * further out at a time, what is there, but never another repetition of a group that one stands in:
 * the observation of one order must not find the report of the order before. `from` is the item of
 * the group that one came from, 0 at the start.
 */
bool group_sees(const struct group *around, uint32_t from, const struct group *other);
/* `name` now means `resource` in this group and for those who see it. */
void names_bind(struct run *run, struct group *group, uint32_t name, struct resource *resource);
/* The nearest one; NULL. `ret_around`, `ret_from` (NULL: not wanted): from where it was seen. */
struct resource *names_find(const struct group *group, uint32_t name,
                            const struct group **ret_around, uint32_t *ret_from);

/* ---- run_source.c: texts of the message ---- */

/* Looks once at all fields: run->signs. */
int signs_read(struct run *run, struct err *reterr) MUST_CHECK;

/* The field (all repetitions). */
void located_field(const struct run *run, uint32_t segment, unsigned field,
                   struct located *ret_located);
/* Down to the part `n` (from 1): a component of a repetition, a subcomponent of a component. */
void located_part(const struct run *run, struct located *l, unsigned n);
/* Takes the next repetition off `*rest`; false at the end. `ret->place.repetition` counts from 1.
 */
bool located_next(const struct run *run, struct located *rest, struct located *ret_repetition);
/* What a source of a row or condition leads to; a field with its repetitions still together unless
 * one is named. */
void located_source(const struct frame *frame, const struct source *source,
                    struct located *ret_located);
/* Is there nothing at all? A quick answer before conditions are looked at; false when in doubt. */
bool source_is_absent(const struct frame *frame, const struct source *source);
void located_cut(const struct run *run, const struct located *whole, struct parts *ret_parts);
/* Down to one text: the first repetition, component, subcomponent. */
void located_leaf(const struct run *run, struct located *l);
struct str located_text(const struct run *run, const struct located *l);
/* Not empty and not made of delimiters alone? */
bool located_is_valued(const struct run *run, const struct located *l);
void take_field(const struct frame *frame, const struct source *source, const struct located *l);

/* ---- run_expression.c ---- */

struct text_value {
  struct str text;
  struct er7_place place; /* of the first source that had something; PLACE_NONE: constants alone */
  bool has_sources, is_valued;
};
struct text_value expression_text(const struct frame *frame, uint32_t expression);
bool expression_holds(const struct frame *frame, uint32_t condition);
/* The resource known under a name here; NULL. */
struct resource *frame_resource(const struct frame *frame, uint32_t name);

/* ---- run_rows.c ---- */

struct resource *run_new_resource(struct run *run, defs_type_id type, struct group *group);
/* Runs a map (its choice, its rows) on frame->dot into frame->node. */
void run_map(struct frame *frame, uint32_t map);
void run_rows(struct frame *frame, uint32_t first, uint32_t end);
/* One assignment row onto a resource (`@name.path = ...`). */
void run_set(struct frame *frame, uint32_t row);

/* ---- run_identity.c ---- */

/* Identities of all resources; those that are the same become one. */
int run_resolve_identity(struct run *run, struct err *reterr) MUST_CHECK;
/* A text that tells this resource from all others. */
struct str identity_of(struct run *run, struct resource *resource);

/* ---- emit.c ---- */

/* A tree as JSON. `url_of` gives what a reference says. Lineage may be NULL. */
struct emit {
  struct run *run;
  struct json_builder *json;
  struct str (*url_of)(struct run *run, struct resource *target);
  struct buf *path;
  VEC(struct mapping_lineage) lineage;
  bool with_lineage;
};
int emit_resource(struct emit *emit, const struct node *root, const struct yyjson_val **ret_json,
                  struct err *reterr) MUST_CHECK;

#endif
