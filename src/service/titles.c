#include "service/titles.h"

#include "model/definitions.h"

#define TITLE_MAX_BYTES ((size_t)64 << 10)

static const struct yyjson_val *first_item(const struct yyjson_val *list) {
  struct json_each each = json_each(list);
  return json_kind(list) == JSON_ARRAY && json_next(&each) ? each.value : NULL;
}

static void add_word(struct buf *buf, struct str word) {
  if (word.n == 0)
    return;
  if (buf->n > 0)
    buf_add_char(buf, ' ');
  buf_add(buf, word);
}

static void add_words(struct buf *buf, const struct yyjson_val *list) {
  struct json_each each = json_each(list);
  while (json_kind(list) == JSON_ARRAY && json_next(&each))
    add_word(buf, json_text(each.value));
}

struct str titles_name(struct arena *arena, const struct yyjson_val *name) {
  struct str text = json_get_text(name, STR("text"));
  struct buf buf;
  if (text.n > 0)
    return text;
  buf_init_arena(&buf, arena, TITLE_MAX_BYTES);
  add_words(&buf, json_get(name, STR("prefix")));
  add_words(&buf, json_get(name, STR("given")));
  add_word(&buf, json_get_text(name, STR("family")));
  add_words(&buf, json_get(name, STR("suffix")));
  return buf_str(&buf);
}

const struct yyjson_val *titles_best_name(const struct yyjson_val *names) {
  /* Where no use is said, a name counts as one in use. */
  static const char *const uses[] = {"usual", "official", ""};
  for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
    struct json_each each = json_each(names);
    while (json_next(&each))
      if (str_is(json_get_text(each.value, STR("use")), uses[i]))
        return each.value;
  }
  return first_item(names);
}

const struct yyjson_val *titles_coding(const struct yyjson_val *concept) {
  return first_item(json_get(concept, STR("coding")));
}

struct str titles_concept(const struct yyjson_val *concept) {
  struct str text = json_get_text(concept, STR("text"));
  struct json_each each = json_each(json_get(concept, STR("coding")));
  while (text.n == 0 && json_next(&each))
    text = json_get_text(each.value, STR("display"));
  const struct yyjson_val *coding = titles_coding(concept);
  if (text.n == 0)
    text =
        defs_code_display(json_get_text(coding, STR("system")), json_get_text(coding, STR("code")));
  return text.n > 0 ? text : json_get_text(coding, STR("code"));
}

struct str titles_address(struct arena *arena, const struct yyjson_val *address) {
  static const char *const parts[] = {"city", "state", "postalCode", "country"};
  struct str text = json_get_text(address, STR("text"));
  struct buf buf;
  if (text.n > 0)
    return text;
  buf_init_arena(&buf, arena, TITLE_MAX_BYTES);
  struct json_each each = json_each(json_get(address, STR("line")));
  while (json_next(&each)) {
    if (buf.n > 0)
      buf_add(&buf, STR(", "));
    buf_add(&buf, json_text(each.value));
  }
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    struct str part = json_get_text(address, str_of(parts[i]));
    if (part.n > 0 && buf.n > 0)
      buf_add(&buf, STR(", "));
    buf_add(&buf, part);
  }
  return buf_str(&buf);
}

/* What names a thing in most resource types, in this order. */
static struct str title_of_any(const struct yyjson_val *resource) {
  static const char *const concepts[] = {"code",         "vaccineCode", "medicationCodeableConcept",
                                         "type",         "serviceType", "class",
                                         "relationship", NULL};
  struct str title = STR_NULL;
  for (size_t i = 0; concepts[i] && title.n == 0; i++) {
    const struct yyjson_val *v = json_get(resource, str_of(concepts[i]));
    if (json_kind(v) == JSON_ARRAY)
      v = first_item(v);
    if (json_get(v, STR("coding")) || json_get(v, STR("text")))
      title = titles_concept(v);
    else if (json_kind(v) == JSON_OBJECT) /* a Coding, such as Encounter.class */
      title = json_get_text(v, STR("display"));
  }
  return title;
}

struct str titles_resource(struct arena *arena, const struct yyjson_val *resource) {
  const struct yyjson_val *name = json_get(resource, STR("name"));
  struct str title = STR_NULL;
  if (json_kind(name) == JSON_STRING)
    title = json_text(name);
  else if (json_kind(name) == JSON_ARRAY)
    title = titles_name(arena, titles_best_name(name));
  else if (json_kind(name) == JSON_OBJECT)
    title = titles_name(arena, name);
  if (title.n == 0)
    title = title_of_any(resource);
  return title.n > 0 ? title : json_get_text(resource, STR("resourceType"));
}
