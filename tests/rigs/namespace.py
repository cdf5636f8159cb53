"""Root in a mount and process namespace of its own: what is mounted there is gone at its end, however that comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NEEDS = "tests on real file systems need root (or a sudo without password), /dev/fuse, loop devices and mkfs.ext4"


def run_as_root(module: str, *arguments: str, timeout: float) -> Any:
    """Run a module that prints one JSON value, and return that value; raise `RuntimeError` with a sentence for people."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*as_root, *namespace, sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    except OSError as error:
        raise RuntimeError(f"{NEEDS}; {command[0]} can't be run: {error.strerror}") from error
    if done.returncode != 0:
        raise RuntimeError(f"{NEEDS}; {module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)
