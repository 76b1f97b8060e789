/* SPDX-License-Identifier: MIT
 *
 * socket_ops - what the engines on real sockets do alike: system calls at once, each counted */
#ifndef ENGINE_SOCKET_OPS_H
#define ENGINE_SOCKET_OPS_H

#include <sys/types.h>

#include "engine/engine.h"

/* Accepts up to @count_max connections, while the listener accepts.  False when no more wait. */
bool socket_ops_accept(struct engine *engine, struct engine_listener *listener, int count_max);

/* Receives into @into, of ENGINE_RECV_SIZE bytes.  What recv(2) returns, or a negative errno;
 * -EAGAIN for everything that is no news.  The caller counts it. */
ssize_t socket_ops_recv(const struct engine_socket *socket, uint8_t *into);

/* Sends what the kernel takes of @buffer, which is not empty, now.  0 when that is all of it, 1
 * when the rest has to wait, negative errno when the connection is dead. */
int socket_ops_send(struct engine *engine, struct engine_socket *socket, struct buffer *buffer);

/* The kernel took @size bytes of @buffer: counts them and dates the progress. */
void socket_ops_took(struct engine *engine, struct engine_socket *socket, struct buffer *buffer,
                     size_t size);

/* Moves the rest of @buffer, and the ENGINE_SENT_KEPT_SIZE bytes before it, to a smaller one, where
 * that saves much: a peer that reads nothing must not hold the room of a full receive buffer's
 * acks. */
struct buffer *socket_ops_shrink(struct engine *engine, struct buffer *buffer);

/* Whether it is a socket of TCP, not a unix socket.  A system call. */
bool socket_ops_is_tcp(const struct engine_socket *socket);

/* Marks the connection as broken and says so, unless that was done. */
void socket_ops_broken(struct engine *engine, struct engine_socket *socket, int code);

/* Why a socket that is in error is: a negative errno. */
int socket_ops_error(const struct engine_socket *socket);

/* Makes close(2) reset the connection. */
void socket_ops_reset_on_close(const struct engine_socket *socket);

/* Closes the descriptor, puts back what was not sent, and says `closed`. */
void socket_ops_close(struct engine *engine, struct engine_socket *socket);

/* These have the shape of struct engine_ops. */
void socket_ops_refuse(struct engine *engine, int fd);
void socket_ops_finish(struct engine *engine, struct engine_socket *socket);
size_t socket_ops_pending_size(struct engine *engine, struct engine_socket *socket);
size_t socket_ops_unconfirmed_size(struct engine *engine, struct engine_socket *socket);
uint64_t socket_ops_now_ns(struct engine *engine);

/* Wakes the engine whose eventfd is @fd. */
void socket_ops_wake(int fd);

#endif
