/* The nearest known parameter for one that is not known. */
#include "base/nearest.h"
#include "store/search/search_parser.h"

enum { NAME_BYTES_MAX = 64 }; /* of a name that an error repeats */

struct str search_nearest(defs_type_id type, struct str name, bool with_results) {
  struct nearest nearest = nearest_to(name);
  size_t n;
  const defs_param_id *params = defs_params_of(type, &n);
  for (size_t i = 0; i < n; i++)
    nearest_consider(&nearest, defs_param(params[i])->code);
  for (const char *const *result = search_result_names(); with_results && *result; result++)
    nearest_consider(&nearest, str_of(*result));
  return nearest.name;
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
