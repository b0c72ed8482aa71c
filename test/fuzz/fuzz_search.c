/*
 * Search URLs: whatever a stranger writes behind "GET /". A query that is understood is understood
 * again, and the same, from the link that says what was understood.
 */
#include "fuzz.h"

#include "store/search/search.h"

static int parse(struct arena *arena, struct str url, bool is_lenient,
                 const struct search **ret_search) {
  struct search_place place;
  const struct search_pair *pairs;
  struct search_options options = {.base_url = STR("http://localhost/fhir"),
                                   .is_lenient = is_lenient};
  struct issues issues = {0};
  size_t n;
  struct err err;
  int code = search_split_place(arena, url, &place, &pairs, &n, &err);
  options.compartment = place.compartment;
  options.compartment_id = place.compartment_id;
  return code ? code
              : search_parse(arena, place.type, pairs, n, &options, ret_search, &issues, &err);
}

static struct str self_of(struct arena *arena, const struct search *search) {
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)4 << 20);
  search_write_url(&buf, search);
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

static void one(struct arena *arena, struct str input) {
  const struct search *search, *again;
  if (parse(arena, input, input.n % 2 == 0, &search) != 0)
    return;
  struct str self = self_of(arena, search);
  int code = parse(arena, self, false, &again);
  if (!self.p || code == ERR_NO_MEMORY)
    return;
  FUZZ_CHECK(code == 0);
  FUZZ_CHECK(str_equal(self, self_of(arena, again)));
}

FUZZ_TARGET(one, (size_t)256 << 20)
FUZZ_SEEDS(
    STR("Patient?name=a%20b&birthdate=ge2010&_count=5&identifier=urn:x%7C1,%7C2"),
    STR("Observation?subject:Patient.name:exact=x&_sort=-date&_include=Observation:subject"),
    STR("Patient?_has:Observation:patient:code-value-quantity=a%7Cb$gt200&_cursor=AQAA"),
    STR("?_type=Patient,Practitioner&_filter=name%20co%20%22a%22%20and%20not(gender%20pr%20"
        "false)%20or%20family%20sw%20x&_sort=-name"),
    STR("Medication?code=a%7Cb&_contained=both&_containedType=contained&_count=2&_total=none"),
    STR("?_type=Medication,Group&_contained=true&_id=x&_cursor=AgAAAAAAAAAAAAAA"),
    STR("Patient/p1/*?_filter=_id%20eq%20x&_type=Observation"),
    STR("Observation?_filter=subject:Patient[name%20eq%20%22%5C%22]%22].birthdate%20ge%20"
        "2010%20or%20(value-quantity%20ap%205.4%7C%7Cmm[Hg])&_list=l1&_revinclude=*"),
    STR("ValueSet?url:below=http://x%5C,y&_summary=true&_elements=a,b&_total=none&nme=1"),
    STR("Location?near=46.9%7C-180%7C5e1%7C[mi_i],1%7C2&partof:below=Location/1"),
    STR("Patient?identifier:of-type=a%7Cb%7Cc&gender:in=ValueSet/1&language:below=a%7Cb"),
    STR("Observation?value-quantity=ap5.40e-1%7Chttp://unitsofmeasure.org%7Cmg/dL"))
