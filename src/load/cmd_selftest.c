/* SPDX-License-Identifier: MIT
 *
 * cmd_selftest - `ackload selftest`: what the client itself can do
 *
 *      null server (a process) ◀── slices in turn: ackload, bare, bare, ackload, ...
 *
 * Both clients write the same frames over as many connections with the same window, so that the
 * ratio of their rates is the price of ids, checking and measuring.  Slices are short and in ABBA
 * order: what the machine does meanwhile hits both.  Then an open loop at a low rate shows how
 * exactly messages are written. */
#include "load/cmd_selftest.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "load/bare.h"
#include "load/ceiling.h"
#include "load/command.h"
#include "load/nullserver.h"
#include "load/run.h"
#include "load/text.h"

enum {
    ARGUMENT_COUNT_MAX = 64,
    PAIR_COUNT_MAX = 200,
    SLICE_MS = 100,
    WARMUP_MS = 10,
    PACING_MS = 500,
    PACING_RATE = 10000,
    PACING_CONNECTION_COUNT = 10,
};

static const uint64_t depths[] = {1, 16, 256, 4096};

enum { DEPTH_COUNT = sizeof depths / sizeof depths[0] };

/* The figures of one shape, slice by slice. */
struct slices {
    uint32_t count;
    uint32_t starved_count; /* pairs that are not in it */
    double rate[PAIR_COUNT_MAX];
    double bare_rate[PAIR_COUNT_MAX];
    double ratio[PAIR_COUNT_MAX];
    double cpu_ns[PAIR_COUNT_MAX];
    double bare_cpu_ns[PAIR_COUNT_MAX];
};

static const char *const help =
    "usage: ackload selftest [options of ackload run]\n"
    "\n"
    "Measures what this client can do on this machine, against a server of its own that only\n"
    "answers: acks per second and CPU time per ack, beside those of a bare loop that writes and\n"
    "reads and looks at nothing, and how exactly messages are written on time.\n"
    "\n"
    "  -d N       one depth (1, 16, 256 and 4096 in turn)\n"
    "  -s, -c, -t as in ackload run (teaching, 100, 1)\n"
    "  --time T   for each depth (4s)\n"
    "\n"
    "The result goes to " CEILING_PATH ", where ackload run finds it.\n";

static int fail(int exit_code, const struct ackd_error *error)
{
    fprintf(stderr, "ackload selftest: %s\n", error->text);
    return exit_code;
}

/* Runs ackload once; the outcome is good until run_close(). */
static int run_once(const struct options *options, const struct plan *plan, struct run **ret_run,
                    const struct outcome **ret_outcome, struct ackd_error *error)
{
    struct run *run;
    int status = run_open(&run, options, plan, error);

    if (status < 0)
        return status;
    status = run_start(run, error);
    if (status < 0)
        return status;
    while (!run_is_done(run)) {
        struct pollfd done = {.fd = run_done_fd(run), .events = POLLIN};
        poll(&done, 1, -1);
    }
    *ret_run = run;
    *ret_outcome = run_finish(run);
    if (outcome_verdict(*ret_outcome) == VERDICT_PASS)
        return 0;
    run_close(run);
    return error_raise(error, -EIO, "%s", "the null server did not answer as it should");
}

static int run_ackload(const struct options *options, const struct plan *plan, double *ret_rate,
                       double *ret_cpu_ns, struct ackd_error *error)
{
    const struct outcome *outcome;
    struct run *run;
    const int status = run_once(options, plan, &run, &outcome, error);

    if (status < 0)
        return status;
    const uint64_t acked = outcome->measured_acked;
    *ret_rate = outcome->rate;
    *ret_cpu_ns = acked > 0 ? (double)outcome->client_cpu_ns / (double)acked : 0;
    run_close(run);
    return acked > 0 ? 0 : error_raise(error, -EAGAIN, "not one ack came in a slice");
}

/* One pair of slices; which comes first changes from pair to pair. */
static int run_pair(const struct options *options, const struct plan *plan, struct slices *slices,
                    struct ackd_error *error)
{
    const uint32_t at = slices->count;
    const bool bare_first = at % 2 == 1;
    struct bare_result bare = {0};
    int status = 0;

    for (int turn = 0; turn < 2 && status == 0; turn++) {
        if ((turn == 0) == bare_first)
            status =
                bare_run(options, plan, options->duration_ns + options->warmup_ns, &bare, error);
        else
            status = run_ackload(options, plan, &slices->rate[at], &slices->cpu_ns[at], error);
    }
    if (status < 0)
        return status;
    slices->bare_rate[at] = bare.rate;
    slices->bare_cpu_ns[at] = bare.cpu_ns;
    slices->ratio[at] = slices->rate[at] / bare.rate;
    slices->count++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static int measure_shape(struct options options, const struct plan *plan, uint64_t depth,
                         struct ceiling *ret_ceiling, struct ackd_error *error)
{
    static struct slices slices;
    const uint64_t pair_ns = 2 * SLICE_MS * NS_PER_MS;
    uint64_t pair_count = options.duration_ns / pair_ns;
    int status = 0;

    if (pair_count < 2)
        pair_count = 2;
    if (pair_count > PAIR_COUNT_MAX)
        pair_count = PAIR_COUNT_MAX;
    options.window = depth;
    options.duration_ns = SLICE_MS * NS_PER_MS;
    options.warmup_ns = WARMUP_MS * NS_PER_MS;
    slices.count = 0;
    slices.starved_count = 0;
    /* On a busy machine the server may not get a CPU for a whole slice. */
    while (slices.count < pair_count && slices.starved_count < pair_count) {
        status = run_pair(&options, plan, &slices, error);
        if (status < 0 && status != -EAGAIN)
            return status;
        slices.starved_count += status < 0;
    }
    if (slices.count < 2)
        return status;
    *ret_ceiling = (struct ceiling){
        .connection_count = options.connection_count,
        .depth = depth,
        .thread_count = options.thread_count,
        .teaching = options.plan.teaching,
        .payload_size = options.plan.payload_size,
        .rate = median(slices.rate, slices.count),
        .bare_rate = median(slices.bare_rate, slices.count),
        .ratio = median(slices.ratio, slices.count),
        .cpu_ns = median(slices.cpu_ns, slices.count),
        .bare_cpu_ns = median(slices.bare_cpu_ns, slices.count),
        .starved_count = slices.starved_count,
    };
    return 0;
}

static int measure_pacing(struct options options, const struct plan *plan,
                          struct ceiling_pacing *ret_pacing, struct ackd_error *error)
{
    const struct outcome *outcome;
    struct run *run;

    options.rate = PACING_RATE;
    options.rate_plan = (struct rate_plan){{{PACING_RATE, PACING_RATE, 0}}, 1};
    options.connection_count = PACING_CONNECTION_COUNT;
    options.thread_count = 1;
    options.duration_ns = PACING_MS * NS_PER_MS;
    const int status = run_once(&options, plan, &run, &outcome, error);
    if (status < 0)
        return status;
    *ret_pacing = (struct ceiling_pacing){
        .idle = options.idle,
        .p50_ns = latency_percentile_ns(&outcome->pacing, 0.5),
        .p99_ns = latency_percentile_ns(&outcome->pacing, 0.99),
    };
    run_close(run);
    return 0;
}

static void print_ceiling(const struct ceiling *ceiling)
{
    printf("  %4u x %-5llu %9s/s %9s/s    %5.2f   %8.1f ns %8.1f ns\n", ceiling->connection_count,
           (unsigned long long)ceiling->depth, text_amount(&(struct text){{0}}, ceiling->rate),
           text_amount(&(struct text){{0}}, ceiling->bare_rate), ceiling->ratio, ceiling->cpu_ns,
           ceiling->bare_cpu_ns);
    if (ceiling->starved_count > 0)
        printf(
            "               %u pairs of slices left out: not one ack came, the machine is busy\n",
            ceiling->starved_count);
    fflush(stdout);
}

static int measure_all(const struct options *options, const struct plan *plan)
{
    struct ceiling ceilings[DEPTH_COUNT];
    struct ceiling_pacing pacing;
    struct ackd_error error;
    uint32_t count = 0;

    printf("                ackload   bare loop    ratio   ackload/ack    bare/ack\n");
    for (size_t i = 0; i < (options->depth_given ? 1 : DEPTH_COUNT); i++) {
        const uint64_t depth = options->depth_given ? options->window : depths[i];
        if (measure_shape(*options, plan, depth, &ceilings[count], &error) < 0)
            return fail(EXIT_INVALID, &error);
        print_ceiling(&ceilings[count++]);
    }
    if (measure_pacing(*options, plan, &pacing, &error) < 0)
        return fail(EXIT_INVALID, &error);
    printf("  pacing (%s) at %d/s: written late by p50 %s, p99 %s\n",
           options_idle_name(pacing.idle), PACING_RATE,
           text_time(&(struct text){{0}}, pacing.p50_ns),
           text_time(&(struct text){{0}}, pacing.p99_ns));
    if (ceiling_store(CEILING_PATH, ceilings, count, &pacing, &error) < 0)
        return fail(EXIT_INVALID, &error);
    printf("  kept in %s\n", CEILING_PATH);
    return EXIT_OK;
}

/* Parses the options of a run, with other defaults. */
static int parse(int argc, char **argv, struct options *ret_options, struct ackd_error *error)
{
    static char program[] = "ackload", run[] = "run", threads[] = "-t", one[] = "1",
                time[] = "--time", four[] = "4s";
    char *arguments[ARGUMENT_COUNT_MAX + 1] = {program, run, threads, one, time, four};
    int count = 6;

    for (int i = 1; i < argc; i++) {
        if (count == ARGUMENT_COUNT_MAX)
            return error_raise(error, -E2BIG, "too many options");
        arguments[count++] = argv[i];
    }
    const int status = options_parse(count, arguments, ret_options, error);
    if (status == 0 && ret_options->action == OPTIONS_RUN && ret_options->rate > 0)
        return error_raise(error, -EINVAL, "--rate: the selftest is a closed loop");
    return status;
}

/* The last CPU that may be used is the server's; the client's threads take turns on the others. */
static int share_cpus(struct options *options)
{
    cpu_set_t allowed;
    int last = -1;

    CPU_ZERO(&allowed);
    if (options->cpu_count > 0 || sched_getaffinity(0, sizeof allowed, &allowed) < 0 ||
        CPU_COUNT(&allowed) < 2)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &allowed))
            continue;
        if (last >= 0)
            options->cpus[options->cpu_count++] = (uint16_t)last;
        last = cpu;
    }
    options->idle = IDLE_HYBRID;
    return last;
}

int cmd_selftest(int argc, char **argv)
{
    struct nullserver server;
    struct ackd_error error;
    struct options options;
    struct plan plan;

    const int status = parse(argc, argv, &options, &error);
    if (status < 0)
        return fail(EXIT_USAGE, &error);
    if (options.action != OPTIONS_RUN) {
        fputs(help, stdout);
        return EXIT_OK;
    }
    const int server_cpu = share_cpus(&options);
    options.validity = VALIDITY_OFF;
    options.server_pid = 0;
    if (nullserver_start(&server, server_cpu, &error) < 0)
        return fail(EXIT_INVALID, &error);
    options.address = server.address;
    int exit_code = EXIT_INVALID;
    if (plan_init(&plan, &options.plan, &error) == 0) {
        printf("ackload selftest: %u connections, frames of %.1f bytes, %u thread%s; null server "
               "on CPU %d; slices of %d ms in turn\n",
               options.connection_count, plan_mean_frame_size(&plan), options.thread_count,
               options.thread_count == 1 ? "" : "s", server_cpu, SLICE_MS);
        exit_code = measure_all(&options, &plan);
        plan_deinit(&plan);
    } else {
        fail(EXIT_INVALID, &error);
    }
    nullserver_stop(&server);
    return exit_code;
}
