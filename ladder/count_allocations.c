/* SPDX-License-Identifier: MIT
 *
 * count_allocations - counts what a program allocates, whatever its allocator (LD_PRELOAD)
 *
 *      COUNT_ALLOCATIONS=FILE LD_PRELOAD=libcount_allocations.so PROGRAM ...
 *
 * FILE begins with the count, eight bytes in the machine's order, and is shared memory: it can be
 * read while the program runs.  Calls of malloc, calloc, realloc, aligned_alloc and posix_memalign
 * count.  For ladder/ladder.py, in runs that are not timed. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

static _Atomic uint64_t early; /* until the file is there */
static _Atomic uint64_t *total = &early;

__attribute__((constructor)) static void open_file(void)
{
    const char *const path = getenv("COUNT_ALLOCATIONS");
    const int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd < 0 || ftruncate(fd, sizeof *total) < 0)
        _exit(1);
    void *const shared = mmap(NULL, sizeof *total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        _exit(1);
    total = shared;
    atomic_fetch_add(total, atomic_load(&early));
}

/* The function of that name of the allocator behind this one, counted as called once. */
static void *next(const char *name)
{
    atomic_fetch_add_explicit(total, 1, memory_order_relaxed);
    return dlsym(RTLD_NEXT, name);
}

VISIBLE void *malloc(size_t size)
{
    return ((void *(*)(size_t))next("malloc"))(size);
}

VISIBLE void *calloc(size_t nmemb, size_t size)
{
    return ((void *(*)(size_t, size_t))next("calloc"))(nmemb, size);
}

VISIBLE void *realloc(void *ptr, size_t size)
{
    return ((void *(*)(void *, size_t))next("realloc"))(ptr, size);
}

VISIBLE void *aligned_alloc(size_t alignment, size_t size)
{
    return ((void *(*)(size_t, size_t))next("aligned_alloc"))(alignment, size);
}

VISIBLE int posix_memalign(void **memptr, size_t alignment, size_t size)
{
    return ((int (*)(void **, size_t, size_t))next("posix_memalign"))(memptr, alignment, size);
}
