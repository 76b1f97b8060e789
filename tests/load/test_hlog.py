# SPDX-License-Identifier: MIT
"""The HdrHistogram log: read by the documentation of its format, and by its own stock tool."""

import base64
import pathlib
import re
import shutil
import struct
import subprocess
import zlib

import pytest

from faulty_server import FaultyServer
from program import OK, USAGE, ackload, run

# Debian's libhdrhistogram-java, the reference implementation.
STOCK_JAR = pathlib.Path("/usr/share/java/hdrhistogram.jar")


def decode_histogram(text):
    """Counts by bucket index, from the V2 encoding as HdrHistogram's documentation has it."""
    outer = base64.b64decode(text)
    cookie, size = struct.unpack(">II", outer[:8])
    assert (cookie, size) == (0x1c849314, len(outer) - 8)
    inner = zlib.decompress(outer[8:])
    cookie, size, offset, digits, lowest, highest, ratio = struct.unpack(">IIIIQQd", inner[:40])
    assert (cookie, size, offset) == (0x1c849313, len(inner) - 40, 0)
    assert (digits, lowest, highest, ratio) == (2, 1, 2 ** 37 - 1, 1.0)
    counts, index, at = {}, 0, 40
    while at < len(inner):
        number = shift = 0
        while True:
            byte = inner[at]
            at += 1
            number |= (byte if shift == 56 else byte & 0x7f) << shift
            shift += 7
            if shift > 56 or byte < 0x80:
                break
        value = number >> 1 ^ -(number & 1)
        if value < 0:
            index -= value
        else:
            counts[index] = value
            index += 1
    return counts


def upper_of(index):
    """The largest value of a bucket: 128 of them to each power of two."""
    if index < 256:
        return index
    shift = index // 128 - 1
    return (index % 128 + 129 << shift) - 1


@pytest.mark.parametrize("arguments", [["--rate", "2k"], ["-d", "4"]])
def test_a_hdr_histogram_log_holds_every_message(tmp_path, arguments):
    path = tmp_path / "run.hlog"
    with FaultyServer() as server:
        status, result = run(server, "--hlog", str(path), "--warmup", "1s", *arguments,
                             seconds="1200ms")
    assert status == OK
    lines = path.read_text().splitlines()
    assert "#[Histogram log format version 1.3]" in lines
    assert any(line.startswith("#[StartTime: ") for line in lines)
    merged, warmup = {}, 0
    for line in lines:
        if line.startswith(("#", '"')):
            continue
        tag = re.match(r"Tag=(\w+),", line)
        at_s, length_s, max_ms, payload = line.split(",")[-4:]
        counts = decode_histogram(payload)
        if counts:
            assert float(max_ms) * 1e6 <= upper_of(max(counts)) + 500
        assert 0 <= float(at_s) < 5 and 0 < float(length_s) < 3
        name = tag.group(1) if tag else "response"
        warmup += name == "warmup"
        into = merged.setdefault(name, {})
        for index, count in counts.items():
            into[upper_of(index)] = into.get(upper_of(index), 0) + count
    assert warmup >= 1
    measured = result["latency"]["service"]["count"]
    total = sum(merged["warmup"].values()) + sum(merged["response"].values())
    assert total == result["ledger"]["ok"] >= measured
    assert set(merged) == {"warmup", "response", "service"} | (
        {"lateness"} if "--rate" in arguments else set())


def test_a_log_that_cannot_be_written():
    done = ackload("run", "--hlog", "/nonexistent/run.hlog")
    assert done.returncode == USAGE
    assert "--hlog /nonexistent/run.hlog" in done.stderr


# The stock tool


def read_with_stock_tool(path, *arguments):
    """What HistogramLogProcessor makes of the log: (value, cumulative count) ascending, and its
    own summary."""
    done = subprocess.run(
        ["java", "-cp", str(STOCK_JAR), "org.HdrHistogram.HistogramLogProcessor", "-i", str(path),
         "-outputValueUnitRatio", "1", "-percentilesOutputTicksPerHalf", "1000", *arguments],
        capture_output=True, text=True, timeout=60, check=True)
    rows = re.findall(r"^ *(\d+)\.\d+ +[01]\.\d+ +(\d+)\b", done.stdout, re.M)
    summary = dict(re.findall(r"(Mean|Max|Total count) += +([\d.]+)", done.stdout))
    return [(int(value), int(count)) for value, count in rows], summary


def percentile(rows, fraction):
    wanted = fraction * rows[-1][1]
    return next(value for value, count in rows if count >= wanted)


@pytest.mark.skipif(not STOCK_JAR.exists() or not shutil.which("java"),
                    reason="the stock tool is among the packages of test --all only")
@pytest.mark.parametrize("tag", ["response", "service", "lateness"])
def test_the_stock_tool_reads_the_same_figures(tmp_path, tag):
    path = tmp_path / "run.hlog"
    with FaultyServer() as server:
        status, result = run(server, "--rate", "2k", "--hlog", str(path), seconds="2200ms")
    assert status == OK
    rows, summary = read_with_stock_tool(path, *([] if tag == "response" else ["-tag", tag]))
    expected = result["latency"][tag]
    assert int(summary["Total count"]) == rows[-1][1] == expected["count"] > 4000
    for name, fraction in (("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99), ("p999_ns", 0.999)):
        # The maximum is exact in the JSON, and ends the percentiles there.
        assert min(percentile(rows, fraction), expected["max_ns"]) == expected[name], name
    assert expected["max_ns"] <= float(summary["Max"]) <= expected["max_ns"] * 1.008
    assert abs(float(summary["Mean"]) / expected["mean_ns"] - 1) < 0.005
