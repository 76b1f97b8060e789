# SPDX-License-Identifier: MIT
"""Bad input: the acks already earned arrive, then FIN; the reason is counted; nobody else notices.

The server has one worker, so the trouble and its canary share a thread.
"""
import socket

import pytest

import wire
from client import Canary, Client, wait_for
from wire import CONN, SUBMIT

MAX_FRAME = 65536


def header(length, rest=b""):
    return length.to_bytes(4, "big") + rest


# (name, bytes, close reason)
VIOLATIONS = [
    *((f"length-{length}", header(length), "frame_too_short") for length in (0, 1, 3, 4)),
    ("length-0-and-more", header(0, b"\x02" + bytes(100)), "frame_too_short"),

    ("max-frame-plus-1", header(MAX_FRAME + 1), "frame_too_large"),
    ("max-frame-plus-1-and-more", header(MAX_FRAME + 1, b"\x02" + bytes(1000)), "frame_too_large"),
    ("little-endian", bytes.fromhex("0d000000"), "frame_too_large"),
    ("legal-but-first-byte", header(0x8000000d, b"\x02" + bytes(8)), "frame_too_large"),
    ("int32-max", header(0x7fffffff), "frame_too_large"),
    ("int32-min", header(0x80000000), "frame_too_large"),
    ("uint32-max", header(0xffffffff), "frame_too_large"),
    ("http", b"GET / HTTP/1.1\r\nHost: ackd\r\n\r\n", "frame_too_large"),
    ("ssh", b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "frame_too_large"),
    ("tls", bytes.fromhex("16030100a5010000a10303") + bytes(32), "frame_too_large"),
    ("proxy-v1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "frame_too_large"),
    ("proxy-v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12), "frame_too_large"),
    ("redis", b"*1\r\n$4\r\nPING\r\n", "frame_too_large"),

    ("submit-of-5", wire.frame(SUBMIT), "packet_too_short"),
    ("six-byte-killer", bytes.fromhex("000000060201"), "packet_too_short"),
    ("submit-of-12", wire.frame(SUBMIT, b"0000001"), "packet_too_short"),
    ("conn-of-5", wire.frame(CONN), "packet_too_short"),
    ("conn-of-12", wire.frame(CONN, b"0000001"), "packet_too_short"),

    *((f"command-{command:02x}", wire.frame(command, b"00000001payload"), "unknown_command")
      for command in (0x00, 0x03, 0x7f, 0x83, 0xff)),
    ("column-killer", bytes.fromhex("000000060278")[:4] + b"\x78\x01", "unknown_command"),
    ("unknown-of-5", wire.frame(0x11), "unknown_command"),

    *((f"ack-{command:02x}", wire.frame(command, b"00000001\0"), "wrong_direction")
      for command in (0x80, 0x81, 0x82)),
    ("ack-of-5", wire.frame(0x82), "wrong_direction"),
]
IDS = [row[0] for row in VIOLATIONS]


def counted(reason):
    """What one violation moves."""
    return {f'connections_closed_total{{reason="{reason}"}}': 1,
            f'decode_errors_total{{reason="{reason}"}}': 1}


@pytest.mark.parametrize("data, reason", [row[1:] for row in VIOLATIONS], ids=IDS)
def test_first_thing_on_a_connection(server, data, reason):
    with Canary(server), server.moves(counted(reason)), server.connect() as client:
        client.send(data)
        client.expect_fin()


@pytest.mark.parametrize("data, reason", [row[1:] for row in VIOLATIONS], ids=IDS)
def test_behind_requests_and_before_more(server, data, reason):
    """What came before is acked, what comes behind is not, and the violation gets no ack."""
    with Canary(server), server.moves(counted(reason)), server.connect() as client:
        client.send(wire.submits(3, b"earlier") + data + wire.submits(2, b"later"))
        client.expect_acks(3)
        client.expect_fin()


@pytest.mark.parametrize("data, reason", [row[1:] for row in VIOLATIONS], ids=IDS)
def test_one_byte_at_a_time(server, data, reason):
    """However slowly it comes: the same acks, the same end."""
    start = wire.submit(1)
    with server.moves(counted(reason)), server.connect() as client:
        client.send(start)
        client.expect_acks(1)
        for at in range(min(len(data), 24)):
            try:
                client.send(data[at:at + 1])
            except (BrokenPipeError, ConnectionResetError):
                pytest.fail("the connection was reset while it lingered")
            server.barrier()
        client.expect_fin()


def test_what_is_sent_behind_the_end_causes_no_reset(server):
    """The server reads on, and throws away, until its client is done: RST would take unread acks
    away from the client."""
    with server.connect() as client:
        client.send(wire.submits(1000) + header(0))
        server.barrier()
        for _ in range(20):
            client.send(bytes(1000))
            server.barrier()
        client.expect_acks(1000)
        client.expect_fin()


def test_trap_13_400k_of_unread_acks_before_garbage(server):
    """The acks fill the client's small window and wait in the server; garbage follows them."""
    count = 30_000
    requests = wire.submits(count) + b"GET / HTTP/1.1\r\n\r\n"
    with Canary(server), server.moves(counted("frame_too_large")), \
            server.connect(send_buffer=1 << 20, receive_buffer=4096) as client:
        client.send(requests)
        server.barrier()
        client.expect_acks(count)
        client.expect_fin()


@pytest.mark.parametrize("cut", range(1, 14))
def test_fin_inside_a_frame(server, cut):
    """No ack for half a request; the whole ones before it are acked."""
    frame = wire.submit(4, b"p")
    with Canary(server), server.moves({'connections_closed_total{reason="eof_in_frame"}': 1}), \
            server.connect() as client:
        client.send(wire.submits(3) + frame[:cut])
        client.half_close()
        client.expect_acks(3)
        client.expect_fin()


@pytest.mark.parametrize("data", (b"", b"\0\0", wire.submit(2)[:9], wire.submit(2) * 100),
                         ids=("idle", "in-header", "in-frame", "acks-unread"))
def test_reset(server, data):
    with Canary(server), server.moves({'connections_closed_total{reason="reset"}': 1}):
        client = server.connect()
        client.round_trip()
        client.send(data)
        server.barrier()
        client.reset()


def test_reset_before_accept_or_soon_after(server):
    with Canary(server):
        for _ in range(200):
            server.connect().reset()


def test_urgent_data(server):
    """A byte of MSG_OOB is not part of the stream, and the server does not spin on it."""
    with Canary(server), server.connect() as client:
        client.send(wire.submit(1))
        client.socket.send(b"!", socket.MSG_OOB)
        client.send(wire.submit(2))
        client.expect_acks(2)


def send_in_two_pieces(started, address, send_first, waits=False):
    """Two pieces of SUBMITs at once; what send_first() adds to the first ends a recv(2) there.
    @waits: the second comes with what comes next."""
    with Client(address) as client:
        for _ in range(6):  # so large that a worker receives them in one piece
            client.exchange(wire.submits(2000, b"x" * 22), wire.acks(2000))
        started.pause()
        send_first(client.socket, wire.submits(1000))
        client.send(wire.submits(1000, first=1001))
        started.resume()
        client.expect_acks(1000)
        if waits:
            client.send(wire.submit(2001))
        client.expect_acks(1000 + waits, first=1001)


def test_urgent_data_between_two_pieces(start, engine):
    """A receive ends there: what stands behind it is received all the same, with io_uring when more
    comes (decision 6)."""
    started = start(f"--engine={engine}", "--workers=1")

    def send_first(peer, data):
        peer.sendall(data)
        peer.send(b"!", socket.MSG_OOB)

    send_in_two_pieces(started, started.addresses["spec"], send_first, waits=engine == "uring")


def test_descriptors_between_two_pieces(start, engine, tmp_path):
    """They are passed on a unix socket: a receive ends there, and nobody takes them."""
    started = start(f"--engine={engine}", "--workers=1", listen=(f"unix:{tmp_path}/ackd.sock",))
    before = started.lasting_descriptor_count()
    send_in_two_pieces(started, started.listeners[0][0],
                       lambda peer, data: socket.send_fds(peer, [data], [0]))
    wait_for(lambda: started.lasting_descriptor_count() <= before, "none is kept")


def test_many_at_once(server):
    """Every violation on a connection of its own, all open at the same time."""
    with Canary(server):
        clients = [(server.connect(), data) for _, data, _ in VIOLATIONS * 3]
        for client, data in clients:
            client.send(wire.submits(5) + data)
        for client, _ in clients:
            client.expect_acks(5)
            client.expect_fin()
            client.close()


def test_nothing_is_left_behind(start):
    """After each violation once, everything that was opened is closed again."""
    started = start("--workers=1")
    started.metrics()
    started.barrier()
    before = started.lasting_descriptor_count()
    for _, data, _ in VIOLATIONS:
        with started.connect() as client:
            client.send(data)
            client.expect_fin()
    wait_for(lambda: started.metrics()["client_connected"] == 1, "only the probe is connected")
    wait_for(lambda: started.lasting_descriptor_count() == before, "no descriptor is left")


def test_max_frame_is_the_bound(start):
    started = start("--max-frame=100")
    with started.connect() as client:
        client.send(wire.submit(1, bytes(100 - 13)))
        client.expect_acks(1)
        client.send(wire.submit(2, bytes(101 - 13)))
        client.expect_fin()


def test_smallest_max_frame(start):
    started = start("--max-frame=13")
    with started.connect() as client:
        client.exchange(wire.submits(1000), wire.acks(1000))
        client.send(wire.submit(1, b"x"))
        client.expect_fin()


def test_largest_max_frame(start):
    started = start("--max-frame=16MiB")
    payload = bytes((16 << 20) - 13)
    with started.connect() as client:
        client.exchange(wire.submits(2, payload), wire.acks(2))
        client.send(header((16 << 20) + 1))
        client.expect_fin()
