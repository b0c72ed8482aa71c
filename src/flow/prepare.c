#include "flow/prepare.h"

#include "base/map.h"
#include "flow/lineage.h"
#include "identity/merge.h"
#include "identity/resolve.h"
#include "model/resource.h"
#include "model/validate.h"

#define NOTES_MAX_BYTES ((size_t)16 << 10)

/* A resource that the commit will write: what one or several of the mapped resources say of it,
 * over what is known. */
struct draft {
  defs_type_id type;
  struct identity_answer answer;
  const struct yyjson_val *json; /* NULL until something was laid over */
  struct str text;               /* of `json`, where it is at hand */
  VEC(struct mapping_lineage) lineage;
};

struct foreign {
  const size_t *p;
  size_t n;
};

struct preparation {
  struct arena *arena;
  struct store_view *view;
  const struct prepare_input *input;
  struct mapping_result mapped;
  size_t *draft_of;           /* by index of the mapped resource; SIZE_MAX: transient */
  struct foreign *foreign_of; /* by index of the mapped resource: identifiers that others hold */
  VEC(struct err) notes;
  VEC(struct draft) drafts;
  identity_conditions conditions;
  VEC(struct store_write)
  guards;                /* resources that must not have changed, though they are not written */
  struct map references; /* urn:uuid:.. -> struct str "Patient/1" */
};

static bool is_merged_away(const struct preparation *p, size_t resource) {
  for (size_t i = 0; i < p->mapped.links_n; i++)
    if (p->mapped.links[i].from == resource)
      return true;
  return false;
}

static size_t find_draft(const struct preparation *p, defs_type_id type, struct str id) {
  for (size_t i = 0; i < p->drafts.n; i++)
    if (p->drafts.p[i].type == type && str_equal(p->drafts.p[i].answer.id, id))
      return i;
  return SIZE_MAX;
}

/* A merge that was followed is a fact this commit stands on: the patient that was replaced must
 * still be as it was read. */
static int guard(struct preparation *p, const struct store_resource *stood, struct err *reterr) {
  struct store_write *write = VEC_PUSH(p->arena, &p->guards);
  if (!write)
    return err_no_memory(reterr);
  const struct yyjson_val *json;
  int code = json_parse(p->arena, stood->body, NULL, &json, reterr);
  if (code < 0)
    return code;
  *write = (struct store_write){.type = stood->type,
                                .id = stood->id,
                                .body = stood->body,
                                .expect = STORE_IS_STILL_VERSION,
                                .expected_version = stood->version};
  return search_values_extract(p->arena, json, &write->values, reterr);
}

static int make_claim(struct preparation *p, size_t index, struct identity_claim *claim,
                      struct err *reterr) {
  const struct mapping_resource *mapped = &p->mapped.resources[index];
  struct identity_identifier *identifiers =
      ARENA_ARRAY(p->arena, struct identity_identifier, mapped->identifiers_n + 1);
  if (!identifiers)
    return err_no_memory(reterr);
  for (size_t i = 0; i < mapped->identifiers_n; i++)
    identifiers[i] =
        (struct identity_identifier){mapped->identifiers[i].system, mapped->identifiers[i].value};
  *claim = (struct identity_claim){
      .type = mapped->type,
      .identifiers = identifiers,
      .identifiers_n = mapped->identifiers_n,
      .key = mapped->key,
      .keeps_replaced = is_merged_away(p, index),
  };
  return 0;
}

static int take_answer(struct preparation *p, size_t index, const struct identity_answer *answer,
                       struct err *reterr) {
  const struct mapping_resource *mapped = &p->mapped.resources[index];
  int code = answer->stood ? guard(p, answer->stood, reterr) : 0;
  if (code < 0)
    return code;
  p->foreign_of[index] = (struct foreign){answer->foreign, answer->foreign_n};
  size_t at = find_draft(p, mapped->type, answer->id);
  if (at == SIZE_MAX) {
    struct draft *draft = VEC_PUSH(p->arena, &p->drafts);
    if (!draft)
      return err_no_memory(reterr);
    draft->type = mapped->type;
    draft->answer = *answer;
    at = p->drafts.n - 1;
  }
  p->draft_of[index] = at;
  struct str *reference = ARENA_NEW(p->arena, struct str);
  if (!reference)
    return err_no_memory(reterr);
  *reference = arena_printf(p->arena, "%.*s/%.*s", STR_ARG(defs_type(mapped->type)->name),
                            STR_ARG(answer->id));
  if (!reference->p || map_set(&p->references, mapped->full_url, reference) < 0)
    return err_no_memory(reterr);
  return 0;
}

/* Which resources the mapped ones are: asked for all at once. */
static int resolve_all(struct preparation *p, struct err *reterr) {
  size_t most = p->mapped.resources_n + 1, n = 0;
  struct identity_claim *claims = ARENA_ARRAY(p->arena, struct identity_claim, most);
  struct identity_answer *answers = ARENA_ARRAY(p->arena, struct identity_answer, most);
  size_t *index_of = ARENA_ARRAY(p->arena, size_t, most);
  if (!claims || !answers || !index_of)
    return err_no_memory(reterr);
  int code = 0;
  for (size_t i = 0; i < p->mapped.resources_n && code == 0; i++) {
    p->draft_of[i] = SIZE_MAX;
    if (p->mapped.resources[i].is_transient)
      continue;
    code = make_claim(p, i, &claims[n], reterr);
    index_of[n++] = i;
  }
  if (code == 0)
    code = identity_resolve(p->view, p->input->access, p->arena, claims, n, answers, &p->conditions,
                            reterr);
  for (size_t i = 0; i < n && code == 0; i++)
    code = take_answer(p, index_of[i], &answers[i], reterr);
  return code;
}

static struct str lookup_reference(void *what, struct str reference) {
  const struct preparation *p = what;
  const struct str *found = map_get(&p->references, reference);
  return found ? *found : STR_NULL;
}

static int parse_into(struct arena *arena, struct str text, const struct yyjson_val **json,
                      struct err *reterr) {
  return json_parse(arena, text, NULL, json, reterr);
}

/* "identifier[1].value" -> list "identifier", index 1, rest ".value"; false for an element outside
 * the lists that unite. */
static bool split_list_element(struct str element, struct str *ret_list, uint64_t *ret_index,
                               struct str *ret_rest) {
  ssize_t open = str_find_char(element, '[', 0), close = str_find_char(element, ']', 0);
  if (open < 0 || close < open)
    return false;
  *ret_list = str_slice(element, 0, (size_t)open);
  *ret_rest = str_slice(element, (size_t)close + 1, element.n);
  return merge_unites(*ret_list) &&
         str_to_u64(str_slice(element, (size_t)open + 1, (size_t)(close - open) - 1), ret_index);
}

/* Adds the lineage of what was said to the draft; items of lists that unite get the index that they
 * have in the draft. */
static int add_lineage(struct preparation *p, struct draft *draft, const struct yyjson_val *said,
                       const struct mapping_lineage *entries, size_t n, struct err *reterr) {
  for (size_t i = 0; i < n; i++) {
    struct mapping_lineage entry = entries[i];
    struct str list, rest;
    uint64_t index;
    if (split_list_element(entry.element, &list, &index, &rest)) {
      ssize_t at = merge_item_index(draft->json, said, list, (size_t)index);
      if (at < 0)
        continue; /* it did not get into the draft */
      entry.element = arena_printf(p->arena, "%.*s[%zd]%.*s", STR_ARG(list), at, STR_ARG(rest));
    }
    struct mapping_lineage *added = VEC_PUSH(p->arena, &draft->lineage);
    if (!added || !entry.element.p)
      return err_no_memory(reterr);
    *added = entry;
  }
  return 0;
}

static int note(struct preparation *p, struct str type, struct str system, struct err *reterr) {
  struct err *added = VEC_PUSH(p->arena, &p->notes);
  if (!added)
    return err_no_memory(reterr);
  err_set(added, ERR_CONFLICT, "",
          "%.*s.identifier: an identifier of %.*s belongs to another one and stays there; a merge "
          "would move it.",
          STR_ARG(type), STR_ARG(system));
  return 0;
}

/* An identifier has one holder: one that another resource holds stays there, until a merge says
 * that they are the same. */
static int drop_foreign(struct preparation *p, size_t index, const struct yyjson_val **said,
                        struct err *reterr) {
  const struct mapping_resource *mapped = &p->mapped.resources[index];
  const struct foreign *foreign = &p->foreign_of[index];
  if (foreign->n == 0)
    return 0;
  struct merge_identifier *dropped = ARENA_ARRAY(p->arena, struct merge_identifier, foreign->n);
  struct str text;
  if (!dropped)
    return err_no_memory(reterr);
  for (size_t i = 0; i < foreign->n; i++) {
    const struct mapping_identifier *identifier = &mapped->identifiers[foreign->p[i]];
    dropped[i] = (struct merge_identifier){identifier->system, identifier->value};
    int code = note(p, defs_type(mapped->type)->name, identifier->system, reterr);
    if (code < 0)
      return code;
  }
  int code = merge_drop_identifiers(p->arena, *said, dropped, foreign->n, &text, reterr);
  return code < 0 ? code : parse_into(p->arena, text, said, reterr);
}

static bool is_yielded(const struct mapping_resource *mapped, const struct yyjson_val *known,
                       struct str element) {
  for (size_t i = 0; i < mapped->yielded_n; i++)
    if (str_equal(mapped->yielded[i], element))
      return json_get(known, element) != NULL;
  return false;
}

/* What is said without the elements that give way to what is known: who only mentions a visit does
 * not say how it stands. */
static int drop_yielded(struct preparation *p, const struct mapping_resource *mapped,
                        const struct yyjson_val *known, const struct yyjson_val **said,
                        struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, p->arena, SIZE_MAX / 2);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  struct json_each each = json_each(*said);
  while (json_next(&each)) {
    if (is_yielded(mapped, known, each.name))
      continue;
    json_key(&w, each.name);
    json_value(&w, each.value);
  }
  json_end_object(&w);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  return parse_into(p->arena, buf_str(&buf), said, reterr);
}

/* The lineage of what was laid over: all but the elements that gave way. */
static int add_lineage_of(struct preparation *p, struct draft *draft,
                          const struct mapping_resource *mapped, const struct yyjson_val *known,
                          const struct yyjson_val *whole, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < mapped->lineage_n && code == 0; i++) {
    struct str element = mapped->lineage[i].element;
    size_t n = 0;
    while (n < element.n && element.p[n] != '.' && element.p[n] != '[')
      n++;
    if (!known || !is_yielded(mapped, known, str_slice(element, 0, n)))
      code = add_lineage(p, draft, whole, &mapped->lineage[i], 1, reterr);
  }
  return code;
}

/* Lays what one mapped resource says over its draft. */
static int lay_over(struct preparation *p, size_t index, struct err *reterr) {
  const struct mapping_resource *mapped = &p->mapped.resources[index];
  struct draft *draft = &p->drafts.p[p->draft_of[index]];
  struct str text;
  const struct yyjson_val *said = mapped->json, *whole = said, *known = draft->json;
  resource_replace_references(whole, lookup_reference, p);
  int code = drop_foreign(p, index, &said, reterr);
  if (code < 0)
    return code;
  if (!known && draft->answer.exists && mapped->merge == MAPPING_MERGE)
    if ((code = parse_into(p->arena, draft->answer.body, &known, reterr)) < 0)
      return code;
  if (known && mapped->yielded_n > 0 && (code = drop_yielded(p, mapped, known, &said, reterr)) < 0)
    return code;
  draft->json = said;
  draft->text = STR_NULL;
  if (known) {
    code = merge_resource(p->arena, draft->type, known, said, mapped->nulled, mapped->nulled_n,
                          &text, reterr);
    if (code < 0 || (code = parse_into(p->arena, text, &draft->json, reterr)) < 0)
      return code;
  }
  return add_lineage_of(p, draft, mapped, known, whole, reterr);
}

static int link_patient(struct preparation *p, struct draft *draft, const struct draft *other,
                        struct str link_type, bool is_gone, struct err *reterr) {
  struct str reference = arena_printf(p->arena, "Patient/%.*s", STR_ARG(other->answer.id));
  struct str text;
  if (!reference.p)
    return err_no_memory(reterr);
  draft->text = STR_NULL;
  int code =
      merge_patient_link(p->arena, draft->json, reference, link_type, is_gone, &text, reterr);
  return code < 0 ? code : parse_into(p->arena, text, &draft->json, reterr);
}

/* The identifiers move, and where they came from moves with them. */
static int move_identifiers(struct preparation *p, struct draft *into, struct draft *from,
                            struct err *reterr) {
  struct str text;
  int code = merge_move_identifiers(p->arena, into->json, from->json, &text, reterr);
  if (code < 0 || (code = parse_into(p->arena, text, &into->json, reterr)) < 0)
    return code;
  into->text = STR_NULL;
  size_t kept = 0;
  for (size_t i = 0; i < from->lineage.n; i++) {
    const struct mapping_lineage *entry = &from->lineage.p[i];
    if (!str_starts_with(entry->element, STR("identifier["))) {
      from->lineage.p[kept++] = *entry;
    } else if ((code = add_lineage(p, into, from->json, entry, 1, reterr)) < 0) {
      return code;
    }
  }
  from->lineage.n = kept;
  return 0;
}

/* A merge (ADT^A40 and its kind): the identifiers go to the one that stays; of patients, each
 * points to the other. */
static int link_merged(struct preparation *p, struct err *reterr) {
  for (size_t i = 0; i < p->mapped.links_n; i++) {
    const struct mapping_link *link = &p->mapped.links[i];
    size_t into_at = p->draft_of[link->into], from_at = p->draft_of[link->from];
    if (into_at == from_at || into_at == SIZE_MAX || from_at == SIZE_MAX)
      continue;
    struct draft *into = &p->drafts.p[into_at], *from = &p->drafts.p[from_at];
    int code = move_identifiers(p, into, from, reterr);
    if (code == 0 && str_is(defs_type(into->type)->name, "Patient")) {
      code = link_patient(p, into, from, STR("replaces"), false, reterr);
      if (code == 0)
        code = link_patient(p, from, into, STR("replaced-by"), true, reterr);
    }
    if (code < 0)
      return code;
  }
  return 0;
}

/* A merge that was made before: what would go is already the one that stays, and what the message
 * says of its going is no news. */
static bool is_merged_before(const struct preparation *p, size_t index) {
  for (size_t i = 0; i < p->mapped.links_n; i++)
    if (p->mapped.links[i].from == index &&
        p->draft_of[p->mapped.links[i].into] == p->draft_of[index])
      return true;
  return false;
}

static int check_valid(struct preparation *p, const struct yyjson_val *json, struct err *reterr) {
  struct issues issues = {0};
  struct validate_options options = {.max_issues = 10};
  int code = validate_resource(p->arena, json, &options, &issues, reterr);
  if (code < 0)
    return code;
  for (size_t i = 0; i < issues.list.n && issues.errors_n > 0; i++)
    if (issues.list.p[i].severity <= ERR_SEVERITY_ERROR) {
      if (reterr)
        *reterr = issues.list.p[i];
      return issues.list.p[i].code;
    }
  return 0;
}

static int write_draft(struct preparation *p, const struct draft *draft, struct store_write *write,
                       struct err *reterr) {
  *write = (struct store_write){
      .type = draft->type,
      .id = draft->answer.id,
      .expect = STORE_IS_STILL_VERSION,
      .expected_version = draft->answer.version,
  };
  int code = lineage_encode(p->arena, p->input->maps, p->input->message, draft->lineage.p,
                            draft->lineage.n, &write->lineage, reterr);
  bool is_unchanged = draft->answer.exists && str_equal(draft->text, draft->answer.body);
  if (code == 0 && !is_unchanged)
    code = resource_canonical(p->arena, draft->json, write->id, &write->body, reterr);
  if (code < 0)
    return code;
  if (is_unchanged || (draft->answer.exists && str_equal(write->body, draft->answer.body))) {
    write->is_confirmation = true;
    return 0;
  }
  const struct yyjson_val *json;
  if ((code = parse_into(p->arena, write->body, &json, reterr)) < 0 ||
      (code = check_valid(p, json, reterr)) < 0)
    return code;
  return search_values_extract(p->arena, json, &write->values, reterr);
}

static int fill_commit(struct preparation *p, struct store_commit *commit, struct err *reterr) {
  commit->writes = ARENA_ARRAY(p->arena, struct store_write, p->drafts.n + p->guards.n + 1);
  if (!commit->writes)
    return err_no_memory(reterr);
  commit->writes_n = 0;
  for (size_t i = 0; i < p->drafts.n; i++) {
    int code = write_draft(p, &p->drafts.p[i], &commit->writes[commit->writes_n++], reterr);
    if (code < 0)
      return code;
  }
  for (size_t i = 0; i < p->guards.n; i++)
    if (find_draft(p, p->guards.p[i].type, p->guards.p[i].id) == SIZE_MAX)
      commit->writes[commit->writes_n++] = p->guards.p[i];
  commit->conditions = p->conditions.p;
  commit->conditions_n = p->conditions.n;
  return 0;
}

static struct str write_notes(struct preparation *p) {
  struct buf buf;
  buf_init_arena(&buf, p->arena, NOTES_MAX_BYTES + sizeof(struct err));
  for (size_t i = 0; i < p->mapped.notes_n && buf.n < NOTES_MAX_BYTES; i++)
    buf_printf(&buf, "%s%s: %s", buf.n ? "\n" : "", p->mapped.notes[i].where,
               p->mapped.notes[i].text);
  for (size_t i = 0; i < p->notes.n && buf.n < NOTES_MAX_BYTES; i++)
    buf_printf(&buf, "%s%s", buf.n ? "\n" : "", p->notes.p[i].text);
  return buf_str(&buf);
}

int prepare_message(struct arena *arena, struct store_view *view, const struct prepare_input *input,
                    struct store_commit *commit, struct str *ret_notes, struct err *reterr) {
  struct preparation p = {.arena = arena, .view = view, .input = input, .mapped = *input->mapped};
  int code = 0;
  map_init(&p.references, arena);
  p.draft_of = ARENA_ARRAY(arena, size_t, p.mapped.resources_n + 1);
  p.foreign_of = ARENA_ARRAY(arena, struct foreign, p.mapped.resources_n + 1);
  if (!p.draft_of || !p.foreign_of)
    return err_no_memory(reterr);
  if ((code = resolve_all(&p, reterr)) < 0)
    return code;
  for (size_t i = 0; i < p.mapped.resources_n; i++)
    if (p.draft_of[i] != SIZE_MAX && !is_merged_before(&p, i) &&
        (code = lay_over(&p, i, reterr)) < 0)
      return code;
  if ((code = link_merged(&p, reterr)) < 0 || (code = fill_commit(&p, commit, reterr)) < 0)
    return code;
  *ret_notes = write_notes(&p);
  return 0;
}
