/* SPDX-License-Identifier: MIT
 *
 * nullserver - a server that answers and does nothing else (nullserver.h) */
#include "load/nullserver.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/answer.h"

enum {
    RECEIVE_SIZE = 256 * 1024,
    REST_SIZE_MAX = 64 * 1024, /* what a frame may have at most */
    EVENT_COUNT_MAX = 256,
    BACKLOG = 4096,
    FD_COUNT_MAX = 65536,
};

/* The start of a frame that is not whole yet.  Its memory stays with the descriptor's number. */
struct peer {
    uint32_t rest_size;
    uint8_t *rest; /* NULL until it is needed */
};

struct service {
    int epoll_fd;
    int listener;
    struct peer peers[FD_COUNT_MAX]; /* by descriptor */
    uint8_t input[REST_SIZE_MAX + RECEIVE_SIZE];
    uint8_t acks[(REST_SIZE_MAX + RECEIVE_SIZE) / REQUEST_FRAME_SIZE_MIN * ACK_FRAME_SIZE +
                 ANSWER_SLACK_SIZE];
};

static void accept_one(struct service *service)
{
    const int fd = accept4(service->listener, NULL, NULL, SOCK_CLOEXEC);
    const int on = 1;

    if (fd < 0)
        return;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= FD_COUNT_MAX || epoll_ctl(service->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        close(fd);
        return;
    }
    service->peers[fd].rest_size = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Blocks until the client has taken everything; it always reads.  False at its end. */
static bool send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const ssize_t took = send(fd, data, size, MSG_NOSIGNAL);
        if (took <= 0)
            return false;
        data += took;
        size -= (size_t)took;
    }
    return true;
}

/* Keeps the start of a frame for later. */
static bool keep_rest(struct peer *peer, struct bytes rest)
{
    if (rest.size > REST_SIZE_MAX)
        return false;
    if (rest.size > 0 && !peer->rest && !(peer->rest = malloc(REST_SIZE_MAX)))
        return false;
    if (rest.size > 0)
        memcpy(peer->rest, rest.data, rest.size);
    peer->rest_size = (uint32_t)rest.size;
    return true;
}

/* Reads once and answers.  False at the end of the connection. */
static bool serve(struct service *service, int fd)
{
    struct peer *const peer = &service->peers[fd];
    uint8_t *const at = service->input + REST_SIZE_MAX;
    const ssize_t got = recv(fd, at, RECEIVE_SIZE, MSG_DONTWAIT);

    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    uint8_t *const begin = at - peer->rest_size;
    if (peer->rest_size > 0)
        memcpy(begin, peer->rest, peer->rest_size);
    const struct bytes input = {begin, peer->rest_size + (size_t)got};
    const struct answer answer = answer_requests(input, REST_SIZE_MAX, DIALECT_SPEC, service->acks);
    if (answer.stop != ANSWER_PARTIAL)
        return false;
    const size_t ack_size = (size_t)answer.submit_count * ACK_FRAME_SIZE;
    return keep_rest(peer, bytes_skip(input, answer.taken_size)) &&
           send_all(fd, service->acks, ack_size);
}

/* Serves until the process is killed. */
static void serve_for_ever(struct service *service)
{
    struct epoll_event events[EVENT_COUNT_MAX];
    struct epoll_event event = {.events = EPOLLIN, .data.fd = service->listener};

    service->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(service->epoll_fd, EPOLL_CTL_ADD, service->listener, &event) < 0)
        return;
    for (;;) {
        const int count = epoll_wait(service->epoll_fd, events, EVENT_COUNT_MAX, -1);
        for (int i = 0; i < count; i++) {
            const int fd = events[i].data.fd;
            if (fd == service->listener)
                accept_one(service);
            else if (!serve(service, fd))
                close(fd);
        }
    }
}

static void prepare_child(int cpu)
{
    struct rlimit limit;
    cpu_set_t set;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static int open_listener(struct nullserver *server)
{
    struct sockaddr *const name = (struct sockaddr *)&server->address.storage;

    address_parse("127.0.0.1:0", false, &server->address, NULL);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, name, server->address.size) < 0 ||
        getsockname(fd, name, &server->address.size) < 0 || listen(fd, BACKLOG) < 0) {
        const int status = -errno;
        close(fd);
        return status;
    }
    return fd;
}

int nullserver_start(struct nullserver *server, int cpu, struct ackd_error *error)
{
    struct service *const service = calloc(1, sizeof *service);
    const int listener = service ? open_listener(server) : -ENOMEM;

    if (listener >= 0) {
        service->listener = listener;
        server->pid = fork();
        if (server->pid == 0) {
            prepare_child(cpu);
            serve_for_ever(service);
            _exit(1);
        }
        close(listener);
    }
    free(service);
    if (listener < 0 || server->pid < 0)
        return error_raise(error, listener < 0 ? listener : -errno, "cannot start a null server");
    return 0;
}

void nullserver_stop(struct nullserver *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}
