/* SPDX-License-Identifier: MIT
 *
 * card_test - what a list of runs says of each kind */
#include "load/card.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, void (*print)(FILE *to, const json_t *run), const char *wanted)
{
    json_t *const run = json_loads(text, 0, NULL);
    char *printed = NULL;
    size_t size = 0;
    FILE *const to = open_memstream(&printed, &size);

    assert_non_null(run);
    print(to, run);
    fclose(to);
    if (!strstr(printed, wanted))
        fail_msg("'%s' is not in '%s'", wanted, printed);
    free(printed);
    json_decref(run);
}

#define LOAD                                                                                       \
    "{\"number\": 3, \"kind\": \"record\", \"name\": \"main\", \"added_at\": \"2026\","            \
    " \"run_options\": [\"-c\", \"16\"], \"start\": \"./server\", \"server_ns\": 89.4,"            \
    " \"environment\": {\"kernel\": \"6.1\", \"cpus\": 2, \"cpu_model\": \"fast\","                \
    "   \"commit\": {\"hash\": \"0123456789abcdef\", \"changed\": true},"                          \
    "   \"server\": {\"binary\": \"/s\", \"hash\": \"fnv1a64:1\", \"cpus\": \"0\"}},"              \
    " \"result\": {\"ledger\": {}, \"rate\": {\"acks_per_s\": 5e5}, \"stream_hash\": \"ab\","      \
    "   \"latency\": {\"service\": {\"p50_ns\": 81000, \"p99_ns\": 2e6}}}}"

static void a_load_in_a_line(void **state)
{
    (void)state;
    check(LOAD, card_line, "0003  record   main");
    check(LOAD, card_line, "500k acks/s, p50 81.0 us, p99 2.00 ms, server 89 ns/ack\n");
}

static void a_load_in_full(void **state)
{
    (void)state;
    check(LOAD, card_print, "ackload run -c 16\n");
    check(LOAD, card_print, "started   ./server\n");
    check(LOAD, card_print, "commit    0123456789ab and changes\n");
    check(LOAD, card_print, "fnv1a64:1, CPUs 0\n");
    check(LOAD, card_print, "fast, kernel 6.1, 2 CPUs\n");
}

static void other_kinds(void **state)
{
    (void)state;
    check("{\"kind\": \"ab\", \"result\": {\"verdict\": \"FASTER\"}}", card_line, "FASTER\n");
    check("{\"kind\": \"aa\", \"result\": {\"false_alarms\": 0.02, \"trials\": 100}}", card_line,
          "2.0 % false alarms in 100 trials\n");
    check("{\"kind\": \"search\", \"result\": {\"rate\": 250000.0, \"slo\": \"p99<1ms\"}}",
          card_line, "250k msg/s under p99<1ms\n");
    check("{}", card_print, "0000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_in_a_line),
        cmocka_unit_test(a_load_in_full),
        cmocka_unit_test(other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
