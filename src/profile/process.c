/* SPDX-License-Identifier: MIT
 *
 * process - profiles without a server, and what the profiler says of itself (ackd/profile.h) */
#include <ackd/profile.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "profile/counts.h"
#include "profile/kinds.h"
#include "profile/pprof.h"
#include "profile/sampler.h"

int ackd_profile_start(uint32_t hz, struct ackd_error *error)
{
    if (hz > SAMPLER_HZ_MAX)
        return error_raise(error, -EINVAL, "%u samples in a second: at most %d", hz,
                           SAMPLER_HZ_MAX);
    return sampler_start(hz == 0 ? SAMPLER_HZ_DEFAULT : hz, error);
}

static int write_file(const char *path, const struct blob *blob, struct ackd_error *error)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t at = 0;

    if (fd < 0)
        return error_raise(error, -errno, "%.128s: %s", path, strerror(errno));
    while (at < blob->size) {
        const ssize_t size = write(fd, blob->data + at, blob->size - at);
        if (size < 0 && errno != EINTR) {
            const int code = errno;
            close(fd);
            return error_raise(error, -code, "%.128s: %s", path, strerror(code));
        }
        at += size > 0 ? (size_t)size : 0;
    }
    close(fd);
    return 0;
}

int ackd_profile_write(const char *path, struct ackd_error *error)
{
    struct profile *const profile = sampler_stop();
    struct places *const places = places_new();
    struct blob blob = {0};
    int status;

    if (places)
        pprof_write(&blob, profile, places);
    if (places && !blob.failed) {
        counts_add(COUNT_PROFILES_CPU, 1);
        status = write_file(path, &blob, error);
    } else {
        status = error_raise(error, -ENOMEM, "no memory for the profile");
    }
    free(blob.data);
    places_free(places);
    profile_free(profile);
    return status;
}

bool ackd_profile_has_lines(const char **ret_reason)
{
    struct symbols *const symbols = symbols_open();
    bool has_lines = false;

    *ret_reason = "out of memory";
    if (symbols)
        has_lines = symbols_have_lines(symbols, ret_reason);
    symbols_close(symbols);
    return has_lines;
}

int ackd_profile_metrics(enum ackd_metrics_format format, const char *prefix, char **ret_text,
                         size_t *ret_size)
{
    struct exposition to = {
        .format = format == ACKD_METRICS_OPENMETRICS ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT,
        .prefix = prefix,
    };

    counts_expose(&to);
    if (to.failed) {
        free(to.text);
        return -ENOMEM;
    }
    *ret_text = to.text;
    *ret_size = to.size;
    return 0;
}
