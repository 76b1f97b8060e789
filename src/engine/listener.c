/* SPDX-License-Identifier: MIT
 *
 * listener - opens listening sockets (listener.h) */
#include "engine/listener.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    SECONDS_MAX = 32767,
    SYSTEM_IDLE_S = 2 * 60 * 60, /* net.ipv4.tcp_keepalive_time, as kernels come */
    SYSTEM_PROBE_S = 75,         /* net.ipv4.tcp_keepalive_intvl */
};

/* Sentences for what people meet most; others get the system's words. */
static int raise_for(struct ackd_error *error, int code, const char *what,
                     const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text);
    switch (-code) {
    case EADDRINUSE:
        return error_raise(error, code, "%s is in use: another server listens there", text);
    case EADDRNOTAVAIL:
        return error_raise(error, code, "%s is no address of this machine", text);
    case EACCES:
        return error_raise(error, code, "no permission to listen on %s", text);
    default:
        return error_raise(error, code, "%s on %s: %s", what, text, strerror(-code));
    }
}

static int open_socket(const struct address *address)
{
    const int fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int set_option(int fd, int level, int option)
{
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on) < 0 ? -errno : 0;
}

static int set_number(int fd, int option, uint32_t number)
{
    return setsockopt(fd, IPPROTO_TCP, option, &number, sizeof number) < 0 ? -errno : 0;
}

/* The kernel counts these two in whole seconds, of which it takes 1 to SECONDS_MAX. */
static int set_times(int fd, uint32_t timeout_ms, uint32_t idle_s, uint32_t probe_s)
{
    int code = set_number(fd, TCP_USER_TIMEOUT, timeout_ms);

    if (code == 0)
        code = set_number(fd, TCP_KEEPIDLE, idle_s);
    return code == 0 ? set_number(fd, TCP_KEEPINTVL, probe_s) : code;
}

int listener_set_peer_timeout(int fd, uint32_t timeout_ms, struct ackd_error *error)
{
    const uint32_t seconds = (timeout_ms + 999) / 1000;
    const uint32_t probe_s = seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
    const uint32_t idle_s = probe_s > SECONDS_MAX / LISTENER_KEEPALIVE_FACTOR
                                ? SECONDS_MAX
                                : probe_s * LISTENER_KEEPALIVE_FACTOR;
    const int code = timeout_ms > 0 ? set_times(fd, timeout_ms, idle_s, probe_s)
                                    : set_times(fd, 0, SYSTEM_IDLE_S, SYSTEM_PROBE_S);

    return code < 0 ? error_raise(error, code, "setting a peer timeout: %s", strerror(-code)) : 0;
}

static int bind_socket(int fd, const struct address *address)
{
    return bind(fd, (const struct sockaddr *)&address->storage, address->size) < 0 ? -errno : 0;
}

/* A unix socket's file outlives its server.  If nobody answers there, it goes. */
static int claim_unix(const struct address *address, struct ackd_error *error)
{
    const char *const path = address_unix_path(address);
    struct stat status;

    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : raise_for(error, -errno, "stat", address);
    if (!S_ISSOCK(status.st_mode))
        return error_raise(error, -EEXIST, "%s exists and is no socket", path);

    const int fd = open_socket(address);
    if (fd < 0)
        return raise_for(error, fd, "socket", address);
    const int code =
        connect(fd, (const struct sockaddr *)&address->storage, address->size) < 0 ? -errno : 0;
    close(fd);
    if (code != -ECONNREFUSED)
        return raise_for(error, -EADDRINUSE, "connect", address);
    return unlink(path) < 0 ? raise_for(error, -errno, "unlink", address) : 0;
}

static int claim(const struct address *address, struct ackd_error *error)
{
    if (address_unix_path(address))
        return claim_unix(address, error);

    /* Without SO_REUSEPORT the kernel refuses an address that has a listener. */
    const int fd = open_socket(address);
    if (fd < 0)
        return raise_for(error, fd, "socket", address);
    int code = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (code == 0 && address->storage.ss_family == AF_INET6)
        code = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (code == 0)
        code = bind_socket(fd, address);
    close(fd);
    return code < 0 ? raise_for(error, code, "bind", address) : 0;
}

int listener_claim(const struct address *address, struct ackd_error *error)
{
    const struct timespec pause = {.tv_nsec = LISTENER_CLAIM_PAUSE_MS * 1000000L};
    int code = 0;

    assert(address);
    for (int waited_ms = 0; waited_ms <= LISTENER_CLAIM_MS; waited_ms += LISTENER_CLAIM_PAUSE_MS) {
        code = claim(address, error);
        if (code != -EADDRINUSE)
            break;
        nanosleep(&pause, NULL);
    }
    return code;
}

/* What accepted TCP connections inherit: no waiting for more bytes before an ack leaves, and the
 * kernel finds out about peers that vanished. */
static int set_tcp_options(int fd, int family)
{
    int code = set_option(fd, SOL_SOCKET, SO_REUSEADDR);

    if (code == 0)
        code = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (code == 0 && family == AF_INET6)
        code = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (code == 0)
        code = set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    if (code == 0)
        code = set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
    return code;
}

int listener_open(const struct address *address, int *ret_fd, struct address *ret_bound,
                  struct ackd_error *error)
{
    struct address bound = {.size = sizeof bound.storage};
    int code = 0;

    assert(address && ret_fd && ret_bound);
    const int fd = open_socket(address);
    if (fd < 0)
        return raise_for(error, fd, "socket", address);
    if (!address_unix_path(address))
        code = set_tcp_options(fd, address->storage.ss_family);
    if (code < 0) {
        raise_for(error, code, "setsockopt", address);
        goto out;
    }
    code = bind_socket(fd, address);
    if (code < 0) {
        raise_for(error, code, "bind", address);
        goto out;
    }
    if (listen(fd, LISTENER_BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound.storage, &bound.size) < 0) {
        code = raise_for(error, -errno, "listen", address);
        goto out;
    }
    *ret_fd = fd;
    *ret_bound = bound;
    return 0;

out:
    close(fd);
    return code;
}

bool listener_queue(int fd, uint32_t *ret_waiting, uint32_t *ret_limit)
{
    struct tcp_info info;
    socklen_t size = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return false;
    *ret_waiting = info.tcpi_unacked;
    *ret_limit = info.tcpi_sacked;
    return true;
}
