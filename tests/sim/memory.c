/* SPDX-License-Identifier: MIT
 *
 * memory - allocations that fail when a test says so
 *
 * The linker sends every call of malloc() and its like here (--wrap). */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "memory.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

static struct dice *dice;
static uint32_t fail_in;
static _Atomic bool watched;
static _Atomic uint64_t fail_at;
static _Atomic uint64_t count;
static _Atomic bool has_failed;
static _Atomic int64_t held_count;

void memory_fail_in(struct dice *with, uint32_t in)
{
    dice = with;
    fail_in = in;
}

void memory_fail_at(uint64_t index)
{
    atomic_store(&count, 0);
    atomic_store(&has_failed, false);
    atomic_store(&fail_at, index);
}

void memory_watch(bool on)
{
    atomic_store(&watched, on);
}

bool memory_has_failed(void)
{
    return atomic_load(&has_failed);
}

int64_t memory_held_count(void)
{
    return atomic_load(&held_count);
}

static bool fails(void)
{
    if (!atomic_load(&watched))
        return false;
    const uint64_t index = atomic_fetch_add(&count, 1) + 1;
    if (index != atomic_load(&fail_at) && !(fail_in > 0 && dice_chance(dice, fail_in)))
        return false;
    atomic_store(&has_failed, true);
    errno = ENOMEM;
    return true;
}

static void *counted(void *memory)
{
    atomic_fetch_add(&held_count, memory != NULL);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(number, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    void *const grown = __real_realloc(old, size);
    return old ? grown : counted(grown);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *memory)
{
    atomic_fetch_sub(&held_count, memory != NULL);
    __real_free(memory);
}
