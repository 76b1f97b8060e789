# SPDX-License-Identifier: MIT
"""The server, or its clients, are stopped (SIGSTOP) under load and go on: no timer blames a peer
for the time that the server lost, and nothing is lost.

Three and thirty seconds; `-m 'not long'` leaves the thirty out, `-m long` runs nothing else."""
import select
import signal
import time

import pytest
from field import DEADLINE, MIB, Client, Ground, Steady, total, wait_for, wire

CROWD = 30
PUMPS = 4
HOARDERS = 3
HOARD = 60_000  # SUBMITs: more acks than the kernel holds for a peer that does not read

lengths = pytest.mark.parametrize("engine, seconds", [
    ("epoll", 3), ("uring", 3),
    pytest.param("epoll", 30, marks=pytest.mark.long),
    pytest.param("uring", 30, marks=pytest.mark.long)])


def timeouts(seconds):
    """Every timer of ackd that could blame a peer, shorter than the stop; peer-timeout is the
    kernel's, which is not stopped."""
    return ["--peer-timeout=60s"] + [f"--{name}-timeout={seconds * 2 // 3}s"
                                     for name in ("first-frame", "frame", "idle", "write")]


def hoard(ground):
    """A peer that is owed more acks than it takes: (client, what it has yet to send)."""
    client = Client(ground.dirty, send_buffer=2 * MIB, receive_buffer=16384)
    return client, client.fill(wire.submits(HOARD), patience=0.1)


def take_some(peer, acks):
    """It takes what the two kernels have, so that there is room when the server goes on: time in
    which nobody takes anything is the peer's fault, stopped server or not."""
    while select.select([peer.socket], [], [], 0.05)[0]:
        acks += peer.socket.recv(1 << 20)


@lengths
def test_the_server_is_stopped(tmp_path, engine, seconds):
    with Ground(tmp_path, engine, *timeouts(seconds), pause=seconds) as ground:
        pumps = ground.pumps(PUMPS, patience=seconds + DEADLINE)
        fresh, halves, quiet = [[ground.connect() for _ in range(CROWD)] for _ in range(3)]
        for peer in quiet:
            peer.round_trip()
        for peer in halves:
            peer.send(wire.submit(1, b"half")[:7])
        # The last before the stop, the first after it: their write-timeout runs in between.
        hoarders = [hoard(ground) for _ in range(HOARDERS)]
        ground.wait_for_open(PUMPS + HOARDERS + 3 * CROWD)
        stalls = total(ground.metrics(), "worker_stalls_total")

        ground.ackd.pause()
        late = [ground.connect() for _ in range(CROWD)]  # these wait in the kernel's queue
        for peer in fresh + quiet + late:
            peer.send(wire.submit(peer.number + 1))
        for peer in halves:
            peer.send(wire.submit(1, b"half")[7:])
        taken = [bytearray() for _ in hoarders]
        for _ in range(2 * seconds):
            time.sleep(0.5)  # stopped
            for (peer, _), acks in zip(hoarders, taken):
                take_some(peer, acks)
        ground.ackd.resume()

        for (peer, unsent), acks in zip(hoarders, taken):
            assert acks
            assert wire.acks(HOARD).startswith(acks)
            peer.exchange(unsent, wire.acks(HOARD)[len(acks):])
            peer.close()
        # Before the many, since their threads take turns with ours: idle-timeout runs again.
        for pump in pumps:
            pump.finish()
        for peer in fresh + halves + quiet + late:
            peer.expect_acks(1, peer.number + 1)
            peer.number += 1
            peer.round_trip()
            peer.close()
        assert total(ground.metrics(), "worker_stalls_total") >= stalls + 2, "both workers noticed"
        ground.settle({"eof": PUMPS + HOARDERS + 4 * CROWD})


@lengths
def test_clients_are_stopped(tmp_path, engine, seconds):
    """They are silent for longer than any timeout, but their kernels answer for them."""
    names = ("first-frame", "frame", "write", "peer")
    with Ground(tmp_path, engine, *[f"--{name}-timeout=1s" for name in names]) as ground:
        loads = [Steady(ground.dirty, "-d", "16"),
                 Steady(ground.dirty, "--rate=2k", "--validity=off")]
        try:
            ground.wait_for_open(2 * Steady.CONNECTIONS)
            time.sleep(0.5)  # under load
            for load in loads:
                load.process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)  # for what is under way
            before = ground.metrics()["client_connected"]
            time.sleep(seconds)  # stopped
            assert ground.metrics()["client_connected"] == before
            for load in loads:
                load.process.send_signal(signal.SIGCONT)
            received = ground.metrics()["req_recv_total"]
            wait_for(lambda: ground.metrics()["req_recv_total"] > received + 10_000, "they go on")
            for load in loads:
                load.stop()
        finally:
            for load in loads:
                load.kill()
        ground.settle({"eof": 2 * Steady.CONNECTIONS})
