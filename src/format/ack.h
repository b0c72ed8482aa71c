/*
 * Acknowledgements: an ACK message for a message received.
 *
 * Spec: HL7 v2.8 section 2.9.2 (original mode), 2.15.1 (ERR); ERR in the form of the sender's
 * version: ERR-1 up to 2.4, ERR-2..8 from 2.5 on. Threads: pure. Memory: the caller's buffer.
 */
#ifndef FORMAT_ACK_H
#define FORMAT_ACK_H

#include "format/er7.h"

enum ack_code { ACK_ACCEPT, ACK_ERROR, ACK_REJECT }; /* AA, AE, AR */

/*
 * Appends the ACK for `message` (NULL when not even its header could be read: a minimal ACK is
 * made). `errs` become ERR segments. `control_id` is the ACK's own MSH-10, `now_us` its MSH-7.
 */
void ack_write(struct buf *buf, const struct er7_message *message, enum ack_code code,
               const struct err *errs, size_t errs_n, struct str control_id, int64_t now_us);

#endif
