# SPDX-License-Identifier: MIT
"""The ladder's servers from outside, with the tools of the contract suite.

    ACKD=build/test/src/ackd/ackd ACKLOAD=build/test/src/load/ackload \\
        /usr/bin/python3 -m pytest tests/ladder

The build folder is that of ACKD; the stages are in its folder ladder/.  What is marked `release`
runs only when it is asked for, -m release: it wants an optimised build, Go's pprof and gnuplot.
"""
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "tests" / "contract"
BUILD = pathlib.Path(os.environ.get("ACKD", ROOT / "build/test/src/ackd/ackd")).resolve().parents[2]

sys.path.insert(0, str(CONTRACT))
pytest.register_assert_rewrite("client", "server")

import server as server_module

STAGES = ("unbuffered", "buffered", "pooled")


@pytest.fixture(params=STAGES)
def stage(request):
    return request.param


@pytest.fixture
def start(tmp_path):
    """start(stage, "--option=value", ...) gives a server that ends with the test."""
    servers = []

    def start_one(name, *arguments, **options):
        folder = tmp_path / f"{name}-{len(servers)}"
        folder.mkdir()
        started = server_module.Ackd(str(BUILD / "ladder" / name), folder,
                                     "--pprof-listen=127.0.0.1:0", *arguments, **options)
        servers.append(started)
        return started

    yield start_one
    for started in servers:
        started.close()
