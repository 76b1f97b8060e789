/* SPDX-License-Identifier: MIT
 *
 * answer_fuzz - any bytes through the one-pass walk, which must agree with the plain one
 *
 *      input   | dialect: 1 | longest frame: 1 | stream ... |
 *
 * The first byte's lowest bit chooses the dialect, the second byte one of a few bounds, so that
 * small inputs reach them all.  Seeds: tests/corpus/answer, written by tests/corpus/answer.py. */
#include <stdint.h>
#include <stdio.h>

#include "wire/answer_naive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t frame_size_maxes[] = {65536, 13, 14, 64, 1024, FRAME_SIZE_LIMIT};
    const size_t max_count = sizeof frame_size_maxes / sizeof frame_size_maxes[0];

    if (size < 2)
        return 0;

    const enum dialect dialect = data[0] & 1 ? DIALECT_DEMO : DIALECT_SPEC;
    const char *const difference = answer_naive_compare(
        (struct bytes){data + 2, size - 2}, frame_size_maxes[data[1] % max_count], dialect);
    if (difference) {
        fprintf(stderr, "answer_fuzz: %s\n", difference);
        abort();
    }
    return 0;
}
