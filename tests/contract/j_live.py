# SPDX-License-Identifier: MIT
"""/api/live says what /metrics says; the page is whole, strict and guarded; HTTP is bounded."""
import contextlib
import gzip
import http.client
import json
import os
import re
import time

import pytest

import wire
from client import DEADLINE, PATIENCE, Client, wait_for
from server import HTTP_CONN_COUNT_MAX, crowd_of_http, parse_series

BODY_SIZE_MAX = 256 * 1024  # HTTP_BODY_SIZE_MAX
FLOOD_SIZE = 32 << 20  # more than the kernel's buffers and what HTTP may keep
FILES = {"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8",
         "/chart.js": "text/javascript; charset=utf-8", "/app.css": "text/css; charset=utf-8",
         "/icon.svg": "image/svg+xml"}


def ask(started, query="", **headers):
    status, _, body = started.request(f"/api/live{query}", **headers)
    assert status == 200, body
    return json.loads(body)


def ask_conns(started, order):
    """The connections, once all workers have answered in time."""
    found = {}

    def answered():
        found.update(ask(started, f"?conns={order}")["conns"])
        return found["answered"] == found["workers"]

    wait_for(answered, "all workers answer in time")
    return found


def newest(answer):
    """{series: value} of the newest sample."""
    return dict(zip(answer["names"], answer["latest"][-1][1:], strict=True))


def test_counters_are_those_of_metrics_a_second_later(start):
    started = start("--workers=2")
    with started.connect() as client:
        client.exchange(wire.conn(1) + wire.submits(50, first=2),
                        wire.ack(wire.ident(1), command=wire.CONN) + wire.acks(50, first=2))
        # An ack is here before it is counted.
        metrics = {}

        def counted():
            metrics.update(started.metrics())
            return (metrics["request_duration_seconds_count"] == metrics["rsp_send_total"] == 50
                    and metrics["write_queue_bytes"] == 0)

        wait_for(counted, "all counted")
        moving = re.compile("syscalls|busy|idle|cpu|resident|fds")
        sample, different = {}, {}

        def agrees():
            # Gauges come to rest a little after the counters.
            sample.update(newest(ask(started)))
            metrics.update(started.metrics())
            different.clear()
            different.update({name: (value, metrics[name]) for name, value in sample.items()
                              if not moving.search(name)
                              and value != pytest.approx(metrics[name], abs=1e-6)})
            return not different

        with contextlib.suppress(AssertionError):
            wait_for(agrees, "a sample since then")
        assert different == {} and sample["req_recv_total"] == 50
    assert len(sample) > 80


def test_samples_are_a_second_apart_and_since_leaves_out_the_old(start):
    started = start("--workers=1")
    wait_for(lambda: len(ask(started)["samples"]) >= 4, "four samples")
    answer = ask(started)
    times = [sample[0] for sample in answer["samples"]]
    assert times == sorted(set(times))
    for before, after in zip(times, times[1:]):
        assert 500 < after - before < 1000 * DEADLINE
    assert [sample[0] for sample in ask(started, f"?since={times[-2]}")["samples"]][0] == times[-1]
    assert ask(started, f"?since={times[-1] + 10**9}")["samples"] == []
    assert answer["latest"] == answer["samples"][-2:]
    assert abs(answer["now_ms"] - time.time() * 1000) < 1000 * DEADLINE


@pytest.mark.parametrize("word, length, period", [("1m", 60, 1), ("1h", 3600, 10),
                                                  ("1d", 86400, 300)])
def test_ranges(start, word, length, period):
    answer = ask(start("--workers=1"), f"?range={word}")
    assert (answer["range"], answer["length_s"], answer["period_s"]) == (word, length, period)
    assert answer["schema"] == 1
    assert len(answer["samples"]) >= 1


@pytest.mark.parametrize("query", ["?range=2m", "?since=x", "?since=-1", "?conns=all", "?what=1",
                                   "?range", "?range=1m&range=", "?%zz=1"])
def test_what_is_not_legal_is_refused(started, query):
    assert started.request(f"/api/live{query}")[0] == 400


def test_what_the_server_is(start):
    started = start("--workers=2", "--idle-timeout=90s", "--max-frame=4k", "--handler=delay:5ms",
                    "--max-conns=77")
    server = ask(started)["server"]
    assert server["pid"] == started.pid
    assert server["workers"] == 2
    assert server["conns_max"] == 77
    assert server["listeners"] == [{"address": "%s:%d" % started.addresses["spec"],
                                    "dialect": "spec"}]
    assert server["profiles"] is None
    options = server["options"]
    assert {name: options[name] for name in ("workers", "idle-timeout", "max-frame", "handler",
                                             "max-conns", "log-level", "write-timeout")} == {
        "workers": "2", "idle-timeout": "90s", "max-frame": "4KiB", "handler": "delay:5ms",
        "max-conns": "77", "log-level": "info", "write-timeout": "10s"}


def test_the_address_of_profiles_is_named(start):
    started = start("--workers=1", pprof="127.0.0.1:0")
    assert ask(started)["server"]["profiles"] == "%s:%d" % started.pprof_address


def test_connections_are_listed_with_what_they_do(start):
    started = start("--workers=2")
    with started.connect() as busy, started.connect() as quiet:
        busy.exchange(wire.submits(300), wire.acks(300))
        quiet.exchange(wire.submits(1), wire.acks(1))
        conns = ask_conns(started, "rate")
        assert (conns["order"], conns["workers"], conns["answered"]) == ("rate", 2, 2)
        first, second = conns["list"]
        assert first["peer"] == "%s:%d" % busy.socket.getsockname()
        assert (first["in"], first["out"], first["queued_bytes"]) == (300, 300, 0)
        assert (second["in"], second["state"], second["paused"]) == (1, "open", "")
    assert "conns" not in ask(started)


def test_a_peer_that_does_not_read_is_first_by_queued(start):
    started = start("--workers=1")
    with started.connect(receive_buffer=4096) as client, started.connect() as other:
        other.exchange(wire.submits(10), wire.acks(10))
        client.socket.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for _ in range(200):
                client.socket.sendall(wire.submits(5000))

        def slow():
            return ask_conns(started, "queued")["list"][0]

        wait_for(lambda: slow()["paused"] == "ack_backlog", "it is not read any more")
        found = slow()
        assert found["peer"] == "%s:%d" % client.socket.getsockname()
        assert found["queued_bytes"] >= 64 * 1024
        assert found["in"] > found["out"]


def test_a_unix_peer_has_no_address(start, tmp_path):
    started = start("--workers=1", listen=[f"unix:{tmp_path}/s"])
    with started.connect() as client:
        client.round_trip()
        peer = ask_conns(started, "rate")["list"][0]["peer"]
    assert not re.search(r"\d+\.\d+", peer)


@pytest.mark.parametrize("name, shown", [(b"\xff", "\xff"), (b"gr\xfc\xdfe", "grüße"),
                                         ("grüße€😀".encode(), "grüße€😀"), (b"\xe2\x82", "â\x82"),
                                         (b'"\\\x01', '"\\\x01')])
def test_any_path_is_legal_json(start, tmp_path, name, shown):
    """What is no UTF-8 is shown as Latin-1; json.loads() takes UTF-8 only."""
    path = f"{tmp_path}/{os.fsdecode(name)}.sock"
    started = start("--workers=1", listen=[f"unix:{path}"])
    server = ask(started)["server"]
    wanted = f"unix:{tmp_path}/{shown}.sock"
    assert server["listeners"] == [{"address": wanted, "dialect": "spec"}]
    assert server["options"]["listen"] == wanted
    with started.connect() as client:
        client.round_trip()


# The page

@pytest.mark.parametrize("path", FILES)
def test_files_are_strict_and_cached_by_content(started, path):
    status, headers, packed = started.request(path, Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert headers["Content-Type"] == FILES[path]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    status, plain_headers, plain = started.request(path)
    assert plain_headers["Content-Encoding"] is None
    assert gzip.decompress(packed) == plain
    assert headers["Vary"] == plain_headers["Vary"] == "Accept-Encoding"
    status, _, body = started.request(path, If_None_Match=headers["ETag"])
    assert (status, body) == (304, b"")


@pytest.mark.parametrize("method", ("GET", "HEAD"))
def test_not_modified_says_nothing_of_a_length(started, method):
    """Its length would be that of the file, which it is not."""
    etag = started.request("/app.js")[1]["ETag"]
    status, headers, _ = started.request("/app.js", method, If_None_Match=etag)
    assert (status, headers["Content-Length"]) == (304, None)
    assert (headers["ETag"], headers["Vary"]) == (etag, "Accept-Encoding")


def test_nothing_is_inline_or_from_elsewhere(started):
    page = started.request("/")[2].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", page)


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1:8889", 200), ("localhost", 200), ("[::1]:8889", 200), ("ackd:8889", 200),
    ("a.localhost:8889", 200), ("evil.example", 403), ("evil.example:8889", 403),
    ("127.0.0.1.evil.example:8889", 403), ("localhost.evil.example", 403),
    ("notlocalhost.", 403), ("1.2.3.4.x:1", 403)])
def test_a_foreign_name_is_refused_where_a_browser_reads(started, host, status):
    for path in ("/", "/api/live"):
        assert started.request(path, Host=host)[0] == status
    assert started.request("/metrics", Host=host)[0] == 200


# HTTP

def request(path, rest=b"", method="GET"):
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n".encode() + rest + b"\r\n"


def assert_ends_under_a_flood(started, client, piece):
    """The server ends the connection, rather than keep what comes."""
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < FLOOD_SIZE:
            client.send(piece)
            sent += len(piece)
    assert started.request("/-/healthy")[0] == 200


def test_a_chunk_size_line_without_end_is_not_kept(started):
    """Whatever the method and the path: they are looked at once the body is there."""
    with Client(started.metrics_address) as client:
        client.send(request("/x", b"Transfer-Encoding: chunked\r\n", "POST"))
        assert_ends_under_a_flood(started, client, b"0" * 65536)


def test_what_comes_while_an_answer_is_written_is_not_kept(started):
    with Client(started.metrics_address, receive_buffer=2048) as client:
        client.send(request("/chart.js") * 40)  # more than the kernel takes for a deaf client
        assert_ends_under_a_flood(started, client, b"x" * 65536)


def test_a_connection_under_a_flood_is_freed(start):
    started = start("--workers=1")
    started.metrics()  # over a connection that is kept
    before = started.lasting_descriptor_count()
    for _ in range(2 * HTTP_CONN_COUNT_MAX):
        with Client(started.metrics_address) as client:
            client.send(request("/x", b"Transfer-Encoding: chunked\r\n", "POST"))
            with contextlib.suppress(ConnectionError):
                for _ in range(FLOOD_SIZE // 65536):
                    client.send(b"0" * 65536)
    # Well before the timeout of HTTP.
    wait_for(lambda: started.lasting_descriptor_count() <= before, "all are closed", 5 * PATIENCE)


def test_the_longest_body_and_requests_behind_it_are_legal(started):
    bodies = request("/x", b"Content-Length: %d\r\n" % BODY_SIZE_MAX, "POST") + bytes(BODY_SIZE_MAX)
    with Client(started.metrics_address) as client:
        client.send(bodies + request("/-/healthy") * 100
                    + request("/-/ready", b"Connection: close\r\n"))
        answers = bytearray()
        while piece := client.socket.recv(65536):
            answers += piece
    assert answers.startswith(b"HTTP/1.1 404 ") and answers.count(b"HTTP/1.1 200 ") == 101


def test_connections_are_bounded_and_the_rest_waits(start):
    started = start("--workers=1")
    with crowd_of_http(started, started.metrics_address) as idle:
        for connection in idle[:HTTP_CONN_COUNT_MAX]:
            connection.close()
        last = idle[-1]
        last.settimeout(DEADLINE)
        last.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        for connection in idle[HTTP_CONN_COUNT_MAX:-1]:
            connection.close()
        assert b"200 OK" in last.recv(4096)
    assert parse_series(started.request("/metrics")[2].decode())["client_connected"] == 0


def test_many_requests_one_after_the_other_are_not_held_up(start):
    started = start("--workers=1")
    connection = http.client.HTTPConnection(*started.metrics_address, timeout=DEADLINE)
    for _ in range(HTTP_CONN_COUNT_MAX * 4):
        connection.request("GET", "/-/healthy")
        assert connection.getresponse().read() == b"ackd is healthy.\n"
    connection.close()
    for _ in range(HTTP_CONN_COUNT_MAX * 4):
        assert started.request("/-/healthy")[0] == 200


@pytest.fixture(scope="module")
def started(start_for_module):
    return start_for_module("--workers=1")
