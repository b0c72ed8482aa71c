/*
 * Who a resource is: by its identifiers, else by the key that its map names, else by its content.
 * Resources of one run with the same identity become one.
 */
#include "base/id.h"
#include "mapping/run.h"

enum { IDENTITY_BYTES_MAX = 4096 };
#define PART_SEPARATOR '\x1f'

static struct str type_name(const struct resource *resource) {
  return defs_type(resource->root->type)->name;
}

static void begin(struct run *run, struct resource *resource, struct buf *buf, bool of_sender) {
  buf_init_arena(buf, run->arena, IDENTITY_BYTES_MAX);
  buf_add(buf, type_name(resource));
  buf_add_char(buf, PART_SEPARATOR);
  if (of_sender)
    buf_add(buf, run->options->source);
}

static struct str identifier_identity(struct run *run, struct resource *resource,
                                      const struct mapping_identifier *identifier) {
  struct buf buf;
  begin(run, resource, &buf, str_is_empty(identifier->system));
  buf_add_char(&buf, PART_SEPARATOR);
  buf_add(&buf, identifier->system);
  buf_add_char(&buf, PART_SEPARATOR);
  buf_add(&buf, identifier->value);
  return buf_str(&buf);
}

static const struct node *first_child(const struct node *node, struct str name) {
  const struct defs_property *property = defs_property(node->type, name);
  const struct member *member = property ? node_member(node, property) : NULL;
  return member ? member->first : NULL;
}

/* Is it of a type that identifies nobody, for it is typed wrong too often (`except`)? */
static bool is_excepted(const struct resource *resource, const struct node *identifier) {
  const struct maps *maps = resource->origin.run->maps;
  const struct node *type = first_child(identifier, STR("type"));
  for (const struct node *n = type ? first_child(type, STR("coding")) : NULL; n; n = n->next)
    for (uint32_t e = resource->map->identify_except; e; e = maps->expressions.p[e].next)
      if (str_equal(node_child_text(n, "code"), maps->expressions.p[e].text))
        return true;
  return false;
}

/* The identifiers of a resource. Those without a system come back through `ret_local`, the first
 * only. */
static void read_identifiers(struct run *run, struct resource *resource,
                             struct mapping_identifier *ret_local) {
  const struct defs_property *property = defs_property(resource->root->type, STR("identifier"));
  const struct member *member = property ? node_member(resource->root, property) : NULL;
  VEC(struct mapping_identifier) list = {0};
  for (const struct node *n = member ? member->first : NULL; n; n = n->next) {
    struct mapping_identifier one = {.system = node_child_text(n, "system"),
                                     .value = node_child_text(n, "value")};
    if (str_is_empty(one.value) || is_excepted(resource, n))
      continue;
    if (str_is_empty(one.system)) {
      if (str_is_empty(ret_local->value))
        *ret_local = one;
      continue;
    }
    struct mapping_identifier *item = VEC_PUSH(run->arena, &list);
    if (item)
      *item = one;
  }
  resource->identifiers = list.p;
  resource->identifiers_n = list.n;
}

/* The text of one part of a key; empty when it is missing. */
static struct str part_text(struct run *run, const struct frame *frame, uint32_t expression) {
  const struct expression *e = &run->maps->expressions.p[expression];
  if (e->op != EXPRESSION_REFERENCE)
    return str_trim(expression_text(frame, expression).text);
  struct resource *other = frame_resource(frame, e->name);
  return other ? identity_of(run, other) : STR_NULL;
}

/* The first key whose parts are all there, of those for the first or for further resources. */
static bool key_identity(struct run *run, struct resource *resource, bool is_further,
                         struct str *ret_identity) {
  const struct maps *maps = run->maps;
  for (uint32_t k = resource->map->first_key; k; k = maps->keys.p[k].next) {
    const struct key *key = &maps->keys.p[k];
    bool is_whole = key->is_further == is_further, has_content = false;
    struct buf buf;
    begin(run, resource, &buf, !key->is_shared);
    for (uint32_t i = 0; is_whole && i < key->parts_n; i++) {
      const struct key_part *part = &maps->key_parts.p[key->first_part + i];
      struct str text = part_text(run, &resource->origin, part->expression);
      bool is_constant = maps->expressions.p[part->expression].op == EXPRESSION_STRING;
      is_whole = part->is_optional || !str_is_empty(text);
      has_content |= !is_constant && !str_is_empty(text);
      buf_add_char(&buf, PART_SEPARATOR);
      buf_add(&buf, text);
    }
    if (is_whole && has_content && !buf_is_overflown(&buf)) {
      *ret_identity = buf_str(&buf);
      return true;
    }
  }
  return false;
}

static struct str content_identity(struct run *run, struct resource *resource) {
  struct buf content;
  buf_init_arena(&content, run->arena, SIZE_MAX / 2);
  struct json_builder json = json_builder(run->arena);
  struct emit emit = {.run = run, .json = &json, .url_of = identity_of};
  const struct yyjson_val *root;
  if (emit_resource(&emit, resource->root, &root, NULL) == 0) /* else the result will fail, too */
    json_write(&content, root);
  char uuid[ID_UUID_BYTES];
  struct str text = buf_str(&content);
  id_uuid_of(&text, 1, uuid);
  struct buf buf;
  begin(run, resource, &buf, true);
  buf_add_z(&buf, "content");
  buf_add(&buf, str_of(uuid));
  return buf_str(&buf);
}

struct str identity_of(struct run *run, struct resource *resource) {
  while (resource->same_as)
    resource = resource->same_as;
  if (resource->identity_state == IDENTITY_KNOWN)
    return resource->identity;
  if (resource->identity_state == IDENTITY_IN_WORK)
    return type_name(resource); /* they point at each other */
  resource->identity_state = IDENTITY_IN_WORK;
  struct mapping_identifier local = {0};
  const struct program_map *map = resource->map;
  if (map && map->identifies && expression_holds(&resource->origin, map->identify_condition))
    read_identifiers(run, resource, &local);
  if (resource->identifiers_n)
    resource->identity = identifier_identity(run, resource, &resource->identifiers[0]);
  else if (map && key_identity(run, resource, false, &resource->identity))
    resource->is_known_by_key = true;
  else if (local.value.n)
    resource->identity = identifier_identity(run, resource, &local);
  else
    resource->identity = content_identity(run, resource);
  resource->identity_state = IDENTITY_KNOWN;
  return resource->identity;
}

/* Identities are known before resources become one. Resources with a name in the message map may
 * still be numbered apart. */
bool resource_is_same(const struct resource *a, const struct resource *b) {
  while (a && a->same_as)
    a = a->same_as;
  while (b && b->same_as)
    b = b->same_as;
  if (a == b || !a || !b)
    return a == b;
  return !a->name && !b->name && !str_is_empty(a->identity) && str_equal(a->identity, b->identity);
}

/* Two segments of one message with the same key are two things: the second is known by a key for
 * further ones, else by key and number. */
static struct str identity_of_further(struct run *run, const struct map *known,
                                      struct resource *resource, struct resource *first) {
  struct str identity;
  if (key_identity(run, resource, true, &identity) && !map_get(known, identity))
    return identity;
  first->namesakes_n++;
  return arena_printf(run->arena, "%.*s%c#%u", STR_ARG(first->identity), PART_SEPARATOR,
                      first->namesakes_n + 1);
}

/* By which it is known: its identity is that of its first identifier, where it has one. */
static struct str known_by(struct run *run, struct resource *resource, size_t identifier) {
  return identifier ? identifier_identity(run, resource, &resource->identifiers[identifier])
                    : resource->identity;
}

static struct resource *same_known(struct run *run, const struct map *known,
                                   struct resource *resource) {
  for (size_t i = 0; i < resource->identifiers_n; i++) {
    struct resource *same = map_get(known, known_by(run, resource, i));
    if (same)
      return same;
  }
  return resource->identifiers_n ? NULL : map_get(known, resource->identity);
}

static void become_one(struct run *run, struct resource *into, struct resource *from) {
  from->same_as = into;
  into->is_transient &= from->is_transient;
  if (!node_merge(into->root, from->root))
    run_note(run, ERR_CONFLICT, from->origin.run ? from->origin.dot.place : PLACE_NONE,
             "says something else of the same %.*s; the first is kept", STR_ARG(type_name(from)));
  for (size_t i = 0; i < from->nulled.n; i++) {
    struct str *item = VEC_PUSH(run->arena, &into->nulled);
    if (item)
      *item = from->nulled.p[i];
  }
}

static int remember(struct run *run, struct map *known, struct resource *resource,
                    struct resource *as, struct err *reterr) {
  if (!resource->identifiers_n && !map_get(known, resource->identity) &&
      map_set(known, resource->identity, as) < 0)
    return err_no_memory(reterr);
  for (size_t i = 0; i < resource->identifiers_n; i++) {
    struct str key = known_by(run, resource, i);
    if (!map_get(known, key) && map_set(known, key, as) < 0)
      return err_no_memory(reterr);
  }
  return 0;
}

static struct str urn_of(struct run *run, const char *uuid) {
  struct buf buf;
  buf_init_arena(&buf, run->arena, sizeof "urn:uuid:" + ID_UUID_BYTES);
  buf_add_z(&buf, "urn:uuid:");
  buf_add_z(&buf, uuid);
  return buf_str(&buf);
}

int run_resolve_identity(struct run *run, struct err *reterr) {
  struct map known;
  map_init(&known, run->arena);
  for (size_t i = 0; i < run->resources.n; i++)
    identity_of(run, run->resources.p[i]);
  int result = 0;
  for (size_t i = 0; !result && i < run->resources.n; i++) {
    struct resource *resource = run->resources.p[i], *same = same_known(run, &known, resource);
    if (same && resource->name && resource->is_known_by_key && same->is_known_by_key) {
      resource->identity = identity_of_further(run, &known, resource, same);
      same = NULL;
    }
    if (same)
      become_one(run, same, resource);
    result = remember(run, &known, resource, same ? same : resource, reterr);
  }
  for (size_t i = 0; !result && i < run->resources.n; i++) {
    struct resource *resource = run->resources.p[i];
    if (resource->same_as)
      continue;
    if (resource->map && resource->map->identifies) { /* merging may have brought more */
      struct mapping_identifier ignored = {0};
      if (resource->identifiers_n)
        read_identifiers(run, resource, &ignored);
    }
    char uuid[ID_UUID_BYTES];
    id_uuid_of(&resource->identity, 1, uuid);
    resource->full_url = urn_of(run, uuid);
  }
  return result;
}
