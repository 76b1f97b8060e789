/* SPDX-License-Identifier: MIT
 *
 * busy_poll_test - when it looks, how long, and when it gives up */
#include "engine/busy_poll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

enum { SPIN_NS = 20 * 1000 };

/* Something to look for: there at the look with this number. */
struct events {
    int look_count;
    int there_at; /* 0: never */
};

static bool look(void *context)
{
    struct events *const events = context;
    return ++events->look_count == events->there_at;
}

static bool spin(struct busy_poll *busy_poll, struct events *events, int there_at)
{
    *events = (struct events){.there_at = there_at};
    return busy_poll_spin(busy_poll, -1, look, events);
}

static void off_never_looks(void **state)
{
    struct busy_poll busy_poll;
    struct events events;

    (void)state;
    busy_poll_init(&busy_poll, 0);
    assert_false(spin(&busy_poll, &events, 1));
    assert_int_equal(events.look_count, 0);
}

static void nobody_waits_nobody_looks(void **state)
{
    struct busy_poll busy_poll;
    struct events events = {.there_at = 1};

    (void)state;
    busy_poll_init(&busy_poll, SPIN_NS);
    assert_false(busy_poll_spin(&busy_poll, 0, look, &events));
    assert_int_equal(events.look_count, 0);
}

static void it_ends_with_the_first_event(void **state)
{
    struct busy_poll busy_poll;
    struct events events;

    (void)state;
    busy_poll_init(&busy_poll, NS_PER_S);
    assert_true(spin(&busy_poll, &events, 5));
    assert_int_equal(events.look_count, 5);
}

static void it_ends_when_time_is_up(void **state)
{
    struct busy_poll busy_poll;
    struct events events;

    (void)state;
    busy_poll_init(&busy_poll, SPIN_NS);
    const uint64_t begin_ns = clock_monotonic_ns();
    assert_false(spin(&busy_poll, &events, 0));
    assert_true(clock_monotonic_ns() - begin_ns >= SPIN_NS);
    assert_true(events.look_count >= 2);
}

/* A timer that is due before the time is up is not to be late. */
static void it_is_no_longer_than_the_wait(void **state)
{
    struct busy_poll busy_poll;
    struct events events = {0};

    (void)state;
    busy_poll_init(&busy_poll, 3600 * NS_PER_S);
    assert_false(busy_poll_spin(&busy_poll, SPIN_NS, look, &events));
}

static void miss(struct busy_poll *busy_poll, int count)
{
    struct events events;

    for (int i = 0; i < count; i++) {
        assert_false(spin(busy_poll, &events, 0));
        assert_true(events.look_count >= 2);
    }
}

/* How many times in a row it does not look. */
static int rest_length(struct busy_poll *busy_poll)
{
    struct events events;
    int count = 0;

    for (;;) {
        assert_true(count <= 2 * BUSY_POLL_REST_COUNT_MAX);
        if (spin(busy_poll, &events, 0) || events.look_count > 0)
            return count;
        count++;
    }
}

static void in_vain_it_rests_longer_and_longer(void **state)
{
    struct busy_poll busy_poll;
    int length = BUSY_POLL_REST_COUNT_MIN;

    (void)state;
    busy_poll_init(&busy_poll, SPIN_NS);
    miss(&busy_poll, BUSY_POLL_MISS_COUNT_MAX);
    while (length < BUSY_POLL_REST_COUNT_MAX) {
        assert_int_equal(rest_length(&busy_poll), length); /* and the look after it is in vain */
        length *= 2;
    }
    assert_int_equal(rest_length(&busy_poll), BUSY_POLL_REST_COUNT_MAX);
    assert_int_equal(rest_length(&busy_poll), BUSY_POLL_REST_COUNT_MAX);
}

static void a_find_after_a_rest_begins_anew(void **state)
{
    struct busy_poll busy_poll;
    struct events events;

    (void)state;
    busy_poll_init(&busy_poll, SPIN_NS);
    miss(&busy_poll, BUSY_POLL_MISS_COUNT_MAX);
    assert_int_equal(rest_length(&busy_poll), BUSY_POLL_REST_COUNT_MIN);
    for (int i = 0; i < 2 * BUSY_POLL_REST_COUNT_MIN; i++)
        assert_false(spin(&busy_poll, &events, 1));
    assert_true(spin(&busy_poll, &events, 2));
    miss(&busy_poll, BUSY_POLL_MISS_COUNT_MAX);
    assert_int_equal(rest_length(&busy_poll), BUSY_POLL_REST_COUNT_MIN);
}

/* What is there at the first look says nothing about a second one. */
static void a_busy_thread_learns_nothing(void **state)
{
    struct busy_poll busy_poll;
    struct events events;

    (void)state;
    busy_poll_init(&busy_poll, SPIN_NS);
    miss(&busy_poll, BUSY_POLL_MISS_COUNT_MAX - 1);
    for (int i = 0; i < 100; i++) {
        assert_true(spin(&busy_poll, &events, 1));
        assert_int_equal(events.look_count, 1);
    }
    miss(&busy_poll, 1);
    assert_int_equal(rest_length(&busy_poll), BUSY_POLL_REST_COUNT_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_never_looks),
        cmocka_unit_test(nobody_waits_nobody_looks),
        cmocka_unit_test(it_ends_with_the_first_event),
        cmocka_unit_test(it_ends_when_time_is_up),
        cmocka_unit_test(it_is_no_longer_than_the_wait),
        cmocka_unit_test(in_vain_it_rests_longer_and_longer),
        cmocka_unit_test(a_find_after_a_rest_begins_anew),
        cmocka_unit_test(a_busy_thread_learns_nothing),
    };
    return cmocka_run_group_tests_name("busy_poll", tests, NULL, NULL);
}
