# SPDX-License-Identifier: MIT
"""How exact the sampler is, what it costs, and that it costs nothing while nobody asks."""
import os
import re
import subprocess

import pprof
import pytest
from client import Client, wait_for
from server import parse_address

from conftest import ACKD, BENCH, DEADLINE, in_background


def bench(*arguments):
    finished = subprocess.run([BENCH, *map(str, arguments)], capture_output=True, text=True,
                              timeout=DEADLINE * 4)
    assert finished.returncode == 0, (finished.returncode, finished.stderr)
    print(finished.stdout)
    return {name: float(value) for name, value in map(str.split, finished.stdout.splitlines())}


@pytest.mark.exact
@pytest.mark.long
@pytest.mark.parametrize("hz", (100, 1000))
def test_sampled_is_true_cpu_time(hz):
    """Two busy threads, one function with 70 of 100."""
    found = bench("accuracy", 15, hz)
    assert 95 <= found["sampled_percent"] <= 102
    assert abs(found["hot_sampled_percent"] - found["hot_true_percent"]) <= 3
    assert found["lost"] == 0


@pytest.mark.exact
@pytest.mark.parametrize("share_ms, piece_us", ((10, 200), (25, 200), (25, 5000)))
def test_sampled_is_true_cpu_time_of_a_crowd(share_ms, piece_us):
    """A hundred threads that have few periods of CPU time each. The kernel looks at timers in its
    ticks, of 4 ms and more: what threads had not been signalled for by the end counts too."""
    found = bench("crowd", share_ms, piece_us)
    assert 95 <= found["sampled_percent"] <= 102
    # The others' threads were over before any tick found them: cpu_time_unseen.
    assert found["placed_percent"] >= 25


@pytest.mark.exact
def test_a_sample_costs_little():
    found = bench("cost")
    assert found["samples"] >= 20000, "all of them were taken"
    assert found["percent_at_100_hz"] <= 1


@pytest.mark.loader
@pytest.mark.parametrize("seconds", (3, pytest.param(60, marks=pytest.mark.long)))
def test_soak(start, load, seconds):
    """1 kHz beside threads and libraries that come and go, and a server under full load that is
    profiled at the same rate: no hang, no crash."""
    server = start()
    joined = in_background(server.get, f"profile?seconds={seconds}&hz=1000", "GET", None,
                           seconds)
    with load(server, "--time", f"{seconds + 60}s"):
        found = bench("soak", seconds)
        status, _, body = joined()
    assert found["samples"] > 20 * seconds and found["churned"] > 20 * seconds
    assert found["stacks"] >= 5 * seconds
    assert status == 200
    assert "epoll_turn" in pprof.functions_of(pprof.parse(body))
    with server.connect() as client:
        client.round_trip()


def instructions(folder, function, count, heap, listen):
    """What a worker executes in @function for @count SUBMITs that come one at a time."""
    folder.mkdir()
    output = folder / "callgrind.out"
    ports = folder / "ports"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}",
               "--collect-atstart=no", f"--toggle-collect={function}", ACKD,
               "--listen=127.0.0.1:0", "--metrics-listen=off", "--workers=1", "--engine=epoll",
               "--log-level=error", f"--pprof-listen={listen}", f"--ports-file={ports}"]
    environment = dict(os.environ, MALLOC_CONF=f"prof:{'true' if heap else 'false'}")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=environment) as server:
        wait_for(lambda: ports.exists() or server.poll() is not None, "ports file written")
        address = parse_address(ports.read_text().split()[1])
        with Client(address, "spec") as client:
            for _ in range(count):
                client.round_trip(b"a payload of some bytes")
        server.terminate()
        assert server.wait(DEADLINE) == 0
    return int(re.search(r"^(?:summary|totals): (\d+)", output.read_text(), re.M)[1])


@pytest.mark.exact
@pytest.mark.viewers
@pytest.mark.parametrize("function, tolerance", (("intake_take", 0), ("session_received", 1)))
def test_nothing_when_nobody_asks(tmp_path, function, tolerance):
    """The same instructions for a message with profiles served and heap profiling armed, and
    without either.  Two lengths, so that what comes once is not in it.  intake_take() is all that
    makes the ack; session_received() also puts the time it took into a histogram, which takes as
    many steps as the time has."""
    found = {}
    for name, heap, listen in (("without", False, "off"), ("with", True, "127.0.0.1:0")):
        few, many = (instructions(tmp_path / f"{name}{count}", function, count, heap, listen)
                     for count in (500, 1500))
        found[name] = (many - few) / 1000
    print(f"instructions for a message in {function}:", found)
    assert found["without"] > 50
    assert abs(found["with"] - found["without"]) <= tolerance
