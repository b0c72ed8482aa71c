/* The form of bodies: which media type a request has and an answer gets, and XML at the edge.
 * Inside, everything is JSON. */
#include "model/resource_xml.h"
#include "service/rest_write.h"

#define ANSWER_MAX_BYTES ((size_t)512 << 20)

/* ---- Media types ----------------------------------------------------------------------------- */

struct media_type {
  const char *name;
  struct rest_media answer;
};

/* JSON of FHIR first: it is what stands for "anything". The short forms are for _format. */
static const struct media_type media_types[] = {
    {"application/fhir+json", {{"application/fhir+json; charset=utf-8", 36}, false}},
    {"application/json", {{"application/json; charset=utf-8", 31}, false}},
    {"text/json", {{"text/json; charset=utf-8", 24}, false}},
    {"application/json+fhir", {{"application/fhir+json; charset=utf-8", 36}, false}},
    {"json", {{"application/fhir+json; charset=utf-8", 36}, false}},
    {"application/fhir+xml", {{"application/fhir+xml; charset=utf-8", 35}, true}},
    {"application/xml", {{"application/xml; charset=utf-8", 30}, true}},
    {"text/xml", {{"text/xml; charset=utf-8", 23}, true}},
    {"application/xml+fhir", {{"application/fhir+xml; charset=utf-8", 35}, true}},
    {"xml", {{"application/fhir+xml; charset=utf-8", 35}, true}},
};
enum { MEDIA_TYPES_N = sizeof media_types / sizeof media_types[0], MEDIA_JSON = 0, MEDIA_XML = 5 };

const char *const *rest_formats(void) {
  static const char *const names[] = {"application/fhir+json", "application/fhir+xml", "json",
                                      "xml", NULL};
  return names;
}

const char *const *rest_patch_formats(void) {
  static const char *const names[] = {"application/json-patch+json", "application/xml-patch+xml",
                                      "application/fhir+json", "application/fhir+xml", NULL};
  return names;
}

/* "application/fhir+json; q=0.5" */
struct range {
  struct str name;
  double quality;
  bool is_ours; /* fhirVersion=4.0, or none */
};

static struct range read_range(struct str text) {
  struct range range = {.quality = 1, .is_ours = true};
  struct str rest = text, part = STR_NULL, name = STR_NULL;
  str_split(&rest, ';', &part);
  range.name = str_trim(part);
  while (rest.n > 0 && str_split(&rest, ';', &part)) {
    struct str value = part;
    str_split(&value, '=', &name);
    name = str_trim(name);
    value = str_trim(value);
    if (str_equal_ignore_case(name, STR("q"))) {
      if (!str_to_double(value, &range.quality) || range.quality < 0 || range.quality > 1)
        range.quality = 0;
    } else if (str_equal_ignore_case(name, STR("fhirVersion"))) {
      range.is_ours = str_is(value, "4.0") || str_starts_with(value, STR("4.0."));
    }
  }
  return range;
}

static const struct media_type *find_media_type(struct str name) {
  for (size_t i = 0; i < MEDIA_TYPES_N; i++)
    if (str_equal_ignore_case(name, str_of(media_types[i].name)))
      return &media_types[i];
  return NULL;
}

/* Does the client say of this one that it must not come? */
static bool is_refused(struct str accept, const struct media_type *type) {
  struct str one;
  while (accept.n > 0 && str_split(&accept, ',', &one)) {
    struct range range = read_range(one);
    if (range.quality <= 0 && str_equal_ignore_case(range.name, str_of(type->name)))
      return true;
  }
  return false;
}

/* A browser names application/xml beside HTML, and means anything that it can show. */
static bool is_meant_by_browser(struct str accept, struct str range) {
  return (str_is(range, "application/xml") || str_is(range, "text/xml")) &&
         str_find(accept, STR("text/html")) >= 0;
}

/* The first type that a range takes in; NULL: none that can be given. */
static const struct media_type *find_in_range(struct str accept, struct str range, bool is_xml) {
  if (!str_is(range, "*/*") && !str_is(range, "*") && !str_is(range, "application/*") &&
      !is_meant_by_browser(accept, range))
    return find_media_type(str_is(range, "text/*") ? STR("text/json") : range);
  const struct media_type *first = &media_types[is_xml ? MEDIA_XML : MEDIA_JSON];
  const struct media_type *second = &media_types[is_xml ? MEDIA_JSON : MEDIA_XML];
  if (!is_refused(accept, first))
    return first;
  return is_refused(accept, second) ? NULL : second;
}

int rest_negotiate(struct str accept, struct str format, bool sent_xml,
                   struct rest_media *ret_media, struct err *reterr) {
  /* A '+' that was not escaped in _format came out as a space. */
  if (str_is(format, "application/fhir json"))
    format = STR("application/fhir+json");
  else if (str_is(format, "application/fhir xml"))
    format = STR("application/fhir+xml");
  struct str wanted = format.n > 0 ? format : accept, rest = wanted, one;
  const struct media_type *best = wanted.n > 0 ? NULL : find_in_range(accept, STR("*"), sent_xml);
  double quality = 0;
  while (rest.n > 0 && str_split(&rest, ',', &one)) {
    struct range range = read_range(one);
    const struct media_type *type = range.is_ours && range.quality > quality
                                        ? find_in_range(wanted, range.name, sent_xml)
                                        : NULL;
    if (!type)
      continue;
    best = type;
    quality = range.quality;
  }
  if (!best)
    return err_set(reterr, ERR_NOT_ACCEPTABLE, "",
                   "Only application/fhir+json and application/fhir+xml (fhirVersion=4.0) can be "
                   "given.");
  *ret_media = best->answer;
  return 0;
}

/* ---- Bodies of requests -----------------------------------------------------------------------
 */

/* A charset that is there must be UTF-8. */
static bool is_utf8_or_unsaid(struct str content_type) {
  struct str rest = content_type, part = STR_NULL, name = STR_NULL;
  str_split(&rest, ';', &part);
  while (rest.n > 0 && str_split(&rest, ';', &part)) {
    struct str value = part;
    str_split(&value, '=', &name);
    value = str_trim(value);
    if (value.n >= 2 && value.p[0] == '"')
      value = str_slice(value, 1, value.n - 2);
    if (str_equal_ignore_case(str_trim(name), STR("charset")) &&
        !str_equal_ignore_case(value, STR("utf-8")) && !str_equal_ignore_case(value, STR("utf8")) &&
        !str_equal_ignore_case(value, STR("us-ascii")))
      return false;
  }
  return true;
}

bool rest_is_xml(struct str content_type) {
  const struct media_type *type = find_media_type(read_range(content_type).name);
  return type && type->answer.is_xml;
}

int rest_media_of_body(struct str content_type, struct str body, bool *ret_is_xml,
                       struct err *reterr) {
  struct range range = read_range(content_type);
  const struct media_type *type = find_media_type(range.name);
  if (content_type.n > 0 && (!type || !range.is_ours || !is_utf8_or_unsaid(content_type)))
    return err_set(
        reterr, ERR_MEDIA_TYPE, "",
        "A body must be application/fhir+json or application/fhir+xml (fhirVersion=4.0), "
        "in UTF-8.");
  *ret_is_xml = type ? type->answer.is_xml : resource_is_xml(body);
  return 0;
}

int rest_read_body(struct rest_call *call, const struct yyjson_val **ret_resource,
                   struct err *reterr) {
  if (call->is_entry) {
    *ret_resource = call->resource;
    return 0;
  }
  bool is_xml = false;
  int code = rest_media_of_body(call->headers.content_type, call->body, &is_xml, reterr);
  if (code)
    return code;
  if (call->body.n == 0)
    return err_set(reterr, ERR_STRUCTURE, "", "The body is empty; it must be a resource.");
  struct xml_limits of_xml = XML_LIMITS_DEFAULT;
  struct json_limits of_json = JSON_LIMITS_DEFAULT;
  of_xml.max_bytes = of_json.max_bytes = REST_BODY_MAX_BYTES;
  of_xml.max_depth = (unsigned)call->service->limits.xml_depth;
  of_json.max_depth = (unsigned)call->service->limits.json_depth;
  return is_xml ? resource_from_xml(call->arena, call->body, &of_xml, ret_resource, reterr)
                : json_parse(call->arena, call->body, &of_json, ret_resource, reterr);
}

/* ---- Bodies of answers ------------------------------------------------------------------------
 */

void rest_write_form(struct rest_call *call) {
  if (!call->media.is_xml && !call->is_pretty)
    return;
  const struct yyjson_val *root;
  struct json_limits limits = {.max_bytes = ANSWER_MAX_BYTES, .max_depth = 200};
  struct buf buf;
  struct err err;
  buf_init_arena(&buf, call->arena, ANSWER_MAX_BYTES);
  int code = json_parse(call->arena, call->answer.body, &limits, &root, &err);
  if (code == 0 && call->media.is_xml) {
    code = resource_to_xml(call->arena, root, call->is_pretty, &buf, &err);
    if (code == 0) {
      call->answer.body = buf_str(&buf);
      return;
    }
    /* It has been done: the answer comes in the form that can say it. */
    call->media = media_types[MEDIA_JSON].answer;
    buf_clear(&buf);
  } else if (code == 0 && call->is_pretty) {
    json_write_pretty(&buf, root);
    buf_add_char(&buf, '\n');
    if (!buf_is_overflown(&buf))
      call->answer.body = buf_str(&buf);
  }
}
