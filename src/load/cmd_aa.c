/* SPDX-License-Identifier: MIT
 *
 * cmd_aa - ackload aa: how often does ab see a difference where there is none? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "load/command.h"
#include "load/duel_options.h"
#include "load/environment.h"
#include "load/loop.h"

#define SCHEMA    "ackload-aa/1"
#define SHARE_MAX 0.05

enum { REASON_SIZE = 160 };

static const char help[] =
    "usage: ackload aa --a SERVER [--trials N] [options] [options of ackload run]\n"
    "\n"
    "Audits ackload ab on this machine: each trial compares a server with itself, so that\n"
    "every FASTER and SLOWER is a false alarm.  At most 5 in 100 may be.\n"
    "\n"
    "  ackload aa --a git:HEAD --rate 200k --trials 100\n"
    "\n"
    "      --trials N           comparisons (100)\n"
    "      --pairs N            pairs of fresh processes in each (6)\n"
    "      --time T             of each run (200ms)\n"
    "      --html FILE          the verdicts as a page with charts\n"
    "      --warmup, --slices, --primary, --threshold, --server-cpus, --json, --quiet\n"
    "                           as for ackload ab, which also says what a SERVER is\n"
    "\n"
    "Exit status: 0 at most 5 % false alarms; 13 more, or no result; 12 the server did not ack\n"
    "everything; 64 wrong usage; 69 the server cannot be started.\n";

/* What the trials came to. */
struct audit {
    uint32_t answers[ANSWER_INCONCLUSIVE + 1];
    uint32_t done;
    json_t *effects;     /* of the primary metric; owned */
    json_t *comparisons; /* the same with interval and verdict; owned */
};

static uint32_t alarms(const struct audit *audit)
{
    return audit->answers[ANSWER_FASTER] + audit->answers[ANSWER_SLOWER];
}

static int run_trial(const struct duel_options *options, uint32_t index, struct loop *loop,
                     struct audit *audit, struct ackd_error *error)
{
    struct duel_plan plan = options->plan;
    struct duel duel = {.pairs = NULL};

    /* Other draws in each trial; the messages stay the same. */
    plan.seed += (uint64_t)index << 32;
    plan.progress = NULL;
    const int status = duel_run(&duel, &plan, &loop->interrupts, error);
    if (status < 0)
        return status;
    const struct inference *const it = &duel_primary(&duel, &plan)->inference;
    const enum answer answer = duel_answer(&duel, &plan);
    audit->answers[answer]++;
    audit->done++;
    json_array_append_new(audit->effects, json_real(expm1(it->effect)));
    json_array_append_new(audit->comparisons,
                          json_pack("{s:f, s:f, s:f, s:s}", "change", expm1(it->effect), "low",
                                    expm1(it->low), "high", expm1(it->high), "verdict",
                                    answer_name(answer)));
    if (!options->quiet)
        fprintf(stderr, "  trial %3u of %u: %+6.1f %%  [%+6.1f, %+6.1f]  %s\n", index + 1,
                options->trial_count, 100 * expm1(it->effect), 100 * expm1(it->low),
                100 * expm1(it->high), answer_name(answer));
    duel_deinit(&duel);
    return 0;
}

static double alarm_share(const struct audit *audit)
{
    return (double)alarms(audit) / audit->done;
}

static void write_reason(const struct audit *audit, char *ret_reason)
{
    snprintf(ret_reason, REASON_SIZE,
             "%u trials: %u FASTER, %u SLOWER, %u SAME, %u INCONCLUSIVE: %.1f %% false alarms",
             audit->done, audit->answers[ANSWER_FASTER], audit->answers[ANSWER_SLOWER],
             audit->answers[ANSWER_SAME], audit->answers[ANSWER_INCONCLUSIVE],
             100 * alarm_share(audit));
}

static json_t *pack_result(const struct duel_options *options, const struct audit *audit)
{
    char reason[REASON_SIZE];

    write_reason(audit, reason);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:f, s:i, s:i, s:i, s:i, s:f, s:o, s:O, s:O}",
        "schema", SCHEMA, "verdict", alarm_share(audit) <= SHARE_MAX ? "ok" : "failed", "reason",
        reason, "server", options->plan.sides[0].label, "primary",
        figure_name(options->plan.primary), "trials", (int)audit->done, "pair_count",
        (int)options->plan.pair_count, "slice_count", (int)options->plan.slice_count, "threshold",
        options->plan.threshold, "faster", (int)audit->answers[ANSWER_FASTER], "slower",
        (int)audit->answers[ANSWER_SLOWER], "same", (int)audit->answers[ANSWER_SAME],
        "inconclusive", (int)audit->answers[ANSWER_INCONCLUSIVE], "false_alarms",
        alarm_share(audit), "run_options", loop_pack_words(&options->args), "changes",
        audit->effects, "comparisons", audit->comparisons);
}

static int keep(const struct duel_options *options, const struct audit *audit, struct loop *loop,
                struct ackd_error *error)
{
    return loop_keep(loop,
                     (struct loop_finding){
                         .kind = "aa",
                         .result = pack_result(options, audit),
                         .environment = environment_describe(0, &loop->interrupts),
                         .json_path = options->json_path,
                         .html_path = options->html_path,
                     },
                     error);
}

static int run_trials(struct duel_options *options, struct loop *loop, struct audit *audit,
                      struct ackd_error *error)
{
    int status = duel_options_sides(options, &loop->history, &loop->interrupts, error);

    for (uint32_t i = 0; i < options->trial_count && status == 0; i++)
        status = run_trial(options, i, loop, audit, error);
    if (status < 0)
        return status;

    char reason[REASON_SIZE];
    write_reason(audit, reason);
    if (!options->quiet)
        fprintf(stderr, "%s\n", reason);
    status = keep(options, audit, loop, error);
    if (status < 0)
        return status;
    return alarm_share(audit) <= SHARE_MAX ? EXIT_OK : EXIT_INVALID;
}

static int parse(int argc, char **argv, void *options, struct ackd_error *error)
{
    static const struct duel_defaults defaults = {
        .audit = true, .pair_count = INFERENCE_COUNT_MIN, .time = "200ms"};

    return duel_options_parse(argc, argv, &defaults, options, error);
}

static int audit_server(void *options, struct loop *loop, struct ackd_error *error)
{
    struct audit audit = {.effects = json_array(), .comparisons = json_array()};
    const int status = run_trials(options, loop, &audit, error);

    json_decref(audit.effects);
    json_decref(audit.comparisons);
    return status;
}

int cmd_aa(int argc, char **argv)
{
    static const struct loop_command command = {.help = help, .parse = parse, .run = audit_server};
    struct duel_options options;

    return loop_main(&command, argc, argv, &options);
}
