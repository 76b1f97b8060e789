# SPDX-License-Identifier: MIT
"""--sandbox: what ackd can no longer do, and that it does the rest all the same.

The whole suite runs under it: --sandbox strict (or ACKD_TEST_SANDBOX), as ./dev test --all does."""
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

import wire
from client import DEADLINE, wait_for

ENGINES = ("epoll", "uring")
LEVELS = ("on", "strict")

ALL_BUT_NAMES = re.compile(r"(\w+):\s+(.*)")


@pytest.fixture(autouse=True)
def confinable(program):
    """AddressSanitizer's leak check needs ptrace: such a build has no sandbox (decision 21)."""
    if b"__asan_init" in pathlib.Path(program).read_bytes():
        pytest.skip("built with AddressSanitizer")


def statuses(pid):
    """(name, /proc/PID/task/TID/status as a dict) of each thread."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        fields = dict(ALL_BUT_NAMES.findall((task / "status").read_text()))
        found.append((fields["Name"], fields))
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_thread_is_confined(start, engine, level):
    started = start(f"--sandbox={level}", f"--engine={engine}", "--workers=2",
                    "--handler=delay:1ms", pprof="127.0.0.1:0")
    with started.connect() as client:
        client.round_trip()
    threads = statuses(started.pid)
    names = [name for name, _ in threads]
    assert {"ackd", "ackd-worker-0", "ackd-worker-1", "ackd-admin", "ackd-delay"} <= set(names)
    for name, fields in threads:
        assert fields["Seccomp"] == "2", name
        assert fields["NoNewPrivs"] == "1", name
        # Two filters: that of the start, and that of the role.
        expected = 2 if name == "ackd" or name.startswith("ackd-worker") else 1
        assert int(fields["Seccomp_filters"]) == expected, name
        kept = 0 if name == "ackd" or name.startswith("ackd-worker") else 1 << 10 | 1 << 1
        assert int(fields["CapEff"], 16) & ~kept == 0, name
        assert int(fields["CapPrm"], 16) & ~kept == 0, name
    assert "event=sandbox" in started.log() and "seccomp=yes" in started.log()


def test_off(start):
    started = start("--sandbox=off", "--workers=1")
    assert all(fields["Seccomp"] == "0" for _, fields in statuses(started.pid))
    assert "level=off" in started.log()


def test_metrics_know_the_process(start):
    metrics = start("--sandbox=strict").metrics()
    assert metrics["process_open_fds"] > 3
    assert metrics["process_start_time_seconds"] > 1e9
    assert metrics["process_resident_memory_bytes"] > 1e5


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
