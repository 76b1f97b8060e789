/* SPDX-License-Identifier: MIT
 *
 * ceiling_test - what is stored is found again, for the shape that comes nearest */
#include "load/ceiling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct ceiling make(uint64_t depth, double rate)
{
    return (struct ceiling){
        .connection_count = 100,
        .depth = depth,
        .thread_count = 1,
        .teaching = true,
        .rate = rate,
    };
}

static void the_nearest_shape_is_found(void **state)
{
    (void)state;
    char folder[] = "/tmp/ackload-test-XXXXXX";
    char path[64];
    const struct ceiling_pacing pacing = {.idle = IDLE_SPIN};
    const struct ceiling some[] = {make(256, 30e6), make(16, 3e6), make(1, 200e3)};
    const struct ceiling newer = make(16, 4e6);
    struct options options = {.thread_count = 1, .plan = {.teaching = true}};

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/new/selftest.json", folder);
    assert_true(ceiling_find(path, &options, 1) == 0);
    assert_int_equal(ceiling_store(path, some, 3, &pacing, NULL), 0);
    assert_int_equal(ceiling_store(path, &newer, 1, &pacing, NULL), 0);
    assert_true(ceiling_find(path, &options, 1.2) == 200e3);
    assert_true(ceiling_find(path, &options, 16) == 4e6);
    assert_true(ceiling_find(path, &options, 100) == 4e6);
    assert_true(ceiling_find(path, &options, 5000) == 30e6);
    assert_true(ceiling_find(path, &options, 0.5) == 200e3);
    options.thread_count = 2;
    assert_true(ceiling_find(path, &options, 1) == 0);
    options = (struct options){.thread_count = 1, .plan = {.payload_size = 22}};
    assert_true(ceiling_find(path, &options, 1) == 0);

    unlink(path);
    snprintf(path, sizeof path, "%s/new", folder);
    rmdir(path);
    rmdir(folder);
}

static void a_file_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct ackd_error error;
    const struct ceiling one = make(1, 1);
    const struct ceiling_pacing pacing = {.idle = IDLE_SLEEP};
    assert_true(ceiling_store("/nonexistent/x/selftest.json", &one, 1, &pacing, &error) < 0);
    assert_non_null(strstr(error.text, "/nonexistent/x/selftest.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_shape_is_found),
        cmocka_unit_test(a_file_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
