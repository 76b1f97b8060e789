/* SPDX-License-Identifier: MIT
 *
 * wheel - many deadlines (wheel.h) */
#include "base/wheel.h"

#include <assert.h>
#include <stddef.h>

static uint32_t tick_of(uint32_t time_ms)
{
    return time_ms / WHEEL_TICK_MS;
}

/* The number of ticks from @from to @to on a clock that wraps; negative when @to is earlier. */
static int32_t ticks_between(uint32_t from, uint32_t to)
{
    const uint32_t tick_count = UINT32_MAX / WHEEL_TICK_MS + 1;
    const uint32_t distance = (to - from) % tick_count;

    return distance < tick_count / 2 ? (int32_t)distance : (int32_t)(distance - tick_count);
}

static struct wheel_entry **slot_at(struct wheel *wheel, uint32_t tick)
{
    return &wheel->slots[tick % WHEEL_SLOT_COUNT];
}

void wheel_init(struct wheel *wheel, uint32_t now_ms)
{
    *wheel = (struct wheel){.now_tick = tick_of(now_ms)};
}

void wheel_arm(struct wheel *wheel, struct wheel_entry *entry, uint32_t deadline_ms)
{
    wheel_disarm(wheel, entry);

    /* A slot's time has come when its tick has passed: never early, at most a tick late. */
    int32_t ahead = ticks_between(wheel->now_tick, tick_of(deadline_ms)) + 1;
    if (ahead < 1)
        ahead = 1;
    if (ahead > WHEEL_SLOT_COUNT - 1)
        ahead = WHEEL_SLOT_COUNT - 1;

    const uint32_t tick = wheel->now_tick + (uint32_t)ahead;
    struct wheel_entry **const slot = slot_at(wheel, tick);
    if (wheel->next_known && time_before_ms(tick * WHEEL_TICK_MS, wheel->next_ms))
        wheel->next_ms = tick * WHEEL_TICK_MS;
    entry->deadline_ms = deadline_ms;
    entry->next = *slot;
    entry->link = slot;
    if (entry->next)
        entry->next->link = &entry->next;
    *slot = entry;
    wheel->armed_count++;
}

void wheel_disarm(struct wheel *wheel, struct wheel_entry *entry)
{
    if (!entry->link)
        return;
    *entry->link = entry->next;
    if (entry->next)
        entry->next->link = entry->link;
    entry->next = NULL;
    entry->link = NULL;
    wheel->armed_count--;
}

struct wheel_entry *wheel_take_expired(struct wheel *wheel, uint32_t now_ms)
{
    while (ticks_between(wheel->now_tick, tick_of(now_ms)) >= 0) {
        struct wheel_entry *const entry = *slot_at(wheel, wheel->now_tick);

        if (!entry) {
            if (wheel->now_tick == tick_of(now_ms))
                return NULL;
            /* An empty wheel has nothing to be passed on the way. */
            wheel->now_tick = wheel->armed_count > 0
                                  ? (wheel->now_tick + 1) % (UINT32_MAX / WHEEL_TICK_MS + 1)
                                  : tick_of(now_ms);
            continue;
        }
        if (time_before_ms(now_ms, entry->deadline_ms)) {
            wheel_arm(wheel, entry, entry->deadline_ms); /* beyond one turn: go round again */
            continue;
        }
        wheel_disarm(wheel, entry);
        return entry;
    }
    return NULL;
}

/* The start of the first slot that holds an entry; at least one does. */
static uint32_t find_next_ms(const struct wheel *wheel)
{
    uint32_t tick = wheel->now_tick;

    while (!wheel->slots[tick % WHEEL_SLOT_COUNT])
        tick++;
    return tick * WHEEL_TICK_MS;
}

uint32_t wheel_wait_ms(struct wheel *wheel, uint32_t now_ms)
{
    if (wheel->armed_count == 0) {
        wheel->next_known = false;
        return UINT32_MAX;
    }
    /* The search is for those who have just reached what was known. */
    if (!wheel->next_known || !time_before_ms(now_ms, wheel->next_ms)) {
        wheel->next_ms = find_next_ms(wheel);
        wheel->next_known = true;
    }
    return time_before_ms(now_ms, wheel->next_ms) ? wheel->next_ms - now_ms : 0;
}
