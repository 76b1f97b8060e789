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

static json_t *make_timeout(const struct options *options)
{
    return options->timeout_ns < UINT64_MAX
               ? json_real((double)options->timeout_ns / (double)NS_PER_S)
               : json_null();
}

static json_t *make_segments(const struct rate_plan *plan)
{
    json_t *const segments = json_array();

    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct rate_segment *const segment = &plan->segments[i];
        json_array_append_new(segments, json_pack("{s:f, s:f, s:f}", "from_per_s", segment->from,
                                                  "to_per_s", segment->to, "duration_s",
                                                  (double)segment->duration_ns / (double)NS_PER_S));
    }
    return segments;
}

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
    return json_pack(
        "{s:s, s:s, s:i, s:o, s:I, s:i, s:f, s:o, s:s, s:f, s:f, s:f, s:f, s:o, s:s, s:s, "
        "s:i, s:o, s:f}",
        "connect", address, "loop", options->rate > 0 ? "open" : "closed", "connections",
        (int)options->connection_count, "depth", depth, "window", (json_int_t)options->window,
        "threads", (int)options->thread_count, "time_s",
        (double)options->duration_ns / (double)NS_PER_S, "size", size, "dialect",
        dialects[options->dialect], "rate", options->rate, "drain_timeout_s",
        (double)options->drain_ns / (double)NS_PER_S, "mean_frame_bytes",
        plan_mean_frame_size(plan), "warmup_s", (double)options->warmup_ns / (double)NS_PER_S,
        "timeout_s", make_timeout(options), "arrival", options_arrival_name(options->arrival),
        "idle", options_idle_name(options->idle), "burst", (int)options->burst, "rate_segments",
        make_segments(&options->rate_plan), "late_budget_s",
        (double)options->lateness_budget_ns / (double)NS_PER_S);
}

static json_t *make_ledger(const struct ledger *ledger)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sent",
                     (json_int_t)ledger->sent, "ok", (json_int_t)ledger->ok, "failed",
                     (json_int_t)ledger->failed, "lost", (json_int_t)ledger->lost, "late",
                     (json_int_t)ledger->late, "cut", (json_int_t)ledger->cut, "duplicate",
                     (json_int_t)ledger->duplicate, "unknown", (json_int_t)ledger->unknown,
                     "out_of_order", (json_int_t)ledger->out_of_order, "malformed",
                     (json_int_t)ledger->malformed);
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

/* In a closed loop the response time is the service time, and nothing is late. */
static json_t *make_latencies(const struct options *options, const struct outcome *outcome)
{
    if (options->rate <= 0)
        return json_pack("{s:o, s:o}", "response", make_latency(&outcome->latency), "service",
                         make_latency(&outcome->service));
    return json_pack("{s:o, s:o, s:o}", "response", make_latency(&outcome->latency), "service",
                     make_latency(&outcome->service), "lateness", make_latency(&outcome->lateness));
}

/* A sum beyond what an integer of JSON libraries holds is a real. */
static json_t *make_sum(double sum)
{
    return sum < 0x1p63 ? json_integer((json_int_t)sum) : json_real(sum);
}

/* The buckets that hold something: [upper end, count]. */
static json_t *make_hist(const struct latency_sum *latency)
{
    json_t *const buckets = json_array();

    for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        if (latency->bucket[i] > 0)
            json_array_append_new(buckets, json_pack("[I, I]", (json_int_t)latency_upper_ns(i),
                                                     (json_int_t)latency->bucket[i]));
    }
    return json_pack("{s:s, s:o, s:I, s:o}", "unit", "ns", "sum_ns", make_sum(latency->sum_ns),
                     "max_ns", (json_int_t)latency->max_ns, "buckets", buckets);
}

static json_t *make_hists(const struct options *options, const struct outcome *outcome)
{
    if (options->rate <= 0)
        return json_pack("{s:o}", "service", make_hist(&outcome->service));
    return json_pack("{s:o, s:o, s:o}", "response", make_hist(&outcome->latency), "service",
                     make_hist(&outcome->service), "lateness", make_hist(&outcome->lateness));
}

static json_t *make_integer(bool known, uint64_t value)
{
    return known ? json_integer((json_int_t)value) : json_null();
}

static json_t *make_real(bool known, double value)
{
    return known ? json_real(value) : json_null();
}

static double per_second(uint64_t count, double duration_s)
{
    return duration_s > 0 ? (double)count / duration_s : 0;
}

static json_t *make_rate(const struct options *options, const struct outcome *outcome)
{
    const bool open = options->rate > 0;

    return json_pack(
        "{s:f, s:f, s:o, s:o, s:o, s:o}", "acks_per_s", outcome->rate, "duration_s",
        outcome->duration_s, "scheduled", make_integer(open, outcome->scheduled), "offered_per_s",
        make_real(open, per_second(outcome->offered, outcome->offered_s)), "achieved_per_s",
        make_real(open, per_second(outcome->achieved, outcome->offered_s)), "blocked",
        make_integer(open, outcome->blocked));
}

static json_t *make_batch(const struct outcome *outcome)
{
    const struct latency_sum *const writes = &outcome->frames_per_write;
    const struct latency_sum *const reads = &outcome->acks_per_read;

    return json_pack("{s:f, s:I, s:I, s:f, s:I, s:I}", "frames_per_write", latency_mean_ns(writes),
                     "frames_per_write_p50", (json_int_t)latency_percentile_ns(writes, 0.5),
                     "frames_per_write_p99", (json_int_t)latency_percentile_ns(writes, 0.99),
                     "acks_per_read", latency_mean_ns(reads), "acks_per_read_p50",
                     (json_int_t)latency_percentile_ns(reads, 0.5), "acks_per_read_p99",
                     (json_int_t)latency_percentile_ns(reads, 0.99));
}

static json_t *make_traffic(const struct traffic *traffic)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "sent_bytes", (json_int_t)traffic->sent_size,
                     "received_bytes", (json_int_t)traffic->received_size, "writes",
                     (json_int_t)traffic->write_count, "reads", (json_int_t)traffic->read_count);
}

static double ns_per(double ns, uint64_t count)
{
    return count > 0 ? ns / (double)count : 0;
}

static json_t *make_client(const struct outcome *outcome)
{
    return json_pack(
        "{s:I, s:f, s:f, s:I, s:I, s:I, s:I}", "cpu_ns", (json_int_t)outcome->client_cpu_ns,
        "ns_per_ack", ns_per((double)outcome->client_cpu_ns, outcome->measured_acked), "useful",
        outcome->useful, "voluntary_switches", (json_int_t)outcome->client_voluntary,
        "involuntary_switches", (json_int_t)outcome->client_involuntary, "idle_waits",
        (json_int_t)outcome->idle_count, "full_sockets", (json_int_t)outcome->full_count);
}

static json_t *make_server(const struct outcome *outcome)
{
    const struct proc_usage *const server = &outcome->server;
    const double ns = ns_per((double)server->cpu_ns, outcome->server_acked);

    if (!server->known)
        return json_null();
    return json_pack(
        "{s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "cpu_ns", (json_int_t)server->cpu_ns,
        "ns_per_ack", ns, "user_ns_per_ack", ns * server->user_share, "system_ns_per_ack",
        ns * (1 - server->user_share), "busiest_thread", server->busiest, "voluntary_switches",
        (json_int_t)server->voluntary_count, "involuntary_switches",
        (json_int_t)server->involuntary_count, "acked", (json_int_t)outcome->server_acked);
}

static json_t *make_cpu(const struct outcome *outcome)
{
    const double cpu_s = outcome->cpu_user_s + outcome->cpu_system_s;

    return json_pack("{s:f, s:f, s:f, s:f, s:o, s:o}", "user_s", outcome->cpu_user_s, "system_s",
                     outcome->cpu_system_s, "ns_per_ack",
                     ns_per(cpu_s * 1e9, ledger_acked(&outcome->ledger)), "busiest_thread",
                     outcome->busy, "client", make_client(outcome), "server", make_server(outcome));
}

static json_t *make_errors(const struct error_log *errors)
{
    json_t *const list = json_array();

    for (int i = 0; i < CAUSE_COUNT; i++) {
        const struct error_entry *const entry = &errors->entries[i];
        char hex[2 * ERROR_BYTES_MAX + 1] = "";
        if (entry->count == 0)
            continue;
        for (size_t at = 0; at < entry->size; at++)
            snprintf(hex + 2 * at, 3, "%02x", entry->bytes[at]);
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:f, s:I, s:s}", "cause",
                                        error_cause_name((enum error_cause)i), "count",
                                        (json_int_t)entry->count, "first_s",
                                        (double)entry->first_ns / (double)NS_PER_S, "connection",
                                        (json_int_t)entry->connection, "first_hex", hex));
    }
    return list;
}

static json_t *make_validity(const struct validity *validity)
{
    json_t *const checks = json_array();

    for (uint32_t i = 0; i < validity->check_count; i++) {
        const struct validity_check *const check = &validity->checks[i];
        json_array_append_new(
            checks, json_pack("{s:s, s:b, s:b, s:f, s:f, s:s}", "name", check->name, "ok",
                              check->ok, "stamp", check->fails_as != VALIDITY_VALID, "value",
                              check->value, "limit", check->limit, "meaning", check->meaning));
    }
    return json_pack("{s:s, s:b, s:o}", "verdict", validity_name(validity->verdict), "valid",
                     validity_is_good(validity->verdict), "checks", checks);
}

static json_t *make_mix(const struct outcome *outcome)
{
    json_t *const list = json_array();

    for (int i = 0; i < MIX_KIND_COUNT; i++) {
        const struct mix_tally *const tally = &outcome->mix[i];
        if (tally->connection_count > 0)
            json_array_append_new(list,
                                  json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "kind",
                                            mix_kind_name((enum mix_kind)i), "connections",
                                            (json_int_t)tally->connection_count, "connected",
                                            (json_int_t)tally->connect_count, "refused",
                                            (json_int_t)tally->refused_count, "closed_by_server",
                                            (json_int_t)tally->closed_count, "sent_bytes",
                                            (json_int_t)tally->sent_size, "received_bytes",
                                            (json_int_t)tally->received_size));
    }
    return list;
}

static const char *phase_name(enum phase phase)
{
    switch (phase) {
    case PHASE_WARMUP:
        return "warmup";
    case PHASE_DRAIN:
        return "drain";
    case PHASE_MEASURED:
        break;
    }
    return "measured";
}

static json_t *make_intervals(const struct outcome *outcome)
{
    json_t *const intervals = json_array();

    for (size_t i = 0; i < outcome->interval_count; i++) {
        const struct interval *const interval = &outcome->intervals[i];
        json_array_append_new(
            intervals,
            json_pack("{s:f, s:f, s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I}", "at_s",
                      interval->at_s, "duration_s", interval->duration_s, "phase",
                      phase_name(interval->phase), "sent", (json_int_t)interval->sent, "acked",
                      (json_int_t)interval->acked, "acks_per_s", interval->rate, "in_flight",
                      (json_int_t)interval->in_flight, "connections", (json_int_t)interval->open,
                      "errors", (json_int_t)interval->error, "p50_ns", (json_int_t)interval->p50_ns,
                      "p99_ns", (json_int_t)interval->p99_ns));
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
    json_t *const root = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:o, s:I, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}",
        "schema", SCHEMA, "version", ackd_version(), "verdict",
        verdict_name(outcome_verdict(outcome)), "reason", outcome_reason(outcome), "interrupted",
        outcome->interrupted, "plan", make_plan(options, plan), "seed",
        (json_int_t)options->plan.seed, "stream_hash", hash, "ledger",
        make_ledger(&outcome->ledger), "first_bad_ack", make_bad_ack(&outcome->first_bad),
        "disconnects", (int)outcome->disconnect_count, "rate", make_rate(options, outcome),
        "latency", make_latencies(options, outcome), "traffic", make_traffic(&outcome->traffic),
        "cpu", make_cpu(outcome), "intervals", make_intervals(outcome), "env", make_env());

    if (root && (json_object_set_new(root, "errors", make_errors(&outcome->errors)) < 0 ||
                 json_object_set_new(root, "validity", make_validity(&outcome->validity)) < 0 ||
                 json_object_set_new(root, "batch", make_batch(outcome)) < 0 ||
                 json_object_set_new(root, "mix", make_mix(outcome)) < 0 ||
                 json_object_set_new(root, "hist", make_hists(options, outcome)) < 0)) {
        json_decref(root);
        return NULL;
    }
    return root;
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
