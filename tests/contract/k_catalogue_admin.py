# SPDX-License-Identifier: MIT
"""The catalogue, 70 to 78: the HTTP side, beside connections that must not notice."""
import contextlib
import resource
import signal
import socket
import threading
import time

import wire
from catalogue import Cases, beside_canaries
from client import DEADLINE, PATIENCE, Client, wait_for
from server import HTTP_CONN_COUNT_MAX

cases = Cases()



def ask(started, data, seconds=DEADLINE):
    """All that comes back for @data until the connection ends."""
    with socket.create_connection(started.metrics_address, seconds) as admin:
        received = bytearray()
        with contextlib.suppress(OSError):
            admin.sendall(data)
            admin.shutdown(socket.SHUT_WR)
            while piece := admin.recv(65536):
                received += piece
    return bytes(received)


def statuses(answer):
    """The status of each response in @answer."""
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


REFUSALS = {400, 404, 405, 413, 414, 431, 500, 501, 505}


def assert_refused(answer):
    """An error, or the connection ended without a word."""
    assert all(status in REFUSALS for status in statuses(answer)), answer[:200]


@cases.add(70, "too-long-and-with-a-body")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        assert_refused(ask(started, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"))
        assert_refused(ask(started, b"GET /metrics HTTP/1.1\r\n"
                           + b"X: " + b"a" * 9000 + b"\r\n\r\n"))
        assert started.request("/metrics", "POST")[0] == 405
        # A body is read and ignored, and is not the next request.
        answer = ask(started, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n\r\n"
                     b"GET /metrics HTTP/1.1\r\nHost: evil\r\n\r\n")
        assert len(statuses(answer)) <= 2 and b"ackd_req_recv" not in answer
        assert_refused(ask(started, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
                           b"\r\n" + bytes(9999)))
        assert started.request("/metrics")[0] == 200


@cases.add(71, "slow-requests", workers=(3,))
def _(start, workers):
    with beside_canaries(start, workers) as started:
        started.metrics()  # over a connection that is kept
        before = started.lasting_descriptor_count()
        slow = [socket.create_connection(started.metrics_address, 3 * DEADLINE)
                for _ in range(60)]
        for admin in slow:
            admin.sendall(b"GET /metrics HTTP/1.1\r\nHos")
        begin = time.monotonic()
        for _ in range(10):
            started.metrics()
            assert started.lasting_descriptor_count() < before + HTTP_CONN_COUNT_MAX
        assert time.monotonic() - begin < 3 * PATIENCE
        for admin in slow:
            with contextlib.suppress(ConnectionResetError):
                while admin.recv(4096):
                    pass
            admin.close()
        # Two lots, one after the other, with the timeout of HTTP each.
        assert time.monotonic() - begin < 26 * PATIENCE
        assert started.request("/metrics")[0] == 200


@cases.add(72, "odd-requests")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        answer = ask(started, b"GET /-/healthy HTTP/1.0\r\n\r\n")
        assert statuses(answer) == [200]
        answer = ask(started, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(answer) == [200] and b"req_recv" not in answer
        answer = ask(started, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        assert statuses(answer) == [200] * len(statuses(answer)) and answer
        answer = ask(started, b"GET http://x/-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(answer) == [200]
        answer = ask(started, b"GET /-/healthy HTTP/1.1\nHost: x\n\n")
        assert statuses(answer) in ([200], [400], [])
        answer = ask(started, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n")
        assert statuses(answer) in ([200], [400], [])
        smuggled = ask(started, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                       b"GET /metrics HTTP/1.1\r\nHost: evil\r\n\r\n")
        assert len(statuses(smuggled)) <= 2
        assert started.request("/-/healthy")[0] == 200


@cases.add(73, "paths")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for path in ("/..", "/../../etc/passwd", "/metrics/../../etc/passwd", "/%2e%2e/etc/passwd",
                     "/metrics%00", "/%00", "//etc/passwd", "/.", "/metrics/", "/%6detrics%2f"):
            answer = ask(started, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert_refused(answer)
            assert b"root:" not in answer
        assert_refused(ask(started, b"GET /metrics?" + b"q" * 10240
                           + b" HTTP/1.1\r\nHost: x\r\n\r\n"))


@cases.add(74, "a-foreign-host")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for path in ("/", "/app.js", "/api/live"):
            assert started.request(path, Host="evil.example")[0] == 403
            for host in ("127.0.0.1:1", "[::1]", ""):
                assert started.request(path, Host=host)[0] == 200
        for host in ("evil.example", "127.0.0.1:1", "[::1]", ""):
            assert started.request("/metrics", Host=host)[0] == 200
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert started.request("/metrics", method, Host="evil.example")[0] == 405


@cases.add(75, "scrapers-that-do-not-read", workers=(1,))
def _(start, workers):
    with beside_canaries(start, workers) as started:
        started.metrics()
        before = started.lasting_descriptor_count()
        deaf = [Client(started.metrics_address, receive_buffer=2048) for _ in range(20)]
        for client in deaf:
            client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
            client.receive(1)
        assert started.request("/metrics")[0] == 200
        # The timeout of HTTP, and what the kernel takes to see it.
        wait_for(lambda: started.lasting_descriptor_count() <= before, "their connections end",
                 20 * PATIENCE)
        for client in deaf:
            client.close()


@cases.add(76, "100-scrapes-at-once")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        results = []

        def scrape():
            results.append(started.request("/metrics")[0])

        threads = [threading.Thread(target=scrape, daemon=True) for _ in range(100)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert results == [200] * 100
        assert time.monotonic() - begin < 5 * PATIENCE
        # What the server itself says that one takes.
        assert started.metrics()["scrape_duration_seconds"] < 0.05 * PATIENCE


@cases.add(77, "profiles-are-elsewhere")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for path in ("/debug/pprof/", "/debug/pprof/profile?seconds=5", "/debug/pprof/heap"):
            assert started.request(path)[0] == 404


@cases.add(78, "without-descriptors")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        started.metrics()
        count = started.descriptor_count()
        resource.prlimit(started.pid, resource.RLIMIT_NOFILE, (count, count))
        waiting = [started.connect() for _ in range(5)]
        for _ in range(5):
            started.metrics()
        for client in waiting:
            client.close()


@cases.add(78, "at-max-conns-and-in-a-drain")
def _(start, workers):
    started = start(f"--workers={workers}", f"--max-conns={5}", "--handler=delay:1500ms")
    clients = [started.connect() for _ in range(5)]
    for client in clients:
        client.send(wire.submit(1))
    wait_for(lambda: started.metrics()["deferred_requests"] == 5, "all are deferred")
    with started.connect() as refused:
        refused.expect_end()
    assert started.request("/metrics")[0] == 200
    started.signal(signal.SIGTERM)
    wait_for(lambda: started.request("/-/ready")[0] == 503, "draining")
    assert started.request("/metrics")[0] == 200
    for client in clients:
        client.expect_acks(1)
        client.expect_fin()
        client.close()
    assert started.wait() == 0


@cases.parametrize
def test_catalogue(start, case, workers):
    case(start, workers)
