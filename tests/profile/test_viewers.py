# SPDX-License-Identifier: MIT
"""The real viewers: go tool pprof as Debian has it, and a browser. The program's file is gone
before they look."""
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess

import pytest
from client import wait_for

from conftest import ACKD, DEADLINE, ROOT

pytestmark = pytest.mark.viewers

CHROMIUM_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                  "--disable-background-networking", "--disable-component-update",
                  "--disable-sync")


@pytest.fixture
def deleted(start, tmp_path):
    """A server whose file is gone, so that no viewer can look into it."""
    program = tmp_path / "bin" / "ackd"
    program.parent.mkdir()
    shutil.copy(ACKD, program)
    server = start("--handler=delay:0ms", program=program)
    program.unlink()
    return server


@pytest.fixture
def go(tmp_path):
    """go("-top", URL) gives what go tool pprof prints; in a checkout, as a developer stands."""
    home = tmp_path / "home"
    home.mkdir()
    environment = dict(os.environ, HOME=str(home), PPROF_TMPDIR=str(home))

    def go(*arguments, may_complain=False):
        finished = subprocess.run(["go", "tool", "pprof", *arguments], cwd=ROOT, env=environment,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=DEADLINE * 2)
        assert finished.returncode == 0, finished.stderr
        # What it could not do it says there.
        complaints = re.search(r"[Ff]ailed|[Ww]arning|error", finished.stderr)
        assert may_complain or not complaints, finished.stderr
        return finished.stdout

    return go


def rows(text):
    """The table of -top: (flat, cumulated, function), as it prints them."""
    found = re.findall(r"^ *([-\d.]\S*) +\S+% +\S+% +(\S+) +\S+% +(.+)$", text, re.M)
    assert found, text
    return found


def test_cpu_top_and_list(deleted, go, load, tmp_path):
    with load(deleted):
        text = go("-top", deleted.url + "profile?seconds=3")
    names = [name for _, _, name in rows(text)]
    assert "Type: cpu" in text and "File: ackd-" in text
    assert any(name.startswith(("send", "epoll_wait", "recv")) for name in names[:6]), text
    assert any(name.startswith("epoll_turn") for name in names)

    with load(deleted):
        text = go("-list", "^epoll_turn$", deleted.url + "profile?seconds=3")
    assert re.search(r"ROUTINE =+ epoll_turn in .*src/engine/engine_epoll.c", text)
    assert "ask(self," in text and "dispatch(self," in text, "the source is shown"


def test_allocs_list_and_indexes(deleted, go, load):
    with load(deleted, "-d", "1"):
        subprocess.run(["sleep", "3"], check=True)
    for index in ("alloc_space", "alloc_objects", "inuse_space", "inuse_objects"):
        assert f"Type: {index}" in go("-top", f"-sample_index={index}", deleted.url + "allocs")
    text = go("-top", "-sample_index=alloc_space", deleted.url + "allocs")
    assert rows(text)[0][2] == "batch_move", text
    text = go("-list", "^batch_move$", "-sample_index=alloc_space", deleted.url + "allocs")
    line, = [line for line in text.splitlines() if "malloc(sizeof *moved" in line]
    assert re.search(r"\d+(\.\d+)?[kM]B", line), line
    assert "Type: inuse_space" in go("-top", deleted.url + "heap")


def test_difference_that_the_tool_asks_for(deleted, go, load):
    with load(deleted, "-d", "1"):
        text = go("-top", "-seconds", "2", deleted.url + "allocs")
    assert "Duration: 2s" in text and rows(text)[0][2] == "batch_move"


@pytest.mark.parametrize("kind", ("goroutine", "threadcreate", "mutex", "block"))
def test_other_kinds(deleted, go, kind):
    assert f"Type: {'delay' if kind in ('mutex', 'block') else kind}" in go(
        "-top", deleted.url + kind)


@pytest.mark.parametrize("kind", ("goroutine", "threadcreate", "heap"))
def test_debug_text_is_read_too(deleted, go, kind, tmp_path):
    file = tmp_path / kind
    file.write_bytes(deleted.ok(kind + "?debug=1"))
    go("-raw", "-symbolize=none", str(file))


def test_names_from_the_symbol_endpoint(deleted, go):
    """Who insists gets the names again, by POST; what is on the viewer's machine is of no use."""
    text = go("-top", "-symbolize=force", deleted.url + "goroutine", may_complain=True)
    assert "epoll_turn" in text or "worker_turn" in text, text


def test_traces_and_tags(deleted, go):
    assert "ackd-worker-0" in go("-tags", deleted.url + "goroutine")
    assert re.search(r"thread:\s*ackd-admin", go("-traces", deleted.url + "goroutine"))


def test_busy_is_explained(deleted, load):
    first = subprocess.Popen(["curl", "-s", "-o", "/dev/null",
                              deleted.url + "profile?seconds=4"])
    subprocess.run(["sleep", "0.5"], check=True)
    second = subprocess.run(["go", "tool", "pprof", "-top", deleted.url + "profile?seconds=1"],
                            capture_output=True, text=True, timeout=DEADLINE)
    assert "cpu profiling already in use" in second.stderr
    assert first.wait(DEADLINE) == 0


def test_no_samples(start, go):
    server = start("--workers=1")
    assert "Type: cpu" in go("-top", server.url + "profile?seconds=1&hz=1")


# The page

class Browser:
    """Chromium by its driver, which speaks JSON over HTTP."""

    def __init__(self, folder):
        self.port = free_port()
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = ""
        try:
            wait_for(lambda: is_open(self.port), "chromedriver listens")
            options = {"binary": "/usr/bin/chromium",
                       "args": [*CHROMIUM_FLAGS, f"--user-data-dir={folder}/browser"]}
            capabilities = {"alwaysMatch": {"goog:chromeOptions": options}}
            self.session = "/" + self.ask("", capabilities=capabilities)["sessionId"]
        except BaseException:
            self.close()
            raise

    def ask(self, path, method="POST", **values):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE * 2)
        connection.request(method, f"/session{self.session}{path}", body=json.dumps(values))
        answer = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not isinstance(answer, dict) or "error" not in answer, answer
        return answer

    def open(self, url):
        self.ask("/url", url=url)

    def run(self, script):
        """What the JavaScript @script gives back."""
        return self.ask("/execute/sync", script=script, args=[])

    def wait(self, script):
        wait_for(lambda: self.run(script), script)

    def close(self):
        if self.session:
            self.ask("", "DELETE")
        self.driver.terminate()
        self.driver.wait(DEADLINE)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def browser(tmp_path):
    one = Browser(tmp_path)
    yield one
    one.close()


BOXES = "return [...document.querySelectorAll('#flames div')].map(box => box.title)"
ROWS = "return [...document.querySelectorAll('#top tbody tr')].map(row => row.dataset.name)"


def test_page_has_no_foreign_parts(served):
    status, headers, page = served.get("ui?profile=heap")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    for part in (page, served.ok("ui.css"), served.ok("ui.js")):
        assert not re.search(rb"https?://|\bstyle=|\bon\w+=\"|<script>", part)


def click(name):
    return (f"[...document.querySelectorAll('#flames div')]"
            f".find(box => box.textContent === '{name}').click()")


def change(control, value):
    return (f"const control = document.getElementById('{control}'); {value};"
            "control.dispatchEvent(new Event('input')); control.dispatchEvent(new Event('change'))")


def test_flame_graph_in_a_browser(deleted, load, browser):
    """Drawn, searched, zoomed, inverted, by thread."""
    with load(deleted):
        browser.open(deleted.url + "ui?profile=profile&seconds=2")
        browser.wait("return !document.getElementById('top').hidden")
    boxes = browser.run(BOXES)
    assert boxes[0].startswith("all ")
    assert any(title.startswith("epoll_turn ") for title in boxes), boxes
    kinds = browser.run("return [...document.querySelectorAll('#flames div')]"
                        ".map(box => box.className)")
    assert {"own", "inline", "foreign"} <= set(kinds)
    rows = browser.run(ROWS)
    assert "epoll_turn" in rows and len(rows) > 5

    browser.run(change("search", "control.value = 'epoll_turn'"))
    found = browser.run("return document.querySelectorAll('#flames .found').length")
    share = browser.run("return document.getElementById('found').textContent")
    assert found >= 1 and float(re.search(r"([\d.]+) %", share)[1]) > 50, share

    browser.run(click("epoll_turn"))
    width = browser.run("return [...document.querySelectorAll('#flames div')]"
                        ".find(box => box.textContent === 'epoll_turn').style.width")
    assert width == "100%" and len(browser.run(BOXES)) <= len(boxes) + 20
    assert not browser.run("return document.getElementById('reset').hidden")
    browser.run("document.getElementById('reset').click()")
    assert browser.run(BOXES) == boxes

    browser.run(change("inverted", "control.checked = true"))
    assert any(title.startswith(("send ", "recv ", "epoll_wait "))
               for title in browser.run(BOXES)[1:])
    browser.run(change("inverted", "control.checked = false"))
    browser.run(change("threads", "control.checked = true"))
    assert any(title.startswith("ackd-worker-") for title in browser.run(BOXES))


@pytest.mark.parametrize("kind", ("heap", "allocs", "goroutine", "threadcreate", "mutex", "block"))
def test_page_of_other_kinds(deleted, browser, kind):
    browser.open(deleted.url + f"ui?profile={kind}")
    browser.wait("return !document.getElementById('top').hidden")
    assert browser.run(BOXES)[0].startswith("all ")


def test_page_shows_why_there_is_no_profile(deleted, browser):
    browser.open(deleted.url + "ui?profile=heap&seconds=9999")
    browser.wait("return document.getElementById('status').textContent.includes("
                 "'profile duration exceeds the limit')")


def test_page_of_a_sleeping_server(start, browser):
    server = start("--workers=1")
    browser.open(server.url + "ui?profile=profile&seconds=1&hz=1")
    browser.wait("return document.getElementById('status').textContent.includes("
                 "'nothing in this profile')")


def varint(number):
    """As profile.proto has it: a negative number has all 64 bits."""
    number %= 2**64
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7f | 0x80)
        number >>= 7
    return [*encoded, number]


def test_page_reads_numbers_of_both_signs(deleted, browser):
    """Of what was freed or has ended, a difference says so with negative numbers."""
    browser.open(deleted.url + "ui?profile=goroutine")
    numbers = [0, 1, 127, 128, 2**28 - 1, 2**28, 2**53 - 1, -1, -2, -1500, -2**28, -2**28 - 1,
               -2**53 + 1, -2**63]
    encoded = sum(map(varint, numbers), [])
    assert browser.run(f"return readNumbers(new Uint8Array({encoded}))") == numbers


# As much has gone as has come, all in all.
DIFFERENCE = """
const frame = (name) => ({name, file: '', line: 0, kind: 'own'});
const sample = (value, ...names) => ({values: [value], thread: '', frames: names.map(frame)});
state.profile = {types: [{name: 'inuse_space', unit: 'bytes'}], comments: [], time: 0, duration: 0,
  samples: [sample(300, 'grown', 'parent'), sample(-100, 'shrunk', 'parent'),
    sample(100, 'swapped'), sample(-300, 'swapped')]};
document.getElementById('type').value = 0;
redraw();
return Object.fromEntries([...document.querySelectorAll('#flames div')].map((box) =>
  [box.textContent, [box.style.left, box.style.width, box.title]]));
"""


def test_page_draws_a_difference(deleted, browser):
    """Boxes are as wide as their values are large, whatever the sign, within their parents'."""
    browser.open(deleted.url + "ui?profile=threadcreate")
    browser.wait("return !document.getElementById('top').hidden")
    boxes = browser.run(DIFFERENCE)
    assert boxes == {
        "all": ["0%", "100%", "all  0, 0.0 %"],
        "parent": ["0%", "50%", "parent  200 B, 25.0 %"],
        "grown": ["0%", "37.5%", "grown  300 B, 37.5 %"],
        "shrunk": ["37.5%", "12.5%", "shrunk  -100 B, -12.5 %"],
        "swapped": ["50%", "50%", "swapped  -200 B, -25.0 %"]}
    assert browser.run("return document.getElementById('status').hidden"), "there is something"
    assert browser.run(ROWS) == ["grown", "swapped", "shrunk", "parent"]
