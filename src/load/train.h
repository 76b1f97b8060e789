/* SPDX-License-Identifier: MIT
 *
 * train - one thread's copy of the plan's frames, into which ids are written before each send
 *
 *      | 0 | 1 | ... | n-1 | 0 | 1 | ... | n-1 |      the frames stand there twice, so that a run
 *            [ first, count ------------ ]            of up to n from any frame on is in one piece
 *
 * All connections of the thread share it: a run of frames gets the ids of one connection, is
 * sent, and may then be written over for the next.  What a socket did not take is made again
 * later, so nothing is kept for a connection.  One thread only. */
#ifndef LOAD_TRAIN_H
#define LOAD_TRAIN_H

#include "load/id.h"
#include "load/plan.h"

struct train {
    uint8_t *frames;
    uint32_t *offsets; /* of each of the frames, and of the end: 2 * frame_count + 1 */
    uint32_t frame_count;
};

/* Copies the frames of @plan, which may go afterwards.  On failure @train is untouched. */
int train_init(struct train *train, const struct plan *plan, struct ackd_error *error);
void train_deinit(struct train *train);

/* Writes the ten ids of the decade that @id starts. */
static inline void train_put_decade(uint8_t *ids, const uint32_t *offsets, uint64_t id)
{
    for (uint32_t i = 0; i < ID_DECADE_COUNT; i++)
        store_be64(ids + offsets[i], id + i);
}

/* Writes ids, @id and those after it, into @count (1 to frame_count) frames from frame @first
 * (less than frame_count) on.  Returns the bytes of these frames, good until the next call.
 * @ret_next_id is the id after the last one. */
static inline struct bytes train_load(struct train *train, uint32_t first, uint32_t count,
                                      uint64_t id, uint64_t *ret_next_id)
{
    assert(first < train->frame_count && count >= 1 && count <= train->frame_count);

    uint8_t *const ids = train->frames + FRAME_HEADER_SIZE + PACKET_COMMAND_SIZE;
    const uint32_t *const offsets = train->offsets + first;

    for (uint32_t i = 0; i < count;) {
        if (id_starts_decade(id) && count - i >= ID_DECADE_COUNT) {
            train_put_decade(ids, offsets + i, id);
            id = id_next_decade(id);
            i += ID_DECADE_COUNT;
            continue;
        }
        store_be64(ids + offsets[i++], id);
        id = id_next(id);
    }
    *ret_next_id = id;
    return (struct bytes){train->frames + offsets[0], offsets[count] - offsets[0]};
}

/* How many whole frames the first @size bytes of the frames from @first on are.  @ret_rest is what
 * they hold of the frame after these. */
uint32_t train_whole_count(const struct train *train, uint32_t first, size_t size,
                           uint32_t *ret_rest);

#endif
