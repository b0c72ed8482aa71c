/* The message log, one message with what was made of it, and where a resource came from. */
#include "service/admin.h"

#include "base/id.h"
#include "base/map.h"
#include "flow/lineage.h"
#include "format/charset.h"
#include "format/er7.h"
#include "format/v2_dictionary.h"
#include "model/resource.h"
#include "service/titles.h"

static const char *const status_names[] = {
    [STORE_MESSAGE_ACCEPTED] = "accepted",
    [STORE_MESSAGE_REJECTED] = "rejected",
    [STORE_MESSAGE_ERROR] = "error",
};

/* ---- The log -------------------------------------------------------------------------------- */

static void write_row(struct json_writer *w, const struct store_message_row *row) {
  json_member_int(w, STR("number"), (int64_t)row->number);
  admin_member_instant(w, "received", row->received_us);
  admin_member(w, "channel", row->channel);
  admin_member(w, "sender", row->sender);
  admin_member(w, "controlId", row->control_id);
  admin_member(w, "type", row->type);
  admin_member(w, "event", row->event);
  admin_member(w, "version", row->version_id);
  admin_member(w, "patient", row->patient);
  json_member_string(w, STR("status"), str_of(status_names[row->status]));
  /* Of an accepted message it holds the notes, which the message's own page lists. */
  if (row->status != STORE_MESSAGE_ACCEPTED)
    admin_member(w, "reason", row->reason);
  json_member_int(w, STR("bytes"), (int64_t)row->size_bytes);
}

static int read_query(const struct admin_call *call, struct store_message_query *ret_query,
                      struct err *reterr) {
  uint64_t count;
  struct str status = admin_param(call, "status");
  *ret_query = (struct store_message_query){.text = admin_param(call, "text")};
  int code = admin_param_number(call, "count", 50, 1000, &count, reterr);
  if (code == 0)
    code = admin_param_number(call, "before", 0, UINT64_MAX, &ret_query->before_number, reterr);
  if (code)
    return code;
  ret_query->count = (size_t)count;
  for (int i = STORE_MESSAGE_ACCEPTED; i <= STORE_MESSAGE_ERROR; i++)
    if (str_is(status, status_names[i]))
      ret_query->status = (enum store_message_status)i;
  if (status.n > 0 && !ret_query->status)
    return err_set(reterr, ERR_VALUE, "status", "The status is accepted, rejected or error.");
  return 0;
}

int admin_messages(struct admin_call *call, struct err *reterr) {
  struct store_message_query query;
  struct store_message_rows rows = {0};
  struct store_view *view;
  struct json_writer *w = &call->w;
  int code = read_query(call, &query, reterr);
  size_t wanted = query.count;
  query.count++; /* one more tells whether there are more */
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  code = store_messages(view, &call->access, call->arena, &query, &rows, reterr);
  store_view_close(view);
  if (code)
    return code;
  bool has_more = rows.n > wanted;
  size_t n = has_more ? wanted : rows.n;
  json_begin_object(w);
  json_key(w, STR("messages"));
  json_begin_array(w);
  for (size_t i = 0; i < n; i++) {
    json_begin_object(w);
    write_row(w, &rows.p[i]);
    json_end_object(w);
  }
  json_end_array(w);
  if (has_more && n > 0)
    json_member_int(w, STR("next"), (int64_t)rows.p[n - 1].number);
  json_end_object(w);
  return 0;
}

/* ---- One message ---------------------------------------------------------------------------- */

static void write_fields(struct json_writer *w, const struct er7_message *message, uint32_t segment,
                         struct str version) {
  struct str name = message->segments[segment].name;
  json_key(w, STR("fields"));
  json_begin_array(w);
  for (uint32_t field = 1; field <= message->segments[segment].fields_n; field++) {
    struct er7_place place = {.segment = segment, .field = (uint16_t)field};
    struct str text = er7_raw(message, place);
    if (text.n == 0)
      continue;
    const struct v2_field *known = v2_segment_field(version, name, field);
    json_begin_object(w);
    json_member_int(w, STR("number"), field);
    if (known) {
      admin_member(w, "name", known->name);
      admin_member(w, "dataType", known->data_type);
    }
    json_member_string(w, STR("text"), text);
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_delimiter(struct json_writer *w, const char *name, char c) {
  if (c)
    json_member_string(w, str_of(name), str_n(&c, 1));
}

static void write_tree(struct json_writer *w, const struct er7_message *message,
                       struct str version) {
  json_key(w, STR("delimiters"));
  json_begin_object(w);
  write_delimiter(w, "field", message->delimiters.field);
  write_delimiter(w, "component", message->delimiters.component);
  write_delimiter(w, "repetition", message->delimiters.repetition);
  write_delimiter(w, "escape", message->delimiters.escape);
  write_delimiter(w, "subcomponent", message->delimiters.subcomponent);
  json_end_object(w);
  json_key(w, STR("segments"));
  json_begin_array(w);
  for (size_t i = 0; i < message->segments_n; i++) {
    json_begin_object(w);
    json_member_string(w, STR("name"), message->segments[i].name);
    admin_member(w, "title", v2_segment_name(message->segments[i].name));
    write_fields(w, message, (uint32_t)i, version);
    json_end_object(w);
  }
  json_end_array(w);
}

/* The message as text, and its tree where it can be read. */
static void write_content(struct admin_call *call, const struct store_message_row *row) {
  struct charset_result charset;
  struct er7_message message;
  struct err ignored;
  struct json_writer *w = &call->w;
  struct str text = row->raw;
  if (charset_to_utf8(call->arena, row->raw, &charset, &ignored) == 0)
    text = charset.text;
  if (!str_is_utf8(text))
    text = STR("(the bytes are in no known character set)");
  json_member_string(w, STR("raw"), text);
  admin_member(w, "reply", str_is_utf8(row->reply) ? row->reply : STR_NULL);
  json_key(w, STR("notes"));
  json_begin_array(w);
  struct str rest = row->status == STORE_MESSAGE_ACCEPTED ? row->reason : STR_NULL, note;
  while (rest.n > 0 && str_split(&rest, '\n', &note))
    if (note.n > 0)
      json_string(w, note);
  json_end_array(w);
  if (er7_parse(call->arena, text, NULL, &message, &ignored) == 0)
    write_tree(w, &message, row->version_id);
}

static void write_place(struct json_writer *w, const struct lineage_entry *entry) {
  json_member_string(w, STR("element"), entry->element);
  if (entry->segment.n > 0) {
    json_member_int(w, STR("segment"), entry->source.segment);
    json_member_int(w, STR("field"), entry->source.field);
    json_member_int(w, STR("repetition"), entry->source.repetition);
    json_member_int(w, STR("component"), entry->source.component);
    json_member_int(w, STR("subcomponent"), entry->source.subcomponent);
  }
  admin_member(w, "file", entry->map_file);
  json_member_int(w, STR("line"), entry->map_line);
}

static void write_resource(struct json_writer *w, const struct store_resource *resource) {
  json_key(w, STR("resource"));
  json_raw(w, STR_NULL);
  resource_write(w->buf, resource->body, resource->version, resource->updated_us);
}

static int write_made(struct admin_call *call, const struct store_lineage_row *row,
                      struct err *reterr) {
  struct json_writer *w = &call->w;
  struct lineage_entries entries = {0};
  const struct yyjson_val *json = NULL;
  int code = 0;
  if (row->lineage.n > 0)
    code = lineage_decode(call->arena, row->lineage, &entries, reterr);
  if (code == 0 && row->resource.body.n > 0)
    code = json_parse(call->arena, row->resource.body, NULL, &json, reterr);
  if (code)
    return code;
  json_begin_object(w);
  json_member_string(w, STR("type"), defs_type(row->resource.type)->name);
  json_member_string(w, STR("id"), row->resource.id);
  json_member_int(w, STR("version"), row->resource.version);
  admin_member(w, "title", titles_resource(call->arena, json));
  if (row->resource.body.n > 0)
    write_resource(w, &row->resource);
  json_key(w, STR("lineage"));
  json_begin_array(w);
  for (size_t i = 0; i < entries.n; i++) {
    json_begin_object(w);
    write_place(w, &entries.p[i]);
    json_end_object(w);
  }
  json_end_array(w);
  json_end_object(w);
  return 0;
}

int admin_message(struct admin_call *call, struct err *reterr) {
  struct store_message_row row;
  struct store_lineage_rows made = {0};
  struct store_view *view;
  struct json_writer *w = &call->w;
  uint64_t number;
  if (!str_to_u64(call->path[1], &number))
    return err_set(reterr, ERR_NOT_FOUND, "", "A message is named by its number.");
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  code = store_message_read(view, &call->access, call->arena, number, &row, reterr);
  if (code == 0)
    code = store_lineage_of_message(view, &call->access, call->arena, number, &made, reterr);
  store_view_close(view);
  if (code)
    return code;
  json_begin_object(w);
  write_row(w, &row);
  write_content(call, &row);
  json_key(w, STR("resources"));
  json_begin_array(w);
  for (size_t i = 0; i < made.n && code == 0; i++)
    code = write_made(call, &made.p[i], reterr);
  json_end_array(w);
  json_end_object(w);
  return code;
}

/* ---- Where a resource came from ------------------------------------------------------------- */

/* The headers of the messages that said something, read once each. */
struct senders {
  struct admin_call *call;
  struct store_view *view;
  VEC(struct store_message_row) rows;
};

static int sender_of(struct senders *senders, uint64_t number,
                     const struct store_message_row **ret_row, struct err *reterr) {
  *ret_row = NULL;
  for (size_t i = 0; i < senders->rows.n; i++)
    if (senders->rows.p[i].number == number) {
      *ret_row = &senders->rows.p[i];
      return 0;
    }
  struct store_message_row *row = VEC_PUSH(senders->call->arena, &senders->rows);
  if (!row)
    return err_no_memory(reterr);
  int code = store_message_read(senders->view, &senders->call->access, senders->call->arena, number,
                                row, reterr);
  *ret_row = row;
  return code;
}

static int write_elements(struct senders *senders, const struct store_lineage_row *row,
                          struct map *seen, struct err *reterr) {
  struct admin_call *call = senders->call;
  struct json_writer *w = &call->w;
  struct lineage_entries entries = {0};
  const struct store_message_row *message = NULL;
  if (row->lineage.n == 0)
    return 0;
  int code = lineage_decode(call->arena, row->lineage, &entries, reterr);
  if (code == 0)
    code = sender_of(senders, row->message, &message, reterr);
  if (code || !message)
    return code;
  for (size_t i = 0; i < entries.n; i++) {
    if (map_get(seen, entries.p[i].element))
      continue; /* a newer message said it */
    json_begin_object(w);
    write_place(w, &entries.p[i]);
    admin_member(w, "segmentName", entries.p[i].segment);
    json_member_int(w, STR("message"), (int64_t)row->message);
    admin_member(w, "sender", message->sender);
    admin_member_instant(w, "received", message->received_us);
    json_member_int(w, STR("version"), row->resource.version);
    json_end_object(w);
  }
  /* Only now: one message may give an element from several places. */
  for (size_t i = 0; i < entries.n; i++)
    if (map_set(seen, entries.p[i].element, call) != 0)
      return err_no_memory(reterr);
  return 0;
}

static int write_explanation(struct senders *senders, const struct store_resource *resource,
                             const struct store_lineage_rows *rows, struct err *reterr) {
  struct json_writer *w = &senders->call->w;
  struct map seen;
  int code = 0;
  map_init(&seen, senders->call->arena);
  json_begin_object(w);
  write_resource(w, resource);
  json_key(w, STR("elements"));
  json_begin_array(w);
  for (size_t i = 0; i < rows->n && code == 0; i++)
    code = write_elements(senders, &rows->p[i], &seen, reterr);
  json_end_array(w);
  json_key(w, STR("versions"));
  json_begin_array(w);
  for (size_t i = 0; i < rows->n && code == 0; i++) {
    const struct store_message_row *message = NULL;
    /* A version is the doing of the first message that led to it; later ones changed nothing. */
    if (i + 1 < rows->n && rows->p[i + 1].resource.version == rows->p[i].resource.version)
      continue;
    if (rows->p[i].message)
      code = sender_of(senders, rows->p[i].message, &message, reterr);
    json_begin_object(w);
    json_member_int(w, STR("version"), rows->p[i].resource.version);
    admin_member_instant(w, "updated", rows->p[i].resource.updated_us);
    if (message) {
      json_member_int(w, STR("message"), (int64_t)message->number);
      admin_member(w, "sender", message->sender);
    }
    json_end_object(w);
  }
  json_end_array(w);
  json_end_object(w);
  return code;
}

int admin_explain(struct admin_call *call, struct err *reterr) {
  struct store_resource resource;
  struct store_lineage_rows rows = {0};
  struct senders senders = {.call = call};
  defs_type_id type = defs_type_by_name(call->path[1]);
  if (!type || !defs_is_resource(defs_type(type)) || !id_is_fhir_id(call->path[2]))
    return err_set(reterr, ERR_NOT_FOUND, "", "There is no such resource.");
  int code = store_view_open(call->service->options.store, &senders.view, reterr);
  if (code)
    return code;
  code =
      store_read(senders.view, &call->access, call->arena, type, call->path[2], &resource, reterr);
  if (code == 0)
    code = store_lineage_of_resource(senders.view, &call->access, call->arena, type, call->path[2],
                                     &rows, reterr);
  if (code == 0)
    code = write_explanation(&senders, &resource, &rows, reterr);
  store_view_close(senders.view);
  return code;
}
