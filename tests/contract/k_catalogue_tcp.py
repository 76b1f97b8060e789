# SPDX-License-Identifier: MIT
"""The catalogue, 28 to 44: what TCP and the network can do."""
import contextlib
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import wire
from catalogue import Cases, beside_canaries, closed
from client import DEADLINE, PATIENCE, Client, wait_for
from network import Network
from server import total

MIB = 1 << 20

cases = Cases()


def assert_sleeps(started, seconds=0.5):
    before = started.cpu_seconds()
    time.sleep(seconds)  # the stretch of time that is measured
    share = (started.cpu_seconds() - before) / seconds
    assert share < 0.05, f"{share:.0%} of a CPU while there is nothing to do"


def wait_for_open(started, count):
    wait_for(lambda: started.metrics()["client_connected"] == count, f"{count} are connected")


def join_all(started, count):
    return [started.connect() for _ in range(count)]


def leave_all(clients):
    for client in clients:
        client.close()


@cases.add(28, "silence-from-the-start")
def _(start, workers):
    count = 2000
    with beside_canaries(start, workers, "--first-frame-timeout=500ms") as started, \
            started.moves({closed("first_frame_timeout"): count, closed("idle_timeout"): 0}):
        begin = time.monotonic()
        clients = join_all(started, count)
        for client in clients:
            client.expect_fin()
        assert 0.4 < time.monotonic() - begin
        leave_all(clients)


@cases.add(29, "slowloris")
def _(start, workers):
    count = 500
    frame = wire.submit(1, bytes(100))
    with beside_canaries(start, workers, "--frame-timeout=800ms") as started, \
            started.moves({closed("frame_timeout"): count}):
        clients = join_all(started, count)
        end = time.monotonic() + 2 + PATIENCE
        for at in range(len(frame)):
            for client in clients:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.socket.send(frame[at:at + 1])
            time.sleep(0.1)  # the peers are slow: that is the test
            if time.monotonic() > end:
                break
        leave_all(clients)


@cases.add(30, "half-close")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for count in (0, 1, 7, 3000):
            with started.moves({closed("eof"): 1, closed("reset"): 0}), \
                    started.connect() as client:
                client.send(wire.submits(count, b"half"))
                client.half_close()
                client.expect_acks(count)
                client.expect_fin()


@cases.add(31, "resets")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        started.metrics()
        before = started.lasting_descriptor_count()
        with started.moves({closed("reset"): 150}):
            for _ in range(50):
                for data in (b"", wire.submit(1)[:9], wire.submits(500)):
                    client = started.connect()
                    client.round_trip()
                    client.send(data)
                    client.reset()
        wait_for_open(started, workers)
        # These may be gone before they are accepted: then they are no connections at all.
        for _ in range(100):
            started.connect().reset()
        wait_for_open(started, workers)
        wait_for(lambda: started.lasting_descriptor_count() == before, "no descriptor is left")


@cases.add(32, "vanished")
def _(start, workers):
    with Network("nft") as network, \
            beside_canaries(start, workers, "--peer-timeout=1s") as started:
        owed, idle = started.connect(), started.connect()
        for client in owed, idle:
            client.round_trip()
        ports = ", ".join(str(client.socket.getsockname()[1]) for client in (owed, idle))
        owed_port = owed.socket.getsockname()[1]
        with started.moves({closed("vanished"): 1}):
            # Requests still arrive, acks do not.
            network.rules(f"tcp dport {owed_port} drop")
            owed.send(wire.submits(5))
            wait_for(lambda: started.metrics()[closed("vanished")] == 1, "owed acks")
        with started.moves({closed("vanished"): 1}):
            network.rules(f"tcp dport {{ {ports} }} drop", f"tcp sport {{ {ports} }} drop")
            wait_for(lambda: started.metrics()[closed("vanished")] == 2, "sign of life", 15)
        leave_all((owed, idle))


@cases.add(33, "acks-never-read")
def _(start, workers):
    with beside_canaries(start, workers, "--write-timeout=400ms") as started:
        with started.moves({closed("write_timeout"): 3}):
            clients = [started.connect(receive_buffer=4096) for _ in range(3)]
            for client in clients:
                client.fill(wire.submits(200_000), patience=0.1)
            wait_for(lambda: started.metrics()[closed("write_timeout")] == 3, "write timeout")
            leave_all(clients)
        metrics = started.metrics()
        assert metrics["write_queue_bytes"] == 0
        assert metrics["acks_dropped_total"] > 0
        wait_for(lambda: started.metrics()["memory_bytes"] < 64 << 10, "memory comes back")


@cases.add(34, "slow-reader")
def _(start, workers):
    with beside_canaries(start, workers, "--write-timeout=500ms") as started, \
            started.connect(send_buffer=2 * MIB, receive_buffer=16384) as client:
        want = wire.acks(30_000)
        client.send(wire.submits(30_000))
        at = 0
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            client.expect(want[at:at + 8192])
            at += 8192
            time.sleep(0.05)  # this reader is slow: that is the test
        client.expect(want[at:])


def begin_connect(address):
    """A connection that is under way."""
    connecting = socket.socket()
    connecting.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        connecting.connect(address)
    return connecting


def syn(source, port):
    """An IP packet with nothing but a SYN from somewhere that will not answer."""
    tcp = struct.pack("!HHIIBBHHH", random.randrange(1024, 65536), port, random.getrandbits(32), 0,
                      5 << 4, 2, 64240, 0, 0)
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1")
    pseudo = addresses + struct.pack("!BBH", 0, 6, len(tcp)) + tcp
    sum_of = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    sum_of = (sum_of & 0xffff) + (sum_of >> 16)
    sum_of = ~((sum_of & 0xffff) + (sum_of >> 16)) & 0xffff
    tcp = tcp[:16] + struct.pack("!H", sum_of) + tcp[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses + tcp


@cases.add(35, "full-backlog")
def _(start, workers):
    with Network():
        subprocess.run(["sysctl", "-qw", "net.core.somaxconn=4"], check=True)
        started = start(f"--workers={workers}")
        wait_for(lambda: total(started.metrics(), "listen_queue_limit") == 4 * workers,
                 "every worker has looked")
        started.pause()
        connecting = [begin_connect(started.addresses["spec"]) for _ in range(12 * workers)]
        wait_for(lambda: netstat("ListenOverflows") + netstat("ListenDrops") > 0,
                 "the queue is full, and some are refused")
        started.resume()
        for one in connecting:
            # Who was not in time tries again after 1 s, 3 s, 7 s.
            one.settimeout(2 * DEADLINE)
            wait_connected(one)
            one.sendall(wire.submit(1))
            assert one.recv(14) == wire.acks(1)
            one.close()


def netstat(name):
    """A counter of this thread's network."""
    names, values = [line.split() for line in
                     pathlib.Path("/proc/thread-self/net/netstat").read_text().splitlines()[:2]]
    return int(values[names.index(name)])


def wait_connected(connecting):
    while True:
        try:
            connecting.getpeername()
            return
        except OSError:
            time.sleep(0.02)  # the kernel tries again by itself


@cases.add(35, "syn-flood")
def _(start, workers):
    with Network("nft") as network:
        network.rules("ip daddr 127.9.0.0/16 drop")  # nobody is there to answer
        with beside_canaries(start, workers) as started, \
                socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            port = started.addresses["spec"][1]
            for number in range(10_000):
                raw.sendto(syn(f"127.9.{number >> 8}.{number & 255}", port), ("127.0.0.1", 0))
                if number % 1000 == 0:
                    with started.connect() as client:
                        client.round_trip()
            assert half_open(port) > 1000 or netstat("SyncookiesSent") > 0
            for client in join_all(started, 50):
                client.round_trip()
                client.close()


def half_open(port):
    """How many connections of local port @port are in SYN_RECV."""
    return count_states(port, "03")


def count_states(port, state):
    lines = pathlib.Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == state
               for line in lines)


def time_waits(port):
    return count_states(port, "06")


@cases.add(36, "connect-and-close")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        started.metrics()
        before = started.lasting_descriptor_count()
        for _ in range(2000):
            started.connect().close()
        wait_for_open(started, workers)
        wait_for(lambda: started.lasting_descriptor_count() == before, "no descriptor is left")
        assert time_waits(started.addresses["spec"][1]) == 0
        wait_for(lambda: started.metrics()["memory_bytes"] < 64 << 10, "memory is flat")


@cases.add(37, "reconnect-storm")
def _(start, workers):
    first = start(f"--workers={workers}")
    port = first.addresses["spec"][1]
    old = join_all(first, 300)
    for client in old:
        client.round_trip()
    first.signal(signal.SIGKILL)
    first.wait()
    for client in old:
        client.expect_end()
        client.close()
    with beside_canaries(start, workers, "--max-conns=303",
                         listen=(f"127.0.0.1:{port}",)) as started:
        clients = join_all(started, 300)
        for client in clients:
            client.send(wire.submits(10))
        for client in clients:
            client.expect_acks(10)
        leave_all(clients)


@cases.add(38, "greedy-beside-quiet")
def _(start, workers):
    started = start(f"--workers={workers}")
    greedy = started.connect(send_buffer=4 * MIB)
    quiet = join_all(started, 100)
    ending = threading.Event()
    requests, acks = wire.submits(20_000), wire.acks(20_000)

    def flood():
        while not ending.is_set():
            greedy.exchange(requests, acks)

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    waits = []
    for client in quiet * 2:
        begin = time.monotonic()
        client.round_trip()
        waits.append(time.monotonic() - begin)
    ending.set()
    thread.join(3 * DEADLINE)
    assert not thread.is_alive()
    # Python's own threads are in it, so the bound is wide: a server that served the greedy one
    # first would take for ever.
    assert sorted(waits)[len(waits) * 9 // 10] < 0.1 * PATIENCE
    leave_all((greedy, *quiet))


@cases.add(39, "urgent-data")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        client = started.connect()
        client.send(wire.submit(1))
        client.socket.send(b"!", socket.MSG_OOB)
        client.send(wire.submit(2))
        client.expect_acks(2)
        client.socket.send(b"!", socket.MSG_OOB)
    assert_sleeps(started)
    client.number = 2
    client.round_trip()
    client.close()


@cases.add(40, "both-ends-close")
def _(start, workers):
    with beside_canaries(start, workers, "--linger-timeout=60s") as started:
        clients = join_all(started, 60)
        with started.moves({closed("frame_too_short"): 60}):
            for client in clients:
                client.send(wire.submits(3) + b"\0\0\0\0")
                client.expect_acks(3)
                client.expect_fin()
            for index, client in enumerate(clients):
                if index % 3 == 0:
                    client.half_close()
                elif index % 3 == 1:
                    client.send(bytes(5000))
                    client.half_close()
                else:
                    client.send(bytes(5000))
                    client.reset()
        wait_for_open(started, workers)
        leave_all(clients)
        # Both FINs cross.
        with started.moves({closed("eof"): 60}):
            for client in join_all(started, 60):
                client.half_close()
                client.expect_fin()
                client.close()
    assert_sleeps(started)


def exchange_in_steps(client, steps, count):
    for step in range(steps):
        first = step * count + 1
        client.exchange(wire.submits(count, b"lossy", first=first),
                        wire.acks(count, first=first), 6 * DEADLINE)


@cases.add(41, "one-percent-lost")
def _(start, workers):
    with Network("nft") as network, beside_canaries(start, workers) as started:
        network.rules("numgen random mod 100 < 1 drop")
        clients = [started.connect() for _ in range(3)]
        for client in clients:
            exchange_in_steps(client, 5, 2000)
        network.rules()
        leave_all(clients)


@cases.add(41, "thirty-percent-lost")
def _(start, workers):
    with Network("nft") as network:
        started = start(f"--workers={workers}")
        clients = join_all(started, 4)
        threads = [threading.Thread(target=exchange_in_steps, args=(client, 2, 20), daemon=True)
                   for client in clients]
        network.rules(f"tcp sport {started.addresses['spec'][1]} numgen random mod 100 < 30 drop",
                      f"tcp dport {started.addresses['spec'][1]} numgen random mod 100 < 30 drop")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(4 * DEADLINE)
        network.rules()
        assert not any(thread.is_alive() for thread in threads)
        wait_for(lambda: started.metrics()["rsp_send_total"] == 4 * 2 * 20, "each acked once")
        for client in clients:
            client.number = 40
            client.round_trip()
            client.close()


@cases.add(41, "one-megabit")
def _(start, workers):
    with Network("tc") as network, beside_canaries(start, workers) as started, \
            started.connect() as client:
        network.slow_down("1mbit")
        exchange_in_steps(client, 3, 500)


@cases.add(42, "port-scan")
def _(start, workers):
    suppressed = 'log_lines_suppressed_total{kind="refused"}'
    with beside_canaries(start, workers) as started:
        begin = time.monotonic()
        for number in range(1000):
            with started.connect() as client:
                if number % 2:
                    client.send(b"GET / HTTP/1.0\r\n\r\n")
                    client.expect_fin()
        wait_for_open(started, workers)
        seconds = time.monotonic() - begin + 1
        metrics = started.metrics()
        lines = sum("event=refused" in line for line in started.log().splitlines())
        assert lines <= 10 * (int(seconds) + 1)
        assert lines + metrics[suppressed] == 500
        assert metrics[closed("frame_too_large")] == 500
        wait_for(lambda: "left out" in started.log(), "how many lines were left out")


@cases.add(44, "ipv6-and-unix")
def _(start, workers):
    path = start.folders.mktemp("unix") / "s"
    with beside_canaries(start, workers, listen=("[::1]:0", str(path), "127.0.0.1:0")) as started:
        for address, dialect in started.listeners:
            with Client(address, dialect) as client:
                client.round_trip()
        port = started.listeners[0][0][1]
        # An IPv6 listener does not take IPv4, not even mapped.  Another program may have that port.
        with started.moves({"connections_accepted_total": 1}), socket.socket() as ipv4:
            ipv4.connect_ex(("127.0.0.1", port))
            with started.connect() as client:
                client.round_trip()


@cases.add(44, "port-of-another-user")
def _(start, workers):
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    address = f"127.0.0.1:{taken.getsockname()[1]}"
    users = (None, 65534) if os.geteuid() == 0 else (None,)
    for user in users:
        refused = subprocess.run(
            [start.program, f"--workers={workers}", f"--listen={address}",
             "--metrics-listen=off"], capture_output=True, text=True, timeout=DEADLINE,
            user=user)
        assert refused.returncode == 71
        assert address in refused.stderr and "in use" in refused.stderr
    taken.close()


@cases.parametrize
def test_catalogue(start, case, workers):
    case(start, workers)
