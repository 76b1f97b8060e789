#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs - puts what gendocs and the ledger print into the documents, or checks that it is there

A document says `generated: options` and, further down, `end of generated: options`, each in a
comment of its own; what stands between them is replaced.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAN_COLUMNS_MAX = 80
LEDGER = ROOT / "tools" / "ledger.py"
DOCUMENTS = ["docs/OPERATIONS.md", "docs/SIMULATION.md", "man/ackd.8"]
MARK = re.compile(r"(?P<begin>^[^\n]*generated: (?P<what>\w+)[^\n]*\n)(?P<body>.*?)"
                  r"(?P<end>^[^\n]*end of generated: (?P=what)[^\n]*\n)", re.M | re.S)


def metrics_table(text):
    """The families of an exposition as a Markdown table: name, type, labels, help."""
    families = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, text_of = line.split(" ", 3)
            families[name] = {"help": text_of, "labels": []}
        elif line.startswith("# TYPE "):
            _, _, name, families[name]["type"] = line.split(" ")
        else:
            series, _ = line.rsplit(" ", 1)
            name, _, labels = series.partition("{")
            family = families.get(re.sub(r"_(bucket|sum|count)$", "", name)) or families[name]
            for key, value in re.findall(r'(\w+)="([^"]*)"', labels):
                family["labels"].append((key, value))
    rows = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for name, family in families.items():
        rows.append(f"| `{name}` | {family['type']} | {labels_cell(family['labels'])} "
                    f"| {family['help']} |")
    return "\n".join(rows) + "\n"


def labels_cell(labels):
    """`key`: values, for the labels whose values are the program's and not the machine's."""
    values = {}
    for key, value in labels:
        values.setdefault(key, [])
        if key in ("reason", "error", "command", "result", "call", "kind") \
                and value not in values[key]:
            values[key].append(value)
    return "; ".join(f"`{key}`" + (f": {', '.join(known)}" if known else "")
                     for key, known in values.items())


def man_lines(text):
    """Text of a manual page with each sentence on lines of its own, as mandoc -Tlint wants it."""
    lines = []
    for line in text.splitlines():
        sentences = [line] if line.startswith(".") else re.split(r"(?<=\.) (?=[A-Z])", line)
        for sentence in sentences:
            lines += [sentence] if line.startswith(".") else textwrap.wrap(
                sentence, MAN_COLUMNS_MAX, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def generate(gendocs, what):
    words = [sys.executable, LEDGER, "table"] if what == "ledger" else [gendocs, what]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return {"metrics": metrics_table, "man": man_lines}.get(what, str)(text)


def fill(gendocs, text):
    """@text with all its generated parts; @gendocs may be None if they are all the ledger's."""
    return MARK.sub(lambda match: match["begin"] + generate(gendocs, match["what"]) + match["end"],
                    text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--gendocs", required=True, help="the program that the build made")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if it would")
    args = parser.parse_args()

    stale = []
    for name in DOCUMENTS:
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        after = fill(args.gendocs, before)
        if before == after:
            continue
        stale.append(name)
        if not args.check:
            path.write_text(after, encoding="utf-8")
    print(f"docs: {len(DOCUMENTS)} documents, {len(stale)} {'stale' if args.check else 'changed'}")
    if stale and args.check:
        sys.exit(f"{', '.join(stale)}: run tools/docs.py --gendocs {args.gendocs}")


if __name__ == "__main__":
    main()
