#include "format/v2_dictionary.h"

#include "format/v2_dictionary_tables.h"

/* The next number of "2.5.1", and 0 once there is none. */
static unsigned next_number(struct str *rest) {
  unsigned value = 0;
  size_t i = 0;
  while (i < rest->n && rest->p[i] >= '0' && rest->p[i] <= '9' && value < 1000)
    value = value * 10 + (unsigned)(rest->p[i++] - '0');
  if (i == 0)
    *rest = STR_NULL;
  else
    *rest = str_slice(*rest, i + (i < rest->n && rest->p[i] == '.'), rest->n);
  return value;
}

static int compare_versions(struct str a, struct str b) {
  while (a.n > 0 || b.n > 0) {
    unsigned left = next_number(&a), right = next_number(&b);
    if (left != right)
      return left < right ? -1 : 1;
  }
  return 0;
}

/* The newest version at or below `version`; the newest of all when `version` isn't one. */
static uint32_t version_of(struct str version) {
  uint32_t newest = (uint32_t)v2_versions_n_ - 1;
  bool is_number = version.n > 0 && version.p[0] >= '0' && version.p[0] <= '9';
  for (uint32_t v = newest; is_number && v > 0; v--)
    if (compare_versions(v2_versions_[v], version) <= 0)
      return v;
  return is_number ? 0 : newest;
}

static const struct v2_group *find_group(const struct v2_group *groups, size_t n, struct str name) {
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = str_compare(groups[middle].name, name);
    if (order == 0)
      return &groups[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

static const struct v2_field *find_field(const struct v2_group *group, struct str version,
                                         unsigned number) {
  if (!group || number == 0)
    return NULL;
  uint32_t wanted = version_of(version);
  const struct v2_field *found = NULL;
  for (uint32_t i = 0; i < group->runs_n; i++) {
    const struct v2_run *run = &v2_runs_[group->first_run + i];
    if (found && run->version > wanted)
      break;
    if (number <= run->refs_n)
      found = &v2_fields_[v2_refs_[run->first_ref + number - 1]];
  }
  return found;
}

const struct v2_field *v2_segment_field(struct str version, struct str segment, unsigned field) {
  return find_field(find_group(v2_segments_, v2_segments_n_, segment), version, field);
}

const struct v2_field *v2_type_component(struct str version, struct str data_type,
                                         unsigned component) {
  return find_field(find_group(v2_types_, v2_types_n_, data_type), version, component);
}

struct str v2_segment_name(struct str segment) {
  const struct v2_group *group = find_group(v2_segments_, v2_segments_n_, segment);
  return group ? group->description : STR_NULL;
}

static const struct v2_table *find_table(uint16_t number) {
  size_t low = 0, high = v2_tables_n_;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (v2_tables_[middle].number == number)
      return &v2_tables_[middle];
    if (v2_tables_[middle].number < number)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

struct str v2_table_name(uint16_t table) {
  const struct v2_table *found = find_table(table);
  return found ? found->name : STR_NULL;
}

struct str v2_table_display(uint16_t table, struct str code) {
  const struct v2_table *found = find_table(table);
  size_t low = 0, high = found ? found->codes_n : 0;
  while (low < high) {
    size_t middle = (low + high) / 2;
    const struct v2_code *entry = &v2_codes_[found->first_code + middle];
    int order = str_compare(entry->code, code);
    if (order == 0)
      return entry->display;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return STR_NULL;
}

/* The order of "TYPE_EVENT" against the two parts. */
static int compare_event(struct str name, struct str type, struct str event) {
  int order = str_compare(str_slice(name, 0, type.n), type);
  if (order)
    return order;
  if (name.n == type.n)
    return -1;
  if (name.p[type.n] != '_')
    return name.p[type.n] < '_' ? -1 : 1;
  return str_compare(str_slice(name, type.n + 1, name.n), event);
}

bool v2_event_is_known(struct str type, struct str event) {
  static const uint16_t event_types = 3; /* the table that lists them */
  if (str_is(type, "ACK"))
    return !str_is_empty(v2_table_display(event_types, event));
  size_t low = 0, high = v2_events_n_;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = compare_event(v2_events_[middle], type, event);
    if (order == 0)
      return true;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}
