# SPDX-License-Identifier: MIT
"""ackd-top on a terminal of 80 x 24, and as a program for scripts"""
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
import wire  # noqa: E402
from client import DEADLINE, wait_for  # noqa: E402
from server import Ackd  # noqa: E402

TOP = os.environ["ACKD_TOP"]


@pytest.fixture
def server(tmp_path):
    server = Ackd(os.environ["ACKD"], tmp_path, "--workers=2")
    yield server
    server.close()


def url_of(server):
    return "http://%s:%d" % server.metrics_address


def top(*arguments):
    return subprocess.run([TOP, *arguments], capture_output=True, text=True, timeout=DEADLINE,
                          check=False, stdin=subprocess.DEVNULL)


class Terminal:
    """A program on a terminal of its own; what it writes is kept as it comes, cursor moves and
    all."""

    def __init__(self, *command, rows=24, columns=80):
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                                        env=dict(os.environ, TERM="vt100"),
                                        start_new_session=True)
        os.close(slave)
        self.written = b""

    def resize(self, rows, columns):
        ioctl(self.master, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0.05)[0]:
            try:
                self.written += os.read(self.master, 65536)
            except OSError:
                break
        # Cursor positions become line ends, other sequences nothing.
        text = re.sub(rb"\x1b\[\d*;?\d*H", b"\n", self.written)
        text = re.sub(rb"\x1b\[[?\d;]*[a-zA-Z]|\x1b[()=>][0AB]?|\x0f|\x0e", b"", text)
        return text.decode(errors="replace")

    def wait_for(self, pattern):
        wait_for(lambda: re.search(pattern, self.read()), f"{pattern} on the terminal")

    def type(self, keys):
        os.write(self.master, keys)

    def end(self):
        """Its exit code."""
        try:
            wait_for(lambda: self.read() is not None and self.process.poll() is not None, "end")
            return self.process.returncode
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.master)


def test_numbers_for_scripts_are_those_of_the_server(server):
    with server.connect() as client:
        client.exchange(wire.submits(500), wire.acks(500))

        def look():
            done = top("--once", "--json", url_of(server))
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        found = {}

        def arrived():
            found.update(look())
            return found["req_recv_total"] == 500 and found["connections"]

        wait_for(arrived, "the count and the list")  # a worker that is late is left out of it
        assert found["rsp_send_total"] == 500
        assert found["client_connected"] == 1
        assert found["state"] == "running"
        assert len(found["workers"]) == 2
        assert sum(worker["connections"] for worker in found["workers"]) == 1
        peer, = found["connections"]
        assert peer["peer"] == "%s:%d" % client.socket.getsockname()
        assert (peer["req_recv_total"], peer["rsp_send_total"]) == (500, 500)


def test_once_prints_the_screen(server):
    done = top("--once", url_of(server) + "/")
    assert done.returncode == 0
    assert re.search(r"^ackd \S+  running  up 0m \d\ds", done.stdout)
    assert "NO CONNECTIONS" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("arguments, code, words", [
    (["--once", "http://127.0.0.1:1"], 1, "127.0.0.1:1"),
    (["--once", "ftp://x"], 1, "http://"),
    (["--json"], 64, "--once"),
    (["--interval", "1"], 64, "--interval"),
    (["--interval", "2h"], 64, "--interval"),
    (["--what"], 64, "--what"),
    (["a", "b"], 64, "one URL"),
    ([], 64, "no terminal"),
])
def test_what_it_refuses(arguments, code, words):
    done = top(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_nobody_there_is_named_as_it_was_given():
    done = top("--once", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("ackd-top: http://127.0.0.1:1: Connection refused (is ackd running "
                           "there? the address of its --metrics-listen is meant)\n")


def test_a_server_that_is_no_ackd_is_named(server):
    done = top("--once", "http://%s:%d/metrics?" % server.metrics_address)
    assert done.returncode == 1
    assert done.stderr.startswith("ackd-top: ")


def test_help_and_version():
    assert top("--version").stdout.startswith("ackd-top ")
    assert "--interval" in top("--help").stdout
    short = top("-h")
    assert (short.returncode, short.stdout, short.stderr) == (0, top("--help").stdout, "")


def test_the_terminal_shows_what_happens_and_q_ends_it(server):
    terminal = Terminal(TOP, "-i", "200ms", url_of(server))
    terminal.wait_for("running")
    with server.connect() as client:
        client.exchange(wire.submits(12345), wire.acks(12345))
        terminal.wait_for("12,345")
        terminal.wait_for("CONNECTION, BUSIEST")
        terminal.wait_for(re.escape("%s:%d" % client.socket.getsockname()))
        terminal.type(b"o")
        terminal.wait_for("MOST QUEUED")
        terminal.type(b"p")
        terminal.wait_for("PAUSED")
    terminal.type(b"q")
    assert terminal.end() == 0


@pytest.mark.parametrize("rows, columns", [(24, 80), (5, 20), (1, 1), (60, 200)])
def test_any_size_of_terminal_is_enough(server, rows, columns):
    terminal = Terminal(TOP, "-i", "100ms", url_of(server), rows=rows, columns=columns)
    wait_for(lambda: "\x1b" in terminal.written.decode(errors="replace") or terminal.read() and
             terminal.written, "something is drawn")
    terminal.resize(24, 80)
    terminal.process.send_signal(signal.SIGWINCH)
    terminal.wait_for("running")
    terminal.type(b"\x03")
    assert terminal.end() == 0


def test_it_survives_a_restart_and_says_so(server, tmp_path):
    terminal = Terminal(TOP, "-i", "100ms", url_of(server))
    terminal.wait_for("running")
    address = "%s:%d" % server.metrics_address
    server.close()
    terminal.wait_for("no answer")
    folder = tmp_path / "again"
    folder.mkdir()
    again = Ackd(os.environ["ACKD"], folder, "--workers=1", metrics=address)
    try:
        terminal.wait_for("was restarted")
    finally:
        again.close()
    terminal.type(b"q")
    assert terminal.end() == 0


def test_sigterm_leaves_the_terminal_as_it_was(server):
    terminal = Terminal(TOP, url_of(server))
    terminal.wait_for("running")
    begin = time.monotonic()
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == 0
    assert time.monotonic() - begin < DEADLINE
