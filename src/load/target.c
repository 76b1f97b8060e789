/* SPDX-License-Identifier: MIT
 *
 * target - a server under test (target.h) */
#include "load/target.h"

#include <assert.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "load/revision.h"

enum { POLL_NS = 5 * 1000 * 1000 };

#define START_DEADLINE_NS (20 * NS_PER_S)
#define STOP_GRACE_NS     (5 * NS_PER_S)
#define PADDING_NAME      "ACKLOAD_PADDING"
#define REVISION_OPTIONS                                                                           \
    "--workers 1 --listen 127.0.0.1:0 --metrics-listen off --log-level error "                     \
    "--ports-file {ports-file}"

static int plan_external(struct target_plan *plan, const char *text, struct ackd_error *error)
{
    const char *const pid = strstr(text, ",pid=");
    const size_t length = pid ? (size_t)(pid - text) : strlen(text);
    uint64_t number = 0;

    if (length == 0 || length >= sizeof plan->address ||
        (pid && (!units_parse_count(pid + 5, &number) || number < 1 || number > INT32_MAX)))
        return error_raise(error, -EINVAL,
                           "'external:%s': give external:ADDR:PORT or external:ADDR:PORT,pid=PID",
                           text);
    memcpy(plan->address, text, length);
    plan->address[length] = '\0';
    plan->pid = (pid_t)number;
    return 0;
}

int target_plan_init(struct target_plan *plan, const char *text, const char *server_cpus,
                     const struct history *history, struct interrupts *interrupts,
                     struct ackd_error *error)
{
    char path[HISTORY_PATH_SIZE + 128];

    *plan = (struct target_plan){0};
    if (strlen(text) >= sizeof plan->command - sizeof path - sizeof REVISION_OPTIONS ||
        text[0] == '\0')
        return error_raise(error, -EINVAL, "a server's command has 1 to %zu bytes",
                           sizeof plan->command - sizeof path - sizeof REVISION_OPTIONS);
    memcpy(plan->label, text, strlen(text) + 1);
    if (server_cpus) {
        const int status = child_parse_cpus("--server-cpus", server_cpus, &plan->cpus, error);
        if (status < 0)
            return status;
    }
    if (strncmp(text, "external:", 9) == 0)
        return plan_external(plan, text + 9, error);
    if (strncmp(text, "git:", 4) == 0) {
        const int status = revision_build(history, text + 4, interrupts, path, error);
        if (status < 0)
            return status;
        snprintf(plan->command, sizeof plan->command, "'%s' %s", path, REVISION_OPTIONS);
    } else {
        memcpy(plan->command, text, strlen(text) + 1);
    }
    return 0;
}

/* A port that nobody listened on a moment ago; 0 when there is none. */
static uint16_t find_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return 0;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        address.sin_port = 0;
    close(fd);
    return ntohs(address.sin_port);
}

/* Copies @command with each @word replaced.  False when there is no room. */
static bool replace(const char *command, const char *word, const char *by, char *ret_command)
{
    size_t filled = 0;

    while (*command) {
        const bool found = strncmp(command, word, strlen(word)) == 0;
        const char *const from = found ? by : command;
        const size_t length = found ? strlen(by) : 1;
        if (filled + length >= TARGET_COMMAND_SIZE)
            return false;
        memcpy(ret_command + filled, from, length);
        filled += length;
        command += found ? strlen(word) : 1;
    }
    ret_command[filled] = '\0';
    return true;
}

/* A plain command takes the shell's place; what has syntax keeps the shell. */
static bool is_plain(const char *command)
{
    const size_t first_word = strcspn(command, " ");

    return !strpbrk(command, ";&|<>()`\n") && !memchr(command, '=', first_word);
}

/* What a command is started with. */
struct start {
    char command[TARGET_COMMAND_SIZE];
    char port[8];
    char ports_file[TARGET_FOLDER_SIZE + 8];
    char padding[TARGET_PADDING_MAX];
    bool by_file;
};

/* False with errno. */
static bool make_folder(char *ret_folder)
{
    const char *const given = getenv("TMPDIR");
    const char *const root = given && given[0] == '/' ? given : "/tmp";

    if (snprintf(ret_folder, TARGET_FOLDER_SIZE, "%s/ackload-XXXXXX", root) >= TARGET_FOLDER_SIZE) {
        errno = ENAMETOOLONG;
        return false;
    }
    return mkdtemp(ret_folder) != NULL;
}

static int prepare(struct target *target, const struct target_plan *plan, uint32_t padding,
                   struct start *start, struct ackd_error *error)
{
    char with_port[TARGET_COMMAND_SIZE];
    char with_listen[TARGET_COMMAND_SIZE];
    char with_file[TARGET_COMMAND_SIZE];

    if (!make_folder(target->ports_folder)) {
        const int code = errno;
        target->ports_folder[0] = '\0';
        return error_raise(error, -code, "cannot make a folder in $TMPDIR or /tmp: %s",
                           strerror(code));
    }
    snprintf(start->ports_file, sizeof start->ports_file, "%s/ports", target->ports_folder);
    snprintf(start->port, sizeof start->port, "%u", find_port());
    snprintf(target->address, sizeof target->address, "127.0.0.1:%s", start->port);
    start->by_file = strstr(plan->command, "{ports-file}") || strstr(plan->command, "$PORTS_FILE");
    memset(start->padding, 'x', padding);
    if (!replace(plan->command, "{port}", start->port, with_port) ||
        !replace(with_port, "{listen}", target->address, with_listen) ||
        !replace(with_listen, "{ports-file}", start->ports_file, with_file) ||
        strlen(with_file) + sizeof "exec " > sizeof start->command)
        return error_raise(error, -EINVAL, "the server's command is too long");
    snprintf(start->command, sizeof start->command, "%s%.*s", is_plain(with_file) ? "exec " : "",
             TARGET_COMMAND_SIZE - 8, with_file);
    return 0;
}

/* Reads the first "listen ADDRESS" of the ports file. */
static bool read_ports(const char *path, char *ret_address)
{
    FILE *const file = fopen(path, "re");
    char line[256];
    bool found = false;

    while (file && !found && fgets(line, sizeof line, file)) {
        const size_t length = strncmp(line, "listen ", 7) == 0 ? strcspn(line + 7, " \n") : 0;
        found = length > 0 && length < ADDRESS_TEXT_SIZE && line[7 + length] != '\0';
        if (found)
            snprintf(ret_address, ADDRESS_TEXT_SIZE, "%.*s", (int)length, line + 7);
    }
    if (file)
        fclose(file);
    return found;
}

static bool can_connect(const char *text)
{
    struct address address;

    if (address_parse(text, true, &address, NULL) < 0)
        return false;
    const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected =
        fd >= 0 && connect(fd, (struct sockaddr *)&address.storage, address.size) == 0;
    if (fd >= 0)
        close(fd);
    return connected;
}

static int fail_early(struct target *target, const struct target_plan *plan,
                      struct ackd_error *error)
{
    char line[160];

    child_stop(&target->child, 0);
    child_last_error(&target->child, line, sizeof line);
    return error_raise(error, -ECHILD, "'%.80s' ended with status %d before it could be used: %s",
                       plan->label, child_exit_status(&target->child),
                       line[0] ? line : "it said nothing");
}

static int await(struct target *target, const struct target_plan *plan, const struct start *start,
                 struct interrupts *interrupts, struct ackd_error *error)
{
    const uint64_t deadline_ns = clock_monotonic_ns() + START_DEADLINE_NS;

    for (;;) {
        const bool known = !start->by_file || read_ports(start->ports_file, target->address);
        if (known && can_connect(target->address))
            return 0;
        switch (child_wait(&target->child, POLL_NS, interrupts)) {
        case CHILD_ENDED:
            return fail_early(target, plan, error);
        case CHILD_INTERRUPTED:
            return error_raise(error, -EINTR, "interrupted");
        case CHILD_RUNS:
            break;
        }
        if (clock_monotonic_ns() > deadline_ns)
            return error_raise(error, -ETIMEDOUT,
                               "'%.80s' did not %s within %d s; $PORT, {listen} or {ports-file} "
                               "in the command say where to listen",
                               plan->label,
                               known ? "listen where it was told" : "write its ports file",
                               (int)(START_DEADLINE_NS / NS_PER_S));
    }
}

/* Reads a process's group and name. */
static bool read_process(pid_t pid, pid_t *ret_group, char *ret_name)
{
    char path[64];
    int parent;
    int group;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *const file = fopen(path, "re");
    if (!file)
        return false;
    /* The name may hold blanks, but these programs' names do not. */
    const int fields = fscanf(file, "%*d (%15[^)]) %*c %d %d", ret_name, &parent, &group);
    fclose(file);
    *ret_group = group;
    return fields == 3;
}

static bool is_shell(const char *name)
{
    static const char *const shells[] = {"sh", "dash", "bash", "zsh", "ksh", "ash", "busybox"};

    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(name, shells[i]) == 0)
            return true;
    }
    return false;
}

/* Finds the processes of the group that are no shells; the first is the server proper. */
static void find_processes(struct target *target)
{
    DIR *const folder = opendir("/proc");
    const struct dirent *entry;
    uint64_t pid;
    pid_t group;
    char name[16];

    while (folder && (entry = readdir(folder)) && target->process_count < TARGET_PROCESS_MAX) {
        if (units_parse_count(entry->d_name, &pid) && read_process((pid_t)pid, &group, name) &&
            group == target->child.pid && !is_shell(name))
            target->processes[target->process_count++] = (pid_t)pid;
    }
    if (folder)
        closedir(folder);
    if (target->process_count == 0)
        target->processes[target->process_count++] = target->child.pid;
    target->pid = target->processes[0];
}

static int start_command(struct target *target, const struct target_plan *plan, uint32_t padding,
                         struct interrupts *interrupts, struct ackd_error *error)
{
    struct start start = {.by_file = false};
    int status = prepare(target, plan, padding, &start, error);

    if (status < 0)
        return status;
    const char *const argv[] = {"/bin/sh", "-c", start.command, NULL};
    const struct child_plan child_plan = {
        .argv = argv,
        .env_names = {PADDING_NAME, "PORT", "PORTS_FILE"},
        .env_values = {start.padding, start.port, start.ports_file},
        .cpus = CPU_COUNT(&plan->cpus) > 0 ? &plan->cpus : NULL,
    };
    status = child_start(&target->child, &child_plan, error);
    if (status < 0)
        return status;
    status = await(target, plan, &start, interrupts, error);
    if (status == 0)
        find_processes(target);
    return status;
}

int target_start(struct target *ret_target, const struct target_plan *plan, uint32_t padding,
                 struct interrupts *interrupts, struct ackd_error *error)
{
    assert(padding < TARGET_PADDING_MAX);
    *ret_target = (struct target){.child = {.pid_fd = -1, .output_fd = -1, .errors_fd = -1}};
    if (plan->command[0] == '\0') {
        memcpy(ret_target->address, plan->address, sizeof plan->address);
        ret_target->pid = plan->pid;
        if (plan->pid > 0)
            ret_target->processes[ret_target->process_count++] = plan->pid;
        return 0;
    }
    const int status = start_command(ret_target, plan, padding, interrupts, error);
    if (status < 0)
        target_stop(ret_target);
    return status;
}

void target_stop(struct target *target)
{
    char path[TARGET_FOLDER_SIZE + 8];

    child_stop(&target->child, STOP_GRACE_NS);
    child_close(&target->child);
    if (target->ports_folder[0]) {
        snprintf(path, sizeof path, "%s/ports", target->ports_folder);
        unlink(path);
        rmdir(target->ports_folder);
        target->ports_folder[0] = '\0';
    }
}

/* The CPU time of all threads of a process. */
static uint64_t process_cpu_ns(pid_t pid)
{
    char path[64];
    char file_path[384];
    const struct dirent *entry;
    uint64_t total = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *const folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        unsigned long long ns = 0;
        snprintf(file_path, sizeof file_path, "%s/%s/schedstat", path, entry->d_name);
        FILE *const file = entry->d_name[0] == '.' ? NULL : fopen(file_path, "re");
        if (file && fscanf(file, "%llu", &ns) == 1)
            total += ns;
        if (file)
            fclose(file);
    }
    if (folder)
        closedir(folder);
    return total;
}

uint64_t target_cpu_ns(const struct target *target)
{
    uint64_t total = 0;

    for (size_t i = 0; i < target->process_count; i++)
        total += process_cpu_ns(target->processes[i]);
    return total;
}
