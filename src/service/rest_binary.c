/*
 * Binary as what it is: bytes with a media type.
 *
 * A read whose Accept names no form of FHIR gets the bytes; a body of another media type than
 * FHIR's becomes a Binary. X-Security-Context is Binary.securityContext.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/binary.html#rest.
 */
#include "base/base64.h"
#include "format/json_build.h"
#include "service/rest_write.h"

static bool is_binary(const struct rest_call *call) {
  struct str rest = call->path, type = STR_NULL;
  while (rest.n > 0 && rest.p[0] == '/')
    rest = str_slice(rest, 1, rest.n);
  str_split(&rest, '/', &type);
  return str_is(type, "Binary");
}

static struct str media_type_of(struct str header) {
  ssize_t semicolon = str_find_char(header, ';', 0);
  return str_trim(semicolon < 0 ? header : str_slice(header, 0, (size_t)semicolon));
}

/* Media types that are FHIR's own, and those that may be FHIR or just JSON or XML. */
static bool is_fhir_type(struct str name) {
  static const char *const own[] = {"application/fhir+json", "application/fhir+xml",
                                    "application/json+fhir", "application/xml+fhir"};
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (str_equal_ignore_case(name, str_of(own[i])))
      return true;
  return false;
}

static bool is_plain_json(struct str name) {
  return str_equal_ignore_case(name, STR("application/json")) ||
         str_equal_ignore_case(name, STR("text/json"));
}

static bool is_plain_xml(struct str name) {
  return str_equal_ignore_case(name, STR("application/xml")) ||
         str_equal_ignore_case(name, STR("text/xml"));
}

/* ---- Reading --------------------------------------------------------------------------------- */

bool rest_binary_wants_bytes(const struct rest_call *call) {
  struct str rest = call->headers.accept, one;
  bool is_read = str_is(call->method, "GET") || str_is(call->method, "HEAD");
  /* [id] or [id]/_history/[vid]; a search is no read of a Binary. */
  bool has_id =
      str_find_char(call->path, '/', 1) > 0 && !str_ends_with(call->path, STR("/_history"));
  if (!is_read || !has_id || call->format.n > 0 || rest.n == 0 || !is_binary(call))
    return false;
  while (rest.n > 0 && str_split(&rest, ',', &one)) {
    struct str name = media_type_of(one);
    if (is_fhir_type(name) || is_plain_json(name) || is_plain_xml(name))
      return false;
  }
  return true;
}

/* May it stand in a header? */
static bool is_header_safe(struct str text) {
  for (size_t i = 0; i < text.n; i++)
    if (text.p[i] < ' ' || text.p[i] > '~')
      return false;
  return text.n > 0 && text.n < 500;
}

int rest_binary_answer(struct rest_call *call, const struct store_resource *resource,
                       struct err *reterr) {
  const struct yyjson_val *binary;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  struct str bytes = STR_NULL;
  limits.max_bytes = (size_t)1 << 30;
  int code = json_parse(call->arena, resource->body, &limits, &binary, reterr);
  if (code == 0)
    code = base64_read(call->arena, json_get_text(binary, STR("data")), &bytes, reterr);
  if (code)
    return code;
  struct str type = json_get_text(binary, STR("contentType"));
  struct str context = json_get_text(json_get(binary, STR("securityContext")), STR("reference"));
  call->answer.status = 200;
  call->answer.body = bytes;
  call->answer.is_raw = true;
  call->answer.etag = rest_etag(call->arena, resource->version);
  call->answer.last_modified_us = resource->updated_us;
  call->answer.security_context = is_header_safe(context) ? context : STR_NULL;
  call->media.content_type = is_header_safe(type) ? type : STR("application/octet-stream");
  return 0;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A body that says it is JSON or XML may be a Binary in that form, or what is to be kept. */
static bool is_resource_in(struct rest_call *call, bool is_json) {
  struct str text = call->body;
  const struct yyjson_val *root;
  struct err err;
  if (!is_json)
    return str_find(str_slice(text, 0, 1000), STR("<Binary")) >= 0;
  return json_parse(call->arena, text, NULL, &root, &err) == 0 &&
         str_is(json_get_text(root, STR("resourceType")), "Binary");
}

bool rest_binary_is_bytes(struct rest_call *call) {
  struct str name = media_type_of(call->headers.content_type);
  if (call->is_entry || name.n == 0 || is_fhir_type(name) || call->type == 0 ||
      !str_is(defs_type(call->type)->name, "Binary"))
    return false;
  if (is_plain_json(name) || is_plain_xml(name))
    return !is_resource_in(call, is_plain_json(name));
  return true;
}

static void build_string(struct json_builder *b, struct str name, struct str value) {
  json_build_name(b, name);
  json_build_string(b, value);
}

int rest_binary_read(struct rest_call *call, const struct yyjson_val **ret_resource,
                     struct err *reterr) {
  uint64_t max = call->service->limits.binary_bytes;
  struct json_builder b = json_builder(call->arena);
  struct buf data;
  if (call->body.n > max)
    return err_set(reterr, ERR_TOO_LONG, "",
                   "A Binary has at most %llu bytes (limits.binaryBytes).",
                   (unsigned long long)max);
  buf_init_arena(&data, call->arena, call->body.n / 3 * 4 + 8);
  base64_write(&data, call->body);
  if (buf_is_overflown(&data))
    return err_no_memory(reterr);
  json_build_begin_object(&b);
  build_string(&b, STR("resourceType"), STR("Binary"));
  if (call->id.n > 0)
    build_string(&b, STR("id"), call->id);
  build_string(&b, STR("contentType"), str_trim(call->headers.content_type));
  if (call->headers.security_context.n > 0) {
    json_build_name(&b, STR("securityContext"));
    json_build_begin_object(&b);
    build_string(&b, STR("reference"), str_trim(call->headers.security_context));
    json_build_end(&b);
  }
  if (data.n > 0)
    build_string(&b, STR("data"), buf_str(&data));
  json_build_end(&b);
  if (call->wanted == REST_RETURN_DEFAULT)
    call->wanted = REST_RETURN_MINIMAL;
  return json_build_finish(&b, ret_resource, reterr);
}
