/* SPDX-License-Identifier: MIT
 *
 * stack - the stack of the calling thread (stack.h) */
#include "profile/stack.h"

#include <stdbool.h>
#include <ucontext.h>
#include <unwind.h>

/* A walk in progress. */
struct walk {
    uintptr_t *frames;
    size_t depth;
    size_t depth_max;
    uintptr_t begin; /* frames before the one that executes this are left out; 0: none are */
    size_t skip;     /* so many first frames are left out */
};

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *argument)
{
    struct walk *const walk = argument;
    int is_before = 0;
    const uintptr_t ip = _Unwind_GetIPInfo(context, &is_before);

    if (ip == 0 || walk->depth == walk->depth_max)
        return _URC_END_OF_STACK;
    if (walk->skip > 0) {
        walk->skip--;
        return _URC_NO_REASON;
    }
    if (walk->begin != 0 && ip != walk->begin)
        return _URC_NO_REASON;
    walk->begin = 0;
    /* A return address belongs to the instruction behind the call. */
    walk->frames[walk->depth++] = is_before ? ip : ip - 1;
    return _URC_NO_REASON;
}

void stack_prime(void)
{
    uintptr_t frames[2];

    stack_here(frames, 2);
}

__attribute__((noinline)) size_t stack_here(uintptr_t *ret_frames, size_t depth_max)
{
    struct walk walk = {.frames = ret_frames, .depth_max = depth_max, .skip = 2};

    _Unwind_Backtrace(on_frame, &walk);
    return walk.depth;
}

static uintptr_t interrupted_ip(const void *ucontext)
{
    const ucontext_t *const context = ucontext;

#ifdef __x86_64__
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return (uintptr_t)context->uc_mcontext.pc; /* as ARM and RISC-V call theirs */
#endif
}

size_t stack_interrupted(const void *ucontext, uintptr_t *ret_frames, size_t depth_max)
{
    const uintptr_t ip = interrupted_ip(ucontext);
    struct walk walk = {.frames = ret_frames, .depth_max = depth_max, .begin = ip};

    _Unwind_Backtrace(on_frame, &walk);
    if (walk.depth > 0 || depth_max == 0)
        return walk.depth;
    /* Whoever took the signal has called the handler later, as ThreadSanitizer does. */
    ret_frames[0] = ip;
    return 1 + stack_here(ret_frames + 1, depth_max - 1);
}
