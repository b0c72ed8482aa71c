#include "service/rest_metadata.h"

#define SCRATCH_BYTES ((size_t)16 << 20)

/* ---- Does the parser take it? --------------------------------------------------------------- */

static bool takes(struct arena *scratch, defs_type_id type, struct str name, struct str value) {
  struct search_pair pair = {name, value};
  struct search_options options = {.base_url = STR("http://localhost/fhir")};
  const struct search *search;
  struct issues issues = {0};
  struct err err;
  return name.p && value.p &&
         search_parse(scratch, type, &pair, 1, &options, &search, &issues, &err) == 0 &&
         issues.list.n == 0;
}

static struct str target_name(const struct defs_param *param) {
  return param->targets_n > 0 ? defs_type(defs_target(param->first_target))->name : STR("Patient");
}

/* A value that every parameter of this kind understands. */
static struct str sample(struct arena *arena, const struct defs_param *param) {
  struct str value = STR_NULL;
  switch (param->type) {
  case SEARCH_NUMBER:
  case SEARCH_QUANTITY:
    return STR("1");
  case SEARCH_DATE:
    return STR("2020");
  case SEARCH_REFERENCE:
    return arena_printf(arena, "%.*s/1", STR_ARG(target_name(param)));
  case SEARCH_URI:
    return STR("http://example.org");
  case SEARCH_SPECIAL:
    return STR("42.25|-83.69|11|km");
  case SEARCH_COMPOSITE:
    for (size_t i = 0; i < param->components_n; i++) {
      const struct defs_component *part = defs_component(param->first_component + (uint32_t)i);
      struct str one = sample(arena, defs_param(part->param));
      value = value.p ? arena_printf(arena, "%.*s$%.*s", STR_ARG(value), STR_ARG(one)) : one;
    }
    return value;
  default:
    return STR("x");
  }
}

static struct str sample_of_modifier(struct arena *arena, const struct defs_param *param,
                                     const char *modifier) {
  static const struct {
    const char *modifier, *value;
  } samples[] = {
      {"missing", "true"},
      {"in", "http://hl7.org/fhir/ValueSet/administrative-gender"},
      {"not-in", "http://hl7.org/fhir/ValueSet/administrative-gender"},
      {"of-type", "http://example.org|x|1"},
      {"identifier", "http://example.org|1"},
      {"[type]", "1"},
  };
  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
    if (strcmp(samples[i].modifier, modifier) == 0)
      return str_of(samples[i].value);
  bool is_subsumption = strcmp(modifier, "above") == 0 || strcmp(modifier, "below") == 0;
  if (is_subsumption && param->type == SEARCH_TOKEN)
    return STR("http://terminology.hl7.org/CodeSystem/v3-ActCode|AMB");
  if (is_subsumption && param->type == SEARCH_REFERENCE)
    return STR("1");
  return sample(arena, param);
}

static bool takes_modifier(struct arena *scratch, defs_type_id type, const struct defs_param *param,
                           const char *modifier) {
  struct str written = strcmp(modifier, "[type]") == 0 ? target_name(param) : str_of(modifier);
  struct str name = arena_printf(scratch, "%.*s:%.*s", STR_ARG(param->code), STR_ARG(written));
  return takes(scratch, type, name, sample_of_modifier(scratch, param, modifier));
}

/* ---- Parameters ----------------------------------------------------------------------------- */

static const char *search_type_name(enum search_type type) {
  static const char *const names[] = {
      [SEARCH_NUMBER] = "number",       [SEARCH_DATE] = "date",
      [SEARCH_STRING] = "string",       [SEARCH_TOKEN] = "token",
      [SEARCH_REFERENCE] = "reference", [SEARCH_COMPOSITE] = "composite",
      [SEARCH_QUANTITY] = "quantity",   [SEARCH_URI] = "uri",
      [SEARCH_SPECIAL] = "special",
  };
  return names[type];
}

/* "Modifiers: missing, exact. Prefixes: eq, ne." */
static struct str documentation(struct arena *arena, struct arena *scratch, defs_type_id type,
                                const struct defs_param *param) {
  static const char *const prefixes[] = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"};
  struct buf text;
  size_t n = 0;
  buf_init_arena(&text, arena, 1000);
  for (const char *const *modifier = search_modifiers(param->type); *modifier; modifier++)
    if (takes_modifier(scratch, type, param, *modifier))
      buf_printf(&text, "%s%s", n++ ? ", " : "Modifiers: ", *modifier);
  if (n > 0)
    buf_add_char(&text, '.');
  bool has_order =
      param->type == SEARCH_NUMBER || param->type == SEARCH_DATE || param->type == SEARCH_QUANTITY;
  struct str value = sample(scratch, param);
  size_t prefixes_n = has_order ? sizeof prefixes / sizeof prefixes[0] : 0;
  for (size_t i = n = 0; i < prefixes_n; i++)
    if (takes(scratch, type, param->code,
              arena_printf(scratch, "%s%.*s", prefixes[i], STR_ARG(value))))
      buf_printf(&text, "%s%s", n++ ? ", " : text.n ? " Prefixes: " : "Prefixes: ", prefixes[i]);
  if (n > 0)
    buf_add_char(&text, '.');
  return buf_str(&text);
}

static void write_param(struct json_writer *w, struct arena *arena, struct arena *scratch,
                        defs_type_id type, const struct defs_param *param) {
  arena_reset(scratch);
  if (!takes(scratch, type, param->code, sample(scratch, param)))
    return;
  struct str text = documentation(arena, scratch, type, param);
  json_begin_object(w);
  json_member_string(w, STR("name"), param->code);
  if (param->url.n > 0)
    json_member_string(w, STR("definition"), param->url);
  json_member_string(w, STR("type"), str_of(search_type_name(param->type)));
  if (text.n > 0)
    json_member_string(w, STR("documentation"), text);
  json_end_object(w);
}

/* Parameters that the specification tells of in words, without a SearchParameter. */
static const struct {
  const char *name, *value, *text;
} spoken[] = {
    {"_filter", "_id eq 1", "An expression of parameters, and, or, not."},
    {"_list", "1", "What the list refers to."},
    {"_text", "x", "In the narrative."},
    {"_content", "x", "In all texts."},
};

static void write_spoken(struct json_writer *w, struct arena *scratch, defs_type_id type) {
  defs_type_id defined_on = type ? type : defs_type_by_name(STR("Resource"));
  for (size_t i = 0; i < sizeof spoken / sizeof spoken[0]; i++) {
    struct str name = str_of(spoken[i].name);
    arena_reset(scratch);
    if (defs_param_by_code(defined_on, name) ||
        !takes(scratch, type, name, str_of(spoken[i].value)))
      continue;
    json_begin_object(w);
    json_member_string(w, STR("name"), name);
    json_member_string(w, STR("type"), STR("special"));
    json_member_string(w, STR("documentation"), str_of(spoken[i].text));
    json_end_object(w);
  }
}

static void write_params(struct json_writer *w, struct arena *arena, struct arena *scratch,
                         defs_type_id asked, defs_type_id type) {
  size_t n;
  const defs_param_id *ids = defs_params_of(type, &n);
  json_key(w, STR("searchParam"));
  json_begin_array(w);
  for (size_t i = 0; i < n; i++)
    write_param(w, arena, scratch, asked, defs_param(ids[i]));
  write_spoken(w, scratch, asked);
  json_end_array(w);
}

/* ---- Includes ------------------------------------------------------------------------------- */

static void write_include(struct json_writer *w, struct arena *scratch, defs_type_id type,
                          const char *name, defs_type_id from, const struct defs_param *param) {
  arena_reset(scratch);
  struct str value =
      arena_printf(scratch, "%.*s:%.*s", STR_ARG(defs_type(from)->name), STR_ARG(param->code));
  if (takes(scratch, type, str_of(name), value))
    json_string(w, value);
}

static void write_includes(struct json_writer *w, struct arena *scratch, defs_type_id type) {
  size_t n;
  const defs_param_id *ids = defs_params_of(type, &n);
  json_key(w, STR("searchInclude"));
  json_begin_array(w);
  arena_reset(scratch);
  if (takes(scratch, type, STR("_include"), STR("*")))
    json_string(w, STR("*"));
  for (size_t i = 0; i < n; i++)
    if (defs_param(ids[i])->type == SEARCH_REFERENCE)
      write_include(w, scratch, type, "_include", type, defs_param(ids[i]));
  json_end_array(w);
}

static bool may_lead_to(const struct defs_param *param, defs_type_id type) {
  bool may = param->targets_n == 0;
  for (size_t i = 0; i < param->targets_n && !may; i++)
    may = defs_target(param->first_target + (uint32_t)i) == type;
  return may;
}

static void write_revincludes(struct json_writer *w, struct arena *scratch, defs_type_id type) {
  json_key(w, STR("searchRevInclude"));
  json_begin_array(w);
  for (size_t from = 1; from <= defs_types_count(); from++) {
    size_t n = 0;
    const defs_param_id *ids = defs_is_resource(defs_type((defs_type_id)from))
                                   ? defs_params_of((defs_type_id)from, &n)
                                   : NULL;
    for (size_t i = 0; i < n; i++) {
      const struct defs_param *param = defs_param(ids[i]);
      if (param->type == SEARCH_REFERENCE && may_lead_to(param, type))
        write_include(w, scratch, type, "_revinclude", (defs_type_id)from, param);
    }
  }
  json_end_array(w);
}

void rest_metadata_search(struct json_writer *w, struct arena *arena, defs_type_id type) {
  struct arena *scratch = arena_new(SCRATCH_BYTES);
  if (!scratch)
    return; /* what can't be tried is not claimed */
  write_includes(w, scratch, type);
  write_revincludes(w, scratch, type);
  write_params(w, arena, scratch, type, type);
  arena_free(scratch);
}

void rest_metadata_system_search(struct json_writer *w, struct arena *arena) {
  struct arena *scratch = arena_new(SCRATCH_BYTES);
  if (!scratch)
    return;
  write_params(w, arena, scratch, 0, defs_type_by_name(STR("Resource")));
  arena_free(scratch);
}
