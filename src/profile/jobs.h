/* SPDX-License-Identifier: MIT
 *
 * jobs - takes the profiles that requests ask for, on a thread of its own
 *
 *      waiting: [heap, now] [allocs, in 5 s, to be compared] [profile, in 30 s]      the soonest
 * first
 *                   \--> jobs thread: takes, looks names up, writes --> http_answer_later()
 *
 * The thread is a nice one: what it does takes no time from workers that want it.  Whose client
 * hangs up is dropped, and stops sampling.  There are at most as many jobs as http lets wait. */
#ifndef PROFILE_JOBS_H
#define PROFILE_JOBS_H

#include "http/http.h"
#include "profile/profile.h"

struct jobs;

/* What somebody asks for. */
struct job_request {
    const struct profile_kind *kind;
    uint32_t seconds; /* how long a CPU profile, or a difference, is to take; 0: no difference */
    uint32_t hz;
    int debug; /* 0: pprof's form, else text */
};

/* Starts the thread, which first calls @on_thread(@self), if it is not NULL.  NULL with @error when
 * that fails. */
struct jobs *jobs_start(void (*on_thread)(void *self), void *self, struct ackd_error *error);

/* Answers all that wait, with 503, and ends the thread.  What is added later is answered so, too.
 * Once, before jobs_free().  NULL is fine. */
void jobs_stop(struct jobs *jobs);

/* Frees what was stopped, when nobody adds to it any more.  NULL is fine. */
void jobs_free(struct jobs *jobs);

/* Takes @later over, and answers it in time.  Any thread, until jobs_free(). */
void jobs_add(struct jobs *jobs, const struct job_request *request, struct http_later *later);

/* Go's form of an error: plain text with the header that lets pprof print it. */
struct http_answer jobs_error(int status, const char *text);

/* Takes a profile of @kind (not of CPU time) now.  0 or a negative errno. */
int jobs_take(const struct profile_kind *kind, struct profile **ret_profile,
              struct ackd_error *error);

#endif
