# SPDX-License-Identifier: MIT
"""Run histories: an empty one, and one with runs to compare."""

import pytest

from faulty_server import FaultyServer
from history import keep_seconds
from program import ackload


@pytest.fixture(name="history")
def make_history(tmp_path, monkeypatch):
    monkeypatch.setenv("ACKLOAD_HISTORY", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(name="kept")
def keep_runs(history):
    with FaultyServer() as server:
        ackload("record", "first", "--connect", server.address, "-c", "1", "--time", "50ms")
    keep_seconds(history, "fast", [100, 101, 102, 103, 104, 105, 106])
    keep_seconds(history, "slow", [90, 91, 92, 93, 94, 95, 96])
    keep_seconds(history, "even", [100, 100.2, 100.4, 100.6, 100.8, 101, 101.2])
    keep_seconds(history, "rough", [70, 80, 90, 100, 110, 120, 125])
    return history
