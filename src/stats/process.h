/* SPDX-License-Identifier: MIT
 *
 * process - the process_* metrics that every Prometheus client library exposes
 *
 * Names and help texts are client_golang's.  What cannot be read is left out. */
#ifndef STATS_PROCESS_H
#define STATS_PROCESS_H

#include "stats/exposition.h"

/* Appends the process_* families of the calling process.  Reads /proc; may block on it. */
void process_expose(struct exposition *to);

#endif
