/* SPDX-License-Identifier: MIT
 *
 * process_test - the process_* metrics against what the process knows of itself */
#include "stats/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const families[] = {
    "process_cpu_seconds",
    "process_open_fds",
    "process_max_fds",
    "process_virtual_memory_max_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_threads",
};

static char *expose(enum exposition_format format)
{
    struct exposition to = {.format = format, .prefix = "ackd"};

    process_expose(&to);
    assert_false(to.failed);
    assert_string_equal(to.prefix, "ackd");
    return to.text;
}

/* The value of the series @name, which stands in @text once. */
static double value_of(const char *text, const char *name)
{
    char line[128];
    double value = 0;

    snprintf(line, sizeof line, "\n%s ", name);
    const char *const found = strstr(text, line);
    if (!found)
        fail_msg("there is no %s", name);
    assert_null(strstr(found + 1, line));
    assert_int_equal(sscanf(found + strlen(line), "%lf\n", &value), 1);
    return value;
}

/* The value of the series @name in a text of its own. */
static double ask(const char *name)
{
    char *const text = expose(EXPOSITION_TEXT);
    const double value = value_of(text, name);

    free(text);
    return value;
}

static void every_family_is_there_once_without_the_prefix(void **state)
{
    char *const text = expose(EXPOSITION_OPENMETRICS);

    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        char line[128];

        snprintf(line, sizeof line, "# TYPE %s ", families[i]);
        const char *const found = strstr(text, line);
        assert_non_null(found);
        assert_null(strstr(found + 1, line));
    }
    assert_null(strstr(text, "ackd"));
    free(text);
}

static void cpu_time_is_a_counter_that_grows(void **state)
{
    const double before = ask("process_cpu_seconds_total");
    struct timespec now;

    (void)state;
    assert_true(before >= 0);
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    } while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < before + 0.02);
    assert_true(ask("process_cpu_seconds_total") > before);
}

static void open_fds_are_counted(void **state)
{
    const double before = ask("process_open_fds");
    int count = 0;

    (void)state;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    assert_int_equal((int)before, count);
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal((int)ask("process_open_fds"), (int)before + 1);
    close(fd);
    assert_int_equal((int)ask("process_open_fds"), (int)before);
}

static void max_fds_is_the_soft_limit(void **state)
{
    struct rlimit before;
    struct rlimit limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = 77;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal((int)ask("process_max_fds"), 77);
    setrlimit(RLIMIT_NOFILE, &before);
}

static void memory_is_in_bytes(void **state)
{
    const double page_size = (double)sysconf(_SC_PAGESIZE);
    const double resident = ask("process_resident_memory_bytes");
    const double whole = ask("process_virtual_memory_bytes");

    (void)state;
    assert_true(resident >= 16 * page_size);
    assert_true(whole >= resident);

    enum { SIZE = 32 * 1024 * 1024 };
    char *const block = malloc(SIZE);
    assert_non_null(block);
    memset(block, 1, SIZE);
    assert_true(ask("process_resident_memory_bytes") > resident + SIZE / 2);
    free(block);
}

/* When this process started, after the machine. */
static double read_start_ticks(void)
{
    char text[1024] = "";
    double ticks = 0;
    FILE *const file = fopen("/proc/self/stat", "re");

    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    assert_true(at && sscanf(at, "%lf", &ticks) == 1);
    return ticks;
}

static void start_time_is_in_the_past(void **state)
{
    struct timespec now;

    (void)state;
    clock_gettime(CLOCK_REALTIME, &now);
    const double started = ask("process_start_time_seconds");
    assert_true(started > 1.5e9);
    assert_true(started <= (double)now.tv_sec + 2); /* the boot time is in whole seconds */
    assert_true(started > (double)now.tv_sec - 3600);
}

/* The boot time as the kernel says it, and each time the same: a change would be a restart. */
static void start_time_is_the_kernels(void **state)
{
    char line[256];
    double boot = 0;
    FILE *const file = fopen("/proc/stat", "re");

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && sscanf(line, "btime %lf", &boot) != 1)
        continue;
    fclose(file);

    const double started = ask("process_start_time_seconds");
    const double ticks = (started - boot) * (double)sysconf(_SC_CLK_TCK);
    const double own_ticks = read_start_ticks();
    assert_true(ticks > own_ticks - 0.5 && ticks < own_ticks + 0.5);
    for (int i = 0; i < 1000; i++)
        assert_true(ask("process_start_time_seconds") == started);
}

static void *wait_at(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* One more is seen; the first is there because a sanitizer starts its own with it. */
static void threads_are_counted(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[2];

    (void)state;
    pthread_mutex_lock(&mutex);
    assert_int_equal(pthread_create(&threads[0], NULL, wait_at, &mutex), 0);
    const double before = ask("process_threads");
    assert_int_equal(pthread_create(&threads[1], NULL, wait_at, &mutex), 0);
    const double after = ask("process_threads");
    pthread_mutex_unlock(&mutex);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_true(before >= 2);
    assert_int_equal((int)after, (int)before + 1);
}

/* The kernel writes the name in parentheses in front of the numbers, whatever it holds. */
static void a_name_with_parentheses_shifts_nothing(void **state)
{
    char name[16];

    (void)state;
    prctl(PR_GET_NAME, name);
    const double before = ask("process_threads");
    prctl(PR_SET_NAME, "a) R 1 2 3) 9 (");
    const double after = ask("process_threads");
    const double memory = ask("process_resident_memory_bytes");
    prctl(PR_SET_NAME, name);
    assert_int_equal((int)after, (int)before);
    assert_true(memory >= 16 * (double)sysconf(_SC_PAGESIZE));
}

static void both_ways_of_reading_agree(void **state)
{
    struct process_values values;

    (void)state;
    process_read(&values);
    assert_int_equal((int)values.open_fds, (int)ask("process_open_fds"));
    assert_int_equal((int)values.max_fds, (int)ask("process_max_fds"));
    assert_int_equal((int)values.threads, (int)ask("process_threads"));
    assert_true(values.cpu_seconds > 0);
    assert_true(values.resident_bytes > 0);
}

static void descriptors_are_counted_right_by_polling_too(void **state)
{
    const int far = fcntl(0, F_DUPFD_CLOEXEC, 1024); /* in another slice than the rest */

    (void)state;
    assert_int_equal((int)process_count_fds_by_poll(2048), (int)ask("process_open_fds"));
    assert_int_equal((int)process_count_fds_by_poll(1024),
                     (int)ask("process_open_fds") - (far >= 0));
    if (far >= 0)
        close(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_is_there_once_without_the_prefix),
        cmocka_unit_test(cpu_time_is_a_counter_that_grows),
        cmocka_unit_test(open_fds_are_counted),
        cmocka_unit_test(both_ways_of_reading_agree),
        cmocka_unit_test(descriptors_are_counted_right_by_polling_too),
        cmocka_unit_test(max_fds_is_the_soft_limit),
        cmocka_unit_test(memory_is_in_bytes),
        cmocka_unit_test(start_time_is_in_the_past),
        cmocka_unit_test(start_time_is_the_kernels),
        cmocka_unit_test(threads_are_counted),
        cmocka_unit_test(a_name_with_parentheses_shifts_nothing),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
