/*
 * Character sets of v2 messages -> UTF-8.
 *
 * Spec: HL7 v2.8 table 0211 (MSH-18); a BOM wins over MSH-18. Without either: UTF-8 where the bytes
 * are valid UTF-8, else Windows-1252 (what senders that say nothing really send), and `assumed` is
 * set so that the message log can say it. Threads: pure. Memory: on the arena; UTF-8 and ASCII
 * input is borrowed, not copied.
 */
#ifndef FORMAT_CHARSET_H
#define FORMAT_CHARSET_H

#include "base/base.h"

struct charset_result {
  struct str text;  /* UTF-8, without BOM */
  const char *name; /* "UTF-8", "ISO-8859-1", "WINDOWS-1252", "UTF-16LE", ... */
  bool assumed;
};

/* Finds the character set of a whole v2 message and converts. ERR_VALUE ("MSH-18") for an unknown
 * name or bytes that it can't hold. */
int charset_to_utf8(struct arena *arena, struct str bytes, struct charset_result *ret_result,
                    struct err *reterr) MUST_CHECK;

#endif
