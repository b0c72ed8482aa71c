/*
 * An MLLP client: sends a message, waits for its reply. Blocking, one connection, one thread.
 */
#ifndef LINK_MLLP_CLIENT_H
#define LINK_MLLP_CLIENT_H

#include "base/base.h"

struct mllp_client;
int mllp_client_open(const char *host, uint16_t port, unsigned timeout_s,
                     struct mllp_client **ret_client, struct err *reterr) MUST_CHECK;
/* `*ret_reply` is borrowed until the next call. ERR_TIMEOUT, ERR_IO. */
int mllp_client_exchange(struct mllp_client *client, struct str message, struct str *ret_reply,
                         struct err *reterr) MUST_CHECK;
void mllp_client_close(struct mllp_client *client);

#endif
