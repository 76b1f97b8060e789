#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""reliability - the table of docs/RELIABILITY.md, from tests/contract/catalogue.py and its results

    pytest tests/contract -k catalogue --engine epoll --junit-xml epoll.xml
    pytest tests/contract -k catalogue --engine uring --junit-xml uring.xml
    tools/reliability.py --results epoll.xml uring.xml

Without --results the results that the document has are kept; --check changes nothing, and fails if
it would.
"""
import argparse
import collections
import pathlib
import re
import sys
import textwrap
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- generated: catalogue -->\n", "<!-- end of generated: catalogue -->\n"
COLUMNS_MAX = 118
ADD = re.compile(r'^@cases\.add\((\d+), "([^"]+)"(?:, workers=\(([\d, ]+)\))?\)', re.M)
HEADS = ((1, "Protocol"), (28, "TCP and the network"), (45, "Resources"),
         (61, "Signals and life cycle"), (70, "Admin HTTP"), (79, "Configuration"))


def read_catalogue():
    """ITEMS and ELSEWHERE, without what only pytest can import."""
    text = (ROOT / "tests" / "contract" / "catalogue.py").read_text(encoding="utf-8")
    names = {"collections": collections}
    body = text[text.index("# @expected:"):text.index("class Cases:")]
    exec(compile(body, "catalogue.py", "exec"), names)
    return names["ITEMS"], names["ELSEWHERE"]


def read_tests():
    """The names of the tests of each number."""
    tests = collections.defaultdict(list)
    for path in sorted((ROOT / "tests" / "contract").glob("k_catalogue_*.py")):
        for number, name, _ in ADD.findall(path.read_text(encoding="utf-8")):
            tests[int(number)].append(name)
    return tests


def read_results(paths):
    """The text of the result of each number: by engine, how many of its runs passed."""
    results = collections.defaultdict(list)
    for path in paths:
        counts = collections.defaultdict(collections.Counter)
        for case in xml.etree.ElementTree.parse(path).iter("testcase"):
            found = re.search(r"test_catalogue\[(\d\d)-", case.get("name"))
            if found:
                bad = next((child.tag for child in case if child.tag != "properties"), "")
                outcome = {"": "PASS", "skipped": "skipped"}.get(bad, "FAIL")
                counts[int(found[1])][outcome] += 1
        for number, count in counts.items():
            text = ", ".join(f"{word} {times}" for word, times in sorted(count.items()))
            results[number].append(f"{path.stem} {text}")
    return {number: "; ".join(texts) for number, texts in results.items()}


def old_results(text):
    """The results that the document has."""
    return {int(number): result for number, result in
            re.findall(r"^\| (\d+) \|.*\| ([^|]*) \| [^|]*\|$", text, re.M)}


def make_sentence(items):
    """The items without a test, each with its reason; equal neighbours are one."""
    alike = []
    for number, item in sorted(items.items()):
        if item.expected != "-":
            continue
        if alike and alike[-1][1:] == [number - 1, item]:
            alike[-1][1] = number
        else:
            alike.append([number, number, item])
    words = [f"{first if first == last else f'{first} to {last}'} {item.sent} ({item.note})"
             for first, last, item in alike]
    return textwrap.fill("A number without a row has no test: " + "; ".join(words) + ".",
                         COLUMNS_MAX, break_on_hyphens=False)


def make_table(results):
    items, elsewhere = read_catalogue()
    tests = read_tests()
    lines = []
    for number, item in sorted(items.items()):
        if item.expected == "-":
            continue
        head = dict(HEADS).get(number)
        if head:
            lines += ["", f"### {head}", "",
                      "| no. | what is done | what must happen | tests | result | remarks |",
                      "| --- | --- | --- | --- | --- | --- |"]
        names = ", ".join(f"`{name}`" for name in tests.get(number, []))
        where = elsewhere.get(number, "")
        names = names or f"`{where.split('::')[1]}`"
        result = results.get(number, "own suite")
        lines.append(f"| {number} | {item.sent} | {item.expected} | {names} | {result} "
                     f"| {item.note} |")
    return "\n".join([*lines[1:], "", make_sentence(items)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--results", nargs="+", type=pathlib.Path, default=[],
                        help="files of pytest --junit-xml, named after their engine")
    parser.add_argument("--check", action="store_true", help="fail if the document is not current")
    args = parser.parse_args()

    before = DOCUMENT.read_text(encoding="utf-8")
    start, end = before.index(BEGIN) + len(BEGIN), before.index(END)
    results = read_results(args.results) if args.results else old_results(before[start:end])
    after = before[:start] + make_table(results) + before[end:]
    if after != before and args.check:
        sys.exit("docs/RELIABILITY.md is not current: run tools/reliability.py")
    DOCUMENT.write_text(after, encoding="utf-8")
    print(f"reliability: {len(results)} items with results")


if __name__ == "__main__":
    main()
