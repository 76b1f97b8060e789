/* SPDX-License-Identifier: MIT
 *
 * ceiling - what the kernel allows: a server that receives, does not look, and sends
 *
 *      ceiling REQUEST_SIZE      prints "listen 127.0.0.1:PORT" and serves until it is killed
 *
 * For every REQUEST_SIZE bytes received it sends 14 constant bytes: the right number of acks with
 * the wrong content, by the fewest system calls that answer at once.  No server that reads what it
 * is sent can be cheaper, so what ackd costs above it is the price of ackd's own work.  Its client
 * must not look either (ackload --dialect none). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"

enum {
    RECEIVE_SIZE = 256 * 1024,
    ACK_SIZE = 14,
    REQUEST_SIZE_MIN = 13,
    SEND_SIZE_MAX = RECEIVE_SIZE / REQUEST_SIZE_MIN * ACK_SIZE + ACK_SIZE,
    FD_COUNT_MAX = 65536,
    EVENT_COUNT_MAX = 512,
};

static uint32_t remainders[FD_COUNT_MAX]; /* bytes of an unfinished request, by descriptor */
static uint32_t unsent[FD_COUNT_MAX];     /* bytes that the kernel did not take yet */
static char receive_buffer[RECEIVE_SIZE];
static char acks[SEND_SIZE_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The same ack all over.  Memory that was never written would be one page of zeros, 4 KiB that the
 * kernel would copy from its nearest cache: no server's acks are. */
static void fill_acks(void)
{
    static const char ack[ACK_SIZE] = {0, 0, 0, ACK_SIZE, (char)0x82};

    for (size_t at = 0; at + ACK_SIZE <= sizeof acks; at += ACK_SIZE)
        memcpy(acks + at, ack, sizeof ack);
}

static int open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die("listen");
    printf("listen 127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int epoll_fd, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(epoll_fd, operation, fd, &event) < 0)
        die("epoll_ctl");
}

static void accept_all(int epoll_fd, int listener)
{
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

        if (fd < 0)
            return;
        if (fd >= FD_COUNT_MAX)
            die("too many connections");
        remainders[fd] = 0;
        unsent[fd] = 0;
        watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

/* Sends @size bytes; what is left waits for the socket, and meanwhile it is not read. */
static void send_acks(int epoll_fd, int fd, uint32_t size)
{
    const int was_waiting = unsent[fd] > 0;
    const ssize_t sent = send(fd, acks, size, MSG_NOSIGNAL);

    unsent[fd] = size - (sent > 0 ? (uint32_t)sent : 0);
    if ((unsent[fd] > 0) != was_waiting)
        watch(epoll_fd, EPOLL_CTL_MOD, fd, unsent[fd] > 0 ? EPOLLOUT : EPOLLIN);
}

static void serve(int epoll_fd, int fd, uint32_t request_size)
{
    const ssize_t size = recv(fd, receive_buffer, sizeof receive_buffer, 0);

    if (size <= 0) {
        close(fd);
        return;
    }
    const uint32_t total = remainders[fd] + (uint32_t)size;
    remainders[fd] = total % request_size;
    if (total >= request_size)
        send_acks(epoll_fd, fd, total / request_size * ACK_SIZE);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENT_COUNT_MAX];
    uint64_t request_size = 0;

    if (argc != 2 || !units_parse_count(argv[1], &request_size) ||
        request_size < REQUEST_SIZE_MIN || request_size > RECEIVE_SIZE) {
        fprintf(stderr, "usage: ceiling REQUEST_SIZE (13 to %d bytes)\n", RECEIVE_SIZE);
        return 64;
    }

    fill_acks();
    const int listener = open_listener();
    const int epoll_fd = epoll_create1(0);
    watch(epoll_fd, EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        const int count = epoll_wait(epoll_fd, events, EVENT_COUNT_MAX, -1);

        for (int i = 0; i < count; i++) {
            const int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(epoll_fd, listener);
            else if (events[i].events & EPOLLOUT)
                send_acks(epoll_fd, fd, unsent[fd]);
            else
                serve(epoll_fd, fd, (uint32_t)request_size);
        }
    }
}
