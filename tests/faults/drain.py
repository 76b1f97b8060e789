#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""drain - SIGTERM under full load, again and again: every submit that the server counted is acked

    drain.py --build build/release [--rounds 20] [--engine epoll] [--ledger]

A round: an ackd on a free port, clients in threads that send as fast as they can and read every
ack, SIGTERM after a time that follows from the round's number. Afterwards the acks that the clients
have seen must be exactly the submits that the server says it took (its last line), in order,
without a reset, and it must have ended with 0. Exits 1 at the first round in which that is not so.

With --ledger the rounds go on, for each engine, where docs/ledger.tsv ends, and each piece of them
is written down as soon as it is done: a run that is interrupted goes on with the same command.
"""
import argparse
import datetime
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import ledger  # noqa: E402

ACK_SIZE = 14
DEADLINE = 60
BATCH = 64


def submits(first, count):
    return b"".join(struct.pack(">IB8s", 35, 2, struct.pack(">Q", number)) + b"d" * 22
                    for number in range(first, first + count))


class Client(threading.Thread):
    """Sends without pause until the server's FIN; its acks are 1, 2, 3 ..."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(address, DEADLINE)
        self.ended = threading.Event()
        self.received = 0
        self.trouble = None

    def send(self):
        first = 1
        while not self.ended.is_set():
            try:
                self.socket.sendall(submits(first, BATCH))
            except OSError:
                return  # the server has ended; what counts is what was acked
            first += BATCH

    def run(self):
        threading.Thread(target=self.send, daemon=True).start()
        rest = b""
        try:
            while piece := self.socket.recv(1 << 18):
                rest = self.check(rest + piece)
        except OSError as error:
            self.trouble = str(error)
        self.ended.set()
        if rest:
            self.trouble = f"{len(rest)} bytes of an ack"
        self.socket.close()

    def check(self, data):
        for at in range(0, len(data) - ACK_SIZE + 1, ACK_SIZE):
            self.received += 1
            if struct.unpack_from(">Q", data, at + 5)[0] != self.received:
                self.trouble = self.trouble or f"ack {self.received} is another"
        return data[len(data) - len(data) % ACK_SIZE:]


def play(program, folder, engine, clients, seconds):
    """One round: (acks seen, what was wrong or None)."""
    ports = folder / "ports"
    ports.unlink(missing_ok=True)
    command = [program, "--listen=127.0.0.1:0", "--metrics-listen=off", "--pprof-listen=off",
               "--workers=2", f"--engine={engine}", f"--ports-file={ports}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as ackd:
        end = time.monotonic() + DEADLINE
        while not ports.exists():
            if time.monotonic() > end or ackd.poll() is not None:
                ackd.kill()
                return 0, "it did not start"
            time.sleep(0.005)
        port = int(ports.read_text().split()[1].rpartition(":")[2])
        crowd = [Client(("127.0.0.1", port)) for _ in range(clients)]
        for client in crowd:
            client.start()
        time.sleep(seconds)
        ackd.send_signal(signal.SIGTERM)
        for client in crowd:
            client.join(DEADLINE)
        try:
            log = ackd.communicate(timeout=DEADLINE)[1]
        except subprocess.TimeoutExpired:
            ackd.kill()
            return 0, "it did not end"
    return judge(crowd, ackd.returncode, log)


def judge(crowd, code, log, others=0):
    """(acks seen, what is wrong or None); @others are the acks that others have seen."""
    seen = sum(client.received for client in crowd)
    if any(client.is_alive() for client in crowd):
        return seen, "a client is stuck"
    for client in crowd:
        if client.trouble:
            return seen, client.trouble
    if code != 0:
        return seen, f"exit code {code}"
    match = re.search(r"event=finished submits=(\d+) acks=(\d+) acks_dropped=(\d+)", log)
    if not match:
        return seen, "no last line in the log"
    if tuple(map(int, match.groups())) != (seen + others, seen + others, 0):
        return seen, f"{match[0]}, and {seen + others} acks were seen"
    return seen, None


def play_rounds(args, engine, numbers):
    """(acks seen, rounds that were played, what was wrong or None)."""
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        for played, number in enumerate(numbers, start=1):
            acks, trouble = play(args.build / "src" / "ackd" / "ackd", pathlib.Path(folder),
                                 engine, args.clients,
                                 random.Random(f"{engine} {number}").uniform(0.02, 0.4))
            total += acks
            if trouble:
                return total, played, f"round {number}: {trouble}"
    return total, len(numbers), None


def play_piece(args, engine, numbers):
    """Plays them, says so, and writes them down; whether all went well."""
    begin = time.monotonic()
    begun_with = ledger.commit()
    acks, played, trouble = play_rounds(args, engine, numbers)
    seconds = time.monotonic() - begin
    span = f"{numbers[0]}..{numbers[played - 1]}"
    print(f"drain: rounds {span} on {engine}, {acks} acks, {seconds:.0f} s, "
          f"kernel {os.uname().release}, {datetime.date.today()}: {trouble or ledger.NOTHING}",
          flush=True)
    if args.ledger:
        ledger.add(args.book, ledger.line_of(f"drain-{engine}", f"{span}, {acks} acks", played,
                                             seconds, trouble or ledger.NOTHING, begun_with))
    return trouble is None


def main():
    parser = argparse.ArgumentParser(prog="./dev faults",
                                     description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=20, help="of all engines together")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--engine", action="append", choices=("epoll", "uring"))
    parser.add_argument("--first", type=int, default=1, help="the first round's number")
    parser.add_argument("--piece", type=int, default=50, help="rounds written down at once")
    parser.add_argument("--ledger", action="store_true",
                        help="go on where docs/ledger.tsv ends, and write it down there")
    parser.add_argument("--book", type=pathlib.Path, default=ledger.LEDGER, help=argparse.SUPPRESS)
    args = parser.parse_args()

    engines = args.engine or ["epoll", "uring"]
    count = -(-args.rounds // len(engines))
    for engine in engines:
        first = ledger.next_seed(ledger.read(args.book), f"drain-{engine}") if args.ledger \
            else args.first
        for begin in range(first, first + count, args.piece):
            if not play_piece(args, engine, range(begin, min(begin + args.piece, first + count))):
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
