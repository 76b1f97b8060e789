/* SPDX-License-Identifier: MIT
 *
 * verify_test - ids, and the judgement of every kind of ack */
#include "load/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    WINDOW = 512,
    MEMORY_COUNT = 1024,
    ACK_COUNT_MAX = 4096,
};

struct bench {
    struct verify verify;
    struct ledger ledger;
    uint64_t missing[MEMORY_COUNT / 64];
    uint8_t acks[ACK_COUNT_MAX * ACK_FRAME_SIZE];
    size_t size;
};

static void setup(struct bench *bench, enum dialect_rule rule)
{
    memset(bench, 0, sizeof *bench);
    verify_init(&bench->verify, rule, bench->missing, MEMORY_COUNT);
}

static void put_raw(struct bench *bench, uint8_t command, uint64_t id, uint8_t result)
{
    uint8_t id_bytes[PACKET_ID_SIZE];

    assert_true(bench->size + ACK_FRAME_SIZE <= sizeof bench->acks);
    store_be64(id_bytes, id);
    packet_encode_ack(bench->acks + bench->size, command, id_bytes, result);
    bench->size += ACK_FRAME_SIZE;
}

static void put(struct bench *bench, uint64_t sequence)
{
    put_raw(bench, COMMAND_SUBMIT_ACK, id_of(sequence), RESULT_OK);
}

/* Judges all that was put, as a connection does.  Returns the last verdict. */
static enum verify_verdict judge(struct bench *bench, uint64_t sent)
{
    struct bytes input = {bench->acks, bench->size};
    enum verify_verdict verdict = VERIFY_OK;

    bench->ledger.sent = sent;
    while (input.size >= ACK_FRAME_SIZE && verdict != VERIFY_UNFRAMED) {
        verdict = VERIFY_OK;
        if (verify_run(&bench->verify, &input, sent, &bench->ledger) == 0)
            verdict = verify_one(&bench->verify, &input, sent, &bench->ledger);
    }
    bench->size = 0;
    return verdict;
}

/* What the end of a connection does to the ledger. */
static void finish(struct bench *bench)
{
    bench->ledger.lost += bench->ledger.sent - bench->verify.top + bench->verify.missing_count;
    assert_true(ledger_closes(&bench->ledger));
}

static void ids_count_in_decimal_and_wrap(void **state)
{
    (void)state;
    uint32_t number;

    assert_memory_equal(&(uint64_t){htobe64(id_of(1))}, "00000001", 8);
    assert_memory_equal(&(uint64_t){htobe64(id_of(12345678))}, "12345678", 8);
    for (uint64_t n = 0; n < 1100000; n++)
        assert_true(id_next(id_of(n)) == id_of(n + 1));
    for (uint64_t n = ID_COUNT - 1100; n < ID_COUNT + 1100; n += ID_DECADE_COUNT) {
        assert_true(id_starts_decade(id_of(n)));
        assert_false(id_starts_decade(id_of(n + 1)));
        assert_true(id_next_decade(id_of(n)) == id_of(n + ID_DECADE_COUNT));
    }
    for (uint64_t n = ID_COUNT - 1100; n < ID_COUNT + 1100; n++)
        assert_true(id_next(id_of(n)) == id_of(n + 1));
    assert_true(id_of(ID_COUNT) == id_of(0));
    assert_true(id_parse(id_of(90817263), &number) && number == 90817263);
    assert_false(id_parse(id_of(1) + 9 * 0x100 + 0x100, &number));
    assert_false(id_parse(id_of(0) - 1, &number));
}

/* One wrong bit in any byte of any of 36 acks, from three places in a decade on: the run ends just
 * there.  The acks are in memory of exactly their size. */
static void a_wrong_bit_ends_the_run_at_its_ack(void **state)
{
    (void)state;
    enum { COUNT = 36 };
    uint8_t *const acks = malloc((size_t)COUNT * ACK_FRAME_SIZE);
    assert_non_null(acks);
    for (uint64_t first = 99; first <= 101; first++) {
        for (size_t wrong = 0; wrong <= (size_t)COUNT * ACK_FRAME_SIZE; wrong++) {
            struct bench bench;
            struct bytes input = {acks, (size_t)COUNT * ACK_FRAME_SIZE};
            setup(&bench, DIALECT_RULE_SPEC);
            for (uint64_t i = 0; i < COUNT; i++)
                put(&bench, first + i);
            memcpy(acks, bench.acks, input.size);
            if (wrong < input.size)
                acks[wrong] ^= 1;
            bench.verify.top = first - 1;
            bench.verify.expected_id = id_of(first);
            const uint64_t taken = verify_run(&bench.verify, &input, first + 99, &bench.ledger);
            assert_int_equal(taken, wrong / ACK_FRAME_SIZE);
            assert_true(bench.verify.expected_id == id_of(first + taken));
            assert_int_equal(input.size, (COUNT - taken) * ACK_FRAME_SIZE);
        }
    }
    free(acks);
}

static void acks_in_order_are_ok(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    for (uint64_t sequence = 1; sequence <= WINDOW; sequence++)
        put(&bench, sequence);
    judge(&bench, WINDOW);
    assert_int_equal(bench.ledger.ok, WINDOW);
    assert_int_equal(bench.verify.top, WINDOW);
    assert_true(ledger_is_clean(&bench.ledger));
    assert_true(ledger_closes(&bench.ledger));
}

static void a_split_ack_is_left(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    put(&bench, 1);
    put(&bench, 2);
    struct bytes input = {bench.acks, 2 * ACK_FRAME_SIZE - 1};
    assert_int_equal(verify_run(&bench.verify, &input, 9, &bench.ledger), 1);
    assert_int_equal(input.size, ACK_FRAME_SIZE - 1);
    assert_ptr_equal(input.data, bench.acks + ACK_FRAME_SIZE);
}

static void an_ack_that_never_comes_is_lost(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    put(&bench, 1);
    put(&bench, 4);
    put(&bench, 5);
    assert_int_equal(judge(&bench, 6), VERIFY_OK);
    finish(&bench);
    assert_int_equal(bench.ledger.ok, 3);
    assert_int_equal(bench.ledger.lost, 3);
    assert_int_equal(bench.ledger.out_of_order, 0);
}

static void an_overtaken_ack_is_out_of_order(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    put(&bench, 2);
    put(&bench, 1);
    assert_int_equal(judge(&bench, 3), VERIFY_OUT_OF_ORDER);
    put(&bench, 3);
    judge(&bench, 3);
    finish(&bench);
    assert_int_equal(bench.ledger.ok, 3);
    assert_int_equal(bench.ledger.out_of_order, 1);
    assert_int_equal(bench.ledger.lost, 0);
    assert_false(ledger_is_clean(&bench.ledger));
}

static void a_second_ack_is_a_duplicate(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    put(&bench, 1);
    put(&bench, 1);
    assert_int_equal(judge(&bench, 3), VERIFY_DUPLICATE);
    put(&bench, 3);
    put(&bench, 2);
    put(&bench, 2);
    put(&bench, 3);
    assert_int_equal(judge(&bench, 3), VERIFY_DUPLICATE);
    finish(&bench);
    assert_int_equal(bench.ledger.ok, 3);
    assert_int_equal(bench.ledger.duplicate, 3);
    assert_int_equal(bench.ledger.out_of_order, 1);
}

static void ids_that_were_not_sent_are_unknown(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    put(&bench, 1);
    put(&bench, 2); /* not sent yet, although it is the next */
    put(&bench, 0);
    put(&bench, 77);
    put_raw(&bench, COMMAND_SUBMIT_ACK, load_be64((const uint8_t *)"0000x001"), RESULT_OK);
    assert_int_equal(judge(&bench, 1), VERIFY_UNKNOWN);
    finish(&bench);
    assert_int_equal(bench.ledger.ok, 1);
    assert_int_equal(bench.ledger.unknown, 4);
}

static void other_results_are_failures(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    put(&bench, 1);
    put_raw(&bench, COMMAND_SUBMIT_ACK, id_of(2), RESULT_FAILED);
    put(&bench, 3);
    put_raw(&bench, COMMAND_SUBMIT_ACK, id_of(4), 255);
    assert_int_equal(judge(&bench, 4), VERIFY_FAILED);
    finish(&bench);
    assert_int_equal(bench.ledger.ok, 2);
    assert_int_equal(bench.ledger.failed, 2);
    assert_int_equal(bench.ledger.out_of_order, 0);
}

static void other_commands_are_malformed(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    put_raw(&bench, COMMAND_CONN_ACK, id_of(1), RESULT_OK);
    put_raw(&bench, COMMAND_SUBMIT, id_of(1), RESULT_OK);
    assert_int_equal(judge(&bench, 2), VERIFY_MALFORMED);
    put(&bench, 1);
    put(&bench, 2);
    judge(&bench, 2);
    finish(&bench);
    assert_int_equal(bench.ledger.malformed, 2);
    assert_int_equal(bench.ledger.ok, 2);
}

static void another_length_cannot_be_followed(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_ANY);
    put(&bench, 1);
    put(&bench, 2);
    store_be32(bench.acks + ACK_FRAME_SIZE, ACK_FRAME_SIZE + 1);
    assert_int_equal(judge(&bench, 2), VERIFY_UNFRAMED);
    assert_int_equal(bench.ledger.ok, 1);
    assert_int_equal(bench.ledger.malformed, 1);
}

static void any_dialect_is_learned_from_the_first_ack(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_ANY);
    put_raw(&bench, COMMAND_DEMO_SUBMIT_ACK, id_of(1), RESULT_OK);
    put_raw(&bench, COMMAND_DEMO_SUBMIT_ACK, id_of(2), RESULT_OK);
    put(&bench, 3);
    assert_int_equal(judge(&bench, 3), VERIFY_MALFORMED);
    assert_int_equal(bench.ledger.ok, 2);

    setup(&bench, DIALECT_RULE_ANY);
    put(&bench, 1);
    put(&bench, 2);
    judge(&bench, 2);
    assert_int_equal(bench.ledger.ok, 2);
}

/* Where no dialect is known yet, nothing may pass for one. */
static void a_command_of_zero_is_malformed(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_ANY);
    put_raw(&bench, 0, id_of(1), RESULT_OK);
    put_raw(&bench, 0, id_of(2), RESULT_OK);
    assert_int_equal(judge(&bench, 2), VERIFY_MALFORMED);
    assert_int_equal(bench.ledger.ok, 0);
    assert_int_equal(bench.ledger.malformed, 2);

    setup(&bench, DIALECT_RULE_ANY);
    put_raw(&bench, 0, id_of(1), RESULT_OK);
    store_be32(bench.acks, 0);
    assert_int_equal(judge(&bench, 1), VERIFY_UNFRAMED);
    assert_int_equal(bench.ledger.ok, 0);
    assert_int_equal(bench.ledger.malformed, 1);
}

static void a_strict_dialect_refuses_the_other(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_DEMO);
    put(&bench, 1);
    assert_int_equal(judge(&bench, 1), VERIFY_MALFORMED);
    put_raw(&bench, COMMAND_DEMO_SUBMIT_ACK, id_of(1), RESULT_OK);
    judge(&bench, 1);
    finish(&bench);
    assert_int_equal(bench.ledger.ok, 1);
}

/* Any bytes at all: the ledger must close whatever comes. */
static void random_acks_always_close_the_ledger(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    for (uint64_t round = 0; round < 2000; round++) {
        const uint64_t sent = bench.verify.top + WINDOW;
        for (int i = 0; i < 40; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const uint64_t drawn = random >> 33;
            uint64_t sequence = bench.verify.top + 1 + (uint64_t)i;
            if (drawn % 7 == 0)
                sequence += drawn / 8 % 90;
            if (drawn % 11 == 0 && sequence > 2000)
                sequence -= drawn / 16 % 2000;
            put_raw(&bench, drawn % 31 == 0 ? COMMAND_CONN_ACK : COMMAND_SUBMIT_ACK,
                    id_of(sequence), drawn % 13 == 0);
        }
        judge(&bench, sent);
        uint32_t missing_count = 0;
        for (size_t i = 0; i < MEMORY_COUNT / 64; i++)
            missing_count += (uint32_t)__builtin_popcountll(bench.missing[i]);
        assert_int_equal(missing_count, bench.verify.missing_count);
        const uint64_t settled = bench.ledger.ok + bench.ledger.failed + bench.ledger.lost;
        assert_true(settled + missing_count == bench.verify.top);
    }
    finish(&bench);
    assert_true(bench.ledger.duplicate > 0 && bench.ledger.out_of_order > 0);
    assert_true(bench.ledger.lost > 0 && bench.ledger.malformed > 0);
}

static void a_message_that_is_forgotten_is_lost_once(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    for (uint64_t sequence = 2; sequence <= MEMORY_COUNT + 1; sequence++) {
        put(&bench, sequence);
        judge(&bench, sequence);
    }
    assert_int_equal(bench.ledger.lost, 1);
    assert_int_equal(bench.verify.missing_count, 0);
    put(&bench, 1);
    assert_int_equal(judge(&bench, MEMORY_COUNT + 1), VERIFY_DUPLICATE);
    finish(&bench);
    assert_int_equal(bench.ledger.lost, 1);
}

static void ids_wrap_in_the_middle_of_a_connection(void **state)
{
    (void)state;
    const uint64_t start = ID_COUNT - 5;
    struct bench bench;
    setup(&bench, DIALECT_RULE_SPEC);
    bench.verify.top = start;
    bench.verify.expected_id = id_of(start + 1);
    for (uint64_t sequence = start + 1; sequence <= start + 20; sequence++) {
        if (sequence != ID_COUNT)
            put(&bench, sequence);
    }
    put(&bench, ID_COUNT);
    put(&bench, start + 1);
    put(&bench, start + 21); /* not sent: and not one of a round before either */
    judge(&bench, start + 20);
    assert_int_equal(bench.ledger.ok, 20);
    assert_int_equal(bench.ledger.out_of_order, 1);
    assert_int_equal(bench.ledger.duplicate, 1);
    assert_int_equal(bench.ledger.unknown, 1);
}

static void the_memory_is_a_power_of_two_and_twice_the_window(void **state)
{
    (void)state;
    assert_int_equal(verify_memory_count(1), VERIFY_MEMORY_MIN);
    assert_int_equal(verify_memory_count(512), 1024);
    assert_int_equal(verify_memory_count(513), 2048);
    assert_int_equal(verify_memory_count(1000000), 2097152);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_count_in_decimal_and_wrap),
        cmocka_unit_test(a_wrong_bit_ends_the_run_at_its_ack),
        cmocka_unit_test(acks_in_order_are_ok),
        cmocka_unit_test(a_split_ack_is_left),
        cmocka_unit_test(an_ack_that_never_comes_is_lost),
        cmocka_unit_test(an_overtaken_ack_is_out_of_order),
        cmocka_unit_test(a_second_ack_is_a_duplicate),
        cmocka_unit_test(ids_that_were_not_sent_are_unknown),
        cmocka_unit_test(other_results_are_failures),
        cmocka_unit_test(other_commands_are_malformed),
        cmocka_unit_test(another_length_cannot_be_followed),
        cmocka_unit_test(any_dialect_is_learned_from_the_first_ack),
        cmocka_unit_test(a_command_of_zero_is_malformed),
        cmocka_unit_test(a_strict_dialect_refuses_the_other),
        cmocka_unit_test(random_acks_always_close_the_ledger),
        cmocka_unit_test(a_message_that_is_forgotten_is_lost_once),
        cmocka_unit_test(ids_wrap_in_the_middle_of_a_connection),
        cmocka_unit_test(the_memory_is_a_power_of_two_and_twice_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
