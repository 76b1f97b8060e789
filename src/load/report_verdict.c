/* SPDX-License-Identifier: MIT
 *
 * report_verdict - what ab, aa, compare and search found, as one page (report_verdict.h) */
#include "load/report_verdict.h"

#include <math.h>
#include <string.h>

#include "load/effect_chart.h"
#include "load/page.h"
#include "load/text.h"

enum { LINE_SIZE = 512 };

/* One command's page. */
struct kind {
    const char *schema;
    const char *command;
    void (*write_cards)(FILE *to, const json_t *result);
};

static const struct kind kinds[] = {
    {"ackload-ab/1", "ackload ab", report_ab_cards},
    {"ackload-aa/1", "ackload aa", report_aa_cards},
    {"ackload-compare/1", "ackload compare", report_compare_cards},
    {"ackload-search/1", "ackload search", report_search_cards},
};

const char *report_pick(const json_t *value, const char *key)
{
    const char *const text = json_string_value(json_object_get(value, key));

    return text ? text : "";
}

double report_pick_number(const json_t *value, const char *key)
{
    const json_t *const number = json_object_get(value, key);

    return json_is_number(number) ? json_number_value(number) : NAN;
}

static const char *text_rate(struct text *text, double rate)
{
    text_count(text, (uint64_t)(rate + 0.5));
    const size_t length = strlen(text->bytes);
    snprintf(text->bytes + length, sizeof text->bytes - length, "/s");
    return text->bytes;
}

const char *report_figure_text(struct text *text, const char *name, double value)
{
    if (!isfinite(value))
        return "-";
    if (strcmp(name, "acks") == 0)
        return text_rate(text, value);
    else if (strcmp(name, "server_ns") == 0 || strcmp(name, "client_ns") == 0)
        snprintf(text->bytes, sizeof text->bytes, "%.1f ns", value);
    else if (name[0] == 'p' || name[0] == 'm')
        return text_time(text, (uint64_t)(value + 0.5));
    else
        return text_count(text, (uint64_t)value);
    return text->bytes;
}

const char *report_change_text(struct text *text, double share)
{
    snprintf(text->bytes, sizeof text->bytes, "%+.2f %%", 100 * share);
    return text->bytes;
}

enum answer report_answer(const char *name)
{
    for (enum answer answer = ANSWER_SAME; answer < ANSWER_INCONCLUSIVE; answer++) {
        if (strcmp(name, answer_name(answer)) == 0)
            return answer;
    }
    return ANSWER_INCONCLUSIVE;
}

static const struct kind *find_kind(const json_t *result)
{
    const char *const schema = report_pick(result, "schema");

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].schema, schema) == 0)
            return &kinds[i];
    }
    return NULL;
}

bool report_verdict_knows(const json_t *result)
{
    return find_kind(result) != NULL;
}

static const char *tone_of(const char *verdict)
{
    if (strcmp(verdict, "found") == 0 || strcmp(verdict, "ok") == 0)
        return "good";
    if (strcmp(verdict, "missed") == 0 || strcmp(verdict, "failed") == 0)
        return "bad";
    return effect_tone(report_answer(verdict));
}

static void write_header(FILE *to, const struct kind *kind, const json_t *result)
{
    const char *const verdict = report_pick(result, "verdict");

    fprintf(to, "<header><p>%s</p><h1>", kind->command);
    page_text(to, report_pick(result, "reason"));
    fputs("</h1><div>", to);
    page_badge(to, tone_of(verdict), verdict);
    fputs("</div></header>\n", to);
}

/* The words of an array, joined by spaces; "" for anything else. */
static const char *join(const json_t *words, char *ret_text, size_t text_size)
{
    size_t length = 0;

    ret_text[0] = '\0';
    for (size_t i = 0; i < json_array_size(words) && length < text_size; i++) {
        const char *const word = json_string_value(json_array_get(words, i));
        length += (size_t)snprintf(ret_text + length, text_size - length, "%s%s", i > 0 ? " " : "",
                                   word ? word : "");
    }
    return ret_text;
}

static void write_if_known(FILE *to, const char *name, const char *words)
{
    if (words[0] != '\0')
        page_row(to, name, words);
}

/* A side of a comparison: what it is, and its binary. */
static void write_side(FILE *to, const char *name, const json_t *side)
{
    const char *const hash = report_pick(side, "hash");
    char line[LINE_SIZE];

    if (!json_is_object(side))
        return;
    snprintf(line, sizeof line, "%.400s%s%s", report_pick(side, "server"),
             hash[0] ? ", binary " : "", hash);
    page_row(to, name, line);
}

/* The process that was measured, where there is only one. */
static void write_process(FILE *to, const json_t *server)
{
    char line[LINE_SIZE];

    if (!json_is_object(server))
        return;
    snprintf(line, sizeof line, "%.400s, binary %s", report_pick(server, "binary"),
             report_pick(server, "hash"));
    page_row(to, "process", line);
}

static void write_machine(FILE *to, const json_t *environment)
{
    const json_t *const commit = json_object_get(environment, "commit");
    char line[LINE_SIZE];

    if (json_is_object(commit)) {
        snprintf(line, sizeof line, "%s%s", report_pick(commit, "hash"),
                 json_is_true(json_object_get(commit, "changed")) ? " and changes" : "");
        page_row(to, "commit", line);
    }
    if (!json_is_object(environment))
        return;
    snprintf(line, sizeof line, "%s, %lld CPUs, kernel %s, %s",
             report_pick(environment, "cpu_model"),
             (long long)json_integer_value(json_object_get(environment, "cpus")),
             report_pick(environment, "kernel"), report_pick(environment, "machine"));
    page_row(to, "machine", line);
}

static void write_setup(FILE *to, const struct verdict_page *page)
{
    const json_t *const result = page->result;
    char line[LINE_SIZE];

    fputs("<section class=\"wide\"><h2>What was measured</h2><table>", to);
    page_command_rows(to, page->command);
    write_side(to, "A", json_object_get(result, "a"));
    write_side(to, "B", json_object_get(result, "b"));
    write_if_known(to, "server", report_pick(result, "server"));
    write_if_known(to, "server's CPUs", report_pick(result, "server_cpus"));
    write_if_known(to, "load", join(json_object_get(result, "run_options"), line, sizeof line));
    write_if_known(to, "stream", report_pick(result, "stream_hash"));
    if (!json_object_get(result, "a"))
        write_process(to, json_object_get(page->environment, "server"));
    write_machine(to, page->environment);
    fputs("</table></section>\n", to);
}

void report_verdict_write(FILE *to, const struct verdict_page *page)
{
    const struct kind *const kind = find_kind(page->result);

    page_begin(to, kind ? kind->command : "ackload");
    if (kind) {
        write_header(to, kind, page->result);
        kind->write_cards(to, page->result);
    }
    fputs("<div class=\"cards\">\n", to);
    write_setup(to, page);
    fputs("</div>", to);
    page_end(to);
}

static void write_page(FILE *to, const void *content)
{
    report_verdict_write(to, content);
}

int report_verdict(const char *path, const json_t *result, const json_t *environment,
                   struct ackd_error *error)
{
    char command[PAGE_COMMAND_SIZE];
    const struct verdict_page page = {command, result, environment};

    page_read_command(command);
    return page_save(path, write_page, &page, error);
}
