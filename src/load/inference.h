/* SPDX-License-Identifier: MIT
 *
 * inference - what measured effects allow to say, and what they do not
 *
 *      effects   one per pair of fresh processes: ln(B / A), so 0 is "no difference"
 *      nulls     one per pair: the same slices, each side held against itself
 *
 *      estimate  Hodges-Lehmann: the median of the means of all couples
 *      interval  bootstrap over the pairs, widened for few of them
 *      p         sign flips: exact up to INFERENCE_EXACT_MAX pairs, else drawn
 *      floor     what the nulls show as an "effect", 95 times in 100 no more
 *
 *      FASTER, SLOWER   the interval excludes 0, p <= 0.05, and the estimate lies beyond
 *                       the threshold and the floor
 *      SAME             the interval lies inside the threshold
 *      INCONCLUSIVE     neither; so many more pairs might tell
 *
 * Pure computation, and repeatable: what is drawn follows from a seed.  A pair is the unit: values
 * inside one process are no independent observations.
 *
 * Sources: Hodges and Lehmann 1963; Efron 1979; Hesterberg 2015 (the widening: percentiles of the
 * plain bootstrap are too narrow for few values); Holm 1979; Mann and Whitney 1947. */
#ifndef LOAD_INFERENCE_H
#define LOAD_INFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INFERENCE_COUNT_MIN = 6, /* fewer sign flips cannot reach p <= 0.05: 2 in 2^5 is 0.0625 */
    INFERENCE_COUNT_MAX = 256,
    INFERENCE_EXACT_MAX = 20,
    INFERENCE_RANK_MIN = 5, /* values on each side of a rank test */
    INFERENCE_RESAMPLES = 10000,
    INFERENCE_MORE_MAX = 10000,
    INFERENCE_RATIO_MAX = 1 << 22,
};

/* Numbers that follow from a seed (splitmix64). */
struct inference_random {
    uint64_t state;
};

uint64_t inference_draw(struct inference_random *random);

/* Uniform in [0, 1). */
double inference_draw_unit(struct inference_random *random);

enum answer {
    ANSWER_SAME,
    ANSWER_FASTER,
    ANSWER_SLOWER,
    ANSWER_INCONCLUSIVE,
};

/* FASTER and so on; static text. */
const char *answer_name(enum answer answer);

struct inference_rule {
    double threshold; /* changes up to this share do not matter: 0.03 */
    uint64_t seed;
    uint32_t resamples;
    bool more_is_faster; /* a rate; else a cost or a time */
};

struct inference {
    size_t count;
    double effect; /* ln(B / A), as are the next three */
    double low;
    double high;
    double floor;
    double p;
    enum answer answer;
    size_t more; /* INCONCLUSIVE: so many more pairs might tell; INFERENCE_MORE_MAX: or never */
};

/* Judges @count effects with their nulls, from 1 to INFERENCE_COUNT_MAX.  Fewer than
 * INFERENCE_COUNT_MIN are always INCONCLUSIVE. */
void inference_judge(const double *effects, const double *nulls, size_t count,
                     const struct inference_rule *rule, struct inference *ret_inference);

/* The answer that numbers stand for; fills answer and more of @inference from the rest. */
void inference_answer(struct inference *inference, const struct inference_rule *rule);

/* The middle value; sorts @values.  @count > 0. */
double inference_median(double *values, size_t count);

/* The Hodges-Lehmann estimate of @count values, 1 to INFERENCE_COUNT_MAX. */
double inference_center(const double *values, size_t count);

/* Two-sided p of "the signs are chance". */
double inference_sign_flip_p(const double *values, size_t count, uint64_t seed);

/* Two-sided p of "both come from one distribution" (Mann-Whitney; normal approximation with ties).
 * Sorts nothing; NaN when a side has fewer than INFERENCE_RANK_MIN values. */
double inference_rank_p(const double *a, size_t a_count, const double *b, size_t b_count);

/* The interval, 95 times in 100, of how many times larger the values of @b are than those of @a
 * (all above 0): that of all ratios which the rank test would not refuse.  Returns false when a
 * side has fewer than INFERENCE_RANK_MIN values, or both together more than INFERENCE_RATIO_MAX
 * couples. */
bool inference_rank_interval(const double *a, size_t a_count, const double *b, size_t b_count,
                             double *ret_low, double *ret_high);

/* Replaces @count values of p by those of Holm's correction. */
void inference_holm(double *p, size_t count);

#endif
