/* SPDX-License-Identifier: MIT
 *
 * loop - what the commands of the four-step loop share (loop.h) */
#include "load/loop.h"

#include <stdio.h>
#include <string.h>

#include "load/command.h"
#include "load/report_verdict.h"

int loop_fail(const struct ackd_error *error)
{
    fprintf(stderr, "ackload: %s\n", error->text);
    switch (-error->code) {
    case EINVAL:
    case ENOENT:
        return EXIT_USAGE;
    case EBADMSG:
        return EXIT_VERIFICATION;
    case ECHILD:
    case ETIMEDOUT:
    case EIO:
        return EXIT_NO_CONNECTION;
    default:
        return EXIT_INVALID;
    }
}

int loop_exit_status(enum answer answer)
{
    switch (answer) {
    case ANSWER_SAME:
    case ANSWER_FASTER:
        return EXIT_OK;
    case ANSWER_SLOWER:
        return EXIT_REGRESSION;
    case ANSWER_INCONCLUSIVE:
        break;
    }
    return EXIT_INCONCLUSIVE;
}

int loop_write_json(const char *path, const json_t *value, struct ackd_error *error)
{
    const bool on_stdout = strcmp(path, "-") == 0;
    FILE *const to = on_stdout ? stdout : fopen(path, "we");
    int status = 0;

    if (!to)
        return error_raise(error, -errno, "--json %s: %s", path, strerror(errno));
    if (json_dumpf(value, to, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) < 0 ||
        fputc('\n', to) == EOF || fflush(to) == EOF)
        status = error_raise(error, -ENOSPC, "--json %s: cannot write", path);
    if (!on_stdout)
        fclose(to);
    return status;
}

static int write_finding(const struct loop_finding *finding, struct ackd_error *error)
{
    int status = 0;

    if (finding->json_path)
        status = loop_write_json(finding->json_path, finding->result, error);
    if (status == 0 && finding->html_path)
        status = report_verdict(finding->html_path, finding->result, finding->environment, error);
    return status;
}

int loop_keep(const struct loop *loop, struct loop_finding finding, struct ackd_error *error)
{
    json_t *const run =
        json_pack("{s:O?, s:O?}", "result", finding.result, "environment", finding.environment);
    uint32_t number;
    int status =
        finding.result && run ? 0 : error_raise(error, -ENOMEM, "no memory for the result");

    if (status == 0)
        status = history_add(&loop->history, run, finding.kind, NULL, &number, error);
    if (status == 0)
        status = write_finding(&finding, error);
    json_decref(run);
    json_decref(finding.result);
    json_decref(finding.environment);
    return status;
}

json_t *loop_pack_words(const struct args *args)
{
    json_t *const words = json_array();

    for (int i = 0; i < args->rest_count; i++)
        json_array_append_new(words, json_string(args->rest[i]));
    return words;
}

int loop_unpack_words(const json_t *words, struct args *ret_args, struct ackd_error *error)
{
    const size_t count = json_array_size(words);

    *ret_args = (struct args){0};
    for (size_t i = 0; i < count; i++) {
        const char *const word = json_string_value(json_array_get(words, i));
        if (!word || i >= ARGS_REST_MAX)
            return error_raise(error, -EPROTO, "the stored run's options cannot be read");
        ret_args->rest[ret_args->rest_count++] = word;
    }
    return 0;
}

/* Opens what @command works with, runs it, and closes that again. */
static int run_command(const struct loop_command *command, void *options, struct ackd_error *error)
{
    struct loop loop;

    int status = history_open(&loop.history, !command->reads_only, error);
    if (status < 0 || command->reads_only)
        return status < 0 ? status : command->run(options, &loop, error);
    status = interrupts_open(&loop.interrupts, error);
    if (status < 0)
        return status;
    status = command->run(options, &loop, error);
    interrupts_close(&loop.interrupts);
    return status;
}

int loop_main(const struct loop_command *command, int argc, char **argv, void *options)
{
    const struct args *const args = options;
    struct ackd_error error;

    int status = command->parse(argc, argv, options, &error);
    if (status == 0 && args->help)
        fputs(command->help, stdout);
    else if (status == 0)
        status = run_command(command, options, &error);
    return status < 0 ? loop_fail(&error) : status;
}
