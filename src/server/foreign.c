/* SPDX-License-Identifier: MIT
 *
 * foreign - what bytes that are no frame look like (foreign.h)
 *
 * Sources: RFC 9112, RFC 4253, RFC 8446, the PROXY protocol's specification, RESP. */
#include "server/foreign.h"

#include <string.h>

#include "wire/packet.h"

static const struct {
    const char *start;
    const char *word;
} known[] = {
    {"GET ", "http"},    {"POST", "http"},    {"HEAD", "http"},    {"PUT ", "http"},
    {"OPTI", "http"},    {"DELE", "http"},    {"CONN", "http"},    {"PRI ", "http"},
    {"SSH-", "ssh"},     {"\x16\x03", "tls"}, {"PROX", "proxy"},   {"\r\n\r\n", "proxy"},
    {"*1\r\n", "redis"}, {"*2\r\n", "redis"}, {"*3\r\n", "redis"},
};

const char *foreign_guess(struct bytes bytes, uint32_t frame_size_max)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t size = strlen(known[i].start);
        if (bytes.size >= size && memcmp(bytes.data, known[i].start, size) == 0)
            return known[i].word;
    }
    if (bytes.size < FRAME_HEADER_SIZE)
        return NULL;

    const uint32_t length = load_be32(bytes.data);
    const uint32_t swapped = __builtin_bswap32(length);
    const bool is_swapped =
        length > frame_size_max && swapped >= REQUEST_FRAME_SIZE_MIN && swapped <= frame_size_max;
    return is_swapped ? "little_endian" : NULL;
}

void foreign_print_hex(struct bytes bytes, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const size_t count = bytes.size < FOREIGN_HEX_COUNT ? bytes.size : FOREIGN_HEX_COUNT;

    for (size_t i = 0; i < count; i++) {
        *ret_text++ = digits[bytes.data[i] >> 4];
        *ret_text++ = digits[bytes.data[i] & 15];
    }
    *ret_text = '\0';
}
