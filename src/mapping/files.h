/*
 * The map files as rows: which files there are (built in, or the site's), and their text cut into
 * rows with the rows below them.
 *
 * Spec: docs/maps.md. Threads: pure, but for reading the site's folder. Memory: on the arena.
 */
#ifndef MAPPING_FILES_H
#define MAPPING_FILES_H

#include "mapping/program.h"

/* One map file of the program, as the build put it in. */
struct embedded_map {
  const char *name; /* "segments/PID.map" */
  const char *text;
  size_t n;
};
extern const struct embedded_map embedded_maps[];
extern const size_t embedded_maps_n;

/* Adds these texts to `maps->files`, and those of `override_dir` (NULL: none) in place of their
 * namesakes. */
int files_load(struct maps *maps, const struct embedded_map *texts, size_t n,
               const char *override_dir, struct err *reterr) MUST_CHECK;

/* Maps made of these texts alone, without those of the program. */
int maps_open_texts(const struct embedded_map *texts, size_t n, struct maps **ret_maps,
                    struct err *reterr) MUST_CHECK;

/* A row of text with its continuations joined and its comment taken away. */
struct text_row {
  struct str text;
  uint32_t line;   /* from 1 */
  uint32_t indent; /* spaces in front */
  uint32_t end;    /* index of the row after the last row below this one */
};
struct text_rows {
  VEC(struct text_row) list;
};

/* ERR_STRUCTURE for tabs, an indentation that fits nothing above, an open string. */
int files_cut(struct arena *arena, struct map_file *file, struct text_rows *ret_rows,
              struct err *reterr) MUST_CHECK;

#endif
