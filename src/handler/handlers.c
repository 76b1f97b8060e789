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

/* Which handler a text names, and what stands behind the colon. */
enum kind { KIND_NONE, KIND_DISCARD, KIND_APPEND, KIND_DELAY };

static enum kind parse_kind(const char *text, const char **ret_rest)
{
    *ret_rest = strchr(text, ':') ? strchr(text, ':') + 1 : "";
    if (strcmp(text, "discard") == 0)
        return KIND_DISCARD;
    if (strncmp(text, "append:", 7) == 0 && text[7] != '\0')
        return KIND_APPEND;
    return strncmp(text, "delay:", 6) == 0 ? KIND_DELAY : KIND_NONE;
}

/* Parses what can be judged without opening anything. */
static int parse(const char *text, enum kind *ret_kind, const char **ret_rest,
                 uint64_t *ret_delay_ns, struct ackd_error *error)
{
    *ret_delay_ns = 0;
    *ret_kind = parse_kind(text, ret_rest);
    if (*ret_kind == KIND_NONE)
        return error_raise(error, -EINVAL,
                           "'%s' is no handler: give discard, append:FILE or delay:TIME", text);
    if (*ret_kind == KIND_DELAY && !units_parse_duration_ns(*ret_rest, ret_delay_ns))
        return error_raise(error, -EINVAL, "'%s': give a time such as delay:5ms or delay:1s", text);
    return 0;
}

int ackd_handler_check(const char *text, struct ackd_error *error)
{
    enum kind kind;
    const char *rest;
    uint64_t delay_ns;

    return parse(text, &kind, &rest, &delay_ns, error);
}

int ackd_handler_parse(const char *text, struct ackd_handler *ret_handler, struct ackd_error *error)
{
    const struct ackd_handler_options options = {0};

    return ackd_handler_parse_with(text, &options, ret_handler, error);
}

int ackd_handler_parse_with(const char *text, const struct ackd_handler_options *options,
                            struct ackd_handler *ret_handler, struct ackd_error *error)
{
    enum kind kind;
    const char *rest;
    uint64_t delay_ns;

    assert(text && options && ret_handler);
    const int status = parse(text, &kind, &rest, &delay_ns, error);
    if (status < 0)
        return status;
    if (kind == KIND_APPEND)
        return handler_append_new(rest, ret_handler, error);
    if (kind == KIND_DELAY)
        return handler_delay_new(delay_ns, options, ret_handler, error);
    *ret_handler = handler_discard();
    return 0;
}
