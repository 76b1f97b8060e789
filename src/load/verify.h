/* SPDX-License-Identifier: MIT
 *
 * verify - judges every ack of one connection, in constant time
 *
 *      sequence  1 2 3 4 5 6 7 8 9 ...
 *                . . x . . | > > >         .  acked     x  overtaken: missing, maybe late
 *                        top     sent      >  in flight
 *
 * Acks come in the order of the requests, so the next one is known byte for byte: verify_run()
 * compares it with two loads and steps on.  Anything else goes through verify_one().
 *
 * An ack for a later message than the next one moves the top there and leaves the messages between
 * as missing.  A missing message that is acked after all was out of order; one that never is, was
 * lost.  The memory of missing messages is bounded: one that was overtaken by more messages than
 * it holds is given up as lost, and an ack that still comes for it counts as a duplicate.
 *
 * Pure code: no I/O, no clock. */
#ifndef LOAD_VERIFY_H
#define LOAD_VERIFY_H

#include "load/id.h"
#include "load/ledger.h"
#include "wire/packet.h"

/* Which acks are accepted. */
enum dialect_rule {
    DIALECT_RULE_ANY, /* the dialect of the connection's first ack */
    DIALECT_RULE_SPEC,
    DIALECT_RULE_DEMO,
    DIALECT_RULE_NONE, /* acks are counted by their size, not looked at */
};

enum {
    /* The least number of recent messages that are remembered as missing or not. */
    VERIFY_MEMORY_MIN = 1024,
};

/* What an ack was; each but the first has its column in the ledger. */
enum verify_verdict {
    VERIFY_OK, /* a success for a message in flight; it may have overtaken others */
    VERIFY_FAILED,
    VERIFY_OUT_OF_ORDER, /* late: a later message was acked before */
    VERIFY_DUPLICATE,
    VERIFY_UNKNOWN,
    VERIFY_MALFORMED,
    VERIFY_UNFRAMED, /* malformed, and not of an ack's size: nothing behind it can be trusted */
};

struct verify {
    uint64_t top;         /* the latest message that was acked */
    uint64_t expected_id; /* the id of message top + 1 */
    uint64_t head;        /* length and command of an ack in the upper 5 bytes; 0 = not known yet */
    uint64_t *missing;    /* a ring of bits, one for each of the latest messages up to the top */
    uint64_t memory_mask; /* the number of these bits, less one */
    uint32_t missing_count;
};

/* The number of messages to remember for a connection with up to @window in flight. */
uint64_t verify_memory_count(uint64_t window);

/* Prepares for the ack of message 1.  @missing has @memory_count / 64 words, all zero, and is
 * borrowed; @memory_count is a result of verify_memory_count(). */
void verify_init(struct verify *verify, enum dialect_rule rule, uint64_t *missing,
                 uint64_t memory_count);

/* Gives up messages whose bits are needed for the @count messages after the top, which are about
 * to be acked.  Returns how many were lost by that. */
uint64_t verify_forget(struct verify *verify, uint64_t count);

/* True when the acks at @at are successes for the ten ids of the decade that @id starts.  The two
 * bytes behind them are read too. */
static inline bool verify_decade(const uint8_t *at, uint64_t head, uint64_t id)
{
    typedef uint64_t pair __attribute__((vector_size(16)));
    const pair wanted = {htobe64(head | id >> 40), htobe64(id << 24)};
    const pair wanted_bits = {htobe64(UINT64_MAX), htobe64(~UINT64_C(0xffff))};
    pair differing = {0, 0};

    /* An ack is 14 bytes, and the last digit of its id is byte 12. */
    for (uint64_t i = 0; i < ID_DECADE_COUNT; i++) {
        const pair digit = {0, htobe64(i << 24)};
        pair got;
        memcpy(&got, at + i * ACK_FRAME_SIZE, sizeof got);
        differing |= got ^ (wanted + digit);
    }
    differing &= wanted_bits;
    return (differing[0] | differing[1]) == 0;
}

/* Takes acks off the front of @input for as long as each is whole, the next one in order, and a
 * success.  @sent is the number of messages that were sent.  Returns how many it took. */
static inline uint64_t verify_run(struct verify *verify, struct bytes *input, uint64_t sent,
                                  struct ledger *ledger)
{
    const uint8_t *at = input->data;
    const uint64_t head = verify->head;
    uint64_t id = verify->expected_id;
    uint64_t left = head == 0 ? 0 : input->size / ACK_FRAME_SIZE; /* 0: not known yet */

    if (left > sent - verify->top)
        left = sent - verify->top;
    const uint64_t most = left;
    for (;;) {
        /* Something stands behind the ten: more than them is left. */
        while (left > ID_DECADE_COUNT && id_starts_decade(id) && verify_decade(at, head, id)) {
            at += ID_DECADE_COUNT * ACK_FRAME_SIZE;
            id = id_next_decade(id);
            left -= ID_DECADE_COUNT;
        }
        /* The two loads overlap in bytes 6 and 7, so that 14 bytes are compared and not 16. */
        if (left == 0 || (load_be64(at) ^ (head | id >> 40)) != 0 ||
            (load_be64(at + 6) ^ id << 8) != 0)
            break;
        at += ACK_FRAME_SIZE;
        id = id_next(id);
        left--;
    }

    const uint64_t taken = most - left;
    if (taken == 0)
        return 0;
    if (verify->missing_count > 0)
        ledger->lost += verify_forget(verify, taken);
    *input = bytes_skip(*input, taken * ACK_FRAME_SIZE);
    verify->top += taken;
    verify->expected_id = id;
    ledger->ok += taken;
    return taken;
}

/* Takes one whole ack, of any kind, off the front of @input (at least ACK_FRAME_SIZE bytes), judges
 * it and counts it in @ledger.  With VERIFY_UNFRAMED nothing is taken. */
enum verify_verdict verify_one(struct verify *verify, struct bytes *input, uint64_t sent,
                               struct ledger *ledger);

#endif
