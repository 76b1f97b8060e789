/* SPDX-License-Identifier: MIT
 *
 * prom - a run's live values for Prometheus (prom.h) */
#include "load/prom.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "stats/exposition.h"

enum {
    BACKLOG = 16,
    HEAD_SIZE_MAX = 256,
    BOUND_COUNT = 15,
};

/* Upper bounds of the histogram. */
static const uint64_t bounds_ns[BOUND_COUNT] = {
    10000,   25000,    50000,    100000,    250000,    500000,     1000000,    2500000,
    5000000, 10000000, 25000000, 100000000, 500000000, 1000000000, 5000000000,
};

struct prom {
    const struct options *options;
    int listen_fd;
    int stop_fd;
    pthread_t thread;
    char address[ADDRESS_TEXT_SIZE];

    pthread_mutex_t lock; /* of the text */
    char *text;
    size_t text_size;
};

enum prom_answer prom_judge(const char *request, size_t size, bool *ret_body)
{
    static const char version[] = " HTTP/1.";
    const char *const end = memchr(request, '\r', size);

    *ret_body = true;
    if (!end)
        return PROM_BAD_REQUEST;
    const size_t line_size = (size_t)(end - request);
    const char *const space = memchr(request, ' ', line_size);
    if (!space || space == request || line_size < sizeof version ||
        memcmp(end - sizeof version, version, sizeof version - 1) != 0)
        return PROM_BAD_REQUEST;

    const size_t method_size = (size_t)(space - request);
    *ret_body = !(method_size == 4 && memcmp(request, "HEAD", 4) == 0);
    if (*ret_body && !(method_size == 3 && memcmp(request, "GET", 3) == 0))
        return PROM_NOT_ALLOWED;

    const char *const path = space + 1;
    if (path > end - sizeof version)
        return PROM_BAD_REQUEST;
    size_t path_size = (size_t)(end - sizeof version - path);
    const char *const query = memchr(path, '?', path_size);
    if (query)
        path_size = (size_t)(query - path);
    if (path_size == 8 && memcmp(path, "/metrics", 8) == 0)
        return PROM_METRICS;
    return path_size == 1 && path[0] == '/' ? PROM_INDEX : PROM_NOT_FOUND;
}

static const char *status_line(enum prom_answer answer)
{
    switch (answer) {
    case PROM_METRICS:
    case PROM_INDEX:
        return "200 OK";
    case PROM_NOT_FOUND:
        return "404 Not Found";
    case PROM_NOT_ALLOWED:
        return "405 Method Not Allowed\r\nAllow: GET, HEAD";
    case PROM_BAD_REQUEST:
        break;
    }
    return "400 Bad Request";
}

/* Waits until @fd can be read or written, but not past @until_ns and not past the end. */
static bool wait_client(const struct prom *prom, int fd, short events, uint64_t until_ns)
{
    struct pollfd watched[] = {
        {.fd = fd, .events = events},
        {.fd = prom->stop_fd, .events = POLLIN},
    };
    const uint64_t now_ns = clock_monotonic_ns();

    if (now_ns >= until_ns)
        return false;
    const int count = poll(watched, 2, (int)((until_ns - now_ns) / NS_PER_MS + 1));
    return count > 0 && watched[0].revents != 0 && watched[1].revents == 0;
}

/* Reads the head of a request.  Returns its size, 0 when it did not come whole. */
static size_t read_head(const struct prom *prom, int fd, uint64_t until_ns, char *ret_head)
{
    size_t size = 0;

    while (size < PROM_REQUEST_SIZE_MAX && wait_client(prom, fd, POLLIN, until_ns)) {
        const ssize_t got = recv(fd, ret_head + size, PROM_REQUEST_SIZE_MAX - size, MSG_DONTWAIT);
        if (got <= 0)
            return 0;
        size += (size_t)got;
        if (memmem(ret_head, size, "\r\n\r\n", 4))
            return size;
    }
    return 0;
}

static bool write_all(const struct prom *prom, int fd, uint64_t until_ns, const char *data,
                      size_t size)
{
    while (size > 0 && wait_client(prom, fd, POLLOUT, until_ns)) {
        const ssize_t took = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (took < 0)
            return false;
        data += took;
        size -= (size_t)took;
    }
    return size == 0;
}

/* A copy of the metrics, to be freed; NULL without memory. */
static char *copy_text(struct prom *prom, size_t *ret_size)
{
    pthread_mutex_lock(&prom->lock);
    char *const copy = prom->text ? malloc(prom->text_size) : NULL;
    *ret_size = copy ? prom->text_size : 0;
    if (copy)
        memcpy(copy, prom->text, prom->text_size);
    pthread_mutex_unlock(&prom->lock);
    return copy;
}

static void answer(struct prom *prom, int fd, enum prom_answer what, bool body, uint64_t until_ns)
{
    static const char index[] = "ackload: the run's values are at /metrics\n";
    char head[HEAD_SIZE_MAX];
    size_t size = 0;
    char *const text = what == PROM_METRICS ? copy_text(prom, &size) : NULL;

    if (what == PROM_INDEX)
        size = sizeof index - 1;
    const int head_size = snprintf(head, sizeof head,
                                   "HTTP/1.1 %s\r\n"
                                   "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                                   "Content-Length: %zu\r\n"
                                   "Connection: close\r\n\r\n",
                                   status_line(what), size);
    if (write_all(prom, fd, until_ns, head, (size_t)head_size) && body && size > 0)
        write_all(prom, fd, until_ns, text ? text : index, size);
    free(text);
}

static void serve(struct prom *prom, int fd)
{
    const uint64_t until_ns = clock_monotonic_ns() + PROM_CLIENT_MS * NS_PER_MS;
    char head[PROM_REQUEST_SIZE_MAX];
    bool body = true;
    const size_t size = read_head(prom, fd, until_ns, head);
    const enum prom_answer what = size > 0 ? prom_judge(head, size, &body) : PROM_BAD_REQUEST;

    answer(prom, fd, what, body, until_ns);
    shutdown(fd, SHUT_WR);
}

static void *run(void *context)
{
    struct prom *const prom = context;
    struct pollfd watched[] = {
        {.fd = prom->listen_fd, .events = POLLIN},
        {.fd = prom->stop_fd, .events = POLLIN},
    };

    for (;;) {
        const int count = poll(watched, 2, -1);
        if (watched[1].revents)
            return NULL;
        if (count <= 0)
            continue;
        const int fd = accept4(prom->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve(prom, fd);
        close(fd);
    }
}

static void write_info(struct exposition *to, const struct options *options)
{
    char address[ADDRESS_TEXT_SIZE];
    char escaped[2 * ADDRESS_TEXT_SIZE];
    char labels[3 * ADDRESS_TEXT_SIZE];

    address_format(&options->address, address);
    exposition_escape(address, escaped, sizeof escaped);
    snprintf(labels, sizeof labels, "connect=\"%s\",loop=\"%s\"", escaped,
             options->rate > 0 ? "open" : "closed");
    exposition_family(to, "run", EXPOSITION_INFO, "What the load is put on, and how.");
    exposition_count(to, labels, 1);
    exposition_family(to, "rate_wanted", EXPOSITION_GAUGE,
                      "Messages per second that are asked for; 0 in a closed loop.");
    exposition_number(to, "", options->rate);
}

static void write_times(struct exposition *to, const char *name, const char *help,
                        const struct latency_sum *times)
{
    uint64_t bucket[BOUND_COUNT + 1] = {0};
    size_t bound = 0;

    for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        while (bound < BOUND_COUNT && latency_upper_ns(i) > bounds_ns[bound])
            bound++;
        bucket[bound] += times->bucket[i];
    }
    exposition_family(to, name, EXPOSITION_HISTOGRAM, help);
    const uint64_t sum_ns = times->sum_ns < 0x1p64 ? (uint64_t)times->sum_ns : UINT64_MAX;
    exposition_histogram(to, bounds_ns, BOUND_COUNT, bucket, sum_ns, (double)NS_PER_S);
}

static void write_sample(struct exposition *to, const struct sample *sample)
{
    exposition_family(to, "elapsed_seconds", EXPOSITION_GAUGE, "Since the run's start.");
    exposition_number(to, "", (double)sample->time_ns / (double)NS_PER_S);
    exposition_family(to, "sent", EXPOSITION_COUNTER, "Messages that were written whole.");
    exposition_count(to, "", sample->sent);
    exposition_family(to, "acks", EXPOSITION_COUNTER, "Messages that were acked.");
    exposition_count(to, "", sample->acked);
    exposition_family(to, "errors", EXPOSITION_COUNTER,
                      "Messages and acks that were not as they should be.");
    exposition_count(to, "", sample->error);
    exposition_family(to, "in_flight", EXPOSITION_GAUGE, "Messages that wait for their ack.");
    exposition_count(to, "", sample->in_flight);
    exposition_family(to, "connections", EXPOSITION_GAUGE, "Open connections.");
    exposition_count(to, "", sample->open);
    write_times(to, "service_seconds", "From written to acked.", &sample->service);
}

/* What only an open loop knows: when messages were due. */
static void write_due(struct exposition *to, const struct sample *sample)
{
    write_times(to, "response_seconds", "From due to acked.", &sample->response);
    write_times(to, "lateness_seconds", "From due to written.", &sample->lateness);
}

static void write_interval(struct exposition *to, const struct interval *interval)
{
    exposition_family(to, "acks_per_second", EXPOSITION_GAUGE, "In the last second.");
    exposition_number(to, "", interval->rate);
    exposition_family(to, "interval_latency_seconds", EXPOSITION_GAUGE,
                      "Percentiles of the last second: response in an open loop, else service.");
    exposition_number(to, "percentile=\"50\"", (double)interval->p50_ns / (double)NS_PER_S);
    exposition_number(to, "percentile=\"99\"", (double)interval->p99_ns / (double)NS_PER_S);
}

void prom_publish(struct prom *prom, const struct sample *sample, const struct interval *interval)
{
    struct exposition made = {.format = EXPOSITION_TEXT, .prefix = "ackload"};

    write_info(&made, prom->options);
    write_sample(&made, sample);
    if (prom->options->rate > 0)
        write_due(&made, sample);
    write_interval(&made, interval);
    exposition_end(&made);
    if (made.failed) {
        free(made.text);
        return;
    }
    pthread_mutex_lock(&prom->lock);
    char *const old = prom->text;
    prom->text = made.text;
    prom->text_size = made.size;
    pthread_mutex_unlock(&prom->lock);
    free(old);
}

const char *prom_address(const struct prom *prom)
{
    return prom->address;
}

static int listen_on(struct prom *prom, const char *text, struct ackd_error *error)
{
    const int on = 1;
    struct ackd_error inner;
    struct address address;
    const int status = address_parse(text, false, &address, &inner);

    if (status < 0)
        return error_raise(error, status, "--prom: %s", inner.text);
    prom->listen_fd =
        socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (prom->listen_fd < 0)
        return error_raise(error, -errno, "--prom %s: %s", text, strerror(errno));
    setsockopt(prom->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(prom->listen_fd, (struct sockaddr *)&address.storage, address.size) < 0 ||
        listen(prom->listen_fd, BACKLOG) < 0)
        return error_raise(error, -errno, "--prom %s: %s", text, strerror(errno));
    address.size = sizeof address.storage;
    getsockname(prom->listen_fd, (struct sockaddr *)&address.storage, &address.size);
    address_format(&address, prom->address);
    return 0;
}

static void release(struct prom *prom)
{
    if (prom->listen_fd >= 0)
        close(prom->listen_fd);
    if (prom->stop_fd >= 0)
        close(prom->stop_fd);
    pthread_mutex_destroy(&prom->lock);
    free(prom->text);
    free(prom);
}

int prom_start(struct prom **ret_prom, const char *address, const struct options *options,
               struct ackd_error *error)
{
    struct prom *const prom = calloc(1, sizeof *prom);
    struct sample *const nothing = calloc(1, sizeof *nothing);
    int status = 0;

    if (!prom || !nothing) {
        free(prom);
        free(nothing);
        return error_raise(error, -ENOMEM, "no memory for --prom");
    }
    prom->options = options;
    prom->listen_fd = -1;
    prom->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&prom->lock, NULL);
    if (prom->stop_fd < 0)
        status = error_raise(error, -errno, "eventfd: %s", strerror(errno));
    if (status == 0)
        status = listen_on(prom, address, error);
    if (status == 0) {
        prom_publish(prom, nothing, &(struct interval){0});
        status = thread_start(&prom->thread, "prom", run, prom);
        if (status < 0)
            error_raise(error, status, "--prom: cannot start a thread");
    }
    free(nothing);
    if (status < 0)
        release(prom);
    else
        *ret_prom = prom;
    return status;
}

void prom_stop(struct prom *prom)
{
    if (!prom)
        return;
    eventfd_write(prom->stop_fd, 1);
    pthread_join(prom->thread, NULL);
    release(prom);
}
