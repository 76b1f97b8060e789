/* SPDX-License-Identifier: MIT
 *
 * admission - which connections are let in: how many, how fast, and how many of one address
 *
 * The workers of a server share one.  The number of connections is an atomic; limits of rate or per
 * address have a lock, at accept and close only, and only where there is such a limit. */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/peer_table.h"

/* 0 is unlimited, but for conns_max. */
struct admission_limits {
    uint32_t conns_max;
    uint32_t conns_per_ip_max;
    uint32_t rate; /* a second */
    uint32_t rate_per_ip;
};

struct admission {
    _Atomic uint32_t conn_count; /* admitted and not yet gone */
    _Atomic uint32_t conns_max;
    _Atomic bool is_limited; /* there are other limits than conns_max */
    _Atomic bool is_per_ip;  /* ... of an address */
    pthread_mutex_t mutex;   /* of what follows */
    struct admission_limits limits;
    struct rate rate;
    struct peer_table peers; /* empty, until there is a limit per address */
};

enum admission_verdict {
    ADMISSION_GRANTED,
    ADMISSION_MAX_CONNS,
    ADMISSION_MAX_CONNS_PER_IP,
    ADMISSION_RATE,
    ADMISSION_RATE_PER_IP,
};

/* Nobody is let in until there are limits. */
void admission_init(struct admission *admission);
void admission_deinit(struct admission *admission);

/* Sets the limits, or changes them: who is in stays, and those who came while no limit per address
 * applied do not count towards one.  0; or -ENOMEM, and nothing has changed.  Any thread. */
int admission_limit(struct admission *admission, const struct admission_limits *limits);

/* Whether the peers' addresses matter. */
static inline bool admission_is_per_ip(const struct admission *admission)
{
    return atomic_load_explicit(&admission->is_per_ip, memory_order_relaxed);
}

/* Decides about a connection from @address (may be NULL where addresses do not matter) at @now_ns.
 * What is granted ends with admission_leave(), with the same *ret_peer; that is PEER_NONE where no
 * limit per address applies.  Any thread. */
enum admission_verdict admission_enter(struct admission *admission, const struct address *address,
                                       uint64_t now_ns, peer_index *ret_peer);
void admission_leave(struct admission *admission, peer_index peer);

#endif
