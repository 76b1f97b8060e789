/* SPDX-License-Identifier: MIT
 *
 * intake - from received bytes to one batch of answered requests
 *
 *      stash   | fra |  + received  | me | frame | frame | fra |
 *                                     |      \______/      \ kept in a new stash
 *         frames[0] | frame | <-------+     frames[1], in place
 *
 * Only a frame that two receives bring is copied.  The stash grows with the bytes that came, never
 * with the length that a header claims. */
#ifndef SERVER_INTAKE_H
#define SERVER_INTAKE_H

#include "handler/batch.h"
#include "server/session.h"

struct intake {
    struct ackd_batch batch; /* frames, acks and counts are set; no requests: acks is NULL */
    struct buffer *joined;   /* holds batch.frames[0]; put back when the batch is done with */
    enum answer_stop stop;
    struct bytes refused; /* what begins with what is no request, if it stopped for that; valid
                           * until the session's stash is dropped and `joined` is put back */
    bool failed;          /* memory ran out: the session cannot go on */
};

/* Answers the whole requests of what @session has in its stash and @bytes; what is left goes into
 * the stash.  The batch's buffers are the caller's. */
void intake_take(struct worker *worker, struct session *session, struct bytes bytes,
                 struct intake *ret_intake);

#endif
