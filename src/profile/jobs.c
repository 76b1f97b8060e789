/* SPDX-License-Identifier: MIT
 *
 * jobs - takes the profiles that requests ask for, on a thread of its own (jobs.h) */
#include "profile/jobs.h"

#include <event2/http.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "profile/contention.h"
#include "profile/counts.h"
#include "profile/heap.h"
#include "profile/kinds.h"
#include "profile/pprof.h"
#include "profile/sampler.h"
#include "profile/text.h"

enum {
    NICE = 10,
    LOOK_NS = 50 * 1000 * 1000, /* how often it is looked whether clients are still there */
};

struct job {
    struct job *next;
    struct job_request request;
    struct http_later *later;
    struct profile *before; /* what a difference is taken from */
    bool is_begun;
    bool is_sampling; /* it has started the sampler */
    uint64_t due_ns;  /* when it is to be begun, or ended */
};

struct jobs {
    pthread_t thread;
    void (*on_thread)(void *self);
    void *on_thread_self;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    struct job *waiting; /* the soonest first */
    bool is_stopping;
};

/* --- answers --- */

struct http_answer jobs_error(int status, const char *text)
{
    struct http_answer answer = http_text(status, text);

    answer.headers[0] = (struct http_header){"X-Go-Pprof", "1"};
    return answer;
}

static struct http_answer error_answer(const struct ackd_error *error, const char *what)
{
    char text[ACKD_ERROR_TEXT_SIZE + 64];

    snprintf(text, sizeof text, "%s%s\n", what, error->text);
    return jobs_error(error->code == -ENOTSUP ? HTTP_NOTIMPLEMENTED : HTTP_INTERNAL, text);
}

/* What a browser saves it as. */
static const char *disposition_of(const struct profile_kind *kind, bool is_delta)
{
    static const char *const texts[][2] = {
#define KIND(id, name, types, period_type, default_type, has_delta, help)                          \
    {"attachment; filename=\"" name "\"", "attachment; filename=\"" name "-delta\""},
#include "profile/kinds.def"
#undef KIND
    };

    return texts[kind - profile_kinds][is_delta];
}

static struct http_answer profile_answer(const struct job *job, const struct profile *profile)
{
    const struct job_request *const request = &job->request;
    struct places *const places = places_new();
    struct blob blob = {0};

    if (!places)
        return jobs_error(HTTP_INTERNAL, "Out of memory.\n");
    if (request->debug > 0)
        text_write(&blob, profile, request->debug, places);
    else
        pprof_write(&blob, profile, places);
    places_free(places);
    if (blob.failed) {
        free(blob.data);
        return jobs_error(HTTP_INTERNAL, "Out of memory.\n");
    }
    counts_add((enum count)(COUNT_PROFILES_CPU + (request->kind - profile_kinds)), 1);
    return (struct http_answer){
        .status = HTTP_OK,
        .content_type =
            request->debug > 0 ? "text/plain; charset=utf-8" : "application/octet-stream",
        .body = blob.data,
        .body_size = blob.size,
        .headers = {{request->debug > 0 ? NULL : "Content-Disposition",
                     disposition_of(request->kind, job->before != NULL)}},
    };
}

/* --- the steps of a job --- */

int jobs_take(const struct profile_kind *kind, struct profile **ret_profile,
              struct ackd_error *error)
{
    if (kind == &profile_kinds[PROFILE_HEAP] || kind == &profile_kinds[PROFILE_ALLOCS])
        return heap_take(kind, ret_profile, error);
    if (kind != &profile_kinds[PROFILE_GOROUTINE])
        return contention_take(kind, ret_profile, error);

    struct profile *const profile = profile_new(kind, 1);
    const int status = profile ? sampler_take_stacks(profile, error)
                               : error_raise(error, -ENOMEM, "no memory for a profile");
    if (status < 0)
        profile_free(profile);
    else
        *ret_profile = profile;
    return status;
}

/* What a job has is given back, whether it was answered or not. */
static void free_job(struct job *job)
{
    if (job->is_sampling)
        profile_free(sampler_stop());
    profile_free(job->before);
    free(job);
}

static void answer(struct job *job, struct http_answer answer)
{
    http_answer_later(job->later, answer);
    free_job(job);
}

static void wait_for_end(struct job *job)
{
    job->is_begun = true;
    job->due_ns = clock_monotonic_ns() + job->request.seconds * NS_PER_S;
}

/* Starts what takes a while.  False: the job was answered and freed. */
static bool begin(struct job *job)
{
    struct ackd_error error;
    const bool is_cpu = job->request.kind == &profile_kinds[PROFILE_CPU];
    const int status = is_cpu ? sampler_start(job->request.hz, &error)
                              : jobs_take(job->request.kind, &job->before, &error);

    if (status < 0) {
        answer(job, error_answer(&error, is_cpu ? "Could not enable CPU profiling: " : ""));
        return false;
    }
    job->is_sampling = is_cpu;
    wait_for_end(job);
    return true;
}

static int64_t now_real_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

/* Takes what is there now, less what was there at the beginning. */
static int take_difference(const struct job *job, struct profile **ret_profile,
                           struct ackd_error *error)
{
    const int status = jobs_take(job->request.kind, ret_profile, error);

    if (status < 0)
        return status;
    (*ret_profile)->begin_ns = now_real_ns();
    if (job->before) {
        profile_subtract(*ret_profile, job->before);
        (*ret_profile)->duration_ns = (int64_t)(job->request.seconds * NS_PER_S);
    }
    return 0;
}

static void end(struct job *job)
{
    struct profile *profile = NULL;
    struct ackd_error error;

    if (job->is_sampling) {
        job->is_sampling = false;
        profile = sampler_stop();
        counts_add(COUNT_LOST_STACKS, profile->unplaced_count);
    } else if (take_difference(job, &profile, &error) < 0) {
        answer(job, error_answer(&error, ""));
        return;
    }
    const struct http_answer whole = profile_answer(job, profile);
    profile_free(profile);
    answer(job, whole);
}

/* --- the queue --- */

/* Puts @job behind those that are due before it. */
static void put(struct jobs *jobs, struct job *job)
{
    struct job **at = &jobs->waiting;

    while (*at && (*at)->due_ns <= job->due_ns)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
}

/* Takes a job that is due, or whose client has gone; NULL: there is none. */
static struct job *take_ready(struct jobs *jobs)
{
    const uint64_t now_ns = clock_monotonic_ns();

    for (struct job **at = &jobs->waiting; *at; at = &(*at)->next) {
        struct job *const job = *at;
        if (job->due_ns <= now_ns || http_is_gone(job->later)) {
            *at = job->next;
            return job;
        }
    }
    return NULL;
}

/* Does what is due with @job.  True: it goes on waiting. */
static bool advance(struct job *job)
{
    if (http_is_gone(job->later)) {
        answer(job, (struct http_answer){.status = HTTP_OK});
        return false;
    }
    if (!job->is_begun && job->request.seconds > 0)
        return begin(job);
    end(job);
    return false;
}

static void wait_a_while(struct jobs *jobs)
{
    uint64_t until_ns = clock_monotonic_ns() + LOOK_NS;

    if (!jobs->waiting) {
        pthread_cond_wait(&jobs->changed, &jobs->mutex);
        return;
    }
    if (jobs->waiting->due_ns < until_ns)
        until_ns = jobs->waiting->due_ns;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    pthread_cond_clockwait(&jobs->changed, &jobs->mutex, CLOCK_MONOTONIC, &until);
}

static void refuse_all(struct jobs *jobs)
{
    while (jobs->waiting) {
        struct job *const job = jobs->waiting;
        jobs->waiting = job->next;
        answer(job, jobs_error(HTTP_SERVUNAVAIL, "The server is stopping.\n"));
    }
}

static void *run(void *context)
{
    struct jobs *const jobs = context;

    if (jobs->on_thread)
        jobs->on_thread(jobs->on_thread_self);
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    pthread_mutex_lock(&jobs->mutex);
    while (!jobs->is_stopping) {
        struct job *const job = take_ready(jobs);

        if (!job) {
            wait_a_while(jobs);
            continue;
        }
        pthread_mutex_unlock(&jobs->mutex);
        const bool goes_on = advance(job);
        pthread_mutex_lock(&jobs->mutex);
        if (goes_on)
            put(jobs, job);
    }
    refuse_all(jobs);
    pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}

struct jobs *jobs_start(void (*on_thread)(void *self), void *self, struct ackd_error *error)
{
    struct jobs *const jobs = calloc(1, sizeof *jobs);

    if (!jobs) {
        error_raise(error, -ENOMEM, "no memory for the profiles' thread");
        return NULL;
    }
    jobs->on_thread = on_thread;
    jobs->on_thread_self = self;
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->changed, NULL);
    const int status = thread_start(&jobs->thread, "pprof-jobs", run, jobs);
    if (status < 0) {
        error_raise(error, status, "cannot start a thread: %s", strerror(-status));
        pthread_cond_destroy(&jobs->changed);
        pthread_mutex_destroy(&jobs->mutex);
        free(jobs);
        return NULL;
    }
    return jobs;
}

void jobs_stop(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->mutex);
    jobs->is_stopping = true;
    pthread_cond_signal(&jobs->changed);
    pthread_mutex_unlock(&jobs->mutex);
    pthread_join(jobs->thread, NULL);
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_cond_destroy(&jobs->changed);
    pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}

void jobs_add(struct jobs *jobs, const struct job_request *request, struct http_later *later)
{
    struct job *const job = calloc(1, sizeof *job);

    if (!job) {
        http_answer_later(later, jobs_error(HTTP_INTERNAL, "Out of memory.\n"));
        return;
    }
    job->request = *request;
    job->later = later;
    job->due_ns = clock_monotonic_ns();
    pthread_mutex_lock(&jobs->mutex);
    const bool is_stopping = jobs->is_stopping;
    if (!is_stopping) {
        put(jobs, job);
        pthread_cond_signal(&jobs->changed);
    }
    pthread_mutex_unlock(&jobs->mutex);
    if (is_stopping)
        answer(job, jobs_error(HTTP_SERVUNAVAIL, "The server is stopping.\n"));
}
