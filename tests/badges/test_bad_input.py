"""Whatever people and cafés write: the printer reads it as a badge, never as commands."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.printers.page import print_bytes
from kiosk.badge import Badge, BadgeIntroduction, BadgeZone, Slip, SlipKind, SlipLine, blocks
from kiosk.texts import Texts
from kiosk.values import Language, Symbol
from tests.badges.cases import LAYOUTS, PRINTERS, TEXTS, loaded, printed
from tests.drivers.printers.test_encode import commands

# Initialise, feed, cut, raster, QR code, real-time requests, a drawer's kick, half a command, two-byte letters, C1.
COMMANDS = (
    "\x1b@ \x1bd\xff \x1dV\x00 \x1dv0\x00\x48\x00\xff\xff \x1d(k\x04\x00 \x10\x04\x01 \x10\x14\x01 "
    "\x1bp\x00 \x1b \x1c& \x0c \x18 \x9b"
)
INVISIBLE = "\u202e\u2066\u200f\u200d\ufeff\ufe0f\u2028\x85\x00\x7f"
ALLOWED = {b"", b"\x1b@", b"\x1c.", b"\n", b"\x1bR", b"\x1bt", b"\x1d!", b"\x1bE", b"\x1ba", b"\x1b3", b"\x1bJ", b"\x1dv0",
           b"\x1d(k", b"\x1dVB"}  # fmt: skip
"""All that a badge on a roll is made of; text has an empty command."""
ON_LABELS = ALLOWED - {b"\x1dVB"} | {b"\x1d\x0c", b"\x1dV"}

parts = st.one_of(st.sampled_from(COMMANDS.split(" ")), st.sampled_from(INVISIBLE), st.text(max_size=12))
texts = st.one_of(st.text(max_size=40), st.lists(parts, max_size=8).map("".join), st.just("Ñ" * 300), st.just(""))
few = st.lists(texts, max_size=4).map(tuple)
languages = st.sampled_from(Language)

badges = st.builds(
    Badge,
    language=languages,
    first_name=texts,
    zone=st.builds(BadgeZone, texts, st.sampled_from(Symbol), texts),
    qr=texts,
    headline=texts,
    talk_to_me_about=few,
    introduction=st.one_of(st.none(), st.builds(BadgeIntroduction, texts, texts, texts, texts)),
    notice=texts,
    starter=texts,
    until=texts,
    languages=few,
    number=st.integers(0, 2**63),
    copy=st.booleans(),
)
slips = st.builds(
    Slip,
    kind=st.sampled_from(SlipKind),
    language=languages,
    title=texts.map(lambda text: f"Titel {text}"),  # a slip of nothing is no slip
    text=texts,
    lines=st.lists(st.builds(SlipLine, texts, texts), max_size=4).map(tuple),
    after=texts,
    memo=texts,
    small=texts,
    copy=st.booleans(),
    qr=texts,
)
WORDS = ("badge.copy", "badge.talk", "badge.meet", "badge.place", "badge.start", "badge.go", "badge.zone", "badge.until")


def check(page: Badge | Slip, printer: str, layout: str, words: Texts = TEXTS) -> None:
    """Fail unless the printer understands every byte, and makes one slip with nothing but a badge's commands."""
    profile = loaded(printer, layout)
    job = print_bytes(blocks(page, words), profile)
    printed(job, profile)
    seen = [command for command, _ in commands(job)]
    assert set(seen) <= (ALLOWED if profile.media.kind == "roll" else ON_LABELS)
    assert seen[:3] == [b"\x1b@", b"\x1c.", b"\x1bR"]
    assert seen.count(b"\x1b@") == 1
    assert not any(command.startswith(b"\x1dV") for command in seen[:-1])


@pytest.mark.parametrize("layout", ["roll", "turned-label"])
@pytest.mark.parametrize("printer", ["generic-58-noqr", "generic-80", "TM-T88V"])
def test_commands_and_ten_thousand_letters_in_every_field_are_nothing_but_a_badge(printer: str, layout: str) -> None:
    evil = f"A{COMMANDS}{INVISIBLE}Ж王" * 400
    zone, meet = BadgeZone(evil, Symbol.STAR, evil), BadgeIntroduction(evil, evil, evil, evil)
    check(Badge(Language.SV, evil, zone, evil, evil, (evil,) * 3, meet, until=evil, languages=(evil,)), printer, layout)
    check(
        Slip(SlipKind.FAULT, Language.DA, evil, evil, (SlipLine(evil, evil),) * 3, evil, evil, evil, qr=evil), printer, layout
    )


@given(page=st.one_of(badges, slips), printer=st.sampled_from(sorted(PRINTERS)), layout=st.sampled_from(sorted(LAYOUTS)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_in_any_field_reaches_a_printer_as_a_command(page: Badge | Slip, printer: str, layout: str) -> None:
    check(page, printer, layout)


@given(page=badges, said=st.dictionaries(st.sampled_from(WORDS), texts), printer=st.sampled_from(sorted(PRINTERS)))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_words_of_a_cafe_reach_a_printer_as_a_command(page: Badge, said: dict[str, str], printer: str) -> None:
    own = {key: words.replace("{", "{{").replace("}", "}}") for key, words in said.items()}
    check(page, printer, "roll", TEXTS.with_own(dict.fromkeys(Language, own)))
