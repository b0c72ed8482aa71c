/*
 * What this machine can do at best, measured in the same run as the figures that are compared with
 * it.
 *
 *   limits fsync FOLDER
 *       appends of 4 kB, each with fdatasync: how many a second
 *   limits sqlite FOLDER
 *       durable transactions of 1,000 resources of 400 bytes, each with 12 index rows: resources a
 *       second
 *   limits http
 *       a bare libmicrohttpd that answers a small constant: serves on a free port (printed) until
 *       stdin closes
 */
#include "base/base.h"
#include "base/clock.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECONDS 2
#define INDEX_ROWS 12

static int fail(const char *what) {
  fprintf(stderr, "limits: %s failed\n", what);
  return 1;
}

static int run_fsync(const char *folder) {
  char path[4096], block[4096] = {0};
  snprintf(path, sizeof path, "%s/limits.fsync", folder);
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail("open");
  int64_t start_us = clock_monotonic_us(), now_us = start_us;
  unsigned n = 0;
  while (now_us - start_us < SECONDS * 1000000) {
    if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
      return fail("write");
    n++;
    now_us = clock_monotonic_us();
  }
  close(fd);
  unlink(path);
  printf("%.0f\n", n / ((double)(now_us - start_us) / 1e6));
  return 0;
}

/* A resource row and its index rows, in the shape of the store's tables: narrow, clustered on
 * integers. */
static bool insert_group(sqlite3 *db, sqlite3_stmt *resource, sqlite3_stmt *token,
                         sqlite3_int64 *rid, uint64_t *state) {
  char body[400];
  memset(body, 'x', sizeof body);
  if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
    return false;
  for (int i = 0; i < 1000; i++) {
    ++*rid;
    sqlite3_bind_int64(resource, 1, *rid);
    sqlite3_bind_blob(resource, 2, body, sizeof body, SQLITE_STATIC);
    if (sqlite3_step(resource) != SQLITE_DONE)
      return false;
    sqlite3_reset(resource);
    for (int k = 0; k < INDEX_ROWS; k++) {
      *state = *state * 6364136223846793005u + 1442695040888963407u;
      sqlite3_bind_int64(token, 1, k);
      sqlite3_bind_int64(token, 2,
                         k < INDEX_ROWS / 2 ? (sqlite3_int64)(*state >> 50)
                                            : (sqlite3_int64)(*state >> 20));
      sqlite3_bind_int64(token, 3, *rid);
      if (sqlite3_step(token) != SQLITE_DONE)
        return false;
      sqlite3_reset(token);
    }
  }
  return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

static int run_sqlite(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/limits.db", folder);
  sqlite3 *db;
  sqlite3_stmt *resource, *token;
  if (sqlite3_open(path, &db) != SQLITE_OK ||
      sqlite3_exec(db,
                   "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
                   "CREATE TABLE resource(rid INTEGER PRIMARY KEY, body BLOB);"
                   "CREATE TABLE token(param INTEGER, hash INTEGER, rid INTEGER, PRIMARY "
                   "KEY(param, hash, rid)) WITHOUT ROWID",
                   NULL, NULL, NULL) != SQLITE_OK ||
      sqlite3_prepare_v2(db, "INSERT INTO resource VALUES(?,?)", -1, &resource, NULL) !=
          SQLITE_OK ||
      sqlite3_prepare_v2(db, "INSERT INTO token VALUES(?,?,?)", -1, &token, NULL) != SQLITE_OK)
    return fail("sqlite");
  sqlite3_int64 rid = 0;
  uint64_t state = 1;
  int64_t start_us = clock_monotonic_us(), now_us = start_us;
  while (now_us - start_us < SECONDS * 1000000) {
    if (!insert_group(db, resource, token, &rid, &state))
      return fail("insert");
    now_us = clock_monotonic_us();
  }
  sqlite3_finalize(resource);
  sqlite3_finalize(token);
  sqlite3_close(db);
  unlink(path);
  printf("%.0f\n", (double)rid / ((double)(now_us - start_us) / 1e6));
  return 0;
}

static enum MHD_Result hello(void *what, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_n, void **state) {
  static char begun;
  (void)url, (void)method, (void)version, (void)upload, (void)upload_n;
  /* An answer to the first call, which has the headers only, would close the connection after it:
   * the limit would be that of new connections. */
  if (*state != &begun) {
    *state = &begun;
    return MHD_YES;
  }
  return MHD_queue_response(connection, MHD_HTTP_OK, what);
}

static int run_http(void) {
  static char body[] = "{\"status\":\"ok\"}";
  struct MHD_Response *response =
      MHD_create_response_from_buffer(sizeof body - 1, body, MHD_RESPMEM_PERSISTENT);
  struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct MHD_Daemon *daemon = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, hello, response,
      MHD_OPTION_SOCK_ADDR, &loopback, MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_END);
  if (!daemon || !response)
    return fail("libmicrohttpd");
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  printf("%u\n", info ? info->port : 0);
  fflush(stdout);
  while (getchar() != EOF)
    continue;
  MHD_stop_daemon(daemon);
  MHD_destroy_response(response);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "fsync") == 0)
    return run_fsync(argv[2]);
  if (argc == 3 && strcmp(argv[1], "sqlite") == 0)
    return run_sqlite(argv[2]);
  if (argc == 2 && strcmp(argv[1], "http") == 0)
    return run_http();
  fputs("Usage: limits fsync FOLDER | sqlite FOLDER | http\n", stderr);
  return 2;
}
