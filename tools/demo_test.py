# SPDX-License-Identifier: MIT
"""demo.py with stand-ins for ackd and ackload that fail in each way that it must notice."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = Path(__file__).with_name('demo.py')

# Counts are given by the test; no traffic flows.
FAKE_ACKD = '''#!/usr/bin/python3
import http.server, os, signal, sys
if 'start' in {fail!r}:
    sys.exit('no such address')
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write({metrics!r}.encode())
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(('127.0.0.1', 0), Metrics)
ports = sys.argv[sys.argv.index('--ports-file') + 1]
with open(ports + '.new', 'w') as to:
    to.write('listen 127.0.0.1:1 dialect=spec\\nlisten 127.0.0.1:2 dialect=demo\\n')
    to.write('metrics 127.0.0.1:%d\\n' % server.server_port)
os.rename(ports + '.new', ports)
def drained(*_):
    os._exit(3 if 'drain' in {fail!r} else 0)
signal.signal(signal.SIGTERM, drained)
if 'load' in {fail!r}:
    os._exit(9)
server.serve_forever()
'''

FAKE_ACKLOAD = '''#!/usr/bin/python3
import json, sys, time
time.sleep({seconds})
result = {{'ledger': {{'sent': 1000, 'ok': 990, 'failed': 10}}, 'rate': {{'acks_per_s': 500.0}},
          'latency': {{'service': {{'p50_ns': 1000, 'p99_ns': 2000}}}}}}
json.dump(result, open(sys.argv[sys.argv.index('--json') + 1], 'w'))
sys.exit({status})
'''


@pytest.fixture
def demo(tmp_path):
    """demo(...) -> the command that runs demo.py with stand-ins as described."""

    def write(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def make(*arguments, fail='', acks=1000, client_seconds=0, client_status=0):
        metrics = (f'ackd_req_recv_total 1000\nackd_rsp_send_total {acks}\n'
                   'process_cpu_seconds_total 0.5\nprocess_resident_memory_bytes 1048576\n')
        write(tmp_path / 'src/ackd/ackd', FAKE_ACKD.format(fail=fail, metrics=metrics))
        write(tmp_path / 'src/load/ackload',
              FAKE_ACKLOAD.format(seconds=client_seconds, status=client_status))
        free = ('--port', '0', '--demo-port', '0', '--metrics-port', '0')
        return [sys.executable, DEMO, '--build', tmp_path, *free, '--time', '1s', *arguments]

    return make


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def left_over(tmp_path):
    """Command lines of processes that run a stand-in of this test."""
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if bytes(tmp_path / 'src') in line:
            found.append(line)
    return found


def test_equal_counts_and_a_clean_drain(demo):
    done = run(demo())
    assert done.returncode == 0, done.stderr
    assert re.search(r'SUBMITs sent / received +1,000 +1,000 +equal', done.stdout)
    assert re.search(r'acks received / sent +1,000 +1,000 +equal', done.stdout)
    assert re.search(r'CPU per ack +500000 ns', done.stdout)
    assert 'http://127.0.0.1:' in done.stdout


@pytest.mark.parametrize('how, reason', [
    ({'acks': 999}, 'counted differently'),
    ({'fail': 'start'}, r'ackd did not start \(exit 1\):\nno such address'),
    ({'fail': 'load', 'client_seconds': 5}, r'ackd (died|did not start).* \(exit 9\)'),
    ({'fail': 'drain'}, r'dropped acks while it drained \(exit 3\)'),
    ({'client_status': 12}, r'ackload failed \(exit 12\)'),
])
def test_trouble_has_a_reason_and_leaves_nothing(demo, tmp_path, how, reason):
    done = run(demo(**how))
    assert done.returncode == 1
    assert re.search(reason, done.stderr), done.stderr
    assert 'Traceback' not in done.stderr
    assert not left_over(tmp_path)


@pytest.mark.parametrize('number, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_keep_goes_on_at_a_modest_rate_until_it_is_ended(demo, tmp_path, number, status):
    with subprocess.Popen(demo('--keep', client_seconds=60), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not any(b'ackload' in line for line in left_over(tmp_path)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        line, = (line for line in left_over(tmp_path) if b'ackload' in line)
        assert b'--rate\x00100k' in line and b'--time\x0024h' in line
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == status
    assert 'live page              http://127.0.0.1:' in output
    assert not left_over(tmp_path)


@pytest.mark.parametrize('option', ['--port', '--demo-port', '--metrics-port'])
def test_a_port_that_is_taken_is_named_with_its_option(demo, tmp_path, option):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        done = run(demo(option, str(port)))
    assert done.returncode == 1
    assert f'port {port} on 127.0.0.1: Address already in use' in done.stderr
    assert f'{option} N' in done.stderr
    assert not left_over(tmp_path)


@pytest.mark.parametrize('number, status', [
    (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
def test_whatever_ends_it_ends_the_others(demo, tmp_path, number, status):
    command = demo(client_seconds=60)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 20
        while not any(b'ackload' in line for line in left_over(tmp_path)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == status
    while left_over(tmp_path):
        assert time.monotonic() < deadline, left_over(tmp_path)
        time.sleep(0.02)
