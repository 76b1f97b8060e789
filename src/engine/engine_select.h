/* SPDX-License-Identifier: MIT
 *
 * engine_select - which engine a server runs on */
#ifndef ENGINE_ENGINE_SELECT_H
#define ENGINE_ENGINE_SELECT_H

#include <ackd/server.h>

#include "engine/engine.h"

typedef int engine_new_function(struct engine **ret_engine, const struct engine_events *events,
                                void *owner, struct buffer_pool *pool, struct counters *counters,
                                struct ackd_error *error);

struct engine_choice {
    engine_new_function *new;
    const char *name;        /* "epoll" or "uring" */
    bool fell_back;          /* io_uring was tried, and will not do: */
    struct ackd_error error; /* why */
};

/* Finds the engine for @wanted.  io_uring is tried by doing with it what the engine does.  Fails
 * with a negative errno where it is wanted and will not do; where @wanted leaves it open, epoll
 * takes its place. */
int engine_select(enum ackd_engine wanted, struct engine_choice *ret_choice,
                  struct ackd_error *error);

#endif
