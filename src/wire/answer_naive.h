/* SPDX-License-Identifier: MIT
 *
 * answer_naive - the answer walk in its simplest form, for tests: what answer.c must agree with
 *
 * One frame_take(), one packet_decode(), one packet_encode_ack() after the other.  The unit test
 * and the fuzz target compare the fast walk with this one through answer_naive_compare(); nothing
 * else includes this file. */
#ifndef WIRE_ANSWER_NAIVE_H
#define WIRE_ANSWER_NAIVE_H

#include <stdbool.h>
#include <stdlib.h>

#include "wire/answer.h"

static inline enum answer_stop answer_naive_stop(enum frame_take took, enum packet_decode decoded)
{
    if (took == FRAME_TOO_SHORT)
        return ANSWER_FRAME_TOO_SHORT;
    if (took == FRAME_TOO_LONG)
        return ANSWER_FRAME_TOO_LONG;
    if (took == FRAME_PARTIAL)
        return ANSWER_PARTIAL;
    if (decoded == PACKET_TOO_SHORT)
        return ANSWER_PACKET_TOO_SHORT;
    if (decoded == PACKET_UNKNOWN_COMMAND)
        return ANSWER_UNKNOWN_COMMAND;
    assert(decoded == PACKET_WRONG_DIRECTION);
    return ANSWER_WRONG_DIRECTION;
}

/* Does what answer_requests() promises.  @acks needs no slack. */
static inline struct answer answer_naive(struct bytes input, uint32_t frame_size_max,
                                         enum dialect dialect, uint8_t *acks)
{
    struct answer answer = {0};
    struct bytes rest = input;
    struct bytes packet;
    struct request request;

    for (;;) {
        enum packet_decode decoded = PACKET_OK;
        const enum frame_take took = frame_take(&rest, frame_size_max, &packet);

        if (took == FRAME_READY)
            decoded = packet_decode(packet, &request);
        if (took != FRAME_READY || decoded != PACKET_OK) {
            answer.stop = answer_naive_stop(took, decoded);
            return answer;
        }

        packet_encode_ack(acks, packet_ack_command(request.command, dialect), request.id,
                          RESULT_OK);
        acks += ACK_FRAME_SIZE;
        answer.taken_size = input.size - rest.size;
        if (request.command == COMMAND_SUBMIT)
            answer.submit_count++;
        else
            answer.conn_count++;
    }
}

/* A copy in memory of exactly its size, so that a sanitizer sees the first byte read behind it. */
static inline uint8_t *answer_naive_copy(struct bytes bytes)
{
    uint8_t *const copy = malloc(bytes.size);

    assert(copy || bytes.size == 0);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

/* Walks the taken frames with answer_next_submit() and compares each with the plain decoder. */
static inline const char *answer_naive_compare_submits(struct bytes taken, struct answer want)
{
    struct bytes frames = taken;
    struct bytes plain = taken;
    struct bytes packet;
    struct request submit;
    struct request expected;
    uint32_t conn_count = 0;
    uint32_t submit_count = 0;

    while (answer_next_submit(&frames, &submit, &conn_count)) {
        do {
            if (frame_take(&plain, FRAME_SIZE_LIMIT, &packet) != FRAME_READY ||
                packet_decode(packet, &expected) != PACKET_OK)
                return "answer_next_submit() gave a SUBMIT too many";
        } while (expected.command != COMMAND_SUBMIT);

        if (submit.command != COMMAND_SUBMIT || submit.id != expected.id ||
            submit.payload.data != expected.payload.data ||
            submit.payload.size != expected.payload.size)
            return "answer_next_submit() gave another SUBMIT";
        submit_count++;
    }
    if (submit_count != want.submit_count || conn_count != want.conn_count || frames.size != 0)
        return "answer_next_submit() counts differently";
    return NULL;
}

static inline const char *answer_naive_compare_answers(struct answer got, struct answer want)
{
    if (got.stop != want.stop)
        return "another reason to stop";
    if (got.taken_size != want.taken_size)
        return "another size taken";
    if (got.submit_count != want.submit_count || got.conn_count != want.conn_count)
        return "another count of requests";
    return NULL;
}

/* Answers a copy of @input both ways.  NULL when all agrees, else what does not. */
static inline const char *answer_naive_compare(struct bytes input, uint32_t frame_size_max,
                                               enum dialect dialect)
{
    const size_t acks_size_max = answer_size_max(input.size);
    uint8_t *const data = answer_naive_copy(input);
    uint8_t *const acks = malloc(acks_size_max);
    uint8_t *const want_acks = malloc(acks_size_max);
    assert(acks && want_acks);

    const struct bytes copy = {data, input.size};
    const struct answer want = answer_naive(copy, frame_size_max, dialect, want_acks);
    const struct answer got = answer_requests(copy, frame_size_max, dialect, acks);
    const size_t acks_size = ((size_t)want.submit_count + want.conn_count) * ACK_FRAME_SIZE;

    const char *difference = answer_naive_compare_answers(got, want);
    if (!difference && memcmp(acks, want_acks, acks_size) != 0)
        difference = "other acks";
    if (!difference && input.size > 0 && memcmp(data, input.data, input.size) != 0)
        difference = "the input was written to";
    if (!difference)
        difference = answer_naive_compare_submits((struct bytes){data, want.taken_size}, want);

    free(data);
    free(acks);
    free(want_acks);
    return difference;
}

#endif
