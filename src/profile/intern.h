/* SPDX-License-Identifier: MIT
 *
 * intern - gives equal runs of bytes one number: 0, 1, 2 ... in the order they come
 *
 * Strings, addresses and stacks of a profile are each written once and named by number. */
#ifndef PROFILE_INTERN_H
#define PROFILE_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERN_NONE SIZE_MAX

struct intern;

/* NULL when memory ran out. */
struct intern *intern_new(void);

/* NULL is fine. */
void intern_free(struct intern *intern);

/* The number of these bytes, which are copied when they are new; INTERN_NONE when memory ran
 * out.  @ret_new may be NULL. */
size_t intern_add(struct intern *intern, const void *data, size_t size, bool *ret_new);

/* The number of these bytes, or INTERN_NONE if they are not there. */
size_t intern_find(const struct intern *intern, const void *data, size_t size);

size_t intern_count(const struct intern *intern);

/* The bytes of @number, followed by a NUL that @ret_size does not count. */
const void *intern_at(const struct intern *intern, size_t number, size_t *ret_size);

#endif
