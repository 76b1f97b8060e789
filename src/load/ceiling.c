/* SPDX-License-Identifier: MIT
 *
 * ceiling - what the selftest found (ceiling.h) */
#include "load/ceiling.h"

#include <jansson.h>
#include <sys/stat.h>

#define SCHEMA "ackload-selftest/1"

static json_t *size_of(bool teaching, uint32_t payload_size)
{
    return teaching ? json_string("teaching") : json_integer(payload_size);
}

static json_t *make_entry(const struct ceiling *ceiling)
{
    return json_pack("{s:i, s:I, s:i, s:o, s:f, s:f, s:f, s:f, s:f, s:i}", "connections",
                     (int)ceiling->connection_count, "depth", (json_int_t)ceiling->depth, "threads",
                     (int)ceiling->thread_count, "size",
                     size_of(ceiling->teaching, ceiling->payload_size), "acks_per_s", ceiling->rate,
                     "bare_acks_per_s", ceiling->bare_rate, "ratio", ceiling->ratio,
                     "client_ns_per_ack", ceiling->cpu_ns, "bare_ns_per_ack", ceiling->bare_cpu_ns,
                     "starved_pairs", (int)ceiling->starved_count);
}

static bool is_same(const json_t *a, const json_t *b, const char *key)
{
    return json_equal(json_object_get(a, key), json_object_get(b, key)) == 1;
}

/* Puts @entry into @entries, in the place of one of its shape if there is one. */
static void put_entry(json_t *entries, json_t *entry)
{
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *const old = json_array_get(entries, i);
        if (is_same(old, entry, "connections") && is_same(old, entry, "depth") &&
            is_same(old, entry, "threads") && is_same(old, entry, "size")) {
            json_array_set_new(entries, i, entry);
            return;
        }
    }
    json_array_append_new(entries, entry);
}

/* The entries of the file, or a new list. */
static json_t *read_entries(const char *path)
{
    json_t *const root = json_load_file(path, 0, NULL);
    json_t *entries = json_object_get(root, "entries");

    entries = json_is_array(entries) ? json_incref(entries) : json_array();
    json_decref(root);
    return entries;
}

int ceiling_store(const char *path, const struct ceiling *ceilings, uint32_t count,
                  const struct ceiling_pacing *pacing, struct ackd_error *error)
{
    json_t *const entries = read_entries(path);
    char folder[256] = "";
    const char *const slash = strrchr(path, '/');

    for (uint32_t i = 0; i < count; i++)
        put_entry(entries, make_entry(&ceilings[i]));
    json_t *const root =
        json_pack("{s:s, s:o, s:{s:s, s:I, s:I}}", "schema", SCHEMA, "entries", entries, "pacing",
                  "idle", options_idle_name(pacing->idle), "p50_ns", (json_int_t)pacing->p50_ns,
                  "p99_ns", (json_int_t)pacing->p99_ns);

    if (slash && (size_t)(slash - path) < sizeof folder) {
        memcpy(folder, path, (size_t)(slash - path));
        mkdir(folder, 0777);
    }
    const int failed = json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(root);
    return failed ? error_raise(error, -EIO, "%s: cannot write", path) : 0;
}

double ceiling_find(const char *path, const struct options *options, double batch)
{
    json_t *const entries = read_entries(path);
    json_t *const size = size_of(options->plan.teaching, options->plan.payload_size);
    double found_depth = 0;
    double rate = 0;

    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *const entry = json_array_get(entries, i);
        const double depth = json_number_value(json_object_get(entry, "depth"));
        const bool fits = json_equal(json_object_get(entry, "size"), size) &&
                          json_integer_value(json_object_get(entry, "threads")) ==
                              (json_int_t)options->thread_count;
        /* Below the batch the deepest is best, above it the shallowest. */
        const bool better =
            rate <= 0 ||
            (depth <= batch ? found_depth > batch || depth > found_depth : depth < found_depth);
        if (!fits || !better)
            continue;
        found_depth = depth;
        rate = json_number_value(json_object_get(entry, "acks_per_s"));
    }
    json_decref(size);
    json_decref(entries);
    return rate;
}
