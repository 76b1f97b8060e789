# SPDX-License-Identifier: MIT
"""The end of a server: what was received is acked, and the exit code says whether all of it was."""
import re
import signal
import socket
import threading
import time

import pytest

import wire
from client import DEADLINE, PATIENCE, Client, wait_for

ENDING = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", ENDING)
def test_idle_server_ends_at_once(start, number):
    started = start("--workers=2")
    begin = time.monotonic()
    started.signal(number)
    assert started.wait() == 0
    assert time.monotonic() - begin < 2 * PATIENCE


@pytest.mark.parametrize("number", ENDING)
def test_idle_connections_get_fin(start, number):
    started = start("--workers=2")
    clients = [started.connect() for _ in range(20)]
    for client in clients:
        client.round_trip()
    started.signal(number)
    for client in clients:
        client.expect_fin()
        client.close()
    assert started.wait() == 0


def test_complete_requests_are_acked_half_ones_are_not(start):
    started = start("--workers=1")
    with started.connect() as client:
        client.send(wire.submits(100) + wire.submit(101)[:9])
        client.expect_acks(100)
        started.signal(signal.SIGTERM)
        client.expect_fin()
    assert started.wait() == 0


@pytest.mark.parametrize("workers", (1, 2))
def test_trap_16_accept_queue_is_emptied(start, workers, tmp_path):
    """Who connected and sent before the signal is acked, though the server had not yet looked."""
    started = start(f"--workers={workers}",
                    listen=("127.0.0.1:0", f"unix:{tmp_path}/ackd.sock"))
    started.pause()
    clients = [Client(started.listeners[i % 2][0]) for i in range(60)]
    for client in clients:
        client.send(wire.submits(5))
    started.signal(signal.SIGTERM)
    started.resume()
    for client in clients:
        client.expect_acks(5)
        client.expect_fin()
        client.close()
    assert started.wait() == 0


class Stream(threading.Thread):
    """A client that sends without pause and reads all acks, until the server's FIN."""

    BATCH = 200

    def __init__(self, started):
        super().__init__(daemon=True)
        self.client = started.connect()
        self.client.socket.settimeout(DEADLINE)
        self.acked = 0
        self.failure = None
        self.started = threading.Event()
        self.done = threading.Event()
        self.sender = threading.Thread(target=self.send, daemon=True)

    def send(self):
        first = 1
        try:
            while not self.done.is_set():
                self.client.send(wire.submits(self.BATCH, b"stream", first))
                first += self.BATCH
        except OSError:
            pass  # the server has ended; what counts is what this client reads

    def run(self):
        self.sender.start()
        received = bytearray()
        try:
            while piece := self.client.socket.recv(1 << 20):
                received += piece
                self.started.set()
        except OSError as failure:
            self.failure = failure
        self.done.set()
        self.client.close()
        self.acked, rest = divmod(len(received), wire.ACK_SIZE)
        if rest or received != wire.acks(self.acked):
            self.failure = f"{len(received)} bytes of acks are not in order"


@pytest.mark.parametrize("workers", (1, 2))
def test_drain_under_load(start, tmp_path, workers):
    """Every record in the file was acked and every ack has its record, to the last one.  RST would
    show as lost acks."""
    path = tmp_path / "records"
    started = start(f"--workers={workers}", f"--handler=append:{path}")
    streams = [Stream(started) for _ in range(6)]
    for stream in streams:
        stream.start()
    for stream in streams:
        assert stream.started.wait(DEADLINE)
    wait_for(lambda: started.metrics()["req_recv_total"] > 20_000, "traffic")
    started.signal(signal.SIGTERM)
    for stream in streams:
        stream.join(2 * DEADLINE)
        assert not stream.is_alive(), "a client is stuck"
    assert started.wait() == 0
    assert [stream.failure for stream in streams if stream.failure] == []
    acked = sum(stream.acked for stream in streams)
    assert acked == path.stat().st_size / (4 + len(b"stream"))
    assert re.search(rf"\backs={acked}\b", started.log()), "the last line of the log agrees"


def test_deferred_acks_are_waited_for(start):
    started = start("--handler=delay:500ms", "--workers=2")
    clients = [started.connect() for _ in range(10)]
    for client in clients:
        client.send(wire.submits(30))
    wait_for(lambda: started.metrics()["deferred_requests"] == 300, "all are deferred")
    started.signal(signal.SIGTERM)
    for client in clients:
        client.expect_acks(30)
        client.expect_fin()
        client.close()
    assert started.wait() == 0


def test_drain_reads_on_behind_a_full_window(start):
    """What had arrived is acked though the server was not reading when the signal came."""
    started = start("--handler=delay:20ms", "--window=8", "--workers=1")
    with started.connect(send_buffer=1 << 20) as client:
        client.send(wire.submits(20_000, b"w" * 22))
        client.expect_acks(100)
        started.signal(signal.SIGTERM)
        got = client.expect_end()
        assert got == wire.acks(len(got) // wire.ACK_SIZE, first=101)
    assert started.wait() == 0
    assert re.search(rf"\backs={100 + len(got) // wire.ACK_SIZE}\b", started.log())


def test_nobody_is_let_in_while_draining(start):
    started = start("--handler=delay:1s")
    with started.connect() as client:
        client.send(wire.submit(1))
        wait_for(lambda: started.metrics()["deferred_requests"] == 1, "the request is deferred")
        started.signal(signal.SIGTERM)
        wait_for(lambda: started.request("/-/ready")[0] == 503, "not ready")
        wait_for(lambda: refuses(started), "connections are refused")
        client.expect_acks(1)
        client.expect_fin()
    assert started.wait() == 0


def refuses(started):
    """True when a new connection is refused or closed unserved."""
    try:
        with socket.create_connection(started.addresses["spec"], DEADLINE) as late:
            return late.recv(1) == b""
    except ConnectionError:
        return True


def test_requests_sent_while_draining_do_no_harm(start):
    """They came too late for an ack; those that came in time still get theirs."""
    started = start("--handler=delay:500ms")
    with started.connect() as client:
        client.send(wire.submits(10))
        wait_for(lambda: started.metrics()["deferred_requests"] == 10, "all are deferred")
        started.signal(signal.SIGTERM)
        wait_for(lambda: started.request("/-/ready")[0] == 503, "not ready")
        client.send(wire.submits(50, first=11))
        client.expect_acks(10)
        rest = client.expect_end()
        assert rest == wire.acks(len(rest) // wire.ACK_SIZE, first=11)
    assert started.wait() == 0


def test_exit_3_when_a_peer_does_not_read(start):
    started = start("--drain-timeout=400ms", "--workers=1")
    with started.connect(receive_buffer=4096) as client:
        client.fill(wire.submits(300_000), patience=0.1)
        wait_for(lambda: started.metrics()["write_queue_bytes"] > 0, "acks are stuck")
        begin = time.monotonic()
        started.signal(signal.SIGTERM)
        assert started.wait() == 3
        assert 0.3 < time.monotonic() - begin < 3 * PATIENCE


def test_exit_3_when_the_handler_is_too_slow(start):
    started = start("--drain-timeout=300ms", "--handler=delay:20s")
    with started.connect() as client:
        client.send(wire.submits(10))
        wait_for(lambda: started.metrics()["deferred_requests"] == 10, "all are deferred")
        begin = time.monotonic()
        started.signal(signal.SIGTERM)
        assert started.wait() == 3
        assert 0.2 < time.monotonic() - begin < 3 * PATIENCE


def test_exit_0_when_the_slow_peer_reads_in_time(start):
    count = 60_000
    started = start("--workers=1")
    with started.connect(send_buffer=1 << 21, receive_buffer=4096) as client:
        client.send(wire.submits(count))
        wait_for(lambda: started.metrics()["write_queue_bytes"] > 0, "acks are stuck")
        started.signal(signal.SIGTERM)
        got = client.expect_end()
        assert got == wire.acks(len(got) // wire.ACK_SIZE)
        assert len(got) > 0
    assert started.wait() == 0


@pytest.mark.parametrize("first, second", ((15, 15), (2, 2), (15, 2), (2, 15)))
def test_second_signal_ends_at_once(start, first, second):
    started = start("--handler=delay:20s")
    with started.connect() as client:
        client.send(wire.submit(1))
        wait_for(lambda: started.metrics()["deferred_requests"] == 1, "the request is deferred")
        started.signal(first)
        wait_for(lambda: started.request("/-/ready")[0] == 503, "not ready")
        assert started.process.poll() is None
        begin = time.monotonic()
        started.signal(second)
        assert started.wait() == 3
        assert time.monotonic() - begin < 2 * PATIENCE


def test_sigpipe_has_no_effect(start):
    started = start("--workers=1")
    with started.connect() as client:
        client.round_trip()
        started.signal(signal.SIGPIPE)
        client.round_trip()
    # Acks to a peer that is gone.
    gone = started.connect()
    gone.send(wire.submits(1000))
    gone.reset()
    with started.connect() as client:
        client.round_trip()
    assert started.process.poll() is None


def test_stop_and_continue(start):
    """Time that the whole server lost is not held against a connection."""
    started = start("--workers=1", "--idle-timeout=5s")
    with started.connect() as client:
        client.round_trip()
        started.pause()
        client.send(wire.submits(10, first=100))
        started.resume()
        client.expect_acks(10, first=100)


def test_unix_socket_is_removed_at_the_end(start, tmp_path):
    path = tmp_path / "ackd.sock"
    started = start(listen=(str(path),))
    assert path.is_socket()
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert not path.exists()


def test_unix_socket_survives_a_crash(start, tmp_path):
    """What a killed server left behind does not keep the next one from its path."""
    path = f"unix:{tmp_path}/ackd.sock"
    killed = start(listen=(path,))
    killed.kill()
    again = start(listen=(path,))
    with again.connect() as client:
        client.round_trip()


def test_a_killed_server_starts_again_at_once(start, tmp_path):
    """The kernel takes an io_uring down after its process was reaped: it still listens then."""
    listen = (f"unix:{tmp_path}/ackd.sock", "127.0.0.1:0")
    for _ in range(20):
        killed = start(listen=listen)
        listen = (listen[0], f"127.0.0.1:{killed.listeners[1][0][1]}")
        killed.kill()
