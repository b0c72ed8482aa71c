#include "main/command.h"

#include "base/clock.h"
#include "base/log.h"
#include "flow/config.h"
#include "flow/intake.h"
#include "link/mllp_server.h"
#include "service/service.h"
#include "store/db/db.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIGURATION_HEX_BYTES 17 /* of its hash, with the NUL */

/* The configuration, with what the command line says laid over it. */
struct serve_options {
  struct config config;
  const char *config_folder, *store, *maps, *base_url, *allow_origins, *public_host;
  struct config_listener http, mllp; /* address NULL: as the configuration says */
  bool has_no_mllp, has_time_zone;
  uint64_t threads;
  int64_t time_zone_minutes;
};

struct listener {
  struct server *server;
  const struct config_listener *config;
  struct mllp_server *mllp;
  char channel[64];
};

/* Everything that runs, in the order in which it is opened. */
struct server {
  struct arena_budget budget; /* of requests and messages */
  struct store *store;
  struct maps *maps;
  struct service *service;
  struct intake *intake;
  struct listener listeners[CONFIG_MLLP_MAX];
  size_t listeners_n;
};

/* ---- Options -------------------------------------------------------------------------------- */

/* "127.0.0.1:8080", "[::1]:8080", ":8080", "8080". */
static bool read_address(struct arena *arena, const char *text, struct config_listener *listener) {
  struct str port = str_of(text), host = STR("127.0.0.1");
  uint64_t value;
  const char *colon = strrchr(text, ':');
  if (colon) {
    port = str_of(colon + 1);
    if (colon > text)
      host = str_n(text, (size_t)(colon - text));
  }
  if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
    host = str_slice(host, 1, host.n - 2);
  listener->address = arena_str(arena, host).p;
  if (!str_to_u64(port, &value) || value > UINT16_MAX)
    return false;
  listener->port = value;
  return listener->address != NULL;
}

enum {
  OPTION_CONFIG = 'c',
  OPTION_STORE = 's',
  OPTION_THREADS = 't',
  OPTION_VERBOSE = 'v',
  OPTION_HTTP = 256,
  OPTION_MLLP,
  OPTION_NO_MLLP,
  OPTION_MAPS,
  OPTION_BASE_URL,
  OPTION_ALLOW_ORIGIN,
  OPTION_PUBLIC_HOST,
  OPTION_TIME_ZONE,
};

static const struct option known_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"store", required_argument, NULL, OPTION_STORE},
    {"http", required_argument, NULL, OPTION_HTTP},
    {"mllp", required_argument, NULL, OPTION_MLLP},
    {"no-mllp", no_argument, NULL, OPTION_NO_MLLP},
    {"maps", required_argument, NULL, OPTION_MAPS},
    {"time-zone", required_argument, NULL, OPTION_TIME_ZONE},
    {"base-url", required_argument, NULL, OPTION_BASE_URL},
    {"public-host", required_argument, NULL, OPTION_PUBLIC_HOST},
    {"allow-origin", required_argument, NULL, OPTION_ALLOW_ORIGIN},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {0},
};

static bool take_option(struct serve_options *o, struct arena *arena, int code, const char *value) {
  switch (code) {
  case OPTION_CONFIG:
    o->config_folder = value;
    return true;
  case OPTION_STORE:
    o->store = value;
    return value[0] != '\0';
  case OPTION_HTTP:
    return read_address(arena, value, &o->http);
  case OPTION_MLLP:
    return read_address(arena, value, &o->mllp);
  case OPTION_NO_MLLP:
    o->has_no_mllp = true;
    return true;
  case OPTION_MAPS:
    o->maps = value;
    return true;
  case OPTION_TIME_ZONE:
    o->has_time_zone = true;
    return config_time_zone(str_of(value), &o->time_zone_minutes);
  case OPTION_BASE_URL:
    o->base_url = value;
    return strncmp(value, "http", 4) == 0 && value[strlen(value) - 1] != '/';
  case OPTION_PUBLIC_HOST:
    o->public_host = value;
    return true;
  case OPTION_ALLOW_ORIGIN:
    o->allow_origins = value;
    return true;
  case OPTION_THREADS:
    return str_to_u64(str_of(value), &o->threads) && o->threads > 0 && o->threads <= 64;
  default:
    log_set_level(LOG_DEBUG);
    return true;
  }
}

static int read_options(int argc, char **argv, struct arena *arena,
                        struct serve_options *ret_options) {
  *ret_options = (struct serve_options){0};
  optind = 1;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, ":c:s:t:v", known_options, NULL)) != -1;) {
    if (c == '?' || c == ':')
      return command_usage_error(&command_serve, "'%s' is not known, or lacks its value",
                                 argv[optind - 1]);
    if (!take_option(ret_options, arena, c, optarg))
      return command_usage_error(&command_serve, "'%s' is not a value for this option", optarg);
  }
  if (optind < argc)
    return command_usage_error(&command_serve, "'%s' is one argument too many", argv[optind]);
  return EXIT_OK;
}

/* Reads the configuration, if any, and lays the command line over it. */
static int settle_options(struct serve_options *o, struct arena *arena, struct err *reterr) {
  struct config *config = &o->config;
  config_default(config);
  if (o->config_folder) {
    int code = config_read(arena, o->config_folder, config, reterr);
    if (code)
      return code;
  }
  if (o->store)
    config->store = o->store;
  if (!config->store)
    config->store = command_default_store(arena);
  if (o->maps)
    config->maps = o->maps;
  if (o->has_time_zone)
    config->time_zone_minutes = o->time_zone_minutes;
  if (o->threads)
    config->threads = o->threads;
  if (o->http.address)
    config->http.address = o->http.address, config->http.port = o->http.port;
  if (o->mllp.address) {
    config->mllp[0] = o->mllp;
    config->mllp_n = 1;
  }
  if (o->has_no_mllp)
    config->mllp_n = 0;
  return 0;
}

/* ---- From MLLP to the intake ---------------------------------------------------------------- */

static void reply(struct intake_message *message, struct str ack) {
  mllp_reply(message->what, message->what_connection, ack);
}

static void take_frame(struct mllp_frame *frame) {
  struct listener *listener = frame->user;
  struct intake_message *message = ARENA_NEW(frame->arena, struct intake_message);
  if (!message) {
    /* Without an answer the link drops the connection, and the sender sends again. */
    mllp_reply(frame->server, frame->connection, STR_NULL);
    arena_free(frame->arena);
    return;
  }
  *message = (struct intake_message){.arena = frame->arena,
                                     .bytes = frame->content,
                                     .too_long = frame->too_long,
                                     .channel = str_of(listener->channel),
                                     .received_us = clock_now_us(),
                                     .reply = reply,
                                     .what = frame->server,
                                     .what_connection = frame->connection};
  intake_submit(listener->server->intake, message);
}

/* ---- Opening and closing -------------------------------------------------------------------- */

static int open_listener(struct server *server, const struct config_listener *config,
                         struct err *reterr) {
  struct listener *listener = &server->listeners[server->listeners_n++];
  struct mllp_server_options options = {.address = config->address,
                                        .port = (uint16_t)config->port,
                                        .max_frame_bytes = config->max_bytes,
                                        .max_connections = (unsigned)config->max_connections,
                                        .idle_timeout_s = (unsigned)config->idle_timeout_s,
                                        .frame_timeout_s = (unsigned)config->frame_timeout_s,
                                        .budget = &server->budget,
                                        .handle = take_frame,
                                        .user = listener};
  listener->server = server;
  listener->config = config;
  /* Messages are told apart by the configured port, not by one that changes with every start. */
  if (config->name)
    snprintf(listener->channel, sizeof listener->channel, "%s", config->name);
  else
    snprintf(listener->channel, sizeof listener->channel, "mllp:%u", (unsigned)config->port);
  return mllp_server_open(&options, &listener->mllp, reterr);
}

static int open_intake(struct server *server, const struct config *config, struct err *reterr) {
  struct intake_options intake = {.store = server->store,
                                  .maps = server->maps,
                                  .workers = (unsigned)config->threads,
                                  .time_zone_minutes = (int)config->time_zone_minutes};
  int code = intake_open(&intake, &server->intake, reterr);
  for (size_t i = 0; i < config->mllp_n && code == 0; i++)
    code = open_listener(server, &config->mllp[i], reterr);
  return code;
}

/* What makes the answers of two processes differ: maps, limits, the time zone of messages. */
static void hash_configuration(const struct config *config, const struct maps *maps,
                               char ret_hex[CONFIGURATION_HEX_BYTES]) {
  uint8_t digest[HASH_SHA256_BYTES], of_maps[HASH_SHA256_BYTES];
  maps_digest(maps, of_maps);
  const struct str parts[] = {
      str_n((const char *)of_maps, sizeof of_maps),
      str_n((const char *)&config->limits, sizeof config->limits),
      str_n((const char *)&config->time_zone_minutes, sizeof config->time_zone_minutes)};
  hash_sha256_parts(parts, sizeof parts / sizeof parts[0], digest);
  for (size_t i = 0; i < CONFIGURATION_HEX_BYTES / 2; i++)
    snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

static int open_server(struct server *server, const struct serve_options *options,
                       struct err *reterr) {
  const struct config *config = &options->config;
  char configuration[CONFIGURATION_HEX_BYTES];
  struct store_options store = {.path = config->store,
                                .configuration = configuration,
                                .lease_us = (int64_t)config->lease_s * 1000000};
  struct service_options service = {.address = config->http.address,
                                    .port = (uint16_t)config->http.port,
                                    .max_body_bytes = config->http.max_bytes,
                                    .max_connections = (unsigned)config->http.max_connections,
                                    .idle_timeout_s = (unsigned)config->http.idle_timeout_s,
                                    .base_url = options->base_url,
                                    .allow_origins = options->allow_origins,
                                    .public_host = options->public_host,
                                    .threads = (unsigned)config->threads,
                                    .budget = &server->budget,
                                    .limits = &config->limits};
  server->budget.max_bytes = config->limits.memory_bytes;
  int code = maps_open(config->maps, &server->maps, reterr);
  if (code)
    return code;
  hash_configuration(config, server->maps, configuration);
  code = store_open(&store, &server->store, reterr);
  if (code)
    return code;
  service.store = server->store;
  service.maps = server->maps;
  code = service_open(&service, &server->service, reterr);
  return code || config->mllp_n == 0 ? code : open_intake(server, config, reterr);
}

/* What takes requests first, what they need last. */
static void close_server(struct server *server) {
  for (size_t i = 0; i < server->listeners_n; i++)
    mllp_server_close(server->listeners[i].mllp);
  intake_close(server->intake);
  service_close(server->service);
  if (server->store)
    store_close(server->store);
  if (server->maps)
    maps_close(server->maps);
}

static void print_address(const char *scheme, const char *host, uint16_t port) {
  bool is_ipv6 = strchr(host, ':') != NULL;
  printf("%s %s://%s%s%s:%u\n", scheme, scheme, is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
         (unsigned)port);
}

static void print_addresses(const struct server *server, const struct config *config) {
  print_address("http", config->http.address, service_port(server->service));
  for (size_t i = 0; i < server->listeners_n; i++)
    print_address("mllp", server->listeners[i].config->address,
                  mllp_server_port(server->listeners[i].mllp));
  char shown[1024];
  printf("store %s\n", db_shown_path(config->store, shown, sizeof shown));
  fflush(stdout);
}

/* Signals reach only `sigwait`: threads that are started from here on inherit the mask. */
static void hold_signals(sigset_t *ret_signals) {
  sigemptyset(ret_signals);
  sigaddset(ret_signals, SIGTERM);
  sigaddset(ret_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails, like a full disk */
}

/* Each connection is a descriptor, and the usual soft limit of 1,024 is below what the listeners
 * take. A program that uses no select(2) may have all that it is allowed. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
    return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    log_warning("serve", "the limit of open files stays as it is: %s", strerror(errno));
}

static int serve(struct server *server, struct serve_options *options, struct arena *arena,
                 struct err *reterr) {
  sigset_t signals;
  int which = 0, code = settle_options(options, arena, reterr);
  if (code)
    return code;
  hold_signals(&signals);
  raise_descriptor_limit();
  if ((code = open_server(server, options, reterr)) != 0)
    return code;
  print_addresses(server, &options->config);
  sigwait(&signals, &which);
  /* A second signal ends the program at once. */
  pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
  log_info("serve", "stopping; a second signal stops at once");
  store_hurry(server->store);
  return 0;
}

static int run_serve(int argc, char **argv) {
  struct serve_options *options = calloc(1, sizeof *options);
  struct server *server = calloc(1, sizeof *server);
  struct arena *arena = arena_new((size_t)64 << 20);
  struct err err = {0};
  int code = EXIT_IO;
  if (options && server && arena && (code = read_options(argc, argv, arena, options)) == EXIT_OK) {
    if (serve(server, options, arena, &err) != 0)
      code = command_fail(&command_serve, &err, EXIT_IO);
    close_server(server);
  }
  arena_free(arena);
  free(server);
  free(options);
  return code;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "take in HL7 v2 and FHIR, keep one record per person, show the console",
    .usage =
        "serve [OPTIONS]\n\n"
        "Listens for FHIR and for browsers over HTTP, and for HL7 v2 over MLLP, and keeps all in\n"
        "one file, or in a PostgreSQL that several such processes may share. Without options that\n"
        "is loopback only, which is right: there is no login yet.\n"
        "Prints where it listens, one line each: `http URL`, `mllp URL`, `store STORE`.\n\n"
        "Options:\n"
        "  -c, --config FOLDER      settings from its *.yaml; the options here go before them\n"
        "  -s, --store STORE        a file (callosum.db here, or in $XDG_STATE_HOME/callosum), or\n"
        "                           a URL (postgresql://USER@HOST/DATABASE)\n"
        "      --http ADDRESS:PORT  (127.0.0.1:8080); port 0 takes any free one\n"
        "      --mllp ADDRESS:PORT  (127.0.0.1:2575)\n"
        "      --no-mllp            HTTP only\n"
        "      --maps FOLDER        maps that replace built-in ones of the same name\n"
        "      --time-zone +HH:MM   of times in messages that say none (+00:00)\n"
        "      --base-url URL       of the FHIR API as clients see it, behind a proxy\n"
        "      --public-host NAME   a name besides localhost that clients may use\n"
        "      --allow-origin LIST  web pages that may call, separated by spaces, or *\n"
        "                           (pages from loopback)\n"
        "  -t, --threads N          for requests, and as many for messages (one per core)\n"
        "  -v, --verbose            log more, on standard error\n\n"
        "SIGTERM and SIGINT finish what runs and close the store; a second one stops at once.\n"
        "Exit code: 0 stopped by a signal, 2 wrong usage, 3 the configuration, the store or an\n"
        "address can't be used.\n\n"
        "Examples:\n"
        "  callosum serve\n"
        "  callosum serve --store /var/lib/callosum/callosum.db --http 0.0.0.0:8080",
    .run = run_serve,
};
