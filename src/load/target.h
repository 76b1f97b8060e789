/* SPDX-License-Identifier: MIT
 *
 * target - a server under test: started from a command, found, measured, and ended
 *
 *      ackd --listen 127.0.0.1:$PORT            a free port, in the environment
 *      ackd --listen {listen}                   127.0.0.1:PORT in place of {listen}
 *      ackd --listen 127.0.0.1:0 --ports-file {ports-file}
 *                                               the server picks the port and writes it there:
 *                                               a line "listen ADDR:PORT ..." (also $PORTS_FILE)
 *      git:REV                                  ackd of that revision, built once and kept
 *      external:ADDR[,pid=PID]                  runs already, and is left alone
 *
 * A command runs in a shell, in a process group of its own.  Its CPU time is that of the group, in
 * nanoseconds as the scheduler counts them. */
#ifndef LOAD_TARGET_H
#define LOAD_TARGET_H

#include "base/address.h"
#include "load/child.h"
#include "load/history.h"

enum {
    TARGET_COMMAND_SIZE = 4096,
    TARGET_PROCESS_MAX = 64,
    TARGET_FOLDER_SIZE = 256,
    TARGET_PADDING_MAX = 4096, /* of the environment */
};

struct target_plan {
    char command[TARGET_COMMAND_SIZE]; /* with git: already resolved; "" = external */
    char address[ADDRESS_TEXT_SIZE];   /* external */
    pid_t pid;                         /* external; 0 = not known */
    char label[TARGET_COMMAND_SIZE];   /* as the user gave it */
    cpu_set_t cpus;                    /* none set = not pinned */
};

struct target {
    struct child child; /* pid 0 when external */
    char address[ADDRESS_TEXT_SIZE];
    pid_t pid;                             /* the server proper, past shells; 0 = not known */
    char ports_folder[TARGET_FOLDER_SIZE]; /* in $TMPDIR, or /tmp */
    pid_t processes[TARGET_PROCESS_MAX];   /* of the group, without shells that only wait */
    size_t process_count;
};

/* Reads @text (see above); git:REV is built now, with its binary kept in the history. */
int target_plan_init(struct target_plan *plan, const char *text, const char *server_cpus,
                     const struct history *history, struct interrupts *interrupts,
                     struct ackd_error *error);

/* Starts the server and waits until it can be connected to.  @padding (below TARGET_PADDING_MAX)
 * bytes are added to its environment, which moves its stack: layout luck is drawn anew. */
int target_start(struct target *ret_target, const struct target_plan *plan, uint32_t padding,
                 struct interrupts *interrupts, struct ackd_error *error);
void target_stop(struct target *target);

/* CPU time so far; 0 when the processes are not known. */
uint64_t target_cpu_ns(const struct target *target);

#endif
