/* SPDX-License-Identifier: MIT
 *
 * effect_chart - how far B lies from A: drawings over an axis of changes around 0, as SVG
 *
 *        · : ·                  dots: single observations, the first at the top
 *      ▒▒▒:▒▒|▒▒▒▒▒▒            ground: changes that do not matter; dashed: the floor
 *      ▒▒▒├──◆───┤▒▒            interval and estimate
 *      ──┴───┼───┴───┴─ B/A
 *
 * The floor is what both sides show against themselves (inference.h).  Changes are shares: 0.03 is
 * +3 %.  Pure but for the writing. */
#ifndef LOAD_EFFECT_CHART_H
#define LOAD_EFFECT_CHART_H

#include <stddef.h>
#include <stdio.h>

#include "load/inference.h"

struct effect_chart {
    const char *title;
    enum answer answer; /* decides on the colour */
    double change;
    double low; /* NaN = there is no interval */
    double high;
    double threshold;
    double floor;       /* NaN = not known */
    const double *dots; /* at most INFERENCE_COUNT_MAX are drawn */
    size_t dot_count;
    const char *dot_name; /* what one is: "pair" */
};

/* The tone of a page (page.h) that stands for @answer. */
const char *effect_tone(enum answer answer);

void effect_chart_write(FILE *to, const struct effect_chart *chart);

/* Changes that were found, as columns: how many of each size.  answers[i] decides on the colour of
 * changes[i]: what should be SAME is, or is not told, or is an alarm. */
struct effect_columns {
    const char *title;
    const double *changes;
    const enum answer *answers;
    size_t count;
    double threshold;
};

void effect_columns_write(FILE *to, const struct effect_columns *columns);

#endif
