#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target `machine` into tests/corpus/machine.

    tests/corpus/machine.py         existing inputs of other names (found by a fuzzer) stay

An input is eight bytes of options, two for the dice, then actions; see tests/sim/machine_fuzz.c.
"""
import pathlib
import struct

WRITE, RECEIVE, WINDOW, FINISH, RESET, PASS, COMPLETE = 1, 2, 3, 4, 5, 6, 7
LATER = 0x80  # without a turn of the worker behind it
SERVER = 0xe0
DRAIN, STOP, EMFILE = 0, 1, 2
HERE = pathlib.Path(__file__).resolve().parent


def options(flags=0, frame=0, window=0, idle=0, part=0, write=0, linger=0, handler=0, dice=7):
    return bytes([flags, frame, window, idle, part, write, linger, handler, 0, dice])


def act(what, argument=0, whose=0):
    return bytes([what | whose << 3, argument])


def write(data, whose=0, later=0):
    return act(WRITE | later, len(data), whose) + data


def submit(number, payload=b"hello"):
    return struct.pack(">IB", 13 + len(payload), 2) + b"%08d" % number + payload


def seeds():
    three = submit(1) + submit(2) + submit(3)
    conn = struct.pack(">IB", 13, 1) + b"00000009"
    yield "one-submit", options() + write(submit(1)) + act(FINISH)
    yield "conn-and-submit-demo", options(flags=1) + write(conn + three)
    yield "cut-in-a-frame", options() + write(three[:20]) + write(three[20:]) + act(FINISH)
    yield "eof-in-a-frame", options() + write(three[:20]) + act(FINISH)
    yield "in-small-receives", options() + act(RECEIVE, 2) + write(three)
    yield "does-not-read", options(write=2) + act(WINDOW, 0) + write(three) + act(PASS, 30)
    yield "reads-slowly", options() + act(WINDOW, 2) + write(three) + act(WINDOW, 6) * 9
    yield "deferred", options(handler=1) + write(three) + act(COMPLETE) + act(FINISH)
    yield "deferred-then-reset", options(handler=1) + write(three) + act(RESET) + act(COMPLETE)
    yield "window-of-one", options(window=1, handler=1) + write(three) + act(COMPLETE) * 4
    yield "two-peers", options(handler=2) + write(three) + write(three, whose=1) + act(COMPLETE)
    yield "one-too-many", options(flags=2) + b"".join(write(three, whose=i) for i in range(4))
    yield "unknown-command", options() + write(three + b"\0\0\0\x05\x03") + act(PASS, 60)
    yield "too-large", options(frame=1) + write(three)
    yield "idle", options(idle=2) + write(three) + act(PASS, 10)
    yield "half-a-frame", options(part=2) + write(three[:7]) + act(PASS, 10)
    yield "drain", options() + write(three, later=LATER) + bytes([SERVER, DRAIN])
    yield "drain-with-deferred", options(handler=1) + write(three) + bytes([SERVER, DRAIN])
    yield "stop", options(handler=1) + write(three) + bytes([SERVER, STOP])
    yield "stop-as-lingering-ends", options(linger=2) + write(three) + bytes([SERVER, DRAIN]) \
        + bytes([SERVER | LATER, STOP]) + act(PASS, 9)
    yield "no-descriptors", options() + bytes([SERVER, EMFILE]) + write(three) + act(PASS, 40)


def main():
    folder = HERE / "machine"
    folder.mkdir(exist_ok=True)
    for name, content in seeds():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
