#include "model/fhirpath_text.h"

#include "model/fhirpath_program.h"

struct str fhirpath_text(struct arena *arena, const struct fhirpath_value *value) {
  struct str text = STR_NULL;
  struct buf buf;
  /* An element with parts is shown whole, a Quantity too. */
  if (value->kind != FHIRPATH_NODE || json_kind(value->node) != JSON_OBJECT) {
    if (value->kind == FHIRPATH_NODE && !value->node)
      return STR("");
    return fhirpath_to_text(arena, value, &text) ? arena_str(arena, text) : STR_NULL;
  }
  buf_init_arena(&buf, arena, SIZE_MAX);
  json_write(&buf, value->node);
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

void fhirpath_write_json(struct json_writer *w, struct arena *arena,
                         const struct fhirpath_value *value) {
  struct fhirpath_decimal d;
  switch (value->kind) {
  case FHIRPATH_NODE:
    if (value->node)
      json_value(w, value->node);
    else
      json_null(w);
    return;
  case FHIRPATH_BOOLEAN:
    json_bool(w, value->integer != 0);
    return;
  case FHIRPATH_INTEGER:
    json_int(w, value->integer);
    return;
  case FHIRPATH_DECIMAL:
  case FHIRPATH_QUANTITY:
    if (value->kind == FHIRPATH_QUANTITY) {
      json_begin_object(w);
      json_key(w, STR("value"));
    }
    /* A literal may have zeros in front, which JSON has not. */
    json_raw(w, fhirpath_decimal_parse(value->text, &d) ? fhirpath_decimal_text(arena, d)
                                                        : value->text);
    if (value->kind == FHIRPATH_QUANTITY) {
      json_member_string(w, STR("unit"), value->unit);
      json_end_object(w);
    }
    return;
  default:
    json_string(w, value->text);
  }
}
