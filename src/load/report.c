/* SPDX-License-Identifier: MIT
 *
 * report - what a person sees of a run (report.h) */
#include "load/report.h"

#include <string.h>

#include "load/text.h"

#define COUNT(value)  text_count(&(struct text){{0}}, (value))
#define AMOUNT(value) text_amount(&(struct text){{0}}, (value))
#define TIME(value)   text_time(&(struct text){{0}}, (value))
#define SIZE(value)   text_size(&(struct text){{0}}, (value))

/* Above this share of its thread's time, the client may be what limits the rate. */
#define BUSY_SHARE 0.95

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_open_load(FILE *to, const struct options *options)
{
    fprintf(to, "%s messages/s over %s connection%s, %s", AMOUNT(options->rate),
            COUNT(options->connection_count), plural(options->connection_count),
            options->arrival == ARRIVAL_POISSON ? "at random (Poisson)" : "evenly spaced");
    if (!rate_plan_is_constant(&options->rate_plan))
        fprintf(to, " along %u segments", options->rate_plan.segment_count);
    fprintf(to, ", idle %s%s", options_idle_name(options->idle),
            options->idle_chosen ? " (auto)" : "");
}

static void print_load(FILE *to, const struct options *options)
{
    if (options->rate > 0)
        print_open_load(to, options);
    else if (options->depth_max)
        fprintf(to, "%s connection%s, written until full (at most %s in flight on each)",
                COUNT(options->connection_count), plural(options->connection_count),
                COUNT(options->window));
    else
        fprintf(to, "%s connection%s x %s in flight", COUNT(options->connection_count),
                plural(options->connection_count), COUNT(options->window));
}

void report_opening(FILE *to, const struct options *options, const struct plan *plan)
{
    char address[ADDRESS_TEXT_SIZE];

    address_format(&options->address, address);
    fprintf(to, "ackload: %s for %s", address, TIME(options->duration_ns));
    if (options->warmup_ns > 0)
        fprintf(to, " after a warm-up of %s", TIME(options->warmup_ns));
    fputs(": ", to);
    print_load(to, options);
    fprintf(to, ", frames of %.1f bytes, %u thread%s\n", plan_mean_frame_size(plan),
            options->thread_count, plural(options->thread_count));
    fflush(to);
}

static void print_ledger(FILE *to, const struct outcome *outcome)
{
    const struct ledger *const ledger = &outcome->ledger;

    fprintf(to, "  messages    %s sent = %s ok + %s failed + %s lost + %s late + %s cut off\n",
            COUNT(ledger->sent), COUNT(ledger->ok), COUNT(ledger->failed), COUNT(ledger->lost),
            COUNT(ledger->late), COUNT(ledger->cut));
    fprintf(to, "  bad acks    %s duplicate, %s unknown, %s out of order, %s malformed\n",
            COUNT(ledger->duplicate), COUNT(ledger->unknown), COUNT(ledger->out_of_order),
            COUNT(ledger->malformed));
    if (outcome->disconnect_count > 0)
        fprintf(to, "  closed      %s connection%s ended before the run did\n",
                COUNT(outcome->disconnect_count), plural(outcome->disconnect_count));
}

const char *report_verdict_name(enum verify_verdict verdict)
{
    switch (verdict) {
    case VERIFY_FAILED:
        return "failed";
    case VERIFY_OUT_OF_ORDER:
        return "out_of_order";
    case VERIFY_DUPLICATE:
        return "duplicate";
    case VERIFY_UNKNOWN:
        return "unknown";
    case VERIFY_MALFORMED:
    case VERIFY_UNFRAMED:
        return "malformed";
    case VERIFY_OK:
        break;
    }
    return "";
}

/* Says so when it is the SUBMIT_ACK of the dialect that was not asked for. */
static const char *dialect_hint(const struct bad_ack *bad)
{
    if (bad->verdict != VERIFY_MALFORMED)
        return "";
    if (bad->bytes[ACK_COMMAND_OFFSET] == COMMAND_DEMO_SUBMIT_ACK)
        return " (a SUBMIT_ACK of the demo dialect)";
    if (bad->bytes[ACK_COMMAND_OFFSET] == COMMAND_SUBMIT_ACK)
        return " (a SUBMIT_ACK of the spec dialect)";
    return "";
}

static void print_bad_ack(FILE *to, const struct bad_ack *bad)
{
    fprintf(to, "  first bad   %s, after %s on connection %s: ", report_verdict_name(bad->verdict),
            TIME(bad->time_ns), COUNT(bad->connection_index));
    for (size_t i = 0; i < sizeof bad->bytes; i++)
        fprintf(to, "%02x", bad->bytes[i]);
    fputs(", expected id ", to);
    for (int shift = 56; shift >= 0; shift -= 8)
        fputc((int)(bad->expected_id >> shift & 0xff), to);
    fputs(dialect_hint(bad), to);
    fputc('\n', to);
}

/* Then rates are at least, and times of the server at most, what was measured. */
static bool is_client_bound(const struct outcome *outcome)
{
    return outcome->validity.verdict == VALIDITY_CLIENT_BOUND;
}

static void print_rate(FILE *to, const struct options *options, const struct outcome *outcome)
{
    const char *const least = is_client_bound(outcome) ? ">= " : "";

    fprintf(to, "  rate        %s%s acks/s over %.2f s", least,
            COUNT((uint64_t)(outcome->rate + 0.5)), outcome->duration_s);
    if (options->rate > 0)
        fprintf(to, "; %s messages were due, %.2f %% of them sent", COUNT(outcome->scheduled),
                outcome->scheduled > 0
                    ? 100 * (double)outcome->ledger.sent / (double)outcome->scheduled
                    : 0);
    if (outcome->blocked > 0)
        fprintf(to, ", %s blocked", COUNT(outcome->blocked));
    if (outcome->duration_s > 0)
        fprintf(to, "; out %s%s/s, in %s%s/s", least,
                SIZE((double)outcome->traffic.sent_size / outcome->duration_s), least,
                SIZE((double)outcome->traffic.received_size / outcome->duration_s));
    fputc('\n', to);
}

/* @bound comes before each time. */
static void print_latency(FILE *to, const char *name, const char *bound,
                          const struct latency_sum *latency)
{
    const uint64_t times_ns[] = {
        (uint64_t)latency_mean_ns(latency),    latency_percentile_ns(latency, 0.5),
        latency_percentile_ns(latency, 0.9),   latency_percentile_ns(latency, 0.99),
        latency_percentile_ns(latency, 0.999), latency->max_ns,
    };
    char cell[2 * TEXT_SIZE];

    fprintf(to, "  %-11s", name);
    for (size_t i = 0; i < sizeof times_ns / sizeof times_ns[0]; i++) {
        snprintf(cell, sizeof cell, "%s%s", bound, TIME(times_ns[i]));
        fprintf(to, " %10s", cell);
    }
    fputc('\n', to);
}

static void print_latencies(FILE *to, const struct options *options, const struct outcome *outcome)
{
    if (outcome->latency.count == 0) {
        fputs("  latency     nothing was acked\n", to);
        return;
    }
    fprintf(to, "  %-11s %10s %10s %10s %10s %10s %10s\n", "", "mean", "p50", "p90", "p99", "p99.9",
            "max");
    const char *const most = is_client_bound(outcome) ? "<= " : "";
    if (options->rate > 0) {
        print_latency(to, "response", most, &outcome->latency);
        print_latency(to, "service", most, &outcome->service);
        /* The client's own is no bound of anything. */
        print_latency(to, "lateness", "", &outcome->lateness);
    } else {
        print_latency(to, "latency", most, &outcome->latency);
    }
}

static void print_batch(FILE *to, const char *name, const char *words,
                        const struct latency_sum *counts)
{
    fprintf(to, "  %-11s %.1f %s (p50 %s, p99 %s, most %s)\n", name, latency_mean_ns(counts), words,
            COUNT(latency_percentile_ns(counts, 0.5)), COUNT(latency_percentile_ns(counts, 0.99)),
            COUNT(counts->max_ns));
}

static void print_client(FILE *to, const struct options *options, const struct outcome *outcome)
{
    const struct ledger *const ledger = &outcome->ledger;
    const uint64_t acked = ledger->ok + ledger->failed;

    print_batch(to, "batches", "messages per write", &outcome->frames_per_write);
    print_batch(to, "", "acks per read", &outcome->acks_per_read);
    fprintf(to, "  client      %.2f s of CPU", outcome->cpu_user_s + outcome->cpu_system_s);
    if (acked > 0)
        fprintf(
            to, ", %s per ack",
            TIME((uint64_t)((outcome->cpu_user_s + outcome->cpu_system_s) * 1e9 / (double)acked)));
    fprintf(to, "; busiest thread %.0f %%\n", 100 * outcome->busy);
    if (outcome->busy > BUSY_SHARE && options->rate <= 0)
        fputs("              a thread was busy all the time: the server may be faster than this\n",
              to);
}

static void print_server(FILE *to, const struct outcome *outcome)
{
    const struct proc_usage *const server = &outcome->server;

    if (!server->known)
        return;
    fprintf(to, "  server      %s of CPU", TIME(server->cpu_ns));
    if (outcome->server_acked > 0)
        fprintf(to, ", %s per ack (user %.0f %%)", TIME(server->cpu_ns / outcome->server_acked),
                100 * server->user_share);
    fprintf(to, "; busiest thread %.0f %%; switches %s voluntary, %s not\n", 100 * server->busiest,
            COUNT(server->voluntary_count), COUNT(server->involuntary_count));
}

static void print_mix(FILE *to, const struct outcome *outcome)
{
    for (int i = 0; i < MIX_KIND_COUNT; i++) {
        const struct mix_tally *const tally = &outcome->mix[i];
        if (tally->connection_count > 0)
            fprintf(to, "  beside      %s %s: %s opened, %s refused, %s closed by the server\n",
                    COUNT(tally->connection_count), mix_kind_name((enum mix_kind)i),
                    COUNT(tally->connect_count), COUNT(tally->refused_count),
                    COUNT(tally->closed_count));
    }
}

static void print_errors(FILE *to, const struct error_log *errors)
{
    for (int i = 0; i < CAUSE_COUNT; i++) {
        const struct error_entry *const entry = &errors->entries[i];
        if (entry->count == 0)
            continue;
        fprintf(to, "  error       %s x %s, first after %s on connection %s", COUNT(entry->count),
                error_cause_text((enum error_cause)i), TIME(entry->first_ns),
                COUNT(entry->connection));
        if (entry->size > 0)
            fputs(": ", to);
        for (size_t b = 0; b < entry->size; b++)
            fprintf(to, "%02x", entry->bytes[b]);
        fputc('\n', to);
    }
}

const char *report_check_value(struct text *text, const struct validity_check *check, double value)
{
    if (strcmp(check->name, "lateness") == 0)
        return text_time(text, (uint64_t)value);
    if (value >= 10000)
        return text_amount(text, value);
    snprintf(text->bytes, sizeof text->bytes, "%.4g", value);
    return text->bytes;
}

/* The stamp, and each check that failed. */
static void print_validity(FILE *to, const struct validity *validity)
{
    if (validity->verdict == VALIDITY_UNCHECKED)
        return;
    fprintf(to, "  validity    %s", validity_name(validity->verdict));
    if (validity->verdict == VALIDITY_CLIENT_BOUND)
        fputs(": rates are at least, and times at most, what is printed", to);
    fputc('\n', to);
    for (uint32_t i = 0; i < validity->check_count; i++) {
        const struct validity_check *const check = &validity->checks[i];
        if (!check->ok && check->fails_as != VALIDITY_VALID)
            fprintf(to, "              %s: %s, limit %s (%s)\n", check->name,
                    report_check_value(&(struct text){{0}}, check, check->value),
                    report_check_value(&(struct text){{0}}, check, check->limit), check->meaning);
    }
}

const char *report_headline(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_FAIL:
        return "FAILED";
    case VERDICT_INVALID:
        return "INVALID";
    case VERDICT_PASS:
        break;
    }
    return "OK";
}

void report_result(FILE *to, const struct options *options, const struct plan *plan,
                   const struct outcome *outcome, bool written)
{
    fputc('\n', to);
    print_ledger(to, outcome);
    if (outcome->first_bad.verdict != VERIFY_OK)
        print_bad_ack(to, &outcome->first_bad);
    print_errors(to, &outcome->errors);
    print_rate(to, options, outcome);
    print_latencies(to, options, outcome);
    print_client(to, options, outcome);
    print_server(to, outcome);
    print_mix(to, outcome);
    print_validity(to, &outcome->validity);
    fprintf(to, "  stream      seed %llu, hash %016llx\n", (unsigned long long)options->plan.seed,
            (unsigned long long)plan->hash);
    fprintf(to, "\n%s: %s%s%s.\n",
            report_headline(written ? outcome_verdict(outcome) : VERDICT_INVALID),
            written ? "" : "the result could not be written; it says: ", outcome_reason(outcome),
            outcome->interrupted ? " (ended early)" : "");
    fflush(to);
}
