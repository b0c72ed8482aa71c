/* Parameters that shape the result: _count, _sort, _include and their like. */
#include "store/search/search_cursor.h"
#include "store/search/search_parser.h"

static int expected(struct err *reterr, struct str name, const char *what) {
  return err_set_at(reterr, ERR_VALUE, name, "expected %s", what);
}

static int parse_count(struct search_parser *parser, struct str name, struct str value,
                       struct err *reterr) {
  uint64_t count;
  size_t max = parser->options->max_count ? parser->options->max_count : 1000;
  if (!str_to_u64(value, &count))
    return expected(reterr, name, "a number of resources per page");
  parser->search->is_count_only |= count == 0;
  parser->search->count = count > max ? max : (size_t)count;
  return 0;
}

static int parse_sort_key(struct search_parser *parser, struct str name, struct str text,
                          struct err *reterr) {
  struct search *search = parser->search;
  struct search_sort sort = {.is_descending = str_starts_with(text, STR("-"))};
  if (sort.is_descending)
    text = str_slice(text, 1, text.n);
  sort.param = search_common_param(search, text, reterr);
  if (!sort.param)
    return ERR_NOT_SUPPORTED;
  int code = search_check_ready(sort.param, name, reterr);
  if (code)
    return code;
  sort.type = defs_param(sort.param)->type;
  sort.key = str_is(text, "_id")            ? SEARCH_SORT_ID
             : str_is(text, "_lastUpdated") ? SEARCH_SORT_LAST_UPDATED
                                            : SEARCH_SORT_PARAM;
  if (sort.type == SEARCH_COMPOSITE || sort.type == SEARCH_SPECIAL || str_is(text, "_text") ||
      str_is(text, "_content"))
    return err_set_at(reterr, ERR_NOT_SUPPORTED, name, "'%.*s' has no order", STR_ARG(text));
  if (search->sorts_n == SEARCH_SORTS_MAX)
    return err_set_at(reterr, ERR_TOO_COSTLY, name, "has more than %d keys", SEARCH_SORTS_MAX);
  search->sorts[search->sorts_n++] = sort;
  return 0;
}

static int parse_sort(struct search_parser *parser, struct str name, struct str value,
                      struct err *reterr) {
  struct str rest = value, part;
  while (str_split(&rest, ',', &part)) {
    int code = parse_sort_key(parser, name, part, reterr);
    if (code)
      return code;
  }
  return 0;
}

static int parse_total(struct search_parser *parser, struct str name, struct str value,
                       struct err *reterr) {
  struct search *search = parser->search;
  if (str_is(value, "none"))
    search->total = SEARCH_TOTAL_NONE;
  else if (str_is(value, "estimate"))
    search->total = SEARCH_TOTAL_ESTIMATE;
  else if (str_is(value, "accurate"))
    search->total = SEARCH_TOTAL_ACCURATE;
  else
    return expected(reterr, name, "none, estimate or accurate");
  return 0;
}

static int parse_summary(struct search_parser *parser, struct str name, struct str value,
                         struct err *reterr) {
  static const struct {
    const char *text;
    enum search_summary summary;
  } summaries[] = {{"true", SEARCH_SUMMARY_TRUE},
                   {"text", SEARCH_SUMMARY_TEXT},
                   {"data", SEARCH_SUMMARY_DATA},
                   {"count", SEARCH_SUMMARY_COUNT},
                   {"false", SEARCH_SUMMARY_FALSE}};
  for (size_t i = 0; i < sizeof summaries / sizeof summaries[0]; i++)
    if (str_is(value, summaries[i].text)) {
      parser->search->summary = summaries[i].summary;
      parser->search->is_count_only |= summaries[i].summary == SEARCH_SUMMARY_COUNT;
      return 0;
    }
  return expected(reterr, name, "true, text, data, count or false");
}

static struct str part_before(struct str text, char separator) {
  struct str rest = text, part = STR("");
  (void)str_split(&rest, separator, &part);
  return part;
}

static struct str part_behind(struct str text, char separator) {
  struct str before = part_before(text, separator);
  return before.n < text.n ? str_slice(text, before.n + 1, text.n) : text;
}

/* "Patient.name" names the element of one type, as the specification also allows. */
static int parse_elements(struct search_parser *parser, struct str name, struct str value,
                          struct err *reterr) {
  struct str rest = value, part;
  while (str_split(&rest, ',', &part)) {
    part = str_trim(part);
    if (parser->search->type &&
        search_resource_type(part_before(part, '.')) == parser->search->type)
      part = part_behind(part, '.');
    if (part.n == 0)
      return expected(reterr, name, "names of elements with commas between them");
    if (parser->elements.n == SEARCH_ELEMENTS_MAX)
      return err_set_at(reterr, ERR_TOO_COSTLY, name, "has more than %d names",
                        SEARCH_ELEMENTS_MAX);
    struct str *place = VEC_PUSH(parser->arena, &parser->elements);
    if (!place)
      return err_no_memory(reterr);
    *place = part;
  }
  return 0;
}

/* SOURCE:PARAM[:TARGET], SOURCE:*, or * */
static int parse_include(struct search_parser *parser, struct str name, struct str value,
                         bool is_reverse, bool is_iterate, struct err *reterr) {
  struct search *search = parser->search;
  struct search_include include = {.is_reverse = is_reverse, .is_iterate = is_iterate};
  struct str rest = value, source, code = STR(""), target = STR("");
  if (search->includes_n == SEARCH_INCLUDES_MAX)
    return err_set_at(reterr, ERR_TOO_COSTLY, name, "is given more than %d times",
                      SEARCH_INCLUDES_MAX);
  if (!str_is(value, "*")) {
    (void)str_split(&rest, ':', &source);
    (void)str_split(&rest, ':', &code);
    (void)str_split(&rest, ':', &target);
    include.source = search_resource_type(source);
    if (!include.source || code.n == 0 || rest.p)
      return expected(reterr, name, "TYPE:PARAMETER, TYPE:PARAMETER:TARGETTYPE, TYPE:* or *");
    include.param = str_is(code, "*") ? 0 : defs_param_by_code(include.source, code);
    if (!include.param && !str_is(code, "*"))
      return search_unknown(reterr, include.source, code, false);
    if (include.param && defs_param(include.param)->type != SEARCH_REFERENCE)
      return err_set_at(reterr, ERR_NOT_SUPPORTED, name, "'%.*s' of %.*s is not a reference",
                        STR_ARG(code), STR_ARG(source));
    int not_ready = include.param ? search_check_ready(include.param, name, reterr) : 0;
    if (not_ready)
      return not_ready;
    include.target = target.n ? search_resource_type(target) : 0;
    if (target.n > 0 && !include.target)
      return expected(reterr, name, "a resource type as target");
  }
  search->includes[search->includes_n++] = include;
  return 0;
}

static int parse_any_include(struct search_parser *parser, struct str name, struct str value,
                             struct err *reterr) {
  struct str modifier = name, base;
  (void)str_split(&modifier, ':', &base);
  bool is_iterate = modifier.p && (str_is(modifier, "iterate") || str_is(modifier, "recurse"));
  if (modifier.p && !is_iterate)
    return err_set_at(reterr, ERR_NOT_SUPPORTED, name, "the only modifier is ':iterate'");
  return parse_include(parser, name, value, str_is(base, "_revinclude"), is_iterate, reterr);
}

/* Read when the whole query is known: a cursor belongs to one. */
static int parse_cursor(struct search_parser *parser, struct str name, struct str value,
                        struct err *reterr) {
  (void)name;
  (void)reterr;
  parser->search->cursor = value;
  return 0;
}

static int parse_contained(struct search_parser *parser, struct str name, struct str value,
                           struct err *reterr) {
  if (str_is(value, "true"))
    parser->search->contained = SEARCH_CONTAINED_ONLY;
  else if (str_is(value, "both"))
    parser->search->contained = SEARCH_CONTAINED_BOTH;
  else if (!str_is(value, "false"))
    return expected(reterr, name, "true, false or both");
  return 0;
}

static int parse_contained_type(struct search_parser *parser, struct str name, struct str value,
                                struct err *reterr) {
  if (!str_is(value, "container") && !str_is(value, "contained"))
    return expected(reterr, name, "container or contained");
  parser->search->returns_contained = str_is(value, "contained");
  return 0;
}

static int ignore(struct search_parser *parser, struct str name, struct str value,
                  struct err *reterr) {
  (void)parser;
  (void)name;
  (void)value;
  (void)reterr;
  return 0;
}

static const char *const names[] = {
    "_count",  "_sort",      "_include", "_revinclude", "_total", "_summary",       "_elements",
    "_cursor", "_contained", "_format",  "_pretty",     "_type",  "_containedType", NULL};

static int (*const parsers[])(struct search_parser *, struct str, struct str,
                              struct err *) = {parse_count,
                                               parse_sort,
                                               parse_any_include,
                                               parse_any_include,
                                               parse_total,
                                               parse_summary,
                                               parse_elements,
                                               parse_cursor,
                                               parse_contained,
                                               ignore,
                                               ignore,
                                               ignore /* taken before all others */,
                                               parse_contained_type};

const char *const *search_result_names(void) {
  return names;
}

static ssize_t find(struct str name) {
  ssize_t colon = str_find_char(name, ':', 0);
  struct str base = colon < 0 ? name : str_slice(name, 0, (size_t)colon);
  for (ssize_t i = 0; names[i]; i++)
    if (str_is(base, names[i]) && (colon < 0 || parsers[i] == parse_any_include))
      return i;
  return -1;
}

bool search_is_result_name(struct str name) {
  return find(name) >= 0;
}

bool search_result_selects(struct str name) {
  return str_is(name, "_sort") || str_is(name, "_type") || str_is(name, "_contained") ||
         str_is(name, "_containedType");
}

static bool may_repeat(ssize_t which) {
  return parsers[which] == parse_any_include || parsers[which] == parse_elements ||
         parsers[which] == parse_sort;
}

int search_parse_result(struct search_parser *parser, struct str name, struct str value,
                        struct err *reterr) {
  ssize_t which = find(name);
  if (value.n == 0)
    return err_set_at(reterr, ERR_VALUE, name, "has no value; leave it out or give it one");
  for (size_t i = 0; i < parser->pairs.n && !may_repeat(which); i++)
    if (str_equal(parser->pairs.p[i].name, name))
      return err_set_at(reterr, ERR_VALUE, name, "is given twice");
  return parsers[which](parser, name, value, reterr);
}
