/* SPDX-License-Identifier: MIT
 *
 * history - the runs that were made (history.h) */
#include "load/history.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"

enum { FILE_PATH_SIZE = HISTORY_PATH_SIZE + 128 };

#define FOLDER_DEFAULT ".ackload"
#define NAMES_FILE     "names.json"
#define NUMBER_MAX     99999999

static void make_path(const struct history *history, const char *file, char *ret_path)
{
    snprintf(ret_path, FILE_PATH_SIZE, "%s/%s", history->path, file);
}

static int fail_file(const char *path, struct ackd_error *error)
{
    const int code = errno;
    return error_raise(error, -code, "%s: %s", path, strerror(code));
}

static int write_bytes(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        size -= (size_t)written;
    }
    return fsync(fd);
}

/* Writes a file beside @path, then puts it in its place. */
static int write_file(const char *path, const void *data, size_t size, struct ackd_error *error)
{
    char draft[FILE_PATH_SIZE + 32];

    snprintf(draft, sizeof draft, "%s.%d.tmp", path, (int)getpid());
    const int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_file(draft, error);
    int status = write_bytes(fd, data, size) < 0 ? fail_file(draft, error) : 0;
    if (close(fd) < 0 && status == 0)
        status = fail_file(draft, error);
    if (status == 0 && rename(draft, path) < 0)
        status = fail_file(path, error);
    if (status < 0)
        unlink(draft);
    return status;
}

static int write_json(const char *path, const json_t *value, struct ackd_error *error)
{
    char *const text =
        json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));

    if (!text)
        return error_raise(error, -ENOMEM, "%s: no memory for what goes there", path);
    const size_t length = strlen(text);
    text[length] = '\n'; /* in the place of the NUL */
    const int status = write_file(path, text, length + 1, error);
    free(text);
    return status;
}

static int read_json(const char *path, json_t **ret_value, struct ackd_error *error)
{
    json_error_t problem;
    json_t *const value = json_load_file(path, 0, &problem);

    if (!value)
        return error_raise(error, -EINVAL, "%s:%d: %s", path, problem.line, problem.text);
    *ret_value = value;
    return 0;
}

/* A first time: the folder, and a word to git. */
static int create(const struct history *history, struct ackd_error *error)
{
    char path[FILE_PATH_SIZE];

    if (mkdir(history->path, 0777) < 0) {
        if (errno == EEXIST)
            return 0;
        const int code = errno;
        return error_raise(error, -code,
                           "%s: cannot make the run history: %s; run in a folder that may be "
                           "written to, or set ACKLOAD_HISTORY to one",
                           history->path, strerror(code));
    }
    make_path(history, ".gitignore", path);
    return write_file(path, "*\n", 2, error);
}

int history_open(struct history *history, bool create_it, struct ackd_error *error)
{
    const char *const given = getenv("ACKLOAD_HISTORY");
    const char *const path = given && given[0] ? given : FOLDER_DEFAULT;
    struct stat facts;

    if (strlen(path) >= sizeof history->path)
        return error_raise(error, -ENAMETOOLONG, "ACKLOAD_HISTORY is longer than %zu bytes",
                           sizeof history->path - 1);
    memcpy(history->path, path, strlen(path) + 1);
    if (create_it) {
        const int status = create(history, error);
        if (status < 0)
            return status;
    }
    if (stat(path, &facts) < 0)
        return error_raise(error, -errno,
                           "%s: there is no run history here; ackload record NAME begins one",
                           path);
    if (!S_ISDIR(facts.st_mode))
        return error_raise(error, -ENOTDIR, "%s: the run history must be a folder", path);
    if (create_it && access(path, W_OK | X_OK) < 0)
        return error_raise(error, -errno, "%s: the run history cannot be written to: %s", path,
                           strerror(errno));
    return 0;
}

int history_check_name(const char *name, struct ackd_error *error)
{
    bool legal = isalpha((unsigned char)name[0]) && strlen(name) < HISTORY_NAME_SIZE;

    for (const char *at = name; *at && legal; at++)
        legal = isalnum((unsigned char)*at) || strchr("._-", *at);
    if (!legal)
        return error_raise(error, -EINVAL,
                           "'%s': a name is a letter and up to %d letters, digits, dots, dashes "
                           "and underscores",
                           name, HISTORY_NAME_SIZE - 2);
    return 0;
}

/* The lock; -1 with @error. */
static int lock(const struct history *history, struct ackd_error *error)
{
    char path[FILE_PATH_SIZE];

    make_path(history, "lock", path);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_file(path, error);
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR) {
            const int status = fail_file(path, error);
            close(fd);
            return status;
        }
    }
    return fd;
}

/* The number of a run's file, 0 for other files. */
static uint32_t number_of(const char *file, const char *suffix)
{
    const char *const dot = strchr(file, '.');
    char digits[16];
    uint64_t number;

    if (!dot || (size_t)(dot - file) >= sizeof digits || (suffix && strcmp(dot, suffix) != 0))
        return 0;
    memcpy(digits, file, (size_t)(dot - file));
    digits[dot - file] = '\0';
    return units_parse_count(digits, &number) && number <= NUMBER_MAX ? (uint32_t)number : 0;
}

static int compare_numbers(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

int history_list(const struct history *history, uint32_t **ret_numbers, size_t *ret_count,
                 struct ackd_error *error)
{
    DIR *const folder = opendir(history->path);
    uint32_t *numbers = NULL;
    size_t count = 0;
    const struct dirent *entry;

    if (!folder)
        return fail_file(history->path, error);
    while ((entry = readdir(folder))) {
        const uint32_t number = number_of(entry->d_name, ".json");
        if (number == 0)
            continue;
        uint32_t *const grown = reallocarray(numbers, count + 1, sizeof *numbers);
        if (!grown) {
            free(numbers);
            closedir(folder);
            return error_raise(error, -ENOMEM, "no memory for the list of runs");
        }
        numbers = grown;
        numbers[count++] = number;
    }
    closedir(folder);
    if (count > 0)
        qsort(numbers, count, sizeof *numbers, compare_numbers);
    *ret_numbers = numbers;
    *ret_count = count;
    return 0;
}

/* The names; an empty object when there are none yet. */
static int load_names(const struct history *history, json_t **ret_names, struct ackd_error *error)
{
    char path[FILE_PATH_SIZE];

    make_path(history, NAMES_FILE, path);
    if (access(path, F_OK) < 0) {
        *ret_names = json_object();
        return *ret_names ? 0 : error_raise(error, -ENOMEM, "no memory for the names of runs");
    }
    return read_json(path, ret_names, error);
}

static bool is_named(json_t *names, uint32_t number)
{
    const char *name;
    json_t *value;

    json_object_foreach(names, name, value)
    {
        if (json_integer_value(value) == (json_int_t)number)
            return true;
    }
    return false;
}

/* Removes all files of a run. */
static void drop(const struct history *history, uint32_t number)
{
    DIR *const folder = opendir(history->path);
    char path[FILE_PATH_SIZE];
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        if (number_of(entry->d_name, NULL) != number)
            continue;
        snprintf(path, sizeof path, "%s/%.100s", history->path, entry->d_name);
        unlink(path);
    }
    if (folder)
        closedir(folder);
}

/* Makes room for one more. */
static void prune(const struct history *history, const uint32_t *numbers, size_t count,
                  json_t *names)
{
    size_t kept = count;

    for (size_t i = 0; i < count && kept >= HISTORY_RUN_MAX; i++) {
        if (is_named(names, numbers[i]))
            continue;
        drop(history, numbers[i]);
        kept--;
    }
}

static int describe(json_t *run, uint32_t number, const char *kind, const char *name,
                    struct ackd_error *error)
{
    char now_text[32] = "";
    struct tm parts;
    const time_t now = time(NULL);

    if (gmtime_r(&now, &parts))
        strftime(now_text, sizeof now_text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    json_t *const facts =
        json_pack("{s:s, s:I, s:s, s:s?, s:s}", "schema", HISTORY_SCHEMA, "number",
                  (json_int_t)number, "kind", kind, "name", name, "added_at", now_text);
    const int status = facts ? json_object_update(run, facts) : -1;
    json_decref(facts);
    return status < 0 ? error_raise(error, -ENOMEM, "no memory for the run") : 0;
}

static int write_names(const struct history *history, json_t *names, const char *name,
                       uint32_t number, struct ackd_error *error)
{
    char path[FILE_PATH_SIZE];

    make_path(history, NAMES_FILE, path);
    if (json_object_set_new(names, name, json_integer((json_int_t)number)) < 0)
        return error_raise(error, -ENOMEM, "no memory for the names of runs");
    return write_json(path, names, error);
}

/* With the lock. */
static int add_locked(const struct history *history, json_t *run, const char *kind,
                      const char *name, uint32_t *ret_number, struct ackd_error *error)
{
    char path[FILE_PATH_SIZE];
    char file[32];
    uint32_t *numbers = NULL;
    size_t count = 0;
    json_t *names = NULL;

    int status = history_list(history, &numbers, &count, error);
    if (status == 0)
        status = load_names(history, &names, error);
    if (status < 0)
        goto out;

    const uint32_t number = count > 0 ? numbers[count - 1] + 1 : 1;
    snprintf(file, sizeof file, "%04u.json", number);
    make_path(history, file, path);
    prune(history, numbers, count, names);
    status = describe(run, number, kind, name, error);
    if (status == 0)
        status = write_json(path, run, error);
    if (status == 0 && name)
        status = write_names(history, names, name, number, error);
    if (status == 0)
        *ret_number = number;
out:
    json_decref(names);
    free(numbers);
    return status;
}

int history_add(const struct history *history, json_t *run, const char *kind, const char *name,
                uint32_t *ret_number, struct ackd_error *error)
{
    const int fd = lock(history, error);

    if (fd < 0)
        return fd;
    const int status = add_locked(history, run, kind, name, ret_number, error);
    close(fd);
    return status;
}

int history_find(const struct history *history, const char *text, uint32_t *ret_number,
                 struct ackd_error *error)
{
    uint64_t number = 0;
    json_t *names = NULL;

    if (units_parse_count(text, &number) && number > 0 && number <= NUMBER_MAX) {
        *ret_number = (uint32_t)number;
        return 0;
    }
    const int status = load_names(history, &names, error);
    if (status < 0)
        return status;
    const json_t *const found = json_object_get(names, text);
    *ret_number = (uint32_t)json_integer_value(found);
    const bool known = found != NULL;
    json_decref(names);
    if (!known)
        return error_raise(error, -ENOENT,
                           "'%s': %s has no run of that name; ackload show lists them", text,
                           history->path);
    return 0;
}

int history_load(const struct history *history, uint32_t number, json_t **ret_run,
                 struct ackd_error *error)
{
    char path[FILE_PATH_SIZE];
    char file[32];

    snprintf(file, sizeof file, "%04u.json", number);
    make_path(history, file, path);
    if (access(path, R_OK) < 0)
        return error_raise(error, -errno, "%s: %s; ackload show lists the runs", path,
                           strerror(errno));
    return read_json(path, ret_run, error);
}

int history_write(const struct history *history, uint32_t number, const char *suffix,
                  const void *data, size_t size, struct ackd_error *error)
{
    char path[FILE_PATH_SIZE];
    char file[64];

    snprintf(file, sizeof file, "%04u.%s", number, suffix);
    make_path(history, file, path);
    return write_file(path, data, size, error);
}
