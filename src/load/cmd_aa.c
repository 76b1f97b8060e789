/* SPDX-License-Identifier: MIT
 *
 * cmd_aa - ackload aa: how often does ab see a difference where there is none? */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "load/command.h"
#include "load/duel_options.h"
#include "load/loop.h"

#define SCHEMA    "ackload-aa/1"
#define SHARE_MAX 0.05

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
    "      --warmup, --slices, --primary, --threshold, --server-cpus, --json, --quiet\n"
    "                           as for ackload ab, which also says what a SERVER is\n"
    "\n"
    "Exit status: 0 at most 5 % false alarms; 13 more, or no result; 12 the server did not ack\n"
    "everything; 64 wrong usage; 69 the server cannot be started.\n";

/* What the trials came to. */
struct audit {
    uint32_t answers[ANSWER_INCONCLUSIVE + 1];
    uint32_t done;
    json_t *effects; /* of the primary metric; owned */
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
    if (!options->quiet)
        fprintf(stderr, "  trial %3u of %u: %+6.1f %%  [%+6.1f, %+6.1f]  %s\n", index + 1,
                options->trial_count, 100 * expm1(it->effect), 100 * expm1(it->low),
                100 * expm1(it->high), answer_name(answer));
    duel_deinit(&duel);
    return 0;
}

static json_t *pack_result(const struct duel_options *options, const struct audit *audit)
{
    return json_pack(
        "{s:s, s:s, s:s, s:i, s:i, s:i, s:f, s:i, s:i, s:i, s:i, s:f, s:O}", "schema", SCHEMA,
        "server", options->plan.sides[0].label, "primary", figure_name(options->plan.primary),
        "trials", (int)audit->done, "pair_count", (int)options->plan.pair_count, "slice_count",
        (int)options->plan.slice_count, "threshold", options->plan.threshold, "faster",
        (int)audit->answers[ANSWER_FASTER], "slower", (int)audit->answers[ANSWER_SLOWER], "same",
        (int)audit->answers[ANSWER_SAME], "inconclusive", (int)audit->answers[ANSWER_INCONCLUSIVE],
        "false_alarms", (double)alarms(audit) / audit->done, "changes", audit->effects);
}

static int keep(const struct duel_options *options, const struct audit *audit, struct loop *loop,
                struct ackd_error *error)
{
    json_t *const result = pack_result(options, audit);
    json_t *const run = json_pack("{s:O?}", "result", result);
    uint32_t number;
    int status = history_add(&loop->history, run, "aa", NULL, &number, error);

    if (status == 0 && options->json_path)
        status = loop_write_json(options->json_path, result, error);
    json_decref(run);
    json_decref(result);
    return status;
}

static int run_trials(struct duel_options *options, struct loop *loop, struct audit *audit,
                      struct ackd_error *error)
{
    int status = duel_options_sides(options, &loop->history, &loop->interrupts, error);

    for (uint32_t i = 0; i < options->trial_count && status == 0; i++)
        status = run_trial(options, i, loop, audit, error);
    if (status < 0)
        return status;

    const double share = (double)alarms(audit) / audit->done;
    if (!options->quiet)
        fprintf(stderr,
                "%u trials: %u FASTER, %u SLOWER, %u SAME, %u INCONCLUSIVE: %.1f %% false "
                "alarms\n",
                audit->done, audit->answers[ANSWER_FASTER], audit->answers[ANSWER_SLOWER],
                audit->answers[ANSWER_SAME], audit->answers[ANSWER_INCONCLUSIVE], 100 * share);
    status = keep(options, audit, loop, error);
    return status < 0 ? status : share <= SHARE_MAX ? EXIT_OK : EXIT_INVALID;
}

static int parse(int argc, char **argv, void *options, struct ackd_error *error)
{
    static const struct duel_defaults defaults = {
        .audit = true, .pair_count = INFERENCE_COUNT_MIN, .time = "200ms"};

    return duel_options_parse(argc, argv, &defaults, options, error);
}

static int audit_server(void *options, struct loop *loop, struct ackd_error *error)
{
    struct audit audit = {.effects = json_array()};
    const int status = run_trials(options, loop, &audit, error);

    json_decref(audit.effects);
    return status;
}

int cmd_aa(int argc, char **argv)
{
    static const struct loop_command command = {.help = help, .parse = parse, .run = audit_server};
    struct duel_options options;

    return loop_main(&command, argc, argv, &options);
}
