/* SPDX-License-Identifier: MIT
 *
 * admission_test - who is let in, and that who is not costs the others nothing */
#include "server/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static enum admission_verdict enter(struct admission *admission, uint32_t number, uint64_t now_ns,
                                    peer_index *ret_peer)
{
    struct address address = {.size = sizeof(struct sockaddr_in)};
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(number)};

    memcpy(&address.storage, &in, sizeof in);
    return admission_enter(admission, &address, now_ns, ret_peer);
}

static void setup(struct admission *admission, struct admission_limits limits)
{
    admission_init(admission);
    assert_int_equal(admission_limit(admission, &limits), 0);
}

static void without_limits_of_addresses_there_is_no_table(void **state)
{
    struct admission admission;
    peer_index peer;

    (void)state;
    setup(&admission, (struct admission_limits){.conns_max = 2});
    assert_null(admission.peers.peers);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(admission_enter(&admission, NULL, 0, &peer), ADMISSION_GRANTED);
        assert_int_equal(peer, PEER_NONE);
    }
    assert_int_equal(admission_enter(&admission, NULL, 0, &peer), ADMISSION_MAX_CONNS);
    admission_leave(&admission, PEER_NONE);
    assert_int_equal(admission_enter(&admission, NULL, 0, &peer), ADMISSION_GRANTED);
    admission_deinit(&admission);
}

static void each_address_has_its_number(void **state)
{
    struct admission admission;
    peer_index first;
    peer_index second;
    peer_index peer;

    (void)state;
    setup(&admission, (struct admission_limits){.conns_max = 3, .conns_per_ip_max = 1});
    assert_int_equal(enter(&admission, 1, 0, &first), ADMISSION_GRANTED);
    assert_int_equal(enter(&admission, 1, 0, &peer), ADMISSION_MAX_CONNS_PER_IP);
    assert_int_equal(enter(&admission, 2, 0, &second), ADMISSION_GRANTED);
    assert_int_not_equal(first, second);
    admission_leave(&admission, first);
    assert_int_equal(enter(&admission, 2, 0, &peer), ADMISSION_MAX_CONNS_PER_IP);
    assert_int_equal(enter(&admission, 1, 0, &first), ADMISSION_GRANTED);
    assert_int_equal(admission.conn_count, 2);
    admission_leave(&admission, first);
    admission_leave(&admission, second);
    assert_int_equal(admission.conn_count, 0);
    admission_deinit(&admission);
}

static void a_refused_address_takes_nothing_of_the_others_rate(void **state)
{
    struct admission admission;
    peer_index peer;

    (void)state;
    setup(&admission, (struct admission_limits){.conns_max = 100, .rate = 5, .rate_per_ip = 2});
    for (int i = 0; i < 50; i++)
        assert_int_equal(enter(&admission, 1, 1, &peer),
                         i < 2 ? ADMISSION_GRANTED : ADMISSION_RATE_PER_IP);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(enter(&admission, 2 + i, 1, &peer), ADMISSION_GRANTED);
    assert_int_equal(enter(&admission, 9, 1, &peer), ADMISSION_RATE);
    assert_int_equal(admission.conn_count, 5);
    /* A second later there is as much again. */
    assert_int_equal(enter(&admission, 1, 1 + NS_PER_S, &peer), ADMISSION_GRANTED);
    assert_int_equal(enter(&admission, 9, 1 + NS_PER_S, &peer), ADMISSION_GRANTED);
    admission_deinit(&admission);
}

static void limits_change_beneath_those_who_are_in(void **state)
{
    const struct admission_limits wide = {.conns_max = 100};
    const struct admission_limits narrow = {.conns_max = 4, .conns_per_ip_max = 1};
    struct admission admission;
    peer_index before;
    peer_index counted;
    peer_index peer;

    (void)state;
    setup(&admission, wide);
    assert_int_equal(enter(&admission, 1, 0, &before), ADMISSION_GRANTED);
    assert_int_equal(before, PEER_NONE);
    assert_int_equal(admission_limit(&admission, &narrow), 0);
    assert_true(admission_is_per_ip(&admission));
    assert_int_equal(enter(&admission, 1, 0, &counted), ADMISSION_GRANTED);
    assert_int_equal(enter(&admission, 1, 0, &peer), ADMISSION_MAX_CONNS_PER_IP);
    assert_int_equal(admission_limit(&admission, &wide), 0);
    assert_int_equal(enter(&admission, 1, 0, &peer), ADMISSION_GRANTED);
    assert_int_equal(peer, PEER_NONE);
    /* The one who was counted still is, and leaves in order. */
    assert_int_equal(admission_limit(&admission, &narrow), 0);
    assert_int_equal(enter(&admission, 1, 0, &peer), ADMISSION_MAX_CONNS_PER_IP);
    admission_leave(&admission, counted);
    assert_int_equal(enter(&admission, 1, 0, &counted), ADMISSION_GRANTED);
    assert_int_equal(enter(&admission, 2, 0, &peer), ADMISSION_GRANTED);
    assert_int_equal(enter(&admission, 3, 0, &peer), ADMISSION_MAX_CONNS);
    admission_deinit(&admission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_of_addresses_there_is_no_table),
        cmocka_unit_test(each_address_has_its_number),
        cmocka_unit_test(a_refused_address_takes_nothing_of_the_others_rate),
        cmocka_unit_test(limits_change_beneath_those_who_are_in),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
