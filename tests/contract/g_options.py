# SPDX-License-Identifier: MIT
"""Options and the config file: what is wrong is refused with words that help, before anything is
opened; what is right does what it says."""
import json
import socket
import subprocess

import pytest

import wire
from client import DEADLINE, Canary, wait_for

EXIT_USAGE = 78
EXIT_SYSTEM = 71


@pytest.fixture
def run(program, tmp_path):
    """run("--option", ...) gives the finished ackd, which must not have started to serve."""
    ports = tmp_path / "ports"

    def run(*arguments, listen="127.0.0.1:0"):
        options = [f"--listen={listen}"] if listen else []
        finished = subprocess.run(
            [program, *options, "--metrics-listen=127.0.0.1:0", "--pprof-listen=off",
             f"--ports-file={ports}", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=DEADLINE)
        assert not ports.exists(), "it opened its ports"
        return finished

    return run


# (arguments, what the message must name, what it must say is legal)
REFUSED = [
    (["--nope"], "--nope", "--help"),
    (["--nope=1"], "--nope", "--help"),
    (["--port", "9000"], "--port", "--help"),  # it is no short form of --ports-file
    (["--worker=2"], "--worker", "--help"),
    (["-x"], "-x", "--help"),
    (["stray"], "stray", "--help"),
    (["--listen"], "--listen", ""),
    (["--listen="], "--listen", "ADDR:PORT"),
    (["--listen=127.0.0.1"], "--listen", "ADDR:PORT"),
    (["--listen=127.0.0.1:"], "--listen", "ADDR:PORT"),
    (["--listen=127.0.0.1:65536"], "--listen", "65535"),
    (["--listen=127.0.0.1:http"], "--listen", "65535"),
    (["--listen=::1:8888"], "--listen", "["),
    (["--listen=localhost:8888"], "--listen", "IPv4"),
    (["--listen=unix:"], "--listen", "unix"),
    (["--listen=unix:/" + "p" * 200], "--listen", "107"),
    (["--listen=127.0.0.1:0,dialect=latin"], "--listen", "demo"),
    (["--listen=127.0.0.1:0,colour=red"], "--listen", "dialect"),
    (["--listen=127.0.0.1:0"] * 17, "--listen", "16"),
    (["--metrics-listen=x"], "--metrics-listen", "off"),
    (["--metrics-listen=127.0.0.1:99999"], "--metrics-listen", "65535"),
    (["--pprof-listen=x"], "--pprof-listen", "off"),
    (["--pprof-listen="], "--pprof-listen", "ADDR:PORT"),
    (["--pprof-listen=0.0.0.0:6060"], "--pprof-listen", "--pprof-allow-remote"),
    (["--pprof-listen=[::]:6060"], "--pprof-listen", "127.0.0.1"),
    (["--pprof-listen=:6060"], "--pprof-listen", "--pprof-allow-remote"),
    (["--profile-on-exit="], "--profile-on-exit", "FILE"),
    (["--metrics-prefix=9lives"], "--metrics-prefix", "letter"),
    (["--metrics-prefix=a-b"], "--metrics-prefix", "letter"),
    (["--workers=0"], "--workers", "auto"),
    (["--workers=-1"], "--workers", "auto"),
    (["--workers=many"], "--workers", "auto"),
    (["--workers=1000000"], "--workers", "auto"),
    (["--workers=1.5"], "--workers", "auto"),
    (["--max-frame=12"], "--max-frame", "13"),
    (["--max-frame=0"], "--max-frame", "13"),
    (["--max-frame=16777217"], "--max-frame", "16"),
    (["--max-frame=17m"], "--max-frame", "16"),
    (["--max-frame=64q"], "--max-frame", "13"),
    (["--max-frame=-64k"], "--max-frame", "13"),
    (["--max-frame=99999999999999999999"], "--max-frame", "16"),
    (["--max-conns=0"], "--max-conns", "auto"),
    (["--max-conns=x"], "--max-conns", "auto"),
    *(([f"--{name}={value}"], f"--{name}", "0 to") for value in ("-1", "x", "2000000", "1.5")
      for name in ("max-conns-per-ip", "conn-rate", "conn-rate-per-ip")),
    *(([f"--memory-limit={value}"], "--memory-limit", "auto, off")
      for value in ("0", "1023k", "-1m", "1e9", "lots")),
    (["--ack-high=1023"], "--ack-high", "1024"),
    (["--ack-low=64k"], "--ack-low", "--ack-high"),
    (["--ack-high=16k"], "--ack-low", "--ack-high"),
    (["--window=0"], "--window", "1"),
    (["--window=x"], "--window", "1"),
    *(([f"--{name}-timeout={value}"], f"--{name}-timeout", "10s")
      for name in ("first-frame", "idle", "frame", "write", "peer", "drain", "linger")
      for value in ("10", "-1s", "soon")),
    (["--handler=nope"], "--handler", "discard"),
    (["--handler="], "--handler", "discard"),
    (["--handler=discard:x"], "--handler", "discard"),
    (["--handler=append"], "--handler", "append:FILE"),
    (["--handler=append:"], "--handler", "append:FILE"),
    (["--handler=delay"], "--handler", "delay:TIME"),
    (["--handler=delay:soon"], "--handler", "delay:5ms"),
    (["--log-level=loud"], "--log-level", "debug"),
    (["--log-format=xml"], "--log-format", "json"),
    (["--config=/nonexistent/ackd.conf"], "/nonexistent/ackd.conf", ""),
    (["--config=/"], "/", ""),
]


@pytest.mark.parametrize("arguments, named, legal", REFUSED,
                         ids=[" ".join(row[0])[:40] for row in REFUSED])
def test_refused(run, arguments, named, legal):
    finished = run(*arguments)
    assert finished.returncode == EXIT_USAGE, finished.stderr
    assert finished.stdout == ""
    assert named in finished.stderr
    assert legal in finished.stderr
    assert len(finished.stderr.splitlines()) <= 3, "short enough to be read"


def test_contradiction_same_address_twice(run, free_port):
    address = f"127.0.0.1:{free_port}"
    finished = run(f"--listen={address}", f"--listen={address},dialect=demo")
    assert finished.returncode == EXIT_USAGE, finished.stderr
    assert address in finished.stderr and "--listen" in finished.stderr


def test_contradiction_metrics_on_the_same_address(run, free_port):
    address = f"127.0.0.1:{free_port}"
    finished = run(f"--listen={address}", f"--metrics-listen={address}")
    assert finished.returncode == EXIT_USAGE, finished.stderr
    assert address in finished.stderr and "--metrics-listen" in finished.stderr


def test_contradiction_profiles_on_the_address_of_metrics(run, free_port):
    address = f"127.0.0.1:{free_port}"
    finished = run(f"--metrics-listen={address}", f"--pprof-listen={address}")
    assert finished.returncode == EXIT_USAGE, finished.stderr
    assert address in finished.stderr and "--pprof-listen" in finished.stderr


@pytest.mark.parametrize("option", ("--listen", "--metrics-listen"))
def test_profiles_give_way_where_nobody_asked_for_them(program, option):
    """Their default port may be given to something else."""
    finished = subprocess.run([program, f"{option}=127.0.0.1:6060", "--check-config"],
                              capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("name", ("--metrics-listen", "--pprof-listen"))
def test_http_takes_no_socket_of_systemd(run, name):
    finished = run(f"{name}=systemd", "--check-config")
    assert finished.returncode == EXIT_USAGE, finished.stderr
    assert name in finished.stderr and "ADDR:PORT" in finished.stderr


@pytest.fixture
def free_port():
    """A port that was free a moment ago, for tests in which nothing is opened on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# The config file

CONFIG_REFUSED = [
    ("max-frame = 12\n", 1, "max-frame", "13"),
    ("# comment\n\nworkers = many\n", 3, "workers", "auto"),
    ("\n\n\nnope = 1\n", 4, "nope", ""),
    ("workers\n", 1, "workers", "="),
    ("workers =\n", 1, "workers", "auto"),
    ("listen = 127.0.0.1:0\nlisten = 127.0.0.1:0,dialect=x\n", 2, "listen", "demo"),
    ("config = other.conf\n", 1, "config", ""),
    ("= 5\n", 1, "", ""),
    ("handler = append:\n", 1, "handler", "append:FILE"),
    ("window = 10 20\n", 1, "window", ""),
    ("window = 10\n\nwindow = 10\n", 3, "window", "line 1"),
]


@pytest.mark.parametrize("text, line, named, legal", CONFIG_REFUSED,
                         ids=[row[0].strip().replace("\n", "|") for row in CONFIG_REFUSED])
@pytest.mark.parametrize("check", (False, True), ids=("start", "check"))
def test_config_refused(run, tmp_path, text, line, named, legal, check):
    config = tmp_path / "ackd.conf"
    config.write_text(text)
    finished = run(f"--config={config}", *(["--check-config"] if check else []), listen=None)
    assert finished.returncode == EXIT_USAGE, finished.stderr
    assert f"{config}:{line}" in finished.stderr
    assert named in finished.stderr
    assert legal in finished.stderr


CONFIG = """
# What this server does
   max-frame=100     
workers = 2
\thandler = delay:1ms
listen = 127.0.0.1:0,dialect=demo
listen = 127.0.0.1:0
metrics-prefix = from_file

idle-timeout = 0
log-format = json"""


def test_config_is_the_command_line(start, tmp_path):
    config = tmp_path / "ackd.conf"
    config.write_text(CONFIG)
    started = start(f"--config={config}", listen=())
    assert [dialect for _, dialect in started.listeners] == ["demo", "spec"]
    with started.connect("demo") as client:
        client.round_trip()
        client.send(wire.submit(1, bytes(100)))
        client.expect_fin()
    metrics = started.metrics(prefix="from_file")
    assert metrics["req_recv_total"] == 1
    assert 'worker_connections{worker="1"}' in metrics
    for line in started.log().splitlines():
        json.loads(line)


@pytest.mark.parametrize("text", (
    "max-frame = 100\r\nwindow = 5\r\n", "window = 5 # behind a value\n", "", "\n\n#\n",
    "listen=127.0.0.1:0", "  handler   =   discard  \n"), ids=repr)
def test_config_taken(run, tmp_path, text):
    config = tmp_path / "ackd.conf"
    config.write_text(text, newline="")
    finished = run(f"--config={config}", "--check-config")
    assert finished.returncode == 0, finished.stderr


def test_command_line_wins(start, tmp_path):
    config = tmp_path / "ackd.conf"
    config.write_text("max-frame = 100\nmetrics-prefix = from_file\nworkers = 2\n"
                      "listen = 127.0.0.1:0,dialect=demo\n")
    started = start("--max-frame=1000", f"--config={config}", "--metrics-prefix=from_line",
                    listen=("127.0.0.1:0",))
    assert [dialect for _, dialect in started.listeners] == ["spec"]
    with started.connect() as client:
        client.round_trip(bytes(500))
    assert 'worker_connections{worker="1"}' in started.metrics(prefix="from_line")


def test_check_config_opens_nothing(run, tmp_path):
    config = tmp_path / "ackd.conf"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(f"listen = 127.0.0.1:{taken.getsockname()[1]}\n"
                          f"handler = append:{tmp_path}/records\n")
        finished = run(f"--config={config}", "--check-config", listen=None)
    assert finished.returncode == 0, finished.stderr
    assert not (tmp_path / "records").exists()


def test_check_config_without_a_file(run):
    assert run("--check-config").returncode == 0
    assert run("--check-config", "--workers=0").returncode == EXIT_USAGE


# What tells about the program

OPTIONS = ("listen", "metrics-listen", "metrics-prefix", "pprof-listen", "pprof-allow-remote",
           "profile-on-exit", "workers", "max-frame", "max-conns",
           "max-conns-per-ip", "conn-rate", "conn-rate-per-ip", "memory-limit", "ack-high",
           "ack-low", "first-frame-timeout", "peer-timeout", "idle-timeout", "frame-timeout",
           "write-timeout", "drain-timeout", "linger-timeout",
           "window", "handler", "ports-file", "log-level", "log-format", "config", "check-config",
           "version", "help")


@pytest.mark.parametrize("option", ("--help", "-h"))
def test_help(run, option):
    finished = run(option)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert [name for name in OPTIONS if f"--{name}" not in finished.stdout] == []
    assert max(map(len, finished.stdout.splitlines())) <= 100


def test_version(run):
    finished = run("--version")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("ackd ")
    assert len(finished.stdout.splitlines()) == 1


def test_ports_file(start, tmp_path):
    started = start(listen=("127.0.0.1:0", f"{tmp_path}/ackd.sock,dialect=demo"),
                    pprof="127.0.0.1:0")
    lines = started.ports_path.read_text().splitlines()
    port = started.listeners[0][0][1]
    assert port > 0
    assert lines == [f"listen 127.0.0.1:{port} dialect=spec",
                     f"listen unix:{tmp_path}/ackd.sock dialect=demo",
                     f"metrics 127.0.0.1:{started.metrics_address[1]}",
                     f"pprof 127.0.0.1:{started.pprof_address[1]}"]


def test_ports_file_that_cannot_be_written(program):
    finished = subprocess.run([program, "--listen=127.0.0.1:0", "--metrics-listen=off",
                               "--pprof-listen=off", "--ports-file=/nonexistent/ports"],
                              capture_output=True, text=True, timeout=DEADLINE)
    assert finished.returncode == EXIT_SYSTEM
    assert "/nonexistent/ports" in finished.stderr


# Addresses that cannot be had

@pytest.mark.parametrize("workers", (1, 2))
def test_second_server_on_the_same_address(start, run, workers):
    first = start(f"--workers={workers}")
    address = f"127.0.0.1:{first.addresses['spec'][1]}"
    with Canary(first):
        for _ in range(3):
            refused = run(f"--workers={workers}", listen=address)
            assert refused.returncode == EXIT_SYSTEM, refused.stderr
            assert address in refused.stderr and "--listen" in refused.stderr
            assert "in use" in refused.stderr
        for _ in range(20):
            with first.connect() as client:
                client.round_trip()


def test_second_server_on_the_same_unix_socket(start, run, tmp_path):
    path = f"{tmp_path}/ackd.sock"
    first = start(listen=(path,))
    with Canary(first):
        refused = run(listen=path)
        assert refused.returncode == EXIT_SYSTEM, refused.stderr
        assert path in refused.stderr and "in use" in refused.stderr
        with first.connect() as client:
            client.round_trip()


def test_second_server_on_the_same_metrics_address(start, run):
    first = start()
    address = f"127.0.0.1:{first.metrics_address[1]}"
    refused = run(f"--metrics-listen={address}")
    assert refused.returncode == EXIT_SYSTEM, refused.stderr
    assert address in refused.stderr and "--metrics-listen" in refused.stderr
    assert first.request("/-/healthy")[0] == 200


def test_second_server_on_the_same_profile_address(start, run):
    first = start(pprof="127.0.0.1:0")
    address = f"127.0.0.1:{first.pprof_address[1]}"
    refused = run(f"--pprof-listen={address}")
    assert refused.returncode == EXIT_SYSTEM, refused.stderr
    assert address in refused.stderr and "--pprof-listen" in refused.stderr


def test_the_usual_profile_port_is_taken_or_not(start):
    """Who did not ask for it runs without it when somebody else has it, and says so."""
    first = start(pprof=None)
    second = start(pprof=None)
    assert not second.pprof_address
    assert "127.0.0.1:6060" in second.log() and "level=warn" in second.log()
    for started in (first, second):
        with started.connect() as client:
            client.round_trip()


def test_address_of_another_program(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = run(listen=address)
    assert refused.returncode == EXIT_SYSTEM, refused.stderr
    assert address in refused.stderr and "--listen" in refused.stderr


def test_file_in_the_place_of_a_unix_socket(run, tmp_path):
    """A file that is no socket is not ours to remove."""
    path = tmp_path / "precious"
    path.write_text("data")
    refused = run(listen=str(path))
    assert refused.returncode == EXIT_SYSTEM, refused.stderr
    assert str(path) in refused.stderr
    assert path.read_text() == "data"


def test_address_of_another_machine(run):
    refused = run(listen="192.0.2.1:0")
    assert refused.returncode == EXIT_SYSTEM, refused.stderr
    assert "192.0.2.1:0" in refused.stderr and "--listen" in refused.stderr


def test_one_bad_address_among_good_ones_opens_none(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "ackd.sock"
        refused = run(f"--listen={path}", f"--listen=127.0.0.1:{taken.getsockname()[1]}")
    assert refused.returncode == EXIT_SYSTEM, refused.stderr
    assert not path.exists(), "the socket of the good address was left behind"


def test_append_file_that_cannot_be_opened(run):
    refused = run("--handler=append:/nonexistent/records")
    assert refused.returncode in (EXIT_SYSTEM, EXIT_USAGE), refused.stderr
    assert "/nonexistent/records" in refused.stderr


# The log

def test_json_log(start):
    started = start("--log-format=json", "--log-level=debug")
    with started.connect() as client:
        client.round_trip(b'quotes " and \\ and \n')
        client.send(b'\0\0\0\0"\n\\')
        client.expect_fin()
    started.close()
    records = [json.loads(line) for line in started.log().splitlines()]
    assert records
    assert all({"time", "level", "event"} <= record.keys() for record in records)


def test_quiet_log(start):
    started = start("--log-level=error")
    with started.connect() as client:
        client.round_trip()
    started.close()
    assert started.log() == ""


def test_log_says_where_it_listens(start):
    started = start()
    address = f"127.0.0.1:{started.addresses['spec'][1]}"
    wait_for(lambda: address in started.log(), "the address is in the log")
