/* SPDX-License-Identifier: MIT
 *
 * gendocs - prints what the documents take from the program, so that each fact has one source
 *
 *      gendocs options     the options as a Markdown table
 *      gendocs man         the same for ackd.8
 *      gendocs reasons     the close reasons as a Markdown table
 *      gendocs metrics     what /metrics says of a server that has served nothing
 *
 * Built, not installed; tools/docs.py puts the output into place. */
#include <ackd/metrics.h>
#include <ackd/profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ackd/options.h"
#include "stats/close_reason.h"

static int print_reasons(void)
{
    puts("| reason | meaning |\n| --- | --- |");
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        printf("| `%s` | %s |\n", close_reason_word(i), close_reason_help(i));
    return 0;
}

static int print_metrics(void)
{
    struct ackd_server_options options;
    struct ackd_server *server;
    struct ackd_error error;
    char *text;
    size_t size;

    ackd_server_options_init(&options);
    options.listen[options.listen_count++] = "127.0.0.1:0";
    options.worker_count = 1;
    if (ackd_server_new(&server, &options, &error) < 0) {
        fprintf(stderr, "gendocs: %s\n", error.text);
        return 1;
    }
    if (ackd_server_metrics(server, ACKD_METRICS_TEXT, "ackd", &text, &size) == 0) {
        fputs(text, stdout);
        free(text);
    }
    if (ackd_profile_metrics(ACKD_METRICS_TEXT, "ackd", &text, &size) == 0) {
        fputs(text, stdout);
        free(text);
    }
    ackd_server_free(server);
    return 0;
}

int main(int argc, char **argv)
{
    const char *const what = argc == 2 ? argv[1] : "";

    if (strcmp(what, "options") == 0)
        options_print_table(stdout);
    else if (strcmp(what, "man") == 0)
        options_print_man(stdout);
    else if (strcmp(what, "reasons") == 0)
        return print_reasons();
    else if (strcmp(what, "metrics") == 0)
        return print_metrics();
    else
        return fprintf(stderr, "usage: gendocs options|man|reasons|metrics\n"), 64;
    return 0;
}
