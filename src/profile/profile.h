/* SPDX-License-Identifier: MIT
 *
 * profile - what every kind of profile is until it is written: stacks, and numbers for each
 *
 *      sampler (SIGPROF) --\
 *      heap (jemalloc) ------> struct profile --> symbols (libdw) --> pprof (protobuf, gzip)
 *      contention, threads --/      |
 *                                   \--> minus an earlier one: what changed in between
 *
 * Programs use <ackd/profile.h>: ackd_profile_server_start() serves all of this on a port, and
 * every thread of the process is covered, with no more to do.  In the build: ackd_profile_dep, and
 * jemalloc_dep for the program itself.
 *
 * A profile belongs to one thread at a time.  Stacks are bounded by PROFILE_STACK_COUNT_MAX; what
 * comes beyond is counted as lost. */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern;

enum {
    PROFILE_DEPTH_MAX = 128,
    PROFILE_VALUE_COUNT_MAX = 4,
    PROFILE_STACK_COUNT_MAX = 64 * 1024,
    PROFILE_LABEL_SIZE = 16, /* a thread's name */
};

/* What a number of a profile is: "cpu" in "nanoseconds". */
struct profile_type {
    const char *name;
    const char *unit;
};

/* A kind of profile.  All kinds are static. */
struct profile_kind {
    const char *name;
    struct profile_type types[PROFILE_VALUE_COUNT_MAX];
    size_t type_count;
    struct profile_type period_type;
    const char *default_type; /* what a viewer shows first */
    bool has_delta;           /* what came in a while is a profile, too */
    const char *help;
};

/* One stack, leaf first.  Frames are addresses within the instruction that runs: return addresses
 * less one. */
struct profile_stack {
    int64_t values[PROFILE_VALUE_COUNT_MAX];
    char label[PROFILE_LABEL_SIZE]; /* the thread's name; "" for none */
    uint32_t depth;
    uintptr_t frames[];
};

struct profile {
    const struct profile_kind *kind;
    struct profile_stack **stacks;
    size_t stack_count;
    struct intern *index;    /* of the stacks, by frames and label */
    uint64_t lost_count;     /* samples that are missing */
    uint64_t unplaced_count; /* of these, what found no room here: there are too many stacks */
    int64_t period;
    int64_t begin_ns; /* CLOCK_REALTIME */
    int64_t duration_ns;
};

/* An empty profile.  NULL when memory ran out. */
struct profile *profile_new(const struct profile_kind *kind, int64_t period);

/* NULL is fine. */
void profile_free(struct profile *profile);

/* Adds @values (as many as the kind has) to those of the stack.  @label may be NULL.  Gives the
 * stack as it is kept, until profile_free(); NULL if there was no room. */
const struct profile_stack *profile_add(struct profile *profile, const uintptr_t *frames,
                                        size_t depth, const char *label, const int64_t *values);

/* Takes the values of @earlier from those of @profile, stack by stack.  A stack that only @earlier
 * has is left out if there is no room: nothing is missing then. */
void profile_subtract(struct profile *profile, const struct profile *earlier);

/* The sum of value @index over all stacks. */
int64_t profile_total(const struct profile *profile, size_t index);

/* True if there is nothing to tell of @stack: all that it had has been taken away. */
bool profile_stack_is_zero(const struct profile_stack *stack);

#endif
