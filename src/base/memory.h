/* SPDX-License-Identifier: MIT
 *
 * memory - how much of it this process may use */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

/* The memory of the machine, or of the smallest cgroup (v1 or v2) around this process if that is
 * less, in bytes.  @root stands before all paths: "" but in tests. */
uint64_t memory_allowed_size(const char *root);

#endif
