/* SPDX-License-Identifier: MIT
 *
 * calls - which system calls a thread may make (calls.h)
 *
 * libseccomp knows the numbers.  The filter is our own, without memory from the heap: libseccomp's,
 * when memory runs out while it makes one, never ends or lets nothing pass. */
#include "ackd/calls.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

enum {
    WORKER = CALLS_WORKER,
    SERVING = CALLS_SERVING,
    HTTP = CALLS_HTTP,
    PROFILE = CALLS_PROFILE,
    HANDLER = CALLS_HANDLER,
    START = CALLS_START,
    EACH = WORKER | SERVING | HTTP | PROFILE | HANDLER,
};

struct call {
    const char *name;
    unsigned roles; /* 0: it ends the process */
};

static const struct call calls[] = {
#define CALL(name, roles) {#name, roles},
#define KILL(name)        {#name, 0},
#include "ackd/calls.def"
#undef CALL
#undef KILL
};

enum { CALL_COUNT = sizeof calls / sizeof calls[0] };

/* What the kernel runs at each call, on its struct seccomp_data. */
struct filter {
    struct sock_filter steps[2 * CALL_COUNT + 8];
    unsigned short count;
};

static void put(struct filter *filter, struct sock_filter step)
{
    assert(filter->count < sizeof filter->steps / sizeof filter->steps[0]);
    filter->steps[filter->count++] = step;
}

static void put_load(struct filter *filter, size_t offset)
{
    put(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void put_end(struct filter *filter, uint32_t action)
{
    put(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* What has been loaded is not @number: the next step is not for it. */
static void put_unless(struct filter *filter, uint32_t number)
{
    put(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 1, 0));
}

static void put_if(struct filter *filter, uint32_t number)
{
    put(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
}

static void put_call(struct filter *filter, const struct call *call, enum calls_role role,
                     bool kills)
{
    const int number = seccomp_syscall_resolve_name(call->name);
    const bool allowed = call->roles != 0 && (role == CALLS_START || (call->roles & role));

    /* Negative: newer than this libseccomp, or another architecture's; nothing here makes it. */
    if (number < 0 || (!allowed && (call->roles != 0 || kills)))
        return;
    put_if(filter, (uint32_t)number);
    put_end(filter, allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS);
}

static void make(struct filter *filter, enum calls_role role, bool kills)
{
    filter->count = 0;
    put_load(filter, offsetof(struct seccomp_data, arch));
    put_unless(filter, seccomp_arch_native());
    put_end(filter, SECCOMP_RET_KILL_PROCESS);
    put_load(filter, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALL_COUNT; i++)
        put_call(filter, &calls[i], role, kills);
    put_end(filter, kills ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | ENOSYS);
}

int calls_restrict(enum calls_role role, bool kills, struct ackd_error *error)
{
    struct filter filter;

    make(&filter, role, kills);
    const struct sock_fprog program = {.len = filter.count, .filter = filter.steps};
    /* Threads that wait in a system call are not to be slowed down for the filter's sake. */
    long status =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
    if (status < 0 && errno == EINVAL) /* before Linux 4.17 */
        status = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    if (status < 0)
        return error_raise(error, -errno, "seccomp: %s", strerror(errno));
    return 0;
}
