# SPDX-License-Identifier: MIT
"""Every fault between ackload and a real ackd is found, and stands in the right column.

The faults are injected by proxy.py, which counts what it did; the ledger must say the same, to the
last one. faulty_server.py has the servers that do wrong by themselves.
"""

import collections
import json
import subprocess
import time

import pytest

from program import ACKD, FAILED, OK, ackload
from proxy import FATAL, Proxy, Spoiler, once, regular, sparse

PAYLOAD_SIZE = 19
REQUEST_SIZE = 13 + PAYLOAD_SIZE

# What one fault of the acks adds to the ledger.
ACK_COLUMNS = {
    "lose": {"lost": 1},
    "duplicate": {"duplicate": 1},
    "replay": {"duplicate": 1},
    "swap": {"out_of_order": 1},
    "command": {"malformed": 1, "lost": 1},
    "id": {"unknown": 1, "lost": 1},
    "future": {"unknown": 1, "lost": 1},
    "result": {"failed": 1},
}

# The same for faults of the requests: ackd answers each as it arrived.
REQUEST_COLUMNS = {name: ACK_COLUMNS[name]
                   for name in ("lose", "duplicate", "replay", "swap", "id", "future")}

COLUMNS = ("failed", "lost", "cut", "duplicate", "unknown", "out_of_order", "malformed")


@pytest.fixture(name="ackd", scope="module")
def start_ackd(tmp_path_factory):
    """The address of a real server."""
    ports = tmp_path_factory.mktemp("ackd") / "ports"
    with subprocess.Popen([ACKD, "--listen", "127.0.0.1:0", "--metrics-listen", "off",
                           "--pprof-listen", "off",
                           "--workers", "1", "--log-level", "error", "--ports-file",
                           str(ports)]) as server:
        deadline = time.monotonic() + 10
        while not ports.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        yield ports.read_text().split()[1]
        server.terminate()


def run(proxy, *arguments, connections=4, seconds="1s"):
    done = ackload("run", "--connect", proxy.address, "-c", str(connections), "--time", seconds,
                   "--size", str(PAYLOAD_SIZE), "--drain-timeout", "1s", "--quiet", "--json", "-",
                   *arguments)
    assert done.stderr == ""
    result = json.loads(done.stdout)
    ledger = result["ledger"]
    assert ledger["sent"] == ledger["ok"] + ledger["failed"] + ledger["lost"] + ledger["cut"]
    return done.returncode, result


def expect(done, columns):
    expected = collections.Counter(dict.fromkeys(COLUMNS, 0))
    for kind, count in done.items():
        for column, each in columns[kind].items():
            expected[column] += count * each
    return dict(expected)


def found(result):
    return {column: result["ledger"][column] for column in COLUMNS}


def test_a_proxy_without_faults_changes_nothing(ackd):
    with Proxy(ackd, lambda connection: iter([])) as proxy:
        status, result = run(proxy, "-d", "64")
    assert status == OK
    assert result["ledger"]["ok"] > 1000


@pytest.mark.parametrize("kind", ACK_COLUMNS)
def test_each_fault_of_the_acks_has_its_column(ackd, kind):
    with Proxy(ackd, regular([kind])) as proxy:
        status, result = run(proxy, "-d", "64", seconds="300ms")
    assert status == FAILED
    assert proxy.done[kind] > 10
    assert found(result) == expect(proxy.done, ACK_COLUMNS)


@pytest.mark.parametrize("kind", REQUEST_COLUMNS)
def test_each_fault_of_the_requests_has_its_column(ackd, kind):
    with Proxy(ackd, regular([kind]), "requests", REQUEST_SIZE) as proxy:
        status, result = run(proxy, "-d", "64", seconds="300ms")
    assert status == FAILED
    assert proxy.done[kind] > 10
    assert found(result) == expect(proxy.done, REQUEST_COLUMNS)


@pytest.mark.parametrize("rate", [[], ["--rate", "20k"]], ids=["closed", "open"])
def test_all_faults_of_the_acks_together(ackd, rate):
    with Proxy(ackd, regular(list(ACK_COLUMNS))) as proxy:
        status, result = run(proxy, "-d", "256", *rate, connections=3)
    assert status == FAILED
    assert set(proxy.done) == set(ACK_COLUMNS)
    assert found(result) == expect(proxy.done, ACK_COLUMNS)


@pytest.mark.parametrize("seed", [1, 2])
def test_one_fault_in_ten_thousand_messages(ackd, seed):
    with Proxy(ackd, sparse(list(ACK_COLUMNS), 1e-4, seed)) as proxy:
        status, result = run(proxy, "-d", "4096", seconds="2s")
    assert status == FAILED
    assert sum(proxy.done.values()) >= 5
    assert found(result) == expect(proxy.done, ACK_COLUMNS)


def test_a_single_fault_among_all_messages(ackd):
    def plan(connection):
        return iter([(20000, "lose")] if connection == 1 else [])

    with Proxy(ackd, plan) as proxy:
        status, result = run(proxy, "-d", "1024")
    assert proxy.done == {"lose": 1}
    assert status == FAILED
    assert found(result) == expect(proxy.done, ACK_COLUMNS)


@pytest.mark.parametrize("kind", FATAL)
def test_acks_that_cannot_be_followed_end_their_connection(ackd, kind):
    with Proxy(ackd, once(1000, kind)) as proxy:
        status, result = run(proxy, "-d", "64", connections=3)
    assert status == FAILED
    assert proxy.done == {kind: 3}
    assert result["disconnects"] == 3
    ledger = result["ledger"]
    # All before the fault were acked; it and what was in flight behind it is cut off.
    assert ledger["ok"] == 3 * 1000
    assert ledger["sent"] == ledger["ok"] + ledger["cut"]
    assert ledger["malformed"] == 3
    assert ledger["lost"] == ledger["duplicate"] == ledger["unknown"] == ledger["failed"] == 0


@pytest.mark.parametrize("kind", ["command", "tiny", "huge"])
def test_requests_that_ackd_refuses_end_their_connection(ackd, kind):
    with Proxy(ackd, once(1000, kind), "requests", REQUEST_SIZE) as proxy:
        status, result = run(proxy, "-d", "64", connections=3)
    assert status == FAILED
    assert proxy.done == {kind: 3}
    assert result["disconnects"] == 3
    assert result["ledger"]["ok"] == 3 * 1000
    assert result["ledger"]["cut"] == result["ledger"]["sent"] - 3 * 1000 > 0


# The proxy itself


@pytest.mark.parametrize("chunk_size", [1, 5, 10, 33, 1000])
def test_the_proxy_spoils_the_same_whatever_the_chunks(chunk_size):
    frames = b"".join(b"%10d" % number for number in range(100))
    done = collections.Counter()
    spoiler = Spoiler(10, iter([(5, "lose"), (40, "duplicate"), (80, "lose")]), done)
    out = b"".join(spoiler.feed(frames[begin:begin + chunk_size])
                   for begin in range(0, len(frames), chunk_size))
    numbers = [int(out[begin:begin + 10]) for begin in range(0, len(out), 10)]
    assert done == {"lose": 2, "duplicate": 1}
    assert numbers == [*range(5), *range(6, 41), *range(40, 80), *range(81, 100)]
