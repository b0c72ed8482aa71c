#include "format/xml.h"

#include "../test.h"

static struct xml_node *parse_with(const char *z, const struct xml_limits *limits) {
  struct xml_node *root = NULL;
  struct err err;
  int code = xml_parse(test_arena, str_of(z), limits, &root, &err);
  if (code)
    fail_msg("%s: %s", err.where, err.text);
  return root;
}

static struct xml_node *parse(const char *z) {
  return parse_with(z, NULL);
}

static void assert_fault(const char *z, enum err_code code, const char *where, const char *part) {
  struct xml_node *root;
  struct err err;
  assert_int_equal(xml_parse(test_arena, str_of(z), NULL, &root, &err), code);
  assert_string_equal(err.where, where);
  if (!strstr(err.text, part))
    fail_msg("'%s' is not in: %s", part, err.text);
}

static struct str written(const struct xml_node *node, bool is_pretty) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  xml_write(&buf, node, is_pretty);
  return buf_str(&buf);
}

static void a_tree_has_names_attributes_text_and_comments(void **state) {
  (void)state;
  struct xml_node *root = parse("<?xml version='1.0'?>\n<a x='1' y=\"&lt;2&#10;\">\n <!-- c -->"
                                "<b>t&amp;u<![CDATA[<v>]]></b> tail</a>");
  assert_str(root->name, "a");
  assert_str(xml_attribute_value(root, STR("x")), "1");
  assert_str(xml_attribute_value(root, STR("y")), "<2\n");
  assert_null(xml_attribute_value(root, STR("z")).p);
  struct xml_node *comment = root->first_child;
  assert_int_equal(comment->kind, XML_COMMENT);
  assert_str(comment->text, " c ");
  assert_str(xml_text(test_arena, comment->next), "t&u<v>");
  assert_int_equal(comment->next->next->kind, XML_TEXT);
  assert_str(root->last_child->text, " tail");
  assert_str(xml_text(test_arena, root), "t&u<v> tail");
  assert_str(written(root, false),
             "<a x=\"1\" y=\"&lt;2&#10;\"><!-- c --><b>t&amp;u&lt;v&gt;</b> tail</a>");
}

static void white_space_is_dropped_unless_it_is_asked_for_or_in_xhtml(void **state) {
  (void)state;
  struct xml_limits limits = XML_LIMITS_DEFAULT;
  const char *text = "<a> <b/>\n</a>";
  assert_str(written(parse(text), false), "<a><b/></a>");
  limits.keep_space = true;
  assert_str(written(parse_with(text, &limits), false), "<a> <b/>\n</a>");
  assert_str(
      written(parse("<div xmlns='http://www.w3.org/1999/xhtml'><p>a</p> <p>b</p></div>"), false),
      "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a</p> <p>b</p></div>");
}

static bool is_element(const struct xml_node *node, struct str ns, struct str name) {
  return node->kind == XML_ELEMENT && str_equal(node->ns, ns) && str_equal(node->name, name);
}

static void namespaces_are_resolved_and_prefixes_of_elements_go(void **state) {
  (void)state;
  struct xml_node *root = parse("<f:a xmlns:f='urn:f' xmlns='urn:d' xmlns:x='urn:x' x:q='1' q='2'>"
                                "<b/><f:c xmlns:f='urn:g'/><f:d/><e xmlns=''/></f:a>");
  struct str uri;
  assert_true(is_element(root, STR("urn:f"), STR("a")));
  assert_str(xml_attribute_value(root, STR("q")), "2");
  struct xml_node *b = root->first_child;
  assert_true(is_element(b, STR("urn:d"), STR("b")));
  assert_true(is_element(b->next, STR("urn:g"), STR("c")));
  assert_true(is_element(b->next->next, STR("urn:f"), STR("d")));
  assert_true(is_element(root->last_child, STR(""), STR("e")));
  assert_true(xml_namespace(b, STR("x"), &uri));
  assert_str(uri, "urn:x");
  assert_false(xml_namespace(b, STR("y"), &uri));
  assert_str(written(root, false),
             "<a xmlns=\"urn:f\" xmlns:x=\"urn:x\" x:q=\"1\" q=\"2\"><b xmlns=\"urn:d\"/>"
             "<c xmlns=\"urn:g\"/><d/><e xmlns=\"\"/></a>");
  assert_fault("<x:a:b xmlns:x='u'/>", ERR_STRUCTURE, "line 1 column 1", "colon");
  assert_fault("<x:1 xmlns:x='u'/>", ERR_STRUCTURE, "line 1 column 1", "colon");
  assert_fault("<a :b='u'/>", ERR_STRUCTURE, "line 1 column 1", "colon");
  assert_fault("<a xmlns:x='' x:value='u'/>", ERR_STRUCTURE, "line 1 column 1", "prefix");
  assert_fault("<a xmlns:xml='u'/>", ERR_STRUCTURE, "line 1 column 1", "prefix");
  assert_fault("<a>\n<p:b/></a>", ERR_STRUCTURE, "line 2 column 1", "prefix");
}

static void what_could_harm_is_refused(void **state) {
  (void)state;
  assert_fault("<!DOCTYPE a><a/>", ERR_STRUCTURE, "line 1 column 12", "DOCTYPE");
  assert_fault("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", ERR_STRUCTURE,
               "line 1 column 13", "DOCTYPE");
  assert_fault("<a>&nbsp;</a>", ERR_STRUCTURE, "line 1 column 4", "entities");
  assert_fault("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", ERR_STRUCTURE, "line 1 column 1",
               "UTF-8");
  assert_fault("<a>\xff</a>", ERR_STRUCTURE, "line 1 column 4", "not XML");
  assert_fault("<a x='1' x='2'/>", ERR_STRUCTURE, "line 1 column 10", "duplicate");
  assert_fault("<a><b></a>", ERR_STRUCTURE, "line 1 column 9", "mismatched");
  assert_fault("", ERR_STRUCTURE, "line 1 column 1", "no element");
  assert_fault("<a/><b/>", ERR_STRUCTURE, "line 1 column 5", "junk");
}

static void limits_hold(void **state) {
  (void)state;
  struct xml_node *root;
  struct err err;
  struct xml_limits limits = {.max_bytes = 40, .max_depth = 3, .max_nodes = 5, .max_attributes = 2};
  static const struct {
    const char *text;
    int code;
  } cases[] = {
      {"<a><b><c/></b></a>", 0},
      {"<a><b><c><d/></c></b></a>", ERR_TOO_LONG},
      {"<a><b/><b/><b/><b/></a>", 0},
      {"<a><b/><b/><b/><b/><b/></a>", ERR_TOO_LONG},
      {"<a x='' y=''/>", 0},
      {"<a x='' y='' z=''/>", ERR_TOO_LONG},
      {"<a>                                  </a>", ERR_TOO_LONG},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(xml_parse(test_arena, str_of(cases[i].text), &limits, &root, &err),
                     cases[i].code);
}

static void xhtml_is_kept_as_its_bytes_where_they_stand_for_themselves(void **state) {
  (void)state;
  struct xml_limits limits = XML_LIMITS_DEFAULT;
  limits.xhtml_as_source = true;
  static const struct {
    const char *div;
    bool is_source;
  } cases[] = {
      {"<div xmlns='http://www.w3.org/1999/xhtml'><p  a = \"b\">&#160;&gt;</p > <!-- c --></div >",
       true},
      {"<div xmlns='http://www.w3.org/1999/xhtml' xml:lang='de'/>", true},
      {"<div xmlns='http://www.w3.org/1999/xhtml'><![CDATA[a]]></div>", false},
      {"<div xmlns='http://www.w3.org/1999/xhtml'><?a b?></div>", false},
      {"<div xmlns='http://www.w3.org/1999/xhtml'><f:p/></div>", false},
      {"<div xmlns='http://www.w3.org/1999/xhtml' f:x='1'/>", false},
      {"<h:div xmlns:h='http://www.w3.org/1999/xhtml'>a</h:div>", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct str text = arena_printf(
        test_arena, "<text xmlns='urn:f' xmlns:f='urn:f'><s/>%s<e/></text>", cases[i].div);
    struct xml_node *root = parse_with(text.p, &limits);
    struct xml_node *div = root->first_child->next;
    assert_true(is_element(div, STR(XML_NS_XHTML), STR("div")));
    assert_int_equal(div->is_source, cases[i].is_source);
    if (div->is_source)
      assert_true(str_is(div->text, cases[i].div));
    assert_str(div->next->name, "e");
  }
}

static void each_xhtml_is_kept_for_itself_and_ends_of_lines_are_lf(void **state) {
  (void)state;
  struct xml_limits limits = XML_LIMITS_DEFAULT;
  limits.xhtml_as_source = true;
  struct xml_node *root = parse_with("<a><div xmlns='http://www.w3.org/1999/xhtml'>a\r\nb\rc</div>"
                                     "<div xmlns='http://www.w3.org/1999/xhtml'><?x?></div>"
                                     "<div xmlns='http://www.w3.org/1999/xhtml' x='1'/></a>",
                                     &limits);
  assert_str(root->first_child->text, "<div xmlns='http://www.w3.org/1999/xhtml'>a\nb\nc</div>");
  assert_false(root->first_child->next->is_source);
  assert_str(root->last_child->text, "<div xmlns='http://www.w3.org/1999/xhtml' x='1'/>");
}

static void pretty_text_indents_elements_only(void **state) {
  (void)state;
  assert_str(written(parse("<a><b><c/></b><d>t</d></a>"), true),
             "<a>\n  <b>\n    <c/>\n  </b>\n  <d>t</d>\n</a>");
}

static void a_tree_can_be_edited(void **state) {
  (void)state;
  struct err err;
  struct xml_node *root = parse("<a><b x='1'/><c/></a>");
  struct xml_node *b = root->first_child, *c = b->next;
  struct xml_node *d = xml_new_element(test_arena, STR(""), STR("d"));
  xml_insert(root, d, c);
  assert_str(written(root, false), "<a><b x=\"1\"/><d/><c/></a>");
  xml_detach(b);
  struct xml_node *copy = xml_copy(test_arena, d);
  xml_insert(c, copy, NULL);
  xml_detach(d);
  assert_int_equal(xml_set_attribute(test_arena, root, STR("k"), STR("v"), &err), 0);
  assert_int_equal(xml_set_attribute(test_arena, root, STR("k"), STR("w"), &err), 0);
  assert_str(written(root, false), "<a k=\"w\"><c><d/></c></a>");
  xml_detach(c);
  assert_str(written(root, false), "<a k=\"w\"/>");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_tree_has_names_attributes_text_and_comments),
      TEST(white_space_is_dropped_unless_it_is_asked_for_or_in_xhtml),
      TEST(namespaces_are_resolved_and_prefixes_of_elements_go),
      TEST(what_could_harm_is_refused),
      TEST(limits_hold),
      TEST(xhtml_is_kept_as_its_bytes_where_they_stand_for_themselves),
      TEST(each_xhtml_is_kept_for_itself_and_ends_of_lines_are_lf),
      TEST(pretty_text_indents_elements_only),
      TEST(a_tree_can_be_edited),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
