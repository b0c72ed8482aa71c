/*
 * $meta, $meta-add, $meta-delete: the profiles, tags and security labels of a resource, or of all
 * of a type, or of all.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/resource-operation-meta.html, -meta-add, -meta-delete. A
 * change of labels is a new version.
 */
#include "base/map.h"
#include "model/resource.h"
#include "service/rest_parameters.h"
#include "service/rest_write.h"

#define ANSWER_MAX_BYTES ((size_t)64 << 20)
/* Resources with labels that a summary over a type or all looks at. */
#define SUMMARY_MAX 100000
#define SUMMARY_PAGE 1000

static const char *const lists[] = {"profile", "security", "tag"};

/* ---- Answers --------------------------------------------------------------------------------- */

/* Parameters with `return` as valueMeta; `meta` NULL: an empty one. */
static int answer_meta(struct rest_call *call, const struct yyjson_val *meta, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, call->arena, ANSWER_MAX_BYTES);
  buf_add(&buf, STR("{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"return\""));
  if (json_count(meta) > 0) {
    buf_add(&buf, STR(",\"valueMeta\":"));
    json_write(&buf, meta);
  }
  buf_add(&buf, STR("}]}"));
  call->answer.status = 200;
  call->answer.body = buf_str(&buf);
  return buf_is_overflown(&buf) ? err_no_memory(reterr) : 0;
}

static void end(struct rest_call *call, int code, const struct err *err) {
  if (code)
    rest_fail(call, err);
  else
    rest_finish(call);
}

/* The meta of a version, with versionId and lastUpdated. */
static int parse_meta(struct arena *arena, const struct store_resource *resource,
                      const struct yyjson_val **ret_meta, struct err *reterr) {
  const struct yyjson_val *tree;
  struct buf buf;
  buf_init_arena(&buf, arena, resource->body.n + 200);
  resource_write(&buf, resource->body, resource->version, resource->updated_us);
  int code = json_parse(arena, buf_str(&buf), NULL, &tree, reterr);
  if (code == 0)
    *ret_meta = json_get(tree, STR("meta"));
  return code;
}

/* ---- $meta ----------------------------------------------------------------------------------- */

static int read_instance(struct rest_call *call, struct store_view *view, struct err *reterr) {
  struct store_resource resource;
  const struct yyjson_val *meta = NULL;
  int code = call->version ? store_vread(view, &call->access, call->arena, call->type, call->id,
                                         call->version, &resource, reterr)
                           : store_read(view, &call->access, call->arena, call->type, call->id,
                                        &resource, reterr);
  if (code == 0)
    code = parse_meta(call->arena, &resource, &meta, reterr);
  return code ? code : answer_meta(call, meta, reterr);
}

/* What a summary has gathered: the JSON of each label, once. */
struct summary {
  struct rest_call *call;
  struct map seen[3]; /* as `lists` */
  size_t looked_at;
};

static int gather(struct summary *s, size_t list, const struct yyjson_val *meta,
                  struct err *reterr) {
  struct json_each each = json_each(json_get(meta, str_of(lists[list])));
  while (json_next(&each)) {
    struct buf buf;
    buf_init_arena(&buf, s->call->arena, 1 << 16);
    json_write(&buf, each.value);
    if (buf_is_overflown(&buf) || map_set(&s->seen[list], buf_str(&buf), s) != 0)
      return err_no_memory(reterr);
  }
  return 0;
}

static int gather_page(struct summary *s, size_t list, const struct search_result *page,
                       struct err *reterr) {
  struct arena *scratch = arena_new((size_t)256 << 20);
  int code = scratch ? 0 : err_no_memory(reterr);
  for (size_t i = 0; i < page->rows_n && code == 0; i++) {
    const struct yyjson_val *tree;
    arena_reset(scratch);
    code = json_parse(scratch, page->rows[i].resource.body, NULL, &tree, reterr);
    if (code == 0)
      code = gather(s, list, json_get(tree, STR("meta")), reterr);
  }
  s->looked_at += page->rows_n;
  arena_free(scratch);
  if (code == 0 && s->looked_at > SUMMARY_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "",
                   "More than %d resources have labels; ask for the $meta of a type, or of one "
                   "resource.",
                   SUMMARY_MAX);
  return code;
}

/* All resources that have labels of this kind, page by page. */
static int gather_list(struct summary *s, struct store_view *view, size_t list,
                       struct err *reterr) {
  struct rest_call *call = s->call;
  struct search_pair pairs[] = {
      {arena_printf(call->arena, "_%s:missing", lists[list]), STR("false")},
      {STR("_count"), STR("1000")},
      {STR("_cursor"), STR_NULL}};
  struct search_result page = {0};
  int code;
  do {
    struct search_options options = {.base_url = call->base_url, .max_count = SUMMARY_PAGE};
    const struct search *search;
    struct issues issues = {0};
    pairs[2].value = page.next_cursor;
    code = search_parse(call->arena, call->type, pairs, page.next_cursor.n > 0 ? 3 : 2, &options,
                        &search, &issues, reterr);
    if (code == 0)
      code = search_run(view, &call->access, call->arena, search, &page, reterr);
    if (code == 0)
      code = gather_page(s, list, &page, reterr);
  } while (code == 0 && page.next_cursor.n > 0);
  return code;
}

static int read_summary(struct rest_call *call, struct store_view *view, struct err *reterr) {
  struct summary s = {.call = call};
  struct buf buf;
  const struct yyjson_val *meta;
  buf_init_arena(&buf, call->arena, ANSWER_MAX_BYTES);
  buf_add_char(&buf, '{');
  for (size_t i = 0; i < 3; i++) {
    map_init(&s.seen[i], call->arena);
    int code = gather_list(&s, view, i, reterr);
    if (code)
      return code;
    if (s.seen[i].n > 0)
      buf_printf(&buf, "%s\"%s\":[", buf.n > 1 ? "," : "", lists[i]);
    for (size_t k = 0; k < s.seen[i].n; k++) {
      if (k > 0)
        buf_add_char(&buf, ',');
      buf_add(&buf, s.seen[i].entries[k].key);
    }
    if (s.seen[i].n > 0)
      buf_add_char(&buf, ']');
  }
  buf_add_char(&buf, '}');
  int code = buf_is_overflown(&buf) ? err_no_memory(reterr)
                                    : json_parse(call->arena, buf_str(&buf), NULL, &meta, reterr);
  return code ? code : answer_meta(call, meta, reterr);
}

void rest_meta(struct rest_call *call) {
  struct store_view *view;
  struct err err;
  int code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = call->id.n > 0 ? read_instance(call, view, &err) : read_summary(call, view, &err);
    store_view_close(view);
  }
  end(call, code, &err);
}

/* ---- $meta-add, $meta-delete ----------------------------------------------------------------- */

struct change {
  const struct yyjson_val *meta; /* what is added or deleted */
  bool is_delete;
};

/* A profile by its URL, a label by system and code. */
static bool is_same_label(const struct yyjson_val *a, const struct yyjson_val *b) {
  if (json_kind(a) != JSON_OBJECT || json_kind(b) != JSON_OBJECT)
    return json_kind(a) == json_kind(b) && str_equal(json_text(a), json_text(b));
  return str_equal(json_get_text(a, STR("system")), json_get_text(b, STR("system"))) &&
         str_equal(json_get_text(a, STR("code")), json_get_text(b, STR("code")));
}

static bool has_label(const struct yyjson_val *list, const struct yyjson_val *label) {
  struct json_each each = json_each(list);
  while (json_next(&each))
    if (is_same_label(each.value, label))
      return true;
  return false;
}

/* Writes the list as it is after the change; nothing for one that is empty. */
static void write_list(struct json_writer *w, const char *name, const struct yyjson_val *before,
                       const struct change *change) {
  const struct yyjson_val *other = json_get(change->meta, str_of(name));
  struct json_each each = json_each(before);
  bool is_open = false;
  for (int pass = 0; pass < 2; pass++) {
    while (json_next(&each)) {
      bool is_left_out = pass == 0 ? change->is_delete && has_label(other, each.value)
                                   : has_label(before, each.value);
      if (is_left_out)
        continue;
      if (!is_open) {
        json_key(w, str_of(name));
        json_begin_array(w);
      }
      is_open = true;
      json_value(w, each.value);
    }
    each = json_each(change->is_delete ? NULL : other);
  }
  if (is_open)
    json_end_array(w);
}

static void write_meta(struct json_writer *w, const struct yyjson_val *before,
                       const struct change *change) {
  struct json_each each = json_each(before);
  json_begin_object(w);
  while (json_next(&each))
    if (json_kind(each.value) != JSON_ARRAY) {
      json_key(w, each.name);
      json_value(w, each.value);
    }
  const struct yyjson_val *extension = json_get(before, STR("extension"));
  if (extension) {
    json_key(w, STR("extension"));
    json_value(w, extension);
  }
  for (size_t i = 0; i < 3; i++)
    write_list(w, lists[i], json_get(before, str_of(lists[i])), change);
  json_end_object(w);
}

static int edit_meta(struct arena *arena, const struct yyjson_val *before, const void *what,
                     const struct yyjson_val **ret_after, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)256 << 20);
  struct json_writer w = json_writer(&buf);
  struct json_each each = json_each(before);
  json_begin_object(&w);
  while (json_next(&each)) {
    json_key(&w, each.name);
    if (str_is(each.name, "meta"))
      write_meta(&w, each.value, what);
    else
      json_value(&w, each.value);
  }
  json_end_object(&w);
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  limits.max_bytes = (size_t)256 << 20;
  return buf_is_overflown(&buf) ? err_no_memory(reterr)
                                : json_parse(arena, buf_str(&buf), &limits, ret_after, reterr);
}

/* The parameter `meta` of the body. */
static int read_meta(struct rest_call *call, const struct yyjson_val **ret_meta,
                     struct err *reterr) {
  const struct yyjson_val *parameters;
  int code = rest_read_body(call, &parameters, reterr);
  if (code)
    return code;
  const struct yyjson_val *list = json_get(parameters, STR("parameter"));
  *ret_meta = json_get(rest_parameter_find(list, "meta"), STR("valueMeta"));
  if (json_kind(*ret_meta) != JSON_OBJECT)
    return err_set(reterr, ERR_REQUIRED, "Parameters.parameter",
                   "The body must be Parameters with a parameter 'meta' that has a valueMeta.");
  return 0;
}

static int read_change(struct rest_call *call, struct err *reterr) {
  struct transaction_entry *entry = call->write->entries;
  struct change *change = ARENA_NEW(call->arena, struct change);
  if (!change)
    return err_no_memory(reterr);
  change->is_delete = str_is(str_of(call->operation->operation), "meta-delete");
  *entry = (struct transaction_entry){.method = STR("PATCH"),
                                      .url = arena_printf(call->arena, "%.*s/%.*s",
                                                          STR_ARG(defs_type(call->type)->name),
                                                          STR_ARG(call->id)),
                                      .if_match = call->headers.if_match,
                                      .edit = edit_meta,
                                      .edit_what = change};
  return entry->url.p ? read_meta(call, &change->meta, reterr) : err_no_memory(reterr);
}

static void answer_change(struct rest_call *call) {
  const struct store_write *write = &call->write->commit.writes[0];
  struct store_resource resource = {
      .body = write->body, .version = write->version, .updated_us = write->updated_us};
  const struct yyjson_val *meta = NULL;
  struct err err;
  int code = parse_meta(call->arena, &resource, &meta, &err);
  if (code == 0)
    code = answer_meta(call, meta, &err);
  call->answer.etag = rest_etag(call->arena, write->version);
  end(call, code, &err);
}

void rest_meta_add(struct rest_call *call) {
  rest_write_single(call, "meta-add", read_change, answer_change);
}

void rest_meta_delete(struct rest_call *call) {
  rest_write_single(call, "meta-delete", read_change, answer_change);
}
