# SPDX-License-Identifier: MIT
"""What the column finds with `go tool pprof` is found here, with the same tool; and ./dev ladder
shows it."""
import contextlib
import json
import os
import re
import subprocess
import sys

import pytest

from client import wait_for
from conftest import BUILD, ROOT

pytestmark = pytest.mark.release

# Debian's Go, whatever else is in PATH.
GO = "/usr/bin/go"
PROFILE_SECONDS = 2
PROFILE_TIMEOUT = 120
ACKLOAD = os.environ.get("ACKLOAD", str(BUILD / "src/load/ackload"))

# A row of -top: flat, flat%, sum%, cum, cum%, name.
ROW = re.compile(r"^\s*([\d.]+)(\w*)\s+([\d.]+)%\s+[\d.]+%\s+[\d.]+\w*\s+[\d.]+%\s+(.*)$",
                 re.M)


@contextlib.contextmanager
def under_load(started):
    """The column's load on @started while the block runs."""
    with subprocess.Popen(
            [ACKLOAD, "run", "--quiet", "--connect", "%s:%d" % started.addresses["spec"], "-t", "1",
             "-c", "100", "-d", "max", "--max-inflight", "1024", "--time", "300s"]) as load:
        try:
            wait_for(lambda: started.metrics()["req_recv_total"] > 100_000, "it is under load")
            yield
            assert load.poll() is None, "the load ended before the profile"
        finally:
            load.kill()


def pprof(started, folder, profile, *options):
    """What `go tool pprof` prints, run in a folder where neither program nor source is."""
    folder.mkdir(exist_ok=True)
    host, port = started.pprof_address
    done = subprocess.run(
        [GO, "tool", "pprof", *options, f"http://{host}:{port}/debug/pprof/{profile}"],
        cwd=folder, env={**os.environ, "PPROF_TMPDIR": str(folder), "HOME": str(folder)},
        capture_output=True, text=True, timeout=PROFILE_TIMEOUT, check=False)
    return done.stdout, done.stderr


def top(text):
    """(name, its share of the total in percent) as they stand, the largest first."""
    return [(name.removesuffix(" (inline)").removesuffix(" (partial-inline)"), float(share))
            for _, _, share, name in ROW.findall(text)]


def test_cpu_of_unbuffered_is_read_and_write(start, tmp_path):
    """The column's first finding: the largest boxes are system calls, called by reads and
    writes."""
    started = start("unbuffered")
    with under_load(started):
        text, errors = pprof(started, tmp_path / "go", f"profile?seconds={PROFILE_SECONDS}", "-top")
    assert "Type: cpu" in text, errors
    rows = top(text)
    assert {rows[0][0], rows[1][0]} == {"read", "write"}, text
    assert rows[0][1] + rows[1][1] > 80, text


def test_buffers_take_system_calls_out_of_the_profile(start, tmp_path):
    """After the change fewer samples are system calls: the fourth step of the loop."""
    shares = {}
    for stage in ("unbuffered", "buffered"):
        started = start(stage)
        with under_load(started):
            text, errors = pprof(started, tmp_path / stage, f"profile?seconds={PROFILE_SECONDS}",
                                 "-top")
        assert "Type: cpu" in text, errors
        shares[stage] = sum(share for name, share in top(text) if name in ("read", "write"))
    assert shares["buffered"] < shares["unbuffered"] - 5


def test_allocs_of_buffered_is_packet_decode(start, tmp_path):
    """The column's second finding, down to the line."""
    started = start("buffered")
    with under_load(started):
        text, errors = pprof(started, tmp_path / "go", "allocs", "-top",
                             "-sample_index=alloc_space")
        lines, _ = pprof(started, tmp_path / "go", "allocs", "-list=packet_decode",
                         "-sample_index=alloc_space", f"-source_path={ROOT}")
    assert "Type: alloc_space" in text, errors
    rows = top(text)
    assert rows[0][0] == "packet_decode", text
    assert rows[0][1] > 80, text
    assert re.search(r"^ROUTINE =+ packet_decode in ladder/buffered\.c$", lines, re.M), lines
    assert re.search(r"^\s*[\d.]+[MG]B\s+[\d.]+[MG]B\s+\d+:.*= malloc\(", lines, re.M), lines


def test_that_line_is_gone_from_pooled(start, tmp_path):
    started = start("pooled")
    with under_load(started):
        text, errors = pprof(started, tmp_path / "go", "allocs", "-top",
                             "-sample_index=alloc_space")
        lines, words = pprof(started, tmp_path / "go", "allocs", "-list=packet_decode",
                             "-sample_index=alloc_space", f"-source_path={ROOT}")
    assert "Type: alloc_space" in text, errors
    assert "packet_decode" not in [name for name, _ in top(text)], text
    assert "malloc(" not in lines
    assert "no matches found for regexp: packet_decode" in words


def test_a_profile_needs_neither_program_nor_source(start, tmp_path):
    """Names and lines come with the profile: without -source_path the line's number is there."""
    started = start("buffered")
    with under_load(started):
        text, errors = pprof(started, tmp_path / "go", "allocs", "-top", "-lines",
                             "-sample_index=alloc_space")
    line = 1 + next(number for number, line in
                    enumerate((ROOT / "ladder/buffered.c").read_text().splitlines())
                    if "= malloc(sizeof" in line)
    assert top(text)[0][0] == f"packet_decode ladder/buffered.c:{line}", text + errors


def test_the_ladder_runs(tmp_path):
    """./dev ladder --quick: figures that cannot depend on the machine, and a drawing."""
    result, drawing = tmp_path / "ladder.json", tmp_path / "ladder.svg"
    done = subprocess.run(
        [sys.executable, str(ROOT / "ladder/ladder.py"), "--build", str(BUILD), "--quick",
         "--json", str(result), "--svg", str(drawing)],
        capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shapes = json.loads(result.read_text())["shapes"]
    assert list(shapes) == ["max", "1"]
    for shape, rows in shapes.items():
        assert list(rows)[:4] == ["unbuffered", "buffered", "pooled", "ackd epoll"]
        for name, row in rows.items():
            assert row["rate"][0] > 0 and row["cpu_ns"][0] > 0, name
            assert name in done.stdout
        # The less a busy machine gets done, the larger is the share of what each connection costs.
        assert 3.8 < rows["unbuffered"]["calls"][0] < 4.5
        assert 0.9 < rows["unbuffered"]["allocations"][0] < 1.5
        assert 0.9 < rows["buffered"]["allocations"][0] < 1.5
        assert rows["pooled"]["allocations"][0] < 0.5
        assert rows["ackd epoll"]["allocations"][0] < 0.5
        # With one message in flight: a read and a write; and a wait for ackd, which many
        # connections share, or in the worst case none.
        most = {"buffered": 2.5, "pooled": 2.5, "ackd epoll": 3.3}
        for name, calls in most.items():
            assert rows[name]["calls"][0] < (0.5 if shape == "max" else calls), (shape, name)
    drawn = drawing.read_text()
    assert drawn.rstrip().endswith("</svg>")
    assert all(name in drawn for name in shapes["max"])


def test_the_ladder_says_what_is_missing(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "ladder/ladder.py"), "--build", str(BUILD), "--quick",
         "--server-cpu", "4095", "--svg", str(tmp_path / "x.svg")],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "unbuffered did not start" in done.stderr
