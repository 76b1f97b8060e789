/* SPDX-License-Identifier: MIT
 *
 * output_test - files that can be written and files that cannot; none is made, none is touched */
#include "load/output.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/ackload-output-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/result", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void check_refused(const char *refused, const char *reason)
{
    struct ackd_error error = {0};
    char words[128];

    snprintf(words, sizeof words, "--hlog %s: %s", refused, reason);
    assert_int_equal(output_check("--hlog", refused, &error), -EINVAL);
    assert_string_equal(error.text, words);
}

static void a_new_file_is_not_left_behind(void **state)
{
    (void)state;
    assert_int_equal(output_check("--hlog", path, NULL), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_there_stays_as_it_is(void **state)
{
    (void)state;
    char text[8] = "";
    FILE *const file = fopen(path, "we");

    assert_non_null(file);
    fputs("before", file);
    fclose(file);
    assert_int_equal(output_check("--hlog", path, NULL), 0);
    FILE *const again = fopen(path, "re");
    assert_non_null(again);
    assert_non_null(fgets(text, sizeof text, again));
    fclose(again);
    unlink(path);
    assert_string_equal(text, "before");
}

static void a_pipe_is_not_opened(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char byte;

    assert_true(fd >= 0);
    assert_int_equal(output_check("--hlog", path, NULL), 0); /* would wait for a reader, too */
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    unlink(path);
}

static void reasons_are_named(void **state)
{
    (void)state;
    char below[80];

    check_refused(folder, "Is a directory");
    check_refused("/there/is/none", "No such file or directory");
    snprintf(below, sizeof below, "%s/result", path);
    check_refused(below, "No such file or directory");
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    check_refused(below, "Not a directory");
    unlink(path);
}

static void a_folder_that_is_closed_is_named(void **state)
{
    (void)state;
    const bool is_root = geteuid() == 0;

    /* Permissions mean nothing to root, who is somebody else meanwhile. */
    assert_int_equal(is_root ? chown(folder, 65534, 65534) : 0, 0);
    assert_int_equal(chmod(folder, 0500), 0);
    assert_int_equal(is_root ? seteuid(65534) : 0, 0);
    check_refused(path, "Permission denied");
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    assert_int_equal(chmod(folder, 0700), 0);
}

static void a_link_to_no_file_yet_is_taken(void **state)
{
    (void)state;
    char target[80];

    snprintf(target, sizeof target, "%s-of-link", path);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(output_check("--hlog", path, NULL), 0);
    assert_int_equal(access(target, F_OK), -1);
    unlink(path);
}

static void stdout_is_no_file(void **state)
{
    (void)state;
    struct ackd_error error = {0};

    assert_int_equal(output_check_result(NULL, NULL, NULL), 0);
    assert_int_equal(output_check_result("-", path, NULL), 0);
    assert_int_equal(output_check_result(path, path, NULL), 0);
    assert_int_equal(output_check_result("/there/is/none", path, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--json /there/is/none: "));
    assert_int_equal(output_check_result("-", "/there/is/none", &error), -EINVAL);
    assert_non_null(strstr(error.text, "--html /there/is/none: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_not_left_behind),
        cmocka_unit_test(what_is_there_stays_as_it_is),
        cmocka_unit_test(a_pipe_is_not_opened),
        cmocka_unit_test(reasons_are_named),
        cmocka_unit_test(a_folder_that_is_closed_is_named),
        cmocka_unit_test(a_link_to_no_file_yet_is_taken),
        cmocka_unit_test(stdout_is_no_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
