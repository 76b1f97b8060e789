# SPDX-License-Identifier: MIT
"""The catalogue has a test for each number, or says where it stands or why there is none."""
import importlib
import pathlib
import subprocess
import sys

from catalogue import ELSEWHERE, ITEMS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def numbers_with_tests():
    numbers = set()
    for path in HERE.glob("k_catalogue_*.py"):
        module = importlib.import_module(path.stem)
        numbers |= {int(row.id[:2]) for row in module.cases.rows}
    return numbers


def test_every_item_has_a_test_or_a_reason():
    assert sorted(ITEMS) == list(range(1, 94))
    assert sorted(numbers_with_tests() | set(ELSEWHERE)) == list(range(1, 94))
    assert numbers_with_tests() & set(ELSEWHERE) == set()


def test_tests_that_stand_elsewhere_exist():
    for number, test in ELSEWHERE.items():
        assert (test == "") == (ITEMS[number].expected == "-")
        assert test or ITEMS[number].note
        if test:
            file, _, name = test.partition("::")
            path = ROOT / file if "/" in file else HERE / file
            assert f"{name}(" in path.read_text(), test


def test_the_document_is_current():
    done = subprocess.run([sys.executable, ROOT / "tools/reliability.py", "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
