/* SPDX-License-Identifier: MIT
 *
 * view - what ackd-top shows, computed from one answer of /api/live (view.h) */
#include "top/view.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_COUNT_MAX = 32, NAME_SIZE = 96 };

/* Two samples: the names of their values stand in `names`, shifted by one for the time. */
struct samples {
    const json_t *names;
    const json_t *before;
    const json_t *now;
};

static double number_at(const json_t *sample, size_t index)
{
    return json_number_value(json_array_get(sample, index + 1));
}

static double seconds_between(const struct samples *samples)
{
    return (number_at(samples->now, (size_t)-1) - number_at(samples->before, (size_t)-1)) / 1000;
}

/* The index of the series @name; SIZE_MAX when there is none. */
static size_t find(const struct samples *samples, const char *name)
{
    const json_t *value;
    size_t index;

    json_array_foreach(samples->names, index, value)
    {
        if (strcmp(json_string_value(value), name) == 0)
            return index;
    }
    return SIZE_MAX;
}

static double value_of(const struct samples *samples, const char *name)
{
    const size_t index = find(samples, name);
    return index == SIZE_MAX ? 0 : number_at(samples->now, index);
}

static uint64_t count_of(const struct samples *samples, const char *name)
{
    const double value = value_of(samples, name);
    return value > 0 ? (uint64_t)value : 0;
}

static double rate_at(const struct samples *samples, size_t index)
{
    const double seconds = seconds_between(samples);

    if (index == SIZE_MAX || seconds <= 0)
        return 0;
    const double change = number_at(samples->now, index) - number_at(samples->before, index);
    return change > 0 ? change / seconds : 0;
}

static double rate_of(const struct samples *samples, const char *name)
{
    return rate_at(samples, find(samples, name));
}

/* The sum of the rates of the series of @family that have labels. */
static double family_rate(const struct samples *samples, const char *family)
{
    const size_t size = strlen(family);
    const json_t *value;
    size_t index;
    double sum = 0;

    json_array_foreach(samples->names, index, value)
    {
        const char *const name = json_string_value(value);
        if (strncmp(name, family, size) == 0 && name[size] == '{')
            sum += rate_at(samples, index);
    }
    return sum;
}

/* The value that @fraction of the requests of the last second did not exceed: a straight line
 * inside of the bucket, as Prometheus has it.  Negative when there were none. */
static double quantile(const struct samples *samples, double fraction)
{
    static const char family[] = "request_duration_seconds_bucket{le=\"";
    double bounds[BUCKET_COUNT_MAX];
    double counts[BUCKET_COUNT_MAX];
    size_t count = 0;
    const json_t *value;
    size_t index;

    json_array_foreach(samples->names, index, value)
    {
        const char *const name = json_string_value(value);
        if (strncmp(name, family, sizeof family - 1) != 0 || count == BUCKET_COUNT_MAX)
            continue;
        if (sscanf(name + sizeof family - 1, "%lf", &bounds[count]) != 1)
            bounds[count] = INFINITY;
        counts[count++] = number_at(samples->now, index) - number_at(samples->before, index);
    }
    if (count == 0 || counts[count - 1] <= 0)
        return -1;

    const double rank = fraction * counts[count - 1];
    double low = 0;
    double below = 0;
    for (size_t i = 0; i < count; i++) {
        if (counts[i] >= rank && isfinite(bounds[i]) && counts[i] > below)
            return low + (bounds[i] - low) * (rank - below) / (counts[i] - below);
        if (isfinite(bounds[i]))
            low = bounds[i];
        below = counts[i];
    }
    return low;
}

static void read_rates(const struct samples *samples, struct view *view)
{
    view->submit_rate = rate_of(samples, "req_recv_total");
    view->ack_rate = rate_of(samples, "rsp_send_total");
    view->error_rate =
        family_rate(samples, "decode_errors_total") + family_rate(samples, "accept_errors_total") +
        family_rate(samples, "connections_rejected_total") +
        rate_of(samples, "acks_total{result=\"error\"}") + rate_of(samples, "acks_dropped_total") +
        rate_of(samples, "handler_errors_total");
    view->close_rate = family_rate(samples, "connections_closed_total");
    view->in_rate = rate_of(samples, "network_receive_bytes_total");
    view->out_rate = rate_of(samples, "network_transmit_bytes_total");
    view->cpu_cores = rate_of(samples, "process_cpu_seconds_total");
    view->p50_s = quantile(samples, 0.5);
    view->p99_s = quantile(samples, 0.99);
}

static void read_totals(const struct samples *samples, struct view *view)
{
    view->submits = count_of(samples, "req_recv_total");
    view->acks = count_of(samples, "rsp_send_total");
    view->connected = count_of(samples, "client_connected");
    view->accepted = count_of(samples, "connections_accepted_total");
    view->resident_bytes = count_of(samples, "process_resident_memory_bytes");
    view->open_fds = count_of(samples, "process_open_fds");
    view->max_fds = count_of(samples, "process_max_fds");
    view->queued_bytes = count_of(samples, "write_queue_bytes");
}

static void read_workers(const struct samples *samples, struct view *view)
{
    for (uint32_t i = 0; i < view->worker_count && i < VIEW_WORKER_COUNT_MAX; i++) {
        struct view_worker *const worker = &view->workers[i];
        char name[NAME_SIZE];

        snprintf(name, sizeof name, "worker_cpu_seconds_total{worker=\"%u\"}", i);
        worker->cpu_cores = rate_of(samples, name);
        snprintf(name, sizeof name, "worker_req_recv_total{worker=\"%u\"}", i);
        worker->submit_rate = rate_of(samples, name);
        snprintf(name, sizeof name, "worker_connections{worker=\"%u\"}", i);
        worker->connections = count_of(samples, name);
    }
}

static void copy_word(const json_t *object, const char *key, char *ret_word, size_t size)
{
    const char *const word = json_string_value(json_object_get(object, key));

    snprintf(ret_word, size, "%s", word ? word : "");
}

static int64_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void read_conn(const json_t *from, struct view_conn *ret_conn)
{
    copy_word(from, "peer", ret_conn->peer, sizeof ret_conn->peer);
    copy_word(from, "paused", ret_conn->state, sizeof ret_conn->state);
    if (!ret_conn->state[0])
        copy_word(from, "state", ret_conn->state, sizeof ret_conn->state);
    ret_conn->worker = (uint32_t)integer_of(from, "worker");
    ret_conn->age_s = (uint32_t)integer_of(from, "age_s");
    ret_conn->submit_rate = json_number_value(json_object_get(from, "rate"));
    ret_conn->in = (uint64_t)integer_of(from, "in");
    ret_conn->out = (uint64_t)integer_of(from, "out");
    ret_conn->queued_bytes = (uint64_t)integer_of(from, "queued_bytes");
    ret_conn->unanswered = (uint64_t)integer_of(from, "unanswered");
}

static void read_conns(const json_t *conns, struct view *view)
{
    const json_t *const list = json_object_get(conns, "list");
    const json_t *conn;
    size_t index;

    view->late_count = (uint32_t)(integer_of(conns, "workers") - integer_of(conns, "answered"));
    json_array_foreach(list, index, conn)
    {
        if (view->conn_count < VIEW_CONN_COUNT_MAX)
            read_conn(conn, &view->conns[view->conn_count++]);
    }
}

/* True if @samples are what the schema says, so that nothing of them needs to be checked again. */
static bool are_whole(const struct samples *samples)
{
    const json_t *name;
    size_t index;
    const size_t size = json_array_size(samples->names) + 1;

    json_array_foreach(samples->names, index, name)
    {
        if (!json_is_string(name))
            return false;
    }
    return json_array_size(samples->now) == size && json_array_size(samples->before) == size;
}

static int read_root(const json_t *root, struct view *view, struct ackd_error *error)
{
    const json_t *const server = json_object_get(root, "server");
    const json_t *const latest = json_object_get(root, "latest");
    const size_t count = json_array_size(latest);
    const struct samples samples = {
        .names = json_object_get(root, "names"),
        .before = json_array_get(latest, 0),
        .now = json_array_get(latest, count > 0 ? count - 1 : 0),
    };
    const int64_t schema = integer_of(root, "schema");

    if (schema != VIEW_SCHEMA && json_is_object(server))
        return error_raise(error, -EINVAL,
                           "the server speaks schema %lld and this program %d: take the one that "
                           "came with the server",
                           (long long)schema, VIEW_SCHEMA);
    if (!json_is_object(server) || !are_whole(&samples))
        return error_raise(error, -EINVAL, "no answer of ackd's /api/live");

    copy_word(server, "version", view->version, sizeof view->version);
    copy_word(root, "state", view->state, sizeof view->state);
    view->pid = integer_of(server, "pid");
    view->started_ms = integer_of(server, "started_ms");
    view->uptime_s = (double)(integer_of(root, "now_ms") - view->started_ms) / 1000;
    view->worker_count = (uint32_t)integer_of(server, "workers");
    read_rates(&samples, view);
    read_totals(&samples, view);
    read_workers(&samples, view);
    read_conns(json_object_get(root, "conns"), view);
    return 0;
}

int view_parse(const char *text, size_t size, struct view *ret_view, struct ackd_error *error)
{
    json_t *const root = json_loadb(text, size, 0, NULL);

    memset(ret_view, 0, sizeof *ret_view);
    const int status = read_root(root, ret_view, error);
    json_decref(root);
    return status;
}

/* --- for scripts --- */

static json_t *workers_json(const struct view *view)
{
    json_t *const list = json_array();

    for (uint32_t i = 0; i < view->worker_count && i < VIEW_WORKER_COUNT_MAX; i++) {
        const struct view_worker *const worker = &view->workers[i];
        json_array_append_new(list, json_pack("{s:f, s:f, s:I}", "cpu_cores", worker->cpu_cores,
                                              "req_recv_per_s", worker->submit_rate, "connections",
                                              (json_int_t)worker->connections));
    }
    return list;
}

static json_t *conns_json(const struct view *view)
{
    json_t *const list = json_array();

    for (uint32_t i = 0; i < view->conn_count; i++) {
        const struct view_conn *const conn = &view->conns[i];
        json_array_append_new(
            list,
            json_pack("{s:s, s:i, s:i, s:f, s:I, s:I, s:I, s:I, s:s}", "peer", conn->peer, "worker",
                      (int)conn->worker, "age_s", (int)conn->age_s, "req_recv_per_s",
                      conn->submit_rate, "req_recv_total", (json_int_t)conn->in, "rsp_send_total",
                      (json_int_t)conn->out, "queued_bytes", (json_int_t)conn->queued_bytes,
                      "unanswered", (json_int_t)conn->unanswered, "state", conn->state));
    }
    return list;
}

static json_t *seconds_json(double seconds)
{
    return seconds < 0 ? json_null() : json_real(seconds);
}

char *view_json(const struct view *view)
{
    json_t *const root = json_pack(
        "{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:I, s:I, s:I, s:I, "
        "s:I, s:I, s:I, s:o, s:o}",
        "version", view->version, "state", view->state, "pid", (json_int_t)view->pid, "uptime_s",
        view->uptime_s, "req_recv_per_s", view->submit_rate, "rsp_send_per_s", view->ack_rate,
        "errors_per_s", view->error_rate, "closes_per_s", view->close_rate, "receive_bytes_per_s",
        view->in_rate, "transmit_bytes_per_s", view->out_rate, "cpu_cores", view->cpu_cores,
        "latency_p50_s", seconds_json(view->p50_s), "latency_p99_s", seconds_json(view->p99_s),
        "req_recv_total", (json_int_t)view->submits, "rsp_send_total", (json_int_t)view->acks,
        "client_connected", (json_int_t)view->connected, "connections_accepted_total",
        (json_int_t)view->accepted, "resident_memory_bytes", (json_int_t)view->resident_bytes,
        "open_fds", (json_int_t)view->open_fds, "write_queue_bytes", (json_int_t)view->queued_bytes,
        "workers", workers_json(view), "connections", conns_json(view));
    char *const text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text)
        return NULL;

    const size_t size = strlen(text);
    char *const line = realloc(text, size + 2);
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + size, "\n", 2);
    return line;
}
