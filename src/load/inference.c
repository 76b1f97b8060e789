/* SPDX-License-Identifier: MIT
 *
 * inference - what measured effects allow to say (inference.h) */
#include "load/inference.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WALSH_COUNT_MAX = INFERENCE_COUNT_MAX * (INFERENCE_COUNT_MAX + 1) / 2,
    FLIP_COUNT = 100000,
};

#define SIGNIFICANT_P 0.05
#define FLOOR_SHARE   0.95
#define NORMAL_975    1.959963984540054
#define ROUNDING      1e-12
/* A little more than the arithmetic asks, because the spread is itself an estimate. */
#define MORE_MARGIN 1.15

uint64_t inference_draw(struct inference_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double inference_draw_unit(struct inference_random *random)
{
    return (double)(inference_draw(random) >> 11) * 0x1p-53;
}

static size_t draw_index(struct inference_random *random, size_t count)
{
    return (size_t)(((inference_draw(random) >> 32) * count) >> 32);
}

const char *answer_name(enum answer answer)
{
    switch (answer) {
    case ANSWER_SAME:
        return "SAME";
    case ANSWER_FASTER:
        return "FASTER";
    case ANSWER_SLOWER:
        return "SLOWER";
    case ANSWER_INCONCLUSIVE:
        break;
    }
    return "INCONCLUSIVE";
}

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

double inference_median(double *values, size_t count)
{
    assert(count > 0);
    qsort(values, count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void swap(double *a, double *b)
{
    const double kept = *a;
    *a = *b;
    *b = kept;
}

/* Moves the values so that values[rank] is the one that sorting would put there (Hoare's FIND);
 * those before it are no larger, those behind it no smaller. */
static double select_rank(double *values, ptrdiff_t count, ptrdiff_t rank)
{
    ptrdiff_t low = 0;
    ptrdiff_t high = count - 1;

    while (low < high) {
        const double pivot = values[rank];
        ptrdiff_t left = low;
        ptrdiff_t right = high;
        while (left <= right) {
            while (values[left] < pivot)
                left++;
            while (pivot < values[right])
                right--;
            if (left <= right)
                swap(&values[left++], &values[right--]);
        }
        if (right < rank)
            low = left;
        if (rank < left)
            high = right;
    }
    return values[rank];
}

/* As inference_median(), without sorting all of them. */
static double take_median(double *values, size_t count)
{
    const size_t middle = (count - 1) / 2;
    const double lower = select_rank(values, (ptrdiff_t)count, (ptrdiff_t)middle);
    double upper = INFINITY;

    if (count % 2 == 1)
        return lower;
    for (size_t i = middle + 1; i < count; i++)
        upper = values[i] < upper ? values[i] : upper;
    return (lower + upper) / 2;
}

double inference_center(const double *values, size_t count)
{
    double walsh[WALSH_COUNT_MAX]; /* a quarter of a MiB */
    size_t filled = 0;

    assert(count > 0 && count <= INFERENCE_COUNT_MAX);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i; j < count; j++)
            walsh[filled++] = (values[i] + values[j]) / 2;
    }
    return take_median(walsh, filled);
}

static double sum_of(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

/* Goes through half of all signs (the other half mirrors it), one flip after the other. */
static double flip_all(const double *values, size_t count, double limit)
{
    const uint32_t total = UINT32_C(1) << (count - 1);
    double sign[INFERENCE_EXACT_MAX];
    double sum = sum_of(values, count);
    uint32_t extreme = 0;

    for (size_t i = 0; i < count; i++)
        sign[i] = 1;
    for (uint32_t step = 0; step < total; step++) {
        if (fabs(sum) >= limit)
            extreme++;
        const size_t flipped = (size_t)__builtin_ctz(step + 1);
        if (flipped < count) {
            sum -= 2 * sign[flipped] * values[flipped];
            sign[flipped] = -sign[flipped];
        }
    }
    return (double)extreme / (double)total;
}

static double flip_drawn(const double *values, size_t count, double limit, uint64_t seed)
{
    struct inference_random random = {seed};
    uint32_t extreme = 0;

    for (uint32_t flip = 0; flip < FLIP_COUNT; flip++) {
        uint64_t signs = 0;
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            if (i % 64 == 0)
                signs = inference_draw(&random);
            sum += (signs >> (i % 64)) & 1 ? values[i] : -values[i];
        }
        if (fabs(sum) >= limit)
            extreme++;
    }
    /* What was measured is one of the flips, so p is never 0. */
    return (double)(extreme + 1) / (double)(FLIP_COUNT + 1);
}

double inference_sign_flip_p(const double *values, size_t count, uint64_t seed)
{
    double size = 0;

    assert(count > 0 && count <= INFERENCE_COUNT_MAX);
    for (size_t i = 0; i < count; i++)
        size += fabs(values[i]);
    const double limit = fabs(sum_of(values, count)) - size * ROUNDING;
    return count <= INFERENCE_EXACT_MAX ? flip_all(values, count, limit)
                                        : flip_drawn(values, count, limit, seed);
}

/* The 97.5 % point of Student's t with @freedom degrees (Cornish and Fisher's expansion: within
 * 0.1 % from 5 degrees on). */
static double student_975(double freedom)
{
    const double z = NORMAL_975;
    const double z3 = z * z * z;
    const double z5 = z3 * z * z;
    const double z7 = z5 * z * z;

    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom * freedom * freedom);
}

/* The share to cut off at each end of a bootstrap of @count values for 95 % in between. */
static double tail_share(size_t count)
{
    const double n = (double)count;
    const double z = sqrt(n / (n - 1)) * student_975(n - 1);

    return erfc(z / sqrt(2)) / 2;
}

/* The value that @share of the sorted ones do not exceed. */
static double share_of(const double *sorted, size_t count, double share)
{
    const double rank = share * (double)(count - 1);
    const size_t below = (size_t)rank;
    const double part = rank - (double)below;

    return below + 1 < count ? sorted[below] * (1 - part) + sorted[below + 1] * part
                             : sorted[count - 1];
}

/* Draws the interval of the estimate and the floor. */
static void resample(const double *effects, const double *nulls, const struct inference_rule *rule,
                     struct inference *inference)
{
    const size_t count = inference->count;
    const uint32_t total = rule->resamples;
    struct inference_random random = {rule->seed};
    double *const estimates = calloc(total, sizeof *estimates);
    double *const floors = calloc(total, sizeof *floors);
    double drawn[INFERENCE_COUNT_MAX];

    /* Without memory nothing is known. */
    inference->low = -INFINITY;
    inference->high = INFINITY;
    inference->floor = INFINITY;
    for (uint32_t i = 0; i < total && estimates && floors; i++) {
        for (size_t j = 0; j < count; j++)
            drawn[j] = effects[draw_index(&random, count)];
        estimates[i] = inference_center(drawn, count);
        for (size_t j = 0; j < count; j++) {
            const double null = nulls[draw_index(&random, count)];
            drawn[j] = inference_draw(&random) >> 63 ? null : -null;
        }
        floors[i] = fabs(inference_center(drawn, count));
    }
    if (estimates && floors) {
        const double tail = count > 1 ? tail_share(count) : 0;
        qsort(estimates, total, sizeof *estimates, compare_doubles);
        qsort(floors, total, sizeof *floors, compare_doubles);
        inference->low = share_of(estimates, total, tail);
        inference->high = share_of(estimates, total, 1 - tail);
        inference->floor = share_of(floors, total, FLOOR_SHARE);
    }
    free(estimates);
    free(floors);
}

/* How many more pairs might tell: spreads shrink with the root of their number. */
static size_t count_more(const struct inference *inference, double threshold)
{
    const double half = (inference->high - inference->low) / 2 * MORE_MARGIN;
    const double size = fabs(inference->effect);
    const double count = (double)inference->count;
    double factor;

    if (size > threshold)
        factor = fmax(half, inference->floor * MORE_MARGIN) / size;
    else
        factor = half / (threshold - size);
    const double wanted = fmax(ceil(count * factor * factor), INFERENCE_COUNT_MIN);
    if (!(wanted - count < INFERENCE_MORE_MAX))
        return INFERENCE_MORE_MAX;
    return wanted > count ? (size_t)(wanted - count) : 1;
}

void inference_answer(struct inference *inference, const struct inference_rule *rule)
{
    const double threshold = log1p(rule->threshold);
    const double size = fabs(inference->effect);
    const bool excludes_0 = inference->low > 0 || inference->high < 0;
    const bool rises = inference->effect > 0;

    const bool enough = inference->count >= INFERENCE_COUNT_MIN;
    const bool differs =
        excludes_0 && inference->p <= SIGNIFICANT_P && size > fmax(threshold, inference->floor);

    inference->more = 0;
    if (enough && differs)
        inference->answer = rises == rule->more_is_faster ? ANSWER_FASTER : ANSWER_SLOWER;
    else if (enough && inference->low > -threshold && inference->high < threshold)
        inference->answer = ANSWER_SAME;
    else
        inference->answer = ANSWER_INCONCLUSIVE;
    if (inference->answer == ANSWER_INCONCLUSIVE)
        inference->more = count_more(inference, threshold);
}

void inference_judge(const double *effects, const double *nulls, size_t count,
                     const struct inference_rule *rule, struct inference *ret_inference)
{
    *ret_inference = (struct inference){
        .count = count,
        .effect = inference_center(effects, count),
        .p = inference_sign_flip_p(effects, count, rule->seed),
    };
    resample(effects, nulls, rule, ret_inference);
    inference_answer(ret_inference, rule);
}

/* Twice the number of couples with a > b, ties counting one. */
static double count_wins(const double *a, size_t a_count, const double *b, size_t b_count)
{
    double wins = 0;

    for (size_t i = 0; i < a_count; i++) {
        for (size_t j = 0; j < b_count; j++)
            wins += (a[i] > b[j]) + (a[i] >= b[j]);
    }
    return wins;
}

/* The sum of t^3 - t over groups of t equal values: each value adds t^2 - 1. */
static double count_ties(const double *all, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double equal = 0;
        for (size_t j = 0; j < count; j++)
            equal += all[j] == all[i];
        sum += equal * equal - 1;
    }
    return sum;
}

double inference_rank_p(const double *a, size_t a_count, const double *b, size_t b_count)
{
    const double m = (double)a_count;
    const double n = (double)b_count;
    const double all = m + n;

    if (a_count < INFERENCE_RANK_MIN || b_count < INFERENCE_RANK_MIN)
        return NAN;
    double *const joined = calloc(a_count + b_count, sizeof *joined);
    if (!joined)
        return NAN;
    memcpy(joined, a, a_count * sizeof *a);
    memcpy(joined + a_count, b, b_count * sizeof *b);
    const double ties = count_ties(joined, a_count + b_count);
    free(joined);

    const double u = count_wins(a, a_count, b, b_count) / 2;
    const double variance = m * n / 12 * (all + 1 - ties / (all * (all - 1)));
    const double distance = fmax(fabs(u - m * n / 2) - 0.5, 0);
    return variance > 0 ? erfc(distance / sqrt(2 * variance)) : 1;
}

bool inference_rank_interval(const double *a, size_t a_count, const double *b, size_t b_count,
                             double *ret_low, double *ret_high)
{
    const size_t count = a_count * b_count;

    if (a_count < INFERENCE_RANK_MIN || b_count < INFERENCE_RANK_MIN || count > INFERENCE_RATIO_MAX)
        return false;
    double *const ratios = calloc(count, sizeof *ratios);
    if (!ratios)
        return false;
    for (size_t i = 0; i < count; i++)
        ratios[i] = b[i / a_count] / a[i % a_count];
    qsort(ratios, count, sizeof *ratios, compare_doubles);
    /* Hodges and Lehmann: so many ratios from either end. */
    const double spread = sqrt((double)count * (double)(a_count + b_count + 1) / 12);
    const double rank = floor((double)count / 2 - NORMAL_975 * spread);
    const size_t skipped = rank > 1 ? (size_t)rank - 1 : 0;
    *ret_low = ratios[skipped];
    *ret_high = ratios[count - 1 - skipped];
    free(ratios);
    return true;
}

void inference_holm(double *p, size_t count)
{
    bool done[16] = {false};
    double floor = 0;

    assert(count <= sizeof done / sizeof done[0]);
    for (size_t step = 0; step < count; step++) {
        size_t least = count;
        for (size_t i = 0; i < count; i++) {
            if (!done[i] && (least == count || p[i] < p[least]))
                least = i;
        }
        done[least] = true;
        floor = fmax(floor, fmin(1, p[least] * (double)(count - step)));
        p[least] = floor;
    }
}
