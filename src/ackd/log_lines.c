/* SPDX-License-Identifier: MIT
 *
 * log_lines - ackd's log lines (log_lines.h) */
#include "ackd/log_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 };

struct line {
    char text[LINE_SIZE];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void print(struct line *line, const char *format, ...)
{
    const size_t room = LINE_SIZE - line->size;
    va_list arguments;

    va_start(arguments, format);
    const int size = vsnprintf(line->text + line->size, room, format, arguments);
    va_end(arguments);
    if (size > 0)
        line->size += (size_t)size < room ? (size_t)size : room - 1;
}

/* @text between quotes, escaped as JSON has it (logfmt reads the same). */
static void print_quoted(struct line *line, const char *text)
{
    print(line, "\"");
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            print(line, "\\%c", byte);
        else if (byte < ' ' || byte >= 0x7f)
            print(line, "\\u%04x", byte);
        else
            print(line, "%c", byte);
    }
    print(line, "\"");
}

static bool is_plain(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f || *at == '"' || *at == '=' || *at == '\\')
            return false;
    }
    return *text != '\0';
}

static void print_field(struct line *line, enum log_format format, const char *key,
                        const char *text, int64_t number)
{
    if (format == LOG_JSON)
        print(line, "%s\"%s\":", line->size > 1 ? "," : "", key);
    else
        print(line, "%s%s=", line->size > 0 ? " " : "", key);
    if (!text)
        print(line, "%" PRId64, number);
    else if (format == LOG_LOGFMT && is_plain(text))
        print(line, "%s", text);
    else
        print_quoted(line, text);
}

static void print_time(char *ret_text, size_t text_size)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    /* Not by strftime(), which looks for the local time zone. */
    snprintf(ret_text, text_size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900,
             utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
             now.tv_nsec / 1000000 % 1000);
}

/* False if stderr does not take all of @line at once: a pipe or socket that nobody reads must not
 * keep a worker from serving.  Source: pipe(7), what fits a page goes in whole or not at all. */
static bool write_at_once(const struct line *line)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t size = send(STDERR_FILENO, line->text, line->size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (size < 0 && errno == ENOTSOCK && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT))
        size = write(STDERR_FILENO, line->text, line->size);
    return size == (ssize_t)line->size;
}

static void begin_line(struct line *line, enum log_format format, const char *level,
                       const char *event)
{
    char time[48];

    line->size = 0;
    print_time(time, sizeof time);
    if (format == LOG_JSON)
        print(line, "{");
    print_field(line, format, "time", time, 0);
    print_field(line, format, "level", level, 0);
    print_field(line, format, "event", event, 0);
}

static void end_line(struct line *line, enum log_format format)
{
    if (line->size > LINE_SIZE - 3)
        line->size = LINE_SIZE - 3;
    print(line, format == LOG_JSON ? "}\n" : "\n");
}

/* Writes @line, and before it how many were lost, if some were. */
static void put_line(const struct line *line, enum log_format format)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static int64_t lost_count;
    struct line lost;

    pthread_mutex_lock(&mutex);
    if (lost_count > 0) {
        begin_line(&lost, format, "warn", "log lines lost");
        print_field(&lost, format, "lines", NULL, lost_count);
        end_line(&lost, format);
        if (write_at_once(&lost))
            lost_count = 0;
    }
    lost_count += lost_count > 0 || !write_at_once(line);
    pthread_mutex_unlock(&mutex);
}

static void write_line(void *self, enum ackd_log_level level, const char *event,
                       const struct ackd_log_field *fields, size_t field_count)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    const enum log_format format = *(const enum log_format *)self;
    struct line line;

    begin_line(&line, format, words[level], event);
    for (size_t i = 0; i < field_count; i++)
        print_field(&line, format, fields[i].key, fields[i].text, fields[i].number);
    end_line(&line, format);
    put_line(&line, format);
}

struct ackd_log log_to_stderr(enum ackd_log_level level, const enum log_format *format)
{
    tzset(); /* reads a file, the first time; workers are not to */
    return (struct ackd_log){
        .self = (void *)(uintptr_t)format, .level = level, .on_line = write_line};
}
