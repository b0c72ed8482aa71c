/*
 * Rows onto nodes. Two laws of docs/maps.md live here: the first value of a single element wins,
 * and the last step of a path appends where it is a list.
 */
#include "mapping/convert.h"
#include "mapping/run.h"

static const struct row *row_at(const struct frame *frame, uint32_t row) {
  return &frame->run->maps->rows.p[row];
}

static const struct path_step *step_at(const struct frame *frame, const struct path *path,
                                       uint32_t step) {
  return &frame->run->maps->steps.p[path->first_step + step];
}

/* ---- where a value goes ---- */

struct target {
  struct node *node;
  struct node *created; /* the outermost node made for it, to be taken away again; or NULL */
};

/*
 * The element at `path` below `base`. Lists in the middle: the first item; at the end: a new one.
 * From the second repetition of a source on, `again`, the innermost list gets a new item, wherever
 * it stands. node NULL: there is a value already.
 */
static struct target reach(const struct frame *frame, struct node *base, const struct path *path,
                           bool again) {
  struct arena *arena = frame->run->arena;
  struct target target = {.node = base};
  uint32_t new_from = path->steps_n ? (uint32_t)path->steps_n - 1 : 0;
  if (again && path->has_list)
    new_from = path->last_list;
  for (uint32_t i = 0; target.node && i < path->steps_n; i++) {
    const struct path_step *step = step_at(frame, path, i);
    struct node *before = step->is_list ? NULL : node_find(target.node, step);
    bool appends = step->is_list && i == new_from;
    if (step->is_list && !appends)
      before = node_find(target.node, step);
    struct node *next = before && !appends ? before : node_append(arena, target.node, step);
    if (next && next != before && !target.created)
      target.created = next;
    target.node = next;
  }
  return target;
}

static void give_up(struct target *target) {
  if (target->created)
    node_remove(target->created);
  target->node = target->created = NULL;
}

/* ---- notes ---- */

/* Components of a source with a value that neither the map nor the rows below take. */
static void note_components(const struct frame *frame, const struct row *row,
                            const struct located *l) {
  struct run *run = frame->run;
  bool is_dot = !row->source.segment && !row->source.component;
  if (!row->components || is_dot || l->place.subcomponent) /* "." is noted where it was taken */
    return;
  if (!(l->signs & (l->place.component ? SIGN_SUBCOMPONENT : SIGN_COMPONENT)) &&
      row->components & UINT64_C(1) << 1)
    return; /* the one part is taken */
  char delimiter = l->place.component ? run->message->delimiters.subcomponent
                                      : run->message->delimiters.component;
  if (!delimiter)
    return;
  struct str rest = l->raw, part;
  for (unsigned n = 1; n < 64 && str_split(&rest, delimiter, &part); n++) {
    if (str_is_empty(part) || row->components & UINT64_C(1) << n)
      continue;
    struct located one = *l;
    located_part(run, &one, n);
    if (located_is_valued(run, &one))
      run_note(run, ERR_NOT_SUPPORTED, one.place, "has a value and no mapping");
  }
}

/* A primitive took the first part; are there others? */
static void note_rest(const struct frame *frame, const struct located *whole,
                      const struct located *leaf) {
  if (whole->raw.n == leaf->raw.n)
    return;
  struct located rest = *whole;
  rest.raw = str_slice(whole->raw, leaf->raw.n, SIZE_MAX);
  if (located_is_valued(frame->run, &rest))
    run_note(frame->run, ERR_NOT_SUPPORTED, whole->place,
             "only the first part is mapped, but others have a value");
}

/* ---- explicit nulls ---- */

/* The path of `node` from its resource, if no list is on it. */
static bool write_names(const struct node *node, struct buf *buf) {
  if (!node->property)
    return true;
  const struct member *member = node_member(node->parent, node->property);
  if (!member || member->is_list || !write_names(node->parent, buf))
    return false;
  if (buf->n)
    buf_add_char(buf, '.');
  buf_add(buf, node->property->name);
  return true;
}

enum { PATH_BYTES_MAX = 400 };

static void add_nulled(const struct frame *frame, const struct row *row) {
  struct buf buf;
  buf_init_arena(&buf, frame->run->arena, PATH_BYTES_MAX);
  if (!frame->resource || !write_names(frame->node, &buf))
    return;
  for (uint32_t i = 0; i < row->path.steps_n; i++) {
    const struct path_step *step = step_at(frame, &row->path, i);
    if (step->url.n || (step->is_list && i + 1 < row->path.steps_n))
      return;
    if (buf.n)
      buf_add_char(&buf, '.');
    buf_add(&buf, step->property->name);
  }
  struct str path = buf_str(&buf);
  for (size_t i = 0; i < frame->resource->nulled.n; i++)
    if (str_equal(frame->resource->nulled.p[i], path))
      return;
  if (!buf.n)
    return;
  struct str *item = VEC_PUSH(frame->run->arena, &frame->resource->nulled);
  if (item)
    *item = path;
}

/* ---- values ---- */

/* Converts and sets; false when nothing came of it. */
static bool set_text(const struct frame *frame, struct node *node, enum primitive primitive,
                     struct str text, struct er7_place place, uint32_t row) {
  struct run *run = frame->run;
  struct str converted = STR_NULL;
  bool is_raw = false;
  if (!node || node->text.p)
    return false;
  const char *fault = convert_text(run->arena, primitive, text, run->options->time_zone_minutes,
                                   &converted, &is_raw);
  if (fault) {
    run_note(run, ERR_VALUE, place, "%s; %.*s is left out", fault,
             STR_ARG(node->property ? node->property->name : STR("the value")));
    return false;
  }
  if (str_is_empty(converted))
    return false;
  node_set(node, converted, is_raw, place, row);
  frame->run->values_n += place.segment != UINT32_MAX;
  return true;
}

/* A string child of a Coding that the table gave; replaces what a map may have set. */
static void set_child(const struct frame *frame, struct node *coding, struct str name,
                      struct str text, struct er7_place place, uint32_t row) {
  const struct path_step step = {.property = defs_property(coding->type, name)};
  if (!step.property)
    return;
  struct node *child = node_find(coding, &step);
  if (str_is_empty(text)) {
    if (child)
      node_remove(child);
    return;
  }
  if (!child)
    child = node_append(frame->run->arena, coding, &step);
  if (child) {
    node_set(child, text, false, place, row);
    frame->run->values_n++;
  }
}

static struct node *first_coding(const struct frame *frame, struct node *node) {
  if (node->type != frame->run->maps->type_codeable_concept)
    return node;
  const struct path_step step = {.property = defs_property(node->type, STR("coding")),
                                 .is_list = true};
  return step.property ? node_first(frame->run->arena, node, &step) : NULL;
}

/* The coding as it was received goes behind those that are there, where the table says it
 * otherwise. */
static bool keep_received(const struct frame *frame, struct node *concept, struct node *coding,
                          const struct table_entry *entry, struct er7_place place, uint32_t row) {
  static const char *const parts[] = {"system", "version", "code", "display"};
  struct str system = node_child_text(coding, "system"), code = node_child_text(coding, "code");
  const struct path_step step = {.property = defs_property(concept->type, STR("coding")),
                                 .is_list = true};
  if (concept == coding || !step.property || str_is_empty(code) ||
      (str_equal(code, entry->code) && (str_is_empty(system) || str_equal(system, entry->system))))
    return false;
  struct node *received = node_append(frame->run->arena, concept, &step);
  for (size_t i = 0; received && i < sizeof parts / sizeof parts[0]; i++)
    set_child(frame, received, str_of(parts[i]), node_child_text(coding, parts[i]), place, row);
  set_child(frame, coding, STR("version"), STR_NULL, place, row);
  return true;
}

/* Notes reach logs and answers: what looks like words (a name in the wrong field) stays out of
 * them. */
static bool may_be_told(struct str code) {
  enum { CODE_BYTES_MAX = 12 };
  for (size_t i = 0; i < code.n; i++) {
    char c = code.p[i];
    bool is_plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.' || c == '/';
    if (!is_plain)
      return false;
  }
  return code.n <= CODE_BYTES_MAX;
}

static enum lookup look_up(const struct frame *frame, const struct row *row,
                           const struct located *leaf, struct str text,
                           struct table_entry *ret_entry) {
  const struct program_table *table = &frame->run->maps->tables.p[row->table];
  text = str_trim(text);
  if (str_is_empty(text))
    return LOOKUP_NONE;
  enum lookup answer = table_lookup(frame->run->arena, table, frame->run->maps, text, ret_entry);
  if (answer == LOOKUP_UNKNOWN && may_be_told(text))
    run_note(frame->run, ERR_CODE_INVALID, leaf->place, "the code '%.*s' is not in table %.*s",
             STR_ARG(text), STR_ARG(table->name));
  else if (answer == LOOKUP_UNKNOWN)
    run_note(frame->run, ERR_CODE_INVALID, leaf->place, "the text here is no code of table %.*s",
             STR_ARG(table->name));
  return answer;
}

static bool table_keeps(const struct frame *frame, const struct row *row,
                        const struct table_entry *entry, struct str text) {
  return frame->run->maps->tables.p[row->table].default_keeps && !entry->system.n &&
         str_equal(entry->code, str_trim(text));
}

/* `via TABLE` onto a Coding or CodeableConcept, after its map ran. */
static bool set_coded(const struct frame *frame, const struct row *row, uint32_t index,
                      struct node *node, const struct located *l) {
  struct located leaf = *l;
  located_leaf(frame->run, &leaf);
  struct str text = located_text(frame->run, &leaf);
  struct table_entry entry = {0};
  if (look_up(frame, row, &leaf, text, &entry) != LOOKUP_FOUND ||
      (row->map && table_keeps(frame, row, &entry, text)))
    return false;
  struct node *coding = first_coding(frame, node);
  if (!coding)
    return false;
  bool is_kept = row->map && keep_received(frame, node, coding, &entry, leaf.place, index);
  set_child(frame, coding, STR("system"), entry.system, leaf.place, index);
  set_child(frame, coding, STR("code"), entry.code, leaf.place, index);
  if (entry.display.n || !row->map || is_kept)
    set_child(frame, coding, STR("display"), entry.display, leaf.place, index);
  return true;
}

static bool set_primitive(const struct frame *frame, const struct row *row, uint32_t index,
                          struct node *node, const struct located *l) {
  struct located leaf = *l;
  located_leaf(frame->run, &leaf);
  struct str text = located_text(frame->run, &leaf);
  if (row->table) {
    struct table_entry entry = {0};
    if (look_up(frame, row, &leaf, text, &entry) != LOOKUP_FOUND)
      return false;
    text = entry.code;
  }
  bool is_set = set_text(frame, node, row->path.primitive, text, leaf.place, index);
  if (is_set)
    note_rest(frame, l, &leaf);
  return is_set;
}

/* ---- resources ---- */

struct resource *run_new_resource(struct run *run, defs_type_id type, struct group *group) {
  struct resource *resource = ARENA_NEW(run->arena, struct resource);
  struct node *root = resource ? node_new(run->arena, type) : NULL;
  if (!root)
    return NULL;
  struct resource **item =
      VEC_PUSH(run->arena, &run->resources); /* NOLINT(bugprone-sizeof-expression) */
  if (!item)
    return NULL;
  resource->root = root;
  resource->group = group;
  *item = resource;
  return resource;
}

/* Nothing was made below this frame: the resources since then go. */
static void drop_resources(struct run *run, size_t since) {
  run->resources.n = since;
}

/* A resource of its own for `l`; NULL when nothing came of it. */
static struct resource *make_resource(const struct frame *frame, const struct row *row,
                                      uint32_t index, const struct located *l) {
  struct run *run = frame->run;
  size_t since = run->resources.n;
  const struct program_map *map = &run->maps->maps.p[row->map];
  struct resource *resource = run_new_resource(run, map->type, frame->group);
  if (!resource)
    return NULL;
  struct frame below = {.run = run,
                        .dot = *l,
                        .node = resource->root,
                        .resource = resource,
                        .parent = frame->resource,
                        .group = frame->group,
                        .depth = frame->depth + 1};
  run_map(&below, row->map);
  if (row->kind == ROW_MAKE)
    run_rows(&below, index + 1, row->end);
  if (node_is_empty(resource->root) || (map->is_data && !resource->root->has_data)) {
    drop_resources(run, since);
    return NULL;
  }
  return resource;
}

static void point_at(struct run *run, struct node *reference, struct resource *target,
                     struct er7_place place, uint32_t row) {
  reference->target = target;
  reference->place = place;
  reference->row = row;
  if (place.segment != UINT32_MAX) {
    node_mark_data(reference);
    run->values_n++;
  }
}

/* ---- rows ---- */

static bool is_reference_to_resource(const struct frame *frame, const struct row *row) {
  return row->map && row->path.type == frame->run->maps->type_reference &&
         frame->run->maps->maps.p[row->map].type != row->path.type;
}

/* Fills the element that a row made for one repetition. */
static void fill(const struct frame *frame, const struct row *row, uint32_t index,
                 struct node *node, const struct located *l) {
  if (is_reference_to_resource(frame, row)) {
    struct resource *made = node->target ? NULL : make_resource(frame, row, index, l);
    if (made)
      point_at(frame->run, node, made, l->place, index);
  } else if (row->map) {
    struct frame below = *frame;
    below.dot = *l;
    below.parts = NULL;
    below.node = node;
    below.depth++;
    run_map(&below, row->map);
    if (row->table && row->path.primitive == PRIMITIVE_NONE)
      set_coded(frame, row, index, node, l);
  } else if (row->table && row->path.primitive == PRIMITIVE_NONE) {
    set_coded(frame, row, index, node, l);
  } else if (row->path.primitive != PRIMITIVE_NONE) {
    set_primitive(frame, row, index, node, l);
  }
  if (row->end > index + 1) {
    struct frame below = *frame;
    below.dot = *l;
    below.parts = NULL;
    below.node = node;
    below.depth++;
    run_rows(&below, index + 1, row->end);
  }
}

static bool is_set_by(const struct node *node, uint32_t row) {
  return (node->text.p || node->target) && node->row == row;
}

/* One repetition of the source of a `->` row. True when something was made. */
static bool copy_one(const struct frame *frame, const struct row *row, uint32_t index,
                     const struct located *l, bool again) {
  struct target target = reach(frame, frame->node, &row->path, again);
  /* By an earlier segment of this kind? Maps of data types may well be tried one after the other.
   */
  if (target.node && row->source.segment && is_set_by(target.node, index)) {
    if (!row->path.has_list) {
      run_note(frame->run, ERR_NOT_SUPPORTED, l->place, "only the first is mapped");
      return false;
    }
    target = reach(frame, frame->node, &row->path, true);
  }
  if (!target.node)
    return false;
  uint64_t before = frame->run->values_n;
  fill(frame, row, index, target.node, l);
  bool made = frame->run->values_n != before || !row->is_data;
  if (made)
    note_components(frame, row, l);
  else
    give_up(&target);
  return made;
}

/* The parts of a field source below its repetitions. */
static void take_row_part(const struct frame *frame, const struct row *row, struct located *l) {
  if (!row->source.segment)
    return;
  if (row->source.component)
    located_part(frame->run, l, row->source.component);
  if (row->source.subcomponent)
    located_part(frame->run, l, row->source.subcomponent);
}

static void copy_row(const struct frame *frame, const struct row *row, uint32_t index) {
  struct located rest, one;
  located_source(frame, &row->source, &rest);
  if (rest.place.segment == UINT32_MAX || !rest.raw.n)
    return;
  take_field(frame, &row->source, &rest);
  bool many = row->path.has_list, made = false;
  while (located_next(frame->run, &rest, &one)) {
    if (one.place.repetition > REPETITIONS_MAX) {
      run_note(frame->run, ERR_TOO_LONG, one.place, "further repetitions are left out");
      return;
    }
    take_row_part(frame, row, &one);
    if (er7_is_null(one.raw)) {
      add_nulled(frame, row);
      continue;
    }
    if (!located_is_valued(frame->run, &one))
      continue;
    if (made && !many) {
      run_note(frame->run, ERR_NOT_SUPPORTED, one.place, "only the first repetition is mapped");
      return;
    }
    made |= copy_one(frame, row, index, &one, made);
  }
}

static void block_row(const struct frame *frame, const struct row *row, uint32_t index) {
  struct target target = reach(frame, frame->node, &row->path, false);
  if (!target.node)
    return;
  uint64_t before = frame->run->values_n;
  struct frame below = *frame;
  below.node = target.node;
  below.depth++;
  run_rows(&below, index + 1, row->end);
  bool keeps = frame->run->values_n != before || !row->is_data || row->condition;
  if (!keeps || node_is_empty(target.node))
    give_up(&target);
}

static void set_row(const struct frame *frame, struct node *base, uint32_t index) {
  const struct row *row = row_at(frame, index);
  const struct expression *e = &frame->run->maps->expressions.p[row->expression];
  struct target target;
  if (e->op == EXPRESSION_REFERENCE) {
    struct resource *to = frame_resource(frame, e->name);
    target = to ? reach(frame, base, &row->path, false) : (struct target){0};
    if (target.node && !target.node->target)
      point_at(frame->run, target.node, to, PLACE_NONE, index);
    return;
  }
  struct text_value value = expression_text(frame, row->expression);
  if (str_is_empty(value.text) || (value.has_sources && !value.is_valued))
    return;
  target = reach(frame, base, &row->path, false);
  if (target.node &&
      !set_text(frame, target.node, row->path.primitive, value.text, value.place, index))
    give_up(&target);
}

void run_set(struct frame *frame, uint32_t row) {
  set_row(frame, frame->node, row);
}

static void make_row(const struct frame *frame, const struct row *row, uint32_t index) {
  struct located rest, one;
  located_source(frame, &row->source, &rest);
  if (rest.place.segment == UINT32_MAX || !rest.raw.n)
    return;
  take_field(frame, &row->source, &rest);
  while (located_next(frame->run, &rest, &one) && one.place.repetition <= REPETITIONS_MAX) {
    take_row_part(frame, row, &one);
    if (located_is_valued(frame->run, &one) && make_resource(frame, row, index, &one))
      note_components(frame, row, &one);
  }
}

static void include_row(const struct frame *frame, const struct row *row) {
  struct frame below = *frame;
  below.depth++;
  run_map(&below, row->map);
}

void run_rows(struct frame *frame, uint32_t first, uint32_t end) {
  if (frame->depth > DEPTH_MAX) {
    run_note(frame->run, ERR_TOO_LONG, frame->dot.place, "the maps call each other too deep");
    return;
  }
  for (uint32_t i = first; i < end; i = row_at(frame, i)->end) {
    const struct row *row = row_at(frame, i);
    bool takes = row->kind == ROW_COPY || row->kind == ROW_MAKE;
    if ((takes && source_is_absent(frame, &row->source)) ||
        (row->condition && !expression_holds(frame, row->condition)))
      continue;
    switch (row->kind) {
    case ROW_COPY:
      copy_row(frame, row, i);
      break;
    case ROW_BLOCK:
      block_row(frame, row, i);
      break;
    case ROW_SET:
      set_row(frame, frame->node, i);
      break;
    case ROW_MAKE:
      make_row(frame, row, i);
      break;
    case ROW_INCLUDE:
      include_row(frame, row);
      break;
    case ROW_WHEN:
      run_rows(frame, i + 1, row->end);
      break;
    default:
      break;
    }
  }
}

/* ---- maps ---- */

static void add_yielded(const struct frame *frame, const struct program_map *map) {
  const struct maps *maps = frame->run->maps;
  for (uint32_t y = map->first_yield; y; y = maps->yields.p[y].next) {
    if (!expression_holds(frame, maps->yields.p[y].condition))
      continue;
    struct str *item = VEC_PUSH(frame->run->arena, &frame->resource->yielded);
    if (item)
      *item = maps->yields.p[y].element;
  }
}

/* The first map with rules of identity gives them to the resource. */
static void note_identity(struct frame *frame, const struct program_map *map) {
  struct resource *resource = frame->resource;
  if (!resource || frame->node != resource->root)
    return;
  resource->is_transient |= map->is_transient;
  resource->is_snapshot |= map->is_snapshot;
  add_yielded(frame, map);
  if (!resource->map && (map->identifies || map->first_key)) {
    resource->map = map;
    resource->origin = *frame;
    resource->origin.parts = NULL; /* it outlives them */
  }
}

/* The map that a map chooses; NULL. */
static const struct program_map *chosen(const struct frame *frame, uint32_t index) {
  const struct maps *maps = frame->run->maps;
  const struct program_map *map = &maps->maps.p[index];
  for (unsigned hops = 0; map->first_choice && hops < DEPTH_MAX; hops++) {
    uint32_t choice = map->first_choice;
    while (choice && !expression_holds(frame, maps->choices.p[choice].condition))
      choice = maps->choices.p[choice].next;
    if (!choice)
      return NULL;
    map = &maps->maps.p[maps->choices.p[choice].map];
  }
  return map;
}

void run_map(struct frame *frame, uint32_t index) {
  struct parts parts;
  const struct parts *outer = frame->parts;
  if (!outer && frame->dot.place.field) {
    located_cut(frame->run, &frame->dot, &parts);
    frame->parts = &parts;
  }
  const struct program_map *map = chosen(frame, index);
  if (map) {
    note_identity(frame, map);
    frame->map = map;
    uint32_t segment = frame->dot.place.segment;
    if (map->segment && segment != UINT32_MAX && frame->run->codes[segment] == map->segment)
      for (size_t i = 0; i < 4; i++)
        frame->run->taken[segment].bits[i] |= map->condition_fields.bits[i];
    run_rows(frame, map->first_row, map->end_row);
  }
  frame->parts = outer;
}
