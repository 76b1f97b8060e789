/* SPDX-License-Identifier: MIT
 *
 * answer - the protocol (docs/PROTOCOL.md), as short as one would write it, for the C and C++ peers
 *
 * Takes the complete requests at the front of some bytes and writes an ack for each. */
#ifndef PEERS_ANSWER_H
#define PEERS_ANSWER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    LENGTH_SIZE = 4,
    REQUEST_SIZE_MIN = 13,
    FRAME_SIZE_MAX = 64 * 1024,
    ACK_SIZE = 14,
    READ_SIZE = 256 * 1024,
    ACKS_SIZE_MAX = (READ_SIZE + FRAME_SIZE_MAX) / REQUEST_SIZE_MIN * ACK_SIZE,
};

struct answer {
    size_t used;     /* bytes of whole requests */
    size_t ack_size; /* bytes of their acks */
    int broken;      /* what follows is no request: send the acks, and close */
};

static inline uint32_t answer_frame_size(const unsigned char *at)
{
    uint32_t size;

    memcpy(&size, at, sizeof size);
    return __builtin_bswap32(size);
}

/* @acks has room for @size / REQUEST_SIZE_MIN of them. */
static inline struct answer answer_requests(const unsigned char *data, size_t size,
                                            unsigned char *acks)
{
    struct answer answer = {0, 0, 0};

    while (size - answer.used >= LENGTH_SIZE) {
        const unsigned char *const frame = data + answer.used;
        const size_t left = size - answer.used;
        const uint32_t frame_size = answer_frame_size(frame);

        answer.broken = frame_size < REQUEST_SIZE_MIN || frame_size > FRAME_SIZE_MAX ||
                        (left > LENGTH_SIZE && frame[4] != 0x01 && frame[4] != 0x02);
        if (answer.broken || left < frame_size)
            break;
        unsigned char *const ack = acks + answer.ack_size;
        memcpy(ack, "\0\0\0\x0e", LENGTH_SIZE);
        ack[4] = (unsigned char)(frame[4] | 0x80);
        memcpy(ack + 5, frame + 5, 8);
        ack[13] = 0;
        answer.used += frame_size;
        answer.ack_size += ACK_SIZE;
    }
    return answer;
}

/* Writes "listen 127.0.0.1:PORT" to the file that the first argument names.  0 on success. */
static inline int announce(const char *path, unsigned port)
{
    FILE *const file = fopen(path, "w");

    if (!file)
        return -1;
    fprintf(file, "listen 127.0.0.1:%u\n", port);
    return fclose(file);
}

#endif
