/* SPDX-License-Identifier: MIT
 *
 * blob - bytes that grow; a failed allocation is remembered, and later calls do nothing */
#ifndef PROFILE_BLOB_H
#define PROFILE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    char *data; /* freed by who uses the blob */
    size_t size;
    size_t capacity;
    bool failed; /* memory ran out: it is not whole */
};

void blob_append(struct blob *blob, const void *data, size_t size);

__attribute__((format(printf, 2, 3))) void blob_print(struct blob *blob, const char *format, ...);

/* Protocol buffers: a number of field @field, and bytes of one. */
void blob_put_number(struct blob *blob, uint32_t field, uint64_t number);
void blob_put_bytes(struct blob *blob, uint32_t field, const void *data, size_t size);

/* As bytes of field @field: @count numbers, each in as few bytes as it takes. */
void blob_put_numbers(struct blob *blob, uint32_t field, const uint64_t *numbers, size_t count);

/* Replaces @blob by its gzip form. */
void blob_gzip(struct blob *blob);

#endif
