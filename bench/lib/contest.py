# SPDX-License-Identifier: MIT
"""contest - runs ackload: to check a server, and to compare it with ackd

A cell is one contestant in one shape and one placement.  Its result is a file of its own, with a
key of everything that it depends on, so that a run of an hour can be interrupted and go on.
"""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
from collections import namedtuple

from lib import servers

Shape = namedtuple("Shape", "name connections depth payload")
Cell = namedtuple("Cell", "name shape placement")
Effort = namedtuple("Effort", "pairs slice_s warmup_share")

SHAPES = {shape.name: shape for shape in (
    Shape("100x1", 100, 1, 22),
    Shape("100x16", 100, 16, 22),
    Shape("100x256", 100, 256, 22),
    Shape("100x4096", 100, 4096, 22),
    Shape("1000x1", 1000, 1, 22),
    Shape("100x64/1KiB", 100, 64, 1024),
)}
PLACEMENTS = {"across": "server and client on a core each", "same": "both on one core"}

# Shapes whose acks are all verified before a server is timed: one by one, in batches, payloads of
# mixed length, frames larger than any buffer, and writes that end anywhere in a frame.
CHECKS = (
    ("-c", "1", "-d", "1", "--size", "22"),
    ("-c", "100", "-d", "16", "--size", "teaching"),
    ("-c", "10", "-d", "4096", "--size", "22"),
    ("-c", "4", "-d", "64", "--size", "60000"),
    ("-c", "8", "-d", "max", "--size", "teaching"),
    ("-c", "8", "-d", "max", "--size", "1001"),
)
CHECK_TIME = "200ms"
CHECK_DRAIN = "5s"  # a machine may have other work
BAD = ("failed", "lost", "cut", "duplicate", "unknown", "out_of_order", "malformed")
AB_OK = (0, 10, 14)  # it came to a verdict; which, is not for the exit status to say


class Contest:
    """Where, with what and how long cells are run."""

    def __init__(self, build, folder, effort, cpus):
        self.ackload = str(pathlib.Path(build).resolve() / "src" / "load" / "ackload")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)  # ackload keeps its history there
        self.effort = effort
        self.commit = ""  # the results are of
        self.server_cpu = cpus[0]
        self.client_cpu = cpus[-1]
        self.environment = dict(os.environ, ACKLOAD_HISTORY=str(self.folder / "history"))

    def client_cpu_of(self, placement):
        return self.server_cpu if placement == "same" else self.client_cpu

    def load(self, *words):
        """An `ackload run`; its result."""
        ran = subprocess.run([self.ackload, "run", "--quiet", "--json", "-", *words],
                             env=self.environment, capture_output=True, text=True, check=False)
        if ran.returncode not in (0, 12, 13):
            raise RuntimeError(ran.stderr.strip())
        return json.loads(ran.stdout)

    def check(self, running):
        """None when every message was acked once, in order; else what was wrong."""
        for words in CHECKS:
            result = self.load("--connect", running.address, "--time", CHECK_TIME,
                               "--drain-timeout", CHECK_DRAIN, *words)
            ledger = result["ledger"]
            # How fast it was does not matter here: a result may be invalid for that.
            if ledger["ok"] == 0 or ledger["ok"] != ledger["sent"] or any(map(ledger.get, BAD)):
                return f"{' '.join(words)}: {result['reason']}"
        return None

    def words_of(self, cell, ours, theirs):
        """The command line of `ackload ab` for a cell."""
        shape = SHAPES[cell.shape]
        return self.ab_words(ours.spec(shape.payload), theirs.spec(shape.payload), shape,
                             self.client_cpu_of(cell.placement), theirs.warmup_s, theirs.dialect)

    def ab_words(self, ours, theirs, shape, client_cpu, warmup_s, dialect):
        """The command line of `ackload ab` for two servers, given by their own command lines."""
        return [
            self.ackload, "ab", "--quiet", "--json", "-", "--a", ours, "--b", theirs,
            "--pairs", str(self.effort.pairs), "--time", f"{self.effort.slice_s * 1000:.0f}ms",
            "--warmup", f"{max(warmup_s * self.effort.warmup_share, 0.05) * 1000:.0f}ms",
            "--server-cpus", str(self.server_cpu), "--cpu", str(client_cpu),
            "-t", "1", "-c", str(shape.connections), "-d", str(shape.depth),
            "--size", str(shape.payload), "--dialect", dialect,
        ]

    def key_of(self, words, ours, theirs):
        text = "\0".join([*words, ours.fingerprint(), theirs.fingerprint()])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def path_of(self, cell):
        return self.folder / f"{cell.name}_{cell.shape.replace('/', '-')}_{cell.placement}.json"

    def estimate_s(self, theirs):
        warmup_s = max(theirs.warmup_s * self.effort.warmup_share, 0.05)
        return self.effort.pairs * (4 * self.effort.slice_s + 2 * warmup_s + 0.3)

    def is_done(self, cell, ours, theirs):
        stored = read_json(self.path_of(cell))
        return bool(stored) and stored["key"] == self.key_of(self.words_of(cell, ours, theirs),
                                                             ours, theirs)

    def run(self, cell, ours, theirs):
        """Runs the cell and keeps its result."""
        words = self.words_of(cell, ours, theirs)
        if isinstance(theirs, servers.External):
            servers.pin(theirs.pid, {self.server_cpu})
        result = run_ab(words, self.environment)
        stored = {
            "key": self.key_of(words, ours, theirs), "name": cell.name, "title": theirs.title,
            "shape": cell.shape, "placement": cell.placement, "effort": self.effort._asdict(),
            "commit": self.commit,
            "metrics": result["metrics"], "runs": result["slices"],
            "client_bound_runs": result["invalid_slices"], "seconds": result["seconds"],
        }
        write_json(self.path_of(cell), stored)
        return stored


def run_ab(words, environment):
    """The result of an `ackload ab`."""
    status, output, errors = run_patiently(words, environment)
    if status not in AB_OK:
        raise RuntimeError(errors.strip() or f"ackload ab ended with {status}")
    return json.loads(output)


def run_patiently(words, environment):
    """Status, output, errors.  Interrupted, it lets the program end its servers first."""
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    return process.returncode, output, errors


def read_json(path):
    """None when there is no such file."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def write_json(path, value):
    """Whole or not at all."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
