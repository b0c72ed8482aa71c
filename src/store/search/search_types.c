/* Which types a search is about: one, those that _type names, or all; and its compartment. */
#include "base/id.h"
#include "store/search/search_parser.h"

bool search_types_have(struct search_types types, defs_type_id type) {
  bool has = types.n == 0;
  for (size_t i = 0; i < types.n && !has; i++)
    has = types.p[i] == type;
  return has;
}

static int take_type(struct search_parser *parser, struct str name, defs_type_id **types,
                     struct err *reterr) {
  struct search_types *of_search = &parser->search->types;
  defs_type_id type = search_resource_type(name);
  if (!type)
    return err_set(reterr, ERR_VALUE, "_type", "there is no resource type '%.*s'",
                   STR_ARG(str_slice(name, 0, 40)));
  if (of_search->n > 0 && search_types_have(*of_search, type))
    return 0;
  (*types)[of_search->n++] = type;
  return 0;
}

static int take_types(struct search_parser *parser, struct str value, struct err *reterr) {
  struct search *search = parser->search;
  struct str rest = value, part;
  defs_type_id *types = ARENA_ARRAY(parser->arena, defs_type_id, defs_types_count() + 1);
  int code = types ? 0 : err_no_memory(reterr);
  search->types.p = types;
  while (code == 0 && str_split(&rest, ',', &part))
    code = take_type(parser, str_trim(part), &types, reterr);
  if (code == 0 && search->types.n == 1)
    search->type = types[0];
  return code;
}

int search_parse_types(struct search_parser *parser, const struct search_pair *pairs,
                       size_t pairs_n, struct err *reterr) {
  struct search *search = parser->search;
  const struct search_pair *given = NULL;
  for (size_t i = 0; i < pairs_n; i++) {
    if (!str_is(pairs[i].name, "_type"))
      continue;
    if (given || search->type)
      return err_set(reterr, ERR_VALUE, "_type",
                     given ? "is given twice"
                           : "is for a search over several types; this one is over %.*s",
                     STR_ARG(search->type ? defs_type(search->type)->name : STR("")));
    given = &pairs[i];
  }
  if (given)
    return take_types(parser, given->value, reterr);
  if (search->type)
    search->types = (struct search_types){&search->type, 1};
  return 0;
}

defs_type_id search_common_type(const struct search *search) {
  return search->type ? search->type : defs_type_by_name(STR("Resource"));
}

defs_param_id search_common_param(const struct search *search, struct str code,
                                  struct err *reterr) {
  defs_type_id common = search_common_type(search);
  defs_param_id first = defs_param_by_code(common, code);
  if (first || search->types.n < 2) {
    if (!first)
      (void)!search_unknown(reterr, common, code, false);
    return first;
  }
  for (size_t i = 0; i < search->types.n; i++) {
    defs_param_id param = defs_param_by_code(search->types.p[i], code);
    if (!param) {
      (void)!search_unknown(reterr, search->types.p[i], code, false);
      return 0;
    }
    first = first ? first : param;
    if (defs_param(param)->type != defs_param(first)->type) {
      (void)!err_set_at(reterr, ERR_NOT_SUPPORTED, code, "is of another kind on each of the types");
      return 0;
    }
  }
  return first;
}

/* A type is in a compartment by one of its parameters, or by itself. */
static bool may_be_in(defs_type_id compartment, defs_type_id type) {
  size_t n;
  (void)defs_compartment_params(defs_type(compartment)->name, type, &n);
  return n > 0 || type == compartment;
}

int search_parse_compartment(struct search_parser *parser, struct search_predicate *ret_predicate,
                             struct err *reterr) {
  struct search *search = parser->search;
  defs_type_id compartment = parser->options->compartment;
  struct str name = defs_type(compartment)->name;
  bool is_one = false;
  for (size_t i = 1; i <= defs_types_count() && !is_one; i++) {
    size_t n;
    (void)defs_compartment_params(name, (defs_type_id)i, &n);
    is_one = n > 0;
  }
  if (!is_one)
    return err_set(reterr, ERR_NOT_SUPPORTED, "", "%.*s is no compartment", STR_ARG(name));
  if (!id_is_fhir_id(parser->options->compartment_id))
    return err_set(reterr, ERR_VALUE, "", "the compartment's id is no id");
  for (size_t i = 0; i < search->types.n; i++)
    if (!may_be_in(compartment, search->types.p[i]))
      return err_set(reterr, ERR_NOT_SUPPORTED, "", "%.*s is not in the compartment of a %.*s",
                     STR_ARG(defs_type(search->types.p[i])->name), STR_ARG(name));
  struct search_operand *operand = ARENA_NEW(parser->arena, struct search_operand);
  if (!operand)
    return err_no_memory(reterr);
  operand->type = name;
  operand->id = parser->options->compartment_id;
  search->compartment = compartment;
  search->compartment_id = operand->id;
  *ret_predicate = (struct search_predicate){.subject = SEARCH_ON_COMPARTMENT,
                                             .type = search->type,
                                             .name = name,
                                             .value = operand->id,
                                             .value_type = SEARCH_REFERENCE,
                                             .operands = operand,
                                             .operands_n = 1};
  return 0;
}
