"""The configuration that ships."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from drivers.lights.gpio import GpioLights
from drivers.sounders.gpio import GpioSounder
from firmware_py import config

SHIPPED = Path(__file__).parents[2] / "systemd" / "terminal.toml"


def test_the_shipped_configuration_is_right() -> None:
    shipped = config.load(SHIPPED)
    assert shipped.lights is not None
    assert shipped.sounder is not None
    assert [shipped.lights.cls, shipped.sounder.cls] == [GpioLights, GpioSounder]
    assert set(shipped.lights.settings.zones) == {zone.id for zone in shipped.zones}


def test_what_is_commented_out_is_what_holds_anyway() -> None:
    """Every `#key = value` is a key that exists, with its default."""
    text = SHIPPED.read_text("utf-8")
    with_all = re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)
    assert len(tomllib.loads(with_all)["door"]) == len(config.DoorTable.__struct_fields__)
    assert config.parse(with_all) == config.parse(text)
