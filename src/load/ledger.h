/* SPDX-License-Identifier: MIT
 *
 * ledger - what became of every message
 *
 *      sent = ok + failed + lost + late + cut
 *
 * and beside it the acks that belong to no message or came when they should not.  A message
 * counts as sent once its last byte was given to the socket. */
#ifndef LOAD_LEDGER_H
#define LOAD_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

struct ledger {
    uint64_t sent;

    /* Each sent message ends in exactly one of these. */
    uint64_t ok;     /* acked with result 0, in time */
    uint64_t failed; /* acked with another result */
    uint64_t lost;   /* never acked, although the connection lived until the end of the drain,
                      * or although a later message of the connection was acked */
    uint64_t late;   /* acked with result 0, but after the end of the drain, or after --timeout */
    uint64_t cut;    /* unanswered when the connection ended */

    /* Acks that break the protocol. */
    uint64_t duplicate;    /* for a message that was acked before */
    uint64_t unknown;      /* for an id that was never sent */
    uint64_t out_of_order; /* for a message that a later one overtook; it is in ok or failed too */
    uint64_t malformed;    /* bytes that are no SUBMIT_ACK of the dialect */
};

/* The messages that were acked. */
static inline uint64_t ledger_acked(const struct ledger *ledger)
{
    return ledger->ok + ledger->failed + ledger->late;
}

/* The messages that are not yet accounted for. */
static inline uint64_t ledger_unanswered(const struct ledger *ledger)
{
    return ledger->sent - ledger->ok - ledger->failed - ledger->lost - ledger->late - ledger->cut;
}

/* True when every message that was sent has been accounted for. */
static inline bool ledger_closes(const struct ledger *ledger)
{
    return ledger_unanswered(ledger) == 0;
}

/* True when every message was acked once, in order, with result 0. */
static inline bool ledger_is_clean(const struct ledger *ledger)
{
    return ledger->sent == ledger->ok && ledger->failed == 0 && ledger->lost == 0 &&
           ledger->late == 0 && ledger->cut == 0 && ledger->duplicate == 0 &&
           ledger->unknown == 0 && ledger->out_of_order == 0 && ledger->malformed == 0;
}

static inline void ledger_merge(struct ledger *sum, const struct ledger *from)
{
    sum->sent += from->sent;
    sum->ok += from->ok;
    sum->failed += from->failed;
    sum->lost += from->lost;
    sum->late += from->late;
    sum->cut += from->cut;
    sum->duplicate += from->duplicate;
    sum->unknown += from->unknown;
    sum->out_of_order += from->out_of_order;
    sum->malformed += from->malformed;
}

#endif
