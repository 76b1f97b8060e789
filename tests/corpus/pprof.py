#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target `pprof` into tests/corpus/pprof.

    tests/corpus/pprof.py           existing inputs of other names (found by a fuzzer) stay

An input is one byte for the method, then lines: path, Host, Accept-Encoding; then a body. See
src/profile/server_fuzz.c.
"""
import pathlib

GET, HEAD, POST, DELETE, OPTIONS, PUT = 0, 3, 4, 5, 6, 7
KINDS = ("heap", "allocs", "goroutine", "threadcreate", "mutex", "block")
HOST = "127.0.0.1:6060"
# Addresses of the process: a function, within one, a constant, data, libc, the kernel's, the stack.
CODE, WITHIN, CONSTANT, DATA, LIBC, VDSO, STACK = map(chr, range(1, 8))
HERE = pathlib.Path(__file__).resolve().parent
ALL = "+".join((CODE, WITHIN, CONSTANT, DATA, LIBC, VDSO, STACK))


def profiles():
    yield "profile", "profile"
    yield "profile-seconds", "profile?seconds=5"
    yield "profile-hz", "profile?seconds=1&hz=1000"
    yield "profile-no-numbers", "profile?seconds=x&hz=-1"
    yield "profile-zeros", "profile?seconds=0&hz=0"
    yield "profile-601", "profile?seconds=601"
    yield "profile-hz-1001", "profile?hz=1001"
    yield "profile-2-to-the-32", "profile?seconds=4294967296&hz=4294967297"
    yield "profile-2-to-the-64", "profile?seconds=18446744073709551617"
    for kind in KINDS:
        yield kind, kind
    yield "difference", "allocs?seconds=5"
    yield "difference-0", "mutex?seconds=0"
    yield "difference-x", "block?seconds=x"
    yield "difference-empty", "block?seconds="
    yield "difference-601", "heap?seconds=601"
    yield "difference-debug", "goroutine?seconds=1&debug=1"
    yield "debug", "heap?debug=1"
    yield "debug-2", "goroutine?debug=2"
    yield "debug-3", "goroutine?debug=3"
    yield "debug-minus", "goroutine?debug=-1"
    yield "gc", "heap?gc=1"
    yield "unknown", "trace?seconds=1"
    yield "folder", "heap/../profile"
    yield "query-percent", "heap?%64ebug=%31&%"
    yield "query-twice", "heap?debug=1&debug=2"
    yield "query-plus", "profile?seconds=+5"
    yield "query-long-value", "profile?seconds=" + "0" * 40 + "5"
    yield "query-no-equals", "profile?seconds&hz"
    yield "query-semicolon", "profile?seconds=1;hz=5"
    yield "query-fragment", "profile?seconds=1#hz=5"
    yield "query-nothing", "heap?&&=&"


def pages():
    yield "index", ""
    yield "root", "/"
    yield "no-slash", "/debug/pprof"
    yield "elsewhere", "/metrics"
    for page in ("cmdline", "ui", "ui.css", "ui.js"):
        yield page, page
    yield "ui-query", "ui?profile=heap&seconds=5"
    yield "absolute", "/http://a/debug/pprof/heap"
    yield "percent", "h%65ap"
    yield "symbol", "symbol"
    yield "symbol-all", "symbol?" + ALL
    yield "symbol-zero", "symbol?0x0+0x1"
    yield "symbol-last", "symbol?0xffffffffffffffff"
    yield "symbol-too-large", "symbol?0xffffffffffffffffffff+0x1"
    yield "symbol-sign", "symbol?0x-1+0x+1"
    yield "symbol-no-number", "symbol?0xg"
    yield "symbol-decimal", "symbol?4096"
    yield "symbol-blank", "symbol?0x10 0x20"
    yield "symbol-plusses", "symbol?" + CODE + "++" + LIBC
    yield "symbol-percent", "symbol?0x10%2b0x20"


def seeds():
    for name, path in (*profiles(), *pages()):
        yield name, GET, [path, HOST, "", ""]
    yield "head", HEAD, ["goroutine", HOST, "", ""]
    yield "head-index", HEAD, ["", HOST, "", ""]
    yield "head-ui", HEAD, ["ui", HOST, "gzip", ""]
    yield "ui-gzip", GET, ["ui.js", HOST, "gzip", ""]
    yield "post-symbol", POST, ["symbol", HOST, "", ALL]
    yield "post-symbol-empty", POST, ["symbol", HOST, "", ""]
    yield "post-symbol-nul", POST, ["symbol", HOST, "", CODE + "\0" + LIBC]
    yield "post-symbol-lines", POST, ["symbol", HOST, "", CODE + "\n" + LIBC]
    yield "post-symbol-many", POST, ["symbol", HOST, "", "+".join((CODE, LIBC, VDSO) * 40)]
    yield "post-symbol-and-query", POST, ["symbol?0x1", HOST, "", CODE]
    yield "post-heap", POST, ["heap", HOST, "", "x"]
    yield "delete", DELETE, ["symbol", HOST, "", ""]
    yield "options", OPTIONS, ["", HOST, "", ""]
    yield "put", PUT, ["symbol", HOST, "", "0x1"]
    for name, host in (("name", "ackd:6060"), ("localhost", "a.localhost"), ("ipv6", "[::1]:1"),
                       ("foreign", "evil.example:6060"), ("foreign-number", "127.0.0.1.a.b"),
                       ("empty", ""), ("colon", ":"), ("short", ".localhost")):
        yield "host-" + name, GET, ["cmdline", host, "", ""]


def main():
    folder = HERE / "pprof"
    folder.mkdir(exist_ok=True)
    for name, method, lines in seeds():
        (folder / name).write_bytes(bytes([method]) + "\n".join(lines).encode())


if __name__ == "__main__":
    main()
