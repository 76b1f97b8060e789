/* SPDX-License-Identifier: MIT
 *
 * counters_expose - the counters of counters.def, and the close reasons, as metrics
 *
 * Whoever counts in several struct counters (one for each worker, one for each connection) says
 * how they are summed; names, types and help come from the .def files, so that every server
 * of the project has the same. */
#ifndef STATS_COUNTERS_EXPOSE_H
#define STATS_COUNTERS_EXPOSE_H

#include "stats/counters.h"
#include "stats/exposition.h"

/* The sum, over all struct counters of @of, of the counter at @offset. */
typedef uint64_t counters_sum(const void *of, size_t offset);

/* Appends each family of counters.def, and connections_closed by reason. */
void counters_expose(struct exposition *to, counters_sum *sum, const void *of);

#endif
