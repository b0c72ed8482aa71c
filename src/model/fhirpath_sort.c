/* sort(): by the items themselves or by keys; a key that begins with '-' sorts downwards. Stable;
 * an item without a key comes first. */
#include "model/fhirpath_functions.h"

struct sorted {
  const struct fhirpath_value *item;
  struct fhirpath_value keys[FHIRPATH_ARGS_MAX];
  bool has_key[FHIRPATH_ARGS_MAX];
};

struct sorting {
  struct fhirpath_eval *e;
  const struct fhirpath_call *call;
  uint32_t keys_n;
  bool is_down[FHIRPATH_ARGS_MAX];
};

/* `-family` is no negative string: the sign is the direction. */
static uint32_t key_node(const struct sorting *s, uint32_t key, bool *ret_is_down) {
  uint32_t index = s->call->node->args[key];
  const struct fhirpath_node *node = &s->e->program->nodes[index];
  *ret_is_down = node->op == FHIRPATH_OP_NEGATE;
  return *ret_is_down ? node->args[0] : index;
}

static int read_keys(struct sorting *s, const struct fhirpath_value *item, int64_t index,
                     struct sorted *ret_sorted) {
  ret_sorted->item = item;
  if (s->call->node->args_n == 0) {
    ret_sorted->keys[0] = fhirpath_computed(*item);
    ret_sorted->has_key[0] = true;
    return 0;
  }
  struct fhirpath_values one = {item, 1};
  struct fhirpath_frame frame = {.this_ = one, .index = index, .total = s->call->frame->total};
  for (uint32_t k = 0; k < s->keys_n; k++) {
    struct fhirpath_list list = {0};
    uint32_t node = key_node(s, k, &s->is_down[k]);
    int code = fhirpath_run_node(s->e, node, one, &frame, &list);
    if (code < 0)
      return code;
    if (list.v.n > 1)
      return fhirpath_fail(s->e, s->call->node, "a key of sort() must be one item");
    ret_sorted->has_key[k] = list.v.n == 1;
    if (list.v.n == 1)
      ret_sorted->keys[k] = fhirpath_computed(list.v.p[0]);
  }
  return 0;
}

/* Does `a` come after `b`? */
static int is_after(const struct sorting *s, const struct sorted *a, const struct sorted *b,
                    bool *ret_is_after) {
  *ret_is_after = false;
  for (uint32_t k = 0; k < s->keys_n; k++) {
    int order = 0;
    if (a->has_key[k] != b->has_key[k]) {
      *ret_is_after = a->has_key[k];
      return 0;
    }
    enum fhirpath_truth known =
        a->has_key[k] ? fhirpath_order(&a->keys[k], &b->keys[k], &order) : FHIRPATH_TRUE;
    if (known == FHIRPATH_FALSE)
      return fhirpath_fail(s->e, s->call->node, "sort() takes values that have an order");
    if (known == FHIRPATH_UNKNOWN)
      order = 0;
    if (order != 0) {
      *ret_is_after = s->is_down[k] ? order < 0 : order > 0;
      return 0;
    }
  }
  return 0;
}

/* Merges the sorted runs [from, middle) and [middle, to) of `in` into `out`. */
static int merge(const struct sorting *s, struct sorted *const *in, struct sorted **out,
                 size_t from, size_t middle, size_t to) {
  size_t left = from, right = middle;
  for (size_t at = from; at < to; at++) {
    bool takes_right = left == middle;
    int code = fhirpath_step(s->e);
    if (code == 0 && left < middle && right < to)
      code = is_after(s, in[left], in[right], &takes_right);
    if (code < 0)
      return code;
    out[at] = takes_right ? in[right++] : in[left++];
  }
  return 0;
}

int fhirpath_fn_sort(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  size_t n = call->focus.n;
  struct sorting s = {.e = e, .call = call, .keys_n = call->node->args_n ? call->node->args_n : 1};
  struct sorted *items = ARENA_ARRAY(e->arena, struct sorted, n + 1);
  struct sorted **in = ARENA_ARRAY(e->arena, struct sorted *, n + 1);
  struct sorted **merged = ARENA_ARRAY(e->arena, struct sorted *, n + 1);
  if (!items || !in || !merged)
    return err_no_memory(e->err);
  int code = 0;
  for (size_t i = 0; code == 0 && i < n; i++) {
    in[i] = &items[i];
    code = read_keys(&s, &call->focus.p[i], (int64_t)i, &items[i]);
  }
  for (size_t width = 1; code == 0 && width < n; width *= 2) {
    for (size_t from = 0; code == 0 && from < n; from += 2 * width) {
      size_t middle = from + width < n ? from + width : n;
      size_t to = from + 2 * width < n ? from + 2 * width : n;
      code = merge(&s, in, merged, from, middle, to);
    }
    struct sorted **swap = in;
    in = merged;
    merged = swap;
  }
  for (size_t i = 0; code == 0 && i < n; i++)
    code = fhirpath_push(e, out, in[i]->item);
  return code;
}
