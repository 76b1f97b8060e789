/* SPDX-License-Identifier: MIT
 *
 * page_test - words mean themselves, figures carry their values, the command can be run again */
#include "load/page.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
    FILE *to;
    char *text;
    size_t size;
};

static int setup(void **state)
{
    struct bench *const bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->to = open_memstream(&bench->text, &bench->size);
    assert_non_null(bench->to);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *const bench = *state;
    fclose(bench->to);
    free(bench->text);
    free(bench);
    return 0;
}

static void check_text(struct bench *bench, const char *words)
{
    fflush(bench->to);
    if (!strstr(bench->text, words))
        fail_msg("expected '%s' in:\n%s", words, bench->text);
}

static void words_mean_themselves(void **state)
{
    struct bench *const bench = *state;
    page_begin(bench->to, "<title>");
    page_badge(bench->to, "good", "A & B");
    page_row(bench->to, "it's", "\"so\"");
    page_tile(bench->to, "a > b", "&#8805; 7");
    page_end(bench->to);
    check_text(bench, "<!doctype html>");
    check_text(bench, "<title>&lt;title&gt;</title>");
    check_text(bench, "<span class=\"badge good\">A &amp; B</span>");
    check_text(bench, "<tr><th>it&#39;s</th><td>&quot;so&quot;</td></tr>");
    check_text(bench, "<b>&#8805; 7</b><span>a &gt; b</span>");
    check_text(bench, "</main></body></html>\n");
}

static void figures_carry_their_values(void **state)
{
    struct bench *const bench = *state;
    page_figure_cell(bench->to, "a/b", 0.125, "12.5 %");
    page_figure_tile(bench->to, "name", "c", NAN, "unused");
    check_text(bench, "<td class=\"n\"><data data-key=\"a/b\" value=\"0.125\">12.5 %</data></td>");
    check_text(bench, "<b>-</b><span>name</span>");
    assert_null(strstr(bench->text, "unused"));
}

static void the_command_is_this_program(void **state)
{
    struct bench *const bench = *state;
    char command[PAGE_COMMAND_SIZE];
    page_read_command(command);
    assert_non_null(strstr(command, "load_page_test"));
    assert_non_null(strstr(command, " plain --x=1 'two words' 'it'\\''s' ''"));
    page_command_rows(bench->to, command);
    check_text(bench, "&#39;two words&#39;");
    check_text(bench, " UTC</td>");
}

static void write_nothing(FILE *to, const void *content)
{
    fputs(content, to);
}

static void a_file_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct ackd_error error;
    assert_int_equal(page_save("/nonexistent/x.html", write_nothing, "x", &error), -ENOENT);
    assert_non_null(strstr(error.text, "--html /nonexistent/x.html"));
    assert_int_equal(page_save("/dev/full", write_nothing, "x", &error), -EIO);
    assert_int_equal(page_save("/dev/null", write_nothing, "x", &error), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_mean_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(figures_carry_their_values, setup, teardown),
        cmocka_unit_test_setup_teardown(the_command_is_this_program, setup, teardown),
        cmocka_unit_test(a_file_that_cannot_be_written_is_named),
    };

    /* Its own command line is what one test reads. */
    if (argc == 1) {
        char *const words[] = {argv[0],
                               (char *)"plain",
                               (char *)"--x=1",
                               (char *)"two words",
                               (char *)"it's",
                               (char *)"",
                               NULL};
        execv("/proc/self/exe", words);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
