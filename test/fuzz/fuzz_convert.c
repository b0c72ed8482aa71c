/*
 * Any bytes as a v2 message, through the maps of the program: what comes out is FHIR of the right
 * types, every reference finds its resource, every element tells where it came from.
 */
#include "fuzz.h"

#include "format/charset.h"
#include "mapping/mapping.h"
#include "model/validate.h"

static const struct maps *maps_once(void) {
  static struct maps *maps;
  struct err err;
  if (!maps)
    FUZZ_CHECK(maps_open(NULL, &maps, &err) == 0);
  return maps;
}

static bool is_made(const struct mapping_result *result, struct str url) {
  for (size_t i = 0; i < result->resources_n; i++)
    if (str_equal(result->resources[i].full_url, url))
      return true;
  return false;
}

static void check_references(const struct mapping_result *result, const struct yyjson_val *v) {
  struct json_each each = json_each(v);
  while (json_next(&each)) {
    struct str text = json_text(each.value);
    if (str_is(each.name, "reference") && str_starts_with(text, STR("urn:uuid:")))
      FUZZ_CHECK(is_made(result, text));
    check_references(result, each.value);
  }
}

/* Elements may be missing and codes be foreign; but nothing has a wrong name, shape or format. */
static void check_types(struct arena *arena, const struct yyjson_val *resource) {
  struct validate_options options = {.max_issues = 50};
  struct issues issues = {0};
  struct err err;
  if (validate_resource(arena, resource, &options, &issues, &err) < 0)
    return;
  for (size_t i = 0; i < issues.list.n; i++) {
    const struct err *issue = &issues.list.p[i];
    if (issue->code == ERR_STRUCTURE || issue->code == ERR_VALUE) {
      fprintf(stderr, "%s: %s\n", issue->where, issue->text);
      abort();
    }
  }
}

static void one(struct arena *arena, struct str input) {
  const struct maps *maps = maps_once();
  struct charset_result decoded;
  struct er7_message message;
  struct mapping_result result;
  struct mapping_options options = {.source = STR("fuzz")};
  struct err err;
  if (charset_to_utf8(arena, input, &decoded, &err) < 0 ||
      er7_parse(arena, decoded.text, NULL, &message, &err) < 0 ||
      mapping_run(arena, maps, &message, &options, &result, &err) < 0)
    return;
  for (size_t i = 0; i < result.resources_n; i++) {
    const struct mapping_resource *resource = &result.resources[i];
    check_references(&result, resource->json);
    check_types(arena, resource->json);
    for (size_t k = 0; k < i; k++)
      FUZZ_CHECK(!str_equal(resource->full_url, result.resources[k].full_url));
    for (size_t k = 0; k < resource->lineage_n; k++)
      FUZZ_CHECK(maps_row(maps, resource->lineage[k].row).line > 0);
  }
  struct buf bundle;
  buf_init_arena(&bundle, arena, SIZE_MAX);
  (void)!mapping_write_bundle(&bundle, &result, STR("transaction"), &err);
}

FUZZ_TARGET(one, (size_t)256 << 20)
FUZZ_SEEDS(
    STR("MSH|^~\\&|A^1.2^ISO|B|C|D|20260102030405+0100||ADT^A01^ADT_A01|7|P|2.5.1\r"
        "EVN|A01|20260102\rPID|1||1^^^A&1.2.3&ISO^MR~2||Doe&van^Ann^B|M|19800102|F||2106-3^White^"
        "HL70005|"
        "1 St^^Town^ST^123^USA^H||^PRN^PH^^1^555^1234|||M|||||||||||||20200101|Y\rNK1|1|Roe^X|SPO\r"
        "PV1|1|I|W^1^2^F||||7^Smith^J|||||||||||V1|||||||||||||||||||||||||202601010000|"
        "202601020000\r"
        "DG1|1||I10^Hyper^I10||2026|A\rAL1|1|DA|P^Pen^L|SV|Rash|2020\rIN1|1|PL^Plan|C1|Comp\r"),
    STR("MSH|^~\\&|||||20260102||ORU^R01^ORU_R01|8|P|2.5.1\rPID|1||1^^^A\rPV1|1|O\rORC|RE|P1|F1\r"
        "OBR|1|P1|F1|24317-0^CBC^LN|||202601020304|||||||||7^Smith^J||||||202601020405||HM|F\r"
        "OBX|1|NM|718-7^Hb^LN||13.5|g/dL^^UCUM|12-16|N|||F\rNTE|1||ok\rOBX|2|SN|1^x^L||>^100|mg\r"
        "OBX|3|CWE|2^y^L||A^B^L~C||||||F\rOBX|4|ED|3^z^L||^TEXT^^Base64^QUJD\rSPM|1|S1&A^S2||BLD^"
        "Blood\r"),
    STR("MSH|^~\\&|||||20260102||SIU^S12^SIU_S12|9|P|2.5.1\rSCH|1|2|||||R|N||30|MIN|^^^"
        "202601020900\r"
        "PID|1||1^^^A\rRGS|1\rAIS|1||X^Y|202601020900|||30|MIN\rAIP|1||7^Smith^J\rAIL|1||R^1\r"),
    STR("MSH|^~\\&|||||20260102||VXU^V04^VXU_V04|9|P|2.5.1\rPID|1||1^^^A||A^B\rORC|RE||F9\r"
        "RXA|0|1|20260101||08^HepB^CVX|0.5|mL^^UCUM||00^New^NIP001|7^N\rRXR|IM|LA\rOBX|1|CE|a^b^LN|"
        "|V01\r"),
    STR("MSH|^~\\&|||||20260102||MDM^T02^MDM_T02|9|P|2.5.1\rPID|1||1^^^A\rPV1|1|I\rTXA|1|DS|TX|"
        "2026|7^N||||||U1|"
        "||||||AU|\rOBX|1|TX|a^b^L||text\r"),
    STR("MSH|^~\\&|||||20260102||ADT^A40^ADT_A39|9|P|2.5.1\rPID|1||1^^^A\rMRG|2^^^A\r"))
