/* SPDX-License-Identifier: MIT
 *
 * sandbox - ackd gives up what it does not need
 *
 *      sandbox_begin()     before there is a second thread: files, programs, most system calls
 *      ... sockets are opened ...
 *      sandbox_worker(), _http(), _profile(), _handler()
 *                          each other thread, first: its capabilities, and the calls that are not
 *                          its role's
 *      sandbox_serving()   the first thread, once all others run: the same
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

/* For the options of what starts threads; @self is a struct sandbox.  Where the kernel refuses a
 * thread its filter, it keeps that of the start; at level strict the process ends. */
void sandbox_worker(void *self);
void sandbox_http(void *self);    /* speaks HTTP */
void sandbox_profile(void *self); /* takes profiles, and starts the sampler */
void sandbox_handler(void *self); /* completes batches */

void sandbox_serving(const struct sandbox *sandbox);

#endif
