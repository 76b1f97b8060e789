#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs examples/count.c: several clients, one total, an end by each signal, and a refused address

    count_test.py PROGRAM [ARGUMENT...]     the command of the example, without an address
"""
import os
import re
import signal
import socket
import subprocess
import sys

PATIENCE_S = 20 * int(os.environ.get('ACKD_TEST_PATIENCE', '1'))
ACK_SIZE = 14


def submit(number, payload):
    return (13 + len(payload)).to_bytes(4, 'big') + b'\x02' + b'%08d' % number + payload


def ack(number):
    return ACK_SIZE.to_bytes(4, 'big') + b'\x82' + b'%08d' % number + b'\0'


class Count:
    """The example on a free port."""

    def __init__(self, command):
        self.process = subprocess.Popen([*command, '127.0.0.1:0'], stdout=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r'listening on (127\.0\.0\.1):(\d+)\n', line)
        assert found, f'its first line is {line!r}'
        self.address = (found[1], int(found[2]))

    def connect(self):
        return socket.create_connection(self.address, PATIENCE_S)

    def end(self, number, clients=()):
        """Sends signal @number; returns what was printed since, and what @clients got until their
        ends."""
        self.process.send_signal(number)
        rests = [read_rest(client) for client in clients]
        text, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, f'it ended with {self.process.returncode}'
        return text, rests


def read_rest(client):
    data = b''
    while piece := client.recv(4096):
        data += piece
    client.close()  # the server waits for it
    return data


def read_exactly(client, size):
    data = b''
    while len(data) < size:
        piece = client.recv(size - len(data))
        assert piece, f'the end after {len(data)} of {size} bytes'
        data += piece
    return data


def exchange(client, payloads):
    """Submits @payloads and waits for their acks."""
    client.sendall(b''.join(submit(number, payload) for number, payload in enumerate(payloads)))
    acks = read_exactly(client, ACK_SIZE * len(payloads))
    assert acks == b''.join(map(ack, range(len(payloads))))


def check_sums(command, number):
    count = Count(command)
    payloads = [bytes(size) for size in (0, 1, 22, 5000)] * 10
    clients = [count.connect() for _ in range(5)]
    for client in clients:
        exchange(client, payloads)
    # What was sent before the end counts, acked or not.
    clients[0].sendall(submit(0, bytes(7)))
    text, rests = count.end(number, clients)
    assert rests == [ack(0), b'', b'', b'', b''], rests
    submits = 5 * len(payloads) + 1
    size = 5 * sum(map(len, payloads)) + 7
    assert text == f'{submits} submits, {size} bytes\n', text


def check_taken_address(command):
    count = Count(command)
    address = '%s:%d' % count.address
    second = subprocess.run([*command, address], capture_output=True, text=True,
                            timeout=PATIENCE_S)
    assert second.returncode == 1
    assert address in second.stderr, second.stderr
    text, _ = count.end(signal.SIGTERM)
    assert text == '0 submits, 0 bytes\n', text


def main():
    command = sys.argv[1:]
    check_sums(command, signal.SIGTERM)
    check_sums(command, signal.SIGINT)
    check_taken_address(command)
    print('count: 3 passed')


if __name__ == '__main__':
    main()
