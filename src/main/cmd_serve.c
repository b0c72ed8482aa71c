#include "main/command.h"

#include "base/clock.h"
#include "base/log.h"
#include "flow/intake.h"
#include "link/mllp_server.h"
#include "service/service.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

struct address {
  char host[256];
  uint16_t port;
};

struct serve_options {
  const char *store, *maps, *base_url, *allow_origins, *public_host;
  struct address http, mllp;
  bool has_mllp;
  unsigned threads;
  int time_zone_minutes;
};

/* Everything that runs, in the order in which it is opened. */
struct server {
  struct store *store;
  struct maps *maps;
  struct service *service;
  struct intake *intake;
  struct mllp_server *mllp;
  char mllp_channel[32];
};

/* ---- Options -------------------------------------------------------------------------------- */

/* "127.0.0.1:8080", "[::1]:8080", ":8080", "8080". */
static bool read_address(const char *text, struct address *ret_address) {
  struct str s = str_of(text), port = s, host = STR("127.0.0.1");
  uint64_t value;
  const char *colon = strrchr(text, ':');
  if (colon) {
    port = str_of(colon + 1);
    if (colon > text)
      host = str_n(text, (size_t)(colon - text));
  }
  if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
    host = str_slice(host, 1, host.n - 2);
  if (!str_to_u64(port, &value) || value > UINT16_MAX || host.n >= sizeof ret_address->host)
    return false;
  snprintf(ret_address->host, sizeof ret_address->host, "%.*s", STR_ARG(host));
  ret_address->port = (uint16_t)value;
  return true;
}

/* "+01:30" -> 90. */
static bool read_time_zone(const char *text, int *ret_minutes) {
  struct str s = str_of(text);
  uint64_t hours, minutes;
  if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' ||
      !str_to_u64(str_slice(s, 1, 2), &hours) || !str_to_u64(str_slice(s, 4, 2), &minutes) ||
      hours > 14 || minutes > 59)
    return false;
  *ret_minutes = (int)(hours * 60 + minutes) * (s.p[0] == '-' ? -1 : 1);
  return true;
}

enum {
  OPTION_HTTP = 'h',
  OPTION_MLLP = 'm',
  OPTION_STORE = 's',
  OPTION_THREADS = 't',
  OPTION_VERBOSE = 'v',
  OPTION_NO_MLLP = 256,
  OPTION_MAPS,
  OPTION_BASE_URL,
  OPTION_ALLOW_ORIGIN,
  OPTION_PUBLIC_HOST,
  OPTION_TIME_ZONE,
};

static const struct option known_options[] = {
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

static bool take_option(struct serve_options *o, int code, const char *value) {
  uint64_t number;
  switch (code) {
  case OPTION_STORE:
    o->store = value;
    return value[0] != '\0';
  case OPTION_HTTP:
    return read_address(value, &o->http);
  case OPTION_MLLP:
    return read_address(value, &o->mllp);
  case OPTION_NO_MLLP:
    o->has_mllp = false;
    return true;
  case OPTION_MAPS:
    o->maps = value;
    return true;
  case OPTION_TIME_ZONE:
    return read_time_zone(value, &o->time_zone_minutes);
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
    if (!str_to_u64(str_of(value), &number) || number == 0 || number > 64)
      return false;
    o->threads = (unsigned)number;
    return true;
  default:
    log_set_level(LOG_DEBUG);
    return true;
  }
}

static int read_options(int argc, char **argv, struct serve_options *ret_options) {
  *ret_options = (struct serve_options){
      .http = {"127.0.0.1", 8080}, .mllp = {"127.0.0.1", 2575}, .has_mllp = true};
  optind = 1;
  opterr = 0;
  for (int c, at = 1; (c = getopt_long(argc, argv, "s:t:v", known_options, &at)) != -1;) {
    if (c == '?' || c == ':')
      return command_usage_error(&command_serve, "'%s' is not known, or lacks its value",
                                 argv[optind - 1]);
    if (!take_option(ret_options, c, optarg))
      return command_usage_error(&command_serve, "'%s' is not a value for %s", optarg,
                                 argv[optind - 2]);
  }
  if (optind < argc)
    return command_usage_error(&command_serve, "'%s' is one argument too many", argv[optind]);
  return EXIT_OK;
}

/* callosum.db in the current directory; or, where XDG_STATE_HOME is set and there is none here, in
 * its folder callosum/. */
static const char *default_store(struct arena *arena) {
  const char *state = getenv("XDG_STATE_HOME");
  if (!state || state[0] != '/' || access("callosum.db", F_OK) == 0)
    return "callosum.db";
  struct str folder = arena_printf(arena, "%s/callosum", state);
  if (!folder.p || (mkdir(folder.p, 0700) != 0 && errno != EEXIST))
    return "callosum.db";
  struct str path = arena_printf(arena, "%s/callosum.db", folder.p);
  return path.p ? path.p : "callosum.db";
}

/* ---- From MLLP to the intake ---------------------------------------------------------------- */

static void reply(struct intake_message *message, struct str ack) {
  mllp_reply(message->what, message->what_connection, ack);
}

static void take_frame(struct mllp_frame *frame) {
  struct server *server = frame->user;
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
                                     .channel = str_of(server->mllp_channel),
                                     .received_us = clock_now_us(),
                                     .reply = reply,
                                     .what = frame->server,
                                     .what_connection = frame->connection};
  intake_submit(server->intake, message);
}

/* ---- Opening and closing -------------------------------------------------------------------- */

static int open_mllp(struct server *server, const struct serve_options *options,
                     struct err *reterr) {
  struct intake_options intake = {.store = server->store,
                                  .maps = server->maps,
                                  .workers = options->threads,
                                  .time_zone_minutes = options->time_zone_minutes};
  struct mllp_server_options mllp = {.address = options->mllp.host,
                                     .port = options->mllp.port,
                                     .handle = take_frame,
                                     .user = server};
  /* Messages are told apart by the configured port, not by one that changes with every start. */
  snprintf(server->mllp_channel, sizeof server->mllp_channel, "mllp:%u",
           (unsigned)options->mllp.port);
  int code = intake_open(&intake, &server->intake, reterr);
  return code ? code : mllp_server_open(&mllp, &server->mllp, reterr);
}

static int open_server(struct server *server, const struct serve_options *options,
                       struct err *reterr) {
  struct store_options store = {.path = options->store};
  struct service_options service = {.address = options->http.host,
                                    .port = options->http.port,
                                    .base_url = options->base_url,
                                    .allow_origins = options->allow_origins,
                                    .public_host = options->public_host,
                                    .threads = options->threads};
  int code = store_open(&store, &server->store, reterr);
  if (code == 0)
    code = maps_open(options->maps, &server->maps, reterr);
  if (code)
    return code;
  service.store = server->store;
  service.maps = server->maps;
  code = service_open(&service, &server->service, reterr);
  return code || !options->has_mllp ? code : open_mllp(server, options, reterr);
}

/* What takes requests first, what they need last. */
static void close_server(struct server *server) {
  if (server->mllp)
    mllp_server_close(server->mllp);
  intake_close(server->intake);
  service_close(server->service);
  if (server->store)
    store_close(server->store);
  if (server->maps)
    maps_close(server->maps);
}

static void print_addresses(const struct server *server, const struct serve_options *options) {
  bool is_ipv6 = strchr(options->http.host, ':') != NULL;
  printf("http http://%s%s%s:%u\n", is_ipv6 ? "[" : "", options->http.host, is_ipv6 ? "]" : "",
         (unsigned)service_port(server->service));
  is_ipv6 = strchr(options->mllp.host, ':') != NULL;
  if (server->mllp)
    printf("mllp mllp://%s%s%s:%u\n", is_ipv6 ? "[" : "", options->mllp.host, is_ipv6 ? "]" : "",
           (unsigned)mllp_server_port(server->mllp));
  printf("store %s\n", options->store);
  fflush(stdout);
}

/* Signals reach only `sigwait`: threads that are started from here on inherit the mask. */
static void hold_signals(sigset_t *ret_signals) {
  sigemptyset(ret_signals);
  sigaddset(ret_signals, SIGTERM);
  sigaddset(ret_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
  signal(SIGPIPE, SIG_IGN);
}

static int run_serve(int argc, char **argv) {
  struct serve_options options;
  struct server server = {0};
  struct err err = {0};
  sigset_t signals;
  int which = 0;
  int code = read_options(argc, argv, &options);
  if (code != EXIT_OK)
    return code;
  struct arena *arena = arena_new(16384);
  if (!arena)
    return EXIT_IO;
  if (!options.store)
    options.store = default_store(arena);
  hold_signals(&signals);
  if (open_server(&server, &options, &err) == 0) {
    print_addresses(&server, &options);
    sigwait(&signals, &which);
    /* A second signal ends the program at once. */
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    log_info("serve", "stopping; a second signal stops at once");
    code = EXIT_OK;
  } else {
    code = command_fail(&command_serve, &err, EXIT_IO);
  }
  close_server(&server);
  arena_free(arena);
  return code;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "take in HL7 v2 and FHIR, keep one record per person, show the console",
    .usage =
        "serve [OPTIONS]\n\n"
        "Listens for FHIR and for browsers over HTTP, and for HL7 v2 over MLLP, and keeps all in\n"
        "one file. Without options that is loopback only, which is right: there is no login yet.\n"
        "Prints where it listens, one line each: `http URL`, `mllp URL`, `store FILE`.\n\n"
        "Options:\n"
        "  -s, --store FILE         (callosum.db here, or in $XDG_STATE_HOME/callosum)\n"
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
        "Exit code: 0 stopped by a signal, 2 wrong usage, 3 the store or an address can't be "
        "used.\n\n"
        "Examples:\n"
        "  callosum serve\n"
        "  callosum serve --store /var/lib/callosum/callosum.db --http 0.0.0.0:8080",
    .run = run_serve,
};
