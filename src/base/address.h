/* SPDX-License-Identifier: MIT
 *
 * address - where to listen or connect: IPv4, IPv6, or a unix socket's path
 *
 *      127.0.0.1:8888     [::1]:8888     :8888 (every address)     unix:/run/ackd.sock
 *      localhost:8888     (names are resolved only for clients)    /run/ackd.sock */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

enum {
    /* Room for any address as text: a unix path is the longest. */
    ADDRESS_TEXT_SIZE = 128,
};

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/* Parses @text.  @resolve allows host names (getaddrinfo; may block).  On failure *ret_address is
 * untouched, and @error says what is legal. */
int address_parse(const char *text, bool resolve, struct address *ret_address,
                  struct ackd_error *error);

/* Writes @address as text that address_parse() reads; @ret_text has ADDRESS_TEXT_SIZE bytes. */
void address_format(const struct address *address, char *ret_text);

/* The path of a unix address, or NULL. */
const char *address_unix_path(const struct address *address);

/* True for 127.0.0.0/8, ::1 and unix paths. */
bool address_is_loopback(const struct address *address);

#endif
