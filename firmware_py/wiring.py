"""Builds the house from the configuration and the package's data, and pages from badges."""

from __future__ import annotations

import logging
from functools import cached_property

from msgspec.structs import replace

from drivers.errors import ConfigError
from drivers.ports import Printer
from drivers.printers.bitmap import Bitmap
from drivers.printers.findings import Findings
from drivers.printers.profiles import Media, PrinterProfile, profile
from firmware_py.config import Config
from firmware_py.findings import FindingsError, FindingsFile
from firmware_py.template import CafeTemplate, load_logo, load_template
from firmware_py.texts import load_texts
from firmware_py.vocabulary import load_language_names, load_vocabulary
from kiosk.badge import blocks
from kiosk.effects import TellStaff
from kiosk.house import House, Rules
from kiosk.jobs import Job
from kiosk.slips import in_words
from kiosk.texts import Texts
from kiosk.values import Language, Zone
from kiosk.vocabulary import Vocabulary

log = logging.getLogger("fikatap")


class Wiring:
    """What the running terminal is made of, each made once when first asked for."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._logos: dict[str, Bitmap] = {}

    def check(self) -> None:
        """Read what the configuration names and nothing has read yet; raise `ConfigError` where it is wrong."""
        _ = self.template
        if self.config.printer is not None:
            self.logo(self.printer_profile(self.config.printer.settings.profile))

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
        """All sentences, with the café's own words in them."""
        return load_texts().with_own(self.template.words)

    @cached_property
    def template(self) -> CafeTemplate:
        """What the café decided about its paper."""
        path = self.config.badge.template
        return CafeTemplate() if path is None else load_template(path)

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
            talk_ms=_ms(door.talk_s),
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
            template=self.template.template,
            cafe=self.config.cafe.name,
            badge_url=self.config.cafe.badge_url,
            language_names=load_language_names(),
        )

    def render(self, job: Job, profile_name: str) -> bytes:
        """Return the job's page as bytes for a printer of that profile."""
        # Fonts and pictures are loaded by the first badge, in the printer's lane.
        from drivers.printers.page import print_bytes

        known = self.printer_profile(profile_name)
        return print_bytes(blocks(job.page, self.texts, self.template.template), known, self.logo(known))

    def logo(self, profile: PrinterProfile) -> Bitmap | None:
        """Return the café's logo; raise `ConfigError` when it is no picture or too large for that printer."""
        if self.template.logo is None:
            return None
        if profile.name not in self._logos:
            self._logos[profile.name] = load_logo(self.template.logo, profile)
        return self._logos[profile.name]

    def printer_profile(self, name: str) -> PrinterProfile:
        """Return what is known of the printer: its profile, what a probe found, and what the café has put into it."""
        badge = self.config.badge
        known = profile(name) if self.findings is None else self.findings.correct(profile(name))
        return replace(known, media=Media(kind=badge.media, length_mm=badge.length_mm, turned=badge.turned))

    @cached_property
    def findings(self) -> Findings | None:
        """What was found out about the printer; nothing when that can't be read, which is no reason not to print."""
        try:
            return FindingsFile(self.config).read()
        except FindingsError as error:
            log.warning("%s; until then the profile alone counts", error)
            return None

    def make_printer(self) -> Printer:
        """Return a new device for the configured printer; what a probe heard holds where the configuration says nothing."""
        chosen = self.config.printer
        if chosen is None:
            raise ConfigError("there is no [printer] in the configuration")
        settings = chosen.settings
        if self.findings is not None and self.findings.heard is not None:
            settings = settings.as_found(self.findings.heard)
        device: Printer = chosen.cls(settings)
        return device

    def notice(self, effect: TellStaff) -> str:
        """Return a staff notice in the venue's language: what happened, and what to do."""
        return in_words(effect, self.texts, self.language)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
