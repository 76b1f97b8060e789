/* SPDX-License-Identifier: MIT
 *
 * environment_test - binaries are told apart, and machines too */
#include "load/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void hashes_are_fnv_1a(void **state)
{
    (void)state;
    char path[] = "/tmp/ackload-hash-XXXXXX";
    char hash[ENVIRONMENT_HASH_SIZE];
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(environment_hash_file(path, hash, NULL), 0);
    assert_string_equal(hash, "fnv1a64:cbf29ce484222325");
    assert_int_equal(write(fd, "foobar", 6), 6);
    assert_int_equal(environment_hash_file(path, hash, NULL), 0);
    assert_string_equal(hash, "fnv1a64:85944171f73967e8");
    close(fd);
    unlink(path);
}

static void a_missing_file_is_an_error(void **state)
{
    (void)state;
    struct ackd_error error = {0};
    char hash[ENVIRONMENT_HASH_SIZE];

    assert_int_equal(environment_hash_file("/there/is/none", hash, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/there/is/none"));
}

static void this_process_is_described(void **state)
{
    (void)state;
    struct interrupts interrupts;

    assert_int_equal(interrupts_open(&interrupts, NULL), 0);
    json_t *const environment = environment_describe(getpid(), &interrupts);
    assert_non_null(environment);
    assert_true(strlen(json_string_value(json_object_get(environment, "kernel"))) > 0);
    const json_t *const server = json_object_get(environment, "server");
    assert_non_null(strstr(json_string_value(json_object_get(server, "binary")), "environment"));
    assert_non_null(strstr(json_string_value(json_object_get(server, "hash")), "fnv1a64:"));
    assert_null(environment_difference(environment, environment));
    json_decref(environment);
    interrupts_close(&interrupts);
}

static void other_machines_differ(void **state)
{
    (void)state;
    json_t *const a = json_pack("{s:s, s:i, s:{s:s}, s:s}", "kernel", "6.1", "cpus", 2, "server",
                                "cpus", "0", "commit", "x");
    json_t *const b = json_deep_copy(a);

    json_object_set_new(b, "commit", json_string("y"));
    assert_null(environment_difference(a, b));
    json_object_set_new(json_object_get(b, "server"), "cpus", json_string("1"));
    assert_string_equal(environment_difference(a, b), "CPUs of the server");
    json_object_set_new(b, "kernel", json_string("6.2"));
    assert_string_equal(environment_difference(a, b), "kernel");
    json_decref(a);
    json_decref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_fnv_1a),
        cmocka_unit_test(a_missing_file_is_an_error),
        cmocka_unit_test(this_process_is_described),
        cmocka_unit_test(other_machines_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
