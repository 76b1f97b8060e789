/* SPDX-License-Identifier: MIT
 *
 * run - the connections and threads of one run (run.h) */
#include "load/run.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "load/dial.h"

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
    size_t interval_room;
    struct outcome outcome;
};

static struct worker_common make_common(const struct options *options, const struct plan *plan)
{
    return (struct worker_common){
        .plan = plan,
        .schedule =
            {
                .interval_ns = options->rate > 0 ? (double)NS_PER_S / options->rate : 0,
                .connection_count = options->connection_count,
            },
        .open_loop = options->rate > 0,
        .duration_ns = options->duration_ns,
        .drain_ns = options->drain_ns,
        .window = options->window,
        .dialect = options->dialect,
    };
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
    free(run->workers);
    free(run->outcome.intervals);
    free(run);
}

int run_start(struct run *run, struct ackd_error *error)
{
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

static void take_sample(const struct run *run, uint64_t now_ns, struct sample *ret_sample)
{
    memset(ret_sample, 0, sizeof *ret_sample);
    ret_sample->time_ns = now_ns - run->common.schedule.start_ns;
    for (uint32_t i = 0; i < run->worker_count; i++) {
        const struct tally *const tally = run->workers[i].tally;
        ret_sample->acked += counter_read(&tally->acked);
        ret_sample->error += counter_read(&tally->error);
        ret_sample->in_flight += counter_read(&tally->in_flight);
        ret_sample->open += counter_read(&tally->open);
        latency_merge(&ret_sample->latency, &tally->latency);
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

const struct interval *run_sample(struct run *run, uint64_t now_ns)
{
    static const struct interval nothing;
    struct sample *const current = &run->current;

    take_sample(run, now_ns, current);
    struct latency_sum latency = current->latency;
    latency_subtract(&latency, &run->previous.latency);

    const double duration_s = (double)(current->time_ns - run->previous.time_ns) / (double)NS_PER_S;
    if (duration_s <= 0)
        return &nothing;
    struct interval *const interval = append_interval(run);
    *interval = (struct interval){
        .at_s = (double)current->time_ns / (double)NS_PER_S,
        .duration_s = duration_s,
        .acked = current->acked - run->previous.acked,
        .in_flight = current->in_flight,
        .open = current->open,
        .error = current->error,
        .p50_ns = latency_percentile_ns(&latency, 0.5),
        .p99_ns = latency_percentile_ns(&latency, 0.99),
    };
    interval->rate = (double)interval->acked / duration_s;
    run->previous = *current;
    return interval;
}

const struct sample *run_latest(const struct run *run)
{
    return &run->current;
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

static void merge_worker(struct outcome *outcome, const struct worker *worker)
{
    const double measured_s = (double)worker->measured_ns / (double)NS_PER_S;

    ledger_merge(&outcome->ledger, &worker->lane.ledger);
    merge_traffic(&outcome->traffic, &worker->lane.traffic);
    outcome->disconnect_count += worker->lane.disconnect_count;
    outcome->scheduled += worker->released;
    merge_bad_ack(&outcome->first_bad, worker);
    latency_merge(&outcome->latency, &worker->tally->latency);
    latency_merge(&outcome->lateness, &worker->tally->lateness);
    if (measured_s <= 0)
        return;
    outcome->rate += (double)worker->measured_acked / measured_s;
    if (measured_s > outcome->duration_s)
        outcome->duration_s = measured_s;
    const double busy = (double)worker->cpu_ns / (double)worker->measured_ns;
    if (busy > outcome->busy)
        outcome->busy = busy;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

const struct outcome *run_finish(struct run *run)
{
    struct outcome *const outcome = &run->outcome;
    struct rusage usage;

    outcome->counted_only = run->options->dialect == DIALECT_RULE_NONE;
    while (run->running_count > 0)
        worker_join(&run->workers[--run->running_count]);
    for (uint32_t i = 0; i < run->worker_count; i++)
        merge_worker(outcome, &run->workers[i]);
    getrusage(RUSAGE_SELF, &usage);
    outcome->cpu_user_s = seconds(usage.ru_utime);
    outcome->cpu_system_s = seconds(usage.ru_stime);
    return outcome;
}

enum verdict outcome_verdict(const struct outcome *outcome)
{
    assert(ledger_closes(&outcome->ledger));
    if (!ledger_is_clean(&outcome->ledger))
        return VERDICT_FAIL;
    if (outcome->ledger.sent == 0 || outcome->disconnect_count > 0)
        return VERDICT_INVALID;
    return VERDICT_PASS;
}

const char *outcome_reason(const struct outcome *outcome)
{
    switch (outcome_verdict(outcome)) {
    case VERDICT_FAIL:
        return "not every message was acked once, in order, with result 0";
    case VERDICT_INVALID:
        return outcome->ledger.sent == 0 ? "nothing was sent, so nothing was measured"
                                         : "the server ended connections before the run did";
    case VERDICT_PASS:
        break;
    }
    if (outcome->counted_only)
        return "as many acks came as messages went; nobody looked at them";
    return "every message was acked once, in order, with result 0";
}
