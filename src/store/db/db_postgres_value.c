#include "store/db/db_postgres_value.h"

#include "store/db/db_driver.h"

#include <endian.h>
#include <math.h>

static uint64_t be_number(struct str bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.n && i < 8; i++)
    value = value << 8 | (unsigned char)bytes.p[i];
  return value;
}

static int64_t i64_of(const char *p) {
  uint64_t value;
  memcpy(&value, p, sizeof value);
  return (int64_t)be64toh(value);
}

static double double_of(struct str bytes) {
  uint64_t bits = be_number(bytes);
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static double float_of(struct str bytes) {
  uint32_t bits = (uint32_t)be_number(bytes);
  float value;
  memcpy(&value, &bits, sizeof value);
  return (double)value;
}

static int64_t i64_of_double(double value) {
  if (isnan(value))
    return 0;
  if (value >= 0x1p63)
    return INT64_MAX;
  return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

/* ---- numeric ---- */

struct numeric {
  int digits_n, weight;
  unsigned sign; /* 0: positive, 0x4000: negative; else not a number or infinite */
  struct str digits;
};

static bool read_numeric(struct str bytes, struct numeric *ret_numeric) {
  if (bytes.n < 8)
    return false;
  ret_numeric->digits_n = (int16_t)be_number(str_n(bytes.p, 2));
  ret_numeric->weight = (int16_t)be_number(str_n(bytes.p + 2, 2));
  ret_numeric->sign = (unsigned)be_number(str_n(bytes.p + 4, 2));
  ret_numeric->digits = str_slice(bytes, 8, bytes.n);
  return ret_numeric->digits_n >= 0 && ret_numeric->digits.n >= (size_t)ret_numeric->digits_n * 2;
}

static unsigned numeric_digit(const struct numeric *numeric, int i) {
  return i < numeric->digits_n ? (unsigned)be_number(str_n(numeric->digits.p + (size_t)i * 2, 2))
                               : 0;
}

static int64_t numeric_i64(struct str bytes) {
  struct numeric numeric;
  if (!read_numeric(bytes, &numeric))
    return 0;
  bool is_negative = numeric.sign == 0x4000;
  if (numeric.sign != 0 && !is_negative)
    return numeric.sign == 0xd000 ? INT64_MAX : numeric.sign == 0xf000 ? INT64_MIN : 0;
  uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, value = 0;
  for (int i = 0; i <= numeric.weight; i++) {
    unsigned digit = numeric_digit(&numeric, i);
    if (digit > limit || value > (limit - digit) / 10000) {
      value = limit;
      break;
    }
    value = value * 10000 + digit;
  }
  return is_negative ? (int64_t)(0 - value) : (int64_t)value;
}

static double numeric_double(struct str bytes) {
  struct numeric numeric;
  if (!read_numeric(bytes, &numeric))
    return 0;
  bool is_negative = numeric.sign == 0x4000;
  if (numeric.sign != 0 && !is_negative)
    return numeric.sign == 0xd000   ? (double)INFINITY
           : numeric.sign == 0xf000 ? -(double)INFINITY
                                    : (double)NAN;
  double value = 0;
  for (int i = 0; i < numeric.digits_n; i++)
    value = value * 10000 + numeric_digit(&numeric, i);
  value *= pow(10000, numeric.weight - numeric.digits_n + 1);
  return is_negative ? -value : value;
}

/* ---- Values out ---- */

/* What a text begins with. */
static double text_double(struct str text) {
  char copy[64];
  snprintf(copy, sizeof copy, "%.*s", STR_ARG(str_trim(text)));
  return strtod(copy, NULL);
}

static int64_t text_i64(struct str text) {
  struct str digits = str_trim(text);
  size_t n = digits.n && digits.p[0] == '-' ? 1 : 0;
  while (n < digits.n && digits.p[n] >= '0' && digits.p[n] <= '9')
    n++;
  int64_t value = 0;
  if (str_to_i64(str_n(digits.p, n), &value))
    return value;
  return n ? i64_of_double(text_double(text)) : 0;
}

int64_t pg_value_i64(uint32_t type, struct str bytes) {
  switch (type) {
  case PG_BOOL:
    return bytes.n && bytes.p[0];
  case PG_INT2:
    return (int16_t)be_number(bytes);
  case PG_INT4:
    return (int32_t)be_number(bytes);
  case PG_INT8:
  case PG_TIMESTAMPTZ:
    return bytes.n == sizeof(int64_t) ? i64_of(bytes.p) : (int64_t)be_number(bytes);
  case PG_OID:
    return (int64_t)be_number(bytes);
  case PG_FLOAT4:
    return i64_of_double(float_of(bytes));
  case PG_FLOAT8:
    return i64_of_double(double_of(bytes));
  case PG_NUMERIC:
    return numeric_i64(bytes);
  default:
    return text_i64(bytes);
  }
}

double pg_value_double(uint32_t type, struct str bytes) {
  switch (type) {
  case PG_FLOAT4:
    return float_of(bytes);
  case PG_FLOAT8:
    return double_of(bytes);
  case PG_NUMERIC:
    return numeric_double(bytes);
  default:
    return pg_value_is_bytes(type) ? text_double(bytes) : (double)pg_value_i64(type, bytes);
  }
}

bool pg_value_is_bytes(uint32_t type) {
  switch (type) {
  case PG_BOOL:
  case PG_INT2:
  case PG_INT4:
  case PG_INT8:
  case PG_OID:
  case PG_FLOAT4:
  case PG_FLOAT8:
  case PG_TIMESTAMPTZ:
  case PG_NUMERIC:
    return false;
  default:
    return true;
  }
}

/* ---- Values in ---- */

uint64_t pg_value_of_i64(int64_t value) {
  return htobe64((uint64_t)value);
}

uint64_t pg_value_of_double(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return htobe64(bits);
}

static char *put_i32(char *p, uint32_t value) {
  value = htobe32(value);
  memcpy(p, &value, sizeof value);
  return p + sizeof value;
}

uint32_t pg_value_array_type(enum db_type type) {
  return type == DB_I64 ? PG_INT8_ARRAY : type == DB_DOUBLE ? PG_FLOAT8_ARRAY : PG_BYTEA_ARRAY;
}

size_t pg_value_array_bytes(const struct db_column *column, size_t row) {
  if (column->type == DB_I64 || column->type == DB_DOUBLE)
    return 12;
  return 4 + ((const struct str *)db_column_at(column, row))->n;
}

static bool has_null(const struct db_column *column, size_t first, size_t n) {
  if (column->type == DB_I64 || column->type == DB_DOUBLE)
    return false;
  for (size_t i = 0; i < n; i++)
    if (!((const struct str *)db_column_at(column, first + i))->p)
      return true;
  return false;
}

bool pg_value_array(struct buf *out, const struct db_column *column, size_t first, size_t n) {
  size_t bytes = 20;
  for (size_t i = 0; i < n; i++)
    bytes += pg_value_array_bytes(column, first + i);
  char *p = n > INT32_MAX ? NULL : buf_extend(out, bytes);
  if (!p)
    return false;
  bool is_double = column->type == DB_DOUBLE, is_number = is_double || column->type == DB_I64;
  p = put_i32(p, 1);
  p = put_i32(p, has_null(column, first, n));
  p = put_i32(p, is_double ? PG_FLOAT8 : is_number ? PG_INT8 : PG_BYTEA);
  p = put_i32(p, (uint32_t)n);
  p = put_i32(p, 1);
  for (size_t i = 0; i < n; i++) {
    const void *at = db_column_at(column, first + i);
    if (is_number) {
      uint64_t number = is_double ? pg_value_of_double(*(const double *)at)
                                  : pg_value_of_i64(*(const int64_t *)at);
      p = put_i32(p, sizeof number);
      memcpy(p, &number, sizeof number);
      p += sizeof number;
    } else {
      struct str value = *(const struct str *)at;
      p = put_i32(p, value.p ? (uint32_t)value.n : UINT32_MAX);
      if (value.p && value.n)
        memcpy(p, value.p, value.n);
      p += value.p ? value.n : 0;
    }
  }
  return true;
}
