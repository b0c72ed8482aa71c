/* The nearest known parameter for one that is not known. */
#include "store/search_parser.h"

enum { NAME_BYTES_MAX = 64 };

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Edits (insert, drop, change, swap of neighbours) from `a` to `b`; SIZE_MAX for over-long names.
 */
static size_t edit_distance(struct str a, struct str b) {
  size_t rows[3][NAME_BYTES_MAX + 1];
  if (a.n > NAME_BYTES_MAX || b.n > NAME_BYTES_MAX)
    return SIZE_MAX;
  size_t *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= b.n; j++)
    before[j] = last[j] = j;
  for (size_t i = 1; i <= a.n; i++) {
    now[0] = i;
    for (size_t j = 1; j <= b.n; j++) {
      size_t change = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
      now[j] = least(change, least(last[j], now[j - 1]) + 1);
      if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
        now[j] = least(now[j], before[j - 2] + 1);
    }
    size_t *free_row = before;
    before = last;
    last = now;
    now = free_row;
  }
  return last[b.n];
}

static void consider(struct str name, struct str candidate, size_t *best, struct str *ret_nearest) {
  size_t distance = edit_distance(name, candidate);
  if (distance < *best) {
    *best = distance;
    *ret_nearest = candidate;
  }
}

struct str search_nearest(defs_type_id type, struct str name, bool with_results) {
  struct str nearest = STR("");
  size_t best = name.n / 2 + 1; /* farther than half of it is another word */
  size_t n;
  const defs_param_id *params = defs_params_of(type, &n);
  for (size_t i = 0; i < n; i++)
    consider(name, defs_param(params[i])->code, &best, &nearest);
  for (const char *const *result = search_result_names(); with_results && *result; result++)
    consider(name, str_of(*result), &best, &nearest);
  return nearest;
}

int search_unknown(struct err *reterr, defs_type_id type, struct str name, bool with_results) {
  struct str nearest = search_nearest(type, name, with_results);
  struct str type_name = defs_type(type)->name;
  if (nearest.n == 0)
    return err_set_at(reterr, ERR_NOT_SUPPORTED, name, "%.*s has no search parameter '%.*s'",
                      STR_ARG(type_name), STR_ARG(str_slice(name, 0, NAME_BYTES_MAX)));
  return err_set_at(reterr, ERR_NOT_SUPPORTED, name,
                    "%.*s has no search parameter '%.*s'; did you mean '%.*s'?", STR_ARG(type_name),
                    STR_ARG(str_slice(name, 0, NAME_BYTES_MAX)), STR_ARG(nearest));
}
