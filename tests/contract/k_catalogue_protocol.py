# SPDX-License-Identifier: MIT
"""The catalogue, 1 to 27: what a peer can send."""
import contextlib
import os
import re
import time

import wire
from catalogue import Cases, beside_canaries, closed
from client import DEADLINE, PATIENCE, wait_for
from wire import CONN, SUBMIT

MAX_FRAME = 65536
KIB = 1 << 10
MIB = 1 << 20

cases = Cases()


def refused_once(started, data, reason, answered=0, log=None):
    """@data behind @answered SUBMITs: these are acked, then FIN, for @reason."""
    with started.moves({closed(reason): 1, f'decode_errors_total{{reason="{reason}"}}': 1}), \
            started.connect() as client:
        client.send(wire.submits(answered) + data)
        client.expect_acks(answered)
        client.expect_fin()
    if log:
        assert log in started.log()


def grew_less(started, before, bound):
    if not started.is_instrumented():
        grown = started.resident_size() - before
        assert grown < bound, f"grew by {grown / KIB:.0f} KiB"


@cases.add(1, "length-0-1-3")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for length in (0, 1, 3):
            refused_once(started, length.to_bytes(4, "big"), "frame_too_short")


@cases.add(2, "no-command")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        refused_once(started, b"\0\0\0\4", "frame_too_short")


@cases.add(3, "submit-without-a-whole-id")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for length in range(5, 13):
            refused_once(started, wire.frame(SUBMIT, b"12345678"[:length - 5]), "packet_too_short",
                         answered=2)


@cases.add(4, "shortest-and-longest")
def _(start, workers):
    with beside_canaries(start, workers) as started, started.connect() as client:
        longest = bytes(MAX_FRAME - wire.SUBMIT_SIZE_MIN)
        client.exchange(wire.submit(1) + wire.submit(2, longest) + wire.submit(3), wire.acks(3))
        client.round_trip()


@cases.add(5, "one-above-max-frame")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        claim = (MAX_FRAME + 1).to_bytes(4, "big") + b"\x02" + wire.ident(1)
        refused_once(started, claim, "frame_too_large")
        before = started.resident_size()
        with started.moves({closed("frame_too_large"): 200}):
            crowd_refused(started, 200, claim)
        grew_less(started, before, 1 * MIB)


def crowd_refused(started, count, data):
    clients = [started.connect() for _ in range(count)]
    for client in clients:
        client.send(data)
    for client in clients:
        client.expect_fin()
        client.close()


@cases.add(6, "huge-claims-of-1000-peers")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for length in (0x7fffffff, 0x80000000, 0xffffffff):
            refused_once(started, length.to_bytes(4, "big"), "frame_too_large", answered=1)
        before = started.resident_size()
        with started.moves({closed("frame_too_large"): 1000}):
            crowd_refused(started, 1000, bytes.fromhex("7fffffff"))
        grew_less(started, before, 2 * MIB)


@cases.add(7, "little-endian")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        refused_once(started, bytes.fromhex("0d000000") + b"\x02" + wire.ident(1),
                     "frame_too_large", log="looks_like=little_endian")


FOREIGN = (
    ("http", b"GET / HTTP/1.1\r\nHost: ackd\r\n\r\n"), ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("tls", bytes.fromhex("16030100a5010000a10303") + bytes(32)),
    ("proxy", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), ("redis", b"*1\r\n$4\r\nPING\r\n"),
)


@cases.add(8, "foreign-protocols")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for kind, data in FOREIGN:
            refused_once(started, data, "frame_too_large", log=f"looks_like={kind}")


@cases.add(9, "unknown-command")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for command in (0x00, 0x7f, 0x83, 0xff):
            refused_once(started, wire.frame(command, wire.ident(1)), "unknown_command", answered=3)


@cases.add(10, "acks-from-a-client")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for command in (0x80, 0x81, 0x82):
            refused_once(started, wire.frame(command, wire.ident(1) + b"\0"), "wrong_direction",
                         answered=3)


@cases.add(11, "conn-anywhere")
def _(start, workers):
    with beside_canaries(start, workers) as started, started.connect() as client:
        client.send(wire.conn(1) + wire.conn(2) + wire.submit(3) + wire.conn(4, b"trailing \xff"))
        client.expect(wire.ack(wire.ident(1), command=CONN) + wire.ack(wire.ident(2), command=CONN)
                      + wire.ack(wire.ident(3)) + wire.ack(wire.ident(4), command=CONN))
        client.round_trip()


@cases.add(12, "conn-first")
def _(start, workers):
    with beside_canaries(start, workers) as started, started.connect() as client:
        client.send(wire.conn(1))
        client.expect(wire.ack(wire.ident(1), command=CONN))
        client.round_trip()


THREE = wire.submit(1) + wire.conn(2, b"abc") + wire.submit(3, b"xy")
THREE_ACKS = wire.ack(wire.ident(1)) + wire.ack(wire.ident(2), command=CONN) \
    + wire.ack(wire.ident(3))


def received(started):
    return started.metrics()["network_receive_bytes_total"]


@cases.add(13, "every-split")
def _(start, workers):
    started = start(f"--workers={workers}")
    clients = [started.connect() for _ in range(1, len(THREE))]
    for cut, client in enumerate(clients, 1):
        client.send(THREE[:cut])
    wait_for(lambda: received(started) == sum(range(1, len(THREE))), "the first parts are taken")
    for cut, client in enumerate(clients, 1):
        client.send(THREE[cut:])
    for client in clients:
        client.expect(THREE_ACKS)
        client.close()


@cases.add(13, "dribble")
def _(start, workers):
    started = start(f"--workers={workers}")
    with started.connect() as client:
        for at in range(len(THREE)):
            client.send(THREE[at:at + 1])
            wait_for(lambda: received(started) == at + 1, "the byte is taken")
        client.expect(THREE_ACKS)


# io_uring's receive buffers, and the one buffer of a receive.
SLOTS = (4096, 262144)


@cases.add(14, "edges-of-buffers")
def _(start, workers):
    with beside_canaries(start, workers, "--max-frame=8MiB") as started:
        for slot in SLOTS:
            for spanned in (1, 2, 17):
                for shift in (-1, 0, 1):
                    frame = wire.submit(1, b"e" * (slot * spanned + shift - 13))
                    with started.connect() as client:
                        client.exchange(frame + wire.submits(3, b"behind", first=2), wire.acks(4))


@cases.add(15, "10000-submits-unread")
def _(start, workers):
    with beside_canaries(start, workers) as started, \
            started.connect(receive_buffer=4096, send_buffer=2 * MIB) as client:
        before = started.resident_size()
        unsent = client.fill(wire.submits(10_000, b"p" * 22))
        assert started.metrics()["write_queue_bytes"] < 64 * KIB + 14 * 20_200
        grew_less(started, before, 4 * MIB)
        client.exchange(unsent, wire.acks(10_000))


@cases.add(16, "window-of-one")
def _(start, workers):
    with beside_canaries(start, workers) as started, started.connect() as client:
        begin = time.monotonic()
        for _ in range(300):
            client.round_trip()
        # A server that waits for more, or a delayed TCP ack, takes 40 ms each: 12 s.
        assert time.monotonic() - begin < 6 * PATIENCE


@cases.add(17, "292-submits-then-silence")
def _(start, workers):
    with beside_canaries(start, workers) as started, started.connect() as client:
        client.send(wire.submits(292, b"quiet"))
        client.expect_acks(292)
        client.round_trip()


@cases.add(18, "same-id-twice")
def _(start, workers):
    with beside_canaries(start, workers, "--handler=delay:20ms") as started, \
            started.connect() as client:
        client.send(wire.submit(7) * 2)
        client.expect(wire.ack(wire.ident(7)) * 2)
        client.round_trip()


IDS = (b"\0" * 8, b"\xff" * 8, b"\r\n\r\n\r\n\r\n", b"\x1b[31m\x07\x08\x1b", b'"} 1\n#xy')


@cases.add(19, "ids-of-any-bytes")
def _(start, workers):
    with beside_canaries(start, workers, "--log-level=debug") as started:
        with started.connect() as client:
            for ident in IDS:
                client.send(wire.frame(SUBMIT, ident))
                client.expect(wire.ack(ident))
            client.send(wire.frame(0x7f, b"\x1b[31m\x07\r\n"))
            client.expect_fin()
        wait_for(lambda: "unknown_command" in started.log(), "the line about it")
        log = started.log_path.read_bytes()
        assert re.fullmatch(rb"[\n -~]*", log), "nothing but text"
        assert b"1b5b33316d070d0a" in log, "what was sent, as digits"
        assert b"\x1b" not in started.request("/metrics")[2]


@cases.add(20, "opaque-payloads")
def _(start, workers):
    payloads = (bytes(1000), os.urandom(1000), wire.submits(20), b"\0\0\0\0" * 50, b"\xff" * 999)
    with beside_canaries(start, workers) as started, started.connect() as client:
        client.exchange(b"".join(wire.submit(number, payload)
                                 for number, payload in enumerate(payloads, 1)),
                        wire.acks(len(payloads)))


@cases.add(21, "frames-then-garbage")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for count in (1, 5, 1000):
            refused_once(started, b"GET / HTTP/1.1\r\n\r\n", "frame_too_large", answered=count)


@cases.add(22, "garbage-while-acks-wait")
def _(start, workers):
    count = 30_000
    with beside_canaries(start, workers) as started, \
            started.moves({closed("frame_too_short"): 1}), \
            started.connect(send_buffer=1 * MIB, receive_buffer=4096) as client:
        client.send(wire.submits(count) + bytes(100))
        client.expect_acks(count)
        client.expect_fin()


@cases.add(23, "fin-inside-a-frame")
def _(start, workers):
    records = None
    with contextlib.ExitStack() as stack:
        folder = start.folders.mktemp("records")
        records = folder / "records"
        started = stack.enter_context(
            beside_canaries(start, workers, f"--handler=append:{records}"))
        frame = wire.submit(4, b"half a record")
        with started.moves({closed("eof_in_frame"): len(frame) - 1}):
            for cut in range(1, len(frame)):
                with started.connect() as client:
                    client.send(wire.submits(3, b"whole") + frame[:cut])
                    client.half_close()
                    client.expect_acks(3)
                    client.expect_fin()
    data = records.read_bytes()
    assert data.count(b"whole") == 3 * (len(frame) - 1)
    assert b"half" not in data


@cases.add(24, "silence-inside-a-header")
def _(start, workers):
    with beside_canaries(start, workers, "--frame-timeout=300ms") as started, \
            started.moves({closed("frame_timeout"): 6, closed("idle_timeout"): 0}):
        clients = [started.connect() for _ in range(6)]
        for index, client in enumerate(clients):
            client.round_trip()
            client.send(wire.submit(2)[:index % 3 + 1])
        for client in clients:
            client.expect_fin()
            client.close()


@cases.add(25, "conn-rate")
def _(start, workers):
    rejected = 'connections_rejected_total{reason="conn_rate"}'
    with beside_canaries(start, workers, f"--conn-rate={20 + workers}") as started:
        clients = [started.connect() for _ in range(100)]
        ended = [client.is_ended_within(0.05) for client in clients]
        refused = sum(ended)
        assert refused > 40, "a second's worth, and what a second or two bring"
        assert started.metrics()[rejected] >= refused
        for client, has_ended in zip(clients, ended):
            if not has_ended:
                client.round_trip()
            client.close()
        wait_for(lambda: can_join(started), "the bucket fills again")


def can_join(started):
    with started.connect() as client:
        if client.is_ended_within(0.1):
            return False
        client.round_trip()
        return True


@cases.add(25, "conn-rate-per-ip")
def _(start, workers):
    rejected = 'connections_rejected_total{reason="conn_rate_per_ip"}'
    with beside_canaries(start, workers, "--conn-rate-per-ip=10",
                         listen=("127.0.0.1:0", "[::1]:0")) as started:
        clients = [started.connect() for _ in range(60)]
        wait_for(lambda: started.metrics()[rejected] >= 20, "too many of one address")
        started.addresses["spec"] = started.listeners[1][0]
        with started.connect() as other:
            other.round_trip()
        for client in clients:
            client.close()


@cases.add(26, "acks-longer-than-requests")
def _(start, workers):
    with beside_canaries(start, workers, "--ack-high=32k", "--ack-low=8k") as started, \
            started.connect(receive_buffer=4096, send_buffer=4 * MIB) as client:
        unsent = client.fill(wire.submits(200_000))
        wait_for(lambda: started.metrics()['read_paused_total{reason="ack_backlog"}'] > 0,
                 "it is not read")
        # What one receive of 256 KiB can be answered with, and what was queued before.
        assert started.metrics()["write_queue_bytes"] < 32 * KIB + 256 * KIB * 14 // 13 + 100
        client.exchange(unsent, wire.acks(200_000))


@cases.add(27, "flood-of-conn")
def _(start, workers):
    count = 50_000
    with beside_canaries(start, workers) as started, started.connect() as client:
        with started.moves({'packets_received_total{command="conn"}': count}):
            client.exchange(b"".join(wire.conn(number) for number in range(count)),
                            b"".join(wire.ack(wire.ident(number), command=CONN)
                                     for number in range(count)), 3 * DEADLINE)


@cases.parametrize
def test_catalogue(start, case, workers):
    case(start, workers)
