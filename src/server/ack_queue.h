/* SPDX-License-Identifier: MIT
 *
 * ack_queue - acks that wait for the send in flight to finish
 *
 * A ring of buffers in order.  Small ones are joined: a peer that does not read, but sends one
 * request at a time, must not cost a buffer per ack.  One thread. */
#ifndef SERVER_ACK_QUEUE_H
#define SERVER_ACK_QUEUE_H

#include "base/buffer.h"

struct ack_queue {
    struct buffer *newest; /* newest->next is the oldest */
};

/* Appends @buffer, which the queue owns from here on. */
void ack_queue_put(struct ack_queue *queue, struct buffer_pool *pool, struct buffer *buffer);

/* Takes the oldest buffer; NULL when the queue is empty. */
struct buffer *ack_queue_take(struct ack_queue *queue);

#endif
