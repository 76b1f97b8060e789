/* SPDX-License-Identifier: MIT
 *
 * child - processes that a command starts, and that never outlive it
 *
 * Each leads a process group of its own: a Ctrl-C reaches ackload alone, which then ends the
 * group.  The kernel ends the leader should ackload die without a word.  What a child prints goes
 * to memory that can be read when it has ended.
 *
 * One thread; SIGINT, SIGTERM and SIGHUP arrive through a struct interrupts. */
#ifndef LOAD_CHILD_H
#define LOAD_CHILD_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum {
    CHILD_ENV_MAX = 4,
    CHILD_ERRORS_SIZE = 64 * 1024, /* of stderr is kept; the child may write more in vain */
};

/* The user's wish to stop. */
struct interrupts {
    int fd;
    bool requested;
};

/* Takes the signals from now on: they no longer end the process. */
int interrupts_open(struct interrupts *interrupts, struct ackd_error *error);
void interrupts_close(struct interrupts *interrupts);

/* True once somebody wished to stop. */
bool interrupts_requested(struct interrupts *interrupts);

/* Waits; returns early, with true, when somebody wishes to stop. */
bool interrupts_wait(struct interrupts *interrupts, uint64_t ns);

struct child_plan {
    const char *const *argv; /* ends with NULL; argv[0] is found along PATH */
    const char *folder;      /* to work in; NULL = this one */
    const char *env_names[CHILD_ENV_MAX];
    const char *env_values[CHILD_ENV_MAX]; /* set in the child; NULL names end the list */
    const cpu_set_t *cpus;                 /* NULL = those of ackload */
    bool keep_output;                      /* all of stdout, to be read later */
};

struct child {
    pid_t pid; /* and process group; 0 = no child */
    int pid_fd;
    int output_fd; /* -1 unless kept */
    int errors_fd;
    int status; /* of waitpid(), once ended */
};

enum child_wait {
    CHILD_ENDED,
    CHILD_RUNS,
    CHILD_INTERRUPTED,
};

/* Starts @plan, whose parts are needed during the call only.  Fails when the program cannot be
 * executed. */
int child_start(struct child *ret_child, const struct child_plan *plan, struct ackd_error *error);

/* Waits until the child ends, at most @ns (UINT64_MAX = for ever). */
enum child_wait child_wait(struct child *child, uint64_t ns, struct interrupts *interrupts);

/* Ends the group: SIGTERM, after @grace_ns SIGKILL.  Then nothing of it is left but its output,
 * which child_close() frees.  Also for a child that has ended. */
void child_stop(struct child *child, uint64_t grace_ns);
void child_close(struct child *child);

/* The exit status of a child that has ended; 128 + the signal that ended it. */
int child_exit_status(const struct child *child);

/* What the child wrote to stdout, with a NUL behind it; the caller frees it.  NULL without
 * memory. */
char *child_output(const struct child *child, size_t *ret_size);

/* Copies the last line that the child wrote to stderr, without its newline; "" when there is
 * none. */
void child_last_error(const struct child *child, char *ret_text, size_t text_size);

/* Parses a list of CPUs such as 1 or 0,2-3, of those that ackload may use. */
int child_parse_cpus(const char *option, const char *text, cpu_set_t *ret_cpus,
                     struct ackd_error *error);

/* Starts @argv, waits for its end, and copies the first line of its output.  Returns its exit
 * status, or a negative errno when it could not be started or somebody wished to stop. */
int child_first_line(const char *const *argv, struct interrupts *interrupts, char *ret_line,
                     size_t line_size, struct ackd_error *error);

#endif
