/* SPDX-License-Identifier: MIT
 *
 * bytes - a borrowed run of bytes, and the loads and stores of the wire
 *
 * A struct bytes never owns what it points at.  The load_ and store_ functions take any
 * alignment; a compiler turns each of them into one instruction. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <assert.h>
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t size;
};

/* What is left of @bytes after its first @size bytes. */
static inline struct bytes bytes_skip(struct bytes bytes, size_t size)
{
    assert(size <= bytes.size);
    return (struct bytes){bytes.data + size, bytes.size - size};
}

static inline uint32_t load_be32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return be32toh(value);
}

static inline void store_be32(uint8_t *to, uint32_t value)
{
    value = htobe32(value);
    memcpy(to, &value, sizeof value);
}

static inline uint64_t load_be64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return be64toh(value);
}

static inline void store_be64(uint8_t *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof value);
}

#endif
