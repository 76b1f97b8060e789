# SPDX-License-Identifier: MIT
"""catalogue - what a server on a hostile network meets, by number: the one list of it

Each item says what is sent and what must happen; the files k_catalogue_*.py hold the tests, one or
more for each number, beside a connection that must lose nothing.  tools/reliability.py writes the
table of docs/RELIABILITY.md from here.
"""
import collections
import contextlib

import pytest

from client import Canary

# One worker, so that the trouble and its canary share a thread; and several.
WORKERS = (1, 3)

# @expected: "-" if there is no test of it; @note then says why.
# @note: where this server does otherwise than the item's words, and why; or where it is tested.
Item = collections.namedtuple("Item", "sent expected note", defaults=("",))

ITEMS = {
    # Protocol
    1: Item("length 0, 1, 3", "closed after 4 bytes, `frame_too_short`"),
    2: Item("length 4: no command", "closed, `frame_too_short`"),
    3: Item("SUBMIT of length 5 to 12", "no ack, closed, `packet_too_short`"),
    4: Item("length 13, and max-frame", "legal: acked"),
    5: Item("length max-frame + 1", "closed, `frame_too_large`; memory does not grow",
            "no ack of its own: a violation has only its close reason"),
    6: Item("length 0x7fffffff, 0x80000000, 0xffffffff, from 1,000 peers",
            "closed after 4 bytes; memory does not grow"),
    7: Item("little-endian length", "closed, `frame_too_large`; the log says `little_endian`"),
    8: Item("HTTP, SSH, TLS, PROXY, Redis", "closed, nothing reflected; the log names what it was",
            "counted as `frame_too_large`, which their first bytes are; the kind is in the log"),
    9: Item("unknown command", "closed, `unknown_command`", "no ack of its own"),
    10: Item("an ack from a client", "closed, `wrong_direction`"),
    11: Item("CONN twice, behind SUBMIT, with a payload", "acked with 0 each, in order",
             "the protocol allows CONN anywhere, with any payload"),
    12: Item("CONN as first frame", "acked with 0, stays open"),
    13: Item("three frames, split at every byte, and dribbled", "the same acks"),
    14: Item("frames that end at, before and behind the edge of a buffer, and span 2 and 17",
             "the same acks"),
    15: Item("10,000 SUBMITs from a peer that reads nothing yet",
             "back-pressure; all acks later; memory bounded"),
    16: Item("send, wait, send", "an ack at once, each time"),
    17: Item("292 SUBMITs, then silence", "292 acks, stays open"),
    18: Item("the same id twice in flight", "two acks"),
    19: Item("ids with NUL, 0xff, CR LF, ESC", "echoed bit for bit; none of it in log or metrics"),
    20: Item("payloads of zeros, noise, frames", "opaque: acked"),
    21: Item("whole frames and garbage in one send", "the frames acked, then closed"),
    22: Item("garbage while acks wait to be sent", "all acks, then FIN"),
    23: Item("FIN inside header and body", "`eof_in_frame`; no ack, nothing handed on"),
    24: Item("1 to 3 bytes of a header, then silence", "`frame_timeout`, long before idle-timeout"),
    25: Item("more connections than a rate allows", "closed and counted, by reason",
             "rates are of connections; requests have windows and back-pressure, never an error"),
    26: Item("13-byte SUBMITs, whose acks are longer",
             "what is queued stays within ack-high and the acks to one receive"),
    27: Item("a flood of CONN", "all acked, others unharmed",
             "a CONN costs what a SUBMIT does, so there is no counter of misdeeds"),
    # TCP
    28: Item("connects and sends nothing, 2,000 times", "`first_frame_timeout`"),
    29: Item("one byte now and then, 500 times", "`frame_timeout`"),
    30: Item("FIN behind N requests", "N acks, FIN, no RST; `eof`"),
    31: Item("RST before accept, after it, inside a frame, with acks under way",
             "counted once each; no descriptor is left"),
    32: Item("the peer vanishes: packets are dropped", "`vanished` after peer-timeout, idle or not",
             "in a network namespace, with nftables"),
    33: Item("a peer that never reads its acks", "not read, `write_timeout`, memory comes back"),
    34: Item("a peer that reads slowly", "stays, as long as it takes some"),
    35: Item("a full backlog, and a flood of SYN", "who was in time is served; later ones retry",
             "in a network namespace; no warning if somaxconn is small: see "
             "`ackd_listen_queue_limit`"),
    36: Item("connect and close, 2,000 times", "no descriptor, memory or TIME_WAIT is left here"),
    37: Item("all clients come back at once after a restart", "all are served"),
    38: Item("one greedy connection, 100 quiet ones", "the quiet ones wait less than 0.1 s"),
    39: Item("urgent data", "not part of the stream; no CPU is burnt"),
    40: Item("both close at once; bytes behind our FIN; FIN and RST", "discarded; no CPU is burnt"),
    41: Item("1 % and 30 % of packets lost; 1 Mbit/s", "later, but each ack once and in order",
             "in a network namespace, with nftables and tc"),
    42: Item("a port scan, 1,000 connections with garbage",
             "at most 10 lines a second of a kind; counters exact"),
    43: Item("PROXY headers", "-", "not supported: refused as in 8, never guessed"),
    44: Item("IPv6, IPv4 to an IPv6 listener, unix sockets, another user's port",
             "served, or refused with the address in the message",
             "abstract unix sockets are not supported: `unix:@x` is a file of that name"),
    # Resources
    45: Item("descriptors run out", "no CPU is burnt; who waits is served as some come back",
             "no descriptor is kept to turn people away with: they wait in the kernel's queue, "
             "which costs them time and not their connection"),
    46: Item("more connections than slots", "the ones that are open go on",
             "no direct descriptors are used: what can be full is max-conns"),
    47: Item("ENOMEM, ENOBUFS, ECONNABORTED from accept, send, setsockopt, epoll_ctl",
             "that connection at most",
             "errors are injected by a preloaded library; io_uring's sends are out of its reach"),
    48: Item("the N-th malloc fails: start, accept, frames, drain",
             "a message and exit 71, or one connection; never a crash",
             "a sample of all N; every N of opening descriptors: server_test.c"),
    49: Item("pthread_create fails", "exit 71, nothing half started"),
    50: Item("io_uring_setup is forbidden or unknown",
             "auto: epoll, and one line that says why; uring: exit 71", "71, as for all that the "
             "system refuses"),
    51: Item("an older io_uring: probing fails", "auto: epoll"),
    52: Item("more bytes at once than receive buffers", "all acked; counted with io_uring"),
    53: Item("more completions at once than the ring holds", "all acked"),
    54: Item("the process is stopped and continued again and again (EINTR)", "all acked"),
    55: Item("memory-limit is met", "shed by the largest, the others unharmed",
             "ackd's own limit, which is 80 % of the cgroup's: no cgroup is made for the test"),
    56: Item("disk full", "result 1, goes on, heals: `h_handlers.py::test_full_disk`",
             "an existing test, of the append handler"),
    57: Item("EIO on write", "-", "the append handler takes any failed write as in 56"),
    58: Item("the wall clock leaps by an hour, to and fro", "no timeout, no rate notices"),
    59: Item("SIGSTOP for longer than a timeout", "what came meanwhile is taken: nobody times out"),
    60: Item("a log that nobody reads; a closed one", "nobody waits; lost lines are counted"),
    # Signals and life cycle
    61: Item("SIGPIPE; peers that are gone", "no effect"),
    62: Item("SIGTERM twice, SIGINT, SIGHUP 100 times a second: at start, under load, in a drain",
             "one orderly end"),
    63: Item("SIGTERM under full load", "acks seen are records written; no RST; exit in time"),
    64: Item("SIGKILL under load", "-", "an ack does not say that a payload is on the disk"),
    65: Item("a crash, and what it leaves", "the next start takes the address and the unix socket"),
    66: Item("a second server on the same address", "exit 71, and a live unix socket stays",
             "71, as for all that the system refuses"),
    67: Item("takeover", "-", "ackd has none"),
    68: Item("fork and exec in an embedding program", "every descriptor is close-on-exec"),
    69: Item("100 starts and stops in one process, two servers at once",
             "descriptors and memory are flat",
             "`server_test.c`, a hundred rounds"),
    # Admin HTTP
    70: Item("a long line, long headers, POST, a body", "refused, or 400, 405; no desync",
             "400 or 413 from libevent where the catalogue says 414 and 431"),
    71: Item("60 slow requests", "closed after 10 s; kept scrapes and connections unharmed",
             "32 connections at a time; a new scrape waits behind those that came before it"),
    72: Item("HTTP/1.0, HEAD, pipelining, absolute URI, bare LF, folded lines, CL and TE",
             "the right answer, or a refusal"),
    73: Item("`..`, %00, %2e, a query of 10 KiB", "404 or a refusal; there is no file behind it"),
    74: Item("a foreign Host", "403 for the page and /api/live; 200 for /metrics",
             "Prometheus may know a server by any name; nothing can be changed"),
    75: Item("scrapers that do not read", "their connection ends; others are served"),
    76: Item("100 scrapes at once", "all answered, fast"),
    77: Item("/debug/pprof at the address of the metrics", "404",
             "profiles are on a port of their own, `--pprof-listen`"),
    78: Item("scrapes without descriptors, at max-conns, in a drain", "answered"),
    # Configuration
    79: Item("unknown and repeated names, `10x`, -1, 2^64, no unit",
             "refused with file and line, exit 78; the same with --check-config"),
    80: Item("ack-low not under ack-high; the same address twice", "refused"),
    81: Item("a descriptor limit of a billion (1,073,741,816)",
             "at most 1,048,576 connections; little memory"),
    82: Item("few descriptors", "raised to the hard limit; else exit 78 and `LimitNOFILE`"),
    83: Item("secrets that others can read", "-", "ackd has none"),
    84: Item("NUL, BOM, CRLF, 10 MiB, itself, a FIFO as config file", "bounded; a clear message"),
    # TLS, sinks
    **{number: Item("TLS", "-", "ackd has none") for number in range(85, 91)},
    **{number: Item("sinks", "-", "ackd has none, but for the append handler")
       for number in range(91, 94)},
}

# What stands elsewhere, or does not apply: number -> "file::test", or "" for none.
ELSEWHERE = {
    56: "h_handlers.py::test_full_disk",
    69: "src/server/server_test.c::starts_and_stops_leave_nothing_behind",
    **{number: "" for number in (43, 57, 64, 67, 83, *range(85, 94))},
}


class Cases:
    """The tests of one file, each with its number:

        cases = Cases()

        @cases.add(1, "too-short")
        def _(start, workers): ...

        @cases.parametrize
        def test_catalogue(start, case, workers): case(start, workers)
    """

    def __init__(self):
        self.rows = []

    def add(self, number, name, workers=WORKERS):
        assert number in ITEMS

        def add(function):
            for count in workers:
                self.rows.append(pytest.param(function, count,
                                              id=f"{number:02}-{name}-{count}w"))
            return function
        return add

    def parametrize(self, test):
        return pytest.mark.parametrize("case, workers", self.rows)(test)


def closed(reason):
    return f'connections_closed_total{{reason="{reason}"}}'


@contextlib.contextmanager
def beside_canaries(start, workers, *options, **more):
    """A server, with a canary for each worker at work; none of them may be harmed."""
    started = start(f"--workers={workers}", *options, **more)
    with contextlib.ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(Canary(started))
        yield started
