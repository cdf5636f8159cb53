"""Kills a piece of work before each of its dealings with files, one after the other, each time in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

DEALINGS = ("open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "shutil.copyfile", "sqlite3.connect")
KILLED = 9


def die_before(number: int, work: Callable[[], object]) -> bool:
    """Do the work in a child process that is gone before its dealing with that number; return whether it came to that."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, KILLED), f"the work failed by itself with {code}"
        return code == KILLED
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in DEALINGS or (event == "open" and isinstance(arguments[0], int)):
            return
        if left == 0:
            os._exit(KILLED)
        left -= 1

    code = 1
    try:
        sys.addaudithook(count)
        work()
        code = 0
    finally:
        os._exit(code)
