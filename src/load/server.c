/* SPDX-License-Identifier: MIT
 *
 * server - an ackd that ackload starts for itself (server.h) */
#include "load/server.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    START_WAIT_MS = 10,
    START_WAIT_COUNT = 1000, /* 10 s */
    STOP_WAIT_COUNT = 500,
    EXEC_FAILED = 127,
};

static void wait_ms(uint64_t ms)
{
    const struct timespec time = {.tv_nsec = (long)(ms * NS_PER_MS)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Writes the path of the ackd to start: installed, it stands beside ackload; built, in the next
 * folder; else the PATH has it. */
static void find_program(char *ret_path, size_t path_size)
{
    static const char *const places[] = {"ackd", "../ackd/ackd"};
    char self[PATH_MAX];
    const ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

    self[size > 0 ? size : 0] = '\0';
    char *const slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        snprintf(ret_path, path_size, "%.*s/%s", (int)(slash - self), self, places[i]);
        if (access(ret_path, X_OK) == 0)
            return;
    }
    snprintf(ret_path, path_size, "ackd");
}

/* In the child. */
static void become(const char *program, const char *ports_path, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(EXEC_FAILED);
    execlp(program, program, "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--workers", "1",
           "--log-level", "error", "--ports-file", ports_path, (char *)NULL);
    fprintf(stderr, "ackload: %s: %s\n", program, strerror(errno));
    _exit(EXEC_FAILED);
}

/* Reads the address from the ports file, which appears whole. */
static bool read_address(struct server *server, const char *ports_path)
{
    FILE *const from = fopen(ports_path, "re");
    bool found = false;

    if (from) {
        found = fscanf(from, "listen %127s", server->address) == 1;
        fclose(from);
    }
    return found;
}

static int wait_listening(struct server *server, const char *program, const char *ports_path,
                          struct ackd_error *error)
{
    for (int i = 0; i < START_WAIT_COUNT; i++) {
        if (read_address(server, ports_path))
            return 0;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return error_raise(error, -ECHILD, "%s ended before it listened", program);
        }
        wait_ms(START_WAIT_MS);
    }
    return error_raise(error, -ETIMEDOUT, "%s does not listen", program);
}

int server_start(struct server *server, const char *program, struct ackd_error *error)
{
    char path[PATH_MAX + 16];
    char ports_path[SERVER_PATH_SIZE + 8];
    const pid_t parent = getpid();

    if (program)
        snprintf(path, sizeof path, "%s", program);
    else
        find_program(path, sizeof path);
    *server = (struct server){.folder = "/tmp/ackload-XXXXXX"};
    if (!mkdtemp(server->folder))
        return error_raise(error, -errno, "%s: %s", server->folder, strerror(errno));
    snprintf(ports_path, sizeof ports_path, "%s/ports", server->folder);

    server->pid = fork();
    if (server->pid == 0)
        become(path, ports_path, parent);
    const int status = server->pid < 0 ? error_raise(error, -errno, "fork: %s", strerror(errno))
                                       : wait_listening(server, path, ports_path, error);
    if (status < 0)
        server_stop(server);
    return status;
}

void server_stop(struct server *server)
{
    char ports_path[SERVER_PATH_SIZE + 8];
    bool ended = server->pid <= 0;

    if (!ended) {
        kill(server->pid, SIGTERM);
        kill(server->pid, SIGCONT);
    }
    for (int i = 0; !ended && i < STOP_WAIT_COUNT; i++) {
        ended = waitpid(server->pid, NULL, WNOHANG) == server->pid;
        if (!ended)
            wait_ms(START_WAIT_MS);
    }
    if (!ended) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    snprintf(ports_path, sizeof ports_path, "%s/ports", server->folder);
    unlink(ports_path);
    rmdir(server->folder);
    server->pid = 0;
}
