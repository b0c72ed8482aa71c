#include "link/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>

#define ANSWER_MAX_BYTES ((size_t)1 << 30)

struct http_client {
  CURL *curl;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void open_library(void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_client_open(unsigned timeout_s, struct http_client **ret_client, struct err *reterr) {
  pthread_once(&library_once, open_library);
  struct http_client *client = calloc(1, sizeof *client);
  CURL *curl = client ? curl_easy_init() : NULL;
  if (!curl) {
    free(client);
    return err_no_memory(reterr);
  }
  client->curl = curl;
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)timeout_s);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "callosum/" CALLOSUM_VERSION);
  curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
  *ret_client = client;
  return 0;
}

void http_client_close(struct http_client *client) {
  if (!client)
    return;
  curl_easy_cleanup(client->curl);
  free(client);
}

static size_t take_answer(char *bytes, size_t size, size_t n, void *what) {
  struct buf *buf = what;
  buf_add(buf, str_n(bytes, size * n));
  return buf_is_overflown(buf) ? 0 : size * n;
}

static int set_request(CURL *curl, const struct http_exchange *exchange, struct curl_slist *headers,
                       struct buf *answer) {
  bool has_body = !str_is_empty(exchange->body);
  bool is_head = strcmp(exchange->method, "HEAD") == 0;
  CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, exchange->url);
  code |= curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  code |= curl_easy_setopt(curl, CURLOPT_NOBODY, is_head ? 1L : 0L);
  if (has_body) {
    code |= curl_easy_setopt(curl, CURLOPT_POST, 1L);
    code |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->body.p);
    code |= curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.n);
  }
  code |= curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, is_head ? NULL : exchange->method);
  code |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  code |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
  code |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
  return code == CURLE_OK ? 0 : -1;
}

int http_client_exchange(struct http_client *client, struct arena *arena,
                         struct http_exchange *exchange, struct err *reterr) {
  struct buf answer;
  buf_init_arena(&answer, arena, ANSWER_MAX_BYTES);
  struct curl_slist *headers = NULL;
  if (!str_is_empty(exchange->content_type)) {
    struct str line = arena_printf(arena, "content-type: %.*s", STR_ARG(exchange->content_type));
    headers = line.p ? curl_slist_append(NULL, line.p) : NULL;
    if (!headers)
      return err_no_memory(reterr);
  }
  CURLcode code = CURLE_FAILED_INIT;
  if (set_request(client->curl, exchange, headers, &answer) == 0)
    code = curl_easy_perform(client->curl);
  curl_slist_free_all(headers);
  if (code != CURLE_OK)
    return err_set(reterr, ERR_IO, "", "%s %s: %s.", exchange->method, exchange->url,
                   curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
  exchange->status = (int)status;
  exchange->answer = buf_str(&answer);
  return 0;
}
