/* SPDX-License-Identifier: MIT
 *
 * listener - opens listening sockets
 *
 * TCP: one socket per worker on the same address (SO_REUSEPORT); the kernel spreads connections, by
 * a hash.  unix: one socket, which the workers share.  What is uneven of that is evened out by
 * server/handoff.h.
 *
 * SO_REUSEPORT has a catch: a second server of the same user would share the address without a
 * word and take half of the connections.  So an address is claimed once before it is opened. */
#ifndef ENGINE_LISTENER_H
#define ENGINE_LISTENER_H

#include <stdint.h>

#include "base/address.h"

enum {
    /* Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn. */
    LISTENER_BACKLOG = 4096,
    /* How long an address may still be in use before that is an error. */
    LISTENER_CLAIM_MS = 500,
    LISTENER_CLAIM_PAUSE_MS = 20,

    /* Peers that are idle are asked for a sign of life after so many times the peer timeout. */
    LISTENER_KEEPALIVE_FACTOR = 4,
};

/* Checks that nobody listens on @address, and removes a unix socket that a dead server left.
 * -EADDRINUSE when somebody does, for LISTENER_CLAIM_MS: a killed server that used io_uring
 * listens until the kernel has taken its rings down, which is after its process was reaped. */
int listener_claim(const struct address *address, struct ackd_error *error);

/* Opens a listening socket on @address, non-blocking and close-on-exec.  @ret_bound is the address
 * with the port that was chosen for port 0.  On failure nothing is open and no output changed. */
int listener_open(const struct address *address, int *ret_fd, struct address *ret_bound,
                  struct ackd_error *error);

/* Makes the kernel give up connections of TCP socket @fd whose peer has not confirmed what was sent
 * for @timeout_ms, and ask idle ones for a sign of life after LISTENER_KEEPALIVE_FACTOR times that.
 * 0 gives it the times that Linux comes with (never; two hours), whatever sysctl says: what a
 * socket once had cannot be had back.  Accepted sockets inherit it.  0 or a negative errno. Source:
 * tcp(7), TCP_USER_TIMEOUT. */
int listener_set_peer_timeout(int fd, uint32_t timeout_ms, struct ackd_error *error);

/* How many connections wait to be accepted on TCP socket @fd, and how many may.  False for other
 * sockets.  Source: tcp(7), TCP_INFO on a listening socket. */
bool listener_queue(int fd, uint32_t *ret_waiting, uint32_t *ret_limit);

#endif
