#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""counts - what is too small to be seen in times is counted

Instructions per ack under callgrind, with the counters and without; system calls per message, as
ackd counts them itself; CPU time of the admin thread for a scrape.  See docs/PERFORMANCE.md.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import tempfile
import urllib.request

from lib import idle, machine, report, servers
from lib.contest import SHAPES, Contest, Effort

INSTRUCTION_SHAPES = ("100x1", "100x16", "100x256")
INSTRUCTION_RUNS = 3
SCRAPE_COUNT = 200
UNCOUNTED = "build/uncounted"
# Instructions per ack may grow by this much through metrics.
METRICS_SHARE_MAX = 0.01
# System calls per message, by engine and shape.
CALLS_MAX = {("epoll", "100x1"): 2.1, ("uring", "100x1"): 1, ("epoll", "100x256"): 0.02,
             ("uring", "100x256"): 0.02}


def load(contest, address, shape, seconds):
    """Loads a server; the messages that it acked."""
    result = contest.load("--connect", address, "-t", "1", "--cpu", str(contest.client_cpu),
                          "-c", str(shape.connections), "-d", str(shape.depth),
                          "--size", str(shape.payload), "--time", f"{seconds * 1000:.0f}ms")
    if result["verdict"] != "ok":
        raise RuntimeError(result["reason"])
    return result["ledger"]["ok"]


# --- instructions ---

def read_profile(path):
    """All instructions, and those of reading the clock at the end of each turn."""
    total = int(re.search(r"^totals: (\d+)", path.read_text(encoding="utf-8"), re.M)[1])
    annotated = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", path],
                               check=True, capture_output=True, text=True).stdout
    clock = re.search(r"^ *([\d,]+) .*:socket_ops_now_ns\b", annotated, re.M)
    if not clock:
        raise RuntimeError("no instruction of socket_ops_now_ns: has the clock another name?")
    return total, int(clock[1].replace(",", ""))


def profile(contest, build, shape, seconds):
    """Runs ackd under callgrind with a load, or without if @seconds is 0: all instructions, the
    clock's, and the acks.  On epoll: with io_uring valgrind waits for ever."""
    ackd = servers.make_ackd(build, "epoll", name="ackd", title="ackd")
    with tempfile.TemporaryDirectory(prefix="ackd-callgrind-") as folder:
        path = pathlib.Path(folder) / "out"
        acked = 0
        with servers.Running(f"valgrind --quiet --tool=callgrind --callgrind-out-file={path} "
                             + ackd.spec(shape.payload), contest.server_cpu) as running:
            if seconds > 0:
                acked = load(contest, running.address, shape, seconds)
        return *read_profile(path), acked


def count_instructions(contest, build, shape, seconds):
    """Per ack: all, and the clock's; a list, with an entry for each run of a fresh process."""
    start_up, _, _ = profile(contest, build, shape, 0)
    counts = []
    for _ in range(INSTRUCTION_RUNS):
        total, clock, acked = profile(contest, build, shape, seconds)
        counts.append(((total - start_up) / acked, clock / acked))
    return counts


def middle(values):
    return sorted(values)[len(values) // 2]


def compare_instructions(args, contest):
    rows = []
    for name in INSTRUCTION_SHAPES:
        counted = count_instructions(contest, args.build, SHAPES[name], args.seconds)
        without = count_instructions(contest, UNCOUNTED, SHAPES[name], args.seconds)
        all_of = [total for total, _ in counted]
        uncounted = middle([total for total, _ in without])
        clock = middle([clock for _, clock in counted])
        rows.append({
            "shape": name, "instructions": middle(all_of),
            "spread": max(all_of) / min(all_of) - 1, "counters": middle(all_of) - uncounted,
            "clock": clock, "share": (middle(all_of) - uncounted + clock) / (uncounted - clock),
        })
    return rows


def make_instruction_table(rows):
    return report.Table(
        "Instructions of ackd per ack, under callgrind",
        ["", "all", "spread", "of them, the counters", "of them, the clock", "both cost",
         f"target: at most {METRICS_SHARE_MAX:.0%}"],
        [[row["shape"], f"{row['instructions']:.1f}", f"{row['spread']:.1%}",
          f"{row['counters']:.1f}", f"{row['clock']:.1f}", f"{row['share']:+.1%}",
          "met" if row["share"] <= METRICS_SHARE_MAX else "MISSED"] for row in rows])


# --- system calls, scrapes ---

def scrape(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as reply:
        return reply.read().decode()


def read_counters(address):
    """System calls by name, and the messages."""
    text = scrape(address)
    calls = {name: int(value) for name, value in
             re.findall(r'^ackd_syscalls_total\{call="(\w+)"\} (\d+)', text, re.M)}
    return calls, int(re.search(r"^ackd_req_recv_total (\d+)", text, re.M)[1])


def count_calls(args, contest, engine):
    rows = []
    ackd = servers.make_ackd(args.build, engine if servers.knows_engines(args.build) else "",
                             name="ackd", title="ackd")
    for name, shape in SHAPES.items():
        with ackd.start(contest.server_cpu) as running:
            address = running.await_port("metrics")
            before, messages_before = read_counters(address)
            load(contest, running.address, shape, args.seconds)
            after, messages = read_counters(address)
        each = {call: (after[call] - before[call]) / (messages - messages_before) for call in after}
        rows.append({"engine": engine, "shape": name, "calls": each, "all": sum(each.values())})
    return rows


def make_call_table(rows):
    names = list(dict.fromkeys(name for row in rows for name in row["calls"]))
    lines = []
    for row in rows:
        limit = CALLS_MAX.get((row["engine"], row["shape"]))
        judged = "" if limit is None else (
            f"at most {limit:g}: {'met' if row['all'] <= limit else 'MISSED'}")
        lines.append([row["engine"], row["shape"], f"{row['all']:.4f}",
                      *(f"{row['calls'].get(name, 0):.4f}" for name in names), judged])
    return report.Table("System calls per message, as ackd counts them",
                        ["engine", "shape", "all", *names, "target"], lines)


def count_scrapes(args, contest):
    """CPU time of a scrape, in microseconds, of the thread that answers it and of the worker."""
    ackd = servers.make_ackd(args.build, name="ackd", title="ackd")
    with ackd.start(contest.server_cpu) as running:
        address = running.await_port("metrics")
        size = len(scrape(address))
        before = {who: running.thread_ns(f"ackd-{who}") for who in ("admin", "worker")}
        for _ in range(SCRAPE_COUNT):
            scrape(address)
        used = {f"{who}_us": (running.thread_ns(f"ackd-{who}") - before[who]) / SCRAPE_COUNT / 1e3
                for who in before}
    return dict(used, bytes=size)


def make_scrape_table(row):
    return report.Table("A scrape of /metrics, idle server",
                        ["bytes", "CPU of the admin thread", "CPU of the worker"],
                        [[str(row["bytes"]), f"{row['admin_us']:.0f} us",
                          f"{row['worker_us']:.1f} us"]])


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0],
                                     prog="./dev bench counts")
    parser.add_argument("--seconds", type=float, default=3, help="of a load (%(default)s)")
    parser.add_argument("--docs", action=argparse.BooleanOptionalAction, default=True,
                        help="write docs/PERFORMANCE.md")
    parser.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--build", default="build/release", help="(%(default)s)")
    return parser.parse_args()


def main():
    args = parse_arguments()
    os.chdir(servers.ROOT)
    idle.raise_descriptor_limit()
    contest = Contest(args.build, "build/bench/counts", Effort(0, args.seconds, 1),
                      sorted(os.sched_getaffinity(0)))
    engines = ["epoll"] + (["uring"] if servers.knows_engines(args.build) else [])
    if len(engines) == 1:
        print("  uring     skipped: this ackd has no --engine")
    result = {
        "schema": "ackd-bench-counts/1", "machine": machine.describe(),
        "calls": [row for engine in engines for row in count_calls(args, contest, engine)],
        "scrape": count_scrapes(args, contest),
        "instructions": compare_instructions(args, contest),
    }
    tables = [make_instruction_table(result["instructions"]), make_call_table(result["calls"]),
              make_scrape_table(result["scrape"])]
    for table in tables:
        print(table.to_text(), end="\n\n")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.docs:
        made = result["machine"]
        report.update_document("counts", f"{made['date']}; commit {made['commit']}; "
                               f"{made['compiler']}; valgrind's callgrind.\n\n"
                               + "\n".join(table.to_markdown() for table in tables))


if __name__ == "__main__":
    main()
