/* SPDX-License-Identifier: MIT
 *
 * dial_test - connections that open, and what is said when they do not */
#include "load/dial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { COUNT = 200 };

static struct address local(void)
{
    struct address address;
    assert_int_equal(address_parse("127.0.0.1:0", false, &address, NULL), 0);
    return address;
}

/* Binds a listener to any port; @address becomes where it is. */
static int open_listener(struct address *address)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address->storage, address->size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address->storage, &address->size), 0);
    return fd;
}

static void all_connections_open(void **state)
{
    (void)state;
    struct address address = local();
    const int listener = open_listener(&address);
    int fds[COUNT];

    assert_int_equal(listen(listener, COUNT), 0);
    assert_int_equal(dial_all(&address, COUNT, fds, NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(send(fds[i], "x", 1, MSG_DONTWAIT), 1);
        close(fds[i]);
    }
    close(listener);
}

static void a_refusal_names_the_address(void **state)
{
    (void)state;
    struct address address = local();
    const int bound = open_listener(&address); /* and never listens */
    struct ackd_error error;
    char text[ADDRESS_TEXT_SIZE];
    int fds[2];

    address_format(&address, text);
    assert_int_equal(dial_all(&address, 2, fds, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.text, text));
    assert_non_null(strstr(error.text, "Connection refused"));
    assert_non_null(strstr(error.text, "--connect"));
    close(bound);
}

static void a_missing_unix_socket_is_named(void **state)
{
    (void)state;
    struct address address;
    struct ackd_error error;
    int fd;

    assert_int_equal(address_parse("unix:/nonexistent/ackd.sock", false, &address, NULL), 0);
    assert_int_equal(dial_all(&address, 1, &fd, &error), -ENOENT);
    assert_non_null(strstr(error.text, "unix:/nonexistent/ackd.sock"));
}

static void too_many_connections_are_refused_before_the_first(void **state)
{
    (void)state;
    struct address address = local();
    struct ackd_error error;
    int fd;

    assert_int_equal(dial_all(&address, 2000000000, &fd, &error), -EMFILE);
    assert_non_null(strstr(error.text, "ulimit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_connections_open),
        cmocka_unit_test(a_refusal_names_the_address),
        cmocka_unit_test(a_missing_unix_socket_is_named),
        cmocka_unit_test(too_many_connections_are_refused_before_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
