# SPDX-License-Identifier: MIT
"""/metrics says what happened, exactly, in both formats; health; HTTP as clients expect it."""
import gzip
import re
import shutil
import socket
import subprocess

import pytest

import wire
from client import DEADLINE, Client, wait_for
from server import parse_series, total

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

# Series that exist from the start; only what has labels of a fixed set has them here.
SERIES = [
    "req_recv_total", "rsp_send_total", "client_connected", "connections_accepted_total",
    *(f'connections_closed_total{{reason="{reason}"}}' for reason in (
        "eof", "eof_in_frame", "reset", "frame_too_short", "frame_too_large", "packet_too_short",
        "unknown_command", "wrong_direction", "first_frame_timeout", "idle_timeout",
        "frame_timeout", "write_timeout", "vanished", "overload", "drain", "drain_timeout",
        "stopped", "io_error", "no_memory")),
    *(f'connections_rejected_total{{reason="{reason}"}}' for reason in (
        "max_conns", "max_conns_per_ip", "conn_rate", "conn_rate_per_ip", "no_memory")),
    *(f'log_lines_suppressed_total{{kind="{kind}"}}' for kind in (
        "refused", "rejected", "timed_out", "overload")),
    "memory_bytes", "memory_limit_bytes", "peers_untracked_total",
    'accept_errors_total{error="emfile"}',
    *(f'packets_received_total{{command="{command}"}}' for command in ("conn", "submit")),
    *(f'decode_errors_total{{reason="{reason}"}}' for reason in (
        "frame_too_short", "frame_too_large", "packet_too_short", "unknown_command",
        "wrong_direction")),
    *(f'acks_total{{result="{result}"}}' for result in ("ok", "error")),
    "acks_dropped_total", "network_receive_bytes_total", "network_transmit_bytes_total",
    'request_duration_seconds_bucket{le="+Inf"}', "request_duration_seconds_sum",
    "request_duration_seconds_count", 'batch_frames_bucket{le="+Inf"}', "batch_frames_sum",
    "batch_frames_count", "write_queue_bytes", "write_blocked_total",
    *(f'read_paused_total{{reason="{reason}"}}' for reason in (
        "ack_backlog", "window", "memory", "overload")),
    "deferred_requests", "stale_completions_total", "handler_errors_total",
    *(f'syscalls_total{{call="{call}"}}' for call in ("epoll_wait", "recv", "send", "accept")),
    *(f'worker_{name}{{worker="{worker}"}}' for worker in (0, 1) for name in (
        "cpu_seconds_total", "busy_seconds_total", "idle_seconds_total", "loops_total",
        "events_total", "req_recv_total", "connections")),
    "scrapes_total",
]
PROCESS_SERIES = ["process_cpu_seconds_total", "process_open_fds", "process_max_fds",
                  "process_virtual_memory_bytes", "process_resident_memory_bytes",
                  "process_start_time_seconds"]


@pytest.fixture(scope="module")
def started(start_for_module):
    """A server with some history: acks, a CONN, a violation, an end inside a frame."""
    started = start_for_module("--workers=2")
    with started.connect() as client:
        client.exchange(wire.conn(1) + wire.submits(50, first=2),
                        wire.ack(wire.ident(1), command=wire.CONN) + wire.acks(50, first=2))
        client.send(b"\0\0\0\0")
        client.expect_fin()
    with started.connect() as client:
        client.send(b"\0\0")
        client.half_close()
        client.expect_fin()
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    return started


# Numbers

def test_seed_metrics_move_exactly(start):
    started = start("--workers=2")
    assert [started.metrics()[name] for name in SERIES[:3]] == [0, 0, 0]
    with started.connect() as first, started.connect() as second:
        with started.moves({"req_recv_total": 350, "rsp_send_total": 350,
                            'acks_total{result="ok"}': 350, 'acks_total{result="error"}': 0,
                            'packets_received_total{command="submit"}': 350,
                            'packets_received_total{command="conn"}': 2,
                            "network_receive_bytes_total": 350 * 20 + 2 * 13,
                            "network_transmit_bytes_total": 352 * 14}):
            first.exchange(wire.submits(250, b"7 bytes"), wire.acks(250))
            second.exchange(wire.submits(100, b"7 bytes"), wire.acks(100))
            for client in first, second:
                client.send(wire.conn(1))
                client.receive(14)
        assert started.metrics()["client_connected"] == 2
        first.half_close()
        first.expect_fin()
        wait_for(lambda: started.metrics()["client_connected"] == 1, "one has left")
    wait_for(lambda: started.metrics()["client_connected"] == 0, "both have left")
    metrics = started.metrics()
    assert metrics["connections_accepted_total"] == 2
    assert metrics['connections_closed_total{reason="eof"}'] == 2


def test_half_a_request_is_not_counted(start):
    started = start("--workers=1")
    with started.connect() as client:
        with started.moves({"req_recv_total": 1, "network_receive_bytes_total": 13 + 12}):
            client.send(wire.submit(1) + wire.submit(2)[:12])
            client.expect_acks(1)
        with started.moves({"req_recv_total": 1, "network_receive_bytes_total": 1}):
            client.send(wire.submit(2)[12:])
            client.expect_acks(1, first=2)


def test_accepted_is_open_plus_closed(started):
    with started.connect() as client:
        client.round_trip()
        metrics = started.metrics()
        assert metrics["client_connected"] == 1
        assert metrics["connections_accepted_total"] == 1 + total(metrics,
                                                                  "connections_closed_total")
    wait_for(lambda: started.metrics()["client_connected"] == 0, "it has left")


def test_every_family_is_there(started):
    metrics = started.metrics()
    assert [name for name in SERIES if name not in metrics] == []
    text = started.request("/metrics")[2].decode()
    names = parse_series(text, prefix="")
    assert [name for name in PROCESS_SERIES if name not in names] == []
    assert re.search(r'^ackd_build_info\{[^}]*version="[0-9.]+[^"]*"[^}]*\} 1$', text, re.M)
    wait_for(lambda: total(started.metrics(), "listen_queue") == 0, "nobody waits for accept")
    assert total(metrics, "listen_queue_limit") > 0


def test_batch_and_duration_histograms(started):
    metrics = started.metrics()
    assert metrics["batch_frames_sum"] == metrics["req_recv_total"] \
        + metrics['packets_received_total{command="conn"}']
    assert metrics["request_duration_seconds_count"] > 0
    for family in ("batch_frames", "request_duration_seconds"):
        buckets = [value for name, value in metrics.items() if name.startswith(family + "_bucket")]
        assert buckets == sorted(buckets)
        assert buckets[-1] == metrics[family + "_count"]


def test_scrapes_are_counted(started):
    before = started.metrics()["scrapes_total"]
    assert started.metrics()["scrapes_total"] == before + 1


def test_worker_connections_add_up(started):
    clients = [started.connect() for _ in range(10)]
    for client in clients:
        client.round_trip()
    metrics = started.metrics()
    assert total(metrics, "worker_connections") == metrics["client_connected"] == 10
    for client in clients:
        client.close()


def test_worker_time_is_busy_or_idle(started):
    metrics = started.metrics()
    assert all(value >= 0 for name, value in metrics.items() if name.startswith("worker_"))
    assert total(metrics, "worker_loops_total") > 0
    assert total(metrics, "worker_events_total") > 0


def test_the_work_of_workers_is_most_of_the_work(start):
    """Whatever the engine: what the kernel does for a worker counts as its own."""
    started = start("--workers=2")

    def scrape():  # a kept connection might have to wait for too long
        return parse_series(started.request("/metrics")[2].decode())

    before = scrape()
    with started.connect() as client:
        for _ in range(100):
            client.exchange(wire.submits(20000), wire.acks(20000))
    after = scrape()
    used = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    workers = total(after, "worker_cpu_seconds_total") - total(before, "worker_cpu_seconds_total")
    assert used / 2 < workers < used + 0.02  # read a moment apart


# The formats

def check_exposition(text, openmetrics):
    """Every family has one HELP and one TYPE before its samples, which stand together."""
    seen = {}
    family = None
    for line in text.splitlines():
        if line == "# EOF":
            assert openmetrics
            continue
        if line.startswith("# "):
            _, kind, name, words = line.split(" ", 3)
            if kind == "HELP":
                assert name not in seen, f"{name} comes twice"
                assert words
                seen[name] = {"type": None, "samples": 0}
            else:
                assert kind == "TYPE" and name in seen and seen[name]["type"] is None, line
                seen[name]["type"] = words
            family = name
            continue
        sample = re.fullmatch(r"([a-zA-Z_:][\w:]*)(\{[^{}]*\})? (\S+)", line)
        assert sample, line
        float(sample[3])
        suffix = sample[1].removeprefix(family)
        assert suffix in suffixes(seen[family]["type"], openmetrics), line
        seen[family]["samples"] += 1
    assert [name for name, facts in seen.items() if not facts["samples"]] == []
    return seen


def suffixes(kind, openmetrics):
    if kind == "counter":
        return ("_total",) if openmetrics else ("",)
    return {"gauge": ("",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",),
            "unknown": ("",)}[kind]


def test_text_format(started):
    status, headers, body = started.request("/metrics")
    assert (status, headers["Content-Type"]) == (200, TEXT)
    text = body.decode()
    assert text.endswith("\n") and "# EOF" not in text
    check_exposition(text, openmetrics=False)


@pytest.mark.parametrize("accept", (
    "application/openmetrics-text",
    "application/openmetrics-text; version=1.0.0",
    # What Prometheus 2.42 sends.
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"))
def test_openmetrics_format(started, accept):
    status, headers, body = started.request("/metrics", Accept=accept)
    assert (status, headers["Content-Type"]) == (200, OPENMETRICS)
    text = body.decode()
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
    families = check_exposition(text, openmetrics=True)
    assert families["ackd_req_recv"]["type"] == "counter"


@pytest.mark.parametrize("accept", ("*/*", "text/plain", "text/html, */*;q=0.8"))
def test_text_for_everybody_else(started, accept):
    assert started.request("/metrics", Accept=accept)[1]["Content-Type"] == TEXT


def test_gzip(started):
    status, headers, body = started.request("/metrics", Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    plain = gzip.decompress(body).decode()
    assert parse_series(plain).keys() == started.metrics().keys()
    assert len(body) < len(plain) / 2


@pytest.mark.parametrize("accept, encoding", (
    ("identity", None), ("br", None), ("", None), ("gzipped", None), ("br;q=1, gzip;q=0", None),
    ("gzip;q=0", None), ("gzip; q=0", None), ("gzip ;q=0.", None), ("gzip;q=0.0", None),
    ("gzip;Q=0.000, br", None), ("gzip\t;\tq=0.00 , br", None),
    ("gzip", "gzip"), ("GZIP", "gzip"), ("br,gzip", "gzip"), ("br;q=0, gzip", "gzip"),
    ("gzip;q=1", "gzip"), ("gzip; q=0.5", "gzip"), ("gzip;q=0.001", "gzip"),
    ("gzip, br;q=0", "gzip")))
def test_gzip_with_a_weight_of_zero_is_not_wanted(started, accept, encoding):
    headers = started.request("/metrics", Accept_Encoding=accept)[1]
    assert headers["Content-Encoding"] == encoding


def test_promtool_is_content(started):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    body = started.request("/metrics")[2]
    check = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True)
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


@pytest.mark.parametrize("prefix", ("tcp_server_demo2", "a", "A_b9"))
def test_prefix(start, prefix):
    started = start(f"--metrics-prefix={prefix}")
    with started.connect() as client:
        client.exchange(wire.submits(5), wire.acks(5))
    wait_for(lambda: started.metrics(prefix)["rsp_send_total"] == 5, "all acks are counted")
    assert started.metrics(prefix)["req_recv_total"] == 5
    assert started.metrics(prefix)["client_connected"] in (0, 1)
    text = started.request("/metrics")[2].decode()
    assert "ackd_" not in re.sub(r"^#.*", "", text, flags=re.M)
    assert f"# TYPE {prefix}_req_recv_total counter" in text
    assert re.search(r"^process_open_fds ", text, re.M), "process_* has no prefix"


# HTTP

def test_head(started):
    status, headers, body = started.request("/metrics", "HEAD")
    assert (status, body, headers["Content-Type"]) == (200, b"", TEXT)


@pytest.mark.parametrize("path", ("/nothing", "/metrics/x", "/-/", "/../etc/passwd", "/%2e%2e"))
def test_unknown_path(started, path):
    assert started.request(path)[0] == 404


@pytest.mark.parametrize("method", ("POST", "PUT", "DELETE"))
@pytest.mark.parametrize("path", ("/metrics", "/-/healthy"))
def test_other_methods(started, method, path):
    status, headers, _ = started.request(path, method)
    assert status == 405
    assert "GET" in headers["Allow"]


def test_index(started):
    status, headers, body = started.request("/")
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert b"/metrics" in body


def test_health(started):
    for path in "/-/healthy", "/-/ready":
        assert started.request(path)[0] == 200


def test_query_is_ignored(started):
    assert started.request("/metrics?name=x")[0] == 200


@pytest.mark.parametrize("data", (
    b"\0" * 100, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", wire.submits(3),
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X-Header: 1234567890\r\n" * 10_000 + b"\r\n"),
    ids=("zeros", "no-path", "version", "submits", "long-line", "many-headers"))
def test_garbage_harms_nobody(started, data):
    with socket.create_connection(started.metrics_address, DEADLINE) as admin:
        try:
            admin.sendall(data)
            admin.shutdown(socket.SHUT_WR)
            while admin.recv(65536):
                pass
        except OSError:
            pass  # it may hang up in the middle of this, by any means
    assert started.request("/-/healthy")[0] == 200
    with started.connect() as client:
        client.round_trip()


def test_slow_scraper_harms_nobody(started):
    """Half a request, and a reader that does not read, beside a scrape that works."""
    with socket.create_connection(started.metrics_address, DEADLINE) as half, \
            Client(started.metrics_address, receive_buffer=2048) as deaf:
        half.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        deaf.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        for _ in range(5):
            assert started.request("/metrics")[0] == 200


def test_ready_says_no_while_draining(start):
    started = start("--handler=delay:1500ms")
    with started.connect() as client:
        client.send(wire.submit(1))
        wait_for(lambda: started.metrics()["deferred_requests"] == 1, "the request is deferred")
        assert started.request("/-/ready")[0] == 200
        started.signal(15)
        wait_for(lambda: started.request("/-/ready")[0] == 503, "not ready")
        assert started.request("/-/healthy")[0] == 200
        client.expect_acks(1)
        client.expect_fin()
    assert started.wait() == 0


def test_metrics_can_be_off(start):
    started = start(metrics="off")
    assert started.metrics_address is None
    with started.connect() as client:
        client.round_trip()
