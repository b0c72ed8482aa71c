/*
 * Any XML -> a resource, and any JSON -> XML. What was read is written, and read back the same;
 * what is written is XML that is read; every fault has a place and a sentence.
 */
#include "fuzz.h"

#include "model/resource_xml.h"
#include "model/validate.h"

static bool is_full(const struct err *err) {
  return err->code == ERR_NO_MEMORY || err->code == ERR_TOO_LONG;
}

static void check_fault(const struct err *err) {
  FUZZ_CHECK(err->text[0] != '\0');
  FUZZ_CHECK(str_is_utf8(str_of(err->where)) && str_is_utf8(str_of(err->text)));
}

static struct str as_json(struct arena *arena, const struct yyjson_val *resource) {
  struct buf buf;
  buf_init_arena(&buf, arena, SIZE_MAX);
  json_write(&buf, resource);
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

/* `resource` came from XML: it is written, and read back as it is. */
static void check_identity(struct arena *arena, const struct yyjson_val *resource) {
  for (int is_pretty = 0; is_pretty < 2; is_pretty++) {
    const struct yyjson_val *back;
    struct buf xml;
    struct err err = {.code = 0};
    buf_init_arena(&xml, arena, SIZE_MAX);
    int code = resource_to_xml(arena, resource, is_pretty, &xml, &err);
    FUZZ_CHECK(code == 0 || is_full(&err));
    if (code)
      return;
    code = resource_from_xml(arena, buf_str(&xml), NULL, &back, &err);
    FUZZ_CHECK(code == 0 || is_full(&err));
    if (code)
      return;
    struct str before = as_json(arena, resource), after = as_json(arena, back);
    FUZZ_CHECK(!before.p || !after.p || str_equal(before, after));
  }
}

/* The tree, written and read again, is the tree. */
static void check_tree(struct arena *arena, struct str input) {
  struct xml_node *root, *again;
  struct err err = {.code = 0};
  struct xml_limits limits = XML_LIMITS_DEFAULT;
  limits.keep_space = true;
  int code = xml_parse(arena, input, &limits, &root, &err);
  if (code) {
    check_fault(&err);
    return;
  }
  struct buf first, second;
  buf_init_arena(&first, arena, SIZE_MAX);
  buf_init_arena(&second, arena, SIZE_MAX);
  struct xml_node *copy = xml_copy(arena, root);
  if (!copy)
    return;
  xml_write(&first, copy, false);
  if (buf_is_overflown(&first))
    return;
  code = xml_parse(arena, buf_str(&first), &limits, &again, &err);
  FUZZ_CHECK(code == 0 || is_full(&err));
  if (code)
    return;
  xml_write(&second, again, false);
  FUZZ_CHECK(buf_is_overflown(&second) || str_equal(buf_str(&first), buf_str(&second)));
}

static void from_json(struct arena *arena, struct str input) {
  const struct yyjson_val *resource, *back;
  struct issues issues = {0};
  struct err err;
  if (json_parse(arena, input, NULL, &resource, &err))
    return;
  struct buf xml;
  buf_init_arena(&xml, arena, SIZE_MAX);
  if (resource_to_xml(arena, resource, false, &xml, &err)) {
    check_fault(&err);
    return;
  }
  int code = resource_from_xml(arena, buf_str(&xml), NULL, &back, &err);
  if (code) {
    check_fault(&err);
    struct validate_options options = {.with_invariants = false};
    FUZZ_CHECK(is_full(&err) || validate_resource(arena, resource, &options, &issues, &err) != 0 ||
               issues.errors_n > 0);
    return;
  }
  check_identity(arena, back);
}

static void one(struct arena *arena, struct str input) {
  const struct yyjson_val *resource;
  struct err err;
  if (!resource_is_xml(input)) {
    from_json(arena, input);
    return;
  }
  check_tree(arena, input);
  if (resource_from_xml(arena, input, NULL, &resource, &err))
    check_fault(&err);
  else
    check_identity(arena, resource);
}

FUZZ_TARGET(one, (size_t)256 << 20)
FUZZ_SEEDS(
    STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Patient xmlns=\"http://hl7.org/fhir\"><id "
        "value=\"a\"/><text><status value=\"generated\"/><div "
        "xmlns=\"http://www.w3.org/1999/xhtml\"><p class='x'>a&#160;<br/></p><!-- c --></div>"
        "</text><contained><Organization><id value=\"o\"/></Organization></contained><extension "
        "url=\"u\"><valueDecimal value=\"1.50\"/></extension><name id=\"n\"><given "
        "value=\"a\"/><given><extension url=\"u\"><valueCode value=\"x\"/></extension></given>"
        "</name><birthDate id=\"b\" value=\"1970-01-01\"/></Patient>"),
    STR("<f:Bundle xmlns:f='http://hl7.org/fhir' xmlns:h='http://www.w3.org/1999/xhtml'><!-- a -->"
        "<f:type value='collection'/><f:entry><f:resource><f:Basic><f:text><f:status "
        "value='empty'/><h:div h:a='1'><![CDATA[<]]><?p i?></h:div></f:text><f:code><f:text "
        "value='&lt;&#10;'/></f:code></f:Basic></f:resource></f:entry></f:Bundle>"),
    STR("{\"resourceType\":\"Patient\",\"_active\":{\"id\":\"a\"},\"active\":true,\"text\":{"
        "\"status\":\"empty\",\"div\":\"<div>x</div>\"},\"name\":[{\"given\":[null,\"b\"],"
        "\"_given\":[{\"extension\":[{\"url\":\"u\",\"valueInteger\":1}]}]}]}"))
