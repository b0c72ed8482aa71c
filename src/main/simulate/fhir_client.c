#include "main/simulate/fhir_client.h"

#include <curl/curl.h>
#include <stdlib.h>

#define ANSWER_MAX_BYTES ((size_t)4 << 20)

struct fhir_client {
  CURL *curl;
  struct curl_slist *headers;
  struct buf answer;
};

static size_t take_answer(char *bytes, size_t size, size_t n, void *what) {
  struct buf *answer = what;
  buf_add(answer, str_n(bytes, size * n));
  return buf_is_overflown(answer) ? 0 : size * n;
}

int fhir_client_open(const char *url, unsigned timeout_s, struct fhir_client **ret_client,
                     struct err *reterr) {
  struct fhir_client *client = calloc(1, sizeof *client);
  if (!client)
    return err_no_memory(reterr);
  buf_init(&client->answer, ANSWER_MAX_BYTES);
  client->curl = curl_easy_init();
  client->headers = curl_slist_append(NULL, "Content-Type: application/fhir+json");
  struct curl_slist *more =
      client->headers ? curl_slist_append(client->headers, "Prefer: return=minimal") : NULL;
  if (!client->curl || !more) {
    fhir_client_close(client);
    return err_no_memory(reterr);
  }
  curl_easy_setopt(client->curl, CURLOPT_URL, url);
  curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
  curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, (long)timeout_s);
  curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
  curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_answer);
  curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &client->answer);
  *ret_client = client;
  return 0;
}

int fhir_client_post(struct fhir_client *client, struct str bundle, int *ret_status,
                     struct str *ret_answer, struct err *reterr) {
  buf_clear(&client->answer);
  curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, bundle.p);
  curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bundle.n);
  CURLcode failed = curl_easy_perform(client->curl);
  if (failed != CURLE_OK)
    return err_set(reterr, failed == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO, "",
                   "The FHIR server can't be reached: %s.", curl_easy_strerror(failed));
  long status = 0;
  curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
  *ret_status = (int)status;
  *ret_answer = buf_str(&client->answer);
  return 0;
}

void fhir_client_close(struct fhir_client *client) {
  if (!client)
    return;
  if (client->curl)
    curl_easy_cleanup(client->curl);
  curl_slist_free_all(client->headers);
  buf_fini(&client->answer);
  free(client);
}
