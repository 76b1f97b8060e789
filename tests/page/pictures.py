#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pictures - the pictures of the live page in docs/images, taken of a server under load

    tests/page/pictures.py URL FOLDER

URL is that of a server that has worked for a minute, such as that of ./dev demo --keep.
"""
import base64
import sys
import time
from pathlib import Path

from chromium import chromium, set_scheme, set_width

DRAWN_SECONDS = 3  # two ticks
PICTURES = (('live-dark', 'dark', 1280, 1400), ('live-light', 'light', 1280, 1400),
            ('live-phone', 'dark', 390, 844))


def main():
    url, folder = sys.argv[1:]
    with chromium() as driver:
        for name, scheme, width, height in PICTURES:
            set_scheme(driver, scheme)
            set_width(driver, width, height)
            driver.get(url)
            time.sleep(DRAWN_SECONDS)
            picture = driver.execute_cdp_cmd('Page.captureScreenshot', {'format': 'png'})
            (Path(folder) / f'{name}.png').write_bytes(base64.b64decode(picture['data']))


if __name__ == '__main__':
    main()
