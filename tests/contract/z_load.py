# SPDX-License-Identifier: MIT
"""Many at once, for long enough that what leaks or starves shows."""
import contextlib
import pathlib
import resource
import selectors
import threading
import time

import pytest

import wire
from client import DEADLINE, PATIENCE, Canary, wait_for
from server import total

MIB = 1 << 20
PAGE_SIZE = resource.getpagesize()
SESSION_SIZE = 128  # sizeof(struct session)


class Crowd:
    """Connections that all send @data and want @want, driven by one selector."""

    def __init__(self, started, count, data, want):
        self.want = want
        self.selector = selectors.DefaultSelector()
        self.clients = [started.connect() for _ in range(count)]
        self.unsent = {}
        self.got = {}
        for client in self.clients:
            client.socket.setblocking(False)
            self.unsent[client] = memoryview(data)
            self.got[client] = bytearray()
            self.selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE,
                                   client)

    def run(self):
        unfinished = len(self.clients)
        end = time.monotonic() + 3 * DEADLINE
        while unfinished:
            assert time.monotonic() < end, f"{unfinished} connections wait for acks"
            for key, events in self.selector.select(0.1):
                if events & selectors.EVENT_WRITE:
                    self.write(key.data)
                if events & selectors.EVENT_READ:
                    unfinished -= self.read(key.data)

    def write(self, client):
        try:
            self.unsent[client] = self.unsent[client][client.socket.send(self.unsent[client]):]
        except BlockingIOError:
            pass
        if not self.unsent[client]:
            self.selector.modify(client.socket, selectors.EVENT_READ, client)

    def read(self, client):
        """True when the last ack has come."""
        piece = client.socket.recv(1 << 18)
        assert piece, "FIN before the last ack"
        self.got[client] += piece
        return len(self.got[client]) == len(self.want)

    def check(self):
        assert all(got == self.want for got in self.got.values())

    def close(self):
        for client in self.clients:
            client.close()
        self.selector.close()


@pytest.mark.parametrize("workers", (1, 2, 4))
def test_crowd(start, workers):
    """200 connections with frames of mixed sizes: every ack comes, and the counters agree."""
    started = start(f"--workers={workers}")
    per_client = 500
    data = b"".join(wire.submit(number, b"c" * (number * 31 % 90))
                    for number in range(1, per_client + 1))
    with Canary(started):
        crowd = Crowd(started, 200, data, wire.acks(per_client))
        crowd.run()
        crowd.check()
        spread = [value for name, value in started.metrics().items()
                  if name.startswith("worker_connections{")]
        assert len(spread) == workers and min(spread) > 0, f"connections per worker: {spread}"
        crowd.close()
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    metrics = started.metrics()
    canary_count = metrics["req_recv_total"] - 200 * per_client
    assert 0 < canary_count
    assert metrics["rsp_send_total"] == metrics["req_recv_total"]
    assert metrics["acks_dropped_total"] == 0
    assert metrics["connections_accepted_total"] == total(metrics, "connections_closed_total")


def test_crowd_with_deferred_acks(start):
    started = start("--workers=2", "--handler=delay:2ms")
    crowd = Crowd(started, 50, wire.submits(2000, b"deferred"), wire.acks(2000))
    crowd.run()
    crowd.check()
    crowd.close()
    wait_for(lambda: started.metrics()["deferred_requests"] == 0, "nothing is left deferred")


def test_greedy_connection_starves_nobody(start):
    """One that sends as fast as it can, in a thread of its own; a quiet one beside it."""
    started = start("--workers=1")
    ending = threading.Event()
    greedy = started.connect()
    requests = wire.submits(20_000, b"g" * 22)
    want = wire.acks(20_000)

    def send_all_the_time():
        while not ending.is_set():
            greedy.exchange(requests, want)

    thread = threading.Thread(target=send_all_the_time, daemon=True)
    with started.connect() as quiet:
        thread.start()
        latencies = []
        for _ in range(300):
            begin = time.monotonic()
            quiet.round_trip()
            latencies.append(time.monotonic() - begin)
        ending.set()
        thread.join(3 * DEADLINE)
    greedy.close()
    assert sorted(latencies)[len(latencies) // 2] < 0.1 * PATIENCE


def test_short_connections_leave_nothing_behind(start):
    started = start("--workers=2")
    started.metrics()
    with Canary(started):
        before = started.lasting_descriptor_count()
        for number in range(1500):
            with started.connect() as client:
                client.round_trip()
                if number % 3 == 0:
                    client.half_close()
                    client.expect_fin()
                elif number % 3 == 1:
                    client.reset()
        wait_for(lambda: started.metrics()["client_connected"] == 1, "all have left")
        wait_for(lambda: started.lasting_descriptor_count() == before, "no descriptor is left")


@pytest.fixture
def many_descriptors():
    """As many as we may have, for the length of the test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_idle_connections_cost_little(start, engine, many_descriptors):
    """10,000 connections more: sizeof(struct session), 128 bytes, for each before it has sent
    anything, and at most one more for pages that are begun, of which all have two; 256 when it has
    been served and is quiet again.  What the first of them cost once is not theirs, nor is what a
    scrape costs: there is none."""
    first_count, count = 2000, 10_000
    if many_descriptors < first_count + count + 1000:
        pytest.skip(f"needs {first_count + count} descriptors, the limit is {many_descriptors}")
    started = start("--workers=1", f"--engine={engine}", metrics="off")
    with started.connect() as client:
        client.exchange(wire.submits(10_000), wire.acks(10_000))
    clients = [started.connect() for _ in range(first_count)]
    clients[-1].round_trip()  # who is answered last was accepted last
    before = started.resident_size()
    clients += [started.connect() for _ in range(count)]
    clients[-1].round_trip()
    idle = (started.resident_size() - before) / count
    for client in clients[first_count:-1]:
        client.send(wire.submit(1))
    for client in clients[first_count:-1]:
        client.expect_acks(1)
    used = (started.resident_size() - before) / count
    print(f"{engine}: {idle:.1f} bytes for an idle connection, {used:.0f} once it was served")
    if not started.is_instrumented():
        assert idle <= SESSION_SIZE + 2 * PAGE_SIZE / count
        assert used <= 256
    for client in clients:
        client.close()


def test_memory_is_flat_over_rounds(start):
    """The same trouble again and again costs no more than the first time."""
    started = start("--workers=2")
    sizes = []
    for _ in range(6):
        crowd = Crowd(started, 100, wire.submits(2000, b"r" * 22), wire.acks(2000))
        crowd.run()
        crowd.close()
        wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
        sizes.append(started.resident_size())
    if not started.is_instrumented():
        assert sizes[-1] - sizes[1] < 1 * MIB, sizes


def cpu_ns(started, thread):
    """What the thread of that name has used."""
    for task in pathlib.Path(f"/proc/{started.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == thread:
            return int((task / "schedstat").read_text().split()[0])
    raise AssertionError(f"there is no thread {thread}")


def cost_of(started, path, count=41):
    """The CPU time of the admin thread for one answer, in ns: the median."""
    costs = []
    for _ in range(count):
        before = cpu_ns(started, "ackd-admin")
        assert started.request(path, Accept_Encoding="gzip")[0] == 200
        costs.append(cpu_ns(started, "ackd-admin") - before)
    return sorted(costs)[count // 2]


@pytest.mark.parametrize("path", ["/metrics", "/api/live?conns=rate&since=99999999999999"])
def test_a_look_costs_no_more_with_many_connections(start, path):
    started = start("--workers=2")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with contextlib.ExitStack() as stack:
            def connect(count):
                for _ in range(count):
                    stack.enter_context(started.connect())
                wait_for(lambda: started.metrics()["client_connected"] >= count, "all are in")

            connect(60)  # more than a list holds
            few_ns = cost_of(started, path)
            connect(3000)
            many_ns = cost_of(started, path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Before Linux 6.2 the descriptors are counted one by one, at a tenth of a microsecond each.
    assert many_ns < 2 * few_ns + 300_000
    if not started.is_instrumented():
        assert many_ns < 1_000_000
