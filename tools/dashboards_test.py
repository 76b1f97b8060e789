# SPDX-License-Identifier: MIT
"""dashboards.py: what is committed is current and well built, and each kind of damage is seen."""

import copy
import re

import dashboards
import pytest

OVERVIEW = dashboards.describe(dashboards.OVERVIEW)


def test_committed_files_are_current():
    assert dashboards.list_stale() == []


def test_committed_files_are_well_built():
    assert list(dashboards.judge_all(dashboards.load())) == []


def test_the_columns_panels_are_there_word_for_word():
    seed = next(each for each in dashboards.load() if each['uid'] == 'ackd-seed')
    for prefix in ('ackd', 'tcp_server_demo2'):
        said = {panel['title']: dashboards.fill_variables(panel['targets'][0]['expr'],
                                                          {'prefix': prefix})
                for panel in seed['panels']}
        assert said == {'req_recv_rate': f'rate({prefix}_req_recv_total[15s])',
                        'rsp_send_rate': f'rate({prefix}_rsp_send_total[15s])',
                        'client_connected': f'{prefix}_client_connected'}


def test_every_metric_of_ackd_in_a_panel_is_documented():
    table = (dashboards.ROOT / 'docs/OPERATIONS.md').read_text()
    known = set(re.findall(r'^\| `(\w+)` \|', table, re.MULTILINE))
    for dashboard in dashboards.load():
        for expression in dashboards.list_expressions(dashboard):
            for name in re.findall(r'\backd_\w+', expression.text):
                name = re.sub(r'_(bucket|sum|count)$', '', name)
                assert name in known, f'{expression.where}: {name}'


def without(key):
    return lambda dashboard: dashboard['panels'][3].pop(key)


def set_expression(text):
    def change(dashboard):
        dashboard['panels'][0]['targets'][0]['expr'] = text
    return change


@pytest.mark.parametrize('damage, complaint', [
    (lambda it: it.update(__inputs=[]), '__inputs'),
    (lambda it: it.update(id=7), 'an id belongs to one database'),
    (lambda it: it.update(uid='with space'), 'no legal uid'),
    (lambda it: it['templating']['list'].pop(0), 'no variable datasource'),
    (lambda it: it['panels'][0]['datasource'].update(uid='P123'), 'source is not the variable'),
    (lambda it: it['panels'][0]['targets'][0].update(datasource=None), 'query A: the data source'),
    (lambda it: it['panels'][0]['fieldConfig']['defaults'].pop('unit'), 'no unit'),
    (without('description'), 'no description'),
    (lambda it: it['panels'][0].update(targets=[]), 'no query'),
    (lambda it: it['panels'][1].update(id=1), 'two panels have one id'),
    (lambda it: it['panels'][0]['gridPos'].update(w=25), 'outside of the grid'),
    (lambda it: it['panels'][0]['gridPos'].update(w=5), 'lies on'),
    (set_expression('up{job="$jbo"}'), 'there is no variable jbo'),
    (set_expression('rate(ackd_req_recv_total[1m])'), 'a rate over a fixed span'),
])
def test_damage_is_seen(damage, complaint):
    broken = copy.deepcopy(OVERVIEW)
    assert list(dashboards.judge(broken)) == []
    damage(broken)
    assert any(complaint in found for found in dashboards.judge(broken))


def test_a_uid_belongs_to_one_dashboard():
    assert list(dashboards.judge_all([OVERVIEW, OVERVIEW])) \
        == ['ackd-overview: two dashboards have this uid']


def test_stale_missing_and_foreign_files_are_seen(tmp_path):
    for dashboard in dashboards.DASHBOARDS[1:]:
        (tmp_path / dashboards.file_name(dashboard)).write_text(dashboards.render(dashboard))
    (tmp_path / 'other.json').write_text('{}')
    (tmp_path / 'node.json').write_text('{}')
    assert dashboards.list_stale(tmp_path) == ['node.json', 'other.json', 'seed.json']


def test_variables_are_filled_in_both_spellings():
    assert dashboards.fill_variables('${a}_b{c="$d"}', {'a': '1', 'd': '2'}) == '1_b{c="2"}'
    with pytest.raises(KeyError):
        dashboards.fill_variables('$a', {})
