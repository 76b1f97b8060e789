# SPDX-License-Identifier: MIT
"""The catalogue, 61 to 69: signals, starts and ends."""
import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

import wire
from catalogue import Cases, beside_canaries
from client import DEADLINE, PATIENCE, Client, wait_for

cases = Cases()

O_CLOEXEC = 0o2000000


@cases.add(61, "sigpipe-and-peers-that-are-gone")
def _(start, workers):
    with beside_canaries(start, workers) as started:
        for _ in range(30):
            client = started.connect()
            client.send(wire.submits(2000))
            started.signal(signal.SIGPIPE)
            client.reset()
        with started.connect() as client:
            client.round_trip()


class Storm:
    """Sends signals, 100 a second, until the server has ended."""

    def __init__(self, process, numbers):
        self.process = process
        self.numbers = numbers
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while self.process.poll() is None:
            for number in self.numbers:
                with contextlib.suppress(ProcessLookupError):
                    self.process.send_signal(number)
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


ENDING = (signal.SIGTERM, signal.SIGINT)


@cases.add(62, "signals-at-the-start")
def _(start, workers):
    """However early they come: it ends by itself or by the signal, and says nothing odd."""
    folder = start.folders.mktemp("early")
    for delay_ms in range(0, 30, 2):
        with open(folder / f"log-{delay_ms}", "wb") as log:
            process = subprocess.Popen(
                [start.program, "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
                 "--pprof-listen=off", f"--workers={workers}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        time.sleep(delay_ms / 1000)  # it is somewhere in its start then
        with Storm(process, (signal.SIGHUP, *ENDING)):
            code = process.wait(DEADLINE)
        assert code in (0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP), code
        text = (folder / f"log-{delay_ms}").read_text()
        assert "Assertion" not in text and "Sanitizer" not in text, text


@cases.add(62, "signals-under-load")
def _(start, workers):
    for numbers in ((signal.SIGTERM,), (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)):
        started = start(f"--workers={workers}")
        clients = [started.connect() for _ in range(50)]
        for client in clients:
            client.send(wire.submits(2000))
        with Storm(started.process, numbers):
            assert started.wait() in (0, 3)
        for client in clients:
            client.expect_end()
            client.close()
        assert started.log().count("event=finished") == 1


@cases.add(62, "signals-in-a-drain")
def _(start, workers):
    """The first drains, the next ends at once, all others change nothing."""
    started = start(f"--workers={workers}", "--handler=delay:20s")
    clients = [started.connect() for _ in range(10)]
    for client in clients:
        client.send(wire.submits(3))
    wait_for(lambda: started.metrics()["deferred_requests"] == 30, "all are deferred")
    begin = time.monotonic()
    with Storm(started.process, ENDING):
        assert started.wait() == 3
    assert time.monotonic() - begin < 3 * PATIENCE
    for client in clients:
        client.expect_end()
        client.close()


def read_records(path):
    data = pathlib.Path(path).read_bytes()
    records, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        records.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return records


@cases.add(63, "sigterm-under-full-load")
def _(start, workers):
    path = start.folders.mktemp("load") / "records"
    started = start(f"--workers={workers}", f"--handler=append:{path}", "--drain-timeout=10s")
    senders = [Loader(started, index) for index in range(8)]
    wait_for(lambda: all(sender.received > 14_000 for sender in senders), "they are under way")
    begin = time.monotonic()
    started.signal(signal.SIGTERM)
    assert started.wait() == 0
    assert time.monotonic() - begin < 11 * PATIENCE
    records = read_records(path)
    for sender in senders:
        sender.finish()
        assert sender.received % wire.ACK_SIZE == 0
        acked = sender.received // wire.ACK_SIZE
        mine = [record for record in records if record.startswith(b"%d:" % sender.index)]
        assert mine == [b"%d:%d" % (sender.index, number) for number in range(1, acked + 1)]
    assert len(records) == sum(sender.received for sender in senders) // wire.ACK_SIZE


class Loader:
    """Sends numbered SUBMITs without end, and reads what comes back until FIN."""

    def __init__(self, started, index):
        self.client = started.connect()
        self.index = index
        self.received = 0
        self.failure = None
        self.threads = [threading.Thread(target=target, daemon=True)
                        for target in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        number = 1
        with contextlib.suppress(OSError):
            while True:
                self.client.socket.sendall(b"".join(
                    wire.submit(number + step, b"%d:%d" % (self.index, number + step))
                    for step in range(200)))
                number += 200

    def receive(self):
        try:
            while data := self.client.socket.recv(65536):
                self.received += len(data)
        except OSError as failure:
            self.failure = failure
        with contextlib.suppress(OSError):
            self.client.socket.shutdown(2)

    def finish(self):
        for thread in self.threads:
            thread.join(DEADLINE)
        self.client.close()
        assert self.failure is None, f"RST over unread acks: {self.failure}"


@cases.add(65, "a-crash-and-a-new-start")
def _(start, workers):
    folder = start.folders.mktemp("crash")
    path = folder / "s"
    first = start(f"--workers={workers}", listen=("127.0.0.1:0", str(path)))
    port = first.addresses["spec"][1]
    metrics = f"127.0.0.1:{first.metrics_address[1]}"
    first.metrics()
    with first.connect() as client:
        client.round_trip()
        first.signal(signal.SIGKILL)
        first.wait()
    assert path.exists(), "a crash leaves it behind"
    with beside_canaries(start, workers, listen=(f"127.0.0.1:{port}", str(path)),
                         metrics=metrics) as second:
        for address, _ in second.listeners:
            with Client(address) as client:
                client.round_trip()


@cases.add(66, "a-second-server")
def _(start, workers):
    path = start.folders.mktemp("second") / "s"
    with beside_canaries(start, workers, listen=("127.0.0.1:0", str(path))) as first:
        for address in (f"127.0.0.1:{first.addresses['spec'][1]}", str(path)):
            refused = subprocess.run(
                [start.program, f"--listen={address}", "--metrics-listen=off"],
                capture_output=True, text=True, timeout=DEADLINE)
            assert refused.returncode == 71
            assert address in refused.stderr and "in use" in refused.stderr
        with Client(str(path)) as client:
            client.round_trip()


@cases.add(68, "close-on-exec")
def _(start, workers):
    path = start.folders.mktemp("exec") / "records"
    with beside_canaries(start, workers, f"--handler=append:{path}",
                         listen=("127.0.0.1:0", f"{path}.s")) as started:
        started.metrics()
        folder = pathlib.Path(f"/proc/{started.pid}/fdinfo")
        inherited = []
        for name in os.listdir(folder):
            flags = next(line for line in (folder / name).read_text().splitlines()
                         if line.startswith("flags:"))
            if not int(flags.split()[1], 8) & O_CLOEXEC:
                inherited.append(int(name))
        assert sorted(inherited) == [0, 1, 2]


@cases.parametrize
def test_catalogue(start, case, workers):
    case(start, workers)
