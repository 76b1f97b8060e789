/* SPDX-License-Identifier: MIT
 *
 * id - the id of a message: its number on its connection, as eight decimal digits
 *
 * Messages are numbered from 1; the id is the number modulo 100,000,000, so after 99999999 comes
 * 00000000.  An id is held as the big-endian word of its eight bytes: the last digit is the low
 * byte, so that the next id is usually one addition away.  The ten ids of a decade differ in that
 * byte alone, which lets whole decades be written and compared without a look at the carry. */
#ifndef LOAD_ID_H
#define LOAD_ID_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ID_COUNT = 100000000, /* how many ids there are */
    ID_DECADE_COUNT = 10,
};

/* The id of message @sequence. */
static inline uint64_t id_of(uint64_t sequence)
{
    uint64_t rest = sequence % ID_COUNT;
    uint64_t id = 0;

    for (unsigned shift = 0; shift < 64; shift += 8) {
        id |= (uint64_t)('0' + rest % 10) << shift;
        rest /= 10;
    }
    return id;
}

/* Carries from a last digit that went past '9'. */
static inline uint64_t id_carry(uint64_t id)
{
    for (unsigned shift = 0; shift < 56 && (uint8_t)(id >> shift) > '9'; shift += 8)
        id += (UINT64_C(1) << (shift + 8)) - (UINT64_C(10) << shift);
    if (id >> 56 > '9')
        id -= UINT64_C(10) << 56;
    return id;
}

/* The id after @id. */
static inline uint64_t id_next(uint64_t id)
{
    id++;
    return (uint8_t)id > '9' ? id_carry(id) : id;
}

/* True for the first id of a decade. */
static inline bool id_starts_decade(uint64_t id)
{
    return (uint8_t)id == '0';
}

/* The first id of the decade after that of @id, which starts one. */
static inline uint64_t id_next_decade(uint64_t id)
{
    return id_carry(id + ID_DECADE_COUNT);
}

/* The number behind @id.  False when it has other bytes than digits. */
static inline bool id_parse(uint64_t id, uint32_t *ret_number)
{
    uint32_t number = 0;

    for (unsigned shift = 64; shift > 0; shift -= 8) {
        const uint8_t digit = (uint8_t)(id >> (shift - 8));
        if (digit < '0' || digit > '9')
            return false;
        number = number * 10 + (uint32_t)(digit - '0');
    }
    *ret_number = number;
    return true;
}

#endif
