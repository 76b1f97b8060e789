/* SPDX-License-Identifier: MIT
 *
 * answer_bench - nanoseconds per ack of the one-pass walk, on one core, with bytes hot in cache
 *
 *      meson test --benchmark -v answer
 *
 * Two kinds of traffic: equal frames of 35 bytes, where the run loop works, and frames of the
 * teaching client's random sizes, where it must stay out of the way.  Each figure is the best and
 * the median of ROUND_COUNT rounds; nothing passes or fails. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "wire/answer.h"

enum {
    INPUT_SIZE = 128 * 1024, /* what one recv brings at most */
    ROUND_COUNT = 21,
    WALK_COUNT = 1000, /* walks over the input in one round */

    UNIFORM_FRAME_SIZE = 35,
    TEACHING_FRAME_SIZE_MIN = 25,
    TEACHING_FRAME_SIZE_MAX = 44,
    FRAME_SIZE_MAX = 64 * 1024,
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Fills @to with SUBMITs of sizes from @size_min to @size_max.  Returns the bytes filled. */
static size_t fill(uint8_t *to, uint32_t size_min, uint32_t size_max)
{
    uint32_t seed = 1;
    size_t filled_size = 0;

    for (;;) {
        static const uint8_t payload[TEACHING_FRAME_SIZE_MAX] = {0};
        char id[16];
        const uint32_t size = size_min + next_random(&seed) % (size_max - size_min + 1);

        if (filled_size + size > INPUT_SIZE)
            return filled_size;
        snprintf(id, sizeof id, "%08u", next_random(&seed));
        filled_size +=
            packet_encode_request(to + filled_size, COMMAND_SUBMIT, (const uint8_t *)id,
                                  (struct bytes){payload, size - REQUEST_FRAME_SIZE_MIN});
    }
}

static double measure_round(struct bytes input, uint8_t *acks)
{
    uint64_t ack_count = 0;
    const uint64_t start_ns = clock_monotonic_ns();

    for (int i = 0; i < WALK_COUNT; i++)
        ack_count += answer_requests(input, FRAME_SIZE_MAX, DIALECT_SPEC, acks).submit_count;
    return (double)(clock_monotonic_ns() - start_ns) / (double)ack_count;
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void report(const char *name, uint32_t size_min, uint32_t size_max)
{
    uint8_t *const data = malloc(INPUT_SIZE);
    uint8_t *const acks = malloc(answer_size_max(INPUT_SIZE));
    double ns[ROUND_COUNT];

    if (!data || !acks)
        abort();
    const struct bytes input = {data, fill(data, size_min, size_max)};
    for (size_t i = 0; i < ROUND_COUNT; i++)
        ns[i] = measure_round(input, acks);
    qsort(ns, ROUND_COUNT, sizeof ns[0], compare_doubles);
    printf("%-24s %5.2f ns/ack (best %5.2f, worst %5.2f)\n", name, ns[ROUND_COUNT / 2], ns[0],
           ns[ROUND_COUNT - 1]);
    free(data);
    free(acks);
}

int main(void)
{
    report("uniform, 35 bytes", UNIFORM_FRAME_SIZE, UNIFORM_FRAME_SIZE);
    report("teaching, 25-44 bytes", TEACHING_FRAME_SIZE_MIN, TEACHING_FRAME_SIZE_MAX);
    return 0;
}
