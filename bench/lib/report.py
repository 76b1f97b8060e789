# SPDX-License-Identifier: MIT
"""report - the results as tables, for a terminal and for docs/PERFORMANCE.md, and as a plot"""
import pathlib
import re
import shutil
import subprocess

from lib import servers, verdict
from lib.contest import PLACEMENTS, SHAPES, read_json

DOCUMENT = servers.ROOT / "docs" / "PERFORMANCE.md"
PLOT = servers.ROOT / "docs" / "images" / "peers.svg"
MARK = re.compile(r"(?P<begin>^<!-- generated: (?P<what>\w+)[^\n]*\n)(?P<body>.*?)"
                  r"(?P<end>^<!-- end of generated: (?P=what)[^\n]*\n)", re.M | re.S)
ORDER = ("null", "uring", "ceiling", "ceiling-uring", *servers.RECIPES)  # externals come behind
NOTHING = "-"
PAIRS_MIN, SLICE_MIN_S = 8, 0.7  # less is a quick pass
COLOURS = ("#888888", "#d62728", "#000000", "#1f77b4", "#9467bd", "#2ca02c", "#ff7f0e", "#8c564b",
           "#e377c2", "#17becf")


class Table:
    def __init__(self, title, head, rows):
        self.title = title
        self.head = head
        self.rows = rows

    def to_text(self):
        lines = [self.head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        return "\n".join([self.title] + [
            "  " + "  ".join(f"{word:<{width}}" for word, width in zip(line, widths)).rstrip()
            for line in lines])

    def to_markdown(self):
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"**{self.title}**\n\n{table}\n"


def collect(folder):
    """All results that a folder holds."""
    cells = [read_json(path) for path in sorted(pathlib.Path(folder).glob("*_*_*.json"))]
    idle = {path.stem.removeprefix("idle_"): read_json(path)
            for path in sorted(pathlib.Path(folder).glob("idle_*.json"))}
    return {"schema": "ackd-bench-peers/1", "run": read_json(folder / "run.json"), "cells": cells,
            "idle": idle}


def find(result, name, shape, placement):
    for cell in result["cells"]:
        if (cell["name"], cell["shape"], cell["placement"]) == (name, shape, placement):
            return cell
    return None


def names_of(result):
    """In the order of the tables, with their titles."""
    titles = {cell["name"]: cell["title"] for cell in result["cells"]}
    rank = {name: index for index, name in enumerate(ORDER)}
    return {name: titles[name] for name in sorted(titles, key=lambda name: rank.get(name, 99))}


def interval_of(cell):
    return verdict.read_interval(cell["metrics"]["server_ns"])


def spread_of(result, shape, placement):
    """None when the null was not measured."""
    null = find(result, "null", shape, placement)
    return verdict.null_spread(interval_of(null)) if null else None


def say_ratio(value):
    return f"{value:.1f}" if value >= 9.95 else f"{value:.2f}" if value >= 1.995 else f"{value:.3f}"


def say_interval(interval):
    return (f"{say_ratio(interval.ratio)} [{say_ratio(interval.low)} .. "
            f"{say_ratio(interval.high)}]")


def say_rate(value):
    return f"{value / 1e6:.2f}M" if value >= 1e6 else f"{value / 1e3:.0f}k"


def say_ns(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def say_cell(cell, null):
    """One line for the person who waits."""
    interval = interval_of(cell)
    own, rate = cell["metrics"]["server_ns"], cell["metrics"]["acks"]
    answer = "" if cell is null or not null else verdict.judge(
        interval, verdict.null_spread(interval_of(null)))
    return (f"{say_interval(interval):<26} {answer:<13} "
            f"{say_ns(own['b'])} : {say_ns(own['a'])} ns, "
            f"{say_rate(rate['b'])} : {say_rate(rate['a'])} acks/s")


def shapes_of(result):
    return [shape for shape in SHAPES if any(cell["shape"] == shape for cell in result["cells"])]


def placements_of(result):
    return [each for each in PLACEMENTS if any(c["placement"] == each for c in result["cells"])]


def make_grid(result, placement, title, say):
    """A row for each contestant, a column for each shape."""
    shapes = shapes_of(result)
    rows = []
    for name, long_name in names_of(result).items():
        cells = [find(result, name, shape, placement) for shape in shapes]
        rows.append([long_name] + [say(cell) if cell else NOTHING for cell in cells])
    return Table(f"{title}; {PLACEMENTS[placement]}", ["", *shapes], rows)


def make_cost_table(result, placement, in_full):
    def say(cell):
        interval = interval_of(cell)
        spread = spread_of(result, cell["shape"], placement)
        text = say_interval(interval) if in_full else say_ratio(interval.ratio)
        if cell["name"] == "null" or spread is None:
            return text
        return f"{text} {verdict.judge(interval, spread)}"
    return make_grid(result, placement, "Server CPU per ack, as a multiple of ackd's", say)


def make_pair_table(result, placement, title, metric, say):
    """Both sides of each cell: minutes apart, the same server may be twice as fast."""
    def say_both(cell):
        return f"{say(cell['metrics'][metric]['b'])} : {say(cell['metrics'][metric]['a'])}"
    return make_grid(result, placement, f"{title}, theirs : ackd's in the same minute", say_both)


def make_target_table(result):
    rows = []
    for target in verdict.TARGETS:
        words = []
        for cell in result["cells"]:
            spread = spread_of(result, cell["shape"], cell["placement"])
            if spread and verdict.concerns(target, cell["name"], cell["shape"]):
                interval = interval_of(cell)
                words.append((verdict.judge_target(target, interval, spread), cell, interval))
        if words:
            rows.append(say_target(target, words))
    return Table("Targets", ["", "target", "met", "not met"], rows)


def say_target(target, words):
    met = [cell for answer, cell, _ in words if answer == "met"]
    others = [f"{answer}: {cell['shape']} {cell['placement']} {say_interval(interval)}"
              for answer, cell, interval in words if answer != "met"]
    return [target.name, target.words, f"{len(met)} of {len(words)}", "; ".join(others) or "none"]


def make_idle_table(result):
    rank = {name: index for index, name in enumerate(("ackd", *ORDER))}
    rows = []
    for name in sorted(result["idle"], key=lambda name: rank.get(name, 99)):
        idle = result["idle"][name]
        used = idle["used_kib"]
        each = (idle["idle_kib"] - idle["before_kib"]) * 1024 / idle["connections"]
        rows.append([idle["title"], f"{idle['before_kib'] / 1024:.1f}",
                     f"{idle['idle_kib'] / 1024:.1f}",
                     f"{used / 1024:.1f}" if used else NOTHING, f"{each:,.0f} B"])
    return Table("Resident memory in MiB with 10,000 connections",
                 ["", "before", "nothing sent", "one request each", "per idle connection"], rows)


def make_tables(result, in_full):
    tables = [make_cost_table(result, placement, in_full) for placement in placements_of(result)]
    for placement in placements_of(result):
        tables.append(make_pair_table(result, placement, "Server CPU ns per ack", "server_ns",
                                      say_ns))
        tables.append(make_pair_table(result, placement, "Acks per second", "acks", say_rate))
    tables.append(make_target_table(result))
    if result["idle"]:
        tables.append(make_idle_table(result))
    return [table for table in tables if table.rows]


def is_full(effort):
    return effort["pairs"] >= PAIRS_MIN and effort["slice_s"] >= SLICE_MIN_S


def say_machine(result):
    run = result["run"]
    effort = result["cells"][0]["effort"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    is_one = {cell["commit"] for cell in result["cells"]} == {run["commit"]}
    commits = f"commit {run['commit']}" if is_one else f"several commits up to {run['commit']}"
    quick = "" if is_full(effort) else "A quick pass, to be made in full: "
    return (f"{quick}{run['date']}; {commits}; {run['cpu']}; {run['kernel']}; {run['compiler']}"
            f"{'; ' + versions if versions else ''}. {effort['pairs']} pairs of fresh processes "
            f"for each cell, four runs of {effort['slice_s']} s in each pair; ratio "
            "[95 % interval].")


def print_tables(result):
    print()
    for table in make_tables(result, False):
        print(table.to_text(), end="\n\n")
    print(say_machine(result))


def fill(text, what, body):
    """Puts @body between the marks of @what."""
    return MARK.sub(lambda match: match["begin"] + body + match["end"]
                    if match["what"] == what else match[0], text)


def update_document(what, body):
    before = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(fill(before, what, body), encoding="utf-8")
    print(f"{DOCUMENT.relative_to(servers.ROOT)}: written")


def write_docs(result):
    """Ours only: what others gave with --external is not claimed in our documents."""
    cells = [cell for cell in result["cells"] if cell["name"] in ORDER]
    ours = dict(result, cells=cells, idle={name: idle for name, idle in result["idle"].items()
                                           if name in ("ackd", *ORDER)})
    tables = "\n".join(table.to_markdown() for table in make_tables(ours, True))
    if not draw(ours):
        print("peers: no plot: no gnuplot-nox")
    update_document("peers", f"{say_machine(ours)}\n\n![CPU per ack of each contestant as a "
                    f"multiple of ackd's](images/{PLOT.name})\n\n{tables}")


def make_plot(result):
    """gnuplot's script: a panel for each placement, a series for each contestant."""
    shapes, names = shapes_of(result), names_of(result)
    ticks = ", ".join(f"'{shape}' {index}" for index, shape in enumerate(shapes))
    script = [
        f"set terminal svg size 960,{380 * len(placements_of(result))} dynamic "
        "background 'white' font 'sans,13'",
        "set logscale y", "set grid y lt 1 lc '#dddddd'", "set key outside right",
        f"set xtics ({ticks})", f"set xrange [-0.5:{len(shapes) - 0.5}]",
        "set yrange [0.7:*]", "set ytics (0.8, 0.9, 1, 1.2, 1.5, 2, 3, 5, 10, 20, 40)",
        "set bars small",
        "set ylabel 'CPU per ack / ackd'",
        f"set multiplot layout {len(placements_of(result))},1",
    ]
    for placement in placements_of(result):
        series = []
        for at, (name, title) in enumerate(names.items()):
            offset = 0.7 * (at / max(len(names) - 1, 1) - 0.5)
            block = f"${re.sub('[^a-z0-9]', '_', f'{placement}_{name}')}"
            points = [(index + offset, *interval_of(cell)) for index, cell in
                      enumerate(find(result, name, shape, placement) for shape in shapes) if cell]
            script += [f"{block} << EOD",
                       *(" ".join(f"{value:.4f}" for value in point) for point in points), "EOD"]
            series.append(f"{block} using 1:2:3:4 with yerrorbars pt 7 ps 0.6 lw 1.5 "
                          f"lc '{COLOURS[at % len(COLOURS)]}' title '{title.partition(' (')[0]}'")
        script += [f"set title '{PLACEMENTS[placement]}'", "plot 1 lc '#888888' notitle, "
                   + ", ".join(series)]
    return "\n".join(script) + "\n"


def draw(result):
    """False without gnuplot."""
    if not shutil.which("gnuplot"):
        return False
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    with open(PLOT, "w", encoding="utf-8") as file:
        subprocess.run(["gnuplot"], input=make_plot(result), stdout=file, text=True, check=True)
    return True
