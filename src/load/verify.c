/* SPDX-License-Identifier: MIT
 *
 * verify - judges every ack of one connection (verify.h) */
#include "load/verify.h"

enum {
    WORD_BITS = 64,

    /* An id is taken for one of the latest so many; with more, an id ahead of the last one sent
     * would pass for one that is a whole round old. */
    ID_NEAR_COUNT = ID_COUNT / 2,
};

/* Where the message of an ack stands. */
enum place {
    PLACE_UNKNOWN, /* nowhere: it was not sent */
    PLACE_PAST,    /* up to the top */
    PLACE_FLIGHT,  /* after the top */
};

static uint64_t head_of(enum dialect dialect)
{
    return (uint64_t)ACK_FRAME_SIZE << 32 | (uint64_t)packet_ack_command(COMMAND_SUBMIT, dialect)
                                                << 24;
}

uint64_t verify_memory_count(uint64_t window)
{
    uint64_t count = VERIFY_MEMORY_MIN;

    while (count < 2 * window)
        count *= 2;
    return count;
}

void verify_init(struct verify *verify, enum dialect_rule rule, uint64_t *missing,
                 uint64_t memory_count)
{
    assert(missing && memory_count % WORD_BITS == 0 && (memory_count & (memory_count - 1)) == 0);
    *verify = (struct verify){
        .expected_id = id_of(1),
        .missing = missing,
        .memory_mask = memory_count - 1,
    };
    if (rule == DIALECT_RULE_SPEC)
        verify->head = head_of(DIALECT_SPEC);
    else if (rule == DIALECT_RULE_DEMO)
        verify->head = head_of(DIALECT_DEMO);
}

/* The bit of message @sequence; @ret_word is the word it stands in. */
static uint64_t find_bit(const struct verify *verify, uint64_t sequence, uint64_t **ret_word)
{
    const uint64_t slot = sequence & verify->memory_mask;

    *ret_word = &verify->missing[slot / WORD_BITS];
    return UINT64_C(1) << slot % WORD_BITS;
}

/* Clears the bit of message @sequence.  Returns whether it was set. */
static bool clear_missing(struct verify *verify, uint64_t sequence)
{
    uint64_t *word;
    const uint64_t bit = find_bit(verify, sequence, &word);

    if ((*word & bit) == 0)
        return false;
    *word &= ~bit;
    verify->missing_count--;
    return true;
}

static void set_missing(struct verify *verify, uint64_t sequence)
{
    uint64_t *word;
    const uint64_t bit = find_bit(verify, sequence, &word);

    assert((*word & bit) == 0);
    *word |= bit;
    verify->missing_count++;
}

uint64_t verify_forget(struct verify *verify, uint64_t count)
{
    uint64_t lost_count = 0;

    assert(count <= verify->memory_mask + 1);
    for (uint64_t i = 1; i <= count && verify->missing_count > 0; i++)
        lost_count += clear_missing(verify, verify->top + i);
    return lost_count;
}

/* Learns the dialect from a connection's first ack, then holds the connection to it. */
static bool accept_command(struct verify *verify, uint8_t command)
{
    if (verify->head == 0) {
        if (command == COMMAND_SUBMIT_ACK)
            verify->head = head_of(DIALECT_SPEC);
        else if (command == COMMAND_DEMO_SUBMIT_ACK)
            verify->head = head_of(DIALECT_DEMO);
    }
    return verify->head != 0 && command == (uint8_t)(verify->head >> 24);
}

static enum place locate(const struct verify *verify, uint64_t id, uint64_t sent,
                         uint64_t *ret_sequence)
{
    uint32_t number;

    if (!id_parse(id, &number))
        return PLACE_UNKNOWN;
    const uint64_t behind = (sent % ID_COUNT + ID_COUNT - number) % ID_COUNT;
    if (behind >= sent || behind >= ID_NEAR_COUNT)
        return PLACE_UNKNOWN;

    *ret_sequence = sent - behind;
    return *ret_sequence > verify->top ? PLACE_FLIGHT : PLACE_PAST;
}

/* Makes @sequence the top; the messages between become missing.  Returns how many older ones were
 * given up. */
static uint64_t advance(struct verify *verify, uint64_t sequence)
{
    const uint64_t lost_count = verify_forget(verify, sequence - verify->top);

    for (uint64_t skipped = verify->top + 1; skipped < sequence; skipped++)
        set_missing(verify, skipped);
    verify->top = sequence;
    verify->expected_id = id_of(sequence + 1);
    return lost_count;
}

/* Takes back a message that was overtaken; false when it was not missing. */
static bool take_late(struct verify *verify, uint64_t sequence)
{
    return verify->top - sequence <= verify->memory_mask && clear_missing(verify, sequence);
}

/* Counts the ack of a message, and says what it was. */
static enum verify_verdict settle(uint8_t result, bool late, struct ledger *ledger)
{
    if (late)
        ledger->out_of_order++;
    if (result == RESULT_OK)
        ledger->ok++;
    else
        ledger->failed++;
    if (late)
        return VERIFY_OUT_OF_ORDER;
    return result == RESULT_OK ? VERIFY_OK : VERIFY_FAILED;
}

enum verify_verdict verify_one(struct verify *verify, struct bytes *input, uint64_t sent,
                               struct ledger *ledger)
{
    const uint8_t *const ack = input->data;
    const uint8_t result = ack[ACK_RESULT_OFFSET];
    uint64_t sequence = 0;

    assert(input->size >= ACK_FRAME_SIZE);
    if (load_be32(ack) != ACK_FRAME_SIZE) {
        ledger->malformed++;
        return VERIFY_UNFRAMED;
    }
    *input = bytes_skip(*input, ACK_FRAME_SIZE);
    if (!accept_command(verify, ack[ACK_COMMAND_OFFSET])) {
        ledger->malformed++;
        return VERIFY_MALFORMED;
    }

    switch (locate(verify, load_be64(ack + ACK_ID_OFFSET), sent, &sequence)) {
    case PLACE_UNKNOWN:
        break;
    case PLACE_PAST:
        if (take_late(verify, sequence))
            return settle(result, true, ledger);
        ledger->duplicate++;
        return VERIFY_DUPLICATE;
    case PLACE_FLIGHT:
        ledger->lost += advance(verify, sequence);
        return settle(result, false, ledger);
    }
    ledger->unknown++;
    return VERIFY_UNKNOWN;
}
