/* SPDX-License-Identifier: MIT
 *
 * ackd/admin.h - the HTTP endpoints of a server, on a thread of their own
 *
 *      GET /              the live page: charts and tables of what the server does
 *      GET /api/live      what the page shows, as JSON (docs/LIVEPAGE.md)
 *      GET /metrics       Prometheus text 0.0.4, or OpenMetrics 1.0.0 by the Accept header; gzip
 *                         by Accept-Encoding
 *      GET /-/healthy     200 while the process runs
 *      GET /-/ready       200 while new connections are served, else 503
 *
 * A separate library (libackd-admin, on libevent and zlib): who embeds a server may have an HTTP
 * server already, and then needs only ackd/metrics.h. */
#ifndef ACKD_ADMIN_H
#define ACKD_ADMIN_H

#include <ackd/error.h>
#include <ackd/export.h>
#include <ackd/metrics.h>
#include <ackd/server.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ackd_admin;

/* Something that the page says of the program, such as an option and its value. */
struct ackd_admin_fact {
    const char *name;
    const char *value;
};

/* The first two are needed; zero what is not used of the others.  All texts are copied. */
struct ackd_admin_options {
    const char *listen;         /* ADDR:PORT; port 0 takes any */
    const char *metrics_prefix; /* before every metric's name, such as "ackd" */

    const struct ackd_admin_fact *facts; /* fact_count of them */
    size_t fact_count;
    const char *profiles_address; /* where profiles are served, ADDR:PORT; NULL: nowhere */

    /* Writes metrics that are not the server's, to stand behind it: as ackd_server_metrics() does,
     * but without the mark that ends OpenMetrics.  May be NULL. */
    int (*more_metrics)(enum ackd_metrics_format format, const char *prefix, char **ret_text,
                        size_t *ret_size);

    /* Called by the server's thread before anything else, on that thread: for what is a thread's
     * own, such as its CPUs or what it may do.  May be NULL. */
    void (*on_thread)(void *self);
    void *on_thread_self;
};

/* Opens the socket and starts the thread.  @server outlives the admin.  0, -EINVAL for options
 * that are not legal, -EADDRINUSE, or another negative errno; then nothing is open. */
ACKD_API int ackd_admin_start(struct ackd_admin **ret_admin, struct ackd_server *server,
                              const struct ackd_admin_options *options, struct ackd_error *error);

/* Says these @fact_count facts in place of those before, such as after a reload.  0; or -ENOMEM,
 * and those before stay.  Any thread. */
ACKD_API int ackd_admin_set_facts(struct ackd_admin *admin, const struct ackd_admin_fact *facts,
                                  size_t fact_count);

/* What was bound, ADDR:PORT.  Lives as long as the admin.  Any thread. */
ACKD_API const char *ackd_admin_address(const struct ackd_admin *admin);

/* Ends the thread, closes its connections, and frees.  NULL is fine. */
ACKD_API void ackd_admin_stop(struct ackd_admin *admin);

#ifdef __cplusplus
}
#endif

#endif
