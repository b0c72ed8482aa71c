/* A GraphQL query from its text to its answer. */
#include "service/graphql_internal.h"

#include "base/clock.h"
#include "store/told.h"

/* The clock is read once in so many pieces of work. */
#define PIECES_PER_LOOK 64

int graphql_spend(struct graphql_run *run, struct err *reterr) {
  if (++run->values_n > run->bounds->values_max)
    return err_set(reterr, ERR_TOO_COSTLY, "", "The answer holds more than %zu values.",
                   run->bounds->values_max);
  if (run->values_n % PIECES_PER_LOOK == 0 && clock_monotonic_us() > run->deadline_us)
    return err_set(reterr, ERR_TOO_COSTLY, "", "The query takes longer than it may.");
  return 0;
}

/* ---- Where it is ------------------------------------------------------------------------------
 */

static void enter(struct graphql_run *run, struct path_step step) {
  if (run->path_n < GRAPHQL_PATH_MAX)
    run->path[run->path_n] = step;
  run->path_n++;
}

static void leave(struct graphql_run *run) {
  run->path_n--;
}

/* ---- Objects ----------------------------------------------------------------------------------
 */

/* Into what a plan writes: an object, and how far it is flattened. */
struct target {
  struct output_object *object;
  bool is_flat;      /* below @flatten: what is absent leaves no trace */
  bool is_list;      /* several objects come together */
  struct str suffix; /* of @slice: ".official" */
};

static int run_plan(struct graphql_run *run, const struct plan *plan, const struct object *object,
                    const struct target *target, struct err *reterr);

static int run_below(struct graphql_run *run, struct plan_field *field, const struct object *object,
                     const struct target *target, struct err *reterr) {
  const struct plan *plan;
  int code = graphql_plan_below(run, field, object->type, &plan, reterr);
  return code ? code : run_plan(run, plan, object, target, reterr);
}

/* What @slice appends for the value of this index. */
static int suffix_of(struct graphql_run *run, const struct plan_field *field, size_t index,
                     const struct result *result, struct str before, struct str *ret_suffix,
                     struct err *reterr) {
  struct fhirpath_values values = {0};
  struct str text = STR("");
  *ret_suffix = before;
  if (!field->is_sliced)
    return 0;
  if (field->slice && result->leaf.kind == OUTPUT_OBJECT) {
    int code = graphql_eval(run, field->slice, &result->object, &values, reterr);
    if (code)
      return code;
    if (values.n > 1)
      return err_set(reterr, ERR_VALUE, "", "The FHIRPath of @slice gives several values.");
    if (values.n == 1)
      text = values.p[0].kind == FHIRPATH_NODE ? json_text(values.p[0].node) : values.p[0].text;
  }
  *ret_suffix = field->slice ? arena_printf(run->arena, "%.*s.%.*s", STR_ARG(before), STR_ARG(text))
                             : arena_printf(run->arena, "%.*s.%zu", STR_ARG(before), index);
  return ret_suffix->p ? 0 : err_no_memory(reterr);
}

static int flatten(struct graphql_run *run, struct plan_field *field, const struct results *results,
                   const struct target *target, struct err *reterr) {
  struct target below = *target;
  int code = 0;
  below.is_flat = true;
  below.is_list = target->is_list || (field->field.is_list && !field->is_first);
  for (size_t i = 0; i < results->n && code == 0; i++) {
    struct result result = run->stack.p[results->from + i]; /* the stack may move */
    code = suffix_of(run, field, i, &result, target->suffix, &below.suffix, reterr);
    if (code == 0 && result.leaf.kind == OUTPUT_OBJECT)
      code = run_below(run, field, &result.object, &below, reterr);
    if (field->is_first)
      break;
  }
  return code;
}

/* ---- Values -----------------------------------------------------------------------------------
 */

static enum output_form form_of(const struct plan_field *field, const struct target *target) {
  if (field->is_singleton)
    return OUTPUT_SINGLETON;
  bool is_list = target->is_list || (field->field.is_list && !field->is_first);
  return is_list ? OUTPUT_LIST : OUTPUT_ONE;
}

static int member_of(struct graphql_run *run, const struct plan_field *field,
                     const struct target *target, struct str suffix,
                     struct output_member **ret_member, struct err *reterr) {
  struct str key = field->key;
  if (suffix.n > 0)
    key = arena_printf(run->arena, "%.*s%.*s", STR_ARG(field->key), STR_ARG(suffix));
  if (!key.p)
    return err_no_memory(reterr);
  return output_member(run->arena, target->object, key, form_of(field, target), field->field.type,
                       ret_member, reterr);
}

/* One value into its member; objects of two `resource(type: ..)` of one key become one. */
static int add_value(struct graphql_run *run, struct plan_field *field, const struct result *result,
                     struct output_member *member, struct err *reterr) {
  struct output value = result->leaf;
  bool is_again =
      field->field.kind == SCHEMA_FIELD_RESOURCE && member->form == OUTPUT_ONE && member->n == 1;
  if (value.kind != OUTPUT_OBJECT)
    return output_add(run->arena, member, value, reterr);
  value.object = is_again ? member->first.object : ARENA_NEW(run->arena, struct output_object);
  if (!value.object)
    return err_no_memory(reterr);
  int code = is_again ? 0 : output_add(run->arena, member, value, reterr);
  return code ? code
              : run_below(run, field, &result->object,
                          &(struct target){.object = value.object, .is_flat = is_again}, reterr);
}

static int add_values(struct graphql_run *run, struct plan_field *field,
                      const struct results *results, const struct target *target,
                      struct err *reterr) {
  struct output_member *member = NULL;
  bool is_silent = target->is_flat || field->is_sliced;
  int code = is_silent ? 0 : member_of(run, field, target, target->suffix, &member, reterr);
  /* What is absent is null; only what is there can be a list. */
  if (code == 0 && member && !results->is_there && member->n == 0 && member->form == OUTPUT_LIST)
    member->form = OUTPUT_ONE;
  for (size_t i = 0; i < results->n && code == 0; i++) {
    struct result result = run->stack.p[results->from + i]; /* the stack may move */
    struct str suffix;
    code = suffix_of(run, field, i, &result, target->suffix, &suffix, reterr);
    code = code ? code : member_of(run, field, target, suffix, &member, reterr);
    bool is_item = code == 0 && member->form == OUTPUT_LIST;
    if (is_item)
      enter(run, (struct path_step){.index = i});
    code = code ? code : add_value(run, field, &result, member, reterr);
    if (code)
      return code;
    if (is_item)
      leave(run);
    if (field->is_first)
      break;
  }
  return code;
}

/* ---- Fields -----------------------------------------------------------------------------------
 */

static int run_field(struct graphql_run *run, struct plan_field *field, const struct object *object,
                     const struct target *target, struct err *reterr) {
  struct graphql_place before = run->place;
  struct results results = {.from = run->stack.n};
  run->place = field->node->place;
  enter(run, (struct path_step){.key = field->key});
  int code = graphql_spend(run, reterr);
  code = code ? code : graphql_resolve_field(run, field, object, &results, reterr);
  if (code == 0)
    code = field->is_flat ? flatten(run, field, &results, target, reterr)
                          : add_values(run, field, &results, target, reterr);
  if (code)
    return code;
  leave(run);
  run->stack.n = results.from;
  run->place = before;
  return 0;
}

static int run_plan(struct graphql_run *run, const struct plan *plan, const struct object *object,
                    const struct target *target, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < plan->fields.n && code == 0; i++)
    code = run_field(run, plan->fields.p[i], object, target, reterr);
  return code;
}

/* ---- Errors -----------------------------------------------------------------------------------
 */

static void write_path(struct json_writer *w, const struct graphql_run *run) {
  json_key(w, STR("path"));
  json_begin_array(w);
  for (size_t i = 0; i < run->path_n && i < GRAPHQL_PATH_MAX; i++) {
    if (run->path[i].key.n > 0)
      json_string(w, run->path[i].key);
    else
      json_int(w, (int64_t)run->path[i].index);
  }
  json_end_array(w);
}

/* The OperationOutcome that FHIR wants beside the message. */
static void write_outcome(struct json_writer *w, const struct err *err, struct str message) {
  json_key(w, STR("extensions"));
  json_begin_object(w);
  json_key(w, STR("resource"));
  json_begin_object(w);
  json_member_string(w, STR("resourceType"), STR("OperationOutcome"));
  json_key(w, STR("issue"));
  json_begin_array(w);
  json_begin_object(w);
  json_member_string(w, STR("severity"), STR("error"));
  json_member_string(w, STR("code"), str_of(err_facts(err->code)->issue_type));
  json_member_string(w, STR("diagnostics"), message);
  json_end_object(w);
  json_end_array(w);
  json_end_object(w);
  json_end_object(w);
}

static void write_fault(struct json_writer *w, const struct graphql_fault *fault,
                        const struct graphql_run *run) {
  /* A fault of a search names its parameter, one of FHIRPath the place in the expression. */
  const struct err err = store_told(&fault->err);
  char text[sizeof err.where + sizeof err.text + 2];
  int n = snprintf(text, sizeof text, "%s%s%s", err.where, err.where[0] ? ": " : "", err.text);
  struct str message = str_n(text, n > 0 ? (size_t)n : 0);
  json_begin_object(w);
  json_member_string(w, STR("message"), message);
  if (fault->place.line > 0) {
    json_key(w, STR("locations"));
    json_begin_array(w);
    json_begin_object(w);
    json_member_int(w, STR("line"), fault->place.line);
    json_member_int(w, STR("column"), fault->place.column);
    json_end_object(w);
    json_end_array(w);
  }
  if (run && run->path_n > 0)
    write_path(w, run);
  write_outcome(w, &err, message);
  json_end_object(w);
}

/* `run` only for an error that has a path. */
static struct graphql_response fail(struct arena *arena, const struct graphql_fault *faults,
                                    size_t n, const struct graphql_run *run) {
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)1 << 20);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  json_key(&w, STR("errors"));
  json_begin_array(&w);
  for (size_t i = 0; i < n; i++)
    write_fault(&w, &faults[i], run);
  json_end_array(&w);
  json_key(&w, STR("data"));
  json_null(&w);
  json_end_object(&w);
  if (buf_is_overflown(&buf))
    return (struct graphql_response){
        503, STR("{\"errors\":[{\"message\":\"Out of memory.\"}],\"data\":null}")};
  /* A query that isn't valid is a bad request, whatever is wrong with it. */
  int status = err_facts(faults[0].err.code)->http_status;
  return (struct graphql_response){status == 422 ? 400 : status, buf_str(&buf)};
}

struct graphql_response graphql_refuse(struct arena *arena, const struct err *err) {
  return fail(arena, &(struct graphql_fault){.err = *err}, 1, NULL);
}

/* ---- The whole --------------------------------------------------------------------------------
 */

static int find_root(struct graphql_run *run, struct object *ret_root, struct err *reterr) {
  const struct record *record;
  *ret_root = (struct object){.type = run->root};
  if (!run->request->type)
    return 0;
  int code = graphql_read_record(run, run->request->type, run->request->id, 0, &record, reterr);
  if (code == 0 && !record)
    return err_set(reterr, ERR_NOT_FOUND, "", "There is no such resource.");
  if (code == 0)
    *ret_root = graphql_object_of(record);
  return code;
}

static int write_data(struct graphql_run *run, const struct output_object *data,
                      struct str *ret_body, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, run->arena, run->bounds->answer_max_bytes);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  json_key(&w, STR("data"));
  output_write(&w, data);
  json_end_object(&w);
  *ret_body = buf_str(&buf);
  run->path_n = 0;
  return buf_is_overflown(&buf)
             ? err_set(reterr, ERR_TOO_COSTLY, "", "The answer is longer than %zu bytes.",
                       run->bounds->answer_max_bytes)
             : 0;
}

static int execute(struct graphql_run *run, struct str *ret_body, struct err *reterr) {
  struct output_object data = {.index = NULL};
  struct object root;
  const struct plan *plan;
  int code = graphql_read_variables(run, reterr);
  code = code ? code : find_root(run, &root, reterr);
  code = code ? code : graphql_plan_root(run, &plan, reterr);
  code = code ? code : run_plan(run, plan, &root, &(struct target){.object = &data}, reterr);
  return code ? code : write_data(run, &data, ret_body, reterr);
}

static int check(struct graphql_run *run, struct graphql_faults *faults, struct err *reterr) {
  struct graphql_place place = {0, 0};
  int code = graphql_parse(run->arena, run->request->query, &run->bounds->text, &run->document,
                           &place, reterr);
  struct graphql_check_options options = {.root = run->root,
                                          .operation = run->request->operation,
                                          .fields_max = run->bounds->fields_max,
                                          .depth_max = run->bounds->depth_max};
  run->place = place;
  if (code)
    return code;
  run->place = (struct graphql_place){0, 0};
  return graphql_check(run->arena, run->document, &options, &run->operation, faults, reterr);
}

struct graphql_response graphql_run(struct store_view *view, const struct access *access,
                                    struct arena *arena, const struct graphql_request *request) {
  const struct graphql_bounds bounds_default = GRAPHQL_BOUNDS_DEFAULT;
  struct graphql_run *run = ARENA_NEW(arena, struct graphql_run);
  struct graphql_faults faults = {.list = {0}};
  struct graphql_response response = {.status = 200};
  struct err err;
  if (!run) {
    (void)!err_no_memory(&err);
    return graphql_refuse(arena, &err);
  }
  *run =
      (struct graphql_run){.arena = arena,
                           .view = view,
                           .access = access,
                           .request = request,
                           .bounds = request->bounds ? request->bounds : &bounds_default,
                           .root = request->type ? (struct schema_type){SCHEMA_FHIR, request->type}
                                                 : (struct schema_type){SCHEMA_QUERY, 0}};
  run->deadline_us = clock_monotonic_us() + run->bounds->time_max_us;
  map_init(&run->records, arena);
  int code = check(run, &faults, &err);
  if (code && faults.list.n > 0)
    return fail(arena, faults.list.p, faults.list.n, NULL);
  if (code == 0)
    code = execute(run, &response.body, &err);
  if (code)
    return fail(arena, &(struct graphql_fault){err, run->place}, 1, run);
  return response;
}
