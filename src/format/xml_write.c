/* From the tree to bytes. */
#include "format/xml.h"

/* ---- Text -------------------------------------------------------------------------------------
 */

/* What has to be escaped, by character: everywhere, and between quotation marks. */
static const char *const escape_text[256] = {
    ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['\r'] = "&#13;"};
static const char *const escape_attribute[256] = {
    ['&'] = "&amp;",  ['<'] = "&lt;",   ['>'] = "&gt;",  ['"'] = "&quot;",
    ['\r'] = "&#13;", ['\n'] = "&#10;", ['\t'] = "&#9;",
};

static void write_escaped(struct buf *buf, struct str s, const char *const *escapes) {
  size_t from = 0;
  for (size_t i = 0; i < s.n; i++) {
    const char *escape = escapes[(unsigned char)s.p[i]];
    if (!escape)
      continue;
    buf_add(buf, str_n(s.p + from, i - from));
    buf_add_z(buf, escape);
    from = i + 1;
  }
  buf_add(buf, str_n(s.p + from, s.n - from));
}

void xml_write_text(struct buf *buf, struct str s) {
  if (s.n > 0)
    write_escaped(buf, s, escape_text);
}

void xml_write_attribute_value(struct buf *buf, struct str s) {
  if (s.n > 0)
    write_escaped(buf, s, escape_attribute);
}

/* Not: controls but tab, LF, CR; U+FFFE and U+FFFF (EF BF BE, EF BF BF). */
bool xml_can_hold(struct str utf8) {
  for (size_t i = 0; i < utf8.n; i++) {
    unsigned char c = (unsigned char)utf8.p[i];
    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
      return false;
    if (c == 0xef && i + 2 < utf8.n && (unsigned char)utf8.p[i + 1] == 0xbf &&
        (unsigned char)utf8.p[i + 2] >= 0xbe)
      return false;
  }
  return true;
}

/* ---- Nodes ------------------------------------------------------------------------------------
 */

static void write_indent(struct buf *buf, unsigned depth) {
  buf_add_char(buf, '\n');
  for (unsigned i = 0; i < depth; i++)
    buf_add(buf, STR("  "));
}

static void write_attribute(struct buf *buf, struct str prefix, struct str name, struct str value) {
  buf_add_char(buf, ' ');
  buf_add(buf, prefix);
  if (prefix.n > 0)
    buf_add_char(buf, ':');
  buf_add(buf, name);
  buf_add(buf, STR("=\""));
  xml_write_attribute_value(buf, value);
  buf_add_char(buf, '"');
}

/* Each prefix is declared on the element that uses it; "xml" needs no declaration. */
static void write_attributes(struct buf *buf, const struct xml_node *node) {
  for (const struct xml_attribute *a = node->attributes; a; a = a->next) {
    bool is_declared = a->prefix.n == 0 || str_is(a->prefix, "xml");
    for (const struct xml_attribute *b = node->attributes; b != a && !is_declared; b = b->next)
      is_declared = str_equal(b->prefix, a->prefix);
    if (!is_declared)
      write_attribute(buf, STR("xmlns"), a->prefix, a->ns);
    write_attribute(buf, a->prefix, a->name, a->value);
  }
}

static bool has_text(const struct xml_node *node) {
  for (const struct xml_node *child = node->first_child; child; child = child->next)
    if (child->kind == XML_TEXT)
      return true;
  return false;
}

/* `ns` is the default namespace around it. Depth was limited when the tree was made. */
static void write_node(struct buf *buf, const struct xml_node *node, struct str ns, bool is_pretty,
                       unsigned depth) {
  if (node->kind == XML_TEXT) {
    xml_write_text(buf, node->text);
    return;
  }
  if (node->kind == XML_COMMENT) {
    buf_add(buf, STR("<!--"));
    buf_add(buf, node->text);
    buf_add(buf, STR("-->"));
    return;
  }
  if (node->is_source) {
    buf_add(buf, node->text);
    return;
  }
  buf_add_char(buf, '<');
  buf_add(buf, node->name);
  if (!str_equal(node->ns, ns))
    write_attribute(buf, STR_NULL, STR("xmlns"), node->ns);
  write_attributes(buf, node);
  if (!node->first_child) {
    buf_add(buf, STR("/>"));
    return;
  }
  buf_add_char(buf, '>');
  bool is_indented = is_pretty && !has_text(node) && !str_is(node->ns, XML_NS_XHTML);
  for (const struct xml_node *child = node->first_child; child; child = child->next) {
    if (is_indented)
      write_indent(buf, depth + 1);
    write_node(buf, child, node->ns, is_indented, depth + 1);
  }
  if (is_indented)
    write_indent(buf, depth);
  buf_add(buf, STR("</"));
  buf_add(buf, node->name);
  buf_add_char(buf, '>');
}

void xml_write(struct buf *buf, const struct xml_node *node, bool is_pretty) {
  write_node(buf, node, STR_NULL, is_pretty, 0);
}
