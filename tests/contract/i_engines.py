# SPDX-License-Identifier: MIT
"""Both engines, by name: which is taken where one is forbidden, and what must hold with either."""
import errno
import os
import re
import socket
import subprocess

import pytest

import seccomp
import wire
from client import DEADLINE, Canary, Client, wait_for

EXIT_SYSTEM = 71
WORKER_CONNECTIONS = re.compile(r"worker_connections\{")

# How io_uring is kept from programs: Docker's profile, a kernel without it, and half of it.
FORBIDDEN = [
    (seccomp.IO_URING_SETUP, errno.EPERM),
    (seccomp.IO_URING_SETUP, errno.ENOSYS),
    (seccomp.IO_URING_REGISTER, errno.EPERM),
    (seccomp.IO_URING_REGISTER, errno.ENOSYS),
    (seccomp.IO_URING_ENTER, errno.EPERM),
    (seccomp.IO_URING_ENTER, errno.ENOSYS),
]
forbidden = pytest.mark.parametrize(
    "forbidden", FORBIDDEN,
    ids=[f"{name}-{errno.errorcode[code]}" for name, (_, code) in
         zip(("setup", "setup", "register", "register", "enter", "enter"), FORBIDDEN)])


# Where io_uring is forbidden

@forbidden
def test_trap_20_auto_says_so_once_and_serves_by_epoll(start, forbidden):
    started = start("--engine=auto", "--workers=2", forbidden=[forbidden])
    with Canary(started), started.connect() as client:
        client.exchange(wire.submits(1000), wire.acks(1000))
        assert started.metrics()['syscalls_total{call="epoll_wait"}'] > 0
        assert started.metrics()['syscalls_total{call="io_uring_enter"}'] == 0
    wait_for(lambda: "engine=epoll" in started.log(), "it says which engine it took")
    lines = [line for line in started.log().splitlines() if "io_uring" in line]
    assert len(lines) == 1, started.log()
    assert "epoll takes its place" in lines[0] and "reason=" in lines[0]
    word = {errno.EPERM: "forbidden", errno.ENOSYS: "no io_uring"}[forbidden[1]]
    assert word in lines[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes a user that nobody else is")
def test_memory_for_one_ring_and_not_for_all_workers(program, tmp_path):
    """Newer kernels count rings as locked memory, per user: epoll takes the place of all."""
    log = tmp_path / "log"
    with log.open("w") as into, subprocess.Popen(
            ["setpriv", "--reuid=47111", "--regid=47111", "--clear-groups", "prlimit",
             "--memlock=1048576:1048576", program, "--listen=127.0.0.1:0", "--metrics-listen=off",
             "--pprof-listen=off", "--sandbox=off", "--workers=32"],
            stdin=subprocess.DEVNULL, stderr=into) as server:
        try:
            wait_for(lambda: "event=started" in log.read_text() or server.poll() is not None,
                     "it started")
            said = log.read_text()
            assert "event=started" in said, said
            # Kernels between 5.12 and 6.13 do not count them.
            assert ("engine=epoll" in said) == ("epoll takes its place" in said), said
        finally:
            server.terminate()


@forbidden
def test_trap_20_uring_by_name_is_refused_with_advice(program, forbidden):
    refused = subprocess.run([program, "--listen=127.0.0.1:0", "--engine=uring"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=DEADLINE, preexec_fn=lambda: seccomp.forbid(*forbidden))
    assert refused.returncode == EXIT_SYSTEM, refused.stderr
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert {errno.EPERM: "seccomp", errno.ENOSYS: "kernel"}[forbidden[1]] in refused.stderr
    assert "--engine auto" in refused.stderr, "the message does not say what to do"


def test_epoll_by_name_does_not_ask_for_io_uring(start):
    started = start("--engine=epoll", forbidden=[(seccomp.IO_URING_SETUP, errno.EPERM)])
    with started.connect() as client:
        client.round_trip()
    wait_for(lambda: "engine=epoll" in started.log(), "it says which engine it took")
    assert "io_uring" not in started.log()


def test_the_engine_is_named(start, engine):
    started = start(f"--engine={engine}")
    wait_for(lambda: f"engine={engine}" in started.log(), "it says which engine it took")
    assert any(f'engine="{engine}"' in name for name in started.metrics())


# Spread over the workers

def connect_at_once(address, count):
    """@count connections that are begun before any is finished."""
    sockets = []
    for _ in range(count):
        begun = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        sockets.append(begun)
        begun.setblocking(False)
        error = begun.connect_ex(address)
        assert error in (0, errno.EINPROGRESS), os.strerror(error)
    for begun in sockets:
        begun.settimeout(DEADLINE)
    return sockets


def connect_one_by_one(address, count):
    """@count connections, each begun when the one before has been served."""
    sockets = []
    for _ in range(count):
        client = Client(address)
        client.round_trip()
        sockets.append(client.socket)
    return sockets


def spread(started):
    """Connections per worker."""
    return [value for name, value in started.metrics().items() if WORKER_CONNECTIONS.match(name)]


@pytest.mark.parametrize("connect", (connect_at_once, connect_one_by_one))
@pytest.mark.parametrize("kind", ("tcp", "unix"))
@pytest.mark.parametrize("workers", (2, 4, 8))
@pytest.mark.parametrize("count", (8, 1000))
def test_trap_15_connections_are_spread_evenly(start, engine, tmp_path, kind, workers, count,
                                               connect):
    """No worker has more than the mean, rounded up, and an eighth of it."""
    listen = {"tcp": "127.0.0.1:0", "unix": f"unix:{tmp_path}/socket"}[kind]
    started = start(f"--workers={workers}", f"--engine={engine}", listen=(listen,))
    sockets = connect(started.listeners[0][0], count)
    for client in sockets:
        client.sendall(wire.submit(1))
    for client in sockets:
        assert client.recv(wire.ACK_SIZE, socket.MSG_WAITALL) == wire.acks(1)
    conns = spread(started)
    assert sum(conns) == count and len(conns) == workers
    # One more: two workers that accept at the same moment do not see each other's.
    assert max(conns) <= -(-count // workers) + count // workers // 8 + 1, conns
    if count == 1000:
        assert max(conns) <= 1.25 * count / workers, conns
    for client in sockets:
        client.close()
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    metrics = started.metrics()
    assert metrics["connections_accepted_total"] == count
    assert metrics['connections_closed_total{reason="eof"}'] == count


def test_those_handed_over_are_drained_like_the_others(start, engine, tmp_path):
    started = start("--workers=8", f"--engine={engine}", listen=(f"unix:{tmp_path}/socket",))
    sockets = connect_at_once(started.listeners[0][0], 400)
    for client in sockets:
        client.sendall(wire.submit(1))
    started.signal(15)  # in the midst of being handed over
    for client in sockets:
        assert client.recv(wire.ACK_SIZE, socket.MSG_WAITALL) == wire.acks(1)
        assert client.recv(1) == b""
        client.close()
    assert started.wait() == 0


# What a peer may hold

def test_trap_7_halves_of_frames_pin_no_buffers(start, engine):
    """io_uring receives into buffers that all connections of a worker share."""
    started = start("--workers=1", f"--engine={engine}", "--frame-timeout=0")
    frame = wire.submit(1, b"in two pieces")
    with Canary(started):
        clients = [started.connect() for _ in range(300)]
        for client in clients:
            client.send(frame[:7])
        with started.connect() as other:
            for _ in range(100):
                other.round_trip()
        for client in clients:
            client.send(frame[7:])
        for client in clients:
            client.expect_acks(1)
            client.close()
