/* callosum convert: v2 messages to FHIR bundles, FHIR in XML to JSON and back; without a server. */
#include "base/file.h"
#include "base/clock.h"
#include "flow/config.h"
#include "format/charset.h"
#include "main/command.h"
#include "mapping/mapping.h"
#include "model/resource_xml.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_BYTES_MAX = 256 << 20 };
#define ARENA_BYTES_MAX ((size_t)1 << 30)

struct convert {
  const struct maps *maps;
  struct str bundle_type;
  bool is_pretty, with_lineage, is_quiet;
  int64_t time_zone_minutes;
  size_t messages, failed;
};

static void print_err(const char *file, const struct err *err, const char *level) {
  fprintf(stderr, "%s: %s%s%s: %s\n", file, err->where, err->where[0] ? ": " : "", level,
          err->text);
}

static void print_lineage(const struct convert *convert, const struct er7_message *message,
                          const struct mapping_result *result, struct arena *arena) {
  for (size_t i = 0; i < result->resources_n; i++) {
    const struct mapping_resource *resource = &result->resources[i];
    for (size_t k = 0; k < resource->lineage_n; k++) {
      const struct mapping_lineage *entry = &resource->lineage[k];
      struct mapping_row row = maps_row(convert->maps, entry->row);
      struct buf place;
      buf_init_arena(&place, arena, 200);
      if (entry->source.segment == UINT32_MAX)
        buf_add_z(&place, "-");
      else
        er7_place_write(&place, message, entry->source);
      fprintf(stderr, "%.*s.%.*s\t%.*s\t%.*s line %u\n", STR_ARG(defs_type(resource->type)->name),
              STR_ARG(entry->element), STR_ARG(buf_str(&place)), STR_ARG(row.file), row.line);
    }
  }
}

static int write_bundle(const struct convert *convert, struct arena *arena,
                        const struct mapping_result *result, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, ARENA_BYTES_MAX);
  int fault = mapping_write_bundle(&buf, result, convert->bundle_type, reterr);
  if (fault)
    return fault;
  struct str text = buf_str(&buf);
  struct buf pretty;
  if (convert->is_pretty) {
    const struct yyjson_val *root = NULL;
    fault = json_parse(arena, text, NULL, &root, reterr);
    if (fault)
      return fault;
    buf_init_arena(&pretty, arena, ARENA_BYTES_MAX);
    json_write_pretty(&pretty, root);
    text = buf_str(&pretty);
  }
  if (fwrite(text.p, 1, text.n, stdout) != text.n || putchar('\n') == EOF)
    return err_set(reterr, ERR_IO, "standard output", "can't be written");
  return 0;
}

static int convert_message(struct convert *convert, struct arena *arena, const char *file,
                           struct str text, struct err *reterr) {
  struct er7_message message;
  struct mapping_result result;
  struct mapping_options options = {.now_us = clock_now_us(),

                                    .time_zone_minutes = (int)convert->time_zone_minutes,
                                    .source = STR("convert")};
  int fault = er7_parse(arena, text, NULL, &message, reterr);
  if (!fault)
    fault = mapping_run(arena, convert->maps, &message, &options, &result, reterr);
  if (!fault)
    fault = write_bundle(convert, arena, &result, reterr);
  if (fault)
    return fault;
  for (size_t i = 0; i < result.notes_n && !convert->is_quiet; i++)
    print_err(file, &result.notes[i], "note");
  if (convert->with_lineage)
    print_lineage(convert, &message, &result, arena);
  return 0;
}

/* ---- FHIR from one form to the other --------------------------------------------------------- */

static int write_other_form(const struct convert *convert, struct arena *arena, struct str text,
                            struct err *reterr) {
  const struct yyjson_val *resource = NULL;
  struct buf buf;
  buf_init_arena(&buf, arena, ARENA_BYTES_MAX);
  int fault = resource_parse(arena, text, INPUT_BYTES_MAX, &resource, reterr);
  if (fault)
    return fault;
  if (!resource_is_xml(text)) {
    fault = resource_to_xml(arena, resource, convert->is_pretty, &buf, reterr);
  } else if (convert->is_pretty) {
    json_write_pretty(&buf, resource);
  } else {
    json_write(&buf, resource);
  }
  if (!fault && buf_is_overflown(&buf))
    fault = err_no_memory(reterr);
  if (fault)
    return fault;
  struct str written = str_trim(buf_str(&buf));
  if (fwrite(written.p, 1, written.n, stdout) != written.n || putchar('\n') == EOF)
    return err_set(reterr, ERR_IO, "standard output", "can't be written");
  return 0;
}

/* A v2 message begins with letters; XML and JSON don't. */
static bool is_fhir(struct str text) {
  return resource_is_xml(text) || str_starts_with(str_trim(text), STR("{"));
}

static void convert_resource(struct convert *convert, struct arena *arena, const char *file,
                             struct str text) {
  struct err err;
  convert->messages++;
  if (write_other_form(convert, arena, text, &err)) {
    print_err(file, &err, "error");
    convert->failed++;
  }
}

/* Every message of a file; one that fails does not stop the others. */
static int convert_file(struct convert *convert, struct arena *arena, const char *file,
                        struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, INPUT_BYTES_MAX);
  int fault = file_read(file, &buf, reterr);
  if (fault)
    return fault;
  if (is_fhir(buf_str(&buf))) {
    convert_resource(convert, arena, file, buf_str(&buf));
    return 0;
  }
  struct charset_result utf8;
  const struct str *messages = NULL;
  size_t n = 0;
  struct err err;
  fault = charset_to_utf8(arena, buf_str(&buf), &utf8, &err);
  if (!fault)
    fault = er7_split_batch(arena, utf8.text, &messages, &n, &err);
  if (fault) {
    print_err(file, &err, "error");
    convert->messages++;
    convert->failed++;
    return 0;
  }
  struct arena *scratch = arena_new(ARENA_BYTES_MAX);
  for (size_t i = 0; i < n && scratch; i++) {
    convert->messages++;
    if (convert_message(convert, scratch, file, messages[i], &err)) {
      print_err(file, &err, "error");
      convert->failed++;
    }
    arena_reset(scratch);
  }
  arena_free(scratch);
  return scratch ? 0 : err_no_memory(reterr);
}

static int run_convert(int argc, char **argv) {
  static const struct option options[] = {{"maps", required_argument, NULL, 'm'},
                                          {"pretty", no_argument, NULL, 'p'},
                                          {"lineage", no_argument, NULL, 'l'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"bundle-type", required_argument, NULL, 't'},
                                          {"zone", required_argument, NULL, 'z'},
                                          {NULL, 0, NULL, 0}};
  static const char *const types[] = {"collection", "message", "transaction", "batch"};
  struct convert convert = {.bundle_type = STR("message")};
  const char *dir = NULL;
  bool is_type = false;
  for (int c; (c = getopt_long(argc, argv, "plq", options, NULL)) != -1;) {
    if (c == 'm')
      dir = optarg;
    else if (c == 'p')
      convert.is_pretty = true;
    else if (c == 'l')
      convert.with_lineage = true;
    else if (c == 'q')
      convert.is_quiet = true;
    else if (c == 't')
      convert.bundle_type = str_of(optarg);
    else if (c != 'z' || !config_time_zone(str_of(optarg), &convert.time_zone_minutes))
      return command_usage_error(&command_convert, "wrong options");
  }
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    is_type = is_type || str_is(convert.bundle_type, types[i]);
  if (!is_type)
    return command_usage_error(&command_convert, "a bundle type is one of collection, message, "
                                                 "transaction, batch");
  if (optind == argc)
    return command_usage_error(&command_convert, "name the files to convert, or -");
  struct maps *maps = NULL;
  struct err err;
  if (maps_open(dir, &maps, &err))
    return command_fail(&command_convert, &err, EXIT_FAILED);
  convert.maps = maps;
  int code = EXIT_OK;
  for (int i = optind; i < argc && code != EXIT_IO; i++) {
    struct arena *arena = arena_new(ARENA_BYTES_MAX);
    if (!arena)
      err_no_memory(&err);
    if (!arena || convert_file(&convert, arena, argv[i], &err))
      code = command_fail(&command_convert, &err, EXIT_IO);
    arena_free(arena);
  }
  maps_close(maps);
  if (code == EXIT_OK && convert.failed) {
    fprintf(stderr, "callosum convert: %zu of %zu messages could not be converted\n",
            convert.failed, convert.messages);
    code = EXIT_FAILED;
  }
  return code;
}

const struct command command_convert = {
    .name = "convert",
    .summary = "turn HL7 v2 messages into FHIR bundles, FHIR XML into JSON and back",
    .usage = "convert [OPTIONS] FILE...\n\n"
             "Writes one FHIR bundle per message, a line each, on standard output; notes on what "
             "was not\nmapped go to standard error. A FHIR resource in XML is written as JSON, one "
             "in JSON as XML.\nFILE can be - for standard input.\n\n"
             "  --maps DIR           use the maps in DIR in place of their namesakes\n"
             "  --pretty, -p         indent the bundles\n"
             "  --lineage, -l        tell on standard error where each element came from\n"
             "  --quiet, -q          no notes\n"
             "  --bundle-type TYPE   message (default), collection, transaction or batch\n"
             "  --zone +HH:MM        of times without an offset (default: UTC)\n\n"
             "Exit codes: 0 all messages converted, 1 some were not, 2 wrong usage, 3 a file "
             "can't be read.\n\n"
             "Example: callosum convert --pretty admission.hl7",
    .run = run_convert,
};
