/* SPDX-License-Identifier: MIT
 *
 * faults - makes calls of a program fail, or its clock leap
 *
 *      LD_PRELOAD=./faults.so ACKD_FAULT=send:105:3:2 ackd ...
 *
 * The calls of that name fail with that errno (decimal) from the 3rd on, 2 of them; without a
 * number of them, all.  ACKD_FAULT=clock makes the wall clock leap by an hour, to and fro, with
 * every reading; ACKD_FAULT=rlimit makes the descriptor limit a billion; ACKD_FAULT=size makes
 * /proc/self/fd empty, as kernels before 6.2 say.  For the tests of bad input and of the sandbox.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum { HOUR_S = 3600 };

static atomic_long call_count;

/* Reads a number behind @text's colon, and steps behind it. */
static long take_number(const char **text, long otherwise)
{
    long number = 0;

    if (**text != ':')
        return otherwise;
    for ((*text)++; **text >= '0' && **text <= '9'; (*text)++)
        number = number * 10 + (**text - '0');
    return number;
}

/* Whether this call of @name is to fail: sets errno. */
static bool fails(const char *name)
{
    const char *text = getenv("ACKD_FAULT");
    const size_t size = strlen(name);

    if (!text || strncmp(text, name, size) != 0 || text[size] != ':')
        return false;
    text += size;
    const long code = take_number(&text, EIO);
    const long first = take_number(&text, 1);
    const long count = take_number(&text, 1 << 30);
    const long call = atomic_fetch_add(&call_count, 1) + 1;
    if (call < first || call - first >= count)
        return false;
    errno = (int)code;
    return true;
}

static bool is_wanted(const char *name)
{
    const char *const text = getenv("ACKD_FAULT");
    return text && strcmp(text, name) == 0;
}

#define EXPORT __attribute__((visibility("default")))
#define NEXT(name)                                                                                 \
    static __typeof__(&name) next;                                                                 \
    if (!next)                                                                                     \
    next = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name)

EXPORT int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    NEXT(accept4);
    return fails("accept4") ? -1 : next(fd, address, size, flags);
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
    NEXT(send);
    return fails("send") ? -1 : next(fd, data, size, flags);
}

EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
    NEXT(recv);
    return fails("recv") ? -1 : next(fd, data, size, flags);
}

EXPORT int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    NEXT(epoll_ctl);
    return operation == EPOLL_CTL_ADD && fails("epoll_ctl") ? -1
                                                            : next(epoll_fd, operation, fd, event);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    NEXT(setsockopt);
    return fails("setsockopt") ? -1 : next(fd, level, name, value, size);
}

EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*run)(void *), void *restrict context)
{
    NEXT(pthread_create);
    return fails("pthread_create") ? errno : next(thread, attributes, run, context);
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
    NEXT(clock_gettime);
    const int status = next(clock, now);

    if (clock == CLOCK_REALTIME && is_wanted("clock"))
        now->tv_sec += atomic_fetch_add(&call_count, 1) % 2 ? HOUR_S : -HOUR_S;
    return status;
}

EXPORT int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
    NEXT(getrlimit);
    const int status = next(resource, limit);

    if (resource == RLIMIT_NOFILE && is_wanted("rlimit"))
        *limit = (struct rlimit){1073741816, 1073741816};
    return status;
}

EXPORT int stat(const char *restrict path, struct stat *restrict status)
{
    NEXT(stat);
    const int result = next(path, status);

    if (result == 0 && is_wanted("size") && strcmp(path, "/proc/self/fd") == 0)
        status->st_size = 0;
    return result;
}

/* The allocator that free() belongs to, which need not be glibc's.  Looking for it may allocate,
 * which fails meanwhile: dlsym() does without. */
#define NEXT_ALLOCATOR(name)                                                                       \
    static __typeof__(&name) next;                                                                 \
    static _Thread_local bool is_looking;                                                          \
    if (!next && !is_looking) {                                                                    \
        is_looking = true;                                                                         \
        next = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name);                              \
        is_looking = false;                                                                        \
    }

/* True if this allocation is to fail: sets errno. */
static bool has_no_memory(bool has_allocator)
{
    if (has_allocator)
        return fails("malloc");
    errno = ENOMEM;
    return true;
}

EXPORT void *malloc(size_t size)
{
    NEXT_ALLOCATOR(malloc)
    return has_no_memory(next) ? NULL : next(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    NEXT_ALLOCATOR(calloc)
    return has_no_memory(next) ? NULL : next(count, size);
}

EXPORT void *realloc(void *old, size_t size)
{
    NEXT_ALLOCATOR(realloc)
    return has_no_memory(next) ? NULL : next(old, size);
}
