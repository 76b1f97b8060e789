#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""busy_poll - ackd with --busy-poll-us beside ackd without

One connection with one message in flight is where it helps: each ack waits for two threads to wake
up, the server's and the client's.  So there it is measured with a client that sleeps and with one
that spins, too.  Deep pipelines, where no thread sleeps, must not lose.  See docs/PERFORMANCE.md.
"""
import argparse
import json
import os
import pathlib

from lib import machine, report, servers, verdict
from lib.contest import Contest, Effort, Shape, run_ab

GAIN_MIN = 4  # of acks per second, with one message in flight
ONE = Shape("1x1", 1, 1, 22)
CASES = ((ONE, "sleep", GAIN_MIN), (ONE, "spin", GAIN_MIN),
         (Shape("100x256", 100, 256, 22), "sleep", 1 / (1 + verdict.SAME_SHARE)))


def compare(contest, args, engine, case):
    """Acks per second and CPU time per ack, without (a) and with (b)."""
    shape, client, target = case
    ackd = servers.make_ackd(args.build, engine, name="ackd", title="ackd")
    command = ackd.spec(shape.payload)
    words = contest.ab_words(command, f"{command} --busy-poll-us {args.us}", shape,
                             contest.client_cpu, ackd.warmup_s, "any")
    metrics = run_ab([*words, "--idle", client], contest.environment)["metrics"]
    return {"engine": engine, "shape": shape.name, "client": client, "target": target,
            "metrics": metrics}


def say_both(rows):
    """What it comes to when both ends spin, against neither."""
    lines = []
    for engine in ("epoll", "uring"):
        ends = {row["client"]: row["metrics"]["acks"] for row in rows
                if row["engine"] == engine and row["shape"] == ONE.name}
        before, after = ends["sleep"]["a"], ends["spin"]["b"]
        lines.append(f"{engine}: {report.say_rate(before)} -> {report.say_rate(after)} acks/s, "
                     f"{after / before:.1f} times")
    return "1x1, both ends spinning against neither: " + "; ".join(lines) + "."


def judge(interval, target):
    return "met" if interval.low >= target else "MISSED" if interval.high < target else \
        "INCONCLUSIVE"


def make_table(rows, us):
    lines = []
    for row in rows:
        acks, cost = row["metrics"]["acks"], row["metrics"]["server_ns"]
        interval = verdict.read_interval(acks)
        lines.append([row["engine"], row["shape"], row["client"] + "s",
                      f"{report.say_rate(acks['a'])} -> {report.say_rate(acks['b'])}",
                      report.say_interval(interval),
                      f"{report.say_ns(cost['a'])} -> {report.say_ns(cost['b'])}",
                      f"at least {row['target']:.2f}: {judge(interval, row['target'])}"])
    return report.Table(f"Acks per second without and with --busy-poll-us {us}; server and client "
                        "on a core each",
                        ["engine", "shape", "client", "acks/s", "ratio",
                         "server CPU ns per ack", "target"],
                        lines)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0],
                                     prog="./dev bench busy-poll")
    parser.add_argument("--us", type=int, default=50, help="how long to look (%(default)s)")
    parser.add_argument("--pairs", type=int, default=8,
                        help="of fresh processes, 6 or more (%(default)s)")
    parser.add_argument("--slice", type=float, default=0.3, metavar="S",
                        help="seconds of a run; a pair has four (%(default)s)")
    parser.add_argument("--docs", action=argparse.BooleanOptionalAction, default=True,
                        help="write docs/PERFORMANCE.md")
    parser.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--build", default="build/release", help="(%(default)s)")
    return parser.parse_args()


def main():
    args = parse_arguments()
    os.chdir(servers.ROOT)
    contest = Contest(args.build, "build/bench/busy_poll", Effort(args.pairs, args.slice, 0.5),
                      sorted(os.sched_getaffinity(0)))
    rows = [compare(contest, args, engine, case) for engine in ("epoll", "uring")
            for case in CASES]
    made = machine.describe()
    table = make_table(rows, args.us)
    print(table.to_text())
    print(say_both(rows))
    if args.json:
        result = {"schema": "ackd-bench-busy-poll/1", "machine": made, "rows": rows}
        pathlib.Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.docs:
        report.update_document("busy_poll", f"{made['date']}; commit {made['commit']}; "
                               f"{made['cpu']}; {args.pairs} pairs of fresh processes, four runs "
                               f"of {args.slice} s in each; ratio [95 % interval].\n\n"
                               + table.to_markdown() + "\n\n" + say_both(rows))


if __name__ == "__main__":
    main()
