/*
 * What every fuzz target includes: an arena of bounded size for one input, and a check that stays
 * on in every build.
 *
 * A target parses its input, and then checks the laws that must hold for all inputs. Seeds are
 * strings in the target (`FUZZ_SEEDS`), tried once before the first input.
 */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include "base/base.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_CHECK(law)                                                                            \
  do {                                                                                             \
    if (!(law)) {                                                                                  \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #law);                     \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

/* Defines the entry point: `one(arena, input)` for each input, its arena freed after it. */
#define FUZZ_TARGET(one, arena_bytes)                                                              \
  int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {                                   \
    struct arena *arena = arena_new(arena_bytes);                                                  \
    if (arena)                                                                                     \
      one(arena, str_n((const char *)data, size));                                                 \
    arena_free(arena);                                                                             \
    return 0;                                                                                      \
  }

/* Runs the seeds, and leaves them in the first corpus folder named on the command line, from where
 * the fuzzer takes them. */
#define FUZZ_SEEDS(...)                                                                            \
  int LLVMFuzzerInitialize(int *argc, char ***argv) {                                              \
    static const struct str seeds[] = {__VA_ARGS__};                                               \
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)                                      \
      LLVMFuzzerTestOneInput((const uint8_t *)seeds[i].p, seeds[i].n);                             \
    fuzz_write_seeds(*argc, *argv, seeds, sizeof seeds / sizeof *seeds);                           \
    return 0;                                                                                      \
  }

void fuzz_write_seeds(int argc, char **argv, const struct str *seeds, size_t n);

#endif
