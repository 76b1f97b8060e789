# SPDX-License-Identifier: MIT
"""Every complete request is acked: once, in order, at once, whatever the pieces it came in."""
import socket

import pytest

import wire
from client import Client
from conftest import ROOT
from wire import ACK_COMMANDS, CONN, SUBMIT

VECTORS = ROOT / "tests" / "corpus" / "vectors"

# One CONN between two SUBMITs, of different sizes.
THREE = wire.submit(1) + wire.conn(2, b"abc") + wire.submit(3, b"xy")


def three_acks(dialect):
    return (wire.ack(wire.ident(1), dialect) + wire.ack(wire.ident(2), dialect, CONN)
            + wire.ack(wire.ident(3), dialect))


def test_submit_is_acked(server, dialect):
    with server.connect(dialect) as client:
        client.send(bytes.fromhex("0000001502") + b"00000001" + b"payload\0")
        got = client.receive(14)
        assert got == bytes.fromhex("0000000e") + bytes([ACK_COMMANDS[dialect][SUBMIT]]) \
            + b"00000001\0"


def test_conn_is_acked(server, dialect):
    with server.connect(dialect) as client:
        client.send(wire.conn(1))
        client.expect(wire.ack(wire.ident(1), dialect, CONN))
        client.send(wire.conn(2, b"anything at all"))
        client.expect(wire.ack(wire.ident(2), dialect, CONN))
        client.round_trip()


@pytest.mark.parametrize("ident", (
    b"00000001", b"\0\0\0\0\0\0\0\0", b"\xff" * 8, b"\r\n\r\n\r\n\r\n", b"\x1b[2J\x07\x08\x7f\x80",
    b"\0\0\0\x0d\x02\0\0\0", bytes(range(8)), b"%s%n%d{}"), ids=lambda ident: ident.hex())
def test_id_is_echoed_bit_for_bit(server, ident):
    with server.connect() as client:
        client.send(wire.frame(SUBMIT, ident + b"payload"))
        client.expect(wire.ack(ident, server.dialect))


def test_every_byte_value_in_every_place_of_the_id(server):
    idents = [bytes([value ^ 0xff] * place + [value] + [value ^ 0xff] * (7 - place))
              for value in range(256) for place in range(8)]
    with server.connect() as client:
        client.exchange(b"".join(wire.frame(SUBMIT, ident) for ident in idents),
                        b"".join(wire.ack(ident, server.dialect) for ident in idents))


@pytest.mark.parametrize("payload", (
    b"", b"x", b"\0" * 100, b"\xff" * 100, wire.submits(3), b"\r\n" * 10, bytes(1000)),
    ids=("empty", "one", "zeros", "ones", "frames", "newlines", "1000"))
def test_payload_is_opaque(server, payload):
    with server.connect() as client:
        client.send(wire.submit(1, payload) + wire.submit(2, payload))
        client.expect_acks(2)
        client.round_trip()


def test_same_id_twice_gets_two_acks(server):
    with server.connect() as client:
        client.send(wire.submit(7) * 2 + wire.conn(7))
        client.expect(wire.ack(wire.ident(7), server.dialect) * 2
                      + wire.ack(wire.ident(7), server.dialect, CONN))


def test_longest_frame_is_legal(server):
    if not server.owned:
        pytest.skip("the longest frame of this server is not known")
    payload = bytes(65536 - wire.SUBMIT_SIZE_MIN)
    with server.connect() as client:
        client.send(wire.submits(3, payload))
        client.expect_acks(3)
        client.send(wire.frame(CONN, wire.ident(4) + payload))
        client.expect(wire.ack(wire.ident(4), server.dialect, CONN))


def test_window_of_one(server, dialect):
    with server.connect(dialect) as client:
        for _ in range(200):
            client.round_trip()


def test_292_submits_then_silence(server):
    """A server that waits for a full 4,096-byte buffer sends its first ack after the 293rd."""
    with server.connect() as client:
        client.send(wire.submits(292, b"quiet"))
        client.expect_acks(292)
        client.round_trip()


def test_pipelining(server, dialect):
    with server.connect(dialect) as client:
        client.exchange(wire.submits(10_000, b"p" * 22), wire.acks(10_000, dialect))


def test_pipelining_of_mixed_lengths(server):
    requests = b"".join(wire.submit(number, b"m" * (number * 37 % 300))
                        for number in range(1, 5001))
    with server.connect() as client:
        client.exchange(requests, wire.acks(5000, server.dialect))


def test_recorded_traffic(server, dialect):
    """What the teaching client sent, and what the teaching server answered, byte for byte."""
    requests = (VECTORS / "teaching-client-1000-submits.bin").read_bytes()
    want = (VECTORS / "teaching-server-1000-acks.bin").read_bytes()
    if dialect == "spec":
        want = b"".join(want[at:at + 4] + b"\x82" + want[at + 5:at + 14]
                        for at in range(0, len(want), 14))
    with server.connect(dialect) as client:
        client.exchange(requests, want)


def test_one_byte_at_a_time(server, dialect):
    with server.connect(dialect) as client:
        for at in range(len(THREE)):
            client.send(THREE[at:at + 1])
            server.barrier()
        client.expect(three_acks(dialect))
        client.round_trip()


def test_every_split_of_three_frames(server):
    for cut in range(1, len(THREE)):
        with server.connect() as client:
            client.send(THREE[:cut])
            server.barrier()
            client.send(THREE[cut:])
            client.expect(three_acks(server.dialect))


@pytest.mark.parametrize("size", (1, 1024, 4096, 16384, 65536, 131072, 262144, 524288))
def test_frames_across_the_edge_of_a_buffer(server, size):
    """Frames that end one byte before, at, and one byte behind a likely size of a buffer."""
    count = size // 100 + 2
    for shift in (-1, 0, 1):
        first = wire.submit(1, b"s" * ((size + shift) % 100))
        with server.connect() as client:
            client.exchange(first + wire.submits(count, b"b" * 87, first=2),
                            wire.acks(count + 1, server.dialect))


@pytest.mark.parametrize("count", (0, 1, 5, 1000))
def test_half_close_gets_all_acks_then_fin(server, count):
    with server.connect() as client:
        client.send(wire.submits(count, b"half close"))
        client.half_close()
        client.expect_acks(count)
        client.expect_fin()


def test_many_connections_at_once(server):
    clients = [server.connect() for _ in range(50)]
    try:
        for client in clients:
            client.send(wire.submits(20))
        for client in reversed(clients):
            client.expect_acks(20)
    finally:
        for client in clients:
            client.close()


def test_ipv6(start):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no ::1 on this machine: {error}")
    started = start(listen=("[::1]:0",))
    with started.connect() as client:
        client.round_trip()
    assert started.listeners[0][0][0] == "::1"


@pytest.mark.parametrize("scheme", ("unix:", ""))
def test_unix_socket(start, tmp_path, scheme):
    path = tmp_path / "ackd.sock"
    started = start("--workers=2", listen=(f"{scheme}{path}",))
    assert started.listeners == [(str(path), "spec")]
    clients = [started.connect() for _ in range(10)]
    for client in clients:
        client.exchange(wire.submits(1000), wire.acks(1000))
        client.half_close()
        client.expect_fin()
        client.close()


def test_listeners_side_by_side(start, tmp_path):
    """Several listeners, each with its own dialect; the ports file has them in order."""
    started = start(listen=("127.0.0.1:0", "127.0.0.1:0,dialect=demo",
                            f"unix:{tmp_path}/demo.sock,dialect=demo", "127.0.0.1:0,dialect=spec"))
    assert [dialect for _, dialect in started.listeners] == ["spec", "demo", "demo", "spec"]
    for address, dialect in started.listeners:
        with Client(address, dialect) as client:
            client.send(wire.conn(1) + wire.submit(2))
            client.expect(wire.ack(wire.ident(1), dialect, CONN)
                          + wire.ack(wire.ident(2), dialect))
