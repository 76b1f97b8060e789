/* SPDX-License-Identifier: MIT
 *
 * thread - threads with a name that leave signals to the program (thread.h) */
#include "base/thread.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *context)
{
    sigset_t all;
    sigset_t before;

    assert(strlen(name) < THREAD_NAME_SIZE);
    sigfillset(&all);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int code = pthread_create(ret_thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return -code;
    pthread_setname_np(*ret_thread, name);
    if (ackd_hook_thread_started)
        ackd_hook_thread_started();
    return 0;
}
