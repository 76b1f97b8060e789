/* SPDX-License-Identifier: MIT
 *
 * systemd_test - tests of systemd.c against a real socket */
#include "ackd/systemd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* An abstract socket, as NOTIFY_SOCKET may be, and its descriptor. */
static int listen_as(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(sizeof address.sun_family + strlen(name))),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void assert_said(int fd, const char *want)
{
    char got[256];
    const ssize_t size = recv(fd, got, sizeof got - 1, 0);

    assert_true(size >= 0);
    got[size] = '\0';
    assert_string_equal(got, want);
}

static void assert_silent(int fd)
{
    char got[256];

    assert_int_equal(recv(fd, got, sizeof got, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

static void test_nobody_listens(void **state)
{
    static const char *const names[] = {"", "x", "relative", "@", "/nowhere/at/all"};
    struct systemd systemd;

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    systemd_open(&systemd);
    assert_int_equal(systemd.fd, -1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        systemd_open(&systemd);
        systemd_say(&systemd, "READY=1");
        assert_int_equal(systemd_feed_ms(&systemd), -1);
        systemd_close(&systemd);
    }
}

static void test_say(void **state)
{
    const int fd = listen_as("@ackd-systemd-test-say");
    struct systemd systemd;
    char got[256] = "";

    (void)state;
    systemd_open(&systemd);
    systemd_say(&systemd, "READY=1\nSTATUS=Serving");
    assert_said(fd, "READY=1\nSTATUS=Serving");
    systemd_say_reloading(&systemd);
    assert_true(recv(fd, got, sizeof got - 1, 0) > 0);
    assert_non_null(strstr(got, "RELOADING=1\nMONOTONIC_USEC="));
    systemd_close(&systemd);
    systemd_say(&systemd, "READY=1");
    assert_silent(fd);
    close(fd);
}

static void test_a_manager_that_does_not_read(void **state)
{
    const int fd = listen_as("@ackd-systemd-test-full");
    struct systemd systemd;

    (void)state;
    systemd_open(&systemd);
    for (int i = 0; i < 10000; i++) /* far more than the socket's queue has room for */
        systemd_say(&systemd, "WATCHDOG=1");
    assert_said(fd, "WATCHDOG=1");
    systemd_close(&systemd);
    close(fd);
}

static void test_how_often(void **state)
{
    struct systemd systemd;
    char pid[16];
    const int fd = listen_as("@ackd-systemd-test-often");

    (void)state;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    systemd_open(&systemd);
    assert_int_equal(systemd_feed_ms(&systemd), -1);
    systemd_close(&systemd);

    setenv("WATCHDOG_USEC", "20000000", 1);
    systemd_open(&systemd);
    assert_int_equal(systemd_feed_ms(&systemd), 5000);
    systemd_close(&systemd);

    setenv("WATCHDOG_PID", "1", 1); /* meant for somebody else */
    systemd_open(&systemd);
    assert_int_equal(systemd_feed_ms(&systemd), -1);
    systemd_close(&systemd);

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    systemd_open(&systemd);
    assert_int_equal(systemd_feed_ms(&systemd), 5000);
    systemd_close(&systemd);
    close(fd);
}

static void test_fed_while_all_move(void **state)
{
    const int fd = listen_as("@ackd-systemd-test-feed");
    struct systemd systemd;

    (void)state;
    systemd_open(&systemd);
    assert_int_equal(systemd_feed(&systemd, (uint64_t[]){0, 0}, 2, 1000), -1);
    assert_said(fd, "WATCHDOG=1");
    assert_int_equal(systemd_feed(&systemd, (uint64_t[]){1, 1}, 2, 3000), -1);
    assert_said(fd, "WATCHDOG=1");
    /* Worker 1 does not turn any more: it is given the time that an idle one may take ... */
    assert_int_equal(systemd_feed(&systemd, (uint64_t[]){2, 1}, 2, 3000 + SYSTEMD_STUCK_MS), -1);
    assert_said(fd, "WATCHDOG=1");
    /* ... and no more than that. */
    assert_int_equal(systemd_feed(&systemd, (uint64_t[]){3, 1}, 2, 3001 + SYSTEMD_STUCK_MS), 1);
    assert_silent(fd);
    assert_int_equal(systemd_feed(&systemd, (uint64_t[]){4, 2}, 2, 3002 + SYSTEMD_STUCK_MS), -1);
    assert_said(fd, "WATCHDOG=1");
    /* One that has ended need not move. */
    assert_int_equal(systemd_feed(&systemd, (uint64_t[]){5, UINT64_MAX}, 2, 7000), -1);
    assert_said(fd, "WATCHDOG=1");
    assert_int_equal(systemd_feed(&systemd, (uint64_t[]){6, UINT64_MAX}, 2, 20000), -1);
    assert_said(fd, "WATCHDOG=1");
    systemd_close(&systemd);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_say),
        cmocka_unit_test(test_a_manager_that_does_not_read),
        cmocka_unit_test(test_how_often),
        cmocka_unit_test(test_fed_while_all_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
