# SPDX-License-Identifier: MIT
"""System calls that fail, as strace makes them fail: no crash, no ack lost beyond the connection
that was hit, and a descriptor that does not leak."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))
pytest.register_assert_rewrite("client", "server")

from client import DEADLINE, Client, wait_for  # noqa: E402
from server import parse_series, prepare_child, total  # noqa: E402

ACKD = os.environ.get("ACKD", str(ROOT / "build/test/src/ackd/ackd"))

# engine, what fails, how, and which calls of it.
CASES = [
    ("epoll", "accept4", "EINTR", "2+3"),
    ("epoll", "accept4", "ECONNABORTED", "2+3"),
    ("epoll", "accept4", "EMFILE", "3+5"),
    ("epoll", "accept4", "ENOMEM", "3+5"),
    ("epoll", "accept4", "ENOBUFS", "3+5"),
    ("epoll", "epoll_wait,epoll_pwait,epoll_pwait2", "EINTR", "5+3"),
    ("epoll", "recvfrom,read,recvmsg", "EINTR", "20+50"),
    ("epoll", "recvfrom,recvmsg", "EAGAIN", "20+5"),
    ("epoll", "recvfrom,recvmsg", "ENOMEM", "50+200"),
    ("epoll", "sendto,sendmsg", "EAGAIN", "20+5"),
    ("epoll", "sendto,sendmsg", "EINTR", "20+50"),
    ("epoll", "sendto,sendmsg", "ENOBUFS", "50+200"),
    ("uring", "io_uring_enter", "EINTR", "20+5"),
    ("uring", "io_uring_enter", "EAGAIN", "20+5"),
    ("uring", "io_uring_enter", "EBUSY", "20+5"),
    ("uring", "io_uring_enter", "ENOMEM", "20+5"),
    ("uring", "accept4", "ECONNABORTED", "2+3"),
    ("uring", "accept4", "EMFILE", "3+5"),
]


class Traced:
    """An ackd of one worker, whose calls fail where strace says so."""

    def __init__(self, folder, engine, inject):
        self.ports = folder / "ports"
        self.log = folder / "log"
        self.strace = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={inject}", ACKD,
             "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--pprof-listen=off",
             "--workers=1", f"--engine={engine}", f"--ports-file={self.ports}"],
            stderr=open(self.log, "wb"), preexec_fn=lambda: prepare_child(()))
        wait_for(lambda: self.ports.exists() or self.strace.poll() is not None, "started")
        assert self.strace.poll() is None, self.log.read_text()
        lines = self.ports.read_text().split()
        self.port = int(lines[1].rpartition(":")[2])
        self.metrics_port = int(lines[-1].rpartition(":")[2])
        self.pid = int(subprocess.run(["pgrep", "-P", str(self.strace.pid)], text=True, check=True,
                                      capture_output=True).stdout.split()[0])

    def metrics(self):
        """Asked until it is answered: the admin server's calls fail, too."""
        from urllib.request import urlopen

        def ask():
            with contextlib.suppress(OSError):
                with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=2) as answer:
                    return parse_series(answer.read().decode())
            return None
        return wait_for(ask, "metrics")

    def close(self):
        if self.strace.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.strace.wait(DEADLINE)


def round_trips(port, count):
    """How many of @count were acked before the connection was lost: a hit one may be."""
    acked = 0
    try:
        with Client(("127.0.0.1", port)) as client:
            for _ in range(count):
                client.round_trip()
                acked += 1
    except (OSError, AssertionError) as failure:
        # FIN or RST: an ack that is wrong or late is another matter.
        assert isinstance(failure, OSError) or str(failure).startswith(("FIN", "RST")), failure
    return acked


@pytest.mark.parametrize("engine, call, error, when", CASES,
                         ids=[f"{row[0]}-{row[1].split(',')[0]}-{row[2]}" for row in CASES])
def test_a_call_fails(tmp_path, engine, call, error, when):
    traced = Traced(tmp_path, engine, f"{call}:error={error}:when={when}")
    try:
        begin = time.monotonic()
        acked = [round_trips(traced.port, 30) for _ in range(20)]
        assert acked.count(30) >= 10, f"most connections are not hit: {acked}"
        wait_for(lambda: traced.metrics()["client_connected"] == 0, "all have left")
        metrics = traced.metrics()
        assert metrics["rsp_send_total"] >= sum(acked)
        assert metrics["req_recv_total"] == \
            metrics["rsp_send_total"] + metrics["acks_dropped_total"]
        assert metrics["connections_accepted_total"] == total(metrics, "connections_closed_total")
        assert time.monotonic() - begin < 3 * DEADLINE
        os.kill(traced.pid, signal.SIGTERM)
        traced.strace.wait(DEADLINE)
        assert "event=finished" in traced.log.read_text()
    finally:
        traced.close()
