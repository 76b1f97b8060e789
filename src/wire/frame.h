/* SPDX-License-Identifier: MIT
 *
 * frame - cuts a byte stream into length-prefixed frames (docs/PROTOCOL.md, "Frame")
 *
 *      0              4                    length
 *      +--------------+--------------------+
 *      |  length: u32 |  packet            |     big endian; the length counts itself
 *      +--------------+--------------------+
 *
 * Pure code: no I/O, no allocation, no clock.  A packet borrows from the caller's bytes.
 * Frames are taken one by one and not through a callback: one recv() often carries thousands,
 * and the caller wants to answer them all with one send(). */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stdbool.h>

#include "base/bytes.h"

enum {
    FRAME_HEADER_SIZE = 4,

    /* The shortest frame that can hold a packet: the header and a command. */
    FRAME_SIZE_MIN = 5,

    /* What a server may be told to accept.  The bound keeps 32-bit arithmetic on sizes safe. */
    FRAME_SIZE_LIMIT = 16 * 1024 * 1024,
};

enum frame_take {
    FRAME_READY,     /* a whole frame was taken */
    FRAME_PARTIAL,   /* legal so far: more bytes are needed */
    FRAME_TOO_SHORT, /* the header announces less than FRAME_SIZE_MIN */
    FRAME_TOO_LONG,  /* the header announces more than the caller's maximum */
};

/* Takes the next whole frame off the front of @input; @ret_packet borrows its packet.  On any
 * other outcome than FRAME_READY neither is changed.
 *
 * The length is judged as soon as its four bytes are there: a peer that announces 2 GiB is
 * refused now, not after 2 GiB were waited for. */
static inline enum frame_take frame_take(struct bytes *input, uint32_t frame_size_max,
                                         struct bytes *ret_packet)
{
    assert(frame_size_max >= FRAME_SIZE_MIN && frame_size_max <= FRAME_SIZE_LIMIT);

    if (input->size < FRAME_HEADER_SIZE)
        return FRAME_PARTIAL;

    const uint32_t size = load_be32(input->data);
    if (size < FRAME_SIZE_MIN)
        return FRAME_TOO_SHORT;
    if (size > frame_size_max)
        return FRAME_TOO_LONG;
    if (input->size < size)
        return FRAME_PARTIAL;

    *ret_packet = (struct bytes){input->data + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE};
    *input = bytes_skip(*input, size);
    return FRAME_READY;
}

#endif
