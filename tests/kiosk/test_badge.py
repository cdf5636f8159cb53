from __future__ import annotations

import pytest
from msgspec.structs import replace

from kiosk.badge import (
    NEEDED,
    PLAIN,
    Badge,
    BadgeIntroduction,
    BadgeZone,
    Block,
    Field,
    Role,
    Slip,
    SlipKind,
    SlipLine,
    Template,
    blocks,
)
from kiosk.values import Language, Symbol
from tests.kiosk.rig import texts

TEXTS = texts(
    {
        Language.NB: {
            "badge.copy": "KOPI",
            "badge.talk": "Snakk med meg om",
            "badge.meet": "Møt",
            "badge.place": "Er nå: {zone}",
            "badge.start": "Begynn slik",
            "badge.go": "Gå til",
            "badge.zone": "{name}, {colour}",
            "badge.until": "Gjelder til {time}",
            "badge.today": "I dag",
            "badge.number": "Nr. {number}",
        }
    }
)
BARE = Badge(
    language=Language.NB, first_name="Siri", zone=BadgeZone("Vinduet", Symbol.STAR, "grønn"), qr="https://fika.example/v/1"
)
FULL = replace(
    BARE,
    copy=True,
    headline="Sykepleier",
    talk_to_me_about=("ledelse", "kor"),
    introduction=BadgeIntroduction("Håkon", "Stuen", "Spør Håkon om kor.", "Hva synger dere?"),
    until="15:30",
    today=("17:00 Språkkafé, Stuen",),
    languages=("norsk", "English"),
    number=7,
)


def test_a_full_badge_has_everything_in_order() -> None:
    assert blocks(FULL, TEXTS) == (
        Block(Role.COPY, "KOPI"),
        Block(Role.NAME, "Siri"),
        Block(Role.HEADLINE, "Sykepleier"),
        Block(Role.LABEL, "Snakk med meg om"),
        Block(Role.TEXT, "ledelse · kor"),
        Block(Role.LABEL, "Møt"),
        Block(Role.PARTNER, "Håkon"),
        Block(Role.TEXT, "Er nå: Stuen"),
        Block(Role.TEXT, "Spør Håkon om kor."),
        Block(Role.LABEL, "Begynn slik"),
        Block(Role.STARTER, "Hva synger dere?"),
        Block(Role.GO, "Gå til"),
        Block(Role.ZONE, "Vinduet, grønn", Symbol.STAR),
        Block(Role.SMALL, "Gjelder til 15:30"),
        Block(Role.LABEL, "I dag"),
        Block(Role.TEXT, "17:00 Språkkafé, Stuen"),
        Block(Role.SMALL, "norsk · English"),
        Block(Role.SMALL, "Nr. 7"),
        Block(Role.QR, "https://fika.example/v/1"),
    )


def test_what_was_not_agreed_to_leaves_no_empty_line_and_no_label() -> None:
    assert blocks(BARE, TEXTS) == (
        Block(Role.NAME, "Siri"),
        Block(Role.GO, "Gå til"),
        Block(Role.ZONE, "Vinduet, grønn", Symbol.STAR),
        Block(Role.QR, "https://fika.example/v/1"),
    )


def test_without_a_match_the_notice_and_a_general_starter_stand_there() -> None:
    badge = replace(BARE, notice="Du er først i køen.", starter="Hva brakte deg hit?")
    assert blocks(badge, TEXTS) == (
        Block(Role.NAME, "Siri"),
        Block(Role.TEXT, "Du er først i køen."),
        Block(Role.LABEL, "Begynn slik"),
        Block(Role.STARTER, "Hva brakte deg hit?"),
        Block(Role.GO, "Gå til"),
        Block(Role.ZONE, "Vinduet, grønn", Symbol.STAR),
        Block(Role.QR, "https://fika.example/v/1"),
    )


def test_a_partner_whose_place_nobody_knows_is_named_without_one() -> None:
    badge = replace(BARE, introduction=BadgeIntroduction("Nr. 12", "", "Spør om kor.", ""))
    assert blocks(badge, TEXTS)[1:4] == (
        Block(Role.LABEL, "Møt"),
        Block(Role.PARTNER, "Nr. 12"),
        Block(Role.TEXT, "Spør om kor."),
    )


def test_braces_in_a_member_s_words_are_only_words() -> None:
    badge = replace(BARE, zone=BadgeZone("{name}", Symbol.STAR, "{0}"))
    assert blocks(badge, TEXTS)[2] == Block(Role.ZONE, "{name}, {0}", Symbol.STAR)


def test_a_template_orders_the_fields() -> None:
    order = (Field.ZONE, Field.LOGO, Field.NAME, Field.COPY)
    assert [block.role for block in blocks(FULL, TEXTS, Template(fields=order))] == [
        Role.GO,
        Role.ZONE,
        Role.LOGO,
        Role.NAME,
        Role.COPY,
    ]


@pytest.mark.parametrize("field", [field for field in PLAIN.fields if field not in NEEDED])
def test_a_field_that_a_template_leaves_out_takes_its_label_along(field: Field) -> None:
    fields = tuple(each for each in PLAIN.fields if each is not field)
    left, gone = blocks(FULL, TEXTS, Template(fields=fields)), blocks(FULL, TEXTS, Template(fields=(field,)))
    assert gone
    whole = list(blocks(FULL, TEXTS))
    assert list(left) == [block for block in whole if block not in gone]


def test_a_copy_is_marked_before_all_else_and_a_first_print_is_not() -> None:
    assert blocks(FULL, TEXTS)[0].role is Role.COPY
    assert not [block for block in blocks(replace(FULL, copy=False), TEXTS) if block.role is Role.COPY]


def test_no_time_is_promised_that_is_not_known() -> None:
    assert "Gjelder" not in "".join(block.text for block in blocks(replace(FULL, until=""), TEXTS))


SLIP = Slip(
    kind=SlipKind.FOLLOW_UP,
    language=Language.NB,
    title="Takk for i dag, Siri!",
    text="Du møtte 2 personer.",
    lines=(SlipLine("Håkon", "Om kor."), SlipLine("Nr. 12")),
    after="Takk en av dem.",
    memo="Å huske:",
    small="22.11.2026",
    copy=True,
)


def test_a_full_slip_has_everything_in_order() -> None:
    assert blocks(SLIP, TEXTS) == (
        Block(Role.COPY, "KOPI"),
        Block(Role.TITLE, "Takk for i dag, Siri!"),
        Block(Role.TEXT, "Du møtte 2 personer."),
        Block(Role.PARTNER, "Håkon"),
        Block(Role.TEXT, "Om kor."),
        Block(Role.PARTNER, "Nr. 12"),
        Block(Role.CLOSING, "Takk en av dem."),
        Block(Role.MEMO, "Å huske:"),
        Block(Role.SMALL, "22.11.2026"),
    )


def test_a_bare_slip_is_its_title() -> None:
    bare = Slip(kind=SlipKind.FAULT, language=Language.NB, title="Til de ansatte")
    assert blocks(bare, TEXTS) == (Block(Role.TITLE, "Til de ansatte"),)
