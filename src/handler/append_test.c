/* SPDX-License-Identifier: MIT
 *
 * append_test - a record is in the file, whole, or its SUBMIT has failed */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/test_net.h"
#include "handler/handlers.h"
#include "handler/test_batch.h"

enum { PATH_SIZE = 64, FILE_SIZE_MAX = 1024 * 1024 };

/* A folder with one file in it. */
struct folder {
    char path[PATH_SIZE];
    char file[PATH_SIZE];
};

static void folder_open(struct folder *folder)
{
    snprintf(folder->path, sizeof folder->path, "/tmp/ackd-append-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%.40s/records", folder->path);
}

static void folder_close(const struct folder *folder)
{
    unlink(folder->file);
    assert_int_equal(rmdir(folder->path), 0);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* The whole file; its size. */
static size_t read_file(const char *path, uint8_t *ret_bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    const ssize_t size = read(fd, ret_bytes, FILE_SIZE_MAX);
    close(fd);
    assert_true(size >= 0 && size < FILE_SIZE_MAX);
    return (size_t)size;
}

static void check_file(const char *path, const void *bytes, size_t size)
{
    uint8_t *const found = malloc(FILE_SIZE_MAX);

    assert_non_null(found);
    assert_int_equal(read_file(path, found), size);
    assert_memory_equal(found, bytes, size);
    free(found);
}

static struct ackd_handler make(const char *path)
{
    struct ackd_handler handler;
    struct ackd_error error;

    if (handler_append_new(path, &handler, &error) < 0)
        fail_msg("%s", error.text);
    return handler;
}

static void hand_over(const struct ackd_handler *handler, struct test_batch *test)
{
    test_batch_ready(test, 0);
    handler->on_batch(handler->self, &test->batch);
    assert_null(test->batch.deferred);
}

/* Appends one payload; its result. */
static uint8_t append_one(const struct ackd_handler *handler, const void *payload, size_t size)
{
    struct test_batch test;

    test_batch_init(&test, DIALECT_SPEC);
    test_batch_put(&test, COMMAND_SUBMIT, 1, payload, size);
    hand_over(handler, &test);
    const uint8_t result = test_batch_result(&test.batch, 0);
    test_batch_deinit(&test);
    return result;
}

/* --- records --- */

static void a_record_is_the_size_and_the_payload(void **state)
{
    static const char expected[] = "\0\0\0\3one"
                                   "\0\0\0\0"
                                   "\0\0\1\4";
    uint8_t bytes[sizeof expected - 1 + 260];
    uint8_t payload[260];
    struct folder folder;
    struct test_batch test;

    (void)state;
    folder_open(&folder);
    const struct ackd_handler handler = make(folder.file);
    check_file(folder.file, "", 0);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)i;
    test_batch_init(&test, DIALECT_SPEC);
    test_batch_put(&test, COMMAND_SUBMIT, 1, "one", 3);
    test_batch_put(&test, COMMAND_CONN, 2, "a CONN is no record", 19);
    test_batch_put(&test, COMMAND_SUBMIT, 3, "", 0);
    test_batch_put(&test, COMMAND_SUBMIT, 4, payload, sizeof payload);
    hand_over(&handler, &test);
    assert_int_equal(test.batch.error_count, 0);

    memcpy(bytes, expected, sizeof expected - 1);
    memcpy(bytes + sizeof expected - 1, payload, sizeof payload);
    check_file(folder.file, bytes, sizeof bytes);
    test_batch_deinit(&test);
    handler.free(handler.self);
    folder_close(&folder);
}

/* One write takes so many pieces, and a batch may have more. */
static void a_batch_larger_than_one_write(void **state)
{
    enum { COUNT = 512 * 2 + 3 };
    uint8_t *const bytes = malloc(FILE_SIZE_MAX);
    struct folder folder;
    struct test_batch test;

    (void)state;
    folder_open(&folder);
    const struct ackd_handler handler = make(folder.file);
    test_batch_init(&test, DIALECT_SPEC);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t payload[4];
        store_be32(payload, i);
        test_batch_put(&test, COMMAND_SUBMIT, i, payload, sizeof payload);
    }
    hand_over(&handler, &test);
    assert_int_equal(test.batch.error_count, 0);
    assert_int_equal(read_file(folder.file, bytes), COUNT * 8);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(load_be32(bytes + (size_t)i * 8), 4);
        assert_int_equal(load_be32(bytes + (size_t)i * 8 + 4), i);
    }
    test_batch_deinit(&test);
    handler.free(handler.self);
    folder_close(&folder);
    free(bytes);
}

static void a_file_is_gone_on_with(void **state)
{
    struct folder folder;

    (void)state;
    folder_open(&folder);
    for (int i = 0; i < 3; i++) {
        const struct ackd_handler handler = make(folder.file);
        assert_int_equal(append_one(&handler, "x", 1), ACKD_RESULT_OK);
        assert_int_equal(append_one(&handler, "", 0), ACKD_RESULT_OK);
        handler.free(handler.self);
    }
    check_file(folder.file, "\0\0\0\1x\0\0\0\0\0\0\0\1x\0\0\0\0\0\0\0\1x\0\0\0\0", 27);
    folder_close(&folder);
}

/* --- files that are refused --- */

static void check_refused(const char *path, int expected, const char *words)
{
    struct ackd_handler handler = {.self = &handler};
    struct ackd_error error = {0};
    const int before = test_fd_count();

    assert_int_equal(handler_append_new(path, &handler, &error), expected);
    assert_int_equal(test_fd_count(), before);
    assert_ptr_equal(handler.self, &handler);
    assert_non_null(strstr(error.text, path));
    if (!strstr(error.text, words))
        fail_msg("no '%s' in '%s'", words, error.text);
}

static void a_torn_file_is_refused_wherever_it_is_torn(void **state)
{
    static const uint8_t records[] = "\0\0\0\3one\0\0\0\0\0\0\0\5three";
    static const size_t ends[] = {0, 7, 11, 20};
    struct folder folder;

    (void)state;
    folder_open(&folder);
    for (size_t size = 0; size < sizeof records; size++) {
        size_t whole = 0;
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
            whole = ends[i] <= size ? ends[i] : whole;

        write_file(folder.file, records, size);
        if (size == whole) {
            const struct ackd_handler handler = make(folder.file);
            handler.free(handler.self);
        } else {
            char words[64];
            snprintf(words, sizeof words, "torn after byte %zu: ", whole);
            check_refused(folder.file, -EILSEQ, words);
        }
        check_file(folder.file, records, size);
    }
    folder_close(&folder);
}

/* Longer than what is read at once, with records that lie over its borders, and beyond them. */
static void a_torn_file_of_many_records(void **state)
{
    enum { SIZE = 120 * 1000, LARGE = 40 * 1000 };
    uint8_t *const records = calloc(1, SIZE + LARGE);
    struct folder folder;
    size_t size = 0;
    size_t last = 0;

    (void)state;
    assert_non_null(records);
    folder_open(&folder);
    for (uint32_t i = 0; size < SIZE; i++) {
        const uint32_t payload_size = i == 1000 ? LARGE : i % 37;

        store_be32(records + size, payload_size);
        last = size;
        size += sizeof payload_size + payload_size;
        if (size % 1024 > 37 && size < SIZE)
            continue; /* not each, or it would take long */
        write_file(folder.file, records, size);
        const struct ackd_handler handler = make(folder.file);
        handler.free(handler.self);
        if (last < size - 1) {
            char words[64];
            snprintf(words, sizeof words, "torn after byte %zu: ", last);
            write_file(folder.file, records, size - 1);
            check_refused(folder.file, -EILSEQ, words);
        }
    }
    folder_close(&folder);
    free(records);
}

static void a_size_beyond_the_end_is_torn(void **state)
{
    struct folder folder;

    (void)state;
    folder_open(&folder);
    write_file(folder.file, "\0\0\0\1x\xff\xff\xff\xffyy", 11);
    check_refused(folder.file, -EILSEQ, "truncate -s 5");
    folder_close(&folder);
}

static void a_file_in_use_is_refused(void **state)
{
    struct folder folder;

    (void)state;
    folder_open(&folder);
    const struct ackd_handler handler = make(folder.file);
    check_refused(folder.file, -EBUSY, "another server");
    assert_int_equal(append_one(&handler, "x", 1), ACKD_RESULT_OK);
    handler.free(handler.self);

    const struct ackd_handler next = make(folder.file);
    next.free(next.self);
    folder_close(&folder);
}

static void only_regular_files(void **state)
{
    struct folder folder;

    (void)state;
    folder_open(&folder);
    check_refused(folder.path, -EISDIR, "directory");
    check_refused("/nonexistent/records", -ENOENT, "No such file");
    check_refused("/dev/null", -EINVAL, "no regular file");
    assert_int_equal(mkfifo(folder.file, 0600), 0);
    check_refused(folder.file, -EINVAL, "no regular file");
    folder_close(&folder);
}

static void the_file_is_closed_in_children(void **state)
{
    struct folder folder;

    (void)state;
    folder_open(&folder);
    const int fd = dup(STDIN_FILENO); /* the number that the next one gets */
    close(fd);
    const struct ackd_handler handler = make(folder.file);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    handler.free(handler.self);
    folder_close(&folder);
}

/* --- no room --- */

/* From here on files cannot grow past @size bytes, as on a full disk. */
static void limit_files(size_t size)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void lift_limit(void)
{
    limit_files(RLIM_INFINITY);
}

/* Hands over @count records of @record_size bytes while files are limited to @limit bytes, and
 * checks that the first @whole_count succeed. */
static void check_limited(const struct ackd_handler *handler, size_t limit, uint32_t count,
                          size_t record_size, uint32_t whole_count)
{
    static const uint8_t payload[1024] = {7};
    struct test_batch test;

    test_batch_init(&test, DIALECT_SPEC);
    for (uint32_t i = 0; i < count; i++)
        test_batch_put(&test, COMMAND_SUBMIT, i, payload, record_size - 4);
    limit_files(limit);
    hand_over(handler, &test);
    lift_limit();
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(test_batch_result(&test.batch, i), i >= whole_count);
    assert_int_equal(test.batch.error_count, count - whole_count);
    assert_int_equal(counter_read(&test.counters.handler_errors), whole_count < count);
    test_batch_deinit(&test);
}

static off_t size_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void a_full_disk_fails_what_is_not_whole(void **state)
{
    struct folder folder;

    (void)state;
    folder_open(&folder);
    const struct ackd_handler handler = make(folder.file);
    check_limited(&handler, 1000, 10, 204, 4); /* the fifth is cut in its payload */
    assert_int_equal(size_of(folder.file), 4 * 204);
    check_limited(&handler, 1000, 1, 204, 0); /* still full */
    assert_int_equal(size_of(folder.file), 4 * 204);
    check_limited(&handler, 1000, 2, 100, 1); /* a shorter one finds room */
    assert_int_equal(size_of(folder.file), 4 * 204 + 100);
    assert_int_equal(append_one(&handler, "x", 1), ACKD_RESULT_OK);
    assert_int_equal(size_of(folder.file), 4 * 204 + 100 + 5);
    handler.free(handler.self);

    const struct ackd_handler again = make(folder.file); /* which it would not be if it was torn */
    again.free(again.self);
    folder_close(&folder);
}

static void a_disk_that_ends_at_any_byte(void **state)
{
    enum { RECORD_SIZE = 10, COUNT = 5 };
    struct folder folder;

    (void)state;
    folder_open(&folder);
    for (size_t limit = 0; limit <= RECORD_SIZE * COUNT; limit++) {
        const uint32_t whole_count = (uint32_t)(limit / RECORD_SIZE);
        const struct ackd_handler handler = make(folder.file);

        check_limited(&handler, limit, COUNT, RECORD_SIZE, whole_count);
        assert_int_equal(size_of(folder.file), whole_count * RECORD_SIZE);
        handler.free(handler.self);
        assert_int_equal(unlink(folder.file), 0);
    }
    folder_close(&folder);
}

static void a_batch_of_several_writes_on_a_full_disk(void **state)
{
    enum { COUNT = 512 * 2 + 100, RECORD_SIZE = 20, WHOLE_COUNT = 600 };
    struct folder folder;

    (void)state;
    folder_open(&folder);
    const struct ackd_handler handler = make(folder.file);
    struct test_batch test;
    test_batch_init(&test, DIALECT_SPEC);
    for (uint32_t i = 0; i < COUNT; i++)
        test_batch_put(&test, COMMAND_SUBMIT, i, "0123456789abcdef", RECORD_SIZE - 4);
    limit_files(RECORD_SIZE * WHOLE_COUNT + RECORD_SIZE / 2);
    hand_over(&handler, &test);
    lift_limit();
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(test_batch_result(&test.batch, i), i >= WHOLE_COUNT);
    assert_int_equal(size_of(folder.file), WHOLE_COUNT * RECORD_SIZE);
    test_batch_deinit(&test);
    handler.free(handler.self);
    folder_close(&folder);
}

/* What was acked stays, even where what was cut cannot be taken away: the next write covers it. */
static void a_tail_that_cannot_be_cut_costs_no_record(void **state)
{
    static const char expected[] = "\0\0\0\3one\0\0\0\3two\0\0\0\5three";
    const int fd = memfd_create("ackd-append", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct test_batch test;
    char path[PATH_SIZE];

    (void)state;
    if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        skip(); /* a kernel without them */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const struct ackd_handler handler = make(path);
    test_batch_init(&test, DIALECT_SPEC);
    test_batch_put(&test, COMMAND_SUBMIT, 1, "one", 3);
    test_batch_put(&test, COMMAND_SUBMIT, 2, "cut", 3);
    limit_files(12);
    hand_over(&handler, &test);
    lift_limit();
    assert_int_equal(test_batch_result(&test.batch, 0), ACKD_RESULT_OK);
    assert_int_equal(test_batch_result(&test.batch, 1), ACKD_RESULT_FAILED);
    assert_int_equal(append_one(&handler, "two", 3), ACKD_RESULT_OK);
    assert_int_equal(append_one(&handler, "three", 5), ACKD_RESULT_OK);
    check_file(path, expected, sizeof expected - 1);
    test_batch_deinit(&test);
    handler.free(handler.self);
    close(fd);
}

/* --- several workers --- */

enum { WRITER_COUNT = 3, BATCH_COUNT = 50, SUBMIT_COUNT = 20 };

struct writer {
    const struct ackd_handler *handler;
    uint32_t number;
    pthread_t thread;
};

static void *append_many(void *context)
{
    const struct writer *const writer = context;
    uint32_t sequence = 0;

    for (int i = 0; i < BATCH_COUNT; i++) {
        struct test_batch test;

        test_batch_init(&test, DIALECT_SPEC);
        for (int j = 0; j < SUBMIT_COUNT; j++) {
            uint8_t payload[8];
            store_be32(payload, writer->number);
            store_be32(payload + 4, sequence++);
            test_batch_put(&test, COMMAND_SUBMIT, 0, payload, sizeof payload);
        }
        test_batch_ready(&test, 0);
        writer->handler->on_batch(writer->handler->self, &test.batch);
        test_batch_deinit(&test);
    }
    return NULL;
}

static void writers_take_turns(void **state)
{
    uint8_t *const bytes = malloc(FILE_SIZE_MAX);
    uint32_t sequences[WRITER_COUNT] = {0};
    struct writer writers[WRITER_COUNT];
    struct folder folder;

    (void)state;
    folder_open(&folder);
    const struct ackd_handler handler = make(folder.file);
    for (uint32_t i = 0; i < WRITER_COUNT; i++) {
        writers[i] = (struct writer){.handler = &handler, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, append_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITER_COUNT; i++)
        pthread_join(writers[i].thread, NULL);
    handler.free(handler.self);

    const size_t size = read_file(folder.file, bytes);
    assert_int_equal(size, 12 * WRITER_COUNT * BATCH_COUNT * SUBMIT_COUNT);
    for (size_t at = 0; at < size; at += 12) {
        const uint32_t writer = load_be32(bytes + at + 4);
        assert_int_equal(load_be32(bytes + at), 8);
        assert_true(writer < WRITER_COUNT);
        assert_int_equal(load_be32(bytes + at + 8), sequences[writer]++);
    }
    folder_close(&folder);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_the_size_and_the_payload),
        cmocka_unit_test(a_batch_larger_than_one_write),
        cmocka_unit_test(a_file_is_gone_on_with),
        cmocka_unit_test(a_torn_file_is_refused_wherever_it_is_torn),
        cmocka_unit_test(a_torn_file_of_many_records),
        cmocka_unit_test(a_size_beyond_the_end_is_torn),
        cmocka_unit_test(a_file_in_use_is_refused),
        cmocka_unit_test(only_regular_files),
        cmocka_unit_test(the_file_is_closed_in_children),
        cmocka_unit_test(a_full_disk_fails_what_is_not_whole),
        cmocka_unit_test(a_disk_that_ends_at_any_byte),
        cmocka_unit_test(a_batch_of_several_writes_on_a_full_disk),
        cmocka_unit_test(a_tail_that_cannot_be_cut_costs_no_record),
        cmocka_unit_test(writers_take_turns),
    };

    /* Past the limit a write is to fail, not to kill. */
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests_name("append", tests, NULL, NULL);
}
