/*
 * An MLLP client: sends a message, waits for its reply. Blocking, with a time limit for each call.
 *
 * Spec: HL7 v2 Transport, Minimal Lower Layer Protocol, release 1. Threads: one owner. Memory:
 * owned; a reply is borrowed until the next call. After an error the connection is of no more use.
 */
#ifndef LINK_MLLP_CLIENT_H
#define LINK_MLLP_CLIENT_H

#include "base/base.h"

struct mllp_client;

/* ERR_IO when the host can't be found or refuses, ERR_TIMEOUT. */
int mllp_client_open(const char *host, uint16_t port, unsigned timeout_s,
                     struct mllp_client **ret_client, struct err *reterr) MUST_CHECK;

/* `*ret_reply` is borrowed until the next call. ERR_TIMEOUT, ERR_IO, ERR_TOO_LONG (a reply over
 * 16 MiB). */
int mllp_client_exchange(struct mllp_client *client, struct str message, struct str *ret_reply,
                         struct err *reterr) MUST_CHECK;

void mllp_client_close(struct mllp_client *client);

#endif
