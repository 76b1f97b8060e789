/* SPDX-License-Identifier: MIT
 *
 * server_fuzz - requests for the profile server, over its own socket: the fuzz target `pprof`
 *
 *      input   method: 1 | path and query \n Host \n Accept-Encoding \n body
 *
 * A path that does not begin with '/' is one under /debug/pprof/.  Bytes below 8 in it and in the
 * body stand for addresses of this process, which no fuzzer could guess.  The jobs (jobs.h) are
 * this file's own: what they are asked for must be legal, and the answer comes at once. */
#include <ackd/profile.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "http/asker.h"
#include "profile/jobs.h"
#include "profile/kinds.h"
#include "profile/sampler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECONDS_MAX = 600, ADDRESS_COUNT = 8 };

static const char *const methods[] = {"GET",  "GET",    "GET",     "HEAD",
                                      "POST", "DELETE", "OPTIONS", "PUT"};

static struct asker asker;

/* --- in the place of jobs.c --- */

struct jobs {
    int count;
};

struct jobs *jobs_start(void (*on_thread)(void *self), void *self, struct ackd_error *error)
{
    static struct jobs jobs;

    (void)on_thread;
    (void)self;
    (void)error;
    return &jobs;
}

void jobs_stop(struct jobs *jobs)
{
    (void)jobs;
}

void jobs_free(struct jobs *jobs)
{
    (void)jobs;
}

struct http_answer jobs_error(int status, const char *text)
{
    struct http_answer answer = http_text(status, text);

    answer.headers[0] = (struct http_header){"X-Go-Pprof", "1"};
    return answer;
}

/* What the index counts. */
int jobs_take(const struct profile_kind *kind, struct profile **ret_profile,
              struct ackd_error *error)
{
    if (kind == &profile_kinds[PROFILE_HEAP])
        return error_raise(error, -ENOTSUP, "none here");
    *ret_profile = profile_new(kind, 1);
    return *ret_profile ? 0 : error_raise(error, -ENOMEM, "no memory");
}

static bool is_legal(const struct job_request *request)
{
    const bool is_cpu = request->kind == &profile_kinds[PROFILE_CPU];

    if (request->kind < profile_kinds || request->kind >= profile_kinds + PROFILE_KIND_COUNT)
        return false;
    if (request->seconds > SECONDS_MAX || request->debug < 0 || request->debug > 2)
        return false;
    if (is_cpu)
        return request->seconds > 0 && request->hz > 0 && request->hz <= SAMPLER_HZ_MAX &&
               request->debug == 0;
    return request->hz == 0 && (request->seconds == 0 || request->debug == 0);
}

void jobs_add(struct jobs *jobs, const struct job_request *request, struct http_later *later)
{
    if (!is_legal(request))
        asker_fail(&asker, "a profile was asked for that must not be");
    jobs->count++;
    http_answer_later(later, http_text(200, request->kind->name));
}

/* --- requests --- */

static void start(void)
{
    static struct ackd_profile_server *server;
    const struct ackd_profile_options options = {.listen = "127.0.0.1:0"};
    struct ackd_error error;

    asker.name = "pprof_fuzz";
    if (ackd_profile_server_start(&server, &options, &error) < 0)
        asker_fail(&asker, error.text);
    asker_init(&asker, "pprof_fuzz", ackd_profile_server_address(server));
}

/* Addresses in the program, of code and others, in libraries, and in the kernel's. */
static uintptr_t address_of(uint8_t which)
{
    static const int constant = 1;
    const uintptr_t addresses[ADDRESS_COUNT] = {
        0,
        (uintptr_t)jobs_add,
        (uintptr_t)profile_new + 5,
        (uintptr_t)&constant,
        (uintptr_t)&asker,
        (uintptr_t)getauxval,
        (uintptr_t)getauxval(AT_SYSINFO_EHDR),
        (uintptr_t)environ, /* on the stack */
    };

    return addresses[which];
}

/* Puts @text, with addresses for the bytes that stand for one. */
static void put_text(struct asker_request *request, struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        char address[32];

        if (text.data[i] > 0 && text.data[i] < ADDRESS_COUNT) {
            snprintf(address, sizeof address, "0x%" PRIxPTR, address_of(text.data[i]));
            asker_put(request, address);
        } else {
            asker_put_bytes(request, (struct bytes){&text.data[i], 1});
        }
    }
}

static void put_path(struct asker_request *request, struct bytes path)
{
    static struct asker_request text;

    text.size = 0;
    if (path.size == 0 || path.data[0] != '/')
        asker_put(&text, "/debug/pprof/");
    put_text(&text, path);
    asker_put_line(request, (struct bytes){(const uint8_t *)text.text, text.size});
}

static void make_request(struct asker_request *request, const char *method, struct bytes input)
{
    static struct asker_request body;
    char length[64];

    request->size = 0;
    asker_put(request, method);
    asker_put(request, " ");
    put_path(request, asker_take_line(&input));
    asker_put(request, " HTTP/1.1\r\nHost: ");
    asker_put_line(request, asker_take_line(&input));
    asker_put(request, "\r\nAccept-Encoding: ");
    asker_put_line(request, asker_take_line(&input));
    body.size = 0;
    put_text(&body, input);
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n\r\n", body.size);
    asker_put(request, length);
    asker_put_bytes(request, (struct bytes){(const uint8_t *)body.text, body.size});
}

/* --- answers --- */

/* After the number of symbols, lines of an address and a name. */
static void check_symbols(void)
{
    static const char head[] = "num_symbols: 1\n";
    const char *at = asker.body;

    if (strncmp(at, head, strlen(head)) != 0)
        asker_fail(&asker, "no number of symbols");
    for (at += strlen(head); at < asker.body + asker.body_size;) {
        uintptr_t address;
        int size;

        if (sscanf(at, "0x%" SCNxPTR "%n", &address, &size) != 1 || at[size] != ' ')
            asker_fail(&asker, "no address of a symbol");
        at += size + 1;
        size = (int)strcspn(at, " \n");
        if (size == 0 || at[size] != '\n')
            asker_fail(&asker, "no name of a symbol");
        at += size + 1;
    }
}

static void check_answer(bool is_head)
{
    switch (asker.status) {
    case 200:
        if (!is_head && asker.body_size > 3 && strncmp(asker.body, "num", 3) == 0)
            check_symbols();
        break;
    case 301:
        if (!asker_header(&asker, "Location"))
            asker_fail(&asker, "moved, but where to?");
        break;
    case 400:
    case 403:
    case 404:
    case 405:
    case 413:
    case 417:
    case 501:
        break;
    default:
        asker_fail(&asker, "a status that nobody documented");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct asker_request request;

    if (size == 0 || size > ASKER_REQUEST_SIZE / 4)
        return 0;
    if (asker.port == 0)
        start();

    const char *const method = methods[data[0] % 8];
    const bool is_head = strcmp(method, "HEAD") == 0;
    make_request(&request, method, (struct bytes){data + 1, size - 1});
    if (asker_ask(&asker, &request, is_head))
        check_answer(is_head);
    return 0;
}
