# SPDX-License-Identifier: MIT
"""faulty_server - an ack server that does wrong on purpose

A FaultyServer listens on a port of its own and answers SUBMITs.  A fault is a function that turns
one request into the bytes that are sent for it; it knows the request's number on its connection.
The server notes what it did, so that a test can compare it with what ackload says.
"""

import socket
import struct
import threading

SPEC_SUBMIT_ACK = 0x82
DEMO_SUBMIT_ACK = 0x81
CLOSE = object()  # a fault returns it to end the connection


def ack(message_id, result=0, command=SPEC_SUBMIT_ACK):
    return struct.pack(">IB8sB", 14, command, message_id, result)


class Connection:
    """One accepted connection; faults may keep their own state in `memory`."""

    def __init__(self):
        self.request_count = 0
        self.memory = {}


class FaultyServer:
    def __init__(self, fault=None, read=True, path=None, farewell=b""):
        """@farewell is sent when a client says that it has finished; then nothing, for a second."""
        self.farewell = farewell
        self.fault = fault or (lambda connection, number, message_id: ack(message_id))
        self.read = read
        self.frames = []  # (connection number, id, payload) of all requests
        self.requests = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self.address = f"unix:{path}"
        else:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
            self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._listener.listen(256)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self):
        while not self._stopping.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer, len(self._threads)),
                                      daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer, connection_number):
        connection = Connection()
        with peer:
            if not self.read:
                self._stopping.wait(timeout=20)
                return
            try:
                self._answer(peer, connection, connection_number)
            except OSError:
                pass

    def _take_leave(self, peer):
        if self.farewell:
            peer.sendall(self.farewell)
            self._stopping.wait(timeout=1)

    def _answer(self, peer, connection, connection_number):
        held = b""
        while True:
            got = peer.recv(65536)
            if not got:
                self._take_leave(peer)
                return
            held += got
            answer = b""
            while len(held) >= 4 and len(held) >= (size := struct.unpack(">I", held[:4])[0]):
                frame, held = held[:size], held[size:]
                assert frame[4] == 2, "ackload sends SUBMITs only"
                connection.request_count += 1
                with self._lock:
                    self.requests += 1
                    self.frames.append((connection_number, frame[5:13], frame[13:]))
                out = self.fault(connection, connection.request_count, frame[5:13])
                if out is CLOSE:
                    peer.sendall(answer)
                    return
                answer += out
            if answer:
                peer.sendall(answer)
