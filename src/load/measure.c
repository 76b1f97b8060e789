/* SPDX-License-Identifier: MIT
 *
 * measure - one `ackload run` against a target (measure.h) */
#include "load/measure.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "load/command.h"

enum { WORD_MAX = ARGS_REST_MAX + 16 };

#define STOP_GRACE_NS (5 * NS_PER_S)

const char *figure_name(enum figure figure)
{
    static const char *const names[FIGURE_COUNT] = {
        [FIGURE_SERVER_NS] = "server_ns",
        [FIGURE_CLIENT_NS] = "client_ns",
        [FIGURE_ACKS] = "acks",
        [FIGURE_P50] = "p50",
        [FIGURE_P90] = "p90",
        [FIGURE_P99] = "p99",
        [FIGURE_P999] = "p99.9",
        [FIGURE_MEAN] = "mean",
        [FIGURE_MAX] = "max",
        [FIGURE_LOST] = "lost",
        [FIGURE_FAILED] = "failed",
        [FIGURE_ERRORS] = "errors",
    };

    return names[figure];
}

static double number_at(const json_t *object, const char *key)
{
    const json_t *const value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *const text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* From the due time where there is one. */
static const json_t *find_latency(const json_t *result)
{
    const json_t *const all = json_object_get(result, "latency");
    const bool open = strcmp(text_at(json_object_get(result, "plan"), "loop"), "open") == 0;
    const json_t *const response = json_object_get(all, "response");

    return open && response ? response : json_object_get(all, "service");
}

static void read_latency(double *figures, const json_t *latency)
{
    static const struct {
        enum figure figure;
        const char *key;
    } keys[] = {
        {FIGURE_P50, "p50_ns"},   {FIGURE_P90, "p90_ns"},   {FIGURE_P99, "p99_ns"},
        {FIGURE_P999, "p999_ns"}, {FIGURE_MEAN, "mean_ns"}, {FIGURE_MAX, "max_ns"},
    };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        figures[keys[i].figure] = number_at(latency, keys[i].key);
}

static void read_ledger(double *figures, const json_t *ledger)
{
    figures[FIGURE_LOST] = number_at(ledger, "lost") + number_at(ledger, "cut");
    figures[FIGURE_FAILED] = number_at(ledger, "failed");
    figures[FIGURE_ERRORS] = figures[FIGURE_LOST] + figures[FIGURE_FAILED] +
                             number_at(ledger, "duplicate") + number_at(ledger, "unknown") +
                             number_at(ledger, "out_of_order") + number_at(ledger, "malformed");
}

/* What the first check says that took the stamp away; "" when there is none. */
static const char *find_failed_check(const json_t *validity)
{
    size_t index;
    const json_t *check;

    json_array_foreach(json_object_get(validity, "checks"), index, check)
    {
        if (json_is_true(json_object_get(check, "stamp")) &&
            !json_is_true(json_object_get(check, "ok")))
            return text_at(check, "meaning");
    }
    return "";
}

/* The stamp of the result; the verdict alone where nothing was checked. */
static void read_validity(struct measurement *measurement, const json_t *result)
{
    const json_t *const validity = json_object_get(result, "validity");
    const char *const stamp = text_at(validity, "verdict");
    const bool checked = stamp[0] && strcmp(stamp, "UNCHECKED") != 0;
    const bool stamped = !checked || json_is_true(json_object_get(validity, "valid"));

    measurement->valid = stamped && strcmp(text_at(result, "verdict"), "invalid") != 0;
    measurement->refused = strcmp(stamp, "SERVER-BOUND") == 0;
    measurement->pessimistic =
        !stamped && (strcmp(stamp, "CLIENT-BOUND") == 0 || strcmp(stamp, "NOISY") == 0);
    if (stamped)
        snprintf(measurement->reason, sizeof measurement->reason, "%.150s",
                 text_at(result, "reason"));
    else
        snprintf(measurement->reason, sizeof measurement->reason, "%.30s: %.110s", stamp,
                 find_failed_check(validity));
}

void measurement_read(struct measurement *ret_measurement, const json_t *result)
{
    const json_t *const cpu = json_object_get(result, "cpu");
    double *const figures = ret_measurement->figures;
    const json_t *const client = json_object_get(cpu, "client");

    *ret_measurement = (struct measurement){.exit_status = EXIT_OK};
    figures[FIGURE_SERVER_NS] = number_at(json_object_get(cpu, "server"), "ns_per_ack");
    if (figures[FIGURE_SERVER_NS] <= 0)
        figures[FIGURE_SERVER_NS] = NAN;
    figures[FIGURE_CLIENT_NS] = number_at(client ? client : cpu, "ns_per_ack");
    figures[FIGURE_ACKS] = number_at(json_object_get(result, "rate"), "acks_per_s");
    read_latency(figures, find_latency(result));
    read_ledger(figures, json_object_get(result, "ledger"));
    read_validity(ret_measurement, result);
    snprintf(ret_measurement->stream_hash, sizeof ret_measurement->stream_hash, "%.16s",
             text_at(result, "stream_hash"));
}

void measurement_deinit(struct measurement *measurement)
{
    json_decref(measurement->result);
    measurement->result = NULL;
}

/* The words of a run; the last of two equal options counts. */
struct words {
    const char *all[WORD_MAX];
    size_t count;
    char pid[16];
};

static void put(struct words *words, const char *word)
{
    assert(words->count < WORD_MAX - 1);
    words->all[words->count++] = word;
    words->all[words->count] = NULL;
}

static void put_option(struct words *words, const char *option, const char *value)
{
    if (!value)
        return;
    put(words, option);
    put(words, value);
}

static void make_words(const struct measure_plan *plan, const struct target *target,
                       struct words *words)
{
    words->count = 0;
    put(words, "/proc/self/exe");
    put(words, "run");
    for (int i = 0; i < plan->args->rest_count; i++)
        put(words, plan->args->rest[i]);
    put_option(words, "--time", plan->time);
    put_option(words, "--rate", plan->rate);
    put_option(words, "--warmup", plan->warmup);
    put_option(words, "--connect", target->address);
    /* Of several processes the run could watch only one: they are watched around it. */
    if (target->process_count == 1) {
        snprintf(words->pid, sizeof words->pid, "%d", (int)target->processes[0]);
        put_option(words, "--server-pid", words->pid);
    }
    put(words, "--quiet");
    put_option(words, "--json", "-");
}

static int fail_run(const struct child *child, struct ackd_error *error)
{
    static const char prefix[] = "ackload: ";
    const int exit_status = child_exit_status(child);
    char line[256];

    child_last_error(child, line, sizeof line);
    const bool prefixed = strncmp(line, prefix, sizeof prefix - 1) == 0;
    return error_raise(error, exit_status == EXIT_USAGE ? -EINVAL : -EIO, "%s",
                       line[0] == '\0' ? "the run ended without a result"
                       : prefixed      ? line + sizeof prefix - 1
                                       : line);
}

/* Reads the result of a run that has ended. */
static int read_result(struct measurement *measurement, const struct child *child,
                       struct ackd_error *error)
{
    const int exit_status = child_exit_status(child);
    size_t size = 0;

    if (exit_status != EXIT_OK && exit_status != EXIT_VERIFICATION && exit_status != EXIT_INVALID)
        return fail_run(child, error);
    char *const text = child_output(child, &size);
    json_t *const result = text ? json_loadb(text, size, 0, NULL) : NULL;
    free(text);
    if (!result)
        return fail_run(child, error);
    measurement_read(measurement, result);
    measurement->exit_status = exit_status;
    measurement->result = result;
    return 0;
}

int measure_start(struct measuring *measuring, const struct measure_plan *plan,
                  const struct target *target, struct ackd_error *error)
{
    struct words words;
    const struct child_plan child_plan = {.argv = words.all, .keep_output = true};

    make_words(plan, target, &words);
    measuring->target = target;
    measuring->before_ns = target_cpu_ns(target);
    return child_start(&measuring->child, &child_plan, error);
}

void measure_cancel(struct measuring *measuring)
{
    child_stop(&measuring->child, STOP_GRACE_NS);
    child_close(&measuring->child);
}

int measure_finish(struct measuring *measuring, struct interrupts *interrupts,
                   struct measurement *ret_measurement, struct ackd_error *error)
{
    const enum child_wait end = child_wait(&measuring->child, UINT64_MAX, interrupts);
    const uint64_t used_ns = target_cpu_ns(measuring->target) - measuring->before_ns;

    child_stop(&measuring->child, STOP_GRACE_NS);
    const int status = end == CHILD_INTERRUPTED
                           ? error_raise(error, -EINTR, "interrupted")
                           : read_result(ret_measurement, &measuring->child, error);
    child_close(&measuring->child);
    if (status < 0)
        return status;

    double *const server_ns = &ret_measurement->figures[FIGURE_SERVER_NS];
    const double acked = number_at(json_object_get(ret_measurement->result, "ledger"), "ok") +
                         ret_measurement->figures[FIGURE_FAILED];
    if (isnan(*server_ns) && measuring->target->process_count > 1 && acked > 0)
        *server_ns = (double)used_ns / acked;
    return 0;
}

int measure(struct measurement *ret_measurement, const struct measure_plan *plan,
            const struct target *target, struct interrupts *interrupts, struct ackd_error *error)
{
    struct measuring measuring;
    const int status = measure_start(&measuring, plan, target, error);

    return status < 0 ? status : measure_finish(&measuring, interrupts, ret_measurement, error);
}
