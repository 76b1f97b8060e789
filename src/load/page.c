/* SPDX-License-Identifier: MIT
 *
 * page - what all HTML reports are made of (page.h) */
#include "load/page.h"

#include <ackd/version.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "load/report_style.h"

enum { TIME_TEXT_SIZE = 64 };

void page_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        case '\'':
            fputs("&#39;", to);
            break;
        default:
            fputc(*text, to);
        }
    }
}

void page_begin(FILE *to, const char *title)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
          to);
    page_text(to, title);
    fputs("</title>\n<style>", to);
    fputs(report_style, to);
    fputs(report_style_marks, to);
    fputs("</style></head><body><main>\n", to);
}

void page_end(FILE *to)
{
    fputs("</main></body></html>\n", to);
}

void page_badge(FILE *to, const char *tone, const char *words)
{
    fprintf(to, "<span class=\"badge %s\">", tone);
    page_text(to, words);
    fputs("</span>", to);
}

void page_tile(FILE *to, const char *words, const char *html)
{
    fprintf(to, "<div class=\"tile\"><b>%s</b><span>", html);
    page_text(to, words);
    fputs("</span></div>\n", to);
}

void page_figure(FILE *to, const char *key, double value, const char *words)
{
    if (!isfinite(value)) {
        fputc('-', to);
        return;
    }
    fprintf(to, "<data data-key=\"%s\" value=\"%.12g\">", key, value);
    page_text(to, words);
    fputs("</data>", to);
}

void page_figure_tile(FILE *to, const char *name, const char *key, double value, const char *words)
{
    fputs("<div class=\"tile\"><b>", to);
    page_figure(to, key, value, words);
    fputs("</b><span>", to);
    page_text(to, name);
    fputs("</span></div>\n", to);
}

void page_figure_cell(FILE *to, const char *key, double value, const char *words)
{
    fputs("<td class=\"n\">", to);
    page_figure(to, key, value, words);
    fputs("</td>", to);
}

void page_row(FILE *to, const char *name, const char *words)
{
    fputs("<tr><th>", to);
    page_text(to, name);
    fputs("</th><td>", to);
    page_text(to, words);
    fputs("</td></tr>\n", to);
}

void page_command_rows(FILE *to, const char *command)
{
    struct tm parts;
    char line[TIME_TEXT_SIZE];
    const time_t now = time(NULL);

    fputs("<tr><th>command</th><td><pre>", to);
    page_text(to, command);
    fputs("</pre></td></tr>\n", to);
    if (gmtime_r(&now, &parts) && strftime(line, sizeof line, "%Y-%m-%d %H:%M:%S UTC", &parts) > 0)
        page_row(to, "ended", line);
    page_row(to, "ackload", ackd_version());
}

/* Whether a shell would read @word as one word that means itself. */
static bool is_plain(const char *word)
{
    return word[0] != '\0' &&
           word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_-+=./:,%@")] == '\0';
}

/* Writes @word so that a shell reads it again. */
static void put_word(FILE *to, const char *word)
{
    if (is_plain(word)) {
        fputs(word, to);
        return;
    }
    fputc('\'', to);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\'", to);
        fputc(*word, to);
    }
    fputc('\'', to);
}

void page_read_command(char *ret_command)
{
    char words[PAGE_COMMAND_SIZE];
    FILE *const from = fopen("/proc/self/cmdline", "re");
    const size_t size = from ? fread(words, 1, sizeof words - 1, from) : 0;
    FILE *const to = fmemopen(ret_command, PAGE_COMMAND_SIZE, "we");

    words[size] = '\0';
    for (size_t i = 0; i < size && to; i += strlen(words + i) + 1) {
        if (i > 0)
            fputc(' ', to);
        put_word(to, words + i);
    }
    if (to)
        fclose(to);
    else
        ret_command[0] = '\0';
    ret_command[PAGE_COMMAND_SIZE - 1] = '\0';
    if (from)
        fclose(from);
}

int page_save(const char *path, void (*write)(FILE *to, const void *content), const void *content,
              struct ackd_error *error)
{
    FILE *const to = fopen(path, "we");

    if (!to)
        return error_raise(error, -errno, "--html %s: %s", path, strerror(errno));
    write(to, content);
    const bool failed = ferror(to) != 0;
    if (fclose(to) != 0 || failed)
        return error_raise(error, -EIO, "--html %s: cannot write", path);
    return 0;
}
