/*
 * What the parts of the map compiler share: a cursor over one row of text, faults with file and
 * line, names, paths, expressions.
 *
 * Threads: one compiler, one thread. Memory: on the arena of the maps.
 */
#ifndef MAPPING_COMPILE_H
#define MAPPING_COMPILE_H

#include "mapping/files.h"

struct compiler {
  struct maps *maps;
  uint16_t file;
  uint32_t map; /* index of the map whose rows are compiled; 0 in a message */
  /* In a message: the type of the resources made under each name, by name. */
  defs_type_id *name_types;
  size_t name_types_n;
  int depth; /* of nested calls in a text */
};

struct cursor {
  struct compiler *c;
  struct str text;
  size_t at;
  uint32_t line;
};

int compile_fault(const struct cursor *cursor, struct err *reterr, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Spaces are skipped by all of these. */
bool cursor_at_end(struct cursor *cursor);
char cursor_peek(struct cursor *cursor);
bool cursor_accept(struct cursor *cursor, const char *sign);
/* A keyword: followed by no letter, digit or '-'. */
bool cursor_accept_word(struct cursor *cursor, const char *word);
/* The next run of characters of which `belongs` says so; may be empty. */
struct str cursor_take(struct cursor *cursor, bool (*belongs)(char c));
struct str cursor_rest(struct cursor *cursor);
int cursor_expect_end(struct cursor *cursor, struct err *reterr) MUST_CHECK;

bool belongs_to_name(char c); /* letters, digits, '_' and '-' */

/* "..." without its quotes. */
int compile_string(struct cursor *cursor, struct str *ret_text, struct err *reterr) MUST_CHECK;
/* PID-3(1).4.2, .4 or "."; `segment_alone`: PID is allowed. */
int compile_source(struct cursor *cursor, bool segment_alone, struct source *ret_source,
                   struct err *reterr) MUST_CHECK;
bool is_source_next(struct cursor *cursor);
/* A path from an element of this type. */
int compile_path(struct cursor *cursor, defs_type_id type, struct path *ret_path,
                 struct err *reterr) MUST_CHECK;
/* The number of a name of a resource (without '@'). */
int compile_name(struct cursor *cursor, uint32_t *ret_name, struct err *reterr) MUST_CHECK;
/* The map or table named next. */
int compile_map_name(struct cursor *cursor, uint32_t *ret_map, struct err *reterr) MUST_CHECK;
int compile_table_name(struct cursor *cursor, uint32_t *ret_table, struct err *reterr) MUST_CHECK;

/* A text; `type` is that of `this` (for `this.path made`). */
int compile_text(struct cursor *cursor, defs_type_id type, uint32_t *ret_expression,
                 struct err *reterr) MUST_CHECK;
int compile_condition(struct cursor *cursor, defs_type_id type, uint32_t *ret_expression,
                      struct err *reterr) MUST_CHECK;
/* An `if` at the end of a row, or nothing; then the row has to end. */
int compile_if(struct cursor *cursor, defs_type_id type, uint32_t *ret_condition,
               struct err *reterr) MUST_CHECK;

/* The rows [first, end) of text as rows of the program, below an element of this type. */
int compile_rows(struct compiler *c, const struct text_rows *rows, uint32_t first, uint32_t end,
                 defs_type_id type, struct err *reterr) MUST_CHECK;
/* Starts a row of the program. */
int compile_new_row(struct cursor *cursor, enum row_kind kind, uint32_t *ret_row,
                    struct err *reterr) MUST_CHECK;
/* PATH = TEXT or PATH = @NAME, from PATH on, with the `if`. */
int compile_assignment(struct cursor *cursor, defs_type_id type, uint32_t row,
                       struct err *reterr) MUST_CHECK;

int compile_message(struct compiler *c, const struct text_rows *rows, uint32_t at,
                    struct err *reterr) MUST_CHECK;
int compile_table(struct compiler *c, const struct text_rows *rows, uint32_t at,
                  struct err *reterr) MUST_CHECK;

/* After all rows are compiled: what each map takes from its source. */
void compile_measure(struct maps *maps);

#endif
