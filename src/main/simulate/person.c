#include "main/simulate/person.h"

#define YEAR_US ((int64_t)31556952 * 1000000)
#define DAY_US ((int64_t)86400 * 1000000)

static const struct name *pick_family(const struct person *person, struct chance *chance) {
  const struct culture *culture = person->culture;
  unsigned i = chance_below(chance, NAMES_FAMILY);
  bool has_female_form = person->is_female && culture->family_female[0].own;
  return has_female_form ? &culture->family_female[i] : &culture->family[i];
}

static void choose_address(struct person *person, struct chance *chance) {
  person->street = chance_below(chance, catalog_streets_n);
  person->house = (unsigned)chance_between(chance, 1, 180);
  person->district = chance_below(chance, catalog_districts_n);
  person->phone = (unsigned)chance_between(chance, 5550100, 5559999);
}

/* More of them with age. */
static void choose_health(struct person *person, struct chance *chance, int years) {
  unsigned percent = years < 20 ? 3 : years < 45 ? 12 : years < 65 ? 30 : 45;
  for (unsigned i = 0; i < catalog_chronic_n && person->chronic_n < PERSON_CHRONIC_MAX; i++)
    if (chance_percent(chance, percent))
      person->chronic[person->chronic_n++] = &catalog_chronic[i];
  for (unsigned i = 0; i < PERSON_ALLERGIES_MAX; i++) {
    const struct allergen *allergen = &catalog_allergens[chance_below(chance, catalog_allergens_n)];
    bool is_known = i > 0 && person->allergies_n && person->allergies[0] == allergen;
    if (chance_percent(chance, 18) && !is_known)
      person->allergies[person->allergies_n++] = allergen;
  }
}

unsigned person_first_number(uint64_t seed) {
  return (unsigned)(seed % 4000) * 1000000;
}

void person_init(struct person *person, unsigned index, uint64_t seed, int64_t now_us) {
  struct chance chance = {chance_of(seed, index)};
  *person = (struct person){.index = index,
                            .seed = chance_next(&chance),
                            .mrn = person_first_number(seed) + 2 * index + 1001};
  person->culture = &names_cultures[chance_below(&chance, (unsigned)names_cultures_n)];
  person->is_female = chance_percent(&chance, 51);
  person->given = person->is_female ? CHANCE_PICK(&chance, person->culture->female)
                                    : CHANCE_PICK(&chance, person->culture->male);
  person->family = pick_family(person, &chance);
  person->kin_given = *CHANCE_PICK(&chance, person->culture->female);
  /* The middle of two: few newborn and few very old people. */
  int years = (chance_between(&chance, 0, 96) + chance_between(&chance, 0, 96)) / 2;
  int64_t birth_us = now_us - years * YEAR_US - chance_between(&chance, 1, 365) * DAY_US;
  person->birth_us = birth_us - birth_us % DAY_US;
  bool is_vague = years > 70 && chance_percent(&chance, 10);
  person->birth_precision = !is_vague                     ? BIRTH_DAY
                            : chance_percent(&chance, 50) ? BIRTH_MONTH
                                                          : BIRTH_YEAR;
  choose_address(person, &chance);
  choose_health(person, &chance, years);
  for (unsigned i = 0; i < SYSTEMS_N; i++)
    person->carries_mrn[i] = chance_percent(&chance, sending_systems[i].carries_mrn_percent);
  person->has_mail = chance_percent(&chance, 60);
  person->uses_portal = years > 16 && chance_percent(&chance, 35);
  person->insurer = chance_below(&chance, catalog_insurers_n);
}

void person_move(struct person *person, struct chance *chance) {
  choose_address(person, chance);
  if (person->is_female && !person->has_married && chance_percent(chance, 20)) {
    person->family = pick_family(person, chance);
    person->has_married = true;
  }
}

void person_number(const struct person *person, enum system_id system, char *ret_number,
                   size_t bytes) {
  if (system == SYSTEM_HIS) {
    person_mrn(person->uses_duplicate ? person->duplicate_mrn : person->mrn, ret_number, bytes);
    return;
  }
  /* Each system counts in its own order: the steps have no factor in common with ten. */
  static const unsigned steps[SYSTEMS_N] = {1, 7919, 104729, 1299709, 15485863, 3571, 65537};
  /* Whoever learns of people from the HIS takes its second number for a second person too. */
  bool follows_his = system != SYSTEM_CLINIC && system != SYSTEM_PORTAL;
  uint64_t counted = (uint64_t)person->mrn + (person->uses_duplicate && follows_his);
  uint64_t number = counted * steps[system] % 10000000000u;
  snprintf(ret_number, bytes, "%s%010llu", sending_systems[system].number_prefix,
           (unsigned long long)number);
}

void person_mrn(unsigned mrn, char *ret_number, size_t bytes) {
  snprintf(ret_number, bytes, "%s%07u", sending_systems[SYSTEM_HIS].number_prefix, mrn);
}

double person_influence(const struct person *person, enum influence influence, int64_t at_us) {
  double strength = 0;
  for (unsigned i = 0; i < person->chronic_n; i++)
    if (person->chronic[i]->influence == influence && influence != INFLUENCE_NONE) {
      /* Each person has the illness in a degree of their own, which slowly changes. */
      double degree = (double)(chance_of(person->seed, influence) % 60 + 30) / 100;
      double years = (double)(at_us - person->birth_us) / (double)YEAR_US;
      strength = degree * (0.8 + 0.04 * (double)((int)(years * 12) % 10));
    }
  const struct episode *e = &person->episode;
  if (e->visit && e->diagnosis && e->diagnosis->influence == influence &&
      influence != INFLUENCE_NONE && at_us >= e->started_us) {
    double days = (double)(at_us - e->started_us) / (double)DAY_US;
    double fading = e->severity / (1 + days * days * 0.18);
    if (fading > strength)
      strength = fading;
  }
  return strength;
}
