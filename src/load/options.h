/* SPDX-License-Identifier: MIT
 *
 * options - ackload's command line */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <sched.h>

#include "base/address.h"
#include "load/mix.h"
#include "load/pace.h"
#include "load/plan.h"
#include "load/schedule.h"
#include "load/validity.h"
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
    double rate;      /* messages per second in total, the mean of the plan; 0 = closed loop */
    struct rate_plan rate_plan;
    enum arrival arrival;
    uint32_t burst;
    enum idle_mode idle;
    bool idle_chosen; /* by ackload, not by --idle */
    uint64_t warmup_ns;
    uint64_t duration_ns; /* after the warm-up */
    uint64_t drain_ns;
    uint64_t timeout_ns; /* UINT64_MAX = none */
    enum validity_mode validity;
    uint64_t lateness_budget_ns;
    pid_t server_pid; /* 0 = not known */
    struct mix_options mix;
    struct plan_options plan;
    enum dialect_rule dialect;
    const char *json_path;    /* NULL = none, "-" = stdout; borrowed from argv */
    const char *html_path;    /* NULL = none */
    const char *prom_address; /* NULL = none; borrowed too */
    const char *hlog_path;    /* NULL = none */
    bool quiet;
    uint32_t cpu_count; /* of --cpu; 0 = threads are not pinned */
    uint16_t cpus[CPU_SETSIZE];
};

/* Parses the command line.  On failure @error names the option and what is legal. */
int options_parse(int argc, char **argv, struct options *ret_options, struct ackd_error *error);

/* The words of an arrival, and of an idle mode. */
const char *options_arrival_name(enum arrival arrival);
const char *options_idle_name(enum idle_mode idle);

/* The help texts. */
const char *options_help(void);
const char *options_help_run(void);

#endif
