#include "main/command.h"

#include "base/file.h"
#include "base/clock.h"
#include "format/er7.h"
#include "format/mllp.h"
#include "link/mllp_client.h"
#include "main/latency.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FILES_MAX_BYTES ((size_t)4 << 30)
#define CONNECTIONS_MAX 1024

struct send_options {
  const char *host;
  uint16_t port;
  uint64_t repeat, connections, timeout_s;
  bool is_verbose, is_quiet, is_fresh;
};

struct message {
  struct str bytes;
  const char *file;
};

/* What all connections share. */
struct send {
  struct send_options options;
  struct arena *arena;
  VEC(struct message) messages;
  pthread_mutex_t output;
  atomic_bool is_stopped;
};

struct sender {
  struct send *send;
  uint64_t index;
  pthread_t thread;
  struct arena *arena; /* reset for each message */
  uint64_t accepted, refused;
  struct latency latency;
  struct err err;
  int code;
};

/* Reading the files */

static int add_message(struct send *send, struct str bytes, const char *file, struct err *reterr) {
  struct message *message = VEC_PUSH(send->arena, &send->messages);
  if (!message)
    return err_no_memory(reterr);
  *message = (struct message){bytes, file};
  return 0;
}

/* A file of frames, as a capture of a connection is. */
static int add_frames(struct send *send, struct str bytes, const char *file, struct err *reterr) {
  struct mllp_parser parser;
  struct str content;
  int code;
  mllp_init(&parser, FILES_MAX_BYTES);
  while ((code = mllp_feed(&parser, &bytes, &content, reterr)) == 1) {
    struct str copy = arena_str(send->arena, content);
    code = copy.p ? add_message(send, copy, file, reterr) : err_no_memory(reterr);
    if (code < 0)
      break;
  }
  mllp_fini(&parser);
  return code;
}

static int add_file(struct send *send, const char *path, struct err *reterr) {
  struct str bytes, text;
  struct buf buf;
  buf_init_arena(&buf, send->arena, FILES_MAX_BYTES);
  int code = file_read(path, &buf, reterr);
  if (code < 0)
    return code;
  bytes = buf_str(&buf);
  if (str_starts_with(bytes, STR("\x0B")))
    return add_frames(send, bytes, path, reterr);
  const struct str *messages;
  size_t n;
  text = str_starts_with(bytes, STR("\xEF\xBB\xBF")) ? str_slice(bytes, 3, bytes.n) : bytes;
  code = er7_split_batch(send->arena, text, &messages, &n, reterr);
  if (code == 0 && n == 1 && messages[0].n == text.n)
    return add_message(send, bytes, path, reterr); /* with its byte order mark */
  for (size_t i = 0; code == 0 && i < n; i++)
    code = add_message(send, messages[i], path, reterr);
  return code;
}

/* Sending */

/* The message with another control id, so that the receiver does not take it for one it has. */
static struct str with_fresh_id(struct sender *sender, struct str bytes, uint64_t n) {
  struct er7_message message;
  size_t mark = str_starts_with(bytes, STR("\xEF\xBB\xBF")) ? 3 : 0;
  if (er7_parse(sender->arena, str_slice(bytes, mark, bytes.n), NULL, &message, NULL) < 0)
    return bytes;
  ssize_t msh = er7_find(&message, STR("MSH"), 0);
  struct str id =
      msh < 0 ? STR_NULL : er7_raw(&message, (struct er7_place){(uint32_t)msh, 10, 0, 0, 0});
  if (!id.p)
    return bytes;
  struct buf buf;
  buf_init_arena(&buf, sender->arena, SIZE_MAX);
  buf_add(&buf, str_slice(bytes, 0, (size_t)(id.p - bytes.p)));
  buf_printf(&buf, "%llx.%llu", (unsigned long long)clock_now_us(), (unsigned long long)n);
  buf_add(&buf, str_slice(bytes, (size_t)(id.p - bytes.p) + id.n, bytes.n));
  return buf_is_overflown(&buf) ? bytes : buf_str(&buf);
}

/* "AA"; "??" where the reply is no acknowledgement. */
static struct str code_of(struct sender *sender, struct str reply) {
  struct er7_message ack;
  if (er7_parse(sender->arena, reply, NULL, &ack, NULL) < 0)
    return STR("??");
  ssize_t msa = er7_find(&ack, STR("MSA"), 0);
  struct str code =
      msa < 0 ? STR_NULL : er7_raw(&ack, (struct er7_place){(uint32_t)msa, 1, 1, 1, 0});
  return code.n ? code : STR("??");
}

static void print_result(struct sender *sender, const struct message *message, struct str code,
                         struct str reply) {
  struct send *send = sender->send;
  if (send->options.is_quiet)
    return;
  pthread_mutex_lock(&send->output);
  printf("%.*s\t%s\n", STR_ARG(code), message->file);
  struct str line;
  while (send->options.is_verbose && str_split(&reply, '\r', &line))
    if (line.n)
      printf("\t%.*s\n", STR_ARG(line));
  pthread_mutex_unlock(&send->output);
}

static int send_one(struct sender *sender, struct mllp_client *client, uint64_t n) {
  struct send *send = sender->send;
  const struct message *message = &send->messages.p[n % send->messages.n];
  arena_reset(sender->arena);
  struct str bytes = message->bytes, reply;
  if (send->options.is_fresh)
    bytes = with_fresh_id(sender, bytes, n);
  int64_t start_us = clock_monotonic_us();
  int code = mllp_client_exchange(client, bytes, &reply, &sender->err);
  if (code < 0)
    return code;
  latency_add(&sender->latency, clock_monotonic_us() - start_us);
  struct str ack = code_of(sender, reply);
  if (str_equal(ack, STR("AA")) || str_equal(ack, STR("CA")))
    sender->accepted++;
  else
    sender->refused++;
  print_result(sender, message, ack, reply);
  return 0;
}

/* Connection i of n sends the messages i, i + n, i + 2n, ... */
static void *run_sender(void *what) {
  struct sender *sender = what;
  struct send *send = sender->send;
  const struct send_options *options = &send->options;
  struct mllp_client *client;
  sender->code = mllp_client_open(options->host, options->port, (unsigned)options->timeout_s,
                                  &client, &sender->err);
  if (sender->code < 0) {
    atomic_store(&send->is_stopped, true);
    return NULL;
  }
  uint64_t total = options->repeat * send->messages.n;
  for (uint64_t n = sender->index; n < total && !atomic_load(&send->is_stopped);
       n += options->connections) {
    sender->code = send_one(sender, client, n);
    if (sender->code < 0)
      atomic_store(&send->is_stopped, true);
  }
  mllp_client_close(client);
  return NULL;
}

static int start_senders(struct send *send, struct sender *senders, uint64_t *ret_started) {
  uint64_t i;
  for (i = 0; i < send->options.connections; i++) {
    senders[i] = (struct sender){.send = send, .index = i, .arena = arena_new((size_t)1 << 30)};
    if (!senders[i].arena ||
        pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]) != 0) {
      arena_free(senders[i].arena);
      break;
    }
  }
  *ret_started = i;
  return i == send->options.connections ? 0 : -1;
}

static int finish(struct sender *senders, uint64_t started, int64_t start_us) {
  struct sender *total = &senders[0];
  int exit_code = EXIT_OK;
  for (uint64_t i = 0; i < started; i++) {
    pthread_join(senders[i].thread, NULL);
    arena_free(senders[i].arena);
    if (senders[i].code < 0 && exit_code == EXIT_OK)
      exit_code = command_fail(&command_send, &senders[i].err, EXIT_IO);
    if (i == 0)
      continue;
    total->accepted += senders[i].accepted;
    total->refused += senders[i].refused;
    latency_merge(&total->latency, &senders[i].latency);
  }
  double seconds = (double)(clock_monotonic_us() - start_us) / 1e6;
  uint64_t sent = total->accepted + total->refused;
  printf("%llu sent, %llu accepted, %llu refused in %.2f s: %.0f messages/s, p50 %.2f ms, "
         "p99 %.2f ms\n",
         (unsigned long long)sent, (unsigned long long)total->accepted,
         (unsigned long long)total->refused, seconds, (double)sent / (seconds > 0 ? seconds : 1),
         latency_percentile_ms(&total->latency, 0.5), latency_percentile_ms(&total->latency, 0.99));
  return exit_code == EXIT_OK && total->refused ? EXIT_FAILED : exit_code;
}

static int send_all(struct send *send) {
  uint64_t started;
  if (send->options.connections > send->options.repeat * send->messages.n)
    send->options.connections = send->options.repeat * send->messages.n;
  struct sender *senders = calloc(send->options.connections, sizeof *senders);
  struct err err;
  if (!senders) {
    err_no_memory(&err);
    return command_fail(&command_send, &err, EXIT_IO);
  }
  int64_t start_us = clock_monotonic_us();
  if (start_senders(send, senders, &started) < 0)
    atomic_store(&send->is_stopped, true);
  int exit_code = finish(senders, started, start_us);
  if (started < send->options.connections) {
    err_set(&err, ERR_BUSY, "", "Only %llu of the connections got a thread.",
            (unsigned long long)started);
    exit_code = command_fail(&command_send, &err, EXIT_IO);
  }
  free(senders);
  return exit_code;
}

/* The command */

static int parse_options(int argc, char **argv, struct send_options *ret_options) {
  static const struct option known[] = {
      {"host", required_argument, NULL, 'H'},
      {"port", required_argument, NULL, 'p'},
      {"repeat", required_argument, NULL, 'r'},
      {"connections", required_argument, NULL, 'c'},
      {"timeout", required_argument, NULL, 't'},
      {"verbose", no_argument, NULL, 'v'},
      {"quiet", no_argument, NULL, 'q'},
      {"fresh-ids", no_argument, NULL, 'f'},
      {NULL, 0, NULL, 0},
  };
  uint64_t port = 2575;
  struct send_options o = {.host = "127.0.0.1", .repeat = 1, .connections = 1, .timeout_s = 30};
  bool is_valid = true;
  for (int c; (c = getopt_long(argc, argv, "H:p:r:c:t:vqf", known, NULL)) != -1;) {
    struct str value = str_of(optarg);
    switch (c) {
    case 'H':
      o.host = optarg;
      break;
    case 'p':
      is_valid = is_valid && str_to_u64(value, &port) && port > 0 && port <= UINT16_MAX;
      break;
    case 'r':
      is_valid = is_valid && str_to_u64(value, &o.repeat) && o.repeat > 0 && o.repeat < UINT32_MAX;
      break;
    case 'c':
      is_valid = is_valid && str_to_u64(value, &o.connections) && o.connections > 0 &&
                 o.connections <= CONNECTIONS_MAX;
      break;
    case 't':
      is_valid =
          is_valid && str_to_u64(value, &o.timeout_s) && o.timeout_s > 0 && o.timeout_s <= 86400;
      break;
    case 'v':
      o.is_verbose = true;
      break;
    case 'q':
      o.is_quiet = true;
      break;
    case 'f':
      o.is_fresh = true;
      break;
    default:
      return command_usage_error(&command_send, "this option is not known");
    }
    if (!is_valid)
      return command_usage_error(&command_send, "'%s' is not a value for -%c", optarg, c);
  }
  o.port = (uint16_t)port;
  *ret_options = o;
  return EXIT_OK;
}

static int run_send(int argc, char **argv) {
  struct send send = {.output = PTHREAD_MUTEX_INITIALIZER};
  int exit_code = parse_options(argc, argv, &send.options);
  if (exit_code != EXIT_OK)
    return exit_code;
  if (optind == argc)
    return command_usage_error(&command_send, "give at least one file, or - for standard input");
  struct err err;
  send.arena = arena_new(FILES_MAX_BYTES);
  int code = send.arena ? 0 : err_no_memory(&err);
  for (int i = optind; i < argc && code == 0; i++)
    code = add_file(&send, argv[i], &err);
  if (code < 0) {
    exit_code = command_fail(&command_send, &err, EXIT_IO);
  } else if (send.messages.n == 0) {
    err_set(&err, ERR_REQUIRED, "", "There is no message in what was given.");
    exit_code = command_fail(&command_send, &err, EXIT_FAILED);
  } else {
    exit_code = send_all(&send);
  }
  arena_free(send.arena);
  return exit_code;
}

const struct command command_send = {
    .name = "send",
    .summary = "send HL7 v2 messages over MLLP and print their acknowledgements",
    .usage =
        "send [OPTIONS] FILE...\n\n"
        "Sends each message of the files to an MLLP listener and prints the code of each\n"
        "acknowledgement. A file holds one message, several, a batch (FHS, BHS), or MLLP frames;\n"
        "- is standard input.\n\n"
        "Options:\n"
        "  -H, --host HOST        where to connect (127.0.0.1)\n"
        "  -p, --port PORT        (2575)\n"
        "  -r, --repeat N         send everything N times (1)\n"
        "  -c, --connections N    over N connections at once (1); order is kept on each\n"
        "  -f, --fresh-ids        give each message a new control id (MSH-10), so that a repeated\n"
        "                         one is new to the receiver\n"
        "  -t, --timeout SECONDS  wait so long for each acknowledgement (30)\n"
        "  -v, --verbose          print the acknowledgements too\n"
        "  -q, --quiet            print the summary only\n\n"
        "Exit code: 0 all accepted, 1 some refused, 2 wrong usage, 3 file or connection failed.\n\n"
        "Examples:\n"
        "  callosum send admission.hl7\n"
        "  callosum send --port 6661 --connections 64 --repeat 100 --quiet *.hl7",
    .run = run_send,
};
