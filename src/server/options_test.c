/* SPDX-License-Identifier: MIT
 *
 * options_test - what a server may be told, and the words for what it may not */
#include "server/options.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "server/limits.h"

/* --- where to listen --- */

static const struct {
    const char *text;
    const char *address; /* as it is written back; NULL: refused */
    enum dialect dialect;
} listens[] = {
    {"127.0.0.1:8888", "127.0.0.1:8888", DIALECT_SPEC},
    {"127.0.0.1:0", "127.0.0.1:0", DIALECT_SPEC},
    {":8888", "0.0.0.0:8888", DIALECT_SPEC},
    {"*:8888", "0.0.0.0:8888", DIALECT_SPEC},
    {"[::1]:8888", "[::1]:8888", DIALECT_SPEC},
    {"unix:/run/ackd.sock", "unix:/run/ackd.sock", DIALECT_SPEC},
    {"/run/ackd.sock", "unix:/run/ackd.sock", DIALECT_SPEC},
    {"127.0.0.1:8888,dialect=spec", "127.0.0.1:8888", DIALECT_SPEC},
    {"127.0.0.1:8888,dialect=demo", "127.0.0.1:8888", DIALECT_DEMO},
    {":0,dialect=demo", "0.0.0.0:0", DIALECT_DEMO},
    {"/run/ackd.sock,dialect=demo", "unix:/run/ackd.sock", DIALECT_DEMO},
    {"", NULL, 0},
    {",dialect=demo", NULL, 0},
    {"127.0.0.1", NULL, 0},
    {"127.0.0.1:", NULL, 0},
    {"127.0.0.1:65536", NULL, 0},
    {"127.0.0.1:-1", NULL, 0},
    {"127.0.0.1:8888,", NULL, 0},
    {"127.0.0.1:8888,demo", NULL, 0},
    {"127.0.0.1:8888,dialect", NULL, 0},
    {"127.0.0.1:8888,dialect=", NULL, 0},
    {"127.0.0.1:8888,dialect=Demo", NULL, 0},
    {"127.0.0.1:8888,dialect=demo ", NULL, 0},
    {"127.0.0.1:8888,dialect=demo,dialect=spec", NULL, 0},
    {"127.0.0.1:8888, dialect=demo", NULL, 0},
    {"localhost:8888", NULL, 0}, /* names are for clients */
    {"::1:8888", NULL, 0},
    {"unix:", NULL, 0},
};

static void listen_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof listens / sizeof listens[0]; i++) {
        struct address address = {.size = 4711};
        enum dialect dialect = (enum dialect)4711;
        struct ackd_error error = {0};
        char text[ADDRESS_TEXT_SIZE];
        const int code = options_parse_listen(listens[i].text, &address, &dialect, &error);

        if (!listens[i].address) {
            if (code != -EINVAL || error.text[0] == '\0')
                fail_msg("'%s' was taken", listens[i].text);
            assert_int_equal(address.size, 4711);
            assert_int_equal(dialect, 4711);
            continue;
        }
        if (code != 0)
            fail_msg("'%s': %s", listens[i].text, error.text);
        address_format(&address, text);
        assert_string_equal(text, listens[i].address);
        assert_int_equal(dialect, listens[i].dialect);
    }
}

static void a_text_without_end_is_refused(void **state)
{
    static char text[100000];
    struct address address;
    enum dialect dialect;
    struct ackd_error error;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(options_parse_listen(text, &address, &dialect, &error), -EINVAL);
    assert_non_null(strstr(error.text, "too long"));
}

/* --- the options as a whole --- */

static struct ackd_server_options legal_options(void)
{
    struct ackd_server_options options;

    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    return options;
}

static void the_defaults_are_legal_but_for_an_address(void **state)
{
    struct ackd_server_options options;
    struct ackd_error error = {0};

    (void)state;
    memset(&options, 0xff, sizeof options);
    ackd_server_options_init(&options);
    assert_int_equal(options.listen_count, 0);
    assert_int_equal(options.worker_count, 0);
    assert_int_equal(options.conns_max, 0);
    assert_int_equal(options.frame_size_max, 65536);
    assert_int_equal(options.window_count, 4096);
    assert_int_equal(options.idle_timeout_ms, 300000);
    assert_int_equal(options.frame_timeout_ms, 10000);
    assert_int_equal(options.write_timeout_ms, 10000);
    assert_int_equal(options.drain_timeout_ms, 30000);
    assert_int_equal(options.linger_timeout_ms, 2000);
    assert_null(options.handler.on_batch);
    assert_null(options.log.on_line);

    assert_int_equal(ackd_server_options_check(&options, &error), -EINVAL);
    assert_non_null(strstr(error.text, "1 to 16 addresses"));
    options = legal_options();
    assert_int_equal(ackd_server_options_check(&options, &error), 0);
}

/* One field, and what is the last that is legal at each of its ends. */
static const struct {
    const char *name;
    size_t offset;
    uint32_t least;
    uint32_t most;
} bounds[] = {
    {"frame", offsetof(struct ackd_server_options, frame_size_max), 13, 16 * 1024 * 1024},
    {"workers", offsetof(struct ackd_server_options, worker_count), 0, 256},
    {"connections", offsetof(struct ackd_server_options, conns_max), 0, 1024 * 1024},
    {"window", offsetof(struct ackd_server_options, window_count), 1, UINT32_MAX},
    {"timeout", offsetof(struct ackd_server_options, idle_timeout_ms), 0, 604800000},
    {"timeout", offsetof(struct ackd_server_options, frame_timeout_ms), 0, 604800000},
    {"timeout", offsetof(struct ackd_server_options, write_timeout_ms), 0, 604800000},
    {"timeout", offsetof(struct ackd_server_options, drain_timeout_ms), 0, 604800000},
    {"timeout", offsetof(struct ackd_server_options, linger_timeout_ms), 0, 604800000},
};

static int check_with(size_t offset, uint32_t value, struct ackd_error *error)
{
    struct ackd_server_options options = legal_options();

    memcpy((char *)&options + offset, &value, sizeof value);
    return ackd_server_options_check(&options, error);
}

static void every_number_has_its_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const size_t offset = bounds[i].offset;
        struct ackd_error error = {0};

        assert_int_equal(check_with(offset, bounds[i].least, &error), 0);
        assert_int_equal(check_with(offset, bounds[i].most, &error), 0);
        if (bounds[i].least > 0) {
            assert_int_equal(check_with(offset, bounds[i].least - 1, &error), -EINVAL);
            assert_non_null(strstr(error.text, bounds[i].name));
        }
        if (bounds[i].most < UINT32_MAX) {
            assert_int_equal(check_with(offset, bounds[i].most + 1, &error), -EINVAL);
            assert_non_null(strstr(error.text, bounds[i].name));
            assert_int_equal(check_with(offset, UINT32_MAX, NULL), -EINVAL);
        }
    }
}

/* Sixteen addresses at most: the seventeenth is not even looked at. */
static void addresses_are_counted(void **state)
{
    struct ackd_server_options options = legal_options();

    (void)state;
    for (size_t i = 0; i < ACKD_LISTEN_COUNT_MAX; i++)
        options.listen[i] = "127.0.0.1:0";
    options.listen_count = ACKD_LISTEN_COUNT_MAX;
    assert_int_equal(ackd_server_options_check(&options, NULL), 0);
    options.listen_count = ACKD_LISTEN_COUNT_MAX + 1;
    assert_int_equal(ackd_server_options_check(&options, NULL), -EINVAL);
}

static int check_two(const char *first, const char *second, struct ackd_error *error)
{
    struct ackd_server_options options = legal_options();

    options.listen[0] = first;
    options.listen[1] = second;
    options.listen_count = 2;
    return ackd_server_options_check(&options, error);
}

static void an_address_given_twice_is_refused(void **state)
{
    struct ackd_error error = {0};

    (void)state;
    assert_int_equal(check_two("127.0.0.1:8888", "127.0.0.1:8888", &error), -EINVAL);
    assert_string_equal(error.text, "127.0.0.1:8888 is given twice");
    assert_int_equal(check_two(":8888", "0.0.0.0:8888", NULL), -EINVAL);
    assert_int_equal(check_two(":8888", ":8888,dialect=demo", NULL), -EINVAL);
    assert_int_equal(check_two("[::1]:8888", "[0:0::1]:8888", NULL), -EINVAL);
    assert_int_equal(check_two("/run/a.sock", "unix:/run/a.sock", NULL), -EINVAL);
    /* What looks like port 0 at the end of a path is none. */
    assert_int_equal(check_two("/run/a:0", "unix:/run/a:0", NULL), -EINVAL);
}

static void different_addresses_are_fine(void **state)
{
    (void)state;
    assert_int_equal(check_two("127.0.0.1:8888", "127.0.0.1:8889", NULL), 0);
    assert_int_equal(check_two("127.0.0.1:8888", "127.0.0.2:8888", NULL), 0);
    assert_int_equal(check_two("127.0.0.1:8888", "[::1]:8888", NULL), 0);
    assert_int_equal(check_two("127.0.0.1:0", "127.0.0.1:0", NULL), 0);
    assert_int_equal(check_two("/run/a.sock", "/run/b.sock", NULL), 0);
}

static void a_bad_address_is_named(void **state)
{
    struct ackd_error error = {0};

    (void)state;
    assert_int_equal(check_two("127.0.0.1:0", "127.0.0.1:x", &error), -EINVAL);
    assert_non_null(strstr(error.text, "'127.0.0.1:x'"));
}

/* --- what is decided where the options leave it open --- */

static void one_worker_per_cpu_that_may_be_used(void **state)
{
    cpu_set_t before;
    cpu_set_t one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(options_cpu_count(), CPU_COUNT(&before));
    int first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(options_cpu_count(), 1);
    sched_setaffinity(0, sizeof before, &before);
}

static uint32_t conns_max_at(rlim_t fd_limit)
{
    struct rlimit before;
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    if (fd_limit > before.rlim_max)
        skip();
    limit = before;
    limit.rlim_cur = fd_limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const uint32_t count = options_conns_max();
    setrlimit(RLIMIT_NOFILE, &before);
    return count;
}

static void connections_leave_some_descriptors(void **state)
{
    (void)state;
    assert_int_equal(conns_max_at(1024), 1024 - FD_RESERVE_COUNT);
    assert_int_equal(conns_max_at(2 * FD_RESERVE_COUNT + 1), FD_RESERVE_COUNT + 1);
    /* With next to none it is tried all the same; accepting pauses when they have run out. */
    assert_int_equal(conns_max_at(2 * FD_RESERVE_COUNT), FD_RESERVE_COUNT);
    assert_int_equal(conns_max_at(16), FD_RESERVE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listen_texts),
        cmocka_unit_test(a_text_without_end_is_refused),
        cmocka_unit_test(the_defaults_are_legal_but_for_an_address),
        cmocka_unit_test(every_number_has_its_bounds),
        cmocka_unit_test(addresses_are_counted),
        cmocka_unit_test(an_address_given_twice_is_refused),
        cmocka_unit_test(different_addresses_are_fine),
        cmocka_unit_test(a_bad_address_is_named),
        cmocka_unit_test(one_worker_per_cpu_that_may_be_used),
        cmocka_unit_test(connections_leave_some_descriptors),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
