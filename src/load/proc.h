/* SPDX-License-Identifier: MIT
 *
 * proc - what /proc says of another process and of the machine
 *
 * The CPU time of a process is that of its CPU clock: nanoseconds, with the threads that have
 * ended. Those of its threads come from /proc/PID/task/TID/schedstat.  The kernel splits CPU time
 * into user and system only in ticks (utime and stime of stat), so the split is a share and not a
 * sum. Any thread; reads files. */
#ifndef LOAD_PROC_H
#define LOAD_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROC_TASK_COUNT_MAX = 512 };

struct proc_task {
    int id;
    uint64_t cpu_ns;
    uint64_t waiting_ns; /* ready to run, and not running */
};

/* A process at some moment. */
struct proc_sample {
    bool known; /* false: it could not be read */
    uint64_t time_ns;
    uint64_t cpu_ns; /* of all its threads, also those that have ended */
    uint64_t user_ticks;
    uint64_t system_ticks;
    uint64_t voluntary_count; /* context switches */
    uint64_t involuntary_count;
    uint32_t task_count;
    struct proc_task tasks[PROC_TASK_COUNT_MAX];
};

/* What it did between two moments. */
struct proc_usage {
    bool known;
    uint64_t cpu_ns;
    double user_share; /* of the CPU time; 0.5 when no tick fell into it */
    uint64_t voluntary_count;
    uint64_t involuntary_count;
    double busiest; /* the busiest thread's share of the time, waiting for a CPU included, unless it
                     * still waited at the end: the kernel counts a wait when it is over */
};

/* The machine's CPU time since it started, in ticks. */
struct proc_machine {
    uint64_t total_ticks;
    uint64_t steal_ticks;
};

/* Reads process @pid. */
void proc_sample(pid_t pid, struct proc_sample *ret_sample);

/* What happened between @begin and @end; threads that were not there at the beginning count whole.
 */
struct proc_usage proc_compare(const struct proc_sample *begin, const struct proc_sample *end);

/* Reads the machine's times; zeros when they cannot be read. */
struct proc_machine proc_machine(void);

#endif
