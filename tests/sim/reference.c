/* SPDX-License-Identifier: MIT
 *
 * reference - what docs/PROTOCOL.md says about a stream of requests (reference.h) */
#include "reference.h"

#include <stdlib.h>
#include <string.h>

enum {
    LENGTH_SIZE = 4,
    COMMAND_AT = 4,
    ID_AT = 5,
    LENGTH_MIN = 5,
    REQUEST_MIN = 13,
};

/* Memory of the model; tests may make allocations of the server fail. */
static void *grow(void *old, size_t size)
{
    void *grown;

    do {
        grown = realloc(old, size);
    } while (!grown);
    return grown;
}

void reference_init(struct reference *reference, uint32_t frame_size_max)
{
    *reference = (struct reference){.frame_size_max = frame_size_max, .violation = CLOSE_NONE};
}

void reference_deinit(struct reference *reference)
{
    free(reference->stream);
    free(reference->frames);
}

static int judge_packet(uint8_t command, uint32_t length)
{
    switch (command) {
    case 0x01:
    case 0x02:
        return length < REQUEST_MIN ? CLOSE_packet_too_short : CLOSE_NONE;
    case 0x80:
    case 0x81:
    case 0x82:
        return CLOSE_wrong_direction;
    default:
        return CLOSE_unknown_command;
    }
}

static void put_frame(struct reference *reference, size_t begin, size_t end)
{
    if (reference->count == reference->frames_capacity) {
        reference->frames_capacity = reference->frames_capacity * 2 + 16;
        reference->frames =
            grow(reference->frames, reference->frames_capacity * sizeof reference->frames[0]);
    }
    reference->frames[reference->count++] = (struct reference_frame){
        .begin = begin, .end = end, .is_submit = reference->stream[begin + COMMAND_AT] == 0x02};
}

/* Judges the frame that begins at judged_size.  False when it is not whole, or not legal. */
static bool judge_one(struct reference *reference)
{
    const size_t left = reference->size - reference->judged_size;

    if (left < LENGTH_SIZE)
        return false;
    const uint8_t *const at = reference->stream + reference->judged_size;
    const uint32_t length =
        (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    if (length < LENGTH_MIN)
        reference->violation = CLOSE_frame_too_short;
    else if (length > reference->frame_size_max)
        reference->violation = CLOSE_frame_too_large;
    else if (left >= length)
        reference->violation = judge_packet(at[COMMAND_AT], length);
    else
        return false;
    if (reference->violation != CLOSE_NONE)
        return false;
    put_frame(reference, reference->judged_size, reference->judged_size + length);
    reference->judged_size += length;
    return true;
}

void reference_append(struct reference *reference, const void *data, size_t size)
{
    if (reference->size + size > reference->capacity) {
        reference->capacity = (reference->size + size) * 2;
        reference->stream = grow(reference->stream, reference->capacity);
    }
    if (size > 0)
        memcpy(reference->stream + reference->size, data, size);
    reference->size += size;
    while (reference->violation == CLOSE_NONE && judge_one(reference))
        continue;
}

const uint8_t *reference_id(const struct reference *reference, const struct reference_frame *frame)
{
    return reference->stream + frame->begin + ID_AT;
}

bool reference_is_inside_frame(const struct reference *reference)
{
    return reference->violation == CLOSE_NONE && reference->judged_size < reference->size;
}

size_t reference_count_within(const struct reference *reference, size_t size)
{
    size_t low = 0;
    size_t high = reference->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (reference->frames[middle].end <= size)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
