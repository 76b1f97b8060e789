/* SPDX-License-Identifier: MIT
 *
 * cmd_show - ackload show: what the run history holds */
#include <stdio.h>
#include <stdlib.h>

#include "load/card.h"
#include "load/command.h"
#include "load/loop.h"

static const char help[] = "usage: ackload show [NAME|NUMBER] [--json]\n"
                           "\n"
                           "Lists the runs that are kept in .ackload (or $ACKLOAD_HISTORY), or "
                           "shows one.\n"
                           "\n"
                           "      --json               all that is kept of one, as JSON\n"
                           "\n"
                           "Exit status: 0; 64 wrong usage, or there is no such run; 13 it "
                           "cannot be read.\n";

struct show_options {
    struct args args;
    bool as_json;
};

static int show_all(const struct history *history, struct ackd_error *error)
{
    uint32_t *numbers;
    size_t count;
    json_t *run = NULL;

    int status = history_list(history, &numbers, &count, error);
    for (size_t i = 0; i < count && status == 0; i++) {
        /* One torn file does not hide the others. */
        if (history_load(history, numbers[i], &run, error) < 0) {
            fprintf(stderr, "ackload: %s\n", error->text);
            continue;
        }
        card_line(stdout, run);
        json_decref(run);
    }
    if (status == 0)
        free(numbers);
    return status;
}

static int show_one(const struct history *history, const char *text, bool as_json,
                    struct ackd_error *error)
{
    uint32_t number;
    json_t *run = NULL;

    int status = history_find(history, text, &number, error);
    if (status == 0)
        status = history_load(history, number, &run, error);
    if (status < 0)
        return status;
    if (as_json)
        status = loop_write_json("-", run, error);
    else
        card_print(stdout, run);
    json_decref(run);
    return status;
}

static int parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct show_options *const options = to;
    const struct args_rule rules[] = {{"json", NULL, &options->as_json}, {NULL, NULL, NULL}};

    *options = (struct show_options){.as_json = false};
    const int status = args_sort(argc, argv, rules, 1, false, &options->args, error);
    if (status == 0 && options->as_json && options->args.name_count == 0 && !options->args.help)
        return error_raise(error, -EINVAL, "--json wants a NAME or NUMBER");
    return status;
}

static int show(void *from, struct loop *loop, struct ackd_error *error)
{
    const struct show_options *const options = from;

    if (options->args.name_count == 0)
        return show_all(&loop->history, error);
    return show_one(&loop->history, options->args.names[0], options->as_json, error);
}

int cmd_show(int argc, char **argv)
{
    static const struct loop_command command = {
        .help = help, .reads_only = true, .parse = parse, .run = show};
    struct show_options options;

    return loop_main(&command, argc, argv, &options);
}
