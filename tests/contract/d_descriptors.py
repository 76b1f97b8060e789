# SPDX-License-Identifier: MIT
"""No descriptor left: accepting pauses without burning CPU, and resumes when one comes back."""
import resource
import signal
import socket
import time

import pytest

import wire
from client import DEADLINE, Canary, wait_for
from server import total

CPU_SHARE_MAX = 0.05


def limit_descriptors(started, spare):
    """Leaves @spare descriptors to the running server."""
    count = started.descriptor_count() + spare
    resource.prlimit(started.pid, resource.RLIMIT_NOFILE, (count, count))


def assert_sleeps(started, seconds=1.0):
    before = started.cpu_seconds()
    time.sleep(seconds)  # the stretch of time that is measured
    share = (started.cpu_seconds() - before) / seconds
    assert share < CPU_SHARE_MAX, f"{share:.0%} of a CPU while there is nothing to do"


def emfile_count(started):
    return started.metrics()['accept_errors_total{error="emfile"}']


@pytest.mark.parametrize("workers", (1, 2))
def test_accept_pauses_and_resumes(start, workers):
    started = start(f"--workers={workers}")
    started.metrics()
    with Canary(started):
        limit_descriptors(started, 8)
        clients = [started.connect() for _ in range(40)]
        for client in clients:
            client.send(wire.submit(1, b"may wait"))
        wait_for(lambda: emfile_count(started) > 0, "accept failed for want of a descriptor")
    # The canary is gone: its descriptor is taken by another, and again there is none.
    assert_sleeps(started)

    # The kernel holds the rest: as some leave, others are let in, until all were served.
    waiting = set(clients)
    end = time.monotonic() + DEADLINE
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} connections were never let in"
        for client in list(filter(has_ack, waiting)):
            client.expect_acks(1)
            client.close()
            waiting.remove(client)
    with started.connect() as client:
        client.round_trip()


def test_drain_serves_who_waits_for_a_descriptor(start):
    """Connections that the kernel holds when SIGTERM comes are let in as others end, and acked."""
    started = start("--workers=1")
    started.metrics()
    limit_descriptors(started, 3)
    clients = [started.connect() for _ in range(10)]
    for client in clients:
        client.send(b"".join(wire.submit(number, b"held") for number in (1, 2, 3)))
    wait_for(lambda: any(has_ack(client) for client in clients), "the first ones are served")
    started.signal(signal.SIGTERM)
    waiting = set(clients)
    end = time.monotonic() + DEADLINE
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} connections were never let in"
        for client in list(filter(has_ack, waiting)):
            client.expect_acks(3)
            client.expect_fin()
            client.close()
            waiting.remove(client)
    assert started.wait() == 0


def has_ack(client):
    client.socket.setblocking(False)
    try:
        return len(client.socket.recv(wire.ACK_SIZE, socket.MSG_PEEK)) == wire.ACK_SIZE
    except BlockingIOError:
        return False
    finally:
        client.socket.settimeout(DEADLINE)


def test_metrics_listener_does_not_spin_either(start):
    """A scrape that cannot be accepted costs no CPU, and is answered once there is room."""
    started = start("--workers=1")
    started.metrics()
    with started.connect() as held:
        held.round_trip()
        limit_descriptors(started, 0)
        with socket.create_connection(started.metrics_address, DEADLINE) as scrape:
            scrape.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert_sleeps(started)
            held.round_trip()
            held.close()
            assert scrape.recv(12) == b"HTTP/1.1 200"


def test_automatic_max_conns_leaves_descriptors_for_the_rest(start):
    """With --max-conns=auto descriptors do not run out: who is too much is told so at once."""
    started = start("--workers=2", limits=[(resource.RLIMIT_NOFILE, 256)])
    with Canary(started):
        clients = [started.connect() for _ in range(300)]
        wait_for(lambda: total(started.metrics(), "connections_rejected_total") > 0, "a refusal")
        metrics = wait_for(lambda: settled(started, 301), "all were accepted or refused")
        assert metrics["client_connected"] > 100
        assert total(metrics, "accept_errors_total") == 0
        assert started.request("/-/healthy")[0] == 200
        for client in clients:
            client.close()
        wait_for(lambda: started.metrics()["client_connected"] == 1, "all have left")
        with started.connect() as client:
            client.round_trip()


def settled(started, count):
    """The metrics, once @count connections were accepted or refused."""
    metrics = started.metrics()
    seen = metrics["connections_accepted_total"] + total(metrics, "connections_rejected_total")
    return metrics if seen == count else None


def test_very_few_descriptors_from_the_start(start):
    """64 are too few for any reserve: they may run out, and must not do harm when they do."""
    started = start("--workers=1", limits=[(resource.RLIMIT_NOFILE, 64)])
    started.metrics()
    with Canary(started):
        clients = [started.connect() for _ in range(100)]
        wait_for(lambda: emfile_count(started)
                 + total(started.metrics(), "connections_rejected_total") > 0, "the limit is met")
        for client in clients:
            client.close()
        with started.connect() as client:
            client.round_trip()
