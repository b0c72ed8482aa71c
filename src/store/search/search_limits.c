#include "store/search/search_parser.h"

const struct search_limits search_limits_default = {
    .pairs = 100,
    .value_bytes = (size_t)256 << 10,
    .operands = 5000,
    .depth = 8,
    .predicates = 400,
    .included = 10000,
    .steps = 20000000,
    .time_us = 1000000,
};

struct search_limits search_limits_of(const struct search_limits *asked) {
  struct search_limits limits = search_limits_default;
  if (!asked)
    return limits;
#define TAKE(member) limits.member = asked->member ? asked->member : limits.member
  TAKE(pairs);
  TAKE(value_bytes);
  TAKE(operands);
  TAKE(depth);
  TAKE(predicates);
  TAKE(included);
  TAKE(steps);
  TAKE(time_us);
#undef TAKE
  return limits;
}
