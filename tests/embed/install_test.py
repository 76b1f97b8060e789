#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs into an empty folder, and builds programs there as anybody would, with pkg-config

    install_test.py MESON BUILD-FOLDER SOURCE-FOLDER COMPILER...

Each program is linked with the shared library, then with the static one, and run.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = ('bin/ackd', 'bin/ackload', 'bin/ackd-top')
WARNINGS = ('-Wall', '-Wextra', '-Werror')


class Installed:
    """A tree that `meson install` made in @folder."""

    def __init__(self, meson, build, folder, compiler):
        self.folder = folder
        self.compiler = compiler
        subprocess.run([meson, 'install', '-C', build, '--no-rebuild', '--quiet',
                        '--destdir', folder], check=True)
        pkgconfigs = {path.parent for path in folder.rglob('ackd*.pc')}
        assert len(pkgconfigs) == 1, pkgconfigs
        self.library_folder = pkgconfigs.pop().parent
        self.environment = dict(
            os.environ,
            LD_LIBRARY_PATH=str(self.library_folder),
            PKG_CONFIG_PATH=str(self.library_folder / 'pkgconfig'),
            PKG_CONFIG_SYSROOT_DIR=str(folder),
            # Else a prefix of /usr would be left out, and what this machine has would be used.
            PKG_CONFIG_ALLOW_SYSTEM_CFLAGS='1', PKG_CONFIG_ALLOW_SYSTEM_LIBS='1')

    def run(self, *command):
        """Runs @command with the installed libraries; its output."""
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0, f'{command} ended with {done.returncode}:\n{done.stdout}'
        return done.stdout

    def pkg_config(self, *arguments):
        return self.run('pkg-config', *arguments).split()

    def compile(self, source, name, *packages, static=False):
        """Compiles @source to the program @name, which needs @packages."""
        program = self.folder / name
        link = ['--static'] if static else []
        self.run(*self.compiler, *WARNINGS, '-o', program, source,
                 *self.pkg_config('--cflags', *packages),
                 *self.pkg_config('--libs', *link, *packages))
        needed = re.findall(r'NEEDED.*\[(libackd\S*)\]', self.run('readelf', '-d', program))
        assert needed == ([] if static else ['libackd.so.0']), needed
        return program

    def remove_shared_library(self):
        for path in self.library_folder.glob('libackd.so*'):
            path.unlink()


def check_files(installed, source):
    headers = {path.name for path in (source / 'include/ackd').glob('*.h')}
    found = {path.name for path in installed.folder.rglob('include/ackd/*')}
    assert found == headers, f'{found} of {headers} are installed'
    for program in PROGRAMS:
        path, = installed.folder.rglob(program)
        assert 'ackd' in installed.run(path, '--version') or program.endswith('ackload')


def check_programs(installed, source, static):
    kind = 'static' if static else 'shared'
    count = installed.compile(source / 'examples/count.c', f'count-{kind}', 'ackd', static=static)
    installed.run(sys.executable, HERE / 'count_test.py', count)
    # With --static, pkg-config would name what is behind libevent and zlib too; those are shared.
    embed = installed.compile(HERE / 'embed_test.c', f'embed-{kind}', 'ackd-admin', 'cmocka',
                              static=static)
    installed.run(embed)
    print(f'installed: examples/count.c and embed_test.c run with the {kind} library')


def main():
    meson, build, source, *compiler = sys.argv[1:]
    source = Path(source)
    with tempfile.TemporaryDirectory(prefix='ackd-install-') as folder:
        installed = Installed(meson, build, Path(folder), compiler)
        check_files(installed, source)
        check_programs(installed, source, static=False)
        installed.remove_shared_library()
        check_programs(installed, source, static=True)


if __name__ == '__main__':
    main()
