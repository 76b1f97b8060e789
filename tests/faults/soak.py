#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""soak - full load and misbehaving peers for minutes or hours: nothing may grow and no ack be lost

    soak.py --build build/release [--minutes 60] [--engine epoll]

Beside clients that send without pause stand peers that connect and vanish, reset in the middle of
a frame, send what is no frame, and never read their acks. Every ten seconds the server's memory is
looked at, and a quiet connection measures how long one ack takes: in the first tenth of the time
without the misbehaving, then with them. At the end: the slope of the memory after the first sixth
is below 1 MiB an hour (from 30 minutes on; before, it grew by less than 1 MiB), descriptors are as
many as at the start, the well-behaved have all their acks.

A run whose length was asked for is written down in docs/ledger.tsv. SIGINT ends it early: what it
has seen by then is judged, and written down, in the same way.
"""
import argparse
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from drain import Client, ledger, submits

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20
STEP_S = 10
SLOPE_MAX = 1 * MIB  # an hour
LONG_S = 1800
ALONE_SHARE = 0.1  # of the time without abusers
ENDING = threading.Event()


class Abuser(threading.Thread):
    """One after the other, peers that nobody wants."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port = port
        self.dice = random.Random(seed)
        self.ending = threading.Event()
        self.count = 0

    def run(self):
        while not self.ending.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as peer:
                    self.dice.choice((self.vanish, self.cut, self.babble, self.hoard))(peer)
                self.count += 1
            except OSError:
                pass  # that is what it asked for
            time.sleep(0.002)

    def vanish(self, peer):
        pass

    def cut(self, peer):
        peer.sendall(submits(1, 3)[:-7])
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def babble(self, peer):
        peer.sendall(self.dice.randbytes(self.dice.randrange(1, 4096)))

    def hoard(self, peer):
        peer.settimeout(0.05)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(submits(1, 20000))


def resident_size(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def descriptor_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def slope(samples):
    """Bytes an hour, by least squares through (seconds, bytes)."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread * 3600 if spread else 0.0


def watch(ackd, port, seconds):
    """Samples of the memory, and the quiet connection's times in seconds."""
    samples = []
    times = []
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 30) as quiet:
        while (passed := time.monotonic() - begin) < seconds and ackd.poll() is None and \
                not ENDING.is_set():
            if passed >= len(samples) * STEP_S:
                samples.append((passed, resident_size(ackd.pid)))
            start = time.monotonic()
            quiet.sendall(submits(1, 1))
            while len(quiet.recv(14, socket.MSG_WAITALL)) != 14:
                raise OSError("the quiet connection was closed")
            times.append(time.monotonic() - start)
            time.sleep(0.05)
        samples.append((time.monotonic() - begin, resident_size(ackd.pid)))
    return samples, times


def p99(times):
    return sorted(times)[len(times) * 99 // 100] if times else float("nan")


def grown(samples):
    """What is wrong with the memory, or None."""
    late = samples[len(samples) // 6:]
    if late[-1][0] >= LONG_S:
        found = slope(late)
        return f"memory grows by {found / MIB:.2f} MiB an hour" if found > SLOPE_MAX else None
    found = late[-1][1] - late[0][1]
    return f"memory grew by {found / MIB:.2f} MiB" if found > SLOPE_MAX else None


def soak(args, folder):
    ports = folder / "ports"
    with subprocess.Popen(
            [args.build / "src" / "ackd" / "ackd", "--listen=127.0.0.1:0", "--metrics-listen=off",
             "--pprof-listen=off", "--workers=2", f"--engine={args.engine}",
             "--write-timeout=2s", f"--ports-file={ports}", "--log-level=error"],
            stderr=subprocess.PIPE, text=True, start_new_session=True) as ackd:
        while not ports.exists():
            time.sleep(0.01)
        port = int(ports.read_text().split()[1].rpartition(":")[2])
        fds = descriptor_count(ackd.pid)
        crowd = [Client(("127.0.0.1", port)) for _ in range(args.clients)]
        abusers = [Abuser(port, seed) for seed in range(2)]
        for client in crowd:
            client.start()
        _, times_before = watch(ackd, port, args.minutes * 60 * ALONE_SHARE)
        for abuser in abusers:
            abuser.start()
        samples, times = watch(ackd, port, args.minutes * 60 * (1 - ALONE_SHARE))
        for abuser in abusers:
            abuser.ending.set()
        for abuser in abusers:
            abuser.join(60)
        end = time.monotonic() + 60
        while descriptor_count(ackd.pid) > fds + len(crowd) and time.monotonic() < end:
            time.sleep(0.1)
        left = descriptor_count(ackd.pid) - fds - len(crowd)
        ackd.send_signal(signal.SIGTERM)
        for client in crowd:
            client.join(60)
        code = ackd.wait(60)
    acks = sum(client.received for client in crowd)
    abuse = sum(abuser.count for abuser in abusers)
    troubles = [client.trouble for client in crowd if client.trouble]
    trouble = grown(samples) or (f"{left} descriptors are left" if left > 0 else None) or \
        (f"exit code {code}" if code != 0 else None) or next(iter(troubles), None)
    return acks, abuse, samples, (p99(times_before), p99(times)), trouble


def main():
    parser = argparse.ArgumentParser(prog="./dev soak",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--minutes", type=float, help="3, unless it is to be written down")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--engine", choices=("auto", "epoll", "uring"), default="auto")
    parser.add_argument("--ledger", action="store_true",
                        help="append a line to docs/ledger.tsv, as --minutes does")
    args = parser.parse_args()
    args.ledger = args.ledger or args.minutes is not None
    args.minutes = args.minutes or 3
    signal.signal(signal.SIGINT, lambda *_: ENDING.set())

    begin = time.monotonic()
    begun_with = ledger.commit()
    with tempfile.TemporaryDirectory() as folder:
        acks, abuse, samples, waits, trouble = soak(args, pathlib.Path(folder))
    seconds = time.monotonic() - begin
    late = samples[len(samples) // 6:]
    print(f"soak: {seconds:.0f} s, engine {args.engine}, {acks} acks, {abuse} abusers, memory "
          f"{late[0][1] / MIB:.2f} to {late[-1][1] / MIB:.2f} MiB (slope {slope(late) / MIB:.2f} "
          f"MiB/h), p99 of the quiet one {waits[0] * 1000:.1f} ms without abusers, "
          f"{waits[1] * 1000:.1f} ms with them: {trouble or ledger.NOTHING}")
    if args.ledger:
        ledger.add(ledger.LEDGER, ledger.line_of(f"soak-{args.engine}", f"{acks} acks", abuse,
                                                 seconds, trouble or ledger.NOTHING, begun_with))
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
