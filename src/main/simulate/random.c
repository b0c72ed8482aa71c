#include "main/simulate/random.h"

uint64_t chance_next(struct chance *chance) {
  uint64_t z = chance->state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

unsigned chance_below(struct chance *chance, unsigned n) {
  return (unsigned)((chance_next(chance) >> 32) * n >> 32);
}

int chance_between(struct chance *chance, int from, int to) {
  return from + (int)chance_below(chance, (unsigned)(to - from) + 1);
}

bool chance_percent(struct chance *chance, unsigned percent) {
  return chance_below(chance, 100) < percent;
}

double chance_normal(struct chance *chance) {
  double sum = 0;
  for (int i = 0; i < 12; i++)
    sum += (double)(chance_next(chance) >> 11) / 9007199254740992.0;
  return sum - 6;
}

uint64_t chance_of(uint64_t a, uint64_t b) {
  struct chance chance = {a * 0x9E3779B97F4A7C15u ^ b};
  chance_next(&chance);
  return chance_next(&chance);
}
