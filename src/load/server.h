/* SPDX-License-Identifier: MIT
 *
 * server - an ackd that ackload starts for itself
 *
 * The server listens on a free port of 127.0.0.1, has no admin port, and dies with ackload. */
#ifndef LOAD_SERVER_H
#define LOAD_SERVER_H

#include <sys/types.h>

#include "base/address.h"

enum { SERVER_PATH_SIZE = 64 };

struct server {
    pid_t pid;
    char address[ADDRESS_TEXT_SIZE];
    char folder[SERVER_PATH_SIZE]; /* a temporary one, of its ports file */
};

/* Starts @program with one worker, and waits until it listens.  NULL is the ackd beside this
 * program, or that of the PATH.  Before any thread is started.  Blocks. */
int server_start(struct server *server, const char *program, struct ackd_error *error);

/* Ends it, stopped or not, and removes what it left. */
void server_stop(struct server *server);

#endif
