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
#include "load/output.h"
#include "load/report_verdict.h"

#define THRESHOLD_DEFAULT "3%"
#define SIGNIFICANT_P     0.05
#define SECOND_MIN_S      0.9 /* a run may begin or end within one */

enum { REASON_SIZE = 160 };

static const char help[] =
    "usage: ackload compare A B [--threshold SHARE] [--force] [--json FILE]\n"
    "\n"
    "Holds run B against run A, both kept by ackload record: names or numbers.  There is one run\n"
    "per side, so the answer is indicative; ackload ab gives one to rely on.\n"
    "\n"
    "      --threshold SHARE    smaller changes do not matter (3%)\n"
    "      --force              show runs of different loads or machines too, without a verdict\n"
    "      --json FILE          the figures and the verdict; - is stdout\n"
    "      --html FILE          the same as a page with charts\n"
    "\n"
    "The measured seconds of both runs are ranked (Mann-Whitney): acks per second of a closed\n"
    "loop, p99 of an open one, where a second without acks has the longest time of its run.  Each\n"
    "side needs 5 of them.  SAME wants a 95 % interval inside of the threshold; FASTER and SLOWER\n"
    "want p <= 0.05 and a change beyond it.\n"
    "\n"
    "Exit status: 0 FASTER or SAME; 10 SLOWER; 14 INCONCLUSIVE, or --force; 13 the runs cannot\n"
    "be compared; 64 wrong usage, or there is no such run.\n";

struct compare_options {
    struct args args;
    const char *json_path;
    const char *html_path;
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
    json_t *seconds;    /* its values of both sides; owned */
    double change;      /* of its median second */
    double low;         /* NaN = there is no interval */
    double high;
    double p;
    enum answer answer;
    const char *difference; /* what makes the runs different experiments; NULL = nothing */
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

/* True when @a and @b, of a result, are as many connections of the same kinds. */
static bool has_same_mix(const json_t *a, const json_t *b)
{
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++) {
        static const char *const keys[] = {"kind", "connections"};

        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            if (!json_equal(json_object_get(json_array_get(a, i), keys[k]),
                            json_object_get(json_array_get(b, i), keys[k])))
                return false;
        }
    }
    return true;
}

/* Names what makes the runs different experiments; NULL when nothing does. */
static const char *find_difference(const struct pair *pair)
{
    static const char *const keys[] = {
        "loop",    "connections", "depth",   "window", "size",     "dialect",   "rate",
        "threads", "time_s",      "arrival", "burst",  "warmup_s", "timeout_s", "rate_segments"};
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
    if (!has_same_mix(json_object_get(a, "mix"), json_object_get(b, "mix")))
        return "mix";
    if (strcmp(pair->measurements[0].stream_hash, pair->measurements[1].stream_hash) != 0)
        return "messages (stream_hash)";
    return environment_difference(json_object_get(pair->runs[0], "environment"),
                                  json_object_get(pair->runs[1], "environment"));
}

/* The seconds of a run, in their order. */
struct seconds {
    double *values;
    size_t count;
};

/* True for a whole second of the time that counts. */
static bool is_measured_second(const json_t *interval)
{
    const char *const phase = json_string_value(json_object_get(interval, "phase"));

    return phase && strcmp(phase, "measured") == 0 &&
           json_number_value(json_object_get(interval, "duration_s")) >= SECOND_MIN_S;
}

/* The figure @key of a second.  One without acks has the worst: 1 ack, and as p99 the longest time
 * of the run, @worst_ns.  None is 0, so that they can be divided. */
static double read_second(const json_t *interval, const char *key, double worst_ns)
{
    const bool is_time = strcmp(key, "p99_ns") == 0;
    const double value = json_number_value(json_object_get(interval, key));
    const bool is_silent = json_integer_value(json_object_get(interval, "acked")) == 0;

    return fmax(is_time && is_silent ? worst_ns : value, 1);
}

/* The caller frees the values. */
static struct seconds read_seconds(const json_t *run, const char *key, double worst_ns)
{
    const json_t *const intervals = json_object_get(json_object_get(run, "result"), "intervals");
    const size_t count = json_array_size(intervals);
    struct seconds seconds = {.values = calloc(count + 1, sizeof *seconds.values)};

    for (size_t i = 0; seconds.values && i < count; i++) {
        const json_t *const interval = json_array_get(intervals, i);
        if (is_measured_second(interval))
            seconds.values[seconds.count++] = read_second(interval, key, worst_ns);
    }
    return seconds;
}

static json_t *pack_values(const struct seconds *seconds)
{
    json_t *const values = json_array();

    for (size_t i = 0; i < seconds->count; i++)
        json_array_append_new(values, json_real(seconds->values[i]));
    return values;
}

/* As ab: SAME wants an interval that lies inside of the threshold. */
static enum answer answer_of(const struct comparison *comparison, double threshold)
{
    const bool more_is_faster = comparison->figure == FIGURE_ACKS;

    if (comparison->low > -threshold && comparison->high < threshold)
        return ANSWER_SAME;
    if (!(comparison->p <= SIGNIFICANT_P) || fabs(comparison->change) <= threshold)
        return ANSWER_INCONCLUSIVE;
    return (comparison->change > 0) == more_is_faster ? ANSWER_FASTER : ANSWER_SLOWER;
}

/* Holds the seconds of the sides against each other; both have some. */
static void judge_seconds(struct comparison *comparison, struct seconds *a, struct seconds *b)
{
    double low;
    double high;

    comparison->p = inference_rank_p(a->values, a->count, b->values, b->count);
    if (inference_rank_interval(a->values, a->count, b->values, b->count, &low, &high)) {
        comparison->low = low - 1;
        comparison->high = high - 1;
    }
    const double a_median = inference_median(a->values, a->count);
    comparison->change = inference_median(b->values, b->count) / a_median - 1;
    json_object_set_new(comparison->seconds, "a_median", json_real(a_median));
}

static struct comparison compare(const struct pair *pair, double threshold)
{
    const json_t *const plan = json_object_get(json_object_get(pair->runs[0], "result"), "plan");
    const char *const loop = json_string_value(json_object_get(plan, "loop"));
    const bool open = loop && strcmp(loop, "open") == 0;
    struct comparison comparison = {
        .figure = open ? FIGURE_P99 : FIGURE_ACKS,
        .change = NAN,
        .p = NAN,
        .low = NAN,
        .high = NAN,
        .difference = find_difference(pair),
    };
    const char *const key = open ? "p99_ns" : "acks_per_s";
    struct seconds a = read_seconds(pair->runs[0], key, pair->measurements[0].figures[FIGURE_MAX]);
    struct seconds b = read_seconds(pair->runs[1], key, pair->measurements[1].figures[FIGURE_MAX]);

    comparison.seconds = json_pack("{s:o, s:o}", "a", pack_values(&a), "b", pack_values(&b));
    if (a.count > 0 && b.count > 0)
        judge_seconds(&comparison, &a, &b);
    free(a.values);
    free(b.values);
    comparison.answer = answer_of(&comparison, threshold);
    return comparison;
}

/* "NONE" for runs that are different experiments. */
static const char *verdict(const struct comparison *comparison)
{
    return comparison->difference ? "NONE" : answer_name(comparison->answer);
}

/* Says in one sentence why the verdict is what it is. */
static void write_reason(const struct comparison *comparison, char *ret_reason)
{
    if (comparison->difference)
        snprintf(ret_reason, REASON_SIZE, "the runs differ in %s", comparison->difference);
    else if (isnan(comparison->p))
        snprintf(ret_reason, REASON_SIZE, "a side has fewer than %d seconds", INFERENCE_RANK_MIN);
    else
        snprintf(ret_reason, REASON_SIZE, "the median second's %s changed by %+.1f %%, p %.4f",
                 figure_name(comparison->figure), 100 * comparison->change, comparison->p);
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
                             const struct comparison *comparison)
{
    char reason[REASON_SIZE];

    write_reason(comparison, reason);
    fprintf(to, "  %-10s %12s %12s          B/A\n", "figure", args->names[0], args->names[1]);
    for (enum figure figure = FIGURE_SERVER_NS; figure <= FIGURE_MAX; figure++)
        print_figure(to, pair, figure);
    if (comparison->difference)
        fprintf(to, "\nno verdict: %s\n", reason);
    else
        fprintf(to, "\n%s%s: %s\n", verdict(comparison),
                isnan(comparison->p) ? "" : " (indicative, one run per side)", reason);
}

/* The figures that both runs have. */
static json_t *pack_figures(const struct pair *pair)
{
    json_t *const figures = json_object();

    for (enum figure figure = FIGURE_SERVER_NS; figure <= FIGURE_MAX; figure++) {
        const double a = pair->measurements[0].figures[figure];
        const double b = pair->measurements[1].figures[figure];
        if (isfinite(a) && isfinite(b))
            json_object_set_new(figures, figure_name(figure),
                                json_pack("{s:f, s:f, s:o}", "a", a, "b", b, "change",
                                          a > 0 ? json_real(b / a - 1) : json_null()));
    }
    return figures;
}

static json_t *pack_side(const char *name, const json_t *run)
{
    const json_t *const server = json_object_get(json_object_get(run, "environment"), "server");
    const json_t *const start = json_object_get(run, "start");
    const json_t *const connect = json_object_get(run, "connect");

    return json_pack(
        "{s:s, s:O?, s:O?, s:O?}", "name", name, "number", json_object_get(run, "number"), "server",
        json_is_string(start) ? start : connect, "hash", json_object_get(server, "hash"));
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *pack_result(const struct compare_options *options, const struct pair *pair,
                           const struct comparison *comparison)
{
    char reason[REASON_SIZE];

    write_reason(comparison, reason);
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:f, s:s?, s:o, s:o, s:o, s:O, s:O?}",
        "schema", "ackload-compare/1", "verdict", verdict(comparison), "reason", reason,
        "indicative", true, "figure", figure_name(comparison->figure), "change",
        number_or_null(comparison->change), "low", number_or_null(comparison->low), "high",
        number_or_null(comparison->high), "p", number_or_null(comparison->p), "threshold",
        options->threshold, "difference", comparison->difference, "a",
        pack_side(options->args.names[0], pair->runs[0]), "b",
        pack_side(options->args.names[1], pair->runs[1]), "figures", pack_figures(pair), "seconds",
        comparison->seconds, "run_options", json_object_get(pair->runs[0], "run_options"));
}

static int write_result(const struct compare_options *options, const struct pair *pair,
                        const struct comparison *comparison, struct ackd_error *error)
{
    json_t *const result = pack_result(options, pair, comparison);
    int status = result ? 0 : error_raise(error, -ENOMEM, "no memory for the result");

    if (status == 0 && options->json_path)
        status = loop_write_json(options->json_path, result, error);
    if (status == 0 && options->html_path)
        status = report_verdict(options->html_path, result,
                                json_object_get(pair->runs[1], "environment"), error);
    json_decref(result);
    return status;
}

static int compare_pair(const struct compare_options *options, const struct pair *pair,
                        struct ackd_error *error)
{
    const bool json_on_stdout = options->json_path && strcmp(options->json_path, "-") == 0;
    struct comparison comparison = compare(pair, options->threshold);
    int status = 0;

    if (comparison.difference && !options->force)
        status = error_raise(error, -ESTALE,
                             "the runs differ in %s, so they say nothing about the server; "
                             "--force shows them side by side",
                             comparison.difference);
    if (status == 0) {
        print_comparison(json_on_stdout ? stderr : stdout, &options->args, pair, &comparison);
        status = write_result(options, pair, &comparison, error);
    }
    json_decref(comparison.seconds);
    if (status < 0)
        return status;
    return comparison.difference ? EXIT_INCONCLUSIVE : loop_exit_status(comparison.answer);
}

static int parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct compare_options *const options = to;
    const char *threshold = THRESHOLD_DEFAULT;
    const struct args_rule rules[] = {
        {"json", &options->json_path, NULL},
        {"html", &options->html_path, NULL},
        {"threshold", &threshold, NULL},
        {"force", NULL, &options->force},
        {NULL, NULL, NULL},
    };

    *options = (struct compare_options){.json_path = NULL};
    int status = args_sort(argc, argv, rules, 2, false, &options->args, error);
    if (status < 0 || options->args.help)
        return status;
    if (options->args.name_count < 2)
        return error_raise(error, -EINVAL, "say which runs: ackload compare A B; try --help");
    status = duel_options_share("threshold", threshold, &options->threshold, error);
    return status < 0 ? status : output_check_result(options->json_path, options->html_path, error);
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
