#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target `options` into tests/corpus/options.

    tests/corpus/options.py         existing inputs of other names (found by a fuzzer) stay

An input is lines of '@' and an argument, then a config file; see src/ackd/options_fuzz.c.
"""
import pathlib
import re

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


OPTIONS_DEF = HERE.parent.parent / "src" / "ackd" / "options.def"
OPTION = re.compile(r'OPTION\("([^"]*)", (\w+), [^"]*?(?:"([^"]*)"|NULL),\s+"([^"]*)"')

# What is legal, where that is not the default alone.
VALUES = {
    "LISTEN": ["[::1]:0,dialect=demo", "unix:/tmp/a b", "*:1", "/tmp/socket"],
    "COUNT": ["1", "100000"],
    "AUTO_COUNT": ["auto", "256"],
    "SIZE": ["1025", "16MiB", "1023k"],
    "MEMORY": ["auto", "off", "1m", "3g", "1048577"],
    "TIME": ["0", "1ms", "1us", "90s", "2m", "168h"],
    "GUARD_TIME": ["0", "1ms", "1us", "90s", "2m", "168h"],
    "HANDLER": ["discard", "append:/tmp/a", "delay:5ms"],
    "ENGINE": ["auto", "epoll", "uring"],
    "LOG_LEVEL": ["error", "warn", "info", "debug"],
    "LOG_FORMAT": ["logfmt", "json"],
}


def of_each_option():
    """Every option of options.def in the file, and on the command line with each kind of value."""
    whole = ""
    found = OPTION.findall(OPTIONS_DEF.read_text(encoding="utf-8"))
    for name, kind, _, default in found:
        if kind == "FLAG":
            yield f"flag-{name}", f"@--{name}\n"
        elif kind != "CONFIG":
            values = VALUES.get(kind, []) + ([default] if default else ["off"])
            whole += f"{name} = {default or '/tmp/x'}\n"
            yield f"option-{name}", "".join(f"@--{name}\n@{value}\n" for value in values)
            yield f"value-{name}", f"{name} = {values[0]}\n"
    yield "defaults", whole


def seeds():
    yield from of_each_option()
    yield "everything", EVERYTHING
    yield "line-wins", "@--workers=3\n@--listen=:1\nworkers = 4\nlisten = :2\nlisten = :3\n"
    yield "pprof-remote", "@--pprof-allow-remote\npprof-listen = 0.0.0.0:6060\n"
    yield "pprof-not-remote", "pprof-listen = 0.0.0.0:6060\n"
    yield "all-http-off", "pprof-listen = off\nmetrics-listen = off\n"
    yield "http-on-one-port", "pprof-listen = 127.0.0.1:1\nmetrics-listen = 127.0.0.1:1\n"
    yield "marks-crossed", "ack-high = 1k\nack-low = 1k\n"
    yield "twice", "workers = 1\nworkers = 1\n"
    yield "unguarded", "idle-timeout = 0\nmemory-limit = off\nwrite-timeout = 0\n"
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
