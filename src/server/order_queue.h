/* SPDX-License-Identifier: MIT
 *
 * order_queue - batches of one connection whose acks must leave in the order they came
 *
 *      oldest                                newest
 *      | deferred | complete | deferred | complete |      acks leave from the left, while complete
 *
 * A ring, so that it costs a connection one pointer.  Deferred batches are in their handler's
 * hands at the same time: the queue only knows their order.  One thread. */
#ifndef SERVER_ORDER_QUEUE_H
#define SERVER_ORDER_QUEUE_H

#include "handler/batch.h"

struct order_queue {
    struct ackd_batch *newest; /* newest->next is the oldest */
};

static inline bool order_queue_is_empty(const struct order_queue *queue)
{
    return !queue->newest;
}

/* Appends @batch, a heap batch. */
void order_queue_put(struct order_queue *queue, struct ackd_batch *batch);

/* Takes the oldest batch, complete or not; NULL when the queue is empty. */
struct ackd_batch *order_queue_take(struct order_queue *queue);

/* Takes the oldest batch if it is complete; else NULL. */
struct ackd_batch *order_queue_take_complete(struct order_queue *queue);

#endif
