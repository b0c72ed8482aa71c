/*
 * Code systems whose codes are told by a grammar instead of a list.
 *
 * Spec: BCP 47 (RFC 5646, section 2.1; the subtags themselves are not looked up), BCP 13 (RFC 6838,
 * section 4.2, with parameters as RFC 2045 writes them), RFC 3986 (any absolute URI), UCUM.
 */
#include "model/terminology_internal.h"

#include "model/ucum.h"

static bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool all_are(struct str s, bool (*is)(char c)) {
  for (size_t i = 0; i < s.n; i++)
    if (!is(s.p[i]))
      return false;
  return true;
}

static bool is_alphanumeric(char c) {
  return is_alpha(c) || is_digit(c);
}

/* language ["-" extlang] ["-" script] ["-" region] *("-" variant) *("-" extension) ["-x-" ...] */
static bool is_language(struct str tag) {
  struct str part;
  if (!str_split(&tag, '-', &part))
    return false;
  bool is_private = part.n == 1 && (part.p[0] == 'x' || part.p[0] == 'X');
  if (!is_private && (part.n < 2 || part.n > 8 || !all_are(part, is_alpha)))
    return false;
  bool wants_more = is_private; /* a singleton says what follows it */
  while (str_split(&tag, '-', &part)) {
    if (part.n == 0 || part.n > 8 || !all_are(part, is_alphanumeric))
      return false;
    if (part.n == 1 && !is_private && wants_more)
      return false;
    is_private |= part.n == 1 && (part.p[0] == 'x' || part.p[0] == 'X');
    wants_more = part.n == 1;
  }
  return !wants_more;
}

/* restricted-name-chars */
static bool is_media_char(char c) {
  return is_alphanumeric(c) || (c && strchr("!#$&-^_.+", c) != NULL);
}

static bool is_media_name(struct str name) {
  return name.n > 0 && name.n <= 127 && is_alphanumeric(name.p[0]) && all_are(name, is_media_char);
}

static bool is_parameter_char(char c) {
  return c >= ' ' && c <= '~';
}

static bool is_media_type(struct str code) {
  ssize_t end = str_find_char(code, ';', 0);
  struct str type = str_trim(end < 0 ? code : str_slice(code, 0, (size_t)end));
  struct str rest = end < 0 ? STR_NULL : str_slice(code, (size_t)end + 1, code.n);
  ssize_t slash = str_find_char(type, '/', 0);
  if (slash < 0 || !is_media_name(str_slice(type, 0, (size_t)slash)) ||
      !is_media_name(str_slice(type, (size_t)slash + 1, type.n)))
    return false;
  return end < 0 || (str_find_char(rest, '=', 0) > 0 && all_are(rest, is_parameter_char));
}

/* scheme ":" ..., without white space */
static bool is_uri(struct str code) {
  ssize_t colon = str_find_char(code, ':', 0);
  if (colon <= 0 || !is_alpha(code.p[0]))
    return false;
  for (size_t i = 0; i < code.n; i++)
    if ((unsigned char)code.p[i] <= ' ')
      return false;
  return true;
}

static const struct {
  const char *system;
  bool (*is_code)(struct str code);
} grammars[] = {
    {"urn:ietf:bcp:47", is_language},
    {"urn:ietf:bcp:13", is_media_type},
    {"urn:ietf:rfc:3986", is_uri},
    {"http://unitsofmeasure.org", ucum_is_valid},
};

enum terminology_answer terminology_grammar(struct str system, struct str code) {
  for (size_t i = 0; i < sizeof grammars / sizeof grammars[0]; i++)
    if (str_is(system, grammars[i].system))
      return grammars[i].is_code(code) ? TERMINOLOGY_YES : TERMINOLOGY_NO;
  return TERMINOLOGY_UNKNOWN;
}

/* ISO 4217 */
static bool is_currency(struct str code) {
  for (size_t i = 0; i < code.n; i++)
    if (code.p[i] < 'A' || code.p[i] > 'Z')
      return false;
  return code.n == 3;
}

/* Not mimetypes: where these are wanted the specification itself writes "json" and "xml" too. */
static const struct {
  const char *value_set;
  bool (*is_code)(struct str code);
} forms[] = {
    {"http://hl7.org/fhir/ValueSet/ucum-units", ucum_is_valid},
    {"http://hl7.org/fhir/ValueSet/currencies", is_currency},
};

bool terminology_form_fits(struct str value_set_url, struct str code) {
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
    if (str_is(value_set_url, forms[i].value_set))
      return forms[i].is_code(code);
  return true;
}
