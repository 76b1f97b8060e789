# SPDX-License-Identifier: MIT
"""The handlers: append writes what it acks, delay acks later, and both keep order and bounds."""
import contextlib
import os
import resource
import subprocess
import time

import pytest

import wire
from client import DEADLINE, Canary, wait_for
from wire import CONN


def record(payload):
    return len(payload).to_bytes(4, "big") + payload


def read_records(path):
    data = path.read_bytes()
    records = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        assert at + 4 + size <= len(data), f"torn record at byte {at}"
        records.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return records


def results_of(data):
    """The result of each ack."""
    assert len(data) % wire.ACK_SIZE == 0
    return [data[at + 13] for at in range(0, len(data), wire.ACK_SIZE)]


# append

PAYLOADS = [b"", b"x", b"two\nlines", bytes(range(256)), b"", b"\0" * 5000, wire.submits(3)]


def test_append_writes_length_and_payload(start, tmp_path):
    path = tmp_path / "records"
    started = start(f"--handler=append:{path}")
    with started.connect() as client:
        for number, payload in enumerate(PAYLOADS, 1):
            client.send(wire.submit(number, payload))
        client.expect_acks(len(PAYLOADS))
        # An ack means written: no need to wait.
        assert path.read_bytes() == b"".join(map(record, PAYLOADS))
        client.send(wire.conn(1, b"a CONN is no payload"))
        client.receive(wire.ACK_SIZE)
    assert path.read_bytes() == b"".join(map(record, PAYLOADS))


def test_append_goes_on_where_it_was(start, tmp_path):
    path = tmp_path / "records"
    for _ in range(3):
        started = start(f"--handler=append:{path}")
        with started.connect() as client:
            client.round_trip(b"again")
        started.close()
    assert path.read_bytes() == record(b"again") * 3


def test_append_refuses_a_file_that_is_in_use_or_torn(start, program, tmp_path):
    """Two writers, or a record behind half a one, would make the file unreadable."""
    path = tmp_path / "records"

    def refused():
        finished = subprocess.run(
            [program, "--listen=127.0.0.1:0", "--metrics-listen=off",
             "--pprof-listen=off", f"--handler=append:{path}"],
            capture_output=True, text=True, timeout=DEADLINE)
        assert finished.returncode == 71
        assert str(path) in finished.stderr and "--handler" in finished.stderr
        return finished.stderr

    started = start(f"--handler=append:{path}")
    assert "another server" in refused()
    with started.connect() as client:
        client.round_trip(b"whole")
    started.close()
    whole = path.read_bytes()
    path.write_bytes(whole + record(b"torn")[:-1])
    assert str(len(whole)) in refused(), "it says where to cut"
    assert path.read_bytes() == whole + record(b"torn")[:-1]


def test_append_keeps_the_order_of_each_connection(start, tmp_path):
    path = tmp_path / "records"
    started = start("--workers=3", f"--handler=append:{path}")
    clients = [started.connect() for _ in range(12)]
    count = 2000
    for index, client in enumerate(clients):
        requests = b"".join(wire.submit(number, b"%d:%d" % (index, number))
                            for number in range(1, count + 1))
        client.send(requests)
    for client in clients:
        client.expect_acks(count)
        client.close()
    by_client = {index: [] for index in range(len(clients))}
    for payload in read_records(path):
        index, number = payload.split(b":")
        by_client[int(index)].append(int(number))
    assert all(numbers == list(range(1, count + 1)) for numbers in by_client.values())


def test_append_of_long_payloads(start, tmp_path):
    path = tmp_path / "records"
    started = start(f"--handler=append:{path}", "--max-frame=4MiB")
    payloads = [os.urandom(size) for size in (3 << 20, 1, (4 << 20) - 13, 70_000)]
    with started.connect() as client:
        requests = b"".join(wire.submit(number, payload)
                            for number, payload in enumerate(payloads, 1))
        client.exchange(requests, wire.acks(len(payloads)))
    assert read_records(path) == payloads


@contextlib.contextmanager
def small_disk(tmp_path):
    """A folder with room for 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "ackd-test", folder],
                           capture_output=True)
    if mount.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs: {mount.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def check_full(started, path):
    """Fills the disk: each ack says whether its record is in the file.  Returns the payloads that
    are."""
    count = 600
    payloads = [b"%06d" % number + bytes(994) for number in range(count)]
    errors_before = started.metrics()["handler_errors_total"]
    with started.connect() as client:
        client.send(b"".join(wire.submit(number, payload)
                             for number, payload in enumerate(payloads, 1)))
        got = client.receive(count * wire.ACK_SIZE)
        client.number = count
        results = results_of(got)
        assert [got[at + 5:at + 13] for at in range(0, len(got), 14)] == \
            [wire.ident(number) for number in range(1, count + 1)]
        assert set(results) == {0, 1}
        written = [payload for payload, result in zip(payloads, results) if result == 0]
        assert read_records(path) == written
        metrics = started.metrics()
        assert metrics["handler_errors_total"] > errors_before
        assert metrics['acks_total{result="error"}'] == results.count(1)
        assert metrics['acks_total{result="ok"}'] == results.count(0)
        # The connection goes on.
        client.send(wire.conn(count + 1))
        client.receive(wire.ACK_SIZE)
    return written


def test_full_disk(start, tmp_path):
    with small_disk(tmp_path) as folder:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(100 * 1024))
        path = folder / "records"
        started = start("--workers=1", f"--handler=append:{path}")
        written = check_full(started, path)

        ballast.unlink()
        with started.connect() as client:
            client.round_trip(b"there is room again")
        assert read_records(path) == written + [b"there is room again"]
        started.close()


def test_file_size_limit(start, tmp_path):
    """EFBIG is a full disk too, and SIGXFSZ does not end the server."""
    path = tmp_path / "records"
    started = start("--workers=1", f"--handler=append:{path}",
                    limits=[(resource.RLIMIT_FSIZE, 100_000)])
    check_full(started, path)


# delay

def test_delay_answers_in_order_and_not_before(start):
    started = start("--handler=delay:200ms", "--workers=2")
    with started.connect() as client:
        begin = time.monotonic()
        client.send(wire.submits(500))
        client.expect_acks(500)
        assert time.monotonic() - begin >= 0.2


def test_delay_does_not_hold_up_the_next(start):
    """Ten requests, each sent 20 ms after the last, wait side by side and not one for another."""
    started = start("--handler=delay:300ms", "--workers=1")
    with started.connect() as client:
        begin = time.monotonic()
        for number in range(1, 11):
            client.send(wire.submit(number))
            assert not client.is_ended_within(0.02)
        client.expect_acks(10)
        assert 0.3 <= time.monotonic() - begin < 2.0


def test_conn_keeps_its_place_among_deferred_acks(start):
    started = start("--handler=delay:50ms")
    with started.connect() as client:
        client.send(wire.submit(1) + wire.conn(2) + wire.submit(3) + wire.conn(4) + wire.conn(5))
        client.expect(wire.ack(wire.ident(1)) + wire.ack(wire.ident(2), command=CONN)
                      + wire.ack(wire.ident(3)) + wire.ack(wire.ident(4), command=CONN)
                      + wire.ack(wire.ident(5), command=CONN))


def test_violation_behind_deferred_requests(start):
    """The acks that are still being made come first, then FIN."""
    started = start("--handler=delay:200ms")
    with Canary(started), started.connect() as client:
        client.send(wire.submits(10) + b"GET / HTTP/1.1\r\n")
        client.expect_acks(10)
        client.expect_fin()


def test_half_close_behind_deferred_requests(start):
    started = start("--handler=delay:200ms")
    with started.moves({"stale_completions_total": 0, "acks_dropped_total": 0,
                        'connections_closed_total{reason="eof"}': 1}), started.connect() as client:
        client.send(wire.submits(100))
        client.half_close()
        client.expect_acks(100)
        client.expect_fin()


def test_owed_acks_keep_a_connection_from_being_idle(start):
    started = start("--handler=delay:800ms", "--idle-timeout=200ms", "--workers=1")
    with started.connect() as client:
        client.send(wire.submit(1))
        client.expect_acks(1)
        client.expect_fin()


def test_window_bounds_what_is_deferred(start):
    """At the window the connection is not read; all is acked in the end.  What one recv brought is
    always taken, so the bound is the window and one receive buffer."""
    started = start("--handler=delay:100ms", "--window=8", "--workers=1")
    count = 40_000
    highest = 0
    with started.connect(send_buffer=4 << 20) as client:
        client.send(wire.submits(count, b"w" * 22))
        want = wire.acks(count)
        step = len(want) // 20 // wire.ACK_SIZE * wire.ACK_SIZE
        for at in range(0, len(want), step):
            client.expect(want[at:at + step])
            highest = max(highest, started.metrics()["deferred_requests"])
    assert highest <= 8 + (512 << 10) // 35
    # An ack may be here a moment before the server has counted it.
    wait_for(lambda: started.metrics()["rsp_send_total"] == count, "all acks are counted")
    wait_for(lambda: started.metrics()["deferred_requests"] == 0, "nothing is left deferred")
    metrics = started.metrics()
    assert metrics["req_recv_total"] == count
    assert metrics['read_paused_total{reason="window"}'] > 0


def test_window_of_one_with_a_client_that_pipelines(start):
    started = start("--handler=delay:5ms", "--window=1", "--workers=1")
    with started.connect() as client:
        for first in range(1, 200, 10):
            client.send(wire.submits(10, first=first))
            client.expect_acks(10, first)


def test_peer_resets_meanwhile(start):
    """Its acks come too late: counted, thrown away, and nobody else's."""
    started = start("--handler=delay:300ms", "--workers=1")
    with Canary(started), started.moves({"acks_dropped_total": 50,
                                         'connections_closed_total{reason="reset"}': 1}):
        before = started.metrics()["stale_completions_total"]
        client = started.connect()
        client.send(wire.submits(50))
        wait_for(lambda: started.metrics()["deferred_requests"] >= 50, "all are deferred")
        client.reset()
        wait_for(lambda: started.metrics()["stale_completions_total"] > before, "stale")
        wait_for(lambda: started.metrics()["deferred_requests"] <= 1, "nothing is left deferred")


def test_peer_closes_meanwhile(start):
    """close() sends the FIN that a half-closed peer sends too: only the acks, answered with RST,
    show that nobody is there."""
    started = start("--handler=delay:300ms", "--workers=1")
    with Canary(started):
        client = started.connect()
        client.send(wire.submits(50))
        wait_for(lambda: started.metrics()["deferred_requests"] >= 50, "all are deferred")
        client.close()
        wait_for(lambda: started.metrics()["client_connected"] == 1, "it has gone")
        assert started.metrics()["deferred_requests"] <= 1


def test_many_peers_leave_meanwhile(start):
    """Slots are used again while completions for their last owners are still under way."""
    started = start("--handler=delay:50ms", "--workers=2")
    with Canary(started):
        for _ in range(10):
            leaving = [started.connect() for _ in range(20)]
            for client in leaving:
                client.send(wire.submits(5))
            for client in leaving:
                client.reset()
            with started.connect() as client:
                client.send(wire.submits(20))
                client.expect_acks(20)
    wait_for(lambda: started.metrics()["deferred_requests"] == 0, "nothing is left deferred")
