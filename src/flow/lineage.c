/*
 * Lineage bytes, version 1. Numbers are LEB128; a text is its length, then its bytes.
 *
 *   1                       format version (one byte)
 *   n, text * n             map files, in order of first use
 *   n, text * n             segment names, in order of first use
 *   n, entry * n            entries:
 *     shared, text            element: bytes shared with the entry before, then the rest
 *     name + 1                index of the segment's name; 0: a constant of the map, and the place
 * is left out segment, field, repetition, component, subcomponent file, line              of the
 * map row
 */
#include "flow/lineage.h"

#define LINEAGE_VERSION 1
#define LINEAGE_MAX_BYTES ((size_t)16 << 20)

struct names {
  struct str *p;
  size_t n;
};

/* Messages use few map files and segment names: a linear search is the fastest here. */
static size_t name_index(struct names *names, struct str name) {
  for (size_t i = 0; i < names->n; i++)
    if (str_equal(names->p[i], name))
      return i;
  names->p[names->n] = name;
  return names->n++;
}

static void put_number(struct buf *buf, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    buf_add_char(buf, (char)(value | 0x80));
  buf_add_char(buf, (char)value);
}

static void put_text(struct buf *buf, struct str s) {
  put_number(buf, s.n);
  buf_add(buf, s);
}

static void put_names(struct buf *buf, const struct names *names) {
  put_number(buf, names->n);
  for (size_t i = 0; i < names->n; i++)
    put_text(buf, names->p[i]);
}

static size_t shared_prefix(struct str a, struct str b) {
  size_t i = 0;
  while (i < a.n && i < b.n && a.p[i] == b.p[i])
    i++;
  return i;
}

static bool is_constant(const struct mapping_lineage *entry, const struct er7_message *message) {
  return entry->source.segment >= message->segments_n;
}

int lineage_encode(struct arena *arena, const struct maps *maps, const struct er7_message *message,
                   const struct mapping_lineage *entries, size_t n, struct str *ret_bytes,
                   struct err *reterr) {
  struct names files = {ARENA_ARRAY(arena, struct str, n + 1), 0},
               segments = {ARENA_ARRAY(arena, struct str, n + 1), 0};
  if (!files.p || !segments.p)
    return err_no_memory(reterr);
  struct buf body, buf;
  buf_init_arena(&body, arena, LINEAGE_MAX_BYTES);
  struct str before = STR_NULL;
  for (size_t i = 0; i < n; i++) {
    const struct mapping_lineage *entry = &entries[i];
    size_t shared = shared_prefix(before, entry->element);
    put_number(&body, shared);
    put_text(&body, str_slice(entry->element, shared, entry->element.n));
    before = entry->element;
    if (is_constant(entry, message)) {
      put_number(&body, 0);
    } else {
      put_number(&body, name_index(&segments, message->segments[entry->source.segment].name) + 1);
      put_number(&body, entry->source.segment);
      put_number(&body, entry->source.field);
      put_number(&body, entry->source.repetition);
      put_number(&body, entry->source.component);
      put_number(&body, entry->source.subcomponent);
    }
    struct mapping_row row = maps_row(maps, entry->row);
    put_number(&body, name_index(&files, row.file));
    put_number(&body, row.line);
  }
  buf_init_arena(&buf, arena, LINEAGE_MAX_BYTES + 65536);
  buf_add_char(&buf, LINEAGE_VERSION);
  put_names(&buf, &files);
  put_names(&buf, &segments);
  put_number(&buf, n);
  buf_add(&buf, buf_str(&body));
  if (buf_is_overflown(&buf) || buf_is_overflown(&body))
    return err_no_memory(reterr);
  *ret_bytes = buf_str(&buf);
  return 0;
}

/* ---- Decoding: every number and length is checked against what is left ---- */

struct reader {
  struct str rest;
  bool failed;
};

static uint64_t get_number(struct reader *r) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (r->rest.n == 0)
      break;
    unsigned char c = (unsigned char)r->rest.p[0];
    r->rest = str_slice(r->rest, 1, r->rest.n);
    value |= (uint64_t)(c & 0x7F) << shift;
    if (c < 0x80)
      return value;
  }
  r->failed = true;
  return 0;
}

/* A number that counts or indexes something of which there can't be more than `max`. */
static size_t get_bounded(struct reader *r, uint64_t max) {
  uint64_t value = get_number(r);
  if (value > max)
    r->failed = true;
  return r->failed ? 0 : (size_t)value;
}

static struct str get_text(struct reader *r) {
  size_t n = get_bounded(r, r->rest.n);
  struct str s = str_slice(r->rest, 0, n);
  r->rest = str_slice(r->rest, n, r->rest.n);
  return s;
}

static struct names get_names(struct reader *r, struct arena *arena) {
  size_t n = get_bounded(r, r->rest.n);
  struct names names = {ARENA_ARRAY(arena, struct str, n + 1), n};
  if (!names.p) {
    r->failed = true;
    return (struct names){0};
  }
  for (size_t i = 0; i < n && !r->failed; i++)
    names.p[i] = get_text(r);
  return names;
}

static struct str get_element(struct reader *r, struct arena *arena, struct str before) {
  size_t shared = get_bounded(r, before.n);
  struct str rest = get_text(r);
  char *p = arena_alloc(arena, shared + rest.n + 1);
  if (!p || r->failed) {
    r->failed = true;
    return STR_NULL;
  }
  if (shared)
    memcpy(p, before.p, shared);
  if (rest.n)
    memcpy(p + shared, rest.p, rest.n);
  return str_n(p, shared + rest.n);
}

static void get_place(struct reader *r, const struct names *segments, struct lineage_entry *entry) {
  size_t name = get_bounded(r, segments->n);
  if (r->failed || name == 0) {
    entry->source = (struct er7_place){.segment = UINT32_MAX};
    return;
  }
  entry->segment = segments->p[name - 1];
  entry->source = (struct er7_place){
      .segment = (uint32_t)get_bounded(r, UINT32_MAX - 1),
      .field = (uint16_t)get_bounded(r, UINT16_MAX),
      .repetition = (uint16_t)get_bounded(r, UINT16_MAX),
      .component = (uint16_t)get_bounded(r, UINT16_MAX),
      .subcomponent = (uint16_t)get_bounded(r, UINT16_MAX),
  };
}

int lineage_decode(struct arena *arena, struct str bytes, struct lineage_entries *ret_entries,
                   struct err *reterr) {
  struct reader r = {.rest = str_slice(bytes, 1, bytes.n)};
  if (bytes.n == 0 || bytes.p[0] != LINEAGE_VERSION)
    return err_set(reterr, ERR_STRUCTURE, "byte 0",
                   "These bytes are not lineage of a version that this program knows.");
  struct names files = get_names(&r, arena), segments = get_names(&r, arena);
  size_t n = get_bounded(&r, r.rest.n);
  struct lineage_entry *entries = ARENA_ARRAY(arena, struct lineage_entry, n + 1);
  if (!entries)
    return err_no_memory(reterr);
  struct str before = STR_NULL;
  for (size_t i = 0; i < n && !r.failed; i++) {
    before = entries[i].element = get_element(&r, arena, before);
    get_place(&r, &segments, &entries[i]);
    size_t file = get_bounded(&r, files.n ? files.n - 1 : 0);
    if (!r.failed && files.n)
      entries[i].map_file = files.p[file];
    entries[i].map_line = (uint32_t)get_bounded(&r, UINT32_MAX);
  }
  if (r.failed)
    return err_set(reterr, ERR_STRUCTURE, "",
                   "The lineage ends too early or holds a number out of range.");
  *ret_entries = (struct lineage_entries){entries, n};
  return 0;
}
