#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""dashboards - writes monitor/grafana/dashboards/*.json from the tables in this file

    tools/dashboards.py            writes them anew
    tools/dashboards.py --check    changes nothing; fails if they are stale or badly built

What a panel shows stands in DASHBOARDS and nowhere else; how Grafana wants it said is the rest. In
an expression SELF stands for the target that was chosen at the top of the dashboard, WINDOW for the
span of a rate: four scrapes at least.
"""

import argparse
import json
import re
import sys
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / 'monitor/grafana/dashboards'

SELF = 'job="$job",instance=~"$instance"'
WINDOW = '$__rate_interval'
DATASOURCE = {'type': 'prometheus', 'uid': '${datasource}'}
COLUMNS = 24

# kind: line, stacked, bars (for events: nothing is drawn where nothing happened), stat, heatmap
Panel = namedtuple('Panel', 'title kind unit queries says width', defaults=(12,))
Query = namedtuple('Query', 'expr legend')
# chooses: the metric whose job and instance labels the dashboard offers; None: it offers none
Dashboard = namedtuple('Dashboard', 'uid title says chooses panels')


def rate(name, labels='', by=''):
    """The rate of counter @name, summed over everything but the instance and @by."""
    selector = f'{SELF},{labels}' if labels else SELF
    wanted = f'instance, {by}' if by else 'instance'
    return f'sum by ({wanted}) (rate({name}{{{selector}}}[{WINDOW}]))'


def quantile(part, name):
    return (f'histogram_quantile({part}, sum by (instance, le) '
            f'(rate({name}_bucket{{{SELF}}}[{WINDOW}])))')


# The column's three panels, with its own expressions; only the prefix of the names can be chosen.
SEED = Dashboard('ackd-seed', 'ackd: the three panels of the column', (
    'req_recv_rate, rsp_send_rate and client_connected as the column builds them. The prefix '
    'chooses between ackd and a server with the names of the teaching code.'), None, (
        Panel('req_recv_rate', 'line', 'reqps',
              [Query('rate(${prefix}_req_recv_total[15s])', '{{instance}}')],
              'Requests received per second, over 15 seconds.', 24),
        Panel('rsp_send_rate', 'line', 'reqps',
              [Query('rate(${prefix}_rsp_send_total[15s])', '{{instance}}')],
              'Responses sent per second, over 15 seconds.', 24),
        Panel('client_connected', 'line', 'short',
              [Query('${prefix}_client_connected', '{{instance}}')],
              'Clients that are connected.', 24)))

OVERVIEW = Dashboard('ackd-overview', 'ackd: overview', (
    'Rate, errors and duration: what clients notice.'), 'ackd_build_info', (
        Panel('SUBMITs per second', 'stat', 'reqps',
              [Query(rate('ackd_req_recv_total'), '{{instance}}')], 'Received and decoded.', 4),
        Panel('Acks per second', 'stat', 'reqps',
              [Query(rate('ackd_rsp_send_total'), '{{instance}}')], 'Handed to the kernel.', 4),
        Panel('Connections', 'stat', 'short',
              [Query(f'ackd_client_connected{{{SELF}}}', '{{instance}}')], 'Open now.', 4),
        Panel('Unanswered', 'stat', 'short',
              [Query(f'ackd_req_recv_total{{{SELF}}} - ackd_rsp_send_total{{{SELF}}} '
                     f'- ackd_acks_dropped_total{{{SELF}}}', '{{instance}}')],
              'SUBMITs that wait for their ack: in a handler, or in a queue that a client does '
              'not read.', 4),
        Panel('Latency p99', 'stat', 's',
              [Query(quantile(0.99, 'ackd_request_duration_seconds'), '{{instance}}')],
              'From the turn in which a SUBMIT was there to read until its ack went out.', 4),
        Panel('Version', 'stat', 'short',
              [Query(f'ackd_build_info{{{SELF}}}', '{{version}} {{engine}}')],
              'What was built, and with which engine.', 4),
        Panel('SUBMITs and acks', 'line', 'reqps',
              [Query(rate('ackd_req_recv_total'), 'received {{instance}}'),
               Query(rate('ackd_rsp_send_total'), 'acked {{instance}}')],
              'Both lines are one as long as every SUBMIT is answered.'),
        Panel('Latency', 'line', 's',
              [Query(quantile(0.5, 'ackd_request_duration_seconds'), 'p50 {{instance}}'),
               Query(quantile(0.9, 'ackd_request_duration_seconds'), 'p90 {{instance}}'),
               Query(quantile(0.99, 'ackd_request_duration_seconds'), 'p99 {{instance}}'),
               Query(quantile(1, 'ackd_request_duration_seconds'), 'at most {{instance}}')],
              'In the server, estimated from fixed buckets; what a client sees is longer.'),
        Panel('Latency by bucket', 'heatmap', 's',
              [Query(f'sum by (le) (increase(ackd_request_duration_seconds_bucket{{{SELF}}}'
                     f'[{WINDOW}]))', '{{le}}')],
              'How many SUBMITs took how long.'),
        Panel('Connections and limit', 'line', 'short',
              [Query(f'ackd_client_connected{{{SELF}}}', 'open {{instance}}'),
               Query(f'ackd_connections_max{{{SELF}}}', 'limit {{instance}}')],
              'Open at the same time, and how many may be.'),
        Panel('Protocol errors by reason', 'bars', 'eps',
              [Query(rate('ackd_decode_errors_total', by='reason') + ' > 0',
                     '{{reason}} {{instance}}')],
              'Frames and packets that failed to decode. Each ends its connection.'),
        Panel('Closes by reason', 'bars', 'eps',
              [Query(rate('ackd_connections_closed_total', by='reason') + ' > 0',
                     '{{reason}} {{instance}}')],
              'Why connections ended.'),
        Panel('Connections accepted and refused', 'line', 'cps',
              [Query(rate('ackd_connections_accepted_total'), 'accepted {{instance}}'),
               Query(rate('ackd_connections_rejected_total', by='reason'),
                     'refused, {{reason}} {{instance}}')],
              'New connections per second.'),
        Panel('Acks not ok', 'line', 'eps',
              [Query(rate('ackd_acks_total', 'result="error"'), 'result 1 {{instance}}'),
               Query(rate('ackd_acks_dropped_total'), 'lost with their connection {{instance}}'),
               Query(rate('ackd_handler_errors_total'), 'handler failures {{instance}}')],
              'Acks that say error, and acks that nobody was left to take.'),
        Panel('Bytes', 'line', 'Bps',
              [Query(rate('ackd_network_receive_bytes_total'), 'in {{instance}}'),
               Query(rate('ackd_network_transmit_bytes_total'), 'out {{instance}}')],
              'Payload of TCP, from and to clients.'),
        Panel('Up, restarts and reloads', 'line', 'short',
              [Query(f'up{{{SELF}}}', 'up {{instance}}'),
               Query(f'changes(process_start_time_seconds{{{SELF}}}[1h])',
                     'restarts in an hour {{instance}}'),
               Query(f'ackd_draining{{{SELF}}}', 'draining {{instance}}'),
               Query(f'ackd_config_last_reload_successful{{{SELF}}}',
                     'last reload taken over {{instance}}')],
              'Whether the last scrape succeeded, how often the process is a new one, and '
              'whether the configuration that was read last is the one that holds.')))

WORKERS = Dashboard('ackd-workers', 'ackd: workers', (
    'Utilization, saturation and errors of the worker threads.'), 'ackd_build_info', (
        Panel('Utilization', 'line', 'percentunit',
              [Query(f'rate(ackd_worker_cpu_seconds_total{{{SELF}}}[{WINDOW}])',
                     'worker {{worker}} {{instance}}')],
              "Of one CPU, how much a worker uses, the kernel's work for it included."),
        Panel('Connections', 'line', 'short',
              [Query(f'ackd_worker_connections{{{SELF}}}', 'worker {{worker}} {{instance}}')],
              'A connection stays with the worker that accepted it.'),
        Panel('SUBMITs per receive', 'line', 'short',
              [Query(f'{rate("ackd_batch_frames_sum")} / {rate("ackd_batch_frames_count")}',
                     '{{instance}}')],
              'The mean batch. Large batches cost little per SUBMIT.'),
        Panel('Batches by size', 'heatmap', 'short',
              [Query(f'sum by (le) (increase(ackd_batch_frames_bucket{{{SELF}}}[{WINDOW}]))',
                     '{{le}}')],
              'How many receives brought how many SUBMITs.'),
        Panel('System calls per SUBMIT', 'line', 'short',
              [Query(f'{rate("ackd_syscalls_total", by="call")} / ignoring (call) group_left '
                     f'{rate("ackd_req_recv_total")}', '{{call}} {{instance}}')],
              'What one SUBMIT costs in calls of each kind.'),
        Panel('Events per turn', 'line', 'short',
              [Query(f'rate(ackd_worker_events_total{{{SELF}}}[{WINDOW}]) / '
                     f'rate(ackd_worker_loops_total{{{SELF}}}[{WINDOW}])',
                     'worker {{worker}} {{instance}}')],
              'How much is ready when a worker looks. It grows as the worker saturates.'),
        Panel('Listen queue', 'line', 'percentunit',
              [Query(f'ackd_listen_queue{{{SELF}}} / ackd_listen_queue_limit{{{SELF}}}',
                     '{{listener}} {{instance}}')],
              'Connections waiting to be accepted, of those that may wait.'),
        Panel('Write queue', 'line', 'bytes',
              [Query(f'ackd_write_queue_bytes{{{SELF}}}', '{{instance}}')],
              'Acks that the kernel has not yet taken.'),
        Panel('Deferred requests', 'line', 'short',
              [Query(f'ackd_deferred_requests{{{SELF}}}', '{{instance}}')],
              'SUBMITs that wait for a handler which answers later.'),
        Panel('Held back', 'line', 'ops',
              [Query(rate('ackd_write_blocked_total'), 'writes into a full socket {{instance}}'),
               Query(rate('ackd_read_paused_total', by='reason'),
                     'reads paused, {{reason}} {{instance}}')],
              'How often a connection was held back, and why.'),
        Panel('Failed accepts', 'line', 'eps',
              [Query(rate('ackd_accept_errors_total', by='error'), '{{error}} {{instance}}'),
               Query(rate('ackd_accept_pauses_total'), 'pauses {{instance}}')],
              'Descriptors or memory had run out, or a client had gone.'),
        Panel('Stalls', 'line', 'short',
              [Query(f'increase(ackd_worker_stalls_total{{{SELF}}}[{WINDOW}])',
                     'worker {{worker}} {{instance}}')],
              'How often a worker did not run for half a second in which it should have.'),
        Panel('Overload stage', 'line', 'short',
              [Query(f'ackd_worker_overload_stage{{{SELF}}}', 'worker {{worker}} {{instance}}')],
              'Memory is short: at 1 it accepts no more, at 2 it does not read those that hold '
              'most, at 3 it closes them.'),
        Panel('Memory for connections', 'line', 'bytes',
              [Query(f'ackd_memory_bytes{{{SELF}}}', 'held {{instance}}'),
               Query(f'ackd_memory_limit_bytes{{{SELF}}}', 'limit {{instance}}')],
              'What connections make it hold, and --memory-limit if there is one: the stages '
              'begin at 85, 92 and 97 % of it.')))

RUNTIME = Dashboard('ackd-runtime', 'ackd: runtime', (
    'What the process takes from the machine.'), 'ackd_build_info', (
        Panel('CPU', 'line', 'short',
              [Query(rate('process_cpu_seconds_total'), 'cores {{instance}}')],
              'Cores in use, user and system together.'),
        Panel('CPU per ack', 'line', 's',
              [Query(f'{rate("process_cpu_seconds_total")} / {rate("ackd_rsp_send_total")}',
                     '{{instance}}')],
              'What one ack costs, everything included.'),
        Panel('Memory', 'line', 'bytes',
              [Query(f'process_resident_memory_bytes{{{SELF}}}', 'resident {{instance}}'),
               Query(f'ackd_deferred_bytes{{{SELF}}}', 'of it deferred requests {{instance}}')],
              'Resident memory, and what requests that wait for a handler hold of it.'),
        Panel('Address space', 'line', 'bytes',
              [Query(f'process_virtual_memory_bytes{{{SELF}}}', '{{instance}}')],
              'Reserved, mostly thread stacks; only resident memory is paid for.'),
        Panel('File descriptors', 'line', 'short',
              [Query(f'process_open_fds{{{SELF}}}', 'open {{instance}}'),
               Query(f'process_max_fds{{{SELF}}}', 'limit {{instance}}')],
              'One for each connection, and a few.'),
        Panel('Threads', 'line', 'short',
              [Query(f'process_threads{{{SELF}}}', '{{instance}}')],
              'Workers, and a few; it never changes while the server runs.'),
        Panel('Mean frame', 'line', 'bytes',
              [Query(f'{rate("ackd_network_receive_bytes_total")} / '
                     f'{rate("ackd_req_recv_total")}', '{{instance}}')],
              'Bytes received per SUBMIT.'),
        Panel('Uptime', 'line', 's',
              [Query(f'time() - process_start_time_seconds{{{SELF}}}', '{{instance}}')],
              'Since the process started.'),
        Panel('Scrapes', 'line', 's',
              [Query(f'scrape_duration_seconds{{{SELF}}}', 'seen by Prometheus {{instance}}'),
               Query(f'ackd_scrape_duration_seconds{{{SELF}}}', 'writing it {{instance}}')],
              'How long /metrics takes: there and back, and in ackd alone.'),
        Panel('Series', 'line', 'short',
              [Query(f'scrape_samples_scraped{{{SELF}}}', '{{instance}}')],
              'How many numbers a scrape brings.')))

NODE = Dashboard('ackd-node', 'ackd: the machine', (
    'From node_exporter: what ackd shares with everything else.'), 'node_uname_info', (
        Panel('CPU by mode', 'stacked', 'percentunit',
              [Query(f'avg by (instance, mode) (rate(node_cpu_seconds_total{{{SELF},'
                     f'mode!="idle"}}[{WINDOW}]))', '{{mode}} {{instance}}')],
              'Of all CPUs together. softirq is mostly the network.'),
        Panel('Load', 'line', 'short',
              [Query(f'node_load1{{{SELF}}}', '1 min {{instance}}'),
               Query(f'node_load5{{{SELF}}}', '5 min {{instance}}'),
               Query(f'node_load15{{{SELF}}}', '15 min {{instance}}'),
               Query(f'count by (instance) (node_cpu_seconds_total{{{SELF},mode="idle"}})',
                     'CPUs {{instance}}')],
              'Tasks that run or want to.'),
        Panel('Memory', 'line', 'bytes',
              [Query(f'node_memory_MemTotal_bytes{{{SELF}}}', 'total {{instance}}'),
               Query(f'node_memory_MemAvailable_bytes{{{SELF}}}', 'available {{instance}}')],
              'Available is what programs can still have without swapping.'),
        Panel('Network', 'line', 'Bps',
              [Query(f'rate(node_network_receive_bytes_total{{{SELF}}}[{WINDOW}])',
                     'in {{device}} {{instance}}'),
               Query(f'rate(node_network_transmit_bytes_total{{{SELF}}}[{WINDOW}])',
                     'out {{device}} {{instance}}')],
              'By device; lo is this machine talking to itself.'),
        Panel('Listen queues of the kernel', 'line', 'eps',
              [Query(f'rate(node_netstat_TcpExt_ListenOverflows{{{SELF}}}[{WINDOW}])',
                     'overflows {{instance}}'),
               Query(f'rate(node_netstat_TcpExt_ListenDrops{{{SELF}}}[{WINDOW}])',
                     'drops {{instance}}')],
              'Connections that found the queue of their listener full, of any program.'),
        Panel('Retransmits', 'line', 'percentunit',
              [Query(f'rate(node_netstat_Tcp_RetransSegs{{{SELF}}}[{WINDOW}]) / '
                     f'rate(node_netstat_Tcp_OutSegs{{{SELF}}}[{WINDOW}])', '{{instance}}')],
              'TCP segments sent again, of all that were sent.'),
        Panel('TCP sockets', 'line', 'short',
              [Query(f'node_sockstat_TCP_inuse{{{SELF}}}', 'in use {{instance}}'),
               Query(f'node_sockstat_TCP_tw{{{SELF}}}', 'TIME_WAIT {{instance}}'),
               Query(f'node_sockstat_TCP_orphan{{{SELF}}}', 'orphans {{instance}}')],
              'Of the whole machine.'),
        Panel('Context switches', 'line', 'ops',
              [Query(f'rate(node_context_switches_total{{{SELF}}}[{WINDOW}])', '{{instance}}')],
              'How often a CPU changed to another task.'),
        Panel('Disk space', 'line', 'percentunit',
              [Query(f'node_filesystem_avail_bytes{{{SELF},fstype!~"tmpfs|ramfs|overlay"}} / '
                     f'node_filesystem_size_bytes{{{SELF}}}', '{{mountpoint}} {{instance}}')],
              'Free, by file system; --handler append:FILE needs some.'),
        Panel('File descriptors', 'line', 'short',
              [Query(f'node_filefd_allocated{{{SELF}}}', 'allocated {{instance}}')],
              'Open in all processes together.')))

DASHBOARDS = (SEED, OVERVIEW, WORKERS, RUNTIME, NODE)
PREFIXES = ('ackd', 'tcp_server_demo2')


# How Grafana wants it said.


def custom(kind):
    """How the line of a time series is drawn."""
    return {
        'drawStyle': 'bars' if kind == 'bars' else 'line',
        'lineWidth': 1,
        'fillOpacity': {'line': 8, 'stacked': 30, 'bars': 60}[kind],
        'showPoints': 'never',
        'stacking': {'mode': 'normal' if kind in ('stacked', 'bars') else 'none', 'group': 'A'},
    }


def describe_kind(panel):
    """The members of a panel that depend on its kind."""
    if panel.kind == 'stat':
        return {
            'type': 'stat',
            'fieldConfig': {'defaults': {'unit': panel.unit}, 'overrides': []},
            'options': {
                'colorMode': 'value', 'graphMode': 'area',
                'textMode': 'name' if panel.title == 'Version' else 'auto',
                'reduceOptions': {'calcs': ['lastNotNull'], 'fields': '', 'values': False}},
        }
    if panel.kind == 'heatmap':
        return {
            'type': 'heatmap',
            'fieldConfig': {'defaults': {'unit': panel.unit}, 'overrides': []},
            'options': {
                'calculate': False, 'cellGap': 1, 'yAxis': {'unit': panel.unit},
                'color': {'mode': 'scheme', 'scheme': 'Blues', 'steps': 64},
                'tooltip': {'mode': 'single', 'yHistogram': False}},
        }
    return {
        'type': 'timeseries',
        'fieldConfig': {'defaults': {'unit': panel.unit, 'min': 0, 'custom': custom(panel.kind)},
                        'overrides': []},
        'options': {
            'legend': {'displayMode': 'list', 'placement': 'bottom', 'showLegend': True},
            'tooltip': {'mode': 'multi', 'sort': 'desc'}},
    }


def describe_query(panel, index, query):
    described = {'refId': chr(ord('A') + index), 'datasource': DATASOURCE, 'editorMode': 'code',
                 'expr': query.expr, 'legendFormat': query.legend, 'range': True}
    if panel.kind == 'heatmap':
        described['format'] = 'heatmap'
    return described


def describe_panels(panels):
    """Panels in rows from the left; a row is as high as its first."""
    described = []
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y = 0, y + row_height
        if x == 0:
            row_height = 4 if panel.kind == 'stat' else 8
        described.append({
            'id': number, 'title': panel.title, 'description': panel.says,
            'datasource': DATASOURCE,
            'gridPos': {'x': x, 'y': y, 'w': panel.width, 'h': row_height},
            **describe_kind(panel),
            'targets': [describe_query(panel, index, query)
                        for index, query in enumerate(panel.queries)]})
        x += panel.width
    return described


def query_variable(name, label, query, **more):
    return {'name': name, 'label': label, 'type': 'query', 'datasource': DATASOURCE,
            'definition': query, 'query': {'query': query, 'refId': name}, 'refresh': 2,
            'sort': 1, 'hide': 0, 'regex': '', 'options': [], 'current': {}, **more}


def describe_variables(dashboard):
    variables = [{'name': 'datasource', 'label': 'Data source', 'type': 'datasource',
                  'query': 'prometheus', 'refresh': 1, 'hide': 0, 'regex': '', 'options': [],
                  'current': {}, 'includeAll': False, 'multi': False}]
    if dashboard.chooses:
        variables += [
            query_variable('job', 'Job', f'label_values({dashboard.chooses}, job)',
                           includeAll=False, multi=False),
            query_variable('instance', 'Instance',
                           f'label_values({dashboard.chooses}{{job="$job"}}, instance)',
                           includeAll=True, multi=True, allValue='.*')]
    else:
        options = [{'text': prefix, 'value': prefix, 'selected': prefix == PREFIXES[0]}
                   for prefix in PREFIXES]
        variables.append({'name': 'prefix', 'label': 'Prefix', 'type': 'custom', 'hide': 0,
                          'query': ','.join(PREFIXES), 'options': options,
                          'current': options[0], 'includeAll': False, 'multi': False})
    return variables


def describe_annotations(dashboard):
    """A mark wherever ackd started anew."""
    if dashboard.chooses != 'ackd_build_info':
        return []
    return [{'name': 'Restarts', 'datasource': DATASOURCE, 'enable': True, 'hide': False,
             'iconColor': 'orange', 'titleFormat': 'restarted', 'textFormat': '{{instance}}',
             'expr': f'changes(process_start_time_seconds{{{SELF}}}[1m]) > 0'}]


def describe(dashboard):
    return {
        'id': None, 'uid': dashboard.uid, 'title': dashboard.title,
        'description': dashboard.says, 'tags': ['ackd'], 'schemaVersion': 39, 'version': 1,
        'editable': False, 'graphTooltip': 1, 'refresh': '5s', 'timezone': 'browser',
        'time': {'from': 'now-15m', 'to': 'now'},
        'links': [{'type': 'dashboards', 'title': 'ackd', 'tags': ['ackd'], 'asDropdown': False,
                   'includeVars': False, 'keepTime': True, 'targetBlank': False, 'icon': '',
                   'tooltip': '', 'url': ''}],
        'annotations': {'list': describe_annotations(dashboard)},
        'templating': {'list': describe_variables(dashboard)},
        'panels': describe_panels(dashboard.panels),
    }


def render(dashboard):
    return json.dumps(describe(dashboard), indent=2) + '\n'


def file_name(dashboard):
    return dashboard.uid.removeprefix('ackd-') + '.json'


# What others ask of the files: tools/monitor.py and the tests.


Expression = namedtuple('Expression', 'uid where text')


def load(folder=FOLDER):
    return [json.loads(path.read_text()) for path in sorted(folder.glob('*.json'))]


def list_expressions(dashboard):
    """Each PromQL expression of a dashboard's JSON: panels, annotations, variables."""
    uid = dashboard['uid']
    for panel in dashboard['panels']:
        for target in panel['targets']:
            yield Expression(uid, f'{panel["title"]} {target["refId"]}', target['expr'])
    for annotation in dashboard['annotations']['list']:
        yield Expression(uid, f'annotation {annotation["name"]}', annotation['expr'])
    for variable in dashboard['templating']['list']:
        if variable['type'] == 'query':
            metric, label = re.fullmatch(r'label_values\((.*), (\w+)\)',
                                         variable['definition']).groups()
            yield Expression(uid, f'variable {variable["name"]}',
                             f'count by ({label}) ({metric})')


def fill_variables(text, values):
    """@text with each $name and ${name} of @values; KeyError for one that is not there."""
    return re.sub(r'\$(?:\{(\w+)\}|(\w+))', lambda match: values[match[1] or match[2]], text)


def judge_panel(panel):
    if panel.get('datasource') != DATASOURCE:
        yield 'the data source is not the variable'
    if not panel.get('description'):
        yield 'no description'
    if not panel['fieldConfig']['defaults'].get('unit'):
        yield 'no unit'
    if not panel.get('targets'):
        yield 'no query'
    for target in panel.get('targets', []):
        if target.get('datasource') != DATASOURCE:
            yield f'query {target["refId"]}: the data source is not the variable'
        if 'rate(' in target['expr'] and '$__rate_interval' not in target['expr'] \
                and '[15s]' not in target['expr']:
            yield f'query {target["refId"]}: a rate over a fixed span'
    at = panel['gridPos']
    if at['x'] + at['w'] > COLUMNS or at['w'] < 1 or at['h'] < 1:
        yield 'it stands outside of the grid'


def panels_overlap(one, other):
    a, b = one['gridPos'], other['gridPos']
    return (a['x'] < b['x'] + b['w'] and b['x'] < a['x'] + a['w']
            and a['y'] < b['y'] + b['h'] and b['y'] < a['y'] + a['h'])


def judge(dashboard):
    """What would keep Grafana from showing a provisioned @dashboard as it is meant."""
    if '__inputs' in dashboard or '__requires' in dashboard:
        yield '__inputs: nobody fills them in a provisioned dashboard'
    if dashboard.get('id') is not None:
        yield 'an id belongs to one database'
    if not re.fullmatch(r'[a-zA-Z0-9_-]{1,40}', dashboard.get('uid') or ''):
        yield 'no legal uid'
    variables = dashboard['templating']['list']
    if not any(variable['type'] == 'datasource' and variable['name'] == 'datasource'
               for variable in variables):
        yield 'no variable datasource'
    known = {variable['name'] for variable in variables} | {'__rate_interval'}
    for expression in list_expressions(dashboard):
        for braced, bare in re.findall(r'\$(?:\{(\w+)\}|(\w+))', expression.text):
            if (braced or bare) not in known:
                yield f'{expression.where}: there is no variable {braced or bare}'
    panels = dashboard['panels']
    if len({panel['id'] for panel in panels}) != len(panels):
        yield 'two panels have one id'
    for index, panel in enumerate(panels):
        for complaint in judge_panel(panel):
            yield f'{panel["title"]}: {complaint}'
        for other in panels[:index]:
            if panels_overlap(panel, other):
                yield f'{panel["title"]} lies on {other["title"]}'


def judge_all(dashboards):
    for dashboard in dashboards:
        for complaint in judge(dashboard):
            yield f'{dashboard.get("uid")}: {complaint}'
    uids = [dashboard.get('uid') for dashboard in dashboards]
    for uid in sorted({uid for uid in uids if uids.count(uid) > 1}):
        yield f'{uid}: two dashboards have this uid'


def list_stale(folder=FOLDER):
    """Names of files that are not what the tables say: other, missing, or not in the tables."""
    wanted = {file_name(dashboard): render(dashboard) for dashboard in DASHBOARDS}
    there = {path.name: path.read_text() for path in folder.glob('*.json')}
    return sorted(name for name in wanted.keys() | there.keys()
                  if wanted.get(name) != there.get(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='change nothing; fail if it would')
    check = parser.parse_args().check
    stale = list_stale()
    if not check:
        for path in FOLDER.glob('*.json'):
            path.unlink()
        for dashboard in DASHBOARDS:
            (FOLDER / file_name(dashboard)).write_text(render(dashboard))
    findings = list(judge_all(load()))
    for finding in findings:
        print(finding)
    print(f'dashboards: {len(DASHBOARDS)} dashboards, '
          f'{sum(len(dashboard.panels) for dashboard in DASHBOARDS)} panels, '
          f'{len(stale)} {"stale" if check else "changed"}, {len(findings)} findings')
    if check and stale:
        print(f'{", ".join(stale)}: run tools/dashboards.py', file=sys.stderr)
    return 1 if findings or (check and stale) else 0


if __name__ == '__main__':
    sys.exit(main())
