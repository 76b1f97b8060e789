# SPDX-License-Identifier: MIT
"""The pages of ab, compare, aa and search: whole, self-contained, and equal to the JSON."""

import html.parser
import json
import math

import pytest

from history import stored
from program import LOAD, OK, SERVER, SHORT, USAGE, ackload


class Page(html.parser.HTMLParser):
    """What a test wants to know of a page; fails on elements that are not closed in order."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.figures = {}  # where it stands in the JSON: the value
        self.badges = []
        self.drawings = []  # of each SVG: the tags in it
        self.circles = 0
        self.text = ""
        self._open = []
        self._classes = []
        source = path.read_text()
        for loader in ("<script", "src=", "http:", "https:", "url(", "@import", "<link"):
            assert loader not in source
        assert ">nan" not in source and "\"nan" not in source and " nan" not in source
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._open.append(tag)
        self._classes.append(attributes.get("class", ""))
        if tag == "svg":
            assert attributes["role"] == "img" and attributes["aria-label"]
            self.drawings.append(set())
        elif "svg" in self._open:
            self.drawings[-1].add(tag)
            self.circles += tag == "circle"
        if tag == "data":
            self.figures[attributes["data-key"]] = float(attributes["value"])
        if tag in ("meta", "br"):
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self._open and self._open[-1] == tag, (tag, self._open)
        self._open.pop()
        self._classes.pop()

    def handle_data(self, data):
        self.text += data
        if self._classes and "badge" in self._classes[-1].split():
            self.badges.append(data)


def value_at(result, key):
    for step in key.split("/"):
        result = result[int(step)] if isinstance(result, list) else result[step]
    return result


def check(page, result):
    """The page says what the JSON says, figure by figure."""
    assert page.badges == [result["verdict"]]
    assert result["reason"] in page.text
    assert page.figures
    for key, value in page.figures.items():
        assert math.isclose(value, value_at(result, key), rel_tol=1e-9, abs_tol=1e-12), key
    for drawing in page.drawings:
        assert {"title", "desc"} <= drawing


def draw(path, *arguments):
    """Runs a command with --html and --json; returns the page and the result."""
    done = ackload(*arguments, "--html", str(path), "--json", "-")
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    page = Page(path)
    check(page, result)
    return page, result


def test_a_comparison_is_drawn(history, tmp_path):
    page, result = draw(tmp_path / "ab.html", "ab", "--a", SERVER, "--b", SERVER, "--pairs", "6",
                        *LOAD, *SHORT)
    known = [name for name, metric in result["metrics"].items() if metric]
    assert len(page.drawings) == len(known) >= 3
    assert page.circles == 6 * len(known)
    for name in known:
        for figure in ("a", "b", "change", "low", "high", "floor", "p"):
            assert f"metrics/{name}/{figure}" in page.figures
    assert result["a"]["hash"] in page.text and result["stream_hash"] in page.text
    assert stored(history, 1)["environment"]["kernel"] in page.text
    # What is kept can be drawn again.
    assert ackload("show", "1", "--html", str(tmp_path / "again.html")).returncode == OK
    again = Page(tmp_path / "again.html")
    check(again, stored(history, 1)["result"])
    assert again.figures == page.figures


@pytest.mark.parametrize("names", [("fast", "slow"), ("even", "even"), ("first", "fast")])
def test_two_kept_runs_are_drawn(kept, tmp_path, names):
    page, result = draw(tmp_path / "compare.html", "compare", *names)
    if names == ("first", "fast"):  # the first run was too short for seconds
        assert result["change"] is None and not page.drawings
        return
    assert len(page.drawings) == 2
    assert page.circles == sum(len(result["seconds"][side]) for side in "ab") == 14
    assert {"figures/p99/a", "figures/p99.9/b", "figures/acks/change"} <= set(page.figures)


def test_other_experiments_are_drawn_without_a_verdict(kept, tmp_path):
    path = kept / "0002.json"
    run = json.loads(path.read_text())
    run["result"]["plan"]["connections"] = 7
    path.write_text(json.dumps(run))
    page, _ = draw(tmp_path / "compare.html", "compare", "fast", "slow", "--force")
    assert page.badges == ["NONE"]


def test_an_audit_is_drawn(history, tmp_path):
    page, result = draw(tmp_path / "aa.html", "aa", "--a", SERVER, "--trials", "2", "--pairs", "6",
                        *LOAD, "--time", "20ms", "--warmup", "5ms")
    assert result["changes"] == [one["change"] for one in result["comparisons"]]
    assert {"false_alarms", "trials", "faster", "slower", "same", "inconclusive"} <= \
        set(page.figures)
    assert len(page.drawings) == 1 and "rect" in page.drawings[0]


def test_a_search_is_drawn(history, tmp_path):
    page, result = draw(tmp_path / "search.html", "search", "--start", SERVER, "-c", "4", "-t", "1",
                        "--time", "100ms", "--settle", "20ms", "--slo", "p99<10s,lost=0", "--from",
                        "500", "--max", "2000", "--validity", "off")
    assert page.figures["rate"] == 2000
    assert page.circles == len(result["curve"])  # each step is a disc
    for index in range(len(result["curve"])):
        assert {f"curve/{index}/rate", f"curve/{index}/p99"} <= set(page.figures)
    assert "p99<10s,lost=0" in page.text


def test_what_has_no_page_says_so(kept, tmp_path):
    done = ackload("show", "fast", "--html", str(tmp_path / "x.html"))
    assert done.returncode == USAGE
    assert "ackload run --html" in done.stderr
    done = ackload("show", "--html", str(tmp_path / "x.html"))
    assert done.returncode == USAGE
    assert not (tmp_path / "x.html").exists()


def test_a_page_that_cannot_be_written_is_named(kept):
    done = ackload("compare", "fast", "fast", "--html", "/nonexistent/x.html")
    assert done.returncode == USAGE
    assert "--html /nonexistent/x.html" in done.stderr
