/*
 * The compiled map files: what the compiler (compile*.c) makes and a run (run*.c) executes.
 *
 * Everything is in flat arrays and refers by index; index 0 of each array is unused and means
 * "none". Rows stand in preorder: the rows below row r are r+1 .. rows[r].end-1, the next row
 * beside it is rows[r].end. The index of a row is what lineage keeps; `maps_row` turns it into file
 * and line.
 *
 * Spec: docs/maps.md. Threads: immutable once compiled. Memory: on the arena of `struct maps`.
 */
#ifndef MAPPING_PROGRAM_H
#define MAPPING_PROGRAM_H

#include "base/map.h"
#include "mapping/mapping.h"

/* A segment name as a number: 'P'<<16 | 'I'<<8 | 'D'. */
static inline uint32_t segment_code(struct str name) {
  if (name.n != 3)
    return 0;
  return (uint32_t)(unsigned char)name.p[0] << 16 | (uint32_t)(unsigned char)name.p[1] << 8 |
         (unsigned char)name.p[2];
}

/* PID-3(2).4.1 or .4.1 */
struct source {
  uint32_t segment;                 /* segment_code; 0: relative to "." */
  uint16_t field;                   /* 0 with a segment: the segment itself */
  uint16_t repetition;              /* 0: all (of a row), the first (of a condition) */
  uint16_t component, subcomponent; /* of a relative source: counted below "." */
};

/* What the text of a source is turned into. */
enum primitive {
  PRIMITIVE_NONE, /* not a primitive */
  PRIMITIVE_STRING,
  PRIMITIVE_MARKDOWN,
  PRIMITIVE_CODE,
  PRIMITIVE_ID,
  PRIMITIVE_URI,
  PRIMITIVE_DATE,
  PRIMITIVE_DATE_TIME,
  PRIMITIVE_INSTANT,
  PRIMITIVE_TIME,
  PRIMITIVE_DECIMAL,
  PRIMITIVE_INTEGER,
  PRIMITIVE_POSITIVE_INT,
  PRIMITIVE_UNSIGNED_INT,
  PRIMITIVE_BOOLEAN,
  PRIMITIVE_BASE64,
};

struct path_step {
  const struct defs_property *property;
  bool is_list;
  struct str url;           /* of extension("..."), else empty */
  enum primitive primitive; /* of the type that this step leads to */
};

struct path {
  uint32_t first_step;
  uint16_t steps_n; /* 0: `this` */
  bool has_list;
  uint16_t last_list; /* the step that is the innermost list */
  defs_type_id type;  /* that it leads to */
  enum primitive primitive;
};

enum expression_op {
  /* texts */
  EXPRESSION_STRING, /* text */
  EXPRESSION_SOURCE, /* source */
  EXPRESSION_WHOLE,  /* source: the text with its delimiters */
  EXPRESSION_CONCAT, /* children */
  EXPRESSION_JOIN,   /* children, `text` between those that aren't empty */
  EXPRESSION_PLUS,   /* children: time, amount, unit */
  EXPRESSION_BASE64, /* child 1 */
  EXPRESSION_NOW,
  EXPRESSION_REFERENCE, /* name */
  /* conditions */
  EXPRESSION_VALUED,    /* source, or a segment's presence */
  EXPRESSION_COMPARE,   /* child 1 `compare` child 2, as texts */
  EXPRESSION_LENGTH,    /* length(source) `compare` number */
  EXPRESSION_COUNT,     /* count(source) `compare` number */
  EXPRESSION_IN,        /* child 1 is one of the other children */
  EXPRESSION_IS_NUMBER, /* child 1 */
  EXPRESSION_STARTS,    /* child 1 starts with `text` */
  EXPRESSION_MADE_NAME, /* name */
  EXPRESSION_MADE_PATH, /* path */
  EXPRESSION_AND,       /* children */
  EXPRESSION_OR,
  EXPRESSION_NOT, /* child 1 */
};

enum comparison {
  IS_EQUAL,
  IS_NOT_EQUAL,
  IS_LESS,
  IS_LESS_OR_EQUAL,
  IS_GREATER,
  IS_GREATER_OR_EQUAL
};

struct expression {
  enum expression_op op;
  enum comparison compare;
  uint32_t child, next; /* first child; next sibling */
  struct str text;
  struct source source;
  struct path path;
  int64_t number;
  uint32_t name;
};

/* Names of resources are numbers, the same in all maps. These two are always there. */
enum { NAME_THIS = 1, NAME_PARENT = 2 };

enum row_kind {
  ROW_COPY,    /* source -> path */
  ROW_BLOCK,   /* path, rows below fill it */
  ROW_SET,     /* path = expression */
  ROW_MAKE,    /* source => map */
  ROW_INCLUDE, /* include map */
  ROW_WHEN,    /* when condition, rows below */
  /* of messages */
  ROW_NEW,   /* name = map */
  ROW_ADD,   /* name += map */
  ROW_OTHER, /* @name.path = expression */
  ROW_EACH,  /* all @name.path = expression */
  ROW_MERGE, /* merge @name from @other */
};

struct row {
  enum row_kind kind;
  uint32_t end;       /* the row after the last row below this one */
  uint32_t condition; /* the first of these are looked at of rows that don't apply, too */
  struct source source;
  uint32_t expression;
  uint32_t map, table;
  uint32_t name, other;
  struct path path;
  bool is_data;        /* it, or a row below it, takes something from the message */
  uint64_t components; /* bit n: component n of the source is taken by the map or the rows below */
  uint16_t file;
  uint32_t line;
};

struct key_part {
  uint32_t expression;
  bool is_optional;
};
struct key {
  uint32_t first_part, parts_n;
  uint32_t next;
  bool is_shared;  /* the same of whichever sender */
  bool is_further; /* for the second of a message with the same key */
};
struct choice {
  uint32_t map, condition, next;
};
/* An element that gives way to what is stored. */
struct yield {
  struct str element;
  uint32_t condition, next;
};

struct field_set {
  uint64_t bits[4]; /* fields 0 .. 255 */
};

struct program_map {
  struct str name;
  defs_type_id type;
  enum primitive primitive;
  uint32_t segment; /* segment_code, if the name begins with a segment's; else 0 */
  uint32_t first_row, end_row;
  uint32_t first_choice;
  bool identifies, is_snapshot, is_transient, is_data;
  uint32_t identify_condition;
  uint32_t identify_except; /* first of the texts: identifiers of these types identify nobody */
  uint32_t first_key;
  uint32_t first_yield;
  uint64_t components;               /* of "." that it takes or ignores */
  struct field_set condition_fields; /* that only its conditions look at, or that it ignores */
  bool is_measured;
  uint16_t file;
  uint32_t line;
};

struct table_entry {
  struct str system, code, display;
  bool is_none; /* known, and means nothing */
};
struct pattern {
  struct str before, after; /* around the star on the left */
  struct table_entry entry; /* a star in code or system is replaced */
  uint32_t next;
};
struct program_table {
  struct str name;
  struct map exact, folded; /* -> struct table_entry */
  uint32_t first_pattern;
  bool has_default, default_keeps;
  struct table_entry fallback;
  uint16_t file;
  uint32_t line;
};

/* A segment or a group in a message. */
struct item {
  uint32_t segment; /* 0: a group */
  struct str name;
  bool repeats;
  uint32_t parent, first_child, next; /* items */
  uint32_t order;                     /* among its siblings */
  uint32_t first_row, end_row;
};

struct program_message {
  struct str name;
  uint32_t root; /* an item: the group of everything */
  uint32_t needs[8];
  size_t needs_n;
  uint16_t file;
};
/* One entry of a `for` line. */
struct program_event {
  struct str type, event; /* "*" or empty: any */
  uint32_t message;
};

struct map_file {
  struct str name; /* "segments/PID.map" */
  struct str text;
  const struct str *lines; /* lines[0] is line 1 */
  size_t lines_n;
};

struct maps {
  struct arena *arena;
  VEC(struct map_file) files;
  VEC(struct row) rows;
  VEC(struct path_step) steps;
  VEC(struct expression) expressions;
  VEC(struct program_map) maps;
  VEC(struct program_table) tables;
  VEC(struct pattern) patterns;
  VEC(struct item) items;
  VEC(struct program_message) messages;
  VEC(struct program_event) events;
  VEC(struct key) keys;
  VEC(struct key_part) key_parts;
  VEC(struct choice) choices;
  VEC(struct yield) yields;
  VEC(struct str) names;
  struct map maps_by_name, tables_by_name, names_by_text, messages_by_name;
  defs_type_id type_reference, type_coding, type_codeable_concept, type_bundle;
};

/* What a name stands for in one of these; 0: nothing. */
uint32_t index_get(const struct map *map, struct str name);
int index_set(struct map *map, struct str name, uint32_t index) MUST_CHECK;

/* The answer of a table for a code. */
enum lookup { LOOKUP_FOUND, LOOKUP_NONE, LOOKUP_UNKNOWN };
enum lookup table_lookup(struct arena *arena, const struct program_table *table,
                         const struct maps *maps, struct str code, struct table_entry *ret_entry);

enum primitive primitive_of(defs_type_id type);

#endif
