/* SPDX-License-Identifier: MIT
 *
 * inference_test - estimates against known answers, and verdicts against noise of known size */
#include "load/inference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NEAR 1e-9

static double draw_normal(struct inference_random *random)
{
    const double u = inference_draw_unit(random) + 0x1p-54;
    const double v = inference_draw_unit(random);

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Noise as shared machines have it: mostly small, now and then four times as large. */
static double draw_rough(struct inference_random *random)
{
    const double scale = inference_draw_unit(random) < 0.1 ? 4 : 1;
    return scale * draw_normal(random);
}

struct world {
    double effect;
    double spread; /* of a pair */
    double (*draw)(struct inference_random *random);
    size_t pair_count;
    double threshold;
};

static struct inference experiment(const struct world *world, struct inference_random *random)
{
    double effects[INFERENCE_COUNT_MAX];
    double nulls[INFERENCE_COUNT_MAX];
    struct inference inference;
    const struct inference_rule rule = {
        .threshold = world->threshold,
        .resamples = 200,
        .seed = inference_draw(random),
    };

    for (size_t i = 0; i < world->pair_count; i++) {
        effects[i] = world->effect + world->spread * world->draw(random);
        nulls[i] = world->spread * world->draw(random);
    }
    inference_judge(effects, nulls, world->pair_count, &rule, &inference);
    return inference;
}

/* How many of @count experiments end in each answer. */
static void repeat(const struct world *world, uint64_t seed, uint32_t count, uint32_t *ret_answers)
{
    struct inference_random random = {seed};

    for (uint32_t i = 0; i < count; i++)
        ret_answers[experiment(world, &random).answer]++;
}

static uint32_t false_alarms(const struct world *world)
{
    uint32_t answers[ANSWER_INCONCLUSIVE + 1] = {0};

    repeat(world, 11, 1000, answers);
    return answers[ANSWER_FASTER] + answers[ANSWER_SLOWER];
}

static void medians(void **state)
{
    (void)state;
    double odd[] = {3, 1, 2};
    double even[] = {4, 1, 3, 2};

    assert_float_equal(inference_median(odd, 3), 2, NEAR);
    assert_float_equal(inference_median(even, 4), 2.5, NEAR);
}

static void the_center_is_the_median_of_all_means(void **state)
{
    (void)state;
    const double one[] = {7};
    const double few[] = {1, 2, 10}; /* means: 1 1.5 2 5.5 6 10 */
    const double outlier[] = {1, 2, 3, 4, 1000};

    assert_float_equal(inference_center(one, 1), 7, NEAR);
    assert_float_equal(inference_center(few, 3), 3.75, NEAR);
    assert_float_equal(inference_center(outlier, 5), 3, NEAR);
}

static void the_center_agrees_with_sorting(void **state)
{
    (void)state;
    struct inference_random random = {3};
    double values[40];
    double walsh[40 * 41 / 2];
    size_t filled = 0;

    for (size_t i = 0; i < 40; i++)
        values[i] = floor(20 * inference_draw_unit(&random));
    for (size_t i = 0; i < 40; i++) {
        for (size_t j = i; j < 40; j++)
            walsh[filled++] = (values[i] + values[j]) / 2;
    }
    assert_float_equal(inference_center(values, 40), inference_median(walsh, filled), NEAR);
}

static void sign_flips_are_exact_for_few_pairs(void **state)
{
    (void)state;
    const double same_sign[] = {1, 2, 3, 4, 5, 6};
    const double balanced[] = {1, -1, 2, -2};
    const double mixed[] = {3, 1, -1}; /* |sum| >= 3 in 3+1-1, 3-1+1, 3+1+1 and their mirrors */

    assert_float_equal(inference_sign_flip_p(same_sign, 6, 1), 2.0 / 64, NEAR);
    assert_float_equal(inference_sign_flip_p(balanced, 4, 1), 1, NEAR);
    assert_float_equal(inference_sign_flip_p(mixed, 3, 1), 6.0 / 8, NEAR);
}

static void drawn_flips_agree_with_exact_ones(void **state)
{
    (void)state;
    struct inference_random random = {5};
    double values[INFERENCE_EXACT_MAX + 1] = {0};

    for (size_t i = 0; i < INFERENCE_EXACT_MAX; i++)
        values[i] = 0.3 + draw_normal(&random);
    const double exact = inference_sign_flip_p(values, INFERENCE_EXACT_MAX, 1);
    /* One pair more, with effect 0, changes nothing but the way. */
    const double drawn = inference_sign_flip_p(values, INFERENCE_EXACT_MAX + 1, 1);
    assert_float_equal(drawn, exact, 0.01);
}

static void rank_tests_have_known_answers(void **state)
{
    (void)state;
    const double low[] = {1, 2, 3, 4, 5};
    const double high[] = {6, 7, 8, 9, 10};
    const double ties[] = {1, 1, 1, 1, 1};

    assert_float_equal(inference_rank_p(low, 5, high, 5), 0.012186, 1e-5);
    assert_float_equal(inference_rank_p(high, 5, low, 5), 0.012186, 1e-5);
    assert_float_equal(inference_rank_p(low, 5, low, 5), 1, NEAR);
    assert_float_equal(inference_rank_p(ties, 5, ties, 5), 1, NEAR);
    assert_true(isnan(inference_rank_p(low, 4, high, 5)));
}

static void holm_corrects_upwards(void **state)
{
    (void)state;
    double p[] = {0.04, 0.01, 0.03, 0.5};

    inference_holm(p, 4);
    assert_float_equal(p[1], 0.04, NEAR);
    assert_float_equal(p[2], 0.09, NEAR);
    assert_float_equal(p[0], 0.09, NEAR);
    assert_float_equal(p[3], 0.5, NEAR);
}

static void the_interval_covers_the_truth(void **state)
{
    (void)state;
    const struct world world = {
        .effect = 0.05, .spread = 0.1, .draw = draw_normal, .pair_count = 8, .threshold = 0.03};
    struct inference_random random = {17};
    uint32_t covered = 0;

    for (int i = 0; i < 1000; i++) {
        const struct inference inference = experiment(&world, &random);
        covered += inference.low <= world.effect && world.effect <= inference.high;
    }
    assert_in_range(covered, 930, 985);
}

/* 1,000 experiments with identical sides each.  Without a threshold nothing but the statistics
 * stand between noise and an alarm. */
static void identical_sides_seldom_differ(void **state)
{
    (void)state;
    const struct world worlds[] = {
        {.spread = 0.08, .draw = draw_normal, .pair_count = 16, .threshold = 0.03},
        {.spread = 0.08, .draw = draw_rough, .pair_count = 10, .threshold = 0.03},
        {.spread = 0.08, .draw = draw_normal, .pair_count = 12, .threshold = 0.0001},
        {.spread = 0.08, .draw = draw_rough, .pair_count = 8, .threshold = 0.0001},
        {.spread = 0.2, .draw = draw_rough, .pair_count = 6, .threshold = 0.03},
    };

    for (size_t i = 0; i < sizeof worlds / sizeof worlds[0]; i++)
        assert_in_range(false_alarms(&worlds[i]), 0, 50);
}

static void five_percent_is_found(void **state)
{
    (void)state;
    const struct world world = {.effect = log(1.05),
                                .spread = 0.04,
                                .draw = draw_normal,
                                .pair_count = 16,
                                .threshold = 0.03};
    uint32_t answers[ANSWER_INCONCLUSIVE + 1] = {0};

    repeat(&world, 23, 1000, answers);
    assert_in_range(answers[ANSWER_SLOWER], 900, 1000);
    assert_int_equal(answers[ANSWER_FASTER], 0);
    assert_int_equal(answers[ANSWER_SAME], 0);
}

static void a_quiet_machine_says_same(void **state)
{
    (void)state;
    const struct world world = {
        .spread = 0.01, .draw = draw_normal, .pair_count = 16, .threshold = 0.03};
    uint32_t answers[ANSWER_INCONCLUSIVE + 1] = {0};

    repeat(&world, 29, 200, answers);
    assert_int_equal(answers[ANSWER_SAME], 200);
}

static const struct inference_rule rule = {.threshold = 0.03, .resamples = 1000, .seed = 1};

static void the_same_seed_gives_the_same_numbers(void **state)
{
    (void)state;
    const double effects[] = {0.01, 0.02, -0.01, 0.05, 0.03, 0.02, 0.04};
    const double nulls[] = {0.01, 0.01, -0.02, 0.01, 0.02, -0.01, 0};
    struct inference first;
    struct inference second;

    inference_judge(effects, nulls, 7, &rule, &first);
    inference_judge(effects, nulls, 7, &rule, &second);
    assert_memory_equal(&first.low, &second.low, sizeof first.low);
    assert_memory_equal(&first.floor, &second.floor, sizeof first.floor);
}

static void answers_follow_the_numbers(void **state)
{
    (void)state;
    const struct inference_rule rate = {.threshold = 0.03, .more_is_faster = true};
    struct inference cost = {
        .count = 20, .effect = 0.06, .low = 0.04, .high = 0.08, .floor = 0.02, .p = 0.001};

    inference_answer(&cost, &rule);
    assert_int_equal(cost.answer, ANSWER_SLOWER);
    inference_answer(&cost, &rate);
    assert_int_equal(cost.answer, ANSWER_FASTER);
    cost.floor = 0.07; /* identical sides look as different */
    inference_answer(&cost, &rule);
    assert_int_equal(cost.answer, ANSWER_INCONCLUSIVE);
    assert_in_range(cost.more, 1, 30);
    cost.floor = 0.02;
    cost.p = 0.06;
    inference_answer(&cost, &rule);
    assert_int_equal(cost.answer, ANSWER_INCONCLUSIVE);
    cost.p = 0.001;
    cost.count = 5;
    inference_answer(&cost, &rule);
    assert_int_equal(cost.answer, ANSWER_INCONCLUSIVE);
    assert_in_range(cost.more, 1, 20);
}

static void more_pairs_are_asked_for(void **state)
{
    (void)state;
    struct inference wide = {
        .count = 10, .effect = 0.05, .low = -0.05, .high = 0.15, .floor = 0.01, .p = 0.2};
    struct inference between = {
        .count = 10, .effect = 0.0295, .low = 0.02, .high = 0.04, .floor = 0.01, .p = 0.01};

    inference_answer(&wide, &rule);
    assert_int_equal(wide.answer, ANSWER_INCONCLUSIVE);
    assert_int_equal(wide.more, 43); /* twice as narrow, with the margin: 10 x 2.3^2 - 10 */
    inference_answer(&between, &rule);
    assert_int_equal(between.answer, ANSWER_INCONCLUSIVE);
    assert_int_equal(between.more, INFERENCE_MORE_MAX);
}

static void one_pair_says_nothing(void **state)
{
    (void)state;
    const double effect = 0.5;
    const double null = 0;
    struct inference inference;

    inference_judge(&effect, &null, 1, &rule, &inference);
    assert_int_equal(inference.answer, ANSWER_INCONCLUSIVE);
    assert_string_equal(answer_name(inference.answer), "INCONCLUSIVE");
}

static void the_interval_of_ranks_holds_the_ratio(void **state)
{
    (void)state;
    static const double a[] = {100, 101, 102, 103, 104};
    static const double twice[] = {200, 202, 204, 206, 208};
    double low;
    double high;
    /* The third from either end of 25 ratios, as tables have it: U <= 2 is p <= 0.05. */
    assert_true(inference_rank_interval(a, 5, twice, 5, &low, &high));
    assert_true(low > 1.93 && low < 2 && high > 2 && high < 2.07);
    assert_true(fabs(low - 202 / 104.0) < 1e-9 || fabs(low - 200 / 103.0) < 1e-9);
    assert_true(inference_rank_interval(a, 5, a, 5, &low, &high));
    assert_true(low < 1 && high > 1);
    assert_false(inference_rank_interval(a, 4, twice, 5, &low, &high));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians),
        cmocka_unit_test(the_center_is_the_median_of_all_means),
        cmocka_unit_test(the_center_agrees_with_sorting),
        cmocka_unit_test(sign_flips_are_exact_for_few_pairs),
        cmocka_unit_test(drawn_flips_agree_with_exact_ones),
        cmocka_unit_test(rank_tests_have_known_answers),
        cmocka_unit_test(holm_corrects_upwards),
        cmocka_unit_test(the_interval_covers_the_truth),
        cmocka_unit_test(identical_sides_seldom_differ),
        cmocka_unit_test(five_percent_is_found),
        cmocka_unit_test(a_quiet_machine_says_same),
        cmocka_unit_test(the_same_seed_gives_the_same_numbers),
        cmocka_unit_test(answers_follow_the_numbers),
        cmocka_unit_test(more_pairs_are_asked_for),
        cmocka_unit_test(one_pair_says_nothing),
        cmocka_unit_test(the_interval_of_ranks_holds_the_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
