/* SPDX-License-Identifier: MIT
 *
 * ackload - puts load on an ackd server, checks every ack, and says how fast it was
 *
 *      options ─▶ plan ─▶ connections ─▶ threads ─▶ one line a second ─▶ table and JSON
 *
 * The main thread only watches: it draws the live line, takes signals and sums up. */
#include <ackd/version.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "load/cmd_selftest.h"
#include "load/command.h"
#include "load/hlog.h"
#include "load/live.h"
#include "load/loop.h"
#include "load/output.h"
#include "load/prom.h"
#include "load/report.h"
#include "load/report_html.h"

/* Beside `run`. */
static const struct subcommand commands[] = {
    {"record", "run a load and keep the result as a baseline", cmd_record},
    {"profile", "profile the server under a kept load", cmd_profile},
    {"ab", "is server B faster than server A?", cmd_ab},
    {"aa", "how often would ab be wrong here?", cmd_aa},
    {"compare", "hold one kept run against another", cmd_compare},
    {"search", "the highest rate that keeps a promise", cmd_search},
    {"show", "what the run history holds", cmd_show},
    {"selftest", "what this client itself can do, against a server that only answers",
     cmd_selftest},
    {"verify-co", "stop the server by a timetable: are stalls measured as they were?",
     cmd_verify_co},
    {NULL, NULL, NULL},
};

#define LAST_INTERVAL_MIN_NS (100 * NS_PER_MS)
#define LAST_INTERVAL_MIN_S  0.1

static int fail(int exit_code, const struct ackd_error *error)
{
    fprintf(stderr, "ackload: %s\n", error->text);
    return exit_code;
}

/* From here on SIGINT and SIGTERM are read from a descriptor, by the main thread. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool take_signal(int signal_fd)
{
    struct signalfd_siginfo info;
    return read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info;
}

/* Opens the file of --hlog.  NULL, with @error, when that fails. */
static FILE *open_hlog(const struct options *options, struct ackd_error *error)
{
    struct timespec now;
    FILE *const to = fopen(options->hlog_path, "we");

    clock_gettime(CLOCK_REALTIME, &now);
    if (!to || hlog_begin(to, (double)now.tv_sec + (double)now.tv_nsec / 1e9) < 0)
        error_raise(error, -errno, "--hlog %s: %s", options->hlog_path, strerror(errno));
    return to;
}

/* Writes the times of one interval; a log that fails shows when it is closed. */
static void log_interval(FILE *hlog, const struct run *run, const struct options *options,
                         const struct interval *interval)
{
    const struct interval_times *const times = run_interval_times(run);
    const double at_s = interval->at_s - interval->duration_s;
    const double length_s = interval->duration_s;

    if (interval->phase == PHASE_WARMUP) {
        hlog_put(hlog, "warmup", at_s, length_s,
                 options->rate > 0 ? &times->response : &times->service);
        return;
    }
    hlog_put(hlog, NULL, at_s, length_s, options->rate > 0 ? &times->response : &times->service);
    hlog_put(hlog, "service", at_s, length_s, &times->service);
    if (options->rate > 0)
        hlog_put(hlog, "lateness", at_s, length_s, &times->lateness);
}

/* Who is told of each sample. */
struct audience {
    struct live live;
    FILE *hlog;        /* NULL without --hlog */
    struct prom *prom; /* NULL without --prom */
};

static void sample(struct run *run, const struct options *options, uint64_t now_ns,
                   struct audience *audience)
{
    const struct interval *const interval = run_sample(run, now_ns);

    if (audience->hlog && interval->duration_s > 0)
        log_interval(audience->hlog, run, options, interval);
    if (audience->prom && interval->duration_s > 0)
        prom_publish(audience->prom, run_latest(run), interval);
    if (!options->quiet && (interval->acked > 0 || interval->duration_s > LAST_INTERVAL_MIN_S))
        live_show(&audience->live, interval, options->warmup_ns + options->duration_ns);
}

/* Not poll(): its milliseconds would let the looks at the server come late. */
static void wait_for(struct pollfd *watched, nfds_t count, uint64_t wait_ns)
{
    const struct timespec wait = {
        .tv_sec = (time_t)(wait_ns / NS_PER_S),
        .tv_nsec = (long)(wait_ns % NS_PER_S),
    };
    ppoll(watched, count, &wait, NULL);
}

/* Watches the threads until all have ended: a sample each second, and the user's wish to stop. */
static void watch(struct run *run, const struct options *options, int signal_fd,
                  struct audience *audience)
{
    struct pollfd watched[] = {
        {.fd = run_done_fd(run), .events = POLLIN},
        {.fd = signal_fd, .events = POLLIN},
    };
    enum worker_stop how = WORKER_STOP_NO;
    uint64_t next_ns = run_start_ns(run) + NS_PER_S;

    while (!run_is_done(run)) {
        const uint64_t now_ns = clock_monotonic_ns();
        const uint64_t tick_ns = run_tick(run, now_ns);
        const uint64_t until_ns = tick_ns < next_ns ? tick_ns : next_ns;
        if (now_ns < until_ns) {
            wait_for(watched, 2, until_ns - now_ns);
        } else if (now_ns >= next_ns) {
            sample(run, options, now_ns, audience);
            next_ns += NS_PER_S;
        }
        if (take_signal(signal_fd)) {
            how = how == WORKER_STOP_NO ? WORKER_STOP_DRAIN : WORKER_STOP_NOW;
            run_stop(run, how);
        }
    }
    /* What is left of a second, unless the last sample has just been taken; a log has it all. */
    if (audience->hlog || clock_monotonic_ns() + NS_PER_S > next_ns + LAST_INTERVAL_MIN_NS)
        sample(run, options, clock_monotonic_ns(), audience);
    live_clear(&audience->live);
}

/* Nothing could be measured; who reads the JSON is told why. */
static int fail_to_open(const struct options *options, const struct plan *plan, int status,
                        const struct ackd_error *error)
{
    static struct outcome outcome;

    outcome.validity.verdict = VALIDITY_INCOMPLETE;
    error_log_note(&outcome.errors, error_cause_of_connect(-status), 1, 0, 0, (struct bytes){0});
    if (options->json_path)
        report_json(options->json_path, options, plan, &outcome, NULL);
    return fail(EXIT_NO_CONNECTION, error);
}

/* Opens where --prom is answered.  0 or an exit status. */
static int open_prom(const struct options *options, FILE *people, struct audience *audience)
{
    struct ackd_error error;

    if (options->prom_address &&
        prom_start(&audience->prom, options->prom_address, options, &error) < 0)
        return fail(EXIT_USAGE, &error);
    if (audience->prom && !options->quiet) {
        fprintf(people, "ackload: metrics at http://%s/metrics\n", prom_address(audience->prom));
        fflush(people);
    }
    return 0;
}

/* Writes the files of the result; false when one cannot be written, which has then been said. */
static bool write_files(const struct options *options, const struct plan *plan,
                        const struct outcome *outcome, FILE *hlog)
{
    struct ackd_error error;
    int exit_code = 0;

    if (options->json_path && report_json(options->json_path, options, plan, outcome, &error) < 0)
        exit_code = fail(VERDICT_INVALID, &error);
    if (options->html_path && report_html(options->html_path, options, plan, outcome, &error) < 0)
        exit_code = fail(VERDICT_INVALID, &error);
    if (hlog && (ferror(hlog) | fclose(hlog)) != 0) {
        error_raise(&error, -EIO, "--hlog %s: cannot write", options->hlog_path);
        exit_code = fail(VERDICT_INVALID, &error);
    }
    return exit_code == 0;
}

/* Writes and shows the result, in this order: the last line knows how the writing went.  Returns
 * the exit status. */
static int publish(const struct options *options, const struct plan *plan,
                   const struct outcome *outcome, FILE *people, FILE *hlog)
{
    const bool written = write_files(options, plan, outcome, hlog);

    if (!options->quiet)
        report_result(people, options, plan, outcome, written);
    return written ? (int)outcome_verdict(outcome) : VERDICT_INVALID;
}

/* Runs the plan.  Returns the exit status. */
static int run_load(const struct options *options, const struct plan *plan)
{
    /* With --json - the numbers have stdout for themselves. */
    const bool json_on_stdout = options->json_path && strcmp(options->json_path, "-") == 0;
    FILE *const people = json_on_stdout ? stderr : stdout;
    struct audience audience = {0};
    struct ackd_error error;
    struct run *run;

    if (!options->quiet)
        report_opening(people, options, plan);
    int exit_code = open_prom(options, people, &audience);
    if (exit_code != 0)
        return exit_code;

    const int status = run_open(&run, options, plan, &error);
    if (status < 0) {
        prom_stop(audience.prom);
        return fail_to_open(options, plan, status, &error);
    }
    /* Not before: the log of an earlier run survives a run that does not begin. */
    if (options->hlog_path && !(audience.hlog = open_hlog(options, &error))) {
        prom_stop(audience.prom);
        run_close(run);
        return fail(VERDICT_INVALID, &error);
    }

    const int signal_fd = open_signals();
    live_init(&audience.live, people);
    if (run_start(run, &error) < 0)
        return fail(EXIT_NO_CONNECTION, &error);
    watch(run, options, signal_fd, &audience);
    prom_stop(audience.prom);

    exit_code = publish(options, plan, run_finish(run), people, audience.hlog);
    run_close(run);
    close(signal_fd);
    return exit_code;
}

static int plan_and_run(const struct options *options)
{
    struct ackd_error error;
    struct plan plan;

    if (output_check_result(options->json_path, options->html_path, &error) < 0 ||
        output_check("--hlog", options->hlog_path, &error) < 0)
        return fail(EXIT_USAGE, &error);
    if (plan_init(&plan, &options->plan, &error) < 0)
        return fail(VERDICT_INVALID, &error);
    const int exit_code = run_load(options, &plan);
    plan_deinit(&plan);
    return exit_code;
}

static void print_help(FILE *to)
{
    fputs(options_help(), to);
    for (const struct subcommand *command = commands; command->name; command++)
        fprintf(to, "  ackload %-10s %s\n", command->name, command->help);
}

int main(int argc, char **argv)
{
    struct ackd_error error;
    struct options options;

    if (argc == 1) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    for (const struct subcommand *command = commands; command->name; command++) {
        if (strcmp(argv[1], command->name) == 0)
            return command->run(argc - 1, argv + 1);
    }
    const int status = options_parse(argc, argv, &options, &error);
    if (status < 0)
        return fail(status == -EINVAL ? EXIT_USAGE : EXIT_NO_CONNECTION, &error);

    switch (options.action) {
    case OPTIONS_HELP:
        print_help(stdout);
        return 0;
    case OPTIONS_HELP_RUN:
        fputs(options_help_run(), stdout);
        return 0;
    case OPTIONS_VERSION:
        printf("ackload %s\n", ackd_version());
        return 0;
    case OPTIONS_RUN:
        break;
    }
    return plan_and_run(&options);
}
