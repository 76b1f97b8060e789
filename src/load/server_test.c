/* SPDX-License-Identifier: MIT
 *
 * server_test - programs that are no server, and one that is */
#include "load/server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Writes a script to @path. */
static void write_script(const char *path, const char *text)
{
    FILE *const to = fopen(path, "we");
    assert_non_null(to);
    fprintf(to, "#!/bin/sh\n%s\n", text);
    fclose(to);
    assert_int_equal(chmod(path, 0700), 0);
}

static void a_program_that_is_not_there(void **state)
{
    (void)state;
    struct ackd_error error;
    struct server server;
    assert_int_equal(server_start(&server, "/nonexistent/ackd", &error), -ECHILD);
    assert_non_null(strstr(error.text, "/nonexistent/ackd"));
    assert_int_not_equal(access(server.folder, F_OK), 0);
}

static void a_server_says_where_it_listens(void **state)
{
    (void)state;
    char path[] = "/tmp/ackload-test-XXXXXX";
    struct ackd_error error;
    struct server server;
    close(mkstemp(path));
    write_script(path, "while [ \"$1\" != --ports-file ]; do shift; done\n"
                       "echo 'listen 127.0.0.1:4711 dialect=spec' > \"$2.part\"\n"
                       "mv \"$2.part\" \"$2\"\n"
                       "exec sleep 60");
    assert_int_equal(server_start(&server, path, &error), 0);
    assert_string_equal(server.address, "127.0.0.1:4711");
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    server_stop(&server);
    assert_int_equal(server.pid, 0);
    assert_int_not_equal(access(server.folder, F_OK), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(a_server_says_where_it_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
