/* SPDX-License-Identifier: MIT
 *
 * options - what ackd_server_options mean: defaults, checks, listen texts */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <ackd/server.h>

#include "base/address.h"
#include "wire/packet.h"

/* Parses ADDR:PORT[,dialect=spec|demo].  0 or -EINVAL.  The family of what systemd has opened
 * (inherited.h) is AF_UNSPEC. */
int options_parse_listen(const char *text, struct address *ret_address, enum dialect *ret_dialect,
                         struct ackd_error *error);

/* The number of CPUs that the process may use, at least 1. */
uint32_t options_cpu_count(void);

/* How many connections the descriptor limit of the process allows. */
uint32_t options_conns_max(void);

/* How much memory connections may hold: a part of what the process may use. */
uint64_t options_memory_max(void);

#endif
