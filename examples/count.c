/* SPDX-License-Identifier: MIT
 *
 * count - a handler of one's own: counts SUBMITs and the bytes of their payloads
 *
 *      cc -o count count.c $(pkg-config --cflags --libs ackd)
 *      ./count [ADDR:PORT]       until SIGINT or SIGTERM; then prints what it counted */
#include <ackd/server.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

struct count {
    _Atomic uint64_t submits;
    _Atomic uint64_t bytes;
};

/* Every worker calls this, several at the same time. */
static void count_batch(void *self, struct ackd_batch *batch)
{
    struct count *const count = self;
    struct ackd_submit submit;
    uint64_t bytes = 0;

    while (ackd_batch_next(batch, &submit))
        bytes += submit.payload_size;
    atomic_fetch_add(&count->submits, ackd_batch_count(batch));
    atomic_fetch_add(&count->bytes, bytes);
}

int main(int argc, char **argv)
{
    struct count count = {0};
    struct ackd_server_options options;
    struct ackd_server *server = NULL;
    struct ackd_error error;
    sigset_t ends;
    int signal_number;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* they wait for sigwait() below */
    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = argc > 1 ? argv[1] : "127.0.0.1:8888";
    options.handler = (struct ackd_handler){.self = &count, .on_batch = count_batch};
    if (ackd_server_new(&server, &options, &error) < 0 || ackd_server_start(server, &error) < 0) {
        fprintf(stderr, "count: %s\n", error.text);
        ackd_server_free(server);
        return 1;
    }
    printf("listening on %s\n", ackd_server_listen_address(server, 0));
    fflush(stdout);

    sigwait(&ends, &signal_number);
    ackd_server_drain(server); /* what has arrived is still counted and acked */
    ackd_server_wait(server, -1);
    ackd_server_free(server);
    printf("%" PRIu64 " submits, %" PRIu64 " bytes\n", count.submits, count.bytes);
}
