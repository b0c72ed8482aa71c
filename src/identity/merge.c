#include "identity/merge.h"

#define MERGED_MAX_BYTES ((size_t)64 << 20)

/* "_birthDate" belongs to the element of "birthDate". */
static struct str without_underscore(struct str name) {
  return name.n && name.p[0] == '_' ? str_slice(name, 1, name.n) : name;
}

/* Do two JSON names belong to one element (birthDate and _birthDate, valueString and
 * valueQuantity)? */
static bool is_same_element(defs_type_id type, struct str a, struct str b) {
  a = without_underscore(a);
  b = without_underscore(b);
  if (str_equal(a, b))
    return true;
  if (a.n == 0 || b.n == 0 || a.p[0] != b.p[0])
    return false; /* the names of one choice begin alike */
  const struct defs_property *pa = defs_property(type, a), *pb = defs_property(type, b);
  return pa && pb && pa->element == pb->element;
}

static bool is_nulled(defs_type_id type, struct str name, const struct str *nulled,
                      size_t nulled_n) {
  const struct defs_property *property = defs_property(type, without_underscore(name));
  for (size_t i = 0; i < nulled_n; i++)
    if (str_equal(nulled[i], without_underscore(name)) ||
        (property && str_equal(nulled[i], defs_element(property->element)->name)))
      return true;
  return false;
}

/* What makes two items of a list the same thing: identifiers by system and value, extensions by
 * url. */
static bool is_same_item(const struct yyjson_val *a, const struct yyjson_val *b) {
  struct str url = json_get_text(a, STR("url"));
  if (!str_is_empty(url))
    return str_equal(url, json_get_text(b, STR("url")));
  return str_equal(json_get_text(a, STR("system")), json_get_text(b, STR("system"))) &&
         str_equal(json_get_text(a, STR("value")), json_get_text(b, STR("value")));
}

static bool has_item(const struct yyjson_val *list, const struct yyjson_val *item) {
  struct json_each each = json_each(list);
  while (json_next(&each))
    if (is_same_item(each.value, item))
      return true;
  return false;
}

static bool has_earlier_item(const struct yyjson_val *list, const struct yyjson_val *item) {
  struct json_each each = json_each(list);
  while (json_next(&each) && each.value != item)
    if (is_same_item(each.value, item))
      return true;
  return false;
}

/* The items of `known` that `said` does not name stay in their place. Where it names one, all that
 * it says of it stands there (several extensions may have one url), once. New ones follow. */
static void unite(struct json_writer *w, const struct yyjson_val *known,
                  const struct yyjson_val *said) {
  json_begin_array(w);
  struct json_each old = json_each(known);
  while (json_next(&old)) {
    if (!has_item(said, old.value)) {
      json_value(w, old.value);
      continue;
    }
    if (has_earlier_item(known, old.value))
      continue;
    struct json_each again = json_each(said);
    while (json_next(&again))
      if (is_same_item(old.value, again.value))
        json_value(w, again.value);
  }
  struct json_each new = json_each(said);
  while (json_next(&new))
    if (!has_item(known, new.value))
      json_value(w, new.value);
  json_end_array(w);
}

static void unite_members(struct json_writer *w, const struct yyjson_val *known,
                          const struct yyjson_val *said) {
  json_begin_object(w);
  struct json_each old = json_each(known);
  while (json_next(&old)) {
    const struct yyjson_val *again = json_get(said, old.name);
    json_key(w, old.name);
    json_value(w, again ? again : old.value);
  }
  struct json_each new = json_each(said);
  while (json_next(&new))
    if (!json_get(known, new.name)) {
      json_key(w, new.name);
      json_value(w, new.value);
    }
  json_end_object(w);
}

bool merge_unites(struct str element) {
  return str_is(element, "identifier") || str_is(element, "extension");
}

static void write_member(struct json_writer *w, struct str name, const struct yyjson_val *known,
                         const struct yyjson_val *said) {
  json_key(w, name);
  if (known && merge_unites(name) && json_kind(known) == JSON_ARRAY &&
      json_kind(said) == JSON_ARRAY)
    unite(w, known, said);
  else if (known && str_is(name, "meta"))
    unite_members(w, known, said);
  else
    json_value(w, said);
}

/* Does `said` have anything for the element of this JSON name? */
static bool says_element(defs_type_id type, const struct yyjson_val *said, struct str name) {
  struct json_each each = json_each(said);
  while (json_next(&each))
    if (is_same_element(type, each.name, name))
      return true;
  return false;
}

static bool has_earlier_of_element(defs_type_id type, const struct yyjson_val *object,
                                   struct str name) {
  struct json_each each = json_each(object);
  while (json_next(&each) && !str_equal(each.name, name))
    if (is_same_element(type, each.name, name))
      return true;
  return false;
}

/* All that `said` has for one element, at the place where the known resource has it. */
static void write_said_element(struct json_writer *w, defs_type_id type,
                               const struct yyjson_val *known, const struct yyjson_val *said,
                               struct str name) {
  struct json_each each = json_each(said);
  while (json_next(&each))
    if (is_same_element(type, each.name, name))
      write_member(w, each.name, json_get(known, each.name), each.value);
}

int merge_resource(struct arena *arena, defs_type_id type, const struct yyjson_val *known,
                   const struct yyjson_val *said, const struct str *nulled, size_t nulled_n,
                   struct str *ret_json, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, MERGED_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  struct json_each old = json_each(known);
  while (json_next(&old)) {
    if (str_is(old.name, "id") || str_is(old.name, "resourceType")) {
      json_key(&w, old.name);
      json_value(&w, old.value);
    } else if (says_element(type, said, old.name)) {
      if (!has_earlier_of_element(type, known, old.name))
        write_said_element(&w, type, known, said, old.name);
    } else if (!is_nulled(type, old.name, nulled, nulled_n)) {
      json_key(&w, old.name);
      json_value(&w, old.value);
    }
  }
  struct json_each new = json_each(said);
  while (json_next(&new)) {
    bool is_header = str_is(new.name, "id") || str_is(new.name, "resourceType");
    if (!is_header && !says_element(type, known, new.name))
      write_member(&w, new.name, NULL, new.value);
  }
  json_end_object(&w);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_json = buf_str(&buf);
  return 0;
}

ssize_t merge_item_index(const struct yyjson_val *merged, const struct yyjson_val *said,
                         struct str list, size_t index) {
  struct json_each wanted = json_each(json_get(said, list));
  while (json_next(&wanted))
    if (wanted.index == index) {
      struct json_each each = json_each(json_get(merged, list));
      while (json_next(&each))
        if (is_same_item(each.value, wanted.value))
          return (ssize_t)each.index;
    }
  return -1;
}

static bool is_dropped(const struct yyjson_val *item, const struct merge_identifier *dropped,
                       size_t n) {
  for (size_t i = 0; i < n; i++)
    if (str_equal(json_get_text(item, STR("system")), dropped[i].system) &&
        str_equal(json_get_text(item, STR("value")), dropped[i].value))
      return true;
  return false;
}

int merge_drop_identifiers(struct arena *arena, const struct yyjson_val *resource,
                           const struct merge_identifier *dropped, size_t dropped_n,
                           struct str *ret_json, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, MERGED_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  struct json_each each = json_each(resource);
  while (json_next(&each)) {
    size_t kept = 0;
    struct json_each item = json_each(each.value);
    while (str_is(each.name, "identifier") && json_next(&item))
      kept += !is_dropped(item.value, dropped, dropped_n);
    if (!str_is(each.name, "identifier")) {
      json_key(&w, each.name);
      json_value(&w, each.value);
    } else if (kept) {
      json_key(&w, each.name);
      json_begin_array(&w);
      item = json_each(each.value);
      while (json_next(&item))
        if (!is_dropped(item.value, dropped, dropped_n))
          json_value(&w, item.value);
      json_end_array(&w);
    }
  }
  json_end_object(&w);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_json = buf_str(&buf);
  return 0;
}

static void write_as_old(struct json_writer *w, const struct yyjson_val *identifier) {
  json_begin_object(w);
  json_member_string(w, STR("use"), STR("old"));
  struct json_each each = json_each(identifier);
  while (json_next(&each)) {
    if (str_is(each.name, "use"))
      continue;
    json_key(w, each.name);
    json_value(w, each.value);
  }
  json_end_object(w);
}

int merge_move_identifiers(struct arena *arena, const struct yyjson_val *into,
                           const struct yyjson_val *from, struct str *ret_json,
                           struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, MERGED_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  const struct yyjson_val *own = json_get(into, STR("identifier")),
                          *moved = json_get(from, STR("identifier"));
  json_begin_object(&w);
  struct json_each each = json_each(into);
  while (json_next(&each)) {
    if (str_is(each.name, "identifier"))
      continue;
    json_key(&w, each.name);
    json_value(&w, each.value);
  }
  if (json_count(own) + json_count(moved) > 0) {
    json_key(&w, STR("identifier"));
    json_begin_array(&w);
    struct json_each item = json_each(own);
    while (json_next(&item))
      json_value(&w, item.value);
    item = json_each(moved);
    while (json_next(&item))
      if (!has_item(own, item.value))
        write_as_old(&w, item.value);
    json_end_array(&w);
  }
  json_end_object(&w);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_json = buf_str(&buf);
  return 0;
}

static bool has_link(const struct yyjson_val *patient, struct str reference, struct str link_type) {
  struct json_each link = json_each(json_get(patient, STR("link")));
  while (json_next(&link))
    if (str_equal(json_get_text(link.value, STR("type")), link_type) &&
        str_equal(json_get_text(json_get(link.value, STR("other")), STR("reference")), reference))
      return true;
  return false;
}

static void write_links(struct json_writer *w, const struct yyjson_val *patient,
                        struct str reference, struct str link_type) {
  json_key(w, STR("link"));
  json_begin_array(w);
  struct json_each link = json_each(json_get(patient, STR("link")));
  while (json_next(&link))
    json_value(w, link.value);
  if (!has_link(patient, reference, link_type)) {
    json_begin_object(w);
    json_key(w, STR("other"));
    json_begin_object(w);
    json_member_string(w, STR("reference"), reference);
    json_end_object(w);
    json_member_string(w, STR("type"), link_type);
    json_end_object(w);
  }
  json_end_array(w);
}

int merge_patient_link(struct arena *arena, const struct yyjson_val *patient, struct str reference,
                       struct str link_type, bool is_gone, struct str *ret_json,
                       struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, MERGED_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  struct json_each each = json_each(patient);
  while (json_next(&each)) {
    if (str_is(each.name, "link") ||
        (is_gone && (str_is(each.name, "active") || str_is(each.name, "identifier"))))
      continue;
    json_key(&w, each.name);
    json_value(&w, each.value);
  }
  if (is_gone)
    json_member_bool(&w, STR("active"), false);
  write_links(&w, patient, reference, link_type);
  json_end_object(&w);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_json = buf_str(&buf);
  return 0;
}
