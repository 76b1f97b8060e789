/* SPDX-License-Identifier: MIT
 *
 * run - the connections and threads of one run (run.h) */
#include "load/run.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "load/ceiling.h"
#include "load/dial.h"

/* How long a socket may be full without --timeout, until that is an error. */
#define STALL_DEFAULT_NS NS_PER_S

/* What the main thread sees of the measured time from outside. */
struct window {
    bool begun;
    bool ended;
    struct proc_sample server_begin;
    struct proc_sample server_end;
    struct proc_machine machine_begin;
    struct proc_machine machine_end;
    uint64_t acked_begin;
    uint64_t acked_end;
};

struct run {
    const struct options *options;
    struct worker_common common;
    pthread_barrier_t started;
    struct worker *workers;
    uint32_t worker_count;  /* initialised */
    uint32_t running_count; /* started, not joined */
    uint32_t done_count;

    struct sample previous;
    struct sample current;
    struct interval_times times;

    struct mix *mix; /* NULL = no neighbours */
    struct window window;
    size_t interval_room;
    struct outcome outcome;
};

static struct worker_common make_common(const struct options *options, const struct plan *plan)
{
    struct worker_common common = {
        .plan = plan,
        .schedule =
            {
                .connection_count = options->connection_count,
                .seed = options->plan.seed,
                .arrival = options->arrival,
            },
        .open_loop = options->rate > 0,
        .idle = options->idle,
        .burst = options->burst > 0 ? options->burst : UINT32_MAX,
        .warmup_ns = options->warmup_ns,
        .duration_ns = options->duration_ns,
        .drain_ns = options->drain_ns,
        .timeout_ns = options->timeout_ns > 0 ? options->timeout_ns : UINT64_MAX,
        .window = options->window,
        .dialect = options->dialect,
    };

    common.stall_ns = common.timeout_ns < UINT64_MAX ? common.timeout_ns : STALL_DEFAULT_NS;
    if (common.open_loop)
        schedule_init(&common.schedule, &options->rate_plan, options->warmup_ns);
    return common;
}

static int init_workers(struct run *run, const int *fds, struct ackd_error *error)
{
    const struct options *const options = run->options;
    const uint32_t thread_count = options->thread_count;

    for (uint32_t i = 0; i < thread_count; i++) {
        struct worker *const worker = &run->workers[i];
        const uint32_t count = (options->connection_count - i + thread_count - 1) / thread_count;
        const int status =
            worker_init(worker, &run->common, fds + i, count, i, thread_count, error);
        if (status < 0)
            return status;
        if (options->cpu_count > 0)
            worker->cpu = options->cpus[i % options->cpu_count];
        run->worker_count++;
    }
    return 0;
}

/* Opens what @run needs; what was opened is closed by run_close(), also after a failure. */
static int open_parts(struct run *run, int *fds, struct ackd_error *error)
{
    const uint32_t count = run->options->connection_count;

    run->workers =
        aligned_alloc(WORKER_ALIGNMENT, run->options->thread_count * sizeof *run->workers);
    if (!run->workers)
        return error_raise(error, -ENOMEM, "no memory for %u threads", run->options->thread_count);
    run->common.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->common.done_fd < 0)
        return error_raise(error, -errno, "eventfd: %s", strerror(errno));

    int status = dial_all(&run->options->address, count, fds, error);
    if (status < 0)
        return status;
    status = init_workers(run, fds, error);
    /* Workers own the sockets that they got. */
    for (uint32_t i = 0; i < count && status < 0; i++) {
        if (i % run->options->thread_count >= run->worker_count)
            close(fds[i]);
    }
    return status;
}

int run_open(struct run **ret_run, const struct options *options, const struct plan *plan,
             struct ackd_error *error)
{
    struct run *const run = calloc(1, sizeof *run);
    int *const fds = calloc(options->connection_count, sizeof *fds);
    int status;

    if (!run || !fds) {
        free(run);
        free(fds);
        return error_raise(error, -ENOMEM, "no memory for the run");
    }
    run->options = options;
    run->common = make_common(options, plan);
    run->common.started = &run->started;
    run->common.done_fd = -1;
    pthread_barrier_init(&run->started, NULL, options->thread_count + 1);

    status = open_parts(run, fds, error);
    free(fds);
    if (status < 0) {
        run_close(run);
        return status;
    }
    *ret_run = run;
    return 0;
}

void run_close(struct run *run)
{
    assert(run->running_count == 0);
    for (uint32_t i = 0; i < run->worker_count; i++)
        worker_deinit(&run->workers[i]);
    if (run->common.done_fd >= 0)
        close(run->common.done_fd);
    pthread_barrier_destroy(&run->started);
    if (run->mix)
        mix_stop(run->mix, run->outcome.mix);
    free(run->workers);
    free(run->outcome.intervals);
    free(run);
}

int run_start(struct run *run, struct ackd_error *error)
{
    if (!mix_is_empty(&run->options->mix)) {
        const int status = mix_start(&run->mix, &run->options->mix, &run->options->address, error);
        if (status < 0)
            return status;
    }
    while (run->running_count < run->worker_count) {
        const int status = worker_start(&run->workers[run->running_count], error);
        if (status < 0)
            return status;
        run->running_count++;
    }
    run->common.schedule.start_ns = clock_monotonic_ns();
    pthread_barrier_wait(&run->started);
    return 0;
}

int run_done_fd(const struct run *run)
{
    return run->common.done_fd;
}

bool run_is_done(struct run *run)
{
    eventfd_t count;

    if (eventfd_read(run->common.done_fd, &count) == 0)
        run->done_count += (uint32_t)count;
    return run->done_count == run->worker_count;
}

void run_stop(struct run *run, enum worker_stop how)
{
    atomic_store_explicit(&run->common.stop, how, memory_order_relaxed);
    run->outcome.interrupted = true;
    for (uint32_t i = 0; i < run->worker_count; i++)
        worker_wake(&run->workers[i]);
}

uint64_t run_start_ns(const struct run *run)
{
    return run->common.schedule.start_ns;
}

static void merge_clocks(struct sample *sample, const struct clocks *clocks)
{
    latency_merge(&sample->response, &clocks->response);
    latency_merge(&sample->service, &clocks->service);
    latency_merge(&sample->lateness, &clocks->lateness);
}

static void take_sample(const struct run *run, uint64_t now_ns, struct sample *ret_sample)
{
    memset(ret_sample, 0, sizeof *ret_sample);
    ret_sample->time_ns = now_ns - run->common.schedule.start_ns;
    for (uint32_t i = 0; i < run->worker_count; i++) {
        const struct tally *const tally = run->workers[i].tally;
        ret_sample->sent += counter_read(&tally->sent);
        ret_sample->acked += counter_read(&tally->acked);
        ret_sample->error += counter_read(&tally->error);
        ret_sample->in_flight += counter_read(&tally->in_flight);
        ret_sample->open += counter_read(&tally->open);
        merge_clocks(ret_sample, &tally->measured);
        latency_merge(&ret_sample->pacing, &tally->pacing);
        if (run->common.warmup_ns > 0)
            merge_clocks(ret_sample, &tally->warmup);
    }
}

/* Makes room for one more interval; without memory the last one is written over. */
static struct interval *append_interval(struct run *run)
{
    struct outcome *const outcome = &run->outcome;

    if (outcome->interval_count == run->interval_room) {
        const size_t room = run->interval_room * 2 + 64;
        struct interval *const grown = realloc(outcome->intervals, room * sizeof *grown);
        if (grown) {
            outcome->intervals = grown;
            run->interval_room = room;
        } else {
            outcome->interval_count--;
        }
    }
    return &outcome->intervals[outcome->interval_count++];
}

static void take_times(struct run *run)
{
    const struct sample *const current = &run->current;
    const struct sample *const previous = &run->previous;

    run->times.response = current->response;
    run->times.service = current->service;
    run->times.lateness = current->lateness;
    latency_subtract(&run->times.response, &previous->response);
    latency_subtract(&run->times.service, &previous->service);
    latency_subtract(&run->times.lateness, &previous->lateness);
}

/* The phase that an interval from @from_ns on lies in, since the start. */
static enum phase phase_of(const struct run *run, uint64_t from_ns)
{
    if (from_ns < run->common.warmup_ns)
        return PHASE_WARMUP;
    return from_ns < run->common.warmup_ns + run->common.duration_ns ? PHASE_MEASURED : PHASE_DRAIN;
}

const struct interval *run_sample(struct run *run, uint64_t now_ns)
{
    static const struct interval nothing;
    struct sample *const current = &run->current;

    take_sample(run, now_ns, current);
    take_times(run);

    const struct latency_sum *const latency =
        run->common.open_loop ? &run->times.response : &run->times.service;
    const double duration_s = (double)(current->time_ns - run->previous.time_ns) / (double)NS_PER_S;
    if (duration_s <= 0)
        return &nothing;
    struct interval *const interval = append_interval(run);
    *interval = (struct interval){
        .at_s = (double)current->time_ns / (double)NS_PER_S,
        .duration_s = duration_s,
        .phase = phase_of(run, run->previous.time_ns),
        .sent = current->sent - run->previous.sent,
        .acked = current->acked - run->previous.acked,
        .in_flight = current->in_flight,
        .open = current->open,
        .error = current->error,
        .p50_ns = latency_percentile_ns(latency, 0.5),
        .p99_ns = latency_percentile_ns(latency, 0.99),
        .client_bound =
            run->options->validity != VALIDITY_OFF &&
            latency_percentile_ns(&current->pacing, 0.99) > run->options->lateness_budget_ns,
    };
    interval->rate = (double)interval->acked / duration_s;
    run->previous = *current;
    return interval;
}

const struct sample *run_latest(const struct run *run)
{
    return &run->current;
}

const struct interval_times *run_interval_times(const struct run *run)
{
    return &run->times;
}

static uint64_t count_acked(const struct run *run)
{
    uint64_t acked = 0;

    for (uint32_t i = 0; i < run->worker_count; i++)
        acked += counter_read(&run->workers[i].tally->acked);
    return acked;
}

static void look(const struct run *run, struct proc_sample *ret_server,
                 struct proc_machine *ret_machine, uint64_t *ret_acked)
{
    *ret_machine = proc_machine();
    if (run->options->server_pid > 0)
        proc_sample(run->options->server_pid, ret_server);
    *ret_acked = count_acked(run);
}

uint64_t run_tick(struct run *run, uint64_t now_ns)
{
    struct window *const window = &run->window;
    const uint64_t begin_ns = run->common.schedule.start_ns + run->common.warmup_ns;
    const uint64_t end_ns = begin_ns + run->common.duration_ns;

    if (!window->begun && now_ns >= begin_ns) {
        window->begun = true;
        look(run, &window->server_begin, &window->machine_begin, &window->acked_begin);
    }
    if (!window->ended && now_ns >= end_ns) {
        window->ended = true;
        look(run, &window->server_end, &window->machine_end, &window->acked_end);
    }
    if (!window->begun)
        return begin_ns;
    return window->ended ? UINT64_MAX : end_ns;
}

static void merge_traffic(struct traffic *sum, const struct traffic *from)
{
    sum->sent_size += from->sent_size;
    sum->received_size += from->received_size;
    sum->write_count += from->write_count;
    sum->read_count += from->read_count;
}

/* Keeps the earlier of the two. */
static void merge_bad_ack(struct bad_ack *earliest, const struct worker *worker)
{
    struct bad_ack bad = worker->lane.first_bad;

    if (bad.verdict == VERIFY_OK)
        return;
    bad.time_ns -= worker->common->schedule.start_ns;
    if (earliest->verdict == VERIFY_OK || bad.time_ns < earliest->time_ns)
        *earliest = bad;
}

static void merge_clocks_of(struct outcome *outcome, const struct worker *worker)
{
    const struct tally *const tally = worker->tally;
    const bool open_loop = worker->common->open_loop;

    latency_merge(&outcome->latency,
                  open_loop ? &tally->measured.response : &tally->measured.service);
    latency_merge(&outcome->service, &tally->measured.service);
    latency_merge(&outcome->lateness, &tally->measured.lateness);
    latency_merge(&outcome->pacing, &tally->pacing);
    latency_merge(&outcome->frames_per_write, &tally->frames_per_write);
    latency_merge(&outcome->acks_per_read, &tally->acks_per_read);
}

static void merge_errors(struct outcome *outcome, const struct worker *worker)
{
    struct error_log errors = worker->lane.errors;

    for (int i = 0; i < CAUSE_COUNT; i++) {
        if (errors.entries[i].count > 0)
            errors.entries[i].first_ns -= worker->common->schedule.start_ns;
    }
    error_log_merge(&outcome->errors, &errors);
    merge_bad_ack(&outcome->first_bad, worker);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Adds what happened between the two marks of the measured time. */
static void merge_marks(struct outcome *outcome, const struct worker *worker)
{
    const struct mark *const begin = &worker->begin;
    const struct mark *const end = &worker->end;
    const double measured_ns = (double)(end->time_ns - begin->time_ns);
    const uint64_t acked = end->acked - begin->acked;
    const uint64_t involuntary = end->involuntary_count - begin->involuntary_count;

    if (measured_ns <= 0)
        return;
    const double measured_s = measured_ns / (double)NS_PER_S;
    const double busy = (double)(end->cpu_ns - begin->cpu_ns) / measured_ns;
    const double useful = (double)(end->useful_ns - begin->useful_ns) / measured_ns;
    const double service_ns = (double)(end->service_ns - begin->service_ns);
    outcome->measured_acked += acked;
    outcome->rate += (double)acked / measured_s;
    outcome->duration_s = larger(outcome->duration_s, measured_s);
    outcome->busy = larger(outcome->busy, busy);
    /* A thread that waits for its CPU in the middle of a turn was not useful meanwhile. */
    outcome->useful = larger(outcome->useful, useful < busy ? useful : busy);
    outcome->client_cpu_ns += end->cpu_ns - begin->cpu_ns;
    outcome->client_voluntary += end->voluntary_count - begin->voluntary_count;
    outcome->client_involuntary += involuntary;
    outcome->involuntary_per_s =
        larger(outcome->involuntary_per_s, (double)involuntary / measured_s);
    outcome->idle_count += end->idle_count - begin->idle_count;
    outcome->full_count += end->full_count - begin->full_count;
    outcome->in_flight += (end->flight_ns - begin->flight_ns) / measured_ns;
    outcome->in_flight_wanted += service_ns / measured_ns;
    if (acked > 0)
        outcome->in_flight_edge += (double)(begin->in_flight + end->in_flight) *
                                   (service_ns / (double)acked) / measured_ns;
}

static void merge_worker(struct outcome *outcome, const struct worker *worker)
{
    ledger_merge(&outcome->ledger, &worker->lane.ledger);
    merge_traffic(&outcome->traffic, &worker->lane.traffic);
    outcome->disconnect_count += worker->lane.disconnect_count;
    outcome->live_count += worker->live_count;
    outcome->scheduled += worker->released;
    outcome->offered += worker->offered;
    outcome->achieved += worker->achieved;
    outcome->blocked_unsent += worker->blocked_unsent;
    outcome->blocked += worker->lane.blocked_count;
    merge_clocks_of(outcome, worker);
    merge_errors(outcome, worker);
    merge_marks(outcome, worker);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* The messages that a closed loop keeps in flight; 0 where that is not known: the socket may have
 * been what held them back. */
static double in_flight_asked(const struct run *run)
{
    const struct options *const options = run->options;

    if (run->common.open_loop || options->depth_max || run->outcome.full_count > 0)
        return 0;
    return (double)options->connection_count * (double)options->window;
}

static struct validity judge(const struct run *run)
{
    const struct outcome *const outcome = &run->outcome;
    const struct validity_input input = {
        .open_loop = run->common.open_loop,
        .clean = ledger_is_clean(&outcome->ledger),
        .duration_s = outcome->duration_s,
        .offered = outcome->offered,
        .achieved = outcome->achieved,
        .blocked_unsent = outcome->blocked_unsent,
        .lateness_p99_ns = latency_percentile_ns(&outcome->pacing, 0.99),
        .lateness_budget_ns = run->options->lateness_budget_ns,
        /* A closed loop does not spin: all of its CPU time is useful. */
        .useful = run->common.open_loop ? outcome->useful : outcome->busy,
        .rate = outcome->rate,
        .ceiling = outcome->ceiling,
        .in_flight = outcome->in_flight,
        .in_flight_asked = in_flight_asked(run),
        .in_flight_wanted = outcome->in_flight_wanted,
        .in_flight_edge = outcome->in_flight_edge,
        .connections_asked = run->options->connection_count,
        .connections_live = outcome->live_count,
        .steal = outcome->steal,
        .involuntary_per_s = outcome->involuntary_per_s,
        .idle_count = outcome->idle_count,
        .full_count = outcome->full_count,
        .server_known = outcome->server.known,
        .server_busy = outcome->server.busiest,
    };

    if (run->options->validity == VALIDITY_OFF)
        return (struct validity){.verdict = VALIDITY_UNCHECKED};
    return validity_judge(&input);
}

/* Sums up what the main thread saw of server and machine. */
static void merge_window(struct run *run)
{
    const struct window *const window = &run->window;
    struct outcome *const outcome = &run->outcome;
    const uint64_t ticks = window->machine_end.total_ticks - window->machine_begin.total_ticks;

    if (!window->begun || !window->ended)
        return;
    if (ticks > 0)
        outcome->steal =
            (double)(window->machine_end.steal_ticks - window->machine_begin.steal_ticks) /
            (double)ticks;
    outcome->server = proc_compare(&window->server_begin, &window->server_end);
    outcome->server_acked = window->acked_end - window->acked_begin;
}

const struct outcome *run_finish(struct run *run)
{
    struct outcome *const outcome = &run->outcome;
    struct rusage usage;

    outcome->counted_only = run->options->dialect == DIALECT_RULE_NONE;
    while (run->running_count > 0)
        worker_join(&run->workers[--run->running_count]);
    if (run->mix)
        mix_stop(run->mix, outcome->mix);
    run->mix = NULL;
    for (uint32_t i = 0; i < run->worker_count; i++)
        merge_worker(outcome, &run->workers[i]);
    /* A run that was stopped early ends the measured time with it. */
    if (!run->window.ended)
        look(run, &run->window.server_end, &run->window.machine_end, &run->window.acked_end);
    run->window.ended = true;
    merge_window(run);
    outcome->offered_s = (double)run->common.duration_ns / (double)NS_PER_S;
    if (outcome->duration_s < outcome->offered_s)
        outcome->offered_s = outcome->duration_s;
    getrusage(RUSAGE_SELF, &usage);
    outcome->cpu_user_s = seconds(usage.ru_utime);
    outcome->cpu_system_s = seconds(usage.ru_stime);
    outcome->strict = run->options->validity == VALIDITY_STRICT;
    outcome->ceiling =
        ceiling_find(CEILING_PATH, run->options, latency_mean_ns(&outcome->frames_per_write));
    outcome->validity = judge(run);
    return outcome;
}

enum verdict outcome_verdict(const struct outcome *outcome)
{
    assert(ledger_closes(&outcome->ledger));
    if (!ledger_is_clean(&outcome->ledger))
        return VERDICT_FAIL;
    if (outcome->ledger.sent == 0 || outcome->disconnect_count > 0)
        return VERDICT_INVALID;
    if (outcome->strict && !validity_is_good(outcome->validity.verdict))
        return VERDICT_INVALID;
    return VERDICT_PASS;
}

static const char *invalid_reason(const struct outcome *outcome)
{
    if (outcome->ledger.sent == 0)
        return "nothing was sent, so nothing was measured";
    if (outcome->disconnect_count > 0)
        return "the server ended connections before the run did";
    return "the client was not fit to measure this; see the checks";
}

const char *outcome_reason(const struct outcome *outcome)
{
    switch (outcome_verdict(outcome)) {
    case VERDICT_FAIL:
        return "not every message was acked once, in order, with result 0";
    case VERDICT_INVALID:
        return invalid_reason(outcome);
    case VERDICT_PASS:
        break;
    }
    if (outcome->counted_only)
        return "as many acks came as messages went; nobody looked at them";
    return "every message was acked once, in order, with result 0";
}
