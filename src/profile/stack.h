/* SPDX-License-Identifier: MIT
 *
 * stack - the stack of the calling thread, also from inside a signal handler
 *
 * libgcc's unwinder, because it finds tables through _dl_find_object() of glibc 2.35, which takes
 * no lock; and because frame pointers lose every stack that ends in libc. */
#ifndef PROFILE_STACK_H
#define PROFILE_STACK_H

#include <stddef.h>
#include <stdint.h>

/* Unwinds once, so that nothing is loaded or initialised when a handler does it. */
void stack_prime(void);

/* Fills @ret_frames with the stack of the caller's caller, leaf first, at most @depth_max frames,
 * as profile.h wants them.  Returns how many. */
size_t stack_here(uintptr_t *ret_frames, size_t depth_max);

/* The same for what a signal has interrupted, to be called by its handler with its third argument.
 * Where signals are held back, and handlers called when the stack has become another one, it is the
 * interrupted instruction and under it the handler's stack: what the thread had come to by then.
 * Async-signal-safe. */
size_t stack_interrupted(const void *ucontext, uintptr_t *ret_frames, size_t depth_max);

#endif
