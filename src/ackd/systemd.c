/* SPDX-License-Identifier: MIT
 *
 * systemd - tells the service manager how ackd does (systemd.h) */
#include "ackd/systemd.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"

/* The address: a path, or @NAME for a socket without one. */
static int open_socket(struct systemd *systemd, const char *name)
{
    const size_t size = strlen(name);

    if (size < 2 || size >= sizeof systemd->address.sun_path || (name[0] != '/' && name[0] != '@'))
        return -1;
    systemd->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(systemd->address.sun_path, name, size);
    if (name[0] == '@')
        systemd->address.sun_path[0] = '\0';
    systemd->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

void systemd_open(struct systemd *systemd)
{
    const char *const name = getenv("NOTIFY_SOCKET");
    const bool is_mine =
        !getenv("WATCHDOG_PID") || units_environment_count("WATCHDOG_PID") == (uint64_t)getpid();

    *systemd = (struct systemd){.fd = -1};
    if (name)
        systemd->fd = open_socket(systemd, name);
    if (is_mine)
        systemd->watchdog_ms = units_environment_count("WATCHDOG_USEC") / 1000;
}

void systemd_close(struct systemd *systemd)
{
    if (systemd->fd >= 0)
        close(systemd->fd);
    systemd->fd = -1;
}

void systemd_say(const struct systemd *systemd, const char *state)
{
    if (systemd->fd < 0)
        return;
    const ssize_t size = sendto(systemd->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                                (const struct sockaddr *)&systemd->address, systemd->address_size);
    (void)size; /* a manager that does not listen, or read, is no reason to stop serving */
}

void systemd_say_reloading(const struct systemd *systemd)
{
    char state[64];

    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             clock_monotonic_ns() / NS_PER_US);
    systemd_say(systemd, state);
}

int systemd_feed_ms(const struct systemd *systemd)
{
    const uint64_t wait_ms = systemd->watchdog_ms / 4;

    if (systemd->fd < 0 || systemd->watchdog_ms == 0)
        return -1;
    return wait_ms < 10 ? 10 : wait_ms > 60000 ? 60000 : (int)wait_ms;
}

uint64_t systemd_now_ms(void)
{
    return clock_monotonic_ns() / NS_PER_MS;
}

int systemd_feed(struct systemd *systemd, const uint64_t *turns, size_t worker_count,
                 uint64_t now_ms)
{
    int stuck = -1;

    assert(worker_count <= SYSTEMD_WORKER_COUNT_MAX);
    for (size_t i = 0; i < worker_count; i++) {
        if (turns[i] == UINT64_MAX || turns[i] != systemd->turns[i] || systemd->moved_ms[i] == 0) {
            systemd->turns[i] = turns[i];
            systemd->moved_ms[i] = now_ms;
        } else if (now_ms - systemd->moved_ms[i] > SYSTEMD_STUCK_MS) {
            stuck = (int)i;
        }
    }
    if (stuck < 0)
        systemd_say(systemd, "WATCHDOG=1");
    return stuck;
}
