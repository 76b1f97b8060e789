#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ladder - the stages of the teaching ladder and ackd under the same load, one beside the other

    ladder/ladder.py [--build DIR] [--rounds N] [--time TIME] ...      (./dev ladder builds first)

A round runs each server once, in a fresh process and in an order that turns from round to round.
ackload makes the load, takes the time and reads the server's CPU time; system calls are what the
servers count of their own (/metrics, before and after).  Allocations are counted in one more run,
which is not timed, by a library slipped under the server.  Figures are medians over the rounds, and
a ratio to the stage before is the median of the rounds' ratios [smallest .. largest].
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import namedtuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_DEADLINE = 20
CONNECTIONS = "100"

# The column's load writes until the socket is full.  Unbounded, what is then in flight takes a slow
# server minutes to answer, so the bound is the one that bench/core.py ends at.
SHAPES = {
    "max": ("-d max: written until the socket is full",
            ("-d", "max", "--max-inflight", "4096", "--drain-timeout", "120s")),
    "1": ("-d 1: each waits for its ack", ("-d", "1")),
}

FIGURES = ("rate", "cpu_ns", "calls", "allocations")


class Trouble(Exception):
    """Ends the ladder with a message for the person who started it."""


Step = namedtuple("Step", "name command")


def steps_of(build):
    """The steps that this build has; the others are said."""
    ackd = (str(build / "src/ackd/ackd"), "--workers=1", "--log-level=error")
    steps = [Step(stage, (str(build / "ladder" / stage),))
             for stage in ("unbuffered", "buffered", "pooled")]
    options = subprocess.run([ackd[0], "--help"], capture_output=True, text=True,
                             check=True).stdout
    if "--engine" in options:
        steps.append(Step("ackd epoll", (*ackd, "--engine=epoll")))
        steps.append(Step("ackd io_uring", (*ackd, "--engine=uring")))
    else:
        steps.append(Step("ackd epoll", ackd))
        print("ackd io_uring: skipped, this ackd has no option --engine")
    return steps


class Server:
    """A server process on its core; ends with the block."""

    def __init__(self, args, step, environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="ladder-")
        self.ports = pathlib.Path(self.folder.name, "ports")
        self.name = step.name
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(args.server_cpu),
             *step.command, "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
             "--pprof-listen=off", f"--ports-file={self.ports}"],
            env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        deadline = time.monotonic() + START_DEADLINE
        while not self.ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise Trouble(f"{self.name} did not start: {self.process.stderr.read()}")
            time.sleep(0.01)
        lines = (line.split() for line in self.ports.read_text().splitlines())
        self.bound = {words[0]: words[1] for words in lines}
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        words = self.process.communicate()[1]
        self.folder.cleanup()
        if kind is None and self.process.returncode != 0:
            raise Trouble(f"{self.name} ended with {self.process.returncode}: {words}")

    def counted(self):
        """(SUBMITs received, system calls made) so far."""
        with urllib.request.urlopen(f"http://{self.bound['metrics']}/metrics") as answer:
            text = answer.read().decode()

        def total(family):
            return sum(float(value) for value in
                       re.findall(rf"^ackd_{family}_total(?:{{.*}})? (\S+)$", text, re.M))

        return total("req_recv"), total("syscalls")

    def load(self, args, shape, duration, *more):
        """One run of ackload; its JSON."""
        result = pathlib.Path(self.folder.name, "result.json")
        done = subprocess.run(
            [str(args.build / "src/load/ackload"), "run", "--quiet", "--connect",
             self.bound["listen"], "-c", CONNECTIONS, "-t", "1", "--cpu", str(args.client_cpu),
             "--time", duration, "--server-pid", str(self.process.pid), "--json", str(result),
             *SHAPES[shape][1], *more], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"ackload against {self.name} ended with {done.returncode}: "
                          f"{done.stderr}")
        return json.loads(result.read_text())


def measure(args, step, shape):
    """One timed run of a fresh server."""
    with Server(args, step) as server:
        submits_before, calls_before = server.counted()
        run = server.load(args, shape, args.time, "--warmup", args.warmup)
        submits, calls = server.counted()
    return {"rate": run["rate"]["acks_per_s"], "cpu_ns": run["cpu"]["server"]["ns_per_ack"],
            "calls": (calls - calls_before) / (submits - submits_before),
            "client_busy": run["cpu"]["busiest_thread"]}


def count_allocations(args, step, shape):
    """Allocations for each message, in a run that is not timed."""
    with tempfile.NamedTemporaryFile(prefix="ladder-") as file:
        def so_far():
            return struct.unpack("=Q", pathlib.Path(file.name).read_bytes())[0]

        library = args.build.resolve() / "ladder/libcount_allocations.so"
        with Server(args, step, {"LD_PRELOAD": str(library),
                                 "COUNT_ALLOCATIONS": file.name}) as server:
            before = so_far()
            if before == 0:
                raise Trouble(f"{step.name}: its allocations pass {library.name} by")
            run = server.load(args, shape, args.count_time)
            return (so_far() - before) / run["ledger"]["ok"]


def measure_shape(args, steps, shape):
    """{step: {figure: [a value for each round]}}"""
    rows = {step.name: {} for step in steps}
    for index in range(args.rounds):
        print(f"-d {shape}: round {index + 1} of {args.rounds}", file=sys.stderr, flush=True)
        turn = index % len(steps)
        for step in steps[turn:] + steps[:turn]:
            for figure, value in measure(args, step, shape).items():
                rows[step.name].setdefault(figure, []).append(value)
    for step in steps:
        rows[step.name]["allocations"] = [count_allocations(args, step, shape)]
    return rows


def ratio(row, before, figure):
    """Median and range of the rounds' ratios, for people; empty for the first stage."""
    if before is None:
        return ""
    ratios = [ours / theirs for ours, theirs in zip(row[figure], before[figure])]
    return f"x {statistics.median(ratios):.3g} [{min(ratios):.3g} .. {max(ratios):.3g}]"


def number(value):
    """Four digits at most, and no more than there is to say."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def print_shape(shape, rows):
    print(f"\n{CONNECTIONS} connections, {SHAPES[shape][0]}\n")
    print(f"  {'':<14} {'messages/s':>12}  {'to the one before':<26} {'CPU ns':>8}  "
          f"{'to the one before':<28} {'calls':>8} {'mallocs':>8} {'client':>7}")
    before = None
    for name, row in rows.items():
        median = {figure: statistics.median(row[figure]) for figure in (*FIGURES, "client_busy")}
        print(f"  {name:<14} {median['rate']:>12,.0f}  {ratio(row, before, 'rate'):<26} "
              f"{number(median['cpu_ns']):>8}  {ratio(row, before, 'cpu_ns'):<28} "
              f"{median['calls']:>8.4f} {median['allocations']:>8.4f} "
              f"{median['client_busy']:>7.0%}")
        before = row
    print("\n  CPU, calls and mallocs: the server's, for each message; client: its core's load")


PANELS = (("rate", "messages/s", True), ("cpu_ns", "server CPU, ns per message", True),
          ("calls", "system calls per message", True),
          ("allocations", "allocations per message", False))


def plot(results, path):
    """Draws four panels, each with a bar per stage and shape."""
    names = list(next(iter(results.values())))
    script = [f'set terminal svg size 900,620 font "sans-serif,12" background "white"',
              f'set output "{path}"', "set multiplot layout 2,2", "set style data histogram",
              "set style fill solid 0.85", "set boxwidth 0.9", "set grid ytics lc '#dddddd'",
              "set border 3", "set tics nomirror out", "set xtics rotate by -20 noenhanced",
              "set key top left reverse Left samplen 1"]
    for figure, title, is_log in PANELS:
        data = f"${figure}"
        script.append(f"{data} << END")
        for name in names:
            values = [statistics.median(rows[name][figure]) for rows in results.values()]
            script.append(f'"{name}" ' + " ".join(f"{value:.9g}" for value in values))
        script += ["END", f'set title "{title}"', "unset key" if figure != "rate" else "",
                   "set logscale y; set yrange [*:*]; set format y '10^{%T}'" if is_log else
                   "unset logscale y; set yrange [0:1.2]; set format y '%g'"]
        bars = [f"{data} using {column}:xtic(1) title '-d {shape}' lc rgb '{colour}'"
                for column, (shape, colour) in enumerate(zip(results, ("#20639b", "#e4a33d")), 2)]
        script.append("plot " + ", ".join(bars))
    script.append("unset multiplot")
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev ladder", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release",
                        metavar="DIR", help="build folder (build/release)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(%(default)s)")
    parser.add_argument("--time", default="2s", help="of each run (%(default)s)")
    parser.add_argument("--warmup", default="300ms", help="before it (%(default)s)")
    parser.add_argument("--count-time", default="300ms",
                        help="of the run that counts allocations (%(default)s)")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--server-cpu", type=int, default=0, metavar="CPU")
    parser.add_argument("--client-cpu", type=int, default=1, metavar="CPU")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures")
    parser.add_argument("--with", type=pathlib.Path, dest="earlier", metavar="FILE",
                        help="also show the shapes of an earlier run's --json")
    parser.add_argument("--svg", type=pathlib.Path, default=ROOT / "docs/images/ladder.svg",
                        metavar="FILE", help="where to draw (docs/images/ladder.svg)")
    parser.add_argument("--quick", action="store_true",
                        help="one short round: shows that it runs, not what is faster")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.time, args.warmup, args.count_time = 1, "200ms", "50ms", "100ms"
    return args


def main():
    args = parse_arguments()
    if len(os.sched_getaffinity(0)) < 2:
        raise Trouble("the ladder wants two CPUs: one for the server, one for the client")
    results = json.loads(args.earlier.read_text())["shapes"] if args.earlier else {}
    steps = steps_of(args.build)
    for shape in args.shapes:
        results[shape] = measure_shape(args, steps, shape)
    results = {shape: results[shape] for shape in SHAPES if shape in results}
    for shape, rows in results.items():
        print_shape(shape, rows)
    if args.json:
        args.json.write_text(json.dumps({"schema": "ackd-ladder/1", "shapes": results}, indent=2))
    plot(results, args.svg)
    print(f"  drawn in {args.svg}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            main()
        except Trouble as trouble:
            sys.exit(f"ladder: {trouble}")
