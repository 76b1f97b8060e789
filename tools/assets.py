#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""assets - the files of the live page as C source

    tools/assets.py OUTPUT.c NAME=FILE...

Each becomes `const struct asset asset_NAME` (src/admin/assets.h): compressed, with an ETag of its
content. The same files make the same source, whenever and wherever.
"""

import gzip
import hashlib
import sys
from pathlib import Path

TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml',
}
BYTES_A_LINE = 20


def lines_of(data):
    for begin in range(0, len(data), BYTES_A_LINE):
        yield '    ' + ','.join(str(byte) for byte in data[begin:begin + BYTES_A_LINE]) + ',\n'


def asset(name, path):
    plain = path.read_bytes()
    packed = gzip.compress(plain, compresslevel=9, mtime=0)
    etag = hashlib.sha256(plain).hexdigest()[:16]
    return (f'static const unsigned char {name}_gzip[] = {{\n{"".join(lines_of(packed))}}};\n\n'
            f'const struct asset asset_{name} = {{\n'
            f'    .type = "{TYPES[path.suffix]}",\n'
            f'    .etag = "\\"{etag}\\"",\n'
            f'    .gzip = {name}_gzip,\n'
            f'    .gzip_size = sizeof {name}_gzip,\n'
            f'    .size = {len(plain)},\n'
            '};\n')


def main():
    output, *pairs = sys.argv[1:]
    parts = ['/* Made by tools/assets.py. */\n#include "admin/assets.h"\n']
    for pair in pairs:
        name, _, path = pair.partition('=')
        parts.append(asset(name, Path(path)))
    Path(output).write_text('\n'.join(parts), encoding='utf-8')


if __name__ == '__main__':
    main()
