/*
 * What a hospital deals in: laboratory panels, diagnoses, drugs, vaccines, wards, staff.
 *
 * Codes are of public systems (LOINC, ICD-10, RxNorm, CVX, MVX, SNOMED CT), reference ranges are
 * the usual ones for adults in SI units. Threads: immutable.
 */
#ifndef MAIN_SIMULATE_CATALOG_H
#define MAIN_SIMULATE_CATALOG_H

#include "base/base.h"

/* What moves a laboratory value away from its mean, from 0 (not at all) to 1 (severe). */
enum influence {
  INFLUENCE_NONE,
  INFLUENCE_DIABETES,
  INFLUENCE_KIDNEY,
  INFLUENCE_LIPIDS,
  INFLUENCE_ANEMIA,
  INFLUENCE_THYROID,
  INFLUENCE_INFECTION, /* of the episode; fades from day to day */
  INFLUENCES_N
};

struct analyte {
  const char *local, *name, *loinc, *loinc_name, *unit;
  double low, high; /* reference range; high 0: none */
  double mean, person_deviation, deviation;
  unsigned decimals;
  enum influence influence;
  double effect;
  double detection; /* below it "<" is reported; 0: no limit */
};

#define PANEL_ANALYTES 10
struct panel {
  const char *local, *name, *loinc, *loinc_name;
  const char *specimen, *specimen_name; /* table 0487 */
  struct analyte analytes[PANEL_ANALYTES];
};
extern const struct panel catalog_panels[];
enum {
  PANEL_METABOLIC,
  PANEL_BLOOD_COUNT,
  PANEL_LIPIDS,
  PANEL_HBA1C,
  PANEL_CRP,
  PANEL_LIVER,
  PANEL_THYROID,
  PANEL_COAGULATION,
  PANELS_N
};
unsigned panel_analytes_n(const struct panel *panel);

struct diagnosis {
  const char *code, *name; /* ICD-10 */
  const char *service;     /* hospital service, table 0069 */
  enum influence influence;
  unsigned days; /* of a usual stay */
  bool is_infectious;
};
extern const struct diagnosis catalog_acute[], catalog_chronic[];
extern const unsigned catalog_acute_n, catalog_chronic_n;

struct drug {
  const char *code, *name; /* RxNorm */
  const char *amount, *unit, *dose_form, *sig;
  enum influence influence; /* what it is given for */
};
extern const struct drug catalog_drugs[];
extern const unsigned catalog_drugs_n;

struct vaccine {
  const char *code, *name, *maker_code, *maker, *amount; /* CVX, MVX, mL */
  const char *lot_prefix;
};
extern const struct vaccine catalog_vaccines[];
extern const unsigned catalog_vaccines_n;

struct allergen {
  const char *type; /* table 0127 */
  const char *code, *name, *reaction;
};
extern const struct allergen catalog_allergens[];
extern const unsigned catalog_allergens_n;

struct study {
  const char *code, *name, *modality;
  const char *normal, *abnormal; /* report texts */
};
extern const struct study catalog_studies[];
extern const unsigned catalog_studies_n;

struct doctor {
  const char *id, *family, *given, *service;
};
extern const struct doctor catalog_doctors[];
extern const unsigned catalog_doctors_n;

struct ward {
  const char *code, *name;
  unsigned rooms;
};
extern const struct ward catalog_wards[];
extern const unsigned catalog_wards_n;

struct visit_type {
  const char *code, *name, *location;
  unsigned minutes;
};
extern const struct visit_type catalog_visit_types[];
extern const unsigned catalog_visit_types_n;

extern const char *const catalog_streets[], *const catalog_districts[];
extern const unsigned catalog_streets_n, catalog_districts_n;

struct insurer {
  const char *id, *name, *plan;
};
extern const struct insurer catalog_insurers[];
extern const unsigned catalog_insurers_n;

#endif
