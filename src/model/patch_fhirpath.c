/*
 * FHIRPath Patch (http://hl7.org/fhir/R4/fhirpatch.html): add, insert, delete, replace, move.
 *
 * A path is evaluated on the resource as the operations before it left it; the nodes that it gives
 * are found again in the tree that is changed. In JSON an element that is a primitive has two
 * places, `name` and `_name`, which are changed together.
 */
#include "model/fhirpath.h"
#include "model/patch_fhirpath.h"

#define PATH_MAX_BYTES 4096
#define SCRATCH_MAX_BYTES ((size_t)256 << 20)
/* Steps of all evaluations together, and what each may have at least. */
#define EVALUATION_STEPS 20000000
#define EVALUATION_STEPS_EACH 50000

void patch_set_fault(const struct patch_operation *o, enum err_code code, const char *member,
                     const char *text) {
  (void)patch_fault(o->index, member, code, text, o->err);
}

void patch_set_place(const struct patch_operation *o, const char *member) {
  if (str_starts_with(str_of(o->err->where), STR("operation[")))
    return;
  const struct err below = *o->err;
  patch_set_fault(o, below.code, member, below.text);
}

/* ---- The operation's parts ------------------------------------------------------------------- */

/* The part of this name, or NULL. */
static const struct yyjson_val *part_of(const struct yyjson_val *parameter, const char *name) {
  struct json_each each = json_each(json_get(parameter, STR("part")));
  while (json_next(&each))
    if (str_is(json_get_text(each.value, STR("name")), name))
      return each.value;
  return NULL;
}

/* A part whose value is a text: valueString, valueCode, and what stands for them. */
static int read_text(const struct patch_operation *o, const char *name, struct str *ret_text) {
  static const char *const values[] = {"valueString", "valueCode", "valueId", "valueUri",
                                       "valueMarkdown"};
  const struct yyjson_val *part = part_of(o->json, name);
  for (size_t i = 0; part && i < sizeof values / sizeof values[0]; i++) {
    *ret_text = json_get_text(part, str_of(values[i]));
    if (ret_text->n > 0)
      return 0;
  }
  return patch_fail(o, part ? ERR_VALUE : ERR_REQUIRED, name,
                    part ? "The part must have a text as value (valueString or valueCode)."
                         : "The operation needs this part.");
}

static int read_number(const struct patch_operation *o, const char *name, size_t *ret_number) {
  static const char *const values[] = {"valueInteger", "valueUnsignedInt", "valuePositiveInt"};
  const struct yyjson_val *part = part_of(o->json, name);
  uint64_t number;
  for (size_t i = 0; part && i < sizeof values / sizeof values[0]; i++) {
    const struct yyjson_val *value = json_get(part, str_of(values[i]));
    if (json_kind(value) == JSON_NUMBER && str_to_u64(json_text(value), &number) &&
        number <= INT32_MAX) {
      *ret_number = (size_t)number;
      return 0;
    }
  }
  return patch_fail(o, part ? ERR_VALUE : ERR_REQUIRED, name,
                    part ? "The part must have an integer from 0 on as value (valueInteger)."
                         : "The operation needs this part.");
}

/* ---- From a path to elements ----------------------------------------------------------------- */

/* The tree as it is now, for evaluation; made again after a change. */
static int look(struct patch_run *run, struct err *reterr) {
  if (run->snapshot)
    return 0;
  arena_reset(run->scratch);
  return patch_tree_freeze(run->tree, run->scratch, &run->snapshot, &run->nodes, &run->nodes_n,
                           reterr);
}

static struct patch_node *node_of(const struct patch_run *run, const struct yyjson_val *value) {
  uintptr_t at = (uintptr_t)value, first = (uintptr_t)run->snapshot;
  if (!value || at < first || (at - first) / sizeof *value >= run->nodes_n)
    return NULL;
  return run->nodes[(at - first) / sizeof *value];
}

/* Fills in where a value of the evaluation stands in the tree; false when it does not. */
static bool element_of(const struct patch_run *run, const struct fhirpath_value *value,
                       struct patch_element *ret_element) {
  if (value->kind != FHIRPATH_NODE)
    return false;
  struct patch_node *any = node_of(run, value->node ? value->node : value->extra);
  if (!any)
    return false;
  *ret_element = patch_element_at(run->tree, any, value->type);
  return true;
}

static int evaluate(const struct patch_operation *o, struct str path,
                    struct patch_element **ret_elements, size_t *ret_n) {
  struct patch_run *run = o->run;
  const struct fhirpath *program;
  struct fhirpath_values values;
  int code = look(run, o->err);
  if (code)
    return patch_place(o, "", code);
  defs_type_id type = defs_type_by_name(json_get_text(run->snapshot, STR("resourceType")));
  struct fhirpath_context context = {
      .resource = run->snapshot, .root_resource = run->snapshot, .max_steps = run->steps_each};
  if (!type)
    return patch_fail(o, ERR_UNPROCESSABLE, "path", "The resource is of no type that R4 knows.");
  code = fhirpath_compile_strict(run->scratch, path, type, &program, o->err);
  if (code == 0)
    code = fhirpath_eval(run->scratch, program, run->snapshot, type, &context, &values, o->err);
  if (code)
    return patch_place(o, "path", code);
  struct patch_element *elements = ARENA_ARRAY(run->scratch, struct patch_element, values.n + 1);
  if (!elements)
    return err_no_memory(o->err);
  for (size_t i = 0; i < values.n; i++)
    if (!element_of(run, &values.p[i], &elements[i]))
      return patch_fail(o, ERR_UNPROCESSABLE, "path",
                        "The path leads to what is no element of the resource.");
  *ret_elements = elements;
  *ret_n = values.n;
  return 0;
}

static int read_path(const struct patch_operation *o, struct str *ret_path) {
  int code = read_text(o, "path", ret_path);
  if (code == 0 && ret_path->n > PATH_MAX_BYTES)
    return patch_fail(o, ERR_TOO_LONG, "path", "The path is too long.");
  return code;
}

/* Evaluates the part `path`; `*ret_n` is 0 or 1. */
static int find_at_most_one(const struct patch_operation *o, struct patch_element *ret_element,
                            size_t *ret_n) {
  struct patch_element *elements;
  struct str path;
  int code = read_path(o, &path);
  if (code == 0)
    code = evaluate(o, path, &elements, ret_n);
  if (code == 0 && *ret_n > 1)
    return patch_fail(o, ERR_UNPROCESSABLE, "path",
                      "The path leads to more than one element; it must lead to one.");
  if (code == 0 && *ret_n == 1)
    *ret_element = elements[0];
  return code;
}

static int find_one(const struct patch_operation *o, struct patch_element *ret_element) {
  size_t n;
  int code = find_at_most_one(o, ret_element, &n);
  if (code == 0 && n == 0)
    return patch_fail(o, ERR_UNPROCESSABLE, "path", "The path leads to no element.");
  return code;
}

/* A list that is not there has no elements to be found by: "X.name" is then the `name` of X. */
static int find_empty_list(const struct patch_operation *o, struct str path,
                           struct patch_list *ret_list) {
  struct patch_element *elements;
  size_t n, dot = path.n;
  while (dot > 0 && path.p[dot - 1] != '.')
    dot--;
  struct str name = str_slice(path, dot, path.n);
  for (size_t i = 0; i < name.n; i++)
    if ((name.p[i] < 'a' || name.p[i] > 'z') && (name.p[i] < 'A' || name.p[i] > 'Z'))
      dot = 0;
  if (dot < 2)
    return patch_fail(o, ERR_UNPROCESSABLE, "path", "The path leads to no element.");
  int code = evaluate(o, str_slice(path, 0, dot - 1), &elements, &n);
  if (code == 0 && n != 1)
    return patch_fail(o, ERR_UNPROCESSABLE, "path", "The path leads to no element.");
  return code ? code : patch_list_of(o, &elements[0], name, ret_list);
}

/* The list that is the whole of what `path` leads to. */
static int find_list(const struct patch_operation *o, struct patch_list *ret_list) {
  struct patch_element *elements;
  struct str path;
  size_t n;
  int code = read_path(o, &path);
  if (code == 0)
    code = evaluate(o, path, &elements, &n);
  if (code)
    return code;
  if (n == 0)
    return find_empty_list(o, path, ret_list);
  for (size_t i = 0; i < n; i++)
    if (!elements[i].is_item || elements[i].owner != elements[0].owner ||
        !str_equal(elements[i].name, elements[0].name) || elements[i].index != i)
      return patch_fail(o, ERR_UNPROCESSABLE, "path", "The path must lead to one whole list.");
  code = patch_list_around(o, &elements[0], ret_list);
  if (code == 0 && n != ret_list->n)
    return patch_fail(o, ERR_UNPROCESSABLE, "path", "The path must lead to one whole list.");
  return code;
}

/* ---- Operations ------------------------------------------------------------------------------ */

static int run_add(const struct patch_operation *o) {
  struct patch_element parent;
  struct patch_list list;
  struct str name;
  int code = find_one(o, &parent);
  if (code == 0)
    code = read_text(o, "name", &name);
  if (code == 0)
    code = patch_list_of(o, &parent, name, &list);
  if (code)
    return code;
  if (list.max <= list.n)
    return patch_fail(o, ERR_UNPROCESSABLE, "name",
                      "The element is there already and can't be there twice.");
  return patch_list_insert(o, &list, list.n, part_of(o->json, "value"));
}

static int run_insert(const struct patch_operation *o) {
  struct patch_list list;
  size_t index;
  int code = find_list(o, &list);
  if (code == 0)
    code = read_number(o, "index", &index);
  if (code)
    return code;
  if (list.max <= 1)
    return patch_fail(o, ERR_UNPROCESSABLE, "path", "The path leads to what is no list.");
  if (index > list.n)
    return patch_fail(o, ERR_UNPROCESSABLE, "index", "The index is beyond the end of the list.");
  return patch_list_insert(o, &list, index, part_of(o->json, "value"));
}

static int run_delete(const struct patch_operation *o) {
  struct patch_element element;
  size_t n;
  int code = find_at_most_one(o, &element, &n);
  if (code || n == 0)
    return code;
  if (!element.owner)
    return patch_fail(o, ERR_UNPROCESSABLE, "path",
                      "The whole resource can't be deleted by a patch.");
  patch_element_delete(o, &element);
  return 0;
}

static int run_replace(const struct patch_operation *o) {
  struct patch_element element;
  int code = find_one(o, &element);
  if (code == 0 && !element.owner)
    return patch_fail(o, ERR_UNPROCESSABLE, "path",
                      "The whole resource can't be replaced by a patch; use an update.");
  return code ? code : patch_element_replace(o, &element, part_of(o->json, "value"));
}

static int run_move(const struct patch_operation *o) {
  struct patch_list list;
  size_t source, destination;
  int code = find_list(o, &list);
  if (code == 0)
    code = read_number(o, "source", &source);
  if (code == 0)
    code = read_number(o, "destination", &destination);
  if (code)
    return code;
  if (source >= list.n || destination >= list.n)
    return patch_fail(o, ERR_UNPROCESSABLE, source >= list.n ? "source" : "destination",
                      "The index is beyond the end of the list.");
  return patch_list_move(o, &list, source, destination);
}

static int run_operation(const struct patch_operation *o) {
  static const struct {
    const char *name;
    int (*run)(const struct patch_operation *o);
  } operations[] = {{"add", run_add},
                    {"insert", run_insert},
                    {"delete", run_delete},
                    {"replace", run_replace},
                    {"move", run_move}};
  struct str type;
  if (!str_is(json_get_text(o->json, STR("name")), "operation"))
    return patch_fail(o, ERR_VALUE, "name", "Each parameter of a patch is called 'operation'.");
  int code = read_text(o, "type", &type);
  if (code)
    return code;
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
    if (str_is(type, operations[i].name)) {
      code = operations[i].run(o);
      o->run->snapshot = NULL;
      return patch_place(o, "", code ? code : patch_tree_check_steps(o->run->tree, o->err));
    }
  return patch_fail(o, ERR_VALUE, "type", "The type is one of add, insert, delete, replace, move.");
}

static int run_all(struct patch_run *run, const struct yyjson_val *operations, struct err *reterr) {
  struct json_each each = json_each(operations);
  int code = 0;
  while (code == 0 && json_next(&each)) {
    struct patch_operation o = {.run = run, .json = each.value, .index = each.index, .err = reterr};
    code = json_kind(each.value) == JSON_OBJECT
               ? run_operation(&o)
               : patch_fail(&o, ERR_STRUCTURE, "", "A parameter must be an object.");
  }
  return code;
}

int patch_fhirpath(struct patch_tree *tree, const struct yyjson_val *document, size_t max,
                   struct err *reterr) {
  const struct yyjson_val *operations = json_get(document, STR("parameter"));
  struct err own = {0};
  struct patch_run run = {.tree = tree};
  if (!str_is(json_get_text(document, STR("resourceType")), "Parameters"))
    return err_set(reterr, ERR_STRUCTURE, "", "A FHIRPath Patch must be a Parameters resource.");
  if (operations && json_kind(operations) != JSON_ARRAY)
    return err_set(reterr, ERR_STRUCTURE, "", "The member parameter must be an array.");
  size_t n = json_count(operations);
  int code = patch_check_count(n, max, reterr);
  if (code)
    return code;
  run.steps_each = EVALUATION_STEPS / (unsigned)(n + 1);
  if (run.steps_each < EVALUATION_STEPS_EACH)
    run.steps_each = EVALUATION_STEPS_EACH;
  run.scratch = arena_new(SCRATCH_MAX_BYTES);
  if (!run.scratch)
    return err_no_memory(reterr);
  code = run_all(&run, operations, reterr ? reterr : &own);
  arena_free(run.scratch);
  return code;
}
