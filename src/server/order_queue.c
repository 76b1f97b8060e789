/* SPDX-License-Identifier: MIT
 *
 * order_queue - batches in the order they came (order_queue.h) */
#include "server/order_queue.h"

void order_queue_put(struct order_queue *queue, struct ackd_batch *batch)
{
    if (queue->newest) {
        batch->next = queue->newest->next;
        queue->newest->next = batch;
    } else {
        batch->next = batch;
    }
    queue->newest = batch;
}

struct ackd_batch *order_queue_take(struct order_queue *queue)
{
    if (!queue->newest)
        return NULL;

    struct ackd_batch *const oldest = queue->newest->next;
    if (oldest == queue->newest)
        queue->newest = NULL;
    else
        queue->newest->next = oldest->next;
    oldest->next = NULL;
    return oldest;
}

struct ackd_batch *order_queue_take_complete(struct order_queue *queue)
{
    if (!queue->newest || !queue->newest->next->complete)
        return NULL;
    return order_queue_take(queue);
}
