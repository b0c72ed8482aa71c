#include "model/resource.h"

#include "base/clock.h"
#include "model/validate_primitive.h"

/* A body may grow past the text it came from (escapes, longer references), but not without bound.
 */
#define BODY_MAX_BYTES ((size_t)256 << 20)

static const struct str BODY_HEAD = {"{\"resourceType\":\"", 17};
static const struct str ID_HEAD = {"\",\"id\":\"", 8};
static const struct str META_HEAD = {",\"meta\":{", 9};

static bool is_type_name(struct str s) {
  for (size_t i = 0; i < s.n; i++)
    if ((s.p[i] < 'a' || s.p[i] > 'z') && (s.p[i] < 'A' || s.p[i] > 'Z'))
      return false;
  return s.n > 0;
}

static int finish(const struct buf *buf, struct str *ret_body, struct err *reterr) {
  if (buf_is_overflown(buf))
    return err_no_memory(reterr);
  *ret_body = buf_str(buf);
  return 0;
}

/* ---- Canonical bytes ------------------------------------------------------------------------- */

/* What the store owns, and the siblings that could only say more about it. */
static bool is_owned_by_store(struct str name) {
  return str_equal(name, STR("versionId")) || str_equal(name, STR("lastUpdated")) ||
         str_equal(name, STR("_versionId")) || str_equal(name, STR("_lastUpdated"));
}

static void write_member(struct buf *buf, struct str name, const struct yyjson_val *value) {
  json_write_string(buf, name);
  buf_add_char(buf, ':');
  json_write(buf, value);
}

/* Writes nothing for a meta in which nothing is left. */
static void write_meta(struct buf *buf, const struct yyjson_val *meta) {
  bool is_open = false;
  struct json_each each = json_each(meta);
  while (json_next(&each)) {
    if (is_owned_by_store(each.name))
      continue;
    if (is_open)
      buf_add_char(buf, ',');
    else
      buf_add(buf, META_HEAD);
    is_open = true;
    write_member(buf, each.name, each.value);
  }
  if (is_open)
    buf_add_char(buf, '}');
}

static bool is_in_head(struct str name) {
  return str_equal(name, STR("resourceType")) || str_equal(name, STR("id")) ||
         str_equal(name, STR("meta"));
}

int resource_canonical(struct arena *arena, const struct yyjson_val *resource, struct str id,
                       struct str *ret_body, struct err *reterr) {
  struct str type = json_get_text(resource, STR("resourceType"));
  if (!is_type_name(type))
    return err_set(reterr, ERR_STRUCTURE, "resourceType",
                   "A resource must be a JSON object with a resourceType.");
  if (!primitive_is_valid(DEFS_ID, id))
    return err_set(reterr, ERR_VALUE, "id",
                   "A resource id has 1 to 64 letters, digits, '-' or '.' and nothing else.");
  const struct yyjson_val *meta = json_get(resource, STR("meta"));
  if (meta && json_kind(meta) != JSON_OBJECT)
    return err_set(reterr, ERR_STRUCTURE, "meta", "The meta of a resource must be an object.");
  struct buf buf;
  buf_init_arena(&buf, arena, BODY_MAX_BYTES);
  buf_add(&buf, BODY_HEAD);
  buf_add(&buf, type);
  buf_add(&buf, ID_HEAD);
  buf_add(&buf, id);
  buf_add_char(&buf, '"');
  write_meta(&buf, meta);
  struct json_each each = json_each(resource);
  while (json_next(&each)) {
    if (is_in_head(each.name))
      continue;
    buf_add_char(&buf, ',');
    write_member(&buf, each.name, each.value);
  }
  buf_add_char(&buf, '}');
  return finish(&buf, ret_body, reterr);
}

/* ---- Version and time put in ----------------------------------------------------------------- */

/* The offset just after the id's closing quote; 0 when `body` isn't canonical. Type and id hold no
 * escapes (resource_canonical refused others), so the first quote ends them. */
static size_t end_of_id(struct str body) {
  if (!str_starts_with(body, BODY_HEAD))
    return 0;
  ssize_t type_end = str_find_char(body, '"', BODY_HEAD.n);
  if (type_end < 0 || !str_starts_with(str_slice(body, (size_t)type_end, ID_HEAD.n), ID_HEAD))
    return 0;
  ssize_t id_end = str_find_char(body, '"', (size_t)type_end + ID_HEAD.n);
  return id_end < 0 ? 0 : (size_t)id_end + 1;
}

void resource_write(struct buf *buf, struct str body, uint32_t version, int64_t updated_us) {
  size_t at = end_of_id(body);
  if (at == 0) {
    buf_add(buf, body);
    return;
  }
  struct str rest = str_slice(body, at, body.n - at);
  bool has_meta = str_starts_with(rest, META_HEAD);
  char instant[CLOCK_INSTANT_BYTES];
  size_t instant_n = clock_format_instant(updated_us, instant);
  buf_add(buf, str_slice(body, 0, at));
  buf_add(buf, STR(",\"meta\":{\"versionId\":\""));
  buf_add_u64(buf, version);
  buf_add(buf, STR("\",\"lastUpdated\":\""));
  buf_add(buf, str_n(instant, instant_n));
  buf_add(buf, has_meta ? STR("\",") : STR("\"}"));
  buf_add(buf, has_meta ? str_slice(rest, META_HEAD.n, rest.n) : rest);
}

/* ---- References ------------------------------------------------------------------------------ */

/* In R4 a member `reference` that is a string is a Reference.reference or one of three uris
 * (Expression, Immunization.education, DetectedIssue), which a transaction rewrites as well;
 * elsewhere the name stands for an object. So no types are needed. The depth of a tree is limited
 * when it is made. */
void resource_replace_references(const struct yyjson_val *resource,
                                 struct str (*lookup)(void *what, struct str reference),
                                 void *what) {
  struct json_each each = json_each(resource);
  while (json_next(&each)) {
    enum json_kind kind = json_kind(each.value);
    if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
      resource_replace_references(each.value, lookup, what);
    } else if (kind == JSON_STRING && str_equal(each.name, STR("reference"))) {
      struct str found = lookup(what, json_text(each.value));
      if (!str_is_empty(found))
        json_replace_text(each.value, found);
    }
  }
}
