/* SPDX-License-Identifier: MIT
 *
 * handlers - names of the handlers that come with the library; and discard, which does nothing */
#include "handler/handlers.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"

static void discard_batch(void *self, struct ackd_batch *batch)
{
    (void)self;
    (void)batch; /* its acks stand there as successes */
}

struct ackd_handler handler_discard(void)
{
    return (struct ackd_handler){.on_batch = discard_batch};
}

static int parse_delay(const char *text, struct ackd_handler *ret_handler,
                       struct ackd_error *error)
{
    uint64_t delay_ns;

    if (!units_parse_duration_ns(text, &delay_ns))
        return error_raise(error, -EINVAL, "delay:%s: give a time such as delay:5ms or delay:1s",
                           text);
    return handler_delay_new(delay_ns, ret_handler, error);
}

int ackd_handler_parse(const char *text, struct ackd_handler *ret_handler,
                       struct ackd_error *error)
{
    assert(text && ret_handler);
    if (strcmp(text, "discard") == 0) {
        *ret_handler = handler_discard();
        return 0;
    }
    if (strncmp(text, "append:", 7) == 0 && text[7] != '\0')
        return handler_append_new(text + 7, ret_handler, error);
    if (strncmp(text, "delay:", 6) == 0)
        return parse_delay(text + 6, ret_handler, error);
    return error_raise(error, -EINVAL,
                       "'%s' is no handler: give discard, append:FILE or delay:TIME", text);
}
