/* SPDX-License-Identifier: MIT
 *
 * thread - threads with a name that leave signals to the program (thread.h) */
#include "base/thread.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

static int create(pthread_t *ret_thread, size_t stack_size, void *(*run)(void *), void *context)
{
    pthread_attr_t attributes;
    int code = pthread_attr_init(&attributes);

    if (code != 0)
        return code;
    if (stack_size > 0)
        code = pthread_attr_setstacksize(&attributes, stack_size);
    if (code == 0)
        code = pthread_create(ret_thread, &attributes, run, context);
    pthread_attr_destroy(&attributes);
    return code;
}

int thread_start_sized(pthread_t *ret_thread, const char *name, size_t stack_size,
                       void *(*run)(void *), void *context)
{
    sigset_t all;
    sigset_t before;
    char own_name[THREAD_NAME_SIZE];

    assert(strlen(name) < THREAD_NAME_SIZE);
    sigfillset(&all);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    /* A thread begins with the name of the one that starts it.  To name it afterwards is to open a
     * file of /proc for writing, which a program may have forbidden itself. */
    prctl(PR_GET_NAME, own_name);
    prctl(PR_SET_NAME, name);
    const int code = create(ret_thread, stack_size, run, context);
    prctl(PR_SET_NAME, own_name);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return -code;
    if (ackd_hook_thread_started)
        ackd_hook_thread_started();
    return 0;
}

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *context)
{
    return thread_start_sized(ret_thread, name, 0, run, context);
}
