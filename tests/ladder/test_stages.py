# SPDX-License-Identifier: MIT
"""Each stage of the ladder is a correct server: it holds the contract, whatever the load."""
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

import wire
from client import DEADLINE, PATIENCE, wait_for
from conftest import BUILD, CONTRACT, ROOT

ACKLOAD = os.environ.get("ACKLOAD", str(BUILD / "src/load/ackload"))

# Each way of arriving: alone, a few, many together, until the socket is full, by the clock.
SHAPES = {
    "alone": ("-c", "1", "-d", "1"),
    "waiting": ("-c", "50", "-d", "1"),
    "pipelined": ("-c", "50", "-d", "16"),
    "column": ("-c", "100", "-d", "max", "--max-inflight", "1024"),
    "empty": ("-c", "20", "-d", "64", "--size", "0"),
    "large": ("-c", "10", "-d", "16", "--size", "60000"),
    "edge": ("-c", "10", "-d", "64", "--size", "4083"),
    "rate": ("-c", "20", "--rate", "5k", "--validity", "off"),
    "neighbours": ("-c", "20", "-d", "4", "--mix", "slow-reader=2,idle=5,garbage=2,dribble=2"),
}


def address_text(started):
    return "%s:%d" % started.addresses["spec"]


@pytest.mark.parametrize("suite, passed_min", (("a_basic.py", 35), ("b_violations.py", 100)))
def test_contract(start, stage, suite, passed_min):
    """The suite that ackd has to pass, against this server."""
    started = start(stage)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
         str(CONTRACT / suite), "--server", address_text(started)],
        capture_output=True, text=True, cwd=ROOT, timeout=300 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= passed_min


@pytest.mark.parametrize("shape", SHAPES)
def test_ackload_verifies_every_ack(start, stage, shape, tmp_path):
    started = start(stage)
    result = tmp_path / "result.json"
    done = subprocess.run(
        [ACKLOAD, "run", "--connect", address_text(started), "-t", "1", "--time", "300ms",
         "--drain-timeout", "60s", "--json", str(result), *SHAPES[shape]],
        capture_output=True, text=True, timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    acked = json.loads(result.read_text())["ledger"]["ok"]
    assert acked > 0
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    metrics = started.metrics()
    assert metrics["req_recv_total"] >= acked
    if shape != "neighbours":  # whose acks are nobody's
        assert metrics["req_recv_total"] == acked
        assert metrics["rsp_send_total"] == acked
        assert metrics["acks_dropped_total"] == 0


def calls_per_message(started, count):
    """Sends @count SUBMITs at once; reads and writes of the server for each."""
    before = started.metrics()
    with started.connect() as client:
        client.exchange(wire.submits(count, b"x" * 22), wire.acks(count))
    wait_for(lambda: started.metrics()["client_connected"] == 0, "it has left")
    after = started.metrics()
    return [(after[f'syscalls_total{{call="{call}"}}'] - before[f'syscalls_total{{call="{call}"}}'])
            / count for call in ("recv", "send")]


def test_a_stage_differs_by_its_system_calls(start):
    assert calls_per_message(start("unbuffered"), 5000) == pytest.approx([2, 2], abs=0.1)
    for stage in ("buffered", "pooled"):
        reads, writes = calls_per_message(start(stage), 5000)
        assert reads < 0.1 and writes < 0.1, stage


def test_sigterm_answers_what_has_arrived_and_joins(start, stage):
    started = start(stage)
    clients = [started.connect() for _ in range(20)]
    for client in clients:
        client.send(wire.submits(200))
    for client in clients[10:]:
        client.expect_acks(200)
    started.signal(signal.SIGTERM)
    for client in clients[:10]:
        client.expect_acks(200)
    for client in clients:
        client.expect_fin()
        client.close()
    assert started.wait() == 0


def is_stuck(started):
    """No ack has left for a while, though there are requests."""
    before = started.metrics()["rsp_send_total"]
    time.sleep(0.5)  # the stretch of time that is looked at
    return started.metrics()["rsp_send_total"] == before > 0


def test_sigterm_does_not_wait_for_one_who_takes_no_acks(start, stage):
    """Its acks are dropped, which the exit code says."""
    started = start(stage)
    with started.connect(receive_buffer=4096) as client:
        client.fill(wire.submits(300_000))
        wait_for(lambda: is_stuck(started), "it waits for the client")
        started.signal(signal.SIGTERM)
        assert started.wait() == 3


def test_connections_are_bounded(start, stage):
    started = start(stage, limits=((resource.RLIMIT_NOFILE, 1200),))
    clients = [started.connect() for _ in range(1024)]
    try:
        for client in clients:
            client.send(wire.submit(1))
        for client in clients:
            client.expect_acks(1)
        with started.connect() as one_more:
            one_more.expect_end()
        assert started.metrics()['connections_rejected_total{reason="max_conns"}'] == 1
        clients.pop().close()
        wait_for(lambda: started.metrics()["client_connected"] == 1023, "one has left")
        with started.connect() as next_one:
            next_one.round_trip()
    finally:
        for client in clients:
            client.close()


def test_places_are_used_again(start, stage):
    """Many more connections than places, one after the other; nothing is left open."""
    started = start(stage)
    started.metrics()
    before = started.lasting_descriptor_count()
    for _ in range(1500):
        with started.connect() as client:
            client.round_trip()
    wait_for(lambda: started.metrics()["client_connected"] == 0, "all have left")
    wait_for(lambda: started.lasting_descriptor_count() == before, "all are closed", DEADLINE)
    assert started.metrics()["connections_accepted_total"] == 1500


def test_without_descriptors_it_waits_and_goes_on(start, stage):
    started = start(stage, limits=((resource.RLIMIT_NOFILE, 24),))
    started.metrics()
    clients = [started.connect() for _ in range(30)]
    wait_for(lambda: started.metrics()['accept_errors_total{error="emfile"}'] > 0, "EMFILE")
    assert started.cpu_seconds() < 2 * PATIENCE
    for client in clients:
        client.close()
    with started.connect() as client:
        client.round_trip()


@pytest.mark.parametrize("arguments, exit_code", (
    (("--nonsense",), 78), (("more",), 78), (("--listen", "nowhere"), 71),
    (("--listen", "127.0.0.1:0", "--metrics-listen", "nowhere"), 71), (("--help",), 0)))
def test_options(stage, arguments, exit_code):
    done = subprocess.run([str(BUILD / "ladder" / stage), *arguments], capture_output=True,
                          text=True, timeout=DEADLINE, check=False)
    assert done.returncode == exit_code
    assert stage in (done.stdout if exit_code == 0 else done.stderr)


def test_an_address_in_use_is_said(start, stage):
    started = start(stage)
    done = subprocess.run([str(BUILD / "ladder" / stage), "--listen", address_text(started)],
                          capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 71
    assert "in use" in done.stderr and "--listen" in done.stderr


def test_metrics_off(start, stage):
    started = start(stage, metrics="off")
    assert started.metrics_address is None
    with started.connect() as client:
        client.round_trip()
