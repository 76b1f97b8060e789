/* SPDX-License-Identifier: MIT
 *
 * ackd-top - what a server does, on a terminal
 *
 *      GET /api/live -> view (rates) -> screen (lines) -> curses;  q ends it
 *
 * Exit codes: 0; 1 when --once gets no answer; 64 for options that are not legal. */
#include <ackd/version.h>
#include <curses.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "load/http_get.h"
#include "top/screen.h"

enum {
    EXIT_USAGE = 64, /* sysexits(3): EX_USAGE */

    URL_SIZE = 320,
    INTERVAL_MS_MIN = 100,
    INTERVAL_MS_MAX = 3600 * 1000,
    TIMEOUT_MS = 5000,
    ONCE_COLUMNS = 100,
    KEY_CTRL_C = 3,
};

struct program {
    char base[URL_SIZE];
    uint64_t interval_ns;
    bool by_queued;
    bool once;
    bool json;
    bool paused;
    struct interrupts interrupts;
    struct view view;
    struct screen screen;
    char notice[ACKD_ERROR_TEXT_SIZE + 64];
    bool failed; /* the notice is of an answer that did not come */
};

static const char help[] =
    "Usage: ackd-top [OPTION]... [URL]\n\n"
    "Shows what an ackd does: rates, latency, workers, and the busiest connections.\n"
    "URL is where it serves its metrics (http://127.0.0.1:8889).\n\n"
    "    -i, --interval TIME   between two looks (1s)\n"
    "    -q, --queued          begin with the connections that have most acks queued\n"
    "    -1, --once            print one look and end\n"
    "        --json            with --once: as JSON\n"
    "        --version\n"
    "    -h, --help\n\n"
    "Keys: q quits, p pauses, o changes the order of the connections.\n";

/* --- asking --- */

/* Says whom was asked in its user's words, and what the address should have been. */
static int fail_to_ask(const struct program *program, int status, const struct ackd_error *why,
                       struct ackd_error *error)
{
    return error_raise(
        error, status, "%s: %s%s", program->base, why->text,
        status == -EIO ? " (is ackd running there? the address of its --metrics-listen is meant)"
                       : "");
}

static int ask(struct program *program, struct ackd_error *error)
{
    char url[URL_SIZE + 64];
    struct ackd_error why;
    struct view view;
    char *body;
    size_t size;

    snprintf(url, sizeof url, "%s/api/live?since=99999999999999&conns=%s", program->base,
             program->by_queued ? "queued" : "rate");
    int status = http_get(url, TIMEOUT_MS * NS_PER_MS, &program->interrupts, &body, &size, &why);
    if (status < 0)
        return fail_to_ask(program, status, &why, error);
    status = view_parse(body, size, &view, error);
    free(body);
    if (status < 0)
        return status;

    const struct view *const before = &program->view;
    const bool restarted =
        before->pid > 0 && (before->pid != view.pid || before->started_ms != view.started_ms);
    if (restarted)
        snprintf(program->notice, sizeof program->notice,
                 "the server was restarted %.0f s ago; counts began again", view.uptime_s);
    else if (program->failed)
        program->notice[0] = '\0';
    program->failed = false;
    program->view = view;
    return 0;
}

static void refresh_view(struct program *program)
{
    struct ackd_error error;

    if (ask(program, &error) < 0) {
        snprintf(program->notice, sizeof program->notice, "no answer: %s", error.text);
        program->failed = true;
    }
}

/* --- drawing --- */

static void draw(struct program *program, uint32_t rows, uint32_t columns)
{
    const struct screen_words words = {
        .url = program->base,
        .order = program->by_queued ? "CONNECTION, MOST QUEUED" : "CONNECTION, BUSIEST",
        .notice = program->notice,
        .hint = program->once ? "" : "q quits  p pauses  o orders by what is queued, or by rate",
        .paused = program->paused,
    };

    screen_draw(&program->screen, rows, columns, &program->view, &words);
}

static attr_t attributes_of(enum screen_style style)
{
    switch (style) {
    case SCREEN_PLAIN:
        return A_NORMAL;
    case SCREEN_STRONG:
        return A_BOLD;
    case SCREEN_HEADING:
        return A_REVERSE;
    case SCREEN_ALARM:
        return A_BOLD | (has_colors() ? (attr_t)COLOR_PAIR(1) : A_NORMAL);
    }
    return A_NORMAL;
}

static void show(struct program *program)
{
    const uint32_t columns = (uint32_t)getmaxx(stdscr);

    draw(program, (uint32_t)getmaxy(stdscr), columns);
    erase();
    for (uint32_t i = 0; i < program->screen.row_count; i++) {
        const struct screen_row *const row = &program->screen.rows[i];

        attrset(attributes_of(row->style));
        mvaddnstr((int)i, 0, row->text, (int)columns);
        for (uint32_t at = (uint32_t)strlen(row->text);
             row->style == SCREEN_HEADING && at < columns; at++)
            mvaddch((int)i, (int)at, ' ');
    }
    attrset(A_NORMAL);
    refresh();
}

/* False when the program is to end. */
static bool obey_key(struct program *program, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
    case KEY_CTRL_C:
        return false;
    case 'p':
    case 'P':
    case ' ':
        program->paused = !program->paused;
        break;
    case 'o':
    case 'O':
        program->by_queued = !program->by_queued;
        refresh_view(program);
        break;
    default: /* a resize is one too: it is drawn anew */
        break;
    }
    show(program);
    return true;
}

/* Waits for the next look, obeying keys; false when the program is to end. */
static bool wait_and_obey(struct program *program)
{
    const uint64_t end_ns = clock_monotonic_ns() + program->interval_ns;

    for (;;) {
        struct pollfd fds[] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = program->interrupts.fd, .events = POLLIN},
        };
        const uint64_t now_ns = clock_monotonic_ns();

        if (interrupts_requested(&program->interrupts))
            return false;
        if (now_ns >= end_ns)
            return true;
        poll(fds, 2, (int)((end_ns - now_ns) / NS_PER_MS + 1));
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            return false;
        for (int key = getch(); key != ERR; key = getch()) {
            if (!obey_key(program, key))
                return false;
        }
    }
}

static int watch(struct program *program)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fputs("ackd-top: this is no terminal; --once prints one look\n", stderr);
        return EXIT_USAGE;
    }
    SCREEN *const terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        fputs("ackd-top: this terminal is not known (TERM); --once prints one look\n", stderr);
        return EXIT_FAILURE;
    }
    raw();
    noecho();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_RED, -1);
    }
    do {
        if (!program->paused)
            refresh_view(program);
        show(program);
    } while (wait_and_obey(program));
    endwin();
    delscreen(terminal);
    return EXIT_SUCCESS;
}

static int print_once(struct program *program)
{
    struct ackd_error error;

    if (ask(program, &error) < 0) {
        fprintf(stderr, "ackd-top: %s\n", error.text);
        return EXIT_FAILURE;
    }
    if (program->json) {
        char *const text = view_json(&program->view);
        if (!text)
            return EXIT_FAILURE;
        fputs(text, stdout);
        free(text);
        return EXIT_SUCCESS;
    }
    draw(program, SCREEN_ROW_COUNT_MAX, ONCE_COLUMNS);
    for (uint32_t i = 0; i < program->screen.row_count; i++)
        puts(program->screen.rows[i].text);
    return EXIT_SUCCESS;
}

/* --- options --- */

static int refuse(const char *what, const char *value)
{
    fprintf(stderr, "ackd-top: %s%s; see ackd-top --help\n", what, value);
    return EXIT_USAGE;
}

/* Takes http://HOST:PORT, with or without the scheme and a slash at the end. */
static void set_url(struct program *program, const char *url)
{
    const char *const scheme = strstr(url, "://") ? "" : "http://";
    size_t size = strlen(url);

    while (size > 0 && url[size - 1] == '/')
        size--;
    snprintf(program->base, sizeof program->base, "%s%.*s", scheme, (int)size, url);
}

/* -1: go on; else the exit code. */
static int set_option(struct program *program, int option)
{
    switch (option) {
    case 'i':
        if (!units_parse_duration_ns(optarg, &program->interval_ns) ||
            program->interval_ns < INTERVAL_MS_MIN * NS_PER_MS ||
            program->interval_ns > INTERVAL_MS_MAX * NS_PER_MS)
            return refuse("--interval: give a time from 100ms to 1h, not ", optarg);
        return -1;
    case 'q':
        program->by_queued = true;
        return -1;
    case '1':
        program->once = true;
        return -1;
    case 'j':
        program->json = true;
        return -1;
    case 'v':
        printf("ackd-top %s\n", ackd_version());
        return EXIT_SUCCESS;
    case 'h':
        fputs(help, stdout);
        return EXIT_SUCCESS;
    default: /* getopt_long() returns no other */
        return EXIT_USAGE;
    }
}

static int parse(struct program *program, int argc, char **argv)
{
    static const struct option names[] = {
        {"interval", required_argument, NULL, 'i'},
        {"queued", no_argument, NULL, 'q'},
        {"once", no_argument, NULL, '1'},
        {"json", no_argument, NULL, 'j'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    set_url(program, "127.0.0.1:8889");
    program->interval_ns = NS_PER_S;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "i:q1h", names, NULL)) != -1) {
        const int code = option == '?' ? refuse("not understood: ", argv[optind - 1])
                                       : set_option(program, option);
        if (code >= 0)
            return code;
    }
    if (optind + 1 < argc)
        return refuse("one URL is enough: ", argv[optind + 1]);
    if (program->json && !program->once)
        return refuse("--json goes with --once", "");
    if (optind < argc && strlen(argv[optind]) > URL_SIZE - 16)
        return refuse("the URL is too long: ", argv[optind]);
    if (optind < argc)
        set_url(program, argv[optind]);
    return -1;
}

int main(int argc, char **argv)
{
    static struct program program;
    struct ackd_error error;
    int code = parse(&program, argc, argv);

    if (code >= 0)
        return code;
    if (interrupts_open(&program.interrupts, &error) < 0) {
        fprintf(stderr, "ackd-top: %s\n", error.text);
        return EXIT_FAILURE;
    }
    code = program.once ? print_once(&program) : watch(&program);
    interrupts_close(&program.interrupts);
    return code;
}
