#include "store/schema/fact.h"

#include <inttypes.h>
#include <stdio.h>

/* `ret_row` stands on the value, where there is one; db_release it. */
static int find(struct db *db, const char *name, struct db_statement **ret_row, bool *ret_has,
                struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db, STR("SELECT value FROM store WHERE name=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, str_of(name));
  code = db_step(row, ret_has, reterr);
  if (code == 0)
    *ret_row = row;
  else
    db_release(row);
  return code;
}

int fact_read(struct db *db, struct arena *arena, const char *name, struct str *ret_value,
              struct err *reterr) {
  struct db_statement *row = NULL;
  bool has = false;
  int code = find(db, name, &row, &has, reterr);
  if (code != 0)
    return code;
  struct str value = has ? arena_str(arena, db_column_str(row, 0)) : STR_NULL;
  db_release(row);
  if (has && !value.p)
    return err_no_memory(reterr);
  *ret_value = value;
  return 0;
}

int fact_read_number(struct db *db, const char *name, uint64_t *ret_number, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has = false;
  uint64_t number = 0;
  int code = find(db, name, &row, &has, reterr);
  if (code != 0)
    return code;
  if (has && !str_to_u64(db_column_str(row, 0), &number))
    code =
        err_set(reterr, ERR_STORE, "", "The store is damaged: its fact '%s' is no number.", name);
  db_release(row);
  if (code == 0)
    *ret_number = number;
  return code;
}

int fact_has(struct db *db, const char *name, bool *ret_has, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = find(db, name, &row, ret_has, reterr);
  if (code == 0)
    db_release(row);
  return code;
}

int fact_is(struct db *db, const char *name, struct str value, bool *ret_is, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has = false;
  int code = find(db, name, &row, &has, reterr);
  if (code != 0)
    return code;
  *ret_is = has && str_equal(db_column_str(row, 0), value);
  db_release(row);
  return 0;
}

static int set(struct db *db, const char *name, struct str value, bool is_text,
               struct err *reterr) {
  struct db_statement *row = NULL;
  int code = fact_remove(db, name, reterr);
  if (code == 0)
    code = db_prepare(db, STR("INSERT INTO store(name,value) VALUES(?,?)"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, str_of(name));
  if (is_text)
    db_bind_text(row, 2, value);
  else
    db_bind_bytes(row, 2, value);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

int fact_set(struct db *db, const char *name, struct str value, struct err *reterr) {
  return set(db, name, value, true, reterr);
}

int fact_set_bytes(struct db *db, const char *name, struct str value, struct err *reterr) {
  return set(db, name, value, false, reterr);
}

int fact_set_number(struct db *db, const char *name, uint64_t number, struct err *reterr) {
  char digits[24];
  int n = snprintf(digits, sizeof digits, "%" PRIu64, number);
  return set(db, name, str_n(digits, (size_t)n), true, reterr);
}

int fact_remove(struct db *db, const char *name, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db, STR("DELETE FROM store WHERE name=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, str_of(name));
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}
