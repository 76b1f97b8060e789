/* SPDX-License-Identifier: MIT
 *
 * plan - what a run sends: a train of frames that every connection goes round and round
 *
 *      frame      0      1      2            count-1
 *               | .... | ...... | ..  ...  | .... |     ids are zero here; train.h writes them
 *               ^
 *               connection 0 starts here, connection 1 at frame PLAN_STRIDE, and so on
 *
 * The frames follow from the seed and the payloads' sizes alone: the same plan is the same stream
 * of bytes on each connection, whatever the machine and the timing, and plan->hash names it.
 * A plan is made once and then only read, by all threads. */
#ifndef LOAD_PLAN_H
#define LOAD_PLAN_H

#include "base/error.h"
#include "wire/packet.h"

enum {
    /* Enough for a full pipeline in one write, and small enough to stay in a CPU's cache. */
    PLAN_FRAME_COUNT_MAX = 4096,
    PLAN_SIZE_WANTED = 256 * 1024,

    /* How far apart neighbouring connections start in the train. */
    PLAN_STRIDE = 61,

    PLAN_PAYLOAD_SIZE_MAX = FRAME_SIZE_LIMIT - REQUEST_FRAME_SIZE_MIN,

    /* The teaching client's payloads, such as "stunning-dolphin-df6e". */
    PLAN_TEACHING_SIZE_MIN = 12,
    PLAN_TEACHING_SIZE_MAX = 31,
};

struct plan {
    uint8_t *frames;
    uint32_t *offsets; /* of each frame, and of the end: frame_count + 1 */
    uint32_t frame_count;
    uint64_t hash; /* FNV-1a over the frames */
};

struct plan_options {
    uint64_t seed;
    bool teaching;         /* payloads of the teaching client's form and lengths; else */
    uint32_t payload_size; /* payloads of this size */
};

/* Makes the frames.  On failure (no memory) @plan is untouched. */
int plan_init(struct plan *plan, const struct plan_options *options, struct ackd_error *error);
void plan_deinit(struct plan *plan);

/* The mean size of a frame, in bytes. */
double plan_mean_frame_size(const struct plan *plan);

/* The frame that the first message of connection @connection_index is. */
static inline uint32_t plan_first_frame(const struct plan *plan, uint64_t connection_index)
{
    return (uint32_t)(connection_index * PLAN_STRIDE % plan->frame_count);
}

#endif
