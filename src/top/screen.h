/* SPDX-License-Identifier: MIT
 *
 * screen - a view as lines of text, for a terminal of any size
 *
 * Pure: what is drawn depends on what is passed.  Below 40 columns lines are cut off; rows that do
 * not fit are left out from the end, so the rates stay. */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include "top/view.h"

enum {
    SCREEN_ROW_COUNT_MAX = 200,
    SCREEN_COLUMN_COUNT_MAX = 240,
};

enum screen_style {
    SCREEN_PLAIN,
    SCREEN_STRONG,
    SCREEN_HEADING, /* of a table */
    SCREEN_ALARM,
};

struct screen_row {
    enum screen_style style;
    char text[SCREEN_COLUMN_COUNT_MAX + 1]; /* ASCII, no longer than the screen is wide */
};

struct screen {
    uint32_t row_count; /* in use */
    uint32_t row_max;
    uint32_t column_count;
    struct screen_row rows[SCREEN_ROW_COUNT_MAX];
};

/* What is said beside the numbers. */
struct screen_words {
    const char *url;
    const char *order;  /* what connections are ordered by */
    const char *notice; /* "" for none; then there is */
    const char *hint;
    bool paused;
};

/* Draws @view for a terminal of @row_count and @column_count. */
void screen_draw(struct screen *screen, uint32_t row_count, uint32_t column_count,
                 const struct view *view, const struct screen_words *words);

#endif
