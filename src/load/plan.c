/* SPDX-License-Identifier: MIT
 *
 * plan - what a run sends (plan.h) */
#include "load/plan.h"

#include <stdlib.h>

enum { WORD_COUNT = 64 };

/* The words are as long as those of the teaching client, in the same proportions: with "-" and
 * "-" and four hex digits, payloads of 12 to 31 bytes, 20.5 on average. */
static const char *const adjectives[WORD_COUNT] = {
    "shy",      "able",     "bold",     "calm",     "fair",     "keen",     "warm",     "wise",
    "brave",    "clean",    "crisp",    "eager",    "fresh",    "grand",    "noble",    "quick",
    "sunny",    "bright",   "candid",   "gentle",   "golden",   "honest",   "lively",   "mellow",
    "modest",   "nimble",   "polite",   "serene",   "steady",   "tender",   "amazing",  "blessed",
    "capable",  "careful",  "elegant",  "genuine",  "helpful",  "patient",  "radiant",  "sincere",
    "stellar",  "thrifty",  "upright",  "fearless", "adequate", "balanced", "cheerful", "colorful",
    "creative", "dazzling", "faithful", "generous", "graceful", "grateful", "harmless", "inspired",
    "laughing", "magnetic", "peaceful", "powerful", "reliable", "sensible", "spirited", "stunning",
};

static const char *const nouns[WORD_COUNT] = {
    "owl",           "lynx",          "kite",           "moth",
    "crane",         "comet",         "heron",          "maple",
    "otter",         "raven",         "tiger",          "wheel",
    "badger",        "beacon",        "canyon",         "falcon",
    "harbor",        "lagoon",        "meadow",         "rocket",
    "walrus",        "zephyr",        "buffalo",        "cyclone",
    "dolphin",       "glacier",       "lantern",        "monsoon",
    "phoenix",       "sparrow",       "volcano",        "blizzard",
    "elephant",      "mountain",      "nightjar",       "pinnacle",
    "shipyard",      "squirrel",      "windmill",       "albatross",
    "blackbird",     "fireplace",     "grapevine",      "hurricane",
    "porcupine",     "satellite",     "blacksmith",     "chimpanzee",
    "lighthouse",    "moon-rider",    "polar-star",     "pathfinder",
    "fire-walker",   "grasshopper",   "hummingbird",    "storm-rider",
    "sand-dancer",   "river-dancer",  "kaleidoscope",   "night-walker",
    "constellation", "harbor-master", "wind-whisperer", "the-stargazer-owl",
};

/* Splitmix64: small, good enough for words, and the same everywhere. */
static uint64_t draw(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

static size_t put_text(uint8_t *to, const char *text)
{
    const size_t size = strlen(text);
    memcpy(to, text, size);
    return size;
}

static void put_hex(uint8_t *to, uint64_t value, size_t digit_count)
{
    for (size_t i = 0; i < digit_count; i++)
        to[i] = (uint8_t) "0123456789abcdef"[value >> 4 * i & 15];
}

/* Writes adjective-noun-hex to @to (PLAN_TEACHING_SIZE_MAX bytes) and returns its size. */
static size_t put_teaching(uint8_t *to, uint64_t *random)
{
    const uint64_t drawn = draw(random);
    size_t size = put_text(to, adjectives[drawn % WORD_COUNT]);

    to[size++] = '-';
    size += put_text(to + size, nouns[drawn / WORD_COUNT % WORD_COUNT]);
    to[size++] = '-';
    put_hex(to + size, drawn >> 48, 4);
    return size + 4;
}

static void put_random(uint8_t *to, size_t size, uint64_t *random)
{
    for (size_t done = 0; done < size; done += 16)
        put_hex(to + done, draw(random), size - done < 16 ? size - done : 16);
}

static uint32_t choose_frame_count(const struct plan_options *options)
{
    if (options->teaching)
        return PLAN_FRAME_COUNT_MAX;

    const uint32_t count = PLAN_SIZE_WANTED / (REQUEST_FRAME_SIZE_MIN + options->payload_size);
    if (count < 1)
        return 1;
    return count < PLAN_FRAME_COUNT_MAX ? count : PLAN_FRAME_COUNT_MAX;
}

static uint64_t hash_bytes(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Writes all frames; each has room for the longest payload.  @payload is scratch. */
static void put_frames(struct plan *plan, const struct plan_options *options, uint8_t *payload)
{
    static const uint8_t no_id[PACKET_ID_SIZE];
    uint64_t random = options->seed;
    size_t at = 0;

    for (uint32_t i = 0; i < plan->frame_count; i++) {
        size_t size = options->payload_size;
        if (options->teaching)
            size = put_teaching(payload, &random);
        else
            put_random(payload, size, &random);
        plan->offsets[i] = (uint32_t)at;
        at += packet_encode_request(plan->frames + at, COMMAND_SUBMIT, no_id,
                                    (struct bytes){payload, size});
    }
    plan->offsets[plan->frame_count] = (uint32_t)at;
}

int plan_init(struct plan *plan, const struct plan_options *options, struct ackd_error *error)
{
    assert(options->payload_size <= PLAN_PAYLOAD_SIZE_MAX);

    const size_t payload_size_max =
        options->teaching ? (size_t)PLAN_TEACHING_SIZE_MAX : options->payload_size;
    const uint32_t count = choose_frame_count(options);
    struct plan made = {
        .frames = malloc(count * (REQUEST_FRAME_SIZE_MIN + payload_size_max)),
        .offsets = calloc(count + 1, sizeof *made.offsets),
        .frame_count = count,
    };
    uint8_t *const payload = malloc(payload_size_max + 1);

    if (!made.frames || !made.offsets || !payload) {
        free(payload);
        plan_deinit(&made);
        return error_raise(error, -ENOMEM, "no memory for the frames to send");
    }
    put_frames(&made, options, payload);
    made.hash = hash_bytes(made.frames, made.offsets[count]);
    free(payload);
    *plan = made;
    return 0;
}

void plan_deinit(struct plan *plan)
{
    free(plan->frames);
    free(plan->offsets);
    *plan = (struct plan){0};
}

double plan_mean_frame_size(const struct plan *plan)
{
    return (double)plan->offsets[plan->frame_count] / plan->frame_count;
}
