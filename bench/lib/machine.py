# SPDX-License-Identifier: MIT
"""machine - where a measurement was made, and of what"""
import os
import pathlib
import re
import subprocess

from lib import servers


def say(*command):
    """The first line that a command prints, or ""."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False,
                             cwd=servers.ROOT)
    except FileNotFoundError:
        return ""
    return (ran.stdout.strip().splitlines() or [""])[0]


def describe():
    cpus = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)", cpus, re.M)
    virtual = "hypervisor" in cpus
    changed = say("git", "status", "--porcelain", "--untracked-files=no", "--", "src", "bench")
    return {
        "cpu": (model[1] if model else os.uname().machine)
               + f", {os.cpu_count()} CPUs" + (" of a virtual machine" if virtual else ""),
        "kernel": f"Linux {os.uname().release}",
        "compiler": say("cc", "--version"),
        "commit": say("git", "rev-parse", "--short=12", "HEAD") + (" (changed)" if changed else ""),
        "date": say("date", "-u", "+%Y-%m-%d"),
    }
