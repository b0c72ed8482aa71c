/*
 * One line on standard error that tells how far something is, and is written over as it goes on.
 * Where that is no terminal, or who called wants it quiet, nothing is written.
 *
 * Threads: one at a time. Memory: the caller's.
 */
#ifndef MAIN_PROGRESS_LINE_H
#define MAIN_PROGRESS_LINE_H

#include "base/base.h"

struct progress_line {
  bool is_shown;
  int64_t start_us, shown_us; /* by the monotonic clock */
};

struct progress_line progress_line_start(bool is_quiet);

/* Is it time to tell again? Then the line is empty, and `*ret_s`, if not NULL, the seconds since
 * the start; the caller prints to stderr. */
bool progress_line_is_due(struct progress_line *line, double *ret_s);

/* Takes it away. */
void progress_line_end(const struct progress_line *line);

#endif
