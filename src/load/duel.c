/* SPDX-License-Identifier: MIT
 *
 * duel - two servers under the same load, in turn (duel.h) */
#include "load/duel.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "load/environment.h"

const enum figure duel_figures[DUEL_METRIC_COUNT] = {FIGURE_SERVER_NS, FIGURE_ACKS, FIGURE_P50,
                                                     FIGURE_P99};

enum {
    VOID_COUNT_MAX = 8,
    RETRY_COUNT_MAX = 2, /* of a slice in which the client did not keep to its schedule */
};

/* A pair's logs of one metric, per side. */
struct pair_logs {
    double logs[DUEL_SIDE_COUNT][DUEL_SLICE_MAX];
};

struct observations {
    double effects[DUEL_METRIC_COUNT][INFERENCE_COUNT_MAX];
    double nulls[DUEL_METRIC_COUNT][INFERENCE_COUNT_MAX];
    double means[DUEL_METRIC_COUNT][DUEL_SIDE_COUNT][INFERENCE_COUNT_MAX];
};

/* A duel that goes on. */
struct contest {
    const struct duel_plan *plan;
    struct interrupts *interrupts;
    struct inference_random random;
    struct target targets[DUEL_SIDE_COUNT];
    struct pair_logs logs[DUEL_METRIC_COUNT]; /* of the pair */
    uint32_t filled[DUEL_SIDE_COUNT];         /* slices of the pair */
    struct observations observations;
    struct duel *duel;
    uint64_t start_ns;
};

int duel_side(uint32_t pair_index, uint32_t slice_index)
{
    const uint32_t step = slice_index % 4;
    const bool outer = step == 0 || step == 3;

    return outer == (pair_index % 2 == 0) ? 0 : 1;
}

void duel_effect(const double *a_logs, const double *b_logs, uint32_t count, double *ret_effect,
                 double *ret_null)
{
    double effect = 0;
    double null = 0;

    assert(count > 0 && count % 2 == 0);
    for (uint32_t i = 0; i < count; i++) {
        const double sign = ((i + 1) / 2) % 2 == 0 ? 1 : -1;
        effect += b_logs[i] - a_logs[i];
        null += sign * (a_logs[i] - b_logs[i]);
    }
    *ret_effect = effect / count;
    *ret_null = null / count;
}

static double mean_of(const double *values, uint32_t count)
{
    double sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

/* Refuses what says nothing about speed. */
static int check_slice(struct contest *contest, int side, const struct measurement *measurement,
                       struct ackd_error *error)
{
    struct duel *const duel = contest->duel;
    const json_t *const ledger = json_object_get(measurement->result, "ledger");
    const bool broken = json_integer_value(json_object_get(ledger, "sent")) == 0 ||
                        json_integer_value(json_object_get(measurement->result, "disconnects")) > 0;

    if (measurement->figures[FIGURE_ERRORS] > 0 || broken)
        return error_raise(error, -EBADMSG, "side %c: %s", 'A' + side, measurement->reason);
    if (duel->stream_hash[0] == '\0')
        memcpy(duel->stream_hash, measurement->stream_hash, sizeof duel->stream_hash);
    if (strcmp(duel->stream_hash, measurement->stream_hash) != 0)
        return error_raise(error, -EBADMSG, "side %c got other messages: stream %s, not %s",
                           'A' + side, measurement->stream_hash, duel->stream_hash);
    return 0;
}

static void count_slice(struct duel *duel, const struct measurement *measurement)
{
    duel->slice_count++;
    if (!measurement->valid) {
        duel->bound_count++;
        memcpy(duel->bound_reason, measurement->reason, sizeof duel->bound_reason);
    }
}

/* Appends a slice's figures to the record of the pair. */
static void record_slice(json_t *slices, int side, const struct measurement *measurement)
{
    json_t *const slice =
        json_pack("{s:s, s:b}", "side", side == 0 ? "a" : "b", "valid", measurement->valid);

    for (int i = 0; i < DUEL_METRIC_COUNT; i++) {
        const double value = measurement->figures[duel_figures[i]];
        json_object_set_new(slice, figure_name(duel_figures[i]),
                            isnan(value) ? json_null() : json_real(value));
    }
    json_array_append_new(slices, slice);
}

/* Measures one slice.  At a fixed rate, a slice whose client was late says what a message costs
 * when messages come in heaps: it is taken anew.  The client's lateness decides that, never the
 * server's cost.  A closed loop has no schedule, and its client may well be the limit. */
static int measure_slice(struct contest *contest, int side, struct measurement *ret_measurement,
                         struct ackd_error *error)
{
    const struct measure_plan plan = {.args = contest->plan->args, .time = contest->plan->time};
    const bool fixed_rate = args_find(contest->plan->args, "rate", 'r') != NULL;

    for (int i = 0;; i++) {
        int status =
            measure(ret_measurement, &plan, &contest->targets[side], contest->interrupts, error);
        if (status < 0)
            return status;
        status = check_slice(contest, side, ret_measurement, error);
        if (status == 0 && (!fixed_rate || ret_measurement->valid || i == RETRY_COUNT_MAX))
            return 0;
        measurement_deinit(ret_measurement);
        if (status < 0)
            return status;
        contest->duel->retry_count++;
    }
}

static int run_slice(struct contest *contest, int side, json_t *slices, struct ackd_error *error)
{
    struct measurement measurement;
    const int status = measure_slice(contest, side, &measurement, error);

    if (status < 0)
        return status;

    const uint32_t at = contest->filled[side]++;
    for (int i = 0; i < DUEL_METRIC_COUNT; i++)
        contest->logs[i].logs[side][at] = log(measurement.figures[duel_figures[i]]);
    record_slice(slices, side, &measurement);
    count_slice(contest->duel, &measurement);
    measurement_deinit(&measurement);
    return 0;
}

static int warm_up(struct contest *contest, int side, struct ackd_error *error)
{
    const struct measure_plan plan = {.args = contest->plan->args, .time = contest->plan->warmup};
    struct measurement measurement;
    const int status =
        measure(&measurement, &plan, &contest->targets[side], contest->interrupts, error);

    if (status == 0)
        measurement_deinit(&measurement);
    return status;
}

/* The binaries are known once they run. */
static void note_binary(struct contest *contest, int side)
{
    char path[64];

    if (contest->targets[side].pid <= 0 || contest->duel->hashes[side][0])
        return;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)contest->targets[side].pid);
    environment_hash_file(path, contest->duel->hashes[side], NULL);
}

/* Starts both servers and warms them up; on failure none runs. */
static int start_pair(struct contest *contest, uint32_t pair_index, struct ackd_error *error)
{
    int status = 0;
    int started = 0;

    for (; started < DUEL_SIDE_COUNT && status == 0; started++) {
        const int side = (int)((pair_index + (uint32_t)started) % 2);
        const uint32_t padding = (uint32_t)(inference_draw(&contest->random) % TARGET_PADDING_MAX);
        status = target_start(&contest->targets[side], &contest->plan->sides[side], padding,
                              contest->interrupts, error);
        if (status < 0)
            break;
        note_binary(contest, side);
    }
    for (int i = 0; i < DUEL_SIDE_COUNT && status == 0; i++)
        status = warm_up(contest, (int)((pair_index + (uint32_t)i) % 2), error);
    for (int i = 0; i < started && status < 0; i++)
        target_stop(&contest->targets[(pair_index + (uint32_t)i) % 2]);
    return status;
}

static void observe_pair(struct contest *contest, uint32_t pair_index)
{
    struct observations *const to = &contest->observations;
    const uint32_t count = contest->plan->slice_count / 2;

    for (int i = 0; i < DUEL_METRIC_COUNT; i++) {
        const struct pair_logs *const from = &contest->logs[i];
        duel_effect(from->logs[0], from->logs[1], count, &to->effects[i][pair_index],
                    &to->nulls[i][pair_index]);
        for (int side = 0; side < DUEL_SIDE_COUNT; side++)
            to->means[i][side][pair_index] = exp(mean_of(from->logs[side], count));
    }
}

static int run_pair(struct contest *contest, uint32_t pair_index, struct ackd_error *error)
{
    json_t *const slices = json_array();
    int status = start_pair(contest, pair_index, error);

    memset(contest->filled, 0, sizeof contest->filled);
    if (status == 0) {
        for (uint32_t i = 0; i < contest->plan->slice_count && status == 0; i++)
            status = run_slice(contest, duel_side(pair_index, i), slices, error);
        for (int side = 0; side < DUEL_SIDE_COUNT; side++)
            target_stop(&contest->targets[side]);
    }
    if (status == 0)
        observe_pair(contest, pair_index);
    json_array_append_new(contest->duel->pairs, slices);
    return status;
}

static int metric_index(enum figure figure)
{
    int index = 0;

    while (duel_figures[index] != figure)
        index++;
    return index;
}

static void show_progress(const struct contest *context, uint32_t done)
{
    const struct duel_plan *const plan = context->plan;
    const int primary = metric_index(plan->primary);
    const double passed_s = (double)(clock_monotonic_ns() - context->start_ns) / (double)NS_PER_S;
    const double so_far = inference_center(context->observations.effects[primary], done);

    fprintf(plan->progress, "\r\033[K  pair %u of %u: %s B/A %+.1f %% so far, %.0f s left", done,
            plan->pair_count, figure_name(plan->primary), 100 * expm1(so_far),
            passed_s / done * (plan->pair_count - done));
    if (done == plan->pair_count)
        fputs("\r\033[K", plan->progress);
    fflush(plan->progress);
}

/* Corrects the p of all metrics but the primary, and lets their answers follow. */
static void correct(struct duel *duel, const struct inference_rule *rules, int primary)
{
    double p[DUEL_METRIC_COUNT];
    int at[DUEL_METRIC_COUNT];
    size_t count = 0;

    for (int i = 0; i < DUEL_METRIC_COUNT; i++) {
        if (i == primary || !duel->metrics[i].known)
            continue;
        at[count] = i;
        p[count++] = duel->metrics[i].inference.p;
    }
    inference_holm(p, count);
    for (size_t i = 0; i < count; i++) {
        struct inference *const inference = &duel->metrics[at[i]].inference;
        inference->p = p[i];
        inference_answer(inference, &rules[at[i]]);
    }
}

static bool is_known(const double *effects, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(effects[i]))
            return false;
    }
    return true;
}

static void judge(struct contest *contest)
{
    const struct duel_plan *const plan = contest->plan;
    struct observations *const from = &contest->observations;
    struct inference_rule rules[DUEL_METRIC_COUNT];

    for (int i = 0; i < DUEL_METRIC_COUNT; i++) {
        struct duel_metric *const metric = &contest->duel->metrics[i];
        rules[i] = (struct inference_rule){
            .threshold = plan->threshold,
            .resamples = INFERENCE_RESAMPLES,
            .seed = plan->seed,
            .more_is_faster = duel_figures[i] == FIGURE_ACKS,
        };
        metric->figure = duel_figures[i];
        metric->known = is_known(from->effects[i], plan->pair_count);
        if (!metric->known)
            continue;
        inference_judge(from->effects[i], from->nulls[i], plan->pair_count, &rules[i],
                        &metric->inference);
        for (int side = 0; side < DUEL_SIDE_COUNT; side++)
            metric->typical[side] = inference_median(from->means[i][side], plan->pair_count);
    }
    correct(contest->duel, rules, metric_index(plan->primary));
}

/* Runs a pair until it has the primary figure. */
static int complete_pair(struct contest *contest, uint32_t pair_index, struct ackd_error *error)
{
    const struct duel_plan *const plan = contest->plan;
    const int primary = metric_index(plan->primary);

    for (;;) {
        const int status = run_pair(contest, pair_index, error);
        if (status < 0 || isfinite(contest->observations.effects[primary][pair_index]))
            return status;
        if (contest->duel->void_count++ >= VOID_COUNT_MAX)
            return error_raise(error, -EINVAL, "%s cannot be measured here%s",
                               figure_name(plan->primary),
                               plan->primary == FIGURE_SERVER_NS
                                   ? "; external servers want ,pid=PID, or choose --primary acks"
                                   : "");
    }
}

static int run_pairs(struct contest *contest, struct ackd_error *error)
{
    for (uint32_t i = 0; i < contest->plan->pair_count; i++) {
        const int status = complete_pair(contest, i, error);
        if (status < 0)
            return status;
        if (contest->plan->progress)
            show_progress(contest, i + 1);
    }
    return 0;
}

int duel_run(struct duel *ret_duel, const struct duel_plan *plan, struct interrupts *interrupts,
             struct ackd_error *error)
{
    struct contest *const contest = calloc(1, sizeof *contest);

    assert(plan->slice_count % 4 == 0 && plan->slice_count <= DUEL_SLICE_MAX);
    assert(plan->pair_count <= INFERENCE_COUNT_MAX);
    *ret_duel = (struct duel){.pairs = json_array()};
    if (!contest || !ret_duel->pairs) {
        free(contest);
        return error_raise(error, -ENOMEM, "no memory for %u pairs", plan->pair_count);
    }
    contest->plan = plan;
    contest->interrupts = interrupts;
    contest->random.state = plan->seed;
    contest->duel = ret_duel;
    contest->start_ns = clock_monotonic_ns();
    const int status = run_pairs(contest, error);
    ret_duel->seconds = (double)(clock_monotonic_ns() - contest->start_ns) / (double)NS_PER_S;
    if (status == 0)
        judge(contest);
    else
        duel_deinit(ret_duel);
    free(contest);
    return status;
}

void duel_deinit(struct duel *duel)
{
    json_decref(duel->pairs);
    duel->pairs = NULL;
}

const struct duel_metric *duel_primary(const struct duel *duel, const struct duel_plan *plan)
{
    return &duel->metrics[metric_index(plan->primary)];
}

enum answer duel_answer(const struct duel *duel, const struct duel_plan *plan)
{
    const enum answer answer = duel_primary(duel, plan)->inference.answer;
    const bool hidden =
        plan->primary != FIGURE_SERVER_NS && duel->bound_count > duel->slice_count / 2;

    return answer == ANSWER_SAME && hidden ? ANSWER_INCONCLUSIVE : answer;
}
