/* SPDX-License-Identifier: MIT
 *
 * cmd_profile - ackload profile: a profile of the server under the load of a kept run */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "load/card.h"
#include "load/command.h"
#include "load/environment.h"
#include "load/http_get.h"
#include "load/loop.h"
#include "load/measure.h"

enum { SECONDS_DEFAULT = 10, SECONDS_MAX = 600, URL_SIZE = 512 };

#define SETTLE_NS     NS_PER_S
#define FETCH_MORE_NS (10 * NS_PER_S)
#define FILE_SUFFIX   "profile.pb.gz"
#define PROFILE_PATH  "/debug/pprof/profile"
#define PROFILE_PORT  "6060"

static const char help[] =
    "usage: ackload profile NAME|NUMBER [options]\n"
    "\n"
    "Puts the load of a kept run on the server again and, once it is steady, fetches a profile\n"
    "from the server.  Both are kept together.\n"
    "\n"
    "  ackload profile main --seconds 20\n"
    "  go tool pprof -http : .ackload/0002.profile.pb.gz\n"
    "\n"
    "      --pprof URL          where the server serves profiles (ackd: its --pprof-listen);\n"
    "                           ?seconds=N is added\n"
    "                           (http://HOST:6060/debug/pprof/profile)\n"
    "      --seconds N          how long to sample (10)\n"
    "      --connect ADDR       where the server runs (where it ran; started again if\n"
    "                           the kept run had --start)\n"
    "  -q, --quiet              print nothing but errors\n"
    "\n"
    "Exit status: 0 kept; 12 not every message was acked; 13 no result; 64 wrong usage, or no\n"
    "such run; 69 the server cannot be reached or has no profile at that URL.\n";

struct profile_options {
    struct args args;
    const char *pprof;
    const char *connect;
    uint32_t seconds;
    bool quiet;
};

static int parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct profile_options *const options = to;
    const char *seconds = NULL;
    const struct args_rule rules[] = {
        {"pprof", &options->pprof, NULL},
        {"connect", &options->connect, NULL},
        {"seconds", &seconds, NULL},
        {"quiet", NULL, &options->quiet},
        {NULL, NULL, NULL},
    };

    *options = (struct profile_options){.seconds = SECONDS_DEFAULT};
    const int status = args_sort(argc, argv, rules, 1, false, &options->args, error);
    if (status < 0 || options->args.help)
        return status;
    if (options->args.name_count == 0)
        return error_raise(error, -EINVAL,
                           "say which load: ackload profile NAME; ackload show lists the runs");
    return args_count("seconds", seconds, 1, SECONDS_MAX, &options->seconds, error);
}

/* Where the profile is. */
static void make_url(const struct profile_options *options, const struct target *target,
                     char *ret_url)
{
    const char *const colon = strrchr(target->address, ':');
    const bool is_path = target->address[0] == '/' || strncmp(target->address, "unix:", 5) == 0;

    if (options->pprof)
        snprintf(ret_url, URL_SIZE, "%.400s%cseconds=%u", options->pprof,
                 strchr(options->pprof, '?') ? '&' : '?', options->seconds);
    else
        snprintf(ret_url, URL_SIZE, "http://%.*s:" PROFILE_PORT PROFILE_PATH "?seconds=%u",
                 is_path || !colon ? 9 : (int)(colon - target->address),
                 is_path || !colon ? "127.0.0.1" : target->address, options->seconds);
}

/* What a profile is made of. */
struct profile {
    const struct profile_options *options;
    const json_t *base;
    struct args args; /* of the base's runs */
    struct target_plan plan;
    struct target target;
    char *bytes;
    size_t size;
};

static int plan_target(struct profile *profile, struct loop *loop, struct ackd_error *error)
{
    const char *const start = json_string_value(json_object_get(profile->base, "start"));
    const char *const cpus = json_string_value(json_object_get(profile->base, "server_cpus"));
    const char *const connect = json_string_value(json_object_get(profile->base, "connect"));
    char text[ADDRESS_TEXT_SIZE + 16];

    if (start && !profile->options->connect)
        return target_plan_init(&profile->plan, start, cpus, &loop->history, &loop->interrupts,
                                error);
    snprintf(text, sizeof text, "external:%.*s", ADDRESS_TEXT_SIZE - 1,
             profile->options->connect ? profile->options->connect
             : connect                 ? connect
                                       : "");
    return target_plan_init(&profile->plan, text, NULL, &loop->history, &loop->interrupts, error);
}

/* Says where the profile was looked for, and where it may be. */
static int fail_to_fetch(const char *url, int status, const struct ackd_error *why,
                         struct ackd_error *error)
{
    return error_raise(error, status, "%s: %s%s", url, why->text,
                       status == -EIO ? " (ackd serves profiles at its --pprof-listen, unless "
                                        "that is off; --pprof URL names another place)"
                                      : "");
}

/* Puts the load on and fetches the profile beside it. */
static int take(struct profile *profile, struct loop *loop, struct measurement *ret_measurement,
                struct ackd_error *error)
{
    const uint32_t seconds = profile->options->seconds;
    char time[16];
    char url[URL_SIZE];
    const struct measure_plan plan = {.args = &profile->args, .time = time};
    struct measuring measuring;
    struct ackd_error why;

    snprintf(time, sizeof time, "%us", seconds + 2);
    make_url(profile->options, &profile->target, url);
    int status = measure_start(&measuring, &plan, &profile->target, error);
    if (status < 0)
        return status;
    /* A run that ends so early has failed: its own words say why. */
    if (child_wait(&measuring.child, SETTLE_NS, &loop->interrupts) == CHILD_RUNS) {
        status = http_get(url, seconds * NS_PER_S + FETCH_MORE_NS, &loop->interrupts,
                          &profile->bytes, &profile->size, &why);
        if (status < 0) {
            measure_cancel(&measuring);
            return fail_to_fetch(url, status, &why, error);
        }
    }
    status = measure_finish(&measuring, &loop->interrupts, ret_measurement, error);
    if (status == 0 && !profile->bytes) {
        measurement_deinit(ret_measurement);
        return error_raise(error, -EIO, "the run ended before it was steady");
    }
    return status;
}

static json_t *pack(const struct profile *profile, const struct measurement *measurement,
                    struct interrupts *interrupts)
{
    const double server_ns = measurement->figures[FIGURE_SERVER_NS];

    return json_pack(
        "{s:O, s:i, s:s?, s:s, s:s?, s:o, s:o, s:o, s:O}", "base",
        json_object_get(profile->base, "number"), "profile_seconds", (int)profile->options->seconds,
        "start", json_string_value(json_object_get(profile->base, "start")), "connect",
        profile->target.address, "server_cpus",
        json_string_value(json_object_get(profile->base, "server_cpus")), "run_options",
        loop_pack_words(&profile->args), "environment",
        environment_describe(profile->target.pid, interrupts), "server_ns",
        isfinite(server_ns) ? json_real(server_ns) : json_null(), "result", measurement->result);
}

static int keep(const struct profile *profile, const struct measurement *measurement,
                struct loop *loop, struct ackd_error *error)
{
    json_t *const run = pack(profile, measurement, &loop->interrupts);
    uint32_t number = 0;

    if (!run)
        return error_raise(error, -ENOMEM, "no memory for the run");
    int status = history_add(&loop->history, run, "profile", NULL, &number, error);
    if (status == 0)
        status = history_write(&loop->history, number, FILE_SUFFIX, profile->bytes, profile->size,
                               error);
    if (status == 0 && !profile->options->quiet) {
        card_print(stdout, run);
        printf("  go tool pprof -http : %s/%04u." FILE_SUFFIX "\n", loop->history.path, number);
    }
    json_decref(run);
    return status;
}

static int profile_run(const struct profile_options *options, const json_t *base, struct loop *loop,
                       struct ackd_error *error)
{
    struct profile profile = {.options = options, .base = base};
    struct measurement measurement = {.result = NULL};

    int status = loop_unpack_words(json_object_get(base, "run_options"), &profile.args, error);
    if (status == 0)
        status = plan_target(&profile, loop, error);
    if (status == 0)
        status = target_start(&profile.target, &profile.plan, 0, &loop->interrupts, error);
    if (status < 0)
        return status;
    status = take(&profile, loop, &measurement, error);
    if (status == 0) {
        status = keep(&profile, &measurement, loop, error);
        if (status == 0)
            status = measurement.exit_status;
        measurement_deinit(&measurement);
    }
    target_stop(&profile.target);
    free(profile.bytes);
    return status;
}

static int find_and_profile(void *from, struct loop *loop, struct ackd_error *error)
{
    const struct profile_options *const options = from;
    json_t *base = NULL;
    uint32_t number;

    int status = history_find(&loop->history, options->args.names[0], &number, error);
    if (status == 0)
        status = history_load(&loop->history, number, &base, error);
    if (status < 0)
        return status;
    if (json_object_get(base, "run_options") && json_object_get(base, "connect"))
        status = profile_run(options, base, loop, error);
    else
        status = error_raise(error, -EINVAL, "run %04u is no load that could be repeated", number);
    json_decref(base);
    return status;
}

int cmd_profile(int argc, char **argv)
{
    static const struct loop_command command = {
        .help = help, .parse = parse, .run = find_and_profile};
    struct profile_options options;

    return loop_main(&command, argc, argv, &options);
}
