/* SPDX-License-Identifier: MIT
 *
 * ackd/metrics.h - a server's counters as Prometheus reads them */
#ifndef ACKD_METRICS_H
#define ACKD_METRICS_H

#include <stddef.h>

#include <ackd/export.h>
#include <ackd/server.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ackd_metrics_format {
    ACKD_METRICS_TEXT,        /* text/plain; version=0.0.4 */
    ACKD_METRICS_OPENMETRICS, /* application/openmetrics-text; version=1.0.0 */
};

/* Writes all metrics of @server, each name with @prefix and an underscore before it, and those of
 * the process.  *ret_text is the caller's, to be freed with free(), and ends with a NUL that
 * *ret_size does not count.  0 or -ENOMEM.
 *
 * Costs the workers nothing but reads of their cache lines.  Any thread.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/ */
ACKD_API int ackd_server_metrics(struct ackd_server *server, enum ackd_metrics_format format,
                                 const char *prefix, char **ret_text, size_t *ret_size);

/* True if @prefix may stand before metric names: [a-zA-Z_:][a-zA-Z0-9_:]*, at most 64 bytes. */
ACKD_API bool ackd_metrics_prefix_is_legal(const char *prefix);

#ifdef __cplusplus
}
#endif

#endif
