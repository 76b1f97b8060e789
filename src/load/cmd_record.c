/* SPDX-License-Identifier: MIT
 *
 * cmd_record - ackload record: runs a load and keeps the result under a name */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "load/card.h"
#include "load/command.h"
#include "load/environment.h"
#include "load/loop.h"
#include "load/measure.h"
#include "load/output.h"

static const char help[] =
    "usage: ackload record NAME [--start SERVER] [options] [options of ackload run]\n"
    "\n"
    "Runs the load and keeps the result as the baseline NAME, with what it depends on: commit,\n"
    "build and hash of the server, kernel, CPU, mitigations, pinning, seed.\n"
    "\n"
    "  ackload record main --connect 127.0.0.1:8888 --rate 200k --time 20s\n"
    "  ackload record main --start git:main --server-cpus 0 --cpu 1 -t 1 --rate 200k\n"
    "\n"
    "      --start SERVER       start it for this run: a command with {listen}, $PORT or\n"
    "                           {ports-file}, or git:REVISION (ackload ab --help says more)\n"
    "      --connect ADDR       without --start: where it runs (127.0.0.1:8888)\n"
    "      --server-pid PID     without --start: its process, for its CPU time and its hash\n"
    "      --server-cpus LIST   pin what --start starts\n"
    "      --json FILE          also write what is kept; - is stdout\n"
    "  -q, --quiet              print nothing but errors\n"
    "\n"
    "The history is the folder .ackload, or $ACKLOAD_HISTORY; ackload show lists it.\n"
    "\n"
    "Exit status: 0 kept; 12 not every message was acked, and nothing is kept; 13 kept, but the\n"
    "run is not valid (or it cannot be kept); 64 wrong usage; 69 cannot connect or start.\n";

struct record_options {
    struct args args;
    const char *start;
    const char *connect;
    const char *server_pid;
    const char *server_cpus;
    const char *json_path;
    bool quiet;
};

static int parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct record_options *const options = to;
    const struct args_rule rules[] = {
        {"start", &options->start, NULL},
        {"connect", &options->connect, NULL},
        {"server-pid", &options->server_pid, NULL},
        {"server-cpus", &options->server_cpus, NULL},
        {"json", &options->json_path, NULL},
        {"quiet", NULL, &options->quiet},
        {NULL, NULL, NULL},
    };

    *options = (struct record_options){.connect = "127.0.0.1:8888"};
    int status = args_sort(argc, argv, rules, 1, true, &options->args, error);
    if (status < 0 || options->args.help)
        return status;
    if (options->args.name_count == 0)
        return error_raise(error, -EINVAL, "say what to call it: ackload record NAME; try --help");
    if (options->start && options->server_pid)
        return error_raise(error, -EINVAL, "--server-pid is for servers that run already");
    status = history_check_name(options->args.names[0], error);
    return status < 0 ? status : output_check_result(options->json_path, NULL, error);
}

static int plan_target(const struct record_options *options, struct loop *loop,
                       struct target_plan *plan, struct ackd_error *error)
{
    char text[ADDRESS_TEXT_SIZE + 64];

    snprintf(text, sizeof text, "external:%.*s%s%.20s", ADDRESS_TEXT_SIZE - 1, options->connect,
             options->server_pid ? ",pid=" : "", options->server_pid ? options->server_pid : "");
    return target_plan_init(plan, options->start ? options->start : text, options->server_cpus,
                            &loop->history, &loop->interrupts, error);
}

/* What is kept; NULL without memory. */
static json_t *pack(const struct record_options *options, const struct target *target,
                    struct measurement *measurement, struct interrupts *interrupts)
{
    const double server_ns = measurement->figures[FIGURE_SERVER_NS];

    return json_pack("{s:s?, s:s, s:s?, s:o, s:o, s:o, s:O}", "start", options->start, "connect",
                     target->address, "server_cpus", options->server_cpus, "run_options",
                     loop_pack_words(&options->args), "environment",
                     environment_describe(target->pid, interrupts), "server_ns",
                     isfinite(server_ns) ? json_real(server_ns) : json_null(), "result",
                     measurement->result);
}

static int keep(const struct record_options *options, json_t *run, struct loop *loop,
                struct ackd_error *error)
{
    const bool json_on_stdout = options->json_path && strcmp(options->json_path, "-") == 0;
    FILE *const people = json_on_stdout ? stderr : stdout;
    uint32_t number;
    int status = history_add(&loop->history, run, "record", options->args.names[0], &number, error);

    if (status == 0 && !options->quiet) {
        fprintf(people, "kept as '%s', %s/%04u.json\n", options->args.names[0], loop->history.path,
                number);
        card_print(people, run);
    }
    if (status == 0 && options->json_path)
        status = loop_write_json(options->json_path, run, error);
    return status;
}

/* Judges and keeps a measurement.  Returns the exit status. */
static int finish(const struct record_options *options, const struct target *target,
                  struct measurement *measurement, struct loop *loop, struct ackd_error *error)
{
    if (measurement->exit_status == EXIT_VERIFICATION)
        return error_raise(error, -EBADMSG, "nothing is kept: %s", measurement->reason);
    json_t *const run = pack(options, target, measurement, &loop->interrupts);
    if (!run)
        return error_raise(error, -ENOMEM, "no memory for the run");
    const int status = keep(options, run, loop, error);
    json_decref(run);
    if (status < 0)
        return status;
    if (measurement->exit_status != EXIT_OK)
        fprintf(stderr, "ackload: the run is not valid: %s\n", measurement->reason);
    return measurement->exit_status;
}

static int record(void *from, struct loop *loop, struct ackd_error *error)
{
    const struct record_options *const options = from;
    const struct measure_plan measure_plan = {.args = &options->args};
    struct target_plan plan;
    struct target target = {.pid = 0};
    struct measurement measurement = {.result = NULL};

    int status = plan_target(options, loop, &plan, error);
    if (status == 0)
        status = target_start(&target, &plan, 0, &loop->interrupts, error);
    if (status < 0)
        return status;
    status = measure(&measurement, &measure_plan, &target, &loop->interrupts, error);
    if (status == 0) {
        status = finish(options, &target, &measurement, loop, error);
        measurement_deinit(&measurement);
    }
    target_stop(&target);
    return status;
}

int cmd_record(int argc, char **argv)
{
    static const struct loop_command command = {.help = help, .parse = parse, .run = record};
    struct record_options options;

    return loop_main(&command, argc, argv, &options);
}
