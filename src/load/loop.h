/* SPDX-License-Identifier: MIT
 *
 * loop - the commands of the four-step loop: measure, profile, optimise, compare
 *
 *      record NAME ─▶ profile NAME ─▶ (change something) ─▶ ab, compare
 *
 * Beside them aa, which audits ab, and search, which finds the highest rate that a server keeps a
 * promise at.  All keep what they find in one run history (history.h). */
#ifndef LOAD_LOOP_H
#define LOAD_LOOP_H

#include "load/args.h"
#include "load/child.h"
#include "load/history.h"
#include "load/inference.h"

/* The commands; each returns an exit status of command.h. */
int cmd_record(int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_ab(int argc, char **argv);
int cmd_aa(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_search(int argc, char **argv);
int cmd_show(int argc, char **argv);

/* What most commands have in hand. */
struct loop {
    struct history history;
    struct interrupts interrupts; /* not of a command that only reads */
};

/* A command that works with the history: how it begins and ends is the same for all. */
struct loop_command {
    const char *help;
    bool reads_only; /* wants the history to be there, and leaves the signals alone */

    /* Fills @options, which begin with struct args. */
    int (*parse)(int argc, char **argv, void *options, struct ackd_error *error);

    /* Does what they say.  Returns an exit status, or a negative errno with @error. */
    int (*run)(void *options, struct loop *loop, struct ackd_error *error);
};

/* Parses into @options, and prints the help, or opens the history (making it if need be) and runs
 * @command.  Says what went wrong.  Returns the exit status. */
int loop_main(const struct loop_command *command, int argc, char **argv, void *options);

/* Prints @error and returns the exit status that it stands for: 64 for what the user can mend on
 * the command line, 12 for acks that were wrong, 69 for a server that cannot be used, else 13. */
int loop_fail(const struct ackd_error *error);

/* The exit status of a comparison that ended with @answer. */
int loop_exit_status(enum answer answer);

/* Writes @value to the file @path, or to stdout for "-". */
int loop_write_json(const char *path, const json_t *value, struct ackd_error *error);

/* What a command found, and where its user wants it; NULL = nowhere. */
struct loop_finding {
    const char *kind;    /* "ab" and so on */
    json_t *result;      /* owned; NULL = there was no memory */
    json_t *environment; /* owned, as above */
    const char *json_path;
    const char *html_path;
};

/* Adds @finding to the history, and writes its JSON and its page.  Takes what it owns. */
int loop_keep(const struct loop *loop, struct loop_finding finding, struct ackd_error *error);

/* The words for the runs as an array, and back: those borrow from @words. */
json_t *loop_pack_words(const struct args *args);
int loop_unpack_words(const json_t *words, struct args *ret_args, struct ackd_error *error);

#endif
