/* SPDX-License-Identifier: MIT
 *
 * mix_test - the grammar of --mix, and the neighbours against a listening socket */
#include "load/mix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void shares_and_numbers(void **state)
{
    (void)state;
    struct mix_options options;
    assert_true(mix_parse("slow-reader=5%,idle=1000,garbage=1%,dribble=2", 150, &options));
    assert_int_equal(options.count[MIX_SLOW_READER], 8);
    assert_int_equal(options.count[MIX_IDLE], 1000);
    assert_int_equal(options.count[MIX_GARBAGE], 2);
    assert_int_equal(options.count[MIX_DRIBBLE], 2);
    assert_false(mix_is_empty(&options));
    assert_true(mix_parse("idle=0", 10, &options));
    assert_true(mix_is_empty(&options));
}

static void what_is_no_mix_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",         "idle",     "idle=",      "idle=x",
                                        "idle=5%%", "idle=5,",  "lazy=5",     "idle=-1",
                                        "=5",       "idle=5%x", "idle=100001"};
    struct mix_options options;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (mix_parse(cases[i], 100, &options))
            fail_msg("'%s' was accepted", cases[i]);
    }
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < MIX_KIND_COUNT; i++)
        assert_true(mix_kind_name((enum mix_kind)i)[0] != '\0');
}

/* Accepts one connection and reads until something is there. */
static size_t accept_and_read(int listener, char *bytes, size_t size)
{
    const int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    size_t got = 0;
    while (got < size) {
        const ssize_t part = read(fd, bytes + got, size - got);
        assert_true(part > 0);
        got += (size_t)part;
    }
    close(fd);
    return got;
}

static void neighbours_come_and_misbehave(void **state)
{
    (void)state;
    struct address address;
    struct mix_options options = {0};
    struct mix_tally tallies[MIX_KIND_COUNT];
    struct mix *mix;
    char bytes[4096];

    assert_int_equal(address_parse("127.0.0.1:0", false, &address, NULL), 0);
    struct sockaddr *const name = (struct sockaddr *)&address.storage;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, name, address.size), 0);
    assert_int_equal(getsockname(listener, name, &address.size), 0);
    assert_int_equal(listen(listener, 16), 0);

    options.count[MIX_GARBAGE] = 1;
    assert_int_equal(mix_start(&mix, &options, &address, NULL), 0);
    /* Who is closed comes back. */
    assert_int_equal(accept_and_read(listener, bytes, 100), 100);
    assert_int_equal(accept_and_read(listener, bytes, 100), 100);
    mix_stop(mix, tallies);
    assert_int_equal(tallies[MIX_GARBAGE].connection_count, 1);
    assert_true(tallies[MIX_GARBAGE].connect_count >= 2);
    assert_true(tallies[MIX_GARBAGE].closed_count >= 1);
    assert_true(tallies[MIX_GARBAGE].sent_size >= 200);

    options = (struct mix_options){0};
    options.count[MIX_DRIBBLE] = 1;
    assert_int_equal(mix_start(&mix, &options, &address, NULL), 0);
    assert_int_equal(accept_and_read(listener, bytes, 5), 5);
    mix_stop(mix, tallies);
    assert_memory_equal(bytes, "\0\0\0\x23\x02", 5);

    options = (struct mix_options){0};
    options.count[MIX_SLOW_READER] = 1;
    assert_int_equal(mix_start(&mix, &options, &address, NULL), 0);
    assert_int_equal(accept_and_read(listener, bytes, sizeof bytes), sizeof bytes);
    mix_stop(mix, tallies);
    assert_true(tallies[MIX_SLOW_READER].sent_size >= sizeof bytes);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_and_numbers),
        cmocka_unit_test(what_is_no_mix_is_refused),
        cmocka_unit_test(every_kind_has_a_name),
        cmocka_unit_test(neighbours_come_and_misbehave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
