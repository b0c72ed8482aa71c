/* The public v2 samples beside the project, read where they are. Absent: tests report a skip. */
#ifndef TEST_UNIT_FORMAT_SAMPLES_H
#define TEST_UNIT_FORMAT_SAMPLES_H

#include "base/base.h"

#include <dirent.h>

#define SAMPLES_MAX 500

struct samples {
  struct str texts[SAMPLES_MAX];
  char names[SAMPLES_MAX][64];
  size_t n;
};

static struct str samples_read_file(struct arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  struct str text = STR_NULL;
  if (!file)
    return text;
  if (fseek(file, 0, SEEK_END) == 0) {
    long size = ftell(file);
    char *p = size < 0 ? NULL : arena_alloc(arena, (size_t)size + 1);
    rewind(file);
    if (p)
      text = str_n(p, fread(p, 1, (size_t)size, file));
  }
  fclose(file);
  return text;
}

/* All *.hl7 of the folder; 0 where it is absent. Tests run in the build folder or in the root. */
static size_t samples_load(struct arena *arena, struct samples *ret_samples) {
  static const char *const folders[] = {"../shared/data/hl7v2-samples",
                                        "../../shared/data/hl7v2-samples"};
  ret_samples->n = 0;
  for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
    DIR *folder = opendir(folders[f]);
    if (!folder)
      continue;
    for (struct dirent *entry; (entry = readdir(folder)) && ret_samples->n < SAMPLES_MAX;) {
      struct str name = str_of(entry->d_name);
      if (!str_ends_with(name, STR(".hl7")) || name.n >= sizeof ret_samples->names[0])
        continue;
      memcpy(ret_samples->names[ret_samples->n], name.p, name.n + 1);
      struct str path = arena_printf(arena, "%s/%s", folders[f], entry->d_name);
      ret_samples->texts[ret_samples->n++] = samples_read_file(arena, path.p);
    }
    closedir(folder);
    break;
  }
  return ret_samples->n;
}

#endif
