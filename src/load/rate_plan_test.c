/* SPDX-License-Identifier: MIT
 *
 * rate_plan_test - the grammar of --rate, and how many messages a plan brings */
#include "load/rate_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

static struct rate_plan parse(const char *text)
{
    struct rate_plan plan = {0};
    if (!rate_plan_parse(text, &plan))
        fail_msg("'%s' was refused", text);
    return plan;
}

static void check_segment(const struct rate_segment *segment, double from, double to,
                          uint64_t duration_ns)
{
    assert_true(segment->from == from);
    assert_true(segment->to == to);
    assert_true(segment->duration_ns == duration_ns);
}

static void a_plain_rate_is_one_segment(void **state)
{
    (void)state;
    const struct rate_plan plan = parse("50k");
    assert_int_equal(plan.segment_count, 1);
    check_segment(&plan.segments[0], 50000, 50000, 0);
    assert_true(rate_plan_is_constant(&plan));
    assert_int_equal(rate_plan_duration_ns(&plan), 0);
    assert_true(rate_plan_message_count(&plan, 2 * NS_PER_S) == 100000);
}

static void ramps_and_holds_follow_each_other(void **state)
{
    (void)state;
    const struct rate_plan plan = parse("50k:200k/30s,hold/1m,0:10/500ms,1.5m");
    assert_int_equal(plan.segment_count, 4);
    check_segment(&plan.segments[0], 50000, 200000, 30 * NS_PER_S);
    check_segment(&plan.segments[1], 200000, 200000, 60 * NS_PER_S);
    check_segment(&plan.segments[2], 0, 10, NS_PER_S / 2);
    check_segment(&plan.segments[3], 1500000, 1500000, 0);
    assert_false(rate_plan_is_constant(&plan));
    assert_true(rate_plan_duration_ns(&plan) == 90 * NS_PER_S + NS_PER_S / 2);
    assert_true(rate_plan_is_constant(
        &(struct rate_plan){.segments = {{5, 5, NS_PER_S}, {5, 5, NS_PER_S}}, .segment_count = 2}));
}

static void messages_are_the_area_under_the_rate(void **state)
{
    (void)state;
    const struct rate_plan plan = parse("100:300/10s,1000/1s,50/1s");
    assert_true(rate_plan_message_count(&plan, 5 * NS_PER_S) == 750);
    assert_true(rate_plan_message_count(&plan, 10 * NS_PER_S) == 2000);
    assert_true(rate_plan_message_count(&plan, 11 * NS_PER_S) == 3000);
    assert_true(rate_plan_message_count(&plan, 14 * NS_PER_S) == 3150);
}

static void what_is_no_plan_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "0",
        "fast",
        "-5",
        "0.5",
        "1001m",
        "10:20",
        "10/",
        "10/0",
        "10/5",
        "10,20/1s",
        "10/1s,",
        "hold/1s",
        "0:0/1s",
        ":5/1s",
        "5:/1s",
        "5/1s/1s",
        "10/1s,,5",
        "10/1s,hold:5/1s",
        "10/25h",
    };
    struct rate_plan plan;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (rate_plan_parse(cases[i], &plan))
            fail_msg("'%s' was accepted", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_rate_is_one_segment),
        cmocka_unit_test(ramps_and_holds_follow_each_other),
        cmocka_unit_test(messages_are_the_area_under_the_rate),
        cmocka_unit_test(what_is_no_plan_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
