/* SPDX-License-Identifier: MIT
 *
 * card - a stored run as people read it (card.h) */
#include "load/card.h"

#include <math.h>
#include <string.h>

#include "load/measure.h"
#include "load/text.h"

static const char *text_at(const json_t *object, const char *key)
{
    const char *const text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The figures of a run, with the server's CPU time that was measured beside it. */
static void read_run(const json_t *run, struct measurement *measurement)
{
    const json_t *const server_ns = json_object_get(run, "server_ns");

    measurement_read(measurement, json_object_get(run, "result"));
    if (json_is_number(server_ns))
        measurement->figures[FIGURE_SERVER_NS] = json_number_value(server_ns);
}

static void print_time(FILE *to, double ns)
{
    if (isfinite(ns))
        fprintf(to, "%s", text_time(&(struct text){{0}}, (uint64_t)ns));
    else
        fputs("-", to);
}

static void print_load(FILE *to, const json_t *run)
{
    struct measurement it;

    read_run(run, &it);
    fprintf(to, "%s acks/s", text_amount(&(struct text){{0}}, it.figures[FIGURE_ACKS]));
    fputs(", p50 ", to);
    print_time(to, it.figures[FIGURE_P50]);
    fputs(", p99 ", to);
    print_time(to, it.figures[FIGURE_P99]);
    if (isfinite(it.figures[FIGURE_SERVER_NS]))
        fprintf(to, ", server %.0f ns/ack", it.figures[FIGURE_SERVER_NS]);
    if (!it.valid)
        fputs(", NOT VALID", to);
}

/* What a run that is no load came to. */
static void print_verdict(FILE *to, const json_t *result)
{
    const json_t *const alarms = json_object_get(result, "false_alarms");
    const json_t *const answer = json_object_get(result, "rate");

    if (json_is_number(alarms))
        fprintf(to, "%.1f %% false alarms in %lld trials", 100 * json_number_value(alarms),
                (long long)json_integer_value(json_object_get(result, "trials")));
    else if (json_is_number(answer))
        fprintf(to, "%s msg/s under %s",
                text_amount(&(struct text){{0}}, json_number_value(answer)),
                text_at(result, "slo"));
    else
        fprintf(to, "%s", text_at(result, "verdict"));
}

static void print_outcome(FILE *to, const json_t *run)
{
    const json_t *const result = json_object_get(run, "result");

    if (json_object_get(result, "ledger"))
        print_load(to, run);
    else
        print_verdict(to, result);
}

void card_line(FILE *to, const json_t *run)
{
    fprintf(to, "%04lld  %-8s %-16s %s  ",
            (long long)json_integer_value(json_object_get(run, "number")), text_at(run, "kind"),
            text_at(run, "name"), text_at(run, "added_at"));
    print_outcome(to, run);
    fputc('\n', to);
}

static void print_words(FILE *to, const json_t *run)
{
    const json_t *const words = json_object_get(run, "run_options");

    fputs("  load      ackload run", to);
    for (size_t i = 0; i < json_array_size(words); i++)
        fprintf(to, " %s", json_string_value(json_array_get(words, i)));
    fputc('\n', to);
}

static void print_environment(FILE *to, const json_t *environment)
{
    const json_t *const commit = json_object_get(environment, "commit");
    const json_t *const server = json_object_get(environment, "server");

    if (json_is_object(commit))
        fprintf(to, "  commit    %.12s%s\n", text_at(commit, "hash"),
                json_is_true(json_object_get(commit, "changed")) ? " and changes" : "");
    if (json_is_object(server))
        fprintf(to, "  server    %s\n            %s, CPUs %s\n", text_at(server, "binary"),
                text_at(server, "hash"), text_at(server, "cpus"));
    fprintf(to, "  machine   %s, kernel %s, %lld CPUs\n", text_at(environment, "cpu_model"),
            text_at(environment, "kernel"),
            (long long)json_integer_value(json_object_get(environment, "cpus")));
}

void card_print(FILE *to, const json_t *run)
{
    const json_t *const environment = json_object_get(run, "environment");
    const json_t *const result = json_object_get(run, "result");

    card_line(to, run);
    if (json_object_get(run, "run_options"))
        print_words(to, run);
    if (json_object_get(run, "start"))
        fprintf(to, "  started   %s\n", text_at(run, "start"));
    if (json_object_get(result, "stream_hash"))
        fprintf(to, "  stream    %s\n", text_at(result, "stream_hash"));
    if (json_is_object(environment))
        print_environment(to, environment);
}
