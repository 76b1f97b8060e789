/* SPDX-License-Identifier: MIT
 *
 * bytes_test - loads and stores at every alignment, and runs that get shorter */
#include "base/bytes.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void stores_are_big_endian(void **state)
{
    uint8_t four[4];
    uint8_t eight[8];

    (void)state;
    store_be32(four, 0x01020304);
    assert_memory_equal(four, "\x01\x02\x03\x04", 4);
    store_be64(eight, 0x0102030405060708);
    assert_memory_equal(eight, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
}

static void loads_give_what_was_stored(void **state)
{
    static const uint64_t values[] = {0,          1,          0x7f,
                                      0x80,       0xff,       0x7fffffff,
                                      0x80000000, 0xffffffff, UINT64_C(0x8000000000000000),
                                      UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (size_t offset = 0; offset < 8; offset++) {
            uint8_t room[16];

            store_be64(room + offset, values[i]);
            assert_int_equal(load_be64(room + offset), values[i]);
            store_be32(room + offset, (uint32_t)values[i]);
            assert_int_equal(load_be32(room + offset), (uint32_t)values[i]);
        }
    }
}

/* The room is exactly as long as the value, so a sanitizer sees one byte too many. */
static void loads_and_stores_stay_inside(void **state)
{
    uint8_t *const four = malloc(4);
    uint8_t *const eight = malloc(8);

    (void)state;
    assert_non_null(four);
    assert_non_null(eight);
    store_be32(four, 0xa1b2c3d4);
    assert_int_equal(load_be32(four), 0xa1b2c3d4);
    store_be64(eight, UINT64_C(0xa1b2c3d4e5f60718));
    assert_true(load_be64(eight) == UINT64_C(0xa1b2c3d4e5f60718));
    free(four);
    free(eight);
}

static void skip_drops_the_front(void **state)
{
    static const uint8_t text[] = "frame";
    const struct bytes all = {text, 5};

    (void)state;
    for (size_t size = 0; size <= all.size; size++) {
        const struct bytes rest = bytes_skip(all, size);
        assert_ptr_equal(rest.data, text + size);
        assert_int_equal(rest.size, 5 - size);
    }
}

/* A bug of the caller ends the program, in release builds too. */
static void skip_past_the_end_asserts(void **state)
{
    const pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        bytes_skip((struct bytes){(const uint8_t *)"x", 1}, 2);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_are_big_endian),
        cmocka_unit_test(loads_give_what_was_stored),
        cmocka_unit_test(loads_and_stores_stay_inside),
        cmocka_unit_test(skip_drops_the_front),
        cmocka_unit_test(skip_past_the_end_asserts),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
