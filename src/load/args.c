/* SPDX-License-Identifier: MIT
 *
 * args - the command line of a command that hands options on (args.h) */
#include "load/args.h"

#include <string.h>

#include "base/clock.h"
#include "base/units.h"

#define TIME_MAX_NS (24 * 3600 * NS_PER_S)

/* The rule of @word, which may have =VALUE behind its name; NULL = none. */
static const struct args_rule *find_rule(const struct args_rule *rules, const char *word,
                                         const char **ret_value)
{
    if (strcmp(word, "-q") == 0)
        word = "--quiet";
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    const size_t length = strcspn(word + 2, "=");
    for (const struct args_rule *rule = rules; rule->name; rule++) {
        if (strlen(rule->name) != length || strncmp(rule->name, word + 2, length) != 0)
            continue;
        *ret_value = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
        return rule;
    }
    return NULL;
}

/* Takes one of the command's own options; moves *@index over its value. */
static int take(const struct args_rule *rule, const char *value, int argc, char **argv, int *index,
                struct ackd_error *error)
{
    if (rule->flag) {
        if (value)
            return error_raise(error, -EINVAL, "--%s takes no value", rule->name);
        *rule->flag = true;
        return 0;
    }
    if (!value && *index + 1 >= argc)
        return error_raise(error, -EINVAL, "--%s wants a value", rule->name);
    *rule->value = value ? value : argv[++*index];
    return 0;
}

static int hand_on(const char *word, bool hands_on, const char *command, struct args *args,
                   struct ackd_error *error)
{
    if (!hands_on)
        return error_raise(error, -EINVAL, "'%s': ackload %s does not know that; try --help", word,
                           command);
    if (args->rest_count == ARGS_REST_MAX)
        return error_raise(error, -EINVAL, "more than %d words for the runs", ARGS_REST_MAX);
    args->rest[args->rest_count++] = word;
    return 0;
}

int args_sort(int argc, char **argv, const struct args_rule *rules, int name_max, bool hands_on,
              struct args *ret_args, struct ackd_error *error)
{
    int status = 0;

    *ret_args = (struct args){0};
    for (int i = 1; i < argc && status == 0; i++) {
        const char *value = NULL;
        const struct args_rule *const rule = find_rule(rules, argv[i], &value);
        if (rule)
            status = take(rule, value, argc, argv, &i, error);
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            ret_args->help = true;
        else if (argv[i][0] != '-' && ret_args->rest_count == 0 && ret_args->name_count < name_max)
            ret_args->names[ret_args->name_count++] = argv[i];
        else
            status = hand_on(argv[i], hands_on, argv[0], ret_args, error);
    }
    return status;
}

const char *args_find(const struct args *args, const char *name, char letter)
{
    const char *found = NULL;

    for (int i = 0; i < args->rest_count; i++) {
        const char *const word = args->rest[i];
        const bool is_long = strncmp(word, "--", 2) == 0;
        const size_t length = strlen(name);
        if (is_long && strcmp(word + 2, name) == 0)
            found = i + 1 < args->rest_count ? args->rest[i + 1] : NULL;
        else if (is_long && strncmp(word + 2, name, length) == 0 && word[2 + length] == '=')
            found = word + 2 + length + 1;
        else if (letter && word[0] == '-' && word[1] == letter)
            found = word[2] ? word + 2 : i + 1 < args->rest_count ? args->rest[i + 1] : NULL;
    }
    return found;
}

int args_count(const char *option, const char *value, uint32_t min, uint32_t max,
               uint32_t *ret_count, struct ackd_error *error)
{
    uint64_t count;

    if (!value)
        return 0;
    if (!units_parse_count(value, &count) || count < min || count > max)
        return error_raise(error, -EINVAL, "--%s '%s': give a number from %u to %u", option, value,
                           min, max);
    *ret_count = (uint32_t)count;
    return 0;
}

int args_time(const char *option, const char *value, uint64_t *ret_ns, struct ackd_error *error)
{
    uint64_t ns;

    if (!value)
        return 0;
    if (!units_parse_duration_ns(value, &ns) || ns < NS_PER_MS || ns > TIME_MAX_NS)
        return error_raise(error, -EINVAL,
                           "--%s '%s': give a time from 1ms to 24h, such as 500ms or 10s", option,
                           value);
    *ret_ns = ns;
    return 0;
}
