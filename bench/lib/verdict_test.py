# SPDX-License-Identifier: MIT
"""Tests of verdict.py."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import verdict  # noqa: E402
from lib.verdict import Interval, Target  # noqa: E402


def test_interval_is_read_from_changes():
    assert verdict.read_interval({"change": 0.5, "low": -0.25, "high": 1}) == (1.5, 0.75, 2)


@pytest.mark.parametrize("null, spread", [
    (Interval(1, 0.98, 1.05), 1.05),
    (Interval(1, 0.8, 1.05), 1.25),
    (Interval(1.01, 1.005, 1.01), 1.01),
    (Interval(0.9, 0.8, 0.9), 1.25),
])
def test_spread_is_how_far_the_null_reaches(null, spread):
    assert verdict.null_spread(null) == pytest.approx(spread)


@pytest.mark.parametrize("low, high, spread, answer", [
    (1.06, 1.2, 1.05, "dearer"),
    (1.04, 1.2, 1.05, "INCONCLUSIVE"),
    (0.8, 0.9, 1.05, "cheaper"),
    (0.8, 0.96, 1.05, "INCONCLUSIVE"),
    (0.98, 1.02, 1.01, "same"),  # inside 3 %
    (0.96, 1.04, 1.05, "same"),  # inside the null
    (0.96, 1.04, 1.01, "INCONCLUSIVE"),
    (1.011, 1.02, 1.01, "dearer"),  # little, but for certain
])
def test_verdict(low, high, spread, answer):
    assert verdict.judge(Interval(1, low, high), spread) == answer


@pytest.mark.parametrize("low, high, answer", [
    (2.4, 2.6, "met"),  # 2.5 / 1.05 is 2.38
    (2.3, 3, "INCONCLUSIVE"),
    (2, 2.3, "MISSED"),
])
def test_target_from_below(low, high, answer):
    target = Target("go", "", None, at_least=2.5)
    assert verdict.judge_target(target, Interval(2.5, low, high), 1.05) == answer


@pytest.mark.parametrize("low, high, answer", [
    (0.8, 0.94, "met"),  # 0.9 * 1.05 is 0.945
    (0.8, 0.95, "INCONCLUSIVE"),
    (0.95, 1, "MISSED"),
])
def test_target_from_above(low, high, answer):
    target = Target("uring", "", None, at_most=0.9)
    assert verdict.judge_target(target, Interval(0.9, low, high), 1.05) == answer


def test_ceiling_is_the_other_way_round():
    """ackd at 1.05 of the ceiling's cost is the ceiling at 1 / 1.05 of ackd's."""
    target = next(target for target in verdict.TARGETS if target.name == "ceiling")
    dear = Interval(1 / 1.05, 1 / 1.06, 1 / 1.04)
    assert verdict.judge_target(target, dear, 1) == "MISSED"
    assert verdict.judge_target(target, dear, 1.03) == "met"


def test_every_target_is_about_a_known_contestant():
    assert {target.name for target in verdict.TARGETS} == {
        "ceiling", "ceiling-uring", "uring", *verdict.PEERS}
    assert verdict.concerns(verdict.TARGETS[0], "ceiling", "100x1")
    assert not verdict.concerns(verdict.TARGETS[0], "ceiling", "100x256")
    assert not verdict.concerns(verdict.TARGETS[0], "go", "100x1")
