/* SPDX-License-Identifier: MIT
 *
 * cmd_show - ackload show: what the run history holds */
#include <stdio.h>
#include <stdlib.h>

#include "load/card.h"
#include "load/command.h"
#include "load/loop.h"
#include "load/output.h"
#include "load/report_verdict.h"

static const char help[] = "usage: ackload show [NAME|NUMBER] [--json] [--html FILE]\n"
                           "\n"
                           "Lists the runs that are kept in .ackload (or $ACKLOAD_HISTORY), or "
                           "shows one.\n"
                           "\n"
                           "      --json               all that is kept of one, as JSON\n"
                           "      --html FILE          the page of a kept ab, aa or search\n"
                           "\n"
                           "Exit status: 0; 64 wrong usage, or there is no such run; 13 it "
                           "cannot be read.\n";

struct show_options {
    struct args args;
    const char *html_path;
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

/* The page of a verdict that was kept. */
static int draw(const char *path, const json_t *run, struct ackd_error *error)
{
    const json_t *const result = json_object_get(run, "result");

    if (!report_verdict_knows(result))
        return error_raise(error, -EINVAL,
                           "--html is for what ab, aa and search have kept; ackload run --html "
                           "writes the page of a run");
    return report_verdict(path, result, json_object_get(run, "environment"), error);
}

static int show_one(const struct history *history, const struct show_options *options,
                    struct ackd_error *error)
{
    uint32_t number;
    json_t *run = NULL;

    int status = history_find(history, options->args.names[0], &number, error);
    if (status == 0)
        status = history_load(history, number, &run, error);
    if (status < 0)
        return status;
    if (options->html_path)
        status = draw(options->html_path, run, error);
    else if (options->as_json)
        status = loop_write_json("-", run, error);
    else
        card_print(stdout, run);
    json_decref(run);
    return status;
}

static int parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct show_options *const options = to;
    const struct args_rule rules[] = {
        {"json", NULL, &options->as_json},
        {"html", &options->html_path, NULL},
        {NULL, NULL, NULL},
    };

    *options = (struct show_options){.as_json = false};
    const int status = args_sort(argc, argv, rules, 1, false, &options->args, error);
    if (status < 0 || options->args.help)
        return status;
    if (options->args.name_count > 0)
        return output_check("--html", options->html_path, error);
    if (options->as_json || options->html_path)
        return error_raise(error, -EINVAL, "--%s wants a NAME or NUMBER",
                           options->as_json ? "json" : "html");
    return 0;
}

static int show(void *from, struct loop *loop, struct ackd_error *error)
{
    const struct show_options *const options = from;

    if (options->args.name_count == 0)
        return show_all(&loop->history, error);
    return show_one(&loop->history, options, error);
}

int cmd_show(int argc, char **argv)
{
    static const struct loop_command command = {
        .help = help, .reads_only = true, .parse = parse, .run = show};
    struct show_options options;

    return loop_main(&command, argc, argv, &options);
}
