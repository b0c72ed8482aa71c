#include "main/command.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

const char *command_default_store(struct arena *arena) {
  const char *state = getenv("XDG_STATE_HOME");
  if (!state || state[0] != '/' || access("callosum.db", F_OK) == 0)
    return "callosum.db";
  struct str folder = arena_printf(arena, "%s/callosum", state);
  if (!folder.p || (mkdir(folder.p, 0700) != 0 && errno != EEXIST))
    return "callosum.db";
  struct str path = arena_printf(arena, "%s/callosum.db", folder.p);
  return path.p ? path.p : "callosum.db";
}
