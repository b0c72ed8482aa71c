#include "fuzz.h"

#include <sys/stat.h>

void fuzz_write_seeds(int argc, char **argv, const struct str *seeds, size_t n) {
  const char *folder = NULL;
  for (int i = 1; i < argc && !folder; i++)
    if (argv[i][0] != '-')
      folder = argv[i];
  struct stat status;
  if (!folder || (stat(folder, &status) == 0 && !S_ISDIR(status.st_mode)))
    return; /* a single input is being replayed */
  mkdir(folder, 0777);
  for (size_t i = 0; i < n; i++) {
    char path[1024];
    snprintf(path, sizeof path, "%s/seed-%zu", folder, i);
    FILE *file = fopen(path, "wb");
    if (!file)
      return;
    fwrite(seeds[i].p, 1, seeds[i].n, file);
    fclose(file);
  }
}
