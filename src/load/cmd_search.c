/* SPDX-License-Identifier: MIT
 *
 * cmd_search - ackload search: the highest rate at which the server keeps a promise */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "load/climb.h"
#include "load/command.h"
#include "load/duel_options.h"
#include "load/environment.h"
#include "load/loop.h"
#include "load/output.h"
#include "load/slo.h"
#include "load/text.h"

#define SCHEMA            "ackload-search/1"
#define FROM_DEFAULT      "1k"
#define MAX_DEFAULT       "100m"
#define TIME_DEFAULT      "2s"
#define SETTLE_DEFAULT    "500ms"
#define PRECISION_DEFAULT "2%"
#define RATE_KEPT         0.999

enum { REASON_SIZE = 320 };

static const char help[] =
    "usage: ackload search --slo PROMISE [--start SERVER] [options] [options of ackload run]\n"
    "\n"
    "Finds the highest rate at which the server keeps the promise, as an interval: the answer,\n"
    "and the lowest rate that broke it.\n"
    "\n"
    "  ackload search --slo 'p99<500us,lost=0' --from 50k\n"
    "  ackload search --slo 'p99.9<=5ms' --start git:HEAD --server-cpus 0 --cpu 1 -t 1\n"
    "\n"
    "      --slo PROMISE        terms joined by commas: p50 p90 p99 p99.9 max mean with a time,\n"
    "                           lost failed errors with a number; < <= or =.  Latencies count\n"
    "                           from the time a message was due\n"
    "      --from RATE          where to begin: the lowest rate (1k)\n"
    "      --max RATE           go no higher (100m)\n"
    "      --precision SHARE    width of the interval (2%)\n"
    "      --time T             of each step (2s)\n"
    "      --settle T           before each step, not counted (500ms)\n"
    "      --start SERVER       start it: ackload ab --help says how\n"
    "      --connect ADDR       without --start: where it runs (127.0.0.1:8888)\n"
    "      --server-cpus LIST   pin what --start starts\n"
    "      --json FILE          the whole curve; - is stdout\n"
    "      --html FILE          the curve as a page with charts\n"
    "  -q, --quiet              print nothing but errors\n"
    "\n"
    "The rate is doubled until the promise breaks, then the interval is halved, then the answer\n"
    "is run three times more, and once 5 % above.  A rate that the server does not take is not\n"
    "kept, whatever the promise.  A step that is not valid (the client was the\n"
    "limit) is repeated, three times in all; it never counts against the server.\n"
    "\n"
    "Exit status: 0 found; 11 not even the lowest rate keeps the promise; 13 no result; 64\n"
    "wrong usage; 69 cannot connect or start.\n";

struct search_options {
    struct args args;
    struct slo slo;
    const char *slo_text;
    const char *start;
    const char *connect;
    const char *server_cpus;
    const char *settle;
    const char *json_path;
    const char *html_path;
    const char *time; /* NULL = as the args say */
    double from;
    double max;
    double precision;
    bool quiet;
};

/* A search that goes on. */
struct search {
    const struct search_options *options;
    struct loop *loop;
    struct target target;
    struct climb climb;
    json_t *curve; /* owned */
    FILE *people;  /* NULL = quiet */
};

static int read_rate(const char *option, const char *text, double *ret_rate,
                     struct ackd_error *error)
{
    if (!units_parse_rate(text, ret_rate) || *ret_rate < 1 || *ret_rate > 1e9)
        return error_raise(error, -EINVAL,
                           "--%s '%s': give messages per second, from 1 to 1000m, such as 50k",
                           option, text);
    return 0;
}

/* The texts of what is no text. */
struct words {
    const char *from;
    const char *max;
    const char *precision;
};

static int read_words(const struct words *words, struct search_options *options,
                      struct ackd_error *error)
{
    uint64_t ns;
    int status;

    if (!options->slo_text)
        return error_raise(error, -EINVAL, "say what to keep: --slo 'p99<500us,lost=0'");
    if ((status = slo_parse(options->slo_text, &options->slo, error)) < 0 ||
        (status = read_rate("from", words->from, &options->from, error)) < 0 ||
        (status = read_rate("max", words->max, &options->max, error)) < 0 ||
        (status = duel_options_share("precision", words->precision, &options->precision, error)) <
            0 ||
        (status = args_time("settle", options->settle, &ns, error)) < 0)
        return status;
    if (options->from > options->max)
        return error_raise(error, -EINVAL, "--from lies above --max");
    if (options->precision < 0.001)
        return error_raise(error, -EINVAL, "--precision: give 0.1%% or more");
    if (args_find(&options->args, "rate", 'r'))
        return error_raise(error, -EINVAL, "search finds the --rate itself; begin with --from");
    options->time = args_find(&options->args, "time", 0) ? NULL : TIME_DEFAULT;
    return 0;
}

static int parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct search_options *const options = to;
    struct words words = {FROM_DEFAULT, MAX_DEFAULT, PRECISION_DEFAULT};
    const struct args_rule rules[] = {
        {"slo", &options->slo_text, NULL},
        {"from", &words.from, NULL},
        {"max", &words.max, NULL},
        {"precision", &words.precision, NULL},
        {"settle", &options->settle, NULL},
        {"start", &options->start, NULL},
        {"connect", &options->connect, NULL},
        {"server-cpus", &options->server_cpus, NULL},
        {"json", &options->json_path, NULL},
        {"html", &options->html_path, NULL},
        {"quiet", NULL, &options->quiet},
        {NULL, NULL, NULL},
    };

    *options = (struct search_options){.connect = "127.0.0.1:8888", .settle = SETTLE_DEFAULT};
    int status = args_sort(argc, argv, rules, 0, true, &options->args, error);
    if (status < 0 || options->args.help)
        return status;
    status = read_words(&words, options, error);
    return status < 0 ? status : output_check_result(options->json_path, options->html_path, error);
}

static void record_step(struct search *search, const struct measurement *it,
                        const struct slo_term *broken, enum climb_outcome outcome)
{
    static const char *const outcomes[] = {
        [CLIMB_HOLDS] = "ok", [CLIMB_MISSES] = "miss", [CLIMB_SAYS_NOTHING] = "invalid"};
    const char *const why = broken ? figure_name(broken->figure) : it->refused ? "rate" : NULL;
    json_t *const step = json_pack(
        "{s:s, s:f, s:s, s:s?, s:s}", "phase", climb_phase_name(search->climb.phase), "rate",
        search->climb.rate, "outcome", outcomes[outcome], "broken", why, "reason", it->reason);

    for (enum figure figure = 0; figure < FIGURE_COUNT; figure++) {
        const double value = it->figures[figure];
        json_object_set_new(step, figure_name(figure),
                            isfinite(value) ? json_real(value) : json_null());
    }
    json_array_append_new(search->curve, step);
    if (!search->people)
        return;
    fprintf(search->people, "  %-8s %9s/s  p50 %8.1f us  p99 %9.1f us  %s%s%s\n",
            climb_phase_name(search->climb.phase),
            text_amount(&(struct text){{0}}, search->climb.rate), it->figures[FIGURE_P50] / 1e3,
            it->figures[FIGURE_P99] / 1e3, outcomes[outcome], outcome == CLIMB_HOLDS ? "" : ": ",
            outcome == CLIMB_SAYS_NOTHING ? it->reason
            : why                         ? why
                                          : "");
    fflush(search->people);
}

/* A promise that is kept although the client was late is kept; one that is broken then may be the
 * client's fault.  A rate that the server does not take is not kept, whatever was promised of it.
 */
static enum climb_outcome judge(const struct search *search, const struct measurement *it,
                                const struct slo_term *broken)
{
    const bool rate_kept = it->figures[FIGURE_ACKS] >= RATE_KEPT * search->climb.rate;

    if (it->valid)
        return broken || it->refused ? CLIMB_MISSES : CLIMB_HOLDS;
    return it->pessimistic && rate_kept && !broken ? CLIMB_HOLDS : CLIMB_SAYS_NOTHING;
}

static int take_step(struct search *search, struct ackd_error *error)
{
    char rate[32];
    const struct measure_plan plan = {
        .args = &search->options->args,
        .time = search->options->time,
        .rate = rate,
        .warmup = search->options->settle,
    };
    struct measurement it;

    snprintf(rate, sizeof rate, "%.0f", search->climb.rate);
    const int status = measure(&it, &plan, &search->target, &search->loop->interrupts, error);
    if (status < 0)
        return status;
    const struct slo_term *const broken = slo_find_broken(&search->options->slo, it.figures);
    const enum climb_outcome outcome = judge(search, &it, broken);
    record_step(search, &it, broken, outcome);
    measurement_deinit(&it);
    climb_tell(&search->climb, outcome);
    return 0;
}

static const char *verdict(const struct climb *climb)
{
    return climb->good > 0 ? "found" : climb->bad_is_unknown ? "invalid" : "missed";
}

/* Says in one sentence what was found. */
static void write_reason(const struct search *search, char *ret_reason)
{
    const struct climb *const climb = &search->climb;
    const char *const slo = search->options->slo_text;
    struct text good = {{0}};
    struct text bad = {{0}};

    text_count(&good, (uint64_t)climb->good);
    text_count(&bad, (uint64_t)climb->bad);
    if (climb->good <= 0 && climb->bad_is_unknown)
        snprintf(ret_reason, REASON_SIZE, "at %s/s no run was valid", bad.bytes);
    else if (climb->good <= 0)
        snprintf(ret_reason, REASON_SIZE, "%.100s does not hold even at the lowest rate, %s/s", slo,
                 bad.bytes);
    else
        snprintf(ret_reason, REASON_SIZE, "%s/s keeps %.100s, 3 times of 3; %s%s%s", good.bytes,
                 slo, climb->bad > 0 ? bad.bytes : "nothing above was tried",
                 climb->bad > 0 ? "/s does not" : "",
                 climb->bad > 0 && climb->bad_is_unknown ? ", but there the run was not valid"
                                                         : "");
}

static json_t *pack(const struct search *search)
{
    const struct climb *const climb = &search->climb;
    const struct search_options *const options = search->options;
    char reason[REASON_SIZE];

    write_reason(search, reason);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:f, s:s?, s:s?, s:o, s:O}", "schema", SCHEMA,
        "verdict", verdict(climb), "reason", reason, "slo", options->slo_text, "rate",
        climb->good > 0 ? json_real(climb->good) : json_null(), "first_failing",
        climb->bad > 0 ? json_real(climb->bad) : json_null(), "first_failing_because",
        climb->bad_is_unknown ? "not valid" : "missed", "from", climb->from, "server",
        options->start ? options->start : options->connect, "server_cpus", options->server_cpus,
        "run_options", loop_pack_words(&options->args), "curve", search->curve);
}

static void print_answer(const struct search *search)
{
    const struct climb *const climb = &search->climb;
    char reason[REASON_SIZE];

    if (!search->people)
        return;
    write_reason(search, reason);
    fprintf(search->people, "\n%s%s\n",
            climb->good > 0         ? ""
            : climb->bad_is_unknown ? "NO ANSWER: "
                                    : "MISSED: ",
            reason);
}

/* Returns the exit status. */
static int finish(struct search *search, struct ackd_error *error)
{
    const struct climb *const climb = &search->climb;
    struct interrupts *const interrupts = &search->loop->interrupts;

    print_answer(search);
    const int status =
        loop_keep(search->loop,
                  (struct loop_finding){
                      .kind = "search",
                      .result = pack(search),
                      .environment = environment_describe(search->target.pid, interrupts),
                      .json_path = search->options->json_path,
                      .html_path = search->options->html_path,
                  },
                  error);
    if (status < 0)
        return status;
    if (climb->good > 0)
        return EXIT_OK;
    return climb->bad_is_unknown ? EXIT_INVALID : EXIT_SLO_MISSED;
}

static int search_rate(void *from, struct loop *loop, struct ackd_error *error)
{
    const struct search_options *const options = from;
    const bool json_on_stdout = options->json_path && strcmp(options->json_path, "-") == 0;
    struct search search = {
        .options = options,
        .loop = loop,
        .people = options->quiet   ? NULL
                  : json_on_stdout ? stderr
                                   : stdout,
    };
    struct target_plan plan;
    char external[ADDRESS_TEXT_SIZE + 16];

    snprintf(external, sizeof external, "external:%.*s", ADDRESS_TEXT_SIZE - 1, options->connect);
    int status = target_plan_init(&plan, options->start ? options->start : external,
                                  options->server_cpus, &loop->history, &loop->interrupts, error);
    if (status == 0)
        status = target_start(&search.target, &plan, 0, &loop->interrupts, error);
    if (status < 0)
        return status;
    search.curve = json_array();
    climb_init(&search.climb, options->from, options->max, options->precision);
    while (status == 0 && search.climb.phase != CLIMB_DONE)
        status = take_step(&search, error);
    if (status == 0)
        status = finish(&search, error);
    json_decref(search.curve);
    target_stop(&search.target);
    return status;
}

int cmd_search(int argc, char **argv)
{
    static const struct loop_command command = {.help = help, .parse = parse, .run = search_rate};
    struct search_options options;

    return loop_main(&command, argc, argv, &options);
}
