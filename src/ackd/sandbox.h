/* SPDX-License-Identifier: MIT
 *
 * sandbox - ackd gives up what it does not need
 *
 *      sandbox_begin()     before there is a second thread: files, programs, most system calls
 *      ... sockets are opened ...
 *      sandbox_opened()    capabilities; threads that start from here on have none
 *      sandbox_worker()    each worker, first: what is left of the calls is what it serves with
 *      sandbox_serving()   the first thread, once all others run
 *
 * What each step takes away stays away.  docs/decisions/0011 has the reasons. */
#ifndef ACKD_SANDBOX_H
#define ACKD_SANDBOX_H

#include "ackd/options.h"

/* What holds, for the log. */
struct sandbox {
    enum sandbox_level level;
    int landlock; /* its version; 0: the kernel has none */
    bool seccomp;
};

/* 0, or a negative errno where level strict asks for something that cannot be had. */
int sandbox_begin(struct sandbox *sandbox, const struct options *options, struct ackd_error *error);

void sandbox_opened(const struct sandbox *sandbox);

/* struct ackd_server_options' on_worker; @self is a struct sandbox. */
void sandbox_worker(void *self);

void sandbox_serving(const struct sandbox *sandbox);

#endif
