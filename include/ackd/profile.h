/* SPDX-License-Identifier: MIT
 *
 * ackd/profile.h - profiles of this process, as `go tool pprof` reads them
 *
 *      GET /debug/pprof/               what is here
 *      GET /debug/pprof/profile        CPU time; ?seconds=30&hz=100
 *      GET /debug/pprof/heap           memory in use (allocs: the same, allocated since the start)
 *      GET /debug/pprof/goroutine      the stacks of all threads; threadcreate: who started them
 *      GET /debug/pprof/mutex          who held locks that others waited for; block: who waited
 *      GET /debug/pprof/cmdline        the command line; symbol: names of addresses
 *      GET /debug/pprof/ui             a flame graph in the browser
 *
 * Paths, parameters, status codes and texts are those of Go's net/http/pprof.  Profiles come with
 * names and lines: who looks at one needs neither the program nor its debug information.
 *
 * Every thread of the process is covered, whoever started it and whenever; none has to register.
 * A thread that blocks SIGPROF is left out.  Nothing is sampled, and no thread of the server costs
 * anything, until somebody asks.  Heap profiles need the program to be linked with jemalloc; which
 * stack a lock's waiters and holders have comes from struct lock (src/base/lock.h).
 *
 * A separate library (libackd-profile, on libevent, zlib and libdw), because a signal's action and
 * an allocator belong to the whole process: it owns SIGPROF, and malloc_conf unless the program has
 * its own.  A process has one of it. */
#ifndef ACKD_PROFILE_H
#define ACKD_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/error.h>
#include <ackd/export.h>
#include <ackd/metrics.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ACKD_PROFILE_HZ = 100, /* what ackd_profile_start() takes for 0 */
    ACKD_PROFILE_HZ_MAX = 1000,
};

struct ackd_profile_server;

struct ackd_profile_options {
    const char *listen; /* ADDR:PORT; port 0 takes any.  Copied */
    bool allow_remote;  /* @listen may be something else than a loopback address */

    /* Called by the thread that speaks HTTP, and by the one that takes profiles, before anything
     * else, on that thread: for what is a thread's own, such as its CPUs or what it may do.  May be
     * NULL.  The sampler of CPU time is started by the second and begins with what that one has;
     * with ackd_profile_start(), by the caller. */
    void (*on_http_thread)(void *self);
    void (*on_profile_thread)(void *self);
    void *on_thread_self;
};

/* Opens the socket and starts a thread; SIGPROF is taken from here on.  0, -EINVAL for an address
 * that is not legal or not allowed, -EBUSY if the process has such a server already, -EADDRINUSE,
 * or another negative errno; then nothing is open. */
ACKD_API int ackd_profile_server_start(struct ackd_profile_server **ret_server,
                                       const struct ackd_profile_options *options,
                                       struct ackd_error *error);

/* What was bound, ADDR:PORT.  Lives as long as the server.  Any thread. */
ACKD_API const char *ackd_profile_server_address(const struct ackd_profile_server *server);

/* Ends the threads, whatever is asked for at the time, and frees.  NULL is fine. */
ACKD_API void ackd_profile_server_stop(struct ackd_profile_server *server);

/* Without a server: samples CPU time of all threads from now on, @hz times a second of it (1 to
 * ACKD_PROFILE_HZ_MAX, or 0).  0, -EBUSY while a CPU profile is being taken, or another negative
 * errno. */
ACKD_API int ackd_profile_start(uint32_t hz, struct ackd_error *error);

/* Ends what ackd_profile_start() began, and writes the profile to @path.  0 or a negative errno;
 * sampling has ended in either case. */
ACKD_API int ackd_profile_write(const char *path, struct ackd_error *error);

/* True if this program's own debug information is at hand; if not, @ret_reason (static) says what
 * profiles will lack. */
ACKD_API bool ackd_profile_has_lines(const char **ret_reason);

/* Writes metrics of the profiler (profiles taken, samples lost) like ackd_server_metrics(), but
 * without the mark that ends OpenMetrics: they are meant to stand among others.  0 or -ENOMEM. */
ACKD_API int ackd_profile_metrics(enum ackd_metrics_format format, const char *prefix,
                                  char **ret_text, size_t *ret_size);

#ifdef __cplusplus
}
#endif

#endif
