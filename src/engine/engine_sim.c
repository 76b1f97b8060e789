/* SPDX-License-Identifier: MIT
 *
 * engine_sim - an engine without a network (engine_sim.h) */
#include "engine/engine_sim.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "engine/socket_ops.h"

/* Bytes on their way, oldest first. */
struct pipe {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t taken;
};

struct conn {
    struct engine
        *engine; /* whose listener or socket it is; NULL between the two, and when closed */
    struct engine_listener *listener;
    struct engine_socket *socket; /* NULL before it is added, and after it is closed */
    struct pipe to_worker;
    struct pipe to_peer;
    size_t receive_size;
    size_t ahead_size; /* received before the worker wished to receive no more (engine.h) */
    size_t send_at_once;
    size_t send_in_all;
    bool accepted;
    bool peer_finished;
    bool peer_reset;
    bool worker_finished;
    bool worker_reset;
    bool closed;
    bool to_close;
};

/* Descriptors of connections begin here, where close(2) finds nothing to close. */
enum { FD_BASE = 1 << 30 };

/* Where the connections are, and the time; freed with the last of its engines. */
struct network {
    struct conn conns[SIM_CONN_COUNT_MAX];
    int conn_count;
    int engine_count;
    uint64_t now_ns;
};

struct engine_sim {
    struct engine engine;
    struct network *network;
    int accept_fail_count;
    int accept_fail_code;
    int add_fail_count;
    int start_fail_count;
    int64_t wait_ns; /* what the last turn would have waited for */
    sim_dice *dice;  /* NULL: everything in order and at once */
    void *dice_context;
    _Atomic bool woken;
};

static struct engine_sim *of(struct engine *engine)
{
    return (struct engine_sim *)(void *)engine;
}

static struct conn *conn_at(struct engine *engine, sim_conn conn)
{
    struct network *const network = of(engine)->network;

    assert(conn >= 0 && conn < network->conn_count);
    return &network->conns[conn];
}

/* The sockets' descriptors tell the connections' numbers. */
static struct conn *conn_of(struct engine *engine, const struct engine_socket *socket)
{
    return conn_at(engine, socket->fd - FD_BASE);
}

/* The next of the engine's connections at or behind *@index, and the index behind it; NULL when
 * there is none.  Connections may come and go meanwhile. */
static struct conn *next_conn(const struct engine_sim *self, int *index)
{
    struct network *const network = self->network;

    while (*index < network->conn_count) {
        struct conn *const conn = &network->conns[(*index)++];
        if (conn->engine == &self->engine)
            return conn;
    }
    return NULL;
}

/* One of @count outcomes; without dice always the last one, which is the plain one. */
static uint32_t roll(struct engine_sim *self, uint32_t count)
{
    return self->dice ? self->dice(self->dice_context, count) : count - 1;
}

/* Memory of the network.  A test that makes allocations fail means those of the worker. */
static void *grow(void *old, size_t size)
{
    void *grown;

    do {
        grown = realloc(old, size);
    } while (!grown);
    return grown;
}

static void pipe_put(struct pipe *pipe, const void *data, size_t size)
{
    assert(pipe->size + size <= SIM_BYTES_SIZE_MAX);
    if (pipe->size + size > pipe->capacity) {
        pipe->capacity = (pipe->size + size) * 2;
        pipe->data = grow(pipe->data, pipe->capacity);
    }
    if (size > 0)
        memcpy(pipe->data + pipe->size, data, size);
    pipe->size += size;
}

static size_t pipe_left(const struct pipe *pipe)
{
    return pipe->size - pipe->taken;
}

static size_t smaller_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- the worker's side --- */

static uint64_t sim_now_ns(struct engine *engine)
{
    return of(engine)->network->now_ns;
}

static int sim_listen_start(struct engine *engine, struct engine_listener *listener)
{
    struct engine_sim *const self = of(engine);

    if (self->start_fail_count > 0) {
        self->start_fail_count--;
        return -ENOMEM;
    }
    listener->accepting = true;
    return 0;
}

static void sim_listen_stop(struct engine *engine, struct engine_listener *listener)
{
    (void)engine;
    listener->accepting = false;
}

static int sim_add(struct engine *engine, struct engine_socket *socket, int fd)
{
    struct conn *const conn = conn_at(engine, fd - FD_BASE);

    if (of(engine)->add_fail_count > 0) {
        of(engine)->add_fail_count--;
        return -ENOMEM;
    }
    *socket = (struct engine_socket){.fd = fd, .receiving = true};
    assert(conn->accepted && !conn->engine && !conn->closed);
    conn->engine = engine;
    conn->socket = socket;
    return 0;
}

static void sim_refuse(struct engine *engine, int fd)
{
    struct conn *const conn = conn_at(engine, fd - FD_BASE);

    assert(conn->accepted && !conn->engine && !conn->closed);
    conn->closed = true;
    conn->worker_finished = true;
    conn->worker_reset = pipe_left(&conn->to_worker) > 0;
}

static void sim_receive(struct engine *engine, struct engine_socket *socket, bool on)
{
    struct conn *const conn = conn_of(engine, socket);

    socket->receiving = on;
    if (!on && roll(of(engine), 4) == 0)
        conn->ahead_size = smaller_of(pipe_left(&conn->to_worker), conn->receive_size);
}

/* Takes what the peer's window allows of @buffer. */
static void send_some(struct engine *engine, struct engine_socket *socket, struct buffer *buffer)
{
    struct conn *const conn = conn_of(engine, socket);
    const size_t size =
        smaller_of(buffer_size(buffer), smaller_of(conn->send_at_once, conn->send_in_all));

    if (size > 0) {
        pipe_put(&conn->to_peer, buffer->data + buffer->begin, size);
        socket->send_progress_ms = engine->turn_ms;
    }
    buffer->begin += (uint32_t)size;
    if (conn->send_in_all != SIZE_MAX)
        conn->send_in_all -= size;
    counter_add(&engine->counters->bytes_sent, size);
}

static int sim_send(struct engine *engine, struct engine_socket *socket, struct buffer *buffer)
{
    assert(!conn_of(engine, socket)->worker_finished);
    if (conn_of(engine, socket)->peer_reset) {
        socket->broken = true;
        return -ECONNRESET;
    }
    if (roll(of(engine), 4) != 0) /* else the kernel takes it later, as with completions */
        send_some(engine, socket, buffer);
    if (buffer_size(buffer) == 0)
        return ENGINE_SENT;
    socket->sending = socket_ops_shrink(engine, buffer);
    socket->send_progress_ms = engine->turn_ms;
    return ENGINE_SENDING;
}

static void sim_finish_output(struct engine *engine, struct engine_socket *socket)
{
    assert(!socket->sending);
    conn_of(engine, socket)->worker_finished = true;
}

static size_t sim_pending_size(struct engine *engine, struct engine_socket *socket)
{
    return pipe_left(&conn_of(engine, socket)->to_worker);
}

/* What the peer has not read: here no kernel takes it for a peer. */
static size_t sim_unconfirmed_size(struct engine *engine, struct engine_socket *socket)
{
    const struct conn *const conn = conn_of(engine, socket);

    return pipe_left(&conn->to_peer) + conn->worker_finished;
}

static void sim_close(struct engine *engine, struct engine_socket *socket, enum engine_close how)
{
    struct conn *const conn = conn_of(engine, socket);

    assert(!socket->closing);
    socket->closing = true;
    conn->to_close = true;
    /* As close(2) does: what was not read turns the FIN into a reset. */
    if (how == ENGINE_CLOSE_RESET || sim_pending_size(engine, socket) > 0)
        conn->worker_reset = true;
    else
        conn->worker_finished = true;
}

static void sim_wake(struct engine *engine)
{
    atomic_store(&of(engine)->woken, true);
}

static void leave_network(struct engine_sim *self)
{
    struct network *const network = self->network;

    if (--network->engine_count > 0)
        return;
    for (int i = 0; i < network->conn_count; i++) {
        assert(!network->conns[i].accepted || network->conns[i].closed);
        free(network->conns[i].to_worker.data);
        free(network->conns[i].to_peer.data);
    }
    free(network);
}

static void sim_free(struct engine *engine)
{
    struct engine_sim *const self = of(engine);
    struct conn *conn;
    int index = 0;

    while ((conn = next_conn(self, &index)))
        assert(!conn->socket);
    leave_network(self);
    free(self);
}

/* --- the turn --- */

static void accept_one(struct engine_sim *self, struct conn *conn)
{
    struct engine *const engine = &self->engine;
    const int fd = FD_BASE + (int)(conn - self->network->conns);

    if (conn->accepted || !conn->listener->accepting)
        return;
    if (self->accept_fail_count > 0) {
        self->accept_fail_count--;
        if (self->accept_fail_code == -ECONNABORTED) { /* it was this connection that failed */
            conn->accepted = conn->closed = conn->worker_reset = true;
            conn->engine = NULL;
        }
        engine->events->accept_failed(engine->owner, conn->listener, self->accept_fail_code);
        return;
    }
    conn->accepted = true;
    conn->engine = NULL; /* the owner's, to add here or elsewhere, or to refuse */
    engine->events->accepted(engine->owner, conn->listener, fd);
}

/* @listener: of this one only, unless it is NULL. */
static void accept_all(struct engine_sim *self, const struct engine_listener *listener)
{
    struct conn *conn;
    int index = 0;

    while ((conn = next_conn(self, &index))) {
        if (!listener || conn->listener == listener)
            accept_one(self, conn);
    }
}

static void sim_listen_drain(struct engine *engine, struct engine_listener *listener)
{
    accept_all(of(engine), listener);
    sim_listen_stop(engine, listener);
}

static void send_turn(struct engine_sim *self, struct engine_socket *socket)
{
    struct engine *const engine = &self->engine;
    struct buffer *const buffer = socket->sending;

    if (!buffer)
        return;
    send_some(engine, socket, buffer);
    if (buffer_size(buffer) > 0)
        return;
    socket->sending = NULL;
    engine->events->sent(engine->owner, socket, buffer);
}

static void receive_turn(struct engine_sim *self, struct conn *conn)
{
    struct engine *const engine = &self->engine;
    struct engine_socket *const socket = conn->socket;
    struct pipe *const pipe = &conn->to_worker;
    const size_t size =
        smaller_of(pipe_left(pipe), socket->receiving ? conn->receive_size : conn->ahead_size);

    if ((!socket->receiving && size == 0) || socket->closing)
        return;
    conn->ahead_size = 0;
    if (size > 0) {
        /* A copy of exact size, so that a sanitizer sees a byte read past it. */
        uint8_t *const copy = grow(NULL, size);
        memcpy(copy, pipe->data + pipe->taken, size);
        pipe->taken += size;
        engine->events->received(engine->owner, socket, (struct bytes){copy, size});
        free(copy);
    } else if (conn->peer_finished && !socket->finished) {
        socket->finished = true;
        socket->receiving = false;
        engine->events->finished(engine->owner, socket);
    }
}

static void conn_turn(struct engine_sim *self, struct conn *conn)
{
    struct engine *const engine = &self->engine;
    struct engine_socket *const socket = conn->socket;

    if (!socket || socket->closing)
        return;
    if (conn->peer_reset && !socket->broken) {
        socket->broken = true;
        engine->events->broken(engine->owner, socket, roll(self, 8) ? -ECONNRESET : -EIO);
        return;
    }
    send_turn(self, socket);
    if (!socket->closing)
        receive_turn(self, conn);
}

/* One turn of each connection.  With dice, from anywhere on, and some are left for later. */
static void conns_turn(struct engine_sim *self)
{
    struct network *const network = self->network;
    const uint32_t count = (uint32_t)network->conn_count;
    const uint32_t first = count > 0 ? roll(self, count) + 1 : 0;

    for (uint32_t i = 0; i < count; i++) {
        struct conn *const conn = &network->conns[(first + i) % count];
        if (conn->engine == &self->engine && roll(self, 8) != 0)
            conn_turn(self, conn);
    }
}

static void close_turn(struct engine_sim *self)
{
    struct conn *conn;
    int index = 0;

    while ((conn = next_conn(self, &index))) {
        struct engine_socket *const socket = conn->socket;

        if (!conn->to_close || roll(self, 4) == 0)
            continue;
        conn->to_close = false;
        conn->closed = true;
        conn->engine = NULL;
        conn->socket = NULL;
        buffer_put(self->engine.pool, socket->sending);
        socket->sending = NULL;
        socket->fd = -1;
        self->engine.events->closed(self->engine.owner, socket);
    }
}

static void wake_turn(struct engine_sim *self)
{
    if (atomic_exchange(&self->woken, false))
        self->engine.events->woken(self->engine.owner);
}

static void sim_turn(struct engine *engine, int64_t timeout_ns)
{
    struct engine_sim *const self = of(engine);

    self->wait_ns = timeout_ns; /* time passes by sim_advance_ms() only */
    engine_date(engine, self->network->now_ns);
    /* First or last; or in the next turn, as if it had come when this one had looked. */
    const uint32_t wake_when = roll(self, 6);
    if (wake_when > 2)
        wake_turn(self);
    accept_all(self, NULL);
    conns_turn(self);
    if (wake_when == 1 || wake_when == 2)
        wake_turn(self);
    close_turn(self);
}

static const struct engine_ops sim_ops = {
    .free = sim_free,
    .now_ns = sim_now_ns,
    .listen_start = sim_listen_start,
    .listen_stop = sim_listen_stop,
    .listen_drain = sim_listen_drain,
    .add = sim_add,
    .refuse = sim_refuse,
    .receive = sim_receive,
    .send = sim_send,
    .finish = sim_finish_output,
    .pending_size = sim_pending_size,
    .unconfirmed_size = sim_unconfirmed_size,
    .close = sim_close,
    .turn = sim_turn,
    .wake = sim_wake,
};

int engine_sim_new(struct engine **ret_engine, const struct engine_events *events, void *owner,
                   struct buffer_pool *pool, struct counters *counters, struct ackd_error *error)
{
    struct engine_sim *const self = calloc(1, sizeof *self);
    struct network *const network = calloc(1, sizeof *network);

    if (!self || !network) {
        free(self);
        free(network);
        return error_raise(error, -ENOMEM, "no memory for a simulated engine");
    }
    network->engine_count = 1;
    network->now_ns = NS_PER_S;
    self->network = network;
    self->engine = (struct engine){
        .ops = &sim_ops, .events = events, .owner = owner, .pool = pool, .counters = counters};
    engine_date(&self->engine, network->now_ns);
    *ret_engine = &self->engine;
    return 0;
}

void sim_share(struct engine *engine, struct engine *other)
{
    struct engine_sim *const self = of(engine);

    assert(self->network->engine_count == 1 && self->network->conn_count == 0);
    leave_network(self);
    self->network = of(other)->network;
    self->network->engine_count++;
    engine_date(engine, self->network->now_ns);
}

/* --- the peer's side --- */

sim_conn sim_connect(struct engine *engine, struct engine_listener *listener)
{
    struct network *const network = of(engine)->network;

    assert(network->conn_count < SIM_CONN_COUNT_MAX);
    network->conns[network->conn_count] = (struct conn){.engine = engine,
                                                        .listener = listener,
                                                        .receive_size = ENGINE_RECV_SIZE,
                                                        .send_at_once = SIZE_MAX,
                                                        .send_in_all = SIZE_MAX};
    return network->conn_count++;
}

sim_conn sim_conn_of(const struct engine_socket *socket)
{
    return socket->fd - FD_BASE;
}

void sim_write(struct engine *engine, sim_conn conn, const void *data, size_t size)
{
    pipe_put(&conn_at(engine, conn)->to_worker, data, size);
}

void sim_set_receive_size(struct engine *engine, sim_conn conn, size_t size)
{
    assert(size > 0 && size <= ENGINE_RECV_SIZE);
    conn_at(engine, conn)->receive_size = size;
}

void sim_set_send_sizes(struct engine *engine, sim_conn conn, size_t at_once, size_t in_all)
{
    conn_at(engine, conn)->send_at_once = at_once;
    conn_at(engine, conn)->send_in_all = in_all;
}

size_t sim_read(struct engine *engine, sim_conn conn, void *to, size_t size)
{
    struct pipe *const pipe = &conn_at(engine, conn)->to_peer;
    const size_t taken = smaller_of(size, pipe->size - pipe->taken);

    if (taken > 0)
        memcpy(to, pipe->data + pipe->taken, taken);
    pipe->taken += taken;
    return taken;
}

void sim_finish(struct engine *engine, sim_conn conn)
{
    conn_at(engine, conn)->peer_finished = true;
}

void sim_reset(struct engine *engine, sim_conn conn)
{
    conn_at(engine, conn)->peer_reset = true;
}

bool sim_sees_finish(struct engine *engine, sim_conn conn)
{
    return conn_at(engine, conn)->worker_finished;
}

bool sim_sees_reset(struct engine *engine, sim_conn conn)
{
    return conn_at(engine, conn)->worker_reset;
}

bool sim_is_closed(struct engine *engine, sim_conn conn)
{
    return conn_at(engine, conn)->closed;
}

void sim_fail_accepts(struct engine *engine, int count, int code)
{
    of(engine)->accept_fail_count = count;
    of(engine)->accept_fail_code = code;
}

void sim_fail_adds(struct engine *engine, int adds, int starts)
{
    of(engine)->add_fail_count = adds;
    of(engine)->start_fail_count = starts;
}

size_t sim_unread_size(struct engine *engine, sim_conn conn)
{
    return pipe_left(&conn_at(engine, conn)->to_worker);
}

void sim_set_dice(struct engine *engine, sim_dice *dice, void *context)
{
    of(engine)->dice = dice;
    of(engine)->dice_context = context;
}

static bool conn_is_ready(const struct conn *conn)
{
    const struct engine_socket *const socket = conn->socket;

    if (!conn->accepted)
        return conn->listener->accepting;
    if (!socket || socket->closing)
        return conn->to_close;
    if (conn->peer_reset)
        return !socket->broken;
    if (socket->sending && conn->send_at_once > 0 && conn->send_in_all > 0)
        return true;
    if (conn->ahead_size > 0)
        return true;
    return socket->receiving &&
           (pipe_left(&conn->to_worker) > 0 || (conn->peer_finished && !socket->finished));
}

bool sim_is_ready(struct engine *engine)
{
    const struct engine_sim *const self = of(engine);
    bool is_ready = atomic_load(&self->woken);
    const struct conn *conn;
    int index = 0;

    while (!is_ready && (conn = next_conn(self, &index)))
        is_ready = conn_is_ready(conn);
    return is_ready;
}

int sim_open_count(struct engine *engine)
{
    const struct network *const network = of(engine)->network;
    int count = 0;

    for (int i = 0; i < network->conn_count; i++)
        count += network->conns[i].accepted && !network->conns[i].closed;
    return count;
}

int64_t sim_wait_ns(struct engine *engine)
{
    return of(engine)->wait_ns;
}

void sim_advance_ms(struct engine *engine, uint32_t ms)
{
    of(engine)->network->now_ns += ms * NS_PER_MS;
}
