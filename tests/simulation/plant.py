"""The planted bugs, which are patches in `bugs/`, and how one is made anew when the program has changed under it.

`python -m tests.simulation.plant BUG FOLDER` copies the program into a new folder and plants the bug there; where its patch
does not fit any more, both versions stand in the file. Mend that by hand; `… plant --write BUG FOLDER` then writes the patch.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from difflib import unified_diff
from pathlib import Path

from tests.faults.planted import PACKAGES, copied
from tests.rigs.namespace import ROOT

BUGS = Path(__file__).parent / "bugs"
PLANTED = sorted(patch.stem for patch in BUGS.glob("*.patch"))
AT_MOST = 2_000
"""In how many schedules a planted bug must have been caught."""


class DoesNotFit(AssertionError):
    """The program has changed where the bug is to be planted."""


def plant(bug: str, folder: Path, *, merge: bool = False) -> Path:
    """Copy the program into `folder`, with a bug planted there; return `folder`. Raise `DoesNotFit`.

    With `merge` both versions stand there where the patch does not fit.
    """
    copied(folder)
    patch = BUGS / f"{bug}.patch"
    command = ["patch", "--strip=1", "--no-backup-if-mismatch", f"--input={patch}"]
    done = subprocess.run([*command, "--dry-run"], cwd=folder, capture_output=True, text=True)
    if done.returncode == 0:
        subprocess.run([*command, "--quiet"], cwd=folder, check=True)
    else:
        if merge:
            subprocess.run([*command, "--quiet", "--merge"], cwd=folder, check=False)
        raise DoesNotFit(
            f"{patch} does not fit any more:\n{done.stdout}{done.stderr}"
            f"make it anew with: python -m tests.simulation.plant {bug} /tmp/{bug}"
        )
    return folder


def caught(bug: str, folder: Path) -> int:
    """Plant a bug in the new folder `folder`, and return how many schedules it took to catch it.

    Raise `AssertionError` when `AT_MOST` did not, and `DoesNotFit`.
    """
    plant(bug, folder)
    played = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--until-broken", str(AT_MOST)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    found = re.search(r"^broken promise in schedule (\d+):", played.stdout, re.MULTILINE)
    assert found is not None, f"{bug} was not caught in {AT_MOST} schedules\n{played.stderr}"
    return int(found[1]) + 1


def written(bug: str, folder: Path) -> str:
    """Return the patch that makes the program in `folder` of the one here, below the words that the bug's patch begins with.

    Raise `DoesNotFit` while both versions stand somewhere.
    """
    patch = (BUGS / f"{bug}.patch").read_text(encoding="utf-8").partition("--- ")[0]
    for ours in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        name = ours.relative_to(ROOT)
        before, after = (each.read_text(encoding="utf-8").splitlines(keepends=True) for each in (ours, folder / name))
        if any(line.startswith("<<<<<<<") for line in after):
            raise DoesNotFit(f"{folder / name} is not mended yet: both versions stand in it")
        patch += "".join(unified_diff(before, after, f"a/{name}", f"b/{name}"))
    return patch


def main(arguments: list[str]) -> int:
    """Plant a bug, or write its patch."""
    match arguments:
        case ["--write", bug, folder]:
            (BUGS / f"{bug}.patch").write_text(written(bug, Path(folder)), encoding="utf-8")
        case [bug, folder]:
            try:
                plant(bug, Path(folder), merge=True)
            except DoesNotFit as error:
                print(error)
            print(f"when {folder} is as it is to be: python -m tests.simulation.plant --write {bug} {folder}")
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
