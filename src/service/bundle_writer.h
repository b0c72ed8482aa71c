/*
 * Writes the Bundles that answer searches, histories, batches and transactions, in one pass.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/bundle.html. Order of calls: begin, total, links, then for
 * each entry begin_entry .. end_entry, then end. Threads: one. Memory: on the call's arena.
 */
#ifndef SERVICE_BUNDLE_WRITER_H
#define SERVICE_BUNDLE_WRITER_H

#include "format/json.h"
#include "service/rest.h"

struct bundle_writer {
  const struct rest_call *call;
  struct buf buf;
  struct json_writer w;
  bool has_entries;
};

void bundle_begin(struct bundle_writer *b, const struct rest_call *call, const char *type);
void bundle_total(struct bundle_writer *b, uint64_t total);
/* `next` may be empty. */
void bundle_links(struct bundle_writer *b, struct str self, struct str next);

/* With the full URL of a resource; none where `id` is empty. */
void bundle_begin_entry(struct bundle_writer *b, defs_type_id type, struct str id);
/* With that of a contained resource, which is its container's and a fragment. */
void bundle_begin_contained(struct bundle_writer *b, defs_type_id type, struct str id,
                            struct str contained_id);
/* From canonical bytes. */
void bundle_resource(struct bundle_writer *b, struct str body, uint32_t version,
                     int64_t updated_us);
/* A resource that is complete as it is. */
void bundle_resource_raw(struct bundle_writer *b, struct str json);
void bundle_search_mode(struct bundle_writer *b, const char *mode);
void bundle_request(struct bundle_writer *b, const char *method, struct str url);
void bundle_begin_response(struct bundle_writer *b, int status);
void bundle_response_version(struct bundle_writer *b, uint32_t version, int64_t updated_us);
/* "Patient/1/_history/2", relative. */
void bundle_response_location(struct bundle_writer *b, struct str location);
void bundle_response_outcome(struct bundle_writer *b, struct str outcome);
void bundle_end_response(struct bundle_writer *b);
void bundle_end_entry(struct bundle_writer *b);

/* An entry that is the answer to a call. `is_read`: Location is not told. */
void bundle_answer(struct bundle_writer *b, const struct rest_answer *answer, bool is_read);

int bundle_end(struct bundle_writer *b, struct str *ret_body, struct err *reterr) MUST_CHECK;

#endif
