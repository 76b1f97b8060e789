/* SPDX-License-Identifier: MIT
 *
 * peer_table - how many connections each address has (peer_table.h)
 *
 * Sources: ipv6(7), getrandom(2). */
#include "server/peer_table.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "server/limits.h"

enum {
    BUCKET_BITS = 16,
    PEER_BUCKET_COUNT = 1 << BUCKET_BITS,
};
_Static_assert(PEER_COUNT_MAX <= UINT16_MAX, "a peer_index holds them all");

int peer_table_init(struct peer_table *table)
{
    *table = (struct peer_table){
        .peers = calloc(PEER_COUNT_MAX + 1, sizeof *table->peers),
        .buckets = calloc(PEER_BUCKET_COUNT, sizeof *table->buckets),
    };
    if (!table->peers || !table->buckets) {
        peer_table_deinit(table);
        return -ENOMEM;
    }
    if (getrandom(&table->seed, sizeof table->seed, GRND_NONBLOCK) != sizeof table->seed)
        table->seed = clock_monotonic_ns();
    return 0;
}

void peer_table_deinit(struct peer_table *table)
{
    free(table->peers);
    free(table->buckets);
    *table = (struct peer_table){0};
}

/* What stands for @address in the table; false for what is no IP address. */
static bool read_address(const struct address *address, uint64_t *ret_address, bool *ret_is_ipv6)
{
    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *const ipv4 =
            (const struct sockaddr_in *)(const void *)&address->storage;

        *ret_address = ipv4->sin_addr.s_addr;
        *ret_is_ipv6 = false;
        return true;
    }
    if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *const ipv6 =
            (const struct sockaddr_in6 *)(const void *)&address->storage;

        /* A socket for both families, as systemd makes them, gives IPv4 as ::ffff:a.b.c.d. */
        if (IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr)) {
            uint32_t mapped;

            memcpy(&mapped, ipv6->sin6_addr.s6_addr + 12, sizeof mapped);
            *ret_address = mapped;
            *ret_is_ipv6 = false;
            return true;
        }
        memcpy(ret_address, ipv6->sin6_addr.s6_addr, sizeof *ret_address);
        *ret_is_ipv6 = true;
        return true;
    }
    return false;
}

static peer_index *bucket_of(const struct peer_table *table, uint64_t address)
{
    uint64_t hash = (address ^ table->seed) * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ (hash >> 32)) * ((table->seed << 1) | 1);
    return &table->buckets[hash >> (64 - BUCKET_BITS)];
}

/* --- those without connections, in the order in which they came to be so --- */

static void append_idle(struct peer_table *table, peer_index index)
{
    struct peer_entry *const peer = &table->peers[index];

    peer->older = table->newest;
    peer->newer = PEER_NONE;
    if (table->newest)
        table->peers[table->newest].newer = index;
    else
        table->oldest = index;
    table->newest = index;
}

static void remove_idle(struct peer_table *table, peer_index index)
{
    const struct peer_entry *const peer = &table->peers[index];

    if (peer->older)
        table->peers[peer->older].newer = peer->newer;
    else
        table->oldest = peer->newer;
    if (peer->newer)
        table->peers[peer->newer].older = peer->older;
    else
        table->newest = peer->older;
}

/* --- entries --- */

static void unchain(struct peer_table *table, peer_index index)
{
    peer_index *link = bucket_of(table, table->peers[index].address);

    while (*link != index)
        link = &table->peers[*link].chain;
    *link = table->peers[index].chain;
}

/* An entry to use: a fresh one, or the one that has been idle for longest. */
static peer_index take_entry(struct peer_table *table)
{
    if (table->peer_count < PEER_COUNT_MAX)
        return (peer_index)++table->peer_count;

    const peer_index index = table->oldest;
    if (index) {
        remove_idle(table, index);
        unchain(table, index);
    }
    return index;
}

static peer_index add(struct peer_table *table, uint64_t address, bool is_ipv6)
{
    const peer_index index = take_entry(table);

    if (!index)
        return PEER_NONE;

    peer_index *const bucket = bucket_of(table, address);
    table->peers[index] =
        (struct peer_entry){.address = address, .is_ipv6 = is_ipv6, .chain = *bucket};
    *bucket = index;
    append_idle(table, index);
    return index;
}

peer_index peer_table_find(struct peer_table *table, const struct address *address)
{
    uint64_t wanted;
    bool is_ipv6;

    if (!read_address(address, &wanted, &is_ipv6))
        return PEER_NONE;
    for (peer_index at = *bucket_of(table, wanted); at; at = table->peers[at].chain) {
        if (table->peers[at].address == wanted && table->peers[at].is_ipv6 == is_ipv6)
            return at;
    }
    return add(table, wanted, is_ipv6);
}

void peer_table_enter(struct peer_table *table, peer_index index)
{
    if (table->peers[index].conn_count++ == 0)
        remove_idle(table, index);
}

void peer_table_leave(struct peer_table *table, peer_index index)
{
    assert(table->peers[index].conn_count > 0);
    if (--table->peers[index].conn_count == 0)
        append_idle(table, index);
}
