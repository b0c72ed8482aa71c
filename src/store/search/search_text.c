#include "store/search/search_text.h"

#include "store/search/search_operand.h"
#include "store/text/text_index.h"

bool search_is_text(const struct defs_param *param) {
  return str_is(param->code, "_text") || str_is(param->code, "_content");
}

static int parse_one(struct search_parser *parser, struct str name, struct str text,
                     const struct text_query **ret_query, struct err *reterr) {
  struct err why;
  int code = text_query_parse(parser->arena, text, ret_query, &why);
  if (code == ERR_NO_MEMORY)
    return err_no_memory(reterr);
  return code ? err_set_at(reterr, why.code, name, "%s", why.text) : 0;
}

int search_text_parse(struct search_parser *parser, struct str name, struct str modifier,
                      struct str value, struct search_predicate *p, struct err *reterr) {
  if (modifier.n > 0)
    return err_set_at(reterr, ERR_NOT_SUPPORTED, name, "'%.*s' takes no modifier",
                      STR_ARG(defs_param(p->param)->code));
  struct text_query *any = ARENA_NEW(parser->arena, struct text_query), *last = NULL;
  struct str rest = value, part;
  size_t n = 0;
  if (!any)
    return err_no_memory(reterr);
  any->kind = TEXT_QUERY_OR;
  while (search_split_escaped(&rest, ',', &part)) {
    const struct text_query *query;
    struct text_query *copy = ARENA_NEW(parser->arena, struct text_query);
    struct str text = search_unescape(parser->arena, part);
    if (!copy || !text.p)
      return err_no_memory(reterr);
    if (++n > TEXT_QUERY_TERMS_MAX)
      return err_set_at(reterr, ERR_TOO_COSTLY, name, "has more than %d values",
                        TEXT_QUERY_TERMS_MAX);
    int code = parse_one(parser, name, text, &query, reterr);
    if (code)
      return code;
    *copy = *query;
    if (last)
      last->next = copy;
    else
      any->first = copy;
    last = copy;
  }
  p->subject = SEARCH_ON_TEXT;
  p->text = n == 1 ? any->first : any;
  p->is_narrative = str_is(defs_param(p->param)->code, "_text");
  return 0;
}

int search_text_make(struct search_context *c, struct search_condition *condition,
                     struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  struct text_candidates candidates;
  int code = text_candidates(c->db, c->schema, c->arena, p->text, p->type, &candidates, reterr);
  if (code)
    return code;
  condition->is_unindexed = candidates.is_all;
  condition->rids = candidates.rids;
  condition->rids_n = candidates.n;
  return 0;
}

static bool is_candidate(const struct search_condition *condition, uint64_t rid) {
  size_t from = 0, to = condition->rids_n;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (condition->rids[middle] == rid)
      return true;
    if (condition->rids[middle] < rid)
      from = middle + 1;
    else
      to = middle;
  }
  return false;
}

int search_text_matches(struct search_context *c, const struct search_condition *condition,
                        struct search_candidate *candidate, bool *ret_matches, struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  const struct yyjson_val *root;
  struct text_words words;
  *ret_matches = false;
  if (!condition->is_unindexed && !is_candidate(condition, candidate->rid))
    return 0;
  int code = search_fetch_body(c, candidate, &root, reterr);
  if (code == 0)
    code = text_words_of_resource(c->scratch, root, p->is_narrative ? TEXT_NARRATIVE : TEXT_CONTENT,
                                  &words, reterr);
  if (code == 0)
    *ret_matches = text_query_matches(p->text, words);
  return code;
}
