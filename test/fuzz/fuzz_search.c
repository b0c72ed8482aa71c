/* Search URLs: whatever a stranger writes behind "GET /". */
#include "store/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct arena *arena = arena_new((size_t)64 << 20);
  if (!arena)
    return 0;
  defs_type_id type;
  const struct search_pair *pairs;
  size_t n;
  struct err err;
  if (search_split_url(arena, str_n((const char *)data, size), &type, &pairs, &n, &err) == 0) {
    struct search_options options = {.base_url = STR("http://localhost/fhir"),
                                     .is_lenient = size % 2 == 0};
    struct issues issues = {0};
    const struct search *search;
    if (search_parse(arena, type, pairs, n, &options, &search, &issues, &err) == 0) {
      struct buf buf;
      buf_init_arena(&buf, arena, (size_t)1 << 20);
      search_write_url(&buf, search);
    }
  }
  arena_free(arena);
  return 0;
}
