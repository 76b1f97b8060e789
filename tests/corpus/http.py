#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target `http` into tests/corpus/http.

    tests/corpus/http.py            existing inputs of other names (found by a fuzzer) stay

An input is one byte for the method, then lines: path, Accept, Accept-Encoding, If-None-Match, Host;
see src/admin/http_fuzz.c.
"""
import pathlib

GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE = range(8)
HERE = pathlib.Path(__file__).resolve().parent


def seeds():
    openmetrics = "application/openmetrics-text; version=1.0.0"
    yield "index", GET, ["", "", "", ""]
    yield "metrics", GET, ["metrics", "*/*", "", ""]
    yield "metrics-openmetrics", GET, ["metrics", openmetrics, "gzip", ""]
    yield "metrics-gzip", GET, ["metrics", "text/plain", "gzip, deflate, br", ""]
    yield "metrics-gzip-q0", GET, ["metrics", "", "gzip;q=0", ""]
    yield "metrics-gzip-q0.5", GET, ["metrics", "", "br, gzip;q=0.5", ""]
    yield "metrics-head", HEAD, ["metrics", "", "gzip", ""]
    yield "metrics-query", GET, ["metrics?name=" + "a" * 200, "", "", ""]
    yield "healthy", GET, ["-/healthy", "", "", ""]
    yield "ready", GET, ["-/ready", "", "", ""]
    yield "post", POST, ["metrics", "", "", ""]
    yield "delete", DELETE, ["metrics", "", "", ""]
    yield "dots", GET, ["../../etc/passwd", "", "", ""]
    yield "percent", GET, ["%2e%2e/%00/metrics%", "", "", ""]
    yield "double-slash", GET, ["/metrics", "", "", ""]
    yield "absolute", GET, ["http://a/metrics", "", "", ""]
    yield "fragment", GET, ["metrics#x", "", "", ""]
    yield "space", GET, ["met rics", "", "", ""]
    yield "trace", TRACE, ["", "", "", ""]
    for path in ("app.js", "app.css", "chart.js", "icon.svg", "api/live"):
        yield path.replace("/", "-"), GET, [path, "", "", ""]
        yield path.replace("/", "-") + "-gzip", GET, [path, "", "gzip", "\"a\"", "a:8889"]
    yield "page-head", HEAD, ["", "", "gzip", ""]
    yield "page-etag", GET, ["", "", "", '"0123456789abcdef"']
    yield "page-foreign", GET, ["", "", "", "", "evil.example:8889"]
    yield "metrics-foreign", GET, ["metrics", "", "", "", "evil.example:8889"]
    yield "host-ipv6", GET, ["", "", "", "", "[::1]:8889"]
    yield "host-number", GET, ["", "", "", "", "127.0.0.1:8889"]
    yield "host-local", GET, ["", "", "", "", "a.localhost:8889"]
    yield "long-path", GET, ["x" * 4000, "", "", ""]


def main():
    folder = HERE / "http"
    folder.mkdir(exist_ok=True)
    for name, method, lines in seeds():
        (folder / name).write_bytes(bytes([method]) + "\n".join(lines).encode())


if __name__ == "__main__":
    main()
