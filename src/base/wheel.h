/* SPDX-License-Identifier: MIT
 *
 * wheel - many deadlines, each moved often and reached seldom
 *
 *      slot    0     1     2     3   ...  1023        one slot per WHEEL_TICK_MS
 *              |     o-o         o                    entries whose deadline falls there
 *
 * Arming, disarming and expiry are O(1) each.  Deadlines beyond one turn of the wheel stand in
 * its last slot and are put again when that comes by.  Times are 32-bit milliseconds that wrap
 * (after 49 days); a deadline lies less than 24 days ahead.  One thread. */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    WHEEL_TICK_MS = 16,
    WHEEL_SLOT_COUNT = 1024, /* one turn is 16 s */
    WHEEL_DELAY_MS_MAX = 1 << 30,
};

struct wheel_entry {
    struct wheel_entry *next;
    struct wheel_entry **link; /* what points at this entry; NULL while it is not armed */
    uint32_t deadline_ms;
};

struct wheel {
    struct wheel_entry *slots[WHEEL_SLOT_COUNT];
    uint32_t now_tick; /* every slot before it is empty */
    uint32_t armed_count;

    /* Nothing expires before this time, if it is known. */
    uint32_t next_ms;
    bool next_known;
};

/* a before b, on a clock that wraps. */
static inline bool time_before_ms(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

void wheel_init(struct wheel *wheel, uint32_t now_ms);

/* Arms @entry for @deadline_ms, or moves it there. */
void wheel_arm(struct wheel *wheel, struct wheel_entry *entry, uint32_t deadline_ms);

/* Disarms @entry, if it is armed. */
void wheel_disarm(struct wheel *wheel, struct wheel_entry *entry);

/* Takes one entry whose deadline has come by @now_ms; NULL when there is none (any more). */
struct wheel_entry *wheel_take_expired(struct wheel *wheel, uint32_t now_ms);

/* How long until the next entry may expire: never too long.  UINT32_MAX when none is armed. */
uint32_t wheel_wait_ms(struct wheel *wheel, uint32_t now_ms);

#endif
