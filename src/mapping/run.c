#include "mapping/run.h"

#include <stdarg.h>
#include <stdio.h>

enum { PATH_BYTES_MAX = 1000 };

void run_note(struct run *run, enum err_code code, struct er7_place place, const char *format,
              ...) {
  if (run->notes.n >= NOTES_MAX) {
    run->notes_dropped++;
    return;
  }
  struct err *note = VEC_PUSH(run->arena, &run->notes);
  if (!note)
    return;
  char text[sizeof note->text];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  struct buf where;
  buf_init_arena(&where, run->arena, sizeof note->where);
  if (place.segment != UINT32_MAX)
    er7_place_write(&where, run->message, place);
  err_set_at(note, code, buf_str(&where), "%s", text);
  note->severity = ERR_SEVERITY_WARNING;
}

/* ---- which message map ---- */

static bool says(struct str pattern, struct str text) {
  return str_is(pattern, "*") || str_equal(pattern, text);
}

/* The most exact one: type and event, then the structure's name, then type alone, then anything. */
static uint32_t find_program(const struct maps *maps, const struct er7_header *header) {
  uint32_t by_type = 0, by_any = 0;
  for (size_t i = 0; i < maps->events.n; i++) {
    const struct program_event *event = &maps->events.p[i];
    if (!says(event->type, header->type) || !says(event->event, header->event))
      continue;
    if (!str_is(event->type, "*") && !str_is(event->event, "*"))
      return event->message;
    uint32_t *slot = str_is(event->type, "*") ? &by_any : &by_type;
    if (!*slot)
      *slot = event->message;
  }
  uint32_t by_structure = index_get(&maps->messages_by_name, header->structure);
  return by_structure ? by_structure : by_type ? by_type : by_any;
}

static int choose_program(struct run *run, struct err *reterr) {
  struct er7_header header;
  er7_header(run->message, &header);
  if (str_is_empty(header.type))
    return err_set(reterr, ERR_REQUIRED, "MSH-9", "the message does not say its type");
  uint32_t found = find_program(run->maps, &header);
  if (!found) {
    bool type_is_known = false;
    for (size_t i = 0; i < run->maps->events.n; i++)
      type_is_known |= str_equal(run->maps->events.p[i].type, header.type);
    return err_set(reterr, type_is_known ? ERR_UNSUPPORTED_EVENT : ERR_UNSUPPORTED_MESSAGE, "MSH-9",
                   "no map covers %.*s^%.*s", STR_ARG(str_slice(header.type, 0, 20)),
                   STR_ARG(str_slice(header.event, 0, 20)));
  }
  run->program = &run->maps->messages.p[found];
  for (size_t i = 0; i < run->program->needs_n; i++) {
    uint32_t code = run->program->needs[i];
    char name[] = {(char)(code >> 16), (char)(code >> 8), (char)code, '\0'};
    if (er7_find(run->message, str_of(name), 0) < 0)
      return err_set(reterr, ERR_REQUIRED, name, "the message needs this segment");
  }
  return 0;
}

/* ---- rows of the message map ---- */

/* name = MAP, name += MAP, with the rows below. */
static void run_map_row(struct frame *frame, const struct row *row, uint32_t index) {
  struct run *run = frame->run;
  const struct program_map *map = &run->maps->maps.p[row->map];
  struct resource *resource = row->kind == ROW_ADD ? frame_resource(frame, row->name) : NULL;
  bool is_new = !resource;
  size_t since = run->resources.n;
  if (is_new)
    resource = run_new_resource(run, map->type, frame->group);
  if (!resource)
    return;
  struct frame below = *frame;
  below.node = resource->root;
  below.resource = resource;
  run->is_mapped[frame->dot.place.segment] = true;
  run_map(&below, row->map);
  run_rows(&below, index + 1, row->end);
  if (!is_new)
    return;
  if (node_is_empty(resource->root) || (map->is_data && !resource->root->has_data))
    run->resources.n = since;
  else
    names_bind(run, frame->group, row->name, resource);
  resource->name = row->name;
}

static void run_other_row(struct frame *frame, const struct row *row, uint32_t index) {
  struct resource *resource = frame_resource(frame, row->name);
  if (!resource)
    return;
  struct frame below = *frame;
  below.node = resource->root;
  below.resource = resource;
  run_set(&below, index);
}

static void run_each_row(struct frame *frame, const struct row *row, uint32_t index) {
  struct run *run = frame->run;
  const struct group *around = NULL;
  uint32_t from = 0;
  if (!names_find(frame->group, row->name, &around, &from))
    return;
  for (size_t i = 0; i < run->resources.n; i++) {
    struct resource *resource = run->resources.p[i];
    if (run->each_budget == 0) {
      run_note(run, ERR_TOO_COSTLY, frame->dot.place, "too many resources to refer from");
      return;
    }
    run->each_budget--;
    if (resource->name != row->name || !group_sees(around, from, resource->group))
      continue;
    struct frame below = *frame;
    below.node = resource->root;
    below.resource = resource;
    run_set(&below, index);
  }
}

static void run_merge_row(struct frame *frame, const struct row *row) {
  struct run *run = frame->run;
  struct resource *into = frame_resource(frame, row->name);
  struct resource *from = frame_resource(frame, row->other);
  if (!into || !from)
    return;
  struct resource_pair *pair = VEC_PUSH(run->arena, &run->pairs);
  if (pair)
    *pair = (struct resource_pair){into, from};
}

static void run_segment(struct run *run, uint32_t segment) {
  const struct item *item = &run->maps->items.p[run->items[segment]];
  struct frame frame = {.run = run,
                        .dot = {.place = {.segment = segment},
                                .raw = run->message->segments[segment].text,
                                .signs = SIGNS_ALL},
                        .group = run->groups[segment]};
  for (uint32_t i = item->first_row; i < item->end_row; i = run->maps->rows.p[i].end) {
    const struct row *row = &run->maps->rows.p[i];
    if (row->condition && !expression_holds(&frame, row->condition))
      continue;
    if (row->kind == ROW_NEW || row->kind == ROW_ADD)
      run_map_row(&frame, row, i);
    else if (row->kind == ROW_OTHER)
      run_other_row(&frame, row, i);
    else if (row->kind == ROW_EACH)
      run_each_row(&frame, row, i);
    else if (row->kind == ROW_MERGE)
      run_merge_row(&frame, row);
  }
}

/* ---- what is left over ---- */

static void note_fields(struct run *run, uint32_t segment) {
  const struct er7_segment *s = &run->message->segments[segment];
  for (uint32_t field = 1; field <= s->fields_n; field++) {
    if (field < 256 && run->taken[segment].bits[field / 64] >> field % 64 & 1)
      continue;
    struct located l;
    located_field(run, segment, field, &l);
    if (l.raw.n && located_is_valued(run, &l))
      run_note(run, ERR_NOT_SUPPORTED, l.place, "has a value and no mapping");
  }
}

/* Rows of other segments read it: OBR those of ORC, an order those of TQ1. */
static bool is_read(const struct run *run, uint32_t segment) {
  uint64_t any = 0;
  for (size_t i = 0; i < sizeof run->taken->bits / sizeof run->taken->bits[0]; i++)
    any |= run->taken[segment].bits[i];
  return any != 0;
}

static void note_left_over(struct run *run) {
  for (uint32_t i = 0; i < run->message->segments_n; i++) {
    if (run->is_mapped[i] || is_read(run, i))
      note_fields(run, i);
    else if (!run->groups[i])
      run_note(run, ERR_NOT_SUPPORTED, (struct er7_place){.segment = i},
               "the segment has no place in map %.*s", STR_ARG(run->program->name));
    else
      run_note(run, ERR_NOT_SUPPORTED, (struct er7_place){.segment = i},
               "the segment is not mapped");
  }
  if (run->notes_dropped) {
    size_t dropped = run->notes_dropped;
    run->notes.n--;
    run_note(run, ERR_NOT_SUPPORTED, PLACE_NONE, "%zu further notes are left out", dropped + 1);
  }
}

/* ---- the result ---- */

static struct str full_url_of(struct run *run, struct resource *target) {
  (void)run;
  while (target->same_as)
    target = target->same_as;
  return target->full_url;
}

static int write_resource(struct run *run, struct resource *resource,
                          struct mapping_resource *ret_resource, struct err *reterr) {
  buf_clear(&run->path);
  struct emit emit = {.run = run,
                      .json = &run->json,
                      .url_of = full_url_of,
                      .path = &run->path,
                      .with_lineage = true};
  const struct yyjson_val *root = NULL;
  int result = emit_resource(&emit, resource->root, &root, reterr);
  if (result)
    return result;
  if (arena_is_exhausted(run->arena))
    return err_no_memory(reterr);
  *ret_resource = (struct mapping_resource){
      .type = resource->root->type,
      .full_url = resource->full_url,
      .json = root,
      .identifiers = resource->identifiers,
      .identifiers_n = resource->identifiers_n,
      .key = resource->identity,
      .is_transient = resource->is_transient || resource->root->type == run->maps->type_bundle,
      .merge = resource->is_snapshot ? MAPPING_REPLACE : MAPPING_MERGE,
      .nulled = resource->nulled.p,
      .nulled_n = resource->nulled.n,
      .yielded = resource->yielded.p,
      .yielded_n = resource->yielded.n,
      .lineage = emit.lineage.p,
      .lineage_n = emit.lineage.n,
  };
  return 0;
}

static const struct resource *kept(const struct resource *resource) {
  while (resource->same_as)
    resource = resource->same_as;
  return resource;
}

static int write_links(struct run *run, struct mapping_result *result, struct err *reterr) {
  struct mapping_link *links = ARENA_ARRAY(run->arena, struct mapping_link, run->pairs.n + 1);
  if (!links)
    return err_no_memory(reterr);
  result->links = links;
  for (size_t i = 0; i < run->pairs.n; i++) {
    const struct resource *into = kept(run->pairs.p[i].into), *from = kept(run->pairs.p[i].from);
    if (into != from)
      links[result->links_n++] = (struct mapping_link){into->index, from->index};
  }
  return 0;
}

static int write_result(struct run *run, struct mapping_result *ret_result, struct err *reterr) {
  struct mapping_result result = {0};
  struct mapping_resource *list =
      ARENA_ARRAY(run->arena, struct mapping_resource, run->resources.n + 1);
  if (!list)
    return err_no_memory(reterr);
  for (size_t i = 0; i < run->resources.n; i++) {
    struct resource *resource = run->resources.p[i];
    if (resource->same_as)
      continue;
    resource->index = (uint32_t)result.resources_n;
    int fault = write_resource(run, resource, &list[result.resources_n], reterr);
    if (fault)
      return fault;
    result.resources_n++;
  }
  result.resources = list;
  int fault = write_links(run, &result, reterr);
  if (fault)
    return fault;
  result.notes = run->notes.p;
  result.notes_n = run->notes.n;
  *ret_result = result;
  return 0;
}

int mapping_run(struct arena *arena, const struct maps *maps, const struct er7_message *message,
                const struct mapping_options *options, struct mapping_result *ret_result,
                struct err *reterr) {
  struct run run = {.arena = arena,
                    .maps = maps,
                    .message = message,
                    .options = options,
                    .each_budget = EACH_BUDGET};
  run.json = json_builder(arena);
  buf_init_arena(&run.path, arena, PATH_BYTES_MAX);
  int result = choose_program(&run, reterr);
  if (!result)
    result = groups_place(&run, reterr);
  if (!result)
    result = signs_read(&run, reterr);
  if (result)
    return result;
  run.is_mapped = ARENA_ARRAY(arena, bool, message->segments_n + 1);
  if (!run.is_mapped)
    return err_no_memory(reterr);
  for (uint32_t i = 0; i < message->segments_n; i++)
    if (run.groups[i])
      run_segment(&run, i);
  note_left_over(&run);
  result = run_resolve_identity(&run, reterr);
  if (!result)
    result = write_result(&run, ret_result, reterr);
  return result ? result : arena_is_exhausted(arena) ? err_no_memory(reterr) : 0;
}
