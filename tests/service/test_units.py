# SPDX-License-Identifier: MIT
"""The units of dist/, judged by systemd's own tools; none of this needs systemd to be running."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))

from client import DEADLINE, Client, wait_for  # noqa: E402
from server import prepare_child  # noqa: E402

ACKD = os.environ.get("ACKD", str(ROOT / "build/test/src/ackd/ackd"))
EXPOSURE_MAX = 1.2  # what docs/OPERATIONS.md says


@pytest.fixture
def units(tmp_path):
    """The units, with the ackd that was built in the place of the installed one."""
    for name in ("ackd.service", "ackd.socket"):
        text = (ROOT / "dist" / name).read_text()
        if name == "ackd.service":
            assert "ExecStart=/usr/bin/ackd " in text
        (tmp_path / name).write_text(text.replace("/usr/bin/ackd", ACKD))
    return tmp_path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "SYSTEMD_PAGER": "", "LC_ALL": "C.UTF-8"})


def test_verify(units):
    done = analyze("verify", "--man=no", units / "ackd.service", units / "ackd.socket")
    assert (done.returncode, done.stdout) == (0, "")


def test_verify_finds_what_is_wrong(units):
    unit = units / "ackd.service"
    unit.write_text(unit.read_text().replace("Restart=on-failure", "Restart=sometimes"))
    assert "sometimes" in analyze("verify", "--man=no", unit).stdout


def exposure(unit):
    done = analyze("security", "--offline=true", "--no-pager", unit)
    match = re.search(r"Overall exposure level for ackd\.service: ([0-9.]+)", done.stdout)
    assert match, done.stdout
    return float(match[1])


def test_exposure(units):
    unit = units / "ackd.service"
    assert exposure(unit) <= EXPOSURE_MAX
    unit.write_text(unit.read_text().replace("NoNewPrivileges=yes\n", "")
                    .replace("PrivateUsers=yes\n", "").replace("SystemCallFilter=", "#"))
    assert exposure(unit) > EXPOSURE_MAX


def filtered_calls():
    """What the unit's SystemCallFilter= lets through."""
    groups = {}
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = set()
        elif line.strip() and not line.strip().startswith("#"):
            groups[name].add(line.strip())

    def expand(word):
        if not word.startswith("@"):
            return {word}
        return set().union(*(expand(one) for one in groups[word]))

    allowed = set()
    for line in (ROOT / "dist" / "ackd.service").read_text().splitlines():
        key, _, value = line.partition("=")
        if key != "SystemCallFilter":
            continue
        named = set().union(*(expand(word) for word in value.removeprefix("~").split()))
        allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def without_capabilities():
    """What to run a program by, so that it has none, as the unit's has: for root."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def test_the_filter_lets_through_what_ackd_calls(tmp_path):
    """Every system call of a run, from start to drain, under both engines."""
    allowed = filtered_calls()
    assert {"io_uring_setup", "io_uring_enter", "io_uring_register"} <= allowed
    assert not {"mount", "ptrace", "bpf", "init_module", "setuid", "setrlimit"} & allowed
    for engine in ("epoll", "uring"):
        trace = tmp_path / engine
        ports = tmp_path / f"{engine}.ports"
        with subprocess.Popen(
                [*without_capabilities(), "strace", "-f", "-qq", "-o", trace, ACKD,
                 "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
                 "--pprof-listen=127.0.0.1:0", "--workers=2", f"--engine={engine}",
                 f"--ports-file={ports}", f"--handler=append:{tmp_path}/records"],
                stderr=subprocess.PIPE, preexec_fn=lambda: prepare_child(())) as ackd:
            wait_for(ports.exists, "started")
            port = int(ports.read_text().split()[1].rpartition(":")[2])
            with Client(("127.0.0.1", port)) as client:
                client.round_trip()
            pid = int(subprocess.run(["pgrep", "-P", str(ackd.pid)], text=True, check=True,
                                     capture_output=True).stdout.split()[0])
            os.kill(pid, signal.SIGHUP)
            os.kill(pid, signal.SIGTERM)
            assert ackd.wait(DEADLINE) == 0, ackd.stderr.read()
        called = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.M))
        assert "sendto" in called or "io_uring_enter" in called
        assert called - allowed == set(), f"{engine}: the unit's filter forbids these"


def test_the_config_file_is_legal():
    done = subprocess.run([ACKD, "--config", ROOT / "dist" / "ackd.conf", "--check-config"],
                          check=False, stdout=subprocess.DEVNULL)
    assert done.returncode == 0


def connect(port):
    try:
        return Client(("127.0.0.1", port))
    except ConnectionError:
        return None


@pytest.mark.parametrize("engine", ("epoll", "uring"))
def test_with_systemds_own_activation(tmp_path, engine):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    name = re.search(r"FileDescriptorName=(\w+)", (ROOT / "dist" / "ackd.socket").read_text())[1]
    with open(tmp_path / "log", "wb") as log, subprocess.Popen(
            ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", f"--fdname={name}", ACKD,
             f"--listen=systemd:{name}", "--metrics-listen=off", "--pprof-listen=off",
             f"--engine={engine}"],
            stderr=log, preexec_fn=lambda: prepare_child(())) as ackd:
        try:
            with wait_for(lambda: connect(port), "systemd listens") as client:
                client.round_trip()
            ackd.send_signal(signal.SIGTERM)
            assert ackd.wait(DEADLINE) == 0
        finally:
            ackd.kill()
    assert "event=finished" in (tmp_path / "log").read_text()
