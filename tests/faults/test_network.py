# SPDX-License-Identifier: MIT
"""A network that fails under load: packets lost, connections reset or ended at any point, and a
network that goes dark. Beside it a canary and a steady load, over a cable that works, lose nothing
(field.py)."""
import random
import time

import drain
import pytest
from field import DEADLINE, PATIENCE, Field, Steady, wait_for, wire

PUMPS = 6
PEERS = 60

engines = pytest.mark.parametrize("engine", ("epoll", "uring"))


@engines
@pytest.mark.parametrize("percent", (1, 30))
def test_packets_are_lost(tmp_path, engine, percent):
    """Later, but every message is acked, once, in order; by Python's clients and by ackload."""
    with Field(tmp_path, engine) as field:
        pumps = field.pumps(PUMPS, window=200 if percent == 1 else 8, patience=6 * DEADLINE)
        load = Steady(field.dirty, "-d", "16")
        field.wait_for_open(PUMPS + Steady.CONNECTIONS)
        field.lose(percent)
        time.sleep(5)  # under load
        for pump in pumps:
            pump.stop()
        load.stop()
        assert field.harmed_count() >= 20, "packets were lost"
        # Before the FINs: a kernel sends those of closed sockets eight times again, and no more.
        field.heal()
        for pump in pumps:
            pump.client.close()
        field.wait_for_open(0, 2 * DEADLINE)
        metrics = field.settle({"eof": PUMPS + Steady.CONNECTIONS})
        assert metrics["acks_dropped_total"] == 0


@engines
def test_drained_while_packets_are_lost(tmp_path, engine):
    """SIGTERM under full load and 30 % loss: the acks that clients see are all that were owed. They
    take longer than linger-timeout, which does not end while they are on their way."""
    with Field(tmp_path, engine) as field:
        field.end_witnesses()
        before = int(field.metrics()["req_recv_total"])
        crowd = [drain.Client(field.dirty) for _ in range(3)]
        for client in crowd:
            client.start()
        field.lose(30)
        time.sleep(2)  # under load
        field.ackd.signal(15)
        for client in crowd:
            client.join(6 * DEADLINE)
        code = field.ackd.wait(3 * DEADLINE)
        acks, trouble = drain.judge(crowd, code, field.ackd.log(), before)
        assert trouble is None
        assert acks > 0


@engines
def test_the_network_resets_all(tmp_path, engine):
    """A middlebox answers each packet with RST, to both ends."""
    with Field(tmp_path, engine) as field:
        pumps = field.pumps(PUMPS)
        field.harm("tcp flags rst accept", "tcp flags != rst reject with tcp reset")
        field.wait_for_open(0)
        wait_for(lambda: all(pump.failure for pump in pumps), "the clients know, too")
        field.heal()
        for pump in pumps:
            pump.abandon()
        assert field.kernel_count() == 0
        field.settle({"reset": PUMPS})


def cut_at_random(dice, count):
    """The bytes of @count frames and a half-line through them: (bytes, whole frames, clean cut)."""
    frames = [wire.submit(number, dice.randbytes(dice.randrange(200)))
              for number in range(1, count + 1)]
    stream = b"".join(frames)
    cut = dice.choice((0, len(frames[0]), len(stream), *(dice.randrange(len(stream))
                                                         for _ in range(9))))
    whole = end = 0
    while whole < count and end + len(frames[whole]) <= cut:
        end += len(frames[whole])
        whole += 1
    return stream[:cut], whole, end == cut


@engines
def test_peers_reset_at_any_point(tmp_path, engine):
    """SO_LINGER 0: before the first byte, inside a header or a frame, with acks under way."""
    dice = random.Random(1)
    with Field(tmp_path, engine) as field:
        pumps = field.pumps(PUMPS)
        for number in range(PEERS):
            peer = field.connect()
            stream, whole, _ = cut_at_random(dice, 300)
            if number % 3 == 0:
                peer.round_trip()
            peer.send(stream)
            if number % 3 == 1:
                peer.expect_acks(whole)
            elif number % 3 == 2:
                time.sleep(dice.uniform(0, 0.003))  # any point of what the server does with it
            peer.reset()
        field.wait_for_open(PUMPS)
        for pump in pumps:
            pump.finish()
        assert field.kernel_count() == 0
        field.settle({"reset": PEERS, "eof": PUMPS})


@engines
def test_peers_finish_at_any_point(tmp_path, engine):
    """FIN behind any byte: the whole frames before it are acked, and its place is the reason."""
    dice = random.Random(2)
    clean = 0
    with Field(tmp_path, engine) as field:
        pumps = field.pumps(PUMPS)
        for _ in range(PEERS):
            with field.connect() as peer:
                stream, whole, at_edge = cut_at_random(dice, 300)
                clean += at_edge
                peer.send(stream)
                peer.half_close()
                peer.expect_acks(whole)
                peer.expect_fin()
        assert 0 < clean < PEERS
        for pump in pumps:
            pump.finish()
        field.settle({"eof": clean + PUMPS, "eof_in_frame": PEERS - clean})


@engines
def test_the_network_goes_dark(tmp_path, engine):
    """Each is freed within the timeout that is its own: an unconfirmed ack's after peer-timeout,
    an idle one's after five times that, that of half a frame after frame-timeout."""
    with Field(tmp_path, engine, "--peer-timeout=1s", "--frame-timeout=2s",
               "--linger-timeout=500ms") as field:
        owed, idle, halves = [[field.connect() for _ in range(5)] for _ in range(3)]
        for peer in (*owed, *idle, *halves):
            peer.round_trip()
        # Requests arrive, acks do not.
        field.rules("client", "drop")
        begin = time.monotonic()
        for peer in owed:
            peer.send(wire.submits(5, first=2))
        wait_for(lambda: field.metrics()['connections_closed_total{reason="vanished"}'] == 5,
                 "owed acks give up")
        assert 0.9 < time.monotonic() - begin < 1.0 + 2 * PATIENCE
        field.heal()

        pumps = field.pumps(PUMPS)
        for peer in halves:
            peer.send(wire.submit(2)[:9])
        field.metrics()
        field.harm("drop")
        begin = time.monotonic()
        field.wait_for_open(0, 4 + 1 + 3 * PATIENCE)
        assert time.monotonic() - begin > 1.9
        wait_for(lambda: field.kernel_count() == 0, "the kernel has none left either")
        field.heal()
        for pump in pumps:
            pump.abandon()
        for peer in (*owed, *idle, *halves):
            peer.close()
        # Those under load have an ack under way, or half a frame has arrived, or neither.
        metrics = field.settle({None: 10 + 5 + PUMPS}, also=("vanished", "frame_timeout"))
        assert metrics['connections_closed_total{reason="vanished"}'] >= 10
        assert metrics['connections_closed_total{reason="frame_timeout"}'] >= 5


@engines
def test_idle_peers_go_dark(tmp_path, engine):
    """idle-timeout frees them, though neither our FIN nor anything else is confirmed."""
    with Field(tmp_path, engine, "--idle-timeout=1s", "--linger-timeout=500ms") as field:
        peers = [field.connect() for _ in range(20)]
        for peer in peers:
            peer.round_trip()
        field.harm("drop")
        begin = time.monotonic()
        field.wait_for_open(0, 1.5 + 2 * PATIENCE)
        assert time.monotonic() - begin > 1.0
        field.heal()
        for peer in peers:
            peer.close()
        field.settle({"idle_timeout": 20})


@engines
def test_a_partition_heals(tmp_path, engine):
    """Dark for shorter than any timeout: nobody is closed, and nothing is lost."""
    with Field(tmp_path, engine) as field:
        pumps = field.pumps(PUMPS, patience=2 * DEADLINE)
        idle = [field.connect() for _ in range(5)]
        for peer in idle:
            peer.round_trip()
        field.harm("counter drop")
        time.sleep(3)  # dark
        assert field.harmed_count() > PUMPS, "it was dark"
        before = [pump.acked for pump in pumps]
        field.heal()
        wait_for(lambda: all(pump.acked > count + pump.window
                             for pump, count in zip(pumps, before)), "it goes on",
                 2 * DEADLINE)
        for peer in idle:
            peer.round_trip()
            peer.close()
        for pump in pumps:
            pump.finish()
        field.settle({"eof": PUMPS + 5})
