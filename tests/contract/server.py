# SPDX-License-Identifier: MIT
"""server - the server under test: an ackd of our own, or one that somebody else started"""
import contextlib
import ctypes
import http.client
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

import seccomp
from client import DEADLINE, Client, wait_for

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1

# What a sanitizer or a failed assertion writes before it ends the program.
REPORTS = re.compile(r"Sanitizer|runtime error:|Assertion .* failed", re.I)

# What it says when it has ended: every connection that was accepted was closed for one reason.
BOOKS = re.compile(r'"?accepted"?[=:](\d+),? ?"?closed"?[=:](\d+)')


def fault(program, text):
    """The environment in which ackd's calls fail (faults.c)."""
    library = pathlib.Path(program).parents[2] / "tests" / "contract" / "libfaults.so"
    assert library.exists(), f"no {library}: build it with ackd"
    if is_instrumented(program):
        pytest.skip("a preloaded library and a sanitizer's runtime want the same place")
    return {"LD_PRELOAD": str(library), "ACKD_FAULT": text}


HTTP_CONN_COUNT_MAX = 32  # as in http.h


@contextlib.contextmanager
def crowd_of_http(started, address):
    """Three times as many idle connections as there may be; no more than there may be are open."""
    before = started.lasting_descriptor_count()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(address))
                for _ in range(HTTP_CONN_COUNT_MAX * 3)]
        wait_for(lambda: started.lasting_descriptor_count() >= before + HTTP_CONN_COUNT_MAX,
                 "as many as may be")
        time.sleep(0.5)
        assert started.lasting_descriptor_count() <= before + HTTP_CONN_COUNT_MAX
        yield idle


def parse_address(text):
    """What Client() takes: (host, port), or the path of a unix socket."""
    if text.startswith("unix:"):
        return text[len("unix:"):]
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def parse_series(text, prefix="ackd"):
    """Every sample of an exposition by its series, without @prefix."""
    series = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        name = name.removeprefix(prefix + "_")
        assert name not in series, f"{name} stands there twice"
        series[name] = float(value)
    return series


def is_instrumented(program):
    """True for sanitizer builds."""
    text = pathlib.Path(program).read_bytes()
    return b"__asan_init" in text or b"__tsan_init" in text


def total(series, family):
    """The sum over all labels of @family."""
    return sum(value for name, value in series.items() if name.split("{")[0] == family)


class Attached:
    """A server that is not ours: it can be talked to, nothing else."""

    owned = False

    def __init__(self, address, dialect):
        self.addresses = {dialect: parse_address(address)}
        self.dialect = dialect
        self.barrier_client = None

    def connect(self, dialect=None, **buffers):
        dialect = dialect or self.dialect
        return Client(self.addresses[dialect], dialect, **buffers)

    def barrier(self):
        """Returns when the server has had a turn: a server with one worker has then seen all that
        was sent to it before."""
        if not self.barrier_client:
            self.barrier_client = self.connect()
        self.barrier_client.round_trip()

    @contextlib.contextmanager
    def moves(self, _):
        """Nothing is known about the counters of somebody else's server."""
        yield

    def close(self):
        if self.barrier_client:
            self.barrier_client.close()


class Ackd(Attached):
    """An ackd of our own.  Ends with close(), whatever happened before.

    @environment is added to ours; @stderr (a descriptor) takes the log in place of a file; @prepare
    is called in the child before it becomes ackd."""

    owned = True

    def __init__(self, program, folder, *arguments, listen=("127.0.0.1:0",), limits=(),
                 metrics="127.0.0.1:0", pprof="off", forbidden=(), environment=None, stderr=None,
                 prepare=None):
        self.program = program
        self.folder = pathlib.Path(folder)
        self.log_path = self.folder / "log"
        self.ports_path = self.folder / "ports"
        self.barrier_client = None
        self.admin = None
        options = [f"--listen={address}" for address in listen]
        if os.environ.get("ACKD_TEST_ENGINE"):
            options.append(f"--engine={os.environ['ACKD_TEST_ENGINE']}")
        if os.environ.get("ACKD_TEST_SANDBOX"):
            options.append(f"--sandbox={os.environ['ACKD_TEST_SANDBOX']}")
        if metrics:
            options.append(f"--metrics-listen={metrics}")
        if pprof:
            options.append(f"--pprof-listen={pprof}")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program, *options, f"--ports-file={self.ports_path}", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=stderr or log,
                env={**os.environ, **(environment or {})},
                preexec_fn=lambda: prepare_child(limits, forbidden, prepare))
        self.pid = self.process.pid
        try:
            self.read_ports()
        except BaseException:
            self.kill()
            raise

    def read_ports(self):
        wait_for(lambda: self.ports_path.exists() or self.process.poll() is not None,
                 "ports file written")
        assert self.ports_path.exists(), f"ackd ended: {self.process.returncode}\n{self.log()}"
        self.listeners = []  # (address, dialect), in order
        self.metrics_address = None
        self.pprof_address = None
        for line in self.ports_path.read_text(errors="surrogateescape").splitlines():
            kind, address, *rest = line.split(" ")
            if kind == "metrics":
                self.metrics_address = parse_address(address)
            elif kind == "pprof":
                self.pprof_address = parse_address(address)
            else:
                self.listeners.append((parse_address(address), rest[0].removeprefix("dialect=")))
        # The first of each dialect.
        self.addresses = {dialect: address for address, dialect in reversed(self.listeners)}
        self.dialect = self.listeners[0][1] if self.listeners else "spec"

    # Looking at it

    def log(self):
        return self.log_path.read_text(errors="replace")

    def request(self, path, method="GET", **headers):
        """One HTTP request on a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection(*self.metrics_address, timeout=DEADLINE)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=names)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def metrics(self, prefix="ackd"):
        """All samples by series, without the prefix.  Asked over one kept connection, so that a
        server without a free descriptor still answers; the server closes it when it is idle."""
        if not self.admin:
            self.admin = http.client.HTTPConnection(*self.metrics_address, timeout=DEADLINE)
        try:
            self.admin.request("GET", "/metrics")
            response = self.admin.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.admin.close()
            self.admin.request("GET", "/metrics")
            response = self.admin.getresponse()
        body = response.read().decode()
        assert response.status == 200, body
        return parse_series(body, prefix)

    @contextlib.contextmanager
    def moves(self, changes):
        """The block moves each of these series by exactly that much, soon."""
        before = self.metrics()
        yield
        moved = {}

        def arrived():
            now = self.metrics()
            moved.update({name: now[name] - before[name] for name in changes})
            return all(moved[name] >= change for name, change in changes.items())

        with contextlib.suppress(AssertionError):
            wait_for(arrived, "counters")
        assert moved == changes

    def resident_size(self):
        """To the page; what stands in status is rounded by as much as a few hundred KiB."""
        rollup = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Rss:\s+(\d+) kB", rollup, re.M)[1]) * 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptor_count(self):
        """Of all that are open; some files are for a moment only, to be read."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def lasting_descriptor_count(self):
        """Without files: sockets, pipes, events, which are open until something ends."""
        count = 0
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                count += not os.readlink(f"/proc/{self.pid}/fd/{number}").startswith("/")
        return count

    def is_instrumented(self):
        """True for sanitizer builds, whose memory says nothing."""
        return is_instrumented(self.program)

    # Ending it

    def signal(self, number):
        self.process.send_signal(number)

    def pause(self):
        """SIGSTOP, which does not wait by itself until every thread has stopped."""
        self.signal(signal.SIGSTOP)
        wait_for(lambda: set(self.thread_states()) == {"T"}, "every thread stopped")

    def resume(self):
        self.signal(signal.SIGCONT)

    def thread_states(self):
        for stat in pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat"):
            yield stat.read_text().rpartition(")")[2].split()[0]

    def wait(self, seconds=DEADLINE):
        """Its exit code, once it ended by itself."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"ackd is still there after {seconds:g} s\n{self.log()}") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        super().close()
        if self.admin:
            self.admin.close()

    def close(self):
        """Drains it if it still runs; a crash or a sanitizer's report fails the test."""
        code = self.process.poll()
        try:
            if code is None:
                super().close()
                self.signal(signal.SIGCONT)
                self.signal(signal.SIGTERM)
                # What a test left unfinished may take its time: a second signal ends it at once.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(1)
                if self.process.poll() is None:
                    self.signal(signal.SIGTERM)
                code = self.wait()
        finally:
            self.kill()
        log = self.log()
        assert not REPORTS.search(log), log
        books = BOOKS.search(log)
        assert not books or books[1] == books[2], f"accepted and closed differ\n{log}"
        assert code in (0, 3, -signal.SIGKILL), f"ackd ended with {code}\n{log}"


def prepare_child(limits, forbidden=(), prepare=None):
    """Runs in the child before ackd: it ends when we do, has @limits, and the system calls of
    @forbidden fail: pairs of (number, errno)."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, value in limits:
        resource.setrlimit(kind, (value, value))
    for call, code in forbidden:
        seccomp.forbid(call, code)
    if prepare:
        prepare()
