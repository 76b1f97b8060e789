# SPDX-License-Identifier: MIT
"""Each rule of tidy.py finds a planted violation where it is, and is silent about the right way."""

import subprocess
import sys
from pathlib import Path

import pytest

import tidy

LICENCE = '/* SPDX-License-Identifier: MIT */\n'


@pytest.fixture
def found(tmp_path):
    """found(rule, {path: text}) -> ['path:line: message', ...]"""

    def run(rule, files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return [f'{f.path}:{f.line}: {f.message}' for f in rule(tidy.Tree(tmp_path))]

    return run


def function(lines, name='work', arguments='int a'):
    """The text of a function of that many lines."""
    return f'static int {name}({arguments})\n{{\n' + '    a++;\n' * (lines - 3) + '}\n'


def test_the_project_itself_has_rules_for_its_layers_and_no_others():
    root = Path(tidy.__file__).parent.parent
    folders = {path.name for path in (root / 'src').iterdir() if path.is_dir()}
    assert folders == set(tidy.LAYERS) | set(tidy.BESIDE)


def test_licence_must_be_the_first_line(found):
    assert found(tidy.rule_licence, {'src/base/a.c': LICENCE, 'src/base/b.h': '\n' + LICENCE}) == [
        "src/base/b.h:1: the first line must begin '/* SPDX-License-Identifier: MIT'"]


def test_lines_have_100_columns(found):
    files = {'src/base/a.c': 'x' * 100 + '\n' + 'y' * 101 + '\n', 'docs/A.md': 'z' * 200,
             'dev': '#' * 101, 'build/src/b.c': 'y' * 101}
    assert found(tidy.rule_line_length, files) == [
        'dev:1: 101 columns; the limit is 100', 'src/base/a.c:2: 101 columns; the limit is 100']


def test_functions_have_70_lines(found):
    long = '/* Works. */\n' + function(71, 'too_long', 'int a,\n                    int b')
    assert found(tidy.rule_function_length, {'src/base/a.c': function(70) + '\n' + long}) == [
        'src/base/a.c:73: too_long() has 72 lines; the limit is 70: a part of it wants a name']


def test_function_length_counts_what_the_braces_of_code_say(found):
    text = function(40, 'first') + '\n' + function(40, 'second') + '\n'
    in_comment = '/*\n{\n' + '\n' * 80 + '}\n*/\n'
    table = 'static const int table[] = {\n' + '    1,\n' * 80 + '};\n'
    assert not found(tidy.rule_function_length, {'src/base/a.c': text + in_comment + table})


@pytest.mark.parametrize('path, include, complaint', [
    ('src/wire/a.c', '"base/bytes.h"', None),
    ('src/wire/a.c', '"wire/frame.h"', None),
    ('src/wire/a.c', '<ackd/error.h>', None),
    ('src/wire/a.c', '<string.h>', None),
    ('src/server/a.c', '"engine/engine.h"', None),
    ('src/load/a.c', '"stats/histogram.h"', None),
    ('src/ackd/main.c', '"ackd/options.h"', None),
    ('src/ackd/options.c', '"base/units.h"', None),
    ('tests/embed/a.c', '"anything.h"', None),
    ('src/wire/a.c', '"stats/histogram.h"', 'wire must not include "stats/histogram.h"'),
    ('src/server/a.c', '"admin/http.h"', 'server must not include'),
    ('src/load/a.c', '"engine/engine.h"', 'load stands on base, wire, stats, load'),
    ('src/ackd/main.c', '"server/server.h"', 'main.c uses the library as any user would'),
    ('src/wire/a.c', '"frame.h"', 'write "LAYER/frame.h"'),
    ('src/wire/a.c', '"../base/bytes.h"', 'write "LAYER/bytes.h"'),
    ('src/wire/a.c', '"jansson/jansson.h"', 'is in no layer'),
    ('include/ackd/a.h', '"base/bytes.h"', 'only <ackd/...> and system headers'),
    ('examples/a.c', '"server/server.h"', 'only <ackd/...> and system headers'),
])
def test_includes_point_down(found, path, include, complaint):
    findings = found(tidy.rule_include_direction, {path: f'{LICENCE}# include {include}\n'})
    if complaint is None:
        assert findings == []
    else:
        assert len(findings) == 1
        assert findings[0].startswith(f'{path}:2: ') and complaint in findings[0]


def test_a_new_folder_under_src_must_become_a_layer(found):
    assert found(tidy.rule_include_direction, {'src/misc/a.c': LICENCE}) == [
        'src/misc/a.c:1: src/misc is no layer: add it to LAYERS in tools/tidy.py']


def test_each_source_has_its_test_beside_it(found):
    paths = ('src/wire/a.c', 'src/wire/a_test.c', 'src/wire/b.c', 'src/wire/c_fuzz.c',
             'src/base/version.c', 'src/ackd/main.c')
    findings = found(tidy.rule_tests_beside, {path: '' for path in paths})
    assert len(findings) == 1 and findings[0].startswith('src/wire/b.c:1: has no test beside it')


def test_the_table_of_untested_sources_does_not_rot(found):
    files = {'src/base/version.c': '', 'src/base/version_test.c': ''}
    assert found(tidy.rule_tests_beside, files) == [
        'src/base/version.c:1: has a test now: take it out of TESTED_ELSEWHERE in tools/tidy.py']


def test_each_source_is_built(found):
    files = {'src/wire/meson.build': "core_sources += files('a.c')\n", 'src/wire/a.c': '',
             'src/wire/b.c': '', 'src/wire/aa.c': ''}
    assert found(tidy.rule_no_dead_files, files) == [
        'src/wire/aa.c:1: src/wire/meson.build does not name it: it is never compiled',
        'src/wire/b.c:1: src/wire/meson.build does not name it: it is never compiled']


@pytest.mark.parametrize('path, code, banned', [
    ('src/server/a.c', 'n = atoi(text);', 'atoi'),
    ('src/server/a.c', 'n = strtol (text, NULL, 10);', 'strtol'),
    ('src/base/units.c', 'n = strtoull(text, &rest, 10);', None),
    ('src/load/a.c', 'sprintf(text, "x");', 'sprintf'),
    ('src/load/a.c', 'snprintf(text, sizeof text, "x");', None),
    ('src/server/a.c', 'strcpy(to, from);', 'strcpy'),
    ('src/server/a.c', 'usleep(5);', 'usleep'),
    ('src/server/a.c', 'gettimeofday(&now, NULL);', 'gettimeofday'),
    ('src/server/a.c', 'exit(1);', 'exit'),
    ('src/ackd/main.c', 'exit(1);', None),
    ('src/load/main.c', 'exit(1);', None),
    ('src/server/a.c', 'engine_exit(1); self->exit(1);', None),
    ('src/server/a.c', '/* never exit(1) */ log("exit(1)", \'"\');', None),
    ('src/wire/a.c', 'p = malloc(1);', 'malloc'),
    ('src/wire/a_test.c', 'p = malloc(1);', None),
    ('src/server/a.c', 'p = malloc(1);', None),
    ('src/server/a.c', 'printf("x");', 'printf'),
    ('src/server/a_test.c', 'printf("x");', None),
    ('src/server/a.c', 'sigaction(SIGPIPE, &action, NULL);', 'sigaction'),
    ('src/server/a.c', 'pthread_cond_signal(&wake);', None),
])
def test_banned_calls(found, path, code, banned):
    findings = found(tidy.rule_banned_calls, {path: LICENCE + code + '\n'})
    if banned is None:
        assert findings == []
    else:
        assert len(findings) == 1
        assert findings[0].startswith(f'{path}:2: {banned}() is banned; use ')


def test_what_only_tests_include_is_a_test(found):
    files = {'src/wire/a.h': 'malloc(1);\n', 'src/wire/b.h': 'malloc(1);\n',
             'src/wire/c_fuzz.c': '#include "wire/a.h"\n#include "wire/b.h"\n',
             'src/wire/d.c': '#include "wire/b.h"\n'}
    findings = found(tidy.rule_banned_calls, files)
    assert len(findings) == 1 and findings[0].startswith('src/wire/b.h:1: malloc()')


@pytest.mark.parametrize('marker', tidy.MARKERS)
def test_nothing_is_left_for_later(found, marker):
    files = {'docs/A.md': f'# A\n\n{marker}: more\n', 'b.py': f'{marker}S'}
    findings = found(tidy.rule_no_markers, files)
    assert len(findings) == 1 and findings[0].startswith(f'docs/A.md:3: {marker}')


def test_links_resolve(found):
    files = {
        'README.md': '# Top\n[a](docs/A.md) [b](docs/A.md#the-second-part) [c](#top) '
                     '[d](https://example.org/x) `[no](link)`\n```\n[code](nowhere)\n```\n',
        'docs/A.md': '# A\n## The `second` part\n[up](../README.md)\n[bad](README.md)\n'
                     '[bad](#first)\n[bad](../../outside.md)\n\n[ref]: missing.md\n',
    }
    assert found(tidy.rule_links, files) == [
        'docs/A.md:4: the link README.md leads nowhere: there is no docs/README.md',
        'docs/A.md:5: the link #first leads nowhere: docs/A.md has no such heading',
        'docs/A.md:6: the link ../../outside.md leads nowhere: there is no ../outside.md',
        'docs/A.md:8: the link missing.md leads nowhere: there is no docs/missing.md']


def test_a_document_has_one_title(found):
    files = {'A.md': '# A\n```\n# a comment\n```\n## B\n', 'B.md': '# B\n\n# C\n', 'C.md': 'text\n'}
    assert found(tidy.rule_one_title, files) == [
        'B.md:3: 2 first-level headings; a document has one',
        'C.md:1: 0 first-level headings; a document has one']


def test_the_files_that_documents_name_exist(found):
    files = {
        'src/wire/frame.h': 'frame_take', 'tools/tidy.py': '',
        'docs/ARCHITECTURE.md': '# A\n`frame.h` `wire/frame.h` `frame.h:frame_take` `x_test.c`\n'
                                '`packet.h`\n`src/wire/frame.h:frame_drop`\n',
        'README.md': '# R\n`tools/tidy.py` `src/wire/` `docs/decisions/NNNN-title.md` `other.c`\n'
                     '`tools/gone.py`\n',
    }
    assert found(tidy.rule_named_files, files) == [
        'README.md:3: there is no tools/gone.py',
        'docs/ARCHITECTURE.md:3: there is no file packet.h',
        'docs/ARCHITECTURE.md:4: src/wire/frame.h has no frame_drop']


def test_public_functions_say_their_contract(found):
    header = '''/* SPDX-License-Identifier: MIT */
#ifndef A_H
extern "C" {

/* Starts. */
ACKD_API int ackd_start(struct ackd *server,
                        struct ackd_error *error);

ACKD_API int ackd_bare(void);
/* Stops. */
__attribute__((nonnull))
ACKD_API void ackd_stop(struct ackd *server);
ACKD_API void ackd_kill(struct ackd *server);

typedef int (*ackd_handler)(void *data);

struct ackd {
    int (*call)(void); /* called */
};
ACKD_API void ackd_last(struct ackd *server);
'''
    assert found(tidy.rule_public_comments, {'include/ackd/a.h': header}) == [
        'include/ackd/a.h:9: a public function without a comment: say its contract',
        'include/ackd/a.h:20: a public function without a comment: say its contract']


def test_exit_status_and_closing_line(tmp_path):
    def run():
        return subprocess.run([sys.executable, tidy.__file__, '--root', tmp_path],
                              capture_output=True, text=True, check=False)

    (tmp_path / 'A.md').write_text('# A\n')
    clean = run()
    assert clean.returncode == 0
    assert clean.stdout == f'tidy: 1 files, {len(tidy.RULES)} rules, 0 findings\n'

    (tmp_path / 'A.md').write_text('# A\n# B\n')
    dirty = run()
    assert dirty.returncode == 1
    assert dirty.stdout.startswith('A.md:2: ') and dirty.stdout.endswith(' 1 findings\n')
