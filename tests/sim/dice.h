/* SPDX-License-Identifier: MIT
 *
 * dice - the one source of chance of a simulation: the same seed, the same throws */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
    /* splitmix64: neighbouring seeds give unrelated throws. */
    uint64_t word = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

/* One of 0 .. @count - 1. */
static inline uint32_t dice_roll(struct dice *dice, uint32_t count)
{
    return (uint32_t)(((dice_next(dice) >> 32) * count) >> 32);
}

/* True once in @count throws. */
static inline bool dice_chance(struct dice *dice, uint32_t count)
{
    return dice_roll(dice, count) == 0;
}

/* 1 .. @maximum, small numbers as often as large ones. */
static inline uint32_t dice_size(struct dice *dice, uint32_t maximum)
{
    uint32_t bound = 1;

    while (bound < maximum && !dice_chance(dice, 8))
        bound *= 2;
    return dice_roll(dice, bound < maximum ? bound : maximum) + 1;
}

#endif
