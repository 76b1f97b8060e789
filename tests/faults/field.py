# SPDX-License-Identifier: MIT
"""field - an ackd with clients that are harmed, and with witnesses that may not notice it

    with Ground(folder, engine) as ground: ...

The witnesses are a canary and a steady ackload; settle() judges what is left of the harm.

    with Field(folder, engine) as field: ...

is a ground of two machines and two cables between them, one of which can be harmed. The machines
are network namespaces, the cables veth pairs. ackd runs on the one; inside the block this thread,
and what it starts, is on the other. Over `dirty` go the clients that a test harms, over `clean` the
witnesses and the metrics. Needs root. Where namespaces are forbidden the test is skipped; a kernel
that lacks anything else fails it, and the message says what.
"""
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))
pytest.register_assert_rewrite("client", "server")

import client as client_module  # noqa: E402
import wire  # noqa: E402
from client import DEADLINE, PATIENCE, Client, wait_for  # noqa: E402
from network import enter  # noqa: E402
from server import Ackd, total  # noqa: E402

ACKD = os.environ.get("ACKD", str(ROOT / "build/test/src/ackd/ackd"))
ACKLOAD = os.environ.get("ACKLOAD", str(ROOT / "build/test/src/load/ackload"))

CABLES = {"dirty": "10.99.1", "clean": "10.99.2"}  # the first three numbers of their addresses
NUMBERS = itertools.count()
KIB, MIB = 1 << 10, 1 << 20

GAUGES = ("client_connected", "write_queue_bytes", "deferred_requests", "deferred_bytes",
          "memory_bytes")

# A worker's heap keeps what it may need again; what connections hold is memory_bytes.
KEPT_MAX = 8 * MIB


def run(*command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def must(*command, text=None):
    done = run(*command, text=text)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def reasons(metrics):
    """Why connections were closed: {reason: count}, without those that never occurred."""
    prefix = 'connections_closed_total{reason="'
    return {name[len(prefix):-2]: int(value) for name, value in metrics.items()
            if name.startswith(prefix) and value > 0}


class Canary(client_module.Canary):
    """As in the contract suite, on a server that may be stopped for as long as @pause seconds."""

    def __init__(self, server, pause=0.0):
        super().__init__(server)
        self.LATENCY_MAX += 2 * pause  # the machine may be as slow after it
        self.patience = pause + DEADLINE

    def step(self):
        start = client_module.time.monotonic()
        self.client.number += 1
        self.client.send(wire.submit(self.client.number, b"canary"))
        self.client.expect_acks(1, self.client.number, seconds=self.patience)
        self.latency_max = max(self.latency_max, client_module.time.monotonic() - start)


class Pump(threading.Thread):
    """A client under load: @window SUBMITs, all their acks in order, and again, until finish()."""

    def __init__(self, client, window=32, patience=DEADLINE):
        super().__init__(daemon=True)
        self.client = client
        self.window = window
        self.patience = patience
        self.ending = threading.Event()
        self.acked = 0
        self.failure = None

    def run(self):
        try:
            while not self.ending.is_set():
                first = self.acked + 1
                self.client.send(wire.submits(self.window, b"p" * 60, first=first))
                self.client.expect_acks(self.window, first, seconds=self.patience)
                self.acked += self.window
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def stop(self):
        """Lets it end behind a whole window; all of its acks must have come."""
        self.ending.set()
        self.join(self.patience + DEADLINE)
        assert not self.is_alive(), "a client is stuck"
        assert self.failure is None, f"a client was harmed: {self.failure}"

    def finish(self):
        self.stop()
        self.client.close()

    def abandon(self):
        """Ends one whose connection is gone already."""
        self.ending.set()
        with contextlib.suppress(OSError):
            self.client.socket.shutdown(2)
        self.join(DEADLINE)
        assert not self.is_alive(), "a client is stuck"
        self.client.close()


class Steady:
    """ackload at a low rate, from before the trouble until stop(); every message must be acked."""

    CONNECTIONS = 2

    def __init__(self, address, *options):
        self.process = subprocess.Popen(
            [ACKLOAD, "run", f"--connect={address[0]}:{address[1]}", "-c", str(self.CONNECTIONS),
             *(options or ("--rate=1k", "--validity=off")), "--time=10m", "--drain-timeout=60s",
             "--json=-", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stop(self):
        """Its count of messages, all of which were acked once and in order."""
        self.process.send_signal(2)
        out, err = self.process.communicate(timeout=90 * PATIENCE)
        assert self.process.returncode == 0, f"ackload: {self.process.returncode}\n{out}\n{err}"
        counts = json.loads(out)["ledger"]
        assert counts["sent"] == counts["ok"] > 0, counts
        return counts["sent"]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Path:
    """What Canary() takes for a server: one of its addresses."""

    def __init__(self, address):
        self.address = address

    def connect(self):
        return Client(self.address)


class Ground:
    """@pause: for how many seconds the test stops the server."""

    def __init__(self, folder, engine, *options, pause=0.0):
        self.folder = folder
        self.options = (f"--engine={engine}", "--workers=2", *options)
        self.pause = pause
        self.exits = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as exits:
            self.ackd = self.start(exits)
            exits.callback(self.ackd.kill)
            (self.dirty, _), (self.clean, _) = self.ackd.listeners
            self.ackd.metrics()  # its connection is one of the descriptors
            self.descriptors = self.ackd.lasting_descriptor_count()
            self.resident = self.ackd.resident_size()
            self.call_witnesses(exits)
            self.exits = exits.pop_all()
        return self

    def start(self, _):
        return Ackd(ACKD, self.folder, *self.options, listen=["127.0.0.1:0"] * 2)

    def call_witnesses(self, exits):
        self.steady = Steady(self.clean)
        exits.callback(self.steady.kill)
        self.canary = Canary(Path(self.clean), self.pause)
        self.canary.__enter__()
        self.wait_for_open(0)
        wait_for(lambda: self.metrics()["req_recv_total"] > self.canary.client.number + 10,
                 "the steady load has begun")

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.ackd.close()
        finally:
            self.exits.close()

    def metrics(self):
        """Over one connection that is kept, or a new one if nothing was asked for too long."""
        try:
            return self.ackd.metrics()
        except http.client.RemoteDisconnected:
            self.ackd.admin.close()
            return self.ackd.metrics()

    def end_witnesses(self):
        """The canary and the steady load, which must have lost nothing, leave."""
        self.canary.__exit__(None)
        self.steady.stop()
        wait_for(lambda: self.metrics()["client_connected"] == 0, "all have left")

    # Clients

    def connect(self):
        return Client(self.dirty)

    def pumps(self, count, **options):
        pumps = [Pump(self.connect(), **options) for _ in range(count)]
        for pump in pumps:
            pump.start()
        wait_for(lambda: all(pump.acked for pump in pumps), "all clients are served")
        return pumps

    # Judging

    def wait_for_open(self, count, seconds=DEADLINE):
        """@count connections are open beside the canary's and the steady ones."""
        wanted = count + 1 + Steady.CONNECTIONS
        wait_for(lambda: self.metrics()["client_connected"] == wanted,
                 f"{count} harmed connections are open", seconds)

    def settle(self, expected, also=()):
        """After the harm: nothing is left of it, and each connection was closed for the reason it
        should have been: @expected has their counts, or its None key those of any of @also."""
        self.wait_for_open(0)
        self.end_witnesses()
        wait_for(lambda: all(self.metrics()[name] == 0 for name in GAUGES),
                 "all gauges are back to 0")
        metrics = self.metrics()
        found = reasons(metrics)
        wanted = dict(expected)
        any_count = wanted.pop(None, 0)
        wanted["eof"] = wanted.get("eof", 0) + 1 + Steady.CONNECTIONS
        assert sum(found.pop(reason, 0) for reason in also) == any_count, reasons(metrics)
        assert found == wanted, f"closed by {found}, not {wanted}"
        assert metrics["connections_accepted_total"] == total(metrics, "connections_closed_total")
        assert metrics["req_recv_total"] == \
            metrics["rsp_send_total"] + metrics["acks_dropped_total"]
        assert metrics.get("uring_stale_completions_total", 0) == 0
        assert self.ackd.lasting_descriptor_count() == self.descriptors
        if not self.ackd.is_instrumented():
            kept = self.ackd.resident_size() - self.resident
            assert kept < KEPT_MAX, f"{kept >> 10} KiB are not given back"
        self.ackd.close()
        return metrics


class Field(Ground):
    def __init__(self, folder, engine, *options):
        super().__init__(folder, engine, *options)
        self.names = {side: f"ackd-{side}-{os.getpid()}-{next(NUMBERS)}"
                      for side in ("server", "client")}

    # Setting it up

    def start(self, exits):
        self.make_machines(exits)
        self.make_cables()
        self.go_to("server")
        started = Ackd(ACKD, self.folder, *self.options, metrics=f"{CABLES['clean']}.1:0",
                       listen=[f"{prefix}.1:0" for prefix in CABLES.values()])
        self.go_to("client")
        return started

    def make_machines(self, exits):
        if os.geteuid() != 0:
            pytest.skip("needs root: makes network namespaces")
        for name in self.names.values():
            made = run("ip", "netns", "add", name)
            if "not permitted" in made.stderr or "ermission denied" in made.stderr:
                pytest.skip(f"network namespaces are forbidden here: {made.stderr.strip()}")
            assert made.returncode == 0, made.stderr
            exits.callback(must, "ip", "netns", "del", name)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        exits.callback(os.close, home)
        exits.callback(enter, home)

    def make_cables(self):
        server, client = self.names["server"], self.names["client"]
        for cable, prefix in CABLES.items():
            must("ip", "link", "add", cable, "netns", server, "type", "veth", "peer", "name",
                 cable, "netns", client)
            for name, number in ((server, 1), (client, 2)):
                must("ip", "-n", name, "addr", "add", f"{prefix}.{number}/24", "dev", cable)
                # Packets of the size that a wire carries, not of 64 KiB.
                must("ip", "-n", name, "link", "set", cable, "gso_max_segs", "1", "up")
        for name in server, client:
            must("ip", "-n", name, "link", "set", "lo", "up")
            # Kernels from 6.15 on have it: what is lost is sent again each second at the latest,
            # so that a test of loss takes seconds. Others wait for longer, and so do the tests.
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.tcp_rto_max_ms=1000")

    def go_to(self, side):
        inside = os.open(f"/run/netns/{self.names[side]}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(inside)
        finally:
            os.close(inside)

    # Harm

    def rules(self, side, *rules):
        """What happens to packets that arrive at @side over the dirty cable; none heal it."""
        text = "flush ruleset\n"
        if rules:
            text += "table inet harm {\n chain arriving {\n  type filter hook input priority 0;\n" \
                + "".join(f'  iifname "dirty" {rule}\n' for rule in rules) + " }\n}\n"
        must("ip", "netns", "exec", self.names[side], "nft", "-f", "-", text=text)

    def harm(self, *rules):
        for side in self.names:
            self.rules(side, *rules)

    def harmed_count(self):
        """How many packets have met rules that count."""
        text = "".join(must("ip", "netns", "exec", name, "nft", "-j", "list", "ruleset")
                       for name in self.names.values())
        return sum(int(piece.split("}")[0].split(",")[0])
                   for piece in text.split('"packets": ')[1:])

    def lose(self, percent):
        """So many of a hundred packets are lost, each way."""
        try:
            self.harm(f"numgen random mod 100 < {percent} counter drop")
        except AssertionError as failure:
            pytest.fail("loses packets by nftables' numgen, which this kernel does not have "
                        f"(CONFIG_NFT_NUMGEN): {failure}")

    def heal(self):
        self.harm()

    def kernel_count(self):
        """Sockets that the server's kernel still has for clients of the dirty cable."""
        port = f":{self.dirty[1]:04X}"
        lines = must("ip", "netns", "exec", self.names["server"], "cat",
                     "/proc/net/tcp").splitlines()[1:]
        # 0A is LISTEN; a TIME_WAIT (06) is as it should be where we closed first.
        return sum(line.split()[1].endswith(port) and line.split()[3] not in ("0A", "06")
                   for line in lines)
