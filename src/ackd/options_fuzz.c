/* SPDX-License-Identifier: MIT
 *
 * options_fuzz - any text as a command line and a config file
 *
 *      input   | '@' argument \n | ... | config file ... |
 *
 * Whatever it is: either it is refused, with words that are text, or every value is a legal one
 * and, given as options_next() writes it, comes to the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ackd/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ARGUMENT_SIZE = 320,
    ARGUMENT_COUNT_MAX = 16, /* of an input */
    WORD_COUNT_MAX = 64,     /* of a command line */
    ALL_VALUES_SIZE = WORD_COUNT_MAX * ARGUMENT_SIZE,
};

/* A command line. */
struct line {
    int count;
    char *words[WORD_COUNT_MAX + 1];
    char texts[WORD_COUNT_MAX][ARGUMENT_SIZE];
};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "options_fuzz: %s\n", what);
    abort();
}

/* The next word of @line, to be written to: ARGUMENT_SIZE bytes. */
static char *next_word(struct line *line)
{
    require(line->count < WORD_COUNT_MAX, "too many words");
    char *const word = line->texts[line->count];
    line->words[line->count++] = word;
    line->words[line->count] = NULL;
    return word;
}

static void begin_line(struct line *line)
{
    line->count = 0;
    snprintf(next_word(line), ARGUMENT_SIZE, "ackd");
}

/* --- what was parsed --- */

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
    require(server->ack_low_size < server->ack_high_size, "the marks are the wrong way round");
    require(ackd_handler_check(options->handler, NULL) == 0, "the handler is not legal");
}

/* All values as text. */
static void write_values(const struct options *options, char *ret_text)
{
    char value[OPTION_VALUE_SIZE];
    const char *name;
    size_t index = 0;
    int guard = 0;
    size_t size = 0;

    ret_text[0] = '\0';
    while ((name = options_next(options, &index, value))) {
        if (strcmp(name, "config") != 0)
            size +=
                (size_t)snprintf(ret_text + size, ALL_VALUES_SIZE - size, "%s = %s\n", name, value);
    }
    while ((name = options_next_unguarded(options, &guard)))
        size += (size_t)snprintf(ret_text + size, ALL_VALUES_SIZE - size, "without %s\n", name);
    require(size < ALL_VALUES_SIZE, "values without end");
}

/* The command line that says the same. */
static void write_line(const struct options *options, struct line *line)
{
    char value[OPTION_VALUE_SIZE];
    const char *name;
    size_t index = 0;

    begin_line(line);
    for (size_t i = 0; i < options->server.listen_count; i++)
        snprintf(next_word(line), ARGUMENT_SIZE, "--listen=%s", options->server.listen[i]);
    while ((name = options_next(options, &index, value))) {
        if (strcmp(name, "listen") != 0 && strcmp(name, "config") != 0)
            snprintf(next_word(line), ARGUMENT_SIZE, "--%s=%s", name, value);
    }
    if (!options->metrics_listen)
        snprintf(next_word(line), ARGUMENT_SIZE, "--metrics-listen=off");
    if (!options->pprof_listen)
        snprintf(next_word(line), ARGUMENT_SIZE, "--pprof-listen=off");
    if (options->pprof_allow_remote)
        snprintf(next_word(line), ARGUMENT_SIZE, "--pprof-allow-remote");
}

static void check_written(const struct options *options)
{
    static struct line line;
    static char values[ALL_VALUES_SIZE];
    static char again[ALL_VALUES_SIZE];
    struct options read;
    struct ackd_error error = {0};

    write_values(options, values);
    write_line(options, &line);
    require(options_parse(line.count, line.words, &read, &error) == 0, error.text);
    write_values(&read, again);
    require(strcmp(values, again) == 0, "what is written is not what is read");
    options_deinit(&read);
}

static void check(struct line *line)
{
    struct options options;
    struct ackd_error error = {0};
    const int status = options_parse(line->count, line->words, &options, &error);

    require(status == 0 || status == -EINVAL, "an outcome that is none");
    require(status == 0 || strnlen(error.text, sizeof error.text) > 0, "no word about it");
    require(strnlen(error.text, sizeof error.text) < sizeof error.text, "words without end");
    if (status == 0 && !options.help && !options.version) {
        check_values(&options);
        check_written(&options);
    }
    options_deinit(&options);
}

/* --- the input --- */

/* Takes the arguments from the beginning of @data.  How many bytes they were. */
static size_t take_arguments(struct line *line, const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size && data[at] == '@' && line->count <= ARGUMENT_COUNT_MAX) {
        const uint8_t *const end = memchr(data + at, '\n', size - at);
        const size_t length = end ? (size_t)(end - data) - at : size - at;

        snprintf(next_word(line), ARGUMENT_SIZE, "%.*s", (int)length - 1,
                 (const char *)data + at + 1);
        /* It would read files of this machine. */
        if (strstr(line->texts[line->count - 1], "--conf"))
            line->words[--line->count] = NULL;
        at += length + (end ? 1 : 0);
    }
    return at;
}

/* The file is the same one each time: to make one takes longer than to parse it. */
static void put_file(struct line *line, const uint8_t *data, size_t size)
{
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(next_word(line), ARGUMENT_SIZE, "--config=/proc/self/fd/%d", fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct line line;

    begin_line(&line);
    const size_t used = take_arguments(&line, data, size);
    if (used == 0 || used < size)
        put_file(&line, data + used, size - used);
    check(&line);
    return 0;
}
