#include "main/import_piece.h"

#include "model/resource_xml.h"

#include "format/json.h"

#define PIECE_MAX_BYTES ((size_t)1 << 30)

struct entries {
  struct transaction_entry *p;
  size_t n;
};

/* Bundles whose entries are resources of their own. A document or a message is one thing. */
static bool is_list(struct str bundle_type) {
  return str_is(bundle_type, "transaction") || str_is(bundle_type, "batch") ||
         str_is(bundle_type, "collection") || str_is(bundle_type, "searchset");
}

static struct transaction_entry entry_of(const struct yyjson_val *resource, struct str full_url,
                                         struct str where) {
  return (struct transaction_entry){.method = STR("POST"),
                                    .url = json_get_text(resource, STR("resourceType")),
                                    .full_url = full_url,
                                    .resource = resource,
                                    .where = where,
                                    .write = TRANSACTION_NO_WRITE};
}

static int read_list(struct arena *arena, const struct yyjson_val *bundle, struct entries *entries,
                     struct err *reterr) {
  const struct yyjson_val *list = json_get(bundle, STR("entry"));
  entries->p = ARENA_ARRAY(arena, struct transaction_entry, json_count(list) + 1);
  if (!entries->p)
    return err_no_memory(reterr);
  struct json_each each = json_each(list);
  while (json_next(&each)) {
    struct str where = arena_printf(arena, "Bundle.entry[%zu]", each.index);
    const struct yyjson_val *resource = json_get(each.value, STR("resource"));
    if (resource)
      entries->p[entries->n++] =
          entry_of(resource, json_get_text(each.value, STR("fullUrl")), where);
  }
  return 0;
}

static int read_entries(struct import_piece *piece, const struct yyjson_val *root,
                        struct entries *entries, struct issues *issues, struct err *reterr) {
  struct arena *arena = piece->arena;
  struct str bundle_type = json_get_text(root, STR("type"));
  piece->is_bundle =
      str_is(json_get_text(root, STR("resourceType")), "Bundle") && is_list(bundle_type);
  piece->is_transaction = piece->is_bundle && str_is(bundle_type, "transaction");
  if (piece->is_transaction || (piece->is_bundle && str_is(bundle_type, "batch")))
    return transaction_read_bundle(arena, root, STR_NULL, &entries->p, &entries->n, issues, reterr);
  if (piece->is_bundle)
    return read_list(arena, root, entries, reterr);
  entries->p = ARENA_NEW(arena, struct transaction_entry);
  if (!entries->p)
    return err_no_memory(reterr);
  *entries->p = entry_of(root, STR_NULL, STR_NULL);
  entries->n = 1;
  return 0;
}

/* Entries that a fault was found in do not take part again. */
static void take_out_faulty(struct entries *entries, const struct issues *issues) {
  size_t kept = 0;
  for (size_t i = 0; i < entries->n; i++) {
    struct str where = entries->p[i].where;
    bool is_faulty = false;
    for (size_t j = 0; j < issues->list.n && !is_faulty; j++) {
      struct str fault = str_of(issues->list.p[j].where);
      is_faulty = issues->list.p[j].severity <= ERR_SEVERITY_ERROR &&
                  str_starts_with(fault, where) &&
                  (fault.n == where.n || fault.p[where.n] == '.' || fault.p[where.n] == ':');
    }
    if (!is_faulty)
      entries->p[kept++] = entries->p[i];
  }
  entries->n = kept;
}

static int add_issue(struct import_piece *piece, const struct err *err, struct err *reterr) {
  struct err *issue = VEC_PUSH(piece->arena, &piece->issues.list);
  if (!issue)
    return err_no_memory(reterr);
  *issue = *err;
  piece->issues.errors_n++;
  return 0;
}

static bool is_of_content(int code) {
  const int ours[] = {ERR_STORE, ERR_IO,      ERR_NO_SPACE,  ERR_READ_ONLY,
                      ERR_BUSY,  ERR_TIMEOUT, ERR_NO_MEMORY, ERR_PRECONDITION};
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
    if (code == ours[i])
      return false;
  return true;
}

/* Reads the piece and prepares what was not found faulty before. The fault of a whole entry becomes
 * an issue like those that validation finds. */
static int try_once(struct import_piece *piece, struct store_view *view,
                    struct transaction_options *options, struct entries *ret_entries,
                    struct err *reterr) {
  const struct yyjson_val *root;
  struct issues said_before = {0};
  bool is_first = piece->issues.list.n == 0;
  int code = resource_parse(piece->arena, piece->text, PIECE_MAX_BYTES, &root, reterr);
  if (code == 0)
    code = read_entries(piece, root, ret_entries, is_first ? &piece->issues : &said_before, reterr);
  if (code != 0)
    return code;
  piece->resources_n = ret_entries->n;
  if (piece->is_transaction && piece->issues.errors_n > 0)
    return 0;
  if (!piece->is_transaction)
    take_out_faulty(ret_entries, &piece->issues);
  options->is_transaction = options->resolves_conditions = piece->is_transaction;
  piece->issues.errors_n = 0; /* only new ones stop the preparation */
  code = transaction_prepare(piece->arena, view, options, ret_entries->p, ret_entries->n,
                             &piece->commit, &piece->issues, reterr);
  return code != 0 && is_of_content(code) ? add_issue(piece, reterr, reterr) : code;
}

/* Where entries stand alone, faulty ones are left out and the others tried again, on trees that are
 * read again. Each round takes out one entry at least. */
int import_piece_prepare(struct store_view *view, bool with_invariants, struct import_piece *piece,
                         struct err *reterr) {
  struct access access = ACCESS_EVERYTHING(STR("import"));
  struct transaction_options options = {
      .access = &access, .keeps_ids = true, .with_invariants = with_invariants};
  piece->issues = (struct issues){0};
  piece->commit = (struct store_commit){.arena = piece->arena, .principal = STR("import")};
  for (;;) {
    struct entries entries = {0};
    int code = try_once(piece, view, &options, &entries, reterr);
    if (code != 0)
      return code;
    bool has_faults = piece->issues.errors_n > 0;
    size_t tried_n = entries.n;
    take_out_faulty(&entries, &piece->issues);
    bool is_hopeless = piece->is_transaction || !piece->is_bundle || entries.n == tried_n;
    piece->refused_n = piece->resources_n - (has_faults && is_hopeless ? 0 : entries.n);
    if (!has_faults)
      return 0;
    if (is_hopeless) {
      piece->commit.writes_n = 0;
      return 0;
    }
  }
}
