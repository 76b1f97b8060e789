/* SPDX-License-Identifier: MIT
 *
 * sandbox - ackd gives up what it does not need (sandbox.h) */
#include "ackd/sandbox.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "ackd/calls.h"
#include "ackd/files.h"
#include "base/address.h"

enum { CAPABILITY_COUNT = 64, PATH_SIZE = 4096 };

/* LeakSanitizer stops the other threads by ptrace when the process ends, from one that it clones:
 * the very thing that is forbidden. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_INSTRUMENTED true
#elif defined(__has_feature)
#define IS_INSTRUMENTED __has_feature(address_sanitizer)
#else
#define IS_INSTRUMENTED false
#endif

/* Capabilities are two words of 32 bits each. */
struct capabilities {
    struct __user_cap_data_struct words[2];
};

/* Keeps of the capabilities that this thread has those in @kept (bits of the first word). */
static void keep_capabilities(uint32_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct capabilities now;
    bool has_more = false;

    for (unsigned long i = 0; i < CAPABILITY_COUNT; i++) {
        if (i >= 32 || !(kept & 1U << i))
            prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* fails for who has none to drop */
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &header, now.words) < 0)
        return;
    for (int i = 0; i < 2; i++) {
        const uint32_t mask = i == 0 ? kept : 0;
        has_more |= ((now.words[i].effective | now.words[i].permitted) & ~mask) != 0;
        has_more |= now.words[i].inheritable != 0;
        now.words[i].effective &= mask;
        now.words[i].permitted &= mask;
        now.words[i].inheritable = 0;
    }
    if (has_more) /* who has none, as in dist/ackd.service, may not be allowed the call either */
        syscall(SYS_capset, &header, now.words);
}

/* The folder of the socket that @listen, the value of an option, names; NULL for none. */
static void allow_listen(struct files *files, const char *listen)
{
    char text[PATH_SIZE];
    struct address address;

    if (!listen)
        return;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(listen, ","), listen);
    if (address_parse(text, false, &address, NULL) == 0 && address_unix_path(&address))
        files_allow_folder_of(files, address_unix_path(&address), FILES_SOCKET);
}

/* The files that options name.  Folders where that may be put in place anew. */
static void allow_options(struct files *files, const struct options *options)
{
    static const char append[] = "append:";

    if (options->config)
        files_allow_folder_of(files, options->config, FILES_READ);
    if (options->ports_file)
        files_allow_folder_of(files, options->ports_file, FILES_WRITE);
    if (options->profile_on_exit)
        files_allow_folder_of(files, options->profile_on_exit, FILES_WRITE);
    if (strncmp(options->handler, append, sizeof append - 1) == 0)
        files_allow_folder_of(files, options->handler + sizeof append - 1, FILES_WRITE);
    for (size_t i = 0; i < options->server.listen_count; i++)
        allow_listen(files, options->server.listen[i]);
    allow_listen(files, options->metrics_listen);
    allow_listen(files, options->pprof_listen);
}

/* What metrics read, and the memory that the cgroup allows, and what names the addresses of
 * profiles: code and its debug information. */
static void allow_own(struct files *files)
{
    static const char *const in_proc[] = {"/proc/self", "/proc/sys/vm"};
    static const char *const paths[] = {
        "/sys/devices/system/cpu",
        "/sys/fs/cgroup",
        "/usr/lib",
        "/usr/local/lib",
        "/lib",
        "/lib64",
        "/usr/lib64",
    };
    char program[PATH_SIZE];
    const ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);

    for (size_t i = 0; i < sizeof in_proc / sizeof in_proc[0]; i++)
        files_allow(files, in_proc[i], FILES_READ | FILES_KEEP);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        files_allow(files, paths[i], FILES_READ);
    if (size > 0) {
        program[size] = '\0';
        files_allow_folder_of(files, program, FILES_READ);
    }
}

static int restrict_files(struct sandbox *sandbox, const struct options *options,
                          struct ackd_error *error)
{
    const char *const notify = getenv("NOTIFY_SOCKET");
    struct files files;

    files_init(&files, !notify || notify[0] != '@');
    allow_options(&files, options);
    allow_own(&files);
    const int version = files_restrict(&files, error);
    sandbox->landlock = version < 0 ? 0 : version;
    return version < 0 ? version : 0;
}

int sandbox_begin(struct sandbox *sandbox, const struct options *options, struct ackd_error *error)
{
    const bool strict = options->sandbox == SANDBOX_STRICT;

    *sandbox = (struct sandbox){.level = IS_INSTRUMENTED ? SANDBOX_OFF : options->sandbox};
    if (sandbox->level == SANDBOX_OFF)
        return 0;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (strict)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    /* The last: without it the rings of all processes of a user share RLIMIT_MEMLOCK. */
    keep_capabilities(1U << CAP_NET_BIND_SERVICE | 1U << CAP_DAC_OVERRIDE | 1U << CAP_IPC_LOCK);

    int status = restrict_files(sandbox, options, error);
    if (status < 0 && strict)
        return status;
    status = calls_restrict(CALLS_START, strict, error);
    sandbox->seccomp = status == 0;
    return strict ? status : 0;
}

/* This thread is to have the calls of @role alone, and no capability. */
static void take_role(const struct sandbox *sandbox, enum calls_role role)
{
    const bool strict = sandbox->level == SANDBOX_STRICT;
    struct ackd_error error;

    if (sandbox->level != SANDBOX_OFF)
        keep_capabilities(0);
    if (!sandbox->seccomp || calls_restrict(role, strict, &error) == 0 || !strict)
        return;
    fprintf(stderr, "ackd: %s (option --sandbox)\n", error.text);
    _exit(EX_OSERR);
}

void sandbox_worker(void *self)
{
    take_role(self, CALLS_WORKER);
}

void sandbox_http(void *self)
{
    take_role(self, CALLS_HTTP);
}

void sandbox_profile(void *self)
{
    take_role(self, CALLS_PROFILE);
}

void sandbox_handler(void *self)
{
    take_role(self, CALLS_HANDLER);
}

void sandbox_serving(const struct sandbox *sandbox)
{
    take_role(sandbox, CALLS_SERVING);
}
