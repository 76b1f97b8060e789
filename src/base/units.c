/* SPDX-License-Identifier: MIT
 *
 * units - numbers as people write them (units.h) */
#include "base/units.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Reads digits; @ret_rest is what follows them. */
static bool parse_digits(const char *text, uint64_t *ret_value, const char **ret_rest)
{
    char *rest;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    const unsigned long long value = strtoull(text, &rest, 10);
    if (errno != 0)
        return false;

    *ret_value = value;
    *ret_rest = rest;
    return true;
}

/* A number and one of @units (ended by a NULL name), without a space between. */
static bool parse_with_unit(const char *text, const struct unit *units, uint64_t *ret_value)
{
    uint64_t number;
    const char *rest;

    assert(text && ret_value);
    if (!parse_digits(text, &number, &rest))
        return false;
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcasecmp(rest, unit->name) != 0)
            continue;

        uint64_t value;
        if (__builtin_mul_overflow(number, unit->factor, &value))
            return false;
        *ret_value = value;
        return true;
    }
    return false;
}

bool units_parse_count(const char *text, uint64_t *ret_value)
{
    static const struct unit units[] = {{"", 1}, {NULL, 0}};
    return parse_with_unit(text, units, ret_value);
}

uint64_t units_environment_count(const char *variable)
{
    const char *const text = getenv(variable);
    uint64_t count = 0;

    return text && units_parse_count(text, &count) ? count : 0;
}

bool units_parse_size(const char *text, uint64_t *ret_size)
{
    static const struct unit units[] = {
        {"", 1},          {"b", 1},       {"k", 1 << 10},   {"kib", 1 << 10}, {"m", 1 << 20},
        {"mib", 1 << 20}, {"g", 1 << 30}, {"gib", 1 << 30}, {NULL, 0},
    };
    return parse_with_unit(text, units, ret_size);
}

bool units_parse_duration_ns(const char *text, uint64_t *ret_ns)
{
    static const struct unit units[] = {
        {"ns", 1},
        {"us", NS_PER_US},
        {"ms", NS_PER_MS},
        {"s", NS_PER_S},
        {"m", 60 * NS_PER_S},
        {"min", 60 * NS_PER_S},
        {"h", 3600 * NS_PER_S},
        {NULL, 0},
    };
    uint64_t number;
    const char *rest;

    assert(text && ret_ns);
    if (parse_digits(text, &number, &rest) && number == 0 && *rest == '\0') {
        *ret_ns = 0;
        return true;
    }
    return parse_with_unit(text, units, ret_ns);
}

bool units_parse_rate(const char *text, double *ret_value)
{
    char *rest;

    assert(text && ret_value);
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    double value = strtod(text, &rest);
    /* strtod() also reads 0x10 and 1e5; here a number is digits and at most one point. */
    if (errno != 0 || rest != text + strspn(text, "0123456789."))
        return false;

    if (strcasecmp(rest, "k") == 0)
        value *= 1e3;
    else if (strcasecmp(rest, "m") == 0)
        value *= 1e6;
    else if (*rest != '\0')
        return false;
    if (!isfinite(value))
        return false;

    *ret_value = value;
    return true;
}
