/* SPDX-License-Identifier: MIT
 *
 * buffer - byte buffers of a few sizes (buffer.h) */
#include "base/buffer.h"

#include <assert.h>
#include <stdlib.h>

/* The largest class holds the acks to one full receive buffer of the shortest requests. */
static const uint32_t class_sizes[BUFFER_CLASS_COUNT] = {256, 1024, 4096, 16384, 65536, 393216};

/* The class with room for @size; BUFFER_CLASS_COUNT when none has. */
static size_t class_of(size_t size)
{
    size_t index = 0;

    while (index < BUFFER_CLASS_COUNT && size > class_sizes[index])
        index++;
    return index;
}

void buffer_pool_trim(struct buffer_pool *pool)
{
    for (size_t i = 0; i < BUFFER_CLASS_COUNT; i++) {
        while (pool->free[i]) {
            struct buffer *const buffer = pool->free[i];
            pool->free[i] = buffer->next;
            free(buffer);
        }
    }
    pool->made_size -= pool->kept_size;
    pool->kept_size = 0;
}

void buffer_pool_deinit(struct buffer_pool *pool)
{
    assert(pool->out_count == 0);
    buffer_pool_trim(pool);
    assert(pool->made_size == 0);
}

struct buffer *buffer_take(struct buffer_pool *pool, size_t size)
{
    const size_t index = class_of(size);
    struct buffer *buffer;

    assert(size > 0 && size <= UINT32_MAX);
    if (index < BUFFER_CLASS_COUNT && pool->free[index]) {
        buffer = pool->free[index];
        pool->free[index] = buffer->next;
        pool->kept_size -= buffer->capacity;
    } else {
        const size_t capacity = index < BUFFER_CLASS_COUNT ? class_sizes[index] : size;
        buffer = malloc(sizeof *buffer + capacity);
        if (!buffer)
            return NULL;
        buffer->capacity = (uint32_t)capacity;
        pool->made_size += capacity;
    }

    buffer->next = NULL;
    buffer->tag = 0;
    buffer->begin = 0;
    buffer->end = 0;
    pool->out_count++;
    return buffer;
}

void buffer_put(struct buffer_pool *pool, struct buffer *buffer)
{
    if (!buffer)
        return;

    const size_t index = class_of(buffer->capacity);

    assert(pool->out_count > 0);
    pool->out_count--;
    if (index == BUFFER_CLASS_COUNT ||
        pool->kept_size + buffer->capacity > BUFFER_POOL_KEPT_SIZE_MAX) {
        pool->made_size -= buffer->capacity;
        free(buffer);
        return;
    }
    buffer->next = pool->free[index];
    pool->free[index] = buffer;
    pool->kept_size += buffer->capacity;
}
