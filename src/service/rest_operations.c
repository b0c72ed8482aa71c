/*
 * The table of what the FHIR API can do. Dispatch, the CapabilityStatement and docs/fhir.md
 * (checked by a test) come from it.
 */
#include "service/rest.h"

static const struct rest_parameter patient_everything[] = {
    {"start", "date", "care from this date on"},
    {"end", "date", "care until this date"},
    {"_since", "instant", "only what has changed since"},
    {"_type", "code", "only these types, separated by commas", .max = "*"},
    {"_count", "integer", "resources on a page"},
    {"return", "Bundle", "a searchset: the patient, the compartment, what these refer to",
     .is_out = true, .is_required = true},
    {0}};
static const struct rest_parameter encounter_everything[] = {
    {"_since", "instant", "only what has changed since"},
    {"_type", "code", "only these types, separated by commas", .max = "*"},
    {"_count", "integer", "resources on a page"},
    {"return", "Bundle", "a searchset: the encounter, the compartment, what these refer to",
     .is_out = true, .is_required = true},
    {0}};
static const struct rest_parameter explain_parameters[] = {
    {"text", "string", "the whole explanation for a person", .is_out = true, .is_required = true},
    {"reading", "string", "how candidates are found", .is_out = true, .is_required = true},
    {"order", "string", "how they are put in order", .is_out = true, .is_required = true},
    {"condition", "", "each condition: role, estimate, rows read, tested, passed; parts of it",
     .is_out = true, .max = "*"},
    {0}};
static const struct rest_parameter graphql_parameters[] = {
    {"query", "string", "what is asked", .is_required = true},
    {"operationName", "string", "which of its operations is to run"},
    {"variables", "string", "their values, a JSON object"},
    {"result", "Binary", "JSON of GraphQL", .is_out = true, .is_required = true},
    {0}};
static const struct rest_parameter reindex_system[] = {
    {"type", "code", "only resources of these types; left out: all"},
    {"url", "uri", "only types that have the search parameter with this URL"},
    {"return", "OperationOutcome", "accepted: Content-Location tells where progress is",
     .is_out = true, .is_required = true},
    {0}};
static const struct rest_parameter reindex_type[] = {
    {"url", "uri", "the search parameter that it is done for"},
    {"return", "OperationOutcome", "accepted: Content-Location tells where progress is",
     .is_out = true, .is_required = true},
    {0}};

static const struct rest_parameter meta_read[] = {
    {"return", "Meta", "profiles, tags and security labels", .is_out = true, .is_required = true},
    {0}};
static const struct rest_parameter meta_change[] = {
    {"meta", "Meta", "profiles, tags and security labels to add or delete", .is_required = true},
    {"return", "Meta", "what the resource has then", .is_out = true, .is_required = true},
    {0}};
static const struct rest_parameter validate[] = {
    {"resource", "Resource", "what is checked; without one, what is stored"},
    {"mode", "code", "create, update or delete: would that be accepted?"},
    {"profile", "uri", "only the base specification is supported"},
    {"return", "OperationOutcome", "what was found", .is_out = true, .is_required = true},
    {0}};

static const struct rest_operation operations[] = {
    /* interaction, operation, method, path, is_long, run, text */
    {"read", "", "GET", "[type]/[id]", false, rest_read, "the current version of a resource"},
    {"vread", "", "GET", "[type]/[id]/_history/[vid]", false, rest_vread,
     "one version of a resource"},
    {"history-instance", "", "GET", "[type]/[id]/_history", true, rest_history,
     "all versions of a resource, newest first, in pages; _since, _at, _count"},
    {"history-type", "", "GET", "[type]/_history", true, rest_history,
     "the same of all resources of a type"},
    {"history-system", "", "GET", "_history", true, rest_history, "the same of all resources"},
    {"create", "", "POST", "[type]", true, rest_create,
     "a new resource; with If-None-Exist only where nothing matches"},
    {"update", "", "PUT", "[type]/[id]", true, rest_update,
     "a new version, or a new resource with this id; If-Match, If-None-Match: *"},
    {"update", "", "PUT", "[type]", true, rest_update,
     "conditional update: of the only resource that matches, or a new one"},
    {"delete", "", "DELETE", "[type]/[id]", true, rest_delete,
     "deletes; the versions before stay readable"},
    {"delete", "", "DELETE", "[type]", true, rest_delete,
     "conditional delete of all that match, up to the limit conditionalDeletes"},
    {"patch", "", "PATCH", "[type]/[id]", true, rest_patch,
     "JSON Patch, XML Patch or FHIRPath Patch; If-Match"},
    {"patch", "", "PATCH", "[type]", true, rest_patch,
     "conditional patch of the only resource that matches"},
    {"search-type", "", "GET", "[type]", true, rest_search, "search"},
    {"search-type", "", "POST", "[type]/_search", true, rest_search_form,
     "search with the parameters in the body"},
    {"search-system", "", "GET", "", true, rest_search,
     "search over all types, or those that _type names"},
    {"search-system", "", "POST", "_search", true, rest_search_form, "the same as a form"},
    {"search-compartment", "", "GET", "[compartment]/[id]/[type]", true, rest_search,
     "search in what belongs to a patient, encounter, practitioner, related person or device"},
    {"search-compartment", "", "GET", "[compartment]/[id]/*", true, rest_search,
     "the same over all types"},
    {"search-compartment", "", "POST", "[compartment]/[id]/[type]/_search", true, rest_search_form,
     "the first as a form"},
    {"search-compartment", "", "POST", "[compartment]/[id]/_search", true, rest_search_form,
     "the second as a form"},
    {"", "explain", "GET", "[type]/$explain", true, rest_explain,
     "how the search with these parameters is planned, and what it cost", explain_parameters},
    {"", "explain", "POST", "[type]/$explain", true, rest_explain, "the same as a form",
     explain_parameters},
    {"", "explain", "GET", "$explain", true, rest_explain, "the same over several types",
     explain_parameters},
    {"", "explain", "POST", "$explain", true, rest_explain, "the same as a form",
     explain_parameters},
    {"", "explain", "GET", "[compartment]/[id]/[type]/$explain", true, rest_explain,
     "the same in a compartment", explain_parameters},
    {"", "explain", "GET", "[compartment]/[id]/*/$explain", true, rest_explain,
     "the same over all types of a compartment", explain_parameters},
    {"transaction", "", "POST", "", true, rest_bundle,
     "a Bundle of type transaction (all or nothing, one commit) or batch"},
    {"", "everything", "GET", "Patient/[id]/$everything", true, rest_everything,
     "the patient's whole record; start, end, _since, _type, _count", patient_everything},
    {"", "everything", "POST", "Patient/[id]/$everything", true, rest_everything,
     "the same with Parameters", patient_everything},
    {"", "everything", "GET", "Patient/$everything", true, rest_everything,
     "the records of all patients, while they are few", patient_everything},
    {"", "everything", "POST", "Patient/$everything", true, rest_everything,
     "the same with Parameters", patient_everything},
    {"", "everything", "GET", "Encounter/[id]/$everything", true, rest_everything,
     "all about one encounter; _since, _type, _count", encounter_everything},
    {"", "everything", "POST", "Encounter/[id]/$everything", true, rest_everything,
     "the same with Parameters", encounter_everything},
    {"", "graphql", "GET", "$graphql", true, rest_graphql,
     "GraphQL over all resources; query, operationName, variables", graphql_parameters},
    {"", "graphql", "POST", "$graphql", true, rest_graphql,
     "the same with the query in the body: application/graphql, JSON, Parameters",
     graphql_parameters},
    {"", "graphql", "GET", "[type]/[id]/$graphql", true, rest_graphql,
     "GraphQL on one resource and what it is linked with", graphql_parameters},
    {"", "graphql", "POST", "[type]/[id]/$graphql", true, rest_graphql,
     "the same with the query in the body", graphql_parameters},
    {"", "meta", "GET", "[type]/[id]/$meta", false, rest_meta,
     "profiles, tags and security labels of a resource", meta_read},
    {"", "meta", "GET", "[type]/[id]/_history/[vid]/$meta", false, rest_meta, "of one version",
     meta_read},
    {"", "meta", "GET", "[type]/$meta", true, rest_meta, "all that resources of the type have",
     meta_read},
    {"", "meta", "GET", "$meta", true, rest_meta, "all that are in use", meta_read},
    {"", "meta-add", "POST", "[type]/[id]/$meta-add", true, rest_meta_add,
     "adds profiles, tags and security labels", meta_change, .affects_state = true},
    {"", "meta-delete", "POST", "[type]/[id]/$meta-delete", true, rest_meta_delete,
     "takes them away", meta_change, .affects_state = true},
    {"", "validate", "POST", "[type]/$validate", true, rest_validate,
     "checks a resource; mode=create", validate},
    {"", "validate", "POST", "[type]/[id]/$validate", true, rest_validate,
     "the same; mode=update or delete too", validate},
    {"", "validate", "GET", "[type]/[id]/$validate", true, rest_validate, "checks what is stored",
     validate},
    {"", "reindex", "POST", "$reindex", true, rest_reindex,
     "goes through all resources again, in the background; type, url", reindex_system,
     .affects_state = true},
    {"", "reindex", "POST", "[type]/$reindex", true, rest_reindex, "through those of a type",
     reindex_type, .affects_state = true},
    {"", "reindex", "POST", "[type]/[id]/$reindex", true, rest_reindex, "through one resource",
     reindex_type, .affects_state = true},
    {"reindex-status", "", "GET", "_reindex/[id]", true, rest_reindex_status,
     "how far a $reindex is"},
    {"reindex-cancel", "", "DELETE", "_reindex/[id]", true, rest_reindex_cancel,
     "cancels a $reindex; what it has done stays"},
    {"async-status", "", "GET", "_async/[id]", true, rest_async_status,
     "how far a request with Prefer: respond-async is, then its answer"},
    {"async-cancel", "", "DELETE", "_async/[id]", true, rest_async_cancel,
     "cancels it, or throws its answer away"},
    {"capabilities", "", "GET", "metadata", true, rest_metadata, "this statement"},
};

const struct rest_operation *rest_operations(size_t *ret_n) {
  *ret_n = sizeof operations / sizeof operations[0];
  return operations;
}
