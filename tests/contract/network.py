# SPDX-License-Identifier: MIT
"""network - a network of our own, in which packets can be lost

    with Network() as network: ...

Inside the block this thread, the sockets that it makes and the servers that it starts are in a
network namespace with nothing but a loopback interface.  Needs root, ip, and for loss nft or tc;
without them the test is skipped, and says why.
"""
import ctypes
import itertools
import os
import shutil
import subprocess

import pytest

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
NUMBERS = itertools.count()


def enter(descriptor):
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Network:
    def __init__(self, *tools):
        if os.geteuid() != 0:
            pytest.skip("needs root, for a network namespace")
        for tool in ("ip", *tools):
            if not shutil.which(tool):
                pytest.skip(f"needs {tool} (Debian: iproute2, nftables)")
        self.name = f"ackd-test-{os.getpid()}-{next(NUMBERS)}"

    def run(self, *command):
        finished = subprocess.run(command, capture_output=True, text=True)
        assert finished.returncode == 0, f"{' '.join(command)}: {finished.stderr}"

    def __enter__(self):
        made = subprocess.run(["ip", "netns", "add", self.name], capture_output=True, text=True)
        if made.returncode != 0:
            pytest.skip(f"no network namespace here: {made.stderr.strip()}")
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(inside)
        finally:
            os.close(inside)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        enter(self.home)
        os.close(self.home)
        self.run("ip", "netns", "del", self.name)

    def rules(self, *rules):
        """Replaces the rules that arriving packets meet."""
        text = "flush ruleset\ntable inet test {\n chain arriving {\n" \
            "  type filter hook input priority 0;\n" + "".join(f"  {rule}\n" for rule in rules) \
            + " }\n}\n"
        if not rules:
            text = "flush ruleset\n"
        finished = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True)
        if finished.returncode != 0:
            pytest.skip(f"nft cannot do that here: {finished.stderr.strip()}")

    def slow_down(self, rate):
        finished = subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", rate,
                                   "burst", "64kb", "latency", "1s"], capture_output=True,
                                  text=True)
        if finished.returncode != 0:
            pytest.skip(f"tc cannot do that here: {finished.stderr.strip()}")
