#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""demo - ackd and ackload together for a moment, and whether both counted the same

    tools/demo.py [--build DIR] [--time TIME] [--port N] ...       (./dev demo builds first)

Starts ackd with one listener for each dialect and /metrics, sends it teaching-style SUBMITs from
ackload, compares ackload's ledger with ackd's own counters, drains ackd with SIGTERM, and prints
one table. Whatever ends this program, both others end with it.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import namedtuple
from pathlib import Path

START_SECONDS = 20  # a sanitizer build on a busy machine takes a while
DRAIN_SECONDS = 40  # ackd's own drain timeout is 30 s
KEEP_RATE = '100k'
CLIENT_GRACE_SECONDS = 60  # beyond the run itself: connecting, drain, report


Result = namedtuple('Result', 'ledger rate p50_ns p99_ns')


class Trouble(Exception):
    """Ends the demo with a message for the person who started it."""


def port(text):
    """A TCP port as an option has it, for argparse."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port: give 0 to 65535")
    return int(text)


def parse_arguments():
    parser = argparse.ArgumentParser(prog='./dev demo', description=__doc__.splitlines()[0])
    parser.add_argument('--build', type=Path, default=Path('build/release'), metavar='DIR')
    parser.add_argument('--time', default='10s', help='how long to send (10s)')
    parser.add_argument('--connections', default='100', metavar='N', help='(100)')
    parser.add_argument('--depth', default='64', metavar='N',
                        help='unanswered SUBMITs of one connection at most, or max (64)')
    parser.add_argument('--threads', default='1', metavar='N', help='of ackload (1)')
    parser.add_argument('--keep', action='store_true',
                        help='go on until Ctrl-C, with something to look at')
    parser.add_argument('--rate', default='', metavar='N',
                        help='SUBMITs a second in all (as fast as it goes; with --keep: 100k)')
    parser.add_argument('--host', default='127.0.0.1', metavar='ADDR',
                        help='where ackd listens (127.0.0.1; 0.0.0.0 for every address)')
    parser.add_argument('--port', type=port, default=8888, help='(8888; 0: any free one)')
    parser.add_argument('--demo-port', type=port, default=8890, metavar='N',
                        help='for clients of the published teaching code (8890)')
    parser.add_argument('--metrics-port', type=port, default=8889, metavar='N',
                        help='on 127.0.0.1 (8889)')
    return parser.parse_args()


def check_ports_are_free(arguments):
    """Says which port is taken and which option changes it, before anything was started."""
    wanted = (('--port', arguments.host, arguments.port),
              ('--demo-port', arguments.host, arguments.demo_port),
              ('--metrics-port', '127.0.0.1', arguments.metrics_port))
    for option, host, port in wanted:
        try:
            with socket.create_server((host, port)):
                pass
        except OSError as error:
            raise Trouble(f'port {port} on {host}: {os.strerror(error.errno)}. '
                          f'Choose another with {option} N') from error


def start(command, **options):
    """Starts @command so that it does not outlive this process, even if that is killed."""
    return subprocess.Popen(['setpriv', '--pdeathsig', 'TERM', *command],
                            stdin=subprocess.DEVNULL, **options)


@contextlib.contextmanager
def ending(process):
    """Whatever happens inside, @process has ended afterwards."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_ports(server, ports_file, log):
    """The addresses that the server bound, by 'listen spec', 'listen demo' and 'metrics'."""
    deadline = time.monotonic() + START_SECONDS
    while not ports_file.exists():
        if server.poll() is not None:
            raise Trouble(f'ackd did not start (exit {server.returncode}):\n{log.read_text()}')
        if time.monotonic() > deadline:
            raise Trouble(f'ackd was not ready after {START_SECONDS} s:\n{log.read_text()}')
        time.sleep(0.02)
    bound = {}
    for line in ports_file.read_text().splitlines():
        kind, address, *rest = line.split()
        dialect = ''.join(rest).removeprefix('dialect=')
        bound[f'{kind} {dialect}'.strip()] = address
    return bound


def run_client(command, server, log, seconds):
    """Runs ackload in the foreground; ends it if the server dies."""
    with ending(start(command)) as client:
        deadline = time.monotonic() + seconds + CLIENT_GRACE_SECONDS
        while client.poll() is None:
            if server.poll() is not None:
                raise Trouble(f'ackd died under load (exit {server.returncode}):\n'
                              f'{log.read_text()}')
            if time.monotonic() > deadline:
                raise Trouble(f'ackload did not end {CLIENT_GRACE_SECONDS} s after its time')
            time.sleep(0.05)
    if client.returncode != 0:
        raise Trouble(f'ackload failed (exit {client.returncode}); its words are above')


def fetch(address):
    """The text of /metrics."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f'http://{address}/metrics', timeout=5) as response:
            return response.read().decode()
    except OSError as error:
        raise Trouble(f'no answer from http://{address}/metrics: {error}') from error


def sum_series(text):
    """{name: value} of the text of /metrics, summed over labels."""
    sums = {}
    for name, value in re.findall(r'^(\w+)(?:\{.*\})? (\S+)', text, re.MULTILINE):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def drain(server):
    """Asks the server to end; returns its exit status and how many seconds it took."""
    begin = time.monotonic()
    server.terminate()
    try:
        status = server.wait(DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        raise Trouble(f'ackd did not end within {DRAIN_SECONDS} s of SIGTERM') from None
    return status, time.monotonic() - begin


def parse_seconds(text):
    """'10s' or '500ms' as ackload reads it; what it does not understand ackload will refuse."""
    match = re.fullmatch(r'(\d+)(ms|s|m|min|h)', text)
    if not match:
        raise Trouble(f"--time '{text}': give a time such as 10s or 500ms")
    return int(match[1]) * {'ms': 0.001, 's': 1, 'm': 60, 'min': 60, 'h': 3600}[match[2]]


def compare(ledger, counters):
    """Rows (what, ackload's count, ackd's count) that must be equal."""
    return (
        ('SUBMITs sent / received', ledger['sent'], int(counters['ackd_req_recv_total'])),
        ('acks received / sent', ledger['ok'] + ledger['failed'],
         int(counters['ackd_rsp_send_total'])),
    )


def print_report(rows, result, counters, drained):
    acks = rows[1][2]
    cpu = counters['process_cpu_seconds_total']
    print()
    print(f'  {"":26}{"ackload":>16}{"ackd":>16}')
    for what, client, server in rows:
        verdict = 'equal' if client == server else 'DIFFERENT'
        print(f'  {what:26}{client:>16,}{server:>16,}  {verdict}')
    print(f'  {"acks per second":26}{result.rate:>16,.0f}')
    print(f'  {"latency p50":26}{result.p50_ns / 1e3:>13,.0f} us')
    print(f'  {"latency p99":26}{result.p99_ns / 1e3:>13,.0f} us')
    print(f'  {"CPU per ack":26}{"":16}{cpu * 1e9 / max(acks, 1):>13.0f} ns')
    print(f'  {"memory":26}{"":16}{counters["process_resident_memory_bytes"] / 2**20:>12.1f} MiB')
    print(f'  {"drained":26}{"":16}{drained:>14.2f} s  no ack dropped')


def print_urls(bound):
    print(f'  live page              http://{bound["metrics"]}/')
    print(f'  ackd listens on        {bound["listen spec"]}')
    print(f'  teaching Go clients    {bound["listen demo"]}   (their dialect of the protocol)')
    print(f'  metrics                http://{bound["metrics"]}/metrics')
    print(flush=True)


def read_result(path):
    """What the report needs of ackload's JSON."""
    found = json.loads(path.read_text())
    latency = found['latency']['service']
    return Result(found['ledger'], found['rate']['acks_per_s'], latency['p50_ns'],
                  latency['p99_ns'])


def client_command(arguments, bound, rate):
    target = bound['listen spec'].replace('0.0.0.0:', '127.0.0.1:')
    return [arguments.build / 'src/load/ackload', 'run', '--connect', target,
            '-c', arguments.connections, '-d', arguments.depth, '-t', arguments.threads,
            '--size', 'teaching', *(['--rate', rate] if rate else [])]


def keep(arguments, bound, server, log):
    """Load without end, at a rate that leaves the machine room; a client whose day is over is
    followed by the next."""
    print('  It goes on until Ctrl-C.', flush=True)
    command = client_command(arguments, bound, arguments.rate or KEEP_RATE)
    while True:
        run_client([*command, '--time', '24h', '--quiet'], server, log, 24 * 3600)


def run(arguments, scratch):
    ports_file = scratch / 'ports'
    result_file = scratch / 'result.json'
    log = scratch / 'ackd.log'
    seconds = parse_seconds(arguments.time)

    check_ports_are_free(arguments)
    server_command = [
        arguments.build / 'src/ackd/ackd', '--ports-file', ports_file,
        '--listen', f'{arguments.host}:{arguments.port}',
        '--listen', f'{arguments.host}:{arguments.demo_port},dialect=demo',
        '--metrics-listen', f'127.0.0.1:{arguments.metrics_port}']
    with open(log, 'wb') as log_output, \
            ending(start(server_command, stderr=log_output,
                         start_new_session=True)) as server:  # Ctrl-C is for the client first
        bound = wait_for_ports(server, ports_file, log)
        print_urls(bound)
        if arguments.keep:
            keep(arguments, bound, server, log)
            return
        run_client([*client_command(arguments, bound, arguments.rate), '--time', arguments.time,
                    '--json', result_file], server, log, seconds)
        counters = sum_series(fetch(bound['metrics']))
        status, drained = drain(server)
    if status != 0:
        raise Trouble(f'ackd dropped acks while it drained (exit {status}):\n{log.read_text()}')

    result = read_result(result_file)
    rows = compare(result.ledger, counters)
    print_report(rows, result, counters, drained)
    if any(client != server for _, client, server in rows):
        raise Trouble('client and server counted differently: see the table')


def end_by_signal(number, _frame):
    sys.exit(128 + number)


def main():
    arguments = parse_arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    # Even where whoever started this ignores it, as shells do in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix='ackd-demo-') as scratch:
            run(arguments, Path(scratch))
    except Trouble as trouble:
        print(f'demo: {trouble}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndemo: interrupted; everything it started has ended', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
