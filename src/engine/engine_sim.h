/* SPDX-License-Identifier: MIT
 *
 * engine_sim - an engine without a network: the test is the peer, and owns the time
 *
 *      test                       engine_sim                     worker
 *      sim_connect()  ---------->  accepted
 *      sim_write()    ---------->  received, in pieces of the test's choice
 *      sim_read()     <----------  engine_send(), as much as the test's window lets through
 *      sim_finish(), sim_reset() > finished, broken
 *      sim_advance()  ---------->  the clock
 *
 * Several engines may stand in one network: a connection that one has accepted may be added to
 * another, and the test need not know which of them has it.
 *
 * Everything happens in engine_turn(), in an order that is always the same, or in one that dice
 * choose (sim_set_dice).  Single-threaded; of all calls only engine_wake() may come from
 * elsewhere. */
#ifndef ENGINE_ENGINE_SIM_H
#define ENGINE_ENGINE_SIM_H

#include "engine/engine.h"

enum {
    SIM_CONN_COUNT_MAX = 64,
    SIM_BYTES_SIZE_MAX = 4 * 1024 * 1024,
};

/* The connection at one end of which the test stands, by number from 0. */
typedef int sim_conn;

int engine_sim_new(struct engine **ret_engine, const struct engine_events *events, void *owner,
                   struct buffer_pool *pool, struct counters *counters, struct ackd_error *error);

/* Puts @engine, which has no connections yet, into the network of @other: they have connections and
 * the time in common.  In what follows any of them stands for the network, where it is about a
 * connection or the time. */
void sim_share(struct engine *engine, struct engine *other);

/* Connects to @listener of @engine; `accepted` is said in the next turn in which it accepts. */
sim_conn sim_connect(struct engine *engine, struct engine_listener *listener);

/* The connection of a worker's socket that is not closed. */
sim_conn sim_conn_of(const struct engine_socket *socket);

/* Sends bytes to the worker.  It receives at most the receive size (sim_set_receive_size) a turn.
 */
void sim_write(struct engine *engine, sim_conn conn, const void *data, size_t size);
void sim_set_receive_size(struct engine *engine, sim_conn conn, size_t size);

/* What the worker's sends may take at once, and in all until it is set again.  SIZE_MAX each at
 * first; 0 is a peer that does not read. */
void sim_set_send_sizes(struct engine *engine, sim_conn conn, size_t at_once, size_t in_all);

/* Takes what the worker has sent.  Returns its size; at most @size. */
size_t sim_read(struct engine *engine, sim_conn conn, void *to, size_t size);

/* The peer sends its FIN behind what it wrote; or resets. */
void sim_finish(struct engine *engine, sim_conn conn);
void sim_reset(struct engine *engine, sim_conn conn);

/* What the peer sees of the worker's end. */
bool sim_sees_finish(struct engine *engine, sim_conn conn);
bool sim_sees_reset(struct engine *engine, sim_conn conn);
bool sim_is_closed(struct engine *engine, sim_conn conn);

/* Makes the next @count accepts fail with @code (a negative errno). */
void sim_fail_accepts(struct engine *engine, int count, int code);

/* Makes the next @adds new connections, and the next @starts of listeners, fail for want of memory.
 */
void sim_fail_adds(struct engine *engine, int adds, int starts);

/* Connections of the network that were accepted and are not closed. */
int sim_open_count(struct engine *engine);

/* Bytes that the peer has sent and the worker has not received. */
size_t sim_unread_size(struct engine *engine, sim_conn conn);

/* Returns one of 0 .. @count - 1. */
typedef uint32_t sim_dice(void *context, uint32_t count);

/* From here on @dice decide what an engine is free to do: the order of connections, what is left
 * for a later turn, what was received ahead, sends that are taken later, closes that are said
 * later, the code of a reset. */
void sim_set_dice(struct engine *engine, sim_dice *dice, void *context);

/* Whether the next turn would have something to say; a real engine would not wait. */
bool sim_is_ready(struct engine *engine);

/* What the last turn would have waited for at most. */
int64_t sim_wait_ns(struct engine *engine);

/* Lets time pass. */
void sim_advance_ms(struct engine *engine, uint32_t ms);

#endif
