/* SPDX-License-Identifier: MIT
 *
 * validity - was the client fit to measure what it says it measured? (validity.h) */
#include "load/validity.h"

#include <assert.h>
#include <math.h>

#define RATE_SHARE_MIN       0.999
#define USEFUL_SHARE_MAX     0.70
#define HEADROOM_MIN         2.0
#define LITTLE_ERROR_MAX     0.02
#define STEAL_SHARE_MAX      0.02
#define INVOLUNTARY_MAX      10000.0 /* per second */
#define CLIENT_BUSY_SHARE    0.95
#define SERVER_BUSY_SHARE    0.90
#define LITTLE_IN_FLIGHT_MIN 0.5  /* below it, a single message decides */
#define LITTLE_FILL_S        0.01 /* until all connections are full for the first time */

static void add(struct validity *validity, struct validity_check check)
{
    assert(validity->check_count < VALIDITY_CHECK_COUNT_MAX);
    validity->checks[validity->check_count++] = check;
}

/* What was written of what was due; what the server kept back is not the client's fault. */
static double client_share(const struct validity_input *input)
{
    return input->offered > 0
               ? (double)(input->achieved + input->blocked_unsent) / (double)input->offered
               : 0;
}

static bool is_short(const struct validity_input *input)
{
    return (double)input->achieved < RATE_SHARE_MIN * (double)input->offered;
}

static void check_open_loop(const struct validity_input *input, struct validity *validity)
{
    const double share = client_share(input);

    add(validity,
        (struct validity_check){"rate", share >= RATE_SHARE_MIN, share, RATE_SHARE_MIN,
                                VALIDITY_CLIENT_BOUND, "written, of what the server let through"});
    add(validity,
        (struct validity_check){"lateness", input->lateness_p99_ns <= input->lateness_budget_ns,
                                (double)input->lateness_p99_ns, (double)input->lateness_budget_ns,
                                VALIDITY_CLIENT_BOUND, "p99 of the client's own lateness, ns"});
    if (input->ceiling > 0 && input->rate > 0) {
        const double headroom = input->ceiling / input->rate;
        add(validity,
            (struct validity_check){"headroom", headroom >= HEADROOM_MIN, headroom, HEADROOM_MIN,
                                    VALIDITY_CLIENT_BOUND, "the selftest's ceiling over the rate"});
    }
}

static void check_useful(const struct validity_input *input, struct validity *validity)
{
    add(validity, (struct validity_check){"useful", input->useful <= USEFUL_SHARE_MAX,
                                          input->useful, USEFUL_SHARE_MAX,
                                          input->open_loop ? VALIDITY_CLIENT_BOUND : VALIDITY_VALID,
                                          "busiest thread's share of time that moved bytes"});
}

/* By how much rate x time falls short of, or exceeds, the messages that a closed loop was told to
 * keep in flight; what the first fill takes is allowed. */
static double off_asked(const struct validity_input *input)
{
    if (input->in_flight_asked <= 0)
        return 0;
    return fabs(input->in_flight_asked - input->in_flight_wanted) / input->in_flight_asked -
           LITTLE_FILL_S / input->duration_s;
}

static void check_little(const struct validity_input *input, struct validity *validity)
{
    if (!input->clean || input->in_flight < LITTLE_IN_FLIGHT_MIN)
        return;
    const double limit = LITTLE_ERROR_MAX + input->in_flight_edge / input->in_flight;
    const double off =
        fmax(fabs(input->in_flight - input->in_flight_wanted) / input->in_flight, off_asked(input));
    add(validity, (struct validity_check){"little", off <= limit, off, limit, VALIDITY_INCONSISTENT,
                                          "in flight against rate x time in flight"});
}

static void check_connections(const struct validity_input *input, struct validity *validity)
{
    add(validity,
        (struct validity_check){"connections", input->connections_live == input->connections_asked,
                                input->connections_live, input->connections_asked,
                                VALIDITY_INCOMPLETE, "connections alive at the end"});
}

/* A thread that never gives its CPU away is made to: that is no noise in a closed loop. */
static void check_noise(const struct validity_input *input, struct validity *validity)
{
    const enum validity_verdict fails_as = input->open_loop ? VALIDITY_NOISY : VALIDITY_VALID;

    add(validity,
        (struct validity_check){"steal", input->steal <= STEAL_SHARE_MAX, input->steal,
                                STEAL_SHARE_MAX, fails_as, "share of CPU time the host took"});
    add(validity, (struct validity_check){"switches", input->involuntary_per_s <= INVOLUNTARY_MAX,
                                          input->involuntary_per_s, INVOLUNTARY_MAX, fails_as,
                                          "involuntary context switches per second of a thread"});
}

/* Open loop: short of the rate, and neither did the server keep anything back nor had the client
 * ever nothing to do.  Closed loop: the client was busy all the time and the server evidently not.
 */
static void check_limit(const struct validity_input *input, struct validity *validity)
{
    if (input->open_loop) {
        const uint64_t waits = input->full_count + input->idle_count;
        add(validity,
            (struct validity_check){"limit", waits > 0 || !is_short(input), (double)waits, 1,
                                    VALIDITY_CLIENT_BOUND, "full sockets and idle waits"});
    } else if (input->server_known) {
        const bool ok =
            input->useful < CLIENT_BUSY_SHARE || input->server_busy >= SERVER_BUSY_SHARE;
        add(validity, (struct validity_check){"limit", ok, input->server_busy, SERVER_BUSY_SHARE,
                                              VALIDITY_CLIENT_BOUND, "server's busiest thread"});
    }
}

/* The first stamp that failed counts; what is incomplete says least of all. */
static enum validity_verdict sum_up(const struct validity_input *input,
                                    const struct validity *validity)
{
    enum validity_verdict verdict = VALIDITY_VALID;

    for (uint32_t i = 0; i < validity->check_count; i++) {
        const struct validity_check *const check = &validity->checks[i];
        if (check->ok || check->fails_as == VALIDITY_VALID)
            continue;
        if (verdict == VALIDITY_VALID || check->fails_as == VALIDITY_INCOMPLETE)
            verdict = check->fails_as;
    }
    if (verdict == VALIDITY_VALID && input->open_loop && is_short(input))
        return VALIDITY_SERVER_BOUND;
    return verdict;
}

struct validity validity_judge(const struct validity_input *input)
{
    struct validity validity = {0};

    if (input->open_loop)
        check_open_loop(input, &validity);
    check_useful(input, &validity);
    check_little(input, &validity);
    check_connections(input, &validity);
    check_noise(input, &validity);
    check_limit(input, &validity);
    validity.verdict = input->duration_s > 0 ? sum_up(input, &validity) : VALIDITY_INCOMPLETE;
    return validity;
}

const char *validity_name(enum validity_verdict verdict)
{
    switch (verdict) {
    case VALIDITY_SERVER_BOUND:
        return "SERVER-BOUND";
    case VALIDITY_CLIENT_BOUND:
        return "CLIENT-BOUND";
    case VALIDITY_NOISY:
        return "NOISY";
    case VALIDITY_INCONSISTENT:
        return "INCONSISTENT";
    case VALIDITY_INCOMPLETE:
        return "INCOMPLETE";
    case VALIDITY_UNCHECKED:
        return "UNCHECKED";
    case VALIDITY_VALID:
        break;
    }
    return "VALID";
}

bool validity_is_good(enum validity_verdict verdict)
{
    return verdict == VALIDITY_VALID || verdict == VALIDITY_SERVER_BOUND ||
           verdict == VALIDITY_UNCHECKED;
}
