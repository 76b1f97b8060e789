/* SPDX-License-Identifier: MIT
 *
 * cmd_ab - ackload ab: is B faster than A? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "load/command.h"
#include "load/duel_options.h"
#include "load/environment.h"
#include "load/loop.h"

#define SCHEMA "ackload-ab/1"

enum { REASON_SIZE = 160 };

static const char help[] =
    "usage: ackload ab --a SERVER --b SERVER [options] [options of ackload run]\n"
    "\n"
    "Says whether B is FASTER or SLOWER than A, the SAME, or whether that cannot be told\n"
    "(INCONCLUSIVE).  Both get the same messages, in turn; each pair has fresh processes.\n"
    "\n"
    "  ackload ab --a git:main --b git:HEAD --rate 200k\n"
    "  ackload ab --a './old --listen {listen}' --b './new --listen {listen}' -d 64\n"
    "\n"
    "a SERVER is one of\n"
    "      a shell command      with {listen} (127.0.0.1:PORT), {port} or $PORT where it is to\n"
    "                           listen, or {ports-file} where it writes \"listen ADDR:PORT\":\n"
    "                           'ackd --listen 127.0.0.1:0 --metrics-listen off\n"
    "                            --ports-file {ports-file}'\n"
    "      git:REVISION         ackd of a commit of this repository, built and kept\n"
    "      external:ADDR[,pid=PID]   a server that runs already; it is not restarted, so what\n"
    "                           its process is lucky with stays in the result\n"
    "how much\n"
    "      --pairs N            pairs of fresh processes, 6 to 256 (20)\n"
    "      --slices N           runs in each pair, in the order ABBA: a multiple of 4 (4)\n"
    "      --time T             of each run (700ms)\n"
    "      --warmup T           of each process, not counted (300ms)\n"
    "what decides\n"
    "      --primary FIGURE     server_ns: CPU time of the server for each message; acks: acks\n"
    "                           per second; p50, p99: latency (server_ns)\n"
    "      --threshold SHARE    smaller changes do not matter (3%)\n"
    "with what\n"
    "      --server-cpus LIST   pin the servers; --cpu pins the client\n"
    "result\n"
    "      --json FILE          every slice and the verdict; - is stdout\n"
    "      --html FILE          the verdict as a page with charts\n"
    "  -q, --quiet              print nothing but errors\n"
    "\n"
    "The CPU time of a message depends on how many arrive together.  A closed loop with -d, or a\n"
    "--rate on a machine that does nothing else (about 60 % of what ackload search finds), makes\n"
    "that the same for both sides; on a busy machine the closed loop is the steadier one.\n"
    "\n"
    "FASTER and SLOWER want all of: a 95 % interval without 0, p <= 0.05, and an effect above\n"
    "the threshold and above the floor, which is what each side shows against itself.\n"
    "\n"
    "Exit status: 0 FASTER or SAME; 10 SLOWER; 14 INCONCLUSIVE; 12 a server did not ack\n"
    "everything; 13 no verdict; 64 wrong usage; 69 a server cannot be started.\n";

static const char *name_sides(const struct duel_options *options, int side)
{
    return options->plan.sides[side].label;
}

static void print_value(FILE *to, enum figure figure, double value)
{
    if (figure == FIGURE_P50 || figure == FIGURE_P99)
        fprintf(to, " %9.1f us", value / 1e3);
    else if (figure == FIGURE_ACKS)
        fprintf(to, " %9.0f /s", value);
    else
        fprintf(to, " %9.1f ns", value);
}

static double percent(double effect)
{
    return 100 * expm1(effect);
}

static void print_metric(FILE *to, const struct duel_metric *metric, bool primary)
{
    const struct inference *const it = &metric->inference;

    fprintf(to, "  %-9s %s", figure_name(metric->figure), primary ? "*" : " ");
    if (!metric->known) {
        fputs("  not known\n", to);
        return;
    }
    for (int side = 0; side < DUEL_SIDE_COUNT; side++)
        print_value(to, metric->figure, metric->typical[side]);
    fprintf(to, "  %+6.1f %%  [%+6.1f, %+6.1f]  %7.4f  %5.1f %%  %s", percent(it->effect),
            percent(it->low), percent(it->high), it->p, percent(it->floor),
            answer_name(it->answer));
    if (it->answer == ANSWER_INCONCLUSIVE && it->more < INFERENCE_MORE_MAX)
        fprintf(to, " (about %zu more pairs)", it->more);
    fputc('\n', to);
}

/* Says in one sentence why the verdict is what it is. */
static void write_reason(const struct duel_options *options, const struct duel *duel,
                         char *ret_reason)
{
    const struct duel_metric *const primary = duel_primary(duel, &options->plan);
    const double effect = percent(primary->inference.effect);
    const char *const name = figure_name(primary->figure);

    switch (duel_answer(duel, &options->plan)) {
    case ANSWER_FASTER:
    case ANSWER_SLOWER:
        snprintf(ret_reason, REASON_SIZE, "%s of B is %.1f %% %s A's", name, fabs(effect),
                 effect > 0 ? "above" : "below");
        return;
    case ANSWER_SAME:
        snprintf(ret_reason, REASON_SIZE, "%s differs by less than %.1f %%", name,
                 100 * options->plan.threshold);
        return;
    case ANSWER_INCONCLUSIVE:
        break;
    }
    if (primary->inference.answer == ANSWER_SAME)
        snprintf(ret_reason, REASON_SIZE,
                 "the client was the limit, so a difference would not show");
    else if (primary->inference.more < INFERENCE_MORE_MAX)
        snprintf(ret_reason, REASON_SIZE, "about %zu more pairs might tell (--pairs %zu)",
                 primary->inference.more,
                 primary->inference.more + (size_t)options->plan.pair_count);
    else
        snprintf(ret_reason, REASON_SIZE,
                 "more pairs would hardly tell; choose another --threshold");
}

static void print_result(FILE *to, const struct duel_options *options, const struct duel *duel)
{
    const struct duel_plan *const plan = &options->plan;
    char reason[REASON_SIZE];

    for (int side = 0; side < DUEL_SIDE_COUNT; side++)
        fprintf(to, "  %c  %s%s%s\n", 'A' + side, name_sides(options, side),
                duel->hashes[side][0] ? "   binary " : "", duel->hashes[side]);
    fprintf(to,
            "  %u pairs of fresh processes, %u runs each, order ABBA; %.0f s; stream %s, the same "
            "for both\n\n"
            "  metric               A            B       B/A      95 %% interval        p    floor"
            "\n",
            plan->pair_count, plan->slice_count, duel->seconds, duel->stream_hash);
    for (int i = 0; i < DUEL_METRIC_COUNT; i++)
        print_metric(to, &duel->metrics[i], duel->metrics[i].figure == plan->primary);
    if (duel->bound_count > 0)
        fprintf(to, "\n  %u of %u runs were not as asked for: %s\n", duel->bound_count,
                duel->slice_count, duel->bound_reason);
    if (duel->retry_count > 0)
        fprintf(to, "  %u runs were taken anew: the client was late for its schedule\n",
                duel->retry_count);
    if (duel->void_count > 0)
        fprintf(to, "  %u pairs lacked a figure and were run again\n", duel->void_count);
    write_reason(options, duel, reason);
    fprintf(to, "\n%s: %s.\n", answer_name(duel_answer(duel, plan)), reason);
}

static json_t *pack_metric(const struct duel_metric *metric)
{
    const struct inference *const it = &metric->inference;

    if (!metric->known)
        return json_null();
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:I}", "a", metric->typical[0], "b",
                     metric->typical[1], "change", expm1(it->effect), "low", expm1(it->low), "high",
                     expm1(it->high), "floor", expm1(it->floor), "p", it->p, "verdict",
                     answer_name(it->answer), "more_pairs", (json_int_t)it->more);
}

static json_t *pack_side(const struct duel_options *options, const struct duel *duel, int side)
{
    return json_pack("{s:s, s:s}", "server", name_sides(options, side), "hash", duel->hashes[side]);
}

static json_t *pack_result(const struct duel_options *options, const struct duel *duel)
{
    const struct duel_plan *const plan = &options->plan;
    json_t *const metrics = json_object();
    char reason[REASON_SIZE];

    write_reason(options, duel, reason);
    for (int i = 0; i < DUEL_METRIC_COUNT; i++)
        json_object_set_new(metrics, figure_name(duel->metrics[i].figure),
                            pack_metric(&duel->metrics[i]));
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:f, s:I, s:s, s:s?, s:o, s:i, s:i, "
        "s:i, s:i, s:f, s:o, s:O}",
        "schema", SCHEMA, "verdict", answer_name(duel_answer(duel, plan)), "reason", reason,
        "primary", figure_name(plan->primary), "a", pack_side(options, duel, 0), "b",
        pack_side(options, duel, 1), "pair_count", (int)plan->pair_count, "slice_count",
        (int)plan->slice_count, "threshold", plan->threshold, "seed", (json_int_t)plan->seed,
        "stream_hash", duel->stream_hash, "server_cpus", options->server_cpus, "run_options",
        loop_pack_words(&options->args), "slices", (int)duel->slice_count, "invalid_slices",
        (int)duel->bound_count, "retried_slices", (int)duel->retry_count, "void_pairs",
        (int)duel->void_count, "seconds", duel->seconds, "metrics", metrics, "pairs", duel->pairs);
}

static int keep(const struct duel_options *options, const struct duel *duel, struct loop *loop,
                struct ackd_error *error)
{
    return loop_keep(loop,
                     (struct loop_finding){
                         .kind = "ab",
                         .result = pack_result(options, duel),
                         .environment = environment_describe(0, &loop->interrupts),
                         .json_path = options->json_path,
                         .html_path = options->html_path,
                     },
                     error);
}

static int parse(int argc, char **argv, void *options, struct ackd_error *error)
{
    static const struct duel_defaults defaults = {.pair_count = 20, .time = "700ms"};

    return duel_options_parse(argc, argv, &defaults, options, error);
}

static int compare_sides(void *from, struct loop *loop, struct ackd_error *error)
{
    struct duel_options *const options = from;
    const bool json_on_stdout = options->json_path && strcmp(options->json_path, "-") == 0;
    struct duel duel = {.pairs = NULL};
    int status = duel_options_sides(options, &loop->history, &loop->interrupts, error);

    if (status == 0)
        status = duel_run(&duel, &options->plan, &loop->interrupts, error);
    if (status < 0)
        return status;
    if (!options->quiet)
        print_result(json_on_stdout ? stderr : stdout, options, &duel);
    status = keep(options, &duel, loop, error);
    if (status == 0)
        status = loop_exit_status(duel_answer(&duel, &options->plan));
    duel_deinit(&duel);
    return status;
}

int cmd_ab(int argc, char **argv)
{
    static const struct loop_command command = {.help = help, .parse = parse, .run = compare_sides};
    struct duel_options options;

    return loop_main(&command, argc, argv, &options);
}
