/* SPDX-License-Identifier: MIT
 *
 * report - what a person sees of a run (report.h) */
#include "load/report.h"

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

static void print_load(FILE *to, const struct options *options)
{
    if (options->rate > 0)
        fprintf(to, "%s messages/s over %s connection%s, evenly spaced", AMOUNT(options->rate),
                COUNT(options->connection_count), plural(options->connection_count));
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
    fprintf(to, "ackload: %s for %s: ", address, TIME(options->duration_ns));
    print_load(to, options);
    fprintf(to, ", frames of %.1f bytes, %u thread%s\n", plan_mean_frame_size(plan),
            options->thread_count, plural(options->thread_count));
    fflush(to);
}

static void print_ledger(FILE *to, const struct outcome *outcome)
{
    const struct ledger *const ledger = &outcome->ledger;

    fprintf(to, "  messages    %s sent = %s ok + %s failed + %s lost + %s cut off\n",
            COUNT(ledger->sent), COUNT(ledger->ok), COUNT(ledger->failed), COUNT(ledger->lost),
            COUNT(ledger->cut));
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

static void print_rate(FILE *to, const struct options *options, const struct outcome *outcome)
{
    fprintf(to, "  rate        %s acks/s over %.2f s", COUNT((uint64_t)(outcome->rate + 0.5)),
            outcome->duration_s);
    if (options->rate > 0)
        fprintf(to, "; %s messages were due, %.2f %% of them sent", COUNT(outcome->scheduled),
                outcome->scheduled > 0
                    ? 100 * (double)outcome->ledger.sent / (double)outcome->scheduled
                    : 0);
    if (outcome->duration_s > 0)
        fprintf(to, "; out %s/s, in %s/s",
                SIZE((double)outcome->traffic.sent_size / outcome->duration_s),
                SIZE((double)outcome->traffic.received_size / outcome->duration_s));
    fputc('\n', to);
}

static void print_latency(FILE *to, const char *name, const struct latency_sum *latency)
{
    fprintf(to, "  %-11s %10s %10s %10s %10s %10s %10s\n", name,
            TIME((uint64_t)latency_mean_ns(latency)), TIME(latency_percentile_ns(latency, 0.5)),
            TIME(latency_percentile_ns(latency, 0.9)), TIME(latency_percentile_ns(latency, 0.99)),
            TIME(latency_percentile_ns(latency, 0.999)), TIME(latency->max_ns));
}

static void print_latencies(FILE *to, const struct options *options, const struct outcome *outcome)
{
    if (outcome->latency.count == 0) {
        fputs("  latency     nothing was acked\n", to);
        return;
    }
    fprintf(to, "  %-11s %10s %10s %10s %10s %10s %10s\n", "", "mean", "p50", "p90", "p99", "p99.9",
            "max");
    if (options->rate > 0) {
        print_latency(to, "due to ack", &outcome->latency);
        print_latency(to, "written late", &outcome->lateness);
    } else {
        print_latency(to, "latency", &outcome->latency);
    }
}

static double per(uint64_t amount, uint64_t count)
{
    return count > 0 ? (double)amount / (double)count : 0;
}

static void print_client(FILE *to, const struct options *options, const struct outcome *outcome)
{
    const struct ledger *const ledger = &outcome->ledger;
    const uint64_t acked = ledger->ok + ledger->failed;

    fprintf(to, "  batches     %.1f messages per write, %.1f acks per read\n",
            per(ledger->sent, outcome->traffic.write_count),
            per(acked, outcome->traffic.read_count));
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

static const char *headline(enum verdict verdict)
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
                   const struct outcome *outcome)
{
    fputc('\n', to);
    print_ledger(to, outcome);
    if (outcome->first_bad.verdict != VERIFY_OK)
        print_bad_ack(to, &outcome->first_bad);
    print_rate(to, options, outcome);
    print_latencies(to, options, outcome);
    print_client(to, options, outcome);
    fprintf(to, "  stream      seed %llu, hash %016llx\n", (unsigned long long)options->plan.seed,
            (unsigned long long)plan->hash);
    fprintf(to, "\n%s: %s%s.\n", headline(outcome_verdict(outcome)), outcome_reason(outcome),
            outcome->interrupted ? " (ended early)" : "");
    fflush(to);
}
