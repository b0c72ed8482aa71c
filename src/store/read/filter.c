#include "store/store_internal.h"

#include "store/db/dialect.h"

int store_filter(struct db *db, const struct schema *schema, const struct access *access,
                 struct store_filter *ret_filter, struct err *reterr) {
  struct store_filter filter = {.schema = schema,
                                .kind = db_kind(db),
                                .is_everything = access->is_everything,
                                .types = access->types,
                                .types_n = access->types_n};
  if (!access->is_everything && !str_is_empty(access->patient_id)) {
    filter.is_of_patient = true;
    int code = store_rid(db, schema, defs_type_by_name(STR("Patient")), access->patient_id,
                         &filter.patient_rid, reterr);
    if (code != 0)
      return code;
  }
  *ret_filter = filter;
  return 0;
}

static bool may_see_type(const struct store_filter *filter, defs_type_id type) {
  bool may = filter->types_n == 0;
  for (size_t i = 0; i < filter->types_n; i++)
    may |= filter->types[i] == type;
  return may;
}

static void add_compartment_params(struct db_query *query, const struct store_filter *filter,
                                   defs_type_id type) {
  size_t n;
  const defs_param_id *params = defs_compartment_params(STR("Patient"), type, &n);
  for (size_t i = 0; i < n; i++) {
    uint16_t number = schema_param_number(filter->schema, params[i]);
    if (number && defs_param(params[i])->type == SEARCH_REFERENCE)
      db_query_addf(query, ",%u", number);
  }
}

/* In the compartment: the patient, or what points to it by one of the compartment's parameters. */
static void add_compartment(struct db_query *query, const struct store_filter *filter,
                            const char *alias, defs_type_id type) {
  db_query_addf(query, "(%s.rid=", alias);
  db_query_i64(query, (int64_t)filter->patient_rid);
  db_query_addf(query,
                " OR EXISTS(SELECT 1 FROM reference c WHERE c.rid=%s.rid AND c.target=", alias);
  db_query_i64(query, (int64_t)filter->patient_rid);
  db_query_add(query, " AND c.param IN(0"); /* no parameter is 0: the list is never empty */
  if (type) {
    add_compartment_params(query, filter, type);
  } else {
    for (size_t number = 1; number < filter->schema->types_n; number++)
      if (filter->schema->types[number] && may_see_type(filter, filter->schema->types[number]))
        add_compartment_params(query, filter, filter->schema->types[number]);
  }
  db_query_addf(query, ")%s))", dialect_apart(filter->kind));
}

void store_filter_add(struct db_query *query, const struct store_filter *filter, const char *alias,
                      defs_type_id type) {
  if (filter->is_everything) {
    db_query_add(query, "TRUE");
    return;
  }
  if ((type && !may_see_type(filter, type)) ||
      (filter->is_of_patient && filter->patient_rid == 0) ||
      (!filter->is_of_patient && filter->types_n == 0)) { /* nothing was said: nothing is allowed */
    db_query_add(query, "FALSE");
    return;
  }
  bool needs_and = false;
  if (!type && filter->types_n) {
    db_query_addf(query, "%s.type IN(0", alias);
    for (size_t i = 0; i < filter->types_n; i++)
      db_query_addf(query, ",%u", schema_type_number(filter->schema, filter->types[i]));
    db_query_add(query, ")");
    needs_and = true;
  }
  if (filter->is_of_patient) {
    db_query_add(query, needs_and ? " AND " : "");
    add_compartment(query, filter, alias, type);
  } else if (!needs_and) {
    db_query_add(query, "TRUE");
  }
}
