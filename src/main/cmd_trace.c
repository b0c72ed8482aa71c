#include "main/command.h"

#include "format/json.h"
#include "link/http_client.h"

#include <getopt.h>

#define TRACE_ARENA_BYTES ((size_t)512 << 20)
#define TIMEOUT_S 30

struct trace {
  const struct command *command;
  struct arena *arena;
  struct http_client *client;
  const char *url;
};

/* GET of a path of the administration API; exit code, 0 with `*ret_json` filled. */
static int get(struct trace *trace, struct str path, const struct yyjson_val **ret_json) {
  struct err err = {0};
  struct str url = arena_printf(trace->arena, "%s%.*s", trace->url, STR_ARG(path));
  struct http_exchange exchange = {.method = "GET", .url = url.p};
  if (!url.p)
    return command_fail(trace->command, &(struct err){.text = "Out of memory."}, EXIT_FAILED);
  if (http_client_exchange(trace->client, trace->arena, &exchange, &err) < 0)
    return command_fail(trace->command, &err, EXIT_IO);
  if (json_parse(trace->arena, exchange.answer, NULL, ret_json, &err) < 0)
    return command_fail(trace->command, &err, EXIT_IO);
  if (exchange.status == 200)
    return EXIT_OK;
  struct str text = json_get_text(json_get(*ret_json, STR("error")), STR("text"));
  err_set(&err, ERR_NOT_FOUND, "", "%.*s", STR_ARG(text));
  return command_fail(trace->command, &err, EXIT_FAILED);
}

static uint64_t get_number(const struct yyjson_val *object, struct str name) {
  uint64_t value = 0;
  const struct yyjson_val *v = json_get(object, name);
  return v && str_to_u64(json_text(v), &value) ? value : 0;
}

/* "PID-3(2).4.1" of a lineage entry; "(the map)" for a constant. */
static struct str place(struct arena *arena, const struct yyjson_val *entry, struct str segment) {
  uint64_t repetition = get_number(entry, STR("repetition")),
           component = get_number(entry, STR("component")),
           subcomponent = get_number(entry, STR("subcomponent"));
  if (str_is_empty(segment))
    return STR("(the map)");
  struct buf buf;
  buf_init_arena(&buf, arena, 200);
  buf_printf(&buf, "%.*s-%llu", STR_ARG(segment),
             (unsigned long long)get_number(entry, STR("field")));
  if (repetition > 1)
    buf_printf(&buf, "(%llu)", (unsigned long long)repetition);
  if (component)
    buf_printf(&buf, ".%llu", (unsigned long long)component);
  if (subcomponent)
    buf_printf(&buf, ".%llu", (unsigned long long)subcomponent);
  return buf_str(&buf);
}

static bool is_within(struct str element, struct str wanted) {
  if (!str_starts_with(element, wanted))
    return false;
  return element.n == wanted.n || wanted.n == 0 || element.p[wanted.n] == '.' ||
         element.p[wanted.n] == '[';
}

static int trace_resource(struct trace *trace, struct str reference, struct str wanted) {
  const struct yyjson_val *answer = NULL;
  int code =
      get(trace, arena_printf(trace->arena, "/api/resources/%.*s/explain", STR_ARG(reference)),
          &answer);
  if (code != EXIT_OK)
    return code;
  size_t shown = 0;
  struct json_each each = json_each(json_get(answer, STR("elements")));
  while (json_next(&each)) {
    struct str element = json_get_text(each.value, STR("element"));
    if (!is_within(element, wanted))
      continue;
    struct str from =
        place(trace->arena, each.value, json_get_text(each.value, STR("segmentName")));
    printf("%-44.*s %-14.*s message %-8llu %-20.*s %.*s:%llu\n", STR_ARG(element), STR_ARG(from),
           (unsigned long long)get_number(each.value, STR("message")),
           STR_ARG(json_get_text(each.value, STR("sender"))),
           STR_ARG(json_get_text(each.value, STR("file"))),
           (unsigned long long)get_number(each.value, STR("line")));
    shown++;
  }
  if (shown)
    return EXIT_OK;
  fprintf(stderr, "callosum trace: no message said anything of %.*s%s%.*s.\n", STR_ARG(reference),
          wanted.n ? "." : "", STR_ARG(wanted));
  return EXIT_FAILED;
}

static void print_made(struct trace *trace, const struct yyjson_val *message,
                       const struct yyjson_val *resource) {
  printf("\n%.*s/%.*s version %llu\n", STR_ARG(json_get_text(resource, STR("type"))),
         STR_ARG(json_get_text(resource, STR("id"))),
         (unsigned long long)get_number(resource, STR("version")));
  struct json_each each = json_each(json_get(resource, STR("lineage")));
  while (json_next(&each)) {
    struct str segment = STR_NULL;
    if (json_get(each.value, STR("segment"))) {
      uint64_t index = get_number(each.value, STR("segment"));
      struct json_each segments = json_each(json_get(message, STR("segments")));
      while (json_next(&segments))
        if (segments.index == index)
          segment = json_get_text(segments.value, STR("name"));
    }
    struct str from = place(trace->arena, each.value, segment);
    printf("  %-14.*s %-44.*s %.*s:%llu\n", STR_ARG(from),
           STR_ARG(json_get_text(each.value, STR("element"))),
           STR_ARG(json_get_text(each.value, STR("file"))),
           (unsigned long long)get_number(each.value, STR("line")));
  }
}

static int trace_message(struct trace *trace, struct str number) {
  const struct yyjson_val *message = NULL;
  int code =
      get(trace, arena_printf(trace->arena, "/api/messages/%.*s", STR_ARG(number)), &message);
  if (code != EXIT_OK)
    return code;
  printf("message %.*s: %.*s^%.*s from %.*s, %.*s\n", STR_ARG(number),
         STR_ARG(json_get_text(message, STR("type"))),
         STR_ARG(json_get_text(message, STR("event"))),
         STR_ARG(json_get_text(message, STR("sender"))),
         STR_ARG(json_get_text(message, STR("status"))));
  struct str reason = json_get_text(message, STR("reason"));
  if (!str_is_empty(reason))
    printf("%.*s\n", STR_ARG(reason));
  struct json_each each = json_each(json_get(message, STR("resources")));
  while (json_next(&each))
    print_made(trace, message, each.value);
  return EXIT_OK;
}

static int run_trace(int argc, char **argv) {
  static const struct option options[] = {{"url", required_argument, NULL, 'u'}, {0}};
  struct trace trace = {.command = &command_trace, .url = "http://127.0.0.1:8080"};
  int option;
  while ((option = getopt_long(argc, argv, "u:", options, NULL)) != -1) {
    if (option != 'u')
      return command_usage_error(&command_trace, "that option is not known");
    trace.url = optarg;
  }
  if (optind >= argc || argc - optind > 2)
    return command_usage_error(&command_trace, "name a message or a resource");
  struct str what = str_of(argv[optind]),
             element = optind + 1 < argc ? str_of(argv[optind + 1]) : STR_NULL;
  struct err err = {0};
  trace.arena = arena_new(TRACE_ARENA_BYTES);
  if (!trace.arena || http_client_open(TIMEOUT_S, &trace.client, &err) < 0) {
    arena_free(trace.arena);
    return command_fail(&command_trace, &err, EXIT_FAILED);
  }
  uint64_t number;
  int code;
  if (str_to_u64(what, &number))
    code = trace_message(&trace, what);
  else if (str_find_char(what, '/', 0) > 0)
    code = trace_resource(&trace, what, element);
  else
    code = command_usage_error(&command_trace,
                               "'%s' is neither the number of a message nor Type/id", argv[optind]);
  http_client_close(trace.client);
  arena_free(trace.arena);
  return code;
}

const struct command command_trace = {
    .name = "trace",
    .summary = "where an element came from, and what became of a message",
    .usage =
        "trace [--url URL] TYPE/ID [ELEMENT]\n"
        "       callosum trace [--url URL] MESSAGE\n\n"
        "Asks a running server. For a resource: each element (or only ELEMENT and what is in\n"
        "it) with the field of the message that said it last, and the row of the map. For the\n"
        "number of a message: what was made of it.\n\n"
        "Options:\n"
        "  -u, --url URL   the server (http://127.0.0.1:8080)\n\n"
        "Exit code: 0 found, 1 there is no such thing, 2 wrong usage, 3 no answer.\n\n"
        "Examples:\n"
        "  callosum trace Patient/5f2b birthDate\n"
        "  callosum trace 17",
    .run = run_trace,
};
