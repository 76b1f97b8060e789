# SPDX-License-Identifier: MIT
"""Tests of tools/dev/fuzzing.sh, with scripts in the place of the targets."""
import pathlib
import subprocess

import pytest

DEV = pathlib.Path(__file__).resolve().parent / "dev"
GOOD = "echo chatter; echo stat::number_of_executed_units: 42"
LAST_LINE = "fuzz: {} targets, 7 s each, nothing found; inputs tried: {}\n"


@pytest.fixture(name="fuzz")
def fixture_fuzz(tmp_path):
    """Fuzzes @targets, {name: script}, on @cpus; (status, output)."""
    def fuzz(targets, *names, cpus=2):
        programs = tmp_path / "build" / "fuzz" / "tests"
        programs.mkdir(parents=True)
        for name, script in targets.items():
            path = programs / f"{name}_fuzz"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "meson.build").write_text("".join(
            f"fuzz_targets += [['{name}', files('x_fuzz.c'), [], []]]\n" for name in targets))
        (tmp_path / "tests").mkdir(exist_ok=True)
        pieces = "".join(f". {piece}\n" for piece in sorted(DEV.glob("*.sh")))
        script = (f"set -eu\n{pieces}build_preset() {{ echo built; }}\n"
                  f"cpu_count() {{ echo {cpus}; }}\n"
                  f"fuzz_targets 7 {' '.join(names)}\n")
        done = subprocess.run(["sh", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
        return done.returncode, done.stdout
    return fuzz


def test_all_targets_and_how_much_each_tried(fuzz):
    status, output = fuzz({"a": GOOD, "b": GOOD.replace("42", "43"), "c": GOOD})
    assert status == 0
    assert output.endswith(LAST_LINE.format(3, "a 42, b 43, c 42"))
    assert "chatter" not in output


def test_one_target(fuzz):
    status, output = fuzz({"a": "exit 1", "b": GOOD}, "b")
    assert status == 0 and output.endswith(LAST_LINE.format(1, "b 42"))


@pytest.mark.parametrize("name", ("c", "-x", "a.", "''"))
def test_an_unknown_target_is_refused_before_anything_is_built(fuzz, name):
    status, output = fuzz({"a": GOOD, "b": GOOD}, "a", name)
    assert status == 64
    name = name.strip("'")
    assert output == f"dev: there is no fuzz target '{name}'; there are: a b\n"


def test_the_targets_of_the_project_are_found():
    """Each is a file of its own."""
    root = DEV.parents[1]
    listed = subprocess.run(["sh", "-c", f". {DEV}/fuzzing.sh\nlist_fuzz_targets"], cwd=root,
                            stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    files = [path for folder in ("src", "tests") for path in (root / folder).rglob("*_fuzz.c")]
    assert len(listed) == len(set(listed)) == len(files)


def test_what_is_asked_of_a_target(fuzz, tmp_path):
    (tmp_path / "tests" / "corpus" / "a").mkdir(parents=True)
    assert fuzz({"a": f'echo "$@" >arguments; {GOOD}'})[0] == 0
    words = (tmp_path / "arguments").read_text().split()
    assert "-max_total_time=7" in words and "-artifact_prefix=build/fuzz-crash-a-" in words
    assert words[-2:] == ["build/fuzz-corpus/a", "tests/corpus/a"]


@pytest.mark.parametrize("failure", ("echo deadly; exit 77", "echo deadly",
                                     "echo deadly; echo stat::number_of_executed_units: 0"))
def test_only_the_output_of_what_failed_is_shown(fuzz, failure):
    status, output = fuzz({"a": GOOD, "b": failure})
    assert status != 0
    assert "deadly" in output and "-- b " in output
    assert "chatter" not in output and "nothing found" not in output


# Each waits for the other to begin.
MEETING = """: >begun-{0}
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e begun-{1} ] && break; sleep 0.2; done
[ -e begun-{1} ] || exit 1
""" + GOOD


def test_as_many_as_there_are_cpus_run_beside_each_other(fuzz):
    assert fuzz({"a": MEETING.format("a", "b"), "b": MEETING.format("b", "a")})[0] == 0


def test_and_no_more(fuzz):
    status, output = fuzz({"a": MEETING.format("a", "b"), "b": MEETING.format("b", "a")}, cpus=1)
    assert status != 0 and "-- a " in output
