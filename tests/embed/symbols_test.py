#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Looks into the libraries: what they export and need, and that no variable is shared by servers

    symbols_test.py LIBACKD.SO LIBACKD.A LIBACKD-ADMIN.A LIBACKD-PROFILE.A HEADER...
"""
import re
import subprocess
import sys
from pathlib import Path

# What of an object file can be written while the program runs. Constants that hold addresses stand
# in .data.rel.ro, which is read-only once they are known.
WRITABLE = re.compile(r'\.(data|bss|tdata|tbss|ldata|lbss)(\.(?!rel\.ro\b).*)?$|\*COM\*$')


# Headers of libraries beside libackd.
OTHERS = ('admin.h', 'profile.h')


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def names(*command):
    """The symbols that nm prints: the last word of each line but the members' names."""
    return {line.split()[-1] for line in run('nm', *command).splitlines()
            if line and not line.endswith(':')}


def exported(library):
    return names('--dynamic', '--defined-only', library)


def defined(library):
    return names('--extern-only', '--defined-only', library)


def needed(library):
    """What somebody else has to define."""
    return names('--undefined-only', library) - defined(library)


def declared(header):
    """The functions that a public header marks as exported."""
    return set(re.findall(r'^ACKD_API\b[^;(]*?\b(ackd_\w+)\(', Path(header).read_text(),
                          flags=re.MULTILINE))


def variables(library):
    """(member of the archive, variable) of each that could be written."""
    member = '?'
    for line in run('objdump', '--syms', library).splitlines():
        header = re.match(r'(\S+):\s+file format', line)
        if header:
            member = header[1]
        # address, flags, section, size, visibility, name; 'd' is a section's own symbol
        symbol = re.match(r'[0-9a-f]+ (.{7}) (\S+)\t([0-9a-f]+)\s+(?:\.\w+\s+)?(\S+)$', line)
        if symbol and 'd' not in symbol[1] and WRITABLE.match(symbol[2]) and int(symbol[3], 16):
            yield member, symbol[4]


def check_exports(shared, headers):
    """The shared library exports what the headers declare, no less and no more."""
    promised = set().union(*(declared(header) for header in headers
                             if Path(header).name not in OTHERS))
    if not promised:
        yield 'the headers declare nothing'
    for name in sorted(exported(shared) - promised):
        yield f'{shared} exports {name}, which no header declares'
    for name in sorted(promised - exported(shared)):
        yield f'{shared} does not export {name}'
    for name in sorted(exported(shared)):
        if not name.startswith('ackd_'):
            yield f'{shared} exports {name}'


def check_other(shared, static, other, name_of_header, headers):
    """A library beside libackd has what its header declares, and goes with the shared one too."""
    header = next(header for header in headers if Path(header).name == name_of_header)
    for name in sorted(declared(header) - defined(other)):
        yield f'{other} does not define {name}'
    for name in sorted(needed(other) & defined(static) - exported(shared)):
        yield f'{other} needs {name}, which libackd does not export'


def check_variables(library):
    if not run('ar', 't', library):
        yield f'{library} is empty'
    for member, name in variables(library):
        yield f'{library}: {name} in {member} can be written: two servers would share it'


def main():
    shared, static, admin, profile, *headers = sys.argv[1:]
    # A profiler belongs to the whole process, and has variables.
    failures = [*check_exports(shared, headers),
                *check_other(shared, static, admin, 'admin.h', headers),
                *check_other(shared, static, profile, 'profile.h', headers),
                *check_variables(static), *check_variables(admin)]
    for failure in failures:
        print(failure)
    print(f'symbols: {len(exported(shared))} exports, {len(failures)} failures')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
