/* SPDX-License-Identifier: MIT
 *
 * reference - what docs/PROTOCOL.md says about a stream of requests, frame by frame
 *
 *      stream   | frame | frame | frame | illegal ...
 *               each of them is to be answered, in order; nothing from there on is
 *
 * Written from the document and from nothing else: it shares no code with src/wire, keeps every
 * byte, and looks at one frame at a time. */
#ifndef SIM_REFERENCE_H
#define SIM_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/close_reason.h"

struct reference_frame {
    size_t begin;
    size_t end;
    uint8_t result;
    bool is_submit;
    bool decided; /* the result is final */
};

struct reference {
    uint8_t *stream;
    size_t size;
    size_t capacity;
    struct reference_frame *frames; /* legal, whole, before the first violation */
    size_t count;
    size_t frames_capacity;
    size_t judged_size; /* end of the last of them */
    uint32_t frame_size_max;
    int violation; /* enum close_reason of what follows them, or CLOSE_NONE */
};

void reference_init(struct reference *reference, uint32_t frame_size_max);
void reference_deinit(struct reference *reference);

/* Appends @size bytes to the stream and judges what they complete. */
void reference_append(struct reference *reference, const void *data, size_t size);

/* The 8 bytes of the id of @frame. */
const uint8_t *reference_id(const struct reference *reference, const struct reference_frame *frame);

/* Whether the stream ends inside a frame that is legal so far. */
bool reference_is_inside_frame(const struct reference *reference);

/* How many frames are whole within the first @size bytes. */
size_t reference_count_within(const struct reference *reference, size_t size);

#endif
