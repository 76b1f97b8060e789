#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ledger - what long runs have tried, and what came of it: docs/ledger.tsv

    ledger.py sim --program build/release/tests/sim/ackd-sim --seeds 100000
    ledger.py fuzz --programs build/fuzz/tests --target answer --seconds 600
    ledger.py verify --program build/release/tests/sim/ackd-sim --programs build/fuzz/tests
    ledger.py table

A line is one run of one commit: what, the range of seeds (or the fuzzer's seed and longest input),
how many were tried, the wall time, what was found, commit, kernel, date. The commit is the last one
that changed what runs. `sim` goes on where the ledger ends; it and `fuzz` go in pieces, and write
each down as soon as it is done: a run that is interrupted has lost at most a piece. `verify` plays
random pieces of what is written down once more, on the programs as they are now. Drains and soaks
have programs of their own in tests/faults/, which write their lines by what is here.
"""
import argparse
import csv
import datetime
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import docs

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEDGER = ROOT / "docs" / "ledger.tsv"
DOCUMENT = ROOT / "docs" / "SIMULATION.md"
SOURCES = ["src", "include", "tests"]
FIELDS = ["what", "range", "count", "seconds", "result", "commit", "kernel", "date"]
NOTHING = "nothing found"
INPUT_TIMEOUT_S = 300  # by the clock on the wall: a machine that stands still is no finding

WORDS = {
    "sim": "simulated scenarios (seeds)",
    "drain-epoll": "SIGTERM under full load, epoll (rounds)",
    "drain-uring": "SIGTERM under full load, io_uring (rounds)",
    "soak-auto": "full load beside misbehaving peers (peers)",
    "soak-epoll": "full load beside misbehaving peers, epoll (peers)",
    "soak-uring": "full load beside misbehaving peers, io_uring (peers)",
}


def read(path):
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for number, row in enumerate(rows, start=2):
        if list(row) != FIELDS or None in row.values() or not row["count"].isdigit():
            sys.exit(f"{path}:{number}: this is no line of a ledger")
    return rows


def write(path, rows):
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(fresh, path)


def commit():
    """The last commit that changed the sources, with a + where they differ from it."""
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words, "--", *SOURCES], capture_output=True,
                              text=True, check=False).stdout.strip()
    changed = git("status", "--porcelain")
    return (git("log", "-1", "--format=%h", "--abbrev=10") or "none") + ("+" if changed else "")


def line_of(what, span, count, seconds, result=NOTHING, of=None):
    return {"what": what, "range": span, "count": str(count), "seconds": f"{seconds:.1f}",
            "result": result, "commit": of or commit(), "kernel": os.uname().release,
            "date": datetime.date.today().isoformat()}


def ends(row):
    """The first and the last seed (or round) of a line about seeds."""
    match = re.fullmatch(r"(\d+)\.\.(\d+)(, \d+ acks)?", row["range"])
    return (int(match.group(1)), int(match.group(2))) if match else None


def acks(row):
    """The acks that were seen in these rounds; None for seeds."""
    match = re.fullmatch(r"\d+\.\.\d+, (\d+) acks", row["range"])
    return int(match.group(1)) if match else None


def put(rows, row):
    """Appends @row, or makes the last line longer if it goes on there."""
    same = ("what", "result", "commit", "kernel", "date")
    if rows and ends(rows[-1]) and ends(row) and all(rows[-1][key] == row[key] for key in same) \
            and ends(rows[-1])[1] + 1 == ends(row)[0]:
        last = rows[-1]
        sum_of = acks(last) + acks(row) if acks(last) is not None else None
        last["range"] = f"{ends(last)[0]}..{ends(row)[1]}" + \
            (f", {sum_of} acks" if sum_of is not None else "")
        last["count"] = str(int(last["count"]) + int(row["count"]))
        last["seconds"] = f"{float(last['seconds']) + float(row['seconds']):.1f}"
    else:
        rows.append(row)
    return rows


def next_seed(rows, what="sim"):
    """The seed (or round) of @what behind all that were ever played."""
    return max([ends(row)[1] for row in rows if row["what"] == what and ends(row)], default=0) + 1


def add(path, row):
    """Writes @row down, and the sums into the document."""
    write(path, put(read(path), row))
    if path == LEDGER:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(docs.fill(None, text), encoding="utf-8")


def play(program, first, last, jobs):
    """Plays seeds; (seconds, the seed that failed or None)."""
    begin = time.monotonic()
    done = subprocess.run([program, "--seeds", f"{first}..{last}", "-j", str(jobs)],
                          capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begin
    if done.returncode == 0:
        return seconds, None
    sys.stderr.write(done.stderr)
    failed = re.search(r"--seed (\d+)", done.stderr)
    return seconds, failed.group(1) if failed else "unknown"


def run_sim(args):
    first = next_seed(read(args.ledger))
    last = first + args.seeds - 1
    for begin in range(first, last + 1, args.piece):
        end = min(begin + args.piece - 1, last)
        begun_with = commit()
        seconds, failed = play(args.program, begin, end, args.jobs)
        result = f"seed {failed} failed" if failed else NOTHING
        add(args.ledger, line_of("sim", f"{begin}..{end}", end - begin + 1, seconds, result,
                                 begun_with))
        if failed:
            return 1
    print(f"ledger: seeds {first}..{last} played, nothing found")
    return 0


def fuzz(programs, target, seconds, longest, seed):
    """Fuzzes; (inputs tried, seconds, whether nothing was found)."""
    grown = ROOT / "build" / "fuzz-corpus" / target
    grown.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    done = subprocess.run(
        [programs / f"{target}_fuzz", f"-max_total_time={seconds}", f"-max_len={longest}",
         f"-seed={seed}", "-print_final_stats=1", f"-timeout={INPUT_TIMEOUT_S}",
         "-rss_limit_mb=2048", f"-artifact_prefix={ROOT}/build/fuzz-crash-{target}-", grown,
         ROOT / "tests" / "corpus" / target], capture_output=True, text=True, check=False)
    took = time.monotonic() - begin
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    if done.returncode != 0:
        sys.stderr.write(done.stderr[-4000:])
    return int(tried.group(1)) if tried else 0, took, done.returncode == 0


def run_fuzz(args):
    left = args.seconds
    while left > 0:
        piece = min(left, args.piece)
        left -= piece
        seed = random.randrange(1, 2 ** 31)
        begun_with = commit()
        tried, took, good = fuzz(args.programs, args.target, piece, args.longest, seed)
        if good and tried == 0:
            sys.exit(f"ledger: {args.target} tried nothing")
        add(args.ledger, line_of(f"fuzz-{args.target}", f"seed {seed}, {args.longest} bytes",
                                 tried, took, NOTHING if good else "an input failed", begun_with))
        if not good:
            return 1
        print(f"ledger: {args.target}: {tried} inputs tried in {took:.0f} s, nothing found",
              flush=True)
    return 0


def verify_sim(args, row, dice):
    first, last = ends(row)
    begin = dice.randint(first, max(first, last - args.sample + 1))
    end = min(begin + args.sample - 1, last)
    _, failed = play(args.program, begin, end, args.jobs)
    if not failed:
        print(f"ledger: seeds {begin}..{end} of {row['range']} ({row['commit']}): nothing found")
    return failed is None


def verify_fuzz(args, row):
    """A few seconds of the target, with the seed of one of its lines."""
    target = row["what"].removeprefix("fuzz-")
    seed, longest = re.findall(r"\d+", row["range"])
    tried, _, good = fuzz(args.programs, target, args.seconds, longest, seed)
    if good:
        print(f"ledger: {target}, {row['range']}: nothing found in {tried} inputs")
    return good and tried > 0


def verify(args):
    rows = read(args.ledger)
    dice = random.Random(args.seed)
    sims = [row for row in rows if row["what"] == "sim" and ends(row)]
    good = True
    for row in dice.choices(sims, [int(row["count"]) for row in sims], k=args.lines) if sims \
            else []:
        good &= verify_sim(args, row, dice)
    for what in sorted({row["what"] for row in rows if row["what"].startswith("fuzz-")}):
        good &= verify_fuzz(args, dice.choice([row for row in rows if row["what"] == what]))
    print(f"ledger: {len(rows)} lines, " + ("as written" if good else "NOT as written"))
    return 0 if good else 1


def table(rows):
    """The sums of the ledger as a Markdown table."""
    lines = ["| what | runs | tried | wall time | runs that found something |",
             "| --- | --- | --- | --- | --- |"]
    for what in dict.fromkeys(row["what"] for row in rows):
        own = [row for row in rows if row["what"] == what]
        word = WORDS.get(what, f"fuzzing `{what.removeprefix('fuzz-')}` (inputs)")
        found = sum(row["result"] != NOTHING for row in own)
        lines.append(f"| {word} | {len(own)} | {sum(int(row['count']) for row in own):,} | "
                     f"{sum(float(row['seconds']) for row in own):,.0f} s | {found} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="./dev ledger",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--ledger", type=pathlib.Path, default=LEDGER)
    commands = parser.add_subparsers(dest="command", required=True)
    sim = commands.add_parser("sim", help="play seeds from where the ledger ends")
    fuzzing = commands.add_parser("fuzz", help="fuzz one target")
    checking = commands.add_parser("verify", help="play random pieces of it once more")
    for command in (sim, checking):
        command.add_argument("--program", type=pathlib.Path, required=True)
        command.add_argument("--jobs", type=int, default=os.cpu_count())
    sim.add_argument("--seeds", type=int, default=100000)
    sim.add_argument("--piece", type=int, default=25000)
    for command in (fuzzing, checking):
        command.add_argument("--programs", type=pathlib.Path, required=True)
    fuzzing.add_argument("--target", required=True)
    fuzzing.add_argument("--seconds", type=int, default=300)
    fuzzing.add_argument("--piece", type=int, default=300)
    fuzzing.add_argument("--longest", type=int, default=256, help="bytes of an input")
    checking.add_argument("--sample", type=int, default=1000, help="seeds of each piece")
    checking.add_argument("--lines", type=int, default=3, help="pieces")
    checking.add_argument("--seconds", type=int, default=3, help="for each fuzz target")
    checking.add_argument("--seed", type=int, help="what chance begins with")
    commands.add_parser("table", help="print the sums")
    args = parser.parse_args()

    if args.command == "table":
        sys.stdout.write(table(read(args.ledger)))
        return 0
    return {"sim": run_sim, "fuzz": run_fuzz, "verify": verify}[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
