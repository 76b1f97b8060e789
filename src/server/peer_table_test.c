/* SPDX-License-Identifier: MIT
 *
 * peer_table_test - the same address is the same entry, and the table is never more than full */
#include "server/peer_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/limits.h"

static struct address ipv4(uint32_t number)
{
    struct address address = {.size = sizeof(struct sockaddr_in)};
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)number),
                                   .sin_addr.s_addr = htonl(number)};

    memcpy(&address.storage, &in, sizeof in);
    return address;
}

static struct address ipv6(const char *text)
{
    struct address address = {.size = sizeof(struct sockaddr_in6)};
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};

    assert_int_equal(inet_pton(AF_INET6, text, &in.sin6_addr), 1);
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

static peer_index find(struct peer_table *table, struct address address)
{
    return peer_table_find(table, &address);
}

static void addresses_are_told_apart(void **state)
{
    const struct address unix_peer = {.size = 2, .storage.ss_family = AF_UNIX};
    struct peer_table table;

    (void)state;
    assert_int_equal(peer_table_init(&table), 0);
    const peer_index first = find(&table, ipv4(0x7f000001));
    const peer_index network = find(&table, ipv6("2001:db8:0:1::1"));

    assert_int_not_equal(first, PEER_NONE);
    assert_int_equal(find(&table, ipv4(0x7f000001)), first);
    assert_int_not_equal(find(&table, ipv4(0x7f000002)), first);
    assert_int_equal(find(&table, ipv6("2001:db8:0:1:ffff:ffff:ffff:ffff")), network);
    assert_int_not_equal(find(&table, ipv6("2001:db8:0:2::1")), network);
    /* An IPv6 network whose bytes are those of an IPv4 address. */
    assert_int_not_equal(find(&table, ipv6("7f00:1::")), first);
    /* What a socket for both families says of IPv4. */
    assert_int_equal(find(&table, ipv6("::ffff:127.0.0.1")), first);
    assert_int_not_equal(find(&table, ipv6("::ffff:127.0.0.3")), first);
    assert_int_not_equal(find(&table, ipv6("::fffe:7f00:1")), first);
    assert_int_equal(find(&table, unix_peer), PEER_NONE);
    peer_table_deinit(&table);
}

static void a_full_table_gives_up_who_left_first(void **state)
{
    struct peer_table table;

    (void)state;
    assert_int_equal(peer_table_init(&table), 0);
    for (uint32_t i = 1; i <= PEER_COUNT_MAX; i++)
        peer_table_enter(&table, find(&table, ipv4(i)));
    assert_int_equal(find(&table, ipv4(PEER_COUNT_MAX + 1)), PEER_NONE);
    assert_int_equal(table.peer_count, PEER_COUNT_MAX);

    const peer_index second = find(&table, ipv4(2));
    const peer_index first = find(&table, ipv4(1));
    peer_table_leave(&table, second);
    peer_table_leave(&table, first);
    assert_int_equal(find(&table, ipv4(PEER_COUNT_MAX + 1)), second);
    peer_table_enter(&table, second);
    /* Who comes back in time finds its entry, and keeps it. */
    assert_int_equal(find(&table, ipv4(1)), first);
    peer_table_enter(&table, first);
    assert_int_equal(find(&table, ipv4(2)), PEER_NONE);
    assert_int_equal(find(&table, ipv4(PEER_COUNT_MAX)), PEER_COUNT_MAX);
    peer_table_deinit(&table);
}

/* Random comings and goings, against a plain array of counts. */
static void counts_are_those_of_a_plain_array(void **state)
{
    enum { ADDRESS_COUNT = 500, STEP_COUNT = 200000 };
    static uint32_t counts[ADDRESS_COUNT];
    struct peer_table table;
    unsigned seed = 1;

    (void)state;
    assert_int_equal(peer_table_init(&table), 0);
    for (int i = 0; i < STEP_COUNT; i++) {
        const uint32_t at = (uint32_t)rand_r(&seed) % ADDRESS_COUNT;
        const peer_index peer = find(&table, ipv4(at));

        assert_int_equal(table.peers[peer].conn_count, counts[at]);
        if (counts[at] > 0 && rand_r(&seed) % 2) {
            peer_table_leave(&table, peer);
            counts[at]--;
        } else if (rand_r(&seed) % 2) {
            peer_table_enter(&table, peer);
            counts[at]++;
        }
    }
    assert_true(table.peer_count <= ADDRESS_COUNT);
    peer_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(a_full_table_gives_up_who_left_first),
        cmocka_unit_test(counts_are_those_of_a_plain_array),
    };
    return cmocka_run_group_tests_name("peer_table", tests, NULL, NULL);
}
