#include "main/command.h"

#include "base/clock.h"
#include "main/simulate/outlet.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdlib.h>

#define MESSAGE_MAX_BYTES ((size_t)1 << 20)
#define PERSONS_MAX 4000000
#define CONNECTIONS_MAX 1024
/* A person's first year of messages, about. */
#define MESSAGES_PER_PERSON 40
#define DEFAULT_COUNT 1000
#define DEFAULT_DURATION_PERSONS 500

struct simulate_options {
  struct hospital_options hospital;
  struct outlet_options outlet;
  uint64_t count, duration_s; /* 0: not given */
  double rate;                /* messages a second; 0: as fast as possible */
  bool is_quiet;
};

/* Waits until the n-th message is due. */
static void pace(double rate, uint64_t n, int64_t start_us) {
  if (rate <= 0)
    return;
  int64_t wait_us = start_us + (int64_t)((double)n * 1e6 / rate) - clock_monotonic_us();
  if (wait_us <= 0)
    return;
  struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
  nanosleep(&wait, NULL);
}

static int run_hospital(const struct simulate_options *o, struct hospital *hospital,
                        struct outlet *outlet, int64_t *ret_simulated_us, struct err *reterr) {
  struct buf buf;
  buf_init(&buf, MESSAGE_MAX_BYTES);
  int64_t start_us = clock_monotonic_us(), end_us = start_us + (int64_t)o->duration_s * 1000000;
  int code = 0;
  for (uint64_t n = 0;
       (o->count == 0 || n < o->count) && (o->duration_s == 0 || clock_monotonic_us() < end_us);) {
    struct hospital_message message;
    code = hospital_next(hospital, &buf, &message, reterr);
    if (code == 0)
      code = outlet_put(outlet, &message, buf_str(&buf), reterr);
    if (code < 0)
      break;
    *ret_simulated_us = message.at_us;
    if (code == 1)
      pace(o->rate, ++n, start_us);
  }
  buf_fini(&buf);
  return code < 0 ? code : 0;
}

static void print_counts(FILE *out, const char *name, const struct outlet_counts *c) {
  fprintf(out, "%-10s%10llu%10llu%10llu%10.2f%10.2f\n", name, (unsigned long long)c->sent,
          (unsigned long long)c->accepted, (unsigned long long)c->refused,
          latency_percentile_ms(&c->latency, 0.5), latency_percentile_ms(&c->latency, 0.99));
}

static int print_summary(const struct simulate_options *o, const struct outlet_result *result,
                         double seconds, int64_t simulated_us) {
  FILE *out = o->outlet.directory && strcmp(o->outlet.directory, "-") == 0 ? stderr : stdout;
  struct outlet_counts total = {0};
  for (unsigned i = 0; i < SYSTEMS_N; i++) {
    const struct outlet_counts *c = &result->of_system[i];
    total.sent += c->sent;
    total.accepted += c->accepted;
    total.refused += c->refused;
    latency_merge(&total.latency, &c->latency);
  }
  if (!o->is_quiet) {
    fprintf(out, "%-10s%10s%10s%10s%10s%10s\n", "system", "sent", "accepted", "refused", "p50 ms",
            "p99 ms");
    for (unsigned i = 0; i < SYSTEMS_N; i++)
      if (result->of_system[i].sent)
        print_counts(out, sending_systems[i].application, &result->of_system[i]);
  }
  fprintf(out,
          "%llu sent, %llu accepted, %llu refused in %.2f s: %.0f messages/s, p50 %.2f ms, p99 "
          "%.2f ms; %.0f simulated days of %u persons\n",
          (unsigned long long)total.sent, (unsigned long long)total.accepted,
          (unsigned long long)total.refused, seconds,
          (double)total.sent / (seconds > 0 ? seconds : 1),
          latency_percentile_ms(&total.latency, 0.5), latency_percentile_ms(&total.latency, 0.99),
          (double)(simulated_us - o->hospital.start_us) / 86400e6, o->hospital.persons_n);
  for (unsigned i = 0; i < SYSTEMS_N; i++)
    if (result->of_system[i].first_refusal[0])
      fprintf(stderr, "callosum simulate: the first refusal to %s: %s\n",
              sending_systems[i].application, result->of_system[i].first_refusal);
  return total.refused ? EXIT_FAILED : EXIT_OK;
}

static int simulate(const struct simulate_options *o) {
  struct hospital *hospital;
  struct outlet *outlet;
  struct err err;
  int code = hospital_open(&o->hospital, &hospital, &err);
  if (code < 0)
    return command_fail(&command_simulate, &err, EXIT_IO);
  code = outlet_open(&o->outlet, &outlet, &err);
  if (code < 0) {
    hospital_close(hospital);
    return command_fail(&command_simulate, &err, EXIT_IO);
  }
  static struct outlet_result result;
  int64_t start_us = clock_monotonic_us(), simulated_us = o->hospital.start_us;
  code = run_hospital(o, hospital, outlet, &simulated_us, &err);
  int closed = outlet_close(outlet, &result, code < 0 ? NULL : &err);
  double seconds = (double)(clock_monotonic_us() - start_us) / 1e6;
  hospital_close(hospital);
  int exit_code = print_summary(o, &result, seconds, simulated_us);
  if (code < 0 || closed < 0)
    return command_fail(&command_simulate, &err, EXIT_IO);
  return exit_code;
}

/* Options */

/* "HOST:PORT", "PORT", "[::1]:2575"; the host is made NUL-terminated in place. */
static bool parse_host_port(char *text, struct outlet_options *ret_options) {
  char *colon = strrchr(text, ':'), *host = text;
  uint64_t port;
  if (!str_to_u64(str_of(colon ? colon + 1 : text), &port) || port == 0 || port > UINT16_MAX)
    return false;
  if (colon) {
    *colon = '\0';
    size_t n = strlen(host);
    if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
      host[n - 1] = '\0';
      host++;
    }
  }
  ret_options->mllp_host = colon && host[0] ? host : "127.0.0.1";
  ret_options->mllp_port = (uint16_t)port;
  return true;
}

/* "2025-06-01" */
static bool parse_date(const char *text, int64_t *ret_us) {
  struct str s = str_of(text);
  uint64_t year, month, day;
  if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' || !str_to_u64(str_slice(s, 0, 4), &year) ||
      !str_to_u64(str_slice(s, 5, 2), &month) || !str_to_u64(str_slice(s, 8, 2), &day))
    return false;
  struct clock_civil civil = {.year = (int)year, .month = (int)month, .day = (int)day};
  if (civil.year < 1900 || civil.day < 1 ||
      civil.day > clock_days_in_month(civil.year, civil.month))
    return false;
  *ret_us = clock_from_civil(civil);
  return true;
}

static bool parse_count(const char *text, uint64_t max, unsigned *ret_count) {
  uint64_t value;
  if (!str_to_u64(str_of(text), &value) || value == 0 || value > max)
    return false;
  *ret_count = (unsigned)value;
  return true;
}

static bool parse_option(int option, char *value, struct simulate_options *o) {
  switch (option) {
  case 'm':
    return parse_host_port(value, &o->outlet);
  case 'f':
    o->outlet.fhir_url = value;
    return strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0;
  case 'o':
    o->outlet.directory = value;
    return value[0] != '\0';
  case 's':
    return str_to_u64(str_of(value), &o->hospital.seed);
  case 'S':
    return parse_date(value, &o->hospital.start_us);
  case 'P':
    return parse_count(value, PERSONS_MAX, &o->hospital.persons_n);
  case 'n':
    return str_to_u64(str_of(value), &o->count) && o->count > 0;
  case 'd':
    return str_to_u64(str_of(value), &o->duration_s) && o->duration_s > 0 &&
           o->duration_s <= 366 * 86400;
  case 'r':
    return str_to_double(str_of(value), &o->rate) && o->rate >= 0;
  case 'c':
    return parse_count(value, CONNECTIONS_MAX, &o->outlet.connections);
  case 't':
    return parse_count(value, 86400, &o->outlet.timeout_s);
  default:
    o->is_quiet = true;
    return true;
  }
}

static void set_defaults(struct simulate_options *o) {
  if (!o->outlet.mllp_host && !o->outlet.fhir_url && !o->outlet.directory) {
    o->outlet.mllp_host = "127.0.0.1";
    o->outlet.mllp_port = 2575;
  }
  if (o->count == 0 && o->duration_s == 0)
    o->count = DEFAULT_COUNT;
  if (o->hospital.persons_n == 0) {
    uint64_t persons =
        o->count ? o->count / MESSAGES_PER_PERSON + 10 : (uint64_t)DEFAULT_DURATION_PERSONS;
    o->hospital.persons_n = persons > PERSONS_MAX ? PERSONS_MAX : (unsigned)persons;
  }
  o->outlet.persons_n = o->hospital.persons_n;
}

static int run_simulate(int argc, char **argv) {
  static const struct option known[] = {
      {"mllp", required_argument, NULL, 'm'},
      {"fhir", required_argument, NULL, 'f'},
      {"out", required_argument, NULL, 'o'},
      {"seed", required_argument, NULL, 's'},
      {"start", required_argument, NULL, 'S'},
      {"patients", required_argument, NULL, 'P'},
      {"count", required_argument, NULL, 'n'},
      {"duration", required_argument, NULL, 'd'},
      {"rate", required_argument, NULL, 'r'},
      {"connections", required_argument, NULL, 'c'},
      {"timeout", required_argument, NULL, 't'},
      {"quiet", no_argument, NULL, 'q'},
      {NULL, 0, NULL, 0},
  };
  struct simulate_options o = {.hospital = {.seed = 1},
                               .outlet = {.connections = SYSTEM_PORTAL, .timeout_s = 30}};
  parse_date("2025-11-03", &o.hospital.start_us);
  for (int c; (c = getopt_long(argc, argv, "m:f:o:s:S:P:n:d:r:c:t:q", known, NULL)) != -1;) {
    if (c == '?')
      return command_usage_error(&command_simulate, "this option is not known or wants a value");
    if (!parse_option(c, optarg, &o))
      return command_usage_error(&command_simulate, "'%s' is not a value for -%c", optarg, c);
  }
  if (optind < argc)
    return command_usage_error(&command_simulate, "'%s' is not expected here", argv[optind]);
  if (o.outlet.directory && (o.outlet.mllp_host || o.outlet.fhir_url))
    return command_usage_error(&command_simulate, "--out writes messages instead of sending them");
  set_defaults(&o);
  if (o.outlet.fhir_url && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
    return command_usage_error(&command_simulate, "libcurl can't be used");
  int exit_code = simulate(&o);
  if (o.outlet.fhir_url)
    curl_global_cleanup();
  return exit_code;
}

const struct command command_simulate = {
    .name = "simulate",
    .summary = "a synthetic hospital: demo data, load and test source in one",
    .usage =
        "simulate [OPTIONS]\n\n"
        "People of many languages are admitted, moved, examined, treated and discharged; six v2\n"
        "systems and a FHIR portal tell of it, each in its own manner. The same options give the\n"
        "same messages, byte for byte. See docs/simulate.md.\n\n"
        "Where to:\n"
        "  -m, --mllp HOST:PORT   send the v2 messages there (127.0.0.1:2575, if nothing else is\n"
        "                         given)\n"
        "  -f, --fhir URL         post the portal's transactions to this FHIR base\n"
        "  -o, --out DIR          write each message to a file instead; - is standard output\n"
        "  -c, --connections N    MLLP connections (6: one for each system)\n"
        "  -t, --timeout SECONDS  wait so long for each answer (30)\n\n"
        "How much:\n"
        "  -n, --count N          so many messages (1000)\n"
        "  -d, --duration SECONDS for so long\n"
        "  -r, --rate N           messages a second; 0 is as fast as possible (0)\n\n"
        "What:\n"
        "  -s, --seed N           another number is another hospital (1)\n"
        "  -P, --patients N       how many people (fits --count)\n"
        "  -S, --start DATE       first day of simulated time (2025-11-03)\n"
        "  -q, --quiet            print the last line of the summary only\n\n"
        "Exit code: 0 all accepted, 1 some refused, 2 wrong usage, 3 file or connection failed.\n\n"
        "Examples:\n"
        "  callosum simulate --fhir http://127.0.0.1:8080/fhir --mllp 127.0.0.1:2575\n"
        "  callosum simulate --out messages --count 200 --seed 7\n"
        "  callosum simulate --mllp 2575 --connections 60 --count 100000 --quiet",
    .run = run_simulate,
};
