#include "base/err.h"

#include <stdarg.h>

static const struct err_facts facts[] = {
#define X(name, code, http, issue, hl7, text) {name, #name, http, issue, hl7, text},
    ERR_TABLE(X)
#undef X
};

const struct err_facts *err_facts(enum err_code code) {
  for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
    if (facts[i].code == code)
      return &facts[i];
  return err_facts(ERR_INTERNAL);
}

/* Never leaves half a UTF-8 character at the end of a text that was cut. */
static void cut_partial_character(char *z, size_t size, size_t wanted) {
  if (wanted < size)
    return;
  size_t n = size - 1;
  while (n > 0 && ((unsigned char)z[n - 1] & 0xC0) == 0x80)
    n--;
  if (n > 0 && (unsigned char)z[n - 1] >= 0xC0)
    n--;
  if (n < size - 1 && (unsigned char)z[size - 2] < 0x80)
    n = size - 1;
  z[n] = '\0';
}

static int set(struct err *reterr, enum err_code code, struct str where, const char *format,
               va_list args) __attribute__((format(printf, 4, 0)));

static int set(struct err *reterr, enum err_code code, struct str where, const char *format,
               va_list args) {
  if (!reterr)
    return code;
  reterr->severity = ERR_SEVERITY_ERROR;
  reterr->code = code;
  int n = snprintf(reterr->where, sizeof reterr->where, "%.*s", STR_ARG(where));
  cut_partial_character(reterr->where, sizeof reterr->where, n < 0 ? 0 : (size_t)n);
  n = vsnprintf(reterr->text, sizeof reterr->text, format, args);
  cut_partial_character(reterr->text, sizeof reterr->text, n < 0 ? 0 : (size_t)n);
  return code;
}

int err_set(struct err *reterr, enum err_code code, const char *where, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int result = set(reterr, code, str_of(where ? where : ""), format, args);
  va_end(args);
  return result;
}

int err_set_at(struct err *reterr, enum err_code code, struct str where, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int result = set(reterr, code, where, format, args);
  va_end(args);
  return result;
}
