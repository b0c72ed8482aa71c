/* What names a store: a file or a server, and what of it may be shown.
 *
 * A URL is shown for people, in messages and logs; its password is not, in whatever form it was
 * given, and also where the URL is wrong: who forgets to write '/' or '@' in a password as %2F or
 * %40 gets a message about the URL, which must not tell the rest of the password. So what is
 * shown is not found by the grammar of libpq, which takes such a password apart, but by what a
 * password can't be: what stands before the first ':', behind the last '@', or in a parameter that
 * holds no secret. Where these contradict each other, less is shown. */
#include "store/db/db_driver.h"

#define SHOWN_MAX_BYTES 4096
#define HIDDEN STR("...")

/* What a URL begins with, up to the ':'; 0: it is the path of a file. Of "mysql://..." too: whoever
 * writes that means a server, and no file's name should show its password. The driver refuses it.
 */
static size_t scheme_n(struct str path) {
  if (str_starts_with(path, STR("postgresql:")) || str_starts_with(path, STR("postgres:")))
    return (size_t)str_find_char(path, ':', 0);
  ssize_t n = str_find(path, STR("://"));
  for (ssize_t i = 0; i < n; i++)
    if (path.p[i] == '/' || path.p[i] == '.')
      return 0;
  return n > 1 ? (size_t)n : 0;
}

bool db_is_url(const char *path) {
  return scheme_n(str_of(path)) > 0;
}

/* ---- What may be shown ---- */

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Where `words`, in small letters, stand in `text`, in whatever letters; its length: nowhere. */
static size_t find_words(struct str text, const char *words) {
  size_t n = strlen(words);
  for (size_t at = 0; at + n <= text.n; at++) {
    size_t same = 0;
    while (same < n && lower(text.p[at + same]) == words[same])
      same++;
    if (same == n)
      return at;
  }
  return text.n;
}

static size_t find_any(struct str text, const char *characters) {
  size_t at = 0;
  while (at < text.n && !strchr(characters, text.p[at]))
    at++;
  return at;
}

/* The first ':', which may be escaped: it could begin a password. */
static size_t find_colon(struct str text) {
  size_t plain = find_any(text, ":"), escaped = find_words(text, "%3a");
  return plain < escaped ? plain : escaped;
}

static ssize_t find_last_at(struct str text) {
  ssize_t at = (ssize_t)text.n - 1;
  while (at >= 0 && text.p[at] != '@')
    at--;
  return at;
}

/* Is what stands behind the ':' of each host a number? Else it may be a password. */
static bool has_ports_only(struct str hosts) {
  for (struct str host; str_split(&hosts, ',', &host);) {
    ssize_t end = str_starts_with(host, STR("[")) ? str_find_char(host, ']', 0) : 0;
    if (end < 0)
      return false;
    ssize_t colon = str_find_char(host, ':', (size_t)end);
    for (size_t i = colon < 0 ? host.n : (size_t)colon + 1; i < host.n; i++)
      if (host.p[i] < '0' || host.p[i] > '9')
        return false;
    if (find_words(host, "%3a") < host.n)
      return false;
  }
  return true;
}

/* Parameters of a URL that hold no secret; of any other nothing is shown. */
static bool is_open_parameter(struct str name) {
  static const char *const names[] = {
      "host",    "hostaddr", "port", "dbname", "user", "options", "sslmode", "target_session_attrs",
      "service",
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (str_is(name, names[i]))
      return true;
  return false;
}

/* Does it hold a whole connection string, as psql would take it for the name of a database? */
static bool is_connection_string(struct str value) {
  return find_words(value, "password") < value.n || find_words(value, "://") < value.n ||
         find_words(value, "%2f%2f") < value.n;
}

static void add_value(struct buf *shown, struct str value) {
  buf_add(shown, is_connection_string(value) ? HIDDEN : value);
}

static void add_parameters(struct buf *shown, struct str parameters) {
  struct str part;
  for (char before = '?'; parameters.p && str_split(&parameters, '&', &part);) {
    ssize_t equals = str_find_char(part, '=', 0);
    if (equals < 0 || !is_open_parameter(str_n(part.p, (size_t)equals)))
      continue;
    buf_add_char(shown, before);
    buf_add(shown, str_n(part.p, (size_t)equals + 1));
    add_value(shown, str_slice(part, (size_t)equals + 1, part.n));
    before = '&';
  }
}

/* What stands behind "postgresql://". */
static void add_rest(struct buf *shown, struct str rest) {
  ssize_t at = find_last_at(rest);
  size_t colon = find_colon(rest);
  if (at >= 0 && colon < (size_t)at) { /* what is between them may be a password */
    struct str user = str_n(rest.p, colon);
    buf_add(shown, str_n(user.p, find_any(user, "/?")));
    buf_add_char(shown, '@');
    if (find_any(rest, "?") < (size_t)at) { /* or the '@' stands in a parameter, maybe a secret */
      buf_add(shown, HIDDEN);
      return;
    }
    rest = str_slice(rest, (size_t)at + 1, rest.n);
  } else if (!has_ports_only(str_n(rest.p, find_any(rest, "/?")))) {
    buf_add(shown, str_n(rest.p, colon));
    buf_add(shown, STR(":..."));
    return;
  }
  struct str place;
  if (!str_split(&rest, '?', &place))
    return;
  add_value(shown, place);
  add_parameters(shown, rest);
}

static void add_url(struct buf *shown, struct str path) {
  size_t n = scheme_n(path);
  struct str scheme = str_n(path.p, n), rest = str_slice(path, n + 1, path.n);
  buf_add(shown, str_is(scheme, "postgres") ? STR("postgresql") : scheme);
  buf_add_char(shown, ':');
  for (int i = 0; i < 2 && str_starts_with(rest, STR("/")); i++) {
    buf_add_char(shown, '/');
    rest = str_slice(rest, 1, rest.n);
  }
  add_rest(shown, rest);
}

/* "host=... password=...": libpq would take it, we take it for a file's name. */
static void add_file(struct buf *shown, struct str path) {
  size_t word = find_words(path, "password");
  bool is_secret = str_starts_with(str_trim(str_slice(path, word, path.n)), STR("password")) &&
                   str_find_char(path, '=', word) >= 0;
  buf_add(shown, is_secret ? str_n(path.p, word) : path);
  if (is_secret)
    buf_add(shown, HIDDEN);
}

const char *db_shown_path(const char *path, char *buffer, size_t buffer_n) {
  struct buf shown;
  buf_init(&shown, SHOWN_MAX_BYTES);
  if (db_is_url(path))
    add_url(&shown, str_of(path));
  else
    add_file(&shown, str_of(path));
  struct str text = buf_is_overflown(&shown) ? STR("") : buf_str(&shown);
  int n = snprintf(buffer, buffer_n, "%.*s", STR_ARG(text));
  for (int i = 0; i < n && (size_t)i + 1 < buffer_n; i++)
    if ((unsigned char)buffer[i] < ' ' || buffer[i] == 0x7f)
      buffer[i] = '?'; /* it stays one line of a log */
  buf_fini(&shown);
  return buffer;
}
