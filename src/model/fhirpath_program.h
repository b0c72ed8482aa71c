/*
 * Inside FHIRPath: tokens, the program, and what evaluator and functions share. Only
 * model/fhirpath*.c and model/search_values*.c include this.
 *
 * A program is one array of nodes, children before parents; a node names its children by index.
 * Evaluation walks it from the last node. A node gets a focus (the collection on its left) and a
 * frame ($this, $index, $total) and gives a collection.
 *
 * Spec: FHIRPath 2.0.0, http://hl7.org/fhirpath/N1/ (grammar in appendix B).
 * Threads: a program is immutable, an evaluation has one thread. Memory: on arenas.
 */
#ifndef MODEL_FHIRPATH_PROGRAM_H
#define MODEL_FHIRPATH_PROGRAM_H

#include "model/fhirpath.h"
#include "model/fhirpath_decimal.h"

/* ---- Tokens ---------------------------------------------------------------------------------- */

enum fhirpath_token_kind {
  FHIRPATH_TOKEN_END,
  FHIRPATH_TOKEN_IDENTIFIER, /* keywords too: they are told apart by place */
  FHIRPATH_TOKEN_DELIMITED,  /* `name` */
  FHIRPATH_TOKEN_STRING,
  FHIRPATH_TOKEN_NUMBER,
  FHIRPATH_TOKEN_DATE,
  FHIRPATH_TOKEN_DATETIME,
  FHIRPATH_TOKEN_TIME,
  FHIRPATH_TOKEN_CONSTANT, /* %name */
  FHIRPATH_TOKEN_VARIABLE, /* $this */
  FHIRPATH_TOKEN_SYMBOL,   /* operators and brackets */
};

struct fhirpath_token {
  enum fhirpath_token_kind kind;
  struct str text; /* unescaped, without quotes and without the sigil */
  size_t at;       /* byte offset in the expression */
};

struct fhirpath_lexer {
  struct arena *arena;
  struct str text;
  size_t at;
};

/* The next token. ERR_VALUE with the column, ERR_NO_MEMORY. */
int fhirpath_lex(struct fhirpath_lexer *lexer, struct fhirpath_token *ret_token,
                 struct err *reterr) MUST_CHECK;
/* ERR_VALUE at the column of byte `at`. */
int fhirpath_syntax_error(struct str text, size_t at, struct err *reterr, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- The program ----------------------------------------------------------------------------- */

/* Binary operators:  name, spelling, binding power (higher binds tighter) */
#define FHIRPATH_BINARY_TABLE(X)                                                                   \
  X(IMPLIES, "implies", 1)                                                                         \
  X(OR, "or", 2)                                                                                   \
  X(XOR, "xor", 2)                                                                                 \
  X(AND, "and", 3)                                                                                 \
  X(IN, "in", 4)                                                                                   \
  X(CONTAINS, "contains", 4)                                                                       \
  X(EQUAL, "=", 5)                                                                                 \
  X(EQUIVALENT, "~", 5)                                                                            \
  X(NOT_EQUAL, "!=", 5)                                                                            \
  X(NOT_EQUIVALENT, "!~", 5)                                                                       \
  X(LESS, "<", 6)                                                                                  \
  X(LESS_EQUAL, "<=", 6)                                                                           \
  X(GREATER, ">", 6)                                                                               \
  X(GREATER_EQUAL, ">=", 6)                                                                        \
  X(UNION, "|", 7)                                                                                 \
  X(IS, "is", 8)                                                                                   \
  X(AS, "as", 8)                                                                                   \
  X(ADD, "+", 9)                                                                                   \
  X(SUBTRACT, "-", 9)                                                                              \
  X(CONCATENATE, "&", 9)                                                                           \
  X(MULTIPLY, "*", 10)                                                                             \
  X(DIVIDE, "/", 10)                                                                               \
  X(DIV, "div", 10)                                                                                \
  X(MOD, "mod", 10)
#define FHIRPATH_UNARY_POWER 11

enum fhirpath_op {
  FHIRPATH_OP_EMPTY,    /* {} */
  FHIRPATH_OP_LITERAL,  /* value */
  FHIRPATH_OP_THIS,     /* $this */
  FHIRPATH_OP_INDEX,    /* $index */
  FHIRPATH_OP_TOTAL,    /* $total */
  FHIRPATH_OP_CONSTANT, /* %name: value.text */
  FHIRPATH_OP_MEMBER,   /* name: value.text; `spec` where the name is also a type (Patient.name) */
  FHIRPATH_OP_CALL,     /* function, args */
  FHIRPATH_OP_DOT,      /* left, right */
  FHIRPATH_OP_INDEXER,  /* left, right */
  FHIRPATH_OP_NEGATE,   /* left */
  FHIRPATH_OP_PLUS,     /* left */
#define X(name, spelling, power) FHIRPATH_OP_##name,
  FHIRPATH_BINARY_TABLE(X) /* left, right; IS and AS: left, spec */
#undef X
};

/* A type specifier. An unqualified name may mean a FHIR type, a System type or both (Quantity). */
struct fhirpath_type_spec {
  defs_type_id type;         /* FHIR type, or 0 */
  enum fhirpath_kind system; /* System type, or FHIRPATH_NODE for none */
};

struct fhirpath_function;

#define FHIRPATH_ARGS_MAX 8
struct fhirpath_node {
  enum fhirpath_op op;
  size_t at;                        /* byte offset in the expression, for messages */
  uint32_t args[FHIRPATH_ARGS_MAX]; /* children; `left` is args[0], `right` args[1] */
  uint32_t args_n;
  bool starts_path; /* a member or call with nothing on its left */
  const struct fhirpath_function *function;
  struct fhirpath_type_spec spec;
  struct fhirpath_value value;
  const void *compiled; /* what a function prepared at compile time (a regular expression) */
};

struct fhirpath {
  struct str text;
  const struct fhirpath_node *nodes;
  size_t nodes_n; /* the root is the last */
  enum fhirpath_mode mode;
};

/* Refuses what FHIRPATH_STRICT refuses (fhirpath_check.c). */
int fhirpath_check(const struct fhirpath *program, defs_type_id type,
                   struct err *reterr) MUST_CHECK;

/* ---- Evaluation ------------------------------------------------------------------------------ */

/* A collection that grows, on the arena; one that stays inside a function begins on the stack:
 * FHIRPATH_LIST. Values are copied out of it, never its address. */
struct fhirpath_list {
  VEC(struct fhirpath_value) v;
};

/* Most operands are one item. */
#define FHIRPATH_ROOM 2
#define FHIRPATH_LIST(name)                                                                        \
  struct fhirpath_value name##_room[FHIRPATH_ROOM];                                                \
  struct fhirpath_list name = {{name##_room, 0, FHIRPATH_ROOM}}

struct fhirpath_frame {
  struct fhirpath_values this_; /* $this */
  int64_t index;
  const struct fhirpath_values *total; /* inside aggregate(), else NULL */
};

struct fhirpath_eval {
  struct arena *arena;
  const struct fhirpath *program;
  const struct fhirpath_context *context;
  struct fhirpath_values input; /* of the whole expression: %context */
  unsigned steps_left, depth;
  int64_t now_us; /* 0: the clock was not asked yet */
  struct err *err;
};

/* One call: the node, the collection it is called on, and the frame. */
struct fhirpath_call {
  const struct fhirpath_node *node;
  struct fhirpath_values focus;
  const struct fhirpath_frame *frame;
};

typedef int fhirpath_run(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out);

enum fhirpath_function_flag {
  FHIRPATH_TAKES_TYPE = 1, /* its argument is a type specifier */
  FHIRPATH_SINGLETON = 2,  /* empty on empty, an error on more than one item */
  FHIRPATH_REGEX = 4,      /* a literal first argument is compiled as regular expression */
};

struct fhirpath_function {
  const char *name;
  fhirpath_run *run;
  uint8_t args_min, args_max;
  uint8_t flags;
};

/* NULL: unknown. */
const struct fhirpath_function *fhirpath_function_by_name(struct str name);
/* The name that comes nearest to one that is none; empty when none does. */
struct str fhirpath_function_nearest(struct str name);

/* Evaluates a node and appends what it gives to `out`. */
int fhirpath_run_node(struct fhirpath_eval *e, uint32_t index, struct fhirpath_values focus,
                      const struct fhirpath_frame *frame, struct fhirpath_list *out) MUST_CHECK;
/* Evaluates the i-th argument of a call for one item: $this is the item. */
int fhirpath_run_lambda(struct fhirpath_eval *e, const struct fhirpath_call *call, uint32_t arg,
                        const struct fhirpath_value *item, int64_t index,
                        struct fhirpath_list *out) MUST_CHECK;
/* Evaluates the i-th argument of a call as a plain value: seen from where the call stands. */
int fhirpath_run_argument(struct fhirpath_eval *e, const struct fhirpath_call *call, uint32_t arg,
                          struct fhirpath_list *out) MUST_CHECK;

/* ERR_VALUE at a node. */
int fhirpath_fail(struct fhirpath_eval *e, const struct fhirpath_node *node, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
/* One step more; ERR_TOO_COSTLY. */
int fhirpath_step(struct fhirpath_eval *e) MUST_CHECK;

int fhirpath_push(struct fhirpath_eval *e, struct fhirpath_list *out,
                  const struct fhirpath_value *value) MUST_CHECK;
int fhirpath_push_boolean(struct fhirpath_eval *e, struct fhirpath_list *out,
                          bool value) MUST_CHECK;
int fhirpath_push_integer(struct fhirpath_eval *e, struct fhirpath_list *out,
                          int64_t value) MUST_CHECK;
int fhirpath_push_decimal(struct fhirpath_eval *e, struct fhirpath_list *out,
                          struct fhirpath_decimal value) MUST_CHECK;
int fhirpath_push_text(struct fhirpath_eval *e, struct fhirpath_list *out, enum fhirpath_kind kind,
                       struct str text) MUST_CHECK;

static inline struct fhirpath_values fhirpath_all(const struct fhirpath_list *list) {
  return (struct fhirpath_values){list->v.p, list->v.n};
}

/* Three-valued logic. */
enum fhirpath_truth { FHIRPATH_FALSE, FHIRPATH_TRUE, FHIRPATH_UNKNOWN };
/* Singleton evaluation as a boolean: empty is unknown, one item that isn't a boolean is true. */
int fhirpath_truth(struct fhirpath_eval *e, const struct fhirpath_node *node,
                   struct fhirpath_values values, enum fhirpath_truth *ret_truth) MUST_CHECK;

/* ---- Navigation (fhirpath_navigate.c) -------------------------------------------------------- */

/* Appends the children named `name`. */
int fhirpath_member(struct fhirpath_eval *e, const struct fhirpath_value *parent, struct str name,
                    struct fhirpath_list *out) MUST_CHECK;
int fhirpath_children(struct fhirpath_eval *e, const struct fhirpath_value *parent,
                      struct fhirpath_list *out) MUST_CHECK;
/* Appends the extensions with this url. */
int fhirpath_extensions(struct fhirpath_eval *e, const struct fhirpath_value *parent,
                        struct str url, struct fhirpath_list *out) MUST_CHECK;
/* The name of the property that a member belongs to ("given" for "_given"); false for
 * resourceType and for a sibling whose property is there too. */
bool fhirpath_property_name(const struct yyjson_val *object, struct str member,
                            struct str *ret_name);
/* The member "_name", or NULL. */
const struct yyjson_val *fhirpath_sibling(const struct yyjson_val *object, struct str name);
/* The type that a resource says it is, where the definitions leave it open. */
defs_type_id fhirpath_type_of_node(const struct yyjson_val *node, defs_type_id declared);
/* The element that a node of %resource is; 0: it isn't known (fhirpath_location.c). */
int fhirpath_element_of(struct fhirpath_eval *e, const struct fhirpath_value *value,
                        uint32_t *ret_element, defs_type_id *ret_type) MUST_CHECK;
/* The resource that a node of %rootResource is in, the outer one where it is in a contained one;
 * NULL: it isn't known. Elements met on the way are steps. */
int fhirpath_container_of(struct fhirpath_eval *e, const struct fhirpath_value *value,
                          const struct yyjson_val **ret_container) MUST_CHECK;
/* A node that stands for a primitive or a Quantity becomes a computed value; others stay. */
struct fhirpath_value fhirpath_computed(struct fhirpath_value value);
bool fhirpath_has_value(const struct fhirpath_value *value);
bool fhirpath_is(const struct fhirpath_value *value, struct fhirpath_type_spec spec);
/* The same for as and ofType: a primitive must be of the very type (a code is no string). */
bool fhirpath_is_of_type(const struct fhirpath_value *value, struct fhirpath_type_spec spec);
/* "Quantity", "System.String", "FHIR.Patient"; false when there is no such type. */
bool fhirpath_type_spec(struct str name, struct fhirpath_type_spec *ret_spec);

/* ---- Operators (fhirpath_compare.c, fhirpath_operators.c) ------------------------------------ */

enum fhirpath_truth fhirpath_equal(struct fhirpath_eval *e, const struct fhirpath_value *a,
                                   const struct fhirpath_value *b);
bool fhirpath_equivalent(struct fhirpath_eval *e, const struct fhirpath_value *a,
                         const struct fhirpath_value *b);
enum fhirpath_truth fhirpath_equal_all(struct fhirpath_eval *e, struct fhirpath_values a,
                                       struct fhirpath_values b);
bool fhirpath_equivalent_all(struct fhirpath_eval *e, struct fhirpath_values a,
                             struct fhirpath_values b);
bool fhirpath_includes(struct fhirpath_eval *e, struct fhirpath_values values,
                       const struct fhirpath_value *value);
/* Appends the items of `a`, then of `b`, each that is not equal to one before it (in these). */
int fhirpath_push_distinct(struct fhirpath_eval *e, struct fhirpath_values a,
                           struct fhirpath_values b, struct fhirpath_list *out) MUST_CHECK;
/* -1, 0, 1 in `*ret_order`; FHIRPATH_FALSE: these kinds have no order; UNKNOWN: the precisions
 * leave it open. */
enum fhirpath_truth fhirpath_order(const struct fhirpath_value *a, const struct fhirpath_value *b,
                                   int *ret_order);
/* `as` takes one item, but for the mode PUBLISHED. */
int fhirpath_check_as(struct fhirpath_eval *e, const struct fhirpath_node *node,
                      struct fhirpath_values values) MUST_CHECK;
int fhirpath_run_binary(struct fhirpath_eval *e, const struct fhirpath_node *node,
                        struct fhirpath_values left, struct fhirpath_values right,
                        struct fhirpath_list *out) MUST_CHECK;
int fhirpath_negate(struct fhirpath_eval *e, const struct fhirpath_node *node,
                    struct fhirpath_values values, struct fhirpath_list *out) MUST_CHECK;
/* The string that toString() gives; false when there is none. */
bool fhirpath_to_text(struct arena *arena, const struct fhirpath_value *value,
                      struct str *ret_text);

#endif
