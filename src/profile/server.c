/* SPDX-License-Identifier: MIT
 *
 * server - the endpoints under /debug/pprof, on a port of their own (ackd/profile.h)
 *
 *      http thread: index, cmdline, symbol, pages        jobs thread: profiles
 *
 * Source: Go's net/http/pprof, whose parameters, status codes and texts these are. */
#include <ackd/profile.h>
#include <ackd/version.h>
#include <errno.h>
#include <event2/http.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "http/http.h"
#include "profile/blob.h"
#include "profile/contention.h"
#include "profile/counts.h"
#include "profile/jobs.h"
#include "profile/kinds.h"
#include "profile/pages.h"
#include "profile/places.h"
#include "profile/pprof.h"
#include "profile/sampler.h"

enum {
    SECONDS_DEFAULT = 30,
    SECONDS_MAX = 600,
    VALUE_SIZE = 32,
    SYMBOL_COUNT_MAX = 4096, /* in one request: the http thread does nothing else meanwhile */
};

#define ROOT "/debug/pprof/"

struct ackd_profile_server {
    struct http *http;
    struct jobs *jobs;
    char address[ADDRESS_TEXT_SIZE];
};

/* A process has one. */
static atomic_flag is_taken = ATOMIC_FLAG_INIT;

/* --- profiles --- */

/* A positive number from the query; false if there is none. */
static bool positive(struct evhttp_request *request, const char *name, uint32_t *ret_number)
{
    char value[VALUE_SIZE];
    uint64_t number;

    http_query(request, name, value, sizeof value);
    if (!units_parse_count(value, &number) || number == 0 || number > UINT32_MAX)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

/* What Go makes of them: what is no number counts as not given. */
static void parse_cpu(struct evhttp_request *request, struct job_request *to)
{
    if (!positive(request, "seconds", &to->seconds))
        to->seconds = SECONDS_DEFAULT;
    if (!positive(request, "hz", &to->hz))
        to->hz = SAMPLER_HZ_DEFAULT;
}

/* NULL, or what is wrong. */
static const char *parse_other(struct evhttp_request *request, struct job_request *to)
{
    char value[VALUE_SIZE];
    uint32_t debug = 0;

    if (positive(request, "debug", &debug))
        to->debug = debug > 2 ? 2 : (int)debug;
    http_query(request, "seconds", value, sizeof value);
    if (value[0] == '\0')
        return NULL;
    if (!positive(request, "seconds", &to->seconds))
        return "invalid value for \"seconds\" - must be a positive integer\n";
    if (to->debug != 0)
        return "seconds and debug params are incompatible\n";
    return NULL;
}

static const char *parse(struct evhttp_request *request, struct job_request *to)
{
    const char *wrong = NULL;

    if (to->kind == &profile_kinds[PROFILE_CPU])
        parse_cpu(request, to);
    else
        wrong = parse_other(request, to);
    if (!wrong && to->seconds > SECONDS_MAX)
        return "profile duration exceeds the limit of 600 seconds\n";
    if (!wrong && to->hz > SAMPLER_HZ_MAX)
        return "hz exceeds the limit of 1000\n";
    return wrong;
}

static struct http_answer answer_profile(void *context, struct evhttp_request *request)
{
    struct ackd_profile_server *const server = context;
    struct job_request wanted = {.kind = profile_kind_find(http_path(request) + strlen(ROOT))};

    if (!wanted.kind)
        return jobs_error(HTTP_NOTFOUND, "Unknown profile\n");
    const char *const wrong = parse(request, &wanted);
    if (wrong)
        return jobs_error(HTTP_BADREQUEST, wrong);
    struct http_later *const later = http_defer(server->http, request);
    if (!later)
        return jobs_error(HTTP_SERVUNAVAIL, "Too many requests are waiting.\n");
    jobs_add(server->jobs, &wanted, later);
    return (struct http_answer){.status = 0};
}

/* --- the rest --- */

static struct http_answer blob_answer(struct blob *blob, const char *content_type)
{
    if (blob->failed) {
        free(blob->data);
        return jobs_error(HTTP_INTERNAL, "Out of memory.\n");
    }
    return (struct http_answer){.status = HTTP_OK,
                                .content_type = content_type,
                                .body = blob->data,
                                .body_size = blob->size};
}

static struct http_answer answer_cmdline(void *context, struct evhttp_request *request)
{
    const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    struct blob blob = {0};
    char piece[4096];
    ssize_t size;

    (void)context;
    (void)request;
    while (fd >= 0 && (size = read(fd, piece, sizeof piece)) > 0)
        blob_append(&blob, piece, (size_t)size);
    if (fd >= 0)
        close(fd);
    /* Arguments are separated by NUL, not ended. */
    if (blob.size > 0 && blob.data[blob.size - 1] == '\0')
        blob.size--;
    return blob_answer(&blob, "text/plain; charset=utf-8");
}

/* Names of addresses: "0x1+0x2", in the query or the body.  Those beyond SYMBOL_COUNT_MAX are left
 * out, as those that have no name are. */
static struct http_answer answer_symbol(void *context, struct evhttp_request *request)
{
    char *const body = http_body(request);
    const char *at = body ? body : http_raw_query(request);
    struct places *const places = places_new();
    struct blob blob = {0};
    uintptr_t address;
    int size;

    (void)context;
    /* A number that is not 0 says that there are symbols. */
    blob_print(&blob, "num_symbols: 1\n");
    for (int count = 0;
         count < SYMBOL_COUNT_MAX && places && sscanf(at, "0x%" SCNxPTR "%n", &address, &size) == 1;
         count++) {
        const struct place *const place = places_find(places, address);
        if (place && place->symbol_count > 0)
            blob_print(&blob, "0x%" PRIxPTR " %s\n", address, place->symbols[0].function);
        at += size;
        at += strspn(at, "+");
    }
    places_free(places);
    free(body);
    return blob_answer(&blob, "text/plain; charset=utf-8");
}

static int64_t count_of(const struct profile_kind *kind)
{
    struct profile *profile;
    struct ackd_error error;

    if (kind == &profile_kinds[PROFILE_CPU] || kind == &profile_kinds[PROFILE_GOROUTINE] ||
        jobs_take(kind, &profile, &error) < 0)
        return -1;
    const int64_t count = (int64_t)profile->stack_count;
    profile_free(profile);
    return count;
}

static void print_row(struct blob *blob, const struct profile_kind *kind)
{
    const int64_t count = count_of(kind);
    const bool is_cpu = kind == &profile_kinds[PROFILE_CPU];

    blob_print(blob, "<tr><td>");
    if (count >= 0)
        blob_print(blob, "%" PRId64, count);
    blob_print(blob,
               "</td><td><a href=\"%s%s\">%s</a></td><td><a href=\"ui?profile=%s%s\">flame "
               "graph</a></td><td>%s</td></tr>\n",
               kind->name, is_cpu ? "?seconds=5" : "?debug=1", kind->name, kind->name,
               is_cpu ? "&amp;seconds=5" : "", kind->help);
}

static struct http_answer answer_index(void *context, struct evhttp_request *request)
{
    struct blob blob = {0};
    const char *reason;

    (void)context;
    (void)request;
    blob_print(&blob,
               "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
               "<title>" ROOT "</title></head><body>\n<h1>" ROOT "</h1>\n"
               "<p>%s " ACKD_VERSION ". With Go's tool: <code>go tool pprof "
               "http://HOST:PORT" ROOT "profile?seconds=5</code></p>\n",
               program_invocation_short_name);
    if (!ackd_profile_has_lines(&reason))
        blob_print(&blob, "<p><strong>%s</strong></p>\n", reason);
    blob_print(&blob, "<table>\n<tr><th>Count</th><th>Profile</th><th></th><th></th></tr>\n");
    for (int i = 0; i < PROFILE_KIND_COUNT; i++)
        print_row(&blob, &profile_kinds[i]);
    blob_print(&blob,
               "</table>\n<p><a href=\"goroutine?debug=2\">all threads' stacks</a> &middot; "
               "<a href=\"cmdline\">command line</a> &middot; <a href=\"symbol\">symbol</a></p>\n"
               "</body></html>\n");
    return blob_answer(&blob, "text/html; charset=utf-8");
}

static struct http_answer answer_moved(void *context, struct evhttp_request *request)
{
    struct http_answer answer = http_text(HTTP_MOVEPERM, "See " ROOT "\n");

    (void)context;
    (void)request;
    answer.headers[0] = (struct http_header){"Location", ROOT};
    return answer;
}

static const struct http_endpoint endpoints[] = {
    {.path = "/", .answer = answer_moved, .guarded = true},
    {.path = "/debug/pprof", .answer = answer_moved, .guarded = true},
    {.path = ROOT, .answer = answer_index, .guarded = true},
    {.path = ROOT "cmdline", .answer = answer_cmdline, .guarded = true},
    {.path = ROOT "symbol", .answer = answer_symbol, .takes_post = true, .guarded = true},
    {.path = ROOT "ui", .answer = pages_html, .guarded = true},
    {.path = ROOT "ui.css", .answer = pages_css, .guarded = true},
    {.path = ROOT "ui.js", .answer = pages_js, .guarded = true},
    {.path = ROOT "...", .answer = answer_profile, .guarded = true},
    {.path = NULL},
};

/* --- the interface --- */

/* Collectors on other machines, where they are let in, may know this one by a name with dots. */
static int start(struct ackd_profile_server *server, const struct address *address,
                 const struct ackd_profile_options *options, struct ackd_error *error)
{
    struct address bound;

    sampler_init();
    server->jobs = jobs_start(options->on_profile_thread, options->on_thread_self, error);
    if (!server->jobs)
        return error ? error->code : -EAGAIN;
    const struct http_service service = {
        .endpoints = endpoints,
        .context = server,
        .takes_any_host = options->allow_remote,
        .on_thread = options->on_http_thread,
        .on_thread_self = options->on_thread_self,
    };
    const int status = http_start(&server->http, "pprof-http", address, &service, &bound, error);
    if (status == 0)
        address_format(&bound, server->address);
    return status;
}

static int parse_address(const struct ackd_profile_options *options, struct address *ret_address,
                         struct ackd_error *error)
{
    const int status = address_parse(options->listen, false, ret_address, error);

    if (status < 0)
        return status;
    if (!options->allow_remote && !address_is_loopback(ret_address))
        return error_raise(error, -EINVAL,
                           "%.64s is no loopback address: who reaches it can read what the process "
                           "does and slow it down",
                           options->listen);
    return 0;
}

int ackd_profile_server_start(struct ackd_profile_server **ret_server,
                              const struct ackd_profile_options *options, struct ackd_error *error)
{
    struct address address;
    int status = parse_address(options, &address, error);

    if (status < 0)
        return status;
    if (atomic_flag_test_and_set(&is_taken))
        return error_raise(error, -EBUSY, "this process serves profiles already");
    struct ackd_profile_server *const server = calloc(1, sizeof *server);
    status = server ? start(server, &address, options, error)
                    : error_raise(error, -ENOMEM, "no memory for the profile server");
    if (status < 0) {
        if (server) {
            jobs_stop(server->jobs);
            jobs_free(server->jobs);
        }
        free(server);
        atomic_flag_clear(&is_taken);
        return status;
    }
    *ret_server = server;
    return 0;
}

const char *ackd_profile_server_address(const struct ackd_profile_server *server)
{
    return server->address;
}

void ackd_profile_server_stop(struct ackd_profile_server *server)
{
    if (!server)
        return;
    /* All that wait are to be answered before http goes; until it has gone, more may come. */
    jobs_stop(server->jobs);
    http_stop(server->http);
    jobs_free(server->jobs);
    free(server);
    atomic_flag_clear(&is_taken);
}
