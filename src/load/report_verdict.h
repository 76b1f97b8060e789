/* SPDX-License-Identifier: MIT
 *
 * report_verdict - what ab, aa, compare and search found, as one page like that of a run
 *
 * The pages are made from the JSON that the commands write and keep (docs/LOADTEST.md), so that
 * both say the same, and a kept verdict can be drawn at any time.  Each figure on a page carries
 * its value and where it stands in the JSON (page_figure()). */
#ifndef LOAD_REPORT_VERDICT_H
#define LOAD_REPORT_VERDICT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "load/inference.h"
#include "load/text.h"

/* What is to be shown; all borrowed. */
struct verdict_page {
    const char *command;       /* the command line */
    const json_t *result;      /* its "schema" says what it is */
    const json_t *environment; /* of environment_describe(); NULL = not known */
};

/* Whether there is a page for @result. */
bool report_verdict_knows(const json_t *result);

/* Writes the page to the file @path, that of --html. */
int report_verdict(const char *path, const json_t *result, const json_t *environment,
                   struct ackd_error *error);

/* The same to a stream. */
void report_verdict_write(FILE *to, const struct verdict_page *page);

/* The cards of the commands, between the header and what was measured; used by the above. */
void report_ab_cards(FILE *to, const json_t *result);
void report_aa_cards(FILE *to, const json_t *result);
void report_compare_cards(FILE *to, const json_t *result);
void report_search_cards(FILE *to, const json_t *result);

/* The text at @key, or "". */
const char *report_pick(const json_t *value, const char *key);

/* The number at @key, or NaN. */
double report_pick_number(const json_t *value, const char *key);

/* The value of the figure called @name as people read it: 12.3 us, 20.0k/s, 25370.6 ns. */
const char *report_figure_text(struct text *text, const char *name, double value);

/* +3.52 % */
const char *report_change_text(struct text *text, double share);

/* The answer that FASTER and so on stand for; ANSWER_INCONCLUSIVE for anything else. */
enum answer report_answer(const char *name);

#endif
