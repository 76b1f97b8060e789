/* SPDX-License-Identifier: MIT
 *
 * child - processes that a command starts (child.h) */
#include "load/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"

enum { EXIT_CANNOT_EXECUTE = 127 };

int interrupts_open(struct interrupts *interrupts, struct ackd_error *error)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    interrupts->requested = false;
    interrupts->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (interrupts->fd < 0)
        return error_raise(error, -errno, "signalfd: %s", strerror(errno));
    return 0;
}

void interrupts_close(struct interrupts *interrupts)
{
    close(interrupts->fd);
}

bool interrupts_requested(struct interrupts *interrupts)
{
    struct signalfd_siginfo info;

    if (read(interrupts->fd, &info, sizeof info) == (ssize_t)sizeof info)
        interrupts->requested = true;
    return interrupts->requested;
}

/* What is left of @ns since @start_ns, for poll(): rounded up, at most an hour. */
static int milliseconds_left(uint64_t start_ns, uint64_t ns)
{
    const uint64_t passed = clock_monotonic_ns() - start_ns;
    const uint64_t hour = 3600 * NS_PER_S;

    if (passed >= ns)
        return 0;
    return (int)(((ns - passed < hour ? ns - passed : hour) + NS_PER_MS - 1) / NS_PER_MS);
}

bool interrupts_wait(struct interrupts *interrupts, uint64_t ns)
{
    const uint64_t start_ns = clock_monotonic_ns();
    struct pollfd watched = {.fd = interrupts->fd, .events = POLLIN};
    int left;

    while (!interrupts_requested(interrupts) && (left = milliseconds_left(start_ns, ns)) > 0)
        poll(&watched, 1, left);
    return interrupts->requested;
}

/* In the child: never returns.  @report_fd takes the errno of a failed exec. */
static _Noreturn void become(const struct child_plan *plan, const struct child *child, pid_t parent,
                             int report_fd)
{
    const int input_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int output_fd = child->output_fd >= 0 ? child->output_fd : input_fd;
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_CANNOT_EXECUTE);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < CHILD_ENV_MAX && plan->env_names[i]; i++)
        setenv(plan->env_names[i], plan->env_values[i], 1);
    if (dup2(input_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
        dup2(child->errors_fd, STDERR_FILENO) >= 0 && (!plan->folder || chdir(plan->folder) == 0) &&
        (!plan->cpus || sched_setaffinity(0, sizeof *plan->cpus, plan->cpus) == 0))
        execvp(plan->argv[0], (char *const *)plan->argv);

    const int code = errno;
    (void)!write(report_fd, &code, sizeof code);
    _exit(EXIT_CANNOT_EXECUTE);
}

/* The log of a child: all of its space is there from the start, and it cannot grow. */
static int open_errors(void)
{
    const int fd = memfd_create("ackload-errors", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 &&
        (ftruncate(fd, CHILD_ERRORS_SIZE) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_parts(struct child *child, const struct child_plan *plan)
{
    child->output_fd = plan->keep_output ? memfd_create("ackload-output", MFD_CLOEXEC) : -1;
    child->errors_fd = open_errors();
    return (plan->keep_output && child->output_fd < 0) || child->errors_fd < 0 ? -errno : 0;
}

/* Waits for the child's exec, and raises what it failed with. */
static int await_exec(int report_fd, const char *program, struct ackd_error *error)
{
    int code = 0;

    if (read(report_fd, &code, sizeof code) == (ssize_t)sizeof code)
        return error_raise(error, -code, "cannot start %s: %s", program, strerror(code));
    return 0;
}

static int fork_child(struct child *child, const struct child_plan *plan, struct ackd_error *error)
{
    const pid_t parent = getpid();
    int report[2];

    if (pipe2(report, O_CLOEXEC) < 0)
        return error_raise(error, -errno, "pipe: %s", strerror(errno));
    child->pid = fork();
    if (child->pid == 0)
        become(plan, child, parent, report[1]);
    const int code = errno;
    close(report[1]);
    if (child->pid < 0) {
        child->pid = 0;
        close(report[0]);
        return error_raise(error, -code, "cannot start a process: %s", strerror(code));
    }
    setpgid(child->pid, child->pid);
    child->pid_fd = pidfd_open(child->pid, 0);
    const int status = await_exec(report[0], plan->argv[0], error);
    close(report[0]);
    return status;
}

int child_start(struct child *ret_child, const struct child_plan *plan, struct ackd_error *error)
{
    struct child child = {.pid_fd = -1};
    int status = open_parts(&child, plan);

    if (status < 0)
        error_raise(error, status, "no memory for a process's output: %s", strerror(-status));
    else
        status = fork_child(&child, plan, error);
    if (status < 0) {
        child_stop(&child, 0);
        child_close(&child);
        return status;
    }
    *ret_child = child;
    return 0;
}

enum child_wait child_wait(struct child *child, uint64_t ns, struct interrupts *interrupts)
{
    const uint64_t start_ns = clock_monotonic_ns();
    struct pollfd watched[] = {
        {.fd = child->pid_fd, .events = POLLIN},
        {.fd = interrupts->fd, .events = POLLIN},
    };

    for (;;) {
        const int left = milliseconds_left(start_ns, ns);
        if (interrupts_requested(interrupts))
            return CHILD_INTERRUPTED;
        poll(watched, 2, left);
        if (watched[0].revents)
            return CHILD_ENDED;
        if (left == 0)
            return CHILD_RUNS;
    }
}

void child_stop(struct child *child, uint64_t grace_ns)
{
    const uint64_t start_ns = clock_monotonic_ns();
    struct pollfd watched = {.fd = child->pid_fd, .events = POLLIN};

    if (child->pid <= 0)
        return;
    kill(-child->pid, SIGTERM);
    kill(-child->pid, SIGCONT);
    while (!watched.revents && milliseconds_left(start_ns, grace_ns) > 0)
        poll(&watched, 1, milliseconds_left(start_ns, grace_ns));
    /* The leader, dead or not, still holds the group's number. */
    kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void child_close(struct child *child)
{
    close_fd(&child->pid_fd);
    close_fd(&child->output_fd);
    close_fd(&child->errors_fd);
}

int child_exit_status(const struct child *child)
{
    return WIFEXITED(child->status) ? WEXITSTATUS(child->status) : 128 + WTERMSIG(child->status);
}

static char *read_all(int fd, size_t *ret_size)
{
    struct stat facts = {0};
    const size_t size = fstat(fd, &facts) == 0 ? (size_t)facts.st_size : 0;
    char *const text = calloc(1, size + 1);
    size_t filled = 0;

    while (text && filled < size) {
        const ssize_t got = pread(fd, text + filled, size - filled, (off_t)filled);
        if (got <= 0)
            break;
        filled += (size_t)got;
    }
    *ret_size = filled;
    return text;
}

char *child_output(const struct child *child, size_t *ret_size)
{
    return read_all(child->output_fd, ret_size);
}

void child_last_error(const struct child *child, char *ret_text, size_t text_size)
{
    size_t size;
    char *const text = read_all(child->errors_fd, &size);

    ret_text[0] = '\0';
    if (!text)
        return;
    /* What was not written is NULs, so the text ends where it does. */
    for (char *end = text + strlen(text); end > text && end[-1] == '\n'; end--)
        end[-1] = '\0';
    const char *const newline = strrchr(text, '\n');
    const char *const line = newline ? newline + 1 : text;
    const size_t length = strlen(line) < text_size - 1 ? strlen(line) : text_size - 1;
    memcpy(ret_text, line, length);
    ret_text[length] = '\0';
    free(text);
}

static bool add_cpus(char *item, const cpu_set_t *allowed, cpu_set_t *cpus)
{
    char *const dash = strchr(item, '-');
    uint64_t first;
    uint64_t last;

    if (dash)
        *dash = '\0';
    if (!units_parse_count(item, &first) || !units_parse_count(dash ? dash + 1 : item, &last) ||
        first > last || last >= CPU_SETSIZE)
        return false;
    for (uint64_t cpu = first; cpu <= last; cpu++) {
        if (!CPU_ISSET(cpu, allowed))
            return false;
        CPU_SET(cpu, cpus);
    }
    return true;
}

int child_parse_cpus(const char *option, const char *text, cpu_set_t *ret_cpus,
                     struct ackd_error *error)
{
    char copy[256];
    char *rest = copy;
    char *item;
    cpu_set_t allowed;
    bool legal = strlen(text) < sizeof copy;

    CPU_ZERO(&allowed);
    CPU_ZERO(ret_cpus);
    sched_getaffinity(0, sizeof allowed, &allowed);
    if (legal)
        memcpy(copy, text, strlen(text) + 1);
    while (legal && (item = strsep(&rest, ",")))
        legal = add_cpus(item, &allowed, ret_cpus);
    if (!legal)
        return error_raise(error, -EINVAL,
                           "%s '%s': give CPUs such as 1 or 0,2-3, of the %d that may be used "
                           "here",
                           option, text, CPU_COUNT(&allowed));
    return 0;
}

int child_first_line(const char *const *argv, struct interrupts *interrupts, char *ret_line,
                     size_t line_size, struct ackd_error *error)
{
    const struct child_plan plan = {.argv = argv, .keep_output = true};
    struct child child;
    size_t size;

    ret_line[0] = '\0';
    const int status = child_start(&child, &plan, error);
    if (status < 0)
        return status;
    const enum child_wait end = child_wait(&child, UINT64_MAX, interrupts);
    child_stop(&child, NS_PER_S);
    char *const text = child_output(&child, &size);
    if (text) {
        const size_t length = strcspn(text, "\n");
        const size_t kept = length < line_size ? length : line_size - 1;
        memcpy(ret_line, text, kept);
        ret_line[kept] = '\0';
    }
    free(text);
    child_close(&child);
    return end == CHILD_INTERRUPTED ? error_raise(error, -EINTR, "interrupted")
                                    : child_exit_status(&child);
}
