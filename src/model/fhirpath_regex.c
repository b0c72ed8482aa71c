#include "model/fhirpath_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_LIMIT 100000
#define DEPTH_LIMIT 1000
#define HEAP_LIMIT_KIB 8192
#define REPLACED_MAX_BYTES ((size_t)4 << 20)

struct fhirpath_regex {
  pcre2_code *code;
  pcre2_match_context *limits;
  bool is_empty; /* the empty pattern matches everywhere, and replaces nothing */
};

static void free_regex(void *what) {
  struct fhirpath_regex *regex = what;
  pcre2_match_context_free(regex->limits);
  pcre2_code_free(regex->code);
}

int fhirpath_regex_compile(struct arena *arena, struct str pattern,
                           struct fhirpath_regex **ret_regex, struct err *reterr) {
  struct fhirpath_regex *regex = ARENA_NEW(arena, struct fhirpath_regex);
  if (!regex || arena_on_free(arena, free_regex, regex) < 0)
    return err_no_memory(reterr);
  int error;
  PCRE2_SIZE at;
  regex->limits = pcre2_match_context_create(NULL);
  /* DOTALL and UTF as FHIRPath 2.0.0 (5.6.8) wants; an empty pattern is a pattern. */
  regex->code =
      pcre2_compile((PCRE2_SPTR)(pattern.p ? pattern.p : ""), pattern.n,
                    PCRE2_UTF | PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
  if (!regex->limits)
    return err_no_memory(reterr);
  if (!regex->code) {
    PCRE2_UCHAR text[120];
    pcre2_get_error_message(error, text, sizeof text);
    return err_set(reterr, ERR_VALUE, "", "The regular expression is wrong at byte %zu: %s.",
                   (size_t)at, (const char *)text);
  }
  regex->is_empty = pattern.n == 0;
  pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
  pcre2_set_depth_limit(regex->limits, DEPTH_LIMIT);
  pcre2_set_heap_limit(regex->limits, HEAP_LIMIT_KIB);
  (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
  *ret_regex = regex;
  return 0;
}

static int match_error(int error, struct err *reterr) {
  if (error == PCRE2_ERROR_NOMEMORY)
    return err_no_memory(reterr);
  return err_set(reterr, ERR_TOO_COSTLY, "",
                 "A regular expression took more work than its limit allows.");
}

int fhirpath_regex_match(const struct fhirpath_regex *regex, struct str text, bool is_full,
                         bool *ret_matches, struct err *reterr) {
  pcre2_match_data *data = pcre2_match_data_create(1, NULL);
  if (!data)
    return err_no_memory(reterr);
  uint32_t options = is_full ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0;
  int found = pcre2_match(regex->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, options, data,
                          regex->limits);
  pcre2_match_data_free(data);
  if (found < 0 && found != PCRE2_ERROR_NOMATCH)
    return match_error(found, reterr);
  *ret_matches = found >= 0;
  return 0;
}

int fhirpath_regex_replace(struct arena *arena, const struct fhirpath_regex *regex, struct str text,
                           struct str substitution, struct str *ret_text, struct err *reterr) {
  if (regex->is_empty) {
    *ret_text = text;
    return 0;
  }
  PCRE2_SIZE n = text.n * 2 + substitution.n + 64;
  for (int attempt = 0; attempt < 2; attempt++) {
    if (n > REPLACED_MAX_BYTES)
      return err_set(reterr, ERR_TOO_COSTLY, "", "A replacement gives too long a text.");
    PCRE2_UCHAR *out = arena_alloc(arena, n);
    if (!out)
      return err_no_memory(reterr);
    int found = pcre2_substitute(
        regex->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0,
        PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_EXTENDED | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH |
            PCRE2_SUBSTITUTE_UNSET_EMPTY | PCRE2_SUBSTITUTE_UNKNOWN_UNSET,
        NULL, regex->limits, (PCRE2_SPTR)(substitution.p ? substitution.p : ""), substitution.n,
        out, &n);
    if (found >= 0) {
      *ret_text = str_n((const char *)out, n);
      return 0;
    }
    if (found != PCRE2_ERROR_NOMEMORY)
      return match_error(found, reterr);
  }
  return err_no_memory(reterr);
}
