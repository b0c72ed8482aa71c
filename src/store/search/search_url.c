/*
 * Search URLs: text -> pairs, and the query as it was understood -> text.
 * Spec: RFC 3986 (percent-encoding), application/x-www-form-urlencoded ('+' is a space).
 */
#include "store/search/search_parser.h"

#include "format/url.h"

enum { URL_PAIRS_MAX = 1000 }; /* however the limits are set */

static bool split_path(struct str path, struct search_place *ret_place) {
  struct search_place place = {.compartment_id = STR("")};
  struct str rest = path, first = STR(""), second = STR(""), third = STR("");
  (void)str_split(&rest, '/', &first);
  if (rest.p) {
    (void)str_split(&rest, '/', &second);
    (void)str_split(&rest, '/', &third);
    place.compartment = search_resource_type(first);
    place.compartment_id = second;
    first = third;
    if (!place.compartment || second.n == 0 || third.n == 0 || rest.p)
      return false;
  }
  bool is_any = str_is(first, place.compartment ? "*" : "");
  place.type = is_any ? 0 : search_resource_type(first);
  *ret_place = place;
  return is_any || place.type;
}

int search_split_place(struct arena *arena, struct str url, struct search_place *ret_place,
                       const struct search_pair **ret_pairs, size_t *ret_n, struct err *reterr) {
  struct str rest = url, path = STR(""), part;
  (void)str_split(&rest, '?', &path);
  if (!split_path(path, ret_place))
    return err_set(reterr, ERR_VALUE, "", "a search begins with a resource type: Patient?name=...");
  VEC(struct search_pair) pairs = {0};
  while (str_split(&rest, '&', &part)) {
    if (part.n == 0)
      continue;
    if (pairs.n > URL_PAIRS_MAX)
      return err_set(reterr, ERR_TOO_LONG, "", "a URL has at most %d parameters", URL_PAIRS_MAX);
    struct search_pair *pair = VEC_PUSH(arena, &pairs);
    if (!pair)
      return err_no_memory(reterr);
    ssize_t equals = str_find_char(part, '=', 0);
    size_t name_n = equals < 0 ? part.n : (size_t)equals;
    int code = url_decode_query(arena, str_slice(part, 0, name_n), &pair->name, reterr);
    if (code == 0)
      code = url_decode_query(arena, str_slice(part, name_n + 1, part.n), &pair->value, reterr);
    if (code)
      return code;
  }
  if (arena_is_exhausted(arena))
    return err_no_memory(reterr);
  *ret_pairs = pairs.p;
  *ret_n = pairs.n;
  return 0;
}

/* RFC 3986, section 2.3, and what a query may hold as it is and FHIR uses as separators. */
static void write_encoded(struct buf *buf, struct str s) {
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c && strchr("-._~:,/*$", c));
    if (is_plain) {
      buf_add_char(buf, (char)c);
      continue;
    }
    char text[3] = {'%', digits[c >> 4], digits[c & 15]};
    buf_add(buf, str_n(text, 3));
  }
}

void search_write_url(struct buf *buf, const struct search *search) {
  if (search->compartment) {
    buf_add(buf, defs_type(search->compartment)->name);
    buf_add_char(buf, '/');
    buf_add(buf, search->compartment_id);
    buf_add_char(buf, '/');
  }
  if (search->is_place_typed)
    buf_add(buf, defs_type(search->type)->name);
  else if (search->compartment)
    buf_add_char(buf, '*');
  char separator = '?';
  for (size_t i = 0; i < search->pairs_n; i++) {
    struct search_pair pair = search->pairs[i];
    if (str_is(pair.name, "_cursor"))
      continue;
    buf_add_char(buf, separator);
    separator = '&';
    write_encoded(buf, pair.name);
    buf_add_char(buf, '=');
    if (str_is(pair.name, "_count"))
      buf_add_u64(buf, search->is_count_only && str_is(pair.value, "0") ? 0 : search->count);
    else
      write_encoded(buf, pair.value);
  }
}
