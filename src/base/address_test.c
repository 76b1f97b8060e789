/* SPDX-License-Identifier: MIT
 *
 * address_test - texts of addresses, there and back, and what is refused */
#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static void legal_texts(void **state)
{
    static const struct {
        const char *text;
        const char *want; /* what address_format() writes */
        int family;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:8888", "127.0.0.1:8888", AF_INET, true},
        {"127.255.0.9:1", "127.255.0.9:1", AF_INET, true},
        {"128.0.0.1:1", "128.0.0.1:1", AF_INET, false},
        {"10.1.2.3:65535", "10.1.2.3:65535", AF_INET, false},
        {"127.0.0.1:0", "127.0.0.1:0", AF_INET, true},
        {":8888", "0.0.0.0:8888", AF_INET, false},
        {"*:8888", "0.0.0.0:8888", AF_INET, false},
        {"[::1]:8888", "[::1]:8888", AF_INET6, true},
        {"[::]:0", "[::]:0", AF_INET6, false},
        {"[2001:DB8::7]:80", "[2001:db8::7]:80", AF_INET6, false},
        {"unix:/run/ackd.sock", "unix:/run/ackd.sock", AF_UNIX, true},
        {"unix:a.sock", "unix:a.sock", AF_UNIX, true},
        {"unix:/tmp/a:80", "unix:/tmp/a:80", AF_UNIX, true},
        {"/run/ackd.sock", "unix:/run/ackd.sock", AF_UNIX, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ackd_error error = {0};
        struct address address;
        struct address again;
        char text[ADDRESS_TEXT_SIZE];

        if (address_parse(rows[i].text, false, &address, &error) != 0)
            fail_msg("'%s': %s", rows[i].text, error.text);
        assert_int_equal(address.storage.ss_family, rows[i].family);
        assert_int_equal(address_is_loopback(&address), rows[i].loopback);
        address_format(&address, text);
        assert_string_equal(text, rows[i].want);

        assert_int_equal(address_parse(text, false, &again, &error), 0);
        assert_int_equal(again.size, address.size);
        assert_memory_equal(&again.storage, &address.storage, sizeof address.storage);
    }
}

/* Each is refused with -EINVAL and words that name the text; the output stays as it was. */
static void refused_texts(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        "8888",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999999999999",
        "127.0.0.256:80",
        "127.0.0:80",
        "::1:8888",
        "::1",
        "[::1]",
        "[::1",
        "[::1]8888",
        "[::1:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[localhost]:80",
        "[::g]:80",
        "localhost:80",
        "unix:",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ackd_error error = {0};
        struct address address;
        struct address before;

        memset(&address, 0x5a, sizeof address);
        before = address;
        if (address_parse(texts[i], false, &address, &error) != -EINVAL)
            fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(error.code, -EINVAL);
        assert_true(strlen(error.text) > 0);
        if (!strstr(error.text, texts[i]) && strncmp(texts[i], "unix:", 5) != 0)
            fail_msg("'%s' is not named in: %s", texts[i], error.text);
        assert_memory_equal(&address, &before, sizeof address);
        assert_int_equal(address_parse(texts[i], false, &address, NULL), -EINVAL);
    }
}

/* The longest path that a unix address holds, and one byte more. */
static void unix_path_bounds(void **state)
{
    enum { PATH_MAX_SIZE = sizeof((struct sockaddr_un *)NULL)->sun_path - 1 };
    char text[PATH_MAX_SIZE + 2];
    char formatted[ADDRESS_TEXT_SIZE];
    struct ackd_error error = {0};
    struct address address;

    (void)state;
    memset(text, 'p', sizeof text);
    text[0] = '/';
    text[PATH_MAX_SIZE] = '\0';
    assert_int_equal(address_parse(text, false, &address, &error), 0);
    assert_string_equal(address_unix_path(&address), text);
    address_format(&address, formatted);
    assert_string_equal(formatted + 5, text);

    text[PATH_MAX_SIZE] = 'p';
    text[PATH_MAX_SIZE + 1] = '\0';
    assert_int_equal(address_parse(text, false, &address, &error), -EINVAL);
}

static void host_of_any_length(void **state)
{
    char text[1024];
    struct address address;
    struct ackd_error error = {0};

    (void)state;
    for (size_t size = 250; size < sizeof text - 3; size++) {
        memset(text, 'h', size);
        memcpy(text + size, ":1", 3);
        assert_true(address_parse(text, false, &address, &error) == -EINVAL);
        assert_true(strlen(error.text) < sizeof error.text);
    }
}

static void only_unix_addresses_have_a_path(void **state)
{
    struct address address;
    struct ackd_error error = {0};

    (void)state;
    assert_int_equal(address_parse("127.0.0.1:1", false, &address, &error), 0);
    assert_null(address_unix_path(&address));
    assert_int_equal(address_parse("[::1]:1", false, &address, &error), 0);
    assert_null(address_unix_path(&address));
}

/* Clients may name hosts.  Literals need no resolver, and an address never means a lookup. */
static void names_for_clients(void **state)
{
    struct address address;
    struct ackd_error error = {0};
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(address_parse("127.0.0.1:7", true, &address, &error), 0);
    address_format(&address, text);
    assert_string_equal(text, "127.0.0.1:7");

    if (address_parse("localhost:7", true, &address, &error) == 0)
        assert_true(address_is_loopback(&address));

    /* A name with an empty label is no name: refused here, without asking any server. */
    memset(&address, 0x5a, sizeof address);
    const struct address before = address;
    assert_int_equal(address_parse("no..host:7", true, &address, &error), -ENOENT);
    assert_non_null(strstr(error.text, "no..host"));
    assert_memory_equal(&address, &before, sizeof address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_texts),
        cmocka_unit_test(refused_texts),
        cmocka_unit_test(unix_path_bounds),
        cmocka_unit_test(host_of_any_length),
        cmocka_unit_test(only_unix_addresses_have_a_path),
        cmocka_unit_test(names_for_clients),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
