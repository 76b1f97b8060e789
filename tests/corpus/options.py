#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target `options` into tests/corpus/options.

    tests/corpus/options.py         existing inputs of other names (found by a fuzzer) stay

An input is a config file, or '@' and one argument; see src/ackd/options_fuzz.c.
"""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

EVERYTHING = """\
# everything at once
listen = 127.0.0.1:8888
listen = [::1]:9000,dialect=demo
listen = unix:/run/ackd.sock
metrics-listen = off
metrics-prefix = ackd_2
workers = 4
max-frame = 1m   # with a comment
max-conns = auto
window = 1
idle-timeout = 5m
frame-timeout=10s
write-timeout = 0
linger-timeout = 250ms
drain-timeout = 168h
handler = delay:5ms
log-level = debug
log-format = json
ports-file = /tmp/ports
"""


def seeds():
    yield "everything", EVERYTHING
    yield "everything-crlf", EVERYTHING.replace("\n", "\r\n")
    yield "empty", ""
    yield "comments", "# nothing\n\n   # at all"
    yield "append", "handler = append:/tmp/x\n"
    for name, line in (
            ("unknown-key", "no-such = 1"), ("flag", "help = yes"), ("config-in-config",
            "config = /etc/ackd"), ("no-equals", "workers"), ("no-value", "workers ="),
            ("negative", "workers = -1"), ("2-to-the-64", "window = 18446744073709551616"),
            ("10x", "workers = 10x"), ("too-large", "max-frame = 17m"), ("too-small",
            "max-frame = 12"), ("no-unit", "idle-timeout = 300"), ("too-long",
            "drain-timeout = 169h"), ("fraction", "idle-timeout = 1.5s"), ("bad-address",
            "listen = 1.2.3.4.5:1"), ("bad-port", "listen = :65536"), ("bad-dialect",
            "listen = :1,dialect=x"), ("two-prefixes", "metrics-prefix = 9lives"),
            ("nul", "workers = 1\0"), ("bom", "\ufeffworkers = 1"), ("long-value",
            "ports-file = " + "x" * 400), ("seventeen-listeners", "listen = :0\n" * 17)):
        yield name, line + "\n"
    for name, argument in (("argument", "--workers=3"), ("argument-short-form", "--work=3"),
                           ("argument-ambiguous", "--m=3"), ("argument-no-value", "--workers"),
                           ("argument-unknown", "--no-such"), ("argument-stray", "8888"),
                           ("argument-help", "--help"), ("argument-dash", "-x")):
        yield name, "@" + argument


def main():
    folder = HERE / "options"
    folder.mkdir(exist_ok=True)
    for name, content in seeds():
        (folder / name).write_bytes(content.encode())


if __name__ == "__main__":
    main()
