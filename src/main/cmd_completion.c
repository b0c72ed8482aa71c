#include "main/command.h"

/* Each long option that a command's help names, once; `before` stands before each, without "--". */
static void print_options(const struct command *command, const char *before) {
  struct str seen[64];
  size_t seen_n = 0;
  for (const char *at = strstr(command->usage, "--"); at; at = strstr(at, "--")) {
    size_t n = 2;
    while ((at[n] >= 'a' && at[n] <= 'z') || (n > 2 && at[n] == '-'))
      n++;
    struct str name = str_n(at, n);
    at += n;
    bool is_new = name.n > 2 && seen_n < sizeof seen / sizeof seen[0];
    for (size_t i = 0; i < seen_n; i++)
      is_new = is_new && !str_equal(seen[i], name);
    if (!is_new)
      continue;
    seen[seen_n++] = name;
    printf("%s%.*s", before, STR_ARG(str_slice(name, 2, name.n - 2)));
  }
}

static void print_names(const struct command *const *commands, size_t n) {
  for (size_t i = 0; i < n; i++)
    printf("%s%s", i ? " " : "", commands[i]->name);
}

static void print_bash(const struct command *const *commands, size_t n) {
  puts("# bash completion for callosum: source <(callosum completion bash)\n"
       "_callosum() {\n"
       "  local word=${COMP_WORDS[COMP_CWORD]} options=\n"
       "  if [ \"$COMP_CWORD\" -eq 1 ]; then");
  printf("    COMPREPLY=($(compgen -W '");
  print_names(commands, n);
  puts("' -- \"$word\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in");
  for (size_t i = 0; i < n; i++) {
    printf("    %s) options='--help", commands[i]->name);
    print_options(commands[i], " --");
    puts("' ;;");
  }
  puts("  esac\n"
       "  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
       ""
       "  elif [ \"${COMP_WORDS[1]}\" = completion ]; then\n"
       "    COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))\n"
       "  else COMPREPLY=($(compgen -f -- \"$word\")); fi\n"
       "}\n"
       "complete -o filenames -F _callosum callosum");
}

static void print_zsh(const struct command *const *commands, size_t n) {
  puts("#compdef callosum\n"
       "# zsh completion for callosum: callosum completion zsh > a folder of $fpath, as _callosum\n"
       "_callosum() {\n"
       "  if (( CURRENT == 2 )); then\n"
       "    local -a commands=(");
  for (size_t i = 0; i < n; i++)
    printf("      '%s:%s'\n", commands[i]->name, commands[i]->summary);
  puts("    )\n    _describe command commands\n    return\n  fi\n  case ${words[2]} in");
  for (size_t i = 0; i < n; i++) {
    printf("    %s) compadd -- --help", commands[i]->name);
    print_options(commands[i], " --");
    puts(" ;;");
  }
  puts("  esac\n  _files\n}\n_callosum \"$@\"");
}

static void print_fish(const struct command *const *commands, size_t n) {
  puts("# fish completion for callosum: callosum completion fish > "
       "~/.config/fish/completions/callosum.fish");
  for (size_t i = 0; i < n; i++)
    printf("complete -c callosum -n __fish_use_subcommand -f -a %s -d \"%s\"\n", commands[i]->name,
           commands[i]->summary);
  puts("complete -c callosum -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'");
  for (size_t i = 0; i < n; i++) {
    printf("complete -c callosum -n '__fish_seen_subcommand_from %s' -l help", commands[i]->name);
    print_options(commands[i], " -l ");
    puts("");
  }
}

static int run_completion(int argc, char **argv) {
  size_t n;
  const struct command *const *commands = command_list(&n);
  if (argc == 2 && strcmp(argv[1], "bash") == 0)
    print_bash(commands, n);
  else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
    print_zsh(commands, n);
  else if (argc == 2 && strcmp(argv[1], "fish") == 0)
    print_fish(commands, n);
  else
    return command_usage_error(&command_completion, "name a shell: bash, zsh or fish");
  return EXIT_OK;
}

const struct command command_completion = {
    .name = "completion",
    .summary = "print a completion script for bash, zsh or fish",
    .usage = "completion bash|zsh|fish\n\n"
             "Prints a script with which that shell completes commands, options and files.\n\n"
             "Exit code: 0, or 2 wrong usage.\n\n"
             "Examples:\n"
             "  source <(callosum completion bash)\n"
             "  callosum completion fish > ~/.config/fish/completions/callosum.fish",
    .run = run_completion,
};
