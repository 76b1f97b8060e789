#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""monitor - ackd under load, watched by a real Prometheus and node_exporter, without Docker

    tools/monitor.py [--rate R] ...     until Ctrl-C       (./dev monitor builds first)
    tools/monitor.py --check            45 s of it, and whether all that it shows is true
    tools/monitor.py --fire             makes real trouble: the alerts have to fire
    tools/monitor.py --scrape-cost      what a scrape costs with 10,000 connections

Configuration, rules and dashboards are those of monitor/; only the ports are changed. Data goes to
a scratch directory that is removed at the end. Whatever ends this program, everything else that it
started ends with it.
"""

import argparse
import bisect
import contextlib
import gzip
import json
import math
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import namedtuple
from pathlib import Path

import dashboards
import demo
from demo import Trouble

ROOT = Path(__file__).resolve().parent.parent
MONITOR = ROOT / 'monitor/prometheus'

SCRAPE_SECONDS = 5
READY_SECONDS = 30
FIRST_SECONDS = 25  # until the last 15 s were wholly under load, and scraped
CHECK_SECONDS = 40  # a window of 30 s between two scrapes fits, wherever they fall
WINDOW_SECONDS = 30
EVENTS_AT_SECONDS = 14  # then something goes wrong, so that panels about it have something to show
PANELS_AT_SECONDS = 26  # when that has been scraped
AGREE = 0.01
DEMO_PREFIX = 'tcp_server_demo2'
SCRAPE_COST_NS_MAX = 1_000_000
WORKER_COST_NS_MAX = 10_000
FIRE_SECONDS = 60

# As Prometheus asks.
SCRAPE_HEADERS = {
    'Accept': 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;'
              'version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'Accept-Encoding': 'gzip'}

# The three figures: what the column calls them, ackd's counter, ackload's.
Figure = namedtuple('Figure', 'name server client')
COUNTERS = (Figure('req_recv_rate', 'ackd_req_recv_total', 'ackload_sent_total'),
            Figure('rsp_send_rate', 'ackd_rsp_send_total', 'ackload_acks_total'))
GAUGE = Figure('client_connected', 'ackd_client_connected', 'ackload_connections')


class Prometheus:
    """What a running Prometheus says over HTTP."""

    def __init__(self, address):
        self.address = address
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path, **parameters):
        url = f'http://{self.address}{path}?{urllib.parse.urlencode(parameters)}'
        try:
            with self.opener.open(url, timeout=10) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            raise Trouble(f'Prometheus refused {url}: {error.read().decode()}') from error
        except OSError as error:
            raise Trouble(f'no answer from {url}: {error}') from error

    def is_ready(self):
        try:
            return self.get('/-/ready') is not None
        except Trouble:
            return False

    def ask(self, path, **parameters):
        return json.loads(self.get(path, **parameters))['data']

    def query(self, expression):
        """[(labels, value)] of an instant query; NaN is no value."""
        found = self.ask('/api/v1/query', query=expression)
        if found['resultType'] == 'scalar':
            return [({}, float(found['result'][1]))]
        return [(series['metric'], float(series['value'][1])) for series in found['result']
                if not math.isnan(float(series['value'][1]))]

    def one(self, expression):
        """The value of the only series, or None while there is none."""
        found = self.query(expression)
        if len(found) > 1:
            raise Trouble(f'{expression}: {len(found)} series')
        return found[0][1] if found else None

    def has_scraped(self):
        return bool(self.query('up{job="tcp-server"}')) and not any(
            labels['alertname'] == 'AckdTargetMissing' for labels in self.firing())

    def firing(self):
        """The labels of each alert that fires. The series ALERTS would lag two evaluations."""
        return [alert['labels'] for alert in self.ask('/api/v1/alerts')['alerts']
                if alert['state'] == 'firing']

    def samples(self, selector, seconds):
        """[(time, value)] of the only series, as it was scraped."""
        found = self.ask('/api/v1/query', query=f'{selector}[{seconds}s]')['result']
        if len(found) != 1:
            raise Trouble(f'{selector}: {len(found)} series')
        return [(at, float(value)) for at, value in found[0]['values']]


class Watcher(threading.Thread):
    """Reads /metrics of ackd and of ackload ten times a second, to compare with Prometheus.

    ackload's numbers are renewed once a second and say how long the run was then. Its start is the
    earliest that fits: right to a tenth of a second, and the same for the whole run."""

    def __init__(self, server, client):
        super().__init__(daemon=True)
        self.server_address, self.client_address = server, client
        self.server = []  # (time, {name: value})
        self.client_seen = []  # (elapsed, {name: value})
        self.client_start = math.inf
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.1):
            with contextlib.suppress(Trouble):
                self.server.append(read_counters(self.server_address))
            with contextlib.suppress(Trouble):
                at, counters = read_counters(self.client_address)
                elapsed = counters['ackload_elapsed_seconds']
                self.client_start = min(self.client_start, at - elapsed)
                if not self.client_seen or self.client_seen[-1][0] < elapsed:
                    self.client_seen.append((elapsed, counters))

    @property
    def client(self):
        return [(self.client_start + elapsed, counters)
                for elapsed, counters in list(self.client_seen)]

    def stop(self):
        self.stopping.set()
        self.join()


def read_counters(address):
    """(when, {name: value}) of /metrics; when is the middle of asking and having."""
    before = time.time()
    text = demo.fetch(address)
    return (before + time.time()) / 2, demo.sum_series(text)


def pick(samples, name):
    return [(at, counters[name]) for at, counters in samples if name in counters]


def interpolate(samples, at):
    """The value at time @at, on the line between its neighbours."""
    index = bisect.bisect_left(samples, (at,))
    if index == 0 or index == len(samples):
        raise Trouble(f'nothing was measured around {at:.1f}: '
                      f'{len(samples)} samples, none on one of the sides')
    (before, low), (after, high) = samples[index - 1], samples[index]
    return low + (high - low) * (at - before) / (after - before)


def delta(samples, begin, end):
    return interpolate(samples, end) - interpolate(samples, begin)


# What is started.


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return probe.getsockname()[1]


def write_config(folder, targets, seconds=None):
    """monitor/prometheus in @folder, with @targets {job: [address]} in place of its own.

    With @seconds, rules are evaluated every so many, and alerts wait no longer."""
    text = (MONITOR / 'prometheus.yml').read_text()
    for job, addresses in targets.items():
        pattern = rf'(job_name: {job}\n.*?targets: )\[[^\]]*\]'
        text, count = re.subn(pattern, lambda match, to=addresses: match[1] + json.dumps(to), text,
                              flags=re.DOTALL)
        if count != 1:
            raise Trouble(f'prometheus.yml has {count} jobs {job}')
    (folder / 'rules').mkdir()
    for path in (MONITOR / 'rules').glob('*.yml'):
        rules = path.read_text()
        if seconds:
            rules = re.sub(r'^( +for:) \w+$', rf'\1 {seconds}s', rules, flags=re.MULTILINE)
        (folder / 'rules' / path.name).write_text(rules)
    if seconds:
        text = re.sub(r'evaluation_interval: \w+', f'evaluation_interval: {seconds}s', text)
    (folder / 'prometheus.yml').write_text(text)


def wait_until(what, is_true, process, log, seconds=READY_SECONDS):
    deadline = time.monotonic() + seconds
    while not is_true():
        if process.poll() is not None:
            raise Trouble(f'{what}: it ended (exit {process.returncode}):\n'
                          f'{log.read_text()[-2000:]}')
        if time.monotonic() > deadline:
            raise Trouble(f'{what}: not after {seconds} s:\n{log.read_text()[-2000:]}')
        time.sleep(0.1)


def answers(address):
    try:
        return bool(demo.fetch(address))
    except Trouble:
        return False


class Stack:
    """Everything that this program starts. An ExitStack ends it, last started first."""

    def __init__(self, build, scratch, ending):
        self.build, self.scratch, self.ending = build, scratch, ending

    def start(self, name, command, prefix=(), **options):
        """The process, and where it logs."""
        log = self.scratch / f'{name}.log'
        with open(log, 'ab') as output:
            # A session of its own: Ctrl-C is for this program, which then ends the others.
            process = demo.start([*prefix, *command], stdout=output, stderr=output,
                                 start_new_session=True, **options)
        self.ending.enter_context(demo.ending(process))
        return process, log

    def start_ackd(self, name, *options, listen='127.0.0.1:0', metrics='127.0.0.1:0', prefix=()):
        """The process, and what it bound."""
        ports = self.scratch / f'{name}.ports'
        ports.unlink(missing_ok=True)
        process, log = self.start(name, [
            self.build / 'src/ackd/ackd', '--listen', listen, '--metrics-listen', metrics,
            '--ports-file', ports, *options], prefix)
        return process, demo.wait_for_ports(process, ports, log)

    def start_ackload(self, name, target, *options):
        return self.start(name, [self.build / 'src/load/ackload', 'run', '--connect', target,
                                 '--validity', 'warn', *options])

    def start_node_exporter(self, port):
        address = f'127.0.0.1:{port or free_port()}'
        process, log = self.start('node_exporter', ['prometheus-node-exporter',
                                                    f'--web.listen-address={address}'])
        wait_until('node_exporter', lambda: answers(address), process, log)
        return address

    def start_prometheus(self, port, targets, seconds=None):
        address = f'127.0.0.1:{port or free_port()}'
        write_config(self.scratch, {'prometheus': [address], **targets}, seconds)
        prometheus = Prometheus(address)
        process, log = self.start('prometheus', [
            'prometheus', f'--config.file={self.scratch / "prometheus.yml"}',
            f'--storage.tsdb.path={self.scratch / "data"}', f'--web.listen-address={address}',
            f'--web.console.templates={self.scratch}', f'--web.console.libraries={self.scratch}'])
        wait_until('Prometheus', prometheus.is_ready, process, log)
        # Until its first scrape it knows no target, and says so.
        wait_until('its first scrape', prometheus.has_scraped, process, log)
        return prometheus


# Bad clients.


def dial(address):
    host, _, port = address.rpartition(':')
    return socket.create_connection((host, int(port)), timeout=5)


def send_bad_frame(address):
    """A frame that announces 2 GiB; returns when ackd has ended the connection."""
    with dial(address) as peer:
        peer.sendall(struct.pack('>I', 0x7fffffff))
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass


def submit(count):
    """The bytes of @count SUBMITs."""
    return b''.join(struct.pack('>IB8s4s', 17, 2, b'%08d' % number, b'beef')
                    for number in range(count))


# Until Ctrl-C.


def print_pair(prometheus, watcher):
    """One line: the three figures as PromQL gives them, and ackload's own over the same time."""
    now = time.time()
    cells = []
    for figure in COUNTERS:
        seen = prometheus.one(f'rate({figure.server}{{job="tcp-server"}}[15s])')
        own = [(at, value) for at, value in pick(watcher.client, figure.client) if at > now - 16]
        cells += [seen, (own[-1][1] - own[0][1]) / (own[-1][0] - own[0][0])
                  if len(own) > 1 else None]
    connected = pick(watcher.client[-1:], GAUGE.client)
    cells += [prometheus.one(f'{GAUGE.server}{{job="tcp-server"}}'),
              connected[0][1] if connected else None]
    print('  ' + ''.join('           -' if cell is None else f'{cell:>12,.0f}'
                         for cell in cells), flush=True)


def print_heads():
    print('  ' + ''.join(f'{figure.name:>24}' for figure in (*COUNTERS, GAUGE)))
    print('  ' + f'{"PromQL":>12}{"ackload":>12}' * 3)


def run_until_interrupted(arguments, stack):
    server, bound = stack.start_ackd(
        'ackd', listen=f'127.0.0.1:{arguments.port}', metrics=f'127.0.0.1:{arguments.metrics_port}')
    node = stack.start_node_exporter(arguments.node_port)
    prometheus = stack.start_prometheus(arguments.prometheus_port, {
        'tcp-server': [bound['metrics']], 'node': [node]})
    live = f'127.0.0.1:{free_port()}'
    client, log = stack.start_ackload(
        'ackload', bound['listen spec'], '--rate', arguments.rate, '-c', arguments.connections,
        '--time', arguments.time, '--prom', live, '--quiet')
    watcher = Watcher(bound['metrics'], live)
    watcher.start()
    stack.ending.callback(watcher.stop)
    print(f'  ackd listens on        {bound["listen spec"]}')
    print(f'  metrics                http://{bound["metrics"]}/metrics')
    print(f'  Prometheus             http://{prometheus.address}/classic/graph')
    print(f'  alerts                 http://{prometheus.address}/classic/alerts')
    print(f'  node_exporter          http://{node}/metrics')
    print(f'  data and logs          {stack.scratch} (until the end)')
    print(f'\n  The column\'s three figures, over 15 seconds: the first in {FIRST_SECONDS} s. '
          'Ctrl-C ends everything.\n')
    print_heads()
    wait = FIRST_SECONDS
    while client.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(wait)
        if server.poll() is not None:
            raise Trouble(f'ackd died (exit {server.returncode})')
        print_pair(prometheus, watcher)
        wait = SCRAPE_SECONDS
    if client.returncode != 0:
        raise Trouble(f'ackload failed (exit {client.returncode}):\n{log.read_text()}')


# --check


def sleep_until(at):
    time.sleep(max(0.0, at - time.time()))


def make_events(stack, bound, demo_server, demo_bound):
    """What the panels about trouble need to have something to show."""
    for _ in range(3):
        send_bad_frame(bound['listen spec'])
    demo_server.terminate()
    demo_server.wait(demo.DRAIN_SECONDS)
    stack.start_ackd('ackd-demo2', '--metrics-prefix', DEMO_PREFIX, '--workers', '1',
                     listen=demo_bound['listen spec'], metrics=demo_bound['metrics'])


def choose_variables(prometheus, dashboard):
    """The sets of values that a person could have chosen at the top of the dashboard."""
    values = {'instance': '.*', '__rate_interval': f'{4 * SCRAPE_SECONDS}s'}
    for variable in dashboard['templating']['list']:
        if variable['name'] == 'prefix':
            return [{**values, 'prefix': option['value']} for option in variable['options']]
        if variable['name'] == 'job':
            metric = re.match(r'label_values\((\w+)', variable['definition'])[1]
            jobs = sorted(labels['job'] for labels, _ in prometheus.query(
                f'count by (job) ({metric})'))
            if not jobs:
                raise Trouble(f'{dashboard["uid"]}: no job has {metric}')
            values['job'] = jobs[0]
    return [values]


def check_panels(prometheus):
    """Evaluates each expression of each dashboard; returns how many, and those without data."""
    count, empty = 0, []
    for dashboard in dashboards.load():
        for values in choose_variables(prometheus, dashboard):
            for expression in dashboards.list_expressions(dashboard):
                text = dashboards.fill_variables(expression.text, values)
                count += 1
                if not prometheus.query(text):
                    empty.append(f'{expression.uid}, {expression.where}: no data: {text}')
    return count, empty


def rule_names():
    """Names of all rules in monitor/."""
    text = ''.join(path.read_text() for path in (MONITOR / 'rules').glob('*.yml'))
    return sorted(re.findall(r'^ +- (?:alert|record): (\S+)$', text, re.MULTILINE))


def check_rules(prometheus):
    """All rules are there, were evaluated without an error, and recorded something; none fires."""
    complaints = []
    rules = [rule for group in prometheus.ask('/api/v1/rules')['groups'] for rule in group['rules']]
    if sorted(rule['name'] for rule in rules) != rule_names():
        complaints.append('Prometheus has other rules than monitor/prometheus/rules')
    for rule in rules:
        if rule['health'] != 'ok':
            complaints.append(f'rule {rule["name"]}: {rule["health"]} {rule.get("lastError", "")}')
        elif rule['type'] == 'recording' and not prometheus.query(rule['name']):
            complaints.append(f'rule {rule["name"]}: it recorded nothing')
    for labels in prometheus.firing():
        complaints.append(f'{labels["alertname"]} fires: {labels}')
    return len(rules), complaints


def choose_window(samples, begin, end):
    """The times of two scrapes, WINDOW_SECONDS apart, with load before and behind them."""
    inside = [at for at, _ in samples if begin + 1.2 <= at <= end - 1.2]
    if not inside or inside[-1] - inside[0] < WINDOW_SECONDS - 0.1:
        raise Trouble(f'no {WINDOW_SECONDS} s between scrapes under load: '
                      f'{len(inside)} scrapes')
    last = next(at for at in inside if at - inside[0] > WINDOW_SECONDS - 0.1)
    return inside[0], last


def compare_deltas(prometheus, watcher, instance, end):
    """Prints how far each counter came between two scrapes, as three saw it; returns complaints."""
    selector = f'{{job="tcp-server",instance="{instance}"}}'
    complaints = []
    scraped = {figure: prometheus.samples(figure.server + selector, 120) for figure in COUNTERS}
    begin, until = choose_window(scraped[COUNTERS[0]], watcher.client_start, end)
    print(f'\n  between two scrapes, {until - begin:.1f} s apart:')
    print(f'  {"":20}{"Prometheus":>14}{"/metrics":>14}{"ackload":>14}{"apart":>10}')
    for figure in COUNTERS:
        seen = (dict(scraped[figure])[until] - dict(scraped[figure])[begin],
                delta(pick(watcher.server, figure.server), begin, until),
                delta(pick(watcher.client, figure.client), begin, until))
        apart = (max(seen) - min(seen)) / min(seen) if min(seen) > 0 else math.inf
        print(f'  {figure.server:20}' + ''.join(f'{value:>14,.0f}' for value in seen)
              + f'{apart:>10.3%}')
        if apart > AGREE:
            complaints.append(f'{figure.server}: {apart:.2%} apart')
    return complaints


def compare_connected(prometheus, watcher, instance):
    seen = prometheus.one(f'{GAUGE.server}{{job="tcp-server",instance="{instance}"}}')
    own = pick(watcher.client[-1:], GAUGE.client)[0][1]
    print(f'  {GAUGE.server:20}{seen:>14,.0f}{"":14}{own:>14,.0f}')
    return [] if seen == own else [f'{GAUGE.server} {seen}, but ackload has {own} connections']


def check(arguments, stack):
    """Complaints; empty if everything is as it should be."""
    _, bound = stack.start_ackd('ackd')
    demo_server, demo_bound = stack.start_ackd('ackd-demo2', '--metrics-prefix', DEMO_PREFIX,
                                               '--workers', '1')
    node = stack.start_node_exporter(0)
    prometheus = stack.start_prometheus(0, {
        'tcp-server': [bound['metrics'], demo_bound['metrics']], 'node': [node]})
    live = f'127.0.0.1:{free_port()}'
    watcher = Watcher(bound['metrics'], live)
    client, log = stack.start_ackload(
        'ackload', bound['listen spec'], '--rate', arguments.rate, '-c', arguments.connections,
        '--time', f'{CHECK_SECONDS}s', '--prom', live)
    begin = time.time()
    watcher.start()
    print(f'monitor: {CHECK_SECONDS} s at {arguments.rate} SUBMITs per second', flush=True)

    sleep_until(begin + EVENTS_AT_SECONDS)
    make_events(stack, bound, demo_server, demo_bound)
    sleep_until(begin + PANELS_AT_SECONDS)
    expression_count, complaints = check_panels(prometheus)
    sleep_until(begin + CHECK_SECONDS - 2)
    complaints += compare_connected(prometheus, watcher, bound['metrics'])
    status = client.wait(demo.CLIENT_GRACE_SECONDS)
    watcher.stop()
    if status != 0:
        raise Trouble(f'ackload failed (exit {status}):\n{log.read_text()}')
    complaints += compare_deltas(prometheus, watcher, bound['metrics'],
                                 watcher.client_start + CHECK_SECONDS)
    rule_count, rule_complaints = check_rules(prometheus)
    complaints += rule_complaints
    print(f'\n  {expression_count} expressions of {len(dashboards.load())} dashboards, '
          f'{rule_count} rules: {len(complaints)} complaints')
    return complaints


# --fire


def keep_breaking(address, stopping):
    while not stopping.wait(0.2):
        with contextlib.suppress(OSError):
            send_bad_frame(address)


def keep_stopping(process, stopping):
    """Each time for longer than a worker may be late, and then long enough to catch up."""
    while not stopping.wait(2.5):
        process.send_signal(signal.SIGSTOP)
        stopping.wait(1.8)
        process.send_signal(signal.SIGCONT)


def keep_doing(stack, what, target):
    """Runs @what with @target in a thread, until all ends."""
    stopping = threading.Event()
    thread = threading.Thread(target=what, args=(target, stopping))
    thread.start()
    stack.ending.callback(thread.join)
    stack.ending.callback(stopping.set)


def fill_memory(stack, bound):
    """Frames that are never completed, one more until memory is short.  They are small: all
    that is held stays between the marks of the first stage, where nobody is closed."""
    for _ in range(160):
        peer = stack.ending.enter_context(dial(bound['listen spec']))
        peer.sendall(struct.pack('>I', 200_000) + bytes(100_000))
        time.sleep(0.02)
        if read_counters(bound['metrics'])[1]['ackd_worker_overload_stage'] > 0:
            return
    raise Trouble('16 MB of frames do not fill 8 MiB')


def make_trouble_inside(stack):
    """Three servers in trouble of their own: {(alert, address of /metrics)}."""
    config = stack.scratch / 'misled.conf'
    config.write_text('window = 1000\n')
    misled, misled_bound = stack.start_ackd('misled', '--config', config, '--workers', '1')
    config.write_text('window = many\n')
    misled.send_signal(signal.SIGHUP)

    _, short = stack.start_ackd('short', '--memory-limit', '8M', '--max-frame', '1M',
                                '--frame-timeout', '0', '--workers', '1')
    fill_memory(stack, short)

    hindered, hindered_bound = stack.start_ackd('hindered', '--workers', '1')
    keep_doing(stack, keep_stopping, hindered)
    return {('AckdReloadFailed', misled_bound['metrics']), ('AckdOverload', short['metrics']),
            ('AckdWorkerStalls', hindered_bound['metrics'])}


def make_trouble(stack):
    """Four servers in trouble with others: {(alert, address of /metrics)}."""
    _, stalled = stack.start_ackd('stalled', '--handler', 'delay:10m', '--workers', '1')
    peer = stack.ending.enter_context(dial(stalled['listen spec']))
    peer.sendall(submit(100))

    _, broken = stack.start_ackd('broken', '--workers', '1')
    keep_doing(stack, keep_breaking, broken['listen spec'])

    _, full = stack.start_ackd('full', '--workers', '1', '--first-frame-timeout', '0',
                               prefix=('prlimit', '--nofile=1024'))
    for _ in range(900):
        stack.ending.enter_context(dial(full['listen spec']))

    gone, down = stack.start_ackd('down', '--workers', '1')
    gone.terminate()
    gone.wait(demo.DRAIN_SECONDS)
    return {('AckdAcksStalled', stalled['metrics']), ('AckdDecodeErrors', broken['metrics']),
            ('AckdFdsNearLimit', full['metrics']), ('AckdConnectionsNearLimit', full['metrics']),
            ('AckdDown', down['metrics'])}


def fire(_arguments, stack):
    """Complaints, if not exactly the alerts fire that ought to, each for its own server."""
    wanted = make_trouble(stack) | make_trouble_inside(stack)
    addresses = sorted({address for _, address in wanted})
    node = stack.start_node_exporter(0)
    prometheus = stack.start_prometheus(0, {'tcp-server': addresses, 'node': [node]},
                                        seconds=SCRAPE_SECONDS)
    begin = time.monotonic()
    firing, since = set(), {}
    while time.monotonic() < begin + FIRE_SECONDS and not wanted <= firing:
        time.sleep(1)
        firing = {(labels['alertname'], labels.get('instance'))
                  for labels in prometheus.firing() if labels['alertname'].startswith('Ackd')}
        for alert in sorted(firing - since.keys()):
            since[alert] = time.monotonic() - begin
            print(f'  {since[alert]:4.0f} s  {alert[0]:26} {alert[1]}', flush=True)
    complaints = [f'{name} did not fire for {address} in {FIRE_SECONDS} s'
                  for name, address in sorted(wanted - firing)]
    # A server all of whose 100 SUBMITs wait answers less than it receives, too.
    allowed = {('AckdAckGap', address) for _, address in wanted}
    return complaints + [f'{name} fires for {address}, where nothing of the kind is wrong'
                         for name, address in sorted(since.keys() - wanted - allowed)]


# --scrape-cost


def thread_cpu_ns(pid):
    """{thread name: nanoseconds on a CPU}."""
    times = {}
    for task in Path(f'/proc/{pid}/task').iterdir():
        times[(task / 'comm').read_text().strip()] = int(
            (task / 'schedstat').read_text().split()[0])
    return times


def scrape(address, headers):
    """The size of the answer, and of what it stands for."""
    request = urllib.request.Request(f'http://{address}/metrics', headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as response:
        body = response.read()
    plain = gzip.decompress(body) if response.headers.get('Content-Encoding') == 'gzip' else body
    return len(body), plain.decode()


def open_connections(stack, address, count):
    """Raises this process's own limit as far as it goes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < count + 100:
        raise Trouble(f'{count} connections need more descriptors than the hard limit, {most}; '
                      f'try: prlimit --nofile={count + 100} ...')
    host, port = address.rsplit(':', 1)
    for _ in range(count):
        stack.ending.enter_context(socket.create_connection((host, int(port))))


def scrape_cost(arguments, stack):
    """Complaints, if a scrape costs more CPU than it may."""
    server, bound = stack.start_ackd('ackd', '--idle-timeout', '0')
    open_connections(stack, bound['listen spec'], arguments.scrape_connections)
    complaints = []
    count = 500
    for name, headers in (('text', {}), ('as Prometheus asks', SCRAPE_HEADERS)):
        size, text = scrape(bound['metrics'], headers)
        connected = demo.sum_series(text)[GAUGE.server]
        before = thread_cpu_ns(server.pid)
        for _ in range(count):
            scrape(bound['metrics'], headers)
        after = thread_cpu_ns(server.pid)
        spent = {thread: (after[thread] - before[thread]) / count for thread in after}
        total = sum(spent.values())
        workers = sum(ns for thread, ns in spent.items() if 'worker' in thread)
        print(f'  {name:20}{connected:>8,.0f} connections  {size:>6,} bytes  '
              + '  '.join(f'{thread} {ns / 1e3:.1f} us' for thread, ns in sorted(spent.items())))
        if connected < arguments.scrape_connections:
            complaints.append(f'only {connected:.0f} connections are open')
        if total > SCRAPE_COST_NS_MAX:
            complaints.append(f'a scrape costs {total / 1e3:.0f} us of CPU, more than '
                              f'{SCRAPE_COST_NS_MAX / 1e3:.0f}')
        if workers > WORKER_COST_NS_MAX:
            complaints.append(f'of it {workers / 1e3:.0f} us are the workers\': they are disturbed')
    return complaints


def parse_arguments():
    parser = argparse.ArgumentParser(prog='./dev monitor', description=__doc__.splitlines()[0])
    parser.add_argument('--build', type=Path, default=Path('build/release'), metavar='DIR')
    parser.add_argument('--rate', default='20k', metavar='R', help='SUBMITs per second (20k)')
    parser.add_argument('--connections', default='100', metavar='N', help='of ackload (100)')
    parser.add_argument('--time', default='24h', help='how long at most (24h)')
    parser.add_argument('--port', type=demo.port, default=8888,
                        help='of ackd (8888; 0: any free one)')
    parser.add_argument('--metrics-port', type=demo.port, default=8889, metavar='N', help='(8889)')
    parser.add_argument('--prometheus-port', type=demo.port, default=9090, metavar='N',
                        help='(9090)')
    parser.add_argument('--node-port', type=demo.port, default=9100, metavar='N', help='(9100)')
    parser.add_argument('--scrape-connections', type=int, default=10000, metavar='N',
                        help='for --scrape-cost (10000)')
    mode = parser.add_mutually_exclusive_group()
    for name, function in (('check', check), ('fire', fire), ('scrape-cost', scrape_cost)):
        mode.add_argument(f'--{name}', dest='mode', action='store_const', const=function,
                          help='see above')
    return parser.parse_args()


def check_ports_are_free(arguments):
    for option in ('port', 'metrics_port', 'prometheus_port', 'node_port'):
        port = getattr(arguments, option)
        try:
            with socket.create_server(('127.0.0.1', port)):
                pass
        except OSError as error:
            raise Trouble(f'port {port}: {os.strerror(error.errno)}. Choose another with '
                          f'--{option.replace("_", "-")} N') from error


def run(arguments, scratch):
    with contextlib.ExitStack() as ending:
        stack = Stack(arguments.build, scratch, ending)
        if not arguments.mode:
            check_ports_are_free(arguments)
            return run_until_interrupted(arguments, stack)
        complaints = arguments.mode(arguments, stack)
    for complaint in complaints:
        print(f'  {complaint}')
    if complaints:
        raise Trouble(f'{len(complaints)} complaints')
    return None


def main():
    arguments = parse_arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, demo.end_by_signal)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix='ackd-monitor-') as scratch:
            run(arguments, Path(scratch))
    except Trouble as trouble:
        print(f'monitor: {trouble}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nmonitor: interrupted; everything it started has ended', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
