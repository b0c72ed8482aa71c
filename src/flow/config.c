#include "flow/config.h"

#include "base/file.h"
#include "base/nearest.h"
#include "store/db/db.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define FILES_MAX 256
#define LIMITS_MAX 64 /* more than there are */

enum kind { KIND_PATH, KIND_STORE, KIND_TEXT, KIND_NUMBER, KIND_ZONE };

/* One setting of a section. `offset` is that of its member in struct config, or in struct
 * config_listener for listeners. */
struct setting {
  const char *name;
  enum kind kind;
  size_t offset;
  uint64_t most;
  const char *text;
  bool is_mllp_only;
};

static const struct setting top_settings[] = {
    {"store", KIND_STORE, offsetof(struct config, store), 0,
     "the file that holds everything (callosum.db), or the URL of a PostgreSQL"},
    {"maps", KIND_PATH, offsetof(struct config, maps), 0,
     "a folder of map files; each replaces the built-in one of its name"},
    {"timeZone", KIND_ZONE, offsetof(struct config, time_zone_minutes), 0,
     "offset of v2 times that say none, such as \"+01:00\" (\"+00:00\")"},
    {"leaseSeconds", KIND_NUMBER, offsetof(struct config, lease_s), 3600,
     "after which the work of a process that gives no sign of life is another's (0: 30)"},
    {"threads", KIND_NUMBER, offsetof(struct config, threads), 64,
     "worker threads; 0: one per core"},
};

static const struct setting listener_settings[] = {
    {"name", KIND_TEXT, offsetof(struct config_listener, name), 0,
     "its name in the message log (mllp:PORT)", true},
    {"address", KIND_TEXT, offsetof(struct config_listener, address), 0,
     "the IP address to listen on (127.0.0.1)"},
    {"port", KIND_NUMBER, offsetof(struct config_listener, port), 65535,
     "the port; 0: any free one"},
    {"maxBytes", KIND_NUMBER, offsetof(struct config_listener, max_bytes), (uint64_t)1 << 32,
     "the largest body or frame that is taken"},
    {"maxConnections", KIND_NUMBER, offsetof(struct config_listener, max_connections), 100000,
     "connections at once"},
    {"idleTimeoutSeconds", KIND_NUMBER, offsetof(struct config_listener, idle_timeout_s), 86400 * 7,
     "an idle connection is closed after it"},
    {"frameTimeoutSeconds", KIND_NUMBER, offsetof(struct config_listener, frame_timeout_s), 86400,
     "from the first byte of a frame to its last", true},
};

#define TOP_N (sizeof top_settings / sizeof top_settings[0])
#define LISTENER_N (sizeof listener_settings / sizeof listener_settings[0])

void config_default(struct config *ret_config) {
  *ret_config = (struct config){
      .http = {.address = "127.0.0.1", .port = 8080},
      .mllp = {{.address = "127.0.0.1", .port = 2575}},
      .mllp_n = 1,
      .limits = limits_default,
  };
}

struct reader {
  struct arena *arena;
  const char *folder, *file;
  struct config *config;
  yaml_document_t *document;
  bool has_http, has_mllp;
  bool is_set[TOP_N];
  bool has_limit[LIMITS_MAX];
};

static int fault(const struct reader *r, const yaml_node_t *node, struct err *reterr,
                 struct str text) {
  char where[120];
  snprintf(where, sizeof where, "%s line %zu", r->file, node ? node->start_mark.line + 1 : 1);
  return err_set(reterr, ERR_VALUE, where, "%.*s", STR_ARG(text));
}

static struct str scalar(const yaml_node_t *node) {
  if (node->type != YAML_SCALAR_NODE)
    return STR_NULL;
  return str_n((const char *)node->data.scalar.value, node->data.scalar.length);
}

static int unknown_setting(const struct reader *r, const yaml_node_t *key,
                           const struct setting *settings, size_t n, const char *const *sections,
                           struct err *reterr) {
  struct str name = scalar(key);
  struct nearest nearest = nearest_to(name);
  for (size_t i = 0; i < n; i++)
    nearest_consider(&nearest, str_of(settings[i].name));
  for (; sections && *sections; sections++)
    nearest_consider(&nearest, str_of(*sections));
  return fault(r, key, reterr,
               arena_printf(r->arena, "There is no setting '%.*s' here%s%.*s%s", STR_ARG(name),
                            nearest.name.n ? "; did you mean '" : "", STR_ARG(nearest.name),
                            nearest.name.n ? "'?" : "."));
}

bool config_time_zone(struct str s, int64_t *ret_minutes) {
  uint64_t hours, minutes;
  if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' ||
      !str_to_u64(str_slice(s, 1, 2), &hours) || !str_to_u64(str_slice(s, 4, 2), &minutes) ||
      hours > 14 || minutes > 59)
    return false;
  *ret_minutes = (s.p[0] == '-' ? -1 : 1) * (int64_t)(hours * 60 + minutes);
  return true;
}

static bool is_url(const struct reader *r, struct str text) {
  struct str copy = arena_str(r->arena, text);
  return copy.p && db_is_url(copy.p);
}

static int set_value(const struct reader *r, void *base, const struct setting *setting,
                     const yaml_node_t *node, struct err *reterr) {
  void *member = (char *)base + setting->offset;
  struct str text = scalar(node);
  if (str_is_empty(text))
    return fault(r, node, reterr, arena_printf(r->arena, "'%s' wants a value.", setting->name));
  switch (setting->kind) {
  case KIND_NUMBER:
    if (!str_to_u64(text, member) || *(uint64_t *)member > setting->most)
      return fault(r, node, reterr,
                   arena_printf(r->arena, "'%s' wants a whole number from 0 to %llu.",
                                setting->name, (unsigned long long)setting->most));
    return 0;
  case KIND_ZONE:
    if (!config_time_zone(text, member))
      return fault(
          r, node, reterr,
          arena_printf(r->arena, "'%s' wants an offset such as \"+01:00\".", setting->name));
    return 0;
  case KIND_STORE:
  case KIND_PATH:
    text = text.p[0] == '/' || (setting->kind == KIND_STORE && is_url(r, text))
               ? arena_str(r->arena, text)
               : arena_printf(r->arena, "%s/%.*s", r->folder, STR_ARG(text));
    break;
  case KIND_TEXT:
    text = arena_str(r->arena, text);
    break;
  }
  if (!text.p)
    return err_no_memory(reterr);
  *(const char **)member = text.p;
  return 0;
}

static const struct setting *find_setting(const struct setting *settings, size_t n,
                                          struct str name) {
  for (size_t i = 0; i < n; i++)
    if (str_is(name, settings[i].name))
      return &settings[i];
  return NULL;
}

static int set_once(const struct reader *r, bool *is_set, const yaml_node_t *key,
                    const struct setting *setting, struct err *reterr) {
  if (*is_set)
    return fault(r, key, reterr, arena_printf(r->arena, "'%s' is set twice.", setting->name));
  *is_set = true;
  return 0;
}

static int read_listener(const struct reader *r, const yaml_node_t *node, bool is_mllp,
                         struct config_listener *listener, struct err *reterr) {
  bool is_set[LISTENER_N] = {false};
  if (node->type != YAML_MAPPING_NODE)
    return fault(r, node, reterr, STR("A listener is a mapping, with 'address' and 'port'."));
  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
       pair++) {
    yaml_node_t *key = yaml_document_get_node(r->document, pair->key),
                *value = yaml_document_get_node(r->document, pair->value);
    const struct setting *setting = find_setting(listener_settings, LISTENER_N, scalar(key));
    if (!setting)
      return unknown_setting(r, key, listener_settings, LISTENER_N, NULL, reterr);
    if (setting->is_mllp_only && !is_mllp)
      return fault(r, key, reterr,
                   arena_printf(r->arena, "'%s' is for MLLP listeners only.", setting->name));
    int code = set_once(r, &is_set[setting - listener_settings], key, setting, reterr);
    if (code == 0)
      code = set_value(r, listener, setting, value, reterr);
    if (code < 0)
      return code;
  }
  return 0;
}

static int read_mllp(struct reader *r, const yaml_node_t *node, struct err *reterr) {
  if (node->type != YAML_SEQUENCE_NODE)
    return fault(r, node, reterr, STR("'mllp' is a list of listeners: each begins with '- '."));
  if (!r->has_mllp)
    r->config->mllp_n = 0;
  r->has_mllp = true;
  for (yaml_node_item_t *item = node->data.sequence.items.start;
       item < node->data.sequence.items.top; item++) {
    if (r->config->mllp_n == CONFIG_MLLP_MAX)
      return fault(
          r, node, reterr,
          arena_printf(r->arena, "There are more than %d MLLP listeners.", CONFIG_MLLP_MAX));
    struct config_listener *listener = &r->config->mllp[r->config->mllp_n++];
    *listener = (struct config_listener){.address = "127.0.0.1", .port = 2575};
    int code = read_listener(r, yaml_document_get_node(r->document, *item), true, listener, reterr);
    if (code < 0)
      return code;
  }
  return 0;
}

/* ---- Limits --------------------------------------------------------------------------------- */

static int unknown_limit(const struct reader *r, const yaml_node_t *key, struct err *reterr) {
  size_t n;
  const struct limits_row *rows = limits_rows(&n);
  struct nearest nearest = nearest_to(scalar(key));
  for (size_t i = 0; i < n; i++)
    nearest_consider(&nearest, str_of(rows[i].name));
  return fault(r, key, reterr,
               arena_printf(r->arena, "There is no limit '%.*s'%s%.*s%s", STR_ARG(scalar(key)),
                            nearest.name.n ? "; did you mean '" : "", STR_ARG(nearest.name),
                            nearest.name.n ? "'?" : "."));
}

static int read_limit(struct reader *r, const yaml_node_t *key, const yaml_node_t *node,
                      struct err *reterr) {
  size_t n, i = 0;
  const struct limits_row *rows = limits_rows(&n);
  uint64_t value;
  while (i < n && !str_is(scalar(key), rows[i].name))
    i++;
  if (i == n || i >= LIMITS_MAX)
    return unknown_limit(r, key, reterr);
  if (r->has_limit[i])
    return fault(r, key, reterr, arena_printf(r->arena, "'%s' is set twice.", rows[i].name));
  r->has_limit[i] = true;
  if (!str_to_u64(scalar(node), &value) || value < rows[i].least || value > rows[i].most)
    return fault(r, node, reterr,
                 arena_printf(r->arena, "'%s' (%s) wants a whole number from %llu to %llu.",
                              rows[i].name, rows[i].text, (unsigned long long)rows[i].least,
                              (unsigned long long)rows[i].most));
  *(uint64_t *)(void *)((char *)&r->config->limits + rows[i].offset) = value;
  return 0;
}

static int read_limits(struct reader *r, const yaml_node_t *node, struct err *reterr) {
  if (node->type != YAML_MAPPING_NODE)
    return fault(r, node, reterr, STR("'limits' is a mapping of names to numbers."));
  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
       pair++) {
    int code = read_limit(r, yaml_document_get_node(r->document, pair->key),
                          yaml_document_get_node(r->document, pair->value), reterr);
    if (code < 0)
      return code;
  }
  return 0;
}

/* A default that is over its own maximum, where only the maximum was set, follows it. */
static void settle_pages(struct limits *limits) {
  if (limits->page_default > limits->page_max)
    limits->page_default = limits->page_max;
  if (limits->history_page_default > limits->history_page_max)
    limits->history_page_default = limits->history_page_max;
  if (limits->everything_page_default > limits->everything_page_max)
    limits->everything_page_default = limits->everything_page_max;
}

static int read_top(struct reader *r, const yaml_node_t *key, const yaml_node_t *value,
                    struct err *reterr) {
  static const char *const sections[] = {"http", "mllp", "limits", NULL};
  struct str name = scalar(key);
  if (str_is(name, "mllp"))
    return read_mllp(r, value, reterr);
  if (str_is(name, "limits"))
    return read_limits(r, value, reterr);
  if (str_is(name, "http")) {
    if (r->has_http)
      return fault(r, key, reterr, STR("'http' is set twice."));
    r->has_http = true;
    return read_listener(r, value, false, &r->config->http, reterr);
  }
  const struct setting *setting = find_setting(top_settings, TOP_N, name);
  if (!setting)
    return unknown_setting(r, key, top_settings, TOP_N, sections, reterr);
  int code = set_once(r, &r->is_set[setting - top_settings], key, setting, reterr);
  return code ? code : set_value(r, r->config, setting, value, reterr);
}

static int read_document(struct reader *r, struct err *reterr) {
  const yaml_node_t *root = yaml_document_get_root_node(r->document);
  if (!root)
    return 0; /* an empty file */
  if (root->type != YAML_MAPPING_NODE)
    return fault(r, root, reterr, STR("The file is not a mapping of settings."));
  for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top;
       pair++) {
    int code = read_top(r, yaml_document_get_node(r->document, pair->key),
                        yaml_document_get_node(r->document, pair->value), reterr);
    if (code < 0)
      return code;
  }
  return 0;
}

static int read_file(struct reader *r, struct err *reterr) {
  struct str path = arena_printf(r->arena, "%s/%s", r->folder, r->file);
  struct buf buf;
  buf_init_arena(&buf, r->arena, FILE_MAX_BYTES);
  int code = path.p ? file_read(path.p, &buf, reterr) : err_no_memory(reterr);
  if (code < 0)
    return code;
  yaml_parser_t parser;
  yaml_document_t document;
  if (!yaml_parser_initialize(&parser))
    return err_no_memory(reterr);
  const char *bytes = buf.n > 0 ? buf.p : ""; /* libyaml ends the program for NULL */
  yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, buf.n);
  if (yaml_parser_load(&parser, &document)) {
    r->document = &document;
    code = read_document(r, reterr);
    r->document = NULL;
    yaml_document_delete(&document);
  } else {
    char where[120];
    snprintf(where, sizeof where, "%s line %zu", r->file, parser.problem_mark.line + 1);
    code = err_set(reterr, ERR_STRUCTURE, where, "This is not YAML: %s.",
                   parser.problem ? parser.problem : "unknown fault");
  }
  yaml_parser_delete(&parser);
  return code;
}

static int is_yaml(const struct dirent *entry) {
  struct str name = str_of(entry->d_name);
  return str_ends_with(name, STR(".yaml")) || str_ends_with(name, STR(".yml"));
}

int config_read(struct arena *arena, const char *folder, struct config *ret_config,
                struct err *reterr) {
  struct config config;
  config_default(&config);
  struct dirent **entries = NULL;
  int n = scandir(folder, &entries, is_yaml, alphasort);
  if (n < 0)
    return err_set(reterr, ERR_IO, folder, "The folder can't be read: %s.", strerror(errno));
  struct reader r = {.arena = arena, .folder = folder, .config = &config};
  int code = 0;
  for (int i = 0; i < n; i++) {
    r.file = arena_str(arena, str_of(entries[i]->d_name)).p;
    if (code == 0 && i < FILES_MAX)
      code = r.file ? read_file(&r, reterr) : err_no_memory(reterr);
    free(entries[i]);
  }
  free(entries);
  settle_pages(&config.limits);
  if (code == 0)
    *ret_config = config;
  return code;
}

static struct config_setting describe(const struct setting *setting, const char *section) {
  static const char *const kinds[] = {[KIND_PATH] = "path",
                                      [KIND_STORE] = "path",
                                      [KIND_TEXT] = "text",
                                      [KIND_NUMBER] = "number",
                                      [KIND_ZONE] = "offset"};
  return (struct config_setting){section, setting->name, kinds[setting->kind], setting->text};
}

struct config_setting *config_settings(struct arena *arena, size_t *ret_n) {
  size_t n = 0, limits_n;
  const struct limits_row *limits = limits_rows(&limits_n);
  struct config_setting *all = arena_calloc(arena, TOP_N + 2 * LISTENER_N + limits_n, sizeof *all);
  for (size_t i = 0; all && i < TOP_N; i++)
    all[n++] = describe(&top_settings[i], "");
  for (size_t i = 0; all && i < LISTENER_N; i++)
    if (!listener_settings[i].is_mllp_only)
      all[n++] = describe(&listener_settings[i], "http.");
  for (size_t i = 0; all && i < LISTENER_N; i++)
    all[n++] = describe(&listener_settings[i], "mllp.");
  for (size_t i = 0; all && i < limits_n; i++)
    all[n++] = (struct config_setting){
        "limits.", limits[i].name, "number",
        arena_printf(arena, "%s (%llu)", limits[i].text, (unsigned long long)limits[i].standard).p};
  *ret_n = n;
  return all;
}
