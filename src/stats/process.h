/* SPDX-License-Identifier: MIT
 *
 * process - the process_* metrics that every Prometheus client library exposes
 *
 * Names and help texts are client_golang's.  What cannot be read is left out. */
#ifndef STATS_PROCESS_H
#define STATS_PROCESS_H

#include <sys/resource.h>

#include "stats/exposition.h"

/* What a program shows of itself; 0 where it cannot be read. */
struct process_values {
    double cpu_seconds;
    double resident_bytes;
    double open_fds;
    double max_fds;
    double threads;
};

/* Reads the values of the calling process: a handful of system calls, however many descriptors
 * are open (before Linux 6.2 one more for each 1024 of them). */
void process_read(struct process_values *ret_values);

/* Counts the descriptors below @limit that are open, 1024 in a system call; for kernels that do not
 * tell.  -1 when that fails. */
double process_count_fds_by_poll(rlim_t limit);

/* Appends the process_* families of the calling process.  Reads /proc; may block on it. */
void process_expose(struct exposition *to);

#endif
