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
 * Everything happens in engine_turn(), in an order that is always the same.  Single-threaded; of
 * all calls only engine_wake() may come from elsewhere. */
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

/* Connects to @listener; `accepted` is said in the next turn in which it accepts. */
sim_conn sim_connect(struct engine *engine, struct engine_listener *listener);

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

/* Lets time pass. */
void sim_advance_ms(struct engine *engine, uint32_t ms);

#endif
