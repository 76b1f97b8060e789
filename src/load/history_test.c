/* SPDX-License-Identifier: MIT
 *
 * history_test - runs are numbered, named, found again, and do not fill the disk */
#include "load/history.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    memcpy(folder, "/tmp/ackload-history-XXXXXX", sizeof "/tmp/ackload-history-XXXXXX");
    assert_non_null(mkdtemp(folder));
    char path[96];
    snprintf(path, sizeof path, "%s/runs", folder);
    return setenv("ACKLOAD_HISTORY", path, 1);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts;
    (void)kind;
    (void)at;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct history begin(void)
{
    struct history history;
    struct ackd_error error = {0};

    assert_int_equal(history_open(&history, true, &error), 0);
    return history;
}

static uint32_t add(const struct history *history, const char *name)
{
    json_t *const run = json_pack("{s:i}", "value", 7);
    struct ackd_error error = {0};
    uint32_t number = 0;

    assert_int_equal(history_add(history, run, "record", name, &number, &error), 0);
    json_decref(run);
    return number;
}

static void an_empty_folder_has_no_history(void **state)
{
    (void)state;
    struct history history;
    struct ackd_error error = {0};

    assert_int_equal(history_open(&history, false, &error), -ENOENT);
    assert_non_null(strstr(error.text, "ackload record"));
}

static void runs_are_numbered_and_named(void **state)
{
    (void)state;
    const struct history history = begin();
    uint32_t number = 0;
    json_t *run;

    assert_int_equal(add(&history, NULL), 1);
    assert_int_equal(add(&history, "main"), 2);
    assert_int_equal(add(&history, "wip"), 3);
    assert_int_equal(history_find(&history, "main", &number, NULL), 0);
    assert_int_equal(number, 2);
    assert_int_equal(history_find(&history, "0003", &number, NULL), 0);
    assert_int_equal(number, 3);
    assert_int_equal(history_load(&history, 2, &run, NULL), 0);
    assert_string_equal(json_string_value(json_object_get(run, "name")), "main");
    assert_string_equal(json_string_value(json_object_get(run, "schema")), HISTORY_SCHEMA);
    assert_string_equal(json_string_value(json_object_get(run, "kind")), "record");
    assert_int_equal(json_integer_value(json_object_get(run, "value")), 7);
    json_decref(run);
}

static void a_name_moves_to_the_newer_run(void **state)
{
    (void)state;
    const struct history history = begin();
    uint32_t number = 0;

    add(&history, "main");
    add(&history, "main");
    assert_int_equal(history_find(&history, "main", &number, NULL), 0);
    assert_int_equal(number, 2);
}

static void what_is_not_there_is_an_error(void **state)
{
    (void)state;
    const struct history history = begin();
    struct ackd_error error = {0};
    uint32_t number;
    json_t *run;

    assert_int_equal(history_find(&history, "nobody", &number, &error), -ENOENT);
    assert_non_null(strstr(error.text, "nobody"));
    assert_int_equal(history_load(&history, 9, &run, &error), -ENOENT);
    assert_non_null(strstr(error.text, "0009.json"));
}

static void names_are_checked(void **state)
{
    (void)state;
    assert_int_equal(history_check_name("main-2.x_y", NULL), 0);
    for (const char *const *bad = (const char *const[]){"", "7", "a/b", "../x", "a b", NULL}; *bad;
         bad++)
        assert_int_equal(history_check_name(*bad, NULL), -EINVAL);
}

static void git_leaves_it_alone(void **state)
{
    (void)state;
    const struct history history = begin();
    char path[HISTORY_PATH_SIZE + 16];
    char text[8] = "";

    snprintf(path, sizeof path, "%s/.gitignore", history.path);
    FILE *const file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "*\n");
}

static void a_torn_run_is_named(void **state)
{
    (void)state;
    const struct history history = begin();
    struct ackd_error error = {0};
    json_t *run;

    assert_int_equal(history_write(&history, 1, "json", "{\"torn", 6, NULL), 0);
    assert_int_equal(history_load(&history, 1, &run, &error), -EINVAL);
    assert_non_null(strstr(error.text, "0001.json:1:"));
}

static void old_runs_without_a_name_go(void **state)
{
    (void)state;
    const struct history history = begin();
    uint32_t *numbers;
    size_t count;

    add(&history, "first");
    for (uint32_t number = 2; number <= HISTORY_RUN_MAX; number++)
        assert_int_equal(history_write(&history, number, "json", "{}\n", 3, NULL), 0);
    assert_int_equal(history_write(&history, 2, "profile.pb.gz", "x", 1, NULL), 0);
    assert_int_equal(add(&history, NULL), HISTORY_RUN_MAX + 1);
    assert_int_equal(history_list(&history, &numbers, &count, NULL), 0);
    assert_int_equal(count, HISTORY_RUN_MAX);
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 3);
    free(numbers);
    char path[HISTORY_PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/0002.profile.pb.gz", history.path);
    assert_int_equal(access(path, F_OK), -1);
}

static void processes_may_add_at_the_same_time(void **state)
{
    (void)state;
    enum { PROCESSES = 4, EACH = 5 };
    const struct history history = begin();
    uint32_t *numbers;
    size_t count;

    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            for (int j = 0; j < EACH; j++)
                add(&history, "same");
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        wait(NULL);
    assert_int_equal(history_list(&history, &numbers, &count, NULL), 0);
    assert_int_equal(count, PROCESSES * EACH);
    assert_int_equal(numbers[count - 1], PROCESSES * EACH);
    free(numbers);
}

static void a_file_in_its_place_is_an_error(void **state)
{
    (void)state;
    struct history history;
    struct ackd_error error = {0};
    const char *const path = getenv("ACKLOAD_HISTORY");

    assert_non_null(path);
    const int fd = open(path ? path : "", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(history_open(&history, true, &error), -ENOTDIR);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct history history;
    struct ackd_error error = {0};

    setenv("ACKLOAD_HISTORY", "/proc/no/such", 1);
    assert_true(history_open(&history, true, &error) < 0);
    assert_non_null(strstr(error.text, "ACKLOAD_HISTORY"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_folder_has_no_history),
        TEST(runs_are_numbered_and_named),
        TEST(a_name_moves_to_the_newer_run),
        TEST(what_is_not_there_is_an_error),
        TEST(names_are_checked),
        TEST(git_leaves_it_alone),
        TEST(a_torn_run_is_named),
        TEST(old_runs_without_a_name_go),
        TEST(processes_may_add_at_the_same_time),
        TEST(a_file_in_its_place_is_an_error),
        TEST(a_folder_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
