/* SPDX-License-Identifier: MIT
 *
 * asker - a client that asks a server of ours and judges the answer: for fuzz targets
 *
 *      input bytes --> struct asker_request --asker_ask()--> struct asker: status, headers, body
 *
 * What must hold of every answer is checked here: it is whole, and unpacks if it is packed.  A
 * connection stays open as long as the server lets it.  What is wrong ends the program. */
#ifndef HTTP_ASKER_H
#define HTTP_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    ASKER_REQUEST_SIZE = 16 * 1024,
    ASKER_ANSWER_SIZE = 256 * 1024,
};

struct asker {
    const char *name; /* the target's, for messages */
    uint16_t port;
    int fd; /* -1: not connected */

    /* The last answer. */
    char text[ASKER_ANSWER_SIZE + 1];
    size_t text_size;
    unsigned status;
    const char *body; /* in text */
    size_t body_size;
};

/* What is to be sent.  What does not fit is left out. */
struct asker_request {
    char text[ASKER_REQUEST_SIZE];
    size_t size;
};

void asker_put(struct asker_request *request, const char *text);
void asker_put_bytes(struct asker_request *request, struct bytes bytes);

/* Takes a line from the beginning of @input; its end goes, too. */
struct bytes asker_take_line(struct bytes *input);

/* Puts @line without bytes that would end a line of a request. */
void asker_put_line(struct asker_request *request, struct bytes line);

/* Asks the server at @address, "127.0.0.1:PORT", from now on. */
void asker_init(struct asker *asker, const char *name, const char *address);

/* Sends @request and takes its answer.  False if the server has hung up instead. */
bool asker_ask(struct asker *asker, const struct asker_request *request, bool is_head);

/* The value of a header of the answer, up to the end of the line and beyond; or NULL. */
const char *asker_header(const struct asker *asker, const char *name);

/* Says @what is wrong, shows the answer, and ends the program. */
_Noreturn void asker_fail(const struct asker *asker, const char *what);

#endif
