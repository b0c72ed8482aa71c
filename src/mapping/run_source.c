/*
 * Texts of the message. A `located` carries the bytes of its place along, so that going down to a
 * component costs a scan of those bytes only, however long the field is.
 */
#include "mapping/run.h"

/* MSH-1 and MSH-2 hold the delimiters themselves and are not cut. */
static bool is_delimiters(const struct run *run, struct er7_place place) {
  if (place.field > 2)
    return false;
  uint32_t code = run->codes[place.segment];
  return code == segment_code(STR("MSH")) || code == segment_code(STR("BHS")) ||
         code == segment_code(STR("FHS"));
}

int signs_read(struct run *run, struct err *reterr) {
  const struct er7_message *message = run->message;
  const struct er7_delimiters *d = &message->delimiters;
  run->sign_of[(unsigned char)d->repetition] |= SIGN_REPETITION;
  run->sign_of[(unsigned char)d->component] |= SIGN_COMPONENT;
  run->sign_of[(unsigned char)d->subcomponent] |= SIGN_SUBCOMPONENT;
  run->sign_of[(unsigned char)d->escape] |= SIGN_ESCAPE;
  size_t fields_n = 0;
  for (size_t i = 0; i < message->segments_n; i++) {
    size_t end = (size_t)message->segments[i].first_field + message->segments[i].fields_n + 1;
    fields_n = end > fields_n ? end : fields_n;
  }
  run->signs = ARENA_ARRAY(run->arena, uint8_t, fields_n + 1);
  if (!run->signs)
    return err_no_memory(reterr);
  for (size_t i = 0; i < fields_n; i++) {
    struct str s = message->fields_[i];
    for (size_t k = 0; k < s.n; k++)
      run->signs[i] |= run->sign_of[(unsigned char)s.p[k]];
  }
  return 0;
}

void located_field(const struct run *run, uint32_t segment, unsigned field,
                   struct located *ret_located) {
  struct located *l = ret_located;
  *l =
      (struct located){.place = {.segment = segment, .field = (uint16_t)field}, .signs = SIGNS_ALL};
  if (field && segment < run->message->segments_n) {
    const struct er7_segment *s = &run->message->segments[segment];
    if (field <= s->fields_n) {
      l->raw = run->message->fields_[s->first_field + field];
      l->signs = run->signs[s->first_field + field];
    }
  } else {
    l->raw = er7_raw(run->message, l->place);
  }
  if (is_delimiters(run, l->place))
    l->place.repetition = l->place.component = l->place.subcomponent = 1;
}

/* The n-th (from 1) part of `s`; empty when there is none. A delimiter that isn't defined cuts
 * nothing. */
static struct str part_of(struct str s, char delimiter, unsigned n) {
  if (delimiter == '\0')
    return n == 1 ? s : STR_NULL;
  size_t from = 0;
  for (;;) {
    ssize_t end = str_find_char(s, delimiter, from);
    if (--n == 0)
      return str_slice(s, from, end < 0 ? SIZE_MAX : (size_t)end - from);
    if (end < 0)
      return STR_NULL;
    from = (size_t)end + 1;
  }
}

void located_part(const struct run *run, struct located *l, unsigned n) {
  const struct er7_delimiters *d = &run->message->delimiters;
  uint8_t sign = 0;
  if (!l->place.component) {
    l->place.component = (uint16_t)n;
    sign = SIGN_COMPONENT;
  } else if (!l->place.subcomponent) {
    l->place.subcomponent = (uint16_t)n;
    sign = SIGN_SUBCOMPONENT;
  }
  if (l->signs & sign)
    l->raw = part_of(l->raw, sign == SIGN_COMPONENT ? d->component : d->subcomponent, n);
  else if (n != 1)
    l->raw = STR_NULL;
}

bool located_next(const struct run *run, struct located *rest, struct located *ret_repetition) {
  if (!rest->raw.p)
    return false;
  if (rest->place.repetition) { /* already one repetition, or a part of one */
    *ret_repetition = *rest;
    rest->raw = STR_NULL;
    return true;
  }
  char delimiter = run->message->delimiters.repetition;
  *ret_repetition = *rest;
  ret_repetition->place.repetition = (uint16_t)(rest->taken_n + 1);
  if (delimiter == '\0' || !(rest->signs & SIGN_REPETITION))
    rest->raw = STR_NULL;
  else if (!str_split(&rest->raw, delimiter, &ret_repetition->raw))
    return false;
  rest->taken_n++;
  return true;
}

static void take_repetition(const struct run *run, struct located *field, unsigned n) {
  struct located rest = *field, one;
  for (unsigned i = 1; located_next(run, &rest, &one); i++)
    if (i == n) {
      *field = one;
      return;
    }
  field->place.repetition = (uint16_t)n;
  field->raw = STR_NULL;
}

/* 0 when the text is not cut by anything any more. */
static uint8_t sign_below(const struct run *run, struct er7_place place) {
  const struct er7_delimiters *d = &run->message->delimiters;
  if (!place.component)
    return d->component ? SIGN_COMPONENT : 0;
  return !place.subcomponent && d->subcomponent ? SIGN_SUBCOMPONENT : 0;
}

void located_cut(const struct run *run, const struct located *whole, struct parts *ret_parts) {
  uint8_t delimiter = sign_below(run, whole->place), signs = 0;
  ret_parts->n = 0;
  if (!(whole->signs & delimiter)) {
    ret_parts->signs[0] = whole->signs;
    ret_parts->part[ret_parts->n++] = whole->raw;
    return;
  }
  size_t from = 0;
  for (size_t i = 0; i < whole->raw.n && ret_parts->n < PARTS_MAX; i++) {
    uint8_t sign = run->sign_of[(unsigned char)whole->raw.p[i]];
    signs |= sign;
    if (!(sign & delimiter))
      continue;
    ret_parts->signs[ret_parts->n] = signs;
    ret_parts->part[ret_parts->n++] = str_n(whole->raw.p + from, i - from);
    from = i + 1;
    signs = 0;
  }
  if (ret_parts->n < PARTS_MAX) {
    ret_parts->signs[ret_parts->n] = signs;
    ret_parts->part[ret_parts->n++] = str_n(whole->raw.p + from, whole->raw.n - from);
  }
}

bool source_is_absent(const struct frame *frame, const struct source *source) {
  const struct run *run = frame->run;
  if (!source->segment)
    return frame->parts && source->component && source->component <= PARTS_MAX &&
           (source->component > frame->parts->n || !frame->parts->part[source->component - 1].n);
  uint32_t segment = frame->dot.place.segment;
  if (segment >= run->message->segments_n || run->codes[segment] != source->segment)
    return false;
  const struct er7_segment *s = &run->message->segments[segment];
  return source->field > s->fields_n || !run->message->fields_[s->first_field + source->field].n;
}

/* A component of "." that was cut already. */
static void cut_part(const struct frame *frame, unsigned n, struct located *l) {
  if (!l->place.component)
    l->place.component = (uint16_t)n;
  else if (!l->place.subcomponent)
    l->place.subcomponent = (uint16_t)n;
  bool is_there = n <= frame->parts->n;
  l->raw = is_there ? frame->parts->part[n - 1] : STR_NULL;
  l->signs = is_there ? frame->parts->signs[n - 1] : 0;
}

void located_source(const struct frame *frame, const struct source *source,
                    struct located *ret_located) {
  struct run *run = frame->run;
  if (source->segment) {
    ssize_t segment = groups_nearest(run, frame->group, frame->dot.place.segment, source->segment);
    if (segment < 0) {
      *ret_located = (struct located){.place = PLACE_NONE, .signs = SIGNS_ALL};
      return;
    }
    located_field(run, (uint32_t)segment, source->field, ret_located);
    if (source->repetition && !ret_located->place.repetition)
      take_repetition(run, ret_located, source->repetition);
    return; /* components are taken of each repetition: see row_part */
  }
  *ret_located = frame->dot;
  if (source->component && frame->parts && source->component <= PARTS_MAX)
    cut_part(frame, source->component, ret_located);
  else if (source->component)
    located_part(run, ret_located, source->component);
  if (source->subcomponent)
    located_part(run, ret_located, source->subcomponent);
}

void located_leaf(const struct run *run, struct located *l) {
  if (!(l->signs & SIGNS_THAT_CUT) && l->raw.p) { /* the text itself is the leaf */
    if (!l->place.repetition)
      l->place.repetition = (uint16_t)(l->taken_n + 1);
    l->place.component = l->place.component ? l->place.component : 1;
    l->place.subcomponent = l->place.subcomponent ? l->place.subcomponent : 1;
    return;
  }
  if (!l->place.repetition) {
    struct located rest = *l;
    if (!located_next(run, &rest, l))
      return;
  }
  if (!l->place.component)
    located_part(run, l, 1);
  if (!l->place.subcomponent)
    located_part(run, l, 1);
}

static struct str text_of_leaf(const struct run *run, const struct located *l) {
  if (er7_is_null(l->raw))
    return STR_NULL;
  return l->signs & SIGN_ESCAPE ? er7_unescape(run->arena, run->message, l->raw) : l->raw;
}

struct str located_text(const struct run *run, const struct located *l) {
  bool is_leaf = !(l->signs & SIGNS_THAT_CUT) ||
                 (l->place.repetition && l->place.component && l->place.subcomponent);
  if (is_leaf)
    return text_of_leaf(run, l);
  struct located leaf = *l;
  located_leaf(run, &leaf);
  return text_of_leaf(run, &leaf);
}

bool located_is_valued(const struct run *run, const struct located *l) {
  const struct er7_delimiters *d = &run->message->delimiters;
  if (er7_is_null(l->raw))
    return false;
  if (!(l->signs & SIGNS_THAT_CUT))
    return l->raw.n > 0;
  for (size_t i = 0; i < l->raw.n; i++) {
    char c = l->raw.p[i];
    if ((c != d->component && c != d->repetition && c != d->subcomponent) ||
        is_delimiters(run, l->place))
      return true;
  }
  return false;
}

void take_field(const struct frame *frame, const struct source *source, const struct located *l) {
  if (!source->segment || l->place.segment == UINT32_MAX || source->field > 255)
    return;
  frame->run->taken[l->place.segment].bits[source->field / 64] |= UINT64_C(1) << source->field % 64;
}
