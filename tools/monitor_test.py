# SPDX-License-Identifier: MIT
"""monitor.py without Prometheus: its arithmetic, its configuration, the runbooks in the docs."""

import json
import re
from collections import namedtuple

import monitor
import pytest

DOCUMENT = monitor.ROOT / 'docs/MONITORING.md'


def alerts():
    """{name: its text} of all alerts."""
    text = (monitor.MONITOR / 'rules/ackd.alerts.yml').read_text()
    parts = re.split(r'^ +- alert: (\S+)$', text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def test_every_alert_has_its_runbook():
    headings = re.findall(r'^### (\w+)$', DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(alerts())


@pytest.mark.parametrize('name', alerts())
def test_an_alert_says_what_is_wrong_and_where_to_read_on(name):
    text = alerts()[name]
    assert re.search(r'severity: (critical|warning)\b', text)
    assert 'summary: "' in text and 'description: "' in text
    assert f'runbook_url: docs/MONITORING.md#{name.lower()}' in text


@pytest.mark.parametrize('name', alerts())
def test_every_alert_is_tested(name):
    tests = (monitor.MONITOR / 'tests/alerts.yml').read_text()
    assert f'alertname="{name}"' in tests or f'- alertname: {name}' in tests


def test_between_two_samples_is_a_line():
    samples = [(10.0, 100.0), (11.0, 200.0), (13.0, 400.0)]
    assert monitor.interpolate(samples, 10.5) == 150
    assert monitor.interpolate(samples, 12.0) == 300
    assert monitor.delta(samples, 10.5, 12.5) == 200


@pytest.mark.parametrize('at', [9.9, 13.1])
def test_outside_of_the_samples_is_nothing(at):
    with pytest.raises(monitor.Trouble):
        monitor.interpolate([(10.0, 1.0), (13.0, 2.0)], at)


def test_the_window_lies_under_load():
    scrapes = [(float(at), 0.0) for at in range(3, 60, 5)]
    assert monitor.choose_window(scrapes, 2.0, 41.0) == (8.0, 38.0)
    with pytest.raises(monitor.Trouble):
        monitor.choose_window(scrapes, 2.0, 30.0)


Watched = namedtuple('Watched', 'server client client_start')


class Scraped:
    """A Prometheus that scraped 1,000 a second, times @factor."""

    def __init__(self, factor):
        self.factor = factor

    def samples(self, _selector, _seconds):
        return [(float(at), at * 1000.0 * self.factor) for at in range(3, 60, 5)]


@pytest.mark.parametrize('factor, complaints', [(1.0, 0), (1.009, 0), (1.011, 2), (0.98, 2)])
def test_counters_that_are_apart_are_seen(factor, complaints):
    server = [(at / 10, {figure.server: at * 100.0 for figure in monitor.COUNTERS})
              for at in range(600)]
    client = [(float(at), {figure.client: at * 1000.0 for figure in monitor.COUNTERS})
              for at in range(60)]
    found = monitor.compare_deltas(Scraped(factor), Watched(server, client, 0.0), 'x', 58.0)
    assert len(found) == complaints


def test_the_configuration_gets_our_addresses_and_nothing_else(tmp_path):
    monitor.write_config(tmp_path, {'prometheus': ['a:1'], 'tcp-server': ['b:2', 'c:3'],
                                    'node': ['d:4']})
    before = (monitor.MONITOR / 'prometheus.yml').read_text().splitlines()
    after = (tmp_path / 'prometheus.yml').read_text().splitlines()
    changed = [line.strip() for line, old in zip(after, before) if line != old]
    assert changed == [f'- targets: {json.dumps(to)}'
                       for to in (['a:1'], ['b:2', 'c:3'], ['d:4'])]
    assert len(before) == len(after)
    rules = (monitor.MONITOR / 'rules/ackd.alerts.yml').read_text()
    assert (tmp_path / 'rules/ackd.alerts.yml').read_text() == rules


def test_impatient_alerts_wait_as_long_as_asked(tmp_path):
    monitor.write_config(tmp_path, {}, seconds=5)
    rules = (tmp_path / 'rules/ackd.alerts.yml').read_text()
    assert set(re.findall(r'^ +for: (\w+)$', rules, re.MULTILINE)) == {'5s'}
    assert 'evaluation_interval: 5s' in (tmp_path / 'prometheus.yml').read_text()


def test_a_job_that_is_not_there_is_trouble(tmp_path):
    with pytest.raises(monitor.Trouble, match='0 jobs nobody'):
        monitor.write_config(tmp_path, {'nobody': ['a:1']})


def test_a_dashboards_variables_are_chosen_as_a_person_would():
    class Asked:
        def query(self, expression):
            assert expression == 'count by (job) (node_uname_info)'
            return [({'job': 'node'}, 1.0)]

    by_uid = {each['uid']: each for each in monitor.dashboards.load()}
    chosen = monitor.choose_variables(Asked(), by_uid['ackd-node'])
    assert [values['job'] for values in chosen] == ['node']
    prefixes = [values['prefix'] for values in monitor.choose_variables(None, by_uid['ackd-seed'])]
    assert prefixes == ['ackd', 'tcp_server_demo2']


def test_submits_are_as_the_protocol_says():
    assert monitor.submit(2) == (b'\0\0\0\x11\x0200000000beef' + b'\0\0\0\x11\x0200000001beef')
