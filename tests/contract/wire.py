# SPDX-License-Identifier: MIT
"""wire - frames as docs/PROTOCOL.md draws them, written again from that text alone"""
import struct

CONN = 0x01
SUBMIT = 0x02

# What answers a request, by dialect.
ACK_COMMANDS = {
    "spec": {CONN: 0x81, SUBMIT: 0x82},
    "demo": {CONN: 0x80, SUBMIT: 0x81},
}

ACK_SIZE = 14
SUBMIT_SIZE_MIN = 13


def frame(command, body=b"", length=None):
    """One frame; @length is what its header claims, where that is not the truth."""
    packet = bytes([command]) + body
    return struct.pack(">I", 4 + len(packet) if length is None else length) + packet


def ident(number):
    """The id of request @number, as the teaching client writes it."""
    return b"%08d" % (number % 100_000_000)


def submit(number, payload=b""):
    return frame(SUBMIT, ident(number) + payload)


def conn(number, payload=b""):
    return frame(CONN, ident(number) + payload)


def ack(request_id, dialect="spec", command=SUBMIT, result=0):
    return frame(ACK_COMMANDS[dialect][command], request_id + bytes([result]))


def submits(count, payload=b"", first=1):
    """@count SUBMITs numbered from @first."""
    return b"".join(submit(number, payload) for number in range(first, first + count))


def acks(count, dialect="spec", first=1, result=0):
    """What submits(@count, first=@first) must be answered with."""
    numbers = range(first, first + count)
    return b"".join(ack(ident(number), dialect, SUBMIT, result) for number in numbers)
