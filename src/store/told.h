/*
 * What a client is told when the store fails.
 *
 * The text of such an error is for who runs the program: it names servers, logins, databases,
 * files. Who asks over a network gets one sentence per code, to act on. Every edge (REST, GraphQL,
 * the administration API, acknowledgements) makes its answer of what this gives.
 *
 * The log gets the whole text where nobody else puts it there: not once per request, but when it is
 * another one than before, or a minute later. That the server can't be reached, and that it is
 * back, the watch says once (watch.h).
 *
 * Threads: any. Memory: values.
 */
#ifndef STORE_TOLD_H
#define STORE_TOLD_H

#include "base/base.h"

/* When to ask again, while the store can't be reached: in its text, and for Retry-After. */
#define STORE_AGAIN_S 5

/* `err` as a client may read it; errors that are not the store's stay as they are. */
struct err store_told(const struct err *err);

#endif
