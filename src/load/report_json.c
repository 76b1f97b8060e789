/* SPDX-License-Identifier: MIT
 *
 * report_json - the result as JSON; docs/LOADTEST.md describes the schema */
#include <ackd/version.h>
#include <jansson.h>
#include <sched.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/clock.h"
#include "load/report.h"

#define SCHEMA "ackload/1"

/* json_pack() fails only without memory; its NULL then passes through what is built from it, and
 * report_json() finds it at the end. */

static json_t *make_plan(const struct options *options, const struct plan *plan)
{
    static const char *const dialects[] = {
        [DIALECT_RULE_ANY] = "any",
        [DIALECT_RULE_SPEC] = "spec",
        [DIALECT_RULE_DEMO] = "demo",
        [DIALECT_RULE_NONE] = "none",
    };
    char address[ADDRESS_TEXT_SIZE];
    json_t *const size =
        options->plan.teaching ? json_string("teaching") : json_integer(options->plan.payload_size);
    json_t *const depth = options->depth_given ? json_integer((json_int_t)options->window)
                          : options->depth_max ? json_string("max")
                          : options->rate > 0  ? json_null()
                                               : json_integer((json_int_t)options->window);

    address_format(&options->address, address);
    return json_pack("{s:s, s:s, s:i, s:o, s:I, s:i, s:f, s:o, s:s, s:f, s:f, s:f}", "connect",
                     address, "loop", options->rate > 0 ? "open" : "closed", "connections",
                     (int)options->connection_count, "depth", depth, "window",
                     (json_int_t)options->window, "threads", (int)options->thread_count, "time_s",
                     (double)options->duration_ns / (double)NS_PER_S, "size", size, "dialect",
                     dialects[options->dialect], "rate", options->rate, "drain_timeout_s",
                     (double)options->drain_ns / (double)NS_PER_S, "mean_frame_bytes",
                     plan_mean_frame_size(plan));
}

static json_t *make_ledger(const struct ledger *ledger)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sent",
                     (json_int_t)ledger->sent, "ok", (json_int_t)ledger->ok, "failed",
                     (json_int_t)ledger->failed, "lost", (json_int_t)ledger->lost, "cut",
                     (json_int_t)ledger->cut, "duplicate", (json_int_t)ledger->duplicate, "unknown",
                     (json_int_t)ledger->unknown, "out_of_order", (json_int_t)ledger->out_of_order,
                     "malformed", (json_int_t)ledger->malformed);
}

static json_t *make_bad_ack(const struct bad_ack *bad)
{
    char got[2 * ACK_FRAME_SIZE + 1];
    char expected[PACKET_ID_SIZE + 1] = "";

    if (bad->verdict == VERIFY_OK)
        return json_null();
    for (size_t i = 0; i < sizeof bad->bytes; i++)
        snprintf(got + 2 * i, 3, "%02x", bad->bytes[i]);
    store_be64((uint8_t *)expected, bad->expected_id);
    return json_pack("{s:s, s:f, s:I, s:s, s:s}", "kind", report_verdict_name(bad->verdict), "at_s",
                     (double)bad->time_ns / (double)NS_PER_S, "connection",
                     (json_int_t)bad->connection_index, "expected_id", expected, "bytes", got);
}

static json_t *make_latency(const struct latency_sum *latency)
{
    return json_pack(
        "{s:I, s:f, s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)latency->count, "mean_ns",
        latency_mean_ns(latency), "p50_ns", (json_int_t)latency_percentile_ns(latency, 0.5),
        "p90_ns", (json_int_t)latency_percentile_ns(latency, 0.9), "p99_ns",
        (json_int_t)latency_percentile_ns(latency, 0.99), "p999_ns",
        (json_int_t)latency_percentile_ns(latency, 0.999), "max_ns", (json_int_t)latency->max_ns);
}

static json_t *make_latencies(const struct options *options, const struct outcome *outcome)
{
    if (options->rate <= 0)
        return json_pack("{s:o}", "service", make_latency(&outcome->latency));
    return json_pack("{s:o, s:o}", "response", make_latency(&outcome->latency), "lateness",
                     make_latency(&outcome->lateness));
}

static json_t *make_rate(const struct options *options, const struct outcome *outcome)
{
    return json_pack("{s:f, s:f, s:o}", "acks_per_s", outcome->rate, "duration_s",
                     outcome->duration_s, "scheduled",
                     options->rate > 0 ? json_integer((json_int_t)outcome->scheduled)
                                       : json_null());
}

static json_t *make_traffic(const struct traffic *traffic)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "sent_bytes", (json_int_t)traffic->sent_size,
                     "received_bytes", (json_int_t)traffic->received_size, "writes",
                     (json_int_t)traffic->write_count, "reads", (json_int_t)traffic->read_count);
}

static json_t *make_cpu(const struct outcome *outcome)
{
    const uint64_t acked = outcome->ledger.ok + outcome->ledger.failed;
    const double cpu_s = outcome->cpu_user_s + outcome->cpu_system_s;

    return json_pack("{s:f, s:f, s:f, s:f}", "user_s", outcome->cpu_user_s, "system_s",
                     outcome->cpu_system_s, "ns_per_ack",
                     acked > 0 ? cpu_s * 1e9 / (double)acked : 0.0, "busiest_thread",
                     outcome->busy);
}

static json_t *make_intervals(const struct outcome *outcome)
{
    json_t *const intervals = json_array();

    for (size_t i = 0; i < outcome->interval_count; i++) {
        const struct interval *const interval = &outcome->intervals[i];
        json_array_append_new(
            intervals,
            json_pack("{s:f, s:f, s:I, s:f, s:I, s:I, s:I, s:I, s:I}", "at_s", interval->at_s,
                      "duration_s", interval->duration_s, "acked", (json_int_t)interval->acked,
                      "acks_per_s", interval->rate, "in_flight", (json_int_t)interval->in_flight,
                      "connections", (json_int_t)interval->open, "errors",
                      (json_int_t)interval->error, "p50_ns", (json_int_t)interval->p50_ns, "p99_ns",
                      (json_int_t)interval->p99_ns));
    }
    return intervals;
}

static json_t *make_env(void)
{
    struct utsname name = {0};
    cpu_set_t allowed;
    char now_text[32] = "";
    struct tm now_parts;
    const time_t now = time(NULL);

    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    uname(&name);
    if (gmtime_r(&now, &now_parts))
        strftime(now_text, sizeof now_text, "%Y-%m-%dT%H:%M:%SZ", &now_parts);
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "ended_at", now_text, "system", name.sysname,
                     "kernel", name.release, "machine", name.machine, "cpus", CPU_COUNT(&allowed));
}

static const char *verdict_name(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_FAIL:
        return "failed";
    case VERDICT_INVALID:
        return "invalid";
    case VERDICT_PASS:
        break;
    }
    return "ok";
}

static json_t *make_result(const struct options *options, const struct plan *plan,
                           const struct outcome *outcome)
{
    char hash[17];

    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)plan->hash);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:o, s:I, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}",
        "schema", SCHEMA, "version", ackd_version(), "verdict",
        verdict_name(outcome_verdict(outcome)), "reason", outcome_reason(outcome), "interrupted",
        outcome->interrupted, "plan", make_plan(options, plan), "seed",
        (json_int_t)options->plan.seed, "stream_hash", hash, "ledger",
        make_ledger(&outcome->ledger), "first_bad_ack", make_bad_ack(&outcome->first_bad),
        "disconnects", (int)outcome->disconnect_count, "rate", make_rate(options, outcome),
        "latency", make_latencies(options, outcome), "traffic", make_traffic(&outcome->traffic),
        "cpu", make_cpu(outcome), "intervals", make_intervals(outcome), "env", make_env());
}

int report_json(const char *path, const struct options *options, const struct plan *plan,
                const struct outcome *outcome, struct ackd_error *error)
{
    const bool on_stdout = strcmp(path, "-") == 0;
    json_t *const root = make_result(options, plan, outcome);
    FILE *const to = on_stdout ? stdout : fopen(path, "we");
    int status = 0;

    if (!root)
        status = error_raise(error, -ENOMEM, "no memory for the result");
    else if (!to)
        status = error_raise(error, -errno, "--json %s: %s", path, strerror(errno));
    else if (json_dumpf(root, to, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) < 0 ||
             fputc('\n', to) == EOF || fflush(to) == EOF)
        status = error_raise(error, -EIO, "--json %s: cannot write", path);
    if (to && !on_stdout)
        fclose(to);
    json_decref(root);
    return status;
}
