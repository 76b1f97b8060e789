/* SPDX-License-Identifier: MIT
 *
 * hlog - a HdrHistogram log (hlog.h) */
#include "load/hlog.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "base/bytes.h"

enum {
    COOKIE_V2 = 0x1c849313,
    COOKIE_V2_DEFLATED = 0x1c849314,
    DEFLATED_HEADER_SIZE = 8,
    SIGNIFICANT_DIGITS = 2,
};

#define VALUE_MAX ((UINT64_C(1) << LATENCY_VALUE_BITS) - 1)

/* HdrHistogram halves its sub-buckets in the same way; with two digits there are 128 to an octave.
 */
static_assert(LATENCY_STEP_COUNT == 128, "the buckets are those of two significant digits");

/* Writes a signed number: zigzag, then seven bits to a byte; the ninth byte has eight. */
static uint8_t *put_number(uint8_t *to, int64_t number)
{
    uint64_t rest = (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);

    for (int i = 0; i < 8; i++) {
        if (rest < 0x80) {
            *to++ = (uint8_t)rest;
            return to;
        }
        *to++ = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    *to++ = (uint8_t)rest;
    return to;
}

/* Writes the counts; a run of empty buckets is its length, negative. */
static uint8_t *put_counts(uint8_t *to, const struct latency_sum *latency)
{
    size_t end = LATENCY_BUCKET_COUNT;
    int64_t empty_count = 0;

    while (end > 0 && latency->bucket[end - 1] == 0)
        end--;
    for (size_t i = 0; i < end; i++) {
        if (latency->bucket[i] == 0) {
            empty_count++;
            continue;
        }
        if (empty_count > 0)
            to = put_number(to, -empty_count);
        empty_count = 0;
        to = put_number(to, (int64_t)latency->bucket[i]);
    }
    return to;
}

size_t hlog_encode(const struct latency_sum *latency, uint8_t *to)
{
    uint8_t *const counts = to + HLOG_HEADER_SIZE;
    const uint8_t *const end = put_counts(counts, latency);

    store_be32(to, COOKIE_V2);
    store_be32(to + 4, (uint32_t)(end - counts));
    store_be32(to + 8, 0); /* normalizing index offset */
    store_be32(to + 12, SIGNIFICANT_DIGITS);
    store_be64(to + 16, 1); /* lowest discernible value */
    store_be64(to + 24, VALUE_MAX);
    store_be64(to + 32, UINT64_C(0x3ff0000000000000)); /* conversion ratio: the double 1.0 */
    return (size_t)(end - to);
}

void hlog_base64(const uint8_t *from, size_t size, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits = (uint32_t)from[i] << 16 |
                              (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)from[i + 2] : 0);
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[bits & 63] : '=';
    }
    *to = '\0';
}

int hlog_begin(FILE *to, double start_s)
{
    const time_t start = (time_t)start_s;
    char text[64] = "";
    struct tm parts;

    if (gmtime_r(&start, &parts))
        strftime(text, sizeof text, "%a %b %d %H:%M:%S UTC %Y", &parts);
    const int wrote = fprintf(to,
                              "#[Interval histograms of ackload, in nanoseconds]\n"
                              "#[Histogram log format version 1.3]\n"
                              "#[StartTime: %.3f (seconds since epoch), %s]\n"
                              "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                              "\"Interval_Compressed_Histogram\"\n",
                              start_s, text);
    return wrote < 0 ? -EIO : 0;
}

/* Encodes, deflates and writes @latency in base64.  The buffers are scratch. */
static int put_histogram(FILE *to, const struct latency_sum *latency, uint8_t *encoded,
                         uint8_t *deflated, uLongf deflated_size, char *text)
{
    const size_t size = hlog_encode(latency, encoded);

    if (compress(deflated + DEFLATED_HEADER_SIZE, &deflated_size, encoded, size) != Z_OK)
        return -EIO;
    store_be32(deflated, COOKIE_V2_DEFLATED);
    store_be32(deflated + 4, (uint32_t)deflated_size);
    hlog_base64(deflated, DEFLATED_HEADER_SIZE + deflated_size, text);
    return fprintf(to, "%s\n", text) < 0 ? -EIO : 0;
}

int hlog_put(FILE *to, const char *tag, double at_s, double length_s,
             const struct latency_sum *latency)
{
    const uLong deflated_size = compressBound(HLOG_ENCODED_SIZE_MAX);
    const size_t whole_size = DEFLATED_HEADER_SIZE + deflated_size;
    uint8_t *const encoded = malloc(HLOG_ENCODED_SIZE_MAX);
    uint8_t *const deflated = malloc(whole_size);
    char *const text = malloc(4 * ((whole_size + 2) / 3) + 1);
    int status = -ENOMEM;

    if (encoded && deflated && text) {
        status = fprintf(to, "%s%s%s%.3f,%.3f,%.3f,", tag ? "Tag=" : "", tag ? tag : "",
                         tag ? "," : "", at_s, length_s, (double)latency->max_ns / 1e6) < 0
                     ? -EIO
                     : put_histogram(to, latency, encoded, deflated, deflated_size, text);
    }
    free(encoded);
    free(deflated);
    free(text);
    return status;
}
