# SPDX-License-Identifier: MIT
"""ackload from outside: what it reports of servers that do right and of servers that do wrong."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from faulty_server import CLOSE, DEMO_SUBMIT_ACK, FaultyServer, ack

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACKLOAD = os.environ.get("ACKLOAD", str(ROOT / "build/src/load/ackload"))

OK, FAILED, INVALID, USAGE, NO_CONNECTION = 0, 12, 13, 64, 69
BAD_ACKS = ("duplicate", "unknown", "out_of_order", "malformed")


def ackload(*arguments, **options):
    return subprocess.run([ACKLOAD, *arguments], capture_output=True, text=True, timeout=30,
                          **options)


def run(server, *arguments, connections=2, seconds="300ms"):
    """Runs ackload against the server; returns its exit status and its JSON."""
    done = ackload("run", "--connect", server.address, "-c", str(connections), "--time", seconds,
                   "--drain-timeout", "300ms", "--quiet", "--json", "-", *arguments)
    assert done.stderr == ""
    result = json.loads(done.stdout)
    ledger = result["ledger"]
    answered = ledger["ok"] + ledger["failed"] + ledger["lost"] + ledger["cut"]
    assert ledger["sent"] == answered
    return done.returncode, result


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
    assert result["ledger"] == {"sent": 9, "ok": 6, "lost": 3, "failed": 0, "cut": 0,
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
    assert re.search(r"messages +[\d,]+ sent = [\d,]+ ok \+ 0 failed \+ 0 lost \+ 0 cut off",
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
                           "latency", "traffic", "cpu", "intervals", "env"}
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


def test_a_json_file_that_cannot_be_written():
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "-c", "2", "--time", "50ms", "--json",
                       "/nonexistent/result.json")
    assert done.returncode == INVALID
    assert "/nonexistent/result.json" in done.stderr


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
    assert int(values["ackload_latency_seconds_count"]) == pytest.approx(
        int(values["ackload_acks_total"]), rel=0.05)
    assert float(values["ackload_acks_per_second"]) > 0


def test_a_prometheus_address_that_is_taken():
    with FaultyServer() as server:
        done = ackload("run", "--connect", server.address, "--prom", server.address)
    assert done.returncode == USAGE
    assert "--prom" in done.stderr and "in use" in done.stderr
