#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tidy - the style guide as a test

    tools/tidy.py [--root DIR]

Prints FILE:LINE: MESSAGE for everything that breaks a rule of CONTRIBUTING.md which a program can
judge, and a closing line. Exits 1 if there was anything. Each rule is one function below; its own
tests, with a planted violation for each, are in tools/tidy_test.py. Needs nothing but Python.
"""

import argparse
import os
import re
import sys
from collections import namedtuple
from functools import cached_property
from pathlib import Path, PurePosixPath

FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

# Layers from the bottom up: a file includes from its own layer and from those before it.
LAYERS = ('base', 'wire', 'stats', 'engine', 'http', 'profile', 'handler', 'server', 'admin',
          'ackd')

# Programs beside that line, and the layers that they stand on.
BESIDE = {'load': ('base', 'wire', 'stats', 'load'),
          'top': ('base', 'load', 'top')}

# What stands beside a source and is not part of any program.
TEST_ENDINGS = ('_test.c', '_fuzz.c', '_bench.c')

# In these each x.c has its x_test.c beside it ...
TESTED_LAYERS = ('base', 'wire', 'stats', 'engine', 'handler', 'profile', 'server', 'admin',
                 'load', 'top')

# ... or is here, with the place where it is tested.
TESTED_ELSEWHERE = {
    'src/load/main.c': 'tests/load runs the program',
    'src/load/cmd_aa.c': 'tests/load/test_loop.py runs the command',
    'src/load/cmd_ab.c': 'tests/load/test_loop.py runs the command',
    'src/load/cmd_compare.c': 'tests/load/test_loop.py runs the command',
    'src/load/cmd_profile.c': 'tests/load/test_loop.py runs the command',
    'src/load/cmd_record.c': 'tests/load/test_loop.py runs the command',
    'src/load/cmd_search.c': 'tests/load/test_loop.py runs the command',
    'src/load/cmd_show.c': 'tests/load/test_loop.py runs the command',
    'src/load/report_duel.c': 'src/load/report_verdict_test.c writes their pages',
    'src/load/report_search.c': 'src/load/report_verdict_test.c writes their pages',
    'src/load/revision.c': 'tests/load/test_loop.py has a revision built',
    'src/top/main.c': 'tests/top runs the program on a terminal',
    'src/load/worker.c': 'src/load/run_test.c runs whole loads, tests/load the program',
    'src/admin/admin.c': 'tests/contract asks every endpoint',
    'src/http/asker.c': 'a part of tests: src/admin/http_fuzz.c asks with it',
    'src/admin/live.c': 'tests/contract/j_live.py reads what it writes',
    'src/base/version.c': 'one constant; tests/contract asks the program for it',
    'src/engine/engine_epoll.c': 'src/engine/engine_test.c tests all engines on real sockets',
    'src/engine/engine_select.c': 'tests/contract/i_engines.py takes io_uring from a server',
    'src/engine/socket_ops.c': 'what the engines share: src/engine/engine_test.c',
    'src/engine/uring.c': 'src/engine/engine_uring_test.c tests the ring with its engine',
    'src/engine/engine_sim.c': 'a part of tests: src/server/session_test.c runs on it',
    'src/profile/pages.c': 'tests/profile looks at the page in a browser',
    'src/profile/process.c': 'tests/profile has a profile written at the end',
    'src/profile/server.c': 'tests/profile asks for every path',
    'src/server/intake.c': 'src/server/session_test.c cuts its streams at every byte',
    'src/server/worker.c': 'src/server/session_test.c takes its turns, server_test.c its threads',
}

# What must not be called, what to write in its place, and where it is allowed all the same.
Ban = namedtuple('Ban', 'names replacement allowed', defaults=((),))
PROGRAMS = ('src/ackd/', 'src/load/', 'src/top/', 'tests/', 'bench/', 'examples/', 'ladder/')
BANS = (
    Ban('atoi atol atoll atof strtol strtoul strtoll strtoull',
        'units_parse_...() of base/units.h, which refuses what is no number',
        ('src/base/units.c', 'bench/', 'tests/')),
    Ban('sprintf vsprintf', 'snprintf(), with the size'),
    Ban('strcpy strcat stpcpy strncpy strncat gets', 'memcpy() or snprintf(), with a checked size'),
    Ban('usleep sleep', 'a timer of the engine, or clock_nanosleep() in a program'),
    Ban('gettimeofday', 'clock_now_ns(): the wall clock jumps'),
    Ban('strtok localtime gmtime ctime asctime rand', 'the variant with _r: threads share nothing'),
    Ban('alloca', 'an array with a constant size, or the heap'),
    Ban('exit _exit abort', 'a negative errno: only a program may end the process',
        PROGRAMS + ('src/http/asker.c',)),
    Ban('printf puts putchar perror', 'struct ackd_error or the log: a library prints nothing',
        PROGRAMS),
    # A profiler's signal is its own; it is in no library but libackd-profile.
    Ban('signal sigaction sigprocmask', 'nothing: signals belong to the program',
        PROGRAMS + ('src/profile/sampler.c',)),
)
WIRE_BAN = Ban('malloc calloc realloc strdup free',
               'the bytes of the caller: wire/ allocates nothing')

# Spelled so that this file does not hold them.
MARKERS = ('TO' 'DO', 'FIX' 'ME', 'X' 'XX')

CODE_SUFFIXES = ('.c', '.h', '.def', '.py', '.sh', '.build')
TEXT_SUFFIXES = CODE_SUFFIXES + ('.md', '.ini', '.txt', '.yml', '.html', '.js', '.css', '.1')

Finding = namedtuple('Finding', 'path line message')


class File:
    """One text file of the tree: its path from the root with '/', and its lines."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_text(encoding='utf-8', errors='replace')
        self.lines = self.text.splitlines()

    @cached_property
    def code_lines(self):
        """The lines of C without comments and without what stands in quotes."""
        return blank_comments_and_strings(self.text).splitlines()

    @property
    def suffix(self):
        return PurePosixPath(self.path).suffix

    @property
    def is_c(self):
        return self.suffix in ('.c', '.h')

    @property
    def is_test(self):
        return self.path.startswith('tests/') or self.path.endswith(TEST_ENDINGS)

    @property
    def layer(self):
        """'wire' for src/wire/frame.c; None outside of src/."""
        parts = PurePosixPath(self.path).parts
        return parts[1] if len(parts) > 2 and parts[0] == 'src' else None

    def at(self, line, message):
        return Finding(self.path, line, message)


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self.files = [File(self.root, path) for path in sorted(self.list_paths())]
        self.by_path = {file.path: file for file in self.files}
        self.test_headers = set(self.list_test_headers())

    def list_paths(self):
        for folder, folders, names in os.walk(self.root):
            at_root = Path(folder) == self.root
            folders[:] = [name for name in folders
                          if not name.startswith('.') and name != '__pycache__'
                          and not (at_root and name.startswith('build'))]
            for name in names:
                path = (Path(folder) / name).relative_to(self.root).as_posix()
                if PurePosixPath(name).suffix in TEXT_SUFFIXES or path == 'dev':
                    yield path

    def list_test_headers(self):
        """Headers that only tests include: their own helpers."""
        includers = {}
        for file in self.having('.c', '.h'):
            for _, path, in_angles in includes(file):
                if not in_angles:
                    includers.setdefault(f'src/{path}', []).append(file)
        for path, files in includers.items():
            if all(file.is_test for file in files):
                yield path

    def is_test(self, file):
        return file.is_test or file.path in self.test_headers

    def having(self, *suffixes):
        return [file for file in self.files if file.suffix in suffixes]

    def exists(self, path):
        return (self.root / path).exists()


def blank_comments_and_strings(text):
    """The text of a C file with comments and literals emptied; lines stay where they are."""
    comment = r'//[^\n]*|/\*.*?\*/'
    literal = r'''"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*\''''

    def blank(match):
        found = match.group()
        if found[0] in '"\'':
            return found[0] * 2
        return ' ' + '\n' * found.count('\n')

    return re.sub(f'{comment}|{literal}', blank, text, flags=re.DOTALL)


def numbered(lines):
    return enumerate(lines, start=1)


# The rules. Each takes the tree and yields findings.


def rule_licence(tree):
    """The first line of C is the licence."""
    for file in tree.having('.c', '.h'):
        if not file.text.startswith('/* SPDX-License-Identifier: MIT'):
            yield file.at(1, "the first line must begin '/* SPDX-License-Identifier: MIT'")


def rule_line_length(tree):
    """Code keeps to 100 columns."""
    for file in tree.files:
        if file.suffix not in CODE_SUFFIXES and file.path != 'dev':
            continue
        for number, line in numbered(file.lines):
            if len(line) > COLUMNS_MAX:
                yield file.at(number, f'{len(line)} columns; the limit is {COLUMNS_MAX}')


def statement_start(lines, index):
    """The index of the first line of the definition or declaration that goes on at @index."""
    while index > 0:
        above = lines[index - 1].rstrip()
        if not above or above.startswith('#') or above.endswith((';', '{', '}')):
            break
        index -= 1
    return index


def functions(file):
    """(name, index of its first line, count of lines) of each function definition."""
    brace = None
    for index, line in enumerate(file.code_lines):
        if line == '{':
            brace = index
        elif line.startswith('}') and brace is not None:
            start = statement_start(file.code_lines, brace)
            signature = ' '.join(file.code_lines[start:brace])
            name = re.search(r'(\w+)\s*\(', re.sub(r'__attribute__\s*\(\(.*?\)\)', '', signature))
            yield name.group(1) if name else '?', start, index - start + 1
            brace = None


def rule_function_length(tree):
    """A function fits on a screen."""
    for file in tree.having('.c', '.h'):
        if not file.path.startswith(('src/', 'examples/', 'include/', 'ladder/')):
            continue
        for name, start, count in functions(file):
            if count > FUNCTION_LINES_MAX:
                yield file.at(start + 1, f'{name}() has {count} lines; the limit is '
                              f'{FUNCTION_LINES_MAX}: a part of it wants a name')


def includes(file):
    """(line number, path, is in <>) of each include."""
    for number, line in numbered(file.lines):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(2), match.group(1) == '<'


def allowed_layers(layer):
    if layer in BESIDE:
        return BESIDE[layer]
    return LAYERS[:LAYERS.index(layer) + 1]


def judge_layer_include(layer, path):
    """Why a file of @layer must not include "path", or None."""
    folder = path.split('/')[0]
    if '/' not in path or folder in ('.', '..'):
        return f'write "LAYER/{PurePosixPath(path).name}": the folder tells the direction'
    if folder not in LAYERS and folder not in BESIDE:
        return f'"{path}" is in no layer; write <...> for headers from outside of src/'
    if folder not in allowed_layers(layer):
        return (f'{layer} must not include "{path}": includes point down, and {layer} stands on '
                f'{", ".join(allowed_layers(layer))}')
    return None


def rule_include_direction(tree):
    """Includes point down the layers; what an embedder sees is all that outsiders include."""
    for file in tree.having('.c', '.h'):
        if file.layer and file.layer not in LAYERS and file.layer not in BESIDE:
            yield file.at(1, f'src/{file.layer} is no layer: add it to LAYERS in tools/tidy.py')
            continue
        for number, path, in_angles in includes(file):
            if file.path.startswith(('include/', 'examples/')) and not in_angles:
                yield file.at(number, f'only <ackd/...> and system headers here, not "{path}"')
            elif file.path == 'src/ackd/main.c' and not in_angles \
                    and not path.startswith('ackd/'):
                yield file.at(number, f'main.c uses the library as any user would: <ackd/...>, '
                              f'and "ackd/..." of its own, not "{path}"')
            elif file.layer and not in_angles:
                complaint = judge_layer_include(file.layer, path)
                if complaint:
                    yield file.at(number, complaint)


def rule_tests_beside(tree):
    """Each source has its unit test beside it."""
    for file in tree.having('.c'):
        if file.layer not in TESTED_LAYERS or file.is_test:
            continue
        has_test = file.path[:-2] + '_test.c' in tree.by_path
        if file.path in TESTED_ELSEWHERE:
            if has_test:
                yield file.at(1, 'has a test now: take it out of TESTED_ELSEWHERE in tools/tidy.py')
        elif not has_test:
            yield file.at(1, 'has no test beside it: write one, or say in TESTED_ELSEWHERE of '
                          'tools/tidy.py where it is tested')


def rule_no_dead_files(tree):
    """Each source under src/ is built."""
    for file in tree.having('.c'):
        if not file.layer:
            continue
        folder, name = file.path.rsplit('/', 1)
        build = tree.by_path.get(folder + '/meson.build')
        if not build or not re.search(rf"['/]{re.escape(name)}'", build.text):
            yield file.at(1, f'{folder}/meson.build does not name it: it is never compiled')


def is_banned(ban, file, is_test):
    if ban is WIRE_BAN:
        return file.layer == 'wire' and not is_test
    if ban.allowed[:len(PROGRAMS)] == PROGRAMS and is_test:
        return False
    return not file.path.startswith(ban.allowed)


def rule_banned_calls(tree):
    """What goes wrong too easily is not called."""
    for file in tree.having('.c', '.h'):
        for ban in BANS + (WIRE_BAN,):
            if not is_banned(ban, file, tree.is_test(file)):
                continue
            pattern = re.compile(r'(?<![\w.>])(' + '|'.join(ban.names.split()) + r')\s*\(')
            for number, line in numbered(file.code_lines):
                for match in pattern.finditer(line):
                    yield file.at(number, f'{match.group(1)}() is banned; use {ban.replacement}')


def rule_no_markers(tree):
    """Nothing is left for later."""
    pattern = re.compile(r'\b(' + '|'.join(MARKERS) + r')\b')
    for file in tree.files:
        for number, line in numbered(file.lines):
            match = pattern.search(line)
            if match:
                yield file.at(number, f'{match.group(1)}: do it, or file it where it is seen')


def prose_lines(file):
    """(line number, line) of a document, without its code blocks."""
    fence = None
    for number, line in numbered(file.lines):
        mark = re.match(r'\s*(```+|~~~+)', line)
        if mark and fence is None:
            fence = mark.group(1)
        elif mark and line.strip() == fence:
            fence = None
        elif fence is None:
            yield number, line


def anchors(file):
    """The names that a link can give after '#', as the usual viewers make them."""
    found = set()
    for _, line in prose_lines(file):
        match = re.match(r'#+\s+(.*?)\s*#*$', line)
        if match:
            words = re.sub(r'[^\w\- ]', '', re.sub(r'[`*]', '', match.group(1)).lower())
            found.add(words.replace(' ', '-'))
    return found


def resolve_link(tree, file, target):
    """Why the link @target of document @file leads nowhere, or None."""
    path, _, anchor = target.partition('#')
    full = os.path.normpath(os.path.join(os.path.dirname(file.path), path)) if path else file.path
    if full.startswith('..') or not tree.exists(full):
        return f'the link {target} leads nowhere: there is no {full}'
    if anchor and full in tree.by_path and anchor not in anchors(tree.by_path[full]):
        return f'the link {target} leads nowhere: {full} has no such heading'
    return None


def rule_links(tree):
    """Each relative link of a document resolves."""
    link = re.compile(r'\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)|^\s*\[[^\]]+\]:\s*(\S+)')
    for file in tree.having('.md'):
        for number, line in prose_lines(file):
            for match in link.finditer(re.sub(r'`[^`]*`', '', line)):
                target = match.group(1) or match.group(2)
                if re.match(r'[a-z][a-z0-9+.-]*:', target):
                    continue
                complaint = resolve_link(tree, file, target)
                if complaint:
                    yield file.at(number, complaint)


def rule_one_title(tree):
    """A document has one title."""
    for file in tree.having('.md'):
        titles = [number for number, line in prose_lines(file) if re.match(r'#\s', line)]
        if len(titles) != 1:
            line = titles[1] if titles else 1
            yield file.at(line, f'{len(titles)} first-level headings; a document has one')


def names_a_file(tree, name):
    """Whether a document's @name stands for a file: its path, or its path in src/ or include/, or,
    without a folder, any file of that name."""
    if '/' in name:
        return any(tree.exists(prefix + name) for prefix in ('', 'src/', 'include/'))
    return any(PurePosixPath(path).name == name for path in tree.by_path)


def rule_named_files(tree):
    """The files that documents speak of exist."""
    # x.c and x_test.c stand for any file.
    placeholder = re.compile(r'(.*/)?x(_\w+)?\.[ch]$|.*NNNN')
    code = re.compile(r'`([\w./-]+\.(?:c|h|def))(?::(\w+))?`')
    inside = re.compile(r'`((?:src|include|tools|tests|docs|examples|meson|man)/[\w./-]*\w/?)`')
    for file in tree.having('.md'):
        for number, line in prose_lines(file):
            for name, function in code.findall(line):
                if placeholder.match(name) or file.path != 'docs/ARCHITECTURE.md':
                    continue
                if not names_a_file(tree, name):
                    yield file.at(number, f'there is no file {name}')
                elif function and not any(path.endswith(name) and function in of.text
                                          for path, of in tree.by_path.items()):
                    yield file.at(number, f'{name} has no {function}')
            for name in inside.findall(line):
                if not placeholder.match(name) and not tree.exists(name):
                    yield file.at(number, f'there is no {name}')


def rule_public_comments(tree):
    """Each function that an embedder can call says its contract; neighbours may share one."""
    for file in tree.having('.h'):
        if not file.path.startswith('include/'):
            continue
        is_commented = False
        for index, (line, code) in enumerate(zip(file.lines, file.code_lines)):
            if line.rstrip().endswith('*/') and not code.strip():
                is_commented = True
            elif not line.strip() or code.strip().endswith('{'):
                is_commented = False
            elif not is_commented and re.match(r'(?!typedef\b|#)[A-Za-z_][^{]*\w\s*\(', code):
                yield file.at(index + 1, 'a public function without a comment: say its contract')


RULES = [value for name, value in list(globals().items()) if name.startswith('rule_')]


def check(tree):
    return sorted({finding for rule in RULES for finding in rule(tree)})


def main():
    parser = argparse.ArgumentParser(description='The style guide as a test.')
    parser.add_argument('--root', default=Path(__file__).resolve().parent.parent)
    tree = Tree(parser.parse_args().root)
    findings = check(tree)
    for finding in findings:
        print(f'{finding.path}:{finding.line}: {finding.message}')
    print(f'tidy: {len(tree.files)} files, {len(RULES)} rules, {len(findings)} findings')
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
