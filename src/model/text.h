/*
 * The text of a resource as words: what `_text` and `_content` search in.
 *
 * Text is what elements of the types string, markdown and code hold, and the narrative (xhtml), at
 * any depth, contained resources included. Uris, ids, references, dates, numbers and binary content
 * are no text, nor is a string that is a UUID or a URI (urn:, http:, https:) as a whole; they have
 * parameters of their own.
 *
 * A word is a run of letters and digits, in Unicode's compatibility decomposition, case folded,
 * without marks (as search_normal_string does it): "Müller" is "muller", "x-ray" two words. Scripts
 * that are written without spaces between words (Han, Hiragana, Thai, Lao, Khmer, Myanmar) give one
 * word per character. Longer words are cut at TEXT_WORD_MAX_BYTES. This is the simple part of
 * Unicode's word boundaries (UAX #29), without its rules for what stands between letters or digits.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef MODEL_TEXT_H
#define MODEL_TEXT_H

#include "format/json.h"
#include "model/definitions.h"

#define TEXT_WORD_MAX_BYTES 64

/* In the order of the text. An empty one is a gap: what stands before it is of another element than
 * what follows, and no phrase goes across. */
struct text_words {
  const struct str *p;
  size_t n;
};

enum text_part {
  TEXT_NARRATIVE, /* Resource.text.div of the resource itself */
  TEXT_CONTENT,   /* everything, narrative included */
};

/* Only ERR_NO_MEMORY. What does not fit the definitions is passed over. */
int text_words_of_resource(struct arena *arena, const struct yyjson_val *resource,
                           enum text_part part, struct text_words *ret_words,
                           struct err *reterr) MUST_CHECK;

/* The words of a plain text. */
int text_words_of_string(struct arena *arena, struct str text, struct text_words *ret_words,
                         struct err *reterr) MUST_CHECK;

#endif
