/* SPDX-License-Identifier: MIT
 *
 * cmd_verify_co - ackload verify-co: does a stall of the server come out as long as it was?
 *
 *      server     running ──SIGSTOP──▶ stopped ──SIGCONT──▶ running ...      by a timetable
 *      client     keeps sending at a constant rate; each message keeps its due time
 *      judgement  measured percentiles against those that follow from the timetable (freeze.h)
 *
 * A load generator that coordinates with the server, by sending less while it waits, fails this by
 * orders of magnitude.  The times of the freezes are taken as they happened, so that a late signal
 * is not held against the client. */
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "load/command.h"
#include "load/freeze.h"
#include "load/proc.h"
#include "load/run.h"
#include "load/target.h"
#include "load/text.h"

enum {
    ATTEMPT_COUNT_MAX = 3,
    WORD_SIZE = 32,
    RATE_DEFAULT = 4000,
    CONNECTION_COUNT_DEFAULT = 16,
};

/* The error that is allowed: the larger of the two. */
#define ERROR_SHARE_MAX 0.02
#define ERROR_MAX_NS    NS_PER_MS

/* A signal that took longer to send does not say when the server stopped. */
#define SIGNAL_MAX_NS (NS_PER_MS / 2)

/* The share of the run for which server and client may each have waited for a CPU. */
#define CPU_WAIT_SHARE_MAX 0.01

static const double fractions[] = {0.5, 0.9, 0.99, 0.999};
static const char *const fraction_names[] = {"p50", "p90", "p99", "p99.9"};

enum { FRACTION_COUNT = sizeof fractions / sizeof fractions[0] };

/* The command line. */
struct wish {
    const struct timetable *table; /* NULL: all */
    const char *command;           /* starts the server; NULL: ackd, found beside ackload */
    const char *address;           /* of a server that runs already */
    pid_t pid;                     /* its process */
    double rate;
    uint64_t connection_count;
    bool help;
    bool preferred; /* before the other programs of the machine */
};

/* One run of one timetable. */
struct trial {
    const struct timetable *table;
    struct run *run;
    pid_t pid;
    struct interrupts *interrupts;

    struct freeze freezes[FREEZE_COUNT_MAX]; /* the plan, then what happened */
    size_t freeze_count;
    size_t event_index;        /* 2 x a freeze for its begin, + 1 for its end */
    uint64_t signal_ns;        /* the longest time that sending a signal took */
    uint64_t server_waited_ns; /* for a CPU */
    uint64_t client_waited_ns;
    bool interrupted;

    uint64_t expected_ns[FRACTION_COUNT];
    uint64_t measured_ns[FRACTION_COUNT];
};

/* How a trial ended. */
enum trial_result {
    TRIAL_TRUE,
    TRIAL_FALSE,
    TRIAL_VOID, /* the run says nothing: again */
};

/* For how long the threads of process @pid have waited for a CPU so far. */
static uint64_t process_waited_ns(pid_t pid)
{
    struct proc_sample sample;
    uint64_t sum_ns = 0;

    proc_sample(pid, &sample);
    for (uint32_t i = 0; i < sample.task_count; i++)
        sum_ns += sample.tasks[i].waiting_ns;
    return sum_ns;
}

static uint64_t allowed_ns(uint64_t expected_ns)
{
    const uint64_t share_ns = (uint64_t)((double)expected_ns * ERROR_SHARE_MAX);
    return share_ns > ERROR_MAX_NS ? share_ns : ERROR_MAX_NS;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Stops or continues the server, and notes when. */
static void send_signal(struct trial *trial, uint64_t start_ns)
{
    struct freeze *const freeze = &trial->freezes[trial->event_index / 2];
    const bool stop = trial->event_index % 2 == 0;
    const uint64_t before_ns = clock_monotonic_ns();

    kill(trial->pid, stop ? SIGSTOP : SIGCONT);

    const uint64_t after_ns = clock_monotonic_ns();
    const uint64_t middle_ns = before_ns + (after_ns - before_ns) / 2;
    const uint64_t at_ns = middle_ns > start_ns ? middle_ns - start_ns : 0;
    if (stop)
        freeze->begin_ns = at_ns;
    else
        freeze->end_ns = at_ns;
    if (after_ns - before_ns > trial->signal_ns)
        trial->signal_ns = after_ns - before_ns;
    trial->event_index++;
}

static uint64_t next_event_ns(const struct trial *trial)
{
    const struct freeze *const freeze = &trial->freezes[trial->event_index / 2];
    return trial->event_index % 2 == 0 ? freeze->begin_ns : freeze->end_ns;
}

/* Waits until @until_ns, or until there is something to look at. */
static void wait_until(const struct trial *trial, uint64_t until_ns)
{
    struct pollfd watched[] = {
        {.fd = run_done_fd(trial->run), .events = POLLIN},
        {.fd = trial->interrupts->fd, .events = POLLIN},
    };
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec wait = {
        .tv_sec = (time_t)(wait_ns / NS_PER_S),
        .tv_nsec = (long)(wait_ns % NS_PER_S),
    };

    ppoll(watched, 2, &wait, NULL);
}

/* Goes by the timetable until the run has ended.  Leaves the server running. */
static void watch(struct trial *trial)
{
    const uint64_t start_ns = run_start_ns(trial->run);
    uint64_t sample_ns = start_ns + NS_PER_S;

    while (!run_is_done(trial->run)) {
        const bool left = trial->event_index < 2 * trial->freeze_count;
        const uint64_t event_ns = left ? start_ns + next_event_ns(trial) : UINT64_MAX;
        const uint64_t tick_ns = run_tick(trial->run, clock_monotonic_ns());
        const uint64_t other_ns = tick_ns < sample_ns ? tick_ns : sample_ns;
        wait_until(trial, event_ns < other_ns ? event_ns : other_ns);

        const uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= event_ns)
            send_signal(trial, start_ns);
        if (now_ns >= sample_ns) {
            run_sample(trial->run, now_ns);
            sample_ns += NS_PER_S;
        }
        if (!trial->interrupted && interrupts_requested(trial->interrupts)) {
            trial->interrupted = true;
            kill(trial->pid, SIGCONT);
            trial->freeze_count = 0;
            run_stop(trial->run, WORKER_STOP_NOW);
        }
    }
    kill(trial->pid, SIGCONT);
}

/* Says why the trial must be repeated; NULL when it counts. */
static const char *find_void(const struct trial *trial, const struct outcome *outcome)
{
    const double wait_max_ns = CPU_WAIT_SHARE_MAX * trial->table->run_ms * NS_PER_MS;

    if (trial->interrupted)
        return "it was interrupted";
    if (outcome_verdict(outcome) == VERDICT_INVALID)
        return outcome_reason(outcome);
    if (trial->event_index < 2 * trial->freeze_count)
        return "it ended before the timetable did";
    if (trial->signal_ns > SIGNAL_MAX_NS)
        return "a signal took too long to be sent";
    if ((double)trial->server_waited_ns > wait_max_ns)
        return "the server waited for a CPU";
    if ((double)trial->client_waited_ns > wait_max_ns)
        return "the client waited for a CPU";
    return NULL;
}

/* Compares what was measured with what must have been. */
static enum trial_result judge(struct trial *trial, const struct outcome *outcome)
{
    const uint64_t run_ns = trial->table->run_ms * NS_PER_MS;
    enum trial_result result = TRIAL_TRUE;

    for (size_t i = 0; i < FRACTION_COUNT; i++) {
        trial->expected_ns[i] =
            freeze_response_ns(trial->freezes, trial->freeze_count, run_ns, fractions[i]);
        trial->measured_ns[i] = latency_percentile_ns(&outcome->latency, fractions[i]);
        if (distance(trial->expected_ns[i], trial->measured_ns[i]) >
            allowed_ns(trial->expected_ns[i]))
            result = TRIAL_FALSE;
    }
    if (!ledger_is_clean(&outcome->ledger))
        result = TRIAL_FALSE;
    if (find_void(trial, outcome))
        result = TRIAL_VOID;
    return result;
}

static const char *result_name(enum trial_result result)
{
    switch (result) {
    case TRIAL_TRUE:
        return "TRUE";
    case TRIAL_FALSE:
        return "FALSE";
    case TRIAL_VOID:
        break;
    }
    return "VOID";
}

#define TIME(value) text_time(&(struct text){{0}}, (value))

/* Prints why a trial does not count, and what failed of the run's own checks. */
static void print_void(const char *reason, const struct validity *validity)
{
    printf("%s\n", reason);
    for (uint32_t i = 0; i < validity->check_count; i++) {
        const struct validity_check *const check = &validity->checks[i];
        if (!check->ok && check->fails_as != VALIDITY_VALID)
            printf("        %s: %.4g, limit %.4g (%s)\n", check->name, check->value, check->limit,
                   check->meaning);
    }
}

static void print_trial(const struct trial *trial, const struct outcome *outcome,
                        enum trial_result result)
{
    const uint64_t run_ns = trial->table->run_ms * NS_PER_MS;
    const uint64_t frozen_ns = freeze_total_ns(trial->freezes, trial->freeze_count, run_ns);
    const char *const reason = find_void(trial, outcome);

    printf("\n%s: stopped %zu time%s, %.3f s of %.3f s; %llu messages\n", trial->table->name,
           trial->freeze_count, trial->freeze_count == 1 ? "" : "s", (double)frozen_ns / 1e9,
           (double)run_ns / 1e9, (unsigned long long)outcome->ledger.sent);
    printf("  waited for a CPU: server %s, client %s\n", TIME(trial->server_waited_ns),
           TIME(trial->client_waited_ns));
    printf("  %-6s %12s %12s %12s %12s\n", "", "expected", "measured", "error", "allowed");
    for (size_t i = 0; i < FRACTION_COUNT; i++) {
        const uint64_t expected_ns = trial->expected_ns[i];
        const uint64_t measured_ns = trial->measured_ns[i];
        const uint64_t error_ns = distance(expected_ns, measured_ns);
        printf("  %-6s %12s %12s %c%11s %12s%s\n", fraction_names[i], TIME(expected_ns),
               TIME(measured_ns), measured_ns < expected_ns ? '-' : '+', TIME(error_ns),
               TIME(allowed_ns(expected_ns)), error_ns > allowed_ns(expected_ns) ? "  *" : "");
    }
    printf("  %s: ", result_name(result));
    if (reason)
        print_void(reason, &outcome->validity);
    else if (!ledger_is_clean(&outcome->ledger))
        printf("%s\n", outcome_reason(outcome));
    else if (result == TRIAL_TRUE)
        printf("within 2 %% or 1 ms\n");
    else
        printf("more than 2 %% and 1 ms away\n");
    fflush(stdout);
}

/* The options of `run` for one trial: what is not said is as `run` has it. */
static int make_options(const struct wish *wish, const char *address, const struct timetable *table,
                        struct options *ret_options, struct ackd_error *error)
{
    char rate[WORD_SIZE];
    char time[WORD_SIZE];
    char connections[WORD_SIZE];

    snprintf(rate, sizeof rate, "%.0f", wish->rate);
    snprintf(time, sizeof time, "%ums", table->run_ms);
    snprintf(connections, sizeof connections, "%llu", (unsigned long long)wish->connection_count);
    const char *const words[] = {
        "ackload",         "run",       "--connect", address, "--rate",    rate,
        "--connections",   connections, "--time",    time,    "--threads", "1",
        "--drain-timeout", "10s",
    };
    enum { WORD_COUNT = sizeof words / sizeof words[0] };
    char *argv[WORD_COUNT + 1];

    for (size_t i = 0; i < WORD_COUNT; i++)
        argv[i] = (char *)words[i];
    argv[WORD_COUNT] = NULL;
    return options_parse(WORD_COUNT, argv, ret_options, error);
}

/* Runs and judges once.  A negative errno when it could not run at all. */
static int try_once(struct trial *trial, const struct options *options, const struct plan *plan,
                    struct ackd_error *error)
{
    trial->event_index = 0;
    trial->signal_ns = 0;
    trial->freeze_count = timetable_list(trial->table, trial->freezes);
    int status = run_open(&trial->run, options, plan, error);
    if (status < 0)
        return status;

    trial->server_waited_ns = process_waited_ns(trial->pid);
    trial->client_waited_ns = process_waited_ns(getpid());
    if (next_event_ns(trial) == 0)
        send_signal(trial, UINT64_MAX);
    status = run_start(trial->run, error);
    if (status < 0) {
        kill(trial->pid, SIGCONT);
        return status;
    }
    watch(trial);
    trial->server_waited_ns = process_waited_ns(trial->pid) - trial->server_waited_ns;
    trial->client_waited_ns = process_waited_ns(getpid()) - trial->client_waited_ns;

    const struct outcome *const outcome = run_finish(trial->run);
    const enum trial_result result = judge(trial, outcome);
    print_trial(trial, outcome, result);
    run_close(trial->run);
    return (int)result;
}

/* One timetable, again while it is void.  Returns the exit status. */
static int verify_table(struct trial *trial, const struct wish *wish, const char *address,
                        struct ackd_error *error)
{
    struct options options;
    struct plan plan;
    int status = make_options(wish, address, trial->table, &options, error);

    if (status < 0 || plan_init(&plan, &options.plan, error) < 0)
        return EXIT_USAGE;
    status = TRIAL_VOID;
    for (int i = 0; i < ATTEMPT_COUNT_MAX && status == TRIAL_VOID && !trial->interrupted; i++)
        status = try_once(trial, &options, &plan, error);
    plan_deinit(&plan);
    if (status < 0)
        return EXIT_NO_CONNECTION;
    return status == TRIAL_TRUE    ? EXIT_OK
           : status == TRIAL_FALSE ? EXIT_VERIFICATION
                                   : EXIT_INVALID;
}

/* All timetables that were asked for.  Returns the exit status: a wrong answer outweighs none. */
static int verify(const struct wish *wish, const char *address, pid_t pid,
                  struct interrupts *interrupts)
{
    struct ackd_error error = {.text = ""};
    struct trial trial = {.pid = pid, .interrupts = interrupts};
    int exit_code = EXIT_OK;
    size_t count = 0;
    size_t true_count = 0;

    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    printf("ackload verify-co: %s (pid %ld), %.0f messages/s over %llu connections, %s priority\n",
           address, (long)pid, wish->rate, (unsigned long long)wish->connection_count,
           wish->preferred ? "real-time" : "ordinary");
    for (const struct timetable *table = timetables; table->name; table++) {
        if (wish->table && wish->table != table)
            continue;
        trial.table = table;
        const int status = verify_table(&trial, wish, address, &error);
        if (status == EXIT_USAGE || status == EXIT_NO_CONNECTION) {
            fprintf(stderr, "ackload: %s\n", error.text);
            exit_code = status;
            break;
        }
        count++;
        true_count += status == EXIT_OK;
        if (status == EXIT_VERIFICATION || exit_code == EXIT_OK)
            exit_code = status;
        if (trial.interrupted)
            break;
    }
    printf("\n%s: %zu of %zu timetables came out as they were.\n",
           exit_code == EXIT_OK             ? "OK"
           : exit_code == EXIT_VERIFICATION ? "FAILED"
                                            : "INVALID",
           true_count, count);
    return exit_code;
}

static const char help[] =
    "usage: ackload verify-co [options]\n"
    "\n"
    "Stops and continues a server by timetables while messages are sent at a constant rate, and\n"
    "compares the response times with those that follow from the timetables: p50 to p99.9 must\n"
    "be within 2 % or 1 ms.\n"
    "\n"
    "      --timetable NAME     half, long, short, mixed, edge or all (all)\n"
    "      --server COMMAND     starts the server: {listen} in it becomes an address to listen\n"
    "                           on, or {ports-file} a file to write the address to, as ackd does\n"
    "                           (the ackd beside ackload, with one worker)\n"
    "      --connect ADDR       a server that runs already, and\n"
    "      --server-pid PID     its process\n"
    "  -r, --rate R             messages per second, 1000 to 20000 (4000)\n"
    "  -c, --connections N      connections (16)\n"
    "\n"
    "A run that the machine spoilt is repeated, at most three times.  Exit status: 0 all\n"
    "timetables came out; 12 one did not; 13 one never counted; 64 wrong usage; 69 no server.\n";

static int read_rate(const char *value, struct wish *wish, struct ackd_error *error)
{
    enum { RATE_MIN = 1000, RATE_MAX = 20000 };
    if (!units_parse_rate(value, &wish->rate) || wish->rate < RATE_MIN || wish->rate > RATE_MAX)
        return error_raise(error, -EINVAL,
                           "--rate '%s': give messages per second, from %d, so that p99.9 has "
                           "its messages, to %d, so that none waits for the others",
                           value, RATE_MIN, RATE_MAX);
    return 0;
}

static int read_option(int found, const char *value, struct wish *wish, struct ackd_error *error)
{
    uint64_t number = 0;

    switch (found) {
    case 't':
        wish->table = timetable_find(value);
        if (!wish->table && strcmp(value, "all") != 0)
            return error_raise(error, -EINVAL,
                               "--timetable '%s': give half, long, short, mixed, edge or all",
                               value);
        return 0;
    case 's':
        wish->command = value;
        return 0;
    case 'a':
        wish->address = value;
        return 0;
    case 'p':
        if (!units_parse_count(value, &number) || number < 2 || number > INT32_MAX)
            return error_raise(error, -EINVAL, "--server-pid '%s': give the server's process id",
                               value);
        wish->pid = (pid_t)number;
        return 0;
    case 'r':
        return read_rate(value, wish, error);
    case 'c':
        if (!units_parse_count(value, &wish->connection_count) || wish->connection_count < 1 ||
            wish->connection_count > 1000)
            return error_raise(error, -EINVAL, "--connections '%s': give a number from 1 to 1000",
                               value);
        return 0;
    default:
        wish->help = true;
        return 0;
    }
}

static int parse(int argc, char **argv, struct wish *ret_wish, struct ackd_error *error)
{
    static const struct option longs[] = {
        {"timetable", required_argument, NULL, 't'},
        {"server", required_argument, NULL, 's'},
        {"connect", required_argument, NULL, 'a'},
        {"server-pid", required_argument, NULL, 'p'},
        {"rate", required_argument, NULL, 'r'},
        {"connections", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int found;

    *ret_wish = (struct wish){
        .rate = RATE_DEFAULT,
        .connection_count = CONNECTION_COUNT_DEFAULT,
    };
    opterr = 0;
    optind = 0;
    while ((found = getopt_long(argc, argv, "r:c:h", longs, NULL)) != -1) {
        if (found == '?')
            return error_raise(error, -EINVAL,
                               "%s: there is no such option, or its value is missing (see --help)",
                               argv[optind - 1]);
        const int status = read_option(found, optarg, ret_wish, error);
        if (status < 0)
            return status;
    }
    if (optind < argc)
        return error_raise(error, -EINVAL, "'%s': an option begins with -", argv[optind]);
    if (!ret_wish->address != (ret_wish->pid == 0))
        return error_raise(error, -EINVAL, "give --connect and --server-pid together");
    return 0;
}

/* Writes the command that starts the ackd beside this program: installed, it is in the same folder;
 * built, in the next one; else the PATH has it. */
static void find_server(char *ret_command, size_t command_size)
{
    static const char *const places[] = {"ackd", "../ackd/ackd"};
    char self[PATH_MAX];
    char path[PATH_MAX + WORD_SIZE] = "ackd";
    const ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

    self[size > 0 ? size : 0] = '\0';
    const char *const slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - self), self, places[i]);
        if (access(path, X_OK) == 0)
            break;
        snprintf(path, sizeof path, "ackd");
    }
    snprintf(ret_command, command_size,
             "'%s' --listen 127.0.0.1:0 --metrics-listen off --workers 1 --log-level error "
             "--ports-file {ports-file}",
             path);
}

/* Puts itself, and what it starts, before the other programs of the machine, if it may: what is to
 * be measured is the freezes. */
static bool prefer_self(void)
{
    const struct sched_param first = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_FIFO, &first) == 0;
}

/* Starts the server, verifies, and ends it. */
static int verify_started(const struct wish *wish, struct interrupts *interrupts)
{
    struct target_plan plan = {0};
    struct ackd_error error;
    struct target target;

    if (wish->command)
        snprintf(plan.command, sizeof plan.command, "%s", wish->command);
    else
        find_server(plan.command, sizeof plan.command);
    memcpy(plan.label, plan.command, sizeof plan.label);
    if (target_start(&target, &plan, 0, interrupts, &error) < 0) {
        fprintf(stderr, "ackload verify-co: %s\n", error.text);
        return EXIT_NO_CONNECTION;
    }
    const int exit_code = verify(wish, target.address, target.pid, interrupts);
    target_stop(&target);
    return exit_code;
}

int cmd_verify_co(int argc, char **argv)
{
    struct wish wish;
    struct interrupts interrupts;
    struct ackd_error error;

    if (parse(argc, argv, &wish, &error) < 0) {
        fprintf(stderr, "ackload verify-co: %s\n", error.text);
        return EXIT_USAGE;
    }
    if (wish.help) {
        fputs(help, stdout);
        return EXIT_OK;
    }
    if (interrupts_open(&interrupts, &error) < 0) {
        fprintf(stderr, "ackload verify-co: %s\n", error.text);
        return EXIT_INVALID;
    }
    wish.preferred = prefer_self();
    const int exit_code = wish.address ? verify(&wish, wish.address, wish.pid, &interrupts)
                                       : verify_started(&wish, &interrupts);
    interrupts_close(&interrupts);
    return exit_code;
}
