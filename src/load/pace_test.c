/* SPDX-License-Identifier: MIT
 *
 * pace_test - waiting ends with the time or with an event, in each mode */
#include "load/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static const enum idle_mode modes[] = {IDLE_SLEEP, IDLE_SPIN, IDLE_HYBRID};

static void the_time_is_never_missed_by_being_early(void **state)
{
    (void)state;
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[1];
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct pace pace;
        pace_init(&pace, modes[i]);
        for (int turn = 0; turn < 5; turn++) {
            const uint64_t now_ns = clock_monotonic_ns();
            const uint64_t until_ns = now_ns + 400 * NS_PER_US;
            assert_int_equal(pace_wait(&pace, epoll_fd, events, 1, now_ns, until_ns, true), 0);
            assert_true(clock_monotonic_ns() >= until_ns);
        }
        assert_int_equal(pace.idle_count, 5);
    }
    close(epoll_fd);
}

static void an_event_ends_the_wait(void **state)
{
    (void)state;
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const int event_fd = eventfd(1, EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event), 0);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct pace pace;
        struct epoll_event events[1];
        pace_init(&pace, modes[i]);
        const uint64_t now_ns = clock_monotonic_ns();
        assert_int_equal(
            pace_wait(&pace, epoll_fd, events, 1, now_ns, now_ns + 3600 * NS_PER_S, true), 1);
        assert_int_equal(pace_wait(&pace, epoll_fd, events, 1, now_ns, now_ns, true), 1);
        assert_int_equal(pace.idle_count, 1);
    }
    close(event_fd);
    close(epoll_fd);
}

/* How often the thread has gone to sleep while it waited for a while for nothing in particular. */
static long count_sleeps(enum idle_mode mode)
{
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[1];
    struct rusage before;
    struct rusage after;
    struct pace pace;

    pace_init(&pace, mode);
    const uint64_t now_ns = clock_monotonic_ns();
    getrusage(RUSAGE_THREAD, &before);
    pace_wait(&pace, epoll_fd, events, 1, now_ns, now_ns + 20 * NS_PER_MS, false);
    getrusage(RUSAGE_THREAD, &after);
    close(epoll_fd);
    return after.ru_nvcsw - before.ru_nvcsw;
}

static void who_spins_never_sleeps(void **state)
{
    (void)state;
    assert_int_equal(count_sleeps(IDLE_SPIN), 0);
    assert_true(count_sleeps(IDLE_SLEEP) > 0);
    assert_true(count_sleeps(IDLE_HYBRID) > 0);
}

static void the_margin_follows_late_wake_ups(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, IDLE_HYBRID);
    for (int i = 0; i < 100; i++)
        pace_follow(&pace, 120000);
    assert_in_range(pace.margin_ns, 100000, 120000);
    for (int i = 0; i < 1000; i++)
        pace_follow(&pace, 5000);
    assert_in_range(pace.margin_ns, 5000, 6000);
    for (int i = 0; i < 100; i++)
        pace_follow(&pace, NS_PER_S);
    assert_int_equal(pace.margin_ns, PACE_MARGIN_MAX_NS);
    for (int i = 0; i < 2000; i++)
        pace_follow(&pace, 0);
    assert_in_range(pace.margin_ns, PACE_MARGIN_MIN_NS, PACE_MARGIN_MIN_NS + 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_is_never_missed_by_being_early),
        cmocka_unit_test(an_event_ends_the_wait),
        cmocka_unit_test(who_spins_never_sleeps),
        cmocka_unit_test(the_margin_follows_late_wake_ups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
