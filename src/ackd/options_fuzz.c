/* SPDX-License-Identifier: MIT
 *
 * options_fuzz - any text as a config file, and as one argument
 *
 *      input   | config file ... |     or     | '@' argument |
 *
 * Whatever it is: either it is refused, with words that are text, or every value is a legal one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ackd/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARGUMENT_SIZE = 256 };

static char program[] = "ackd";

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "options_fuzz: %s\n", what);
    abort();
}

static void check_values(const struct options *options)
{
    const struct ackd_server_options *const server = &options->server;

    require(ackd_server_options_check(server, NULL) == 0, "what was parsed is not legal");
    require(server->listen_count >= 1 && server->listen_count <= ACKD_LISTEN_COUNT_MAX,
            "a wrong number of listeners");
    require(server->frame_size_max >= 13 && server->frame_size_max <= 16 * 1024 * 1024,
            "max-frame is out of bounds");
    require(server->worker_count <= 256 && server->conns_max <= 1024 * 1024 &&
                server->window_count >= 1,
            "a count is out of bounds");
    require(ackd_handler_check(options->handler, NULL) == 0, "the handler is not legal");
}

/* Parses, twice: the same comes of it. */
static void check(int argc, char **argv)
{
    int last = 1;

    for (int i = 0; i < 2; i++) {
        struct options options;
        struct ackd_error error = {0};
        const int status = options_parse(argc, argv, &options, &error);

        require(status == 0 || status == -EINVAL, "an outcome that is none");
        require(last == 1 || last == status, "another outcome the second time");
        require(status == 0 || strnlen(error.text, sizeof error.text) > 0, "no word about it");
        require(strnlen(error.text, sizeof error.text) < sizeof error.text, "words without end");
        if (status == 0 && !options.help && !options.version)
            check_values(&options);
        options_deinit(&options);
        last = status;
    }
}

static void check_file(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("config", MFD_CLOEXEC);
    char argument[64];
    char *argv[] = {program, argument, NULL};

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(argument, sizeof argument, "--config=/proc/self/fd/%d", fd);
    check(2, argv);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char argument[ARGUMENT_SIZE];
    char *argv[] = {program, argument, NULL};

    if (size > 0 && data[0] == '@' && size <= ARGUMENT_SIZE) {
        memcpy(argument, data + 1, size - 1);
        argument[size - 1] = '\0';
        if (!strstr(argument, "--con")) /* it would read files of this machine */
            check(2, argv);
    } else {
        check_file(data, size);
    }
    return 0;
}
