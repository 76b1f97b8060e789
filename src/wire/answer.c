/* SPDX-License-Identifier: MIT
 *
 * answer - walks a run of requests and writes their acks (answer.h)
 *
 * Two loops share the work.  The plain one takes any request: it loads the length of a frame to
 * find the next, so it can go no faster than a chain of loads (about 7 cycles a frame).  Traffic
 * of equal frames - telemetry, mostly - need not wait for that: the run loop steps by a length it
 * has already, and looks after every few frames whether their headers were what it took them for.
 * A guess that fails costs a mispredicted branch, so a run must first show itself. */
#include "wire/answer.h"

enum {
    /* Equal headers in a row after which the run loop is tried.  With fewer, frames of random
     * lengths would enter it by chance and pay for the wrong guess. */
    RUN_COUNT_MIN = 8,

    /* Frames that the run loop answers before it looks whether it was right to. */
    RUN_STEP = 4,
};

/* The five bytes that a header and a command fill, at the top of a big-endian word. */
#define HEAD_MASK UINT64_C(0xffffffffff000000)

struct walk {
    const uint8_t *at;
    const uint8_t *end;
    uint8_t *acks;
    uint64_t ack_head; /* length and command of a SUBMIT's ack, as in HEAD_MASK */
    uint32_t submit_count;
    uint32_t conn_count;
};

/* 16 bytes as they stand in memory. */
typedef uint64_t vector __attribute__((vector_size(16)));

static inline vector vector_of(uint64_t first, uint64_t second)
{
    return (vector){htobe64(first), htobe64(second)};
}

static inline vector vector_load(const uint8_t *from)
{
    vector value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void vector_store(uint8_t *to, vector value)
{
    memcpy(to, &value, sizeof value);
}

static inline void put_ack(uint8_t *to, uint64_t head, uint64_t id)
{
    store_be64(to, head | id >> 40);
    store_be64(to + 8, id << 24);
}

/* Answers SUBMITs for as long as their headers equal @head and they are whole, four at a time.
 *
 * An ack has its fields where the request has them, so it is the request's first 16 bytes with
 * another head, and without what stands behind the id.  The acks of all four are written before
 * the heads are judged; if one was different, none of them counts. */
static void run_equal(struct walk *walk, uint64_t head)
{
    const size_t size = (size_t)(head >> 32);
    const vector expected = vector_of(head, 0);
    const vector ack = vector_of(walk->ack_head, 0);
    const vector id_mask = vector_of(~HEAD_MASK, UINT64_C(0xffffffffff000000));
    const uint8_t *at = walk->at;
    uint8_t *acks = walk->acks;
    size_t left_count = (size_t)(walk->end - at) / size;

    if (size < sizeof(vector))
        return; /* the vector would reach past the last frame */
    for (; left_count >= RUN_STEP; left_count -= RUN_STEP) {
        const vector one = vector_load(at);
        const vector two = vector_load(at + size);
        const vector three = vector_load(at + 2 * size);
        const vector four = vector_load(at + 3 * size);
        const vector difference =
            (one ^ expected) | (two ^ expected) | (three ^ expected) | (four ^ expected);

        vector_store(acks, (one & id_mask) | ack);
        vector_store(acks + ACK_FRAME_SIZE, (two & id_mask) | ack);
        vector_store(acks + 2 * ACK_FRAME_SIZE, (three & id_mask) | ack);
        vector_store(acks + 3 * ACK_FRAME_SIZE, (four & id_mask) | ack);
        if (be64toh(difference[0]) & HEAD_MASK)
            break;
        at += RUN_STEP * size;
        acks += RUN_STEP * ACK_FRAME_SIZE;
    }

    walk->submit_count += (uint32_t)((size_t)(at - walk->at) / size);
    walk->at = at;
    walk->acks = acks;
}

/* Answers SUBMITs until something else stands at walk->at: less than a whole legal SUBMIT. */
static void take_submits(struct walk *walk, uint32_t frame_size_max)
{
    uint64_t last_head = 0;
    uint32_t equal_count = 0;

    while (walk->end - walk->at >= REQUEST_FRAME_SIZE_MIN) {
        const uint64_t head = load_be64(walk->at) & HEAD_MASK;
        const uint32_t size = (uint32_t)(head >> 32);

        if ((uint8_t)(head >> 24) != COMMAND_SUBMIT || size < REQUEST_FRAME_SIZE_MIN ||
            size > frame_size_max || size > (size_t)(walk->end - walk->at))
            return;

        equal_count = head == last_head ? equal_count + 1 : 0;
        last_head = head;
        if (equal_count >= RUN_COUNT_MIN) {
            run_equal(walk, head);
            equal_count = 0;
            continue;
        }

        put_ack(walk->acks, walk->ack_head, load_be64(walk->at + 5));
        walk->acks += ACK_FRAME_SIZE;
        walk->at += size;
        walk->submit_count++;
    }
}

static enum answer_stop stop_of_frame(enum frame_take outcome)
{
    switch (outcome) {
    case FRAME_TOO_SHORT:
        return ANSWER_FRAME_TOO_SHORT;
    case FRAME_TOO_LONG:
        return ANSWER_FRAME_TOO_LONG;
    case FRAME_PARTIAL:
    case FRAME_READY:
        break;
    }
    return ANSWER_PARTIAL;
}

static enum answer_stop stop_of_packet(enum packet_decode outcome)
{
    switch (outcome) {
    case PACKET_UNKNOWN_COMMAND:
        return ANSWER_UNKNOWN_COMMAND;
    case PACKET_WRONG_DIRECTION:
        return ANSWER_WRONG_DIRECTION;
    case PACKET_TOO_SHORT:
    case PACKET_OK:
        break;
    }
    return ANSWER_PACKET_TOO_SHORT;
}

/* Takes the one frame at walk->at, whatever it is.  True when it was answered; otherwise
 * @ret_stop says why the walk ends there. */
static bool take_any(struct walk *walk, uint32_t frame_size_max, enum dialect dialect,
                     enum answer_stop *ret_stop)
{
    struct bytes input = {walk->at, (size_t)(walk->end - walk->at)};
    struct bytes packet;
    const enum frame_take took = frame_take(&input, frame_size_max, &packet);

    if (took != FRAME_READY) {
        *ret_stop = stop_of_frame(took);
        return false;
    }

    struct request request;
    const enum packet_decode decoded = packet_decode(packet, &request);

    if (decoded != PACKET_OK) {
        *ret_stop = stop_of_packet(decoded);
        return false;
    }

    packet_encode_ack(walk->acks, packet_ack_command(request.command, dialect), request.id,
                      RESULT_OK);
    walk->acks += ACK_FRAME_SIZE;
    walk->at = input.data;
    if (request.command == COMMAND_SUBMIT)
        walk->submit_count++;
    else
        walk->conn_count++;
    return true;
}

struct answer answer_requests(struct bytes input, uint32_t frame_size_max, enum dialect dialect,
                              uint8_t *acks)
{
    assert(acks && (input.data || input.size == 0));
    assert(frame_size_max >= REQUEST_FRAME_SIZE_MIN);

    /* No bytes may mean a null pointer, with which C allows no arithmetic, not even plus 0. */
    if (input.size == 0)
        return (struct answer){.stop = ANSWER_PARTIAL};

    struct walk walk = {
        .at = input.data,
        .end = input.data + input.size,
        .acks = acks,
        .ack_head = (uint64_t)ACK_FRAME_SIZE << 32 |
                    (uint64_t)packet_ack_command(COMMAND_SUBMIT, dialect) << 24,
    };
    enum answer_stop stop = ANSWER_PARTIAL;

    do {
        take_submits(&walk, frame_size_max);
    } while (walk.at != walk.end && take_any(&walk, frame_size_max, dialect, &stop));

    return (struct answer){
        .taken_size = (size_t)(walk.at - input.data),
        .submit_count = walk.submit_count,
        .conn_count = walk.conn_count,
        .stop = stop,
    };
}

bool answer_next_submit(struct bytes *frames, struct request *ret_submit, uint32_t *conn_count)
{
    struct bytes packet;

    while (frames->size > 0) {
        const enum frame_take took = frame_take(frames, FRAME_SIZE_LIMIT, &packet);
        assert(took == FRAME_READY);
        const enum packet_decode decoded = packet_decode(packet, ret_submit);
        assert(decoded == PACKET_OK);

        if (ret_submit->command == COMMAND_SUBMIT)
            return true;
        (*conn_count)++;
    }
    return false;
}
