/* Any bytes -> JSON -> text: what was accepted is written, and reads back as the same text. */
#include "fuzz.h"

#include "format/json.h"

static struct str written(struct arena *arena, const struct yyjson_val *root, bool is_pretty) {
  struct buf buf;
  buf_init_arena(&buf, arena, SIZE_MAX);
  if (is_pretty)
    json_write_pretty(&buf, root);
  else
    json_write(&buf, root);
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

static void one(struct arena *arena, struct str input) {
  const struct yyjson_val *root, *again;
  struct err err;
  if (json_parse(arena, input, NULL, &root, &err) < 0)
    return;
  struct str minified = written(arena, root, false), pretty = written(arena, root, true);
  if (!minified.p || !pretty.p)
    return;
  FUZZ_CHECK(str_is_utf8(minified));
  int code = json_parse(arena, pretty, NULL, &again, &err);
  FUZZ_CHECK(code == 0 || code == ERR_NO_MEMORY);
  if (code == 0) {
    struct str same = written(arena, again, false);
    FUZZ_CHECK(!same.p || str_equal(same, minified));
  }
}

FUZZ_TARGET(one, (size_t)64 << 20)
FUZZ_SEEDS(STR("{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"O\\u00e9\\ud83d\\ude00\"}],"
               "\"x\":1.50}"),
           STR("[1e400,-0,true,null,\"\\n\",{\"a\":{}},[]]"), STR("{\"a\":1,\"\\u0061\":2}"))
