/* SPDX-License-Identifier: MIT
 *
 * command - what ackload can do beside `run`: one file and one line in main.c each */
#ifndef LOAD_COMMAND_H
#define LOAD_COMMAND_H

/* The exit statuses of all commands. */
enum load_exit {
    EXIT_OK = 0,
    EXIT_REGRESSION = 10,
    EXIT_SLO_MISSED = 11,
    EXIT_VERIFICATION = 12, /* a message was not acked once, in order, with result 0 */
    EXIT_INVALID = 13,      /* the run says nothing about the server */
    EXIT_INCONCLUSIVE = 14,
    EXIT_USAGE = 64,
    EXIT_NO_CONNECTION = 69,
};

struct subcommand {
    const char *name;
    const char *help; /* one line */

    /* @argv[0] is the name.  Returns the exit status. */
    int (*run)(int argc, char **argv);
};

int cmd_verify_co(int argc, char **argv);

#endif
