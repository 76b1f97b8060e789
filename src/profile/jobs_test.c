/* SPDX-License-Identifier: MIT
 *
 * jobs_test - profiles asked for in time are given; too late, they are refused, until http has
 * gone. tests/profile asks a server for every kind of profile. */
#include "profile/jobs.h"

#include <assert.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "profile/kinds.h"

/* An http server whose only path asks for a profile. */
struct fixture {
    struct http *http;
    struct jobs *jobs;
    struct address bound;
    struct job_request request;
};

static struct http_answer answer_profile(void *context, struct evhttp_request *request)
{
    struct fixture *const fixture = context;
    struct http_later *const later = http_defer(fixture->http, request);

    assert(later);
    jobs_add(fixture->jobs, &fixture->request, later);
    return (struct http_answer){.status = 0};
}

static const struct http_endpoint endpoints[] = {
    {.path = "/profile", .answer = answer_profile},
    {.path = NULL},
};

static void start(struct fixture *fixture, struct job_request request)
{
    const struct http_service service = {.endpoints = endpoints, .context = fixture};
    struct address address;

    fixture->request = request;
    fixture->jobs = jobs_start(NULL, NULL, NULL);
    assert_non_null(fixture->jobs);
    assert_int_equal(address_parse("127.0.0.1:0", false, &address, NULL), 0);
    assert_int_equal(
        http_start(&fixture->http, "test-http", &address, &service, &fixture->bound, NULL), 0);
}

static int ask(const struct fixture *fixture)
{
    static const char request[] = "GET /profile HTTP/1.0\r\n\r\n";
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(
        connect(fd, (const struct sockaddr *)&fixture->bound.storage, fixture->bound.size), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    return fd;
}

/* Reads the answer to its end, and looks for @status and @text in it. */
static void answer_is(int fd, const char *status, const char *text)
{
    char answer[4096];
    size_t size = 0;
    ssize_t piece;

    while (size < sizeof answer - 1 &&
           (piece = read(fd, answer + size, sizeof answer - 1 - size)) > 0)
        size += (size_t)piece;
    close(fd);
    answer[size] = '\0';
    assert_non_null(strstr(answer, status));
    assert_non_null(strstr(answer, text));
}

static void gives_a_profile(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, (struct job_request){.kind = &profile_kinds[PROFILE_MUTEX], .debug = 1});
    answer_is(ask(&fixture), " 200 ", "--- mutex:\n");
    jobs_stop(fixture.jobs);
    http_stop(fixture.http);
    jobs_free(fixture.jobs);
}

/* The http thread goes on taking requests after the jobs have been stopped. */
static void what_comes_after_the_end_is_refused(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, (struct job_request){.kind = &profile_kinds[PROFILE_CPU], .seconds = 600});
    jobs_stop(fixture.jobs);
    for (int i = 0; i < 3; i++)
        answer_is(ask(&fixture), " 503 ", "The server is stopping.\n");
    http_stop(fixture.http);
    jobs_free(fixture.jobs);
}

static void none_is_stopped_and_freed(void **state)
{
    (void)state;
    jobs_stop(NULL);
    jobs_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_a_profile),
        cmocka_unit_test(what_comes_after_the_end_is_refused),
        cmocka_unit_test(none_is_stopped_and_freed),
    };
    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
