/* SPDX-License-Identifier: MIT
 *
 * batch - the requests of one receive, and their acks while they wait for results
 *
 *      frames[0]  | frame |                         a frame that two receives brought
 *      frames[1]  | frame | frame | frame | ...     the frames of this receive
 *      acks       | ack | ack | ack | ack | ...     written already, all with result 0
 *
 * A handler that sets a result changes one byte of one ack.  A deferred batch is a copy on the
 * heap that takes the acks with it; the worker frees it.  Before it is completed it belongs to the
 * handler, wherever that takes it; afterwards to the worker. */
#ifndef HANDLER_BATCH_H
#define HANDLER_BATCH_H

#include <ackd/handler.h>

#include "base/buffer.h"
#include "handler/mailbox.h"
#include "stats/counters.h"
#include "wire/answer.h"

enum { BATCH_FRAMES_COUNT = 2 };

struct ackd_batch {
    struct mail mail;

    /* Where the answer goes: a connection that may be gone by then. */
    struct mailbox *mailbox;
    uint32_t slot;
    uint32_t generation;

    struct bytes frames[BATCH_FRAMES_COUNT];
    struct buffer *acks;
    uint32_t submit_count;
    uint32_t conn_count;
    uint32_t error_count; /* results other than 0 */
    uint8_t submit_ack_command;

    /* Iteration. */
    uint32_t next_index;
    struct bytes rest[BATCH_FRAMES_COUNT];

    /* Set on the batch on_batch() was called with; NULL while it has not deferred. */
    struct ackd_batch *deferred;

    /* The worker's. */
    struct ackd_batch *next; /* in the connection's order queue */
    bool complete;
    uint32_t charged_size; /* bytes held while deferred */
    uint64_t received_ns;
    struct counters *counters;
};

/* Makes @batch ready for iteration from its first SUBMIT. */
void batch_rewind(struct ackd_batch *batch);

/* A heap copy of @batch that takes over its acks.  @keep: with a copy of the frames.  NULL when
 * memory ran out; then @batch is unchanged. */
struct ackd_batch *batch_move(struct ackd_batch *batch, bool keep);

/* Frees a heap batch whose acks were taken out. */
void batch_free(struct ackd_batch *batch);

#endif
