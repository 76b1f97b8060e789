/* SPDX-License-Identifier: MIT
 *
 * dial - opens the connections of a run (dial.h) */
#include "load/dial.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    PENDING_COUNT_MAX = 64,
    PROGRESS_TIMEOUT_MS = 10000,
    /* A unix socket with a full backlog says so at once; then it is asked again. */
    RETRY_MS = 2,
    /* Descriptors beside the connections: epoll, eventfd, files. */
    SPARE_FD_COUNT = 64,
};

struct dialing {
    const struct address *address;
    uint32_t count;
    uint32_t opened_count; /* all that were begun */
    uint32_t pending_count;
    int *fds;
    struct pollfd pending[PENDING_COUNT_MAX];
    uint64_t progress_ns; /* when something last succeeded */
    bool backlog_full;
};

static int raise_fd_limit(uint32_t count, struct ackd_error *error)
{
    const rlim_t wanted = (rlim_t)count + SPARE_FD_COUNT;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return 0;
    if (limit.rlim_max < wanted)
        return error_raise(error, -EMFILE,
                           "%u connections need %llu file descriptors and %llu are allowed: "
                           "raise the limit (ulimit -Hn) or lower -c",
                           count, (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    return 0;
}

static const char *hint_of(int code)
{
    switch (code) {
    case ECONNREFUSED:
    case ENOENT:
        return "is ackd running there? --connect says where to connect";
    case ETIMEDOUT:
        return "nobody answers; is the address right, and is a firewall between?";
    case EADDRNOTAVAIL:
        return "no local port is free; lower -c or wait for old connections to end";
    case EMFILE:
    case ENFILE:
        return "too many open files; lower -c";
    default:
        return "--connect says where to connect";
    }
}

static int fail(const struct dialing *dialing, int code, struct ackd_error *error)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(dialing->address, text);
    return error_raise(error, -code, "cannot connect to %s: %s (%u of %u connections open): %s",
                       text, strerror(code), dialing->opened_count - dialing->pending_count,
                       dialing->count, hint_of(code));
}

/* Begins one connection.  Returns 0, or the errno that stopped it. */
static int begin(struct dialing *dialing)
{
    const int family = dialing->address->storage.ss_family;
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;

    if (fd < 0)
        return errno;
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&dialing->address->storage, dialing->address->size) <
        0) {
        const int code = errno;
        if (code != EINPROGRESS) {
            close(fd);
            return code;
        }
        dialing->pending[dialing->pending_count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    } else {
        dialing->progress_ns = clock_monotonic_ns();
    }
    dialing->fds[dialing->opened_count++] = fd;
    return 0;
}

/* Begins as many connections as may be under way at once.  Returns 0 or an errno. */
static int begin_some(struct dialing *dialing)
{
    dialing->backlog_full = false;
    while (dialing->opened_count < dialing->count && dialing->pending_count < PENDING_COUNT_MAX) {
        const int code = begin(dialing);
        if (code == EAGAIN) {
            dialing->backlog_full = true;
            return 0;
        }
        if (code != 0)
            return code;
    }
    return 0;
}

/* Waits for connections to open.  Returns 0 or the errno of one that failed. */
static int wait_some(struct dialing *dialing)
{
    if (dialing->pending_count == 0 && !dialing->backlog_full)
        return 0;
    const int ready = poll(dialing->pending, dialing->pending_count,
                           dialing->backlog_full ? RETRY_MS : PROGRESS_TIMEOUT_MS);
    if (ready <= 0) {
        const uint64_t waited_ns = clock_monotonic_ns() - dialing->progress_ns;
        return waited_ns >= PROGRESS_TIMEOUT_MS * NS_PER_MS ? ETIMEDOUT : 0;
    }

    uint32_t kept = 0;
    for (uint32_t i = 0; i < dialing->pending_count; i++) {
        const struct pollfd pending = dialing->pending[i];
        int code = 0;
        socklen_t size = sizeof code;
        if (pending.revents == 0) {
            dialing->pending[kept++] = pending;
            continue;
        }
        if (getsockopt(pending.fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
            code = errno;
        if (code != 0)
            return code;
    }
    dialing->pending_count = kept;
    dialing->progress_ns = clock_monotonic_ns();
    return 0;
}

int dial_all(const struct address *address, uint32_t count, int *ret_fds, struct ackd_error *error)
{
    struct dialing dialing = {
        .address = address,
        .count = count,
        .fds = ret_fds,
        .progress_ns = clock_monotonic_ns(),
    };

    int code = -raise_fd_limit(count, error);
    if (code != 0)
        return -code;
    while (code == 0 && (dialing.opened_count < count || dialing.pending_count > 0)) {
        code = begin_some(&dialing);
        if (code == 0)
            code = wait_some(&dialing);
    }
    if (code == 0)
        return 0;
    for (uint32_t i = 0; i < dialing.opened_count; i++)
        close(dialing.fds[i]);
    return fail(&dialing, code, error);
}
