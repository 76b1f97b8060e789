/* SPDX-License-Identifier: MIT
 *
 * args - the command line of a command that hands options on to `ackload run`
 *
 *      ackload ab  --a CMD --pairs 20  -c 64 --rate 200k
 *                  \__ own: taken __/  \_ for the runs _/
 *
 * Words are borrowed from argv. */
#ifndef LOAD_ARGS_H
#define LOAD_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    ARGS_NAME_MAX = 2,
    ARGS_REST_MAX = 64,
};

/* One option of the command's own; exactly one of value and flag is set. */
struct args_rule {
    const char *name;   /* --name */
    const char **value; /* where its value goes; --name VALUE or --name=VALUE */
    bool *flag;
};

struct args {
    const char *names[ARGS_NAME_MAX];
    int name_count;
    const char *rest[ARGS_REST_MAX]; /* for `ackload run`, in their order */
    int rest_count;
    bool help;
};

/* Sorts argv[1] and what follows.  A word without a dash is a name if it stands before everything
 * that is not the command's own.  @rules ends with a NULL name.  @hands_on: unknown options are
 * for the runs; else an error, with -EINVAL. */
int args_sort(int argc, char **argv, const struct args_rule *rules, int name_max, bool hands_on,
              struct args *ret_args, struct ackd_error *error);

/* The value that `ackload run` would take of --@name or -@letter (0 = none) in the rest, or
 * NULL. */
const char *args_find(const struct args *args, const char *name, char letter);

/* Parses the number of an option; *ret_count stays as it is when @value is NULL. */
int args_count(const char *option, const char *value, uint32_t min, uint32_t max,
               uint32_t *ret_count, struct ackd_error *error);

/* Parses a time from 1 ms to a day; *ret_ns stays as it is when @value is NULL. */
int args_time(const char *option, const char *value, uint64_t *ret_ns, struct ackd_error *error);

#endif
