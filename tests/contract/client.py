# SPDX-License-Identifier: MIT
"""client - one connection to the server under test, and what must come back on it

Nothing here waits without a deadline, and nothing sleeps in the hope that something has happened
meanwhile.  ACKD_TEST_PATIENCE=5 makes every deadline five times as long, for slow machines and
instrumented servers.
"""
import os
import select
import socket
import struct
import threading
import time

import wire

PATIENCE = float(os.environ.get("ACKD_TEST_PATIENCE", "1"))
DEADLINE = 10.0 * PATIENCE


def wait_for(condition, what, seconds=DEADLINE):
    """The first true value of condition(); fails with @what when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.005)


def explain(got, want):
    """Where two runs of acks part, for people."""
    at = next((i for i, pair in enumerate(zip(got, want)) if pair[0] != pair[1]),
              min(len(got), len(want)))
    number, start = at // wire.ACK_SIZE + 1, at // wire.ACK_SIZE * wire.ACK_SIZE
    end = start + wire.ACK_SIZE
    return (f"{len(got)} of {len(want)} bytes; ack {number} is {got[start:end].hex(' ')}, "
            f"should be {want[start:end].hex(' ')}")


def wait_ready(sock, seconds, reading=False, writing=False):
    """Whether @sock can be read and whether it can be written, once one that is wanted is so or
    @seconds are over.  With poll(2): select(2) takes no descriptor beyond 1023."""
    poller = select.poll()
    poller.register(sock, (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0))
    found = sum(events for _, events in poller.poll(max(0, seconds) * 1000))
    gone = bool(found & (select.POLLERR | select.POLLHUP))  # then reading or writing says why
    return (reading and (gone or bool(found & select.POLLIN)),
            writing and (gone or bool(found & select.POLLOUT)))


# What an Ethernet carries.  Over loopback, with segments of 64 KiB, the kernel alone would hold
# megabytes of acks that nobody reads, and a server's own queue would never be seen.
SEGMENT_SIZE = 1400


class Client:
    """A connection.  @address is (host, port) or the path of a unix socket.

    @receive_buffer makes it a peer that takes little at a time, as from far away."""

    def __init__(self, address, dialect="spec", send_buffer=None, receive_buffer=None):
        self.dialect = dialect
        self.number = 0
        family = socket.AF_UNIX
        if not isinstance(address, str):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Before connect(): the window is agreed on there.
            if send_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_SIZE)
            self.socket.settimeout(DEADLINE)
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, size, seconds=DEADLINE):
        """Exactly @size bytes; fewer, because of FIN, RST or the deadline, fail the test."""
        end = time.monotonic() + seconds
        received = bytearray()
        while len(received) < size:
            state = f"after {len(received)} of {size} bytes"
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                piece = self.socket.recv(min(size - len(received), 1 << 20))
            except TimeoutError:
                raise AssertionError(f"nothing more {state} for {seconds:g} s") from None
            except ConnectionResetError:
                raise AssertionError(f"RST {state}") from None
            if not piece:
                raise AssertionError(f"FIN {state}")
            received += piece
        self.socket.settimeout(DEADLINE)
        return bytes(received)

    def expect(self, want, seconds=DEADLINE):
        got = self.receive(len(want), seconds)
        assert got == want, explain(got, want)

    def expect_acks(self, count, first=1, result=0, seconds=DEADLINE):
        """The acks to wire.submits(@count, first=@first), in order and nothing between."""
        self.expect(wire.acks(count, self.dialect, first, result), seconds)

    def expect_fin(self, seconds=DEADLINE):
        """The server's FIN comes next: no byte before it, and no RST in its place."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(4096)
        except TimeoutError:
            raise AssertionError(f"still open after {seconds:g} s") from None
        except ConnectionResetError:
            raise AssertionError("RST in place of FIN") from None
        assert data == b"", f"{len(data)} more bytes before FIN: {data[:28].hex(' ')}"
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert error == 0, f"{os.strerror(error)} after FIN"
        self.socket.settimeout(DEADLINE)

    def expect_end(self, seconds=DEADLINE):
        """The connection ends, by FIN or by RST; returns the bytes before that."""
        received = bytearray()
        self.socket.settimeout(seconds)
        try:
            while piece := self.socket.recv(1 << 20):
                received += piece
        except TimeoutError:
            raise AssertionError(f"still open after {seconds:g} s") from None
        except ConnectionResetError:
            pass
        return bytes(received)

    def is_ended_within(self, seconds):
        """True when FIN or RST comes within @seconds; for pacing what is sent meanwhile."""
        if not wait_ready(self.socket, seconds, reading=True)[0]:
            return False
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except ConnectionResetError:
            return True

    def round_trip(self, payload=b"round trip"):
        """One SUBMIT and its ack: the connection lives, and the server has had a turn."""
        self.number += 1
        self.send(wire.submit(self.number, payload))
        self.expect_acks(1, self.number)

    def fill(self, data, patience=0.2):
        """Sends @data until the socket has taken nothing for @patience seconds.  Returns what is
        left of it."""
        unsent = memoryview(data)
        while unsent and wait_ready(self.socket, patience, writing=True)[1]:
            try:
                unsent = unsent[self.socket.send(unsent, socket.MSG_DONTWAIT):]
            except BlockingIOError:
                continue
        return unsent

    def exchange(self, data, want, seconds=3 * DEADLINE):
        """Sends @data while it reads @want: for more bytes than the sockets hold."""
        end = time.monotonic() + seconds
        unsent = memoryview(data)
        got = bytearray()
        while unsent or len(got) < len(want):
            left = end - time.monotonic()
            assert left > 0, f"{len(unsent)} bytes unsent, {len(got)} of {len(want)} received"
            readable, writable = wait_ready(self.socket, left, reading=True,
                                            writing=bool(unsent))
            if writable:
                try:
                    unsent = unsent[self.socket.send(unsent, socket.MSG_DONTWAIT):]
                except BlockingIOError:
                    pass
            if readable:
                piece = self.socket.recv(1 << 20)
                assert piece, f"FIN after {len(got)} of {len(want)} bytes"
                got += piece
        assert got == want, explain(got, want)


class Canary:
    """A connection beside the trouble, one request at a time, that must lose nothing.

        with Canary(server) as canary: ... trouble ...

    It is at work before the block begins, and must still be answered after it ended."""

    LATENCY_MAX = 2.0 * PATIENCE

    def __init__(self, server):
        self.client = server.connect()
        self.ending = threading.Event()
        self.failure = None
        self.latency_max = 0.0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def step(self):
        start = time.monotonic()
        self.client.round_trip(b"canary")
        self.latency_max = max(self.latency_max, time.monotonic() - start)

    def run(self):
        try:
            while not self.ending.wait(0.002):
                self.step()
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def __enter__(self):
        self.step()
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ending.set()
        self.thread.join(2 * DEADLINE)
        if kind is None:
            self.check()
        self.client.close()

    def check(self):
        assert not self.thread.is_alive(), "the canary is stuck"
        assert self.failure is None, f"the canary was harmed: {self.failure}"
        self.step()
        assert self.latency_max < self.LATENCY_MAX, f"the canary waited {self.latency_max:.3f} s"
