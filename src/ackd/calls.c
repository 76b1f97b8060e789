/* SPDX-License-Identifier: MIT
 *
 * calls - which system calls a thread may make (calls.h) */
#include "ackd/calls.h"

#include <seccomp.h>
#include <string.h>

#include "base/error.h"

enum {
    WORKER = CALLS_WORKER,
    SERVING = CALLS_SERVING,
    START = CALLS_START,
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

static int add(scmp_filter_ctx filter, const struct call *call, enum calls_role role, bool kills)
{
    const int number = seccomp_syscall_resolve_name(call->name);
    const bool allowed = call->roles != 0 && (role == CALLS_START || (call->roles & role));

    if (number == __NR_SCMP_ERROR)
        return 0; /* newer than this libseccomp, so that nothing here makes it */
    if (allowed)
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    if (call->roles == 0 && !kills)
        return seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 0);
    return 0;
}

/* Fills and loads @filter. */
static int load(scmp_filter_ctx filter, enum calls_role role, bool kills)
{
    /* Threads that wait in a system call are not to be slowed down for the filter's sake (SSB),
     * and the search goes by halves. */
    int status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);

    if (status == -EOPNOTSUPP)
        status = 0;
    if (status == 0)
        status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0] && status == 0; i++)
        status = add(filter, &calls[i], role, kills);
    return status == 0 ? seccomp_load(filter) : status;
}

int calls_restrict(enum calls_role role, bool kills, struct ackd_error *error)
{
    scmp_filter_ctx filter = seccomp_init(kills ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));

    if (!filter)
        return error_raise(error, -ENOMEM, "seccomp: no memory for a filter");
    const int status = load(filter, role, kills);
    seccomp_release(filter);
    if (status < 0)
        return error_raise(error, status, "seccomp: %s", strerror(-status));
    return 0;
}
