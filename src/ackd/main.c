/* SPDX-License-Identifier: MIT
 *
 * ackd - the server as a program
 *
 *      options -> handler -> server (sockets open) -> admin, profiles -> workers
 *      -> wait for a signal.  SIGTERM, SIGINT: drain; again: stop.  SIGHUP: reload.
 *      Exit codes: EXIT_... below.
 *
 * It uses the library as any other program can: by its public headers. */
#include <ackd/admin.h>
#include <ackd/handler.h>
#include <ackd/profile.h>
#include <ackd/server.h>
#include <ackd/version.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ackd/log_lines.h"
#include "ackd/options.h"
#include "ackd/sandbox.h"
#include "ackd/systemd.h"

enum {
    EXIT_ACKS_DROPPED = 3,
    EXIT_SYSTEM = 71, /* sysexits(3): EX_OSERR */
    EXIT_CONFIG = 78, /* EX_CONFIG */

    OPTION_SHOWN_COUNT_MAX = 40, /* on the live page */
};

/* What the live page says of the options; facts point into it. */
struct shown {
    char values[OPTION_SHOWN_COUNT_MAX][OPTION_VALUE_SIZE];
    struct ackd_admin_fact facts[OPTION_SHOWN_COUNT_MAX];
    size_t count;
};

struct program {
    int argc;
    char **argv;
    struct options options;
    struct ackd_log log;
    struct ackd_server *server;
    struct ackd_admin *admin;
    struct ackd_profile_server *profiles;
    bool is_profiling; /* for --profile-on-exit */
    struct systemd systemd;
    struct sandbox sandbox;
    int signal_fd;
};

static int exit_code_of(int status)
{
    return status == -EINVAL ? EXIT_CONFIG : EXIT_SYSTEM;
}

static int fail(int exit_code, const char *text, const char *advice)
{
    fprintf(stderr, "ackd: %s%s\n", text, advice);
    return exit_code;
}

static void log_text(const struct program *program, enum ackd_log_level level, const char *event,
                     const char *key, const char *value)
{
    const struct ackd_log_field field = {key, value, 0};

    if (program->log.level >= level)
        program->log.on_line(program->log.self, level, event, &field, 1);
}

static void say(const struct program *program, const char *event, const char *key,
                const char *value)
{
    log_text(program, ACKD_LOG_INFO, event, key, value);
}

/* Signals arrive at signal_fd; those that a write could raise are ignored. */
static int take_signals(struct program *program)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    program->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return program->signal_fd < 0 ? -errno : 0;
}

/* As many connections as the administrator allows, not as few as a shell starts with. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A number of connections that was asked for and cannot be had is refused, not cut down. */
static int check_descriptors(const struct options *options, struct ackd_error *error)
{
    const uint32_t conns_max = options->server.conns_max; /* 0: automatic */
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > conns_max)
        return 0;
    snprintf(error->text, sizeof error->text,
             "--max-conns=%u: only %llu descriptors may be open: give less or auto, or raise "
             "LimitNOFILE (ulimit -n)",
             conns_max, (unsigned long long)limit.rlim_cur);
    return -EINVAL;
}

/* Writes what was bound, under another name first: who waits for the file reads all of it. */
static int write_ports_file(const struct program *program, const char *path)
{
    char temporary[4096];

    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return -ENAMETOOLONG;
    FILE *const file = fopen(temporary, "we");
    if (!file)
        return -errno;
    for (size_t i = 0; i < ackd_server_listen_count(program->server); i++)
        fprintf(file, "listen %s dialect=%s\n", ackd_server_listen_address(program->server, i),
                ackd_server_listen_dialect(program->server, i));
    if (program->admin)
        fprintf(file, "metrics %s\n", ackd_admin_address(program->admin));
    if (program->profiles)
        fprintf(file, "pprof %s\n", ackd_profile_server_address(program->profiles));
    if (fclose(file) != 0 || rename(temporary, path) < 0)
        return -errno;
    return 0;
}

static void warn(const struct program *program, const char *event, const char *key,
                 const char *value)
{
    log_text(program, ACKD_LOG_WARN, event, key, value);
}

static void warn_of_no_profiles(const struct program *program, const char *reason)
{
    warn(program, "no profiles: the port is taken; see --pprof-listen", "reason", reason);
}

/* Profiles are for when they are wanted: a second server on the same machine, whose user has not
 * asked for port 6060, runs without. */
static int open_profiles(struct program *program)
{
    const struct options *const options = &program->options;
    const struct ackd_profile_options profile_options = {
        .listen = options->pprof_listen,
        .allow_remote = options->pprof_allow_remote,
        .on_http_thread = sandbox_http,
        .on_profile_thread = sandbox_profile,
        .on_thread_self = &program->sandbox,
    };
    struct ackd_error error;

    if (!options->pprof_listen) {
        if (options->pprof_is_default)
            warn_of_no_profiles(program, "another option has it");
        return 0;
    }
    const int status = ackd_profile_server_start(&program->profiles, &profile_options, &error);
    if (status == 0)
        return 0;
    if (status != -EADDRINUSE || !options->pprof_is_default)
        return fail(exit_code_of(status), error.text, " (option --pprof-listen)");
    warn_of_no_profiles(program, error.text);
    return 0;
}

/* The file @path of @option cannot be written, because of @code (an errno). */
static int fail_file(const char *option, const char *path, int code)
{
    char text[ACKD_ERROR_TEXT_SIZE];

    snprintf(text, sizeof text, "--%s=%.128s: %s", option, path, strerror(code));
    return fail(EXIT_SYSTEM, text, "");
}

/* Whether this thread may open @path, now that it has given up the rest.  Sets errno. */
static bool can_open(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0644);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Begins the profile that is written at the end.  The sampler's thread may do what this one may, so
 * that one gives up what it does not need before. */
static int start_profile(struct program *program)
{
    const char *const path = program->options.profile_on_exit;
    struct ackd_error error;

    /* Now, not when there is a profile to lose. */
    if (!can_open(path, O_WRONLY | O_CREAT))
        return fail_file("profile-on-exit", path, errno);
    if (ackd_profile_start(0, &error) < 0)
        return fail(EXIT_SYSTEM, error.text, " (option --profile-on-exit)");
    program->is_profiling = true;
    return 0;
}

static void show_options(const struct options *options, struct shown *ret_shown)
{
    size_t index = 0;
    const char *name;

    ret_shown->count = 0;
    while (ret_shown->count < OPTION_SHOWN_COUNT_MAX &&
           (name = options_next(options, &index, ret_shown->values[ret_shown->count]))) {
        const char *const value = ret_shown->values[ret_shown->count];
        ret_shown->facts[ret_shown->count++] = (struct ackd_admin_fact){name, value};
    }
}

/* Starts what serves metrics and the live page, which shows the options and where profiles are. */
static int open_admin(struct program *program)
{
    const struct options *const options = &program->options;
    struct ackd_error error;
    struct shown shown;

    show_options(options, &shown);
    const struct ackd_admin_options admin_options = {
        .listen = options->metrics_listen,
        .metrics_prefix = options->metrics_prefix,
        .more_metrics = ackd_profile_metrics,
        .facts = shown.facts,
        .fact_count = shown.count,
        .profiles_address =
            program->profiles ? ackd_profile_server_address(program->profiles) : NULL,
        .on_thread = sandbox_http,
        .on_thread_self = &program->sandbox,
    };
    const int status = ackd_admin_start(&program->admin, program->server, &admin_options, &error);
    if (status < 0)
        return fail(exit_code_of(status), error.text, " (option --metrics-listen)");
    return 0;
}

static int open_server(struct program *program)
{
    struct options *const options = &program->options;
    struct ackd_error error;
    int status = sandbox_begin(&program->sandbox, options, &error);

    if (status < 0)
        return fail(EXIT_SYSTEM, error.text, " (option --sandbox)");
    options->server.on_worker = sandbox_worker;
    options->server.on_worker_self = &program->sandbox;
    const struct ackd_handler_options handler_options = {.on_thread = sandbox_handler,
                                                         .on_thread_self = &program->sandbox};
    status = ackd_handler_parse_with(options->handler, &handler_options, &options->server.handler,
                                     &error);
    if (status < 0)
        return fail(exit_code_of(status), error.text, " (option --handler)");
    options->server.log = program->log;
    if (ackd_engine_check(options->server.engine, &error) < 0)
        return fail(EXIT_SYSTEM, error.text,
                    " (option --engine: --engine auto takes epoll where that is so)");
    status = ackd_server_new(&program->server, &options->server, &error);
    if (status < 0)
        return fail(exit_code_of(status), error.text, " (option --listen)");
    int code = open_profiles(program);
    if (code == 0 && options->metrics_listen)
        code = open_admin(program);
    return code;
}

/* A peer may keep for ever what such a limit would take from it. */
static void warn_of_unguarded(const struct program *program)
{
    const char *name;
    int index = 0;

    while ((name = options_next_unguarded(&program->options, &index)))
        warn(program, "a limit that protects the server is off", "option", name);
}

static void say_sandbox(const struct program *program)
{
    const struct sandbox *const sandbox = &program->sandbox;
    const struct ackd_log_field fields[] = {
        {"level", sandbox_level_name(sandbox->level), 0},
        {"landlock", NULL, sandbox->landlock},
        {"seccomp", sandbox->seccomp ? "yes" : "no", 0},
    };

    if (program->log.level >= ACKD_LOG_INFO)
        program->log.on_line(program->log.self, ACKD_LOG_INFO, "sandbox", fields, 3);
}

static void say_started(const struct program *program)
{
    const struct ackd_log_field fields[] = {
        {"version", ackd_version(), 0},
        {"engine", ackd_server_engine(program->server), 0},
        {"workers", NULL, ackd_server_worker_count(program->server)},
    };

    if (program->log.level >= ACKD_LOG_INFO)
        program->log.on_line(program->log.self, ACKD_LOG_INFO, "started", fields, 3);
}

static void say_profiles(const struct program *program)
{
    const char *reason;

    if (!program->profiles)
        return;
    say(program, "serving profiles", "address", ackd_profile_server_address(program->profiles));
    if (program->options.pprof_allow_remote)
        warn(program, "other machines may ask for profiles", "address",
             ackd_profile_server_address(program->profiles));
    if (!ackd_profile_has_lines(&reason))
        warn(program, "profiles will lack names or lines", "reason", reason);
}

static int start_server(struct program *program)
{
    struct ackd_error error;
    const char *const ports_file = program->options.ports_file;

    if (ackd_server_start(program->server, &error) < 0)
        return fail(EXIT_SYSTEM, error.text, " (option --workers)");
    if (ports_file) {
        const int status = write_ports_file(program, ports_file);
        if (status < 0)
            return fail_file("ports-file", ports_file, -status);
    }
    sandbox_serving(&program->sandbox);
    if (program->options.profile_on_exit) {
        const int code = start_profile(program);
        if (code != 0)
            return code;
    }
    if (program->options.config && !can_open(program->options.config, O_RDONLY))
        warn(program, "SIGHUP will not be able to read the config file", "reason", strerror(errno));
    warn_of_unguarded(program);
    say_sandbox(program);
    say_started(program);
    for (size_t i = 0; i < ackd_server_listen_count(program->server); i++)
        say(program, "listening", "address", ackd_server_listen_address(program->server, i));
    if (program->admin)
        say(program, "serving metrics", "address", ackd_admin_address(program->admin));
    say_profiles(program);
    systemd_say(&program->systemd, "READY=1\nSTATUS=Serving");
    return 0;
}

static uint64_t count_dropped(const struct program *program)
{
    struct ackd_server_stats stats;

    ackd_server_stats(program->server, &stats);
    return stats.acks_dropped;
}

static void refuse_reload(const struct program *program, const char *reason)
{
    log_text(program, ACKD_LOG_ERROR, "reload refused, the running options stay", "reason", reason);
}

/* Puts what @fresh has in place of what runs, where that is possible. */
static void apply(struct program *program, const struct options *fresh)
{
    const struct options before = program->options;
    struct options_changes changes;
    struct ackd_error error;
    struct shown shown;

    options_reload(&program->options, fresh, &changes);
    program->options.server.log.level = program->options.log_level;
    if (ackd_server_reload(program->server, &program->options.server, &error) < 0) {
        program->options = before;
        refuse_reload(program, error.text);
        return;
    }
    program->log.level = program->options.log_level;
    show_options(&program->options, &shown);
    if (program->admin && ackd_admin_set_facts(program->admin, shown.facts, shown.count) < 0)
        warn(program, "the live page shows the options from before", "reason", "no memory");
    if (changes.fixed[0])
        log_text(program, ACKD_LOG_WARN, "only a restart changes these", "options", changes.fixed);
    warn_of_unguarded(program);
    say(program, "reloaded", "changed", changes.changed);
}

/* Reads the command line and the config file again.  If they are not legal, all stays as it is. */
static void reload(struct program *program)
{
    struct options fresh;
    struct ackd_error error;

    systemd_say_reloading(&program->systemd);
    if (options_parse(program->argc, program->argv, &fresh, &error) == 0 &&
        check_descriptors(&fresh, &error) == 0) {
        apply(program, &fresh);
    } else {
        ackd_server_reload_failed(program->server);
        refuse_reload(program, error.text);
    }
    options_deinit(&fresh);
    systemd_say(&program->systemd, "READY=1");
}

/* Feeds the service manager's watchdog, as long as every worker moves. */
static void feed_watchdog(struct program *program)
{
    const uint32_t count = ackd_server_worker_count(program->server);
    uint64_t turns[SYSTEMD_WORKER_COUNT_MAX];

    if (systemd_feed_ms(&program->systemd) < 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        turns[i] = ackd_server_worker_turns(program->server, i);

    const int stuck = systemd_feed(&program->systemd, turns, count, systemd_now_ms());
    if (stuck >= 0) {
        const struct ackd_log_field field = {"worker", NULL, stuck};
        program->log.on_line(program->log.self, ACKD_LOG_ERROR,
                             "a worker is stuck: the watchdog is not fed", &field, 1);
    }
}

static void end(struct program *program, uint32_t signal, bool again)
{
    if (again) {
        say(program, "stopping at once", "signal", strsignal((int)signal));
        ackd_server_stop(program->server);
        return;
    }
    systemd_say(&program->systemd, "STOPPING=1\nSTATUS=Draining");
    say(program, "draining", "signal", strsignal((int)signal));
    ackd_server_drain(program->server);
}

/* Waits for the server to end; the first signal to end drains it, the second stops it.  Returns
 * how many acks were dropped on the way out: what peers threw away before by leaving is their
 * business. */
static uint64_t serve(struct program *program)
{
    uint64_t dropped_before = 0;
    struct pollfd fds[] = {
        {.fd = program->signal_fd, .events = POLLIN},
        {.fd = ackd_server_finished_fd(program->server), .events = POLLIN},
    };
    int signal_count = 0;

    for (;;) {
        struct signalfd_siginfo info;

        const int count = poll(fds, 2, systemd_feed_ms(&program->systemd));
        if (count < 0 && errno != EINTR)
            break;
        feed_watchdog(program);
        if (fds[1].revents & POLLIN)
            break;
        if (read(program->signal_fd, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo == SIGHUP) {
            reload(program);
            continue;
        }
        if (signal_count == 0)
            dropped_before = count_dropped(program);
        end(program, info.ssi_signo, signal_count++ > 0);
    }
    return count_dropped(program) - dropped_before;
}

static void report_end(const struct program *program)
{
    struct ackd_server_stats stats;

    ackd_server_stats(program->server, &stats);
    const struct ackd_log_field fields[] = {
        {"submits", NULL, (int64_t)stats.submits_received},
        {"acks", NULL, (int64_t)stats.submit_acks_sent},
        {"acks_dropped", NULL, (int64_t)stats.acks_dropped},
        {"accepted", NULL, (int64_t)stats.connections_accepted},
        {"closed", NULL, (int64_t)stats.connections_closed},
    };
    if (program->log.level >= ACKD_LOG_INFO)
        program->log.on_line(program->log.self, ACKD_LOG_INFO, "finished", fields, 5);
}

/* Returns @code, or what stands for the failure to write if that was well. */
static int write_profile(const struct program *program, int code)
{
    const char *const path = program->options.profile_on_exit;
    struct ackd_error error;

    if (ackd_profile_write(path, &error) == 0) {
        say(program, "profile written", "file", path);
        return code;
    }
    const int failure = fail(EXIT_SYSTEM, error.text, " (option --profile-on-exit)");
    return code == EXIT_SUCCESS ? failure : code;
}

static int run(struct program *program)
{
    struct ackd_error error;
    int code;

    raise_descriptor_limit();
    code = check_descriptors(&program->options, &error) < 0 ? fail(EXIT_CONFIG, error.text, "")
                                                            : open_server(program);
    if (code == 0)
        code = start_server(program);
    if (code == 0) {
        code = serve(program) > 0 ? EXIT_ACKS_DROPPED : EXIT_SUCCESS;
        report_end(program);
    }
    if (program->is_profiling)
        code = write_profile(program, code);
    ackd_profile_server_stop(program->profiles);
    ackd_admin_stop(program->admin);
    ackd_server_free(program->server);
    return code;
}

/* Does what the options ask for. */
static int obey(struct program *program)
{
    const struct options *const options = &program->options;

    if (options->help) {
        options_print_help(stdout);
        return EXIT_SUCCESS;
    }
    if (options->version) {
        printf("ackd %s\n", ackd_version());
        return EXIT_SUCCESS;
    }
    if (options->check_config) {
        puts("ackd: all options are legal");
        return EXIT_SUCCESS;
    }
    program->log = log_to_stderr(options->log_level, &options->log_format);
    systemd_open(&program->systemd);
    const int code = run(program);
    systemd_close(&program->systemd);
    return code;
}

int main(int argc, char **argv)
{
    struct program program = {.argc = argc, .argv = argv, .signal_fd = -1};
    struct ackd_error error;

    /* First: a SIGHUP that comes early is a reload too, and a SIGTERM a drain. */
    if (take_signals(&program) < 0)
        return fail(EXIT_SYSTEM, "cannot take signals", "");
    const int code = options_parse(argc, argv, &program.options, &error) < 0
                         ? fail(EXIT_CONFIG, error.text, "")
                         : obey(&program);

    options_deinit(&program.options);
    return code;
}
