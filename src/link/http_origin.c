#include "link/http_origin.h"

struct str http_origin_host(struct str authority) {
  if (authority.n > 0 && authority.p[0] == '[') {
    ssize_t end = str_find_char(authority, ']', 0);
    return end < 0 ? authority : str_slice(authority, 1, (size_t)end - 1);
  }
  ssize_t colon = str_find_char(authority, ':', 0);
  return colon < 0 ? authority : str_slice(authority, 0, (size_t)colon);
}

static bool is_ipv4(struct str host) {
  struct str rest = host, part;
  size_t parts = 0;
  uint64_t value;
  while (str_split(&rest, '.', &part)) {
    if (part.n > 3 || !str_to_u64(part, &value) || value > 255)
      return false;
    parts++;
  }
  return parts == 4;
}

bool http_origin_is_loopback(struct str host) {
  return str_equal_ignore_case(host, STR("localhost")) || str_is(host, "::1") ||
         (is_ipv4(host) && str_starts_with(host, STR("127.")));
}

/* Takes "scheme://" off the front; false for "null" and what is no origin. */
static bool origin_authority(struct str origin, struct str *ret_authority) {
  ssize_t at = str_find(origin, STR("://"));
  if (at <= 0)
    return false;
  *ret_authority = str_slice(origin, (size_t)at + 3, origin.n);
  return ret_authority->n > 0;
}

bool http_origin_is_allowed(struct str origin, struct str host, const char *allowed) {
  struct str authority;
  if (allowed && strcmp(allowed, "*") == 0)
    return true;
  if (!origin_authority(origin, &authority))
    return false;
  if (str_equal_ignore_case(authority, host))
    return true;
  if (!allowed)
    return http_origin_is_loopback(http_origin_host(authority));
  struct str rest = str_of(allowed), one;
  while (str_split(&rest, ' ', &one))
    if (one.n > 0 && str_equal_ignore_case(one, origin))
      return true;
  return false;
}

bool http_origin_is_own_host(struct str host, const char *public_host) {
  struct str name = http_origin_host(host);
  bool is_ipv6 = host.n > 0 && host.p[0] == '[';
  return is_ipv6 || is_ipv4(name) || http_origin_is_loopback(name) ||
         (public_host && str_equal_ignore_case(name, str_of(public_host)));
}
