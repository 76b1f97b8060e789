/* SPDX-License-Identifier: MIT
 *
 * inherited - listening sockets that systemd passed on (inherited.h) */
#include "server/inherited.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"

enum {
    FIRST_FD = 3,
    FD_COUNT_MAX = 1024,
};

static const char word[] = "systemd";

bool inherited_parse(const char *text, const char **ret_name)
{
    const size_t size = sizeof word - 1;

    if (strncmp(text, word, size) != 0)
        return false;
    *ret_name = text + size;
    if (text[size] == '\0')
        return true;
    (*ret_name)++;
    return text[size] == ':' && text[size + 1] != '\0';
}

static int count_passed(void)
{
    const uint64_t count = units_environment_count("LISTEN_FDS");

    if (units_environment_count("LISTEN_PID") != (uint64_t)getpid() || count > FD_COUNT_MAX)
        return 0;
    return (int)count;
}

/* True if the @index-th of the names is @name. */
static bool is_called(int index, const char *name)
{
    const char *at = getenv("LISTEN_FDNAMES");

    for (; at && index > 0; index--) {
        at = strchr(at, ':');
        at = at ? at + 1 : NULL;
    }
    if (!at)
        return false;
    const size_t size = strcspn(at, ":");
    return strlen(name) == size && strncmp(at, name, size) == 0;
}

static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -errno : value;
}

/* As a socket of our own would be (listener.h). */
static int prepare(int fd, struct ackd_error *error)
{
    const int on = 1;
    const int flags = fcntl(fd, F_GETFL);

    if (option_of(fd, SO_ACCEPTCONN) <= 0 || option_of(fd, SO_TYPE) != SOCK_STREAM)
        return error_raise(error, -ENOTSOCK,
                           "descriptor %d from systemd is no listening stream socket: use "
                           "ListenStream= and Accept=no",
                           fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return error_raise(error, -errno, "descriptor %d from systemd: %s", fd, strerror(errno));
    if (option_of(fd, SO_DOMAIN) == AF_UNIX)
        return 0;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) < 0)
        return error_raise(error, -errno, "descriptor %d from systemd: %s", fd, strerror(errno));
    return 0;
}

int inherited_find(const char *name, int *ret_fds, size_t fds_max, struct ackd_error *error)
{
    const int passed_count = count_passed();
    int count = 0;

    for (int i = 0; i < passed_count; i++) {
        if (*name && !is_called(i, name))
            continue;
        if ((size_t)count == fds_max)
            return error_raise(error, -EMFILE, "systemd has passed too many sockets: at most %zu",
                               fds_max);
        const int status = prepare(FIRST_FD + i, error);
        if (status < 0)
            return status;
        ret_fds[count++] = FIRST_FD + i;
    }
    if (count == 0)
        return error_raise(error, -ENOENT, "systemd has passed no socket%s%s: is there a .socket?",
                           *name ? " called " : "", name);
    return count;
}

int inherited_address(int fd, struct address *ret_address, struct ackd_error *error)
{
    *ret_address = (struct address){.size = sizeof ret_address->storage};
    if (getsockname(fd, (struct sockaddr *)&ret_address->storage, &ret_address->size) < 0)
        return error_raise(error, -errno, "descriptor %d from systemd: %s", fd, strerror(errno));
    return 0;
}
