/* SPDX-License-Identifier: MIT
 *
 * embed_test.cc - the public headers in C++: all of them, and a server that lives and dies */
#include <ackd/admin.h>
#include <ackd/error.h>
#include <ackd/export.h>
#include <ackd/handler.h>
#include <ackd/log.h>
#include <ackd/metrics.h>
#include <ackd/server.h>
#include <ackd/version.h>

#include <cstdio>

namespace
{

void discard(void *self, ackd_batch *batch)
{
    ackd_submit submit;

    (void)self;
    while (ackd_batch_next(batch, &submit))
        ackd_batch_set_result(batch, submit.index, ACKD_RESULT_OK);
}

int fail(const char *what, const ackd_error &error)
{
    std::fprintf(stderr, "%s: %s\n", what, error.text);
    return 1;
}

} // namespace

int main()
{
    ackd_server_options options;
    ackd_admin_options admin_options = {"127.0.0.1:0", "ackd", nullptr};
    ackd_server *server = nullptr;
    ackd_admin *admin = nullptr;
    ackd_error error;

    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    options.handler.on_batch = discard;
    if (ackd_server_new(&server, &options, &error) < 0 || ackd_server_start(server, &error) < 0)
        return fail("server", error);
    if (ackd_admin_start(&admin, server, &admin_options, &error) < 0)
        return fail("admin", error);
    std::printf("libackd %s on %s and %s\n", ackd_version(),
                ackd_server_listen_address(server, 0), ackd_admin_address(admin));
    ackd_admin_stop(admin);
    ackd_server_drain(server);
    const int status = ackd_server_wait(server, 60000);
    ackd_server_free(server);
    return status == 0 ? 0 : 1;
}
