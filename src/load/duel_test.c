/* SPDX-License-Identifier: MIT
 *
 * duel_test - the order of slices, and what a pair comes to */
#include "load/duel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NEAR 1e-12

static void slices_alternate(void **state)
{
    (void)state;
    static const char *const orders[] = {"ABBAABBA", "BAABBAAB"};

    for (uint32_t pair = 0; pair < 6; pair++) {
        for (uint32_t slice = 0; slice < 8; slice++)
            assert_int_equal(duel_side(pair, slice), orders[pair % 2][slice] - 'A');
    }
}

static void a_steady_difference_is_the_effect(void **state)
{
    (void)state;
    const double a[] = {1, 1, 1, 1};
    const double b[] = {1.25, 1.25, 1.25, 1.25};
    double effect;
    double null;

    duel_effect(a, b, 4, &effect, &null);
    assert_float_equal(effect, 0.25, NEAR);
    assert_float_equal(null, 0, NEAR);
}

/* A machine that gets slower by a step with each slice. */
static void drift_cancels(void **state)
{
    (void)state;
    double logs[2][4];
    double effect;
    double null;

    for (uint32_t pair = 0; pair < 2; pair++) {
        uint32_t filled[2] = {0, 0};
        for (uint32_t slice = 0; slice < 8; slice++) {
            const int side = duel_side(pair, slice);
            logs[side][filled[side]++] = slice;
        }
        duel_effect(logs[0], logs[1], 4, &effect, &null);
        assert_float_equal(effect, 0, NEAR);
    }
}

static void a_null_shows_noise_alone(void **state)
{
    (void)state;
    const double a[] = {0, 0.1};
    const double b[] = {7, 7};
    double effect;
    double null;

    duel_effect(a, b, 2, &effect, &null);
    assert_float_equal(null, -0.05, NEAR);
}

/* Of many pairs with nothing but noise, effects and nulls are equally wide. */
static void nulls_are_as_wide_as_effects(void **state)
{
    (void)state;
    struct inference_random random = {9};
    double effects = 0;
    double nulls = 0;

    for (int pair = 0; pair < 20000; pair++) {
        double logs[2][4];
        double effect;
        double null;
        for (int i = 0; i < 8; i++)
            logs[i / 4][i % 4] = inference_draw_unit(&random);
        duel_effect(logs[0], logs[1], 4, &effect, &null);
        effects += effect * effect;
        nulls += null * null;
    }
    assert_float_equal((effects / nulls), 1, 0.05);
}

static void the_answer_hides_nothing(void **state)
{
    (void)state;
    struct duel_plan plan = {.primary = FIGURE_ACKS};
    struct duel duel = {.slice_count = 10, .bound_count = 6};

    for (int i = 0; i < DUEL_METRIC_COUNT; i++)
        duel.metrics[i] =
            (struct duel_metric){.figure = duel_figures[i], .inference = {.answer = ANSWER_SAME}};
    assert_int_equal(duel_answer(&duel, &plan), ANSWER_INCONCLUSIVE);
    plan.primary = FIGURE_SERVER_NS; /* the client's limit does not move it */
    assert_int_equal(duel_answer(&duel, &plan), ANSWER_SAME);
    plan.primary = FIGURE_ACKS;
    duel.bound_count = 5;
    assert_int_equal(duel_answer(&duel, &plan), ANSWER_SAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_alternate),
        cmocka_unit_test(a_steady_difference_is_the_effect),
        cmocka_unit_test(drift_cancels),
        cmocka_unit_test(a_null_shows_noise_alone),
        cmocka_unit_test(nulls_are_as_wide_as_effects),
        cmocka_unit_test(the_answer_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
