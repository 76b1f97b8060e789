/* SPDX-License-Identifier: MIT
 *
 * loop_test - exit statuses, and words that are kept and read again */
#include "load/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "load/command.h"

static int status_of(int code)
{
    struct ackd_error error;

    error_raise(&error, code, "a test's error");
    return loop_fail(&error);
}

static void errors_have_exit_statuses(void **state)
{
    (void)state;
    assert_int_equal(status_of(-EINVAL), EXIT_USAGE);
    assert_int_equal(status_of(-ENOENT), EXIT_USAGE);
    assert_int_equal(status_of(-EBADMSG), EXIT_VERIFICATION);
    assert_int_equal(status_of(-EIO), EXIT_NO_CONNECTION);
    assert_int_equal(status_of(-EINTR), EXIT_INVALID);
    assert_int_equal(status_of(-EACCES), EXIT_INVALID);
}

static void words_come_back(void **state)
{
    (void)state;
    const struct args args = {.rest = {"-c", "16"}, .rest_count = 2};
    struct args again;
    json_t *const words = loop_pack_words(&args);

    assert_int_equal(loop_unpack_words(words, &again, NULL), 0);
    assert_int_equal(again.rest_count, 2);
    assert_string_equal(again.rest[1], "16");
    json_array_append_new(words, json_integer(1));
    assert_int_equal(loop_unpack_words(words, &again, NULL), -EPROTO);
    json_decref(words);
}

static void a_path_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct ackd_error error = {0};
    json_t *const value = json_object();

    assert_int_equal(loop_write_json("/there/is/none", value, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/there/is/none"));
    assert_int_equal(loop_write_json("/dev/full", value, &error), -ENOSPC);
    json_decref(value);
}

/* The options of a command that says what was called. */
struct fake_options {
    struct args args;
    int parse_status;
    int run_status;
    bool ran;
};

static int fake_parse(int argc, char **argv, void *to, struct ackd_error *error)
{
    struct fake_options *const options = to;
    (void)argv;
    options->args.help = argc == 2;
    return options->parse_status < 0 ? error_raise(error, options->parse_status, "cannot parse")
                                     : 0;
}

static int fake_run(void *from, struct loop *loop, struct ackd_error *error)
{
    struct fake_options *const options = from;
    options->ran = loop->history.path[0] != '\0';
    return options->run_status < 0 ? error_raise(error, options->run_status, "cannot run")
                                   : options->run_status;
}

static void a_command_parses_and_runs_on_a_history(void **state)
{
    (void)state;
    char folder[] = "/tmp/ackload-loop-XXXXXX";
    char path[64];
    char *words[] = {(char *)"fake", (char *)"--help", NULL};
    struct loop_command command = {.help = "", .parse = fake_parse, .run = fake_run};
    struct fake_options options = {.run_status = EXIT_SLO_MISSED};

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/runs", folder);
    assert_int_equal(setenv("ACKLOAD_HISTORY", path, 1), 0);
    command.reads_only = true;
    assert_int_equal(loop_main(&command, 1, words, &options), EXIT_USAGE); /* no history yet */
    command.reads_only = false;
    assert_int_equal(loop_main(&command, 2, words, &options), EXIT_OK); /* --help */
    assert_false(options.ran);
    assert_int_equal(loop_main(&command, 1, words, &options), EXIT_SLO_MISSED);
    assert_true(options.ran);
    options = (struct fake_options){.parse_status = -EINVAL};
    assert_int_equal(loop_main(&command, 1, words, &options), EXIT_USAGE);
    assert_false(options.ran);
    options = (struct fake_options){.run_status = -EBADMSG};
    assert_int_equal(loop_main(&command, 1, words, &options), EXIT_VERIFICATION);
    command.reads_only = true;
    options = (struct fake_options){.run_status = EXIT_OK};
    assert_int_equal(loop_main(&command, 1, words, &options), EXIT_OK);
    assert_true(options.ran);
    snprintf(path, sizeof path, "%s/runs/.gitignore", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/runs", folder);
    rmdir(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_exit_statuses),
        cmocka_unit_test(words_come_back),
        cmocka_unit_test(a_path_that_cannot_be_written_is_named),
        cmocka_unit_test(a_command_parses_and_runs_on_a_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
