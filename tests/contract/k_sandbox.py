# SPDX-License-Identifier: MIT
"""--sandbox: what ackd can no longer do, and that it does the rest all the same.

The whole suite runs under it: --sandbox strict (or ACKD_TEST_SANDBOX), as ./dev test --all does."""
import contextlib
import errno
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import urllib.request

import pytest

import wire
from client import DEADLINE, wait_for
from network import Network
from server import fault, is_instrumented

ENGINES = ("epoll", "uring")
LEVELS = ("on", "strict")

ALL_BUT_NAMES = re.compile(r"(\w+):\s+(.*)")


@pytest.fixture(autouse=True)
def confinable(program):
    """AddressSanitizer's leak check needs ptrace: such a build has no sandbox (decision 11)."""
    if b"__asan_init" in pathlib.Path(program).read_bytes():
        pytest.skip("built with AddressSanitizer")


@pytest.fixture(scope="session", name="plain")
def plain_fixture(program):
    """ThreadSanitizer has a thread of its own, and wants to be the first of the libraries."""
    if is_instrumented(program):
        pytest.skip("built with a sanitizer")


def statuses(pid):
    """(name, /proc/PID/task/TID/status as a dict) of each thread."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            fields = dict(ALL_BUT_NAMES.findall((task / "status").read_text()))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        found.append((fields["Name"], fields))
    return found


def is_confined(fields):
    """It has its role: two filters, that of the start and its own, and no capability."""
    return fields["Seccomp_filters"] == "2" and all(
        int(fields[sort], 16) == 0 for sort in ("CapEff", "CapPrm", "CapInh", "CapAmb"))


def unconfined(pid):
    """The threads that have no role yet."""
    return [name for name, fields in statuses(pid) if not is_confined(fields)]


@contextlib.contextmanager
def profiling(started, seconds):
    """While a CPU profile is taken, which takes a thread more."""
    host, port = started.pprof_address
    taken = []
    thread = threading.Thread(target=lambda: taken.append(urllib.request.urlopen(
        f"http://{host}:{port}/debug/pprof/profile?seconds={seconds}", timeout=DEADLINE).read()))
    thread.start()
    yield
    thread.join()
    assert taken and taken[0][:2] == b"\x1f\x8b"


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_thread_is_confined(start, engine, level):
    started = start(f"--sandbox={level}", f"--engine={engine}", "--workers=2",
                    "--handler=delay:1ms", pprof="127.0.0.1:0")
    with started.connect() as client:
        client.round_trip()
    expected = {"ackd", "ackd-worker-0", "ackd-worker-1", "ackd-admin", "ackd-delay", "pprof-http",
                "pprof-jobs", "pprof-sampler"}
    with profiling(started, 1):
        wait_for(lambda: expected <= {name for name, _ in statuses(started.pid)}, "all run")
        wait_for(lambda: not unconfined(started.pid), "all have their roles")
        for name, fields in statuses(started.pid):
            assert fields["Seccomp"] == "2", name
            assert fields["NoNewPrivs"] == "1", name
    assert "event=sandbox" in started.log() and "seccomp=yes" in started.log()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("level", LEVELS)
def test_the_sampler_of_the_whole_run_is_confined(start, tmp_path, level):
    started = start(f"--sandbox={level}", "--workers=1", f"--profile-on-exit={tmp_path}/profile")
    wait_for(lambda: "pprof-sampler" in {name for name, _ in statuses(started.pid)}, "it samples")
    wait_for(lambda: not unconfined(started.pid), "all have their roles")
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert (tmp_path / "profile").read_bytes()[:2] == b"\x1f\x8b"


# Stands between ackd and syscall(2), by which it sets filters.  When thread PROBE_THREAD (or any)
# has set one, it makes the call PROBE_CALL (or all) with arguments that no call takes, and writes
# "THREAD CALL ERRNO" to the file PROBE_FILE.  With PROBE_REFUSES it refuses that filter instead.
PROBE = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <stdarg.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #include <unistd.h>

    static const struct { const char *name; long number; } calls[] = { %s };
    static int fd;
    static long (*next)(long, ...);

    __attribute__((constructor)) static void load(void)
    {
        fd = open(getenv("PROBE_FILE"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    }

    static int is_wanted(const char *variable, const char *name)
    {
        const char *const wanted = getenv(variable);
        return !wanted || strcmp(wanted, name) == 0;
    }

    static void probe(const char *thread)
    {
        char line[100];
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
            if (!is_wanted("PROBE_CALL", calls[i].name))
                continue;
            const long status = next(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);
            const int size = snprintf(line, sizeof line, "%%s %%s %%d\\n", thread, calls[i].name,
                                      status < 0 ? errno : 0);
            if (write(fd, line, size) != size)
                abort();
        }
    }

    long syscall(long number, ...)
    {
        char thread[16];
        long a[6];
        va_list list;
        va_start(list, number);
        for (int i = 0; i < 6; i++)
            a[i] = va_arg(list, long);
        va_end(list);
        if (!next) /* the allocator comes here before load() */
            next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
        if (number != SYS_seccomp)
            return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        prctl(PR_GET_NAME, thread);
        if (getenv("PROBE_REFUSES") && is_wanted("PROBE_THREAD", thread)) {
            errno = ENOMEM;
            return -1;
        }
        const long status = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (status == 0 && is_wanted("PROBE_THREAD", thread))
            probe(thread);
        return status;
    }
    """

# For each role, what the others may do and it may not.
PROBED = ("accept4", "bind", "openat", "read", "setpriority", "socket", "timer_settime")
REFUSED = {
    "ackd": {"accept4", "bind", "socket"},
    "ackd-worker-0": {"bind", "openat", "setpriority", "socket", "timer_settime"},
    "ackd-admin": {"bind", "setpriority", "timer_settime"},
    "pprof-http": {"bind", "setpriority", "timer_settime"},
    "pprof-jobs": {"accept4", "bind", "socket"},
    "ackd-delay": set(PROBED),
}


@pytest.fixture(scope="session", name="probe")
def probe_fixture(plain, tmp_path_factory):
    """The library that tries calls, as an environment."""
    assert plain is None
    folder = tmp_path_factory.mktemp("probe")
    (folder / "probe.c").write_text(
        PROBE % ", ".join(f'{{"{call}", SYS_{call}}}' for call in PROBED))
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", folder / "probe.so",
                    folder / "probe.c"], check=True)
    return {"LD_PRELOAD": str(folder / "probe.so")}


def run_probed(program, level, engine, environment):
    """How ackd ends, with an interrupt if it gets as far as to wait for one."""
    with subprocess.Popen(
            [program, "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
             "--pprof-listen=127.0.0.1:0", "--handler=delay:1ms", "--workers=1",
             f"--engine={engine}", f"--sandbox={level}"],
            env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True) as ackd:
        try:
            log = ""
            while "event=started" not in log and (line := ackd.stderr.readline()):
                log += line
            ackd.send_signal(signal.SIGTERM)
            log += ackd.stderr.read()  # communicate() would miss what has been read ahead
            return ackd.wait(DEADLINE), log
        finally:
            ackd.kill()


@pytest.mark.parametrize("engine", ENGINES)
def test_each_role_has_its_calls_alone(start, probe, tmp_path, engine):
    """What is not on a role's list fails as if the kernel did not have it; the rest is as ever."""
    results = tmp_path / "results"
    started = start("--sandbox=on", f"--engine={engine}", "--workers=1", "--handler=delay:1ms",
                    pprof="127.0.0.1:0", environment={**probe, "PROBE_FILE": str(results)})
    wait_for(lambda: not unconfined(started.pid), "all have their roles")
    # The first thread comes here twice: with the filter of the start, which refuses nothing.
    count = len(PROBED) * (len(REFUSED) + 1)
    wait_for(lambda: results.read_text().count("\n") == count, "all calls are made")
    codes = {}
    for line in results.read_text().splitlines():
        thread, call, code = line.split()
        codes.setdefault((thread, call), []).append(int(code))
    for call in PROBED:
        assert codes["ackd", call].pop(0) not in (0, errno.ENOSYS), call
    for thread, refused in REFUSED.items():
        for call in PROBED:
            [code] = codes.pop((thread, call))
            assert code != 0 and (code == errno.ENOSYS) == (call in refused), (thread, call)
    assert not codes


@pytest.mark.parametrize("thread", REFUSED)
def test_a_call_of_another_role_ends_strict(program, probe, tmp_path, thread):
    environment = {**probe, "PROBE_FILE": str(tmp_path / "results"), "PROBE_THREAD": thread}
    allowed = min(set(PROBED) - REFUSED[thread], default=None)
    if allowed:
        code, log = run_probed(program, "strict", "epoll", {**environment, "PROBE_CALL": allowed})
        assert code == 0, log
        assert f"{thread} {allowed} " in (tmp_path / "results").read_text()
    code, log = run_probed(program, "strict", "epoll",
                           {**environment, "PROBE_CALL": min(REFUSED[thread])})
    assert code == -signal.SIGSYS, log


@pytest.mark.parametrize("thread", sorted(set(REFUSED) - {"ackd"}))
def test_a_role_that_cannot_be_taken_ends_strict(program, probe, tmp_path, thread):
    environment = {**probe, "PROBE_FILE": str(tmp_path / "results"), "PROBE_THREAD": thread,
                   "PROBE_REFUSES": "1"}
    code, log = run_probed(program, "strict", "epoll", environment)
    assert code == 71 and "seccomp: Cannot allocate memory (option --sandbox)" in log
    code, log = run_probed(program, "on", "epoll", environment)
    assert code == 0, log


@pytest.mark.parametrize("level", LEVELS)
def test_a_link_local_peer_of_the_metrics(start, level):
    """libevent looks up the name of the peer's interface, which takes a socket."""
    with Network() as network:
        network.run("ip", "address", "add", "fe80::7/64", "dev", "lo", "nodad")
        started = start(f"--sandbox={level}", metrics="[::]:0")
        with socket.create_connection(("fe80::7%lo", started.metrics_address[1])) as peer:
            peer.settimeout(DEADLINE)
            peer.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            assert peer.recv(100).startswith(b"HTTP/1.0 200 ")
        started.signal(signal.SIGTERM)
        assert started.wait() == 0


def test_off(start):
    started = start("--sandbox=off", "--workers=1")
    own = dict(ALL_BUT_NAMES.findall(pathlib.Path("/proc/self/status").read_text()))
    for name, fields in statuses(started.pid):
        for field in ("Seccomp", "Seccomp_filters", "CapEff", "CapPrm"):
            assert fields[field] == own[field], (name, field)
    assert "level=off" in started.log()


def test_metrics_know_the_process(start):
    metrics = start("--sandbox=strict").metrics()
    assert metrics["process_open_fds"] > 3
    assert metrics["process_start_time_seconds"] > 1e9
    assert metrics["process_resident_memory_bytes"] > 1e5


@pytest.mark.usefixtures("plain")
def test_metrics_know_the_process_on_kernels_before_6_2(start):
    """Those do not say how many descriptors are open: each is asked for by poll(2)."""
    started = start("--sandbox=strict", environment=fault(start.program, "size"))
    assert started.metrics()["process_open_fds"] == started.descriptor_count()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes the kernel forget what it knows")
def test_metrics_know_the_process_when_memory_was_short(start):
    """What the kernel forgets of /proc is another file when it is looked up again."""
    started = start("--sandbox=on")
    before = {name for name in started.metrics() if name.startswith("process_")}
    limit = started.metrics()["memory_limit_bytes"]
    subprocess.run(["unshare", "--mount", "mount", "-o", "remount", "/proc"], check=True)
    assert {name for name in started.metrics() if name.startswith("process_")} == before
    started.signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in started.log(), "reloaded")
    assert started.metrics()["memory_limit_bytes"] == limit


@pytest.fixture(name="foreign")
def foreign_fixture(tmp_path):
    """A folder of somebody else, which root may enter by a capability only."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path / "foreign"
    folder.mkdir(mode=0o700)
    os.chown(folder, 1000, 1000)
    return folder


def test_root_in_a_folder_of_another(program, foreign):
    """What is opened at the start is; what cannot be done later is said then, not later."""
    config = foreign / "ackd.conf"
    config.write_text("max-conns = 7\n")
    os.chown(config, 1000, 1000)
    config.chmod(0o600)
    with subprocess.Popen(
            [program, "--listen=127.0.0.1:0", "--metrics-listen=off", "--pprof-listen=off",
             "--sandbox=on", f"--config={config}", f"--ports-file={foreign}/ports"],
            stderr=subprocess.PIPE, text=True) as ackd:
        wait_for(lambda: (foreign / "ports").exists() or ackd.poll() is not None, "its ports")
        ackd.terminate()
        log = ackd.stderr.read()
        assert ackd.wait(DEADLINE) == 0, log
    assert "SIGHUP will not be able to read the config file" in log


def test_a_profile_that_could_not_be_written(program, foreign):
    finished = subprocess.run(
        [program, "--listen=127.0.0.1:0", "--metrics-listen=off", "--pprof-listen=off",
         "--sandbox=on", f"--profile-on-exit={foreign}/profile"], capture_output=True, text=True,
        timeout=DEADLINE)
    assert finished.returncode == 71
    assert f"--profile-on-exit={foreign}/profile: Permission denied" in finished.stderr


def test_links_to_files_elsewhere(start, tmp_path):
    """Where a link stands and where it leads: both are the option's folders."""
    for name in ("links", "elsewhere"):
        (tmp_path / name).mkdir()
    config, records = (tmp_path / "elsewhere" / name for name in ("ackd.conf", "all"))
    config.write_text("max-conns = 7\n")
    records.touch()
    for file in (config, records):
        (tmp_path / "links" / file.name).symlink_to(file)
    started = start("--sandbox=strict", f"--config={tmp_path}/links/ackd.conf",
                    f"--handler=append:{tmp_path}/links/all")
    with started.connect() as client:
        client.round_trip(b"abc")
    assert records.read_bytes() == b"\0\0\0\x03abc"
    config.write_text("max-conns = 8\n")
    started.signal(signal.SIGHUP)
    wait_for(lambda: started.metrics()["connections_max"] == 8, "reloaded")


def test_files_that_are_needed(start, tmp_path):
    """Config, records, a unix socket and the ports file, each in a folder of its own."""
    for name in ("config", "records", "socket", "elsewhere"):
        (tmp_path / name).mkdir()
    config = tmp_path / "config" / "ackd.conf"
    config.write_text("max-conns = 7\n")
    started = start("--sandbox=strict", f"--config={config}",
                    f"--handler=append:{tmp_path}/records/all",
                    listen=("127.0.0.1:0", f"unix:{tmp_path}/socket/ackd.sock"))
    for address, _ in started.listeners:
        with started.connect() as client:
            client.round_trip(b"abc")
    assert (tmp_path / "records" / "all").read_bytes() == b"\0\0\0\x03abc" * 2
    # As editors write: a new file in the place of the old.
    fresh = tmp_path / "config" / "fresh"
    fresh.write_text("max-conns = 8\n")
    fresh.rename(config)
    started.signal(signal.SIGHUP)
    wait_for(lambda: started.metrics()["connections_max"] == 8, "reloaded")
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert not (tmp_path / "socket" / "ackd.sock").exists()


def test_metrics_on_a_unix_socket(start, tmp_path):
    started = start("--sandbox=strict", metrics=f"unix:{tmp_path}/metrics.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(f"{tmp_path}/metrics.sock")
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    with started.connect() as client:
        client.round_trip()


def test_files_that_are_not(start, tmp_path):
    """The config file becomes a link to a file outside of its folder: that is not read."""
    (tmp_path / "config").mkdir()
    (tmp_path / "elsewhere").mkdir()
    config = tmp_path / "config" / "ackd.conf"
    config.write_text("max-conns = 7\n")
    started = start("--sandbox=on", f"--config={config}")
    (tmp_path / "elsewhere" / "other.conf").write_text("max-conns = 8\n")
    config.unlink()
    config.symlink_to(tmp_path / "elsewhere" / "other.conf")
    started.signal(signal.SIGHUP)
    wait_for(lambda: "reload refused" in started.log(), "refused")
    assert "Permission denied" in started.log()
    assert started.metrics()["connections_max"] == 7


def test_a_forbidden_call_ends_strict(program, tmp_path):
    """Every call of calls.def under KILL is deadly at both levels: here, execve."""
    source = tmp_path / "preload.c"
    source.write_text("""
        #define _GNU_SOURCE
        #include <unistd.h>
        #include <stdlib.h>
        #include <sys/socket.h>
        #include <dlfcn.h>
        /* The first ack that is sent runs a shell instead.  Lines of the log are none. */
        ssize_t send(int fd, const void *data, size_t size, int flags)
        {
            char *const arguments[] = {"/bin/true", NULL};
            if (fd == STDERR_FILENO)
                return size;
            execve("/bin/true", arguments, NULL);
            _exit(42);
        }
        """)
    library = tmp_path / "preload.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    for level, expected in (("off", 0), ("on", -signal.SIGSYS), ("strict", -signal.SIGSYS)):
        ports = tmp_path / level
        with subprocess.Popen(
                [program, "--listen=127.0.0.1:0", "--metrics-listen=off", "--pprof-listen=off",
                 "--engine=epoll", f"--sandbox={level}", f"--ports-file={ports}"],
                env={**os.environ, "LD_PRELOAD": str(library)}, stderr=subprocess.DEVNULL) as ackd:
            try:
                wait_for(lambda: ports.exists() or ackd.poll() is not None, "started")
                port = int(ports.read_text().split()[1].rpartition(":")[2])
                send_one(port)
                assert ackd.wait(DEADLINE) == expected, level
            finally:
                ackd.kill()


def send_one(port):
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(wire.submit(1))
        peer.settimeout(DEADLINE)
        try:
            peer.recv(100)
        except ConnectionError:
            pass
