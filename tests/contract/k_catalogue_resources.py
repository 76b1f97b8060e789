# SPDX-License-Identifier: MIT
"""The catalogue, 45 to 60: what can run out, and what can fail."""
import concurrent.futures
import contextlib
import ctypes
import errno
import os
import pathlib
import resource
import signal
import struct
import subprocess
import time

import pytest

import wire
from catalogue import Cases, beside_canaries, closed
from client import DEADLINE, PATIENCE, Client, wait_for
from server import fault, parse_address, total

MIB = 1 << 20
LIBC = ctypes.CDLL(None, use_errno=True)

cases = Cases()


def engine_of(started):
    text = started.request("/metrics")[2].decode()
    return "uring" if 'engine="uring"' in text else "epoll"


# Descriptors and slots

def has_ack(client):
    client.socket.settimeout(0.01)
    with contextlib.suppress(TimeoutError):
        return client.socket.recv(1, 2) != b""  # MSG_PEEK
    return False


@cases.add(45, "no-descriptors")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        started.metrics()
        count = started.descriptor_count() + 4
        resource.prlimit(started.pid, resource.RLIMIT_NOFILE, (count, count))
        clients = [started.connect() for _ in range(20)]
        for client in clients:
            client.send(wire.submit(1))
        wait_for(lambda: started.metrics()['accept_errors_total{error="emfile"}'] > 0, "EMFILE")
    before = started.cpu_seconds()
    time.sleep(0.5)  # the stretch of time that is measured
    assert started.cpu_seconds() - before < 0.05 * 0.5 + 0.02
    waiting = set(clients)
    end = time.monotonic() + DEADLINE
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} were never let in"
        for client in list(filter(has_ack, waiting)):
            client.expect_acks(1)
            client.close()
            waiting.remove(client)


@cases.add(46, "all-slots-taken")
def _(start, workers):
    with beside_canaries(start, workers, f"--max-conns={30 + workers}") as started:
        clients = [started.connect() for _ in range(30)]
        for client in clients:
            client.round_trip()
        for _ in range(100):
            with started.connect() as refused:
                refused.expect_end()
        for client in clients:
            client.round_trip()
            client.close()


# Calls that fail

def start_failing(start, workers, text, *options):
    return start(f"--workers={workers}", *options, environment=fault(start.program, text))


@cases.add(47, "accept-fails")
def _(start, workers):
    for code, error in ((errno.ENOMEM, "other"), (errno.ECONNABORTED, "aborted"),
                        (errno.ENOBUFS, "other"), (errno.ENFILE, "enfile")):
        started = start_failing(start, workers, f"accept4:{code}:3:5")
        clients = [started.connect() for _ in range(20)]
        for client in clients:
            client.round_trip()
            client.close()
        assert started.metrics()[f'accept_errors_total{{error="{error}"}}'] > 0


@cases.add(47, "send-has-no-buffers")
def _(start, workers):
    started = start_failing(start, workers, f"send:{errno.ENOBUFS}:10:3")
    clients = [started.connect() for _ in range(10)]
    for client in clients * 3:
        client.round_trip()
    for client in clients:
        client.close()


@cases.add(47, "send-fails")
def _(start, workers):
    started = start_failing(start, workers, f"send:{errno.ENOMEM}:10:1")
    clients = [started.connect() for _ in range(20)]
    for client in clients:
        client.send(wire.submit(1))
    ends = [client.is_ended_within(0.1) for client in clients]
    assert sum(ends) <= 1, "that connection only"
    if engine_of(started) == "epoll":
        assert sum(ends) == 1
    for client, ended in zip(clients, ends):
        if not ended:
            client.expect_acks(1)
        client.close()


@cases.add(47, "epoll-has-no-room")
def _(start, workers):
    started = start_failing(start, workers, f"epoll_ctl:{errno.ENOSPC}:30:5")
    clients = [started.connect() for _ in range(50)]
    ends = 0
    for client in clients:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(wire.submit(1))
    for client in clients:
        ended = client.is_ended_within(1)
        if not ended:
            client.expect_acks(1)
        ends += ended
        client.close()
    if engine_of(started) == "epoll":
        assert ends > 0
        metrics = started.metrics()
        assert metrics['connections_rejected_total{reason="no_memory"}'] >= ends
    assert ends <= 5


@cases.add(47, "options-of-sockets-fail")
def _(start, workers):
    refused = run_failing(start, workers, f"setsockopt:{errno.ENOMEM}:1:1")
    assert refused.returncode == 71
    assert "127.0.0.1" in refused.stderr


def run_failing(start, workers, text):
    """An ackd that must not come to serve."""
    ports = start.folders.mktemp("failing") / "ports"
    finished = subprocess.run(
        [start.program, "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
         "--pprof-listen=off", f"--workers={workers}", f"--ports-file={ports}",
         *(engine_option() or ["--engine=epoll"])],  # auto would come to serve by the other engine
        env={**os.environ, **fault(start.program, text)}, capture_output=True, text=True,
        timeout=DEADLINE)
    assert not ports.exists(), "half a server"
    return finished


def engine_option():
    engine = os.environ.get("ACKD_TEST_ENGINE")
    return [f"--engine={engine}"] if engine else []


def live_without(program, folder, workers, number):
    """One life of an ackd whose @number-th malloc fails.  Returns what went wrong, or None."""
    ports, log = folder / f"ports-{number}", folder / f"log-{number}"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [program, "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
             "--pprof-listen=off", f"--workers={workers}", f"--ports-file={ports}",
             *engine_option()],
            env={**os.environ, **fault(program, f"malloc:12:{number}:1")}, stdout=output,
            stderr=output, stdin=subprocess.DEVNULL)
    wait_for(lambda: ports.exists() or process.poll() is not None, "a start, or its end")
    if ports.exists():
        address = parse_address(ports.read_text().split()[1])
        for size in (10, 60_000, 3):
            with contextlib.suppress(AssertionError, OSError), Client(address) as client:
                client.send(wire.submits(3, bytes(size))[:-1])
                client.send(wire.submits(3, bytes(size))[-1:])
                client.receive(3 * 14, 2)
        process.send_signal(signal.SIGTERM)
    code = process.wait(DEADLINE)
    text = log.read_text()
    if code not in (0, 3, 71):
        return f"malloc {number}: exit {code}: {text}"
    if code == 71 and "ackd: " not in text:
        return f"malloc {number}: not a word"
    return None


@cases.add(48, "malloc-fails")
def _(start, workers):
    fault(start.program, "")
    numbers = [*range(1, 40), *(int(40 * 1.12 ** power) for power in range(36))]
    numbers = numbers[0::2] if workers == 1 else numbers[1::2]
    folder = start.folders.mktemp("malloc")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = pool.map(lambda number: live_without(start.program, folder, workers, number),
                         numbers)
        assert [what for what in wrong if what] == []


@cases.add(49, "no-threads")
def _(start, workers):
    # The workers', and the admin server's.
    for number in range(1, workers + 2):
        refused = run_failing(start, workers, f"pthread_create:{errno.EAGAIN}:{number}:1")
        assert refused.returncode == 71
        assert "cannot start" in refused.stderr


# io_uring that is not there

def forbid(number, code):
    """Makes system call @number fail with @code, in this process and what becomes of it."""
    def prepare():
        program = b"".join(struct.pack("HBBI", *step) for step in (
            (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | code),
            (0x06, 0, 0, 0x7fff0000)))
        steps = ctypes.create_string_buffer(program, len(program))
        filter_ = struct.pack("HxxxxxxP", 4, ctypes.addressof(steps))
        pointer = ctypes.create_string_buffer(filter_, len(filter_))
        if LIBC.prctl(38, 1, 0, 0, 0) != 0 or LIBC.prctl(22, 2, pointer, 0, 0) != 0:
            os._exit(99)
    return prepare


IO_URING_SETUP, IO_URING_REGISTER = 425, 427


def check_falls_back(start, workers, number, code):
    started = start(f"--workers={workers}", "--engine=auto", prepare=forbid(number, code))
    assert engine_of(started) == "epoll"
    lines = [line for line in started.log().splitlines() if "io_uring" in line]
    assert len(lines) == 1 and "reason=" in lines[0], "one line that says why"
    with started.connect() as client:
        client.exchange(wire.submits(1000), wire.acks(1000))
    refused = subprocess.run([start.program, "--listen=127.0.0.1:0", "--engine=uring"],
                             preexec_fn=forbid(number, code), capture_output=True, text=True,
                             timeout=DEADLINE)
    assert refused.returncode == 71
    assert "--engine" in refused.stderr


@cases.add(50, "io-uring-forbidden")
def _(start, workers):
    check_falls_back(start, workers, IO_URING_SETUP, errno.EPERM)


@cases.add(50, "io-uring-unknown")
def _(start, workers):
    check_falls_back(start, workers, IO_URING_SETUP, errno.ENOSYS)


@cases.add(51, "io-uring-too-old")
def _(start, workers):
    check_falls_back(start, workers, IO_URING_REGISTER, errno.EINVAL)


# More at once than there is room for

def answer_after_stop(started, clients, data, want):
    """All of it is there when the server runs again."""
    started.pause()
    for client in clients:
        client.send(data)
    started.resume()
    for client in clients:
        client.expect(want)


@cases.add(52, "more-bytes-than-buffers")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        clients = [started.connect() for _ in range(100 * workers)]
        for client in clients:
            client.round_trip()
        # Of different sizes, so that some are received ahead and some are not.
        answer_after_stop(started, clients, wire.submits(300, b"b" * 22), wire.acks(300))
        if engine_of(started) == "uring":
            assert started.metrics()["uring_no_buffers_total"] > 0
        for client in clients:
            client.close()


@cases.add(53, "more-completions-than-room")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        clients = [started.connect() for _ in range(5000)]
        answer_after_stop(started, clients, wire.submits(2), wire.acks(2))
        for client in clients:
            client.close()
        wait_for(lambda: started.metrics()["client_connected"] == workers, "all have left")


@cases.add(54, "interrupted-again-and-again")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        clients = [started.connect() for _ in range(200)]
        for number in range(1, 31):
            started.pause()
            for client in clients:
                client.send(wire.submit(number))
            started.resume()
        for client in clients:
            client.expect_acks(30)
            client.close()


# Memory

@cases.add(55, "memory-limit")
def _(start, workers):
    with beside_canaries(start, workers, "--memory-limit=8MiB", "--max-frame=1MiB") as started:
        half = (MIB - 13) * b"m"
        hogs = [started.connect() for _ in range(14)]
        for hog in hogs:
            hog.round_trip()  # later ones would not be accepted
        for hog in hogs:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                hog.fill(wire.submit(1, half)[:-1], patience=0.05)
        wait_for(lambda: started.metrics()[closed("overload")] > 0, "somebody is closed")
        metrics = started.metrics()
        # A turn in which each of them sends 256 KiB may go past the limit before it is seen.
        assert metrics["memory_bytes"] <= 12 * MIB
        assert metrics["memory_limit_bytes"] == 8 * MIB
        assert metrics[closed("overload")] < len(hogs), "no more than has to be"
        for hog in hogs:
            hog.close()
        wait_for(lambda: total(started.metrics(), "worker_overload_stage") == 0, "calm again")
        with started.connect() as client:
            client.round_trip()
        assert "stage=close" in started.log() or "stage=pause" in started.log()


# Time

@cases.add(58, "the-wall-clock-leaps")
def _(start, workers):
    started = start_failing(start, workers, "clock", "--idle-timeout=2s", "--frame-timeout=600ms",
                            "--conn-rate=100")
    with started.connect() as idle, started.connect() as half:
        idle.round_trip()
        half.send(b"\0\0")
        begin = time.monotonic()
        half.expect_fin()
        assert 0.5 < time.monotonic() - begin < 1.5 * PATIENCE
        for _ in range(20):
            with started.connect() as client:
                client.round_trip()
        idle.round_trip()
        started.signal(signal.SIGTERM)
        idle.expect_fin()
    assert started.wait() == 0


@cases.add(59, "stopped-for-longer-than-a-timeout")
def _(start, workers):
    # Long enough for all halves to be sent within it.  A canary could not but wait as long.
    timeout = 1.5 * PATIENCE
    started = start(f"--workers={workers}", f"--frame-timeout={timeout * 1000:.0f}ms")
    with started.connect() as beside:
        beside.round_trip()
        clients = [started.connect() for _ in range(1500)]
        frame = wire.submit(1, b"in two pieces")
        for client in clients:
            client.send(frame[:9])
        wait_for(lambda: started.metrics()["network_receive_bytes_total"] >= 9 * 1500, "halves")
        started.pause()
        for client in clients:
            client.send(frame[9:])
        time.sleep(timeout + 0.7)  # it does not run for so long: that is the test
        started.resume()
        for client in clients:
            client.expect_acks(1)
            client.close()
        beside.round_trip()
        assert started.metrics()[closed("frame_timeout")] == 0
        assert total(started.metrics(), "worker_stalls_total") > 0


# The log

@cases.add(60, "a-log-that-nobody-reads")
def _(start, workers):
    reader, writer = os.pipe()
    try:
        with beside_canaries(start, workers, "--log-level=debug", stderr=writer) as started:
            for _ in range(400):
                with started.connect() as client:
                    client.send(b"\0\0\0\0")
                    client.expect_fin()
            drained = os.read(reader, 1 << 20)
            with started.connect() as client:
                client.round_trip()
            drained += os.read(reader, 1 << 20)
            wait_for(lambda: lost_is_told(started, reader, drained), "how many lines were lost")
            os.close(reader)
            reader = -1
            for _ in range(100):
                with started.connect() as client:
                    client.round_trip()
    finally:
        os.close(writer)
        if reader >= 0:
            os.close(reader)


def lost_is_told(started, reader, drained):
    with started.connect() as client:
        client.round_trip()
    return b"log lines lost" in drained + os.read(reader, 1 << 20)


@cases.parametrize
def test_catalogue(start, case, workers):
    case(start, workers)
