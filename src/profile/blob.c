/* SPDX-License-Identifier: MIT
 *
 * blob - bytes that grow (blob.h)
 *
 * Sources: protobuf.dev/programming-guides/encoding; zlib. */
#include "profile/blob.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    CAPACITY_MIN = 256,
    VARINT_SIZE_MAX = 10,
    WIRE_VARINT = 0,
    WIRE_BYTES = 2,
    GZIP_LEVEL = 1,
    GZIP_WINDOW_BITS = 15 + 16, /* zlib: 16 more asks for a gzip header */
    GZIP_MEMORY_LEVEL = 8,
};

static bool reserve(struct blob *blob, size_t size)
{
    size_t capacity = blob->capacity ? blob->capacity : CAPACITY_MIN;

    if (blob->failed)
        return false;
    while (capacity - blob->size < size)
        capacity *= 2;
    if (capacity == blob->capacity)
        return true;
    char *const data = realloc(blob->data, capacity);
    if (!data) {
        blob->failed = true;
        return false;
    }
    blob->data = data;
    blob->capacity = capacity;
    return true;
}

void blob_append(struct blob *blob, const void *data, size_t size)
{
    if (size == 0 || !reserve(blob, size))
        return;
    memcpy(blob->data + blob->size, data, size);
    blob->size += size;
}

void blob_print(struct blob *blob, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0 || !reserve(blob, (size_t)size + 1))
        return;
    va_start(arguments, format);
    vsnprintf(blob->data + blob->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    blob->size += (size_t)size;
}

/* Writes @number as a varint; returns its size. */
static size_t encode(uint64_t number, uint8_t ret_bytes[VARINT_SIZE_MAX])
{
    size_t size = 0;

    while (number >= 0x80) {
        ret_bytes[size++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    ret_bytes[size++] = (uint8_t)number;
    return size;
}

static void put_varint(struct blob *blob, uint64_t number)
{
    uint8_t bytes[VARINT_SIZE_MAX];
    const size_t size = encode(number, bytes);

    blob_append(blob, bytes, size);
}

void blob_put_number(struct blob *blob, uint32_t field, uint64_t number)
{
    put_varint(blob, (uint64_t)field << 3 | WIRE_VARINT);
    put_varint(blob, number);
}

void blob_put_bytes(struct blob *blob, uint32_t field, const void *data, size_t size)
{
    put_varint(blob, (uint64_t)field << 3 | WIRE_BYTES);
    put_varint(blob, size);
    blob_append(blob, data, size);
}

void blob_put_numbers(struct blob *blob, uint32_t field, const uint64_t *numbers, size_t count)
{
    uint8_t bytes[VARINT_SIZE_MAX];
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += encode(numbers[i], bytes);
    put_varint(blob, (uint64_t)field << 3 | WIRE_BYTES);
    put_varint(blob, size);
    for (size_t i = 0; i < count; i++)
        put_varint(blob, numbers[i]);
}

static bool deflate_into(const struct blob *blob, struct blob *ret_packed)
{
    z_stream stream = {0};

    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    const size_t capacity = deflateBound(&stream, blob->size);
    bool done = false;
    *ret_packed = (struct blob){.data = malloc(capacity), .capacity = capacity};
    if (ret_packed->data) {
        stream.next_in = (Bytef *)blob->data;
        stream.avail_in = (uInt)blob->size;
        stream.next_out = (Bytef *)ret_packed->data;
        stream.avail_out = (uInt)capacity;
        done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
        ret_packed->size = stream.total_out;
    }
    deflateEnd(&stream);
    return done;
}

void blob_gzip(struct blob *blob)
{
    struct blob packed = {0};

    if (blob->failed)
        return;
    if (!deflate_into(blob, &packed)) {
        free(packed.data);
        blob->failed = true;
        return;
    }
    free(blob->data);
    *blob = packed;
}
