from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from drivers.printers.page import print_bytes
from drivers.printers.profiles import SHIPPED, Media, profile
from firmware_py.cli import main
from firmware_py.clock import Clock
from firmware_py.config import load
from firmware_py.ledger import Ledger
from firmware_py.preview import loaded_printer, ruled
from firmware_py.samples import sample_slips, samples
from firmware_py.wiring import Wiring
from kiosk.badge import SlipKind, blocks
from kiosk.compose import compose
from kiosk.matching.zones import choose_zone
from kiosk.signals import Signal
from kiosk.values import Consents, Visit, VisitId
from tests.firmware_py.terminal.harness import CAFE, Door, person


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "terminal.toml"
    text = CAFE.format(folder=tmp_path, socket=tmp_path / "s", rules="", match_ms=800, printer="", trust="true")
    path.write_text(text, encoding="utf-8")
    return path


def drawn(out: Path, *arguments: str) -> Image.Image:
    """Run the command and return the picture that it wrote."""
    assert main(["badge", "preview", *arguments, "--out", str(out)]) == 0
    with Image.open(out) as picture:
        picture.load()
    return picture


@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize("printer", ["generic-58", "generic-80", "TM-T88V", "NT-5890K"])
def test_every_sample_is_drawn_as_wide_as_the_printer_and_prints_at_true_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, printer: str
) -> None:
    page, chosen = tmp_path / "badge.bin", profile(printer)
    paper = drawn(tmp_path / "badge.png", "--sample", name, "--printer", printer, "--no-ruler", "--escpos", str(page))
    assert paper.width == chosen.dots
    assert paper.info["dpi"] == pytest.approx((25.4 * chosen.dpmm,) * 2, abs=0.1)
    size = f"{chosen.dots / chosen.dpmm:.0f} x {paper.height / chosen.dpmm:.0f} mm, {page.stat().st_size:,} bytes"
    assert re.fullmatch(rf"{name} on {printer}: {size}, \d\.\d s at 19,200 baud\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("layout", "media"),
    [
        ([], Media()),
        (["--turned"], Media(turned=True)),
        (["--media", "label", "--length-mm", "60"], Media(kind="label", length_mm=60)),
    ],
)
def test_the_picture_is_the_paper_that_the_bytes_make(tmp_path: Path, layout: list[str], media: Media) -> None:
    page = tmp_path / "badge.bin"
    paper = drawn(tmp_path / "badge.png", "--sample", "mixed", "--no-ruler", "--escpos", str(page), *layout)
    printer = loaded_printer(replace(profile("generic-80"), media=media))
    printer.feed(page.read_bytes())
    printer.tear()
    assert not printer.errors
    (slip,) = printer.papers
    white = paper.height - slip.image.height
    # A roll begins with the white that lies between the cutter and the head: 16 mm at 8 dots.
    assert white == (0 if media.kind == "label" else 16 * 8)
    assert set(paper.crop((0, 0, paper.width, white)).tobytes()) <= {255}
    assert paper.crop((0, white, *paper.size)).tobytes() == slip.image.tobytes()


def test_the_ruler_stands_outside_the_paper_and_counts_its_millimetres(tmp_path: Path) -> None:
    arguments = ["--sample", "nordic", "--printer", "generic-58"]
    bare = drawn(tmp_path / "bare.png", *arguments, "--no-ruler")
    picture = drawn(tmp_path / "ruled.png", *arguments)
    left, top = picture.width - bare.width, picture.height - bare.height
    inside = picture.crop((left, top, picture.width, picture.height))
    assert inside.tobytes() == bare.convert("L").tobytes()
    # A tick reaches up to two dots from the paper: one each 8 dots, the first at the paper's edge.
    across = [x - left for x in range(left, picture.width) if picture.getpixel((x, top - 3)) == 0]
    down = [y - top for y in range(top, picture.height) if picture.getpixel((left - 3, y)) == 0]
    assert across == [*range(0, bare.width, 8), bare.width - 1]
    assert down == [*range(0, bare.height, 8), *([] if bare.height % 8 else [bare.height - 1])]


def test_all_samples_on_all_shipped_printers_are_on_one_contact_sheet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = drawn(tmp_path / "sheet.png", "--all-samples")
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == [f"{name} on {printer}" for name in samples() for printer in SHIPPED]
    assert sheet.width > sum(each.dots for each in SHIPPED.values())
    one = drawn(tmp_path / "one.png", "--sample", "nordic", "--printer", "generic-58").convert("L")
    assert any(
        sheet.crop((left, top, left + one.width, top + one.height)).tobytes() == one.tobytes()
        for left in range(sheet.width // 4)
        for top in range(120)
        if sheet.getpixel((left + 48, top + 48)) == 255
    )


def test_several_printers_stand_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = drawn(tmp_path / "two.png", "--sample", "long", "--printer", "TM-T88V", "--printer", "generic-58", "--no-ruler")
    assert sheet.width > 512 + 384
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("kind", SlipKind)
def test_each_kind_of_slip_has_a_sample(tmp_path: Path, kind: SlipKind) -> None:
    slip = sample_slips()[kind]
    assert slip.kind is kind
    assert all((slip.title, slip.text or slip.lines, slip.after, slip.small))
    assert drawn(tmp_path / "slip.png", "--slip", kind, "--no-ruler").width == 576


def test_a_turned_badge_is_another_picture_and_a_label_another_length(tmp_path: Path) -> None:
    upright = drawn(tmp_path / "a.png", "--sample", "nordic", "--no-ruler")
    turned = drawn(tmp_path / "b.png", "--sample", "nordic", "--no-ruler", "--turned")
    label = drawn(tmp_path / "c.png", "--sample", "nordic", "--no-ruler", "--media", "label", "--length-mm", "75")
    assert upright.tobytes() != turned.tobytes()
    assert label.height == 75 * 8


def test_a_member_is_drawn_whether_the_terminal_runs_or_not(tmp_path: Path, config: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members([person(1)])
    ledger.close()
    out = tmp_path / "badge.png"
    command = ["--config", str(config), "badge", "preview", "--member", "p1", "--out", str(out)]
    assert main(command) == 0
    alone = out.read_bytes()
    with Door(tmp_path) as door:
        running = config.with_name("running.toml")
        text = config.read_text(encoding="utf-8").replace(str(tmp_path / "s"), str(door.socket))
        running.write_text(text, encoding="utf-8")
        assert main(["--config", str(running), *command[2:]]) == 0
    assert out.read_bytes() == alone


@pytest.mark.parametrize(
    ("changes", "signal"),
    [
        ({}, Signal.NOT_YET),
        ({"offers": ()}, Signal.NO_MATCH),
        ({"consents": Consents(name=True)}, None),
        ({"quiet": True}, Signal.NOT_YET),
    ],
)
def test_a_member_s_badge_says_what_the_door_would_say_today(
    tmp_path: Path, config: Path, changes: dict[str, Any], signal: Signal | None
) -> None:
    member = replace(person(1), **changes)
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members([member])
    ledger.close()
    page = tmp_path / "page"
    command = ["--config", str(config), "badge", "preview", "--member", "p1", "--out", str(tmp_path / "badge.png")]
    assert main([*command, "--escpos", str(page)]) == 0
    wiring = Wiring(load(config))
    house = wiring.house("preview")
    zone = choose_zone(house.zones, {}, quiet=member.quiet)
    now = Clock(wiring.config.timezone, None).now()
    badge = compose(house, Visit(VisitId("preview-1"), 1, member, now, zone=zone), None, None, signal, now)
    assert house.date(member.language, now) in badge.qr
    shown = blocks(badge, wiring.texts, wiring.template.template)
    assert page.read_bytes() == print_bytes(shown, wiring.printer_profile("generic-80"), None)


def test_a_member_s_badge_is_turned_when_the_cafe_prints_them_so(tmp_path: Path, config: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members([person(1)])
    ledger.close()
    pictures = []
    for badge in ("", "[badge]\nturned = true\n"):
        config.write_text(config.read_text(encoding="utf-8") + badge, encoding="utf-8")
        command = ["--config", str(config), "badge", "preview", "--member", "p1", "--out", str(tmp_path / "badge.png")]
        assert main(command) == 0
        pictures.append((tmp_path / "badge.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_a_cafe_s_template_is_drawn(tmp_path: Path) -> None:
    template = tmp_path / "badge.toml"
    template.write_text('fields = ["name", "zone", "copy"]\n[words.sv]\nbadge.go = "Sitt vid"\n', encoding="utf-8")
    Image.new("1", (64, 40), 0).save(tmp_path / "logo.png")
    arguments = ["--sample", "nordic", "--no-ruler", "--escpos", str(tmp_path / "page"), "--template", str(template)]
    plain = drawn(tmp_path / "a.png", *arguments[:3])
    short = drawn(tmp_path / "b.png", *arguments)
    assert short.height < plain.height / 2
    assert b"Sitt vid" in (tmp_path / "page").read_bytes()
    template.write_text('logo = "logo.png"\n', encoding="utf-8")
    logo = drawn(tmp_path / "c.png", *arguments).crop(((576 - 64) // 2, 128, (576 + 64) // 2, 176))
    assert logo.histogram()[0] == 64 * 40


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--sample", "klingon"], 78, "there is no sample badge 'klingon'; there are "),
        (["--sample", "nordic", "--printer", "none"], 78, "'none' is not a printer profile; the closest is "),
        (["--member", "p99"], 1, "there is no member 'p99'; 'fikatap members list' shows them"),
        (["--sample", "nordic", "--media", "label"], 78, "--media label needs --length-mm 30 to 300, not 0: from"),
        (["--sample", "nordic", "--media", "mark", "--length-mm", "nan"], 78, "--media mark needs --length-mm 30 to 300"),
        (["--sample", "nordic", "--template", "none.toml"], 78, "none.toml: No such file or directory"),
        (["--sample", "nordic", "--length-mm", "60"], 78, "--length-mm 60: a roll has no length; say --media label"),
        (["--all-samples", "--escpos", "x"], 78, "--escpos takes one page for one printer"),
    ],
)
def test_what_is_not_there_is_told(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    out = tmp_path / "badge.png"
    assert main(["--config", str(config), "badge", "preview", *arguments, "--out", str(out)]) == code
    assert capsys.readouterr().err.startswith(f"fikatap: {sentence}")
    assert not out.exists()


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "nowhere" / "badge.png"
    assert main(["badge", "preview", "--sample", "nordic", "--out", str(out)]) == 78
    assert capsys.readouterr().err == f"fikatap: {out}: No such file or directory\n"


def test_a_ruler_fits_paper_of_any_resolution() -> None:
    assert ruled(Image.new("1", (512, 300), 1), 7).size == (512 + 42, 300 + 42)
