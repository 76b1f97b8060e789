/* SPDX-License-Identifier: MIT
 *
 * thread - threads with a name that leave signals to the program
 *
 * A library's threads block every signal: the program that embeds it handles them in its own.  But
 * for SIGPROF: nothing sends that to a thread but a profiler, which wants to see this one, too. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

enum { THREAD_NAME_SIZE = 16 }; /* the kernel's limit, with the NUL */

/* Starts a joinable thread called @name (shorter than THREAD_NAME_SIZE).  Returns 0 or a negative
 * errno (-EAGAIN: too many threads). */
int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *context);

/* The same with a stack of @stack_size bytes, for a program with many threads; 0 is the system's
 * usual size.  -EINVAL if no thread can live on so few. */
int thread_start_sized(pthread_t *ret_thread, const char *name, size_t stack_size,
                       void *(*run)(void *), void *context);

/* The calling thread has started another one.  Weak: a profiler defines it, if there is one. */
__attribute__((weak, visibility("default"))) void ackd_hook_thread_started(void);

#endif
