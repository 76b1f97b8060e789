# SPDX-License-Identifier: MIT
"""The catalogue, 79 to 84: options and config files.  Nothing here serves but 81 and 82, so workers
make no difference to the rest."""
import os
import resource
import socket
import subprocess

from catalogue import Cases
from client import DEADLINE
from k_catalogue_resources import fault

cases = Cases()

EXIT_CONFIG = 78
MIB = 1 << 20


def run(start, *arguments, **more):
    return subprocess.run([start.program, "--metrics-listen=off", *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE, **more)


def check_refused(start, text, where, *words):
    """A config file that is refused, in a start and in a check, with the same message."""
    path = start.folders.mktemp("config") / "ackd.conf"
    path.write_bytes(text)
    messages = set()
    for arguments in ([], ["--check-config"]):
        refused = run(start, f"--config={path}", *arguments)
        assert refused.returncode == EXIT_CONFIG, refused.stderr
        assert f"{path}{where}" in refused.stderr
        for word in words:
            assert word in refused.stderr
        messages.add(refused.stderr)
    assert len(messages) == 1
    return messages.pop()


@cases.add(79, "values", workers=(1,))
def _(start, _):
    for line, word in (
            (b"colour = red", "colour"), (b"window = 10x", "window"), (b"window = -1", "window"),
            (b"window = 18446744073709551616", "window"), (b"idle-timeout = 10", "10s"),
            (b"max-frame = 64q", "max-frame"), (b"conn-rate = 1e3", "conn-rate"),
            (b"memory-limit = 1", "memory-limit")):
        check_refused(start, b"# first\n" + line + b"\n", ":2", word)


@cases.add(79, "twice", workers=(1,))
def _(start, _):
    message = check_refused(start, b"window = 5\n\nmax-frame = 100\nwindow = 6\n", ":4", "window")
    assert "twice" in message


@cases.add(80, "contradictions", workers=(1,))
def _(start, _):
    for arguments, word in (
            (["--ack-low=64k"], "--ack-high"), (["--ack-high=8k"], "--ack-low"),
            (["--ack-high=2k", "--ack-low=3k"], "--ack-high"),
            (["--listen=127.0.0.1:7777", "--listen=127.0.0.1:7777,dialect=demo"], "twice")):
        refused = run(start, "--check-config", *arguments)
        assert refused.returncode == EXIT_CONFIG
        assert word in refused.stderr


@cases.add(81, "a-billion-descriptors")
def _(start, workers):
    started = start(f"--workers={workers}", environment=fault(start.program, "rlimit"))
    assert started.metrics()["connections_max"] == 1024 * 1024
    with started.connect() as client:
        client.round_trip()
    assert started.resident_size() < 64 * MIB


@cases.add(82, "few-descriptors")
def _(start, workers):
    # The soft limit is raised to the hard one.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    started = start(f"--workers={workers}", "--max-conns=500", prepare=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (100, hard)))
    assert started.metrics()["connections_max"] == 500
    assert "process_max_fds 100\n" not in started.request("/metrics")[2].decode()
    # The hard one is the end of it.
    refused = run(start, "--listen=127.0.0.1:0", "--max-conns=1024", preexec_fn=lambda:
                  resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)))
    assert refused.returncode == EXIT_CONFIG
    assert "--max-conns" in refused.stderr and "LimitNOFILE" in refused.stderr


@cases.add(84, "odd-files", workers=(1,))
def _(start, _):
    check_refused(start, b"window = 5\0\n", "")
    check_refused(start, b"\xef\xbb\xbfwindow = 5\n", ":1")
    check_refused(start, b"#" * (10 * MIB), "")
    check_refused(start, b"\xff\xfew\0i\0n\0", "")
    path = start.folders.mktemp("config") / "ackd.conf"
    path.write_bytes(b"window = 5\r\n\r\nmax-frame = 100\r\n")
    assert run(start, f"--config={path}", "--check-config").returncode == 0
    path.write_text(f"config = {path}\n")
    refused = run(start, f"--config={path}")
    assert refused.returncode == EXIT_CONFIG and f"{path}:1" in refused.stderr


@cases.add(84, "no-files", workers=(1,))
def _(start, _):
    folder = start.folders.mktemp("config")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        for path in (folder / "fifo", folder / "socket", folder, folder / "none", "/dev/zero"):
            refused = run(start, f"--config={path}")
            assert refused.returncode == EXIT_CONFIG
            assert str(path) in refused.stderr


@cases.parametrize
def test_catalogue(start, case, workers):
    case(start, workers)
