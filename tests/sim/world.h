/* SPDX-License-Identifier: MIT
 *
 * world - a server, its clients and the time, in one thread
 *
 *      dice --> peers: write, finish, reset, take acks --\
 *      dice --> handler: now, later, failures ------------+--> engines --> workers of the server
 *      dice --> time, drain, stop, failing memory --------/        |
 *                                                                  v
 *                        after each turn of a worker: its books, and what each peer sees
 *
 * The server is the real one but for what network.c stands in for: listening sockets and the
 * engine.  Workers take turns in an order that dice choose, each only when their engine has
 * something to say or when the time they asked to wait for has passed, so that a wake-up or a timer
 * that is missing shows. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "dice.h"
#include "engine/engine_sim.h"
#include "memory.h"
#include "reference.h"
#include "server/server.h"

enum {
    WORLD_WORKER_COUNT_MAX = 3,
    WORLD_PEER_COUNT_MAX = 24,
    WORLD_HELD_COUNT_MAX = 4096,

    /* What all a peer writes may come to. */
    PEER_SIZE_MAX = 1024 * 1024,
};

/* How a peer behaves.  "In n": once in n acts, 0 never. */
struct manner {
    const char *name;
    uint32_t burst_max;   /* requests composed at once; 0: none */
    uint32_t payload_max; /* bytes */
    uint32_t chunk_max;   /* bytes written at once */
    uint32_t receive_max; /* bytes that the worker receives at once */
    uint32_t window_max;  /* bytes of acks taken at once; UINT32_MAX: all, 0: none */
    uint8_t conn_in;      /* requests that are CONNs */
    uint8_t finish_in;
    uint8_t reset_in;
    uint8_t violate_in;
    bool garbage; /* nothing but random bytes */
};

/* One client, and all that is known of its connection from outside. */
struct peer {
    struct world *world;
    const struct manner *manner;
    struct worker *worker; /* to which it has connected; then the one that serves it */
    sim_conn conn;
    enum dialect dialect;
    uint32_t index;

    struct reference asked; /* what was written */
    uint8_t *outbox;        /* composed, not yet written */
    size_t outbox_size;
    size_t outbox_written;
    bool spoiled; /* a violation is composed */

    uint8_t ack[14]; /* the one that has arrived in part */
    size_t ack_size;
    size_t acked_count;
    uint64_t submit_acked_count;
    size_t handled_count; /* frames up to the last that the handler has seen */

    bool accepted;
    bool finished;
    bool reset;
    bool closed;
    bool gone; /* closed, and judged */
    bool drained;
    bool fin_seen;
    bool blocked;
    bool paused;
    bool is_closing; /* nothing more will be sent to it */
    bool shed;       /* that began while memory was short */
    bool shunned;    /* is not read for overload, by a worker that has none any more */
    uint32_t slot;
    int reason;          /* once the session's end is decided; CLOSE_NONE before */
    int closed_reason;   /* what the close was counted under */
    size_t taken_size;   /* of what was written, received by the worker */
    size_t ended_count;  /* frames it had received when the end was decided */
    size_t drained_size; /* written when the drain began */

    /* When it last: sent what was received; took a byte of acks; and so on. */
    uint32_t received_ms;
    uint32_t acked_ms;
    uint32_t partial_ms;
    uint32_t fin_ms;
    uint32_t blocked_ms;
    uint32_t paused_ms; /* was not read, for whatever reason */
    uint32_t shunned_ms;
};

/* A batch that the handler has deferred. */
struct held {
    struct ackd_batch *batch;
    struct peer *peer; /* NULL when its connection is gone */
    size_t first;      /* its frames are peer->asked.frames[first ..] */
    uint32_t count;
};

/* What a worker was seen to do to protect itself. */
struct guard {
    enum overload_stage stage;
    uint32_t shed_ms;       /* when it closed one for memory, or first came near that */
    uint32_t turned_ms;     /* when it had its latest turn */
    uint32_t jumped_ms;     /* that have passed since, in which it was kept from its turns */
    uint32_t put_off_count; /* turns in a row for which timers were put off */
    bool is_stalled;        /* its latest turn was too late, it says */
    uint64_t stalls;
    uint64_t rejected; /* for the rate */
};

struct world {
    struct dice dice;
    uint64_t seed;
    bool verbose;

    struct ackd_server *server;
    struct ackd_server_options options;
    struct engine *network; /* of its engines, the one that stands for what they have in common */
    uint32_t now_ms;
    uint32_t start_ms;
    uint64_t turn_count;

    struct peer peers[WORLD_PEER_COUNT_MAX];
    uint32_t peer_count;
    struct held held[WORLD_HELD_COUNT_MAX];
    uint32_t held_count;

    /* The handler's ways, each once in n; 0: never. */
    uint32_t defer_in;
    uint32_t fail_in;
    uint32_t complete_at_once_in;

    bool is_crowded; /* other connections have deferred requests, too */
    uint64_t
        ballast_size; /* of deferred requests that each worker believes in, beside the real ones */
    uint32_t memory_fails_in; /* allocations of workers that fail */
    bool draining;
    bool stopped;
    bool metrics_failed;
    uint32_t drain_ms;
    bool worker_finished[WORLD_WORKER_COUNT_MAX];
    struct guard guards[WORLD_WORKER_COUNT_MAX];
    uint64_t admitted; /* connections, and when that was last looked at */
    uint32_t rate_ms;
    uint64_t rate_level;
};

/* --- world.c --- */

/* Makes a server with @world->options, whose other fields are set already. */
void world_begin(struct world *world);

/* Ends what is left of it, and judges the end. */
void world_end(struct world *world);

/* Connects a new peer to any listener of any worker; NULL if nobody listens. */
struct peer *world_connect(struct world *world, const struct manner *manner);

/* Other connections, which are not played, take or give back memory of deferred requests until they
 * have @size bytes of it at each worker. */
void world_set_ballast(struct world *world, uint64_t size);

/* Turns workers until none has anything to say. */
void world_settle(struct world *world);

/* Lets time pass, and workers do what it brings. */
void world_pass(struct world *world, uint32_t ms);

/* Keeps all workers from their turns for @ms, as a stopped process or a busy machine does. */
void world_stall(struct world *world, uint32_t ms);

void world_drain(struct world *world);
void world_stop(struct world *world);

/* True when the server has drained or stopped. */
bool world_is_over(const struct world *world);

/* Says what is wrong, and ends the program. */
void world_fail(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* Says what happens, if somebody listens. */
void world_say(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whose connection @conn is, or NULL. */
struct peer *world_peer(struct world *world, sim_conn conn);

/* The session of @peer's connection, or NULL. */
struct session *world_session(const struct peer *peer);

/* --- network.c --- */

/* The world that engines and sockets are made for.  One at a time. */
extern struct world *network_world;

/* --- handler.c --- */

struct ackd_handler handler_of_world(struct world *world);

/* Completes one of the batches that the handler holds. */
void handler_complete(struct world *world, uint32_t index);
void handler_complete_all(struct world *world);

/* --- peer.c --- */

/* Writes bytes, finishes, resets: at once. */
void peer_write(struct peer *peer, const void *data, size_t size);
void peer_finish(struct peer *peer);
void peer_reset(struct peer *peer);

/* Does what its manner makes it do. */
void peer_act(struct peer *peer);

/* From here on: takes all acks, writes what it has composed, finishes. */
void peer_be_kind(struct peer *peer);

/* Sees what has come of the last turn, and judges it. */
void peer_look(struct peer *peer);

/* Judges a connection about which nobody has anything more to say at this time. */
void peer_judge_settled(struct peer *peer);

/* Judges the end of the server as the peer saw it. */
void peer_judge_end(struct peer *peer);

void peer_deinit(struct peer *peer);

/* --- books.c --- */

/* Judges the books of @worker, and those of all workers together, between two turns. */
void books_check(const struct world *world, const struct worker *worker);

/* --- guard.c --- */

void guard_begin(struct world *world);

/* Judges what @worker has done to protect itself in the turn that is over. */
void guard_check(struct world *world, const struct worker *worker);

/* A worker says that its stage of overload is another one; that it closes a connection for that. */
void guard_hear_stage(struct world *world, const struct worker *worker, const char *word);
void guard_hear_shed(struct world *world, const struct worker *worker);

/* --- scenario.c --- */

/* What a scenario came to. */
struct outcome {
    uint64_t sum; /* the same whenever the same things happened */
    uint64_t turns;
    uint64_t conns;
    uint64_t handed; /* of them, from one worker to another */
    uint64_t acks;
    uint64_t ms;
    uint32_t closed[CLOSE_REASON_COUNT];
};

/* Plays the scenario of @seed from its beginning to its end. */
struct outcome scenario_play(uint64_t seed, bool verbose);

#endif
