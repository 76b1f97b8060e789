/* SPDX-License-Identifier: MIT
 *
 * common - main() of the three stages: options, sockets, accepting, the end (common.h)
 *
 * SIGTERM and SIGINT end the server: what has arrived is answered, and all threads are joined.
 * Exit codes are ackd's: 0, 3 if acks were dropped on the way out, 71, 78. */
#include "common.h"

#include <ackd/profile.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "common_http.h"
#include "common_threads.h"
#include "engine/listener.h"
#include "http/http.h"

enum {
    EXIT_ACKS_DROPPED = 3,
    EXIT_SYSTEM = 71,
    EXIT_CONFIG = 78,

    ACCEPT_PAUSE_MS = 100,
    PATH_SIZE = 4096,
};

struct program {
    const char *listen;
    const char *metrics_listen;
    const char *pprof_listen;
    const char *ports_file;
    int signal_fd;
    int listen_fd;
    struct address listen_bound;
    struct address metrics_bound;
    struct http *metrics;
    struct ackd_profile_server *profiles;
};

static void print_help(void)
{
    printf("Usage: %s [OPTION]...\n\n"
           "A stage of the teaching ladder (docs/LADDER.md): answers every SUBMIT with a\n"
           "SUBMIT_ACK, with a thread for each connection.\n\n"
           "  --listen ADDR:PORT               where to listen (127.0.0.1:8888)\n"
           "  --metrics-listen ADDR:PORT|off   where to serve /metrics (127.0.0.1:8889)\n"
           "  --pprof-listen ADDR:PORT|off     where to serve /debug/pprof (127.0.0.1:6060)\n"
           "  --ports-file FILE                write what was bound to FILE\n"
           "  --help                           print this and exit\n\n"
           "Port 0 takes any. SIGTERM ends it; at most %d connections are served.\n",
           stage_name, CONNECTION_COUNT_MAX);
}

static const char *or_off(const char *address)
{
    return strcmp(address, "off") == 0 ? NULL : address;
}

/* False when the options are not legal, which getopt has said then. */
static bool parse_options(int argc, char **argv, struct program *program)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"metrics-listen", required_argument, NULL, 'm'},
        {"pprof-listen", required_argument, NULL, 'p'},
        {"ports-file", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            program->listen = optarg;
            break;
        case 'm':
            program->metrics_listen = or_off(optarg);
            break;
        case 'p':
            program->pprof_listen = or_off(optarg);
            break;
        case 'f':
            program->ports_file = optarg;
            break;
        case 'h':
            print_help();
            exit(EXIT_SUCCESS);
        default:
            return false;
        }
    }
    if (optind < argc)
        fprintf(stderr, "%s: '%s' is no option; see --help\n", stage_name, argv[optind]);
    return optind == argc;
}

static int fail(const char *text, const char *advice)
{
    fprintf(stderr, "%s: %s%s\n", stage_name, text, advice);
    return EXIT_SYSTEM;
}

/* SIGTERM and SIGINT arrive at signal_fd; a write to a peer that has gone is an error of write. */
static int take_signals(struct program *program)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    program->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return program->signal_fd;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_sockets(struct program *program)
{
    struct address address;
    struct ackd_error error;
    int status = address_parse(program->listen, false, &address, &error);

    if (status == 0)
        status = listener_claim(&address, &error);
    if (status == 0)
        status = listener_open(&address, &program->listen_fd, &program->listen_bound, &error);
    if (status < 0)
        return fail(error.text, " (option --listen)");
    if (program->metrics_listen && metrics_start(&program->metrics, program->metrics_listen,
                                                 &program->metrics_bound, &error) < 0)
        return fail(error.text, " (option --metrics-listen)");
    return 0;
}

static int open_profiles(struct program *program)
{
    const struct ackd_profile_options options = {.listen = program->pprof_listen};
    struct ackd_error error;

    if (program->pprof_listen &&
        ackd_profile_server_start(&program->profiles, &options, &error) < 0)
        return fail(error.text, " (option --pprof-listen)");
    return 0;
}

static void print_bound(FILE *to, const char *what, const struct address *bound, const char *rest)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(bound, text);
    fprintf(to, "%s %s%s\n", what, text, rest);
}

/* As ackd's: under another name first, so that who waits for the file reads all of it. */
static int write_ports_file(const struct program *program)
{
    char temporary[PATH_SIZE];

    if (snprintf(temporary, sizeof temporary, "%s.tmp", program->ports_file) >= PATH_SIZE)
        return fail(strerror(ENAMETOOLONG), " (option --ports-file)");
    FILE *const file = fopen(temporary, "we");
    if (!file)
        return fail(strerror(errno), " (option --ports-file)");
    print_bound(file, "listen", &program->listen_bound, " dialect=spec");
    if (program->metrics)
        print_bound(file, "metrics", &program->metrics_bound, "");
    if (program->profiles)
        fprintf(file, "pprof %s\n", ackd_profile_server_address(program->profiles));
    if (fclose(file) != 0 || rename(temporary, program->ports_file) < 0)
        return fail(strerror(errno), " (option --ports-file)");
    return 0;
}

/* Accepts until a signal comes.  When accept fails, for want of descriptors as a rule, it would
 * fail again at once: the next attempt waits. */
static void serve(const struct program *program)
{
    struct pollfd fds[] = {
        {.fd = program->signal_fd, .events = POLLIN},
        {.fd = program->listen_fd, .events = POLLIN},
    };
    int status = 0;

    for (;;) {
        poll(fds, status < 0 ? 1 : 2, status < 0 ? ACCEPT_PAUSE_MS : -1);
        if (fds[0].revents & POLLIN)
            return;
        status = threads_accept(program->listen_fd);
    }
}

static uint64_t count_dropped(void)
{
    return threads_sum(NULL, offsetof(struct counters, acks_dropped));
}

static int run(struct program *program)
{
    raise_descriptor_limit();
    if (take_signals(program) < 0)
        return fail("cannot take signals", "");
    int code = open_sockets(program);
    if (code == 0)
        code = open_profiles(program);
    if (code == 0 && program->ports_file)
        code = write_ports_file(program);
    if (code != 0)
        return code;

    print_bound(stderr, stage_name, &program->listen_bound, ": a thread for each connection");
    serve(program);
    close(program->listen_fd);
    const uint64_t dropped_before = count_dropped();
    threads_end();
    return count_dropped() > dropped_before ? EXIT_ACKS_DROPPED : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct program program = {.listen = "127.0.0.1:8888",
                              .metrics_listen = "127.0.0.1:8889",
                              .pprof_listen = "127.0.0.1:6060"};

    if (!parse_options(argc, argv, &program))
        return EXIT_CONFIG;
    const int code = run(&program);
    ackd_profile_server_stop(program.profiles);
    http_stop(program.metrics);
    return code;
}
