/*
 * The configuration: a folder of YAML files (`callosum.d/`), read into plain data. No folder at all
 * is a valid configuration.
 *
 * Every file `*.yaml` of the folder is read, in order of name; a later file adds to an earlier one,
 * and the same setting twice is an error. One table of settings drives reading, errors (which name
 * the nearest known setting) and docs/configuration.md.
 *
 * Threads: the result is immutable. Memory: everything is on the given arena.
 */
#ifndef FLOW_CONFIG_H
#define FLOW_CONFIG_H

#include "flow/limits.h"

#define CONFIG_MLLP_MAX 32

struct config_listener {
  const char *name; /* of an MLLP listener: in the message log as its channel; NULL: "mllp:PORT" */
  const char *address; /* an IP address */
  uint64_t port;       /* 0: any free one */
  uint64_t max_bytes;  /* of one body or frame; 0: the listener's default */
  uint64_t max_connections, idle_timeout_s, frame_timeout_s;
};

struct config {
  const char *store;         /* the SQLite file; NULL: not said */
  const char *maps;          /* folder of map files that replace their namesakes, or NULL */
  int64_t time_zone_minutes; /* of v2 times that say none */
  uint64_t threads;          /* 0: one per core */
  uint64_t lease_s;          /* of a store that processes share; 0: store/work/lease.h */
  struct config_listener http;
  struct config_listener mllp[CONFIG_MLLP_MAX];
  size_t mllp_n;
  struct limits limits;
};

/* What holds without any file: HTTP on 127.0.0.1:8080, MLLP on 127.0.0.1:2575. */
void config_default(struct config *ret_config);

/*
 * Reads the folder over the defaults. Relative paths in it are relative to the folder. ERR_VALUE,
 * ERR_STRUCTURE with "callosum.yaml line 3" as the place; ERR_IO when the folder can't be read.
 */
int config_read(struct arena *arena, const char *folder, struct config *ret_config,
                struct err *reterr) MUST_CHECK;

/* "+01:30" -> 90. */
bool config_time_zone(struct str text, int64_t *ret_minutes);

/* The settings, for people: those of a listener have the section "http." or "mllp.", a limit has
 * "limits.". NULL: out of memory. */
struct config_setting {
  const char *section, *name, *kind, *text;
};
struct config_setting *config_settings(struct arena *arena, size_t *ret_n);

#endif
