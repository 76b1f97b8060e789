# SPDX-License-Identifier: MIT
"""SIGHUP: the config file is read again, nobody is disconnected, and a bad file changes nothing."""
import json
import os
import pathlib
import resource
import signal
import subprocess
import time

import pytest

import wire
from client import DEADLINE, PATIENCE, Canary, wait_for
from f_signals import Stream
from server import prepare_child, total

SUCCESS = 'config_reloads_total{result="success"}'
FAILURE = 'config_reloads_total{result="failure"}'
LAST = "config_last_reload_successful"
LAST_TIME = "config_last_reload_success_timestamp_seconds"


class Config:
    """A config file that tests rewrite, and the server that reads it."""

    def __init__(self, path, start):
        self.path = path
        self.start = start
        self.server = None

    def write(self, *lines):
        self.path.write_text("".join(f"{line}\n" for line in lines))

    def run(self, *lines, **options):
        self.write(*lines)
        self.server = self.start(f"--config={self.path}", **options)
        return self.server

    def reload(self, *lines, result=SUCCESS):
        """Returns when the file has been read and every worker has had a turn."""
        self.write(*lines)
        count = self.server.metrics()[result]
        self.server.signal(signal.SIGHUP)
        wait_for(lambda: self.server.metrics()[result] > count, "reloaded")
        # Workers follow at the end of a turn: of this one, or the next.
        before = self.turns()
        if result == SUCCESS:
            wait_for(lambda: all(now >= then + 2 for now, then in zip(self.turns(), before)),
                     "each worker has had a turn")

    def turns(self):
        return [value for name, value in self.server.metrics().items()
                if name.startswith("worker_loops_total{")]


@pytest.fixture
def config(tmp_path, start):
    return Config(tmp_path / "ackd.conf", start)


def test_a_shorter_timeout_holds_for_open_connections(config):
    started = config.run("idle-timeout = 1h", "workers = 1")
    with started.connect() as client:
        client.round_trip()
        config.reload("idle-timeout = 300ms", "workers = 1")
        client.expect_fin()
    wait_for(lambda: started.metrics()['connections_closed_total{reason="idle_timeout"}'] == 1,
             "the session has ended, too")


def test_a_timeout_that_was_off_begins(config):
    started = config.run("idle-timeout = 0", "workers = 2")
    clients = [started.connect() for _ in range(8)]
    for client in clients:
        client.round_trip()
    config.reload("idle-timeout = 200ms", "workers = 2")
    for client in clients:
        client.expect_fin()
        client.close()


def test_a_longer_timeout_spares_open_connections(config):
    started = config.run("idle-timeout = 700ms", "workers = 1")
    with started.connect() as client:
        client.round_trip()
        config.reload("idle-timeout = 1h", "workers = 1")
        assert not client.is_ended_within(1.5)
        client.round_trip()


def test_fewer_connections_close_none(config):
    started = config.run("max-conns = 10", "workers = 2")
    clients = [started.connect() for _ in range(5)]
    for client in clients:
        client.round_trip()
    config.reload("max-conns = 3", "workers = 2")
    assert started.metrics()["connections_max"] == 3
    with started.connect() as late:
        assert late.expect_end() == b""
    for client in clients:
        client.round_trip()
    for client in clients[:3]:
        client.close()
    wait_for(lambda: started.metrics()["client_connected"] == 2, "three have left")
    with started.connect() as client:
        client.round_trip()


def test_frame_limit_up_and_down(config):
    started = config.run("max-frame = 100", "workers = 1")
    config.reload("max-frame = 64KiB", "workers = 1")
    with started.connect() as client:
        client.round_trip(bytes(1000))
        # Half a frame, which is then longer than it may be.
        client.send(wire.submit(7, bytes(1000))[:500])
        config.reload("max-frame = 100", "workers = 1")
        client.send(wire.submit(7, bytes(1000))[500:])
        client.expect_fin()
    with started.connect() as client:
        client.round_trip(bytes(50))


def test_the_window_of_an_open_connection(config):
    started = config.run("window = 4", "handler = delay:50ms", "workers = 1")
    with started.connect() as client:
        client.round_trip()
        config.reload("window = 1000", "handler = delay:50ms", "workers = 1")
        begin = time.monotonic()
        for number in range(200):
            client.send(wire.submit(number))
        client.expect_acks(200, 0)
        # With a window of 4 these would be some 50 rounds of 50 ms, at the least.
        assert time.monotonic() - begin < 1.5 * PATIENCE


def test_log_level(config):
    started = config.run("log-level = error", "workers = 1")
    assert "accepted" not in started.log()
    config.reload("log-level = debug", "workers = 1")
    with started.connect() as client:
        client.round_trip()
    wait_for(lambda: "event=accepted" in started.log(), "lines of level debug")
    config.reload("log-level = error", "workers = 1")
    size = len(started.log())
    with started.connect() as client:
        client.round_trip()
    started.barrier()
    assert len(started.log()) == size


def rejected(started, reason):
    return started.metrics()[f'connections_rejected_total{{reason="{reason}"}}']


def test_a_limit_per_address_comes_and_goes(config):
    """Who came before it does not count towards it."""
    started = config.run("workers = 2")
    clients = [started.connect() for _ in range(3)]
    for client in clients:
        client.round_trip()
    config.reload("workers = 2", "max-conns-per-ip = 2")
    for _ in range(2):
        clients.append(started.connect())
        clients[-1].round_trip()
    with started.connect() as late:
        assert late.expect_end() == b""
    assert rejected(started, "max_conns_per_ip") == 1
    config.reload("workers = 2")
    clients.append(started.connect())
    for client in clients:
        client.round_trip()
    # Those that were counted still are.
    config.reload("workers = 2", "max-conns-per-ip = 2")
    with started.connect() as late:
        assert late.expect_end() == b""
    for client in clients:
        client.close()
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    with started.connect() as client:
        client.round_trip()


@pytest.mark.parametrize("option, reason", (("conn-rate", "conn_rate"),
                                            ("conn-rate-per-ip", "conn_rate_per_ip")))
def test_rates_of_connections(config, option, reason):
    started = config.run("workers = 2")

    def seen_count():
        return started.metrics()["connections_accepted_total"] + rejected(started, reason)

    def rejected_of_20():
        before = rejected(started, reason)
        seen = seen_count()
        for _ in range(20):
            started.connect().close()
        wait_for(lambda: seen_count() == seen + 20, "all have been seen")
        return rejected(started, reason) - before

    assert rejected_of_20() == 0
    config.reload("workers = 2", f"{option} = 1")
    # One at once, and one more each second that this takes.
    assert rejected_of_20() > 20 - 2 - DEADLINE
    config.reload("workers = 2", f"{option} = 0")
    assert rejected_of_20() == 0


def test_the_first_frame_of_those_who_wait(config):
    started = config.run("first-frame-timeout = 1h", "workers = 1")
    with started.connect() as silent, started.connect() as client:
        client.round_trip()
        config.reload("first-frame-timeout = 200ms", "workers = 1")
        silent.expect_fin()
        client.round_trip()


def test_acks_that_wait_for_a_peer(config):
    """One who is not read, for his acks, is read again where more may wait."""
    plain = ("workers = 1", "write-timeout = 1h", "max-frame = 64KiB")
    started = config.run(*plain, "ack-high = 1KiB", "ack-low = 0")
    with started.connect(receive_buffer=4096) as client:
        client.socket.setblocking(False)
        data = memoryview(wire.submits(1000))
        left = data

        def is_paused():
            nonlocal left
            try:
                while True:
                    left = left[client.socket.send(left):] or data
            except BlockingIOError:
                return started.metrics()['read_paused_total{reason="ack_backlog"}'] == 1

        wait_for(is_paused, "not read")
        is_paused()  # and there is something to read
        before = started.metrics()["req_recv_total"]
        config.reload(*plain, "ack-high = 1KiB", "ack-low = 1")
        assert started.metrics()["req_recv_total"] == before
        config.reload(*plain, "ack-high = 16MiB", "ack-low = 8MiB")
        wait_for(lambda: started.metrics()["req_recv_total"] > before, "read again")


def test_the_limit_of_memory(config):
    started = config.run("workers = 1")
    default = started.metrics()["memory_limit_bytes"]
    assert default >= 1 << 20
    for text, expected in (("8m", 8 << 20), ("off", -1), ("auto", default)):
        config.reload("workers = 1", f"memory-limit = {text}")
        assert started.metrics()["memory_limit_bytes"] == expected
    assert "option=memory-limit" in started.log()  # off is worth a warning


def keepalive_s(client):
    """When the server's kernel asks this peer for a sign of life, in seconds from now.
    Source: the kernel's proc_net_tcp.rst."""
    ends = client.socket.getpeername()[1], client.socket.getsockname()[1]
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, timer, *_ = line.split()
        if state == "01" and tuple(int(end.split(":")[1], 16) for end in (local, remote)) == ends:
            kind, ticks = timer.split(":")
            return int(ticks, 16) / os.sysconf("SC_CLK_TCK") if kind == "02" else None
    return None


def test_the_timeout_of_vanished_peers(config):
    """For those who are connected, and for those who come."""
    started = config.run("workers = 2", "peer-timeout = 30s")
    with started.connect() as first:
        first.round_trip()
        assert 100 < keepalive_s(first) <= 120
        for text, low, high in (("100s", 380, 400), ("0", 7100, 7200), ("5s", 10, 20)):
            config.reload("workers = 2", f"peer-timeout = {text}")
            assert low < keepalive_s(first) <= high
            with started.connect() as client:
                client.round_trip()
                assert low < keepalive_s(client) <= high


def test_more_connections_than_descriptors(config):
    """Refused as at the start, and the rest of the file with it."""
    started = config.run("max-conns = 7", limits=((resource.RLIMIT_NOFILE, 200),))
    config.reload("max-conns = 300", "window = 5", result=FAILURE)
    assert started.metrics()["connections_max"] == 7
    assert "only 200 descriptors" in started.log()


def test_the_live_page_has_the_options_that_hold(config):
    started = config.run("max-conns = 7", "workers = 1")
    config.reload("max-conns = 8", "workers = 2", "memory-limit = 1g")
    server = json.loads(started.request("/api/live")[2])["server"]
    assert server["conns_max"] == 8
    options = server["options"]
    assert options["max-conns"] == "8" and options["memory-limit"] == "1048576KiB"
    assert options["workers"] == "1"  # what runs, not what the file says


def test_an_option_that_left_the_file_has_its_default_again(config):
    started = config.run("max-conns = 7", "workers = 1")
    default = config.start("--workers=1").metrics()["connections_max"]
    config.reload("workers = 1")
    assert started.metrics()["connections_max"] == default


def test_the_command_line_still_wins(config):
    config.write("max-conns = 7")
    config.server = config.start("--max-conns=9", f"--config={config.path}")
    config.reload("max-conns = 5")
    assert config.server.metrics()["connections_max"] == 9


BAD = (
    (["max-conns = 5", "window = x"], 2, "window"),
    (["max-conns = 5", "", "nope = 1"], 3, "nope"),
    (["max-conns = 5", "max-conns = 6"], 2, "max-conns"),
    (["max-conns = 5\0"], None, "is no text"),
    (["\ufeffmax-conns = 5"], None, "byte order mark"),
    (["#" * (1 << 20)], None, "too large"),
    (["metrics-prefix = 1x"], None, "metrics-prefix"),
    (["max-conns = 5", "listen = nowhere"], 2, "listen"),
)


@pytest.mark.parametrize("lines, number, named", BAD, ids=[row[2] for row in BAD])
def test_a_bad_file_changes_nothing(config, lines, number, named):
    started = config.run("max-conns = 7", "workers = 1")
    before = started.metrics()
    with started.connect() as client:
        client.round_trip()
        config.reload(*lines, result=FAILURE)
        client.round_trip()
    metrics = started.metrics()
    assert metrics["connections_max"] == 7
    assert metrics[LAST] == 0 and metrics[LAST_TIME] == before[LAST_TIME]
    line = next(line for line in started.log().splitlines() if "reload refused" in line)
    assert "level=error" in line and named in line
    assert number is None or f"{config.path}:{number}: " in line

    time.sleep(0.01)  # the time has milliseconds
    config.reload("max-conns = 8", "workers = 1")
    metrics = started.metrics()
    assert metrics["connections_max"] == 8
    assert metrics[LAST] == 1 and metrics[LAST_TIME] > before[LAST_TIME]


@pytest.mark.parametrize("make", (os.mkfifo, os.mkdir, lambda path: None),
                         ids=("fifo", "folder", "gone"))
def test_a_file_that_cannot_be_read(config, make):
    started = config.run("max-conns = 7")
    config.path.unlink()
    make(config.path)
    started.signal(signal.SIGHUP)
    wait_for(lambda: started.metrics()[FAILURE] == 1, "refused")
    assert started.metrics()["connections_max"] == 7
    with started.connect() as client:
        client.round_trip()


def test_what_only_a_restart_changes_is_named(config, tmp_path):
    started = config.run("workers = 1", "max-conns = 7")
    config.reload("workers = 2", "max-conns = 8", f"handler = append:{tmp_path}/records",
                  "log-format = json", "metrics-prefix = other", "listen = 127.0.0.1:1")
    line = next(line for line in started.log().splitlines() if "only a restart" in line)
    assert "level=warn" in line
    # --listen was on the command line, which wins.
    assert 'options=metrics-prefix,workers,handler,log-format' in line
    assert "changed=max-conns" in started.log()
    assert not (tmp_path / "records").exists()
    assert started.metrics()["connections_max"] == 8


def test_without_a_file(start):
    started = start("--workers=1")
    with started.connect() as client:
        client.round_trip()
        started.signal(signal.SIGHUP)
        wait_for(lambda: started.metrics()[SUCCESS] == 1, "reloaded")
        client.round_trip()
    assert started.metrics()[LAST] == 1


def test_while_draining(config):
    """It is no second signal, and even the time that the drain may take can be changed."""
    started = config.run("drain-timeout = 1h", "handler = delay:1h", "workers = 1")
    with started.connect() as client:
        client.send(wire.submits(10))
        wait_for(lambda: started.metrics()["deferred_requests"] == 10, "all are deferred")
        started.signal(signal.SIGTERM)
        wait_for(lambda: started.request("/-/ready")[0] == 503, "not ready")
        config.reload("handler = delay:1h", "workers = 1", "drain-timeout = 1h")
        assert started.process.poll() is None
        config.write("handler = delay:1h", "workers = 1", "drain-timeout = 100ms")
        started.signal(signal.SIGHUP)
        assert started.wait() == 3


@pytest.mark.parametrize("workers", (1, 2))
def test_a_hundred_a_second_under_load(config, tmp_path, workers):
    """Good files and bad ones; no ack is lost and no connection ends."""
    path = tmp_path / "records"
    plain = (f"workers = {workers}", f"handler = append:{path}")
    files = [plain, (*plain, "idle-timeout = 2s", "window = 10", "max-frame = 1KiB"),
             (*plain, "busy-poll-us = 50", "max-conns = 9", "write-timeout = 5s"), ("nope",)]
    started = config.run(*plain)
    streams = [Stream(started) for _ in range(3)]
    for stream in streams:
        stream.start()
    for stream in streams:
        assert stream.started.wait(DEADLINE)
    before = started.metrics()
    with Canary(started):
        begin = time.monotonic()
        for number in range(100):
            fresh = tmp_path / "fresh"
            fresh.write_text("".join(f"{line}\n" for line in files[number % len(files)]))
            fresh.rename(config.path)
            started.signal(signal.SIGHUP)
            time.sleep(max(0.0, begin + (number + 1) * 0.01 - time.monotonic()))
        started.admin.close()  # it may have been quiet for too long
        after = started.metrics()
    # Those that came while one was obeyed count as one.
    assert after[SUCCESS] > before[SUCCESS] and after[FAILURE] > before[FAILURE]
    assert total(after, "connections_closed_total") == 0
    assert after["req_recv_total"] > before["req_recv_total"]
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    for stream in streams:
        stream.join(4 * DEADLINE)  # each compares a million acks and more
        assert not stream.is_alive(), "a client is stuck"
    assert [stream.failure for stream in streams if stream.failure] == []
    records = path.read_bytes()
    assert sum(stream.acked for stream in streams) == records.count(b"\0\0\0\x06stream")
    assert started.log().count("event=finished") == 1


def takes_signals(pid):
    """True once the process has begun to take SIGHUP its own way."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(blocked, 16) & 1 << (signal.SIGHUP - 1))


@pytest.mark.parametrize("step_ms", (0, 1, 2, 4, 8, 16, 32, 64))
def test_signals_in_every_phase_of_the_start(program, tmp_path, step_ms):
    """SIGHUPs from the first moment on, and a SIGTERM some time later: it ends in order."""
    config = tmp_path / "ackd.conf"
    config.write_text("workers = 2\n")
    engine = os.environ.get("ACKD_TEST_ENGINE", "auto")
    for round_number in range(5):
        with open(tmp_path / "log", "wb") as log, subprocess.Popen(
                [program, "--listen=127.0.0.1:0", "--metrics-listen=off", "--pprof-listen=off",
                 f"--config={config}",
                 f"--engine={engine}"], stderr=log, preexec_fn=lambda: prepare_child(())) as ackd:
            try:
                wait_for(lambda: takes_signals(ackd.pid) or ackd.poll() is not None, "signals")
                end = time.monotonic() + step_ms * (1 + round_number / 5) / 1000
                while True:
                    ackd.send_signal(signal.SIGHUP)
                    if time.monotonic() >= end:
                        break
                ackd.send_signal(signal.SIGTERM)
                ackd.send_signal(signal.SIGHUP)
                assert ackd.wait(DEADLINE) == 0, (tmp_path / "log").read_text()
            finally:
                ackd.kill()
        assert "event=finished" in (tmp_path / "log").read_text()
