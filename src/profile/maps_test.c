/* SPDX-License-Identifier: MIT
 *
 * maps_test - this process finds its own code, its program and its libraries */
#include "profile/maps.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void a_function(void)
{
}

static void the_program_is_first(void **state)
{
    struct maps maps;

    (void)state;
    assert_int_equal(maps_read(&maps), 0);
    assert_true(maps.count > 2);
    assert_true(maps.maps[0].is_program);
    assert_ptr_equal(maps_find(&maps, (uintptr_t)a_function), &maps.maps[0]);
    assert_string_equal(maps_name(&maps.maps[0]), "profile_maps_test");
    assert_null(maps_find(&maps, 0x1000));
    maps_deinit(&maps);
}

static void a_library_is_no_program(void **state)
{
    struct maps maps;

    (void)state;
    assert_int_equal(maps_read(&maps), 0);
    const struct map *const map = maps_find(&maps, (uintptr_t)dlsym(RTLD_NEXT, "getpid"));
    assert_non_null(map);
    assert_false(map->is_program);
    assert_true(map->base < map->begin);
    const int fd = maps_open(map);
    assert_true(fd >= 0);
    close(fd);
    maps_deinit(&maps);
}

/* What a deploy does. */
static void a_library_that_was_replaced_is_not_opened(void **state)
{
    char path[] = "/tmp/maps_test_XXXXXX";
    struct map map = {.inode = 1, .path = path, .begin = 1, .end = 2};
    const int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(maps_open(&map), -1);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_is_first),
        cmocka_unit_test(a_library_is_no_program),
        cmocka_unit_test(a_library_that_was_replaced_is_not_opened),
    };
    return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
