#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""promtool_check - whether Prometheus's own tool is content with /metrics

    tools/promtool_check.py [--build DIR]

Starts ackd on free ports, sends it a moment of load so that each series has values, and gives
/metrics to `promtool check metrics` (Debian package prometheus). Exits as promtool does.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import demo


def fetch_metrics(build, scratch):
    """The text of /metrics after a moment of load."""
    log = scratch / 'ackd.log'
    command = [build / 'src/ackd/ackd', '--listen', '127.0.0.1:0',
               '--metrics-listen', '127.0.0.1:0', '--pprof-listen', 'off',
               '--ports-file', scratch / 'ports']
    with open(log, 'wb') as log_output, \
            demo.ending(demo.start(command, stderr=log_output)) as server:
        bound = demo.wait_for_ports(server, scratch / 'ports', log)
        demo.run_client([build / 'src/load/ackload', 'run', '--connect', bound['listen spec'],
                         '--time', '500ms', '--quiet'], server, log, 1)
        return demo.fetch(bound['metrics'])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', type=Path, default=Path('build/release'), metavar='DIR')
    build = parser.parse_args().build
    try:
        with tempfile.TemporaryDirectory(prefix='ackd-promtool-') as scratch:
            text = fetch_metrics(build, Path(scratch))
    except demo.Trouble as trouble:
        print(f'promtool_check: {trouble}', file=sys.stderr)
        return 1
    promtool = subprocess.run(['promtool', 'check', 'metrics'], input=text, text=True, check=False)
    if promtool.returncode == 0:
        print(f'promtool: {text.count("# TYPE")} metrics, nothing found')
    return promtool.returncode


if __name__ == '__main__':
    sys.exit(main())
