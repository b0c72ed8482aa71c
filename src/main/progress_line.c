#include "main/progress_line.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define EVERY_US 200000
#define EMPTY_LINE "\r\033[K"

struct progress_line progress_line_start(bool is_quiet) {
  return (struct progress_line){.is_shown = !is_quiet && isatty(STDERR_FILENO),
                                .start_us = clock_monotonic_us()};
}

bool progress_line_is_due(struct progress_line *line, double *ret_s) {
  int64_t now_us = clock_monotonic_us();
  if (!line->is_shown || now_us - line->shown_us < EVERY_US)
    return false;
  line->shown_us = now_us;
  if (ret_s)
    *ret_s = (double)(now_us - line->start_us) / 1e6;
  fputs(EMPTY_LINE, stderr);
  return true;
}

void progress_line_end(const struct progress_line *line) {
  if (line->is_shown)
    fputs(EMPTY_LINE, stderr);
}
