/* SPDX-License-Identifier: MIT
 *
 * target_test - servers are found where they listen, and ended */
#include "load/target.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "load/test_interrupts.h"

static const struct history history = {"/nowhere"};

/* A server in the shell's tongue: listens with what every system has. */
#define LISTEN                                                                                     \
    "python3 -c 'import os, socket, time; s = socket.create_server((\"127.0.0.1\", %s)); "         \
    "%s; [i*i for i in range(300000)]; time.sleep(60)'"

static struct target start(const char *command)
{
    struct target_plan plan;
    struct target target;
    struct ackd_error error = {0};

    assert_int_equal(target_plan_init(&plan, command, NULL, &history, &interrupts, &error), 0);
    const int status = target_start(&target, &plan, 100, &interrupts, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(status, 0);
    return target;
}

static void end(struct target *target)
{
    const pid_t pid = target->pid;

    target_stop(target);
    while (kill(pid, 0) == 0)
        interrupts_wait(&interrupts, 1000000);
}

static void a_port_is_chosen(void **state)
{
    (void)state;
    char command[512];

    snprintf(command, sizeof command, LISTEN, "int(os.environ[\"PORT\"])", "0");
    struct target target = start(command);
    assert_int_equal(strncmp(target.address, "127.0.0.1:", 10), 0);
    assert_true(target_cpu_ns(&target) > 0);
    end(&target);
}

static void a_port_is_put_into_the_command(void **state)
{
    (void)state;
    char command[512];

    snprintf(command, sizeof command, "true && " LISTEN, "{port}", "0");
    struct target target = start(command);
    assert_int_not_equal(target.pid, target.child.pid); /* the shell waits beside it */
    assert_int_equal(target.process_count, 1);
    end(&target);
}

static void an_address_is_read_from_a_file(void **state)
{
    (void)state;
    char command[512];

    snprintf(command, sizeof command, LISTEN, "0",
             "open(\"{ports-file}\", \"w\").write(\"listen 127.0.0.1:\" + "
             "str(s.getsockname()[1]) + \" dialect=spec\\nmetrics off\\n\")");
    struct target target = start(command);
    assert_int_equal(strncmp(target.address, "127.0.0.1:", 10), 0);
    char folder[sizeof target.ports_folder];
    memcpy(folder, target.ports_folder, sizeof folder);
    assert_int_equal(access(folder, F_OK), 0);
    end(&target);
    assert_int_equal(access(folder, F_OK), -1);
}

static void the_environment_is_padded(void **state)
{
    (void)state;
    char command[512];

    snprintf(command, sizeof command, LISTEN, "int(os.environ[\"PORT\"])",
             "assert len(os.environ[\"ACKLOAD_PADDING\"]) == 100");
    struct target target = start(command);
    end(&target);
}

static void a_server_that_ends_is_quoted(void **state)
{
    (void)state;
    struct target_plan plan;
    struct target target;
    struct ackd_error error = {0};

    assert_int_equal(target_plan_init(&plan, "echo no such luck >&2; exit 7", NULL, &history,
                                      &interrupts, &error),
                     0);
    assert_int_equal(target_start(&target, &plan, 0, &interrupts, &error), -ECHILD);
    assert_non_null(strstr(error.text, "no such luck"));
    assert_non_null(strstr(error.text, "status 7"));
}

static void an_external_server_is_left_alone(void **state)
{
    (void)state;
    struct target_plan plan;
    struct target target;
    char text[64];

    snprintf(text, sizeof text, "external:127.0.0.1:8888,pid=%d", (int)getpid());
    assert_int_equal(target_plan_init(&plan, text, NULL, &history, &interrupts, NULL), 0);
    assert_int_equal(target_start(&target, &plan, 0, &interrupts, NULL), 0);
    assert_string_equal(target.address, "127.0.0.1:8888");
    assert_int_equal(target.pid, getpid());
    assert_true(target_cpu_ns(&target) > 0);
    target_stop(&target);
}

static void bad_texts_are_refused(void **state)
{
    (void)state;
    struct target_plan plan;
    struct ackd_error error = {0};
    static const char *const bad[] = {"", "external:", "external:h:1,pid=0", "external:h:1,pid=x"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(target_plan_init(&plan, bad[i], NULL, &history, &interrupts, &error),
                         -EINVAL);
    assert_int_equal(target_plan_init(&plan, "x", "9999", &history, &interrupts, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--server-cpus"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_is_chosen),
        cmocka_unit_test(a_port_is_put_into_the_command),
        cmocka_unit_test(an_address_is_read_from_a_file),
        cmocka_unit_test(the_environment_is_padded),
        cmocka_unit_test(a_server_that_ends_is_quoted),
        cmocka_unit_test(an_external_server_is_left_alone),
        cmocka_unit_test(bad_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, open_interrupts, close_interrupts);
}
