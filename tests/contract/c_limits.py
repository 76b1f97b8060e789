# SPDX-License-Identifier: MIT
"""Every limit: what is over it is closed and counted, what is under it is left alone."""
import time

import pytest

import wire
from client import PATIENCE, Canary, Client, wait_for
from server import total

MIB = 1 << 20


def closed(reason):
    return f'connections_closed_total{{reason="{reason}"}}'


def elapsed_since(start):
    return time.monotonic() - start


# Time

@pytest.mark.parametrize("first", (
    b"\0", b"\0\0\0", b"\0\0\0\x20\x02", wire.submit(1, bytes(30))[:42]),
    ids=("1", "3", "5", "all-but-1"))
def test_frame_timeout(start, first):
    """The clock starts with the first byte of a frame, and silence ends it."""
    started = start("--workers=1", "--frame-timeout=300ms")
    with Canary(started), started.moves({closed("frame_timeout"): 1}), \
            started.connect() as client:
        client.round_trip()
        begin = time.monotonic()
        client.send(first)
        client.expect_fin()
        assert elapsed_since(begin) > 0.25


def test_frame_timeout_is_not_reset_by_dribbling(start):
    started = start("--workers=1", "--frame-timeout=300ms")
    frame = wire.submit(1, bytes(1000))
    with Canary(started), started.moves({closed("frame_timeout"): 1}), \
            started.connect() as client:
        begin = time.monotonic()
        for at in range(len(frame)):
            client.send(frame[at:at + 1])
            if client.is_ended_within(0.02):
                break
        assert 0.25 < elapsed_since(begin) < 3 * PATIENCE
        client.expect_fin()


def test_frame_timeout_begins_anew_with_each_frame(start):
    """Frames that take 0.6 of the time each may go on for ever."""
    started = start("--workers=1", "--frame-timeout=1s")
    with started.connect() as client:
        for number in range(1, 4):
            frame = wire.submit(number, b"slow")
            # The end of one frame and the start of the next arrive together.
            client.send(frame[:9] if number == 1 else frame[3:9])
            assert not client.is_ended_within(0.6)
            client.send(frame[9:] + wire.submit(number + 1, b"slow")[:3])
            client.expect_acks(1, number)


def test_frame_timeout_spares_whole_frames(start):
    started = start("--workers=1", "--frame-timeout=200ms")
    with started.connect() as client:
        client.round_trip()
        assert not client.is_ended_within(0.5)
        client.round_trip()


def test_frame_timeout_spares_who_is_not_read(start):
    """While the server itself does not read a connection, the end of a frame cannot arrive."""
    started = start("--handler=delay:800ms", "--window=1", "--frame-timeout=300ms", "--workers=1")
    last = wire.submit(6, b"in two pieces")
    with started.connect() as client:
        client.send(wire.submits(5) + last[:9])
        wait_for(lambda: started.metrics()["deferred_requests"] == 5, "the window is full")
        client.send(last[9:])
        client.expect_acks(6)


def test_idle_timeout(start):
    started = start("--workers=1", "--idle-timeout=400ms")
    with Canary(started), started.moves({closed("idle_timeout"): 2}):
        with started.connect() as silent, started.connect() as once:
            once.round_trip()
            begin = time.monotonic()
            silent.expect_fin()
            once.expect_fin()
            assert 0.3 < elapsed_since(begin) < 3 * PATIENCE


def test_idle_timeout_is_reset_by_traffic(start):
    started = start("--workers=1", "--idle-timeout=1s")
    with started.connect() as client:
        for _ in range(8):
            assert not client.is_ended_within(0.2)
            client.round_trip()


def test_idle_timeout_can_be_off(start):
    started = start("--workers=1", "--idle-timeout=0", "--frame-timeout=100ms")
    with started.connect() as client:
        assert not client.is_ended_within(0.4)
        client.round_trip()


def test_write_timeout(start):
    """A peer that never reads: its acks are dropped, and nobody else waits."""
    started = start("--workers=1", "--write-timeout=400ms")
    with Canary(started), started.moves({closed("write_timeout"): 1}), \
            started.connect(receive_buffer=4096) as client:
        client.fill(wire.submits(300_000), patience=0.1)
        wait_for(lambda: started.metrics()[closed("write_timeout")] == 1, "write timeout")
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    metrics = started.metrics()
    assert metrics["acks_dropped_total"] > 0
    assert metrics["write_queue_bytes"] == 0
    assert metrics["req_recv_total"] == metrics["rsp_send_total"] + metrics["acks_dropped_total"]


def test_write_timeout_spares_slow_readers(start):
    """Some progress now and then is enough."""
    started = start("--workers=1", "--write-timeout=700ms")
    count = 40_000
    with Canary(started), \
            started.connect(send_buffer=2 * MIB, receive_buffer=16384) as client:
        client.send(wire.submits(count))
        want = wire.acks(count)
        at = 0
        # Slower than the timeout would allow, were it for all of the acks.
        begin = time.monotonic()
        while elapsed_since(begin) < 1.5:
            client.expect(want[at:at + 8192])
            at += 8192
            time.sleep(0.05)  # this reader is slow: that is the test
        client.expect(want[at:])


# Connections

@pytest.mark.parametrize("workers", (1, 3))
def test_max_conns(start, workers):
    """Global over the workers; who is over the limit is closed at once, and room comes back."""
    started = start(f"--workers={workers}", "--max-conns=10")
    with Canary(started):
        clients = [started.connect() for _ in range(9)]
        for client in clients:
            client.round_trip()
        with started.moves({'connections_rejected_total{reason="max_conns"}': 20}):
            for _ in range(20):
                with started.connect() as refused:
                    refused.expect_fin()
        for client in clients:
            client.round_trip()

        clients.pop().close()
        wait_for(lambda: started.metrics()["client_connected"] == 9, "room for one more")
        clients.append(started.connect())
        clients[-1].round_trip()
        with started.connect() as refused:
            refused.expect_fin()
        for client in clients:
            client.close()
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    metrics = started.metrics()
    assert metrics["connections_accepted_total"] == total(metrics, "connections_closed_total")


# Memory

def assert_grew_less(started, before, bound):
    if not started.is_instrumented():
        grown = started.resident_size() - before
        assert grown < bound, f"grew by {grown / MIB:.1f} MiB"


def test_back_pressure(start):
    """100,000 requests from a peer that does not read: the server stops reading it, holds little,
    and loses nothing."""
    started = start("--workers=1")
    count = 100_000
    requests = wire.submits(count, b"p" * 22)
    with Canary(started), started.connect(send_buffer=4 * MIB, receive_buffer=4096) as client:
        before = started.resident_size()
        unsent = client.fill(requests)
        wait_for(lambda: started.metrics()['read_paused_total{reason="ack_backlog"}'] > 0,
                 "the server stops reading")
        assert started.metrics()["write_queue_bytes"] < 1 * MIB
        assert_grew_less(started, before, 4 * MIB)
        client.exchange(unsent, wire.acks(count))
    wait_for(lambda: started.metrics()["write_queue_bytes"] == 0, "queue empty")
    assert started.metrics()["acks_dropped_total"] == 0


@pytest.mark.parametrize("length", (0x7fffffff, 0xffffffff, 65537))
def test_claims_beyond_max_frame_cost_nothing(start, length):
    started = start("--workers=1")
    with Canary(started):
        before = started.resident_size()
        with started.moves({closed("frame_too_large"): 300}):
            clients = [started.connect() for _ in range(300)]
            for client in clients:
                client.send(length.to_bytes(4, "big"))
            for client in clients:
                client.expect_fin()
            assert_grew_less(started, before, 2 * MIB)
            for client in clients:
                client.close()


def test_legal_claims_cost_what_was_received(start):
    """500 headers that announce 16 MiB each: 8 GB of claims, some KiB received."""
    started = start("--workers=1", "--max-frame=16MiB", "--frame-timeout=60s")
    with Canary(started):
        before = started.resident_size()
        clients = [started.connect() for _ in range(500)]
        for client in clients:
            client.send((16 * MIB).to_bytes(4, "big") + b"\x02" + bytes(20))
        started.barrier()
        wait_for(lambda: started.metrics()["network_receive_bytes_total"] >= 500 * 25, "all read")
        assert_grew_less(started, before, 8 * MIB)
        for client in clients:
            client.reset()


def test_memory_of_a_long_frame_comes_back(start):
    """Long frames in pieces on many connections; afterwards the server serves on as before."""
    started = start("--workers=1", "--max-frame=1MiB")
    frame = wire.submit(1, bytes(MIB - 13))
    with Canary(started):
        clients = [started.connect() for _ in range(20)]
        for client in clients:
            client.send(frame[:-1])
        for client in clients:
            client.send(frame[-1:])
        for client in clients:
            client.expect_acks(1)
        with started.moves({closed("eof"): 20}):
            for client in clients:
                client.close()


# Addresses, and what is said about limits

@pytest.mark.parametrize("workers", (1, 3))
def test_max_conns_per_ip(start, workers):
    """Over all workers; another address has its own, and room comes back."""
    rejected = 'connections_rejected_total{reason="max_conns_per_ip"}'
    started = start(f"--workers={workers}", "--max-conns-per-ip=5",
                    listen=("127.0.0.1:0", "[::1]:0"))
    clients = [started.connect() for _ in range(5)]
    for client in clients:
        client.round_trip()
    with started.moves({rejected: 10}):
        for _ in range(10):
            with started.connect() as refused:
                refused.expect_fin()
    with Client(started.listeners[1][0]) as other:
        other.round_trip()
    clients.pop().close()
    wait_for(lambda: started.metrics()["client_connected"] == 4, "room for one more")
    clients.append(started.connect())
    clients[-1].round_trip()
    for client in clients:
        client.round_trip()
        client.close()


def test_unix_sockets_have_no_address(start, tmp_path):
    path = str(tmp_path / "s")
    started = start("--max-conns-per-ip=1", "--conn-rate-per-ip=1", listen=(path,))
    clients = [Client(path) for _ in range(5)]
    for client in clients:
        client.round_trip()
        client.close()


@pytest.mark.parametrize("option", ("first-frame-timeout=0", "idle-timeout=0", "frame-timeout=0",
                                    "write-timeout=0", "peer-timeout=0", "memory-limit=off"))
def test_a_limit_that_is_off_is_a_warning(start, option):
    started = start(f"--{option}")

    def warnings():
        return [line for line in started.log().splitlines() if "level=warn" in line]

    wait_for(warnings, "a warning")
    assert len(warnings()) == 1 and f"option={option.split('=')[0]}" in warnings()[0]


def test_no_warning_with_the_defaults(start):
    assert "level=warn" not in start().log()


def test_rejected_connections_are_in_the_log_but_not_all(start):
    started = start("--workers=2", "--max-conns=1")
    with started.connect() as client:
        client.round_trip()
        for _ in range(100):
            with started.connect() as refused:
                refused.expect_end()
        lines = [line for line in started.log().splitlines() if "event=rejected" in line]
        assert 0 < len(lines) <= 30 and "reason=max_conns" in lines[0]
        left_out = started.metrics()['log_lines_suppressed_total{kind="rejected"}']
        assert len(lines) + left_out == 100
