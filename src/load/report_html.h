/* SPDX-License-Identifier: MIT
 *
 * report_html - the result as one page that needs nothing else: no script, no font, no network
 *
 * Charts are SVG (chart.h); light and dark follow the reader's system; a phone is wide enough. */
#ifndef LOAD_REPORT_HTML_H
#define LOAD_REPORT_HTML_H

#include <stdio.h>

#include "load/run.h"

/* Writes the page to the file @path. */
int report_html(const char *path, const struct options *options, const struct plan *plan,
                const struct outcome *outcome, struct ackd_error *error);

/* The same to a stream; @command is the command line. */
void report_html_write(FILE *to, const char *command, const struct options *options,
                       const struct plan *plan, const struct outcome *outcome);

#endif
