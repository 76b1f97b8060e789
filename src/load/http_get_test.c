/* SPDX-License-Identifier: MIT
 *
 * http_get_test - documents are fetched, and what goes wrong is said */
#include "load/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "load/test_interrupts.h"

/* A server that answers one connection. */
struct server {
    int fd;
    const char *answer; /* NULL = none, the connection stays open */
    char request[512];
    char url[64];
    pthread_t thread;
};

static void *serve(void *context)
{
    struct server *const server = context;
    char rest[16];
    const int fd = accept(server->fd, NULL, NULL);
    const ssize_t got = recv(fd, server->request, sizeof server->request - 1, 0);

    if (got >= 0 && server->answer)
        send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
    else
        recv(fd, rest, sizeof rest, 0);
    close(fd);
    return NULL;
}

static void start(struct server *server, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    *server = (struct server){.answer = answer};
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->fd, 1), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u/a?b=1", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->fd);
}

static int get(const char *url, uint64_t timeout_ns, char **body, struct ackd_error *error)
{
    size_t size = 0;

    *body = NULL;
    error->text[0] = '\0';
    const int status = http_get(url, timeout_ns, &interrupts, body, &size, error);
    if (status == 0)
        assert_int_equal(strlen(*body), size);
    return status;
}

static void a_document_is_fetched(void **state)
{
    (void)state;
    struct server server;
    struct ackd_error error;
    char *body;

    start(&server, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\nworld");
    assert_int_equal(get(server.url, 10 * NS_PER_S, &body, &error), 0);
    assert_string_equal(body, "hello\nworld");
    stop(&server);
    assert_non_null(strstr(server.request, "GET /a?b=1 HTTP/1.0\r\n"));
    free(body);
}

static void refusals_are_quoted(void **state)
{
    (void)state;
    struct server server;
    struct ackd_error error;
    char *body;

    start(&server, "HTTP/1.1 404 Not Found\r\n\r\nno");
    assert_int_equal(get(server.url, 10 * NS_PER_S, &body, &error), -EIO);
    assert_non_null(strstr(error.text, "404 Not Found"));
    stop(&server);
    start(&server, "something else");
    assert_int_equal(get(server.url, 10 * NS_PER_S, &body, &error), -EIO);
    assert_non_null(strstr(error.text, "no HTTP"));
    stop(&server);
}

static void silence_ends(void **state)
{
    (void)state;
    struct server server;
    struct ackd_error error;
    char *body;

    start(&server, NULL);
    assert_int_equal(get(server.url, 50 * NS_PER_MS, &body, &error), -EIO);
    assert_non_null(strstr(error.text, "in time"));
    stop(&server);
}

static void nobody_there(void **state)
{
    (void)state;
    struct server server;
    struct ackd_error error;
    char *body;

    start(&server, "HTTP/1.0 200 OK\r\n\r\n");
    assert_int_equal(get(server.url, 10 * NS_PER_S, &body, &error), 0);
    free(body);
    stop(&server); /* its port is free now */
    assert_int_equal(get(server.url, 10 * NS_PER_S, &body, &error), -EIO);
    assert_string_equal(error.text, "Connection refused"); /* the URL is the caller's to name */
}

static void other_urls_are_refused(void **state)
{
    (void)state;
    struct ackd_error error;
    char *body;

    assert_int_equal(get("https://x/", NS_PER_S, &body, &error), -EINVAL);
    assert_int_equal(get("http:///x", NS_PER_S, &body, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_fetched),  cmocka_unit_test(refusals_are_quoted),
        cmocka_unit_test(silence_ends),           cmocka_unit_test(nobody_there),
        cmocka_unit_test(other_urls_are_refused),
    };
    return cmocka_run_group_tests(tests, open_interrupts, close_interrupts);
}
