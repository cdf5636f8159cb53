"""Made-up badges and slips with every field filled, to look at and to measure by."""

from __future__ import annotations

from importlib.resources import files

from msgspec import Struct, json

from drivers.errors import ConfigError
from kiosk.badge import Badge, Slip, SlipKind


class _Badges(Struct):
    samples: dict[str, Badge]


class _Slips(Struct):
    slips: dict[SlipKind, Slip]


def samples() -> dict[str, Badge]:
    """Return all sample badges by name."""
    return json.decode((files("firmware_py") / "data" / "badges.json").read_bytes(), type=_Badges).samples


def sample(name: str) -> Badge:
    """Return the sample badge called `name`; raise `ConfigError` when there is none."""
    known = samples()
    if name not in known:
        raise ConfigError(f"there is no sample badge '{name}'; there are {', '.join(sorted(known))}")
    return known[name]


def sample_slips() -> dict[SlipKind, Slip]:
    """Return a sample of each kind of slip."""
    return json.decode((files("firmware_py") / "data" / "slips.json").read_bytes(), type=_Slips).slips
