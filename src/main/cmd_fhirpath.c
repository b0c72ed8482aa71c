/* callosum fhirpath: an expression, asked of the resources in files. */
#include "base/clock.h"
#include "main/command.h"
#include "main/resource_file.h"
#include "model/fhirpath_text.h"
#include "model/resource_xml.h"
#include "model/terminology.h"

#include <getopt.h>
#include <stdio.h>

#define ARENA_BYTES_MAX ((size_t)2 << 30)
enum { VARIABLES_MAX = 32 };

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_PATHS };

struct asking {
  struct str expression;
  enum output output;
  bool is_strict;
  defs_type_id type; /* of input that doesn't say it itself */
  struct fhirpath_variable variables[VARIABLES_MAX];
  struct fhirpath_value values[VARIABLES_MAX];
  struct str names[VARIABLES_MAX];
  size_t variables_n;
  struct fhirpath_terminology terminology;
  struct arena *arena;   /* of one resource */
  struct arena *program; /* of what is compiled */
  const struct fhirpath *compiled;
  defs_type_id compiled_type;
  int64_t now_us;
  const char *file;
  size_t failed_n;
};

/* ---- Faults ---------------------------------------------------------------------------------- */

/* The line of the expression that holds the column, and a caret below it. */
static void print_caret(struct str expression, size_t column) {
  size_t start = 0, at = 0;
  for (size_t seen = 1; at < expression.n && seen < column; at++) {
    if (expression.p[at] == '\n')
      start = at + 1;
    seen += at + 1 == expression.n || ((unsigned char)expression.p[at + 1] & 0xC0) != 0x80;
  }
  ssize_t end = str_find_char(expression, '\n', start);
  struct str line = str_slice(expression, start, (end < 0 ? expression.n : (size_t)end) - start);
  fprintf(stderr, "  %.*s\n  ", STR_ARG(line));
  for (size_t i = start; i < at; i++)
    if (((unsigned char)expression.p[i] & 0xC0) != 0x80)
      fputc(expression.p[i] == '\t' ? '\t' : ' ', stderr);
  fputs("^\n", stderr);
}

static void print_fault(const struct asking *a, size_t line, const struct err *err) {
  struct str where = str_of(err->where);
  uint64_t column;
  fputs("callosum fhirpath: ", stderr);
  if (a->file)
    fprintf(stderr, "%s", a->file);
  if (line)
    fprintf(stderr, ":%zu", line);
  fprintf(stderr, "%s%s%s%s\n", a->file ? ": " : "", err->where, where.n ? ": " : "", err->text);
  if (str_starts_with(where, STR("column ")) && str_to_u64(str_slice(where, 7, where.n), &column) &&
      str_starts_with(str_of(err->text), STR("FHIRPath: ")))
    print_caret(a->expression, (size_t)column);
}

/* ---- Output ---------------------------------------------------------------------------------- */

static int print_json(struct asking *a, struct fhirpath_values values, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, a->arena, SIZE_MAX);
  struct json_writer w = json_writer(&buf);
  json_begin_array(&w);
  for (size_t i = 0; i < values.n; i++)
    fhirpath_write_json(&w, a->arena, &values.p[i]);
  json_end_array(&w);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  printf("%.*s\n", STR_ARG(buf_str(&buf)));
  return 0;
}

static int print_values(struct asking *a, const struct yyjson_val *root, defs_type_id type,
                        struct fhirpath_values values, struct err *reterr) {
  struct str *paths = NULL;
  if (a->output == OUTPUT_JSON)
    return print_json(a, values, reterr);
  if (a->output == OUTPUT_PATHS) {
    paths = ARENA_ARRAY(a->arena, struct str, values.n + 1);
    int code = paths ? fhirpath_locate(a->arena, root, type, values, paths, reterr)
                     : err_no_memory(reterr);
    if (code < 0)
      return code;
  }
  for (size_t i = 0; i < values.n; i++) {
    struct str text = fhirpath_text(a->arena, &values.p[i]);
    if (!text.p)
      return err_no_memory(reterr);
    if (paths)
      printf("%.*s\t", STR_ARG(paths[i].p ? paths[i] : STR("-")));
    printf("%.*s\n", STR_ARG(text));
  }
  return 0;
}

static void print_trace(void *what, struct str name, struct fhirpath_values values) {
  struct asking *a = what;
  fprintf(stderr, "%.*s: %zu item%s\n", STR_ARG(name), values.n, values.n == 1 ? "" : "s");
  for (size_t i = 0; i < values.n; i++)
    fprintf(stderr, "  %.*s\n", STR_ARG(fhirpath_text(a->arena, &values.p[i])));
}

/* ---- Evaluation ------------------------------------------------------------------------------ */

static int compile(struct asking *a, defs_type_id type, struct err *reterr) {
  struct fhirpath_options options = {.type = type,
                                     .mode = a->is_strict ? FHIRPATH_STRICT : FHIRPATH_EXACT,
                                     .variables = a->names,
                                     .variables_n = a->variables_n};
  if (a->compiled && (!a->is_strict || type == a->compiled_type))
    return 0;
  arena_reset(a->program);
  a->compiled = NULL;
  a->compiled_type = type;
  return fhirpath_compile_with(a->program, a->expression, &options, &a->compiled, reterr);
}

/* In a Bundle, the entry with this fullUrl, or whose address ends with the reference. */
static const struct yyjson_val *resolve(void *what, struct str reference) {
  const struct yyjson_val *root = what;
  struct json_each each = json_each(json_get(root, STR("entry")));
  while (json_next(&each)) {
    const struct yyjson_val *resource = json_get(each.value, STR("resource"));
    struct str type = json_get_text(resource, STR("resourceType"));
    struct str id = json_get_text(resource, STR("id"));
    bool is_address = reference.n == type.n + 1 + id.n && str_starts_with(reference, type) &&
                      reference.p[type.n] == '/' && str_ends_with(reference, id);
    if (resource && (is_address || str_equal(json_get_text(each.value, STR("fullUrl")), reference)))
      return resource;
  }
  return NULL;
}

static int evaluate(struct asking *a, const struct yyjson_val *root, struct err *reterr) {
  defs_type_id type = defs_type_by_name(json_get_text(root, STR("resourceType")));
  struct fhirpath_values values = {0};
  union {
    const struct yyjson_val *in;
    void *out;
  } what = {.in = root}; /* handed back to `resolve`, which only reads */
  struct fhirpath_context context = {.resource = root,
                                     .root_resource = root,
                                     .resolve = root ? resolve : NULL,
                                     .what = what.out,
                                     .terminology = &a->terminology,
                                     .variables = a->variables,
                                     .variables_n = a->variables_n,
                                     .trace = print_trace,
                                     .trace_what = a,
                                     .now_us = a->now_us};
  if (!type)
    type = a->type;
  int code = compile(a, type, reterr);
  if (code == 0)
    code = fhirpath_eval(a->arena, a->compiled, root, type, &context, &values, reterr);
  return code < 0 ? code : print_values(a, root, type, values, reterr);
}

/* A fault of one resource does not stop the others. */
static int ask_one(void *what, size_t line, struct str text, struct err *reterr) {
  struct asking *a = what;
  const struct yyjson_val *root = NULL;
  struct err err;
  (void)reterr;
  if (resource_parse(a->arena, text, JSON_LIMITS_DEFAULT.max_bytes, &root, &err) ||
      evaluate(a, root, &err)) {
    print_fault(a, line, &err);
    a->failed_n++;
  }
  return 0;
}

/* ---- Options --------------------------------------------------------------------------------- */

static bool set_output(struct asking *a, const char *name) {
  static const char *const names[] = {"text", "json", "paths"};
  for (size_t i = 0; i < 3; i++)
    if (strcmp(name, names[i]) == 0) {
      a->output = (enum output)i;
      return true;
    }
  return false;
}

/* NAME=TEXT */
static bool add_variable(struct asking *a, const char *text) {
  struct str s = str_of(text);
  ssize_t equals = str_find_char(s, '=', 0);
  size_t i = a->variables_n;
  if (equals <= 0 || i == VARIABLES_MAX)
    return false;
  a->names[i] = str_slice(s, 0, (size_t)equals);
  a->values[i] = (struct fhirpath_value){.kind = FHIRPATH_STRING,
                                         .text = str_slice(s, (size_t)equals + 1, s.n)};
  a->variables[i] = (struct fhirpath_variable){a->names[i], {&a->values[i], 1}};
  a->variables_n++;
  return true;
}

static int take_options(struct asking *a, int argc, char **argv) {
  static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                          {"type", required_argument, NULL, 't'},
                                          {"strict", no_argument, NULL, 's'},
                                          {"variable", required_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
  for (int c; (c = getopt_long(argc, argv, "o:t:sv:", options, NULL)) != -1;) {
    if (c == 's') {
      a->is_strict = true;
    } else if (c == 'o') {
      if (!set_output(a, optarg))
        return command_usage_error(&command_fhirpath, "--output is text, json or paths");
    } else if (c == 't') {
      a->type = defs_type_by_name(str_of(optarg));
      if (!a->type)
        return command_usage_error(&command_fhirpath, "there is no type '%s' in FHIR R4", optarg);
    } else if (c == 'v') {
      if (!add_variable(a, optarg))
        return command_usage_error(&command_fhirpath, "--variable is NAME=TEXT");
    } else {
      return command_usage_error(&command_fhirpath, "wrong options");
    }
  }
  if (optind == argc)
    return command_usage_error(&command_fhirpath, "name an expression");
  a->expression = str_of(argv[optind++]);
  return EXIT_OK;
}

static int ask_files(struct asking *a, int argc, char **argv) {
  struct err err;
  int code = EXIT_OK;
  if (compile(a, a->type, &err)) { /* what is wrong with it is told once */
    print_fault(a, 0, &err);
    return EXIT_FAILED;
  }
  if (optind == argc && evaluate(a, NULL, &err)) {
    print_fault(a, 0, &err);
    return EXIT_FAILED;
  }
  for (int i = optind; i < argc; i++) {
    a->file = argv[i];
    if (resource_file_each(a->arena, argv[i], ask_one, a, &err))
      code = command_fail(&command_fhirpath, &err, EXIT_IO);
  }
  return code != EXIT_OK ? code : a->failed_n ? EXIT_FAILED : EXIT_OK;
}

static int run_fhirpath(int argc, char **argv) {
  static struct asking a;
  struct terminology_cache *cache = NULL;
  struct terminology *terminology = NULL;
  struct err err;
  int code = take_options(&a, argc, argv);
  if (code != EXIT_OK)
    return code;
  a.now_us = clock_now_us();
  a.arena = arena_new(ARENA_BYTES_MAX);
  a.program = arena_new(ARENA_BYTES_MAX);
  int fault = a.arena && a.program ? terminology_cache_new(&cache, &err) : err_no_memory(&err);
  if (!fault)
    fault = terminology_open(cache, NULL, 0, &terminology, &err);
  if (fault) {
    code = command_fail(&command_fhirpath, &err, EXIT_FAILED);
  } else {
    a.terminology = terminology_for_fhirpath(terminology);
    code = ask_files(&a, argc, argv);
  }
  terminology_close(terminology);
  terminology_cache_free(cache);
  arena_free(a.program);
  arena_free(a.arena);
  return code;
}

const struct command command_fhirpath = {
    .name = "fhirpath",
    .summary = "ask FHIR resources in files a FHIRPath expression",
    .usage =
        "fhirpath [OPTIONS] EXPRESSION [FILE...]\n\n"
        "Each result is a line. A file holds one resource (JSON or XML), or one to a line "
        "(NDJSON); - "
        "is\nstandard input. Without a file the expression is evaluated alone. trace() writes on "
        "standard\nerror.\n\n"
        "  --output, -o FORMAT    text: one value to a line (default); json: one array for each\n"
        "                         resource; paths: where each value stands, a tab, and the value\n"
        "  --strict, -s           refuse names that the types don't have\n"
        "  --type, -t TYPE        of input that has no resourceType (a HumanName, say)\n"
        "  --variable, -v N=TEXT  %N is the string TEXT; may be repeated\n\n"
        "Exit codes: 0 evaluated, 1 the expression is wrong or failed, 2 wrong usage, 3 a file "
        "can't be\nread.\n\n"
        "Example: callosum fhirpath \"Patient.name.where(use = 'official').given\" patients.ndjson",
    .run = run_fhirpath,
};
