/* SPDX-License-Identifier: MIT
 *
 * duel_options - the command line that `ab` and `aa` share */
#ifndef LOAD_DUEL_OPTIONS_H
#define LOAD_DUEL_OPTIONS_H

#include "load/duel.h"

enum { DUEL_TRIAL_MAX = 10000 };

/* What differs between the commands. */
struct duel_defaults {
    bool audit; /* one server, many trials */
    uint32_t pair_count;
    const char *time;
};

struct duel_options {
    struct args args;
    struct duel_plan plan; /* its sides are filled by duel_options_sides() */
    const char *texts[DUEL_SIDE_COUNT];
    const char *server_cpus;
    const char *json_path;
    const char *html_path;
    uint32_t trial_count;
    bool quiet;
};

/* Parses the command line into @ret_options, which must stay where it is. */
int duel_options_parse(int argc, char **argv, const struct duel_defaults *defaults,
                       struct duel_options *ret_options, struct ackd_error *error);

/* Finds out what the sides are; builds what must be built. */
int duel_options_sides(struct duel_options *options, const struct history *history,
                       struct interrupts *interrupts, struct ackd_error *error);

/* Parses a share such as 3% or 0.5%. */
int duel_options_share(const char *option, const char *text, double *ret_share,
                       struct ackd_error *error);

#endif
