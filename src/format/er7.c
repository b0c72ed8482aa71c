#include "format/er7.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * The scan looks at 64 bytes at a time and makes one bit for each byte that ends something: the
 * field separator in one mask, CR and LF in the other. What lies between two bits is never looked
 * at, only measured.
 */
#define BLOCK_BYTES 64

struct marks {
  uint64_t separators, line_ends;
};

#ifdef __SSE2__
static inline struct marks mark_block(const char *p, char field) {
  const __m128i separator = _mm_set1_epi8(field), cr = _mm_set1_epi8('\r'),
                lf = _mm_set1_epi8('\n');
  struct marks marks = {0, 0};
  for (int i = 0; i < BLOCK_BYTES / 16; i++) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + (size_t)i * 16));
    __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf));
    unsigned separator_bits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, separator));
    marks.separators |= (uint64_t)separator_bits << (i * 16);
    marks.line_ends |= (uint64_t)(unsigned)_mm_movemask_epi8(ends) << (i * 16);
  }
  return marks;
}
#else
static inline struct marks mark_block(const char *p, char field) {
  struct marks marks = {0, 0};
  for (unsigned i = 0; i < BLOCK_BYTES; i++) {
    marks.separators |= (uint64_t)(p[i] == field) << i;
    marks.line_ends |= (uint64_t)(p[i] == '\r' || p[i] == '\n') << i;
  }
  return marks;
}
#endif

/* The marks of the block at `at`; bytes past the end of `text` give none. */
static inline struct marks marks_at(struct str text, size_t at, char field) {
  if (text.n - at >= BLOCK_BYTES)
    return mark_block(text.p + at, field);
  char padded[BLOCK_BYTES] = {0};
  memcpy(padded, text.p + at, text.n - at);
  return mark_block(padded, field);
}

static inline bool is_line_end(char c) {
  return c == '\r' || c == '\n';
}

static inline bool is_blank(char c) {
  return c == ' ' || c == '\t' || is_line_end(c);
}

static inline bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static inline bool is_name_char(char c) {
  return is_letter(c) || (c >= '0' && c <= '9');
}

static bool is_header_name(struct str name) {
  return str_equal(name, STR("MSH")) || str_equal(name, STR("BHS")) || str_equal(name, STR("FHS"));
}

static size_t skip_blanks(struct str text, size_t at) {
  while (at < text.n && is_blank(text.p[at]))
    at++;
  return at;
}

/* A name of three, then the field separator or the end of the line. */
static bool is_segment_start(struct str text, size_t at, char field) {
  if (text.n - at < 3)
    return false;
  const char *p = text.p + at;
  if (!is_letter(p[0]) || !is_name_char(p[1]) || !is_name_char(p[2]))
    return false;
  return text.n - at == 3 || p[3] == field || is_line_end(p[3]);
}

/* Delimiters */

static bool is_usable_delimiter(char c) {
  return c != '\0' && c != ' ' && !is_line_end(c) && !is_name_char(c) && !((unsigned char)c & 0x80);
}

static int check_delimiters(const struct er7_delimiters *d, struct err *reterr) {
  const char all[] = {d->field,  d->component,    d->repetition,
                      d->escape, d->subcomponent, d->truncation};
  for (size_t i = 0; i < sizeof all; i++) {
    if (all[i] == '\0' && i >= 2)
      continue;
    if (!is_usable_delimiter(all[i]))
      return err_set(reterr, ERR_STRUCTURE, i ? "MSH-2" : "MSH-1",
                     "The header names a letter, digit, space or control character as delimiter.");
    for (size_t k = 0; k < i; k++)
      if (all[k] == all[i])
        return err_set(reterr, ERR_STRUCTURE, "MSH-2",
                       "The header uses '%c' for two different delimiters.", all[i]);
  }
  return 0;
}

/* Reads MSH-1 and MSH-2 (or BHS, FHS) at `start`. */
static int read_delimiters(struct str text, size_t start, struct er7_delimiters *ret_delimiters,
                           struct err *reterr) {
  char where[40];
  snprintf(where, sizeof where, "byte %zu", start);
  if (text.n - start < 4 || !is_header_name(str_slice(text, start, 3)))
    return err_set(reterr, ERR_STRUCTURE, where, "An HL7 v2 message starts with MSH, BHS or FHS.");
  char field = text.p[start + 3];
  size_t from = start + 4, end = from;
  while (end < text.n && text.p[end] != field && !is_line_end(text.p[end]))
    end++;
  struct str encoding = str_slice(text, from, end - from);
  if (encoding.n == 0 || encoding.n > 5)
    return err_set(reterr, ERR_STRUCTURE, "MSH-2",
                   "The encoding characters are %zu; one to five are usual, as in ^~\\&.",
                   encoding.n);
  const char *e = encoding.p;
  struct er7_delimiters delimiters = {
      .field = field,
      .component = e[0],
      .repetition = encoding.n > 1 ? e[1] : '\0',
      .escape = encoding.n > 2 ? e[2] : '\0',
      .subcomponent = encoding.n > 3 ? e[3] : '\0',
      .truncation = encoding.n > 4 ? e[4] : '\0',
  };
  int code = check_delimiters(&delimiters, reterr);
  if (code < 0)
    return code;
  *ret_delimiters = delimiters;
  return 0;
}

/* The parse */

struct parse {
  struct str text;
  char field;
  struct er7_limits limits;
  struct er7_segment *segments;
  size_t segments_n;
  struct str *fields;
  size_t fields_n;
  size_t segment_start, field_start;
  bool in_segment;
};

static int too_long_segment(const struct parse *parse, struct err *reterr) {
  char where[40];
  snprintf(where, sizeof where, "segment %zu", parse->segments_n);
  return err_set(reterr, ERR_TOO_LONG, where, "A segment has more fields than the limit of %zu.",
                 parse->limits.max_fields);
}

static inline void push_field(struct parse *parse, size_t end) {
  parse->fields[parse->fields_n++] =
      str_n(parse->text.p + parse->field_start, end - parse->field_start);
}

static int begin_segment(struct parse *parse, size_t start, struct err *reterr) {
  if (parse->segments_n == parse->limits.max_segments)
    return err_set(reterr, ERR_TOO_LONG, "", "The message has more segments than the limit of %zu.",
                   parse->limits.max_segments);
  parse->segments[parse->segments_n++] = (struct er7_segment){
      .name = str_slice(parse->text, start, 3),
      .first_field = (uint32_t)parse->fields_n,
  };
  parse->segment_start = parse->field_start = start;
  parse->in_segment = true;
  return 0;
}

/* Takes the name off the fields; a header's separator is its field 1. */
static void end_name(struct parse *parse, size_t end) {
  push_field(parse, end);
  if (end < parse->text.n && parse->text.p[end] == parse->field &&
      is_header_name(parse->segments[parse->segments_n - 1].name))
    parse->fields[parse->fields_n++] = str_n(parse->text.p + end, 1);
}

static inline void end_field(struct parse *parse, size_t end) {
  if (parse->field_start == parse->segment_start)
    end_name(parse, end);
  else
    push_field(parse, end);
  parse->field_start = end + 1;
}

static int end_segment(struct parse *parse, size_t end, struct err *reterr) {
  end_field(parse, end);
  struct er7_segment *segment = &parse->segments[parse->segments_n - 1];
  size_t fields_n = parse->fields_n - segment->first_field - 1;
  if (fields_n > parse->limits.max_fields)
    return too_long_segment(parse, reterr);
  segment->text = str_slice(parse->text, parse->segment_start, end - parse->segment_start);
  segment->fields_n = (uint32_t)fields_n;
  parse->in_segment = false;
  return 0;
}

/*
 * A line end at `at`. It ends the segment where a segment or nothing follows. Else it stands inside
 * a field: senders that do not escape line ends in texts are common, and to give the rest of the
 * text a segment of its own would lose the fields after it.
 */
static int end_line(struct parse *parse, size_t at, struct err *reterr) {
  size_t next = skip_blanks(parse->text, at);
  bool is_last = next == parse->text.n;
  if (!is_last && !is_segment_start(parse->text, next, parse->field))
    return 0;
  int code = end_segment(parse, at, reterr);
  if (code < 0 || is_last)
    return code;
  return begin_segment(parse, next, reterr);
}

static int scan(struct parse *parse, struct err *reterr) {
  for (size_t at = 0; at < parse->text.n; at += BLOCK_BYTES) {
    struct marks marks = marks_at(parse->text, at, parse->field);
    for (uint64_t left = marks.separators | marks.line_ends; left; left &= left - 1) {
      size_t hit = at + (size_t)__builtin_ctzll(left);
      if (hit < parse->segment_start || !parse->in_segment)
        continue; /* in the blank lines before a segment */
      if (parse->text.p[hit] == parse->field) {
        end_field(parse, hit);
        continue;
      }
      int code = end_line(parse, hit, reterr);
      if (code < 0)
        return code;
    }
  }
  return parse->in_segment ? end_segment(parse, parse->text.n, reterr) : 0;
}

/* Counts first, so that both arrays are taken from the arena once and in the right size. */
static int allocate(struct arena *arena, struct parse *parse, struct err *reterr) {
  size_t separators = 0, segments = 1;
  for (size_t at = 0; at < parse->text.n; at += BLOCK_BYTES) {
    struct marks marks = marks_at(parse->text, at, parse->field);
    separators += (size_t)__builtin_popcountll(marks.separators);
    segments += (size_t)__builtin_popcountll(marks.line_ends);
  }
  if (segments > parse->limits.max_segments)
    segments = parse->limits.max_segments;
  /* Each segment has one field more than separators (its name), a header one more again. */
  parse->fields = arena_alloc(arena, (separators + 2 * segments) * sizeof *parse->fields);
  parse->segments = arena_alloc(arena, segments * sizeof *parse->segments);
  return parse->fields && parse->segments ? 0 : err_no_memory(reterr);
}

int er7_parse(struct arena *arena, struct str text, const struct er7_limits *limits,
              struct er7_message *ret_message, struct err *reterr) {
  struct parse parse = {.text = text, .limits = limits ? *limits : ER7_LIMITS_DEFAULT};
  if (text.n > parse.limits.max_bytes || text.n > UINT32_MAX / 4)
    return err_set(reterr, ERR_TOO_LONG, "", "The message has %zu bytes; the limit is %zu.", text.n,
                   parse.limits.max_bytes);
  if (parse.limits.max_segments > UINT32_MAX / 8)
    parse.limits.max_segments = UINT32_MAX / 8;
  size_t start = skip_blanks(text, 0);
  struct er7_delimiters delimiters = {0};
  int code = read_delimiters(text, start, &delimiters, reterr);
  if (code < 0)
    return code;
  parse.field = delimiters.field;
  code = allocate(arena, &parse, reterr);
  if (code < 0)
    return code;
  code = begin_segment(&parse, start, reterr);
  if (code < 0)
    return code;
  code = scan(&parse, reterr);
  if (code < 0)
    return code;
  *ret_message = (struct er7_message){.text = text,
                                      .delimiters = delimiters,
                                      .segments = parse.segments,
                                      .segments_n = parse.segments_n,
                                      .fields_ = parse.fields};
  return 0;
}

void er7_write(struct buf *buf, const struct er7_message *message) {
  buf_add(buf, message->text);
}

ssize_t er7_find(const struct er7_message *message, struct str name, size_t from) {
  for (size_t i = from; i < message->segments_n; i++)
    if (str_equal(message->segments[i].name, name))
      return (ssize_t)i;
  return -1;
}

/* Places */

static struct str field_of(const struct er7_message *message, uint32_t segment, unsigned field) {
  if (segment >= message->segments_n)
    return STR_NULL;
  const struct er7_segment *s = &message->segments[segment];
  return field <= s->fields_n ? message->fields_[s->first_field + field] : STR_NULL;
}

/* MSH-1 and MSH-2 are made of delimiters, but not divided by them. */
static bool is_undivided(const struct er7_message *message, uint32_t segment, unsigned field) {
  return field <= 2 && segment < message->segments_n &&
         is_header_name(message->segments[segment].name);
}

/* The n-th part (from 1) of `s`; empty when there are fewer. */
static struct str part_of(struct str s, char separator, unsigned n) {
  if (separator == '\0' || s.n == 0)
    return n == 1 ? s : STR_NULL;
  for (;; n--) {
    const char *end = memchr(s.p, separator, s.n);
    if (n == 1)
      return end ? str_n(s.p, (size_t)(end - s.p)) : s;
    if (!end)
      return STR_NULL;
    s.n -= (size_t)(end - s.p) + 1;
    s.p = end + 1;
    if (s.n == 0)
      return n == 2 ? s : STR_NULL;
  }
}

static unsigned count_parts(struct str s, char separator) {
  if (s.n == 0)
    return 0;
  unsigned n = 1;
  for (size_t i = 0; separator != '\0' && i < s.n; i++)
    n += s.p[i] == separator;
  return n;
}

struct str er7_raw(const struct er7_message *message, struct er7_place place) {
  if (place.field == 0)
    return place.segment < message->segments_n ? message->segments[place.segment].text : STR_NULL;
  struct str s = field_of(message, place.segment, place.field);
  unsigned subcomponent = place.subcomponent;
  unsigned component = place.component || !subcomponent ? place.component : 1;
  unsigned repetition = place.repetition || !component ? place.repetition : 1;
  if (is_undivided(message, place.segment, place.field))
    return repetition <= 1 && component <= 1 && subcomponent <= 1 ? s : STR_NULL;
  if (repetition)
    s = part_of(s, message->delimiters.repetition, repetition);
  if (component)
    s = part_of(s, message->delimiters.component, component);
  if (subcomponent)
    s = part_of(s, message->delimiters.subcomponent, subcomponent);
  return s;
}

unsigned er7_repetitions(const struct er7_message *message, uint32_t segment, unsigned field) {
  if (field == 0)
    return 0;
  if (is_undivided(message, segment, field))
    return field_of(message, segment, field).n > 0;
  return count_parts(field_of(message, segment, field), message->delimiters.repetition);
}

/* The parts by `separator` of what stands at `place` down to the level above. */
static unsigned count_at(const struct er7_message *message, struct er7_place place,
                         char separator) {
  struct str s = er7_raw(message, place);
  if (is_undivided(message, place.segment, place.field))
    return s.n > 0;
  return count_parts(s, separator);
}

unsigned er7_components(const struct er7_message *message, struct er7_place place) {
  place.repetition = place.repetition ? place.repetition : 1;
  place.component = place.subcomponent = 0;
  return place.field ? count_at(message, place, message->delimiters.component) : 0;
}

unsigned er7_subcomponents(const struct er7_message *message, struct er7_place place) {
  place.component = place.component ? place.component : 1;
  place.subcomponent = 0;
  return place.field ? count_at(message, place, message->delimiters.subcomponent) : 0;
}

bool er7_is_null(struct str raw) {
  return raw.n == 2 && raw.p[0] == '"' && raw.p[1] == '"';
}

void er7_place_write(struct buf *buf, const struct er7_message *message, struct er7_place place) {
  if (place.segment < message->segments_n)
    buf_add(buf, message->segments[place.segment].name);
  if (!place.field)
    return;
  buf_add_char(buf, '-');
  buf_add_u64(buf, place.field);
  if (place.repetition > 1) {
    buf_add_char(buf, '(');
    buf_add_u64(buf, place.repetition);
    buf_add_char(buf, ')');
  }
  if (place.component || place.subcomponent) {
    buf_add_char(buf, '.');
    buf_add_u64(buf, place.component ? place.component : 1);
  }
  if (place.subcomponent) {
    buf_add_char(buf, '.');
    buf_add_u64(buf, place.subcomponent);
  }
}

/* The header */

static struct str first_component(const struct er7_message *message, uint32_t segment,
                                  uint16_t field, uint16_t component) {
  return str_trim(er7_raw(message, (struct er7_place){segment, field, 1, component, 0}));
}

void er7_header(const struct er7_message *message, struct er7_header *ret_header) {
  *ret_header = (struct er7_header){0};
  ssize_t found = er7_find(message, STR("MSH"), 0);
  if (found < 0)
    return;
  uint32_t msh = (uint32_t)found;
  *ret_header = (struct er7_header){
      .sending_application = first_component(message, msh, 3, 1),
      .sending_facility = first_component(message, msh, 4, 1),
      .receiving_application = first_component(message, msh, 5, 1),
      .receiving_facility = first_component(message, msh, 6, 1),
      .time = first_component(message, msh, 7, 1),
      .type = first_component(message, msh, 9, 1),
      .event = first_component(message, msh, 9, 2),
      .structure = first_component(message, msh, 9, 3),
      .control_id = first_component(message, msh, 10, 1),
      .processing_id = first_component(message, msh, 11, 1),
      .version = first_component(message, msh, 12, 1),
      .accept_ack = first_component(message, msh, 15, 1),
      .application_ack = first_component(message, msh, 16, 1),
      .charset = first_component(message, msh, 18, 1),
  };
  /* 2.1 and 2.2 senders may give the event in EVN-1 alone. */
  ssize_t evn = er7_find(message, STR("EVN"), msh);
  if (ret_header->event.n == 0 && evn >= 0)
    ret_header->event = first_component(message, (uint32_t)evn, 1, 1);
}

/* Batches */

struct batch {
  struct arena *arena;
  VEC(struct str) messages;
  bool is_exhausted;
};

static void push_message(struct batch *batch, struct str text) {
  if (skip_blanks(text, 0) == text.n)
    return;
  struct str *message = VEC_PUSH(batch->arena, &batch->messages);
  if (message)
    *message = text;
  else
    batch->is_exhausted = true;
}

/* Position after the line ends that follow the line at `at`. */
static size_t next_line(struct str text, size_t at) {
  size_t cr_or_lf = at;
  while (cr_or_lf < text.n) {
    struct marks marks = marks_at(text, cr_or_lf, '\r');
    if (marks.line_ends) {
      cr_or_lf += (size_t)__builtin_ctzll(marks.line_ends);
      break;
    }
    cr_or_lf += BLOCK_BYTES;
  }
  return cr_or_lf < text.n ? skip_blanks(text, cr_or_lf) : text.n;
}

static bool is_envelope_name(struct str name) {
  return str_equal(name, STR("FHS")) || str_equal(name, STR("BHS")) ||
         str_equal(name, STR("BTS")) || str_equal(name, STR("FTS"));
}

/* What is neither a message nor an envelope is given as a message too, so that the parse can refuse
 * it by name: nothing in a batch disappears. */
int er7_split_batch(struct arena *arena, struct str text, const struct str **ret_messages,
                    size_t *ret_n, struct err *reterr) {
  struct batch batch = {.arena = arena};
  size_t start = 0, at = skip_blanks(text, 0);
  while (at < text.n) {
    struct str name = str_slice(text, at, 3);
    bool is_line = text.n - at > 3 && is_usable_delimiter(text.p[at + 3]);
    bool is_bare_trailer = text.n - at == 3 || is_line_end(text.p[at + 3 < text.n ? at + 3 : at]);
    size_t next = next_line(text, at);
    if (is_line && str_equal(name, STR("MSH"))) {
      push_message(&batch, str_slice(text, start, at - start));
      start = at;
    } else if ((is_line || is_bare_trailer) && is_envelope_name(name)) {
      push_message(&batch, str_slice(text, start, at - start));
      start = next;
    }
    at = next;
  }
  push_message(&batch, str_slice(text, start, text.n - start));
  if (batch.is_exhausted)
    return err_no_memory(reterr);
  *ret_messages = batch.messages.p;
  *ret_n = batch.messages.n;
  return 0;
}
