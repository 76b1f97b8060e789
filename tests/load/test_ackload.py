# SPDX-License-Identifier: MIT
"""ackload from outside: what it reports of servers that do right and of servers that do wrong."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from faulty_server import CLOSE, DEMO_SUBMIT_ACK, FaultyServer, ack
from program import ACKLOAD, FAILED, INVALID, NO_CONNECTION, OK, ROOT, USAGE, ackload, run

BAD_ACKS = ("duplicate", "unknown", "out_of_order", "malformed")


def check_bad_acks(result, **expected):
    """All columns of bad acks are as given, and 0 where nothing is given."""
    found = {name: result["ledger"][name] for name in BAD_ACKS}
    assert found == {name: expected.get(name, 0) for name in BAD_ACKS}


# A server that does right


def test_a_good_server_passes():
    with FaultyServer() as server:
        status, result = run(server, "-d", "4")
    ledger = result["ledger"]
    assert status == OK
    assert ledger["sent"] == ledger["ok"] == server.requests > 0
    check_bad_acks(result)
    assert result["schema"] == "ackload/1"
    assert result["verdict"] == "ok"
    assert result["disconnects"] == 0
    assert result["first_bad_ack"] is None
    assert result["rate"]["acks_per_s"] == pytest.approx(ledger["ok"] / 0.3, rel=0.2)


def test_ids_and_payloads_are_the_teaching_clients():
    with FaultyServer() as server:
        run(server, "-d", "8", connections=1)
    assert [int(message_id) for _, message_id, _ in server.frames] == list(
        range(1, server.requests + 1))
    for _, message_id, payload in server.frames:
        assert re.fullmatch(rb"\d{8}", message_id)
        assert re.fullmatch(rb"[a-z]+-[a-z-]+-[0-9a-f]{4}", payload)
        assert 12 <= len(payload) <= 31


def test_a_seed_gives_the_same_stream_again():
    streams, hashes = [], []
    for seed in ("5", "5", "6"):
        with FaultyServer() as server:
            _, result = run(server, "--seed", seed, connections=1)
        streams.append([payload for _, _, payload in server.frames[:100]])
        hashes.append(result["stream_hash"])
        assert result["seed"] == int(seed)
    assert streams[0] == streams[1] != streams[2]
    assert hashes[0] == hashes[1] != hashes[2]


def test_payloads_of_one_size():
    with FaultyServer() as server:
        status, result = run(server, "--size", "100")
    assert status == OK
    assert {len(payload) for _, _, payload in server.frames} == {100}
    assert result["plan"]["mean_frame_bytes"] == 113


def test_the_demo_dialect_is_accepted_unless_strict():
    def demo(connection, number, message_id):
        return ack(message_id, command=DEMO_SUBMIT_ACK)

    with FaultyServer(demo) as server:
        assert run(server)[0] == OK
        assert run(server, "--dialect", "demo")[0] == OK
        status, result = run(server, "--dialect", "spec")
    assert status == FAILED
    assert result["ledger"]["ok"] == 0
    check_bad_acks(result, malformed=result["ledger"]["sent"])


def test_the_window_is_never_exceeded():
    deepest = 0

    def hold_ten(connection, number, message_id):
        nonlocal deepest
        held = connection.memory.setdefault("held", [])
        held.append(message_id)
        deepest = max(deepest, len(held))
        if len(held) < 10:
            return b""
        connection.memory["held"] = []
        return b"".join(ack(one) for one in held)

    with FaultyServer(hold_ten) as server:
        status, result = run(server, "-d", "10")
    assert status == OK, result
    assert deepest == 10


def test_depth_max_and_a_server_that_reads_slowly():
    def slow(connection, number, message_id):
        if number % 2000 == 0:
            time.sleep(0.01)
        return ack(message_id)

    with FaultyServer(slow) as server:
        status, result = run(server, "-d", "max", "--max-inflight", "5000", "--drain-timeout", "9s")
    assert status == OK
    assert result["ledger"]["ok"] == server.requests
    assert result["plan"]["depth"] == "max"


def test_an_open_loop_keeps_its_rate():
    with FaultyServer() as server:
        status, result = run(server, "--rate", "2000", connections=3, seconds="500ms")
    assert status == OK
    assert result["rate"]["scheduled"] == result["ledger"]["sent"] == 1000
    assert result["latency"]["response"]["count"] == 1000


def test_an_open_loop_counts_from_the_due_time():
    """The server stops for 200 ms in a run of 500 ms: 4 in 10 messages wait, up to 200 ms."""

    def freeze(connection, number, message_id):
        if number == 200:
            time.sleep(0.2)
        return ack(message_id)

    with FaultyServer(freeze) as server:
        status, result = run(server, "--rate", "1000", connections=1, seconds="500ms")
    assert status == OK
    response = result["latency"]["response"]
    assert response["max_ns"] > 190e6
    # A client that waited for the ack would have seen one slow message.
    assert response["p90_ns"] > 120e6


def test_a_unix_socket(tmp_path):
    with FaultyServer(path=str(tmp_path / "ackd.sock")) as server:
        assert run(server)[0] == OK


def test_more_threads():
    with FaultyServer() as server:
        status, result = run(server, "-t", "3", connections=7)
    assert status == OK
    assert result["plan"]["threads"] == 3
    assert len({connection for connection, _, _ in server.frames}) == 7


# Servers that do wrong: each fault has its column


def test_lost_acks_are_counted():
    def lose(connection, number, message_id):
        return b"" if number % 50 == 0 else ack(message_id)

    with FaultyServer(lose) as server:
        status, result = run(server, "-d", "16")
    assert status == FAILED
    assert result["ledger"]["lost"] >= server.requests // 50 - 2
    assert result["ledger"]["lost"] <= server.requests // 50
    check_bad_acks(result)


def test_one_lost_ack_in_a_window_of_one_is_found():
    def lose_third(connection, number, message_id):
        return b"" if number == 3 else ack(message_id)

    with FaultyServer(lose_third) as server:
        status, result = run(server, "-d", "1", connections=3)
    assert status == FAILED
    assert result["ledger"] == {"sent": 9, "ok": 6, "lost": 3, "failed": 0, "late": 0,
                                "cut": 0,
                                **dict.fromkeys(BAD_ACKS, 0)}


def test_duplicates_are_counted():
    duplicated = 0

    def repeat(connection, number, message_id):
        nonlocal duplicated
        duplicated += number % 10 == 0
        return ack(message_id) * (2 if number % 10 == 0 else 1)

    with FaultyServer(repeat) as server:
        status, result = run(server)
    assert status == FAILED
    assert result["ledger"]["ok"] == result["ledger"]["sent"]
    check_bad_acks(result, duplicate=duplicated)
    assert result["first_bad_ack"]["kind"] == "duplicate"


def test_a_duplicate_of_the_very_last_ack_is_counted():
    def repeat_third(connection, number, message_id):
        return ack(message_id) * (2 if number == 3 else 1)

    with FaultyServer(repeat_third) as server:
        status, result = run(server, "--rate", "6", "-d", "1", connections=1, seconds="400ms")
    assert status == FAILED
    assert result["ledger"]["sent"] == 3
    check_bad_acks(result, duplicate=1)


def test_reordered_acks_are_counted():
    swapped = 0

    def swap(connection, number, message_id):
        nonlocal swapped
        if number % 16 == 1:
            connection.memory["first"] = message_id
            return b""
        if number % 16 == 2:
            swapped += 1
            return ack(message_id) + ack(connection.memory["first"])
        return ack(message_id)

    with FaultyServer(swap) as server:
        status, result = run(server, "-d", "16")
    assert status == FAILED
    check_bad_acks(result, out_of_order=swapped)
    assert result["ledger"]["ok"] >= result["ledger"]["sent"] - 2


def test_corrupt_ids_are_unknown_and_their_messages_lost():
    corrupted = 0

    def corrupt(connection, number, message_id):
        nonlocal corrupted
        if number % 20 != 0:
            return ack(message_id)
        corrupted += 1
        return ack(b"x" + message_id[1:])

    with FaultyServer(corrupt) as server:
        status, result = run(server)
    assert status == FAILED
    check_bad_acks(result, unknown=corrupted)
    assert result["ledger"]["lost"] == corrupted


def test_corrupt_commands_are_malformed():
    corrupted = 0

    def corrupt(connection, number, message_id):
        nonlocal corrupted
        if number % 20 != 0:
            return ack(message_id)
        corrupted += 1
        return ack(message_id, command=0x02)

    with FaultyServer(corrupt) as server:
        status, result = run(server)
    assert status == FAILED
    check_bad_acks(result, malformed=corrupted)


def test_another_length_ends_the_connection():
    def stretch(connection, number, message_id):
        return b"\0\0\0\x0f" + ack(message_id)[4:] + b"\0" if number == 30 else ack(message_id)

    with FaultyServer(stretch) as server:
        status, result = run(server, connections=2)
    assert status == FAILED
    check_bad_acks(result, malformed=2)
    assert result["disconnects"] == 2
    assert result["ledger"]["ok"] == 58
    assert result["ledger"]["cut"] > 0


def test_failed_results_are_counted():
    failed = 0

    def refuse(connection, number, message_id):
        nonlocal failed
        failed += number % 3 == 0
        return ack(message_id, result=1 if number % 3 == 0 else 0)

    with FaultyServer(refuse) as server:
        status, result = run(server)
    assert status == FAILED
    assert result["ledger"]["failed"] == failed > 0
    assert result["ledger"]["lost"] == 0
    check_bad_acks(result)


def test_a_server_that_leaves_cuts_messages_off():
    def leave(connection, number, message_id):
        return CLOSE if number == 100 else ack(message_id)

    with FaultyServer(leave) as server:
        began = time.monotonic()
        status, result = run(server, "-d", "8", connections=3, seconds="5s")
    assert time.monotonic() - began < 3, "a run without connections ends early"
    assert status == FAILED
    assert result["disconnects"] == 3
    assert result["ledger"]["ok"] <= 3 * 99
    assert result["ledger"]["cut"] > 0
    assert result["ledger"]["lost"] == 0


def test_an_ack_cut_in_half_is_malformed():
    def half(connection, number, message_id):
        if connection.memory.get("done"):
            return CLOSE
        connection.memory["done"] = True
        return ack(message_id)[:7]

    with FaultyServer(half) as server:
        status, result = run(server, "-d", "2", connections=1)
    assert status == FAILED
    check_bad_acks(result, malformed=1)
    assert result["ledger"]["cut"] == result["ledger"]["sent"] == 2


def test_a_server_that_never_answers_loses_everything():
    with FaultyServer(read=False) as server:
        status, result = run(server, "-d", "4", connections=2)
    assert status == FAILED
    assert result["ledger"]["lost"] == result["ledger"]["sent"] == 8
    assert result["latency"]["service"]["count"] == 0


def test_a_stall_shows_in_the_latency():
    def stall(connection, number, message_id):
        if number == 20:
            time.sleep(0.25)
        return ack(message_id)

    with FaultyServer(stall) as server:
        status, result = run(server, "-d", "1", connections=1)
    assert status == OK
    assert result["latency"]["service"]["max_ns"] >= 250e6 > result["latency"]["service"]["p90_ns"]


def test_a_server_that_leaves_between_messages_makes_the_run_invalid():
    class Leaving(FaultyServer):
        def _answer(self, peer, connection, connection_number):
            """The second message would be due after the run: nothing is in flight."""
            peer.recv(65536)
            peer.sendall(ack(b"00000001"))

    with Leaving() as server:
        status, result = run(server, "--rate", "1", connections=1)
    assert status == INVALID
    assert result["verdict"] == "invalid"
    assert result["ledger"]["ok"] == result["ledger"]["sent"] == 1
    assert result["disconnects"] == 1


# The program around it


def test_nobody_listening():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % bound.getsockname()[1]
        done = ackload("run", "--connect", address, "--time", "1s")
    assert done.returncode == NO_CONNECTION
    assert address in done.stderr
    assert "Connection refused" in done.stderr
    assert "--connect" in done.stderr


@pytest.mark.parametrize("arguments, word", [
    (["run", "-c", "0"], "--connections"),
    (["run", "--time", "10"], "--time"),
    (["run", "--nonsense"], "--nonsense"),
    (["dance"], "dance"),
])
def test_wrong_usage_is_refused(arguments, word):
    done = ackload(*arguments)
    assert done.returncode == USAGE
    assert done.stdout == ""
    assert word in done.stderr


def test_help_and_version():
    assert "ackload run" in ackload().stderr
    assert ackload().returncode == USAGE
    assert "ackload run" in ackload("--help").stdout
    assert "--max-inflight" in ackload("run", "--help").stdout
    assert re.fullmatch(r"ackload \d+\.\d+\.\d+\S*\n", ackload("--version").stdout)


def test_a_person_sees_a_line_each_second_and_a_table():
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--time", "1200ms")
    assert done.returncode == OK
    assert re.search(r"^ +1\.\ds .*acks/s .*in flight .*p50 .*p99 ", done.stdout, re.M)
    assert re.search(r"messages +[\d,]+ sent = [\d,]+ ok \+ 0 failed \+ 0 lost \+ 0 late \+ "
                     r"0 cut off",
                     done.stdout)
    for word in ("rate", "p99.9", "per write", "client", "stream", "OK: "):
        assert word in done.stdout
    assert done.stderr == ""


def test_the_table_names_the_first_bad_ack():
    with FaultyServer(lambda connection, number, message_id: ack(message_id, 1)) as server:
        done = ackload("run", "--connect", server.address, "-c", "1", "--time", "100ms")
    assert done.returncode == FAILED
    assert re.search(r"first bad +failed, after .* on connection 0: "
                     r"0000000e82303030303030303101, expected id 00000001", done.stdout)
    assert "FAILED: " in done.stdout


def test_quiet_prints_nothing():
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--time", "100ms", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (OK, "", "")


def test_the_json_goes_to_a_file(tmp_path):
    path = tmp_path / "result.json"
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--time", "1100ms", "--json",
                       str(path))
    assert done.returncode == OK
    result = json.loads(path.read_text())
    assert set(result) == {"schema", "version", "verdict", "reason", "interrupted", "plan", "seed",
                           "stream_hash", "ledger", "first_bad_ack", "disconnects", "rate",
                           "latency", "traffic", "cpu", "intervals", "env", "errors", "validity",
                           "batch", "mix", "hist"}
    service = result["latency"]["service"]
    assert (0 < service["p50_ns"] <= service["p90_ns"] <= service["p99_ns"] <= service["p999_ns"]
            <= service["max_ns"])
    assert service["count"] == result["ledger"]["ok"]
    assert sum(one["acked"] for one in result["intervals"]) <= result["ledger"]["ok"]


def all_keys(value):
    """The keys of all objects in a JSON value."""
    if isinstance(value, list):
        return {key for one in value for key in all_keys(one)}
    if isinstance(value, dict):
        return set(value) | {key for one in value.values() for key in all_keys(one)}
    return set()


@pytest.mark.parametrize("arguments", [[], ["--rate", "100"]])
def test_every_key_of_the_json_is_documented(arguments):
    def refuse(connection, number, message_id):
        return ack(message_id, result=1)

    with FaultyServer(refuse) as server:
        _, result = run(server, *arguments, seconds="150ms")
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs/LOADTEST.md").read_text()))
    assert all_keys(result) - documented == set()


@pytest.mark.parametrize("option", ["--json", "--html", "--hlog"])
def test_a_result_that_cannot_be_written_is_found_out_before_the_run(option):
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--time", "50ms", option,
                       "/nonexistent/result")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr == f"ackload: {option} /nonexistent/result: No such file or directory\n"
    assert server.requests == 0


def test_a_run_that_does_not_begin_touches_no_log_and_no_page(tmp_path):
    kept = {option: tmp_path / f"kept{option}" for option in ("--html", "--hlog")}
    for path in kept.values():
        path.write_text("an earlier run")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "127.0.0.1:%d" % listener.getsockname()[1]
    run_it = ("run", "--connect", address, "--quiet")
    done = ackload(*run_it, *(str(word) for pair in kept.items() for word in pair))
    assert done.returncode == NO_CONNECTION
    assert {path.read_text() for path in kept.values()} == {"an earlier run"}
    done = ackload(*run_it, "--html", str(tmp_path / "html"), "--hlog", str(tmp_path / "hlog"))
    assert done.returncode == NO_CONNECTION
    assert sorted(tmp_path.iterdir()) == sorted(kept.values())


@pytest.mark.parametrize("option", ["--json", "--html", "--hlog"])
def test_a_result_that_does_not_fit_is_not_ok(option):
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--time", "50ms", option,
                       "/dev/full")
    assert done.returncode == INVALID
    assert f"{option} /dev/full" in done.stderr
    assert "\nINVALID: the result could not be written; it says: every message" in done.stdout
    assert "OK:" not in done.stdout


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_early_with_a_table(signal_number):
    with FaultyServer() as server:
        running = subprocess.Popen([ACKLOAD, "run", "--connect", server.address, "-c", "2",
                                    "--time", "20s"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.4)
        running.send_signal(signal_number)
        output, _ = running.communicate(timeout=5)
    assert running.returncode == OK
    assert "(ended early)" in output
    assert "messages" in output


def test_a_signal_ends_what_cannot_be_kept_up_with():
    """More messages become due each second than a client can count."""
    with FaultyServer() as server:
        running = subprocess.Popen([ACKLOAD, "run", "--connect", server.address, "-c", "2",
                                    "--rate", "1000m", "--arrival", "poisson", "--time", "60s",
                                    "--drain-timeout", "1s"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=10)
    assert "(ended early)" in output + errors


@pytest.mark.parametrize("farewell, options", [
    (ack(b"00000000")[:5], ()), (ack(b"00000000"), ()),
    (ack(b"00000000")[:5], ("--dialect", "none")), (ack(b"00000000"), ("--dialect", "none"))])
def test_what_comes_behind_the_last_ack_is_no_success(farewell, options):
    with FaultyServer(farewell=farewell) as server:
        status, result = run(server, *options, connections=1)
    assert status == FAILED
    assert result["verdict"] == "failed"
    assert sum(result["ledger"][name] for name in BAD_ACKS) == 1
    assert [error["cause"] for error in result["errors"]] == ["extra_bytes"]


@pytest.mark.parametrize("command, length", [(0, 14), (0, 0), (0, 255)])
def test_acks_without_a_command_are_none(command, length):
    def blank(connection, number, message_id):
        return length.to_bytes(4, "big") + ack(message_id, command=command)[4:]

    with FaultyServer(blank) as server:
        status, result = run(server, "-d", "4", connections=1)
    assert status == FAILED
    assert result["ledger"]["ok"] == 0 and result["ledger"]["malformed"] > 0


def test_a_second_signal_does_not_wait_for_the_drain():
    with FaultyServer(read=False) as server:
        running = subprocess.Popen([ACKLOAD, "run", "--connect", server.address, "-c", "2",
                                    "--time", "20s", "--drain-timeout", "20s"],
                                   stdout=subprocess.PIPE, text=True)
        for _ in range(2):
            time.sleep(0.3)
            running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=5)
    assert running.returncode == FAILED
    assert "32 lost" in output


def test_live_values_for_prometheus():
    with FaultyServer() as server:
        with subprocess.Popen([ACKLOAD, "run", "--connect", server.address, "-c", "2", "--time",
                               "1500ms", "--prom", "127.0.0.1:0"], stdout=subprocess.PIPE,
                              text=True) as running:
            address = re.search(r"metrics at (http://\S+)",
                                running.stdout.readline() + running.stdout.readline())[1]
            time.sleep(1.2)
            with urllib.request.urlopen(address, timeout=5) as answer:
                text = answer.read().decode()
            output, _ = running.communicate(timeout=10)
    assert running.returncode == OK, output
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert int(values["ackload_acks_total"]) > 0
    assert values["ackload_connections"] == "2"
    # Counters are read one after the other while the load goes on.
    assert int(values["ackload_service_seconds_count"]) == pytest.approx(
        int(values["ackload_acks_total"]), rel=0.05)
    assert float(values["ackload_acks_per_second"]) > 0


def test_a_prometheus_address_that_is_taken():
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "--prom", server.address)
    assert done.returncode == USAGE
    assert "--prom" in done.stderr and "in use" in done.stderr


# Schedules, the warm-up, and the stamp


def test_ten_thousand_a_second_is_kept_to_the_message():
    with FaultyServer() as server:
        status, result = run(server, "--rate", "10k", connections=4, seconds="500ms")
    assert status == OK
    assert result["rate"]["scheduled"] == result["ledger"]["sent"] == 5000
    assert result["rate"]["offered_per_s"] == pytest.approx(10000, rel=0.05)
    assert result["plan"]["rate"] == 10000


def test_poisson_arrival_follows_the_seed():
    counts = []
    for seed in ("5", "5", "6"):
        with FaultyServer() as server:
            status, result = run(server, "--rate", "4k", "--arrival", "poisson", "--seed", seed,
                                 connections=3)
        assert status == OK
        assert abs(result["rate"]["scheduled"] - 1200) <= 3 * 1200 ** 0.5
        counts.append(result["rate"]["scheduled"])
    assert counts[0] == counts[1] != counts[2]


def test_a_ramp_sends_the_area_under_the_rate():
    with FaultyServer() as server:
        status, result = run(server, "--rate", "0:4k/200ms,hold/100ms,1k/100ms", connections=2,
                             seconds="500ms")
    assert status == OK
    assert result["rate"]["scheduled"] == pytest.approx(400 + 400 + 100 + 100, abs=2)
    segments = result["plan"]["rate_segments"]
    assert [segment["to_per_s"] for segment in segments] == [4000, 4000, 1000]


def test_the_plan_of_the_rate_gives_the_time():
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "1", "--rate", "1k/100ms,2k/50ms",
                       "--validity", "warn", "--quiet", "--json", "-")
    assert json.loads(done.stdout)["plan"]["time_s"] == pytest.approx(0.15)


@pytest.mark.parametrize("arguments", [["--rate", "2k"], ["-d", "4"]])
def test_the_warm_up_is_in_the_ledger_and_in_no_latency(arguments):
    """The server is slow at first: only the warm-up sees it."""

    def slow_at_first(connection, number, message_id):
        if number == 1:
            time.sleep(0.4)
        return ack(message_id)

    with FaultyServer(slow_at_first) as server:
        status, result = run(server, "--warmup", "700ms", *arguments, seconds="300ms")
    assert status == OK
    latency = result["latency"]
    assert result["ledger"]["ok"] == server.requests > latency["service"]["count"] > 0
    assert latency["service"]["max_ns"] < 400e6
    assert latency["response"]["count"] == latency["service"]["count"]
    assert result["rate"]["duration_s"] == pytest.approx(0.3, abs=0.1)
    if "--rate" in arguments:
        assert latency["lateness"]["count"] == latency["service"]["count"] == 600
        assert result["rate"]["scheduled"] == 2000


def test_acks_after_the_timeout_are_late():
    def slow(connection, number, message_id):
        if number % 10 == 0:
            time.sleep(0.1)
        return ack(message_id)

    with FaultyServer(slow) as server:
        status, result = run(server, "-d", "1", "--timeout", "50ms", connections=1)
    assert status == FAILED
    late = result["ledger"]["late"]
    assert late >= server.requests // 10 > 0  # more when the machine is slow too
    assert result["ledger"]["ok"] == server.requests - late
    [error] = result["errors"]
    assert (error["cause"], error["count"]) == ("ack_timeout", late)


def test_acks_after_the_drain_are_late_and_not_lost():
    def hold(connection, number, message_id):
        if number == 4:
            time.sleep(0.5)
        return ack(message_id)

    with FaultyServer(hold) as server:
        status, result = run(server, "-d", "4", "--drain-timeout", "50ms", connections=1,
                             seconds="150ms")
    assert status == FAILED
    assert result["ledger"]["late"] > 0
    assert result["ledger"]["lost"] == 0


def test_a_full_window_blocks():
    def freeze(connection, number, message_id):
        if number == 20:
            time.sleep(0.15)
        return ack(message_id)

    with FaultyServer(freeze) as server:
        status, result = run(server, "--rate", "1k", "-d", "8", connections=1)
    assert status == OK
    assert result["rate"]["blocked"] > 50
    assert result["rate"]["scheduled"] == result["ledger"]["sent"] == 300
    assert result["latency"]["lateness"]["max_ns"] > 50e6
    checks = {check["name"]: check for check in result["validity"]["checks"]}
    assert checks["rate"]["ok"]


def test_histograms_hold_every_message():
    with FaultyServer() as server:
        _, result = run(server, "--rate", "2k")
    for name in ("response", "service", "lateness"):
        hist, latency = result["hist"][name], result["latency"][name]
        uppers = [upper for upper, _ in hist["buckets"]]
        assert uppers == sorted(uppers)
        assert sum(count for _, count in hist["buckets"]) == latency["count"] == 600
        assert hist["sum_ns"] / latency["count"] == pytest.approx(latency["mean_ns"])
        seen = 0
        for upper, count in hist["buckets"]:
            seen += count
            if seen >= 0.99 * latency["count"]:
                assert latency["p99_ns"] == min(upper, hist["max_ns"])
                break


def test_the_servers_cpu_is_measured():
    with FaultyServer() as server:
        _, result = run(server, "-d", "4", "--server-pid", str(os.getpid()))
    cpu = result["cpu"]["server"]
    assert cpu["cpu_ns"] > 0 and cpu["acked"] > 0
    assert cpu["ns_per_ack"] == pytest.approx(cpu["cpu_ns"] / cpu["acked"])
    assert cpu["user_ns_per_ack"] + cpu["system_ns_per_ack"] == pytest.approx(cpu["ns_per_ack"])


def test_a_process_that_is_not_there_is_refused():
    done = ackload("run", "--server-pid", "4194305")
    assert done.returncode == USAGE
    assert "no such process" in done.stderr


def test_a_client_that_cannot_keep_up_is_stamped():
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--rate", "2k", "--time",
                       "200ms", "--late-budget", "1ns")
    assert done.returncode == INVALID
    assert "CLIENT-BOUND" in done.stdout
    # Every rate is at least, and every time of the server at most, what is printed.
    assert re.search(r"^  rate +>= .*out >= .*in >= ", done.stdout, re.M)
    assert len(re.findall(r"^  (?:response|service) (?: +<= [\d.]+ [mu]?s){6}$", done.stdout,
                          re.M)) == 2
    assert re.search(r"s +>= \S+ acks/s .* p50 <= .* p99 <= ", done.stdout)
    assert ">= " in done.stdout
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--rate", "2k", "--time",
                       "200ms", "--late-budget", "1ns", "--validity", "off")
    assert done.returncode == OK


@pytest.mark.parametrize("idle", ["sleep", "spin", "hybrid"])
def test_each_way_of_waiting_sends_everything(idle):
    with FaultyServer() as server:
        status, result = run(server, "--rate", "1k", "--idle", idle, "-t", "1")
    assert status == OK
    assert result["ledger"]["ok"] == 300
    assert result["plan"]["idle"] == idle


def test_bad_neighbours_are_kept_apart():
    with FaultyServer() as server:
        status, result = run(server, "--rate", "1k", "--mix",
                             "slow-reader=20%,idle=5,dribble=10%", connections=10)
    assert status == OK
    assert result["ledger"]["ok"] == result["ledger"]["sent"] == 300
    assert server.requests > 300
    mix = {one["kind"]: one for one in result["mix"]}
    assert {kind: one["connections"] for kind, one in mix.items()} == {
        "slow-reader": 2, "idle": 5, "dribble": 1}
    assert mix["slow-reader"]["sent_bytes"] > 0
    assert mix["idle"]["sent_bytes"] == 0
    assert mix["dribble"]["connected"] == 1


# The selftest


def test_the_selftest_is_kept_and_found(tmp_path):
    done = ackload("selftest", "-d", "16", "-c", "4", "--time", "400ms", cwd=tmp_path)
    assert done.returncode == OK, done.stderr
    assert re.search(r"4 x 16 .*/s", done.stdout)
    assert "pacing" in done.stdout
    kept = json.loads((tmp_path / ".ackload/selftest.json").read_text())
    [entry] = kept["entries"]
    assert entry["depth"] == 16 and entry["acks_per_s"] > 0
    # Rates against a busy machine are no test; that both clients work is.
    assert 0.2 < entry["ratio"] < 5
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "-t", "1", "--rate", "1k",
                       "--time", "200ms", "--validity", "warn", "--quiet", "--json", "-",
                       cwd=tmp_path)
    checks = {check["name"]: check for check in json.loads(done.stdout)["validity"]["checks"]}
    assert checks["headroom"]["value"] > 0


def test_a_connection_that_is_refused_has_its_cause(tmp_path):
    path = tmp_path / "result.json"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "127.0.0.1:%d" % listener.getsockname()[1]
    done = ackload("run", "--connect", address, "--quiet", "--json", str(path))
    assert done.returncode == NO_CONNECTION
    result = json.loads(path.read_text())
    [error] = result["errors"]
    assert (error["cause"], error["count"]) == ("connect_refused", 1)
    assert result["verdict"] == "invalid"
    assert result["validity"]["verdict"] == "INCOMPLETE"


@pytest.mark.parametrize("fault, cause", [
    (lambda good: good * 2, "duplicate"),
    (lambda good: good[:5] + b"x" + good[6:], "unknown_id"),
    (lambda good: good[:4] + b"\x05" + good[5:], "bad_command"),
    (lambda good: b"\0\0\0\x0f" + good[4:], "bad_length"),
    (lambda good: good[:13] + b"\x01", "bad_status"),
    (lambda good: b"", "ack_timeout"),
    (lambda good: CLOSE, "eof"),
])
def test_each_cause_is_named_with_its_first_bytes(fault, cause):
    def only_the_tenth(connection, number, message_id):
        good = ack(message_id)
        return fault(good) if number == 10 else good

    with FaultyServer(only_the_tenth) as server:
        status, result = run(server, "-d", "4", connections=1)
    assert status == FAILED
    errors = {error["cause"]: error for error in result["errors"]}
    if cause not in errors and cause == "eof":
        cause = "reset"  # it left bytes unread
    assert errors[cause]["count"] >= 1
    assert 0 <= errors[cause]["first_s"] < 5
    if cause not in ("ack_timeout", "eof", "reset"):
        assert len(errors[cause]["first_hex"]) >= 28
        assert result["first_bad_ack"]["bytes"] == errors[cause]["first_hex"][:28]
