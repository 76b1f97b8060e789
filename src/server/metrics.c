/* SPDX-License-Identifier: MIT
 *
 * metrics - a server's counters as Prometheus reads them (ackd/metrics.h)
 *
 * All numbers of a family are read before the next family is begun, and a histogram's count is
 * the sum of its buckets, so that they agree with each other while the workers go on counting. */
#include <ackd/metrics.h>
#include <ackd/version.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/server.h"
#include "stats/counters_expose.h"
#include "stats/process.h"

enum { PREFIX_SIZE_MAX = 64 };

static uint64_t sum_of(const void *of, size_t offset)
{
    const struct ackd_server *const server = of;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < server->worker_count; i++) {
        const char *const counters = (const char *)&server->workers[i].counters;
        sum += counter_read((const counter *)(const void *)(counters + offset));
    }
    return sum;
}

/* The counters of an array that stands at @offset in struct counters. */
static void sum_array(const struct ackd_server *server, size_t offset, size_t count,
                      uint64_t *ret_sums)
{
    for (size_t i = 0; i < count; i++)
        ret_sums[i] = sum_of(server, offset + i * sizeof(counter));
}

static void expose_durations(struct exposition *to, const struct ackd_server *server)
{
    uint64_t bucket[DURATION_BOUND_COUNT + 1];

    exposition_family(to, "request_duration_seconds", EXPOSITION_HISTOGRAM,
                      "From the turn in which a submit was there to read until its ack had left: "
                      "the end of that turn, or when a deferred ack was sent.");
    sum_array(server, offsetof(struct counters, request_duration.bucket), DURATION_BOUND_COUNT + 1,
              bucket);
    exposition_histogram(to, counters_duration_bounds_ns, DURATION_BOUND_COUNT, bucket,
                         sum_of(server, offsetof(struct counters, request_duration.sum)), 1e9);
}

/* Each request is in one batch, so the sum of the batches' sizes is their number. */
static void expose_batches(struct exposition *to, const struct ackd_server *server)
{
    uint64_t bucket[BATCH_BOUND_COUNT + 1];

    exposition_family(to, "batch_frames", EXPOSITION_HISTOGRAM, "Requests per receive.");
    sum_array(server, offsetof(struct counters, batch_frames.bucket), BATCH_BOUND_COUNT + 1,
              bucket);
    exposition_histogram(to, counters_batch_bounds, BATCH_BOUND_COUNT, bucket,
                         sum_of(server, offsetof(struct counters, submits_received)) +
                             sum_of(server, offsetof(struct counters, packets_conn)),
                         1);
}

/* One family whose series are the workers; @scale divides (1e9: ns as seconds). */
static void expose_per_worker(struct exposition *to, const struct ackd_server *server,
                              const char *family, enum exposition_type type, const char *help,
                              size_t offset, double scale)
{
    exposition_family(to, family, type, help);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const char *const counters = (const char *)&server->workers[i].counters;
        const uint64_t value = counter_read((const counter *)(const void *)(counters + offset));
        char label[32];

        snprintf(label, sizeof label, "worker=\"%u\"", i);
        exposition_number(to, label, (double)value / scale);
    }
}

static void expose_worker_cpu(struct exposition *to, const struct ackd_server *server)
{
    exposition_family(to, "worker_cpu_seconds", EXPOSITION_COUNTER,
                      "CPU time of a worker, the kernel's work for it included.");
    for (uint32_t i = 0; i < server->worker_count; i++) {
        char label[32];

        snprintf(label, sizeof label, "worker=\"%u\"", i);
        exposition_number(to, label, (double)worker_cpu_ns(&server->workers[i]) / 1e9);
    }
}

static void expose_workers(struct exposition *to, const struct ackd_server *server)
{
    expose_worker_cpu(to, server);
    expose_per_worker(to, server, "worker_busy_seconds", EXPOSITION_COUNTER,
                      "Time a worker handled events, between waits.",
                      offsetof(struct counters, busy_ns), 1e9);
    expose_per_worker(to, server, "worker_idle_seconds", EXPOSITION_COUNTER,
                      "Time a worker waited for events.", offsetof(struct counters, idle_ns), 1e9);
    expose_per_worker(to, server, "worker_loops", EXPOSITION_COUNTER, "Turns of a worker's loop.",
                      offsetof(struct counters, loops), 1);
    expose_per_worker(to, server, "worker_events", EXPOSITION_COUNTER, "Events a worker handled.",
                      offsetof(struct counters, events), 1);
    expose_per_worker(to, server, "worker_req_recv", EXPOSITION_COUNTER,
                      "Submit frames that a worker received.",
                      offsetof(struct counters, submits_received), 1);
    expose_per_worker(to, server, "worker_stalls", EXPOSITION_COUNTER,
                      "Times a worker did not run for half a second in which it should have.",
                      offsetof(struct counters, stalls), 1);
    expose_per_worker(to, server, "worker_connections", EXPOSITION_GAUGE,
                      "Connections a worker owns.", offsetof(struct counters, connections_open), 1);
    expose_per_worker(to, server, "worker_overload_stage", EXPOSITION_GAUGE,
                      "0: calm; memory is short: 1, it accepts no more; 2, it does not read those "
                      "that hold most; 3, it closes them.",
                      offsetof(struct counters, overload_stage), 1);
}

static void expose_listen_value(struct exposition *to, const struct ackd_server *server,
                                const char *family, const char *help, size_t offset)
{
    exposition_family(to, family, EXPOSITION_GAUGE, help);
    for (size_t i = 0; i < server->listen_count; i++) {
        char address[ADDRESS_TEXT_SIZE * 2];
        char label[sizeof address + 16];
        uint64_t sum = 0;

        for (uint32_t j = 0; j < server->worker_count; j++) {
            const char *const listener = (const char *)&server->workers[j].listeners[i];
            sum += counter_read((const counter *)(const void *)(listener + offset));
        }
        exposition_escape(server->listens[i].text, address, sizeof address);
        snprintf(label, sizeof label, "listener=\"%s\"", address);
        exposition_count(to, label, sum);
    }
}

static void expose_reloads(struct exposition *to, const struct ackd_server *server)
{
    exposition_family(to, "config_reloads", EXPOSITION_COUNTER,
                      "Times the configuration was to be read again.");
    exposition_count(to, "result=\"success\"", atomic_load(&server->reload_count));
    exposition_count(to, "result=\"failure\"", atomic_load(&server->reload_failed_count));
    exposition_family(to, "config_last_reload_successful", EXPOSITION_GAUGE,
                      "1 while the configuration that was read last is the one that holds.");
    exposition_count(to, "", atomic_load(&server->reload_succeeded));
    exposition_family(to, "config_last_reload_success_timestamp_seconds", EXPOSITION_GAUGE,
                      "When the configuration that holds was read, since unix epoch in seconds.");
    exposition_number(to, "", (double)atomic_load(&server->reload_success_ms) / 1e3);
}

static void expose_server(struct exposition *to, const struct ackd_server *server)
{
    char label[128];

    expose_listen_value(to, server, "listen_queue", "TCP connections waiting to be accepted.",
                        offsetof(struct worker_listener, queue_waiting));
    expose_listen_value(to, server, "listen_queue_limit", "How many may wait to be accepted.",
                        offsetof(struct worker_listener, queue_limit));
    exposition_family(to, "connections_max", EXPOSITION_GAUGE,
                      "How many connections may be open at the same time.");
    exposition_count(to, "", ackd_server_conns_max(server));
    exposition_family(to, "memory_limit_bytes", EXPOSITION_GAUGE,
                      "How much memory connections may make ackd hold; -1 is unlimited.");
    const uint64_t memory_max = ackd_server_memory_max(server);
    exposition_number(to, "", memory_max == ACKD_MEMORY_UNLIMITED ? -1 : (double)memory_max);
    exposition_family(to, "draining", EXPOSITION_GAUGE, "1 while the server drains.");
    exposition_count(to, "", ackd_server_state(server) == ACKD_SERVER_DRAINING);

    expose_reloads(to, server);
    exposition_family(to, "scrapes", EXPOSITION_COUNTER, "Times these metrics were asked for.");
    exposition_count(to, "", atomic_load(&server->scrape_count));
    exposition_family(to, "scrape_duration_seconds", EXPOSITION_GAUGE,
                      "How long the answer before this one took to write.");
    exposition_number(to, "", (double)atomic_load(&server->scrape_ns) / 1e9);

    snprintf(label, sizeof label, "version=\"%s\",compiler=\"%s\",engine=\"%s\"", ackd_version(),
             COMPILER, server->engine_name);
    exposition_family(to, "build", EXPOSITION_INFO, "What was built; the value is always 1.");
    exposition_count(to, label, 1);
}

bool ackd_metrics_prefix_is_legal(const char *prefix)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:";
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789";
    const size_t size = strlen(prefix);

    return size > 0 && size <= PREFIX_SIZE_MAX && strchr(letters, prefix[0]) != NULL &&
           strspn(prefix, all) == size;
}

int ackd_server_metrics(struct ackd_server *server, enum ackd_metrics_format format,
                        const char *prefix, char **ret_text, size_t *ret_size)
{
    struct exposition to = {
        .format = format == ACKD_METRICS_OPENMETRICS ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT,
        .prefix = prefix,
    };

    const uint64_t begin_ns = clock_monotonic_ns();

    assert(ackd_metrics_prefix_is_legal(prefix));
    atomic_fetch_add(&server->scrape_count, 1);
    counters_expose(&to, sum_of, server);
    expose_durations(&to, server);
    expose_batches(&to, server);
    expose_workers(&to, server);
    expose_server(&to, server);
    process_expose(&to);
    exposition_end(&to);
    if (to.failed) {
        free(to.text);
        return -ENOMEM;
    }
    atomic_store(&server->scrape_ns, clock_monotonic_ns() - begin_ns);
    *ret_text = to.text;
    *ret_size = to.size;
    return 0;
}
