/* SPDX-License-Identifier: MIT
 *
 * foreign - what bytes that are no frame look like, for a line of the log */
#ifndef SERVER_FOREIGN_H
#define SERVER_FOREIGN_H

#include "base/bytes.h"

enum {
    FOREIGN_HEX_COUNT = 16, /* bytes that are shown */
    FOREIGN_HEX_SIZE = 2 * FOREIGN_HEX_COUNT + 1,
};

/* A word for what @bytes begin like: "http", "ssh", "tls", "proxy", "redis", or "little_endian" for
 * a length whose bytes stand the wrong way round; NULL for all else.  Static. */
const char *foreign_guess(struct bytes bytes, uint32_t frame_size_max);

/* The first bytes as hexadecimal digits; @ret_text has FOREIGN_HEX_SIZE bytes. */
void foreign_print_hex(struct bytes bytes, char *ret_text);

#endif
