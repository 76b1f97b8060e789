/* SPDX-License-Identifier: MIT
 *
 * mix - bad neighbours (mix.h) */
#include "load/mix.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "load/id.h"
#include "wire/packet.h"

enum {
    EVENT_COUNT_MAX = 256,
    SLOW_READ_SIZE = 1024,
    SLOW_READ_TICKS = 10, /* a slow reader reads once in so many ticks */
    GARBAGE_SIZE = 256,
    FRAME_PAYLOAD_SIZE = 22,
    FRAME_SIZE = REQUEST_FRAME_SIZE_MIN + FRAME_PAYLOAD_SIZE,
    BLOCK_FRAME_COUNT = 256,
    DISCARD_SIZE = 64 * 1024,
    OPEN_COUNT_MAX = 64, /* connections begun in one tick */
    SPARE_FD_COUNT = 64,
};

struct neighbour {
    enum mix_kind kind;
    int fd; /* -1: closed */
    bool connecting;
    uint32_t at;       /* slow reader, dribbler: bytes of the block that are written */
    uint64_t again_ns; /* closed: when to come back */
};

struct mix {
    const struct address *address;
    struct neighbour *neighbours;
    uint32_t neighbour_count;
    struct mix_tally tallies[MIX_KIND_COUNT];
    uint64_t random;
    uint64_t tick_count;
    int epoll_fd;
    int stop_fd;
    pthread_t thread;
    uint8_t block[BLOCK_FRAME_COUNT * FRAME_SIZE]; /* valid frames */
    uint8_t discard[DISCARD_SIZE];
};

static const char *const names[MIX_KIND_COUNT] = {
    [MIX_SLOW_READER] = "slow-reader",
    [MIX_IDLE] = "idle",
    [MIX_GARBAGE] = "garbage",
    [MIX_DRIBBLE] = "dribble",
};

const char *mix_kind_name(enum mix_kind kind)
{
    assert(kind < MIX_KIND_COUNT);
    return names[kind];
}

bool mix_is_empty(const struct mix_options *options)
{
    uint32_t count = 0;

    for (int i = 0; i < MIX_KIND_COUNT; i++)
        count += options->count[i];
    return count == 0;
}

/* Parses "1000" or "5%". */
static bool parse_amount(char *text, uint32_t connection_count, uint32_t *ret_count)
{
    char *const percent = strchr(text, '%');
    uint64_t count;

    if (percent && percent[1] != '\0')
        return false;
    if (percent)
        *percent = '\0';
    if (!units_parse_count(text, &count) || count > MIX_CONNECTION_COUNT_MAX)
        return false;
    if (percent)
        count = (count * connection_count + 99) / 100;
    *ret_count = (uint32_t)count;
    return count <= MIX_CONNECTION_COUNT_MAX;
}

static bool parse_item(char *item, uint32_t connection_count, struct mix_options *options)
{
    char *const equals = strchr(item, '=');

    if (!equals)
        return false;
    *equals = '\0';
    for (int i = 0; i < MIX_KIND_COUNT; i++) {
        if (strcmp(item, names[i]) == 0)
            return parse_amount(equals + 1, connection_count, &options->count[i]);
    }
    return false;
}

bool mix_parse(const char *text, uint32_t connection_count, struct mix_options *ret_options)
{
    struct mix_options options = {0};
    char copy[256];
    char *rest = copy;
    char *item;

    if (strlen(text) >= sizeof copy)
        return false;
    memcpy(copy, text, strlen(text) + 1);
    while ((item = strsep(&rest, ","))) {
        if (!parse_item(item, connection_count, &options))
            return false;
    }
    *ret_options = options;
    return true;
}

static uint64_t draw(struct mix *mix)
{
    mix->random = mix->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return mix->random >> 16;
}

static void close_one(struct mix *mix, struct neighbour *one)
{
    close(one->fd);
    one->fd = -1;
    one->again_ns = clock_monotonic_ns() + MIX_RETRY_MS * NS_PER_MS;
    if (one->connecting)
        mix->tallies[one->kind].refused_count++;
    else
        mix->tallies[one->kind].closed_count++;
}

static uint32_t events_of(const struct neighbour *one)
{
    if (one->connecting)
        return EPOLLIN | EPOLLOUT;
    /* A slow reader reads by the clock, whatever is there. */
    return one->kind == MIX_SLOW_READER ? EPOLLOUT | EPOLLET : EPOLLIN;
}

static void watch(struct mix *mix, struct neighbour *one, int operation)
{
    struct epoll_event event = {.events = events_of(one), .data.ptr = one};

    if (epoll_ctl(mix->epoll_fd, operation, one->fd, &event) < 0)
        close_one(mix, one);
}

static void open_one(struct mix *mix, struct neighbour *one)
{
    const int family = mix->address->storage.ss_family;
    const int on = 1;
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        mix->tallies[one->kind].refused_count++;
        one->again_ns = clock_monotonic_ns() + MIX_RETRY_MS * NS_PER_MS;
        return;
    }
    if (family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    one->fd = fd;
    one->at = 0;
    one->connecting = true;
    if (connect(fd, (const struct sockaddr *)&mix->address->storage, mix->address->size) < 0 &&
        errno != EINPROGRESS) {
        close_one(mix, one);
        return;
    }
    watch(mix, one, EPOLL_CTL_ADD);
}

/* Sends; a neighbour whose connection ended is closed.  Returns what the socket took. */
static size_t send_some(struct mix *mix, struct neighbour *one, const uint8_t *data, size_t size)
{
    const ssize_t took = send(one->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (took < 0 && errno != EAGAIN && errno != EINTR)
        close_one(mix, one);
    if (took <= 0)
        return 0;
    mix->tallies[one->kind].sent_size += (uint64_t)took;
    return (size_t)took;
}

static void read_some(struct mix *mix, struct neighbour *one, size_t size)
{
    const ssize_t got = recv(one->fd, mix->discard, size, MSG_DONTWAIT);

    if (got > 0)
        mix->tallies[one->kind].received_size += (uint64_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        close_one(mix, one);
}

static void send_garbage(struct mix *mix, struct neighbour *one)
{
    uint8_t bytes[GARBAGE_SIZE];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)draw(mix);
    send_some(mix, one, bytes, sizeof bytes);
}

/* Writes valid frames until the socket is full. */
static void send_frames(struct mix *mix, struct neighbour *one)
{
    size_t took;

    do {
        const size_t left = sizeof mix->block - one->at;
        took = send_some(mix, one, mix->block + one->at, left);
        one->at = (uint32_t)((one->at + took) % sizeof mix->block);
    } while (took > 0 && one->fd >= 0);
}

/* The connection is there, or it failed. */
static void end_connecting(struct mix *mix, struct neighbour *one)
{
    int code = 0;
    socklen_t size = sizeof code;

    if (getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 || code != 0) {
        close_one(mix, one);
        return;
    }
    one->connecting = false;
    mix->tallies[one->kind].connect_count++;
    watch(mix, one, EPOLL_CTL_MOD);
}

static void serve(struct mix *mix, struct neighbour *one, uint32_t events)
{
    if (one->fd < 0)
        return;
    if (one->connecting)
        end_connecting(mix, one);
    else if (one->kind == MIX_SLOW_READER && (events & (EPOLLHUP | EPOLLERR)))
        close_one(mix, one);
    else if (one->kind == MIX_SLOW_READER)
        send_frames(mix, one);
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_some(mix, one, sizeof mix->discard);
}

/* What a neighbour does by the clock. */
static void tick_one(struct mix *mix, struct neighbour *one)
{
    if (one->connecting)
        return;
    if (one->kind == MIX_GARBAGE)
        send_garbage(mix, one);
    else if (one->kind == MIX_DRIBBLE)
        one->at = (uint32_t)((one->at + send_some(mix, one, mix->block + one->at, 1)) %
                             sizeof mix->block);
    else if (one->kind == MIX_SLOW_READER && mix->tick_count % SLOW_READ_TICKS == 0)
        read_some(mix, one, SLOW_READ_SIZE);
}

static void tick(struct mix *mix)
{
    const uint64_t now_ns = clock_monotonic_ns();
    uint32_t open_count = 0;

    mix->tick_count++;
    for (uint32_t i = 0; i < mix->neighbour_count; i++) {
        struct neighbour *const one = &mix->neighbours[i];
        if (one->fd >= 0)
            tick_one(mix, one);
        else if (now_ns >= one->again_ns && open_count++ < OPEN_COUNT_MAX)
            open_one(mix, one);
    }
}

static void *run(void *argument)
{
    struct mix *const mix = argument;
    struct epoll_event events[EVENT_COUNT_MAX];
    uint64_t next_ns = 0;

    for (;;) {
        const uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= next_ns) {
            tick(mix);
            next_ns = now_ns + MIX_TICK_MS * NS_PER_MS;
        }
        const int count = epoll_wait(mix->epoll_fd, events, EVENT_COUNT_MAX, MIX_TICK_MS);
        for (int i = 0; i < count; i++) {
            if (!events[i].data.ptr)
                return NULL;
            serve(mix, events[i].data.ptr, events[i].events);
        }
    }
}

static void put_block(struct mix *mix)
{
    static const uint8_t payload[FRAME_PAYLOAD_SIZE];
    uint8_t id[PACKET_ID_SIZE];

    for (uint32_t i = 0; i < BLOCK_FRAME_COUNT; i++) {
        store_be64(id, id_of(i + 1));
        packet_encode_request(mix->block + (size_t)i * FRAME_SIZE, COMMAND_SUBMIT, id,
                              (struct bytes){payload, sizeof payload});
    }
}

static void raise_fd_limit(uint32_t count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur += count + SPARE_FD_COUNT;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void free_mix(struct mix *mix)
{
    for (uint32_t i = 0; i < mix->neighbour_count && mix->neighbours; i++) {
        if (mix->neighbours[i].fd >= 0)
            close(mix->neighbours[i].fd);
    }
    if (mix->epoll_fd >= 0)
        close(mix->epoll_fd);
    if (mix->stop_fd >= 0)
        close(mix->stop_fd);
    free(mix->neighbours);
    free(mix);
}

static int open_parts(struct mix *mix)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    mix->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    mix->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mix->epoll_fd < 0 || mix->stop_fd < 0 ||
        epoll_ctl(mix->epoll_fd, EPOLL_CTL_ADD, mix->stop_fd, &event) < 0)
        return -errno;
    return -pthread_create(&mix->thread, NULL, run, mix);
}

int mix_start(struct mix **ret_mix, const struct mix_options *options,
              const struct address *address, struct ackd_error *error)
{
    struct mix *const mix = calloc(1, sizeof *mix);
    uint32_t count = 0;

    for (int i = 0; i < MIX_KIND_COUNT; i++)
        count += options->count[i];
    if (!mix)
        return error_raise(error, -ENOMEM, "no memory for the neighbours");
    mix->address = address;
    mix->epoll_fd = mix->stop_fd = -1;
    mix->neighbours = calloc(count, sizeof *mix->neighbours);
    if (!mix->neighbours) {
        free_mix(mix);
        return error_raise(error, -ENOMEM, "no memory for %u neighbours", count);
    }
    put_block(mix);
    raise_fd_limit(count);
    for (int kind = 0; kind < MIX_KIND_COUNT; kind++) {
        mix->tallies[kind].connection_count = options->count[kind];
        for (uint32_t i = 0; i < options->count[kind]; i++)
            mix->neighbours[mix->neighbour_count++] =
                (struct neighbour){.kind = (enum mix_kind)kind, .fd = -1};
    }
    const int status = open_parts(mix);
    if (status < 0) {
        free_mix(mix);
        return error_raise(error, status, "cannot start the neighbours: %s", strerror(-status));
    }
    *ret_mix = mix;
    return 0;
}

void mix_stop(struct mix *mix, struct mix_tally *ret_tallies)
{
    eventfd_write(mix->stop_fd, 1);
    pthread_join(mix->thread, NULL);
    memcpy(ret_tallies, mix->tallies, sizeof mix->tallies);
    free_mix(mix);
}
