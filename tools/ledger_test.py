# SPDX-License-Identifier: MIT
"""Tests of ledger.py: lines are added and made longer, and a run goes on where one ended."""
import stat
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import ledger  # noqa: E402


@pytest.fixture(name="book")
def fixture_book(tmp_path):
    return tmp_path / "ledger.tsv"


def program(tmp_path, text):
    """A program in the place of ackd-sim; it notes what it is asked."""
    path = tmp_path / "sim"
    path.write_text(f"#!/bin/sh\necho \"$2\" >>{tmp_path}/asked\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def fuzzer(tmp_path, text):
    """A directory with a program in the place of answer_fuzz; it notes what it is asked."""
    path = tmp_path / "answer_fuzz"
    path.write_text(f"#!/bin/sh\necho \"$1 $2 $3\" >>{tmp_path}/asked\n"
                    f"echo 'stat::number_of_executed_units: 700' >&2\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def run(book, *words):
    return subprocess.run([sys.executable, Path(ledger.__file__), "--ledger", book, *words],
                          capture_output=True, text=True, check=False)


def test_a_line_is_read_as_it_was_written(book):
    row = ledger.line_of("fuzz-answer", "seed 1, 64 bytes", 123, 20.04)
    ledger.add(book, row)
    assert ledger.read(book) == [row]
    assert row["seconds"] == "20.0" and row["kernel"] and row["commit"]


def test_what_goes_on_makes_the_line_longer_and_nothing_else_does(book):
    ledger.add(book, ledger.line_of("sim", "1..10", 10, 1))
    ledger.add(book, ledger.line_of("sim", "11..20", 10, 2))
    ledger.add(book, ledger.line_of("sim", "31..40", 10, 2))
    ledger.add(book, ledger.line_of("sim", "41..50", 10, 2, "seed 41 failed"))
    assert [row["range"] for row in ledger.read(book)] == ["1..20", "31..40", "41..50"]
    assert ledger.read(book)[0]["count"] == "20" and ledger.read(book)[0]["seconds"] == "3.0"
    assert ledger.next_seed(ledger.read(book)) == 51


def test_rounds_add_up_their_acks(book):
    for span in "1..10, 500 acks", "11..20, 600 acks":
        ledger.add(book, ledger.line_of("drain-epoll", span, 10, 1))
    ledger.add(book, ledger.line_of("drain-uring", "21..30, 700 acks", 10, 1))
    rows = ledger.read(book)
    assert [row["range"] for row in rows] == ["1..20, 1100 acks", "21..30, 700 acks"]
    assert rows[0]["count"] == "20"
    assert [ledger.next_seed(rows, f"drain-{engine}") for engine in ("epoll", "uring")] == [21, 31]
    assert ledger.next_seed(rows) == 1
    assert "fuzzing" not in ledger.table(rows)


def test_a_run_goes_on_where_the_last_one_ended(book, tmp_path):
    sim = program(tmp_path, "exit 0")
    for _ in range(2):
        assert run(book, "sim", "--program", sim, "--seeds", "25", "--piece",
                   "10").returncode == 0
    asked = (tmp_path / "asked").read_text(encoding="utf-8").split()
    assert asked == ["1..10", "11..20", "21..25", "26..35", "36..45", "46..50"]
    assert [row["range"] for row in ledger.read(book)] == ["1..50"]


def test_a_seed_that_fails_is_written_down_and_ends_the_run(book, tmp_path):
    sim = program(tmp_path, "echo 'replay: sim --seed 7' >&2; exit 1")
    assert run(book, "sim", "--program", sim, "--seeds", "100", "--piece", "10").returncode == 1
    assert [row["result"] for row in ledger.read(book)] == ["seed 7 failed"]
    assert "| 1 | 10 |" in ledger.table(ledger.read(book))


def test_fuzzing_goes_in_pieces_each_with_a_line_and_a_seed_of_its_own(book, tmp_path):
    assert run(book, "fuzz", "--programs", fuzzer(tmp_path, "exit 0"), "--target", "answer",
               "--seconds", "25", "--piece", "10", "--longest", "64").returncode == 0
    rows = ledger.read(book)
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in asked] == [f"-max_total_time={n}" for n in (10, 10, 5)]
    assert [row["count"] for row in rows] == ["700"] * 3
    assert [f"-max_len=64 -seed={row['range'].split(',')[0].split()[1]}" for row in rows] \
        == [" ".join(line.split()[1:]) for line in asked]
    assert len({row["range"] for row in rows}) == 3


def test_an_input_that_fails_is_written_down_and_ends_the_run(book, tmp_path):
    assert run(book, "fuzz", "--programs", fuzzer(tmp_path, "exit 77"), "--target", "answer",
               "--seconds", "20", "--piece", "10").returncode == 1
    assert [row["result"] for row in ledger.read(book)] == ["an input failed"]


def test_verify_plays_pieces_of_what_is_written_and_tells(book, tmp_path):
    def verify(programs, text):
        return run(book, "verify", "--program", program(tmp_path, text), "--programs",
                   programs).returncode

    ledger.add(book, ledger.line_of("sim", "1..5000", 5000, 1))
    assert verify(tmp_path, "exit 0") == 0
    for asked in (tmp_path / "asked").read_text(encoding="utf-8").split():
        first, last = asked.split("..")
        assert 1 <= int(first) <= int(last) <= 5000 and int(last) - int(first) == 999
    assert verify(tmp_path, "exit 1") == 1

    ledger.add(book, ledger.line_of("fuzz-answer", "seed 5, 64 bytes", 700, 3))
    assert verify(fuzzer(tmp_path, "exit 0"), "exit 0") == 0
    assert "-max_len=64 -seed=5" in (tmp_path / "asked").read_text(encoding="utf-8")
    assert verify(fuzzer(tmp_path, "exit 77"), "exit 0") == 1


def test_what_is_no_ledger_is_refused(book):
    book.write_text("what\trange\nsim\t1..2\n", encoding="utf-8")
    assert run(book, "table").returncode != 0


def test_the_committed_ledger_is_one():
    rows = ledger.read(ledger.LEDGER)
    assert rows
    assert all(float(row["seconds"]) >= 0 for row in rows)
