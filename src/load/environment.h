/* SPDX-License-Identifier: MIT
 *
 * environment - what a result depends on beside the load: machine, binary, commit */
#ifndef LOAD_ENVIRONMENT_H
#define LOAD_ENVIRONMENT_H

#include <jansson.h>

#include "load/child.h"

enum { ENVIRONMENT_HASH_SIZE = sizeof "fnv1a64:0123456789abcdef" };

/* Hashes a file's content with 64-bit FNV-1a: it tells builds apart, and proves nothing against
 * who wants to deceive. */
int environment_hash_file(const char *path, char *ret_hash, struct ackd_error *error);

/* Describes this machine, the repository of this folder, and the server @server_pid (0 =
 * unknown).  What cannot be read is null.  NULL without memory. */
json_t *environment_describe(pid_t server_pid, struct interrupts *interrupts);

/* Names the first thing of the machine and of the pinning that differs between two descriptions;
 * NULL when measurements from one can be held against the other.  Binary and commit may differ:
 * they are what is compared. */
const char *environment_difference(const json_t *a, const json_t *b);

#endif
