# SPDX-License-Identifier: MIT
"""The profile suite: /debug/pprof of ackd, as viewers, collectors and browsers use it.

    ACKD=build/test/src/ackd/ackd /usr/bin/python3 -m pytest tests/profile

Tests that need Go's tool or a browser are marked `viewers`, those that take long `long`:
-m "not viewers and not long" leaves both out, as ./dev test does.
"""
import http.client
import os
import pathlib
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))
pytest.register_assert_rewrite("server", "client", "pprof")

import server as server_module  # noqa: E402
from client import wait_for  # noqa: E402

ACKD = pathlib.Path(os.environ.get("ACKD", ROOT / "build/test/src/ackd/ackd"))
ACKLOAD = pathlib.Path(os.environ.get("ACKLOAD", ACKD.parents[1] / "load" / "ackload"))
BENCH = ACKD.parents[1] / "profile" / "sampler_bench"
DEADLINE = 60 * int(os.environ.get("ACKD_TEST_PATIENCE", "1"))


def is_built_with(*sanitizers):
    program = ACKD.read_bytes()
    return any(b"__%s_init" % name in program for name in sanitizers)


def is_left_out(item):
    return (item.get_closest_marker("exact") and is_built_with(b"asan", b"tsan")
            or item.get_closest_marker("loader") and is_built_with(b"tsan"))


def pytest_collection_modifyitems(config, items):
    left_out = list(filter(is_left_out, items))
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


class Served(server_module.Ackd):
    """An ackd whose profiles are served. Tests look for functions of the engine epoll, which every
    kernel has; another one is asked for by name."""

    def __init__(self, program, folder, *arguments, **options):
        options.setdefault("pprof", "127.0.0.1:0")
        if not any(argument.startswith("--engine") for argument in arguments):
            arguments += ("--engine=epoll",)
        super().__init__(str(program), folder, *arguments, **options)

    def is_instrumented(self):
        # The file that it was started from may be gone.
        return is_built_with(b"asan", b"tsan")

    @property
    def url(self):
        return "http://%s:%d/debug/pprof/" % self.pprof_address

    def metrics(self, prefix="ackd"):
        """Over a connection of its own: a kept one is closed by the server while tests wait."""
        if self.admin:
            self.admin.close()
        return super().metrics(prefix)

    def get(self, path, method="GET", body=None, patience=0, headers=None):
        """One request, under /debug/pprof/ if it is not absolute: (status, headers, body)."""
        connection = http.client.HTTPConnection(*self.pprof_address, timeout=DEADLINE + patience)
        whole = path if path.startswith("/") else "/debug/pprof/" + path
        try:
            connection.request(method, whole, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def ok(self, path):
        status, _, body = self.get(path)
        assert status == 200, body
        assert body
        return body


class Load:
    """ackload in the background, for the time of a block, which begins when the load has come."""

    def __init__(self, target, *arguments):
        self.target = target
        host, port = target.addresses["spec"]
        self.command = [ACKLOAD, "run", "--connect", f"{host}:{port}", "-c", "4", "-d", "64",
                        "-t", "1", "--time", "60s", "--quiet", *arguments]

    def received(self):
        return self.target.metrics()["req_recv_total"]

    def __enter__(self):
        before = self.received()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: self.received() > before, "the load has come", DEADLINE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(DEADLINE)


@pytest.fixture
def start(tmp_path_factory):
    started = []

    def start(*arguments, program=ACKD, **options):
        one = Served(program, tmp_path_factory.mktemp("ackd"), *arguments, **options)
        started.append(one)
        return one

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for the tests that leave it as it was."""
    one = Served(ACKD, tmp_path_factory.mktemp("ackd"), "--workers=2")
    yield one
    one.close()


@pytest.fixture
def load():
    return Load


def in_background(function, *arguments):
    """Runs it on a thread; join() on what comes back gives its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)), daemon=True)
    thread.start()

    def join():
        thread.join(DEADLINE)
        return results[0]

    join.is_running = thread.is_alive
    return join
