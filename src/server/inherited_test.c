/* SPDX-License-Identifier: MIT
 *
 * inherited_test - tests of inherited.c: real sockets as descriptors 3 and on */
#include "server/inherited.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PASSED_COUNT = 4 };

/* Descriptors 3 to 6: two listening sockets, one that does not listen, and a pipe's end. */
static void pass_sockets(void)
{
    char pid[16];
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    for (int i = 0; i < 3; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        if (i < 2)
            assert_int_equal(listen(fd, 5), 0);
        assert_int_equal(dup2(fd, 10 + i), 10 + i);
        close(fd);
    }
    assert_int_equal(dup2(pipe_fds[0], 13), 13);
    for (int i = 0; i < PASSED_COUNT; i++)
        assert_int_equal(dup2(10 + i, 3 + i), 3 + i);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", "one:two", 1);
}

static int set_up(void **state)
{
    (void)state;
    pass_sockets();
    return 0;
}

static void test_parse(void **state)
{
    const char *name = NULL;

    (void)state;
    assert_true(inherited_parse("systemd", &name));
    assert_string_equal(name, "");
    assert_true(inherited_parse("systemd:demo", &name));
    assert_string_equal(name, "demo");
    assert_false(inherited_parse("systemd:", &name));
    assert_false(inherited_parse("systemdx", &name));
    assert_false(inherited_parse("127.0.0.1:1", &name));
}

static void test_all_and_by_name(void **state)
{
    struct address address;
    int fds[4];

    (void)state;
    assert_int_equal(inherited_find("", fds, 4, NULL), 2);
    assert_int_equal(fds[0], 3);
    assert_int_equal(fds[1], 4);
    assert_int_equal(inherited_find("two", fds, 4, NULL), 1);
    assert_int_equal(fds[0], 4);
    assert_true(fcntl(4, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(4, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(inherited_address(4, &address, NULL), 0);
    assert_int_equal(address.storage.ss_family, AF_INET);

    setenv("LISTEN_FDNAMES", "same:same", 1);
    assert_int_equal(inherited_find("same", fds, 4, NULL), 2);
}

static void test_none(void **state)
{
    struct ackd_error error;
    int fds[4];

    (void)state;
    assert_int_equal(inherited_find("three", fds, 4, &error), -ENOENT);
    assert_non_null(strstr(error.text, "three"));
    assert_int_equal(inherited_find("tw", fds, 4, NULL), -ENOENT);
    setenv("LISTEN_FDNAMES", "one", 1);
    assert_int_equal(inherited_find("two", fds, 4, NULL), -ENOENT);
    unsetenv("LISTEN_FDNAMES");
    assert_int_equal(inherited_find("one", fds, 4, NULL), -ENOENT);
    assert_int_equal(inherited_find("", fds, 4, NULL), 2);

    setenv("LISTEN_PID", "1", 1);
    assert_int_equal(inherited_find("", fds, 4, NULL), -ENOENT);
    unsetenv("LISTEN_PID");
    assert_int_equal(inherited_find("", fds, 4, NULL), -ENOENT);
}

static void test_numbers_that_are_none(void **state)
{
    static const char *const counts[] = {"", "-1", "x", "99999999999999999999", "4096", "0"};
    int fds[4];

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        setenv("LISTEN_FDS", counts[i], 1);
        assert_int_equal(inherited_find("", fds, 4, NULL), -ENOENT);
    }
}

static void test_what_cannot_be_accepted_from(void **state)
{
    struct ackd_error error;
    int fds[8];

    (void)state;
    setenv("LISTEN_FDS", "3", 1);
    assert_int_equal(inherited_find("", fds, 8, &error), -ENOTSOCK);
    assert_non_null(strstr(error.text, "descriptor 5"));
    setenv("LISTEN_FDNAMES", "a:b:c:d", 1);
    setenv("LISTEN_FDS", "4", 1);
    assert_int_equal(inherited_find("d", fds, 8, &error), -ENOTSOCK);
    assert_int_equal(inherited_find("a", fds, 8, &error), 1);
    assert_int_equal(inherited_find("", fds, 1, &error), -EMFILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test_setup(test_all_and_by_name, set_up),
        cmocka_unit_test_setup(test_none, set_up),
        cmocka_unit_test_setup(test_numbers_that_are_none, set_up),
        cmocka_unit_test_setup(test_what_cannot_be_accepted_from, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
