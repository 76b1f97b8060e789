/* SPDX-License-Identifier: MIT
 *
 * climb_test - searches against servers whose limit is known */
#include "load/climb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "load/inference.h"

enum { STEP_MAX = 200 };

/* A server that holds up to a rate, now and then by luck, and a client with a limit of its own. */
struct world {
    double limit;
    double client_limit;
    double luck; /* the share of steps with a wrong answer near the limit */
    uint64_t seed;
};

static uint32_t search(const struct world *world, double from, double rate_max, struct climb *climb)
{
    struct inference_random random = {world->seed};
    uint32_t steps = 0;

    climb_init(climb, from, rate_max, 0.02);
    while (climb->phase != CLIMB_DONE) {
        assert_true(climb->rate >= from / 1.06 && climb->rate <= rate_max);
        const bool near = climb->rate > world->limit * 0.9 && climb->rate < world->limit * 1.1;
        const bool wrong = near && inference_draw_unit(&random) < world->luck;
        const bool holds = (climb->rate <= world->limit) != wrong;
        climb_tell(climb, climb->rate > world->client_limit ? CLIMB_SAYS_NOTHING
                          : holds                           ? CLIMB_HOLDS
                                                            : CLIMB_MISSES);
        assert_in_range(++steps, 1, STEP_MAX);
    }
    return steps;
}

static void the_interval_holds_the_limit(void **state)
{
    (void)state;
    double limit = 1500;

    for (int i = 0; i < 24; i++) {
        const struct world world = {.limit = limit, .client_limit = 1e9};
        struct climb climb;
        const uint32_t steps = search(&world, 1000, 1e9, &climb);
        assert_true(climb.good <= limit && limit < climb.bad);
        assert_true(climb.bad <= climb.good * 1.0201);
        assert_false(climb.bad_is_unknown);
        assert_in_range(steps, 5, 50);
        limit *= 1.37;
    }
}

static void nothing_holds(void **state)
{
    (void)state;
    const struct world world = {.limit = 10, .client_limit = 1e9};
    struct climb climb;

    search(&world, 1000, 1e9, &climb);
    assert_true(climb.good == 0);
    assert_true(climb.bad == 1000);
    assert_false(climb.bad_is_unknown);
}

static void everything_holds(void **state)
{
    (void)state;
    const struct world world = {.limit = 1e9, .client_limit = 1e9};
    struct climb climb;

    search(&world, 1000, 50000, &climb);
    assert_true(climb.good == 50000);
    assert_true(climb.bad == 0);
}

static void the_clients_limit_is_not_the_servers(void **state)
{
    (void)state;
    const struct world world = {.limit = 1e9, .client_limit = 123456};
    struct climb climb;

    search(&world, 1000, 1e9, &climb);
    assert_true(climb.good <= 123456 && climb.good > 123456 / 1.03);
    assert_true(climb.bad_is_unknown);
}

static void one_bad_step_does_not_mislead(void **state)
{
    (void)state;
    struct climb climb;

    climb_init(&climb, 1000, 1e6, 0.02);
    climb_tell(&climb, CLIMB_MISSES); /* a stall of the machine */
    assert_int_equal(climb.phase, CLIMB_UP);
    assert_true(climb.rate == 1000);
    climb_tell(&climb, CLIMB_HOLDS);
    assert_true(climb.rate == 2000);
    climb_tell(&climb, CLIMB_SAYS_NOTHING);
    climb_tell(&climb, CLIMB_SAYS_NOTHING);
    assert_true(climb.rate == 2000);
    climb_tell(&climb, CLIMB_HOLDS);
    assert_true(climb.rate == 4000);
}

static void an_answer_that_does_not_hold_again_is_lowered(void **state)
{
    (void)state;
    struct climb climb;

    climb_init(&climb, 1000, 2000, 0.02);
    climb_tell(&climb, CLIMB_HOLDS);
    climb_tell(&climb, CLIMB_HOLDS); /* 2000, the highest */
    assert_int_equal(climb.phase, CLIMB_CONFIRM);
    climb_tell(&climb, CLIMB_MISSES);
    assert_int_equal(climb.phase, CLIMB_CONFIRM);
    assert_true(climb.rate > 1900 && climb.rate < 1910);
    for (int i = 0; i < CLIMB_CONFIRM_COUNT; i++)
        climb_tell(&climb, CLIMB_HOLDS);
    assert_int_equal(climb.phase, CLIMB_ABOVE);
    climb_tell(&climb, CLIMB_MISSES);
    assert_int_equal(climb.phase, CLIMB_DONE);
    assert_true(climb.bad == 2000);
}

/* What is answered has held three times in a row at that very rate. */
static void an_answer_has_been_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct inference_random random = {seed};
        struct climb climb;
        double confirmed = 0;
        uint32_t in_a_row = 0;
        climb_init(&climb, 1000, 1e6, 0.02);
        for (uint32_t steps = 0; climb.phase != CLIMB_DONE; steps++) {
            const bool holds = inference_draw_unit(&random) < 0.7; /* a very moody machine */
            in_a_row = climb.phase == CLIMB_CONFIRM && holds ? in_a_row + 1 : 0;
            if (in_a_row == CLIMB_CONFIRM_COUNT)
                confirmed = climb.rate;
            climb_tell(&climb, holds ? CLIMB_HOLDS : CLIMB_MISSES);
            assert_in_range(steps, 0, STEP_MAX);
        }
        assert_true(climb.good == 0 || climb.good == confirmed);
    }
}

static void luck_moves_the_answer_little(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const struct world world = {.limit = 77777, .client_limit = 1e9, .luck = 0.1, .seed = seed};
        struct climb climb;
        search(&world, 1000, 1e9, &climb);
        assert_true(climb.good > 77777 * 0.7 && climb.good < 77777 * 1.2);
        assert_true(climb.bad == 0 || climb.bad > climb.good);
    }
}

static void phases_have_names(void **state)
{
    (void)state;
    assert_string_equal(climb_phase_name(CLIMB_UP), "climb");
    assert_string_equal(climb_phase_name(CLIMB_DONE), "done");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_holds_the_limit),
        cmocka_unit_test(nothing_holds),
        cmocka_unit_test(everything_holds),
        cmocka_unit_test(the_clients_limit_is_not_the_servers),
        cmocka_unit_test(one_bad_step_does_not_mislead),
        cmocka_unit_test(an_answer_that_does_not_hold_again_is_lowered),
        cmocka_unit_test(an_answer_has_been_run),
        cmocka_unit_test(luck_moves_the_answer_little),
        cmocka_unit_test(phases_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
