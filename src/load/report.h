/* SPDX-License-Identifier: MIT
 *
 * report - what a person sees of a run: the opening line and the final table */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdio.h>

#include "load/run.h"
#include "load/text.h"

/* Says what is about to happen. */
void report_opening(FILE *to, const struct options *options, const struct plan *plan);

/* The name of a bad ack's verdict, as the ledger's column; "" for VERIFY_OK. */
const char *report_verdict_name(enum verify_verdict verdict);

/* "OK", "FAILED" or "INVALID". */
const char *report_headline(enum verdict verdict);

/* A figure of a check of the run, in its unit. */
const char *report_check_value(struct text *text, const struct validity_check *check, double value);

/* Prints the final table.  Not @written: a file of the result could not be written, so that the run
 * is invalid whatever its outcome is. */
void report_result(FILE *to, const struct options *options, const struct plan *plan,
                   const struct outcome *outcome, bool written);

/* Writes the result as JSON to the file @path, or to stdout for "-" (docs/LOADTEST.md). */
int report_json(const char *path, const struct options *options, const struct plan *plan,
                const struct outcome *outcome, struct ackd_error *error);

#endif
