/* SPDX-License-Identifier: MIT
 *
 * ring_test - stacks come out as they went in, around the end too; full is counted */
#include "profile/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void gives_back_what_was_put(void **state)
{
    static const uintptr_t frames[] = {0x7fffffffffff, 2, 3};
    struct ring *const ring = calloc(1, sizeof *ring);
    uintptr_t taken[PROFILE_DEPTH_MAX];
    uint32_t depth;
    uint32_t weight;

    (void)state;
    /* Three words more each time: the end of the ring is met at every place. */
    for (uint32_t i = 1; i < 3 * RING_WORD_COUNT; i++) {
        ring_put(ring, frames, i % 4, i);
        assert_true(ring_take(ring, taken, &depth, &weight));
        assert_int_equal(depth, i % 4);
        assert_int_equal(weight, i);
        assert_memory_equal(taken, frames, depth * sizeof *frames);
        assert_false(ring_take(ring, taken, &depth, &weight));
    }
    assert_int_equal(ring->lost_count, 0);
    free(ring);
}

static void what_finds_no_room_is_counted_by_weight(void **state)
{
    static uintptr_t frames[PROFILE_DEPTH_MAX];
    struct ring *const ring = calloc(1, sizeof *ring);
    uintptr_t taken[PROFILE_DEPTH_MAX];
    uint32_t depth;
    uint32_t weight;
    uint32_t count = 0;
    const uint32_t room = RING_WORD_COUNT / (PROFILE_DEPTH_MAX + 1);

    (void)state;
    for (uint32_t i = 0; i < room + 2; i++)
        ring_put(ring, frames, PROFILE_DEPTH_MAX, 7);
    assert_int_equal(ring->lost_count, 14);
    while (ring_take(ring, taken, &depth, &weight))
        count++;
    assert_int_equal(count, room);
    ring_put(ring, frames, PROFILE_DEPTH_MAX, 7);
    ring_clear(ring);
    assert_false(ring_take(ring, taken, &depth, &weight));
    assert_int_equal(ring->lost_count, 0);
    free(ring);
}

/* A head that no stack has: nobody writes beyond the taker's frames. */
static void what_cannot_have_been_put_is_forgotten(void **state)
{
    static const uintptr_t frames[] = {1, 2, 3};
    struct ring *const ring = calloc(1, sizeof *ring);
    uintptr_t taken[PROFILE_DEPTH_MAX];
    uint32_t depth;
    uint32_t weight;

    (void)state;
    ring_put(ring, frames, 3, 1);
    ring->words[0] = PROFILE_DEPTH_MAX + 1;
    ring_put(ring, frames, 3, 1);
    assert_false(ring_take(ring, taken, &depth, &weight));
    ring_put(ring, frames, 2, 5);
    assert_true(ring_take(ring, taken, &depth, &weight));
    assert_int_equal(depth, 2);
    assert_int_equal(weight, 5);
    free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put),
        cmocka_unit_test(what_finds_no_room_is_counted_by_weight),
        cmocka_unit_test(what_cannot_have_been_put_is_forgotten),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
