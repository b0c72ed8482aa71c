/*
 * Names of people of many languages, common given and family names put together by chance.
 *
 * A name stands in its own script and in Latin letters that fit ISO 8859-1, because some sending
 * systems know no other. Threads: immutable. Memory: static.
 */
#ifndef MAIN_SIMULATE_NAMES_H
#define MAIN_SIMULATE_NAMES_H

#include "base/base.h"

struct name {
  const char *own;   /* as its bearer writes it */
  const char *latin; /* NULL: the same */
};

#define NAMES_GIVEN 7
#define NAMES_FAMILY 8

struct culture {
  const char *language; /* ISO 639-1 */
  const char *language_name;
  bool is_ideographic; /* XPN-8 "I" */
  struct name female[NAMES_GIVEN], male[NAMES_GIVEN];
  struct name family[NAMES_FAMILY];
  /* Where women have another form of the family name; else empty. */
  struct name family_female[NAMES_FAMILY];
};

extern const struct culture names_cultures[];
extern const size_t names_cultures_n;

static inline const char *name_latin(const struct name *name) {
  return name->latin ? name->latin : name->own;
}

#endif
