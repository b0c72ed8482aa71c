#include "base/base64.h"
#include "base/clock.h"
#include "mapping/convert.h"
#include "mapping/run.h"

static const struct expression *at(const struct frame *frame, uint32_t expression) {
  return &frame->run->maps->expressions.p[expression];
}

struct resource *frame_resource(const struct frame *frame, uint32_t name) {
  if (name == NAME_THIS)
    return frame->resource;
  if (name == NAME_PARENT)
    return frame->parent;
  return names_find(frame->group, name, NULL, NULL);
}

/* A source in an expression means one text: the part of the first repetition. */
static void one_source(const struct frame *frame, const struct source *source, struct located *l) {
  located_source(frame, source, l);
  if (!source->segment || l->place.segment == UINT32_MAX)
    return;
  if (!l->place.repetition && (source->component || !l->raw.n)) {
    struct located rest = *l;
    if (!located_next(frame->run, &rest, l))
      return;
  }
  if (source->component)
    located_part(frame->run, l, source->component);
  if (source->subcomponent)
    located_part(frame->run, l, source->subcomponent);
}

static struct str source_text(const struct frame *frame, const struct source *source) {
  struct located l;
  one_source(frame, source, &l);
  return located_text(frame->run, &l);
}

static struct str now_text(struct run *run) {
  if (!run->now.p) {
    char text[CLOCK_INSTANT_BYTES];
    size_t n = clock_format_instant(run->options->now_us, text);
    run->now = arena_str(run->arena, str_n(text, n));
  }
  return run->now;
}

static struct text_value text_of(const struct located *l, struct str text) {
  return (struct text_value){
      .text = text, .place = l->place, .has_sources = true, .is_valued = !str_is_empty(text)};
}

/* A text that grows part by part. */
struct joining {
  struct buf buf;
  struct str separator;
  struct text_value all;
};

static void join_part(struct joining *joining, struct text_value part) {
  joining->all.has_sources |= part.has_sources;
  if (str_is_empty(part.text))
    return;
  if (joining->buf.n)
    buf_add(&joining->buf, joining->separator);
  buf_add(&joining->buf, part.text);
  joining->all.is_valued |= part.is_valued;
  if (joining->all.place.segment == UINT32_MAX)
    joining->all.place = part.place;
}

/* In join() a field stands for all its repetitions. */
static void join_repetitions(const struct frame *frame, struct joining *joining,
                             const struct source *source) {
  struct located rest, one;
  located_source(frame, source, &rest);
  joining->all.has_sources = true;
  take_field(frame, source, &rest);
  while (located_next(frame->run, &rest, &one)) {
    if (source->component)
      located_part(frame->run, &one, source->component);
    if (source->subcomponent)
      located_part(frame->run, &one, source->subcomponent);
    join_part(joining, text_of(&one, located_text(frame->run, &one)));
  }
}

static struct text_value joined(const struct frame *frame, const struct expression *e,
                                struct str separator) {
  struct joining joining = {.separator = separator, .all = {.place = PLACE_NONE}};
  buf_init_arena(&joining.buf, frame->run->arena, SIZE_MAX / 2);
  for (uint32_t child = e->child; child; child = at(frame, child)->next) {
    const struct expression *part = at(frame, child);
    if (e->op == EXPRESSION_JOIN && part->op == EXPRESSION_SOURCE && part->source.segment)
      join_repetitions(frame, &joining, &part->source);
    else
      join_part(&joining, expression_text(frame, child));
  }
  joining.all.text = buf_str(&joining.buf);
  return joining.all;
}

static struct text_value encoded(const struct frame *frame, const struct expression *e) {
  struct text_value value = expression_text(frame, e->child);
  struct buf buf;
  buf_init_arena(&buf, frame->run->arena, SIZE_MAX / 2);
  base64_write(&buf, value.text);
  value.text = buf_str(&buf);
  return value;
}

static struct text_value later(const struct frame *frame, const struct expression *e) {
  uint32_t amount = at(frame, e->child)->next, unit = at(frame, amount)->next;
  struct text_value time = expression_text(frame, e->child);
  struct text_value count = expression_text(frame, amount);
  time.text =
      convert_plus(frame->run->arena, time.text, count.text, expression_text(frame, unit).text);
  if (time.is_valued && count.is_valued && str_is_empty(time.text))
    run_note(frame->run, ERR_VALUE, count.place, "is no amount of time to add");
  time.is_valued = !str_is_empty(time.text);
  return time;
}

struct text_value expression_text(const struct frame *frame, uint32_t expression) {
  const struct expression *e = at(frame, expression);
  struct located l;
  switch (e->op) {
  case EXPRESSION_STRING:
    return (struct text_value){.text = e->text, .place = PLACE_NONE};
  case EXPRESSION_SOURCE:
    one_source(frame, &e->source, &l);
    located_leaf(frame->run, &l);
    take_field(frame, &e->source, &l);
    return text_of(&l, located_text(frame->run, &l));
  case EXPRESSION_WHOLE:
    one_source(frame, &e->source, &l);
    take_field(frame, &e->source, &l);
    return text_of(&l, er7_unescape(frame->run->arena, frame->run->message, l.raw));
  case EXPRESSION_CONCAT:
    return joined(frame, e, STR_NULL);
  case EXPRESSION_JOIN:
    return joined(frame, e, e->text);
  case EXPRESSION_PLUS:
    return later(frame, e);
  case EXPRESSION_BASE64:
    return encoded(frame, e);
  case EXPRESSION_NOW:
    return (struct text_value){.text = now_text(frame->run), .place = PLACE_NONE};
  default:
    return (struct text_value){.place = PLACE_NONE};
  }
}

/* Conditions look without taking: a field that only steers is no field that was mapped. */
static struct str peek(const struct frame *frame, uint32_t expression) {
  const struct expression *e = at(frame, expression);
  if (e->op == EXPRESSION_SOURCE)
    return source_text(frame, &e->source);
  return expression_text(frame, expression).text;
}

static bool compares(enum comparison compare, int order) {
  switch (compare) {
  case IS_EQUAL:
    return order == 0;
  case IS_NOT_EQUAL:
    return order != 0;
  case IS_LESS:
    return order < 0;
  case IS_LESS_OR_EQUAL:
    return order <= 0;
  case IS_GREATER:
    return order > 0;
  default:
    return order >= 0;
  }
}

static int order_of(int64_t a, int64_t b) {
  return a < b ? -1 : a > b;
}

static bool holds_compare(const struct frame *frame, const struct expression *e) {
  struct str left = peek(frame, e->child), right = peek(frame, at(frame, e->child)->next);
  double a, b;
  bool by_number = e->compare != IS_EQUAL && e->compare != IS_NOT_EQUAL;
  if (by_number && str_to_double(left, &a) && str_to_double(right, &b))
    return compares(e->compare, a < b ? -1 : a > b);
  return compares(e->compare, str_compare(left, right));
}

static bool holds_in(const struct frame *frame, const struct expression *e) {
  struct str left = peek(frame, e->child);
  for (uint32_t child = at(frame, e->child)->next; child; child = at(frame, child)->next)
    if (str_equal(left, peek(frame, child)))
      return true;
  return false;
}

static bool holds_valued(const struct frame *frame, const struct source *source) {
  if (source->segment && !source->field)
    return groups_nearest(frame->run, frame->group, frame->dot.place.segment, source->segment) >= 0;
  struct located l;
  located_source(frame, source, &l);
  if (!source->segment || !source->component)
    return located_is_valued(frame->run, &l);
  struct located rest = l, one;
  while (located_next(frame->run, &rest, &one)) {
    located_part(frame->run, &one, source->component);
    if (source->subcomponent)
      located_part(frame->run, &one, source->subcomponent);
    if (located_is_valued(frame->run, &one))
      return true;
  }
  return false;
}

static int64_t count_of(const struct frame *frame, const struct source *source) {
  struct located rest, one;
  located_source(frame, source, &rest);
  int64_t n = 0, last_valued = 0;
  while (located_next(frame->run, &rest, &one)) {
    n++;
    if (located_is_valued(frame->run, &one))
      last_valued = n;
  }
  return last_valued;
}

static bool holds_path(const struct frame *frame, const struct path *path) {
  const struct node *node = frame->node;
  for (uint32_t i = 0; node && i < path->steps_n; i++)
    node = node_find(node, &frame->run->maps->steps.p[path->first_step + i]);
  return node && !node_is_empty(node);
}

static bool holds_name(const struct frame *frame, uint32_t name) {
  const struct resource *resource = frame_resource(frame, name);
  return resource && !node_is_empty(resource->root);
}

bool expression_holds(const struct frame *frame, uint32_t condition) {
  if (!condition)
    return true;
  const struct expression *e = at(frame, condition);
  double ignored;
  switch (e->op) {
  case EXPRESSION_VALUED:
    return holds_valued(frame, &e->source);
  case EXPRESSION_COMPARE:
    return holds_compare(frame, e);
  case EXPRESSION_IN:
    return holds_in(frame, e);
  case EXPRESSION_IS_NUMBER:
    return str_to_double(str_trim(peek(frame, e->child)), &ignored);
  case EXPRESSION_STARTS:
    return str_starts_with(peek(frame, e->child), e->text);
  case EXPRESSION_LENGTH:
    return compares(e->compare, order_of((int64_t)source_text(frame, &e->source).n, e->number));
  case EXPRESSION_COUNT:
    return compares(e->compare, order_of(count_of(frame, &e->source), e->number));
  case EXPRESSION_MADE_NAME:
    return holds_name(frame, e->name);
  case EXPRESSION_MADE_PATH:
    return holds_path(frame, &e->path);
  case EXPRESSION_NOT:
    return !expression_holds(frame, e->child);
  case EXPRESSION_AND:
    for (uint32_t child = e->child; child; child = at(frame, child)->next)
      if (!expression_holds(frame, child))
        return false;
    return true;
  case EXPRESSION_OR:
    for (uint32_t child = e->child; child; child = at(frame, child)->next)
      if (expression_holds(frame, child))
        return true;
    return false;
  default:
    return false;
  }
}
