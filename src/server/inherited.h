/* SPDX-License-Identifier: MIT
 *
 * inherited - listening sockets that systemd opened and passed on
 *
 *      --listen systemd            all of them
 *      --listen systemd:NAME       those called NAME (FileDescriptorName=, else the socket unit)
 *
 * They come as descriptors 3, 4, ... of LISTEN_FDS, with names in LISTEN_FDNAMES, and are meant
 * for the process LISTEN_PID.  systemd keeps them open: who connects between two servers waits.
 * Source: sd_listen_fds(3), which promises that this stays as it is. */
#ifndef SERVER_INHERITED_H
#define SERVER_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

/* True if @text, without a dialect, stands for inherited sockets.  *ret_name points into @text;
 * empty for all of them. */
bool inherited_parse(const char *text, const char **ret_name);

/* Finds the sockets called @name, at most @fds_max, and makes them ready to be accepted from.  The
 * number of them, or -ENOENT if there is none, or another negative errno. */
int inherited_find(const char *name, int *ret_fds, size_t fds_max, struct ackd_error *error);

/* The address that inherited socket @fd is bound to. */
int inherited_address(int fd, struct address *ret_address, struct ackd_error *error);

#endif
