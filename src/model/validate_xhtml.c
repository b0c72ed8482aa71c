/*
 * The narrative's XHTML: a scan of tags, not a parse. What passes is well-formed, has no active
 * content, and can be put into a page as it is.
 */
#include "model/validate_primitive.h"

/* What txt-1 allows: HTML 4.0 chapters 7 to 11 (but 9.4) and 15, <a>, images. Sorted. */
static const char *const allowed_elements[] = {
    "a",      "abbr",    "acronym", "address", "b",     "bdo",      "big",   "blockquote",
    "br",     "caption", "cite",    "code",    "col",   "colgroup", "dd",    "dfn",
    "div",    "dl",      "dt",      "em",      "h1",    "h2",       "h3",    "h4",
    "h5",     "h6",      "hr",      "i",       "img",   "ins",      "kbd",   "li",
    "ol",     "p",       "pre",     "q",       "s",     "samp",     "small", "span",
    "strike", "strong",  "sub",     "sup",     "table", "tbody",    "td",    "tfoot",
    "th",     "thead",   "tr",      "tt",      "u",     "ul",       "var",
};

#define XHTML_DEPTH_MAX 100

struct scan {
  struct str rest;
  struct str open[XHTML_DEPTH_MAX]; /* names of the elements that are open */
  unsigned depth;
  bool has_content, had_root;
};

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == ':' || c == '.';
}

static void skip(struct scan *scan, size_t n) {
  scan->rest = str_slice(scan->rest, n, scan->rest.n);
}

static void skip_space(struct scan *scan) {
  size_t n = 0;
  while (n < scan->rest.n && is_space(scan->rest.p[n]))
    n++;
  skip(scan, n);
}

static bool take(struct scan *scan, const char *z) {
  struct str s = str_of(z);
  if (!str_starts_with(scan->rest, s))
    return false;
  skip(scan, s.n);
  return true;
}

static struct str take_name(struct scan *scan) {
  size_t n = 0;
  while (n < scan->rest.n && is_name_char(scan->rest.p[n]))
    n++;
  struct str name = str_slice(scan->rest, 0, n);
  skip(scan, n);
  return name;
}

static bool is_allowed_element(struct str name) {
  size_t low = 0, high = sizeof allowed_elements / sizeof *allowed_elements;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = str_compare(str_of(allowed_elements[middle]), name);
    if (order == 0)
      return true;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}

/*
 * javascript: and vbscript:, also where a character reference or white space hides it ("&#106;ava
 * script:"): neither has a place in a scheme, so a URL that begins with such is taken for one.
 */
static bool is_script_url(struct str value) {
  struct str url = str_trim(value);
  size_t n = 0;
  while (n < url.n && !strchr(":/?#&", url.p[n]) && !is_space(url.p[n]))
    n++;
  if (n == url.n)
    return false;
  if (is_space(url.p[n]))
    return str_find_char(url, ':', n) >= 0;
  struct str scheme = str_slice(url, 0, n);
  return url.p[n] == '&' || (url.p[n] == ':' && (str_equal_ignore_case(scheme, STR("javascript")) ||
                                                 str_equal_ignore_case(scheme, STR("vbscript"))));
}

static const char *check_attribute(struct str name, struct str value) {
  if (name.n > 2 && str_equal_ignore_case(str_slice(name, 0, 2), STR("on")))
    return "The XHTML has an event attribute (on...), which is not allowed.";
  if (str_find_char(value, '<', 0) >= 0)
    return "An attribute in the XHTML has a '<' in its value; write &lt;.";
  if ((str_is(name, "href") || str_is(name, "src")) && is_script_url(value))
    return "The XHTML has a link to a script, which is not allowed.";
  return NULL;
}

static const char *scan_attributes(struct scan *scan) {
  for (;;) {
    bool after_space = scan->rest.n > 0 && is_space(scan->rest.p[0]);
    skip_space(scan);
    if (scan->rest.n == 0)
      return "The XHTML ends inside a tag.";
    if (scan->rest.p[0] == '>' || scan->rest.p[0] == '/')
      return NULL;
    struct str name = take_name(scan);
    skip_space(scan);
    if (name.n == 0 || !after_space || !take(scan, "="))
      return "A tag in the XHTML has something in it that is not an attribute with a value.";
    skip_space(scan);
    char quote = scan->rest.n > 0 ? scan->rest.p[0] : '\0';
    ssize_t end = quote == '"' || quote == '\'' ? str_find_char(scan->rest, quote, 1) : -1;
    if (end < 0)
      return "An attribute in the XHTML has a value that is not in quotation marks.";
    const char *fault = check_attribute(name, str_slice(scan->rest, 1, (size_t)end - 1));
    if (fault)
      return fault;
    skip(scan, (size_t)end + 1);
  }
}

static const char *scan_close(struct scan *scan) {
  struct str name = take_name(scan);
  skip_space(scan);
  if (!take(scan, ">"))
    return "A closing tag in the XHTML doesn't end with '>'.";
  if (scan->depth == 0 || !str_equal(scan->open[scan->depth - 1], name))
    return "A closing tag in the XHTML doesn't match the one that is open.";
  scan->depth--;
  return NULL;
}

static const char *scan_open(struct scan *scan) {
  struct str name = take_name(scan);
  if (scan->depth == 0) {
    if (scan->had_root || !str_is(name, "div"))
      return "The XHTML must be one <div> with everything in it.";
    scan->had_root = true;
  }
  if (!is_allowed_element(name))
    return "The XHTML has an element that is not allowed in a narrative (txt-1).";
  scan->has_content |= str_is(name, "img");
  const char *fault = scan_attributes(scan);
  if (fault)
    return fault;
  if (take(scan, "/>"))
    return NULL;
  if (!take(scan, ">"))
    return "A tag in the XHTML doesn't end with '>'.";
  if (scan->depth == XHTML_DEPTH_MAX)
    return "The XHTML is nested too deeply.";
  scan->open[scan->depth++] = name;
  return NULL;
}

static const char *scan_markup(struct scan *scan) {
  if (take(scan, "<!--")) {
    ssize_t end = str_find(scan->rest, STR("-->"));
    if (end < 0)
      return "A comment in the XHTML doesn't end.";
    skip(scan, (size_t)end + 3);
    return NULL;
  }
  if (take(scan, "<!") || take(scan, "<?"))
    return "The XHTML has a declaration or processing instruction, which is not allowed.";
  if (take(scan, "</"))
    return scan_close(scan);
  skip(scan, 1);
  return scan_open(scan);
}

static const char *scan_text(struct scan *scan) {
  ssize_t end = str_find_char(scan->rest, '<', 0);
  size_t n = end < 0 ? scan->rest.n : (size_t)end;
  bool has_text = str_trim(str_slice(scan->rest, 0, n)).n > 0;
  if (has_text && scan->depth == 0)
    return "The XHTML must be one <div> with everything in it.";
  scan->has_content |= has_text;
  skip(scan, n);
  return NULL;
}

const char *xhtml_fault(struct str text) {
  struct scan scan = {.rest = text};
  while (scan.rest.n > 0) {
    const char *fault = scan.rest.p[0] == '<' ? scan_markup(&scan) : scan_text(&scan);
    if (fault)
      return fault;
  }
  if (!scan.had_root || scan.depth > 0)
    return "The XHTML must be one <div> with everything in it, and every tag closed.";
  return scan.has_content ? NULL : "The XHTML has no content (txt-2).";
}
