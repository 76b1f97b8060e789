/* SPDX-License-Identifier: MIT
 *
 * http_fuzz - requests for the admin server, over its own socket
 *
 *      input   method: 1 | path \n Accept \n Accept-Encoding \n If-None-Match \n Host
 *
 * The protocol is libevent's; what is tried is what we make of a request: the path, the method,
 * what the client takes.  Each answer must be whole, of a status that is documented, and unpack to
 * text if it is packed (http/asker.h); what has an ETag is not sent twice. */
#include <ackd/admin.h>
#include <stdio.h>
#include <string.h>

#include "http/asker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PART_COUNT = 5 };

static const char *const methods[] = {"GET",    "HEAD",    "POST",  "PUT",
                                      "DELETE", "OPTIONS", "PATCH", "TRACE"};

/* A server that is never started, and its admin server; both live as long as the program. */
static void start(struct asker *asker)
{
    static struct ackd_server *server;
    static struct ackd_admin *admin;
    const struct ackd_admin_options admin_options = {.listen = "127.0.0.1:0",
                                                     .metrics_prefix = "ackd"};
    struct ackd_server_options options;
    struct ackd_error error;

    asker->name = "http_fuzz";
    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    options.worker_count = 1;
    if (ackd_server_new(&server, &options, &error) < 0 ||
        ackd_admin_start(&admin, server, &admin_options, &error) < 0)
        asker_fail(asker, error.text);
    asker_init(asker, "http_fuzz", ackd_admin_address(admin));
}

static bool is_documented(unsigned status)
{
    return status == 200 || status == 304 || status == 400 || status == 403 || status == 404 ||
           status == 405 || status == 413 || status == 417 || status == 501 || status == 503;
}

/* @etag: in the place of the input's If-None-Match, or NULL. */
static void make_request(struct asker_request *request, const char *method, struct bytes input,
                         const char *etag)
{
    static const char *const before[PART_COUNT] = {
        " /", "Accept: ", "Accept-Encoding: ", "If-None-Match: ", "Host: "};

    request->size = 0;
    asker_put(request, method);
    for (int i = 0; i < PART_COUNT; i++) {
        const struct bytes line = asker_take_line(&input);

        asker_put(request, before[i]);
        if (i == 3 && etag)
            asker_put(request, etag);
        else
            asker_put_line(request, line);
        asker_put(request, i == 0 ? " HTTP/1.1\r\n" : "\r\n");
    }
    asker_put(request, "\r\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct asker asker;
    static struct asker_request request;
    char etag[64];

    if (size == 0 || size > ASKER_REQUEST_SIZE / 2)
        return 0;
    if (asker.port == 0)
        start(&asker);

    const char *const method = methods[data[0] % 8];
    const struct bytes input = {data + 1, size - 1};
    make_request(&request, method, input, NULL);
    if (!asker_ask(&asker, &request, strcmp(method, "HEAD") == 0))
        return 0;
    if (!is_documented(asker.status))
        asker_fail(&asker, "a status that nobody documented");
    const char *const found = asker.status == 200 ? asker_header(&asker, "ETag") : NULL;
    if (!found || sscanf(found, "%63s", etag) != 1)
        return 0;
    make_request(&request, "GET", input, etag);
    if (asker_ask(&asker, &request, false) && asker.status != 304)
        asker_fail(&asker, "it has not changed, and is sent again");
    return 0;
}
