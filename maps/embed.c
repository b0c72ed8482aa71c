/*
 * Writes the map files as one C file. Usage: embed FOLDER OUTPUT.c OUTPUT.d
 * The dependency file names the folders too, so that a new map file is seen.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>

#define MAP_MAX_BYTES ((size_t)1 << 20)

static const char *const folders[] = {"messages", "segments", "datatypes", "tables"};

struct output {
  FILE *source, *dependencies;
  struct arena *arena;
  VEC(struct str) names;
};

static int fail(const char *path) {
  fprintf(stderr, "embed: %s: %s\n", path, strerror(errno));
  return 1;
}

static void write_literal(FILE *out, struct str text) {
  struct str line;
  while (str_split(&text, '\n', &line)) {
    if (!text.p && line.n == 0)
      break;
    fputs("    \"", out);
    for (size_t i = 0; i < line.n; i++) {
      unsigned char c = (unsigned char)line.p[i];
      if (c == '"' || c == '\\' || c == '?')
        fprintf(out, "\\%c", c);
      else if (c < 0x20 || c >= 0x7F)
        fprintf(out, "\\%03o", c);
      else
        fputc(c, out);
    }
    fputs("\\n\"\n", out);
  }
}

static int embed_file(struct output *output, const char *folder, const char *name,
                      struct str path) {
  FILE *file = fopen(path.p, "rbe");
  char *bytes = arena_alloc(output->arena, MAP_MAX_BYTES);
  struct str *item = VEC_PUSH(output->arena, &output->names);
  if (!file || !bytes || !item)
    return fail(path.p);
  size_t n = fread(bytes, 1, MAP_MAX_BYTES, file);
  fclose(file);
  *item = arena_printf(output->arena, "%s/%s", folder, name);
  fprintf(output->source, "static const char text_%zu[] =\n    \"\"\n", output->names.n - 1);
  write_literal(output->source, str_n(bytes, n));
  fputs("    ;\n\n", output->source);
  fprintf(output->dependencies, " %.*s", STR_ARG(path));
  return 0;
}

static int is_map(const struct dirent *entry) {
  return entry->d_name[0] != '.' && str_ends_with(str_of(entry->d_name), STR(".map"));
}

static int embed_folder(struct output *output, const char *root, const char *folder) {
  struct str path = arena_printf(output->arena, "%s/%s", root, folder);
  struct dirent **entries = NULL;
  int n = scandir(path.p, &entries, is_map, alphasort), code = n < 0 ? fail(path.p) : 0;
  fprintf(output->dependencies, " %.*s", STR_ARG(path));
  for (int i = 0; i < n; i++) {
    if (code == 0)
      code = embed_file(output, folder, entries[i]->d_name,
                        arena_printf(output->arena, "%.*s/%s", STR_ARG(path), entries[i]->d_name));
    free(entries[i]);
  }
  free(entries);
  return code;
}

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  struct output output = {.source = fopen(argv[2], "wbe"),
                          .dependencies = fopen(argv[3], "wbe"),
                          .arena = arena_new((size_t)1 << 30)};
  if (!output.source || !output.dependencies || !output.arena)
    return fail(argv[2]);
  fputs("#include \"mapping/files.h\"\n\n", output.source);
  fprintf(output.dependencies, "%s:", argv[2]);
  int code = 0;
  for (size_t i = 0; i < sizeof folders / sizeof folders[0] && code == 0; i++)
    code = embed_folder(&output, argv[1], folders[i]);
  fputs("const struct embedded_map embedded_maps[] = {\n", output.source);
  for (size_t i = 0; i < output.names.n; i++)
    fprintf(output.source, "    {\"%.*s\", text_%zu, sizeof text_%zu - 1},\n",
            STR_ARG(output.names.p[i]), i, i);
  fputs("};\nconst size_t embedded_maps_n = sizeof embedded_maps / sizeof embedded_maps[0];\n",
        output.source);
  fputc('\n', output.dependencies);
  if (fclose(output.source) != 0 || fclose(output.dependencies) != 0)
    code = fail(argv[2]);
  arena_free(output.arena);
  return code;
}
