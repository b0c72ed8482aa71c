/*
 * What the pure core does per second on one core, without sockets and store.
 *
 *   micro parse FILE...      v2 messages: bytes -> index of all fields
 *   micro convert FILE...    v2 messages: bytes -> FHIR resources with lineage
 *   micro json FILE          FHIR resources, one per line: parse
 *   micro validate FILE      the same, parsed and validated with invariants left out
 *   micro extract FILE       the same, parsed, and search values extracted
 *   micro xml-read FILE      the same in XML (made before the clock starts) -> JSON tree
 *   micro xml-write FILE     the same, parsed, and written as XML
 *   micro fhirpath FILE      the same, parsed before: evaluations of ten typical expressions
 *
 * Prints a rate: messages, resources or evaluations in a second of CPU time.
 */
#include "base/clock.h"
#include "format/charset.h"
#include "mapping/mapping.h"
#include "model/fhirpath.h"
#include "model/resource_xml.h"
#include "model/search_values.h"
#include "model/validate.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS 2
#define ARENA_BYTES ((size_t)1 << 30)

struct inputs {
  VEC(struct str) list;
};

static struct str read_file(struct arena *arena, const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) != 0)
    return STR_NULL;
  char *p = arena_alloc(arena, (size_t)stat.st_size + 1);
  ssize_t n = p ? read(fd, p, (size_t)stat.st_size) : -1;
  close(fd);
  return n < 0 ? STR_NULL : str_n(p, (size_t)n);
}

static void add_input(struct arena *arena, struct inputs *inputs, struct str text) {
  struct str *item = str_is_empty(text) ? NULL : VEC_PUSH(arena, &inputs->list);
  if (item)
    *item = text;
}

typedef int work_function(struct arena *arena, struct str input, const struct maps *maps);

static int work_parse(struct arena *arena, struct str input, const struct maps *maps) {
  (void)maps;
  struct charset_result charset;
  struct er7_message message;
  int code = charset_to_utf8(arena, input, &charset, NULL);
  return code < 0 ? code : er7_parse(arena, charset.text, NULL, &message, NULL);
}

static int work_convert(struct arena *arena, struct str input, const struct maps *maps) {
  struct charset_result charset;
  struct er7_message message;
  struct mapping_options options = {.now_us = 0, .source = STR("bench")};
  struct mapping_result result;
  int code = charset_to_utf8(arena, input, &charset, NULL);
  if (code == 0)
    code = er7_parse(arena, charset.text, NULL, &message, NULL);
  return code < 0 ? code : mapping_run(arena, maps, &message, &options, &result, NULL);
}

static int work_json(struct arena *arena, struct str input, const struct maps *maps) {
  (void)maps;
  const struct yyjson_val *json;
  return json_parse(arena, input, NULL, &json, NULL);
}

static int work_validate(struct arena *arena, struct str input, const struct maps *maps) {
  (void)maps;
  const struct yyjson_val *json;
  struct issues issues = {0};
  struct validate_options options = {.max_issues = 10};
  int code = json_parse(arena, input, NULL, &json, NULL);
  return code < 0 ? code : validate_resource(arena, json, &options, &issues, NULL);
}

static int work_extract(struct arena *arena, struct str input, const struct maps *maps) {
  (void)maps;
  const struct yyjson_val *json;
  struct search_values values;
  int code = json_parse(arena, input, NULL, &json, NULL);
  return code < 0 ? code : search_values_extract(arena, json, &values, NULL);
}

static int work_xml_read(struct arena *arena, struct str input, const struct maps *maps) {
  (void)maps;
  const struct yyjson_val *json;
  return resource_from_xml(arena, input, NULL, &json, NULL);
}

static int work_xml_write(struct arena *arena, struct str input, const struct maps *maps) {
  (void)maps;
  const struct yyjson_val *json;
  struct buf buf;
  buf_init_arena(&buf, arena, ARENA_BYTES);
  int code = json_parse(arena, input, NULL, &json, NULL);
  return code < 0 ? code : resource_to_xml(arena, json, false, &buf, NULL);
}

/* The same resource in XML; empty when it can't be. */
static struct str as_xml(struct arena *arena, struct str json) {
  const struct yyjson_val *resource;
  struct buf buf;
  buf_init_arena(&buf, arena, ARENA_BYTES);
  if (json_parse(arena, json, NULL, &resource, NULL) < 0 ||
      resource_to_xml(arena, resource, false, &buf, NULL) < 0)
    return STR_NULL;
  return buf_str(&buf);
}

/* Of this process: what others do on the machine does not count. */
static int64_t cpu_time_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int run(struct arena *arena, const struct inputs *inputs, work_function *work,
               const struct maps *maps) {
  (void)arena;
  struct arena *scratch = arena_new(ARENA_BYTES);
  if (!scratch)
    return 1;
  uint64_t done = 0, failed = 0;
  int64_t start_us = cpu_time_us(), now_us = start_us;
  while (now_us - start_us < SECONDS * 1000000) {
    for (size_t i = 0; i < inputs->list.n; i++) {
      if (work(scratch, inputs->list.p[i], maps) < 0)
        failed++;
      arena_reset(scratch);
      done++;
    }
    now_us = cpu_time_us();
  }
  arena_free(scratch);
  printf("%.0f\n", (double)(done - failed) / ((double)(now_us - start_us) / 1e6));
  if (failed)
    fprintf(stderr, "micro: %.1f %% of the inputs were refused\n",
            100.0 * (double)failed / (double)done);
  return 0;
}

/* ---- FHIRPath ---------------------------------------------------------------------------------
 */

/* What forms, rules and searches ask; each of the resources of its type. */
static const struct {
  const char *type, *expression;
} EXPRESSIONS[] = {
    {"Patient", "Patient.name.where(use = 'official').given"},
    {"Patient", "name.given.first() & ' ' & name.family.first()"},
    {"Patient", "birthDate <= @2000-01-01"},
    {"Patient", "identifier.where(type.coding.code = 'MR').value"},
    {"Patient", "contact.all(name.exists() or telecom.exists())"},
    {"Observation", "code.coding.exists(system = %loinc and code = '8302-2')"},
    {"Observation", "(Observation.value as Quantity).value"},
    {"Observation", "value > 100 'cm'"},
    {"Encounter", "period.start + 2 hours > period.end"},
    {"Condition", "subject.where(resolve() is Patient).reference"},
};
#define EXPRESSIONS_N (sizeof EXPRESSIONS / sizeof *EXPRESSIONS)

struct subject {
  const struct yyjson_val *resource;
  defs_type_id type;
};

/* One round; the number of evaluations. */
static uint64_t evaluate_all(struct arena *scratch, const struct fhirpath *const *programs,
                             const struct subject *subjects, size_t n) {
  uint64_t done = 0;
  for (size_t k = 0; k < EXPRESSIONS_N; k++) {
    defs_type_id type = defs_type_by_name(str_of(EXPRESSIONS[k].type));
    for (size_t i = 0; i < n; i++) {
      struct fhirpath_context context = {.resource = subjects[i].resource, .now_us = 1};
      struct fhirpath_values values;
      if (subjects[i].type != type)
        continue;
      done += fhirpath_eval(scratch, programs[k], subjects[i].resource, type, &context, &values,
                            NULL) == 0;
      arena_reset(scratch);
    }
  }
  return done;
}

static int run_fhirpath(struct arena *arena, const struct inputs *inputs) {
  const struct fhirpath *programs[EXPRESSIONS_N];
  struct arena *scratch = arena_new(ARENA_BYTES);
  VEC(struct subject) subjects = {0};
  for (size_t k = 0; k < EXPRESSIONS_N; k++) {
    struct fhirpath_options options = {.type = defs_type_by_name(str_of(EXPRESSIONS[k].type))};
    if (fhirpath_compile_with(arena, str_of(EXPRESSIONS[k].expression), &options, &programs[k],
                              NULL) < 0)
      return 1;
  }
  for (size_t i = 0; i < inputs->list.n && subjects.n < 5000; i++) {
    struct subject *subject = VEC_PUSH(arena, &subjects);
    if (!subject || json_parse(arena, inputs->list.p[i], NULL, &subject->resource, NULL) < 0)
      return 1;
    subject->type = defs_type_by_name(json_get_text(subject->resource, STR("resourceType")));
  }
  uint64_t done = 0, round = 1;
  int64_t start_us = cpu_time_us(), now_us = start_us;
  while (scratch && round > 0 && now_us - start_us < SECONDS * 1000000) {
    round = evaluate_all(scratch, programs, subjects.p, subjects.n);
    done += round;
    now_us = cpu_time_us();
  }
  arena_free(scratch);
  printf("%.0f\n", (double)done / ((double)(now_us - start_us) / 1e6));
  return 0;
}

static work_function *find_work(const char *name) {
  static const struct {
    const char *name;
    work_function *work;
  } works[] = {{"parse", work_parse},        {"convert", work_convert}, {"json", work_json},
               {"validate", work_validate},  {"extract", work_extract}, {"xml-read", work_xml_read},
               {"xml-write", work_xml_write}};
  for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
    if (strcmp(works[i].name, name) == 0)
      return works[i].work;
  return NULL;
}

int main(int argc, char **argv) {
  work_function *work = argc >= 3 ? find_work(argv[1]) : NULL;
  bool is_fhirpath = argc >= 3 && strcmp(argv[1], "fhirpath") == 0;
  if (!work && !is_fhirpath) {
    fputs("Usage: micro parse|convert FILE... | "
          "json|validate|extract|xml-read|xml-write|fhirpath FILE\n",
          stderr);
    return 2;
  }
  struct arena *arena = arena_new(ARENA_BYTES);
  struct inputs inputs = {0};
  struct err err = {0};
  struct maps *maps = NULL;
  if (!arena || search_values_init(&err) < 0 || validate_init(&err) < 0 ||
      maps_open(NULL, &maps, &err) < 0) {
    fprintf(stderr, "micro: %s %s\n", err.where, err.text);
    return 1;
  }
  bool is_v2 = work == work_parse || work == work_convert;
  for (int i = 2; i < argc; i++) {
    struct str text = read_file(arena, argv[i]), line;
    if (is_v2)
      add_input(arena, &inputs, text);
    else
      while (str_split(&text, '\n', &line))
        add_input(arena, &inputs, work == work_xml_read ? as_xml(arena, line) : line);
  }
  int code = is_fhirpath ? run_fhirpath(arena, &inputs) : run(arena, &inputs, work, maps);
  maps_close(maps);
  arena_free(arena);
  return code;
}
