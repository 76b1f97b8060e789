/* SPDX-License-Identifier: MIT
 *
 * session - the life of one connection
 *
 *                     violation, timeout, FIN, drain
 *      OPEN ------------------------------------------> FLUSHING    no request is taken any more;
 *       |                                                  |        earned acks leave
 *       | reset, write timeout                             | nothing is owed
 *       |                                                  v
 *       |              the peer has sent its FIN: --- LINGERING     our FIN is out; what still
 *       v                          |                       |        comes is discarded
 *      CLOSING <-------------------+-----------------------+        the peer's FIN, or the time
 *       |                                                           is up
 *       | `closed` of the engine: no operation is in flight
 *       v
 *      free slot, next generation
 *
 * Lingering is what keeps a close from turning into a reset that would throw away acks the peer
 * has not read yet (close(2) with unread input resets).
 *
 * A session belongs to one worker and its thread.  While nothing goes on it holds no buffer. */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include "base/wheel.h"
#include "engine/engine.h"
#include "server/ack_queue.h"
#include "server/order_queue.h"
#include "server/peer_table.h"
#include "stats/close_reason.h"

struct worker;

enum session_state {
    SESSION_FREE,
    SESSION_OPEN,
    SESSION_FLUSHING,
    SESSION_LINGERING,
    SESSION_CLOSING,
};

/* Why a session is not read, as bits. */
enum session_pause {
    PAUSE_ACK_BACKLOG = 1,
    PAUSE_WINDOW = 2,
    PAUSE_MEMORY = 4,
    PAUSE_OVERLOAD = 8,
    PAUSE_ALL = 15,
};

struct session {
    struct engine_socket socket;
    struct wheel_entry timer;

    struct buffer *stash; /* the part of a frame that has arrived, or NULL */
    struct ack_queue acks;
    struct order_queue order;

    uint32_t slot;
    uint32_t generation;
    uint32_t queued_size;      /* of acks the kernel does not have: in flight and in the queue */
    uint32_t unanswered_count; /* SUBMITs in the order queue */
    uint32_t deferred_size;    /* memory of the order queue */
    uint32_t active_ms;        /* when bytes last came, or the last owed ack left */
    uint32_t since_ms;         /* when the frame in the stash, or lingering, began */
    uint32_t left_size;        /* draining: bytes still to be read; lingering: discarded */

    uint8_t state : 3;
    uint8_t pause : 4;            /* enum session_pause, or 0 */
    bool began : 1;               /* something has come */
    enum close_reason reason : 6; /* of its end, once that is decided; CLOSE_NONE before */
    bool draining : 1;
    enum dialect dialect : 1;
    peer_index peer; /* its address, where that is counted */

    uint32_t accepted_s;   /* when; engine time */
    uint64_t submit_count; /* SUBMITs taken */
};

/* An idle connection's whole user memory.  10,000 of them are 1.28 MB. */
_Static_assert(sizeof(struct session) <= 128, "an idle connection must stay within 128 bytes");
_Static_assert(CLOSE_REASON_COUNT <= 32, "session.reason has six bits, with a sign");

/* Begins the life of a connection that the engine has taken over. */
void session_open(struct worker *worker, struct session *session, enum dialect dialect);

/* What the engine says of the session's socket (engine.h). */
void session_received(struct worker *worker, struct session *session, struct bytes bytes);
void session_finished(struct worker *worker, struct session *session);
void session_broken(struct worker *worker, struct session *session, int code);
void session_sent(struct worker *worker, struct session *session, struct buffer *buffer);
void session_closed(struct worker *worker, struct session *session);

/* A deferred batch has its results.  @session is whose it was, or NULL when that is gone. */
void session_completed(struct worker *worker, struct session *session, struct ackd_batch *batch);

/* The session's timer has expired. */
void session_timer_expired(struct worker *worker, struct session *session);

/* Answers what has arrived, then ends: the server drains. */
void session_drain(struct worker *worker, struct session *session);

/* Ends at once, with a reset; owed acks are dropped and counted. */
void session_abort(struct worker *worker, struct session *session, enum close_reason reason);

/* Reads the session again, if what kept it from that has passed. */
void session_resume(struct worker *worker, struct session *session);

/* Does not read the session until memory is less short. */
void session_pause_for_overload(struct worker *worker, struct session *session);

/* The memory that the session holds, more or less. */
uint64_t session_held_size(const struct session *session);

/* True when every request that was taken is answered, and every ack is the kernel's. */
static inline bool session_owes_nothing(const struct session *session)
{
    return session->queued_size == 0 && order_queue_is_empty(&session->order);
}

#endif
