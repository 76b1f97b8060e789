/* SPDX-License-Identifier: MIT
 *
 * options - ackload's command line */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <sched.h>

#include "base/address.h"
#include "load/plan.h"
#include "load/verify.h"

enum {
    OPTIONS_CONNECTION_COUNT_MAX = 1000000,
    OPTIONS_THREAD_COUNT_MAX = 1024,
    OPTIONS_WINDOW_MAX = 1000000,
};

enum options_action {
    OPTIONS_RUN,
    OPTIONS_HELP,     /* ackload --help: what it is and how to start */
    OPTIONS_HELP_RUN, /* ackload run --help: all options */
    OPTIONS_VERSION,
};

struct options {
    enum options_action action;

    struct address address;
    uint32_t connection_count;
    uint32_t thread_count;
    uint64_t window;  /* messages in flight on one connection, at most */
    bool depth_given; /* by -d, as a number */
    bool depth_max;   /* -d max */
    double rate;      /* messages per second in total; 0 = closed loop */
    uint64_t duration_ns;
    uint64_t drain_ns;
    struct plan_options plan;
    enum dialect_rule dialect;
    const char *json_path;    /* NULL = none, "-" = stdout; borrowed from argv */
    const char *prom_address; /* NULL = none; borrowed too */
    bool quiet;
    uint32_t cpu_count; /* of --cpu; 0 = threads are not pinned */
    uint16_t cpus[CPU_SETSIZE];
};

/* Parses the command line.  On failure @error names the option and what is legal. */
int options_parse(int argc, char **argv, struct options *ret_options, struct ackd_error *error);

/* The help texts. */
const char *options_help(void);
const char *options_help_run(void);

#endif
