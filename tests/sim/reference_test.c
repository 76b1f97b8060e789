/* SPDX-License-Identifier: MIT
 *
 * reference_test - the model of the protocol says what docs/PROTOCOL.md says */
#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { FRAME_SIZE_MAX = 64 };

/* A stream, how many of its frames are to be answered, and what ends it. */
struct row {
    const char *stream;
    size_t size;
    size_t count;
    int violation;
    bool is_inside;
};

#define SUBMIT                                                                                     \
    "\0\0\0\x12\x02"                                                                               \
    "00000001hello"
#define CONN                                                                                       \
    "\0\0\0\x0d\x01"                                                                               \
    "00000002"
#define ROW(text, count, violation, inside)                                                        \
    {                                                                                              \
        text, sizeof(text) - 1, count, violation, inside                                           \
    }

static const struct row rows[] = {
    ROW("", 0, CLOSE_NONE, false),
    ROW(SUBMIT, 1, CLOSE_NONE, false),
    ROW(SUBMIT CONN SUBMIT, 3, CLOSE_NONE, false),
    ROW(SUBMIT "\0\0", 1, CLOSE_NONE, true),
    ROW(SUBMIT "\0\0\0\x12\x02", 1, CLOSE_NONE, true),
    ROW(SUBMIT "\0\0\0\x04" SUBMIT, 1, CLOSE_frame_too_short, false),
    ROW("\0\0\0\0", 0, CLOSE_frame_too_short, false),
    ROW("\0\0\0\x41", 0, CLOSE_frame_too_large, false),
    ROW("\0\0\0\x40\x02", 0, CLOSE_NONE, true),
    ROW("\x80\0\0\0", 0, CLOSE_frame_too_large, false),
    ROW("GET / HTTP/1.1\r\n", 0, CLOSE_frame_too_large, false),
    ROW("\0\0\0\x06\x02\x01", 0, CLOSE_packet_too_short, false),
    ROW("\0\0\0\x06\x02", 0, CLOSE_NONE, true),
    ROW("\0\0\0\x0c\x01"
        "1234567",
        0, CLOSE_packet_too_short, false),
    ROW(CONN "\0\0\0\x05\x03" SUBMIT, 1, CLOSE_unknown_command, false),
    ROW("\0\0\0\x05\x80", 0, CLOSE_wrong_direction, false),
    ROW("\0\0\0\x05\x81", 0, CLOSE_wrong_direction, false),
    ROW("\0\0\0\x05\x82", 0, CLOSE_wrong_direction, false),
};

static void check(const struct row *row, const struct reference *reference)
{
    assert_int_equal(reference->count, row->count);
    assert_int_equal(reference->violation, row->violation);
    assert_int_equal(reference_is_inside_frame(reference), row->is_inside);
}

static void streams_are_judged_as_documented_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t cut = 0; cut <= rows[i].size; cut++) {
            struct reference reference;

            reference_init(&reference, FRAME_SIZE_MAX);
            reference_append(&reference, rows[i].stream, cut);
            reference_append(&reference, rows[i].stream + cut, rows[i].size - cut);
            check(&rows[i], &reference);
            reference_deinit(&reference);
        }
    }
}

static void frames_know_where_they_stand(void **state)
{
    struct reference reference;

    (void)state;
    reference_init(&reference, FRAME_SIZE_MAX);
    reference_append(&reference, SUBMIT CONN, sizeof(SUBMIT CONN) - 1);
    assert_true(reference.frames[0].is_submit);
    assert_false(reference.frames[1].is_submit);
    assert_memory_equal(reference_id(&reference, &reference.frames[1]), "00000002", 8);
    assert_int_equal(reference_count_within(&reference, 17), 0);
    assert_int_equal(reference_count_within(&reference, 18), 1);
    assert_int_equal(reference_count_within(&reference, 30), 1);
    assert_int_equal(reference_count_within(&reference, 31), 2);
    reference_deinit(&reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_judged_as_documented_however_they_are_cut),
        cmocka_unit_test(frames_know_where_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
