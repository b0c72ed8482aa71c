/*
 * Links between the entries of a bundle: the fullUrl of an entry, wherever it stands in another,
 * becomes the resource's place on this server.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/http.html#trules: references, elements of type uri, url,
 * oid and uuid (not canonical), href and src in narrative. A version in a fullUrl or in a link to
 * one is dropped.
 */
#include "flow/transaction_internal.h"

#include "format/json.h"

#define NARRATIVE_MAX_BYTES ((size_t)64 << 20)

/* ---- Known links ----------------------------------------------------------------------------- */

/* The "Type/id" at the end of an absolute URL; empty when it has none. */
static struct str restful_tail(struct str url) {
  if (!str_starts_with(url, STR("http")))
    return STR_NULL;
  ssize_t last = -1, before = -1;
  for (size_t i = 0; i < url.n; i++)
    if (url.p[i] == '/') {
      before = last;
      last = (ssize_t)i;
    }
  return before < 0 ? STR_NULL : str_slice(url, (size_t)before + 1, url.n);
}

static struct str without_version(struct str url) {
  ssize_t at = str_find(url, STR("/_history/"));
  return at > 0 ? str_slice(url, 0, (size_t)at) : url;
}

int transaction_link(struct preparation *p, struct transaction_entry *entry, struct str *target,
                     struct err *reterr) {
  struct str url = without_version(entry->full_url);
  const struct str *other = url.n > 0 ? map_get(&p->links, url) : NULL;
  if (other && !str_equal(*other, *target))
    return transaction_fail(entry, ERR_INVALID, "fullUrl",
                            "Another entry has the same fullUrl and is another resource.", reterr);
  struct str tail = entry->verb == TRANSACTION_CREATE ? restful_tail(url) : STR_NULL;
  p->has_urls = p->has_urls || str_starts_with(url, STR("http"));
  if ((url.n > 0 && map_set(&p->links, url, target) != 0) ||
      (tail.n > 0 && map_set(&p->links, tail, target) != 0))
    return err_no_memory(reterr);
  return 0;
}

static const struct str *find_link(const struct preparation *p, struct str text) {
  const struct str *known = text.n > 0 ? map_get(&p->links, text) : NULL;
  if (known || !str_starts_with(text, STR("http")))
    return known;
  struct str whole = without_version(text);
  return whole.n < text.n ? map_get(&p->links, whole) : NULL;
}

static int report_dangling(struct preparation *p, const struct transaction_entry *entry,
                           struct str reference, struct err *reterr) {
  struct err *issue = VEC_PUSH(p->arena, &p->issues->list);
  if (!issue)
    return err_no_memory(reterr);
  char place[120];
  snprintf(place, sizeof place, "%.*s.resource", STR_ARG(entry->where));
  (void)!err_set(issue, ERR_NOT_FOUND, place,
                 "The reference '%.*s' is not the fullUrl of any entry of this transaction.",
                 STR_ARG(reference));
  issue->code = ERR_UNPROCESSABLE;
  p->issues->errors_n++;
  return 0;
}

/* ---- References ------------------------------------------------------------------------------ */

/* "Practitioner?identifier=s|v" -> "Practitioner/1", once per transaction. */
static int resolve_conditional(struct preparation *p, const struct transaction_entry *entry,
                               struct str reference, struct str *ret_to, struct err *reterr) {
  ssize_t question = str_find_char(reference, '?', 0);
  defs_type_id type = defs_type_by_name(str_slice(reference, 0, (size_t)question));
  struct str id = STR_NULL, *target = ARENA_NEW(p->arena, struct str);
  if (!type || !defs_is_resource(defs_type(type)))
    return 0; /* an absolute URL with a query, or a relative one of another kind */
  if (!target)
    return err_no_memory(reterr);
  int code = transaction_find_one(p, type, str_slice(reference, (size_t)question + 1, reference.n),
                                  &id, reterr);
  if (code == 0 && id.n == 0)
    code = err_set(reterr, ERR_PRECONDITION, "resource",
                   "Nothing matches the conditional reference '%.*s'.", STR_ARG(reference));
  if (code)
    return transaction_place(entry, code, reterr);
  *target = arena_printf(p->arena, "%.*s/%.*s", STR_ARG(defs_type(type)->name), STR_ARG(id));
  if (!target->p || map_set(&p->links, reference, target) != 0)
    return err_no_memory(reterr);
  *ret_to = *target;
  return 0;
}

static int relink_reference(struct preparation *p, const struct transaction_entry *entry,
                            const struct yyjson_val *value, struct err *reterr) {
  struct str from = json_text(value), base = p->options->base_url, to = STR_NULL;
  const struct str *known = find_link(p, from);
  if (known)
    to = *known;
  else if (from.n == 0 || from.p[0] == '#')
    return 0;
  else if (base.n > 0 && from.n > base.n + 1 && from.p[base.n] == '/' &&
           str_starts_with(from, base))
    to = str_slice(from, base.n + 1, from.n);
  else if (p->options->is_transaction && entry->verb != TRANSACTION_PATCH &&
           str_starts_with(from, STR("urn:"))) /* a patched resource may have had it before */
    return report_dangling(p, entry, from, reterr);
  else if (p->options->resolves_conditions && str_find_char(from, '?', 0) > 0) {
    int code = resolve_conditional(p, entry, from, &to, reterr);
    if (code)
      return code;
  }
  if (to.n > 0)
    json_replace_text(value, to);
  return 0;
}

/* ---- Other links ----------------------------------------------------------------------------- */

/* An object on the way from the resource down, for its type where that is asked. */
struct frame {
  const struct frame *up;
  const struct yyjson_val *object;
  struct str name; /* of the member that it stands in */
};

static defs_type_id type_of(const struct frame *frame) {
  struct str says = json_get_text(frame->object, STR("resourceType"));
  if (says.n > 0 || !frame->up)
    return defs_type_by_name(says);
  defs_type_id type = type_of(frame->up);
  const struct defs_property *property = type ? defs_property(type, frame->name) : NULL;
  return property ? property->type : 0;
}

static bool is_uri(const struct frame *frame, struct str name) {
  defs_type_id type = type_of(frame);
  const struct defs_property *property = type ? defs_property(type, name) : NULL;
  enum defs_builtin builtin = property ? defs_type(property->type)->builtin : DEFS_BUILTIN_NONE;
  return builtin == DEFS_URI || builtin == DEFS_URL;
}

static void relink_uri(struct preparation *p, const struct frame *frame, struct str name,
                       const struct yyjson_val *value) {
  struct str text = json_text(value);
  if (!str_starts_with(text, STR("urn:")) && !(p->has_urls && str_starts_with(text, STR("http"))))
    return;
  const struct str *known = find_link(p, text);
  if (known && is_uri(frame, name))
    json_replace_text(value, *known);
}

/* The next value of href or src in a narrative: what stands between its quotation marks. */
static bool next_link(struct str text, size_t from, size_t *ret_at, size_t *ret_n) {
  for (size_t at = from;; at++) {
    ssize_t equals = str_find_char(text, '=', at);
    if (equals < 0 || (size_t)equals + 1 >= text.n)
      return false;
    at = (size_t)equals;
    struct str before = str_slice(text, 0, at);
    char quote = text.p[at + 1];
    if ((!str_ends_with(before, STR(" href")) && !str_ends_with(before, STR(" src"))) ||
        (quote != '"' && quote != '\''))
      continue;
    ssize_t end = str_find_char(text, quote, at + 2);
    if (end < 0)
      return false;
    *ret_at = at + 2;
    *ret_n = (size_t)end - at - 2;
    return true;
  }
}

static int relink_narrative(struct preparation *p, const struct yyjson_val *value,
                            struct err *reterr) {
  struct str text = json_text(value);
  struct buf buf;
  size_t done = 0, at = 0, n = 0;
  buf_init_arena(&buf, p->arena, NARRATIVE_MAX_BYTES);
  while (next_link(text, at + n, &at, &n)) {
    const struct str *known = find_link(p, str_slice(text, at, n));
    if (!known)
      continue;
    buf_add(&buf, str_slice(text, done, at - done));
    buf_add(&buf, *known);
    done = at + n;
  }
  if (done == 0)
    return 0;
  buf_add(&buf, str_slice(text, done, text.n));
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  json_replace_text(value, buf_str(&buf));
  return 0;
}

/* The depth was limited when the tree was parsed. */
static int relink_tree(struct preparation *p, const struct transaction_entry *entry,
                       const struct frame *frame, const struct yyjson_val *v, struct err *reterr) {
  struct json_each each = json_each(v);
  bool is_object = json_kind(v) == JSON_OBJECT;
  int code = 0;
  while (code == 0 && json_next(&each)) {
    enum json_kind kind = json_kind(each.value);
    struct str name = is_object ? each.name : frame->name;
    if (kind == JSON_STRING && str_is(name, "reference")) {
      code = relink_reference(p, entry, each.value, reterr);
    } else if (kind == JSON_STRING && p->links.n > 0) {
      if (str_is(name, "div"))
        code = relink_narrative(p, each.value, reterr);
      else
        relink_uri(p, is_object ? frame : frame->up, name, each.value);
    } else if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
      struct frame inner = {
          .up = is_object ? frame : frame->up, .object = each.value, .name = name};
      code = relink_tree(p, entry, &inner, each.value, reterr);
    }
  }
  return code;
}

int transaction_relink(struct preparation *p, const struct transaction_entry *entry,
                       struct err *reterr) {
  struct frame root = {.object = entry->resource};
  return relink_tree(p, entry, &root, entry->resource, reterr);
}
