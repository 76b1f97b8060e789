/* SPDX-License-Identifier: MIT
 *
 * embed_test - servers inside of a program: two at once, and one a thousand times over
 *
 * Public headers only: this is what an embedder has. */
#include <ackd/admin.h>
#include <ackd/metrics.h>
#include <ackd/server.h>
#include <ackd/version.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

enum {
    PATIENCE_S = 60,
    HEADER_SIZE = 13, /* of a request: length, command, id */
    ACK_SIZE = 14,
    ID_OFFSET = 5,
    RESULT_OFFSET = 13,
    ID_SIZE = 8,
};

/* --- a client --- */

static int join_address(const char *address)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned port;

    if (sscanf(address, "127.0.0.1:%u", &port) != 1)
        return -1;
    to.sin_port = htons((uint16_t)port);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static int join(const struct ackd_server *server)
{
    return join_address(ackd_server_listen_address(server, 0));
}

/* Writes SUBMIT @number with a payload of @payload_size bytes to @to; its size. */
static size_t put_submit(uint8_t *to, uint32_t number, uint32_t payload_size)
{
    const uint32_t size = htonl(HEADER_SIZE + payload_size);
    char id[16];

    memcpy(to, &size, sizeof size);
    to[4] = 0x02;
    snprintf(id, sizeof id, "%08u", number % 100000000);
    memcpy(to + ID_OFFSET, id, ID_SIZE);
    memset(to + HEADER_SIZE, 'p', payload_size);
    return HEADER_SIZE + payload_size;
}

static bool send_all(int fd, const uint8_t *from, size_t size)
{
    return send(fd, from, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* Reads the ack to SUBMIT @number and checks all but its result, which is returned; -1 if it is
 * another one. */
static int read_ack(int fd, uint32_t number, uint8_t command)
{
    const uint32_t size = htonl(ACK_SIZE);
    uint8_t ack[ACK_SIZE];
    char id[16];

    snprintf(id, sizeof id, "%08u", number % 100000000);
    if (recv(fd, ack, sizeof ack, MSG_WAITALL) != ACK_SIZE)
        return -1;
    if (memcmp(ack, &size, sizeof size) != 0 || ack[4] != command ||
        memcmp(ack + ID_OFFSET, id, ID_SIZE) != 0)
        return -1;
    return ack[RESULT_OFFSET];
}

/* Sends one SUBMIT and takes its ack. */
static bool exchange_one(int fd)
{
    uint8_t frame[HEADER_SIZE + 22];

    return send_all(fd, frame, put_submit(frame, 1, 22)) && read_ack(fd, 1, 0x82) == 0;
}

/* --- servers --- */

static struct ackd_server_options options_for(const char *listen)
{
    struct ackd_server_options options;

    ackd_server_options_init(&options);
    options.worker_count = 2;
    options.listen[options.listen_count++] = listen;
    return options;
}

static struct ackd_server *make(const struct ackd_server_options *options)
{
    struct ackd_server *server;
    struct ackd_error error;

    if (ackd_server_new(&server, options, &error) < 0)
        fail_msg("%s", error.text);
    return server;
}

static struct ackd_server *start(const struct ackd_server_options *options)
{
    struct ackd_server *const server = make(options);
    struct ackd_error error;

    if (ackd_server_start(server, &error) < 0)
        fail_msg("%s", error.text);
    return server;
}

/* --- two at once --- */

enum {
    TRAIN_COUNT = 200,
    TRAIN_SUBMIT_COUNT = 50,
    SUBMIT_COUNT = TRAIN_COUNT * TRAIN_SUBMIT_COUNT,
    CLIENT_COUNT = 2, /* of each server */
};

/* Counts payload bytes, and fails every third SUBMIT by its id. */
struct judge {
    _Atomic uint64_t payload_size;
    _Atomic int freed_count;
};

static bool is_to_fail(const uint8_t *id)
{
    int sum = 0;

    for (int i = 0; i < ID_SIZE; i++)
        sum += id[i] - '0';
    return sum % 3 == 0;
}

static void judge_batch(void *self, struct ackd_batch *batch)
{
    struct judge *const judge = self;
    struct ackd_submit submit;

    while (ackd_batch_next(batch, &submit)) {
        judge->payload_size += submit.payload_size;
        if (is_to_fail(submit.id))
            ackd_batch_set_result(batch, submit.index, ACKD_RESULT_FAILED);
    }
}

static void free_judge(void *self)
{
    struct judge *const judge = self;
    judge->freed_count++;
}

struct client {
    const struct ackd_server *server;
    uint8_t command; /* of the acks */
    bool is_judged;
    bool succeeded;
    pthread_t thread;
};

static bool exchange_train(int fd, const struct client *client, uint32_t first)
{
    uint8_t frames[TRAIN_SUBMIT_COUNT * (HEADER_SIZE + 10)];
    size_t size = 0;

    for (uint32_t i = 0; i < TRAIN_SUBMIT_COUNT; i++)
        size += put_submit(frames + size, first + i, 10);
    if (!send_all(fd, frames, size))
        return false;
    for (uint32_t i = 0; i < TRAIN_SUBMIT_COUNT; i++) {
        char id[16];

        snprintf(id, sizeof id, "%08u", first + i);
        const bool fails = client->is_judged && is_to_fail((const uint8_t *)id);
        if (read_ack(fd, first + i, client->command) != fails)
            return false;
    }
    return true;
}

static void *run_client(void *context)
{
    struct client *const client = context;
    const int fd = join(client->server);

    client->succeeded = fd >= 0;
    for (uint32_t i = 0; i < TRAIN_COUNT && client->succeeded; i++)
        client->succeeded = exchange_train(fd, client, i * TRAIN_SUBMIT_COUNT);
    close(fd);
    return NULL;
}

/* Drains @server, whose numbers are final then: an ack is counted once it has left. */
static void check_metrics(struct ackd_server *server, const char *prefix)
{
    char line[64];
    char *text;
    size_t size;

    ackd_server_drain(server);
    assert_int_equal(ackd_server_wait(server, PATIENCE_S * 1000), 0);
    assert_int_equal(ackd_server_metrics(server, ACKD_METRICS_TEXT, prefix, &text, &size), 0);
    snprintf(line, sizeof line, "\n%s_rsp_send_total %d\n", prefix, CLIENT_COUNT * SUBMIT_COUNT);
    assert_non_null(strstr(text, line));
    free(text);
}

static void trap_23_two_servers_serve_at_the_same_time(void **state)
{
    struct judge judge = {0};
    struct ackd_server_options judging = options_for("127.0.0.1:0");
    struct ackd_server_options delaying = options_for("127.0.0.1:0,dialect=demo");
    struct client clients[CLIENT_COUNT * 2];

    (void)state;
    judging.handler =
        (struct ackd_handler){.self = &judge, .on_batch = judge_batch, .free = free_judge};
    assert_int_equal(ackd_handler_parse("delay:1ms", &delaying.handler, NULL), 0);
    struct ackd_server *const first = start(&judging);
    struct ackd_server *const second = start(&delaying);

    for (int i = 0; i < CLIENT_COUNT * 2; i++) {
        const bool is_judged = i % 2 == 0;

        clients[i] = (struct client){.server = is_judged ? first : second,
                                     .command = is_judged ? 0x82 : 0x81,
                                     .is_judged = is_judged};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENT_COUNT * 2; i++)
        pthread_join(clients[i].thread, NULL);
    for (int i = 0; i < CLIENT_COUNT * 2; i++)
        assert_true(clients[i].succeeded);
    assert_int_equal(judge.payload_size, CLIENT_COUNT * SUBMIT_COUNT * 10);

    check_metrics(first, "one");
    assert_int_equal(ackd_server_state(second), ACKD_SERVER_RUNNING);
    ackd_server_free(first);
    assert_int_equal(judge.freed_count, 1);
    check_metrics(second, "two");
    ackd_server_free(second);
}

/* --- one after another --- */

enum {
    ROUND_COUNT = 1000,
    WARM_UP_COUNT = 100,

    /* What a thousand rounds may differ by.  A sanitizer keeps freed memory on purpose; leaks are
     * then found by LeakSanitizer. */
    GROWTH_MAX = 512 * 1024,
};

/* How many entries a folder of /proc has. */
static int count_entries(const char *path)
{
    DIR *const folder = opendir(path);
    int count = -2;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static long resident_size(void)
{
    FILE *const file = fopen("/proc/self/statm", "re");
    long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* A thread that has been joined may be in /proc for a moment longer. */
static void wait_for_threads(int count)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    for (int i = 0; i < PATIENCE_S * 1000; i++) {
        if (count_entries("/proc/self/task") <= count)
            return;
        nanosleep(&moment, NULL);
    }
    fail_msg("%d threads are left of %d", count_entries("/proc/self/task"), count);
}

/* One life of a server, with a client, ended in one of the ways there are. */
static void live_and_die(int round)
{
    struct ackd_server_options options = options_for("127.0.0.1:0");
    char byte;

    if (round % 3 == 0)
        assert_int_equal(ackd_handler_parse("delay:0", &options.handler, NULL), 0);
    if (round % 10 == 0) {
        ackd_server_free(make(&options)); /* never started */
        return;
    }
    struct ackd_server *const server = start(&options);
    const int client = join(server);
    assert_true(client >= 0);
    assert_true(exchange_one(client));
    if (round % 10 == 1) {
        ackd_server_free(server); /* without a word */
        close(client);
        return;
    }
    if (round % 10 == 2) {
        ackd_server_stop(server);
    } else {
        ackd_server_drain(server);
        assert_int_equal(recv(client, &byte, 1, 0), 0);
    }
    close(client);
    assert_int_equal(ackd_server_wait(server, PATIENCE_S * 1000), 0);
    ackd_server_free(server);
}

static void a_thousand_servers_leave_nothing_behind(void **state)
{
    int fd_count = 0;
    int thread_count = 0;
    long resident = 0;

    (void)state;
    live_and_die(3); /* a sanitizer starts its thread with the first of ours */
    thread_count = IS_SANITIZED ? 2 : 1;
    for (int round = 0; round < ROUND_COUNT; round++) {
        live_and_die(round);
        if (round == WARM_UP_COUNT) {
            fd_count = count_entries("/proc/self/fd");
            resident = resident_size();
        }
    }
    assert_int_equal(count_entries("/proc/self/fd"), fd_count);
    wait_for_threads(thread_count);
    const long growth = resident_size() - resident;
    print_message("resident after %d rounds: %ld KiB, and %ld KiB more after %d\n", WARM_UP_COUNT,
                  resident / 1024, growth / 1024, ROUND_COUNT);
    if (!IS_SANITIZED && growth > GROWTH_MAX)
        fail_msg("%ld KiB more", growth / 1024);
}

/* --- with the admin's endpoints --- */

static void note_thread(void *self)
{
    pthread_t *const thread = self;

    *thread = pthread_self();
}

static void an_admin_lives_beside_its_server(void **state)
{
    const struct ackd_server_options options = options_for("127.0.0.1:0");
    pthread_t thread = pthread_self();
    const struct ackd_admin_options admin_options = {
        .listen = "127.0.0.1:0",
        .metrics_prefix = "ackd",
        .on_thread = note_thread,
        .on_thread_self = &thread,
    };

    (void)state;
    const int fd_count = count_entries("/proc/self/fd");
    for (int round = 0; round < 20; round++) {
        struct ackd_server *const server = start(&options);
        struct ackd_admin *admin;
        struct ackd_error error;

        if (ackd_admin_start(&admin, server, &admin_options, &error) < 0)
            fail_msg("%s", error.text);
        assert_non_null(strstr(ackd_admin_address(admin), "127.0.0.1:"));
        ackd_admin_stop(admin);
        assert_false(pthread_equal(thread, pthread_self()));
        ackd_server_free(server);
        thread = pthread_self();
    }
    assert_int_equal(count_entries("/proc/self/fd"), fd_count);
}

/* Holds up the worker until the test lets it go. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool entered;
    bool open;
};

static void wait_at_gate(void *self, struct ackd_batch *batch)
{
    struct gate *const gate = self;

    (void)batch;
    pthread_mutex_lock(&gate->mutex);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

static void await_entry(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    while (!gate->entered)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

/* The whole answer to GET /metrics. */
static void scrape(const struct ackd_admin *admin, char *ret_text, size_t size)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    const int fd = join_address(ackd_admin_address(admin));
    size_t at = 0;
    ssize_t got;

    assert_true(fd >= 0);
    assert_true(send_all(fd, (const uint8_t *)request, sizeof request - 1));
    while (at < size - 1 && (got = recv(fd, ret_text + at, size - 1 - at, 0)) > 0)
        at += (size_t)got;
    ret_text[at] = '\0';
    close(fd);
}

/* When the workers cannot keep up is when somebody wants to see why. */
static void trap_22_metrics_are_served_while_the_worker_is_stuck(void **state)
{
    const struct ackd_admin_options admin_options = {.listen = "127.0.0.1:0",
                                                     .metrics_prefix = "ackd"};
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct ackd_server_options options = options_for("127.0.0.1:0");
    static char text[256 * 1024];
    uint8_t frame[HEADER_SIZE + 22];
    struct ackd_admin *admin;

    (void)state;
    options.worker_count = 1;
    options.handler = (struct ackd_handler){.self = &gate, .on_batch = wait_at_gate};
    struct ackd_server *const server = start(&options);
    assert_int_equal(ackd_admin_start(&admin, server, &admin_options, NULL), 0);
    const int client = join(server);
    assert_true(send_all(client, frame, put_submit(frame, 1, 22)));
    await_entry(&gate);

    scrape(admin, text, sizeof text);
    assert_non_null(strstr(text, "\nackd_client_connected 1\n"));
    assert_non_null(strstr(text, "\nackd_rsp_send_total 0\n"));
    open_gate(&gate);
    assert_int_equal(read_ack(client, 1, 0x82), 0);
    close(client);
    ackd_admin_stop(admin);
    ackd_server_free(server);
}

static void the_version_is_told(void **state)
{
    (void)state;
    assert_int_equal(strspn(ackd_version(), "0123456789."), strcspn(ackd_version(), "+"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_23_two_servers_serve_at_the_same_time),
        cmocka_unit_test(a_thousand_servers_leave_nothing_behind),
        cmocka_unit_test(an_admin_lives_beside_its_server),
        cmocka_unit_test(trap_22_metrics_are_served_while_the_worker_is_stuck),
        cmocka_unit_test(the_version_is_told),
    };
    return cmocka_run_group_tests_name("embed", tests, NULL, NULL);
}
