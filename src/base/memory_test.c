/* SPDX-License-Identifier: MIT
 *
 * memory_test - the limit of a cgroup is found, whichever version it is of and however deep */
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_SIZE = 512, MIB = 1024 * 1024 };

static char root[] = "/tmp/ackd-memory-XXXXXX";

/* Writes @text to @path under the root, and makes the folders on the way. */
static void put(const char *path, const char *text)
{
    char name[PATH_SIZE];

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = name + sizeof root; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *const file = fopen(name, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[PATH_SIZE];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static uint64_t machine_size(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void without_a_cgroup_it_is_the_machine(void **state)
{
    (void)state;
    assert_int_equal(memory_allowed_size("/nonexistent"), machine_size());
}

static void the_smallest_limit_on_the_way_up_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    assert_int_equal(memory_allowed_size(root), machine_size());
    put("/sys/fs/cgroup/a/memory.max", "10485760\n");
    assert_int_equal(memory_allowed_size(root), 10 * MIB);
    put("/sys/fs/cgroup/a/b/memory.max", "20971520\n");
    assert_int_equal(memory_allowed_size(root), 10 * MIB);
    put("/sys/fs/cgroup/memory.max", "5242880\n");
    assert_int_equal(memory_allowed_size(root), 5 * MIB);
}

static void version_1_names_its_controllers(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "7:cpu,cpuacct:/a\n5:memory:/m\n3:pids:/a\n");
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "7340032\n");
    assert_int_equal(memory_allowed_size(root), 7 * MIB);
    /* What version 1 calls unlimited. */
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(memory_allowed_size(root), machine_size());
}

static void what_is_no_number_is_no_limit(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "nonsense\n\n1:\n5:memory\n5:memory:/x\n");
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "-1\n");
    assert_int_equal(memory_allowed_size(root), machine_size());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_cgroup_it_is_the_machine),
        cmocka_unit_test(the_smallest_limit_on_the_way_up_counts),
        cmocka_unit_test(version_1_names_its_controllers),
        cmocka_unit_test(what_is_no_number_is_no_limit),
    };
    return cmocka_run_group_tests_name("memory", tests, make_root, remove_root);
}
