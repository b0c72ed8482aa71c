#include "store/read/event_log.h"

#include "store/store_internal.h"

static enum store_event_kind kind_of(int64_t kind) {
  switch (kind) {
  case 0:
    return STORE_EVENT_MESSAGE;
  case STORE_CREATED:
  case SCHEMA_EVENT_CREATED_BY_PUT:
    return STORE_EVENT_CREATED;
  case STORE_DELETED:
    return STORE_EVENT_DELETED;
  default:
    return STORE_EVENT_UPDATED;
  }
}

/* The columns: number, seq, kind, version, message, then type and id of the resource. */
static int read_event(struct store_view *view, struct db_statement *row, struct arena *arena,
                      struct store_event *event, struct err *reterr) {
  *event = (struct store_event){.number = (uint64_t)db_column_i64(row, 0),
                                .commit_seq = (uint64_t)db_column_i64(row, 1),
                                .kind = kind_of(db_column_i64(row, 2)),
                                .version = (uint32_t)db_column_i64(row, 3),
                                .message = (uint64_t)db_column_i64(row, 4)};
  if (event->kind == STORE_EVENT_MESSAGE)
    return 0;
  event->type = schema_type(store_view_schema(view), db_column_i64(row, 5));
  event->id = schema_id_unpack(arena, db_column_str(row, 6));
  return event->id.p ? 0 : err_no_memory(reterr);
}

/* The resource of the row may be hidden; then so is the row. A message is of nobody in particular:
 * only who may see everything sees it. */
static void add_query(struct db_query *query, const struct store_filter *filter, uint64_t after,
                      size_t max) {
  db_query_add(query, "SELECT e.number,e.seq,e.kind,e.version,e.message,e.type,r.id FROM event e"
                      " LEFT JOIN resource r ON r.rid=e.rid WHERE e.number>");
  db_query_i64(query, after <= INT64_MAX ? (int64_t)after : INT64_MAX);
  if (!filter->is_everything) {
    db_query_add(query, " AND e.kind<>0 AND ");
    store_filter_add(query, filter, "r", 0);
  }
  db_query_add(query, " ORDER BY e.number LIMIT ");
  db_query_i64(query, (int64_t)max);
}

static int last_number(struct store_view *view, struct arena *arena, uint64_t *ret_number,
                       struct err *reterr) {
  struct db_query query;
  int64_t number = 0;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT max(number) FROM event");
  int code = db_query_number(store_view_db(view), &query, 0, &number, reterr);
  if (code == 0)
    *ret_number = (uint64_t)number;
  return code;
}

int store_events(struct store_view *view, const struct access *access, struct arena *arena,
                 uint64_t after, size_t max, struct store_events *ret_events, struct err *reterr) {
  struct db_statement *row = NULL;
  struct store_filter filter;
  struct db_query query;
  VEC(struct store_event) list = {0};
  bool has_row;
  max = max < STORE_EVENTS_MAX ? max : STORE_EVENTS_MAX;
  int code = store_filter(store_view_db(view), store_view_schema(view), access, &filter, reterr);
  if (code != 0)
    return code;
  db_query_init(&query, arena);
  add_query(&query, &filter, after, max);
  code = db_query_start(store_view_db(view), &query, &row, reterr);
  if (code != 0)
    return code;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct store_event *event = VEC_PUSH(arena, &list);
    code = event ? read_event(view, row, arena, event, reterr) : err_no_memory(reterr);
    if (code != 0)
      break;
  }
  db_release(row);
  uint64_t last = list.n > 0 ? list.p[list.n - 1].number : after;
  if (code == 0 && !filter.is_everything && list.n < max) /* all that the view sees was looked at */
    code = last_number(view, arena, &last, reterr);
  if (code == 0)
    *ret_events = (struct store_events){list.p, list.n, last > after ? last : after};
  return code;
}
