/* SPDX-License-Identifier: MIT
 *
 * libevent - the server as a user of libevent writes it: a bufferevent per connection
 *
 * Tuned: no locks, epoll's change list, reads as long as libevent allows, one write for all acks of
 * a read. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "answer.h"

enum { OUTPUT_SIZE_MAX = 1024 * 1024 };

static unsigned char acks[ACKS_SIZE_MAX];

static void on_flushed(struct bufferevent *bev, void *context)
{
    (void)context;
    bufferevent_free(bev);
}

static void on_event(struct bufferevent *bev, short what, void *context);

/* Ends the connection once its acks are sent. */
static void finish(struct bufferevent *bev)
{
    if (evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
        bufferevent_free(bev);
        return;
    }
    bufferevent_disable(bev, EV_READ);
    bufferevent_setcb(bev, NULL, on_flushed, on_event, NULL);
}

static void on_drained(struct bufferevent *bev, void *context)
{
    (void)context;
    bufferevent_enable(bev, EV_READ);
}

static void on_readable(struct bufferevent *bev, void *context)
{
    struct evbuffer *const input = bufferevent_get_input(bev);
    const size_t size = evbuffer_get_length(input);
    unsigned char length[LENGTH_SIZE];

    (void)context;
    if (evbuffer_copyout(input, length, sizeof length) < LENGTH_SIZE)
        return;
    /* The rest of a long frame is waited for without being moved each time. */
    const uint32_t frame_size = answer_frame_size(length);
    if (size < frame_size && frame_size <= FRAME_SIZE_MAX)
        return;

    const struct answer answer = answer_requests(evbuffer_pullup(input, -1), size, acks);
    if (answer.ack_size > 0)
        bufferevent_write(bev, acks, answer.ack_size);
    evbuffer_drain(input, answer.used);
    if (answer.broken)
        finish(bev);
    else if (evbuffer_get_length(bufferevent_get_output(bev)) > OUTPUT_SIZE_MAX)
        bufferevent_disable(bev, EV_READ); /* until on_drained */
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
    (void)context;
    if (what & BEV_EVENT_ERROR)
        bufferevent_free(bev);
    else if (what & BEV_EVENT_EOF)
        finish(bev);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int size, void *context)
{
    const int on = 1;

    (void)listener, (void)address, (void)size;
    struct bufferevent *const bev = bufferevent_socket_new(context, fd, BEV_OPT_CLOSE_ON_FREE);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bufferevent_set_max_single_read(bev, READ_SIZE);
    bufferevent_set_max_single_write(bev, READ_SIZE);
    bufferevent_setcb(bev, on_readable, on_drained, on_event, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    if (argc != 2)
        return 64;
    signal(SIGPIPE, SIG_IGN);
    struct event_config *const config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    struct event_base *const base = event_base_new_with_config(config);
    struct evconnlistener *const listener =
        evconnlistener_new_bind(base, on_accepted, base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                4096, (struct sockaddr *)&address, sizeof address);
    if (!listener ||
        getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &size) < 0 ||
        announce(argv[1], ntohs(address.sin_port)) < 0) {
        perror("libevent");
        return 71;
    }
    return event_base_dispatch(base) < 0;
}
