/* SPDX-License-Identifier: MIT
 *
 * text - numbers as people read them (text.h) */
#include "load/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Writes @value with three digits, or as many as it has before the point. */
static void put_scaled(struct text *text, double value, const char *unit)
{
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(text->bytes, sizeof text->bytes, "%.*f%s", decimals, value, unit);
}

const char *text_count(struct text *text, uint64_t count)
{
    char digits[TEXT_SIZE];
    const int digit_count = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = text->bytes;

    for (int i = 0; i < digit_count; i++) {
        if (i > 0 && (digit_count - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text->bytes;
}

const char *text_amount(struct text *text, double amount)
{
    if (amount >= 999.5e6)
        put_scaled(text, amount / 1e9, "G");
    else if (amount >= 999.5e3)
        put_scaled(text, amount / 1e6, "M");
    else if (amount >= 9999.5)
        put_scaled(text, amount / 1e3, "k");
    else
        snprintf(text->bytes, sizeof text->bytes, "%.0f", amount);
    return text->bytes;
}

const char *text_time(struct text *text, uint64_t ns)
{
    const double value = (double)ns;

    if (value >= 999.5e6)
        put_scaled(text, value / 1e9, " s");
    else if (value >= 999.5e3)
        put_scaled(text, value / 1e6, " ms");
    else if (value >= 999.5)
        put_scaled(text, value / 1e3, " us");
    else
        snprintf(text->bytes, sizeof text->bytes, "%" PRIu64 " ns", ns);
    return text->bytes;
}

const char *text_size(struct text *text, double size)
{
    if (size >= 999.5e6)
        put_scaled(text, size / 1e9, " GB");
    else if (size >= 999.5e3)
        put_scaled(text, size / 1e6, " MB");
    else if (size >= 999.5)
        put_scaled(text, size / 1e3, " kB");
    else
        snprintf(text->bytes, sizeof text->bytes, "%.0f B", size);
    return text->bytes;
}
