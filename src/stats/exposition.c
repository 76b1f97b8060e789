/* SPDX-License-Identifier: MIT
 *
 * exposition - writes metrics as Prometheus reads them (exposition.h) */
#include "stats/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 16 * 1024 };

static bool reserve(struct exposition *to, size_t size)
{
    if (to->failed || to->size + size < to->capacity)
        return !to->failed;

    size_t capacity = to->capacity ? to->capacity * 2 : CAPACITY_MIN;
    while (capacity <= to->size + size)
        capacity *= 2;

    char *const text = realloc(to->text, capacity);
    if (!text) {
        to->failed = true;
        return false;
    }
    to->text = text;
    to->capacity = capacity;
    return true;
}

__attribute__((format(printf, 2, 3))) static void print(struct exposition *to, const char *format,
                                                        ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    if (!reserve(to, (size_t)size + 1))
        return;

    va_start(arguments, format);
    vsnprintf(to->text + to->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    to->size += (size_t)size;
}

static void print_name(struct exposition *to)
{
    print(to, "%s%s%s", to->prefix, to->prefix[0] ? "_" : "", to->family);
}

/* What a series of the family has behind its name. */
static const char *suffix_of(enum exposition_type type)
{
    if (type == EXPOSITION_COUNTER)
        return "_total";
    return type == EXPOSITION_INFO ? "_info" : "";
}

static const char *type_word(enum exposition_type type, enum exposition_format format)
{
    switch (type) {
    case EXPOSITION_COUNTER:
        return "counter";
    case EXPOSITION_HISTOGRAM:
        return "histogram";
    case EXPOSITION_INFO:
        return format == EXPOSITION_OPENMETRICS ? "info" : "gauge";
    case EXPOSITION_GAUGE:
        break;
    }
    return "gauge";
}

void exposition_family(struct exposition *to, const char *family, enum exposition_type type,
                       const char *help)
{
    /* OpenMetrics names the family, the text format the series. */
    const char *const suffix = to->format == EXPOSITION_OPENMETRICS ? "" : suffix_of(type);

    to->family = family;
    to->type = type;
    print(to, "# HELP ");
    print_name(to);
    print(to, "%s %s\n# TYPE ", suffix, help);
    print_name(to);
    print(to, "%s %s\n", suffix, type_word(type, to->format));
}

static void print_series(struct exposition *to, const char *suffix, const char *labels)
{
    print_name(to);
    print(to, labels[0] ? "%s{%s} " : "%s%s ", suffix, labels);
}

void exposition_count(struct exposition *to, const char *labels, uint64_t value)
{
    print_series(to, suffix_of(to->type), labels);
    print(to, "%" PRIu64 "\n", value);
}

void exposition_number(struct exposition *to, const char *labels, double value)
{
    print_series(to, suffix_of(to->type), labels);
    print(to, "%.17g\n", value);
}

void exposition_bound(double bound, char *ret_text)
{
    const int size = snprintf(ret_text, EXPOSITION_BOUND_SIZE, "%.9g", bound);

    if (!strpbrk(ret_text, ".e"))
        snprintf(ret_text + size, EXPOSITION_BOUND_SIZE - (size_t)size, ".0");
}

void exposition_histogram(struct exposition *to, const uint64_t *bounds, size_t bound_count,
                          const uint64_t *bucket, uint64_t sum, double scale)
{
    uint64_t total = 0;

    for (size_t i = 0; i < bound_count; i++) {
        char label[48];
        char bound[EXPOSITION_BOUND_SIZE];

        exposition_bound((double)bounds[i] / scale, bound);
        snprintf(label, sizeof label, "le=\"%s\"", bound);
        total += bucket[i];
        print_series(to, "_bucket", label);
        print(to, "%" PRIu64 "\n", total);
    }
    total += bucket[bound_count];
    print_series(to, "_bucket", "le=\"+Inf\"");
    print(to, "%" PRIu64 "\n", total);
    print_series(to, "_sum", "");
    print(to, "%.17g\n", (double)sum / scale);
    print_series(to, "_count", "");
    print(to, "%" PRIu64 "\n", total);
}

void exposition_end(struct exposition *to)
{
    if (to->format == EXPOSITION_OPENMETRICS)
        print(to, "# EOF\n");
}

void exposition_escape(const char *value, char *ret_label, size_t label_size)
{
    size_t used = 0;

    for (; *value && used + 3 < label_size; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n')
            ret_label[used++] = '\\';
        ret_label[used++] = *value == '\n' ? 'n' : *value;
    }
    ret_label[used] = '\0';
}
