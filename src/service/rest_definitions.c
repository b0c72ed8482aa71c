/* OperationDefinitions for all operations of the table: listed in the CapabilityStatement, and read
 * by their URL there. */
#include "service/rest_metadata.h"

#define DEFINITION_MAX_BYTES ((size_t)1 << 20)

/* What a row's path is about: "Patient" of "Patient/[id]/$everything", else "Resource". */
static struct str scope_of(const struct rest_operation *row) {
  struct str path = str_of(row->path), first;
  struct str rest = path;
  if (!str_split(&rest, '/', &first) || first.n == 0 || first.p[0] < 'A' || first.p[0] > 'Z')
    return STR("Resource");
  return first;
}

static bool is_operation(const struct rest_operation *row) {
  return row->operation[0] != '\0';
}

static bool is_same(const struct rest_operation *a, const struct rest_operation *b) {
  return strcmp(a->operation, b->operation) == 0 && str_equal(scope_of(a), scope_of(b));
}

static bool is_first(const struct rest_operation *rows, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (is_operation(&rows[k]) && is_same(&rows[k], &rows[i]))
      return false;
  return is_operation(&rows[i]);
}

enum level { LEVEL_SYSTEM = 1, LEVEL_TYPE = 2, LEVEL_INSTANCE = 4 };

static unsigned level_of(const struct rest_operation *row) {
  struct str path = str_of(row->path);
  /* In a compartment it is about what the compartment has of a type. */
  return str_starts_with(path, STR("[compartment]")) ? LEVEL_TYPE
         : str_find(path, STR("[id]")) >= 0          ? LEVEL_INSTANCE
         : path.n > 0 && path.p[0] == '$'            ? LEVEL_SYSTEM
                                                     : LEVEL_TYPE;
}

static unsigned levels_of(const struct rest_operation *rows, size_t n, size_t i) {
  unsigned levels = 0;
  for (size_t k = 0; k < n; k++)
    if (is_operation(&rows[k]) && is_same(&rows[k], &rows[i]))
      levels |= level_of(&rows[k]);
  return levels;
}

/* ---- The list ------------------------------------------------------------------------------- */

void rest_definitions_list(struct json_writer *w, struct arena *arena, struct str base_url,
                           defs_type_id type) {
  size_t n, written_n = 0;
  const struct rest_operation *rows = rest_operations(&n);
  for (size_t i = 0; i < n; i++) {
    struct str scope = scope_of(&rows[i]);
    if (!is_first(rows, i))
      continue;
    unsigned levels = levels_of(rows, n, i);
    bool is_here = type ? (str_is(scope, "Resource") || str_equal(scope, defs_type(type)->name)) &&
                              (levels & (LEVEL_TYPE | LEVEL_INSTANCE))
                        : levels & LEVEL_SYSTEM;
    if (!is_here)
      continue;
    if (written_n++ == 0) {
      json_key(w, STR("operation"));
      json_begin_array(w);
    }
    json_begin_object(w);
    json_member_string(w, STR("name"), str_of(rows[i].operation));
    json_member_string(w, STR("definition"),
                       arena_printf(arena, "%.*s/OperationDefinition/%.*s-%s", STR_ARG(base_url),
                                    STR_ARG(scope), rows[i].operation));
    json_member_string(w, STR("documentation"), str_of(rows[i].text));
    json_end_object(w);
  }
  if (written_n > 0)
    json_end_array(w);
}

/* ---- One definition ------------------------------------------------------------------------- */

/* Operations that the specification defines for this scope. */
static bool is_of_specification(struct str scope, const char *operation) {
  static const char *const known[] = {
      "Patient-everything",   "Encounter-everything", "Resource-graphql",
      "Resource-validate",    "Resource-meta",        "Resource-meta-add",
      "Resource-meta-delete", "ValueSet-expand",      "ValueSet-validate-code",
      "CodeSystem-lookup",    "CodeSystem-subsumes",  "CodeSystem-validate-code"};
  char id[80];
  snprintf(id, sizeof id, "%.*s-%s", STR_ARG(scope), operation);
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp(known[i], id) == 0)
      return true;
  return false;
}

/* "Everything", "MetaAdd": a name that programs can use. */
static struct str program_name(struct arena *arena, const char *operation) {
  struct buf name;
  bool is_start = true;
  buf_init_arena(&name, arena, 100);
  for (; *operation; operation++) {
    char c = *operation;
    if (c == '-') {
      is_start = true;
      continue;
    }
    buf_add_char(&name, is_start && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    is_start = false;
  }
  return buf_str(&name);
}

static void write_parameters(struct json_writer *w, struct str member,
                             const struct rest_parameter *parameter) {
  if (!parameter || !parameter->name)
    return;
  json_key(w, member);
  json_begin_array(w);
  for (; parameter->name; parameter++) {
    json_begin_object(w);
    json_member_string(w, STR("name"), str_of(parameter->name));
    json_member_string(w, STR("use"), parameter->is_out ? STR("out") : STR("in"));
    json_member_int(w, STR("min"), parameter->is_required);
    json_member_string(w, STR("max"), str_of(parameter->max ? parameter->max : "1"));
    json_member_string(w, STR("documentation"), str_of(parameter->text));
    if (parameter->type[0])
      json_member_string(w, STR("type"), str_of(parameter->type));
    write_parameters(w, STR("part"), parameter->parts);
    json_end_object(w);
  }
  json_end_array(w);
}

/* How it is called: the texts of all its rows. */
static struct str description(struct arena *arena, const struct rest_operation *rows, size_t n,
                              size_t i) {
  struct buf text;
  buf_init_arena(&text, arena, 4000);
  for (size_t k = 0; k < n; k++)
    if (is_operation(&rows[k]) && is_same(&rows[k], &rows[i]))
      buf_printf(&text, "%s%s %s: %s.", text.n > 0 ? " " : "", rows[k].method, rows[k].path,
                 rows[k].text);
  return buf_str(&text);
}

static void write_definition(struct json_writer *w, struct rest_call *call, struct str id,
                             const struct rest_operation *rows, size_t n, size_t i) {
  struct arena *arena = call->arena;
  struct str scope = scope_of(&rows[i]);
  unsigned levels = levels_of(rows, n, i);
  json_begin_object(w);
  json_member_string(w, STR("resourceType"), STR("OperationDefinition"));
  json_member_string(w, STR("id"), id);
  json_member_string(
      w, STR("url"),
      arena_printf(arena, "%.*s/OperationDefinition/%.*s", STR_ARG(call->base_url), STR_ARG(id)));
  json_member_string(w, STR("version"), STR(CALLOSUM_VERSION));
  json_member_string(w, STR("name"), program_name(arena, rows[i].operation));
  json_member_string(w, STR("status"), STR("active"));
  json_member_string(w, STR("kind"), STR("operation"));
  json_member_string(w, STR("description"), description(arena, rows, n, i));
  json_member_bool(w, STR("affectsState"), rows[i].affects_state);
  json_member_string(w, STR("code"), str_of(rows[i].operation));
  if (is_of_specification(scope, rows[i].operation))
    json_member_string(
        w, STR("base"),
        arena_printf(arena, "http://hl7.org/fhir/OperationDefinition/%.*s", STR_ARG(id)));
  if (levels & (LEVEL_TYPE | LEVEL_INSTANCE)) {
    json_key(w, STR("resource"));
    json_begin_array(w);
    json_string(w, scope);
    json_end_array(w);
  }
  json_member_bool(w, STR("system"), levels & LEVEL_SYSTEM);
  json_member_bool(w, STR("type"), levels & LEVEL_TYPE);
  json_member_bool(w, STR("instance"), levels & LEVEL_INSTANCE);
  write_parameters(w, STR("parameter"), rows[i].parameters);
  json_end_object(w);
}

bool rest_definition(struct rest_call *call, struct str id, struct str *ret_json) {
  size_t n;
  const struct rest_operation *rows = rest_operations(&n);
  for (size_t i = 0; i < n; i++) {
    if (!is_first(rows, i) ||
        !str_equal(id, arena_printf(call->arena, "%.*s-%s", STR_ARG(scope_of(&rows[i])),
                                    rows[i].operation)))
      continue;
    struct buf buf;
    buf_init_arena(&buf, call->arena, DEFINITION_MAX_BYTES);
    struct json_writer w = json_writer(&buf);
    write_definition(&w, call, id, rows, n, i);
    *ret_json = buf_str(&buf);
    return !buf_is_overflown(&buf);
  }
  return false;
}
