/* SPDX-License-Identifier: MIT
 *
 * prom - a run's live values for Prometheus: GET /metrics while the run lasts
 *
 *      main thread   sample ─▶ prom_publish ─▶ text ┐
 *      own thread    accept ─▶ read ─▶ answer ◀─────┘  one client at a time
 *
 * The load's threads know nothing of it.  A client has PROM_CLIENT_MS and PROM_REQUEST_SIZE_MAX for
 * its request, then its connection is closed; values are as old as the last sample. */
#ifndef LOAD_PROM_H
#define LOAD_PROM_H

#include "load/run.h"

enum {
    PROM_REQUEST_SIZE_MAX = 4096,
    PROM_CLIENT_MS = 1000,
};

struct prom;

/* What an HTTP request gets. */
enum prom_answer {
    PROM_METRICS,
    PROM_INDEX, /* / says where the metrics are */
    PROM_NOT_FOUND,
    PROM_NOT_ALLOWED, /* something else than GET and HEAD */
    PROM_BAD_REQUEST,
};

/* Judges the whole head of a request, up to its empty line; *ret_body is false for HEAD. */
enum prom_answer prom_judge(const char *request, size_t size, bool *ret_body);

/* Listens on @address and starts the thread.  Before the first publish the values are all 0. */
int prom_start(struct prom **ret_prom, const char *address, const struct options *options,
               struct ackd_error *error);

/* Where it listens, as text. */
const char *prom_address(const struct prom *prom);

/* Shows what @sample and @interval hold from now on. */
void prom_publish(struct prom *prom, const struct sample *sample, const struct interval *interval);

/* Ends the thread and frees everything.  @prom may be NULL. */
void prom_stop(struct prom *prom);

#endif
