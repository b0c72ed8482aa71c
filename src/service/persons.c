#include "service/persons.h"

#include "service/titles.h"

void persons_write_identifier(struct json_writer *w, const struct yyjson_val *identifier) {
  struct str system = json_get_text(identifier, STR("system"));
  struct str use = json_get_text(identifier, STR("use"));
  struct str type = json_get_text(titles_coding(json_get(identifier, STR("type"))), STR("code"));
  if (system.n > 0)
    json_member_string(w, STR("system"), system);
  json_member_string(w, STR("value"), json_get_text(identifier, STR("value")));
  if (type.n > 0)
    json_member_string(w, STR("type"), type);
  if (use.n > 0)
    json_member_string(w, STR("use"), use);
}

struct str persons_next_link(const struct yyjson_val *patient, const char *type, size_t *at) {
  struct json_each each = json_each(json_get(patient, STR("link")));
  while (json_next(&each)) {
    if (each.index < *at || !str_is(json_get_text(each.value, STR("type")), type))
      continue;
    struct str reference = json_get_text(json_get(each.value, STR("other")), STR("reference"));
    if (!str_starts_with(reference, STR("Patient/")))
      continue;
    *at = each.index + 1;
    return str_slice(reference, 8, reference.n);
  }
  return STR_NULL;
}

void persons_write_basics(struct json_writer *w, struct arena *arena,
                          const struct yyjson_val *patient) {
  struct str name = titles_name(arena, titles_best_name(json_get(patient, STR("name"))));
  struct str birth_date = json_get_text(patient, STR("birthDate"));
  struct str gender = json_get_text(patient, STR("gender"));
  const struct yyjson_val *active = json_get(patient, STR("active"));
  size_t at = 0;
  struct str replaced_by = persons_next_link(patient, "replaced-by", &at);
  if (name.n > 0)
    json_member_string(w, STR("name"), name);
  if (birth_date.n > 0)
    json_member_string(w, STR("birthDate"), birth_date);
  if (gender.n > 0)
    json_member_string(w, STR("gender"), gender);
  json_member_bool(w, STR("deceased"),
                   json_is_true(json_get(patient, STR("deceasedBoolean"))) ||
                       json_get(patient, STR("deceasedDateTime")));
  json_member_bool(w, STR("active"), !active || json_is_true(active));
  if (replaced_by.n > 0)
    json_member_string(w, STR("replacedBy"), replaced_by);
}
