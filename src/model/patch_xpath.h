/*
 * Selectors of XML Patch: the part of XPath 1.0 that RFC 5261 has.
 *
 *   selector  = ["/"] step *("/" step)  /  "id(" literal ")" *("/" step)
 *   step      = (name / "*" / "text()" / "comment()" / "processing-instruction(" [literal] ")")
 *               *predicate  /  "@" name  /  "namespace::" prefix
 *   predicate = "[" number "]"  /  "[" value "=" literal "]"
 *   value     = "."  /  "@" name  /  name *("/" name) ["/@" name]
 *
 * (A path as value of a predicate is more than RFC 5261 has: in FHIR a value is an attribute of a
 * child.) A name without prefix is in the default namespace of the patch, as RFC 5261 (4.2.1) has
 * it; the prefixes f (FHIR) and h (XHTML) stand for themselves where the patch does not declare
 * them.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef MODEL_PATCH_XPATH_H
#define MODEL_PATCH_XPATH_H

#include "format/xml.h"

/* What a selector leads to: a node, or an attribute or declaration of it. */
struct patch_target {
  struct xml_node *node;
  struct xml_attribute *attribute;
  struct xml_namespace *declaration;
};

/*
 * Finds the only target of `selector`. `scope`: the element of the patch, for prefixes. `document`:
 * a node whose only child is the root. `*steps_left` goes down by what it costs.
 *
 * ERR_VALUE for what is no selector, ERR_UNPROCESSABLE when none or more than one is found,
 * ERR_TOO_COSTLY. The place is empty.
 */
int patch_select(struct arena *arena, const struct xml_node *scope, struct str selector,
                 struct xml_node *document, int64_t *steps_left, struct patch_target *ret_target,
                 struct err *reterr) MUST_CHECK;

#endif
