/* SPDX-License-Identifier: MIT
 *
 * cmd_compare - ackload compare: two kept runs side by side
 *
 * One run per side: what lies between them besides the server (the hour, a process's luck with its
 * layout) is in the difference, so it is indicative and ab decides. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/command.h"
#include "load/duel_options.h"
#include "load/environment.h"
#include "load/loop.h"

#define THRESHOLD_DEFAULT "3%"
#define SIGNIFICANT_P     0.05

static const char help[] =
    "usage: ackload compare A B [--threshold SHARE] [--force] [--json FILE]\n"
    "\n"
    "Holds run B against run A, both kept by ackload record: names or numbers.  There is one run\n"
    "per side, so the answer is indicative; ackload ab gives one to rely on.\n"
    "\n"
    "      --threshold SHARE    smaller changes do not matter (3%)\n"
    "      --force              show runs of different loads or machines too, without a verdict\n"
    "      --json FILE          the figures and the verdict; - is stdout\n"
    "\n"
    "The seconds of both runs are ranked (Mann-Whitney): acks per second of a closed loop, p99\n"
    "of an open one.  Each side needs 5 of them.\n"
    "\n"
    "Exit status: 0 FASTER or SAME; 10 SLOWER; 14 INCONCLUSIVE, or --force; 13 the runs cannot\n"
    "be compared; 64 wrong usage, or there is no such run.\n";

struct compare_options {
    struct args args;
    const char *json_path;
    double threshold;
    bool force;
};

/* Both runs, A first. */
struct pair {
    json_t *runs[2];
    struct measurement measurements[2];
};

struct comparison {
    enum figure figure; /* that decides */
    double change;      /* of its median second */
    double p;
    enum answer answer;
};

static int load_pair(const struct history *history, const struct args *args, struct pair *pair,
                     struct ackd_error *error)
{
    for (int i = 0; i < 2; i++) {
        uint32_t number;
        int status = history_find(history, args->names[i], &number, error);
        if (status == 0)
            status = history_load(history, number, &pair->runs[i], error);
        if (status < 0)
            return status;
        const json_t *const result = json_object_get(pair->runs[i], "result");
        const json_t *const server_ns = json_object_get(pair->runs[i], "server_ns");
        if (!json_object_get(result, "ledger"))
            return error_raise(error, -EINVAL, "run %04u is no load", number);
        measurement_read(&pair->measurements[i], result);
        if (json_is_number(server_ns))
            pair->measurements[i].figures[FIGURE_SERVER_NS] = json_number_value(server_ns);
    }
    return 0;
}

/* Names what makes the runs different experiments; NULL when nothing does. */
static const char *find_difference(const struct pair *pair)
{
    static const char *const keys[] = {"loop",    "connections", "depth",   "window", "size",
                                       "dialect", "rate",        "threads", "time_s", "schema"};
    const json_t *const a = json_object_get(pair->runs[0], "result");
    const json_t *const b = json_object_get(pair->runs[1], "result");

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *const of_a = json_object_get(json_object_get(a, "plan"), keys[i]);
        const json_t *const of_b = json_object_get(json_object_get(b, "plan"), keys[i]);
        if (of_a && of_b ? !json_equal(of_a, of_b) : of_a || of_b)
            return keys[i];
    }
    if (!json_equal(json_object_get(a, "schema"), json_object_get(b, "schema")))
        return "schema";
    if (strcmp(pair->measurements[0].stream_hash, pair->measurements[1].stream_hash) != 0)
        return "messages (stream_hash)";
    return environment_difference(json_object_get(pair->runs[0], "environment"),
                                  json_object_get(pair->runs[1], "environment"));
}

/* The seconds of a run; the caller frees them. */
static double *read_seconds(const json_t *run, const char *key, size_t *ret_count)
{
    const json_t *const intervals = json_object_get(json_object_get(run, "result"), "intervals");
    const size_t count = json_array_size(intervals);
    double *const values = calloc(count + 1, sizeof *values);

    for (size_t i = 0; i < count && values; i++)
        values[i] = json_number_value(json_object_get(json_array_get(intervals, i), key));
    *ret_count = values ? count : 0;
    return values;
}

static enum answer answer_of(const struct comparison *comparison, double threshold)
{
    const bool more_is_faster = comparison->figure == FIGURE_ACKS;

    if (isnan(comparison->p))
        return ANSWER_INCONCLUSIVE;
    if (fabs(comparison->change) <= threshold)
        return ANSWER_SAME;
    if (comparison->p > SIGNIFICANT_P)
        return ANSWER_INCONCLUSIVE;
    return (comparison->change > 0) == more_is_faster ? ANSWER_FASTER : ANSWER_SLOWER;
}

static struct comparison compare(const struct pair *pair, double threshold)
{
    const json_t *const plan = json_object_get(json_object_get(pair->runs[0], "result"), "plan");
    const char *const loop = json_string_value(json_object_get(plan, "loop"));
    const bool open = loop && strcmp(loop, "open") == 0;
    struct comparison comparison = {.figure = open ? FIGURE_P99 : FIGURE_ACKS, .p = NAN};
    double *seconds[2];
    size_t counts[2];

    for (int i = 0; i < 2; i++)
        seconds[i] = read_seconds(pair->runs[i], open ? "p99_ns" : "acks_per_s", &counts[i]);
    if (counts[0] > 0 && counts[1] > 0) {
        comparison.p = inference_rank_p(seconds[0], counts[0], seconds[1], counts[1]);
        comparison.change =
            inference_median(seconds[1], counts[1]) / inference_median(seconds[0], counts[0]) - 1;
    }
    free(seconds[0]);
    free(seconds[1]);
    comparison.answer = answer_of(&comparison, threshold);
    return comparison;
}

static void print_figure(FILE *to, const struct pair *pair, enum figure figure)
{
    const double a = pair->measurements[0].figures[figure];
    const double b = pair->measurements[1].figures[figure];
    const bool is_time = figure >= FIGURE_P50 && figure <= FIGURE_MAX;

    if (!isfinite(a) || !isfinite(b))
        return;
    fprintf(to, "  %-10s %12.1f %12.1f %-5s", figure_name(figure), is_time ? a / 1e3 : a,
            is_time ? b / 1e3 : b,
            is_time                 ? "us"
            : figure == FIGURE_ACKS ? "/s"
                                    : "ns");
    if (a > 0)
        fprintf(to, "  %+7.1f %%", 100 * (b / a - 1));
    fputc('\n', to);
}

static void print_comparison(FILE *to, const struct args *args, const struct pair *pair,
                             const struct comparison *comparison, const char *difference)
{
    fprintf(to, "  %-10s %12s %12s          B/A\n", "figure", args->names[0], args->names[1]);
    for (enum figure figure = FIGURE_SERVER_NS; figure <= FIGURE_MAX; figure++)
        print_figure(to, pair, figure);
    if (difference) {
        fprintf(to, "\nno verdict: the runs differ in %s\n", difference);
        return;
    }
    if (isnan(comparison->p))
        fprintf(to, "\nINCONCLUSIVE: a side has fewer than %d seconds\n", INFERENCE_RANK_MIN);
    else
        fprintf(to,
                "\n%s (indicative, one run per side): the median second's %s changed by %+.1f "
                "%%, p %.4f\n",
                answer_name(comparison->answer), figure_name(comparison->figure),
                100 * comparison->change, comparison->p);
}

static int write_result(const char *path, const struct comparison *comparison,
                        const char *difference, struct ackd_error *error)
{
    json_t *const result = json_pack(
        "{s:s, s:s, s:b, s:s, s:f, s:o, s:s?}", "schema", "ackload-compare/1", "verdict",
        difference ? "NONE" : answer_name(comparison->answer), "indicative", true, "figure",
        figure_name(comparison->figure), "change", comparison->change, "p",
        isnan(comparison->p) ? json_null() : json_real(comparison->p), "difference", difference);
    const int status = result ? loop_write_json(path, result, error)
                              : error_raise(error, -ENOMEM, "no memory for the result");

    json_decref(result);
    return status;
}

static int exit_status(enum answer answer)
{
    switch (answer) {
    case ANSWER_SAME:
    case ANSWER_FASTER:
        return EXIT_OK;
    case ANSWER_SLOWER:
        return EXIT_REGRESSION;
    case ANSWER_INCONCLUSIVE:
        break;
    }
    return EXIT_INCONCLUSIVE;
}

static int compare_pair(const struct compare_options *options, const struct pair *pair,
                        struct ackd_error *error)
{
    const char *const json_path = options->json_path;
    const bool json_on_stdout = json_path && strcmp(json_path, "-") == 0;
    const char *const difference = find_difference(pair);

    if (difference && !options->force)
        return error_raise(error, -ESTALE,
                           "the runs differ in %s, so they say nothing about the server; --force "
                           "shows them side by side",
                           difference);
    const struct comparison comparison = compare(pair, options->threshold);
    print_comparison(json_on_stdout ? stderr : stdout, &options->args, pair, &comparison,
                     difference);
    const int status = json_path ? write_result(json_path, &comparison, difference, error) : 0;
    if (status < 0)
        return status;
    return difference ? EXIT_INCONCLUSIVE : exit_status(comparison.answer);
}

static int parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct compare_options *const options = to;
    const char *threshold = THRESHOLD_DEFAULT;
    const struct args_rule rules[] = {
        {"json", &options->json_path, NULL},
        {"threshold", &threshold, NULL},
        {"force", NULL, &options->force},
        {NULL, NULL, NULL},
    };

    *options = (struct compare_options){.json_path = NULL};
    const int status = args_sort(argc, argv, rules, 2, false, &options->args, error);
    if (status < 0 || options->args.help)
        return status;
    if (options->args.name_count < 2)
        return error_raise(error, -EINVAL, "say which runs: ackload compare A B; try --help");
    return duel_options_share("threshold", threshold, &options->threshold, error);
}

static int compare_runs(void *from, struct loop *loop, struct ackd_error *error)
{
    const struct compare_options *const options = from;
    struct pair pair = {.runs = {NULL, NULL}};

    int status = load_pair(&loop->history, &options->args, &pair, error);
    if (status == 0)
        status = compare_pair(options, &pair, error);
    json_decref(pair.runs[0]);
    json_decref(pair.runs[1]);
    return status;
}

int cmd_compare(int argc, char **argv)
{
    static const struct loop_command command = {
        .help = help, .reads_only = true, .parse = parse, .run = compare_runs};
    struct compare_options options;

    return loop_main(&command, argc, argv, &options);
}
