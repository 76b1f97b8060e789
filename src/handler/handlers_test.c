/* SPDX-License-Identifier: MIT
 *
 * handlers_test - which texts name a handler, and what discard does */
#include "handler/handlers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/test_net.h"
#include "handler/test_batch.h"

static const char *const legal[] = {
    "discard",   "append:x", "append:/nonexistent/x", "append:a:b", "delay:0", "delay:0s",
    "delay:5ms", "delay:1s", "delay:250us",           "delay:1h",
};

static const char *const illegal[] = {
    "",
    "discar",
    "discard:",
    "discard ",
    " discard",
    "Discard",
    "DISCARD",
    "append",
    "append:",
    "Append:x",
    "delay",
    "delay:",
    "delay:5",
    "delay:ms",
    "delay:5 ms",
    "delay:5ms ",
    "delay:-5ms",
    "delay:1.5s",
    "delay:5xs",
    "delays:1s",
    "echo",
    "discard,append:x",
    "delay:18446744074s",
};

static void texts_that_are_legal(void **state)
{
    struct ackd_error error = {0};

    (void)state;
    for (size_t i = 0; i < sizeof legal / sizeof legal[0]; i++) {
        if (ackd_handler_check(legal[i], &error) != 0)
            fail_msg("'%s': %s", legal[i], error.text);
        assert_int_equal(error.code, 0);
    }
}

/* The message names what was given and what is legal. */
static void texts_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof illegal / sizeof illegal[0]; i++) {
        struct ackd_handler handler = {.self = &handler};
        struct ackd_error error = {0};
        char quoted[64];

        if (ackd_handler_check(illegal[i], &error) != -EINVAL)
            fail_msg("'%s' was taken", illegal[i]);
        snprintf(quoted, sizeof quoted, "'%s'", illegal[i]);
        assert_non_null(strstr(error.text, quoted));
        assert_non_null(strstr(error.text, "give "));

        assert_int_equal(ackd_handler_parse(illegal[i], &handler, &error), -EINVAL);
        assert_ptr_equal(handler.self, &handler);
        assert_null(handler.on_batch);
        assert_int_equal(ackd_handler_check(illegal[i], NULL), -EINVAL);
    }
}

static void checking_opens_nothing(void **state)
{
    char path[64] = "/tmp/ackd-handlers-XXXXXX";
    char text[96];
    struct stat status;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(text, sizeof text, "append:%s/records", path);
    const int before = test_fd_count();
    assert_int_equal(ackd_handler_check(text, NULL), 0);
    assert_int_equal(test_fd_count(), before);
    assert_int_equal(stat(text + strlen("append:"), &status), -1);
    assert_int_equal(rmdir(path), 0);
}

static void each_text_makes_its_handler(void **state)
{
    char path[64] = "/tmp/ackd-handlers-XXXXXX";
    char text[96];
    struct ackd_handler append;
    struct ackd_handler delay;
    struct ackd_handler discard;
    struct stat status;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(text, sizeof text, "append:%s/with:colon", path);
    const int before = test_fd_count();
    assert_int_equal(ackd_handler_parse(text, &append, NULL), 0);
    assert_int_equal(ackd_handler_parse("delay:1ms", &delay, NULL), 0);
    assert_int_equal(ackd_handler_parse("discard", &discard, NULL), 0);
    assert_int_equal(stat(text + strlen("append:"), &status), 0);
    assert_ptr_not_equal(append.on_batch, delay.on_batch);
    assert_ptr_not_equal(append.on_batch, discard.on_batch);
    append.free(append.self);
    delay.free(delay.self);
    assert_null(discard.free); /* it owns nothing */
    assert_int_equal(test_fd_count(), before);
    assert_int_equal(unlink(text + strlen("append:")), 0);
    assert_int_equal(rmdir(path), 0);
}

static void a_failure_of_the_handler_is_handed_on(void **state)
{
    struct ackd_handler handler = {0};
    struct ackd_error error = {0};

    (void)state;
    assert_int_equal(ackd_handler_parse("append:/nonexistent/x", &handler, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/x"));
    assert_null(handler.on_batch);
}

static void discard_lets_everything_succeed(void **state)
{
    const struct ackd_handler discard = handler_discard();
    struct test_batch test;

    (void)state;
    test_batch_init(&test, DIALECT_SPEC);
    for (uint32_t i = 0; i < 10; i++)
        test_batch_put(&test, COMMAND_SUBMIT, i, "payload", 7);
    test_batch_ready(&test, 0);
    discard.on_batch(discard.self, &test.batch);
    assert_null(test.batch.deferred);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(test_batch_result(&test.batch, i), ACKD_RESULT_OK);
    test_batch_deinit(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_that_are_legal),
        cmocka_unit_test(texts_that_are_refused),
        cmocka_unit_test(checking_opens_nothing),
        cmocka_unit_test(each_text_makes_its_handler),
        cmocka_unit_test(a_failure_of_the_handler_is_handed_on),
        cmocka_unit_test(discard_lets_everything_succeed),
    };
    return cmocka_run_group_tests_name("handlers", tests, NULL, NULL);
}
