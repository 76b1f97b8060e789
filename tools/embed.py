#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""embed - files as C arrays, so that a program carries its pages with it

    tools/embed.py OUTPUT.h FILE...         ui.html becomes `static const unsigned char ui_html[]`
"""
import re
import sys
from pathlib import Path

BYTES_A_LINE = 16


def array(path):
    """The definition for one file.  It ends with a NUL, so that it is a string, too."""
    data = path.read_bytes() + b'\0'
    rows = [', '.join(f'{byte:#04x}' for byte in data[at:at + BYTES_A_LINE])
            for at in range(0, len(data), BYTES_A_LINE)]
    name = re.sub(r'\W', '_', path.name)
    return f'static const unsigned char {name}[] = {{\n    ' + ',\n    '.join(rows) + '};\n'


def main():
    output, *paths = map(Path, sys.argv[1:])
    output.write_text('/* Made by tools/embed.py. */\n' + ''.join(map(array, paths)),
                      encoding='ascii')


if __name__ == '__main__':
    main()
