/* SPDX-License-Identifier: MIT
 *
 * ack_queue - acks that wait (ack_queue.h) */
#include "server/ack_queue.h"

#include <stdbool.h>
#include <string.h>

enum { JOINED_CAPACITY = 4096 };

/* Moves what @from holds to the end of @to, if there is room. */
static bool join(struct buffer *to, const struct buffer *from)
{
    const size_t size = buffer_size(from);

    if (to->capacity - to->end < size)
        return false;
    memcpy(to->data + to->end, from->data + from->begin, size);
    to->end += (uint32_t)size;
    to->tag += from->tag;
    return true;
}

static void append(struct ack_queue *queue, struct buffer *buffer)
{
    if (queue->newest) {
        buffer->next = queue->newest->next;
        queue->newest->next = buffer;
    } else {
        buffer->next = buffer;
    }
    queue->newest = buffer;
}

void ack_queue_put(struct ack_queue *queue, struct buffer_pool *pool, struct buffer *buffer)
{
    if (queue->newest && join(queue->newest, buffer)) {
        buffer_put(pool, buffer);
        return;
    }
    if (buffer->capacity < JOINED_CAPACITY) {
        struct buffer *const larger = buffer_take(pool, JOINED_CAPACITY);
        if (larger) {
            join(larger, buffer);
            buffer_put(pool, buffer);
            buffer = larger;
        }
    }
    append(queue, buffer);
}

struct buffer *ack_queue_take(struct ack_queue *queue)
{
    if (!queue->newest)
        return NULL;

    struct buffer *const oldest = queue->newest->next;
    if (oldest == queue->newest)
        queue->newest = NULL;
    else
        queue->newest->next = oldest->next;
    oldest->next = NULL;
    return oldest;
}
