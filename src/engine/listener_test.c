/* SPDX-License-Identifier: MIT
 *
 * listener_test - who may listen where, and what a listening socket is like */
#include "engine/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/test_net.h"

enum { PATH_SIZE = 64 };

/* A listener on @text; the address that was bound. */
static int open_on(const char *text, struct address *ret_bound)
{
    const struct address address = test_address(text);
    struct ackd_error error = {0};
    int fd = -1;

    if (listener_open(&address, &fd, ret_bound, &error) < 0)
        fail_msg("%s", error.text);
    assert_true(fd >= 0);
    return fd;
}

static int claim(const struct address *address, struct ackd_error *error)
{
    const int before = test_fd_count();
    const int code = listener_claim(address, error);

    assert_int_equal(test_fd_count(), before); /* a claim holds nothing */
    return code;
}

static in_port_t port_of(const struct address *address)
{
    struct sockaddr_in in;

    memcpy(&in, &address->storage, sizeof in); /* the port of IPv6 stands at the same place */
    return ntohs(in.sin_port);
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(fd, level, option, &value, &size), 0);
    return value;
}

/* --- TCP --- */

static void port_0_becomes_a_real_one(void **state)
{
    struct address first;
    struct address second;
    const int first_fd = open_on("127.0.0.1:0", &first);
    const int second_fd = open_on("127.0.0.1:0", &second);

    (void)state;
    assert_int_not_equal(port_of(&first), 0);
    assert_int_not_equal(port_of(&second), 0);
    assert_int_not_equal(port_of(&first), port_of(&second));
    close(first_fd);
    close(second_fd);
}

static void workers_share_an_address(void **state)
{
    struct address bound;
    struct address again;
    const int first_fd = open_on("127.0.0.1:0", &bound);
    int second_fd = -1;

    (void)state;
    assert_int_equal(listener_open(&bound, &second_fd, &again, NULL), 0);
    assert_int_equal(port_of(&again), port_of(&bound));
    close(first_fd);
    close(second_fd);
}

static void a_taken_port_is_refused(void **state)
{
    struct address bound;
    struct ackd_error error = {0};
    char text[ADDRESS_TEXT_SIZE];
    const int fd = open_on("127.0.0.1:0", &bound);

    (void)state;
    assert_int_equal(claim(&bound, &error), -EADDRINUSE);
    assert_int_equal(error.code, -EADDRINUSE);
    address_format(&bound, text);
    assert_non_null(strstr(error.text, text));
    close(fd);
    assert_int_equal(claim(&bound, &error), 0);
}

/* A listener on every address has this one too, and the other way round. */
static void every_address_and_one_exclude_each_other(void **state)
{
    struct address one;
    struct address every = test_address(":0");
    char text[ADDRESS_TEXT_SIZE];
    int fd = open_on("127.0.0.1:0", &one);

    (void)state;
    snprintf(text, sizeof text, ":%u", port_of(&one));
    every = test_address(text);
    assert_int_equal(claim(&every, NULL), -EADDRINUSE);
    close(fd);

    assert_int_equal(listener_open(&every, &fd, &every, NULL), 0);
    assert_int_equal(claim(&one, NULL), -EADDRINUSE);
    close(fd);
}

/* Connections of a server that has gone stay behind for a minute: the next one starts all the
 * same. */
static void connections_in_time_wait_do_not_matter(void **state)
{
    struct address bound;
    char byte;
    const int fd = open_on("127.0.0.1:0", &bound);
    const int client = test_connect(&bound);
    const int conn = accept(fd, NULL, NULL);

    (void)state;
    assert_true(client >= 0 && conn >= 0);
    close(conn); /* who closes first has the TIME_WAIT */
    assert_int_equal(test_read(client, &byte, 1), 0);
    close(client);
    close(fd);
    assert_int_equal(claim(&bound, NULL), 0);
}

static void a_foreign_address_is_told_apart(void **state)
{
    const struct address foreign = test_address("192.0.2.1:0");
    struct ackd_error error = {0};
    struct address bound = {.size = 4711};
    int fd = 4711;

    (void)state;
    assert_int_equal(claim(&foreign, &error), -EADDRNOTAVAIL);
    assert_non_null(strstr(error.text, "192.0.2.1:0 is no address of this machine"));

    const int before = test_fd_count();
    assert_int_equal(listener_open(&foreign, &fd, &bound, &error), -EADDRNOTAVAIL);
    assert_int_equal(test_fd_count(), before);
    assert_int_equal(fd, 4711);
    assert_int_equal(bound.size, 4711);
}

static void ipv6_leaves_ipv4_alone(void **state)
{
    const struct address loopback = test_address("[::1]:0");
    struct address every;
    struct address ipv4;
    char text[ADDRESS_TEXT_SIZE];
    int fd;

    (void)state;
    if (listener_open(&loopback, &fd, &every, NULL) < 0)
        skip(); /* a machine without IPv6 */
    assert_int_equal(claim(&every, NULL), -EADDRINUSE);
    close(fd);

    fd = open_on("[::]:0", &every);
    snprintf(text, sizeof text, "127.0.0.1:%u", port_of(&every));
    ipv4 = test_address(text);
    assert_int_equal(claim(&ipv4, NULL), 0);
    assert_int_equal(test_connect(&ipv4), -1);
    snprintf(text, sizeof text, "[::1]:%u", port_of(&every));
    const int client = test_connect_text(text);
    assert_true(client >= 0);
    close(client);
    close(fd);
}

static void sockets_do_not_block_and_do_not_leak_into_children(void **state)
{
    struct address bound;
    const int fd = open_on("127.0.0.1:0", &bound);

    (void)state;
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    close(fd);
}

static void connections_inherit_no_delay_and_keepalive(void **state)
{
    struct address bound;
    const int fd = open_on("127.0.0.1:0", &bound);
    const int client = test_connect(&bound);
    const int conn = accept(fd, NULL, NULL);

    (void)state;
    assert_true(client >= 0 && conn >= 0);
    assert_true(option_of(conn, IPPROTO_TCP, TCP_NODELAY));
    assert_true(option_of(conn, SOL_SOCKET, SO_KEEPALIVE));
    close(client);
    close(conn);
    close(fd);
}

static void the_queue_shows_who_waits(void **state)
{
    enum { CLIENT_COUNT = 3 };
    int clients[CLIENT_COUNT];
    struct address bound;
    uint32_t waiting = 4711;
    uint32_t limit = 0;
    const int fd = open_on("127.0.0.1:0", &bound);

    (void)state;
    assert_true(listener_queue(fd, &waiting, &limit));
    assert_int_equal(waiting, 0);
    assert_true(limit > 0 && limit <= LISTENER_BACKLOG);
    for (int i = 0; i < CLIENT_COUNT; i++) {
        clients[i] = test_connect(&bound);
        assert_true(clients[i] >= 0);
    }
    assert_true(listener_queue(fd, &waiting, &limit));
    assert_int_equal(waiting, CLIENT_COUNT);
    close(accept(fd, NULL, NULL));
    assert_true(listener_queue(fd, &waiting, &limit));
    assert_int_equal(waiting, CLIENT_COUNT - 1);
    for (int i = 0; i < CLIENT_COUNT; i++)
        close(clients[i]);
    close(fd);
}

/* --- unix sockets --- */

/* A folder for one test's sockets. */
struct folder {
    char path[PATH_SIZE];
    char socket_path[PATH_SIZE];
    struct address address;
};

static void folder_open(struct folder *folder)
{
    char text[PATH_SIZE + 8];

    snprintf(folder->path, sizeof folder->path, "/tmp/ackd-listener-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->socket_path, sizeof folder->socket_path, "%.40s/socket", folder->path);
    snprintf(text, sizeof text, "unix:%s", folder->socket_path);
    folder->address = test_address(text);
}

static void folder_close(struct folder *folder)
{
    unlink(folder->socket_path);
    assert_int_equal(rmdir(folder->path), 0);
}

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static void a_unix_socket_is_opened_and_named(void **state)
{
    struct folder folder;
    struct address bound;
    uint32_t waiting = 4711;
    uint32_t limit = 4711;
    int fd = -1;

    (void)state;
    folder_open(&folder);
    assert_int_equal(claim(&folder.address, NULL), 0);
    assert_false(exists(folder.socket_path));
    assert_int_equal(listener_open(&folder.address, &fd, &bound, NULL), 0);
    assert_string_equal(address_unix_path(&bound), folder.socket_path);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    const int client = test_connect(&bound);
    assert_true(client >= 0);
    assert_false(listener_queue(fd, &waiting, &limit));
    assert_int_equal(waiting, 4711);
    close(client);
    close(fd);
    folder_close(&folder);
}

static void the_socket_of_a_dead_server_is_removed(void **state)
{
    struct folder folder;
    struct address bound;
    int fd = -1;

    (void)state;
    folder_open(&folder);
    assert_int_equal(listener_open(&folder.address, &fd, &bound, NULL), 0);
    close(fd);
    assert_true(exists(folder.socket_path));
    assert_int_equal(listener_open(&folder.address, &fd, &bound, NULL), -EADDRINUSE);
    assert_int_equal(claim(&folder.address, NULL), 0);
    assert_false(exists(folder.socket_path));
    assert_int_equal(listener_open(&folder.address, &fd, &bound, NULL), 0);
    close(fd);
    folder_close(&folder);
}

static void the_socket_of_a_live_server_stays(void **state)
{
    struct folder folder;
    struct address bound;
    struct ackd_error error = {0};
    int fd = -1;

    (void)state;
    folder_open(&folder);
    assert_int_equal(listener_open(&folder.address, &fd, &bound, NULL), 0);
    assert_int_equal(claim(&folder.address, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, folder.socket_path));
    const int client = test_connect(&bound);
    assert_true(client >= 0);
    close(client);
    close(fd);
    folder_close(&folder);
}

/* One that does not come to accepting is alive all the same: its queue is full, not refused. */
static void the_socket_of_a_busy_server_stays(void **state)
{
    struct folder folder;
    struct sockaddr_un un;
    int clients[4];

    (void)state;
    folder_open(&folder);
    memcpy(&un, &folder.address.storage, sizeof un);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(fd, 0), 0);
    for (int i = 0; i < 4; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(clients[i], (struct sockaddr *)&un, sizeof un);
    }
    assert_int_equal(claim(&folder.address, NULL), -EADDRINUSE);
    assert_true(exists(folder.socket_path));
    for (int i = 0; i < 4; i++)
        close(clients[i]);
    close(fd);
    folder_close(&folder);
}

static void a_file_that_is_no_socket_is_not_touched(void **state)
{
    struct folder folder;
    struct ackd_error error = {0};

    (void)state;
    folder_open(&folder);
    const int fd = open(folder.socket_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(claim(&folder.address, &error), -EEXIST);
    assert_non_null(strstr(error.text, "no socket"));
    assert_true(exists(folder.socket_path));
    folder_close(&folder);
}

static void a_missing_folder_is_an_error_of_opening(void **state)
{
    const struct address address = test_address("unix:/nonexistent/ackd.sock");
    struct ackd_error error = {0};
    struct address bound;
    int fd = 4711;

    (void)state;
    assert_int_equal(claim(&address, NULL), 0);
    assert_int_equal(listener_open(&address, &fd, &bound, &error), -ENOENT);
    assert_non_null(strstr(error.text, "unix:/nonexistent/ackd.sock"));
    assert_int_equal(fd, 4711);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_0_becomes_a_real_one),
        cmocka_unit_test(workers_share_an_address),
        cmocka_unit_test(a_taken_port_is_refused),
        cmocka_unit_test(every_address_and_one_exclude_each_other),
        cmocka_unit_test(connections_in_time_wait_do_not_matter),
        cmocka_unit_test(a_foreign_address_is_told_apart),
        cmocka_unit_test(ipv6_leaves_ipv4_alone),
        cmocka_unit_test(sockets_do_not_block_and_do_not_leak_into_children),
        cmocka_unit_test(connections_inherit_no_delay_and_keepalive),
        cmocka_unit_test(the_queue_shows_who_waits),
        cmocka_unit_test(a_unix_socket_is_opened_and_named),
        cmocka_unit_test(the_socket_of_a_dead_server_is_removed),
        cmocka_unit_test(the_socket_of_a_live_server_stays),
        cmocka_unit_test(the_socket_of_a_busy_server_stays),
        cmocka_unit_test(a_file_that_is_no_socket_is_not_touched),
        cmocka_unit_test(a_missing_folder_is_an_error_of_opening),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
