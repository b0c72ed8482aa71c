/*
 * _summary and _elements: a resource cut to part of its elements, and marked as such.
 * Spec: FHIR R4 search, 2.1.1.5.7 and 2.1.1.5.8. Elements that must be there (minimum 1) and
 * modifiers stay, so that what is left is still valid and can't be misread.
 */
#include "format/json.h"
#include "store/search/search_query.h"

#define SUBSETTED                                                                                  \
  "{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ObservationValue\","                     \
  "\"code\":\"SUBSETTED\",\"display\":\"subsetted\"}"

struct cutter {
  const struct search *search;
  struct json_writer writer;
};

/* "name", or where several types are searched "Patient.name". */
static bool has_name(const struct search *search, struct str type, struct str name) {
  for (size_t i = 0; i < search->elements_n; i++) {
    struct str element = search->elements[i];
    if (str_equal(element, name))
      return true;
    if (str_starts_with(element, type) && element.n == type.n + 1 + name.n &&
        element.p[type.n] == '.' && str_ends_with(element, name))
      return true;
  }
  return false;
}

static bool is_always_kept(struct str name) {
  return str_is(name, "resourceType") || str_is(name, "id") || str_is(name, "meta");
}

/* Does the member `name` (without '_') of the resource stay? */
static bool stays(const struct search *search, struct str type, const struct defs_element *element,
                  struct str name) {
  bool is_needed = element->min > 0;
  if (search->elements_n > 0 && !is_needed && !element->is_modifier &&
      !has_name(search, type, element->name) && !has_name(search, type, name))
    return false;
  switch (search->summary) {
  case SEARCH_SUMMARY_TRUE:
    return is_needed || element->is_summary || element->is_modifier;
  case SEARCH_SUMMARY_TEXT:
    return is_needed || str_is(name, "text");
  case SEARCH_SUMMARY_DATA:
    return !str_is(name, "text");
  default:
    return true;
  }
}

static struct str without_underscore(struct str name) {
  return str_starts_with(name, STR("_")) ? str_slice(name, 1, name.n) : name;
}

static void cut_value(struct cutter *cutter, defs_type_id type, const struct yyjson_val *value);

/* Below the top only _summary=true leaves something out. */
static void cut_object(struct cutter *cutter, defs_type_id type, const struct yyjson_val *object) {
  struct json_each each = json_each(object);
  json_begin_object(&cutter->writer);
  while (json_next(&each)) {
    const struct defs_property *property = defs_property(type, without_underscore(each.name));
    const struct defs_element *element = property ? defs_element(property->element) : NULL;
    if (element && !element->is_summary && element->min == 0 && !element->is_modifier &&
        !str_is(each.name, "id"))
      continue;
    json_key(&cutter->writer, each.name);
    cut_value(cutter, property ? property->type : 0, each.value);
  }
  json_end_object(&cutter->writer);
}

static void cut_value(struct cutter *cutter, defs_type_id type, const struct yyjson_val *value) {
  if (json_kind(value) == JSON_OBJECT && type && !defs_is_resource(defs_type(type))) {
    cut_object(cutter, type, value);
  } else if (json_kind(value) == JSON_ARRAY) {
    struct json_each each = json_each(value);
    json_begin_array(&cutter->writer);
    while (json_next(&each))
      cut_value(cutter, type, each.value);
    json_end_array(&cutter->writer);
  } else {
    json_value(&cutter->writer, value);
  }
}

static bool has_tag(const struct yyjson_val *tags) {
  struct json_each each = json_each(tags);
  while (json_next(&each))
    if (str_is(json_get_text(each.value, STR("code")), "SUBSETTED"))
      return true;
  return false;
}

static void write_meta(struct json_writer *w, const struct yyjson_val *meta) {
  struct json_each each = json_each(meta);
  const struct yyjson_val *tags = json_get(meta, STR("tag"));
  json_key(w, STR("meta"));
  json_begin_object(w);
  while (json_next(&each)) {
    if (str_is(each.name, "tag"))
      continue;
    json_key(w, each.name);
    json_value(w, each.value);
  }
  json_key(w, STR("tag"));
  json_begin_array(w);
  for (each = json_each(tags); json_next(&each);)
    json_value(w, each.value);
  if (!has_tag(tags))
    json_raw(w, STR(SUBSETTED));
  json_end_array(w);
  json_end_object(w);
}

static void write_subset(struct cutter *cutter, const struct yyjson_val *root) {
  struct json_writer *w = &cutter->writer;
  const struct search *search = cutter->search;
  defs_type_id type = defs_type_by_name(json_get_text(root, STR("resourceType")));
  json_begin_object(w);
  json_member_string(w, STR("resourceType"), json_get_text(root, STR("resourceType")));
  json_member_string(w, STR("id"), json_get_text(root, STR("id")));
  write_meta(w, json_get(root, STR("meta")));
  struct json_each each = json_each(root);
  while (json_next(&each)) {
    struct str name = without_underscore(each.name);
    const struct defs_property *property = defs_property(type, name);
    if (is_always_kept(each.name) || !property ||
        !stays(search, defs_type(type)->name, defs_element(property->element), name))
      continue;
    json_key(w, each.name);
    if (search->summary == SEARCH_SUMMARY_TRUE)
      cut_value(cutter, property->type, each.value);
    else
      json_value(w, each.value);
  }
  json_end_object(w);
}

static bool cuts(const struct search *search) {
  return search->elements_n > 0 || search->summary == SEARCH_SUMMARY_TRUE ||
         search->summary == SEARCH_SUMMARY_TEXT || search->summary == SEARCH_SUMMARY_DATA;
}

int search_subset(struct arena *arena, const struct search *search, struct str body,
                  struct str *ret_body, struct err *reterr) {
  const struct yyjson_val *root;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  struct buf buf;
  if (!cuts(search)) {
    *ret_body = body;
    return 0;
  }
  int code = json_parse(arena, body, &limits, &root, reterr);
  if (code)
    return code;
  buf_init_arena(&buf, arena, body.n + sizeof SUBSETTED + 64);
  struct cutter cutter = {.search = search, .writer = json_writer(&buf)};
  write_subset(&cutter, root);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_body = buf_str(&buf);
  return 0;
}
