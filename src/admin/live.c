/* SPDX-License-Identifier: MIT
 *
 * live - what the live page shows, as JSON (live.h) */
#include "admin/live.h"

#include <ackd/version.h>
#include <ackd/watch.h>
#include <errno.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/units.h"

static const char *const range_words[HISTORY_RANGE_COUNT] = {"1m", "1h", "1d"};
static const char *const order_words[ACKD_CONNS_ORDER_COUNT] = {"rate", "queued"};

struct live {
    struct ackd_server *server;
    struct history *history;
    double *values;         /* of the sample that is taken */
    uint64_t wall_start_ms; /* since 1970, when the monotonic clock said start_ns */
    uint64_t start_ns;
    uint64_t conns_ns; /* when `conns` were asked for; 0: never */
    struct ackd_conns conns;
    char profiles_address[ADDRESS_TEXT_SIZE]; /* empty: nowhere */
    pthread_mutex_t head_lock;
    char *head; /* the part of the answer that changes with the facts only, without its braces */
};

/* --- writing JSON --- */

/* Counts are written whole, times with six places. */
static void put_number(FILE *to, double value)
{
    const int64_t whole = (int64_t)value;

    if ((double)whole == value)
        fprintf(to, "%" PRId64, whole);
    else
        fprintf(to, "%.6f", value);
}

static void put_sample(FILE *to, const struct live *live, enum history_range range, size_t index)
{
    uint64_t time_ms;
    const double *const values = history_at(live->history, range, index, &time_ms);
    const size_t count = history_value_count(live->history);

    fprintf(to, "[%" PRIu64, time_ms);
    for (size_t i = 0; i < count; i++) {
        fputc(',', to);
        put_number(to, values[i]);
    }
    fputc(']', to);
}

/* The samples of @range that are newer than @since_ms. */
static void put_samples(FILE *to, const struct live *live, enum history_range range,
                        uint64_t since_ms)
{
    const size_t count = history_count(live->history, range);
    const char *comma = "";

    for (size_t i = 0; i < count; i++) {
        uint64_t time_ms;

        history_at(live->history, range, i, &time_ms);
        if (time_ms <= since_ms)
            continue;
        fputs(comma, to);
        comma = ",\n";
        put_sample(to, live, range, i);
    }
}

/* --- what hardly changes --- */

static void put_options(FILE *to, const struct live *live, const struct ackd_admin_fact *facts,
                        size_t fact_count)
{
    fputs("\"options\":{", to);
    for (size_t i = 0; i < fact_count; i++) {
        fputs(i > 0 ? "," : "", to);
        json_put_text(to, facts[i].name);
        fputc(':', to);
        json_put_text(to, facts[i].value);
    }
    fputs("},\"profiles\":", to);
    if (live->profiles_address[0])
        json_put_text(to, live->profiles_address);
    else
        fputs("null", to);
}

static void put_names(FILE *to, const struct live *live)
{
    const size_t count = history_value_count(live->history);

    fputs("\"names\":[", to);
    for (size_t i = 0; i < count; i++) {
        char name[ACKD_SERIES_NAME_SIZE];

        ackd_server_series_name(live->server, i, name);
        fputs(i > 0 ? "," : "", to);
        json_put_text(to, name);
    }
    fputs("]", to);
}

static char *make_head(const struct live *live, const struct ackd_admin_fact *facts,
                       size_t fact_count)
{
    const struct ackd_server *const server = live->server;
    char *text = NULL;
    size_t size;
    FILE *const to = open_memstream(&text, &size);

    if (!to)
        return NULL;
    fprintf(to, "\"schema\":%d,\"server\":{\"version\":", LIVE_SCHEMA);
    json_put_text(to, ackd_version());
    fputs(",\"compiler\":", to);
    json_put_text(to, COMPILER);
    fprintf(to, ",\"pid\":%d,\"started_ms\":%" PRIu64 ",\"workers\":%u,\"conns_max\":%u,",
            (int)getpid(), live->wall_start_ms, ackd_server_worker_count(server),
            ackd_server_conns_max(server));
    fputs("\"listeners\":[", to);
    for (size_t i = 0; i < ackd_server_listen_count(server); i++) {
        fputs(i > 0 ? ",{\"address\":" : "{\"address\":", to);
        json_put_text(to, ackd_server_listen_address(server, i));
        fprintf(to, ",\"dialect\":\"%s\"}", ackd_server_listen_dialect(server, i));
    }
    fputs("],", to);
    put_options(to, live, facts, fact_count);
    fputs("},\n", to);
    put_names(to, live);
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* --- making and sampling --- */

static uint64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS;
}

/* Milliseconds since 1970, on a clock that never jumps. */
static uint64_t now_ms(const struct live *live)
{
    return live->wall_start_ms + (clock_monotonic_ns() - live->start_ns) / NS_PER_MS;
}

struct live *live_new(struct ackd_server *server, const struct ackd_admin_options *options)
{
    struct live *const live = calloc(1, sizeof *live);
    const size_t count = ackd_server_series_count(server);

    if (!live)
        return NULL;
    pthread_mutex_init(&live->head_lock, NULL);
    live->server = server;
    live->start_ns = clock_monotonic_ns();
    live->wall_start_ms = wall_ms();
    live->values = calloc(count, sizeof *live->values);
    live->history = history_new(count);
    snprintf(live->profiles_address, sizeof live->profiles_address, "%s",
             options->profiles_address ? options->profiles_address : "");
    if (live->history)
        live_set_facts(live, options->facts, options->fact_count);
    if (!live->values || !live->head) {
        live_free(live);
        return NULL;
    }
    live_tick(live);
    return live;
}

void live_free(struct live *live)
{
    if (!live)
        return;
    history_free(live->history);
    free(live->values);
    free(live->head);
    pthread_mutex_destroy(&live->head_lock);
    free(live);
}

int live_set_facts(struct live *live, const struct ackd_admin_fact *facts, size_t fact_count)
{
    char *const head = make_head(live, facts, fact_count);

    if (!head)
        return -ENOMEM;
    pthread_mutex_lock(&live->head_lock);
    char *const before = live->head;
    live->head = head;
    pthread_mutex_unlock(&live->head_lock);
    free(before);
    return 0;
}

void live_tick(struct live *live)
{
    ackd_server_series_read(live->server, live->values);
    history_add(live->history, now_ms(live), live->values);
}

/* --- questions and answers --- */

/* The index of @word among @words, or -1. */
static int find(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    return -1;
}

static bool parse_one(const char *key, const char *value, struct live_question *question)
{
    if (strcmp(key, "range") == 0) {
        const int range = find(value, range_words, HISTORY_RANGE_COUNT);
        question->range = (enum history_range)range;
        return range >= 0;
    }
    if (strcmp(key, "conns") == 0) {
        const int order = find(value, order_words, ACKD_CONNS_ORDER_COUNT);
        question->conns = true;
        question->order = (enum ackd_conns_order)order;
        return order >= 0;
    }
    return strcmp(key, "since") == 0 && units_parse_count(value, &question->since_ms);
}

bool live_parse(const char *query, struct live_question *ret_question)
{
    struct evkeyvalq pairs;
    bool legal = true;

    *ret_question = (struct live_question){.range = HISTORY_MINUTE};
    if (!query)
        return true;
    if (evhttp_parse_query_str(query, &pairs) < 0)
        return false;
    for (const struct evkeyval *pair = pairs.tqh_first; pair && legal; pair = pair->next.tqe_next)
        legal = parse_one(pair->key, pair->value, ret_question);
    evhttp_clear_headers(&pairs);
    return legal;
}

static const char *state_word(enum ackd_server_state state)
{
    switch (state) {
    case ACKD_SERVER_NEW:
        return "starting";
    case ACKD_SERVER_RUNNING:
        return "running";
    case ACKD_SERVER_DRAINING:
        return "draining";
    case ACKD_SERVER_FINISHED:
        break;
    }
    return "finished";
}

static void put_conn(FILE *to, const struct ackd_conn *conn)
{
    fprintf(to, "{\"id\":\"%u-%u-%u\",\"worker\":%u,\"peer\":", conn->worker, conn->slot,
            conn->generation, conn->worker);
    json_put_text(to, conn->peer);
    fprintf(to,
            ",\"state\":\"%s\",\"paused\":\"%s\",\"age_s\":%u,\"rate\":%.1f,\"in\":%" PRIu64
            ",\"out\":%" PRIu64 ",\"queued_bytes\":%u,\"unanswered\":%u}",
            conn->state, conn->paused, conn->age_s, conn->submit_rate, conn->submits_received,
            conn->submit_acks_sent, conn->queued_bytes, conn->unanswered);
}

/* The workers are asked at most once in LIVE_CONNS_AGE_MS, however many readers there are. */
static void put_conns(FILE *to, struct live *live, enum ackd_conns_order order)
{
    const struct ackd_conns_list *const list = &live->conns.by[order];
    const uint64_t now_ns = clock_monotonic_ns();

    if (live->conns_ns == 0 || now_ns - live->conns_ns >= LIVE_CONNS_AGE_MS * NS_PER_MS) {
        ackd_server_conns(live->server, LIVE_WAIT_MS, &live->conns);
        live->conns_ns = now_ns;
    }
    fprintf(to, ",\n\"conns\":{\"order\":\"%s\",\"workers\":%u,\"answered\":%u,\"list\":[",
            order_words[order], live->conns.worker_count, live->conns.answered_count);
    for (uint32_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ",\n" : "", to);
        put_conn(to, &list->conns[i]);
    }
    fputs("]}", to);
}

char *live_json(struct live *live, const struct live_question *question, size_t *ret_size)
{
    const size_t newest = history_count(live->history, HISTORY_MINUTE);
    char *text = NULL;
    FILE *const to = open_memstream(&text, ret_size);

    if (!to)
        return NULL;
    pthread_mutex_lock(&live->head_lock);
    fprintf(to, "{%s,\n", live->head);
    pthread_mutex_unlock(&live->head_lock);
    fprintf(to, "\"state\":\"%s\",\"now_ms\":%" PRIu64, state_word(ackd_server_state(live->server)),
            now_ms(live));
    fprintf(to, ",\"range\":\"%s\",\"length_s\":%u,\"period_s\":%u,\n\"latest\":[",
            range_words[question->range], history_length_s(question->range),
            history_period_s(question->range));
    for (size_t i = newest > 1 ? newest - 2 : 0; i < newest; i++) {
        put_sample(to, live, HISTORY_MINUTE, i);
        fputs(i + 1 < newest ? ",\n" : "", to);
    }
    fputs("],\n\"samples\":[", to);
    put_samples(to, live, question->range, question->since_ms);
    fputc(']', to);
    if (question->conns)
        put_conns(to, live, question->order);
    fputs("}\n", to);
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
