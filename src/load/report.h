/* SPDX-License-Identifier: MIT
 *
 * report - what a person sees of a run: the opening line, the live line, the final table */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdio.h>

#include "load/run.h"

/* Where the live line goes: rewritten in place on a terminal, else one line per second. */
struct live {
    FILE *to;
    bool terminal;
    bool shown; /* a line stands there, without its newline */
};

/* Says what is about to happen. */
void report_opening(FILE *to, const struct options *options, const struct plan *plan);

void live_init(struct live *live, FILE *to);

/* Shows one interval of a run that lasts @duration_ns. */
void live_show(struct live *live, const struct interval *interval, uint64_t duration_ns);

/* Removes the line from a terminal. */
void live_clear(struct live *live);

/* The name of a bad ack's verdict, as the ledger's column; "" for VERIFY_OK. */
const char *report_verdict_name(enum verify_verdict verdict);

/* Prints the final table. */
void report_result(FILE *to, const struct options *options, const struct plan *plan,
                   const struct outcome *outcome);

/* Writes the result as JSON to the file @path, or to stdout for "-" (docs/LOADTEST.md). */
int report_json(const char *path, const struct options *options, const struct plan *plan,
                const struct outcome *outcome, struct ackd_error *error);

#endif
