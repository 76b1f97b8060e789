/* SPDX-License-Identifier: MIT
 *
 * options - ackd's command line and config file
 *
 * Both name the same options (options.def).  Nothing is opened here but the config file. */
#ifndef ACKD_OPTIONS_H
#define ACKD_OPTIONS_H

#include <ackd/error.h>
#include <ackd/server.h>
#include <stdbool.h>
#include <stdio.h>

enum log_format {
    LOG_LOGFMT,
    LOG_JSON,
};

enum sandbox_level {
    SANDBOX_OFF,
    SANDBOX_ON,
    SANDBOX_STRICT,
};

/* The word for it: what --sandbox takes. */
const char *sandbox_level_name(enum sandbox_level level);

struct options {
    struct ackd_server_options server;
    const char *metrics_listen;
    const char *metrics_prefix;
    const char *pprof_listen;    /* NULL: off */
    const char *profile_on_exit; /* NULL: no */
    const char *handler;
    const char *ports_file;
    const char *config;
    enum ackd_log_level log_level;
    enum log_format log_format;
    enum sandbox_level sandbox;
    char *config_text;     /* the config file; texts above point into it */
    bool pprof_is_default; /* nobody asked for pprof_listen */
    bool pprof_allow_remote;
    bool check_config;
    bool version;
    bool help;
};

/* Fills @ret_options from the defaults, the config file and the command line.  0, or -EINVAL with
 * an error that names the option (or file:line) and what is legal.  The texts live as long as
 * @argv and until options_deinit(), which follows in either case. */
int options_parse(int argc, char **argv, struct options *ret_options, struct ackd_error *error);

/* What a reload has done and has not: names of options, with commas between them. */
struct options_changes {
    char changed[512];
    char fixed[512]; /* they differ, but only a new start changes them */
};

/* Takes over from @fresh into @running the options that SIGHUP changes. */
void options_reload(struct options *running, const struct options *fresh,
                    struct options_changes *ret_changes);

/* Frees what options_parse() has kept. */
void options_deinit(struct options *options);

enum { OPTION_VALUE_SIZE = 160 };

/* Walks through the options that have a value: writes the value of the one at *@index or the next
 * after it to @ret_value (OPTION_VALUE_SIZE bytes), as it would be given, and steps *@index behind
 * it.  Its name; NULL when there is none left. */
const char *options_next(const struct options *options, size_t *index, char *ret_value);

/* The name of an option that protects the server and is switched off, at or behind *@index; NULL
 * when there is none left.  Begin with an index of 0. */
const char *options_next_unguarded(const struct options *options, int *index);

/* What --help prints. */
void options_print_help(FILE *to);

/* The options as a Markdown table, for docs/OPERATIONS.md. */
void options_print_table(FILE *to);

/* The options as man page source (mdoc), for ackd(8). */
void options_print_man(FILE *to);

#endif
