/* SPDX-License-Identifier: MIT
 *
 * options - ackd's command line and config file (options.h)
 *
 * An option is set at most by three: its default, the config file, the command line; each whole
 * option replaces the one before it, lists too. */
#include "ackd/options.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ackd/metrics.h>

#include "base/address.h"
#include "base/error.h"
#include "base/units.h"

enum kind {
    KIND_LISTEN,
    KIND_TEXT,
    KIND_COUNT,
    KIND_AUTO_COUNT,
    KIND_SIZE,
    KIND_MEMORY,
    KIND_TIME,
    KIND_GUARD_TIME,
    KIND_HANDLER,
    KIND_ENGINE,
    KIND_LOG_LEVEL,
    KIND_LOG_FORMAT,
    KIND_SANDBOX,
    KIND_CONFIG,
    KIND_FLAG,
};

struct option_info {
    const char *name;
    enum kind kind;
    bool is_reloadable;
    size_t offset;
    uint64_t minimum;
    uint64_t maximum;
    const char *argument;
    const char *by_default;
    const char *help;
};

static const struct option_info infos[] = {
#define INFO(name, kind, member, minimum, maximum, argument, by_default, help, is_reloadable)      \
    {name,     KIND_##kind, is_reloadable, offsetof(struct options, member), minimum, maximum,     \
     argument, by_default,  help},
#define OPTION(...)     INFO(__VA_ARGS__, false)
#define RELOADABLE(...) INFO(__VA_ARGS__, true)
#include "ackd/options.def"
#undef INFO
#undef OPTION
#undef RELOADABLE
};

enum {
    OPTION_COUNT = sizeof infos / sizeof infos[0],
    CONFIG_SIZE_MAX = 1024 * 1024,
    HELP_COLUMNS = 78,
    HELP_INDENT = 8,
};
_Static_assert(OPTION_COUNT < ':', "getopt_long() returns their numbers beside ':' and '?'");

/* Where a value was given, for messages: "--name" or "FILE:LINE: name". */
struct origin {
    const char *file; /* NULL: the command line */
    int line;
};

static int refuse(struct ackd_error *error, const struct origin *origin,
                  const struct option_info *info, const char *value, const char *legal)
{
    if (origin->file)
        return error_raise(error, -EINVAL, "%.100s:%d: %s = %.64s: %s", origin->file, origin->line,
                           info->name, value, legal);
    return error_raise(error, -EINVAL, "--%s=%.64s: %s", info->name, value, legal);
}

static void *member_of(struct options *options, const struct option_info *info)
{
    return (char *)options + info->offset;
}

/* --- values --- */

static int set_listen(struct options *options, const char *value, char *ret_legal,
                      size_t legal_size)
{
    struct ackd_server_options one;
    struct ackd_error error;

    ackd_server_options_init(&one);
    one.listen[one.listen_count++] = value;
    if (ackd_server_options_check(&one, &error) < 0) {
        snprintf(ret_legal, legal_size, "%s", error.text);
        return -EINVAL;
    }
    if (options->server.listen_count == ACKD_LISTEN_COUNT_MAX) {
        snprintf(ret_legal, legal_size, "give at most %d", ACKD_LISTEN_COUNT_MAX);
        return -EINVAL;
    }
    options->server.listen[options->server.listen_count++] = value;
    return 0;
}

static bool is_time(const struct option_info *info)
{
    return info->kind == KIND_TIME || info->kind == KIND_GUARD_TIME;
}

static int set_memory(struct options *options, const struct option_info *info, const char *value)
{
    uint64_t *const to = member_of(options, info);
    uint64_t size;

    if (strcmp(value, "auto") == 0)
        *to = 0;
    else if (strcmp(value, "off") == 0)
        *to = ACKD_MEMORY_UNLIMITED;
    else if (units_parse_size(value, &size) && size >= info->minimum && size <= info->maximum)
        *to = size;
    else
        return -EINVAL;
    return 0;
}

/* A number of some kind, between the option's bounds. */
static int set_number(struct options *options, const struct option_info *info, const char *value,
                      char *ret_legal, size_t legal_size)
{
    uint32_t *const to = member_of(options, info);
    uint64_t number = 0;
    bool legal;

    if (info->kind == KIND_AUTO_COUNT && strcmp(value, "auto") == 0) {
        *to = 0;
        return 0;
    }
    if (info->kind == KIND_SIZE) {
        legal = units_parse_size(value, &number);
    } else if (is_time(info)) {
        /* Round up: a time that is not 0 must not become "off". */
        legal = units_parse_duration_ns(value, &number);
        number = number / 1000000 + (number % 1000000 != 0);
    } else {
        legal = units_parse_count(value, &number);
    }
    if (legal && number >= info->minimum && number <= info->maximum) {
        *to = (uint32_t)number;
        return 0;
    }
    if (is_time(info))
        snprintf(ret_legal, legal_size,
                 "give a time such as 250ms, 10s or 5m, up to 168h; 0 switches it off");
    else
        snprintf(ret_legal, legal_size, "give %s%llu to %llu%s",
                 info->kind == KIND_AUTO_COUNT ? "auto or " : "", (unsigned long long)info->minimum,
                 (unsigned long long)info->maximum,
                 info->kind == KIND_SIZE ? ", or with k or m behind it" : "");
    return -EINVAL;
}

/* A word's place among these is its value. */
static const char *const engines[] = {
    [ACKD_ENGINE_AUTO] = "auto",
    [ACKD_ENGINE_EPOLL] = "epoll",
    [ACKD_ENGINE_URING] = "uring",
    NULL,
};
static const char *const log_levels[] = {
    [ACKD_LOG_ERROR] = "error",
    [ACKD_LOG_WARN] = "warn",
    [ACKD_LOG_INFO] = "info",
    [ACKD_LOG_DEBUG] = "debug",
    NULL,
};
static const char *const log_formats[] = {
    [LOG_LOGFMT] = "logfmt",
    [LOG_JSON] = "json",
    NULL,
};
static const char *const sandbox_levels[] = {
    [SANDBOX_OFF] = "off",
    [SANDBOX_ON] = "on",
    [SANDBOX_STRICT] = "strict",
    NULL,
};
_Static_assert(sizeof(enum ackd_engine) == sizeof(uint32_t) &&
                   sizeof(enum ackd_log_level) == sizeof(uint32_t) &&
                   sizeof(enum log_format) == sizeof(uint32_t) &&
                   sizeof(enum sandbox_level) == sizeof(uint32_t),
               "they are handled as numbers");

const char *sandbox_level_name(enum sandbox_level level)
{
    return sandbox_levels[level];
}

/* The words that an option of a kind takes, up to NULL; none: it takes something else. */
static const char *const *const words_of[] = {
    [KIND_ENGINE] = engines,
    [KIND_LOG_LEVEL] = log_levels,
    [KIND_LOG_FORMAT] = log_formats,
    [KIND_SANDBOX] = sandbox_levels,
};

static int set_word(struct options *options, const struct option_info *info, const char *value)
{
    const char *const *const words = words_of[info->kind];

    for (uint32_t i = 0; words[i]; i++) {
        if (strcmp(value, words[i]) == 0) {
            memcpy(member_of(options, info), &i, sizeof i);
            return 0;
        }
    }
    return -EINVAL;
}

static int set_handler(struct options *options, const char *value, char *ret_legal,
                       size_t legal_size)
{
    struct ackd_error error;

    if (ackd_handler_check(value, &error) < 0) {
        snprintf(ret_legal, legal_size, "%s", error.text);
        return -EINVAL;
    }
    options->handler = value;
    return 0;
}

/* Sets one option; @value is "" for a flag and lives as long as @options. */
static int set(struct options *options, const struct option_info *info, const char *value,
               const struct origin *origin, struct ackd_error *error)
{
    char legal[ACKD_ERROR_TEXT_SIZE];
    int status = 0;

    snprintf(legal, sizeof legal, "give %s", info->argument ? info->argument : "no value");
    switch (info->kind) {
    case KIND_LISTEN:
        status = set_listen(options, value, legal, sizeof legal);
        break;
    case KIND_TEXT:
    case KIND_CONFIG:
        status = value[0] == '\0' ? -EINVAL : 0;
        *(const char **)member_of(options, info) = value;
        break;
    case KIND_COUNT:
    case KIND_AUTO_COUNT:
    case KIND_SIZE:
    case KIND_TIME:
    case KIND_GUARD_TIME:
        status = set_number(options, info, value, legal, sizeof legal);
        break;
    case KIND_MEMORY:
        snprintf(legal, sizeof legal, "give auto, off, or a size of 1m or more");
        status = set_memory(options, info, value);
        break;
    case KIND_HANDLER:
        status = set_handler(options, value, legal, sizeof legal);
        break;
    case KIND_ENGINE:
    case KIND_LOG_LEVEL:
    case KIND_LOG_FORMAT:
    case KIND_SANDBOX:
        status = set_word(options, info, value);
        break;
    case KIND_FLAG:
        *(bool *)member_of(options, info) = true;
        break;
    }
    return status < 0 ? refuse(error, origin, info, value, legal) : 0;
}

/* --- the config file --- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text;
}

static const struct option_info *find(const char *name)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(infos[i].name, name) == 0)
            return &infos[i];
    }
    return NULL;
}

/* The default of the option @name, which there is. */
static const char *default_of(const char *name)
{
    const struct option_info *const info = find(name);

    assert(info);
    return info->by_default;
}

/* @first_line: where each option stood first, 0 while it has not been seen. */
static int parse_line(struct options *options, char *line, const struct origin *origin,
                      int *first_line, struct ackd_error *error)
{
    char *const comment = strchr(line, '#');
    if (comment)
        *comment = '\0';

    char *const text = trim(line);
    if (*text == '\0')
        return 0;

    char *const equals = strchr(text, '=');
    if (!equals)
        return error_raise(error, -EINVAL, "%s:%d: '%s': write name = value", origin->file,
                           origin->line, text);
    *equals = '\0';

    const char *const name = trim(text);
    const struct option_info *const info = find(name);
    if (!info || info->kind == KIND_FLAG || info->kind == KIND_CONFIG)
        return error_raise(error, -EINVAL,
                           "%s:%d: '%s' is no option of a config file: see ackd --help",
                           origin->file, origin->line, name);

    int *const first = &first_line[info - infos];
    if (*first > 0 && info->kind != KIND_LISTEN)
        return error_raise(error, -EINVAL, "%s:%d: '%s' is given twice: see line %d", origin->file,
                           origin->line, name, *first);
    *first = origin->line;
    return set(options, info, trim(equals + 1), origin, error);
}

/* Reads all of @fd.  NULL, and why, when that is no text that a person wrote. */
static char *read_text(int fd, const char **ret_why)
{
    char *const text = calloc(1, CONFIG_SIZE_MAX + 1);
    size_t size = 0;
    ssize_t got = 0;

    while (text && size < CONFIG_SIZE_MAX &&
           (got = read(fd, text + size, CONFIG_SIZE_MAX - size)) > 0)
        size += (size_t)got;
    if (!text || got < 0)
        *ret_why = strerror(errno);
    else if (size == CONFIG_SIZE_MAX)
        *ret_why = strerror(EFBIG);
    else if (memchr(text, '\0', size))
        *ret_why = "is no text";
    else
        return text;
    free(text);
    return NULL;
}

/* The text of the file @path.  A reload is not to wait for the writer of a pipe. */
static char *read_file(const char *path, const char **ret_why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = NULL;
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        *ret_why = strerror(errno);
    else if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        *ret_why = "is no regular file";
    else
        text = read_text(fd, ret_why);
    if (fd >= 0)
        close(fd);
    return text;
}

/* Cuts the text into lines in place: the values that are kept point into it. */
static int parse_file(struct options *options, const char *path, struct ackd_error *error)
{
    struct origin origin = {.file = path};
    int first_line[OPTION_COUNT] = {0};
    const char *why = "";

    options->config_text = read_file(path, &why);
    if (!options->config_text)
        return error_raise(error, -EINVAL, "--config=%.128s: %s", path, why);

    if (strncmp(options->config_text, "\xef\xbb\xbf", 3) == 0)
        return error_raise(error, -EINVAL, "%s:1: begins with a byte order mark; save it without",
                           path);

    char *rest = options->config_text;
    while (rest) {
        char *const line = strsep(&rest, "\n");
        origin.line++;
        const int status = parse_line(options, line, &origin, first_line, error);
        if (status < 0)
            return status;
    }
    return 0;
}

/* --- the command line --- */

static void set_defaults(struct options *options)
{
    static const struct origin nowhere = {0};

    *options = (struct options){0};
    ackd_server_options_init(&options->server);
    for (int i = 0; i < OPTION_COUNT; i++) {
        struct ackd_error error;

        if (infos[i].kind == KIND_FLAG || infos[i].kind == KIND_LISTEN)
            continue; /* a default listener gives way to the first that is named */
        if (infos[i].by_default[0] == '\0') {
            *(const char **)member_of(options, &infos[i]) = NULL;
            continue;
        }
        const int status = set(options, &infos[i], infos[i].by_default, &nowhere, &error);
        assert(status == 0);
    }
}

static void make_getopt(struct option *ret_options)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        ret_options[i] = (struct option){
            .name = infos[i].name,
            .has_arg = infos[i].kind == KIND_FLAG ? no_argument : required_argument,
            .val = i,
        };
    ret_options[OPTION_COUNT] = (struct option){0};
}

/* getopt_long() takes the beginning of a name for the name: then --port 9000 would write to a file
 * called 9000.  @typed is the word of the command line. */
static bool is_whole_name(const char *typed, const char *name)
{
    const size_t size = strlen(name);
    return strncmp(typed, "--", 2) == 0 && strncmp(typed + 2, name, size) == 0 &&
           (typed[size + 2] == '\0' || typed[size + 2] == '=');
}

/* One step through the command line: the option that stands at optind and its value in optarg, or
 * NULL at the end.  *@status is negative if that is none. */
static const struct option_info *next_argument(int argc, char **argv, const struct option *names,
                                               int *status, struct ackd_error *error)
{
    const char *const typed = argv[optind > 0 ? optind : 1];
    const int index = getopt_long(argc, argv, "+:h", names, NULL);

    *status = 0;
    if (index == -1)
        return NULL;
    if (index == 'h')
        return find("help");
    if (index == ':')
        *status = error_raise(error, -EINVAL, "%s wants a value: see ackd --help", typed);
    else if (index == '?' || !is_whole_name(typed, infos[index].name))
        *status = error_raise(error, -EINVAL, "unknown option %s: see ackd --help", typed);
    return *status < 0 ? NULL : &infos[index];
}

/* Goes through the command line once.  @config_only: only for --config, --help and --version. */
static int parse_arguments(struct options *options, int argc, char **argv, bool config_only,
                           struct ackd_error *error)
{
    static const struct origin command_line = {0};
    const struct option_info *info;
    struct option names[OPTION_COUNT + 1];
    bool listens = false;
    int status;

    make_getopt(names);
    optind = 0; /* glibc: start again */
    opterr = 0;
    while ((info = next_argument(argc, argv, names, &status, error))) {
        if (config_only && info->kind != KIND_CONFIG && info->kind != KIND_FLAG)
            continue;
        if (info->kind == KIND_LISTEN && !listens) {
            listens = true;
            options->server.listen_count = 0; /* in place of the config file's */
        }
        status = set(options, info, optarg ? optarg : "", &command_line, error);
        if (status < 0)
            return status;
    }
    if (status < 0)
        return status;
    if (optind < argc)
        return error_raise(error, -EINVAL,
                           "unexpected '%s': options begin with --, see ackd "
                           "--help",
                           argv[optind]);
    return 0;
}

/* HTTP needs an address of its own: *member, which option @name sets; "off" makes it NULL.  @other
 * (may be NULL) is that of other HTTP. */
static int check_http_listen(const struct options *options, const char *name, const char **member,
                             const char *other, struct ackd_error *error)
{
    const char *const value = *member;
    struct ackd_server_options all = options->server;
    struct ackd_error why;
    struct address address;

    if (strcmp(value, "off") == 0) {
        *member = NULL;
        return 0;
    }
    if (address_parse(value, false, &address, &why) < 0)
        return error_raise(error, -EINVAL, "--%s=%.64s: give ADDR:PORT or off; %.150s", name, value,
                           why.text);
    if (all.listen_count > ACKD_LISTEN_COUNT_MAX - 2)
        all.listen_count = ACKD_LISTEN_COUNT_MAX - 2;
    if (other)
        all.listen[all.listen_count++] = other;
    all.listen[all.listen_count++] = value;
    if (ackd_server_options_check(&all, &why) == 0)
        return 0;
    return error_raise(error, -EINVAL, "--%s=%.64s: give ADDR:PORT or off; %.150s", name, value,
                       why.text);
}

/* Profiles are not for everybody. */
static int check_pprof(struct options *options, struct ackd_error *error)
{
    const char *const value = options->pprof_listen;
    struct address address;

    options->pprof_is_default = value == default_of("pprof-listen");
    const int status = check_http_listen(options, "pprof-listen", &options->pprof_listen,
                                         options->metrics_listen, error);
    if (status < 0 && options->pprof_is_default) {
        options->pprof_listen = NULL; /* the port has been given to something else */
        return 0;
    }
    if (status < 0 || !options->pprof_listen)
        return status;
    if (options->pprof_allow_remote || address_parse(value, false, &address, NULL) < 0 ||
        address_is_loopback(&address))
        return 0;
    return error_raise(error, -EINVAL,
                       "--pprof-listen=%.64s: other machines may reach that address; give "
                       "127.0.0.1:PORT, or --pprof-allow-remote too",
                       value);
}

static int check_marks(const struct options *options, struct ackd_error *error)
{
    if (options->server.ack_low_size < options->server.ack_high_size)
        return 0;
    return error_raise(error, -EINVAL, "--ack-low=%u: give less than --ack-high, which is %u",
                       options->server.ack_low_size, options->server.ack_high_size);
}

static int check_together(struct options *options, struct ackd_error *error)
{
    struct ackd_error why;

    if (options->server.listen_count == 0)
        options->server.listen[options->server.listen_count++] = default_of("listen");
    if (check_marks(options, error) < 0)
        return -EINVAL;
    if (ackd_server_options_check(&options->server, &why) < 0)
        return error_raise(error, -EINVAL, "--listen: %.200s", why.text);
    if (!ackd_metrics_prefix_is_legal(options->metrics_prefix))
        return error_raise(error, -EINVAL,
                           "--metrics-prefix=%.64s: give letters, digits and underscores, not a "
                           "digit first",
                           options->metrics_prefix);
    const int status =
        check_http_listen(options, "metrics-listen", &options->metrics_listen, NULL, error);
    return status < 0 ? status : check_pprof(options, error);
}

int options_parse(int argc, char **argv, struct options *ret_options, struct ackd_error *error)
{
    set_defaults(ret_options);
    int status = parse_arguments(ret_options, argc, argv, true, error);

    if (status < 0 || ret_options->help || ret_options->version)
        return status;
    if (ret_options->config)
        status = parse_file(ret_options, ret_options->config, error);
    if (status == 0)
        status = parse_arguments(ret_options, argc, argv, false, error);
    return status < 0 ? status : check_together(ret_options, error);
}

void options_deinit(struct options *options)
{
    free(options->config_text);
    options->config_text = NULL;
}

/* --- reloading --- */

static bool texts_differ(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) != 0 : a != b;
}

static bool listens_differ(const struct ackd_server_options *a, const struct ackd_server_options *b)
{
    for (size_t i = 0; i < a->listen_count && i < b->listen_count; i++) {
        if (texts_differ(a->listen[i], b->listen[i]))
            return true;
    }
    return a->listen_count != b->listen_count;
}

static bool differs(const struct option_info *info, const struct options *a,
                    const struct options *b)
{
    const void *const in_a = (const char *)a + info->offset;
    const void *const in_b = (const char *)b + info->offset;

    switch (info->kind) {
    case KIND_LISTEN:
        return listens_differ(&a->server, &b->server);
    case KIND_TEXT:
    case KIND_CONFIG:
    case KIND_HANDLER:
        return texts_differ(*(const char *const *)in_a, *(const char *const *)in_b);
    case KIND_COUNT:
    case KIND_AUTO_COUNT:
    case KIND_SIZE:
    case KIND_TIME:
    case KIND_GUARD_TIME:
    case KIND_ENGINE:
    case KIND_LOG_LEVEL:
    case KIND_LOG_FORMAT:
    case KIND_SANDBOX:
        return memcmp(in_a, in_b, sizeof(uint32_t)) != 0;
    case KIND_MEMORY:
        return memcmp(in_a, in_b, sizeof(uint64_t)) != 0;
    case KIND_FLAG:
        return *(const bool *)in_a != *(const bool *)in_b;
    }
    return false;
}

static void add_name(char *names, size_t names_size, const char *name)
{
    const size_t size = strlen(names);
    snprintf(names + size, names_size - size, "%s%s", size > 0 ? "," : "", name);
}

/* Takes over one reloadable option: those are numbers. */
static void take(struct options *running, const struct options *fresh,
                 const struct option_info *info)
{
    const bool is_memory = info->kind == KIND_MEMORY;

    assert(is_memory || is_time(info) || info->kind == KIND_COUNT ||
           info->kind == KIND_AUTO_COUNT || info->kind == KIND_SIZE ||
           info->kind == KIND_LOG_LEVEL);
    memcpy(member_of(running, info), (const char *)fresh + info->offset,
           is_memory ? sizeof(uint64_t) : sizeof(uint32_t));
}

void options_reload(struct options *running, const struct options *fresh,
                    struct options_changes *ret_changes)
{
    *ret_changes = (struct options_changes){.changed = "", .fixed = ""};
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!differs(&infos[i], running, fresh))
            continue;
        if (!infos[i].is_reloadable) {
            add_name(ret_changes->fixed, sizeof ret_changes->fixed, infos[i].name);
            continue;
        }
        take(running, fresh, &infos[i]);
        add_name(ret_changes->changed, sizeof ret_changes->changed, infos[i].name);
    }
}

/* --- saying what was set --- */

static void print_listens(const struct options *options, char *ret_value)
{
    size_t size = 0;

    for (size_t i = 0; i < options->server.listen_count && size < OPTION_VALUE_SIZE; i++)
        size += (size_t)snprintf(ret_value + size, OPTION_VALUE_SIZE - size, "%s%s",
                                 i > 0 ? " " : "", options->server.listen[i]);
}

/* @number in the largest of two units that it is a whole number of. */
static void print_scaled(uint32_t number, uint32_t scale, const char *unit, const char *large_unit,
                         char *ret_value)
{
    const bool is_large = number > 0 && number % scale == 0;

    snprintf(ret_value, OPTION_VALUE_SIZE, "%u%s", is_large ? number / scale : number,
             number == 0 ? ""
             : is_large  ? large_unit
                         : unit);
}

static void print_memory(uint64_t size, char *ret_value)
{
    if (size == 0)
        snprintf(ret_value, OPTION_VALUE_SIZE, "auto");
    else if (size == ACKD_MEMORY_UNLIMITED)
        snprintf(ret_value, OPTION_VALUE_SIZE, "off");
    else if (size % 1024 == 0)
        snprintf(ret_value, OPTION_VALUE_SIZE, "%" PRIu64 "KiB", size / 1024);
    else
        snprintf(ret_value, OPTION_VALUE_SIZE, "%" PRIu64, size);
}

static void print_value(const struct options *options, const struct option_info *info,
                        char *ret_value)
{
    const void *const member = (const char *)options + info->offset;
    uint32_t number = 0;

    switch (info->kind) {
    case KIND_COUNT:
    case KIND_AUTO_COUNT:
    case KIND_SIZE:
    case KIND_TIME:
    case KIND_GUARD_TIME:
        number = *(const uint32_t *)member;
        break;
    case KIND_MEMORY:
        print_memory(*(const uint64_t *)member, ret_value);
        return;
    case KIND_LISTEN:
        print_listens(options, ret_value);
        return;
    case KIND_ENGINE:
    case KIND_LOG_LEVEL:
    case KIND_LOG_FORMAT:
    case KIND_SANDBOX:
        memcpy(&number, member, sizeof number);
        snprintf(ret_value, OPTION_VALUE_SIZE, "%s", words_of[info->kind][number]);
        return;
    case KIND_TEXT:
    case KIND_HANDLER:
    case KIND_CONFIG:
        snprintf(ret_value, OPTION_VALUE_SIZE, "%s", *(const char *const *)member);
        return;
    case KIND_FLAG:
        return;
    }
    if (info->kind == KIND_SIZE)
        print_scaled(number, 1024, "", "KiB", ret_value);
    else if (info->kind == KIND_TIME || info->kind == KIND_GUARD_TIME)
        print_scaled(number, 1000, "ms", "s", ret_value);
    else if (info->kind == KIND_AUTO_COUNT && number == 0)
        snprintf(ret_value, OPTION_VALUE_SIZE, "auto");
    else
        snprintf(ret_value, OPTION_VALUE_SIZE, "%u", number);
}

static bool has_value(const struct options *options, const struct option_info *info)
{
    const void *const member = (const char *)options + info->offset;
    const bool is_text =
        info->kind == KIND_TEXT || info->kind == KIND_HANDLER || info->kind == KIND_CONFIG;

    return info->kind != KIND_FLAG && (!is_text || *(const char *const *)member);
}

const char *options_next(const struct options *options, size_t *index, char *ret_value)
{
    while (*index < OPTION_COUNT) {
        const struct option_info *const info = &infos[(*index)++];

        if (has_value(options, info)) {
            print_value(options, info, ret_value);
            return info->name;
        }
    }
    return NULL;
}

/* --- what is switched off --- */

const char *options_next_unguarded(const struct options *options, int *index)
{
    while (*index < OPTION_COUNT) {
        const struct option_info *const info = &infos[(*index)++];
        const char *const member = (const char *)options + info->offset;

        if (info->kind == KIND_GUARD_TIME && *(const uint32_t *)(const void *)member == 0)
            return info->name;
        if (info->kind == KIND_MEMORY &&
            *(const uint64_t *)(const void *)member == ACKD_MEMORY_UNLIMITED)
            return info->name;
    }
    return NULL;
}

/* --- help --- */

/* Prints @text in lines of HELP_COLUMNS, each behind HELP_INDENT spaces. */
static void print_wrapped(FILE *to, const char *text)
{
    const size_t width = HELP_COLUMNS - HELP_INDENT;

    while (*text) {
        size_t size = strlen(text);
        if (size > width) {
            size = width;
            while (size > 0 && text[size] != ' ')
                size--;
        }
        fprintf(to, "%*s%.*s\n", HELP_INDENT, "", (int)size, text);
        text += size;
        while (*text == ' ')
            text++;
    }
}

void options_print_help(FILE *to)
{
    fputs("Usage: ackd [OPTION]...\n\n"
          "Answers every SUBMIT of a framed TCP protocol with a SUBMIT_ACK.\n\n"
          "    ackd                                        listens on port 8888\n"
          "    ackd --listen 127.0.0.1:9000 --workers 2    one address, two threads\n"
          "    curl http://127.0.0.1:8889/metrics          what it is doing\n\n"
          "SIGTERM and SIGINT drain: every complete request is acked, then ackd exits with\n"
          "0, or with 3 if acks had to be dropped. A second signal ends at once. SIGHUP reads\n"
          "the config file again and takes over the options marked 'reloadable'.\n"
          "Other exit codes: 78 for options that are not legal, 71 when the system refused\n"
          "something.\n\n"
          "Options:\n",
          to);
    for (int i = 0; i < OPTION_COUNT; i++) {
        fprintf(to, "    --%s%s%s", infos[i].name, infos[i].argument ? " " : "",
                infos[i].argument ? infos[i].argument : "");
        if (infos[i].by_default[0])
            fprintf(to, "  (%s)", infos[i].by_default);
        fputs(infos[i].is_reloadable ? "  reloadable\n" : "\n", to);
        print_wrapped(to, infos[i].help);
    }
}

/* Prints @text with a backslash before the bars that would end a table's cell. */
static void print_cell(FILE *to, const char *text)
{
    for (; *text; text++)
        fprintf(to, *text == '|' ? "\\|" : "%c", *text);
}

void options_print_table(FILE *to)
{
    fputs("| option | default | SIGHUP | meaning |\n| --- | --- | --- | --- |\n", to);
    for (int i = 0; i < OPTION_COUNT; i++) {
        fprintf(to, "| `--%s%s", infos[i].name, infos[i].argument ? " " : "");
        print_cell(to, infos[i].argument ? infos[i].argument : "");
        fprintf(to, "` | %s | %s | ", infos[i].by_default,
                infos[i].is_reloadable ? "changes it" : "");
        print_cell(to, infos[i].help);
        fputs(" |\n", to);
    }
}

void options_print_man(FILE *to)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        fprintf(to, ".It Fl -%s%s%s\n%s\n", infos[i].name, infos[i].argument ? " Ar " : "",
                infos[i].argument ? infos[i].argument : "", infos[i].help);
        if (infos[i].by_default[0])
            fprintf(to, "The default is\n.Ql %s .\n", infos[i].by_default);
        if (infos[i].is_reloadable)
            fputs("SIGHUP changes it.\n", to);
    }
}
