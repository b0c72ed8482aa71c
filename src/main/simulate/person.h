/*
 * A person of the simulated hospital: who they are for good, and what each system knows of them.
 *
 * Threads: one owner. Memory: plain data.
 */
#ifndef MAIN_SIMULATE_PERSON_H
#define MAIN_SIMULATE_PERSON_H

#include "main/simulate/catalog.h"
#include "main/simulate/names.h"
#include "main/simulate/random.h"
#include "main/simulate/writer.h"

#define PERSON_CHRONIC_MAX 3
#define PERSON_ALLERGIES_MAX 2
#define PERSON_DRUGS_MAX 3

enum birth_precision { BIRTH_DAY, BIRTH_MONTH, BIRTH_YEAR };

/* One stay or visit; a person has one at a time. */
struct episode {
  unsigned visit; /* number; 0: none */
  char class;     /* table 0004: I, O, E */
  unsigned ward, room, bed, prior_ward, prior_room;
  const struct doctor *doctor;
  const struct diagnosis *diagnosis;
  const struct visit_type *type;
  unsigned appointment;
  int64_t started_us, ended_us; /* 0: still open */
  double severity;
};

struct person {
  unsigned index;
  uint64_t seed;
  const struct culture *culture;
  const struct name *given, *family;
  bool is_female, has_married;
  int64_t birth_us;
  enum birth_precision birth_precision;
  unsigned street, house, district, phone;
  unsigned mrn, duplicate_mrn; /* 0: none */
  bool uses_duplicate;         /* the HIS has taken them for someone new */
  bool carries_mrn[SYSTEMS_N]; /* which systems know the HIS number */
  bool has_mail, uses_portal;
  unsigned insurer;
  const struct diagnosis *chronic[PERSON_CHRONIC_MAX];
  unsigned chronic_n;
  const struct allergen *allergies[PERSON_ALLERGIES_MAX];
  unsigned allergies_n;
  const struct drug *drugs[PERSON_DRUGS_MAX];
  unsigned drugs_n;
  struct name kin_given;
  unsigned messages_n;
  struct episode episode;
};

/* Numbers of a hospital count from here, so that several can feed the same receiver. */
unsigned person_first_number(uint64_t seed);

void person_init(struct person *person, unsigned index, uint64_t seed, int64_t now_us);

/* Another address and telephone; women may take another family name. */
void person_move(struct person *person, struct chance *chance);

/* Their number in a system: "L7926927919". */
void person_number(const struct person *person, enum system_id system, char *ret_number,
                   size_t bytes);

/* The HIS number in use: "A1001017". */
void person_mrn(unsigned mrn, char *ret_number, size_t bytes);

/* How strongly an influence acts on the person `at_us`: 0 to 1. */
double person_influence(const struct person *person, enum influence influence, int64_t at_us);

#endif
