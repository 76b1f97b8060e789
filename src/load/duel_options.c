/* SPDX-License-Identifier: MIT
 *
 * duel_options - the command line that `ab` and `aa` share (duel_options.h) */
#include "load/duel_options.h"

#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "load/output.h"

enum { SLICE_COUNT_DEFAULT = 4, TRIAL_COUNT_DEFAULT = 100 };

#define WARMUP_DEFAULT    "300ms"
#define THRESHOLD_DEFAULT "3%"

/* The values as they stand on the command line; NULL = not given. */
struct words {
    const char *pairs;
    const char *slices;
    const char *primary;
    const char *threshold;
    const char *warmup;
    const char *trials;
};

int duel_options_share(const char *option, const char *text, double *ret_share,
                       struct ackd_error *error)
{
    char number[32];
    const size_t length = strlen(text);
    double percent;

    if (length >= 2 && length < sizeof number && text[length - 1] == '%') {
        memcpy(number, text, length - 1);
        number[length - 1] = '\0';
        if (units_parse_rate(number, &percent) && percent <= 100) {
            *ret_share = percent / 100;
            return 0;
        }
    }
    return error_raise(error, -EINVAL, "--%s '%s': give a share such as 3%% or 0.5%%", option,
                       text);
}

static int read_primary(const char *text, enum figure *figure, struct ackd_error *error)
{
    if (!text)
        return 0;
    for (int i = 0; i < DUEL_METRIC_COUNT; i++) {
        if (strcmp(text, figure_name(duel_figures[i])) == 0) {
            *figure = duel_figures[i];
            return 0;
        }
    }
    return error_raise(error, -EINVAL, "--primary '%s': choose server_ns, acks, p50 or p99", text);
}

static int read_slices(const char *text, uint32_t *count, struct ackd_error *error)
{
    const int status = args_count("slices", text, 4, DUEL_SLICE_MAX, count, error);

    if (status == 0 && *count % 4 != 0)
        return error_raise(error, -EINVAL, "--slices '%s': give a multiple of 4", text);
    return status;
}

/* The seed of the draws is that of the messages. */
static int read_seed(const struct args *args, uint64_t *ret_seed, struct ackd_error *error)
{
    const char *const text = args_find(args, "seed", 0);

    *ret_seed = 1;
    if (text && !units_parse_count(text, ret_seed))
        return error_raise(error, -EINVAL, "--seed '%s': give a number", text);
    return 0;
}

static int read_words(const struct words *words, struct duel_options *options,
                      struct ackd_error *error)
{
    struct duel_plan *const plan = &options->plan;
    uint64_t ns;
    int status;

    if ((status = args_count("pairs", words->pairs, INFERENCE_COUNT_MIN, INFERENCE_COUNT_MAX,
                             &plan->pair_count, error)) < 0 ||
        (status = args_count("trials", words->trials, 1, DUEL_TRIAL_MAX, &options->trial_count,
                             error)) < 0 ||
        (status = read_slices(words->slices, &plan->slice_count, error)) < 0 ||
        (status = read_primary(words->primary, &plan->primary, error)) < 0 ||
        (status = duel_options_share("threshold", words->threshold, &plan->threshold, error)) < 0 ||
        (status = args_time("warmup", words->warmup, &ns, error)) < 0)
        return status;
    plan->warmup = words->warmup;
    return read_seed(&options->args, &plan->seed, error);
}

int duel_options_parse(int argc, char **argv, const struct duel_defaults *defaults,
                       struct duel_options *ret_options, struct ackd_error *error)
{
    struct duel_options *const options = ret_options;
    struct words words = {.threshold = THRESHOLD_DEFAULT, .warmup = WARMUP_DEFAULT};
    const struct args_rule rules[] = {
        {"a", &options->texts[0], NULL},
        {defaults->audit ? "trials" : "b", defaults->audit ? &words.trials : &options->texts[1],
         NULL},
        {"pairs", &words.pairs, NULL},
        {"slices", &words.slices, NULL},
        {"primary", &words.primary, NULL},
        {"threshold", &words.threshold, NULL},
        {"warmup", &words.warmup, NULL},
        {"server-cpus", &options->server_cpus, NULL},
        {"json", &options->json_path, NULL},
        {"html", &options->html_path, NULL},
        {"quiet", NULL, &options->quiet},
        {NULL, NULL, NULL},
    };

    *options = (struct duel_options){
        .trial_count = TRIAL_COUNT_DEFAULT,
        .plan = {.pair_count = defaults->pair_count,
                 .slice_count = SLICE_COUNT_DEFAULT,
                 .primary = FIGURE_SERVER_NS},
    };
    int status = args_sort(argc, argv, rules, 0, true, &options->args, error);
    if (status < 0 || options->args.help)
        return status;
    if (defaults->audit)
        options->texts[1] = options->texts[0];
    if (!options->texts[0] || !options->texts[1])
        return error_raise(error, -EINVAL,
                           defaults->audit ? "say which server: --a COMMAND; try --help"
                                           : "say which servers: --a COMMAND --b COMMAND; try "
                                             "--help");
    status = read_words(&words, options, error);
    if (status == 0)
        status = output_check_result(options->json_path, options->html_path, error);
    options->plan.args = &options->args;
    options->plan.time = args_find(&options->args, "time", 0) ? NULL : defaults->time;
    options->plan.progress = !options->quiet && isatty(STDERR_FILENO) ? stderr : NULL;
    return status;
}

int duel_options_sides(struct duel_options *options, const struct history *history,
                       struct interrupts *interrupts, struct ackd_error *error)
{
    for (int side = 0; side < DUEL_SIDE_COUNT; side++) {
        const int status = target_plan_init(&options->plan.sides[side], options->texts[side],
                                            options->server_cpus, history, interrupts, error);
        if (status < 0)
            return status;
    }
    return 0;
}
