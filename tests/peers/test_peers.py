# SPDX-License-Identifier: MIT
"""The servers of bench/peers answer as they should: only then is their speed of interest.

    ./dev bench peers --check

A server whose compiler or library is not installed is skipped, with the name of the package.
"""
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from lib import servers  # noqa: E402
from lib.contest import Contest, Effort  # noqa: E402

BUILD = pathlib.Path(os.environ["ACKD"]).parents[2]
CPU = min(os.sched_getaffinity(0))

# What is asked of any server. How ackd ends a connection (it lingers) is not.
CONTRACT = ("a_basic.py", "b_violations.py::test_first_thing_on_a_connection",
            "b_violations.py::test_fin_inside_a_frame")


@pytest.fixture(name="peer", scope="module", params=sorted(servers.RECIPES))
def build_peer(request):
    built = servers.build_peer(request.param)
    if isinstance(built, str) and "no " in built:
        pytest.skip(built)
    assert not isinstance(built, str), built
    with built.start(CPU) as running:
        yield running


def make_contest(folder):
    return Contest(BUILD, folder, Effort(6, 0.1, 1), [CPU])


def test_every_message_is_acked_once_in_order(peer, tmp_path):
    assert make_contest(tmp_path).check(peer) is None


def test_contract(peer):
    tests = [str(ROOT / "tests" / "contract" / name) for name in CONTRACT]
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests,
                          "--server", peer.address], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def run_peers(folder, *options):
    return subprocess.run([sys.executable, str(ROOT / "bench" / "peers.py"), "--quick",
                           "--build", str(BUILD), "--only", "ceiling", "--shapes", "100x16",
                           "--placement", "same", "--no-idle", "--results", str(folder / "results"),
                           *options], cwd=folder,
                          capture_output=True, text=True, check=False, timeout=300)


def test_who_acks_wrongly_is_named_and_not_timed(tmp_path):
    """The ceiling's acks have no ids."""
    with servers.make_ceiling(BUILD).start(CPU) as wrong:
        ran = run_peers(tmp_path, "--slice", "0.02", "--external",
                        f"liar={wrong.address},{wrong.pid}")
    assert ran.returncode == 0, ran.stderr
    assert "liar      is not timed, its acks are wrong: -c 1 -d 1" in ran.stdout
    assert "liar (external)" not in ran.stdout
    assert "the ceiling (does not look)" in ran.stdout


def test_a_running_server_joins_the_table_and_what_is_done_is_kept(tmp_path):
    with servers.make_ackd(BUILD, name="ackd", title="ackd").start(CPU) as other:
        options = ("--slice", "0.02", "--json", str(tmp_path / "all.json"), "--external",
                   f"other={other.address},{other.pid}")
        first = run_peers(tmp_path, *options)
        again = run_peers(tmp_path, *options, "--resume")
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert "3 cells, 0 of them done already" in first.stdout
    assert "3 cells, 3 of them done already" in again.stdout
    cells = json.loads((tmp_path / "all.json").read_text())["cells"]
    cell = next(cell for cell in cells if cell["name"] == "other")
    assert cell["metrics"]["server_ns"]["b"] > 0 and cell["metrics"]["acks"]["b"] > 0
    assert cell["effort"]["pairs"] == 6 and cell["runs"] >= 24


def test_a_budget_ends_a_run_after_the_cell_that_spends_it(tmp_path):
    runs = [run_peers(tmp_path, "--budget", "0", "--resume") for _ in range(3)]
    for run in runs:
        assert run.returncode == 0, run.stdout + run.stderr
    first, second, third = runs
    assert "2 cells, 0 of them done already" in first.stdout
    assert "the budget is spent" in first.stdout and "Targets" not in first.stdout
    assert "2 cells, 1 of them done already" in second.stdout
    assert "the budget is spent" not in second.stdout and "Targets" in second.stdout
    assert "2 cells, 2 of them done already" in third.stdout
