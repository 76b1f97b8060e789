/* SPDX-License-Identifier: MIT
 *
 * top - the busiest connections of one worker, found by the worker itself, a slice a turn
 *
 *      asker                                    worker
 *        | TOP_IDLE    fills in the question
 *        | TOP_ASKED   posts it ------------->  top_begin()
 *        |                                      top_scan()   TOP_SLICE_COUNT sessions
 *        |                                      top_scan()   ... in the next turn, and so on
 *        | TOP_FILLED  <----------------------  the answer is there; sem_post()
 *
 * Whoever holds a question for longer than the other waits keeps it: an asker that gives up leaves
 * it TOP_ASKED, finds the answer there later, and may not ask again before.  So nothing is
 * allocated per question, and no thread looks at the other's memory.
 *
 * A rate is the difference to the last scan.  What each slot had by then is kept (4 bytes a slot)
 * until nobody has asked for TOP_MEMORY_MS. */
#ifndef SERVER_TOP_H
#define SERVER_TOP_H

#include <semaphore.h>

#include "base/address.h"
#include "handler/mailbox.h"
#include "server/limits.h"
#include "server/session_table.h"

enum top_state {
    TOP_IDLE,   /* the asker's */
    TOP_ASKED,  /* the worker's */
    TOP_FILLED, /* the asker's, with an answer */
};

/* What the connections are ordered by. */
enum top_order {
    TOP_BY_RATE,
    TOP_BY_QUEUED,
    TOP_ORDER_COUNT,
};

struct top_entry {
    struct address peer; /* size 0: unknown */
    double rate;         /* SUBMITs per second, since the last scan or since it was accepted */
    uint64_t submit_count;
    uint32_t slot;
    uint32_t generation;
    uint32_t queued_size;
    uint32_t unanswered_count;
    uint32_t age_s;
    uint8_t state;
    uint8_t pause;
};

struct top_list {
    uint32_t count;
    struct top_entry entries[TOP_COUNT_MAX]; /* the most first */
};

/* A question and its answer. */
struct top {
    struct mail mail;
    _Atomic int state; /* enum top_state */
    sem_t *answered;   /* posted with each answer; outlives the worker */
    struct top_list lists[TOP_ORDER_COUNT];
};

/* One that may be in the list, while the scan goes on. */
struct top_pick {
    double key;
    double rate;
    uint32_t slot;
    uint32_t generation;
};

/* The worker's side. */
struct top_scan {
    struct top *question;                                  /* NULL: none */
    struct top_pick picks[TOP_ORDER_COUNT][TOP_COUNT_MAX]; /* the most first */
    uint32_t pick_count[TOP_ORDER_COUNT];
    uint32_t slot;      /* where to go on */
    uint64_t begin_ns;  /* of this scan */
    uint64_t before_ns; /* of the scan before; 0: none */
    uint32_t *before;   /* the low bits of submit_count in that scan, by slot */
    uint32_t before_count;
};

/* Takes a question that was posted. */
void top_begin(struct top_scan *scan, struct top *question, uint64_t now_ns);

/* Goes on with the question, if there is one. */
void top_scan(struct top_scan *scan, const struct session_table *table);

/* Frees what is remembered, if nobody has asked for long. */
void top_forget(struct top_scan *scan, uint64_t now_ns);

/* Answers an open question as far as it goes, and frees. */
void top_deinit(struct top_scan *scan);

#endif
