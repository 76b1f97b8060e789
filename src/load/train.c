/* SPDX-License-Identifier: MIT
 *
 * train - one thread's copy of the plan's frames (train.h) */
#include "load/train.h"

#include <stdlib.h>

int train_init(struct train *train, const struct plan *plan, struct ackd_error *error)
{
    const uint32_t count = plan->frame_count;
    const uint32_t size = plan->offsets[count];
    struct train made = {
        .frames = malloc(2 * (size_t)size),
        .offsets = calloc(2 * (size_t)count + 1, sizeof *made.offsets),
        .frame_count = count,
    };

    if (!made.frames || !made.offsets) {
        train_deinit(&made);
        return error_raise(error, -ENOMEM, "no memory for a thread's frames");
    }
    memcpy(made.frames, plan->frames, size);
    memcpy(made.frames + size, plan->frames, size);
    for (uint32_t i = 0; i <= count; i++) {
        made.offsets[i] = plan->offsets[i];
        made.offsets[count + i] = size + plan->offsets[i];
    }
    *train = made;
    return 0;
}

void train_deinit(struct train *train)
{
    free(train->frames);
    free(train->offsets);
    *train = (struct train){0};
}

uint32_t train_whole_count(const struct train *train, uint32_t first, size_t size,
                           uint32_t *ret_rest)
{
    const uint32_t *const offsets = train->offsets + first;
    uint32_t low = 0;
    uint32_t high = train->frame_count;

    /* The last frame boundary that lies within @size. */
    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;
        if (offsets[middle] - offsets[0] <= size)
            low = middle;
        else
            high = middle - 1;
    }
    *ret_rest = (uint32_t)(size - (offsets[low] - offsets[0]));
    return low;
}
