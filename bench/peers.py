#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""peers - ackd beside what a user could pick instead

Each contestant is compared with ackd by `ackload ab`, in every shape (connections x depth) and
placement of server and client; beside each stands the null, ackd against itself.  What counts is
the server's CPU time per ack; acks per second and memory stand beside it.  See docs/PERFORMANCE.md.
"""
import argparse
import json
import math
import os
import pathlib
import sys
import time

from lib import idle, machine, report, servers
from lib.contest import PLACEMENTS, SHAPES, Cell, Contest, Effort, read_json, write_json

FULL = Effort(8, 0.7, 1)
QUICK = Effort(6, 0.1, 0.3)
ACKD, NULL = "ackd", "null"
NAMES = ("uring", "ceiling", "ceiling-uring", *servers.RECIPES)


def make_uring(args, name, title):
    return servers.make_ackd(args.build, "uring", name=name, title=title)


def make_contestant(args, name, engines):
    """The Server, or a line that says why there is none."""
    if name in ("uring", "ceiling-uring") and not engines:
        return "skipped: this ackd has no --engine"
    if name == "uring":
        return make_uring(args, name, "ackd, io_uring")
    if name == "ceiling":
        return servers.make_ceiling(args.build)
    if name == "ceiling-uring":
        return servers.make_ceiling(args.build, name, "the ceiling, beside ackd with io_uring",
                                    make_uring(args, ACKD, ACKD))
    return servers.build_peer(name)


def make_contestants(args):
    """Those that take part, by name, ackd first and then the null."""
    engines = servers.knows_engines(args.build)
    found = {name: servers.make_ackd(args.build, "epoll" if engines else "", name=name, title=title)
             for name, title in ((ACKD, "ackd, epoll"), (NULL, "null: ackd against itself"))}
    for name in args.only:
        made = make_contestant(args, name, engines)
        if isinstance(made, str):
            print(f"  {name:<9} {made}")
        else:
            found[name] = made
    for external in args.external:
        found[external.name] = external
    return found


def check_contestants(args, contest, found):
    """Takes out, with a line, those that do not start or do not ack everything."""
    for name, server in list(found.items()):
        if name == NULL or server.dialect == servers.COUNTED:
            continue
        path, checked = contest.folder / f"check_{name}.json", {"program": server.fingerprint()}
        if args.resume and server.program and read_json(path) == checked:
            continue
        try:
            with server.start(contest.server_cpu) as running:
                wrong = contest.check(running)
        except (RuntimeError, OSError) as error:
            wrong = str(error)
        if wrong:
            print(f"  {name:<9} is not timed, its acks are wrong: {wrong}")
            del found[name]
        else:
            write_json(path, checked)
    if ACKD not in found:
        sys.exit("peers: ackd itself failed the check")


class Progress:
    """On a terminal one line that is overwritten; what came out is added in any case."""

    def __init__(self, total_s):
        self.left_s = total_s
        self.factor = 1
        self.tty = sys.stdout.isatty()

    def announce(self, text):
        if self.tty:
            print(f"\r\033[K  {text} ...  {self.say_left()} left", end="", flush=True)

    def say_left(self):
        left_s = self.left_s * self.factor
        return f"{left_s / 60:.0f} min" if left_s >= 90 else f"{left_s:.0f} s"

    def add(self, line, estimate_s=0, took_s=0):
        self.left_s = max(self.left_s - estimate_s, 0)
        if took_s > 0:
            self.factor = 0.7 * self.factor + 0.3 * took_s / estimate_s
        left = "" if self.tty or not took_s else f"  ({self.say_left()} left)"
        print(f"\r\033[K{line}" if self.tty else line + left, flush=True)


def run_cells(args, contest, found):
    """False when the budget was spent before all were done."""
    cells = [Cell(name, shape, placement) for placement in args.placement
             for shape in args.shapes for name in found if name != ACKD]
    rivals = {name: server.rival or found[ACKD] for name, server in found.items()}
    waiting = [cell for cell in cells
               if not (args.resume
                       and contest.is_done(cell, rivals[cell.name], found[cell.name]))]
    progress = Progress(sum(contest.estimate_s(found[cell.name]) for cell in waiting))
    print(f"  {len(cells)} cells, {len(cells) - len(waiting)} of them done already; "
          f"about {progress.say_left()}")
    nulls = {}
    spent_s = 0
    for cell in cells:
        label = f"{cell.placement:<7} {cell.shape:<12} {cell.name:<9}"
        theirs = found[cell.name]
        stored, estimate_s, took_s = None, 0, 0
        if cell in waiting:
            if spent_s > 0 and spent_s >= args.budget:
                progress.add("  the budget is spent; --resume goes on from here")
                return False
            progress.announce(label)
            estimate_s, start = contest.estimate_s(theirs), time.monotonic()
            try:
                stored = contest.run(cell, rivals[cell.name], theirs)
            except RuntimeError as error:
                progress.add(f"  {label} failed: {error}", estimate_s)
            took_s = time.monotonic() - start
            spent_s += took_s
            if not stored:
                continue
        stored = stored or read_json(contest.path_of(cell))
        nulls.setdefault((cell.shape, cell.placement), stored)
        progress.add(f"  {label} {report.say_cell(stored, nulls[cell.shape, cell.placement])}",
                     estimate_s, took_s)
    return True


def run_idle(args, contest, found):
    for name, server in found.items():
        path = contest.folder / f"idle_{name}.json"
        if name == NULL or server.rival or (args.resume and path.exists()):
            continue
        try:
            with server.start(contest.server_cpu) as running:
                # The ceiling counts bytes: 13 of them are no request of its size.
                each = server.dialect != servers.COUNTED
                write_json(path, dict(idle.measure(running, each), title=server.title))
        except (RuntimeError, OSError) as error:
            print(f"  idle memory of {name}: {error}")


def describe_run(contest, found, where):
    path = contest.folder / "run.json"
    versions = (read_json(path) or {"versions": {}})["versions"]
    versions.update({name: servers.say_version(name) for name in found if name in servers.RECIPES})
    write_json(path, dict(where, versions=versions))


def list_of(kind, known):
    def parse(text):
        words = text.split(",")
        for word in words:
            if word not in known:
                raise argparse.ArgumentTypeError(
                    f"there is no {kind} '{word}'; there are: {', '.join(known)}")
        return words
    return parse


def external(text):
    try:
        return servers.External(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0],
                                     prog="./dev bench peers")
    parser.add_argument("--only", metavar="NAMES", type=list_of("contestant", NAMES),
                        default=NAMES, help=f"of {', '.join(NAMES)}, with commas")
    parser.add_argument("--shapes", metavar="SHAPES", type=list_of("shape", SHAPES),
                        default=list(SHAPES), help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--placement", metavar="P", type=list_of("placement", PLACEMENTS),
                        default=list(PLACEMENTS),
                        help="across: " + PLACEMENTS["across"] + "; same: " + PLACEMENTS["same"])
    parser.add_argument("--external", metavar="NAME=HOST:PORT,PID", type=external, action="append",
                        default=[], help="a server that runs already takes part, too; it is "
                        "pinned to the server's core")
    parser.add_argument("--pairs", type=int, help=f"of fresh processes, 6 or more ({FULL.pairs})")
    parser.add_argument("--slice", type=float, metavar="S",
                        help=f"seconds of a run; a pair has four ({FULL.slice_s})")
    parser.add_argument("--quick", action="store_true",
                        help="minutes, not an hour: to see that all works, not what is faster")
    parser.add_argument("--resume", action="store_true", help="keep the cells that are done")
    parser.add_argument("--budget", type=float, metavar="S", default=math.inf,
                        help="begin no cell once cells took so long (0: run one); with --resume "
                        "a long run can be had in pieces")
    parser.add_argument("--report", action="store_true", help="run nothing, show what there is")
    parser.add_argument("--docs", action=argparse.BooleanOptionalAction,
                        help="write docs/PERFORMANCE.md (when everything is run in full)")
    parser.add_argument("--idle", action=argparse.BooleanOptionalAction, default=True,
                        help=f"memory with {idle.COUNT} idle connections")
    parser.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--results", metavar="FOLDER", type=pathlib.Path,
                        help="where cells are kept (build/bench/results, or quick)")
    parser.add_argument("--build", default="build/release", help="(%(default)s)")
    return parser.parse_args()


def is_whole(args):
    return (not args.quick and not args.pairs and not args.slice and tuple(args.only) == NAMES
            and args.shapes == list(SHAPES) and args.placement == list(PLACEMENTS)
            and not args.external)


def choose_effort(args):
    effort = QUICK if args.quick else FULL
    return effort._replace(pairs=args.pairs or effort.pairs, slice_s=args.slice or effort.slice_s)


def run_all(args, contest):
    """False when the budget was spent before all was done."""
    idle.raise_descriptor_limit()
    if contest.client_cpu == contest.server_cpu and "across" in args.placement:
        print("  only one CPU: placement across is left out")
        args.placement = [each for each in args.placement if each != "across"]
    found = make_contestants(args)
    check_contestants(args, contest, found)
    where = machine.describe()
    contest.commit = where["commit"]
    describe_run(contest, found, where)
    try:
        whole = run_cells(args, contest, found)
        if whole and args.idle:
            run_idle(args, contest, found)
    except KeyboardInterrupt:
        sys.exit("\npeers: interrupted; --resume goes on from here")
    return whole


def main():
    args = parse_arguments()
    folder = args.results or servers.ROOT / "build/bench" / ("quick" if args.quick else "results")
    contest = Contest(args.build, folder, choose_effort(args), sorted(os.sched_getaffinity(0)))
    if not args.report and not run_all(args, contest):
        return
    result = report.collect(folder)
    if not result["cells"]:
        sys.exit("peers: there are no results yet")
    report.print_tables(result)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if is_whole(args) if args.docs is None else args.docs:
        report.write_docs(result)


if __name__ == "__main__":
    main()
