#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_int least_level = LOG_INFO;

void log_set_level(enum log_level least) {
  atomic_store(&least_level, (int)least);
}

void log_line(enum log_level level, const char *module, const char *format, ...) {
  static const char *const names[] = {"debug", "info ", "warn ", "error"};
  if ((int)level < atomic_load(&least_level))
    return;
  char line[1024], instant[CLOCK_INSTANT_BYTES];
  clock_format_instant(clock_now_us(), instant);
  int n = snprintf(line, sizeof line, "%s %s %-8s ", instant, names[level], module);
  va_list args;
  va_start(args, format);
  int more = n < 0 ? -1 : vsnprintf(line + n, sizeof line - (size_t)n, format, args);
  va_end(args);
  if (more < 0)
    return;
  size_t length = (size_t)n + (size_t)more;
  if (length > sizeof line - 2)
    length = sizeof line - 2;
  line[length++] = '\n';
  /* Nothing can be done about a log that can't be written. */
  ssize_t ignored = write(STDERR_FILENO, line, length);
  (void)ignored;
}
