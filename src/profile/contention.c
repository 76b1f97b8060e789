/* SPDX-License-Identifier: MIT
 *
 * contention - who waited for locks, who held them then, and who started threads (contention.h) */
#include "profile/contention.h"

#include <pthread.h>
#include <string.h>

#include "base/lock.h"
#include "base/thread.h"
#include "profile/kinds.h"
#include "profile/stack.h"

/* Of this process; @mutex is no struct lock, which would come here again. */
static struct {
    pthread_mutex_t mutex;
    struct profile *profiles[PROFILE_KIND_COUNT];
} all = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void add(int kind, const uintptr_t *frames, size_t depth, const int64_t *values)
{
    pthread_mutex_lock(&all.mutex);
    if (!all.profiles[kind])
        all.profiles[kind] = profile_new(&profile_kinds[kind], 1);
    if (all.profiles[kind])
        profile_add(all.profiles[kind], frames, depth, NULL, values);
    pthread_mutex_unlock(&all.mutex);
}

void ackd_hook_lock_waited(uint64_t wait_ns)
{
    const int64_t values[] = {1, (int64_t)wait_ns};
    uintptr_t frames[PROFILE_DEPTH_MAX];

    add(PROFILE_BLOCK, frames, stack_here(frames, PROFILE_DEPTH_MAX), values);
}

void ackd_hook_lock_held(uint64_t delay_ns)
{
    const int64_t values[] = {1, (int64_t)delay_ns};
    uintptr_t frames[PROFILE_DEPTH_MAX];

    add(PROFILE_MUTEX, frames, stack_here(frames, PROFILE_DEPTH_MAX), values);
}

void ackd_hook_thread_started(void)
{
    static const int64_t one[] = {1};
    uintptr_t frames[PROFILE_DEPTH_MAX];

    add(PROFILE_THREADCREATE, frames, stack_here(frames, PROFILE_DEPTH_MAX), one);
}

int contention_take(const struct profile_kind *kind, struct profile **ret_profile,
                    struct ackd_error *error)
{
    struct profile *const copy = profile_new(kind, 1);

    if (!copy)
        return error_raise(error, -ENOMEM, "no memory for a profile");
    pthread_mutex_lock(&all.mutex);
    const struct profile *const from = all.profiles[kind - profile_kinds];
    for (size_t i = 0; from && i < from->stack_count; i++) {
        const struct profile_stack *const stack = from->stacks[i];
        profile_add(copy, stack->frames, stack->depth, NULL, stack->values);
    }
    if (from)
        copy->lost_count += from->lost_count;
    pthread_mutex_unlock(&all.mutex);
    *ret_profile = copy;
    return 0;
}
