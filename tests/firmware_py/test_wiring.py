from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from drivers.errors import ConfigError
from drivers.printers.profiles import Media
from firmware_py.config import parse
from firmware_py.samples import sample
from firmware_py.wiring import Wiring
from kiosk.badge import Badge, Field, Slip, SlipKind, SlipLine
from kiosk.jobs import Job
from kiosk.values import JobId, Language, MemberId, Now, VisitId
from tests.firmware_py.test_config import GOOD

PRINTER = '[printer]\ndriver = "fake"\nprofile = "generic-58"\n'


def wiring(folder: Path, template: str | None = None, badge: str = "", printer: str = PRINTER) -> Wiring:
    text = f"{GOOD}{printer}[badge]\n{badge}\n"
    if template is not None:
        path = folder / "badge.toml"
        path.write_text(template, encoding="utf-8")
        text += f'template = "{path}"\n'
    return Wiring(parse(text))


def job(page: Badge | Slip) -> Job:
    badge, slip = (page, None) if isinstance(page, Badge) else (None, page)
    return Job(JobId("t1-1"), VisitId("t1-1"), MemberId("m1"), badge, Now("boot", 0), process_id=1, slip=slip)


BADGE = Badge(
    language=Language.EN, first_name="Åsa", zone=sample("nordic").zone, qr="", headline="HEADLINE", until="20:15", number=77
)


def printed(wired: Wiring, page: Badge | Slip = BADGE) -> bytes:
    return wired.render(job(page), "generic-58")


def test_a_template_changes_the_order_on_paper(tmp_path: Path) -> None:
    """Texts of one line each are found as they are in the bytes."""
    usual = printed(wiring(tmp_path))
    other = printed(wiring(tmp_path, 'fields = ["number", "copy", "zone", "name", "headline"]'))
    words = [b"HEADLINE", b"Go to", b"Good until 20:15", b"No. 77"]
    assert sorted(words, key=usual.index) == words
    assert b"Good until" not in other
    assert sorted([b"No. 77", b"Go to", b"HEADLINE"], key=other.index) == [b"No. 77", b"Go to", b"HEADLINE"]


def test_the_name_moves_with_its_field(tmp_path: Path) -> None:
    """The name is the only large picture: the zone's symbol is left out by what comes before and after it."""
    first = printed(wiring(tmp_path, 'fields = ["name", "headline", "copy", "zone"]'))
    last = printed(wiring(tmp_path, 'fields = ["headline", "name", "copy", "zone"]'))
    assert first != last
    raster = b"\x1dv0"
    assert first.index(raster) < first.index(b"HEADLINE")
    assert last.index(b"HEADLINE") < last.index(raster) < last.index(b"Go to")


def test_a_template_changes_the_words_on_paper_and_what_the_door_says(tmp_path: Path) -> None:
    own = '[words.en]\nbadge.go = "Walk over to"\nbadge.until = "{time} sharp"\nnotice.not_yet = "Wait a bit"'
    wired = wiring(tmp_path, own)
    page = printed(wired)
    assert b"Walk over to" in page
    assert b"20:15 sharp" in page
    assert b"Go to" not in page
    assert wired.house("t1").texts.say(Language.EN, "notice.not_yet") == "Wait a bit"
    assert wired.house("t1").texts.say(Language.SV, "notice.not_yet") != "Wait a bit"


def test_the_door_is_told_what_a_template_says(tmp_path: Path) -> None:
    house = wiring(tmp_path, 'slips = ["fault"]\nfields = ["name", "copy", "zone"]').house("t1")
    assert house.template.slips == {SlipKind.FAULT}
    assert house.template.fields == (Field.NAME, Field.COPY, Field.ZONE)
    assert house.cafe == "Kafé Provet"


def test_a_slip_is_printed_in_the_same_way(tmp_path: Path) -> None:
    slip = Slip(SlipKind.ASK_STAFF, Language.EN, "Ask", lines=(SlipLine("who", "why"),))
    page = printed(wiring(tmp_path), slip)
    assert page.index(b"Ask") < page.index(b"who") < page.index(b"why")


def test_a_logo_is_printed_where_it_stands(tmp_path: Path) -> None:
    Image.new("1", (96, 8), 0).save(tmp_path / "logo.png")
    black = b"\xff" * 12 * 8
    top = printed(wiring(tmp_path, 'logo = "logo.png"'))
    below = printed(wiring(tmp_path, 'logo = "logo.png"\nfields = ["copy", "name", "headline", "logo", "zone"]'))
    assert top.index(black) < top.index(b"HEADLINE")
    assert below.index(b"HEADLINE") < below.index(black) < below.index(b"Go to")
    assert black not in printed(wiring(tmp_path))


def test_a_logo_is_checked_against_the_printer_that_is_configured(tmp_path: Path) -> None:
    Image.new("1", (400, 24), 0).save(tmp_path / "logo.png")
    with pytest.raises(ConfigError, match=r"logo\.png: the logo is 400 x 24 dots; on generic-58 it may be 384 x 160 dots"):
        wiring(tmp_path, 'logo = "logo.png"').check()
    wired = wiring(tmp_path, 'logo = "logo.png"')
    wide = wired.logo(wired.printer_profile("generic-80"))
    assert wide is not None
    assert wide.width == 400


def test_a_wrong_template_is_found_by_looking(tmp_path: Path) -> None:
    for printer in (PRINTER, ""):
        with pytest.raises(ConfigError, match=r"badge\.toml line 1: a template has no 'x'"):
            wiring(tmp_path, "x = 1", printer=printer).check()
    wiring(tmp_path).check()


def test_the_printer_is_known_with_what_is_in_it(tmp_path: Path) -> None:
    wired = wiring(tmp_path, badge='media = "label"\nlength_mm = 60\nturned = true')
    assert wired.printer_profile("generic-58").media == Media(kind="label", length_mm=60, turned=True)
