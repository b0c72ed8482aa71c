#include "model/definitions_custom.h"

#include <stdlib.h>

#include "model/definitions_tables.h"

/* Pages of these that were never used cost nothing. What stands below the count is immutable. */
static struct defs_param records[DEFS_CUSTOM_MAX];
static atomic_size_t records_n;
static struct defs_component components[DEFS_CUSTOM_COMPONENTS_MAX];
static size_t components_n;
static defs_type_id targets[DEFS_CUSTOM_TARGETS_MAX];
static size_t targets_n;
static struct arena *texts;

#define TEXTS_MAX_BYTES ((size_t)256 << 20)
#define TYPES_MAX 4096
static _Atomic(struct defs_custom_list *) lists[TYPES_MAX];
static atomic_bool has_lists;

const struct defs_param *defs_custom_param(size_t index) {
  return index < atomic_load_explicit(&records_n, memory_order_acquire) ? &records[index] : NULL;
}

const struct defs_component *defs_custom_component(size_t index) {
  return index < DEFS_CUSTOM_COMPONENTS_MAX ? &components[index] : &components[0];
}

defs_type_id defs_custom_target(size_t index) {
  return index < DEFS_CUSTOM_TARGETS_MAX ? targets[index] : 0;
}

const struct defs_custom_list *defs_custom_list_of(defs_type_id type) {
  if (!atomic_load_explicit(&has_lists, memory_order_acquire) || type >= TYPES_MAX)
    return NULL;
  return atomic_load_explicit(&lists[type], memory_order_acquire);
}

static int keep(struct str *text, struct err *reterr) {
  *text = arena_str(texts, *text);
  return text->p ? 0 : err_no_memory(reterr);
}

static int copy_components(const struct defs_component *from, size_t n, struct err *reterr) {
  for (size_t i = 0; i < n; i++) {
    struct defs_component component = from[i];
    int code = keep(&component.expression, reterr);
    if (code != 0)
      return code;
    components[components_n + i] = component;
  }
  return 0;
}

int defs_custom_add(const struct defs_param *param, const defs_type_id *its_targets,
                    const struct defs_component *its_components, defs_param_id *ret_id,
                    struct err *reterr) {
  size_t n = atomic_load(&records_n);
  if (!texts && !(texts = arena_new(TEXTS_MAX_BYTES)))
    return err_no_memory(reterr);
  if (n == DEFS_CUSTOM_MAX || targets_n + param->targets_n > DEFS_CUSTOM_TARGETS_MAX ||
      components_n + param->components_n > DEFS_CUSTOM_COMPONENTS_MAX)
    return err_set(reterr, ERR_UNPROCESSABLE, "",
                   "Too many search parameters were defined since the server began; restart it.");
  struct defs_param record = *param;
  int code = keep(&record.code, reterr);
  if (code == 0)
    code = keep(&record.url, reterr);
  if (code == 0)
    code = keep(&record.expression, reterr);
  if (code == 0)
    code = copy_components(its_components, param->components_n, reterr);
  if (code != 0)
    return code;
  record.first_target = (uint32_t)(defs_targets_n_ + 1 + targets_n);
  record.first_component = (uint32_t)(defs_components_n_ + 1 + components_n);
  if (param->targets_n)
    memcpy(&targets[targets_n], its_targets, param->targets_n * sizeof *targets);
  targets_n += param->targets_n;
  components_n += param->components_n;
  records[n] = record;
  atomic_store_explicit(&records_n, n + 1, memory_order_release);
  *ret_id = (defs_param_id)(defs_params_n_ + 1 + n);
  return 0;
}

int defs_custom_set(defs_type_id type, const defs_param_id *ids, size_t n, struct err *reterr) {
  const struct defs_range *range = &defs_type_params_[type];
  const defs_param_id *compiled = &defs_param_lists_[range->first];
  struct defs_custom_list *list = malloc(sizeof *list + (range->n + n) * sizeof(defs_param_id));
  if (!list || type >= TYPES_MAX) {
    free(list);
    return err_no_memory(reterr);
  }
  list->n = range->n + n;
  list->older = atomic_load(&lists[type]);
  if (n)
    memcpy(list->ids, ids, n * sizeof *ids); /* its own before those of Resource */
  if (range->n)
    memcpy(list->ids + n, compiled, range->n * sizeof *ids);
  atomic_store_explicit(&lists[type], list, memory_order_release);
  atomic_store_explicit(&has_lists, true, memory_order_release);
  return 0;
}
