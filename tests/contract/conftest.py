# SPDX-License-Identifier: MIT
"""The contract suite: what any server of docs/PROTOCOL.md must do, seen from outside.

    /usr/bin/python3 -m pytest tests/contract                       build/test/src/ackd/ackd
    /usr/bin/python3 -m pytest tests/contract --ackd build/asan/src/ackd/ackd
    /usr/bin/python3 -m pytest tests/contract --server 127.0.0.1:8888 [--dialect demo]

With --server it talks to a server that somebody else started, ours or not: what needs to start,
stop or look into one is skipped.
"""
import os
import pathlib
import subprocess

import pytest

# Before they are imported: so their asserts, too, say what they compared.
pytest.register_assert_rewrite("client", "server")

import server as server_module

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    group = parser.getgroup("ackd")
    group.addoption("--ackd", metavar="PATH",
                    default=os.environ.get("ACKD", ROOT / "build/test/src/ackd/ackd"),
                    help="the ackd that tests start (environment: ACKD)")
    group.addoption("--server", metavar="HOST:PORT", default=os.environ.get("ACKD_TEST_SERVER"),
                    help="test this running server (environment: ACKD_TEST_SERVER)")
    group.addoption("--engine", default=os.environ.get("ACKD_TEST_ENGINE"),
                    choices=("auto", "epoll", "uring"),
                    help="the engine of every ackd that is started (environment: "
                         "ACKD_TEST_ENGINE); a test's own --engine wins")
    group.addoption("--sandbox", default=os.environ.get("ACKD_TEST_SANDBOX"),
                    choices=("off", "on", "strict"),
                    help="the same for --sandbox (environment: ACKD_TEST_SANDBOX)")
    group.addoption("--dialect", choices=("spec", "demo"), default="spec",
                    help="how the server of --server numbers its acks")


def pytest_configure(config):
    program = config.getoption("--ackd")
    if config.getoption("--engine"):
        os.environ["ACKD_TEST_ENGINE"] = config.getoption("--engine")  # for server.py
    if config.getoption("--sandbox"):
        os.environ["ACKD_TEST_SANDBOX"] = config.getoption("--sandbox")
    if not config.getoption("--server") and not os.access(program, os.X_OK):
        raise pytest.UsageError(f"no ackd at {program}: build it, or give --ackd PATH or "
                                "--server HOST:PORT")


@pytest.fixture(scope="session")
def program(pytestconfig):
    """The path of ackd, for tests that start it."""
    if pytestconfig.getoption("--server"):
        pytest.skip("needs an ackd of its own, and --server was given")
    return str(pytestconfig.getoption("--ackd"))


class Starter:
    """Starts servers, and ends them all."""

    def __init__(self, program, folders):
        self.program = program
        self.folders = folders
        self.servers = []

    def __call__(self, *arguments, **options):
        started = server_module.Ackd(self.program, self.folders.mktemp("ackd"), *arguments,
                                     **options)
        self.servers.append(started)
        return started

    def close(self):
        failures = []
        for started in self.servers:
            try:
                started.close()
            except AssertionError as failure:
                failures.append(str(failure))
        assert not failures, "\n".join(failures)


@pytest.fixture
def start(program, tmp_path_factory):
    """start("--option=value", ...) gives a server that ends with the test."""
    starter = Starter(program, tmp_path_factory)
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def start_for_module(program, tmp_path_factory):
    """As start, but ends with the module."""
    starter = Starter(program, tmp_path_factory)
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def server(pytestconfig, tmp_path_factory):
    """The server of the plain tests: that of --server, or one with one worker (so that the trouble
    and its canary meet in one thread), both dialects and otherwise defaults."""
    address = pytestconfig.getoption("--server")
    if address:
        started = server_module.Attached(address, pytestconfig.getoption("--dialect"))
    else:
        started = server_module.Ackd(
            str(pytestconfig.getoption("--ackd")), tmp_path_factory.mktemp("server"),
            "--workers=1", listen=("127.0.0.1:0", "127.0.0.1:0,dialect=demo"))
    yield started
    started.close()


@pytest.fixture(params=("spec", "demo"))
def dialect(request, server):
    """Each dialect that the server speaks."""
    if request.param not in server.addresses:
        pytest.skip(f"this server has no listener in the {request.param} dialect")
    return request.param


@pytest.fixture(scope="session", params=("epoll", "uring"))
def engine(request, program):
    """Each engine that works here, for tests that must hold with both whatever --engine says."""
    if request.param == "uring":
        # The engine is tried first; then an address that is nobody's ends it.
        refused = subprocess.run([program, "--engine=uring", "--listen=192.0.2.1:1"],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if "io_uring" in refused.stderr:
            pytest.skip(refused.stderr)
    return request.param
