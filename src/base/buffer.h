/* SPDX-License-Identifier: MIT
 *
 * buffer - byte buffers of a few sizes, kept for the next user
 *
 *      pool      free[0] 256 B -> o -> o        free[3] 16 KiB -> o      ...
 *                      \ last in, first out: the next user finds it warm in the cache
 *
 * A pool belongs to one thread.  What it keeps unused is bounded by BUFFER_POOL_KEPT_SIZE_MAX; what
 * it hands out is not: its users bound that.  Buffers larger than the largest class come from
 * the heap and go back there. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

enum {
    BUFFER_CLASS_COUNT = 6, /* 256 B, 1 KiB, 4 KiB, 16 KiB, 64 KiB, 384 KiB */
    BUFFER_POOL_KEPT_SIZE_MAX = 4 * 1024 * 1024,
};

struct buffer {
    struct buffer *next; /* the owner's, for queues */
    uint32_t tag;        /* the owner's */
    uint32_t capacity;
    uint32_t begin; /* the bytes in use are data[begin .. end) */
    uint32_t end;
    uint8_t data[];
};

struct buffer_pool {
    struct buffer *free[BUFFER_CLASS_COUNT];
    size_t kept_size; /* unused, in the lists */
    size_t made_size; /* of all buffers that there are: kept or handed out */
    size_t out_count; /* taken and not yet put back */
};

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->end - buffer->begin;
}

/* Frees the buffers that the pool keeps; all taken ones have been put back. */
void buffer_pool_deinit(struct buffer_pool *pool);

/* Frees the buffers that the pool keeps, whatever is handed out. */
void buffer_pool_trim(struct buffer_pool *pool);

/* An empty buffer with room for @size bytes or more; NULL when memory ran out. */
struct buffer *buffer_take(struct buffer_pool *pool, size_t size);

/* Gives @buffer (may be NULL) back to the pool that it was taken from. */
void buffer_put(struct buffer_pool *pool, struct buffer *buffer);

#endif
