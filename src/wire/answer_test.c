/* SPDX-License-Identifier: MIT
 *
 * answer_test - the one-pass walk against the plain one, and against recorded traffic
 *
 * Streams are random but the same in every run.  Whatever they hold, answer_naive_compare() must
 * find no difference: for the whole stream, and for every place where it can end too soon. */
#include "wire/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/answer_naive.h"

enum {
    STREAM_SIZE_MAX = 1 << 16,
    FRAME_SIZE_MAX = 1024,
    CUT_SIZE_MAX = 2000,
    VECTOR_COUNT = 1000,
};

struct stream {
    uint8_t data[STREAM_SIZE_MAX];
    size_t size;
    uint64_t seed;
};

/* SplitMix64, by Sebastiano Vigna; public domain. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t value = *seed += UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* A number from 0 to @bound - 1. */
static uint32_t random_below(struct stream *stream, uint32_t bound)
{
    return (uint32_t)(next_random(&stream->seed) % bound);
}

/* Puts one frame: @length in its header, @command, and random bytes up to @size. */
static void put_frame(struct stream *stream, uint32_t length, uint8_t command, size_t size)
{
    uint8_t *const at = stream->data + stream->size;

    if (stream->size + size > sizeof stream->data)
        return;
    assert_true(size >= FRAME_SIZE_MIN);
    for (size_t i = FRAME_HEADER_SIZE; i < size; i++)
        at[i] = (uint8_t)next_random(&stream->seed);
    store_be32(at, length);
    at[FRAME_HEADER_SIZE] = command;
    stream->size += size;
}

static void put_request(struct stream *stream, enum command command, size_t size)
{
    put_frame(stream, (uint32_t)size, (uint8_t)command, size);
}

static void put_violation(struct stream *stream)
{
    static const struct {
        uint32_t length;
        uint8_t command;
    } rows[] = {
        {0, 2},          {3, 2},          {4, 2},          {5, 2},     {12, 2},
        {12, 1},         {13, 0},         {5, 3},          {40, 0x7f}, {13, 0x80},
        {14, 0x81},      {14, 0x82},      {20, 0x83},      {35, 0xff}, {FRAME_SIZE_MAX + 1, 2},
        {0x7fffffff, 2}, {0x80000000, 2}, {0xffffffff, 2},
    };
    const uint32_t row = random_below(stream, sizeof rows / sizeof rows[0]);
    const bool fits = rows[row].length >= FRAME_SIZE_MIN && rows[row].length <= FRAME_SIZE_MAX;

    put_frame(stream, rows[row].length, rows[row].command, fits ? rows[row].length : 64);
}

static uint32_t random_frame_size(struct stream *stream)
{
    /* Mostly short, so that many frames fit; now and then anything that is legal. */
    const uint32_t bound = random_below(stream, 16) == 0 ? FRAME_SIZE_MAX - 12 : 40;
    return REQUEST_FRAME_SIZE_MIN + random_below(stream, bound);
}

/* Uniform runs (longer than the eight frames after which the run loop starts), mixed lengths,
 * CONNs in between, and sometimes a violation with more frames behind it. */
static void put_segment(struct stream *stream, bool hostile)
{
    const uint32_t size = random_frame_size(stream);
    const uint32_t count = 1 + random_below(stream, 30);
    const uint32_t kind = random_below(stream, hostile ? 5 : 4);

    for (uint32_t i = 0; i < count; i++) {
        if (kind <= 1)
            put_request(stream, COMMAND_SUBMIT, size);
        else if (kind == 2)
            put_request(stream, COMMAND_SUBMIT, random_frame_size(stream));
        else if (kind == 3)
            put_request(stream, random_below(stream, 2) ? COMMAND_SUBMIT : COMMAND_CONN, size);
    }
    if (kind == 4)
        put_violation(stream);
}

static struct stream make_stream(uint64_t seed, uint32_t segment_count, bool hostile)
{
    struct stream stream = {.seed = seed};

    for (uint32_t i = 0; i < segment_count; i++)
        put_segment(&stream, hostile);
    return stream;
}

static void check_stream(struct bytes input, uint32_t frame_size_max, uint64_t seed)
{
    for (enum dialect dialect = DIALECT_SPEC; dialect <= DIALECT_DEMO; dialect++) {
        const char *const difference = answer_naive_compare(input, frame_size_max, dialect);

        if (difference)
            fail_msg("stream %llu, first %zu bytes, dialect %d: %s", (unsigned long long)seed,
                     input.size, dialect, difference);
    }
}

static void random_streams_agree(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        const struct stream stream = make_stream(seed, 1 + (uint32_t)(seed % 40), seed % 3 == 0);

        check_stream((struct bytes){stream.data, stream.size}, FRAME_SIZE_MAX, seed);
        check_stream((struct bytes){stream.data, stream.size}, 64, seed);
    }
}

static void random_streams_agree_cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 10000; seed < 10060; seed++) {
        const struct stream stream = make_stream(seed, 4, seed % 2 == 0);
        const size_t cut_max = stream.size < CUT_SIZE_MAX ? stream.size : CUT_SIZE_MAX;

        for (size_t size = 0; size <= cut_max; size++)
            check_stream((struct bytes){stream.data, size}, FRAME_SIZE_MAX, seed);
    }
}

/* Runs of every count around the one at which the run loop starts, with something else behind. */
static void runs_of_every_length(void **state)
{
    static const struct {
        uint32_t length;
        uint8_t command;
        size_t size;
    } ends[] = {
        {20, COMMAND_SUBMIT, 20},
        {21, COMMAND_SUBMIT, 21},
        {20, COMMAND_CONN, 20},
        {20, COMMAND_SUBMIT_ACK, 20},
        {20, 0x03, 20},
        {12, COMMAND_SUBMIT, 12},
        {0x01000014, COMMAND_SUBMIT, 20},
        {0x80000014, COMMAND_SUBMIT, 20},
        {0, COMMAND_SUBMIT, 20},
        {0xffffffff, 2, 20},
        {20, COMMAND_SUBMIT, 19},
    };

    (void)state;
    for (uint32_t count = 0; count <= 40; count++) {
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
            struct stream stream = {.seed = count};

            for (uint32_t j = 0; j < count; j++)
                put_request(&stream, COMMAND_SUBMIT, 20);
            put_frame(&stream, ends[i].length, ends[i].command, ends[i].size);
            check_stream((struct bytes){stream.data, stream.size}, FRAME_SIZE_MAX, count);
        }
    }
}

/* The bound itself is legal, one more is not: alone, and inside a run of equal frames. */
static void lengths_at_the_bounds(void **state)
{
    static const uint32_t maxes[] = {13, 14, 64, 65536, FRAME_SIZE_LIMIT};

    (void)state;
    for (size_t i = 0; i < sizeof maxes / sizeof maxes[0]; i++) {
        const uint32_t max = maxes[i];
        /* The last three are legal but for their first byte. */
        const uint32_t lengths[] = {0,          1,          3,          4,          5,
                                    12,         13,         14,         max - 1,    max,
                                    max + 1,    0x7fffffff, 0x80000000, 0xffffffff, 0x0d000000,
                                    0x0100000d, 0x80000014, 0xff000014};

        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
            struct stream stream = {.seed = lengths[j]};
            const size_t size = lengths[j] >= 5 && lengths[j] <= 70 ? lengths[j] : 70;

            for (size_t count = 0; count < 12; count++) {
                put_frame(&stream, lengths[j], COMMAND_SUBMIT, size);
                check_stream((struct bytes){stream.data, stream.size}, max, lengths[j]);
            }
        }
    }
}

static void the_longest_frame_is_answered(void **state)
{
    static const uint32_t maxes[] = {13, 14, 65536, FRAME_SIZE_LIMIT};

    (void)state;
    for (size_t i = 0; i < sizeof maxes / sizeof maxes[0]; i++) {
        const uint32_t max = maxes[i];
        uint8_t *const frames = calloc(2, max);

        assert_non_null(frames);
        for (size_t j = 0; j < 2; j++) {
            store_be32(frames + j * max, max);
            frames[j * max + FRAME_HEADER_SIZE] = COMMAND_SUBMIT;
        }
        check_stream((struct bytes){frames, (size_t)2 * max}, max, max);
        check_stream((struct bytes){frames, (size_t)2 * max - 1}, max, max);
        check_stream((struct bytes){frames, max}, max, max);
        free(frames);
    }
}

static void nothing_asks_for_nothing(void **state)
{
    uint8_t acks[ANSWER_SLACK_SIZE];
    const struct answer answer =
        answer_requests((struct bytes){NULL, 0}, FRAME_SIZE_MAX, DIALECT_SPEC, acks);

    (void)state;
    assert_int_equal(answer.taken_size, 0);
    assert_int_equal(answer.submit_count, 0);
    assert_int_equal(answer.conn_count, 0);
    assert_int_equal(answer.stop, ANSWER_PARTIAL);
}

/* Three requests and their acks, byte for byte. */
static const uint8_t three[] = "\0\0\0\x0d\x02"
                               "00000001"
                               "\0\0\0\x10\x01"
                               "\0\xff\r\n\x1b\x7f\x80\x01"
                               "abc"
                               "\0\0\0\x0f\x02"
                               "00000003"
                               "xy";
static const uint8_t three_acks[] = "\0\0\0\x0e\x82"
                                    "00000001\0"
                                    "\0\0\0\x0e\x81"
                                    "\0\xff\r\n\x1b\x7f\x80\x01\0"
                                    "\0\0\0\x0e\x82"
                                    "00000003\0";
enum {
    THREE_SIZE = sizeof three - 1,
    THREE_ACKS_SIZE = sizeof three_acks - 1,
};

/* Feeds three[] in pieces that end at @first, @second and its end, as a connection would: what
 * was not taken is kept for the next piece. */
static void feed_in_pieces(size_t first, size_t second)
{
    const size_t ends[] = {first, second, THREE_SIZE};
    uint8_t *acks = malloc(THREE_ACKS_SIZE + ANSWER_SLACK_SIZE);
    size_t acks_size = 0;
    size_t taken_size = 0;

    assert_non_null(acks);
    for (size_t i = 0; i < 3; i++) {
        const struct bytes input = {three + taken_size, ends[i] - taken_size};
        const struct answer answer =
            answer_requests(input, FRAME_SIZE_MAX, DIALECT_SPEC, acks + acks_size);

        assert_int_equal(answer.stop, ANSWER_PARTIAL);
        taken_size += answer.taken_size;
        acks_size += (answer.submit_count + answer.conn_count) * ACK_FRAME_SIZE;
    }
    assert_int_equal(taken_size, THREE_SIZE);
    assert_int_equal(acks_size, THREE_ACKS_SIZE);
    assert_memory_equal(acks, three_acks, THREE_ACKS_SIZE);
    free(acks);
}

static void every_two_split_points(void **state)
{
    (void)state;
    for (size_t first = 0; first <= THREE_SIZE; first++)
        for (size_t second = first; second <= THREE_SIZE; second++)
            feed_in_pieces(first, second);
}

/* One byte more each time: the acks grow exactly when a frame is whole. */
static void one_byte_dribble(void **state)
{
    uint8_t acks[THREE_ACKS_SIZE + ANSWER_SLACK_SIZE];
    size_t taken_size = 0;
    size_t acks_size = 0;

    (void)state;
    for (size_t size = 1; size <= THREE_SIZE; size++) {
        const struct bytes input = {three + taken_size, size - taken_size};
        const struct answer answer =
            answer_requests(input, FRAME_SIZE_MAX, DIALECT_SPEC, acks + acks_size);
        const uint32_t count = answer.submit_count + answer.conn_count;

        assert_int_equal(answer.stop, ANSWER_PARTIAL);
        assert_int_equal(count, size == 13 || size == 29 || size == 44);
        taken_size += answer.taken_size;
        acks_size += count * ACK_FRAME_SIZE;
    }
    assert_int_equal(acks_size, THREE_ACKS_SIZE);
    assert_memory_equal(acks, three_acks, THREE_ACKS_SIZE);
}

/* Whatever ends the walk, the frames before it are answered and the rest is left where it is. */
static void violations_name_themselves(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        enum answer_stop stop;
    } rows[] = {
        {"", 0, ANSWER_PARTIAL},
        {"\0\0\0", 3, ANSWER_PARTIAL},
        {"\0\0\0\x0d\x02"
         "0000000",
         12, ANSWER_PARTIAL},
        {"\0\0\0\x0d\x7f", 5, ANSWER_PARTIAL},
        {"\0\0\0\0", 4, ANSWER_FRAME_TOO_SHORT},
        {"\0\0\0\4", 4, ANSWER_FRAME_TOO_SHORT},
        {"\0\0\4\1", 4, ANSWER_FRAME_TOO_LONG},
        {"\x0d\0\0\0", 4, ANSWER_FRAME_TOO_LONG},
        {"\x7f\xff\xff\xff", 4, ANSWER_FRAME_TOO_LONG},
        {"\x80\0\0\0", 4, ANSWER_FRAME_TOO_LONG},
        {"\xff\xff\xff\xff", 4, ANSWER_FRAME_TOO_LONG},
        {"GET / HTTP/1.1\r\n", 16, ANSWER_FRAME_TOO_LONG},
        {"SSH-2.0-x\r\n", 11, ANSWER_FRAME_TOO_LONG},
        {"\x16\3\1\0\xa5", 5, ANSWER_FRAME_TOO_LONG},
        {"\0\0\0\5\2", 5, ANSWER_PACKET_TOO_SHORT},
        {"\0\0\0\6\2\1", 6, ANSWER_PACKET_TOO_SHORT},
        {"\0\0\0\x0c\1"
         "0000000",
         12, ANSWER_PACKET_TOO_SHORT},
        {"\0\0\0\5\0", 5, ANSWER_UNKNOWN_COMMAND},
        {"\0\0\0\6\2\1", 6, ANSWER_PACKET_TOO_SHORT},
        {"\0\0\0\6\x78\1", 6, ANSWER_UNKNOWN_COMMAND},
        {"\0\0\0\5\x80", 5, ANSWER_WRONG_DIRECTION},
        {"\0\0\0\x0e\x81"
         "00000001\0",
         14, ANSWER_WRONG_DIRECTION},
        {"\0\0\0\x0e\x82"
         "00000001\0",
         14, ANSWER_WRONG_DIRECTION},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t input[THREE_SIZE + 16];
        uint8_t acks[THREE_SIZE + 64];

        memcpy(input, three, THREE_SIZE);
        memcpy(input + THREE_SIZE, rows[i].text, rows[i].size);
        const struct answer answer = answer_requests(
            (struct bytes){input, THREE_SIZE + rows[i].size}, FRAME_SIZE_MAX, DIALECT_SPEC, acks);

        assert_int_equal(answer.stop, rows[i].stop);
        assert_int_equal(answer.taken_size, THREE_SIZE);
        assert_int_equal(answer.submit_count, 2);
        assert_int_equal(answer.conn_count, 1);
        assert_memory_equal(acks, three_acks, THREE_ACKS_SIZE);
    }
}

/* Reads @name of the recorded traffic.  The caller frees what is returned. */
static uint8_t *read_vector(const char *name, size_t *ret_size)
{
    const char *const corpus = getenv("ACKD_CORPUS");
    char path[4096];
    uint8_t *const data = malloc(STREAM_SIZE_MAX);

    assert_non_null(data);
    assert_non_null(corpus); /* tests/corpus; meson test sets it */
    snprintf(path, sizeof path, "%s/vectors/%s", corpus, name);
    FILE *const file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    *ret_size = fread(data, 1, STREAM_SIZE_MAX, file);
    fclose(file);
    return data;
}

/* The first 1,000 requests of the teaching client, and what the teaching server answered. */
static void recorded_traffic(void **state)
{
    size_t requests_size = 0;
    size_t want_size = 0;
    uint8_t *const requests = read_vector("teaching-client-1000-submits.bin", &requests_size);
    uint8_t *const want = read_vector("teaching-server-1000-acks.bin", &want_size);
    uint8_t *const acks = malloc(answer_size_max(requests_size));
    const struct bytes input = {requests, requests_size};

    (void)state;
    assert_non_null(acks);
    assert_int_equal(want_size, VECTOR_COUNT * ACK_FRAME_SIZE);
    for (enum dialect dialect = DIALECT_SPEC; dialect <= DIALECT_DEMO; dialect++) {
        const struct answer answer = answer_requests(input, FRAME_SIZE_MAX, dialect, acks);

        assert_int_equal(answer.stop, ANSWER_PARTIAL);
        assert_int_equal(answer.taken_size, requests_size);
        assert_int_equal(answer.submit_count, VECTOR_COUNT);
        assert_int_equal(answer.conn_count, 0);

        /* The recording is in the demo dialect; the other differs in one byte of each ack. */
        for (size_t i = 0; dialect == DIALECT_SPEC && i < VECTOR_COUNT; i++) {
            assert_int_equal(acks[i * ACK_FRAME_SIZE + 4], COMMAND_SUBMIT_ACK);
            acks[i * ACK_FRAME_SIZE + 4] = COMMAND_DEMO_SUBMIT_ACK;
        }
        assert_memory_equal(acks, want, want_size);
    }
    check_stream(input, FRAME_SIZE_MAX, 0);
    free(requests);
    free(want);
    free(acks);
}

/* Every recorded request, decoded, is the one that its number says. */
static void recorded_requests_are_numbered(void **state)
{
    size_t size = 0;
    uint8_t *const requests = read_vector("teaching-client-1000-submits.bin", &size);
    struct bytes frames = {requests, size};
    struct request submit;
    uint32_t conn_count = 0;
    unsigned count = 0;

    (void)state;
    while (answer_next_submit(&frames, &submit, &conn_count)) {
        char id[16];

        snprintf(id, sizeof id, "%08u", ++count);
        assert_memory_equal(submit.id, id, PACKET_ID_SIZE);
        assert_in_range(submit.payload.size, 12, 31);
    }
    assert_int_equal(count, VECTOR_COUNT);
    assert_int_equal(conn_count, 0);
    free(requests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asks_for_nothing),
        cmocka_unit_test(every_two_split_points),
        cmocka_unit_test(one_byte_dribble),
        cmocka_unit_test(violations_name_themselves),
        cmocka_unit_test(lengths_at_the_bounds),
        cmocka_unit_test(the_longest_frame_is_answered),
        cmocka_unit_test(runs_of_every_length),
        cmocka_unit_test(recorded_traffic),
        cmocka_unit_test(recorded_requests_are_numbered),
        cmocka_unit_test(random_streams_agree),
        cmocka_unit_test(random_streams_agree_cut_anywhere),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
