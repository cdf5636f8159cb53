"""Made-up badges with every field filled, to look at and to measure by."""

from __future__ import annotations

from importlib.resources import files

from msgspec import Struct, json

from drivers.errors import ConfigError
from kiosk.badge import Badge


class _File(Struct):
    samples: dict[str, Badge]


def samples() -> dict[str, Badge]:
    """Return all sample badges by name."""
    return json.decode((files("firmware_py") / "data" / "badges.json").read_bytes(), type=_File).samples


def sample(name: str) -> Badge:
    """Return the sample badge called `name`; raise `ConfigError` when there is none."""
    known = samples()
    if name not in known:
        raise ConfigError(f"there is no sample badge '{name}'; there are {', '.join(sorted(known))}")
    return known[name]
