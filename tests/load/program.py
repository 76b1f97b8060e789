# SPDX-License-Identifier: MIT
"""The programs under test, how they are started, and what their exit statuses mean."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACKLOAD = os.path.abspath(os.environ.get("ACKLOAD", ROOT / "build/test/src/load/ackload"))
ACKD = os.path.abspath(os.environ.get("ACKD", ROOT / "build/test/src/ackd/ackd"))

OK, REGRESSION, SLO_MISSED, FAILED, INVALID, INCONCLUSIVE = 0, 10, 11, 12, 13, 14
USAGE, NO_CONNECTION = 64, 69

# A server for the commands that start one.
SERVER = (f"{ACKD} --workers 1 --listen 127.0.0.1:0 --metrics-listen off --pprof-listen off"
          " --log-level error --ports-file {ports-file}")
# Batches of one size: the CPU time of a message then depends on little else.
LOAD = ("-c", "8", "-d", "64", "-t", "1")
SHORT = ("--time", "50ms", "--warmup", "20ms")


def ackload(*arguments, timeout=400, **options):
    return subprocess.run([ACKLOAD, *arguments], capture_output=True, text=True, timeout=timeout,
                          check=False, **options)


def run(server, *arguments, connections=2, seconds="300ms"):
    """Runs ackload against the server; returns its exit status and its JSON."""
    done = ackload("run", "--connect", server.address, "-c", str(connections), "--time", seconds,
                   "--drain-timeout", "300ms", "--validity", "warn", "--quiet", "--json", "-",
                   *arguments)
    assert done.stderr == ""
    result = json.loads(done.stdout)
    ledger = result["ledger"]
    answered = sum(ledger[column] for column in ("ok", "failed", "lost", "late", "cut"))
    assert ledger["sent"] == answered
    return done.returncode, result
