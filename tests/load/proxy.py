# SPDX-License-Identifier: MIT
"""proxy - stands between ackload and a server, and spoils frames at known places

    ackload ──requests──▶ Proxy ──requests──▶ server
            ◀───acks────        ◀───acks────

One of the two streams is spoiled. All its frames have one size, so that finding a place is
arithmetic and millions of messages pass through Python. A plan says for each connection which
frames (from 0) get which fault; places lie FAULT_DISTANCE apart, so that faults do not meddle with
each other. The proxy counts a fault when it has done it: Proxy.done["lose"].
"""

import collections
import random
import socket
import threading

FAULT_DISTANCE = 32
ACK_SIZE = 14
COMMAND_OFFSET, ID_OFFSET, RESULT_OFFSET = 4, 5, 13

NEVER = (1 << 60, "lose")


def at(frame, offset, value):
    return frame[:offset] + bytes([value]) + frame[offset + 1:]


# What becomes of a frame; an earlier one, which was passed on as it was, can be sent again.
SINGLE = {
    "lose": lambda earlier, frame: b"",
    "duplicate": lambda earlier, frame: frame + frame,
    "replay": lambda earlier, frame: earlier + frame,
    "command": lambda earlier, frame: at(frame, COMMAND_OFFSET, frame[COMMAND_OFFSET] ^ 0x40),
    "id": lambda earlier, frame: at(frame, ID_OFFSET, frame[ID_OFFSET] | 0x80),
    "future": lambda earlier, frame: at(frame, ID_OFFSET, ord("9")),
    "result": lambda earlier, frame: at(frame, RESULT_OFFSET, 1 + frame[ID_OFFSET + 7] % 255),
}

# After these the stream cannot be followed: what comes behind is passed on and means nothing.
FATAL = {
    "long": lambda frame: at(frame, 3, frame[3] + 1) + b"\0",
    "short": lambda frame: at(frame, 3, frame[3] - 1)[:-1],
    "tiny": lambda frame: at(frame, 3, 4)[:4],
    "huge": lambda frame: at(frame, 0, 0x7f),
}


def regular(kinds, distance=FAULT_DISTANCE):
    """A plan: every connection gets these faults in turn, at equal distances, for ever."""
    def plan(connection):
        place = distance
        while True:
            for kind in kinds:
                yield place, kind
                place += distance
    return plan


def sparse(kinds, share, seed):
    """A plan: about `share` of all frames get a fault, at places that follow from the seed."""
    def plan(connection):
        dice = random.Random(seed * 1000 + connection)
        place = 0
        while True:
            place += FAULT_DISTANCE + int(dice.expovariate(share))
            yield place, dice.choice(kinds)
    return plan


def once(place, kind):
    """A plan: one fault on each connection."""
    return lambda connection: iter([(place, kind)])


class Spoiler:
    """The spoiled stream of one connection."""

    def __init__(self, frame_size, places, done):
        self.size = frame_size
        self.places = places
        self.done = done
        self.passed = 0  # frames
        self.earlier = b""
        self.held = b""
        self.followed = True
        self.moved = 0
        self._next_place()

    def _next_place(self):
        place, self.kind = next(self.places, NEVER)
        self.place = place + self.moved

    def _pass_clean(self, frames):
        self.passed += len(frames) // self.size
        if frames:
            self.earlier = frames[-self.size:]
        return frames

    def _spoil(self, frames):
        """Spoils what `frames` begins with; returns what to send and how many frames that took."""
        frame = frames[:self.size]
        self.done[self.kind] += 1
        if self.kind == "swap":
            return frames[self.size:2 * self.size] + frame, 2
        if self.kind in FATAL:
            self.followed = False
            return FATAL[self.kind](frame), 1
        return SINGLE[self.kind](self.earlier, frame), 1

    def feed(self, data):
        """Returns what to send for these bytes."""
        if not self.followed:
            return data
        data = self.held + data
        whole = len(data) - len(data) % self.size
        out, begin = [], 0
        while self.followed and begin < whole:
            clean = min(whole, begin + (self.place - self.passed) * self.size)
            out.append(self._pass_clean(data[begin:clean]))
            begin = clean
            if begin == whole:
                break
            if self.kind == "swap" and begin + 2 * self.size > whole:
                # It never waits for a frame that may not come: all places move on by one.
                self.place += 1
                self.moved += 1
                continue
            spoiled, taken = self._spoil(data[begin:begin + 2 * self.size])
            out.append(spoiled)
            self.passed += taken
            begin += taken * self.size
            self._next_place()
        self.held = data[begin:] if self.followed else b""
        return b"".join(out) + (b"" if self.followed else data[begin:])


class Proxy:
    """Forwards to `target` (HOST:PORT). `spoils` is "acks" or "requests"."""

    def __init__(self, target, plan, spoils="acks", frame_size=ACK_SIZE):
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.plan = plan
        self.spoils = spoils
        self.frame_size = frame_size
        self.done = collections.Counter()
        self.connection_count = 0
        self._threads = []
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(timeout=5)
        for one in self._sockets:
            one.close()

    def _start(self, run, *arguments):
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(one)
            spoiler = Spoiler(self.frame_size, self.plan(self.connection_count), self.done)
            self.connection_count += 1
            in_acks = self.spoils == "acks"
            self._start(self._pass, client, server, None if in_acks else spoiler)
            self._start(self._pass, server, client, spoiler if in_acks else None)

    @staticmethod
    def _pass(come_from, go_to, spoiler):
        try:
            while data := come_from.recv(1 << 18):
                go_to.sendall(spoiler.feed(data) if spoiler else data)
            go_to.shutdown(socket.SHUT_WR)
        except OSError:
            # One side is gone: so is the other, and what it still sends is nobody's.
            for one in (come_from, go_to):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
