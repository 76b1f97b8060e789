/* SPDX-License-Identifier: MIT
 *
 * profile - stacks, and numbers for each (profile.h) */
#include "profile/profile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/intern.h"

/* What tells one stack from another: the label, then the frames. */
struct key {
    char label[PROFILE_LABEL_SIZE];
    uintptr_t frames[PROFILE_DEPTH_MAX];
};

struct profile *profile_new(const struct profile_kind *kind, int64_t period)
{
    struct profile *const profile = calloc(1, sizeof *profile);

    if (!profile)
        return NULL;
    profile->kind = kind;
    profile->period = period;
    profile->index = intern_new();
    if (!profile->index) {
        free(profile);
        return NULL;
    }
    return profile;
}

void profile_free(struct profile *profile)
{
    if (!profile)
        return;
    for (size_t i = 0; i < profile->stack_count; i++)
        free(profile->stacks[i]);
    free(profile->stacks);
    intern_free(profile->index);
    free(profile);
}

static size_t make_key(struct key *ret_key, const uintptr_t *frames, size_t depth,
                       const char *label)
{
    const size_t size = label ? strnlen(label, PROFILE_LABEL_SIZE - 1) : 0;

    memset(ret_key->label, 0, sizeof ret_key->label);
    if (size > 0)
        memcpy(ret_key->label, label, size);
    if (depth > 0)
        memcpy(ret_key->frames, frames, depth * sizeof *frames);
    return offsetof(struct key, frames) + depth * sizeof *frames;
}

/* Room for one stack more. */
static bool reserve(struct profile *profile)
{
    const size_t count = profile->stack_count;

    if (count == PROFILE_STACK_COUNT_MAX)
        return false;
    if ((count & (count - 1)) != 0)
        return true; /* the array's capacity is the next power of two */
    struct profile_stack **const stacks =
        realloc(profile->stacks, (count ? count * 2 : 1) * sizeof(struct profile_stack *));
    if (stacks)
        profile->stacks = stacks;
    return stacks != NULL;
}

static struct profile_stack *append(struct profile *profile, const struct key *key, size_t depth)
{
    struct profile_stack *const stack = calloc(1, sizeof *stack + depth * sizeof(uintptr_t));

    if (!stack)
        return NULL;
    memcpy(stack->label, key->label, sizeof stack->label);
    memcpy(stack->frames, key->frames, depth * sizeof(uintptr_t));
    stack->depth = (uint32_t)depth;
    profile->stacks[profile->stack_count++] = stack;
    return stack;
}

static struct profile_stack *stack_of(struct profile *profile, const uintptr_t *frames,
                                      size_t depth, const char *label)
{
    struct key key;
    const size_t key_size = make_key(&key, frames, depth, label);
    const size_t known = intern_find(profile->index, &key, key_size);

    if (known != INTERN_NONE)
        return profile->stacks[known];
    if (!reserve(profile))
        return NULL;
    struct profile_stack *const stack = append(profile, &key, depth);
    if (stack && intern_add(profile->index, &key, key_size, NULL) == INTERN_NONE) {
        profile->stack_count--;
        free(stack);
        return NULL;
    }
    return stack;
}

const struct profile_stack *profile_add(struct profile *profile, const uintptr_t *frames,
                                        size_t depth, const char *label, const int64_t *values)
{
    assert(depth <= PROFILE_DEPTH_MAX);
    struct profile_stack *const stack = stack_of(profile, frames, depth, label);

    if (!stack) {
        profile->lost_count += (uint64_t)values[0];
        profile->unplaced_count += (uint64_t)values[0];
        return NULL;
    }
    for (size_t i = 0; i < profile->kind->type_count; i++)
        stack->values[i] += values[i];
    return stack;
}

void profile_subtract(struct profile *profile, const struct profile *earlier)
{
    assert(profile->kind == earlier->kind);
    for (size_t i = 0; i < earlier->stack_count; i++) {
        const struct profile_stack *const less = earlier->stacks[i];
        struct profile_stack *const stack =
            stack_of(profile, less->frames, less->depth, less->label);

        for (size_t j = 0; stack && j < profile->kind->type_count; j++)
            stack->values[j] -= less->values[j];
    }
}

int64_t profile_total(const struct profile *profile, size_t index)
{
    int64_t total = 0;

    for (size_t i = 0; i < profile->stack_count; i++)
        total += profile->stacks[i]->values[index];
    return total;
}

bool profile_stack_is_zero(const struct profile_stack *stack)
{
    for (size_t i = 0; i < PROFILE_VALUE_COUNT_MAX; i++) {
        if (stack->values[i] != 0)
            return false;
    }
    return true;
}
