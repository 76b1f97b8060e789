/* SPDX-License-Identifier: MIT
 *
 * admission - which connections are let in (admission.h) */
#include "server/admission.h"

#include <assert.h>

void admission_init(struct admission *admission)
{
    *admission = (struct admission){0};
    pthread_mutex_init(&admission->mutex, NULL);
}

void admission_deinit(struct admission *admission)
{
    peer_table_deinit(&admission->peers);
    pthread_mutex_destroy(&admission->mutex);
}

int admission_limit(struct admission *admission, const struct admission_limits *limits)
{
    const bool is_per_ip = limits->conns_per_ip_max > 0 || limits->rate_per_ip > 0;
    int status = 0;

    pthread_mutex_lock(&admission->mutex);
    if (is_per_ip && !admission->peers.peers)
        status = peer_table_init(&admission->peers);
    if (status == 0) {
        admission->limits = *limits;
        atomic_store(&admission->conns_max, limits->conns_max);
        atomic_store(&admission->is_limited, is_per_ip || limits->rate > 0);
        atomic_store(&admission->is_per_ip, is_per_ip);
    }
    pthread_mutex_unlock(&admission->mutex);
    return status;
}

/* The limits of one address; what is refused there costs the others nothing of their rate. */
static enum admission_verdict enter_peer(struct admission *admission, peer_index index,
                                         uint64_t now_ns)
{
    const struct admission_limits *const limits = &admission->limits;
    struct peer_entry *const peer = &admission->peers.peers[index];

    if (limits->conns_per_ip_max > 0 && peer->conn_count >= limits->conns_per_ip_max)
        return ADMISSION_MAX_CONNS_PER_IP;
    if (limits->rate_per_ip > 0 && !rate_take(&peer->rate, limits->rate_per_ip, now_ns))
        return ADMISSION_RATE_PER_IP;
    return ADMISSION_GRANTED;
}

static enum admission_verdict enter_locked(struct admission *admission,
                                           const struct address *address, uint64_t now_ns,
                                           peer_index *ret_peer)
{
    const struct admission_limits *const limits = &admission->limits;
    const peer_index peer = admission_is_per_ip(admission) && address
                                ? peer_table_find(&admission->peers, address)
                                : PEER_NONE;

    if (peer != PEER_NONE) {
        const enum admission_verdict verdict = enter_peer(admission, peer, now_ns);
        if (verdict != ADMISSION_GRANTED)
            return verdict;
    }
    if (limits->rate > 0 && !rate_take(&admission->rate, limits->rate, now_ns))
        return ADMISSION_RATE;
    if (peer != PEER_NONE)
        peer_table_enter(&admission->peers, peer);
    *ret_peer = peer;
    return ADMISSION_GRANTED;
}

enum admission_verdict admission_enter(struct admission *admission, const struct address *address,
                                       uint64_t now_ns, peer_index *ret_peer)
{
    enum admission_verdict verdict = ADMISSION_GRANTED;

    *ret_peer = PEER_NONE;
    if (atomic_fetch_add(&admission->conn_count, 1) >=
        atomic_load_explicit(&admission->conns_max, memory_order_relaxed)) {
        atomic_fetch_sub(&admission->conn_count, 1);
        return ADMISSION_MAX_CONNS;
    }
    if (atomic_load_explicit(&admission->is_limited, memory_order_relaxed)) {
        pthread_mutex_lock(&admission->mutex);
        verdict = enter_locked(admission, address, now_ns, ret_peer);
        pthread_mutex_unlock(&admission->mutex);
    }
    if (verdict != ADMISSION_GRANTED)
        atomic_fetch_sub(&admission->conn_count, 1);
    return verdict;
}

void admission_leave(struct admission *admission, peer_index peer)
{
    if (peer != PEER_NONE) {
        pthread_mutex_lock(&admission->mutex);
        peer_table_leave(&admission->peers, peer);
        pthread_mutex_unlock(&admission->mutex);
    }
    assert(admission->conn_count > 0);
    atomic_fetch_sub(&admission->conn_count, 1);
}
