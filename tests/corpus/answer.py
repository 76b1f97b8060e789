#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target `answer` into tests/corpus/answer.

    tests/corpus/answer.py          existing inputs of other names (found by a fuzzer) stay

An input is one byte for the dialect, one for the longest frame, then a stream; see
src/wire/answer_fuzz.c.  What a fuzzer finds goes beside the seeds under a name that says
what it is.
"""
import pathlib
import struct

SPEC, DEMO = 0, 1
MAX_64K, MAX_13, MAX_14, MAX_64, MAX_1024, MAX_16M = range(6)

CONN, SUBMIT, CONN_ACK, SUBMIT_ACK, DEMO_CONN_ACK = 0x01, 0x02, 0x81, 0x82, 0x80
HERE = pathlib.Path(__file__).resolve().parent


def frame(command, payload=b"", ident=b"00000001"):
    packet = bytes([command]) + ident + payload
    return struct.pack(">I", 4 + len(packet)) + packet


def header(length, rest=b"\x02"):
    return struct.pack(">I", length) + rest


def submits(count, size=20):
    return b"".join(frame(SUBMIT, b"p" * (size - 13), b"%08d" % i) for i in range(count))


def mixed(count):
    return b"".join(frame(SUBMIT, b"p" * (i * 7 % 20), b"%08d" % i) for i in range(count))


def teaching(count):
    recorded = (HERE / "vectors" / "teaching-client-1000-submits.bin").read_bytes()
    at = 0
    for _ in range(count):
        at += int.from_bytes(recorded[at:at + 4], "big")
    return recorded[:at]


def seeds():
    ok = submits(3)
    yield "empty", SPEC, MAX_64K, b""
    yield "one-submit", SPEC, MAX_64K, submits(1)
    yield "one-submit-empty-payload", SPEC, MAX_13, frame(SUBMIT)
    yield "one-conn", DEMO, MAX_64K, frame(CONN, b"hello")
    yield "id-nul-ff-crlf-esc", SPEC, MAX_64K, frame(SUBMIT, b"x", b"\0\xff\r\n\x1b\x7f\x80\x01")
    yield "payload-of-nested-frames", SPEC, MAX_64K, frame(SUBMIT, ok) + ok
    yield "teaching-10", DEMO, MAX_64K, teaching(10)
    yield "mixed-24", SPEC, MAX_64K, mixed(24)
    yield "length-is-the-longest", SPEC, MAX_64, submits(2, 64)
    yield "conn-among-a-run", DEMO, MAX_64K, submits(10) + frame(CONN, b"1234567") + submits(12)

    # Around the nine equal frames after which the run loop starts.
    yield "run-8", SPEC, MAX_64K, submits(8)
    yield "run-9", DEMO, MAX_14, submits(9, 14)
    yield "run-20-then-partial", SPEC, MAX_64K, submits(21)[:-1]
    yield "run-20-then-longer", SPEC, MAX_64K, submits(20) + submits(2, 21)
    yield "run-20-then-garbage", SPEC, MAX_64K, submits(20) + b"GET / HTTP/1.1\r\n\r\n"
    yield "run-20-then-wrong-direction", DEMO, MAX_64K, submits(20) + frame(SUBMIT_ACK, b"1234567")

    # Hostile lengths, alone and behind legal frames.
    for length in (0, 1, 3, 4, 5, 12, 65, 0x01000014, 0x0d000000, 0x7fffffff, 0x80000000,
                   0xffffffff):
        yield f"length-{length:08x}", SPEC, MAX_64, ok + header(length, b"\x02" + bytes(20))
    yield "six-byte-killer", SPEC, MAX_64K, header(6, b"\x02\x01")
    yield "length-little-endian", SPEC, MAX_16M, struct.pack("<I", 13) + frame(SUBMIT)[4:]
    yield "conn-of-12-bytes", SPEC, MAX_64K, ok + header(12, b"\x01" + b"7" * 7)

    # Hostile commands.
    for command in (0x00, 0x03, 0x7f, DEMO_CONN_ACK, CONN_ACK, SUBMIT_ACK, 0x83, 0xff):
        yield f"command-{command:02x}", SPEC, MAX_64K, ok + frame(command, b"\0")

    # Other protocols on the port.
    yield "http", SPEC, MAX_64K, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    yield "ssh", SPEC, MAX_64K, b"SSH-2.0-OpenSSH_9.2p1\r\n"
    yield "tls-hello", SPEC, MAX_16M, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(32)
    yield "proxy-v1", SPEC, MAX_64K, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"
    yield "redis", SPEC, MAX_64K, b"*1\r\n$4\r\nPING\r\n"

    # Streams that end too soon.
    yield "cut-in-header", SPEC, MAX_64K, ok + b"\0\0"
    yield "cut-behind-header", SPEC, MAX_64K, ok + header(20, b"")
    yield "cut-in-id", DEMO, MAX_64K, ok[:-12]
    yield "cut-in-payload", DEMO, MAX_64K, ok[:-1]


def main():
    folder = HERE / "answer"
    folder.mkdir(exist_ok=True)
    for name, dialect, longest, stream in seeds():
        (folder / name).write_bytes(bytes([dialect, longest]) + stream)


if __name__ == "__main__":
    main()
