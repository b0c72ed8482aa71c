#include "store/search/search_near.h"

#include "model/ucum.h"
#include "store/search/search_operand.h"

#include <math.h>

#define PI 3.14159265358979323846
#define EARTH_RADIUS_KM 6371.0088 /* IUGG, mean */
#define DISTANCE_MAX_KM 20038     /* half of the way around; farther is everywhere */
#define MARGIN_DEGREES 1e-6

static double radians(double degrees) {
  return degrees * PI / 180;
}

static double degrees(double angle) {
  return angle * 180 / PI;
}

/* The haversine formula, which is exact for small distances. */
static double distance_km(double lat1, double lon1, double lat2, double lon2) {
  double dlat = sin(radians(lat2 - lat1) / 2), dlon = sin(radians(lon2 - lon1) / 2);
  double h = dlat * dlat + cos(radians(lat1)) * cos(radians(lat2)) * dlon * dlon;
  return 2 * EARTH_RADIUS_KM * asin(sqrt(fmin(h, 1)));
}

bool search_near_fits(const struct search_operand *o, double latitude, double longitude) {
  return distance_km(o->from, o->to, latitude, longitude) <= o->exact;
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* Kilometres in one of the unit; 0: no length. */
static double km_of(struct str unit) {
  struct ucum_unit parsed, km;
  if (str_is(unit, "mi") || str_is(unit, "miles"))
    unit = STR("[mi_i]");
  if (str_is(unit, "ft"))
    unit = STR("[ft_i]");
  if (!ucum_parse(STR("km"), &km) || !ucum_parse(unit, &parsed) ||
      !ucum_is_commensurable(&parsed, &km) || parsed.special)
    return 0;
  return ucum_from_base(&km, ucum_to_base(&parsed, 1));
}

static bool read_degrees(struct str text, double limit, double *ret_value) {
  return str_to_double(text, ret_value) && fabs(*ret_value) <= limit;
}

int search_near_parse(struct arena *arena, struct str value, struct str name,
                      struct search_operand *o, struct err *reterr) {
  struct str parts[4];
  size_t n = search_split_bars(arena, value, parts, 4);
  double unit = 1;
  if (n < 2 || n > 4 || !read_degrees(parts[0], 90, &o->from) ||
      !read_degrees(parts[1], 180, &o->to))
    return err_set_at(reterr, ERR_VALUE, name,
                      "expected LATITUDE|LONGITUDE|DISTANCE|UNIT in degrees, such as "
                      "42.256|-83.694|11|km; distance and unit may be left out");
  o->exact = SEARCH_NEAR_DEFAULT_KM;
  bool has_distance = n > 2 && parts[2].n > 0;
  if (has_distance && (!str_to_double(parts[2], &o->exact) || !isfinite(o->exact) || o->exact < 0))
    return err_set_at(reterr, ERR_VALUE, name, "the distance is a number, 0 or more");
  if (n == 4 && parts[3].n > 0)
    unit = km_of(parts[3]);
  if (unit <= 0)
    return err_set_at(reterr, ERR_VALUE, name,
                      "the unit is a length of UCUM, such as km, m or [mi_i], or mi or ft");
  if (has_distance)
    o->exact = fmin(o->exact * unit, DISTANCE_MAX_KM);
  return 0;
}

/* ---- Cells ----------------------------------------------------------------------------------- */

/* What encloses the circle: latitudes, and longitudes that may pass 180 on either side. */
struct box {
  double south, north, west, east;
  bool is_all_around;
};

static struct box box_of(const struct search_operand *o) {
  double angle = o->exact / EARTH_RADIUS_KM;
  struct box box = {.south = o->from - degrees(angle) - MARGIN_DEGREES,
                    .north = o->from + degrees(angle) + MARGIN_DEGREES};
  box.is_all_around = box.south <= -90 || box.north >= 90;
  if (!box.is_all_around) { /* so the circle is smaller than a hemisphere */
    double width = degrees(asin(fmin(sin(angle) / cos(radians(o->from)), 1))) + MARGIN_DEGREES;
    box.west = o->to - width;
    box.east = o->to + width;
    box.is_all_around = width >= 180;
  }
  box.south = fmax(box.south, -90);
  box.north = fmin(box.north, 90);
  return box;
}

#define LAST_LONGITUDE 179.99999 /* in the easternmost cell */

static void add_cells(struct search_range_list *ranges, double latitude, double west, double east) {
  search_range_add(ranges, schema_position_cell(latitude, west),
                   schema_position_cell(latitude, east));
}

static void add_band(struct search_range_list *ranges, double latitude, const struct box *box) {
  if (box->is_all_around || box->east - box->west >= 359) {
    add_cells(ranges, latitude, -180, LAST_LONGITUDE);
  } else if (box->west < -180) {
    add_cells(ranges, latitude, fmin(box->west + 360, LAST_LONGITUDE), LAST_LONGITUDE);
    add_cells(ranges, latitude, -180, box->east);
  } else if (box->east >= 180) {
    add_cells(ranges, latitude, box->west, LAST_LONGITUDE);
    add_cells(ranges, latitude, -180, box->east - 360);
  } else {
    add_cells(ranges, latitude, box->west, box->east);
  }
}

static int make_test(struct search_context *c, const struct search_operand *o,
                     struct search_test *ret_test, struct err *reterr) {
  struct box box = box_of(o);
  struct search_range_list ranges = {.arena = c->arena};
  for (int band = (int)floor(box.south); band <= (int)floor(box.north); band++)
    add_band(&ranges, band, &box);
  *ret_test = (struct search_test){
      .firsts = search_ranges_finish(&ranges), .operand = o, .needs_body = true};
  return ranges.is_out_of_memory ? err_no_memory(reterr) : 0;
}

int search_near_tests(struct search_context *c, struct search_condition *condition,
                      struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  struct search_test *tests = ARENA_ARRAY(c->arena, struct search_test, p->operands_n);
  int code = tests ? 0 : err_no_memory(reterr);
  for (size_t i = 0; i < p->operands_n && code == 0; i++)
    code = make_test(c, &p->operands[i], &tests[i], reterr);
  condition->tests = tests;
  condition->tests_n = p->operands_n;
  return code;
}

void search_near_add(struct db_query *query, const struct search_operand *o) {
  struct box box = box_of(o);
  db_query_add(query, " AND lo>=");
  db_query_double(query, box.south);
  db_query_add(query, " AND lo<=");
  db_query_double(query, box.north);
}
