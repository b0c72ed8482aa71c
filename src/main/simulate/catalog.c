#include "main/simulate/catalog.h"

#define COUNT(array) (unsigned)(sizeof(array) / sizeof *(array))

const struct panel catalog_panels[PANELS_N] = {
    [PANEL_METABOLIC] = {"BMP",
                         "Basic metabolic panel",
                         "51990-0",
                         "Basic metabolic panel - Blood",
                         "SER",
                         "Serum",
                         {{"NA", "Sodium", "2951-2", "Sodium [Moles/volume] in Serum or Plasma",
                           "mmol/L", 135, 145, 140, 1.5, 1.6, 0, INFLUENCE_NONE, 0, 0},
                          {"K", "Potassium", "2823-3",
                           "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3.5, 5.1, 4.2,
                           0.2, 0.25, 1, INFLUENCE_KIDNEY, 1.2, 0},
                          {"CL", "Chloride", "2075-0", "Chloride [Moles/volume] in Serum or Plasma",
                           "mmol/L", 98, 107, 102, 1.5, 1.8, 0, INFLUENCE_NONE, 0, 0},
                          {"CO2", "Bicarbonate", "2028-9",
                           "Carbon dioxide, total [Moles/volume] in Serum or Plasma", "mmol/L", 22,
                           29, 25, 1, 1.5, 0, INFLUENCE_KIDNEY, -6, 0},
                          {"UREA", "Urea", "22664-7", "Urea [Moles/volume] in Serum or Plasma",
                           "mmol/L", 2.5, 7.8, 5, 0.8, 0.7, 1, INFLUENCE_KIDNEY, 15, 0},
                          {"CREA", "Creatinine", "14682-9",
                           "Creatinine [Moles/volume] in Serum or Plasma", "umol/L", 49, 104, 76,
                           10, 5, 0, INFLUENCE_KIDNEY, 190, 0},
                          {"GLU", "Glucose", "14749-6", "Glucose [Moles/volume] in Serum or Plasma",
                           "mmol/L", 3.9, 6.1, 5.1, 0.4, 0.6, 1, INFLUENCE_DIABETES, 6.5, 0},
                          {"CA", "Calcium", "2000-8", "Calcium [Moles/volume] in Serum or Plasma",
                           "mmol/L", 2.2, 2.6, 2.4, 0.05, 0.06, 2, INFLUENCE_NONE, 0, 0}}},
    [PANEL_BLOOD_COUNT] =
        {"CBC",
         "Full blood count",
         "58410-2",
         "CBC panel - Blood by Automated count",
         "BLD",
         "Whole blood",
         {{"WBC", "Leucocytes", "6690-2", "Leukocytes [#/volume] in Blood by Automated count",
           "10*9/L", 4, 10, 6.8, 1, 0.8, 1, INFLUENCE_INFECTION, 12, 0},
          {"RBC", "Erythrocytes", "789-8", "Erythrocytes [#/volume] in Blood by Automated count",
           "10*12/L", 3.9, 5.7, 4.7, 0.3, 0.12, 2, INFLUENCE_ANEMIA, -1.3, 0},
          {"HGB", "Haemoglobin", "718-7", "Hemoglobin [Mass/volume] in Blood", "g/L", 120, 170, 143,
           9, 4, 0, INFLUENCE_ANEMIA, -55, 0},
          {"HCT", "Haematocrit", "4544-3",
           "Hematocrit [Volume Fraction] of Blood by Automated count", "%", 36, 50, 42.5, 2.5, 1.2,
           1, INFLUENCE_ANEMIA, -15, 0},
          {"MCV", "Mean cell volume", "787-2", "MCV [Entitic volume] by Automated count", "fL", 80,
           98, 89, 3, 1, 0, INFLUENCE_ANEMIA, -16, 0},
          {"PLT", "Platelets", "777-3", "Platelets [#/volume] in Blood by Automated count",
           "10*9/L", 150, 400, 255, 45, 20, 0, INFLUENCE_INFECTION, 160, 0}}},
    [PANEL_LIPIDS] = {"LIP",
                      "Lipid profile",
                      "24331-1",
                      "Lipid 1996 panel - Serum or Plasma",
                      "SER",
                      "Serum",
                      {{"CHOL", "Cholesterol", "14647-2",
                        "Cholesterol [Moles/volume] in Serum or Plasma", "mmol/L", 0, 5.2, 4.7, 0.6,
                        0.25, 1, INFLUENCE_LIPIDS, 2.8, 0},
                       {"TRIG", "Triglycerides", "14927-8",
                        "Triglyceride [Moles/volume] in Serum or Plasma", "mmol/L", 0, 1.7, 1.2,
                        0.3, 0.25, 2, INFLUENCE_LIPIDS, 2.2, 0},
                       {"HDL", "HDL cholesterol", "14646-4",
                        "Cholesterol in HDL [Moles/volume] in Serum or Plasma", "mmol/L", 1, 2.5,
                        1.45, 0.25, 0.08, 2, INFLUENCE_LIPIDS, -0.5, 0},
                       {"LDL", "LDL cholesterol", "39469-2",
                        "Cholesterol in LDL [Moles/volume] in Serum or Plasma by calculation",
                        "mmol/L", 0, 3.4, 2.8, 0.5, 0.2, 1, INFLUENCE_LIPIDS, 2.1, 0}}},
    [PANEL_HBA1C] = {"HBA1C",
                     "Haemoglobin A1c",
                     "4548-4",
                     "Hemoglobin A1c/Hemoglobin.total in Blood",
                     "BLD",
                     "Whole blood",
                     {{"HBA1C", "Haemoglobin A1c", "4548-4",
                       "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4, 6, 5.3, 0.25, 0.12, 1,
                       INFLUENCE_DIABETES, 4.2, 0}}},
    [PANEL_CRP] = {"CRP",
                   "C-reactive protein",
                   "1988-5",
                   "C reactive protein [Mass/volume] in Serum or Plasma",
                   "SER",
                   "Serum",
                   {{"CRP", "C-reactive protein", "1988-5",
                     "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", 0, 5, 2, 1.2, 1,
                     1, INFLUENCE_INFECTION, 180, 1}}},
    [PANEL_LIVER] = {"LFT",
                     "Liver function tests",
                     "24325-3",
                     "Hepatic function 2000 panel - Serum or Plasma",
                     "SER",
                     "Serum",
                     {{"ALT", "ALT", "1742-6",
                       "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
                       "U/L", 7, 45, 24, 6, 4, 0, INFLUENCE_INFECTION, 60, 0},
                      {"AST", "AST", "1920-8",
                       "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
                       "U/L", 8, 40, 22, 5, 3, 0, INFLUENCE_INFECTION, 50, 0},
                      {"ALP", "Alkaline phosphatase", "6768-6",
                       "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma", "U/L",
                       35, 120, 72, 14, 6, 0, INFLUENCE_NONE, 0, 0},
                      {"BILI", "Bilirubin", "14631-6",
                       "Bilirubin.total [Moles/volume] in Serum or Plasma", "umol/L", 3, 21, 10, 3,
                       2, 0, INFLUENCE_NONE, 0, 3},
                      {"ALB", "Albumin", "1751-7", "Albumin [Mass/volume] in Serum or Plasma",
                       "g/L", 35, 50, 43, 2, 1.5, 0, INFLUENCE_INFECTION, -12, 0}}},
    [PANEL_THYROID] = {"TSH",
                       "Thyrotropin",
                       "3016-3",
                       "Thyrotropin [Units/volume] in Serum or Plasma",
                       "SER",
                       "Serum",
                       {{"TSH", "Thyrotropin", "3016-3",
                         "Thyrotropin [Units/volume] in Serum or Plasma", "m[IU]/L", 0.4, 4, 1.8,
                         0.5, 0.3, 2, INFLUENCE_THYROID, 9, 0}}},
    [PANEL_COAGULATION] = {"COAG",
                           "Coagulation",
                           "34528-0",
                           "PT panel - Platelet poor plasma by Coagulation assay",
                           "PLAS",
                           "Plasma",
                           {{"INR", "INR", "6301-6",
                             "INR in Platelet poor plasma by Coagulation assay", "{INR}", 0.8,
                             1.2, 1, 0.05, 0.05, 1, INFLUENCE_NONE, 0, 0},
                            {"PT", "Prothrombin time", "5902-2", "Prothrombin time (PT)", "s", 11,
                             13.5, 12.2, 0.5, 0.4, 1, INFLUENCE_NONE, 0, 0}}},
};

unsigned panel_analytes_n(const struct panel *panel) {
  unsigned n = 0;
  while (n < PANEL_ANALYTES && panel->analytes[n].local)
    n++;
  return n;
}

const struct diagnosis catalog_acute[] = {
    {"J18.9", "Pneumonia, unspecified", "MED", INFLUENCE_INFECTION, 6, true},
    {"N39.0", "Urinary tract infection, site not specified", "MED", INFLUENCE_INFECTION, 4, true},
    {"K35.8", "Acute appendicitis, other and unspecified", "SUR", INFLUENCE_INFECTION, 4, true},
    {"I21.9", "Acute myocardial infarction, unspecified", "CAR", INFLUENCE_NONE, 7, false},
    {"S72.0", "Fracture of neck of femur", "SUR", INFLUENCE_ANEMIA, 10, false},
    {"I63.9", "Cerebral infarction, unspecified", "MED", INFLUENCE_NONE, 9, false},
    {"K80.2", "Calculus of gallbladder without cholecystitis", "SUR", INFLUENCE_NONE, 3, false},
    {"A41.9", "Sepsis, unspecified", "MED", INFLUENCE_INFECTION, 12, true},
    {"K92.2", "Gastrointestinal haemorrhage, unspecified", "MED", INFLUENCE_ANEMIA, 5, false},
    {"I50.9", "Heart failure, unspecified", "CAR", INFLUENCE_KIDNEY, 7, false},
};
const unsigned catalog_acute_n = COUNT(catalog_acute);

const struct diagnosis catalog_chronic[] = {
    {"E11.9", "Type 2 diabetes mellitus without complications", "MED", INFLUENCE_DIABETES, 0,
     false},
    {"I10", "Essential (primary) hypertension", "MED", INFLUENCE_NONE, 0, false},
    {"N18.3", "Chronic kidney disease, stage 3", "MED", INFLUENCE_KIDNEY, 0, false},
    {"E78.0", "Pure hypercholesterolaemia", "MED", INFLUENCE_LIPIDS, 0, false},
    {"D50.9", "Iron deficiency anaemia, unspecified", "MED", INFLUENCE_ANEMIA, 0, false},
    {"E03.9", "Hypothyroidism, unspecified", "MED", INFLUENCE_THYROID, 0, false},
    {"J45.9", "Asthma, unspecified", "PUL", INFLUENCE_NONE, 0, false},
    {"M54.5", "Low back pain", "MED", INFLUENCE_NONE, 0, false},
};
const unsigned catalog_chronic_n = COUNT(catalog_chronic);

const struct drug catalog_drugs[] = {
    {"860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet", "500", "mg",
     "TAB", "1 tablet twice a day with meals", INFLUENCE_DIABETES},
    {"314076", "lisinopril 10 MG Oral Tablet", "10", "mg", "TAB", "1 tablet in the morning",
     INFLUENCE_NONE},
    {"197361", "amlodipine 5 MG Oral Tablet", "5", "mg", "TAB", "1 tablet once a day",
     INFLUENCE_NONE},
    {"617311", "atorvastatin 40 MG Oral Tablet", "40", "mg", "TAB", "1 tablet at bedtime",
     INFLUENCE_LIPIDS},
    {"308191", "amoxicillin 500 MG Oral Capsule", "500", "mg", "CAP",
     "1 capsule three times a day for 7 days", INFLUENCE_INFECTION},
    {"313782", "acetaminophen 325 MG Oral Tablet", "650", "mg", "TAB",
     "2 tablets every 6 hours as needed", INFLUENCE_NONE},
    {"310798", "hydrochlorothiazide 25 MG Oral Tablet", "25", "mg", "TAB",
     "1 tablet in the morning", INFLUENCE_KIDNEY},
    {"855332", "warfarin sodium 5 MG Oral Tablet", "5", "mg", "TAB", "as directed by INR",
     INFLUENCE_NONE},
};
const unsigned catalog_drugs_n = COUNT(catalog_drugs);

const struct vaccine catalog_vaccines[] = {
    {"140", "Influenza, seasonal, injectable, preservative free", "SEQ", "Seqirus", "0.5", "FL"},
    {"115", "Tdap", "SKB", "GlaxoSmithKline", "0.5", "TD"},
    {"33", "Pneumococcal polysaccharide PPV23", "MSD", "Merck and Co., Inc.", "0.5", "PN"},
    {"187", "Zoster vaccine recombinant", "SKB", "GlaxoSmithKline", "0.5", "ZR"},
    {"03", "MMR", "MSD", "Merck and Co., Inc.", "0.5", "MR"},
    {"43", "Hep B, adult", "SKB", "GlaxoSmithKline", "1", "HB"},
    {"208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose", "PFR", "Pfizer, Inc", "0.3", "CV"},
};
const unsigned catalog_vaccines_n = COUNT(catalog_vaccines);

const struct allergen catalog_allergens[] = {
    {"DA", "7980", "penicillin G", "Rash"},
    {"DA", "1191", "aspirin", "Wheezing"},
    {"DA", "10831", "sulfamethoxazole / trimethoprim", "Hives"},
    {"FA", "PEANUT", "Peanut", "Swelling of lips"},
    {"FA", "SHELL", "Shellfish", "Anaphylaxis"},
    {"EA", "POLLEN", "Birch pollen", "Sneezing"},
    {"MA", "LATEX", "Latex", "Contact dermatitis"},
};
const unsigned catalog_allergens_n = COUNT(catalog_allergens);

const struct study catalog_studies[] = {
    {"XCHEST", "X-ray of chest, two views", "CR",
     "The lungs are clear. Heart size is normal.\nNo effusion & no pneumothorax.",
     "Consolidation in the right lower lobe.\nSmall effusion on the right (< 1 cm).\nImpression: "
     "pneumonia."},
    {"CTHEAD", "CT of head without contrast", "CT",
     "No haemorrhage, no mass.\nVentricles of normal size.",
     "Hypodense area in the territory of the left middle cerebral artery.\nNo haemorrhage."},
    {"USABD", "Ultrasound of abdomen", "US",
     "Liver, kidneys & spleen are unremarkable.\nNo free fluid.",
     "Gallstones up to 12 mm.\nThe wall of the gallbladder is not thickened | bile ducts are "
     "normal."},
    {"XHIP", "X-ray of hip, left", "CR", "No fracture.",
     "Fracture of the femoral neck, displaced."},
};
const unsigned catalog_studies_n = COUNT(catalog_studies);

const struct doctor catalog_doctors[] = {
    {"1001", "Okafor", "Ngozi", "MED"},     {"1002", "Lindqvist", "Åsa", "MED"},
    {"1003", "Rahimi", "Dariush", "MED"},   {"1004", "Brennan", "Siobhán", "CAR"},
    {"1005", "Castellanos", "Raúl", "CAR"}, {"1006", "Hoffmann", "Jürgen", "SUR"},
    {"1007", "Iyer", "Meera", "SUR"},       {"1008", "Tanaka", "Haruki", "PUL"},
    {"1009", "Dubois", "Élodie", "MED"},    {"1010", "Mensah", "Kwame", "SUR"},
    {"1011", "Petrov", "Anton", "CAR"},     {"1012", "Nguyen", "Thuy", "MED"},
};
const unsigned catalog_doctors_n = COUNT(catalog_doctors);

const struct ward catalog_wards[] = {
    {"ED", "Emergency Department", 12}, {"M1", "Medicine 1", 10},
    {"M2", "Medicine 2", 10},           {"SUR", "Surgery", 12},
    {"CCU", "Coronary Care", 6},        {"ICU", "Intensive Care", 8},
};
const unsigned catalog_wards_n = COUNT(catalog_wards);

const struct visit_type catalog_visit_types[] = {
    {"CHECKUP", "Routine check-up", "OPD1", 30},     {"FOLLOWUP", "Follow-up visit", "OPD2", 20},
    {"WALKIN", "Walk-in consultation", "OPD1", 15},  {"DIAB", "Diabetes clinic", "OPD3", 30},
    {"CARD", "Cardiology consultation", "OPD4", 45},
};
const unsigned catalog_visit_types_n = COUNT(catalog_visit_types);

const char *const catalog_streets[] = {"Harbour Road",   "Chapel Street",     "Rue de l'Église",
                                       "Lindenstraße",   "St. Mary's Lane",   "Mill & Weir Close",
                                       "Calle del Pozo", "Old Quay",          "Kestrel Avenue",
                                       "Station Road",   "Upper Orchard Row", "Market Place"};
const unsigned catalog_streets_n = COUNT(catalog_streets);
const char *const catalog_districts[] = {"Port Alban", "Alban Mills", "Eastquay", "Saint-Rémy",
                                         "Northfield"};
const unsigned catalog_districts_n = COUNT(catalog_districts);

const struct insurer catalog_insurers[] = {
    {"INS01", "Harbour Mutual", "HM-BASIC"},
    {"INS02", "Alban General Health", "AGH-PLUS"},
    {"INS03", "Northern Provident", "NP-FAMILY"},
    {"INS04", "Public Health Fund", "PHF"},
};
const unsigned catalog_insurers_n = COUNT(catalog_insurers);
