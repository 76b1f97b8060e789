#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""image - executes monitor/Dockerfile without Docker, and runs what comes of it

    tools/image.py                 (as root; some minutes)
    tools/image.py --libraries     only: does the image have every library of build/release?

Each stage of the Dockerfile is a debootstrap root of its own (tools/fresh.sh makes the first), each
RUN line is executed in it by chroot. Then the image's command runs there as the image's user, in a
network of its own: its health check has to fail before and to succeed after, ackload has to be
answered, and SIGTERM has to end it with 0. An instruction that this program does not know is an
error. The debootstrap root stands for the base image, whose files are not the same to the byte.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / 'monitor/Dockerfile'
BASE_IMAGE = re.compile(r'debian:12(\.\d+)?-slim')
IMAGE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
HEALTHY_SECONDS = 20
OWN_NETWORK = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh']

Instruction = namedtuple('Instruction', 'name text')


class Trouble(Exception):
    """Ends the program with a message."""


class Stage:
    """One FROM: a root file system, and what the later instructions said about it."""

    def __init__(self, name, root):
        self.name = name
        self.root = root
        self.folder = '/'
        self.user = '0:0'
        self.health = None
        self.entrypoint = []
        self.arguments = []

    def path(self, inside):
        return self.root / os.path.join(self.folder, inside).lstrip('/')

    def command(self, words, user=None):
        """The words that run @words in here."""
        return ['chroot', f'--userspec={user or self.user}', self.root, '/usr/bin/env', '-i',
                f'PATH={IMAGE_PATH}', 'HOME=/root', '/bin/sh', '-c',
                'cd "$0" && exec "$@"', self.folder, *words]


def parse(text):
    """The instructions of a Dockerfile, comments gone and lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith('#')]
    for line in '\n'.join(lines).replace('\\\n', ' ').splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(' ')
            yield Instruction(name.upper(), rest.strip())


def words_of(text):
    """The words of an instruction's JSON form."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Trouble(f'not in the form ["word", ...]: {text}') from error


def make_context(folder):
    """What `docker build` would be sent: the work tree without what git ignores."""
    names = subprocess.run(['git', 'ls-files', '-z', '-co', '--exclude-standard'], cwd=ROOT,
                           check=True, capture_output=True).stdout.split(b'\0')
    for name in map(os.fsdecode, filter(None, names)):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def copy(stage, text, context, stages):
    """COPY: a folder's content, or files into a folder."""
    words = text.split()
    origin = context
    if words[0].startswith('--from='):
        origin = stages[words.pop(0).removeprefix('--from=')].root
    *sources, target = words
    for source in sources:
        path = origin / source.lstrip('/')
        to = stage.path(target)
        if path.is_dir():
            shutil.copytree(path, to, dirs_exist_ok=True, symlinks=True)
            continue
        if target.endswith('/') or len(sources) > 1 or to.is_dir():
            to /= path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to)


def execute(stage, instruction, context, stages):
    name, text = instruction
    print(f'image: {stage.name}: {name} {text:.110}', flush=True)
    if name == 'WORKDIR':
        stage.folder = os.path.join(stage.folder, text)
        stage.path('').mkdir(parents=True, exist_ok=True)
    elif name == 'COPY':
        copy(stage, text, context, stages)
    elif name == 'RUN':
        done = subprocess.run(stage.command(['/bin/sh', '-c', text]), text=True, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Trouble(f'RUN ended with {done.returncode}:\n{done.stdout[-4000:]}')
    elif name == 'USER':
        stage.user = text
    elif name == 'HEALTHCHECK':
        stage.health = words_of(text.partition(' CMD ')[2])
    elif name == 'ENTRYPOINT':
        stage.entrypoint = words_of(text)
    elif name == 'CMD':
        stage.arguments = words_of(text)
    else:
        raise Trouble(f'{name}: this program does not know the instruction')


def mount(root):
    subprocess.run(['mount', '-t', 'proc', 'proc', root / 'proc'], check=True)
    (root / 'dev/shm').mkdir(exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', root / 'dev/shm'], check=True)


def unmount(root):
    for point in ('dev/shm', 'proc'):
        if os.path.ismount(root / point):
            subprocess.run(['umount', root / point], check=True)


def open_stage(text, number, folder, base):
    image, *rest = text.split()
    if not BASE_IMAGE.fullmatch(image):
        raise Trouble(f'FROM {image}: only Debian 12 can be made here')
    name = rest[1] if len(rest) == 2 and rest[0].upper() == 'AS' else str(number)
    stage = Stage(name, folder / f'stage-{name}')
    subprocess.run(['cp', '-a', '--reflink=auto', base, stage.root], check=True)
    mount(stage.root)
    return stage


def build(folder, context, base, stages):
    """Executes the Dockerfile; what it opened is in @stages, whatever happens."""
    stage = None
    for instruction in parse(DOCKERFILE.read_text()):
        if instruction.name == 'FROM':
            print(f'image: FROM {instruction.text}', flush=True)
            stage = open_stage(instruction.text, len(stages), folder, base)
            stages[stage.name] = stage
        else:
            execute(stage, instruction, context, stages)
    return stage


def call(stage, words, **options):
    return subprocess.run(stage.command(words), text=True, capture_output=True, check=False,
                          timeout=60, **options)


def wait_until_healthy(stage, server):
    deadline = time.monotonic() + HEALTHY_SECONDS
    while call(stage, stage.health).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise Trouble(f'not healthy after {HEALTHY_SECONDS} s')
        time.sleep(0.1)


def try_image(stage):
    """Runs what the image runs. This process has to be in a network of its own."""
    if call(stage, stage.health).returncode == 0:
        raise Trouble('the health check succeeds although nothing runs')
    with subprocess.Popen(stage.command([*stage.entrypoint, *stage.arguments])) as server:
        try:
            wait_until_healthy(stage, server)
            load = call(stage, ['ackload', 'run', '--time', '1s', '-c', '10', '-t', '1'])
            print(load.stdout)
            if load.returncode != 0:
                raise Trouble(f'ackload ended with {load.returncode}:\n{load.stderr}')
            server.terminate()
            if server.wait(40) != 0:
                raise Trouble(f'ackd ended with {server.returncode}')
        finally:
            server.kill()
    print(f'image: healthy, answered, drained as user {stage.user}')


def run_all():
    with tempfile.TemporaryDirectory(prefix='ackd-image-', dir='/var/tmp') as scratch:
        folder = Path(scratch)
        base, context = folder / 'base', folder / 'context'
        base.mkdir()
        context.mkdir()
        subprocess.run(['sh', ROOT / 'tools/fresh.sh', '-r', '-d', base], check=True)
        make_context(context)
        stages = {}
        try:
            stage = build(folder, context, base, stages)
            described = json.dumps([stage.health, stage.entrypoint, stage.arguments])
            subprocess.run([*OWN_NETWORK, sys.executable, __file__, '--try', stage.root,
                            stage.user, described], check=True)
        finally:
            for stage in stages.values():
                unmount(stage.root)


def list_libraries(program):
    """Debian packages of the libraries that @program itself names, but those of every image.

    What these need in turn comes with their packages."""
    listed = subprocess.run(['ldd', program], check=True, capture_output=True, text=True).stdout
    dynamic = subprocess.run(['readelf', '-d', program], check=True, capture_output=True,
                             text=True).stdout
    needed = set(re.findall(r'\(NEEDED\).*\[(\S+)\]', dynamic))
    packages = set()
    for name, path in re.findall(r'(\S+) => (/\S+)', listed):
        if name not in needed:
            continue
        for name in {path, os.path.realpath(path), re.sub('^/usr', '', os.path.realpath(path))}:
            found = subprocess.run(['dpkg-query', '-S', name], capture_output=True, text=True,
                                   check=False).stdout
            packages.update(line.split(':')[0] for line in found.splitlines())
    return packages - {'libc6', 'libgcc-s1'}


def check_libraries():
    """Whether the last stage installs what build/release needs."""
    last = [instruction for instruction in parse(DOCKERFILE.read_text())
            if instruction.name == 'RUN' and 'apt-get install' in instruction.text][-1]
    installed = set(shlex.split(last.text))
    wanted = set()
    for program in ('ackd/ackd', 'load/ackload', 'top/ackd-top'):
        wanted |= list_libraries(ROOT / 'build/release/src' / program)
    if not wanted:
        raise Trouble('ldd names no library')
    if wanted - installed:
        missing = ', '.join(sorted(wanted - installed))
        raise Trouble(f'monitor/Dockerfile does not install {missing}')
    print(f'image: it installs the {len(wanted)} library packages that build/release needs')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--libraries', action='store_true', help='only compare the libraries')
    parser.add_argument('--try', dest='trial', nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        if arguments.libraries:
            check_libraries()
        elif arguments.trial:
            stage = Stage('image', Path(arguments.trial[0]))
            stage.user = arguments.trial[1]
            stage.health, stage.entrypoint, stage.arguments = json.loads(arguments.trial[2])
            try_image(stage)
        else:
            run_all()
    except (Trouble, subprocess.SubprocessError, OSError) as trouble:
        print(f'image: {trouble}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
