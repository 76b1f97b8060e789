/* SPDX-License-Identifier: MIT
 *
 * environment - what a result depends on beside the load (environment.h) */
#include "load/environment.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    LINE_SIZE = 256,
    PATH_SIZE = 4096,
    BUILD_FOLDER_DEPTH = 4, /* how far above a binary its build folder may be */
};

#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"
#define GOVERNOR        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"

int environment_hash_file(const char *path, char *ret_hash, struct ackd_error *error)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    uint8_t bytes[16384];
    ssize_t got;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_raise(error, -errno, "%s: %s", path, strerror(errno));
    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    const int code = errno;
    close(fd);
    if (got < 0)
        return error_raise(error, -code, "%s: %s", path, strerror(code));
    snprintf(ret_hash, ENVIRONMENT_HASH_SIZE, "fnv1a64:%016llx", (unsigned long long)hash);
    return 0;
}

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

/* The first line of a file; "" when it cannot be read. */
static void read_line(const char *path, char *ret_line)
{
    FILE *const file = fopen(path, "re");

    ret_line[0] = '\0';
    if (!file)
        return;
    if (!fgets(ret_line, LINE_SIZE, file))
        ret_line[0] = '\0';
    ret_line[strcspn(ret_line, "\n")] = '\0';
    fclose(file);
}

static void read_cpu_model(char *ret_model)
{
    FILE *const file = fopen("/proc/cpuinfo", "re");
    char line[LINE_SIZE];

    ret_model[0] = '\0';
    while (file && fgets(line, sizeof line, file)) {
        const char *const colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon || strlen(colon) < 2)
            continue;
        snprintf(ret_model, LINE_SIZE, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (file)
        fclose(file);
}

static json_t *describe_mitigations(void)
{
    DIR *const folder = opendir(VULNERABILITIES);
    json_t *const all = json_object();
    const struct dirent *entry;
    char path[PATH_SIZE];
    char line[LINE_SIZE];

    if (!folder) {
        json_decref(all);
        return json_null();
    }
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", VULNERABILITIES, entry->d_name);
        read_line(path, line);
        json_object_set_new(all, entry->d_name, json_string(line));
    }
    closedir(folder);
    return all;
}

/* The CPUs that a process may use, such as "0,2"; of many, how many they are. */
static json_t *describe_cpus(pid_t pid)
{
    char text[LINE_SIZE] = "";
    size_t length = 0;
    cpu_set_t cpus;

    if (sched_getaffinity(pid, sizeof cpus, &cpus) < 0)
        return json_null();
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &cpus))
            continue;
        if (length + 8 > sizeof text)
            return json_sprintf("%d CPUs", CPU_COUNT(&cpus));
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%d",
                                   length > 0 ? "," : "", cpu);
    }
    return json_string(text);
}

static bool is_build_option(const char *name)
{
    static const char *const names[] = {"buildtype", "optimization", "debug",  "b_lto",
                                        "b_ndebug",  "b_sanitize",   "c_args", "c_link_args"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* What Meson says of the folder in which @binary was built; null when that is not known. */
static json_t *describe_build(const char *binary)
{
    char path[PATH_SIZE + 64];
    char folder[PATH_SIZE];
    json_t *options = NULL;
    size_t index;
    json_t *option;

    snprintf(folder, sizeof folder, "%s", binary);
    for (int depth = 0; depth < BUILD_FOLDER_DEPTH && !options; depth++) {
        char *const slash = strrchr(folder, '/');
        if (!slash)
            break;
        *slash = '\0';
        snprintf(path, sizeof path, "%s/meson-info/intro-buildoptions.json", folder);
        options = json_load_file(path, 0, NULL);
    }
    if (!options)
        return json_null();
    json_t *const build = json_object();
    json_array_foreach(options, index, option)
    {
        const char *const name = json_string_value(json_object_get(option, "name"));
        if (name && is_build_option(name))
            json_object_set(build, name, json_object_get(option, "value"));
    }
    json_decref(options);
    return build;
}

static json_t *describe_server(pid_t pid)
{
    char link[64];
    char path[PATH_SIZE];
    char hash[ENVIRONMENT_HASH_SIZE] = "";

    if (pid <= 0)
        return json_null();
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return json_null();
    path[length] = '\0';
    environment_hash_file(link, hash, NULL);
    return json_pack("{s:s, s:o, s:o, s:o}", "binary", path, "hash", text_or_null(hash), "build",
                     describe_build(path), "cpus", describe_cpus(pid));
}

/* The commit of this folder; null outside of a repository. */
static json_t *describe_commit(struct interrupts *interrupts)
{
    static const char *const head[] = {"git", "rev-parse", "HEAD", NULL};
    static const char *const changes[] = {"git", "status", "--porcelain", "-uno", NULL};
    char commit[LINE_SIZE];
    char changed[LINE_SIZE];

    if (child_first_line(head, interrupts, commit, sizeof commit, NULL) != 0)
        return json_null();
    if (child_first_line(changes, interrupts, changed, sizeof changed, NULL) != 0)
        changed[0] = '\0';
    return json_pack("{s:s, s:b}", "hash", commit, "changed", changed[0] != '\0');
}

json_t *environment_describe(pid_t server_pid, struct interrupts *interrupts)
{
    struct utsname name = {0};
    char model[LINE_SIZE];
    char governor[LINE_SIZE];

    uname(&name);
    read_cpu_model(model);
    read_line(GOVERNOR, governor);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "kernel", name.release,
                     "machine", name.machine, "cpu_model", text_or_null(model), "governor",
                     text_or_null(governor), "mitigations", describe_mitigations(), "cpus",
                     (int)sysconf(_SC_NPROCESSORS_ONLN), "client_cpus", describe_cpus(0), "commit",
                     describe_commit(interrupts), "server", describe_server(server_pid));
}

/* A key that both lack is equal. */
static bool is_equal_at(const json_t *a, const json_t *b, const char *key)
{
    const json_t *const of_a = json_object_get(a, key);
    const json_t *const of_b = json_object_get(b, key);

    return of_a && of_b ? json_equal(of_a, of_b) : !of_a && !of_b;
}

const char *environment_difference(const json_t *a, const json_t *b)
{
    static const char *const names[] = {"kernel",   "machine",     "cpu_model",
                                        "governor", "mitigations", "cpus"};
    const json_t *const a_cpus = json_object_get(json_object_get(a, "server"), "cpus");
    const json_t *const b_cpus = json_object_get(json_object_get(b, "server"), "cpus");

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!is_equal_at(a, b, names[i]))
            return names[i];
    }
    if (a_cpus && b_cpus && !json_equal(a_cpus, b_cpus))
        return "CPUs of the server";
    return NULL;
}
