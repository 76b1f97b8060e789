/* SPDX-License-Identifier: MIT
 *
 * overload - what a worker does when connections hold too much memory
 *
 *      of the limit:      80 %        85 %          92 %              97 %
 *      rising           calm |  calm   | no accept   | + pause reads    | + close the largest
 *      falling          calm |<- no accept |<- pause reads |<- close        (each ends a step
 * lower)
 *
 * The memory of all workers is what counts; each worker looks after its own connections, and only
 * those that hold more than their part of all do so.  Memory is what connections make ackd hold:
 * sessions, buffers in use, deferred requests; not what a worker has in any case. */
#ifndef SERVER_OVERLOAD_H
#define SERVER_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

enum overload_stage {
    OVERLOAD_CALM,
    OVERLOAD_NO_ACCEPT,
    OVERLOAD_PAUSE,
    OVERLOAD_CLOSE,
};

struct overload {
    uint64_t published_size; /* what the others know of this worker's memory */
    uint32_t watched_ms;     /* when overload_watch() was last called */
    uint32_t looked_ms;      /* when it last looked for those that hold most */
    uint32_t since_ms;       /* when it began to pause, or last closed one */
    enum overload_stage stage;
    bool has_paused; /* some sessions may not be read because of it */
};

/* The stage for @size of @size_max, after @before. */
enum overload_stage overload_stage_of(uint64_t size, uint64_t size_max, enum overload_stage before);

/* Looks at the memory, and does what its stage asks for.  After a turn, once a millisecond. */
void overload_watch(struct worker *worker);

/* Tells the other workers, and who reads the metrics, the exact number.  Now and then. */
void overload_tell(struct worker *worker);

/* True when a session that holds much should not be read any more.  Cheap. */
bool overload_is_near(const struct worker *worker);

#endif
