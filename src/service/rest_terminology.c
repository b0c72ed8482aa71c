/*
 * ValueSet/$expand, ValueSet/$validate-code, CodeSystem/$lookup, CodeSystem/$validate-code,
 * CodeSystem/$subsumes.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/terminology-service.html and the operations of
 * valueset.html and codesystem.html. What is not known (a code system that is not loaded) is an
 * error that names it, never "false".
 */
#include "service/rest_parameters.h"
#include "service/rest_write.h"

#include "base/clock.h"
#include "base/id.h"
#include "model/search_values.h"
#include "store/read/terminology.h"

#include <stdlib.h>

/* Codes in one answer; more are asked for in pages. */
enum { EXPANSION_MAX = 10000 };
#define ANSWER_MAX_BYTES ((size_t)64 << 20)

/* ---- What is asked --------------------------------------------------------------------------- */

/* A call in work: its parameters, of the URL and of a Parameters body. */
struct question {
  struct rest_call *call;
  const struct yyjson_val *parameters; /* Parameters.parameter; NULL: none */
  struct store_view *view;
  struct terminology *terminology;
};

static const struct yyjson_val *node_of(const struct question *q, const char *name) {
  const struct yyjson_val *value = rest_parameter_value(rest_parameter_find(q->parameters, name));
  return json_kind(value) == JSON_OBJECT ? value : NULL;
}

static struct str text_of(const struct question *q, const char *name) {
  for (size_t i = 0; i < q->call->pairs_n; i++)
    if (str_is(q->call->pairs[i].name, name))
      return q->call->pairs[i].value;
  return rest_parameter_text(rest_parameter_find(q->parameters, name));
}

static int check_names(const struct question *q, const char *what, const char *const *known,
                       struct err *reterr) {
  int code = rest_check_parameters(q->call, what, known, reterr);
  struct json_each each = json_each(q->parameters);
  while (code == 0 && !q->call->is_lenient && json_next(&each)) {
    struct str name = json_get_text(each.value, STR("name"));
    bool is_known = false;
    for (size_t i = 0; known[i] && !is_known; i++)
      is_known = str_is(name, known[i]);
    if (!is_known)
      code = rest_unknown_parameter(name, what, known, reterr);
  }
  return code;
}

static int ask(struct question *q, struct rest_call *call, const char *what,
               const char *const *known, struct err *reterr) {
  *q = (struct question){.call = call};
  int code = 0;
  if (call->is_entry ? call->resource != NULL : call->body.n > 0)
    code = rest_parameters_read(call, &q->parameters, reterr);
  if (code == 0)
    code = check_names(q, what, known, reterr);
  if (code == 0)
    code = store_view_open(call->service->options.store, &q->view, reterr);
  if (code == 0)
    code = store_terminology_open(q->view, call->arena, &q->terminology, reterr);
  return code;
}

static void end(struct question *q, int code, const struct err *err) {
  terminology_close(q->terminology);
  if (q->view)
    store_view_close(q->view);
  if (code)
    rest_fail(q->call, err);
  else
    rest_finish(q->call);
}

/* "url|version" of what the call is about: the instance, or parameters. */
static struct str canonical_of(const struct question *q, struct str url, struct str version) {
  if (q->call->id.n > 0)
    return arena_printf(q->call->arena, "%.*s/%.*s", STR_ARG(defs_type(q->call->type)->name),
                        STR_ARG(q->call->id));
  if (version.n == 0 || str_find_char(url, '|', 0) >= 0)
    return url;
  return arena_printf(q->call->arena, "%.*s|%.*s", STR_ARG(url), STR_ARG(version));
}

static int load_set(const struct question *q, const struct terminology_value_set **ret_set,
                    struct err *reterr) {
  const struct yyjson_val *resource = node_of(q, "valueSet");
  if (resource)
    return terminology_value_set_of(q->terminology, q->call->arena, resource, ret_set, reterr);
  struct str canonical = canonical_of(q, text_of(q, "url"), text_of(q, "valueSetVersion"));
  if (canonical.n > 0)
    return terminology_value_set(q->terminology, canonical, ret_set, reterr);
  err_set(reterr, ERR_REQUIRED, "", "Name a value set by url, or send it as valueSet.");
  return ERR_REQUIRED;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static struct json_writer begin_answer(struct question *q, struct buf *buf, const char *type) {
  buf_init_arena(buf, q->call->arena, ANSWER_MAX_BYTES);
  struct json_writer w = json_writer(buf);
  json_begin_object(&w);
  json_member_string(&w, STR("resourceType"), str_of(type));
  return w;
}

static int end_answer(struct question *q, struct json_writer *w, struct err *reterr) {
  json_end_object(w);
  q->call->answer.status = 200;
  q->call->answer.body = buf_str(w->buf);
  return buf_is_overflown(w->buf) ? err_no_memory(reterr) : 0;
}

/* {"name": NAME, "valueTYPE": TEXT}; nothing where the text is empty. */
static void write_value(struct json_writer *w, const char *name, const char *member,
                        struct str text) {
  if (text.n > 0)
    rest_parameter_write(w, name, member, text);
}

static void write_text_member(struct json_writer *w, const char *name, struct str text) {
  if (text.n > 0)
    json_member_string(w, str_of(name), text);
}

/* ---- $expand --------------------------------------------------------------------------------- */

static int by_order(const void *a, const void *b) {
  const struct terminology_member *x = *(const struct terminology_member *const *)a;
  const struct terminology_member *y = *(const struct terminology_member *const *)b;
  return (x->order > y->order) - (x->order < y->order);
}

static struct str display_of(const struct question *q, struct str system, struct str code) {
  struct terminology_concept concept;
  if (terminology_lookup(q->terminology, system, code, q->call->arena, &concept, NULL) != 0)
    return STR("");
  return concept.display;
}

/* Which members the filter lets pass: each of its words begins a word of the display, or is in the
 * code. In the order of the definition. */
struct listed {
  const struct terminology_member **p;
  size_t n;
};

static bool word_fits(struct str words, struct str wanted) {
  struct str word;
  while (str_split(&words, ' ', &word))
    if (str_starts_with(word, wanted))
      return true;
  return false;
}

static bool filter_fits(struct arena *arena, struct str filter, struct str code,
                        struct str display) {
  struct str words = search_normal_string(arena, display);
  struct str folded_code = search_normal_string(arena, code), wanted;
  while (str_split(&filter, ' ', &wanted))
    if (!word_fits(words, wanted) && str_find(folded_code, wanted) < 0)
      return false;
  return true;
}

static int list_members(struct question *q, const struct terminology_value_set *set,
                        struct listed *listed, struct err *reterr) {
  struct arena *arena = q->call->arena;
  struct str filter = search_normal_string(arena, text_of(q, "filter"));
  listed->p = ARENA_ARRAY(arena, const struct terminology_member *, set->members_n + 1);
  if (!listed->p)
    return err_no_memory(reterr);
  for (size_t i = 0; i < set->members_n; i++) {
    const struct terminology_member *m = &set->members[i];
    struct str display = m->display;
    if (filter.n > 0 && display.n == 0)
      display = display_of(q, m->system, m->code);
    if (filter.n == 0 || filter_fits(arena, filter, m->code, display))
      listed->p[listed->n++] = m;
  }
  if (listed->n > 1)
    qsort(listed->p, listed->n, sizeof *listed->p, /* NOLINT(bugprone-sizeof-expression) */
          by_order);
  return arena_is_exhausted(arena) ? err_no_memory(reterr) : 0;
}

/* What is not known of a set can't be expanded. */
static int check_expandable(const struct terminology_value_set *set, struct err *reterr) {
  struct str why = set->uncertain_why;
  for (size_t i = 0; i < set->opens_n; i++)
    if (set->opens[i].extent != TERMINOLOGY_FRAGMENT)
      why = set->opens[i].why;
  if (why.n == 0)
    return 0;
  return err_set(reterr, ERR_NOT_SUPPORTED, "", "The value set can't be expanded. %.*s",
                 STR_ARG(why));
}

static int read_number(const struct question *q, const char *name, uint64_t fallback,
                       uint64_t *ret_number, struct err *reterr) {
  struct str text = text_of(q, name);
  *ret_number = fallback;
  if (text.n == 0 || (str_to_u64(text, ret_number) && *ret_number <= INT32_MAX))
    return 0;
  return err_set(reterr, ERR_VALUE, name, "Expected a number, 0 or more.");
}

static void write_members(struct question *q, struct json_writer *w, const struct listed *listed,
                          uint64_t offset, uint64_t count) {
  if (count == 0 || offset >= listed->n)
    return;
  json_key(w, STR("contains"));
  json_begin_array(w);
  for (uint64_t i = offset; i < listed->n && i - offset < count; i++) {
    const struct terminology_member *m = listed->p[i];
    struct str display = m->display.n > 0 ? m->display : display_of(q, m->system, m->code);
    json_begin_object(w);
    write_text_member(w, "system", m->system);
    if (m->is_abstract)
      json_member_bool(w, STR("abstract"), true);
    json_member_string(w, STR("code"), m->code);
    write_text_member(w, "display", display);
    json_end_object(w);
  }
  json_end_array(w);
}

/* What the expansion was made with, and which systems are only fragments. */
static void write_made_with(const struct question *q, const struct terminology_value_set *set,
                            struct json_writer *w) {
  if (text_of(q, "filter").n == 0 && set->opens_n == 0)
    return;
  json_key(w, STR("parameter"));
  json_begin_array(w);
  write_value(w, "filter", "valueString", text_of(q, "filter"));
  for (size_t i = 0; i < set->opens_n; i++)
    write_value(w, "fragment", "valueUri", set->opens[i].system);
  json_end_array(w);
}

static int write_expansion(struct question *q, const struct terminology_value_set *set,
                           const struct listed *listed, uint64_t offset, uint64_t count,
                           struct err *reterr) {
  struct buf buf;
  struct json_writer w = begin_answer(q, &buf, "ValueSet");
  char uuid[ID_UUID_BYTES], now[CLOCK_INSTANT_BYTES];
  id_uuid_random(uuid);
  clock_format_instant(clock_now_us(), now);
  write_text_member(&w, "url", set->url);
  write_text_member(&w, "version", set->version);
  write_text_member(&w, "name", set->name);
  write_text_member(&w, "title", set->title);
  json_member_string(&w, STR("status"), STR("active"));
  json_key(&w, STR("expansion"));
  json_begin_object(&w);
  json_member_string(&w, STR("identifier"), arena_printf(q->call->arena, "urn:uuid:%s", uuid));
  json_member_string(&w, STR("timestamp"), str_of(now));
  json_member_int(&w, STR("total"), (int64_t)listed->n);
  json_member_int(&w, STR("offset"), (int64_t)offset);
  write_made_with(q, set, &w);
  write_members(q, &w, listed, offset, count);
  json_end_object(&w);
  return end_answer(q, &w, reterr);
}

static int expand(struct question *q, struct err *reterr) {
  const struct terminology_value_set *set = NULL;
  struct listed listed = {0};
  uint64_t offset, count;
  int code = read_number(q, "offset", 0, &offset, reterr);
  if (code == 0)
    code = read_number(q, "count", UINT64_MAX, &count, reterr);
  if (code == 0)
    code = load_set(q, &set, reterr);
  if (code == 0)
    code = check_expandable(set, reterr);
  if (code == 0)
    code = list_members(q, set, &listed, reterr);
  if (code)
    return code;
  if (count > EXPANSION_MAX && listed.n > EXPANSION_MAX + offset)
    return err_set(reterr, ERR_TOO_COSTLY, "",
                   "The value set has %zu codes; ask for them in pages of at most %d by count and "
                   "offset.",
                   listed.n, EXPANSION_MAX);
  return write_expansion(q, set, &listed, offset, count, reterr);
}

void rest_value_set_expand(struct rest_call *call) {
  /* designations are not kept, so that includeDesignations changes nothing; the last three say what
   * is so anyway */
  static const char *const known[] = {"url",
                                      "valueSet",
                                      "valueSetVersion",
                                      "filter",
                                      "offset",
                                      "count",
                                      "includeDesignations",
                                      "excludeNested",
                                      "activeOnly",
                                      "includeDefinition",
                                      NULL};
  struct question q;
  struct err err = {0};
  int code = ask(&q, call, "$expand", known, &err);
  if (code == 0)
    code = expand(&q, &err);
  end(&q, code, &err);
}

/* ---- $validate-code -------------------------------------------------------------------------- */

struct verdict {
  enum terminology_answer answer;
  struct str system, code, display;
  struct str message;
  struct err why; /* TERMINOLOGY_UNKNOWN */
};

static bool display_fits(struct arena *arena, struct str given, struct str known) {
  return str_equal(search_normal_string(arena, given), search_normal_string(arena, known));
}

/* Is one coding in `set` (NULL: in its system)? Then its display must be right too. */
static int judge(struct question *q, const struct terminology_value_set *set, struct str system,
                 struct str code_text, struct str display, struct verdict *v, struct err *reterr) {
  struct terminology_coding coding = {.system = system.n > 0 ? system : STR_NULL,
                                      .code = code_text};
  struct arena *arena = q->call->arena;
  struct str why = STR_NULL;
  int code = 0;
  *v = (struct verdict){.system = system, .code = code_text};
  if (set) {
    v->answer = terminology_set_has(set, &coding, &why);
    (void)!err_set(&v->why, ERR_NOT_SUPPORTED, "", "%.*s", STR_ARG(why));
  } else {
    code = terminology_system_has(q->terminology, &coding, &v->answer, &v->why);
  }
  if (code)
    *reterr = v->why;
  if (code || v->answer != TERMINOLOGY_YES) {
    v->message =
        arena_printf(arena, "The code '%.*s' is not in the %s.",
                     STR_ARG(str_slice(code_text, 0, 100)), set ? "value set" : "code system");
    return code;
  }
  v->display = system.n > 0 ? display_of(q, system, code_text) : STR("");
  if (display.n > 0 && v->display.n > 0 && !display_fits(arena, display, v->display)) {
    v->answer = TERMINOLOGY_NO;
    v->message = arena_printf(arena, "The display is wrong: '%.*s' is called '%.*s'.",
                              STR_ARG(str_slice(code_text, 0, 100)), STR_ARG(v->display));
  }
  return 0;
}

static int judge_coding(struct question *q, const struct terminology_value_set *set,
                        const struct yyjson_val *coding, struct str system, struct verdict *v,
                        struct err *reterr) {
  struct str own = json_get_text(coding, STR("system"));
  if (system.n > 0 && own.n > 0 && !str_starts_with(system, own)) {
    *v = (struct verdict){.system = own,
                          .code = json_get_text(coding, STR("code")),
                          .message = STR("The coding is of another code system.")};
    return 0;
  }
  return judge(q, set, system.n > 0 ? system : own, json_get_text(coding, STR("code")),
               json_get_text(coding, STR("display")), v, reterr);
}

/* The best of a concept's codings. */
static int judge_concept(struct question *q, const struct terminology_value_set *set,
                         const struct yyjson_val *concept, struct str system,
                         struct verdict *ret_verdict, struct err *reterr) {
  struct json_each each = json_each(json_get(concept, STR("coding")));
  *ret_verdict = (struct verdict){.message = STR("The concept has no coding.")};
  while (json_next(&each)) {
    struct verdict v = {0};
    int code = judge_coding(q, set, each.value, system, &v, reterr);
    if (code)
      return code;
    if (each.index == 0 || v.answer == TERMINOLOGY_YES || ret_verdict->answer == TERMINOLOGY_NO)
      *ret_verdict = v;
    if (v.answer == TERMINOLOGY_YES)
      break;
  }
  return 0;
}

/* `system`: of a question about a code system; empty: the codings say it. */
static int judge_given(struct question *q, const struct terminology_value_set *set,
                       struct str system, struct verdict *v, struct err *reterr) {
  const struct yyjson_val *coding = node_of(q, "coding"), *concept = node_of(q, "codeableConcept");
  struct str code = text_of(q, "code");
  if (coding)
    return judge_coding(q, set, coding, system, v, reterr);
  if (concept)
    return judge_concept(q, set, concept, system, v, reterr);
  if (code.n == 0)
    return err_set(reterr, ERR_REQUIRED, "", "Give a code, a coding or a codeableConcept.");
  return judge(q, set, system.n > 0 ? system : text_of(q, "system"), code, text_of(q, "display"), v,
               reterr);
}

static int answer_verdict(struct question *q, const struct verdict *v, struct err *reterr) {
  if (v->answer == TERMINOLOGY_UNKNOWN) {
    *reterr = v->why;
    return ERR_NOT_SUPPORTED;
  }
  struct buf buf;
  struct json_writer w = begin_answer(q, &buf, "Parameters");
  json_key(&w, STR("parameter"));
  json_begin_array(&w);
  json_begin_object(&w);
  json_member_string(&w, STR("name"), STR("result"));
  json_member_bool(&w, STR("valueBoolean"), v->answer == TERMINOLOGY_YES);
  json_end_object(&w);
  if (v->answer != TERMINOLOGY_YES)
    write_value(&w, "message", "valueString", v->message);
  write_value(&w, "display", "valueString", v->display);
  json_end_array(&w);
  return end_answer(q, &w, reterr);
}

void rest_value_set_validate_code(struct rest_call *call) {
  static const char *const known[] = {
      "url",     "valueSet", "valueSetVersion", "code",     "system", "systemVersion",
      "display", "coding",   "codeableConcept", "abstract", NULL};
  const struct terminology_value_set *set = NULL;
  struct question q;
  struct verdict v = {0};
  struct err err = {0};
  int code = ask(&q, call, "$validate-code", known, &err);
  if (code == 0)
    code = load_set(&q, &set, &err);
  if (code == 0)
    code = judge_given(&q, set, STR(""), &v, &err);
  if (code == 0)
    code = answer_verdict(&q, &v, &err);
  end(&q, code, &err);
}

void rest_code_system_validate_code(struct rest_call *call) {
  static const char *const known[] = {"url",    "version",         "code", "display",
                                      "coding", "codeableConcept", NULL};
  struct question q;
  struct verdict v = {0};
  struct err err = {0};
  int code = ask(&q, call, "$validate-code", known, &err);
  struct str system = STR("");
  if (code == 0)
    system = canonical_of(&q, text_of(&q, "url"), text_of(&q, "version"));
  if (code == 0 && system.n == 0 && !node_of(&q, "coding") && !node_of(&q, "codeableConcept"))
    code = err_set(&err, ERR_REQUIRED, "", "Name a code system by url.");
  if (code == 0)
    code = judge_given(&q, NULL, system, &v, &err);
  if (code == 0)
    code = answer_verdict(&q, &v, &err);
  end(&q, code, &err);
}

/* ---- $lookup --------------------------------------------------------------------------------- */

/* {"name": "property", "part": [{"name": "code", ...}, {"name": "value", ...}]} */
static void write_property(struct json_writer *w, struct str code, struct str member,
                           const struct yyjson_val *value, struct str text) {
  json_begin_object(w);
  json_member_string(w, STR("name"), STR("property"));
  json_key(w, STR("part"));
  json_begin_array(w);
  write_value(w, "code", "valueCode", code);
  json_begin_object(w);
  json_member_string(w, STR("name"), STR("value"));
  if (value) {
    json_key(w, member);
    json_value(w, value);
  } else {
    json_member_string(w, member, text);
  }
  json_end_object(w);
  json_end_array(w);
  json_end_object(w);
}

static void write_designation(struct json_writer *w, const struct yyjson_val *designation) {
  json_begin_object(w);
  json_member_string(w, STR("name"), STR("designation"));
  json_key(w, STR("part"));
  json_begin_array(w);
  write_value(w, "language", "valueCode", json_get_text(designation, STR("language")));
  if (json_get(designation, STR("use"))) {
    json_begin_object(w);
    json_member_string(w, STR("name"), STR("use"));
    json_key(w, STR("valueCoding"));
    json_value(w, json_get(designation, STR("use")));
    json_end_object(w);
  }
  write_value(w, "value", "valueString", json_get_text(designation, STR("value")));
  json_end_array(w);
  json_end_object(w);
}

/* What a CodeSystem or one of its supplements says of a concept. */
static void write_concept(struct json_writer *w, const struct yyjson_val *node) {
  struct json_each each = json_each(json_get(node, STR("designation")));
  while (json_next(&each))
    write_designation(w, each.value);
  each = json_each(json_get(node, STR("property")));
  while (json_next(&each)) {
    struct str code = json_get_text(each.value, STR("code"));
    struct json_each members = json_each(each.value);
    while (code.n > 0 && json_next(&members))
      if (str_starts_with(members.name, STR("value")))
        write_property(w, code, members.name, members.value, STR_NULL);
  }
}

static int write_lookup(struct question *q, const struct terminology_concept *concept,
                        struct err *reterr) {
  struct buf buf;
  struct json_writer w = begin_answer(q, &buf, "Parameters");
  json_key(&w, STR("parameter"));
  json_begin_array(&w);
  write_value(&w, "name", "valueString",
              concept->system_name.n > 0 ? concept->system_name : concept->system);
  write_value(&w, "version", "valueString", concept->system_version);
  write_value(&w, "display", "valueString",
              concept->display.n > 0 ? concept->display : concept->code);
  if (concept->definition.n > 0)
    write_property(&w, STR("definition"), STR("valueString"), NULL, concept->definition);
  for (size_t i = 0; i < concept->parents.n; i++)
    write_property(&w, STR("parent"), STR("valueCode"), NULL, concept->parents.p[i]);
  for (size_t i = 0; i < concept->children.n; i++)
    write_property(&w, STR("child"), STR("valueCode"), NULL, concept->children.p[i]);
  write_concept(&w, concept->node);
  for (size_t i = 0; i < concept->supplements_n; i++)
    write_concept(&w, concept->supplements[i]);
  json_end_array(&w);
  return end_answer(q, &w, reterr);
}

static int lookup(struct question *q, struct err *reterr) {
  const struct yyjson_val *coding = node_of(q, "coding");
  struct str code_text = coding ? json_get_text(coding, STR("code")) : text_of(q, "code");
  struct str url = coding ? json_get_text(coding, STR("system")) : text_of(q, "system");
  struct str version = coding ? json_get_text(coding, STR("version")) : text_of(q, "version");
  struct terminology_concept concept;
  if (code_text.n == 0 || url.n == 0)
    return err_set(reterr, ERR_REQUIRED, "", "Give a system and a code, or a coding.");
  int code = terminology_lookup(q->terminology, canonical_of(q, url, version), code_text,
                                q->call->arena, &concept, reterr);
  if (code == ERR_CODE_INVALID)
    return reterr->code = ERR_NOT_FOUND; /* what is looked up is not there */
  return code ? code : write_lookup(q, &concept, reterr);
}

void rest_code_system_lookup(struct rest_call *call) {
  static const char *const known[] = {"code", "system",   "version",         "coding",
                                      "date", "property", "displayLanguage", NULL};
  struct question q;
  struct err err = {0};
  int code = ask(&q, call, "$lookup", known, &err);
  if (code == 0)
    code = lookup(&q, &err);
  end(&q, code, &err);
}

/* ---- $subsumes ------------------------------------------------------------------------------- */

static int subsumes(struct question *q, struct err *reterr) {
  static const char *const outcomes[] = {[TERMINOLOGY_EQUIVALENT] = "equivalent",
                                         [TERMINOLOGY_SUBSUMES] = "subsumes",
                                         [TERMINOLOGY_SUBSUMED_BY] = "subsumed-by",
                                         [TERMINOLOGY_NOT_SUBSUMED] = "not-subsumed"};
  const struct yyjson_val *coding_a = node_of(q, "codingA"), *coding_b = node_of(q, "codingB");
  struct str a = coding_a ? json_get_text(coding_a, STR("code")) : text_of(q, "codeA");
  struct str b = coding_b ? json_get_text(coding_b, STR("code")) : text_of(q, "codeB");
  struct str url = coding_a ? json_get_text(coding_a, STR("system")) : text_of(q, "system");
  struct str other = coding_b ? json_get_text(coding_b, STR("system")) : url;
  struct str canonical = canonical_of(q, url, text_of(q, "version"));
  enum terminology_subsumption subsumption;
  if (a.n == 0 || b.n == 0 || canonical.n == 0)
    return err_set(reterr, ERR_REQUIRED, "",
                   "Give codeA, codeB and their system, or codingA and codingB.");
  if (!str_equal(url, other))
    return err_set(reterr, ERR_VALUE, "", "Both codes must be of the same code system.");
  int code = terminology_subsumes(q->terminology, canonical, a, b, &subsumption, reterr);
  if (code)
    return code;
  struct buf buf;
  struct json_writer w = begin_answer(q, &buf, "Parameters");
  json_key(&w, STR("parameter"));
  json_begin_array(&w);
  write_value(&w, "outcome", "valueCode", str_of(outcomes[subsumption]));
  json_end_array(&w);
  return end_answer(q, &w, reterr);
}

void rest_code_system_subsumes(struct rest_call *call) {
  static const char *const known[] = {"codeA",   "codeB",   "system", "version",
                                      "codingA", "codingB", NULL};
  struct question q;
  struct err err = {0};
  int code = ask(&q, call, "$subsumes", known, &err);
  if (code == 0)
    code = subsumes(&q, &err);
  end(&q, code, &err);
}
