/* SPDX-License-Identifier: MIT
 *
 * options - what ackd_server_options mean (options.h) */
#include "server/options.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "server/inherited.h"
#include "server/limits.h"

enum { LISTEN_TEXT_SIZE = 256 };

void ackd_server_options_init(struct ackd_server_options *options)
{
    *options = (struct ackd_server_options){
        .frame_size_max = FRAME_SIZE_DEFAULT,
        .ack_high_size = ACK_HIGH_SIZE_DEFAULT,
        .ack_low_size = ACK_LOW_SIZE_DEFAULT,
        .window_count = WINDOW_COUNT_DEFAULT,
        .first_frame_timeout_ms = FIRST_FRAME_TIMEOUT_MS_DEFAULT,
        .idle_timeout_ms = IDLE_TIMEOUT_MS_DEFAULT,
        .frame_timeout_ms = FRAME_TIMEOUT_MS_DEFAULT,
        .write_timeout_ms = WRITE_TIMEOUT_MS_DEFAULT,
        .peer_timeout_ms = PEER_TIMEOUT_MS_DEFAULT,
        .drain_timeout_ms = DRAIN_TIMEOUT_MS_DEFAULT,
        .linger_timeout_ms = LINGER_TIMEOUT_MS_DEFAULT,
    };
}

static int parse_dialect(const char *text, enum dialect *ret_dialect, struct ackd_error *error)
{
    if (strcmp(text, "dialect=spec") == 0)
        *ret_dialect = DIALECT_SPEC;
    else if (strcmp(text, "dialect=demo") == 0)
        *ret_dialect = DIALECT_DEMO;
    else
        return error_raise(error, -EINVAL, "'%s': give dialect=spec or dialect=demo", text);
    return 0;
}

int options_parse_listen(const char *text, struct address *ret_address, enum dialect *ret_dialect,
                         struct ackd_error *error)
{
    char copy[LISTEN_TEXT_SIZE];
    enum dialect dialect = DIALECT_SPEC;

    if (strlen(text) >= sizeof copy)
        return error_raise(error, -EINVAL, "'%.32s...' is too long for an address", text);
    memcpy(copy, text, strlen(text) + 1);

    char *const comma = strchr(copy, ',');
    if (comma) {
        *comma = '\0';
        const int status = parse_dialect(comma + 1, &dialect, error);
        if (status < 0)
            return status;
    }

    const char *name;
    int status = 0;
    if (inherited_parse(copy, &name))
        *ret_address = (struct address){.storage.ss_family = AF_UNSPEC};
    else
        status = address_parse(copy, false, ret_address, error);
    if (status == 0)
        *ret_dialect = dialect;
    return status;
}

uint32_t options_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    const int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > WORKER_COUNT_MAX ? WORKER_COUNT_MAX : (uint32_t)count;
}

uint32_t options_conns_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= 2 * FD_RESERVE_COUNT)
        return FD_RESERVE_COUNT;
    const rlim_t count = limit.rlim_cur - FD_RESERVE_COUNT;
    return count > CONN_COUNT_LIMIT ? CONN_COUNT_LIMIT : (uint32_t)count;
}

uint64_t options_memory_max(void)
{
    const uint64_t size = memory_allowed_size("") / 100 * MEMORY_AUTO_PERCENT;
    return size < MEMORY_SIZE_MIN ? MEMORY_SIZE_MIN : size;
}

/* True if @address, formatted as @text, stands for a new place each time. */
static bool has_any_port(const struct address *address, const char *text)
{
    return address->storage.ss_family != AF_UNSPEC && !address_unix_path(address) &&
           strcmp(strrchr(text, ':'), ":0") == 0;
}

/* "systemd" stands for each "systemd:NAME" too. */
static bool are_same(const char *a, const char *b)
{
    const char *name_of_a = "";
    const char *name_of_b = "";

    if (inherited_parse(a, &name_of_a) && inherited_parse(b, &name_of_b))
        return !*name_of_a || !*name_of_b || strcmp(name_of_a, name_of_b) == 0;
    return strcmp(a, b) == 0;
}

/* Two options may not listen at the same place.  Port 0 is a new place each time. */
static int check_listens(const struct ackd_server_options *options, struct ackd_error *error)
{
    char seen[LISTEN_COUNT_MAX][ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < options->listen_count; i++) {
        struct address address = {.size = 0};
        enum dialect dialect;
        const int status = options_parse_listen(options->listen[i], &address, &dialect, error);

        if (status < 0)
            return status;
        if (address.storage.ss_family == AF_UNSPEC)
            snprintf(seen[i], sizeof seen[i], "%.*s", (int)strcspn(options->listen[i], ","),
                     options->listen[i]);
        else
            address_format(&address, seen[i]);
        if (has_any_port(&address, seen[i]))
            continue;
        for (size_t j = 0; j < i; j++) {
            if (are_same(seen[i], seen[j]))
                return error_raise(error, -EINVAL, "%s is given twice", seen[i]);
        }
    }
    return 0;
}

static int check_timeouts(const struct ackd_server_options *options, struct ackd_error *error)
{
    const uint32_t timeouts[] = {
        options->first_frame_timeout_ms, options->idle_timeout_ms, options->frame_timeout_ms,
        options->write_timeout_ms,       options->peer_timeout_ms, options->drain_timeout_ms,
        options->linger_timeout_ms,
    };

    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        if (timeouts[i] > TIMEOUT_MS_MAX)
            return error_raise(error, -EINVAL, "a timeout of %u ms: give at most %d", timeouts[i],
                               TIMEOUT_MS_MAX);
    }
    return 0;
}

static int check_admission(const struct ackd_server_options *options, struct ackd_error *error)
{
    if (options->conns_max > CONN_COUNT_LIMIT)
        return error_raise(error, -EINVAL, "%u connections: give 1 to %d, or 0 for automatic",
                           options->conns_max, CONN_COUNT_LIMIT);
    if (options->conns_per_ip_max > CONN_COUNT_LIMIT)
        return error_raise(error, -EINVAL, "%u connections an address: give 0 to %d",
                           options->conns_per_ip_max, CONN_COUNT_LIMIT);
    if (options->conn_rate > CONN_RATE_MAX || options->conn_rate_per_ip > CONN_RATE_MAX)
        return error_raise(error, -EINVAL, "a rate of connections is 0 to %d a second",
                           CONN_RATE_MAX);
    return 0;
}

static int check_memory(const struct ackd_server_options *options, struct ackd_error *error)
{
    if (options->ack_high_size < 1 || options->ack_high_size > ACK_HIGH_SIZE_MAX ||
        options->ack_low_size >= options->ack_high_size)
        return error_raise(error, -EINVAL,
                           "acks from %u bytes down to %u: give at most %d, and less to go down to",
                           options->ack_high_size, options->ack_low_size, ACK_HIGH_SIZE_MAX);
    if (options->memory_size_max > 0 && options->memory_size_max < MEMORY_SIZE_MIN)
        return error_raise(error, -EINVAL, "%llu bytes of memory: give %d or more, or 0",
                           (unsigned long long)options->memory_size_max, MEMORY_SIZE_MIN);
    return 0;
}

int ackd_server_options_check(const struct ackd_server_options *options, struct ackd_error *error)
{
    if (options->listen_count < 1 || options->listen_count > LISTEN_COUNT_MAX)
        return error_raise(error, -EINVAL, "a server listens on 1 to %d addresses",
                           LISTEN_COUNT_MAX);
    if (options->worker_count > WORKER_COUNT_MAX)
        return error_raise(error, -EINVAL, "%u workers: give 1 to %d, or 0 for one per CPU",
                           options->worker_count, WORKER_COUNT_MAX);
    if (options->frame_size_max < REQUEST_FRAME_SIZE_MIN ||
        options->frame_size_max > FRAME_SIZE_LIMIT)
        return error_raise(error, -EINVAL, "a frame limit of %u bytes: give %d to %d",
                           options->frame_size_max, REQUEST_FRAME_SIZE_MIN, FRAME_SIZE_LIMIT);
    if (options->window_count < 1)
        return error_raise(error, -EINVAL, "a window of 0 requests: give 1 or more");

    int status = check_admission(options, error);
    if (status == 0)
        status = check_memory(options, error);
    if (status == 0)
        status = check_timeouts(options, error);
    return status < 0 ? status : check_listens(options, error);
}
