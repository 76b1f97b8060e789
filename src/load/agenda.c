/* SPDX-License-Identifier: MIT
 *
 * agenda - which connection has the next message that is due (agenda.h) */
#include "load/agenda.h"

#include <stdlib.h>

int agenda_init(struct agenda *agenda, struct conn *conns, uint32_t conn_count,
                enum arrival arrival)
{
    *agenda = (struct agenda){.conns = conns, .conn_count = conn_count};
    if (arrival == ARRIVAL_CONSTANT)
        return 0;
    agenda->heap = calloc(conn_count, sizeof *agenda->heap);
    return agenda->heap ? 0 : -ENOMEM;
}

void agenda_deinit(struct agenda *agenda)
{
    free(agenda->heap);
    *agenda = (struct agenda){0};
}

/* Moves the entry at @at down until none below it is earlier. */
static void sink(struct agenda *agenda, uint32_t at)
{
    struct agenda_entry *const heap = agenda->heap;
    const struct agenda_entry entry = heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= agenda->conn_count)
            break;
        if (child + 1 < agenda->conn_count && heap[child + 1].time_ns < heap[child].time_ns)
            child++;
        if (heap[child].time_ns >= entry.time_ns)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = entry;
}

void agenda_begin(struct agenda *agenda)
{
    agenda->turn = 0;
    if (!agenda->heap)
        return;
    for (uint32_t i = 0; i < agenda->conn_count; i++)
        agenda->heap[i] = (struct agenda_entry){agenda->conns[i].released.time_ns, i};
    for (uint32_t i = agenda->conn_count / 2; i > 0; i--)
        sink(agenda, i - 1);
}

void agenda_advance(struct agenda *agenda)
{
    if (agenda->heap) {
        agenda->heap[0].time_ns = agenda_peek(agenda)->released.time_ns;
        sink(agenda, 0);
    } else if (++agenda->turn == agenda->conn_count) {
        agenda->turn = 0;
    }
}
