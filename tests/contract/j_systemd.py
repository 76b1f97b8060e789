# SPDX-License-Identifier: MIT
"""What a service manager sees: notifications, the watchdog's food, sockets that it passes on."""
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

import wire
from client import DEADLINE, PATIENCE, Client, wait_for
from server import prepare_child


# Nothing that another server may have open already.
QUIET = ("--metrics-listen=off", "--pprof-listen=off")


class Manager:
    """The end of NOTIFY_SOCKET that listens."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.settimeout(DEADLINE)

    def next(self):
        return self.socket.recv(4096).decode().splitlines()

    def until(self, line):
        """Skips what comes before a message with @line."""
        while line not in (message := self.next()):
            pass
        return message

    def silent_for(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return not self.next()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(DEADLINE)


@pytest.fixture(params=("path", "abstract"))
def manager(request, tmp_path, monkeypatch):
    name = str(tmp_path / "notify") if request.param == "path" else f"\0ackd-{os.getpid()}"
    made = Manager(name)
    monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
    yield made
    made.socket.close()


def test_its_life(start, manager, tmp_path):
    config = tmp_path / "ackd.conf"
    config.write_text("")
    started = start(f"--config={config}", "--workers=2")
    assert manager.next() == ["READY=1", "STATUS=Serving"]
    with started.connect() as client:
        client.round_trip()

        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        started.signal(signal.SIGHUP)
        reloading, at = manager.next()
        assert reloading == "RELOADING=1"
        name, _, stamp = at.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before <= int(stamp) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert manager.next() == ["READY=1"]

        config.write_text("nope")
        started.signal(signal.SIGHUP)
        assert manager.next()[0] == "RELOADING=1"
        assert manager.next() == ["READY=1"]
        client.round_trip()
    started.signal(signal.SIGTERM)
    assert manager.next() == ["STOPPING=1", "STATUS=Draining"]
    assert started.wait() == 0


def test_nothing_is_ready_that_did_not_start(program, manager):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        finished = subprocess.run(
            [program, f"--listen=127.0.0.1:{taken.getsockname()[1]}", *QUIET],
            stderr=subprocess.PIPE, timeout=DEADLINE, check=False)
    assert finished.returncode == 71
    assert manager.silent_for(0.1)


def test_a_manager_that_has_gone_is_no_reason_to_end(start, manager):
    manager.socket.close()
    started = start("--workers=1")
    with started.connect() as client:
        client.round_trip()


def test_the_watchdog_is_fed(start, manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", str(int(400_000 * PATIENCE)))
    started = start("--workers=2")
    manager.until("STATUS=Serving")
    last = time.monotonic()
    for _ in range(8):
        manager.until("WATCHDOG=1")
        assert time.monotonic() - last < 0.4 * PATIENCE
        last = time.monotonic()
    started.pause()
    while not manager.silent_for(0.5):
        assert time.monotonic() < last + DEADLINE
    started.resume()
    manager.until("WATCHDOG=1")


def test_no_watchdog_no_food(start, manager):
    start("--workers=2")
    manager.until("STATUS=Serving")
    assert manager.silent_for(1.2)


def pass_on(program, sockets, *arguments, names=None, folder=None):
    """An ackd with @sockets as descriptors 3 and on, as systemd does it."""
    def prepare():
        prepare_child(())
        copies = [os.dup(passed.fileno()) for passed in sockets]
        high = [os.dup2(copy, 100 + i) for i, copy in enumerate(copies)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
            os.set_inheritable(3 + i, True)
        os.environ["LISTEN_PID"] = str(os.getpid())

    environment = {"LISTEN_FDS": str(len(sockets))}
    if names:
        environment["LISTEN_FDNAMES"] = names
    # A shell, because LISTEN_PID is known in the child only; exec keeps the pid.
    command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", program, *QUIET,
               f"--ports-file={folder}/ports", *arguments]
    if os.environ.get("ACKD_TEST_ENGINE"):
        command.append(f"--engine={os.environ['ACKD_TEST_ENGINE']}")
    return subprocess.Popen(command, env={**os.environ, **environment}, preexec_fn=prepare,
                            close_fds=False, stderr=open(folder / "log", "wb"))


@pytest.fixture
def passing(program, tmp_path):
    """passing(sockets, *arguments) is ackd with them, and the addresses that it serves."""
    processes = []

    def run(sockets, *arguments, names=None):
        folder = tmp_path / str(len(processes))
        folder.mkdir()
        process = pass_on(program, sockets, *arguments, names=names, folder=folder)
        processes.append(process)
        wait_for(lambda: (folder / "ports").exists() or process.poll() is not None, "started")
        assert process.poll() is None, (folder / "log").read_text()
        return process, (folder / "ports").read_text().splitlines()

    yield run
    for process in processes:
        process.kill()
        process.wait()


def listening():
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize("workers", (1, 3))
def test_sockets_are_inherited(passing, workers, tmp_path):
    with listening() as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "ackd.sock"))
        unix.listen()
        process, lines = passing([tcp, unix], "--listen=systemd", f"--workers={workers}")
        assert lines == [f"listen 127.0.0.1:{tcp.getsockname()[1]} dialect=spec",
                         f"listen unix:{tmp_path}/ackd.sock dialect=spec"]
        for address in (tcp.getsockname(), unix.getsockname()) * 5:
            with Client(address) as client:
                client.round_trip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert (tmp_path / "ackd.sock").exists(), "the file is systemd's"


def test_the_queue_of_an_inherited_socket_is_one(passing):
    """Each worker accepts from it, and it is counted once."""
    with socket.create_server(("127.0.0.1", 0), backlog=7) as tcp:
        _, lines = passing([tcp], "--listen=systemd", "--workers=3",
                           "--metrics-listen=127.0.0.1:0")
        address = next(line.split()[1] for line in lines if line.startswith("metrics "))
        limit = re.compile(rb"^ackd_listen_queue_limit\{[^}]*\} (\d+)$", re.M)

        def limits():
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE) as answer:
                return sum(map(int, limit.findall(answer.read())))

        wait_for(limits, "the queue has been looked at")
        time.sleep(0.5)  # each worker has looked by then
        assert limits() == 7


def test_ipv4_over_a_socket_for_both_families(passing):
    """systemd's ListenStream=8888 is one: limits for an address are for that of IPv4."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both:
        passing([both], "--listen=systemd", "--workers=1", "--max-conns-per-ip=1")
        port = both.getsockname()[1]
        with Client(("127.0.0.1", port)) as first:
            first.round_trip()
            with Client(("127.0.0.1", port)) as second:
                second.expect_end()
            with socket.create_connection(("127.0.0.1", port), DEADLINE,
                                          source_address=("127.0.0.2", 0)) as other:
                other.sendall(wire.submit(1))
                assert other.recv(1, socket.MSG_PEEK)
            with Client(("::1", port)) as another:
                another.round_trip()
            first.round_trip()


def test_sockets_by_name(passing):
    with listening() as first, listening() as second, listening() as other:
        passing([first, second, other], "--listen=systemd:plain",
                "--listen=systemd:old,dialect=demo", names="plain:old:unused")
        with Client(first.getsockname()) as client:
            client.round_trip()
        with Client(second.getsockname(), "demo") as client:
            client.round_trip()
        with socket.create_connection(other.getsockname()) as waiting:
            waiting.sendall(wire.submit(1))
            waiting.settimeout(0.3)
            with pytest.raises(TimeoutError):
                waiting.recv(1)


def test_a_restart_refuses_nobody(passing):
    """Who connects between two servers waits for the second."""
    with listening() as tcp:
        first, _ = passing([tcp], "--listen=systemd", "--workers=2")
        with Client(tcp.getsockname()) as client:
            client.round_trip()
            first.send_signal(signal.SIGTERM)
            client.expect_fin()
        assert first.wait(DEADLINE) == 0
        between = [Client(tcp.getsockname()) for _ in range(20)]
        for client in between:
            client.send(wire.submits(5))
        passing([tcp], "--listen=systemd", "--workers=2")
        for client in between:
            client.expect_acks(5)
            client.close()


@pytest.mark.parametrize("arguments, code, named", (
    (["--listen=systemd"], 71, "no socket"),
    (["--listen=systemd:web"], 71, "called web"),
    (["--listen=systemd", "--listen=systemd"], 78, "given twice"),
    (["--listen=systemd", "--listen=systemd:a"], 78, "given twice"),
    (["--listen=systemd:"], 78, "--listen"),
    (["--listen=systemd,dialect=x"], 78, "dialect"),
), ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_refused(program, arguments, code, named):
    finished = subprocess.run([program, *QUIET, *arguments], text=True,
                              stderr=subprocess.PIPE, timeout=DEADLINE, check=False)
    assert finished.returncode == code
    assert named in finished.stderr


def test_check_config_needs_no_systemd(program):
    finished = subprocess.run([program, "--listen=systemd:web", "--check-config"],
                              stdout=subprocess.DEVNULL, timeout=DEADLINE, check=False)
    assert finished.returncode == 0
