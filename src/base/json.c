/* SPDX-License-Identifier: MIT
 *
 * json - text as JSON has it (json.h) */
#include "base/json.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

static bool is_between(unsigned char byte, unsigned char first, unsigned char last)
{
    return first <= byte && byte <= last;
}

/* How many bytes the character at @at has if it is well-formed UTF-8 beyond ASCII, or 0.  Source:
 * The Unicode Standard, table 3-7: nothing longer than need be, no surrogates, none above 10FFFF.
 */
static size_t utf8_size(const unsigned char *at)
{
    const unsigned char lead = at[0];
    const size_t size = is_between(lead, 0xc2, 0xdf)   ? 2
                        : is_between(lead, 0xe0, 0xef) ? 3
                        : is_between(lead, 0xf0, 0xf4) ? 4
                                                       : 0;
    const unsigned char first = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char last = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

    if (size == 0 || !is_between(at[1], first, last))
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (!is_between(at[i], 0x80, 0xbf))
            return 0;
    }
    return size;
}

void json_put_text(FILE *to, const char *text)
{
    assert(to && text);
    const unsigned char *at = (const unsigned char *)text;

    fputc('"', to);
    while (*at) {
        const size_t size = utf8_size(at);

        if (size > 0)
            fwrite(at, 1, size, to);
        else if (*at == '"' || *at == '\\')
            fprintf(to, "\\%c", *at);
        else if (*at < ' ' || *at >= 0x80)
            fprintf(to, "\\u%04x", *at);
        else
            fputc(*at, to);
        at += size > 0 ? size : 1;
    }
    fputc('"', to);
}
