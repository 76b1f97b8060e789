# SPDX-License-Identifier: MIT
"""The four-step loop from outside: record, profile, ab, aa, compare, search and show."""

import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest

from faulty_server import FaultyServer, ack
from history import keep, second, stored
from program import (ACKD, ACKLOAD, FAILED, INCONCLUSIVE, INVALID, LOAD, NO_CONNECTION, OK,
                     REGRESSION, SERVER, SHORT, SLO_MISSED, USAGE, ackload)

SLOW_ACKS = pathlib.Path(ACKLOAD).parents[2] / "tests/load/libslow_acks.so"


def is_sanitized():
    return b"__asan_init" in pathlib.Path(ACKD).read_bytes() or \
        b"__tsan_init" in pathlib.Path(ACKD).read_bytes()


def slow_server(ns_per_ack):
    """Slower at each send(2), which io_uring does not call."""
    return f"env LD_PRELOAD={SLOW_ACKS} SLOW_ACKS_NS={ns_per_ack} {SERVER} --engine=epoll"


needs_slow_server = pytest.mark.skipif(
    not SLOW_ACKS.exists() or is_sanitized(),
    reason="sanitizers want to be the first library; the slow server is one, too")


# record and show


def test_a_run_is_kept_with_what_it_depends_on(history):
    done = ackload("record", "main", "--start", SERVER, *LOAD, "--time", "200ms", "--seed", "5")
    assert done.returncode == OK, done.stderr
    assert "kept as 'main'" in done.stdout
    run = stored(history, 1)
    assert (run["schema"], run["kind"], run["name"]) == ("ackload-history/1", "record", "main")
    assert run["result"]["seed"] == 5
    assert run["start"] == SERVER
    assert run["server_ns"] > 0
    environment = run["environment"]
    assert environment["kernel"] == os.uname().release
    assert environment["server"]["binary"] == os.path.realpath(ACKD)
    assert environment["server"]["hash"].startswith("fnv1a64:")
    assert environment["server"]["build"]["buildtype"]


def test_runs_are_listed_and_shown(history):
    with FaultyServer() as server:
        for name in ("main", "wip"):
            ackload("record", name, "--connect", server.address, "-c", "1", "--time", "50ms")
    listed = ackload("show").stdout.splitlines()
    assert [line.split()[:3] for line in listed] == [["0001", "record", "main"],
                                                     ["0002", "record", "wip"]]
    assert "ackload run -c 1 --time 50ms" in ackload("show", "wip").stdout
    shown = json.loads(ackload("show", "main", "--json").stdout)
    assert shown == stored(history, 1)
    assert ackload("show", "nobody").returncode == USAGE
    assert ackload("show", "7").returncode == USAGE


def test_a_failed_run_is_no_baseline(history):
    def refuse(connection, number, message_id):
        return ack(message_id, result=1)

    with FaultyServer(refuse) as server:
        done = ackload("record", "main", "--connect", server.address, "-c", "1", "--time", "50ms")
    assert done.returncode == FAILED
    assert "nothing is kept" in done.stderr
    assert list(history.glob("*.json")) == []


@pytest.mark.parametrize("arguments, words", [
    (("record",), "ackload record NAME"),
    (("record", "7up"), "a name is a letter"),
    (("record", "x", "--start", "y", "--server-pid", "1"), "--server-pid"),
    (("record", "x", "--depth", "none"), "--depth"),
    (("profile",), "ackload profile NAME"),
    (("compare", "x"), "ackload compare A B"),
    (("ab", "--a", "x"), "--b"),
    (("aa",), "--a"),
    (("search",), "--slo"),
    (("search", "--slo", "p98<1ms"), "p99.9"),
    (("search", "--slo", "lost=0", "--rate", "5"), "--from"),
    (("show", "x", "--rate"), "--rate"),
])
def test_wrong_usage_is_explained(history, arguments, words):
    done = ackload(*arguments)
    assert done.returncode == USAGE
    assert words in done.stderr
    assert done.stderr.startswith("ackload: ")


@pytest.mark.parametrize("command", ["record", "profile", "ab", "aa", "compare", "search", "show"])
def test_every_command_has_help(command):
    done = ackload(command, "--help")
    assert done.returncode == OK
    assert done.stdout.startswith(f"usage: ackload {command}")
    assert "Exit status" in done.stdout
    assert f"ackload {command} " in ackload("--help").stdout


@pytest.mark.parametrize("arguments", [
    ("record", "x", "--connect", "127.0.0.1:1", "--json"),
    ("ab", "--a", "external:127.0.0.1:1", "--b", "external:127.0.0.1:1", "--json"),
    ("aa", "--a", "external:127.0.0.1:1", "--html"),
    ("search", "--slo", "lost=0", "--connect", "127.0.0.1:1", "--html"),
    ("compare", "fast", "slow", "--json"),
    ("show", "1", "--html"),
])
def test_a_result_that_cannot_be_written_is_found_out_first(kept, arguments):
    done = ackload(*arguments, str(kept))
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr == f"ackload: {arguments[-1]} {kept}: Is a directory\n"


def test_a_history_that_cannot_be_written_is_named(monkeypatch):
    monkeypatch.setenv("ACKLOAD_HISTORY", "/proc/nothing")
    done = ackload("record", "main")
    assert done.returncode in (INVALID, USAGE)
    assert "/proc/nothing" in done.stderr and "ACKLOAD_HISTORY" in done.stderr


def test_a_server_that_does_not_start_is_quoted(history):
    done = ackload("record", "main", "--start", f"{ACKD} --listen nonsense")
    assert done.returncode == NO_CONNECTION
    assert "before it could be used" in done.stderr and "nonsense" in done.stderr


# profile


class Pprof(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.server.asked.append(self.path)
        if not self.path.startswith("/debug/pprof/profile"):
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a profile")

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


@pytest.fixture(name="pprof")
def serve_pprof():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pprof) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield server
        server.shutdown()


def test_a_profile_is_taken_under_the_kept_load(history, pprof):
    ackload("record", "main", "--start", SERVER, *LOAD, "--time", "50ms")
    done = ackload("profile", "main", "--seconds", "1", "--pprof",
                   f"{pprof.url}/debug/pprof/profile")
    assert done.returncode == OK, done.stderr
    assert pprof.asked == ["/debug/pprof/profile?seconds=1"]
    assert (history / "0002.profile.pb.gz").read_bytes() == b"a profile"
    run = stored(history, 2)
    assert (run["kind"], run["base"]) == ("profile", 1)
    assert run["result"]["plan"]["depth"] == 64
    assert run["result"]["stream_hash"] == stored(history, 1)["result"]["stream_hash"]


def test_a_server_without_profiles_is_an_error(history, pprof):
    ackload("record", "main", "--start", SERVER, *LOAD, "--time", "50ms")
    done = ackload("profile", "main", "--seconds", "1", "--pprof", f"{pprof.url}/other")
    assert done.returncode == NO_CONNECTION
    assert "404" in done.stderr
    done = ackload("profile", "main", "--seconds", "1", "--pprof", "http://127.0.0.1:1/x")
    assert done.returncode == NO_CONNECTION
    assert "Connection refused (ackd serves profiles at its --pprof-listen, unless" in done.stderr
    assert done.stderr.endswith("--pprof URL names another place)\n")
    assert len(list(history.glob("0*.json"))) == 1


# compare


@pytest.mark.parametrize("a, b, status, word", [
    ("fast", "slow", REGRESSION, "SLOWER"),
    ("slow", "fast", OK, "FASTER"),
    ("even", "even", OK, "SAME"),
    ("rough", "rough", INCONCLUSIVE, "INCONCLUSIVE"),
    ("slow", "rough", INCONCLUSIVE, "INCONCLUSIVE"),
    ("first", "fast", INCONCLUSIVE, "fewer than 5 seconds"),
])
def test_two_kept_runs_are_compared(kept, a, b, status, word):
    done = ackload("compare", a, b)
    assert (done.returncode, word in done.stdout) == (status, True), done.stdout + done.stderr


def test_other_loads_are_not_compared(kept):
    with FaultyServer() as server:
        ackload("record", "other", "--connect", server.address, "-c", "2", "--time", "50ms")
    done = ackload("compare", "fast", "other")
    assert done.returncode == INVALID
    assert "connections" in done.stderr
    done = ackload("compare", "fast", "other", "--force", "--json", "-")
    assert done.returncode == INCONCLUSIVE
    assert json.loads(done.stdout)["verdict"] == "NONE"
    assert "no verdict" in done.stderr


@pytest.fixture(name="open_run")
def keep_open_run(history):
    """A short run at a fixed rate; what it has is given."""
    with FaultyServer() as server:
        ackload("record", "open", "--connect", server.address, "-c", "1", "--rate", "200",
                "--time", "300ms", "--validity", "off")
    return stored(history, 1)


def test_seconds_in_which_nothing_is_acked_are_the_worst(history, open_run):
    """They have no latency; the run's longest is theirs."""
    run = open_run["result"]
    run["latency"]["response"]["max_ns"] = 12_000_000_000
    run["intervals"] = [second(200, 1_000_000) for _ in range(20)]
    keep(history, "healthy", open_run)
    run["intervals"] = [second(0, 0)] * 12 + [second(200, 1_000_000)] * 8
    keep(history, "stalled", open_run)
    done = ackload("compare", "healthy", "stalled")
    assert (done.returncode, "SLOWER" in done.stdout) == (REGRESSION, True), done.stdout
    done = ackload("compare", "stalled", "healthy")
    assert (done.returncode, "FASTER" in done.stdout) == (OK, True), done.stdout


def test_only_seconds_that_were_measured_count(kept):
    slow = stored(kept, 3)
    for value in (1000, 1001, 1002, 1003, 1004, 1005, 1006):
        slow["result"]["intervals"].append({**second(value), "phase": "warmup"})
        slow["result"]["intervals"].append({**second(value), "duration_s": 0.1})
    keep(kept, "warmed", slow)
    done = ackload("compare", "fast", "warmed")
    assert (done.returncode, "SLOWER" in done.stdout) == (REGRESSION, True), done.stdout


@pytest.mark.parametrize("options, named", [
    (("--arrival", "poisson"), "arrival"), (("--burst", "4"), "burst"),
    (("--warmup", "50ms"), "warmup_s"), (("--timeout", "3s"), "timeout_s"),
    (("--mix", "idle=1"), "mix")])
def test_loads_of_another_kind_are_not_compared(history, open_run, options, named):
    with FaultyServer() as server:
        ackload("record", "other", "--connect", server.address, "-c", "1", "--rate", "200",
                "--time", "300ms", "--validity", "off", *options)
    done = ackload("compare", "open", "other")
    assert done.returncode == INVALID, done.stdout
    assert named in done.stderr


# ab and aa


def ab(a, b, *arguments):
    done = ackload("ab", "--a", a, "--b", b, *LOAD, "--json", "-", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_comparison_says_what_it_did(history):
    status, result = ab(SERVER, SERVER, "--pairs", "6", *SHORT, "--seed", "3")
    assert status in (OK, REGRESSION, INCONCLUSIVE)
    assert result["schema"] == "ackload-ab/1"
    assert result["seed"] == 3
    assert result["a"]["hash"] == result["b"]["hash"] != ""
    orders = ["".join(run["side"] for run in pair) for pair in result["pairs"]]
    assert orders[:2] == ["abba", "baab"]
    assert set(result["metrics"]) == {"server_ns", "acks", "p50", "p99"}
    assert stored(history, 1)["result"] == result


@needs_slow_server
def test_slower_and_faster_are_told_apart(history):
    status, result = ab(slow_server(0), slow_server(200), "--pairs", "8", *SHORT)
    assert (status, result["verdict"]) == (REGRESSION, "SLOWER")
    assert result["metrics"]["server_ns"]["change"] > 0.2
    status, result = ab(slow_server(200), slow_server(0), "--pairs", "8", *SHORT)
    assert (status, result["verdict"]) == (OK, "FASTER")


@needs_slow_server
def test_five_percent_are_found_within_five_minutes(history):
    """More pairs are taken while it cannot be told: the machine may be busy."""
    started = time.monotonic()
    ackload("record", "base", "--start", slow_server(0), *LOAD, "--time", "500ms")
    planted = round(0.05 * stored(history, 1)["server_ns"]) + 1
    for pairs in ("16", "48", "128"):
        status, result = ab(slow_server(0), slow_server(planted), "--pairs", pairs, "--time",
                            "150ms", "--warmup", "50ms", "--threshold", "2%")
        if status == REGRESSION:
            break
    assert result["verdict"] == "SLOWER", result["metrics"]
    assert time.monotonic() - started < 300


def test_a_late_client_gets_another_chance(history):
    """Nobody keeps to ten million a second on one connection: each run is taken three times."""
    done = ackload("ab", "--a", SERVER, "--b", SERVER, "--rate", "10M", "-c", "1", "--json", "-",
                   "--pairs", "6", "--time", "50ms", "--warmup", "10ms")
    result = json.loads(done.stdout)
    # A pair in which the machine let one side stand still is void, and another one is run.
    assert result["slices"] == 24 + 4 * result["void_pairs"]
    assert result["invalid_slices"] >= 24
    assert result["retried_slices"] >= 2 * result["invalid_slices"]


def test_wrong_acks_end_a_comparison(history):
    def forget(connection, number, message_id):
        return b"" if number == 5 else ack(message_id)

    with FaultyServer(forget) as bad, FaultyServer() as good:
        done = ackload("ab", "--a", f"external:{good.address}", "--b", f"external:{bad.address}",
                       "--primary", "acks", "-c", "1", "-d", "4", *SHORT, "--drain-timeout", "50ms")
    assert done.returncode == FAILED
    assert "side B" in done.stderr


def test_cpu_time_wants_a_process(history):
    with FaultyServer() as server:
        done = ackload("ab", "--a", f"external:{server.address}", "--b",
                       f"external:{server.address}", "-c", "1", *SHORT)
    assert done.returncode == USAGE
    assert "pid=PID" in done.stderr


def wait_for_end(pid):
    deadline = time.monotonic() + 10
    while pathlib.Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_comparison(history, tmp_path, monkeypatch, number):
    noted = tmp_path / "pids"
    server = f"echo $$ >> {noted}; exec {SERVER}"
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a process that is killed leaves its folder
    with subprocess.Popen([ACKLOAD, "ab", "--a", server, "--b", server, *LOAD],
                          stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 10
        while not noted.exists() or len(noted.read_text().split()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    for pid in noted.read_text().split():
        wait_for_end(pid)
    if number != signal.SIGKILL:
        assert process.returncode == INVALID
        assert "interrupted" in said
        assert not list(tmp_path.glob("ackload-*"))


@pytest.mark.skipif(not shutil.which("meson") or not shutil.which("git"), reason="builds with both")
def test_a_revision_is_built_and_kept(history, tmp_path):
    """The repository of the test has an ackd that stands for the real one."""
    folder = tmp_path / "repository"
    (folder / "src/ackd").mkdir(parents=True)
    (folder / "meson.build").write_text("project('stand-in')\nsubdir('src/ackd')\n")
    (folder / "src/ackd/meson.build").write_text(
        "custom_target('ackd', input: 'ackd.sh', output: 'ackd', build_by_default: true,\n"
        "  command: ['cp', '@INPUT@', '@OUTPUT@'])\n")
    script = folder / "src/ackd/ackd.sh"
    script.write_text(f'#!/bin/sh\nexec {ACKD} "$@"\n')
    script.chmod(0o755)
    for words in (["init", "-q"], ["add", "."],
                  ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    for expected in (True, False):
        done = ackload("record", "main", "--start", "git:HEAD", *LOAD, "--time", "50ms",
                       cwd=folder)
        assert done.returncode == OK, done.stderr
        assert ("building" in done.stderr) == expected
    assert len(list((history / "builds").iterdir())) == 1
    assert stored(history, 1)["environment"]["commit"]["changed"] is False
    done = ackload("record", "main", "--start", "git:nowhere", cwd=folder)
    assert done.returncode == USAGE
    assert "no such commit" in done.stderr


def test_an_audit_counts_its_alarms(history):
    done = ackload("aa", "--a", SERVER, "--trials", "2", "--pairs", "6", *LOAD, "--time", "20ms",
                   "--warmup", "5ms", "--json", "-")
    result = json.loads(done.stdout)
    alarms = result["faster"] + result["slower"]
    assert result["trials"] == 2 == alarms + result["same"] + result["inconclusive"]
    assert result["false_alarms"] == alarms / 2
    assert done.returncode == (OK if alarms == 0 else INVALID)


# search


def search(*arguments):
    done = ackload("search", "--start", SERVER, "-c", "4", "-t", "1", "--time", "100ms",
                   "--settle", "20ms", "--json", "-", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_highest_rate_is_confirmed(history):
    status, result = search("--slo", "p99<10s,lost=0", "--from", "500", "--max", "2000",
                            "--validity", "off")
    assert (status, result["verdict"]) == (OK, "found")
    assert (result["rate"], result["first_failing"]) == (2000, None)
    assert [step["phase"] for step in result["curve"]] == ["climb"] * 3 + ["confirm"] * 3
    assert stored(history, 1)["result"] == result


def test_a_promise_that_nobody_can_keep(history):
    status, result = search("--slo", "p50<1us", "--from", "500", "--validity", "off")
    assert (status, result["verdict"]) == (SLO_MISSED, "missed")
    assert result["first_failing"] == 500
    assert {step["broken"] for step in result["curve"]} == {"p50"}


def test_a_slow_server_has_an_interval(history):
    """A server that takes 2 ms for each message cannot do more than 500 in a second."""
    def slowly(connection, number, message_id):
        time.sleep(0.002)
        return ack(message_id)

    with FaultyServer(slowly) as server:
        done = ackload("search", "--connect", server.address, "-c", "1", "-t", "1", "--slo",
                       "p50<50ms", "--from", "50", "--precision", "20%", "--time", "500ms",
                       "--drain-timeout", "20s", "--validity", "off", "--json", "-", "-q")
    result = json.loads(done.stdout)
    assert done.returncode == OK, result
    assert 50 <= result["rate"] < 700
    assert result["rate"] < result["first_failing"] < 1500
    assert result["first_failing_because"] == "missed"


def test_a_rate_that_the_server_does_not_take_is_not_kept(history):
    """With one message in flight nothing is lost at any rate: it is only not sent."""
    def slowly(connection, number, message_id):
        time.sleep(0.01)
        return ack(message_id)

    with FaultyServer(slowly) as server:
        done = ackload("search", "--connect", server.address, "-c", "1", "-d", "1", "-t", "1",
                       "--slo", "lost=0", "--from", "20", "--max", "10k", "--precision", "20%",
                       "--time", "1s", "--json", "-", "-q")
    result = json.loads(done.stdout)
    assert done.returncode == OK, result
    assert 20 <= result["rate"] < 120
    assert {step["broken"] for step in result["curve"] if step["outcome"] == "miss"} == {"rate"}
