#include "model/definitions.h"

#include "model/definitions_custom.h"
#include "model/definitions_tables.h"

size_t defs_types_count(void) {
  return defs_types_n_;
}

const struct defs_type *defs_type(defs_type_id id) {
  return &defs_types_[id <= defs_types_n_ ? id : 0];
}

defs_type_id defs_type_by_name(struct str name) {
  size_t low = 0, high = defs_types_n_;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = str_compare(defs_type_names_[middle].name, name);
    if (order == 0)
      return (defs_type_id)defs_type_names_[middle].type;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return 0;
}

bool defs_type_is_a(defs_type_id type, defs_type_id base) {
  for (; type; type = defs_type(type)->base)
    if (type == base)
      return true;
  return false;
}

const struct defs_element *defs_element(uint32_t index) {
  return &defs_elements_[index <= defs_elements_n_ ? index : 0];
}

const struct defs_element_type *defs_element_type(uint32_t index) {
  return &defs_element_types_[index <= defs_element_types_n_ ? index : 0];
}

defs_type_id defs_target(uint32_t index) {
  if (index > defs_targets_n_)
    return defs_custom_target(index - defs_targets_n_ - 1);
  return defs_targets_[index];
}

const struct defs_invariant *defs_invariant(uint32_t index) {
  return &defs_invariants_[index <= defs_invariants_n_ ? index : 0];
}

const struct defs_property *defs_property(defs_type_id type, struct str json_name) {
  if (type > defs_types_n_)
    return NULL;
  const struct defs_property_index *index = &defs_property_indexes_[type];
  const uint16_t *slots = &defs_slots_[index->first_slot];
  for (uint32_t at = defs_name_hash(json_name) & index->mask; slots[at];
       at = (at + 1) & index->mask) {
    const struct defs_property *property =
        &defs_properties_[index->first_property + slots[at] - 1u];
    if (str_equal(property->name, json_name))
      return property;
  }
  return NULL;
}

const struct defs_property *defs_properties_of(defs_type_id type, size_t *ret_n) {
  if (type > defs_types_n_)
    type = 0;
  const struct defs_property_index *index = &defs_property_indexes_[type];
  *ret_n = index->properties_n;
  return &defs_properties_[index->first_property];
}

size_t defs_params_count(void) {
  return defs_params_n_;
}

const struct defs_param *defs_param(defs_param_id id) {
  if (id <= defs_params_n_)
    return &defs_params_[id];
  const struct defs_param *param = defs_custom_param(id - defs_params_n_ - 1);
  return param ? param : &defs_params_[0];
}

const defs_param_id *defs_params_of(defs_type_id type, size_t *ret_n) {
  const struct defs_custom_list *list = defs_custom_list_of(type);
  if (list) {
    *ret_n = list->n;
    return list->ids;
  }
  const struct defs_range *range = &defs_type_params_[type <= defs_types_n_ ? type : 0];
  *ret_n = range->n;
  return &defs_param_lists_[range->first];
}

defs_param_id defs_param_by_code(defs_type_id type, struct str code) {
  size_t n;
  const defs_param_id *list = defs_params_of(type, &n);
  for (size_t i = 0; i < n; i++)
    if (str_equal(defs_param(list[i])->code, code))
      return list[i];
  return 0;
}

const struct defs_component *defs_component(uint32_t index) {
  if (index > defs_components_n_)
    return defs_custom_component(index - defs_components_n_ - 1);
  return &defs_components_[index];
}

const defs_param_id *defs_compartment_params(struct str compartment, defs_type_id type,
                                             size_t *ret_n) {
  *ret_n = 0;
  if (type > defs_types_n_)
    return defs_param_lists_;
  for (size_t i = 0; i < defs_compartments_n_; i++)
    if (str_equal(defs_types_[defs_compartments_[i]].name, compartment)) {
      const struct defs_range *range = &defs_compartment_params_[i * (defs_types_n_ + 1) + type];
      *ret_n = range->n;
      return &defs_param_lists_[range->first];
    }
  return defs_param_lists_;
}

static struct str pool_str(uint32_t offset, uint16_t n) {
  return str_n(&defs_pool_[offset], n);
}

static struct str code_of(const struct defs_value_set_code *code) {
  return pool_str(code->code, code->code_n);
}

/* The first entry of `set` with this code (others with it follow); NULL when there is none. */
static const struct defs_value_set_code *find_code(const struct defs_value_set *set,
                                                   struct str code) {
  const struct defs_value_set_code *codes = &defs_value_set_codes_[set->codes.first];
  size_t low = 0, high = set->codes.n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (str_compare(code_of(&codes[middle]), code) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < set->codes.n && str_equal(code_of(&codes[low]), code) ? &codes[low] : NULL;
}

static const struct defs_value_set *value_set(uint16_t id) {
  return &defs_value_sets_[id <= defs_value_sets_n_ ? id : 0];
}

bool defs_value_set_is_enumerable(uint16_t id) {
  return value_set(id)->is_enumerable != 0;
}

bool defs_value_set_has(uint16_t id, struct str system, struct str code) {
  const struct defs_value_set *set = value_set(id);
  if (!set->is_enumerable)
    return true;
  const struct defs_value_set_code *found = find_code(set, code);
  if (!found || str_is_empty(system))
    return found != NULL;
  const struct defs_value_set_code *end = &defs_value_set_codes_[set->codes.first] + set->codes.n;
  for (; found < end && str_equal(code_of(found), code); found++)
    if (str_equal(defs_systems_[found->system].url, system))
      return true;
  return false;
}

uint16_t defs_value_set_by_url(struct str url) {
  for (uint64_t i = 1; i <= defs_value_sets_n_; i++)
    if (str_equal(defs_value_sets_[i].url, url))
      return (uint16_t)i;
  return 0;
}

bool defs_value_set_code(uint16_t id, size_t index, struct str *ret_system, struct str *ret_code) {
  const struct defs_value_set *set = value_set(id);
  if (!set->is_enumerable || index >= set->codes.n)
    return false;
  const struct defs_value_set_code *code = &defs_value_set_codes_[set->codes.first + index];
  *ret_system = defs_systems_[code->system].url;
  *ret_code = code_of(code);
  return true;
}

struct str defs_value_set_system(uint16_t id, struct str code) {
  const struct defs_value_set *set = value_set(id);
  const struct defs_value_set_code *found = find_code(set, code);
  if (!found)
    return STR_NULL;
  const struct defs_value_set_code *end = &defs_value_set_codes_[set->codes.first] + set->codes.n;
  if (found + 1 < end && str_equal(code_of(found + 1), code))
    return STR_NULL;
  return defs_systems_[found->system].url;
}

static int compare_published(const struct defs_published *p, bool is_value_set, struct str url) {
  int order = str_compare(pool_str(p->url, p->url_n), url);
  return order ? order : (int)p->is_value_set - (int)is_value_set;
}

bool defs_published_at(uint32_t index, struct defs_resource_text *ret_text) {
  if (index == 0 || index > defs_published_n_)
    return false;
  const struct defs_published *p = &defs_published_[index];
  *ret_text = (struct defs_resource_text){.url = pool_str(p->url, p->url_n),
                                          .version = pool_str(p->version, p->version_n),
                                          .json = str_n(&defs_pool_[p->text], p->text_n)};
  return true;
}

bool defs_published(bool is_value_set, struct str url, struct defs_resource_text *ret_text) {
  uint32_t low = 1, high = (uint32_t)defs_published_n_ + 1;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    int order = compare_published(&defs_published_[middle], is_value_set, url);
    if (order == 0)
      return defs_published_at(middle, ret_text);
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}

static const struct defs_system *find_system(struct str url) {
  size_t low = 1, high = defs_systems_n_ + 1;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = str_compare(defs_systems_[middle].url, url);
    if (order == 0)
      return &defs_systems_[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

struct str defs_code_display(struct str system, struct str code) {
  const struct defs_system *found = find_system(system);
  size_t low = 0, high = found ? found->concepts.n : 0;
  while (low < high) {
    size_t middle = (low + high) / 2;
    const struct defs_concept *concept = &defs_concepts_[found->concepts.first + middle];
    int order = str_compare(pool_str(concept->code, concept->code_n), code);
    if (order == 0)
      return pool_str(concept->display, concept->display_n);
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return STR_NULL;
}
