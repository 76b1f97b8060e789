/* SPDX-License-Identifier: MIT
 *
 * options - ackload's command line (options.h) */
#include "load/options.h"

#include <getopt.h>
#include <signal.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/units.h"

enum {
    CONNECTION_COUNT_DEFAULT = 100,
    DEPTH_DEFAULT = 16,
    MAX_INFLIGHT_DEFAULT = 65536,
    DURATION_DEFAULT_S = 10,
    DRAIN_DEFAULT_S = 2,
    BURST_DEFAULT = 32,
    BURST_MAX = 4096,
    LATENESS_BUDGET_DEFAULT_MS = 1,
};

#define ADDRESS_DEFAULT "127.0.0.1:8888"
#define DURATION_MAX_NS (24 * 3600 * NS_PER_S)

/* The command line as it is read, before its parts are held against each other. */
struct parse {
    struct options options;
    uint64_t depth; /* 0 = not given or max */
    uint64_t max_inflight;
    const char *address_text;
    const char *mix_text; /* NULL = none */
    bool duration_given;
    bool validity_given;
    bool idle_given;
};

/* A word, and what it means. */
struct word {
    const char *name;
    int value;
};

/* One option: its name, its letter, and what reads its value. */
struct option_rule {
    const char *name;
    char letter; /* 0 = none */
    bool has_value;
    int (*read)(struct parse *parse, const char *value, struct ackd_error *error);
};

static int read_count(const char *option, const char *value, uint64_t min, uint64_t max,
                      uint64_t *ret_count, struct ackd_error *error)
{
    uint64_t count;

    if (!units_parse_count(value, &count) || count < min || count > max)
        return error_raise(error, -EINVAL, "%s '%s': give a number from %llu to %llu", option,
                           value, (unsigned long long)min, (unsigned long long)max);
    *ret_count = count;
    return 0;
}

static int read_time(const char *option, const char *value, uint64_t min_ns, uint64_t *ret_ns,
                     struct ackd_error *error)
{
    uint64_t ns;

    if (!units_parse_duration_ns(value, &ns) || ns < min_ns || ns > DURATION_MAX_NS)
        return error_raise(error, -EINVAL,
                           "%s '%s': give a time from %s to 24h, such as 500ms or "
                           "10s",
                           option, value, min_ns > 0 ? "1ms" : "0");
    *ret_ns = ns;
    return 0;
}

/* Looks @value up in @words, which end with an empty name.  False when it is not there. */
static bool find_word(const struct word *words, const char *value, int *ret_value)
{
    for (; words->name; words++) {
        if (strcmp(words->name, value) == 0) {
            *ret_value = words->value;
            return true;
        }
    }
    return false;
}

static int read_connect(struct parse *parse, const char *value, struct ackd_error *error)
{
    (void)error;
    parse->address_text = value;
    return 0;
}

static int read_connections(struct parse *parse, const char *value, struct ackd_error *error)
{
    uint64_t count = 0;
    const int status =
        read_count("--connections", value, 1, OPTIONS_CONNECTION_COUNT_MAX, &count, error);

    parse->options.connection_count = (uint32_t)count;
    return status;
}

static int read_depth(struct parse *parse, const char *value, struct ackd_error *error)
{
    uint64_t depth;

    parse->options.depth_max = strcmp(value, "max") == 0;
    parse->options.depth_given = !parse->options.depth_max;
    if (parse->options.depth_max)
        return 0;
    if (!units_parse_count(value, &depth) || depth < 1 || depth > OPTIONS_WINDOW_MAX)
        return error_raise(error, -EINVAL, "--depth '%s': give a number from 1 to %d, or max",
                           value, OPTIONS_WINDOW_MAX);
    parse->depth = depth;
    return 0;
}

static int read_threads(struct parse *parse, const char *value, struct ackd_error *error)
{
    uint64_t count = 0;
    const int status = read_count("--threads", value, 1, OPTIONS_THREAD_COUNT_MAX, &count, error);

    parse->options.thread_count = (uint32_t)count;
    return status;
}

static int read_duration(struct parse *parse, const char *value, struct ackd_error *error)
{
    parse->duration_given = true;
    return read_time("--time", value, NS_PER_MS, &parse->options.duration_ns, error);
}

static int read_warmup(struct parse *parse, const char *value, struct ackd_error *error)
{
    return read_time("--warmup", value, 0, &parse->options.warmup_ns, error);
}

static int read_timeout(struct parse *parse, const char *value, struct ackd_error *error)
{
    return read_time("--timeout", value, NS_PER_MS, &parse->options.timeout_ns, error);
}

static int read_late_budget(struct parse *parse, const char *value, struct ackd_error *error)
{
    uint64_t ns;

    if (!units_parse_duration_ns(value, &ns) || ns == 0 || ns > DURATION_MAX_NS)
        return error_raise(error, -EINVAL, "--late-budget '%s': give a time such as 100us or 1ms",
                           value);
    parse->options.lateness_budget_ns = ns;
    return 0;
}

static int read_burst(struct parse *parse, const char *value, struct ackd_error *error)
{
    uint64_t count = 0;
    const int status = read_count("--burst", value, 1, BURST_MAX, &count, error);

    parse->options.burst = (uint32_t)count;
    return status;
}

static const struct word arrivals[] = {
    {"constant", ARRIVAL_CONSTANT},
    {"poisson", ARRIVAL_POISSON},
    {NULL, 0},
};

static const struct word idles[] = {
    {"sleep", IDLE_SLEEP},
    {"spin", IDLE_SPIN},
    {"hybrid", IDLE_HYBRID},
    {NULL, 0},
};

static const struct word validities[] = {
    {"strict", VALIDITY_STRICT},
    {"warn", VALIDITY_WARN},
    {"off", VALIDITY_OFF},
    {NULL, 0},
};

const char *options_arrival_name(enum arrival arrival)
{
    return arrivals[arrival].name;
}

const char *options_idle_name(enum idle_mode idle)
{
    return idles[idle].name;
}

static int read_arrival(struct parse *parse, const char *value, struct ackd_error *error)
{
    int found;

    if (!find_word(arrivals, value, &found))
        return error_raise(error, -EINVAL, "--arrival '%s': give constant or poisson", value);
    parse->options.arrival = (enum arrival)found;
    return 0;
}

static int read_idle(struct parse *parse, const char *value, struct ackd_error *error)
{
    int found;

    parse->idle_given = strcmp(value, "auto") != 0;
    if (!parse->idle_given)
        return 0;
    if (!find_word(idles, value, &found))
        return error_raise(error, -EINVAL, "--idle '%s': give spin, hybrid, sleep or auto", value);
    parse->options.idle = (enum idle_mode)found;
    return 0;
}

static int read_validity(struct parse *parse, const char *value, struct ackd_error *error)
{
    int found;

    if (!find_word(validities, value, &found))
        return error_raise(error, -EINVAL, "--validity '%s': give strict, warn or off", value);
    parse->options.validity = (enum validity_mode)found;
    parse->validity_given = true;
    return 0;
}

static int read_server_pid(struct parse *parse, const char *value, struct ackd_error *error)
{
    uint64_t pid = 0;
    const int status = read_count("--server-pid", value, 1, INT32_MAX, &pid, error);

    if (status == 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
        return error_raise(error, -EINVAL, "--server-pid '%s': there is no such process", value);
    parse->options.server_pid = (pid_t)pid;
    return status;
}

static int read_mix(struct parse *parse, const char *value, struct ackd_error *error)
{
    (void)error;
    parse->mix_text = value;
    return 0;
}

static int read_hlog(struct parse *parse, const char *value, struct ackd_error *error)
{
    if (value[0] == '\0')
        return error_raise(error, -EINVAL, "--hlog '': give a file's path");
    parse->options.hlog_path = value;
    return 0;
}

static int read_drain_timeout(struct parse *parse, const char *value, struct ackd_error *error)
{
    return read_time("--drain-timeout", value, 0, &parse->options.drain_ns, error);
}

static int read_rate(struct parse *parse, const char *value, struct ackd_error *error)
{
    if (!rate_plan_parse(value, &parse->options.rate_plan))
        return error_raise(error, -EINVAL,
                           "--rate '%s': give messages per second from 1 to 1000m, such as 50k, or "
                           "segments such as 10k:50k/30s,hold/1m,20k",
                           value);
    return 0;
}

static int read_payload_size(struct parse *parse, const char *value, struct ackd_error *error)
{
    uint64_t size = 0;

    parse->options.plan.teaching = strcmp(value, "teaching") == 0;
    if (parse->options.plan.teaching)
        return 0;
    if (!units_parse_size(value, &size) || size > PLAN_PAYLOAD_SIZE_MAX)
        return error_raise(error, -EINVAL,
                           "--size '%s': give the payload's bytes, 0 to %d, or teaching", value,
                           PLAN_PAYLOAD_SIZE_MAX);
    parse->options.plan.payload_size = (uint32_t)size;
    return 0;
}

static int read_seed(struct parse *parse, const char *value, struct ackd_error *error)
{
    return read_count("--seed", value, 0, INT64_MAX, &parse->options.plan.seed, error);
}

static int read_dialect(struct parse *parse, const char *value, struct ackd_error *error)
{
    if (strcmp(value, "any") == 0)
        parse->options.dialect = DIALECT_RULE_ANY;
    else if (strcmp(value, "spec") == 0)
        parse->options.dialect = DIALECT_RULE_SPEC;
    else if (strcmp(value, "demo") == 0)
        parse->options.dialect = DIALECT_RULE_DEMO;
    else if (strcmp(value, "none") == 0)
        parse->options.dialect = DIALECT_RULE_NONE;
    else
        return error_raise(error, -EINVAL, "--dialect '%s': give any, spec or demo, or none",
                           value);
    return 0;
}

static int read_max_inflight(struct parse *parse, const char *value, struct ackd_error *error)
{
    return read_count("--max-inflight", value, 1, OPTIONS_WINDOW_MAX, &parse->max_inflight, error);
}

static int read_json(struct parse *parse, const char *value, struct ackd_error *error)
{
    if (value[0] == '\0')
        return error_raise(error, -EINVAL, "--json '': give a file's path, or - for stdout");
    parse->options.json_path = value;
    return 0;
}

static int read_html(struct parse *parse, const char *value, struct ackd_error *error)
{
    (void)error;
    parse->options.html_path = value;
    return 0;
}

static int read_prom(struct parse *parse, const char *value, struct ackd_error *error)
{
    (void)error;
    parse->options.prom_address = value;
    return 0;
}

static int read_quiet(struct parse *parse, const char *value, struct ackd_error *error)
{
    (void)value;
    (void)error;
    parse->options.quiet = true;
    return 0;
}

static int read_help(struct parse *parse, const char *value, struct ackd_error *error)
{
    (void)value;
    (void)error;
    parse->options.action = OPTIONS_HELP_RUN;
    return 0;
}

static int fail_cpu(const char *value, struct ackd_error *error)
{
    return error_raise(error, -EINVAL,
                       "--cpu '%s': give CPUs that this process may use, such as 1 or 0,2-3",
                       value);
}

/* Adds the CPUs of one item, "2" or "2-5". */
static bool add_cpus(struct options *options, char *item, const cpu_set_t *allowed)
{
    char *const dash = strchr(item, '-');
    uint64_t first;
    uint64_t last;

    if (dash)
        *dash = '\0';
    if (!units_parse_count(item, &first))
        return false;
    last = first;
    if (dash && !units_parse_count(dash + 1, &last))
        return false;
    if (first > last || last >= CPU_SETSIZE)
        return false;
    for (uint64_t cpu = first; cpu <= last; cpu++) {
        if (!CPU_ISSET(cpu, allowed) || options->cpu_count == CPU_SETSIZE)
            return false;
        options->cpus[options->cpu_count++] = (uint16_t)cpu;
    }
    return true;
}

static int read_cpu(struct parse *parse, const char *value, struct ackd_error *error)
{
    char text[256];
    char *rest = text;
    char *item;
    cpu_set_t allowed;

    parse->options.cpu_count = 0;
    CPU_ZERO(&allowed);
    if (strlen(value) >= sizeof text || sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return fail_cpu(value, error);
    memcpy(text, value, strlen(value) + 1);
    while ((item = strsep(&rest, ","))) {
        if (!add_cpus(&parse->options, item, &allowed))
            return fail_cpu(value, error);
    }
    return 0;
}

static const struct option_rule rules[] = {
    {"connect", 0, true, read_connect},
    {"connections", 'c', true, read_connections},
    {"depth", 'd', true, read_depth},
    {"threads", 't', true, read_threads},
    {"time", 0, true, read_duration},
    {"warmup", 0, true, read_warmup},
    {"rate", 'r', true, read_rate},
    {"arrival", 0, true, read_arrival},
    {"burst", 0, true, read_burst},
    {"idle", 0, true, read_idle},
    {"mix", 0, true, read_mix},
    {"size", 's', true, read_payload_size},
    {"seed", 0, true, read_seed},
    {"dialect", 0, true, read_dialect},
    {"max-inflight", 0, true, read_max_inflight},
    {"drain-timeout", 0, true, read_drain_timeout},
    {"timeout", 0, true, read_timeout},
    {"cpu", 0, true, read_cpu},
    {"server-pid", 0, true, read_server_pid},
    {"validity", 0, true, read_validity},
    {"late-budget", 0, true, read_late_budget},
    {"hlog", 0, true, read_hlog},
    {"json", 0, true, read_json},
    {"html", 0, true, read_html},
    {"prom", 0, true, read_prom},
    {"quiet", 'q', false, read_quiet},
    {"help", 'h', false, read_help},
};

enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

/* Makes getopt_long()'s tables; the value it returns for a rule is 1 + its index. */
static void make_tables(struct option *longs, char *shorts)
{
    /* The leading colon tells a missing value from an unknown option. */
    *shorts++ = ':';
    for (int i = 0; i < RULE_COUNT; i++) {
        longs[i] = (struct option){
            .name = rules[i].name,
            .has_arg = rules[i].has_value ? required_argument : no_argument,
            .val = 1 + i,
        };
        if (rules[i].letter == 0)
            continue;
        *shorts++ = rules[i].letter;
        if (rules[i].has_value)
            *shorts++ = ':';
    }
    longs[RULE_COUNT] = (struct option){0};
    *shorts = '\0';
}

static const struct option_rule *find_rule(int found)
{
    if (found >= 1 && found <= RULE_COUNT)
        return &rules[found - 1];
    for (int i = 0; i < RULE_COUNT; i++) {
        if (rules[i].letter == found)
            return &rules[i];
    }
    return NULL;
}

static int fail_option(int found, char **argv, struct ackd_error *error)
{
    const char *const given = argv[optind - 1];

    if (found == ':')
        return error_raise(error, -EINVAL, "%s: a value is missing (see ackload run --help)",
                           given);
    if (optopt > RULE_COUNT)
        return error_raise(error, -EINVAL, "-%c: there is no such option (see ackload run --help)",
                           optopt);
    return error_raise(error, -EINVAL,
                       "%s: there is no such option, or it takes no value (see ackload run --help)",
                       given);
}

static int read_options(struct parse *parse, int argc, char **argv, struct ackd_error *error)
{
    struct option longs[RULE_COUNT + 1];
    char shorts[2 * RULE_COUNT + 2];
    int found;

    make_tables(longs, shorts);
    opterr = 0;
    optind = 0;
    while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct option_rule *const rule = find_rule(found);
        if (!rule)
            return fail_option(found, argv, error);
        const int status = rule->read(parse, optarg, error);
        if (status < 0)
            return status;
    }
    if (optind < argc)
        return error_raise(error, -EINVAL, "'%s': an option begins with - (see ackload run --help)",
                           argv[optind]);
    return 0;
}

static uint32_t count_cpus(void)
{
    cpu_set_t allowed;

    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return 1;
    return (uint32_t)CPU_COUNT(&allowed);
}

/* Spinning takes a CPU for each thread.  It is chosen when these CPUs are the client's own: pinned
 * by
 * --cpu, or the server is elsewhere, or there are twice as many and two over. */
static enum idle_mode choose_idle(const struct options *options)
{
    const uint32_t cpu_count = count_cpus();

    if (options->cpu_count >= options->thread_count)
        return IDLE_HYBRID;
    if (!address_is_loopback(&options->address))
        return cpu_count >= options->thread_count ? IDLE_HYBRID : IDLE_SLEEP;
    return cpu_count >= 2 * options->thread_count + 2 ? IDLE_HYBRID : IDLE_SLEEP;
}

/* The load follows from --rate and --time together. */
static void complete_rate(struct parse *parse)
{
    struct options *const options = &parse->options;
    const uint64_t plan_ns = rate_plan_duration_ns(&options->rate_plan);

    if (!parse->duration_given && plan_ns > 0)
        options->duration_ns = plan_ns;
    if (options->rate_plan.segment_count > 0)
        options->rate = rate_plan_message_count(&options->rate_plan, options->duration_ns) *
                        (double)NS_PER_S / (double)options->duration_ns;
}

static int complete_mix(struct parse *parse, struct ackd_error *error)
{
    struct options *const options = &parse->options;

    if (parse->mix_text && !mix_parse(parse->mix_text, options->connection_count, &options->mix))
        return error_raise(error, -EINVAL,
                           "--mix '%s': give numbers or percentages of slow-reader, idle, garbage "
                           "and dribble, such as slow-reader=5%%,idle=1000",
                           parse->mix_text);
    return 0;
}

/* As many threads as there are CPUs for them, but no more than connections. */
static uint32_t choose_thread_count(const struct options *options)
{
    uint32_t count = options->cpu_count > 0 ? options->cpu_count : count_cpus();

    if (count > OPTIONS_THREAD_COUNT_MAX)
        count = OPTIONS_THREAD_COUNT_MAX;
    return count < options->connection_count ? count : options->connection_count;
}

static int complete_address(struct parse *parse, struct ackd_error *error)
{
    struct ackd_error inner;
    const int status = address_parse(parse->address_text, true, &parse->options.address, &inner);

    return status < 0 ? error_raise(error, status, "--connect: %s", inner.text) : 0;
}

/* Fills in what depends on several options, and refuses what does not fit together. */
static int complete(struct parse *parse, struct ackd_error *error)
{
    struct options *const options = &parse->options;

    if (options->thread_count > options->connection_count)
        return error_raise(error, -EINVAL,
                           "--threads %u: give at most the number of connections (%u), since a "
                           "thread without one does nothing",
                           options->thread_count, options->connection_count);
    if (options->thread_count == 0)
        options->thread_count = choose_thread_count(options);
    complete_rate(parse);
    if (!parse->validity_given)
        options->validity = options->rate > 0 ? VALIDITY_STRICT : VALIDITY_WARN;

    if (options->depth_given)
        options->window = parse->depth;
    else if (options->depth_max || options->rate > 0)
        options->window = parse->max_inflight;
    else
        options->window = DEPTH_DEFAULT;
    int status = complete_address(parse, error);
    if (status == 0)
        status = complete_mix(parse, error);
    options->idle_chosen = !parse->idle_given;
    if (status == 0 && options->idle_chosen)
        options->idle = choose_idle(options);
    return status;
}

static int parse_run(int argc, char **argv, struct options *ret_options, struct ackd_error *error)
{
    struct parse parse = {
        .options =
            {
                .action = OPTIONS_RUN,
                .connection_count = CONNECTION_COUNT_DEFAULT,
                .duration_ns = DURATION_DEFAULT_S * NS_PER_S,
                .drain_ns = DRAIN_DEFAULT_S * NS_PER_S,
                .timeout_ns = UINT64_MAX,
                .burst = BURST_DEFAULT,
                .lateness_budget_ns = LATENESS_BUDGET_DEFAULT_MS * NS_PER_MS,
                .plan = {.seed = 1, .teaching = true},
            },
        .max_inflight = MAX_INFLIGHT_DEFAULT,
        .address_text = ADDRESS_DEFAULT,
    };

    int status = read_options(&parse, argc, argv, error);
    if (status == 0 && parse.options.action == OPTIONS_RUN)
        status = complete(&parse, error);
    if (status == 0)
        *ret_options = parse.options;
    return status;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct ackd_error *error)
{
    if (argc < 2)
        return error_raise(error, -EINVAL, "say what to do: ackload run, or ackload --help");

    const char *const command = argv[1];
    if (strcmp(command, "run") == 0)
        return parse_run(argc - 1, argv + 1, ret_options, error);
    if (strcmp(command, "--version") == 0 || strcmp(command, "-V") == 0) {
        *ret_options = (struct options){.action = OPTIONS_VERSION};
        return 0;
    }
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
        strcmp(command, "help") == 0) {
        *ret_options = (struct options){.action = OPTIONS_HELP};
        return 0;
    }
    return error_raise(error, -EINVAL,
                       "'%s': there is no such command; try ackload run, or "
                       "ackload --help",
                       command);
}

const char *options_help(void)
{
    return "ackload puts load on an ackd server, checks every ack, and says how fast it was.\n"
           "\n"
           "  ackload run                          100 connections, 16 messages in flight on "
           "each,\n"
           "                                       for 10 s, against " ADDRESS_DEFAULT "\n"
           "  ackload run -c 1 -d 1                one message at a time: the round trip\n"
           "  ackload run -d max --time 30s        write until the sockets are full\n"
           "  ackload run --rate 50k               50,000 messages per second, evenly spaced\n"
           "  ackload run --json result.json       the result for a program to read\n"
           "\n"
           "  ackload run --help                   every option\n"
           "  ackload --version\n"
           "\n"
           "Every message must be acked once, in order, with result 0.  Exit status: 0 all were;\n"
           "12 some were not; 13 the run says nothing; 64 wrong usage; 69 cannot connect.\n";
}

const char *options_help_run(void)
{
    return "usage: ackload run [options]\n"
           "\n"
           "where to\n"
           "      --connect ADDR       ADDR:PORT, [IPV6]:PORT, NAME:PORT or unix:PATH\n"
           "                           (" ADDRESS_DEFAULT ")\n"
           "      --dialect D          acks to accept: spec (0x82), demo (0x81), or any: that of\n"
           "                           each connection's first ack; none: acks are counted\n"
           "                           by their size and not looked at (any)\n"
           "how much\n"
           "  -c, --connections N      connections (100)\n"
           "  -d, --depth N|max        messages in flight on each connection; max: write until\n"
           "                           the socket is full (16)\n"
           "      --max-inflight N     the bound for -d max and --rate (65536)\n"
           "  -r, --rate R             open loop: R messages per second in total, whatever the\n"
           "                           server does; 50k and 1.5m are understood.  Latency then\n"
           "                           counts from the time a message was due.  Segments change\n"
           "                           the rate: 10k:50k/30s (ramp), 50k/1m, hold/10s, with ','\n"
           "      --arrival A          constant: evenly spaced; poisson: at random, from --seed\n"
           "                           (constant)\n"
           "      --burst N            messages that a connection writes in one go when it is "
           "late\n"
           "                           (32)\n"
           "      --mix LIST           bad neighbours beside the measured connections, such as\n"
           "                           slow-reader=5%,idle=1000,garbage=1%,dribble=1%\n"
           "  -s, --size N|teaching    payload bytes, or payloads such as stunning-dolphin-df6e,\n"
           "                           12 to 31 bytes (teaching)\n"
           "      --seed N             payloads follow from it: same seed, same bytes (1)\n"
           "how long\n"
           "      --time T             such as 500ms, 10s, 5m (10s, or as long as the segments of\n"
           "                           --rate)\n"
           "      --warmup T           before that; checked, but in none of the figures (0)\n"
           "      --drain-timeout T    wait for the last acks (2s)\n"
           "      --timeout T          an ack that takes longer is late (none)\n"
           "with what\n"
           "  -t, --threads N          threads (one per CPU, at most one per connection)\n"
           "      --cpu LIST           pin the threads to these CPUs, in turn: 1 or 0,2-3\n"
           "      --idle MODE          until a message is due: sleep, spin (until an ack is\n"
           "                           there, too), hybrid, or auto: hybrid if the CPUs suffice,\n"
           "                           else sleep (auto)\n"
           "result\n"
           "      --json FILE          write it as JSON (docs/LOADTEST.md); - is stdout, and what\n"
           "                           is for people then goes to stderr\n"
           "      --html FILE          write it as a page with charts, which needs nothing else\n"
           "      --prom ADDR          while it runs, answer GET /metrics there for Prometheus\n"
           "      --hlog FILE          write a HdrHistogram log, an interval for each second\n"
           "      --server-pid PID     measure the server's CPU time too\n"
           "      --validity MODE      strict: a run that the client falsified ends with 13; "
           "warn:\n"
           "                           it is only said; off (open loop: strict, closed: warn)\n"
           "      --late-budget T      how late the client may write, as a p99 (1ms)\n"
           "  -q, --quiet              print nothing but errors\n"
           "\n"
           "Exit status: 0 every message was acked once, in order, with result 0; 12 not so;\n"
           "13 the run says nothing (nothing was sent, connections ended early, or the client was\n"
           "the limit) or its result could not be written; 64 wrong usage, or a result file that\n"
           "cannot be written, which is looked at before the run; 69 cannot connect.\n"
           "SIGINT ends a run early and prints what there is.\n";
}
