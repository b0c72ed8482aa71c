/* Any text as a map file: a fault with its line, or maps that run. */
#include "fuzz.h"

#include "format/er7.h"
#include "mapping/files.h"

static const char message_text[] =
    "MSH|^~\\&|A^1.2^ISO|B|C|D|20260102030405+0100||ADT^A01^ADT_A01|7|P|2.5.1\r"
    "PID|1||1^^^A&1.2.3&ISO^MR~2||Doe&van^Ann^B~Roe^X|\"\"|19800102|F|||1 St&Main^^Town~x||1|2\r"
    "PV1|1|I|W^1^2^F|||||7^Smith^J\rOBR|1|P|F|C^T^L\rOBX|1|NM|8867-4^HR^LN||60~61|/min\r"
    "NTE|1||text\rOBX|2|ST|x\rZZZ|1\r";

static void check_result(const struct maps *maps, const struct er7_message *message,
                         const struct mapping_result *result) {
  for (size_t i = 0; i < result->resources_n; i++) {
    const struct mapping_resource *resource = &result->resources[i];
    FUZZ_CHECK(json_kind(resource->json) == JSON_OBJECT);
    FUZZ_CHECK(json_count(resource->json) > 1);
    FUZZ_CHECK(resource->full_url.n > 0 && resource->key.n > 0);
    for (size_t k = 0; k < resource->lineage_n; k++) {
      const struct mapping_lineage *entry = &resource->lineage[k];
      FUZZ_CHECK(maps_row(maps, entry->row).line > 0);
      FUZZ_CHECK(entry->source.segment == UINT32_MAX ||
                 entry->source.segment < message->segments_n);
    }
  }
  for (size_t i = 0; i < result->links_n; i++)
    FUZZ_CHECK(result->links[i].into < result->resources_n &&
               result->links[i].from < result->resources_n);
}

static void one(struct arena *arena, struct str input) {
  struct maps *maps = NULL;
  struct err err;
  struct er7_message message;
  struct mapping_result result;
  struct mapping_options options = {.source = STR("fuzz")};
  const struct embedded_map file = {"segments/F.map", input.p, input.n};
  if (maps_open_texts(&file, 1, &maps, &err) < 0) {
    FUZZ_CHECK(err.code == ERR_NO_MEMORY || strncmp(err.where, "segments/F.map line ", 20) == 0);
    return;
  }
  if (er7_parse(arena, str_of(message_text), NULL, &message, &err) == 0 &&
      mapping_run(arena, maps, &message, &options, &result, &err) == 0)
    check_result(maps, &message, &result);
  maps_close(maps);
}

FUZZ_TARGET(one, (size_t)64 << 20)
FUZZ_SEEDS(
    STR("map PID[Patient] : Patient\n  identify by identifier\n  key PID-3.1, PID-5.1?\n"
        "  PID-3 -> identifier : CX\n  PID-5 -> name\n      .1 -> family\n      use = \"usual\" if "
        ".2 "
        "valued\n  PID-7 -> birthDate if length(PID-7) > 4 and not (PID-8 in (\"M\", \"F\"))\n  "
        "PID-8 -> "
        "gender via T\n  ignore PID-1\nmap CX : Identifier\n  .1 -> value\n  .4 -> system : HD\n"
        "map HD : uri\n  this = \"urn:oid:\" + .2 if .3 = \"ISO\"\n  .1 -> this\n"
        "table T\n  to urn:t\n  F -> female \"x\"\n  HL7* -> a|*\n  * -> keep\n"
        "message M\n  for ADT^A01, *\n  MSH\n  PID\n      p = PID[Patient]\n"),
    STR("map PL : Location\n  choose A if .3 valued\n  choose A\nmap A : Location\n  .1 -> name\n  "
        ". -> "
        "partOf : PL\n  extension(\"u\")\n      valueString = join(\",\", .1, .2) + base64(.3)\n"
        "map PV1 : Encounter\n  PV1-3 -> location.location : PL\n  PV1-7 => PR\n  when PV1 "
        "valued\n      "
        "include E\nmap E : Encounter\n  period.end = plus(MSH-7, PV1-1, \"d\")\n  status = \"x\" "
        "if "
        "this.class not made\nmap PR : Practitioner\n  .1 -> identifier.value\n"
        "map OBX : Observation\n  OBX-5 -> valueQuantity.value\n  snapshot\n  transient\n"
        "message M\n  for *\n  needs MSH\n  MSH\n  group V *\n    PV1\n        v = PV1\n    group "
        "O *\n"
        "      OBX\n          o = OBX\n              encounter = @v\n      NTE *\n          o += "
        "OBX\n"
        "          all @o.encounter = @v\n          @v.status = whole(NTE-3)\n"
        "          merge @o from @o\n"))
