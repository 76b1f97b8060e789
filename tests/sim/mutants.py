#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""mutants - shows that the simulator finds planted bugs

    tests/sim/mutants.py [--seeds N] [NAME...]

Each tests/sim/mutants/NAME.patch is put into a copy of the sources (build/mutants), the simulator
is built there, and must find something within N seeds (3000), in which it finds nothing as long as
nothing is planted. Exits 1 for one that it does not find, or that no longer applies.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATCHES = ROOT / "tests" / "sim" / "mutants"
WORK = ROOT / "build" / "mutants"
COPY = WORK / "source"
BUILD = WORK / "build"
SIM = "tests/sim/ackd-sim"


def run(*words, where=ROOT, may_fail=False):
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        sys.exit(f"{' '.join(map(str, words))}:\n{done.stdout}{done.stderr}")
    return done


def copy_sources():
    """Copies what differs, so that what is built already stays built."""
    wanted = [path for top in ROOT.iterdir() if not top.name.startswith((".", "build"))
              for path in (top, *top.rglob("*"))]
    for source in wanted:
        target = COPY / source.relative_to(ROOT)
        if not source.is_file() or "__pycache__" in source.parts:
            continue
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build():
    if not (BUILD / "build.ninja").exists():
        run("meson", "setup", BUILD, COPY)
    run("ninja", "-C", BUILD, SIM)


def check(name, seeds):
    """The line about one mutant, and whether it was found."""
    patch = PATCHES / f"{name}.patch"
    run("patch", "-p1", "-i", patch, where=COPY)
    try:
        build()
        begin = time.monotonic()
        done = run(BUILD / SIM, "--seeds", f"1..{seeds}", may_fail=True)
        seconds = time.monotonic() - begin
    finally:
        run("patch", "-R", "-p1", "-i", patch, where=COPY)
    seed = re.search(r"replay: \S+ --seed (\d+)", done.stderr)
    if done.returncode == 0 or not seed:
        return f"NOT FOUND in {seeds} seeds: {name}", False
    words = next((line for line in done.stderr.splitlines() if line.startswith("seed ")),
                 done.stderr.splitlines()[0])
    return f"found by seed {seed.group(1)} after {seconds:.1f} s: {name}\n    {words[:150]}", True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=3000)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    names = args.names or sorted(path.stem for path in PATCHES.glob("*.patch"))

    copy_sources()
    build()
    # What is found in the sources as they are says nothing about a mutant.
    run(BUILD / SIM, "--seeds", f"1..{args.seeds}")
    found = 0
    for name in names:
        words, is_found = check(name, args.seeds)
        print(words, flush=True)
        found += is_found
    print(f"mutants: {found} of {len(names)} found")
    return 0 if names and found == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
