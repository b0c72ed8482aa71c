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

/*
 * Converts bytes in the set that MSH-18 calls `name` ("" is UTF-8). ERR_VALUE ("MSH-18") for an
 * unknown name or bytes that it can't hold.
 */
int charset_decode(struct arena *arena, struct str name, struct str bytes, struct str *ret_text,
                   struct err *reterr) MUST_CHECK;

/* A set that an escape sequence \Cxxyy\ or \Mxxyyzz\ switches to (ISO 2022). */
struct charset_designation;

/* By the hexadecimal digits of the sequence ("2442"); NULL when unknown. */
const struct charset_designation *charset_find_designation(struct str digits);

/* Converts text that was read as UTF-8 or Latin-1 but stands in the designated set. ERR_VALUE. */
int charset_decode_designated(struct arena *arena, const struct charset_designation *designation,
                              struct str text, struct str *ret_text, struct err *reterr) MUST_CHECK;

#endif
