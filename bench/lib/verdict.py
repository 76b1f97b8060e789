# SPDX-License-Identifier: MIT
"""verdict - what an interval allows to say, and which targets it meets

A cell is the contestant's CPU time per ack divided by ackd's: above 1, ackd is the cheaper one.
Its 95 % interval is ackload's, over pairs of fresh processes.  The null is ackd against itself in
the same shape and placement; its spread is how far from 1 its interval reaches: what chance does.
"""
from collections import namedtuple

SAME_SHARE = 0.03  # a difference below this does not matter

Interval = namedtuple("Interval", "ratio low high")
Target = namedtuple("Target", "name words shapes at_least at_most", defaults=(None, None))

PEERS = ("go", "libevent", "libuv", "asio", "java")
DEEP = ("100x256", "100x4096")
SHALLOW = ("100x1", "100x16")

# at_least and at_most bound the cell's ratio.
TARGETS = (
    *(Target(name, f"at least 1/{times:.2f} of ackd", shapes, 1 / times)
      for name in ("ceiling", "ceiling-uring")
      for shapes, times in ((SHALLOW, 1.03), (DEEP, 1.10))),
    Target("uring", "at most 0.90 of epoll", SHALLOW, None, 0.90),
    Target("uring", "not dearer than epoll", DEEP + ("1000x1", "100x64/1KiB"), None, 1),
    Target("go", "at least 2.5 times ackd", ("100x256",), 2.5),
    Target("go", "at least 8 times ackd", ("100x4096",), 8),
    *(Target(peer, "not cheaper than ackd", None, 1) for peer in PEERS),
)


def read_interval(metric):
    """From a metric of ackload-ab/1."""
    return Interval(1 + metric["change"], 1 + metric["low"], 1 + metric["high"])


def null_spread(null):
    """As a factor: 1.02 when the interval of the null reaches 2 % to either side."""
    return max(null.high, 1 / null.low, 1)


def judge(cell, spread):
    """cheaper, dearer, same or INCONCLUSIVE: the contestant beside ackd."""
    if cell.low > spread:
        return "dearer"
    if cell.high < 1 / spread:
        return "cheaper"
    alike = max(spread, 1 + SAME_SHARE)
    return "same" if 1 / alike <= cell.low and cell.high <= alike else "INCONCLUSIVE"


def judge_target(target, cell, spread):
    """met, MISSED or INCONCLUSIVE; met: the interval excludes being worse than target and null."""
    if target.at_least is not None:
        bound = target.at_least / spread
        met, missed = cell.low >= bound, cell.high < bound
    else:
        bound = target.at_most * spread
        met, missed = cell.high <= bound, cell.low > bound
    return "met" if met else "MISSED" if missed else "INCONCLUSIVE"


def concerns(target, name, shape):
    return target.name == name and (target.shapes is None or shape in target.shapes)
