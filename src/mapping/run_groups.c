/*
 * Which group of the message's structure a segment belongs to.
 *
 * A reader of the standard's grammar, but a forgiving one: every segment and group may be missing.
 * From where the last segment stood it looks for the next one (1) at the same item, if that
 * repeats, (2) further on in the same repetition of the group, (3) from the start of a new
 * repetition, if the group repeats, (4) the same in the group around. What fits nowhere is put
 * where the structure names it first.
 */
#include "mapping/run.h"

enum { ITEM_DEPTH_MAX = 64, LATEST_MAX = 100 };

static const struct item *item_at(const struct run *run, uint32_t item) {
  return &run->maps->items.p[item];
}

static struct group *new_group(struct run *run, uint32_t item, struct group *parent,
                               uint32_t first_segment) {
  struct group *group = ARENA_NEW(run->arena, struct group);
  if (!group)
    return NULL;
  *group = (struct group){
      .item = item, .parent = parent, .first_segment = first_segment, .end_segment = first_segment};
  if (parent) {
    group->next = parent->children;
    parent->children = group;
  }
  return group;
}

/* The item for `segment` at `item` or in the groups below it; 0. */
static uint32_t find_below(const struct run *run, uint32_t item, uint32_t segment) {
  const struct item *it = item_at(run, item);
  if (it->segment)
    return it->segment == segment ? item : 0;
  for (uint32_t child = it->first_child; child; child = item_at(run, child)->next) {
    uint32_t found = find_below(run, child, segment);
    if (found)
      return found;
  }
  return 0;
}

/* The same among the children of `group_item` with an order in [from, to). */
static uint32_t find_among(const struct run *run, uint32_t group_item, uint32_t from, uint32_t to,
                           uint32_t segment) {
  for (uint32_t child = item_at(run, group_item)->first_child; child;
       child = item_at(run, child)->next) {
    const struct item *it = item_at(run, child);
    if (it->order < from || it->order >= to)
      continue;
    uint32_t found = find_below(run, child, segment);
    if (found)
      return found;
  }
  return 0;
}

static struct group *latest_child(const struct group *group, uint32_t item) {
  struct group *child = group->children;
  for (unsigned i = 0; child && child->item != item && i < LATEST_MAX; i++)
    child = child->next;
  return child && child->item == item ? child : NULL;
}

/* Opens the groups between `group` (an instance) and the item found; the innermost is returned. Or
 * goes down through those that are there already. */
static struct group *open_down_to(struct run *run, struct group *group, uint32_t item,
                                  uint32_t segment, bool reuses) {
  uint32_t chain[ITEM_DEPTH_MAX];
  size_t n = 0;
  for (uint32_t up = item_at(run, item)->parent; up && up != group->item && n < ITEM_DEPTH_MAX;
       up = item_at(run, up)->parent)
    chain[n++] = up;
  while (group && n) {
    struct group *there = reuses ? latest_child(group, chain[n - 1]) : NULL;
    group = there ? there : new_group(run, chain[n - 1], group, segment);
    n--;
  }
  return group;
}

struct position {
  struct group *group;
  uint32_t item; /* the last one in it */
};

/* The child of `group_item` on the way down to `item`. */
static uint32_t child_towards(const struct run *run, uint32_t group_item, uint32_t item) {
  while (item && item_at(run, item)->parent != group_item)
    item = item_at(run, item)->parent;
  return item;
}

/* Would the segment open a group by another one than that with which the group begins? */
static bool opens_amiss(const struct run *run, uint32_t group_item, uint32_t found,
                        uint32_t *ret_first) {
  uint32_t first = child_towards(run, group_item, found);
  while (first && !item_at(run, first)->segment)
    first = item_at(run, first)->first_child;
  *ret_first = first;
  return first && first != found;
}

/*
 * The item for a segment in the group `group_item`, after the item `last` in it; 0. A segment that
 * would open a group amiss, while the one after it (`after`) belongs between here and there or is
 * what that group begins with, is a stray one: going there would tear the rest apart. Unless the
 * next one goes on from there (PID, OBR without ORC, OBX).
 */
static uint32_t find_next(const struct run *run, uint32_t group_item, uint32_t last, uint32_t code,
                          uint32_t after, bool after_fits, bool *ret_is_stray) {
  uint32_t order = last ? item_at(run, last)->order : 0, first = 0;
  if (last && item_at(run, last)->segment == code && item_at(run, last)->repeats)
    return last;
  if (last && !item_at(run, last)->segment && item_at(run, last)->repeats) {
    uint32_t found = find_below(run, last, code); /* a new repetition of the group just left */
    if (found)
      return found;
  }
  uint32_t found = find_among(run, group_item, order + 1, UINT32_MAX, code);
  if (found && after && opens_amiss(run, group_item, found, &first)) {
    uint32_t there = item_at(run, child_towards(run, group_item, found))->order;
    const struct item *it = item_at(run, found);
    bool goes_on = find_among(run, it->parent, it->order + 1, UINT32_MAX, after);
    *ret_is_stray = !goes_on && (after_fits || item_at(run, first)->segment == after ||
                                 find_among(run, group_item, order + 1, there, after));
  }
  return found;
}

static bool place_next(struct run *run, struct position *at, uint32_t segment, uint32_t code) {
  uint32_t after = run->codes_after[segment];
  bool after_fits = false, is_stray = false;
  uint32_t item = at->item;
  for (struct group *group = at->group; group; item = group->item, group = group->parent) {
    uint32_t found = find_next(run, group->item, item, code, after, after_fits, &is_stray);
    if (is_stray)
      return false;
    if (found) {
      at->group = open_down_to(run, group, found, segment, false);
      at->item = found;
      return true;
    }
    uint32_t order = item ? item_at(run, item)->order : 0;
    after_fits |= after && find_among(run, group->item, order + 1, UINT32_MAX, after);
  }
  return false;
}

/* Where the structure names it first, in groups that are open or new. */
static bool place_anywhere(struct run *run, const struct position *at, uint32_t segment,
                           uint32_t code, struct position *ret_position) {
  uint32_t item = find_below(run, run->program->root, code);
  if (!item)
    return false;
  struct group *group = at->group;
  for (; group->parent; group = group->parent) {
    uint32_t up = item_at(run, item)->parent;
    while (up && up != group->item)
      up = item_at(run, up)->parent;
    if (up)
      break;
  }
  ret_position->group = open_down_to(run, group, item, segment, true);
  ret_position->item = item;
  return ret_position->group != NULL;
}

int groups_place(struct run *run, struct err *reterr) {
  size_t n = run->message->segments_n;
  run->groups = ARENA_ARRAY(run->arena, struct group *, n + 1);
  run->items = ARENA_ARRAY(run->arena, uint32_t, n + 1);
  run->codes = ARENA_ARRAY(run->arena, uint32_t, n + 1);
  run->codes_after = ARENA_ARRAY(run->arena, uint32_t, n + 1);
  run->taken = ARENA_ARRAY(run->arena, struct field_set, n + 1);
  struct position at = {.group = new_group(run, run->program->root, NULL, 0)};
  if (!run->groups || !run->items || !run->codes || !run->codes_after || !run->taken || !at.group)
    return err_no_memory(reterr);
  for (uint32_t i = 0; i < n; i++)
    run->codes[i] = segment_code(run->message->segments[i].name);
  for (size_t i = n; i-- > 1;)
    run->codes_after[i - 1] =
        run->codes[i] == run->codes[i - 1] ? run->codes_after[i] : run->codes[i];
  for (uint32_t i = 0; i < n; i++) {
    struct position here = at;
    if (place_next(run, &here, i, run->codes[i])) {
      at = here;
    } else if (place_anywhere(run, &at, i, run->codes[i], &here)) {
      run_note(run, ERR_STRUCTURE, (struct er7_place){.segment = i},
               "the segment stands out of its order");
    } else {
      continue;
    }
    if (!here.group)
      return err_no_memory(reterr);
    run->groups[i] = here.group;
    run->items[i] = here.item;
    for (struct group *group = here.group; group; group = group->parent)
      group->end_segment = i + 1;
  }
  return 0;
}

bool group_sees(const struct group *around, uint32_t from, const struct group *other) {
  const struct group *child = NULL;
  for (; other && other != around; other = other->parent)
    child = other;
  return other && (!child || !from || child->item != from);
}

/* The segment of this name that is seen in a group, itself before the groups in it; -1. Remembered,
 * for a group may be long and be asked by each of its segments. */
static ssize_t find_in(const struct run *run, struct group *group, uint32_t from, uint32_t code) {
  for (size_t i = 0; i < GROUP_MEMO; i++)
    if (group->memo[i].code == code && group->memo[i].from == from)
      return group->memo[i].segment;
  ssize_t found = -1;
  for (uint32_t i = group->first_segment; i < group->end_segment; i++) {
    if (run->codes[i] != code || !group_sees(group, from, run->groups[i]))
      continue;
    if (found < 0 || run->groups[i] == group)
      found = i;
    if (run->groups[i] == group)
      break;
  }
  group->memo[group->memo_next].code = code;
  group->memo[group->memo_next].from = from;
  group->memo[group->memo_next].segment = found;
  group->memo_next = (group->memo_next + 1) % GROUP_MEMO;
  return found;
}

ssize_t groups_nearest(const struct run *run, struct group *group, uint32_t from, uint32_t code) {
  if (from < run->message->segments_n && run->codes[from] == code)
    return from;
  uint32_t came_from = 0;
  for (struct group *around = group; around; around = around->parent) {
    ssize_t found = find_in(run, around, came_from, code);
    if (found >= 0)
      return found;
    came_from = around->item;
  }
  return -1;
}

void names_bind(struct run *run, struct group *group, uint32_t name, struct resource *resource) {
  uint32_t below = 0;
  run->bindings_n++;
  for (; group; below = group->item, group = group->parent) {
    struct binding *binding = group->bindings;
    while (binding && (binding->name != name || binding->below != below))
      binding = binding->next;
    if (!binding) {
      binding = ARENA_NEW(run->arena, struct binding);
      if (!binding)
        return;
      *binding = (struct binding){.name = name, .below = below, .next = group->bindings};
      group->bindings = binding;
    }
    binding->resource = resource;
    binding->sequence = run->bindings_n;
  }
}

struct resource *names_find(const struct group *group, uint32_t name,
                            const struct group **ret_around, uint32_t *ret_from) {
  uint32_t from = 0;
  for (; group; from = group->item, group = group->parent) {
    const struct binding *best = NULL;
    for (const struct binding *b = group->bindings; b; b = b->next) {
      if (b->name != name || (from && b->below == from))
        continue;
      bool is_own = b->below == 0, has_own = best && best->below == 0;
      if (!best || (is_own && !has_own) || (is_own == has_own && b->sequence > best->sequence))
        best = b;
    }
    if (!best)
      continue;
    if (ret_around)
      *ret_around = group;
    if (ret_from)
      *ret_from = from;
    return best->resource;
  }
  return NULL;
}
