"""Builds the house from the configuration and the package's data, and pages from badges."""

from __future__ import annotations

from functools import cached_property

from firmware_py.config import Config
from firmware_py.texts import load_texts
from firmware_py.vocabulary import load_language_names, load_vocabulary
from kiosk.badge import blocks
from kiosk.effects import TellStaff
from kiosk.house import House, Rules
from kiosk.jobs import Job
from kiosk.texts import Texts
from kiosk.values import Language, Zone
from kiosk.vocabulary import Vocabulary


class Wiring:
    """What the running terminal is made of, each made once when first asked for."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def language(self) -> Language:
        """The venue's language."""
        return self.config.cafe.language

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The venue's zones."""
        return self.config.zones

    @cached_property
    def texts(self) -> Texts:
        """All sentences."""
        return load_texts()

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """All word lists."""
        return load_vocabulary()

    def house(self, prefix: str) -> House:
        """Return what the door is told beforehand; `prefix` is the ledger's."""
        door = self.config.door
        rules = Rules(
            double_tap_ms=_ms(door.double_tap_s),
            checkout_after_ms=_ms(door.checkout_after_s),
            badge_fresh_ms=_ms(door.badge_fresh_s),
            max_stay_ms=_ms(door.max_stay_s),
            light_ms=_ms(door.light_s),
            enrol_ms=_ms(door.enrol_s),
            match_deadline_ms=self.config.matching.deadline_ms,
            closes_minute=self.config.closes_minute,
        )
        return House(
            prefix=prefix,
            language=self.language,
            texts=self.texts,
            vocabulary=self.vocabulary,
            zones=self.zones,
            rules=rules,
            prints=self.config.printer is not None,
            badge_url=self.config.cafe.badge_url,
            language_names=load_language_names(),
        )

    def render(self, job: Job, profile: str) -> bytes:
        """Return the job's badge as bytes for a printer of that profile."""
        # Fonts and pictures are loaded by the first badge, in the printer's lane.
        from drivers.printers.page import print_bytes
        from drivers.printers.profiles import profile as find_profile

        return print_bytes(blocks(job.badge, self.texts), find_profile(profile))

    def notice(self, effect: TellStaff) -> str:
        """Return a staff notice in the venue's language: what happened, and what to do."""
        cause = "" if effect.cause is None else self.texts.say(self.language, f"cause.{effect.cause}")
        return self.texts.say(self.language, f"staff.{effect.notice}", job=effect.job or "", cause=cause)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
