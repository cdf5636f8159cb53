from __future__ import annotations

from encodings.aliases import aliases

import pytest
from msgspec.structs import replace

from drivers.printers.findings import Findings, Heard, Seen
from drivers.printers.probe import SAMPLE, Line, Words, lines, opening, page, read_page
from drivers.printers.profiles import SHIPPED, PrinterProfile, profile
from drivers.virtual.printer import Clone, Slip, VirtualPrinter

WORDS = Words(title="Title", about="about", letters="1 Letters?", edge="2 Edge?", code="3 Code?", end="END")
UNKNOWN = dict.fromkeys((53, 54, 59, 71), "")
"""Numbers that no printer here has: it stays with the code page before."""
HONEST = Clone(lacks=frozenset(), code_pages=UNKNOWN)


def paper(known: PrinterProfile, clone: Clone = HONEST, lost_left: int = 0) -> Slip:
    """Return the page as a printer prints it."""
    printer = VirtualPrinter(dots=known.dots, cutter=known.cut, strict=False, clone=clone, lost_left=lost_left)
    printer.feed(opening(WORDS, known))
    printer.feed(page(WORDS, known))
    if not known.cut:
        printer.tear()
    (slip,) = printer.papers
    return slip


def letters(line: Line) -> str:
    """Return what a line shows when its code page is right: letters of the sample, a dot where the page has none."""
    shown = (each if each.encode(line.codec, "ignore") else "." for each in SAMPLE)
    return f"  {' '.join(shown)} {line.number:>2}"


def right(slip: Slip, known: PrinterProfile) -> list[int]:
    return [line.number for line in lines(known) if letters(line) in slip.texts]


def first_whole(slip: Slip, known: PrinterProfile) -> int:
    """Return the first number of which the left side of the box is on paper: a straight line of its height."""
    for number in range(7):
        column = slip.image.crop((number * known.dpmm, 0, number * known.dpmm + 1, slip.image.height))
        if b"\x00" * 26 in column.convert("L").tobytes():
            return number
    raise AssertionError("no box")


@pytest.fixture(params=SHIPPED)
def known(request: pytest.FixtureRequest) -> PrinterProfile:
    return profile(request.param)


def test_no_two_code_pages_show_the_sample_alike() -> None:
    """A code page that passes for another prints wrong letters on badges; here are all that Python knows."""
    tried = {line.codec for line in lines(profile("generic-58"))}
    for codec in tried:
        has = [each for each in SAMPLE if each.encode(codec, "ignore")]
        for other in set(aliases.values()) - {codec}:
            try:
                shown = b"".join(each.encode(codec) for each in has).decode(other)
            except (UnicodeDecodeError, LookupError):
                continue
            assert shown != "".join(has), f"{codec} looks like {other}"


def test_an_honest_printer_shows_the_lines_that_it_should(known: PrinterProfile) -> None:
    slip = paper(known)
    assert right(slip, known) == [line.number for line in lines(known) if line.page not in UNKNOWN]
    assert slip.qr == ("fikatap:probe",)
    assert first_whole(slip, known) == 0


@pytest.mark.parametrize("lies", [{19: "cp850"}, {16: "cp1254"}, {17: "cp437"}, {18: "cp850"}, {0: "cp850"}, {2: "cp858"}])
def test_a_line_on_a_code_page_that_lies_is_seen_to_be_wrong(lies: dict[int, str]) -> None:
    known = profile("generic-58")
    slip = paper(known, replace(HONEST, code_pages=UNKNOWN | lies))
    wrong = [line.number for line in lines(known) if line.page in {*UNKNOWN, *lies}]
    assert right(slip, known) == [line.number for line in lines(known) if line.number not in wrong]


def test_a_number_that_is_not_there_does_not_show_the_page_before_it() -> None:
    """The line before cp858 at 53 is right, and leaves its code page behind."""
    known = replace(profile("generic-58"), code_pages={"cp858": 19, "cp1252": 16})
    slip = paper(known)
    assert [lines(known)[number - 1].page for number in right(slip, known)] == [19, 16, 0, 2, 18, 17]


def test_codes_that_a_clone_prints_as_text_spoil_nothing_else() -> None:
    known = profile("generic-58")
    honest, clone = paper(known), paper(known, Clone(code_pages=UNKNOWN))
    assert clone.qr == ()
    assert right(clone, known) == right(honest, known)
    assert first_whole(clone, known) == 0
    # From the end backwards both are the same: END, and the feed to the tear bar.
    rows = 128 + 36
    width, height = honest.image.size
    end = honest.image.crop((0, height - rows, width, height))
    assert end.getbbox() is not None
    assert end.tobytes() == clone.image.crop((0, clone.image.height - rows, width, clone.image.height)).tobytes()


@pytest.mark.parametrize(("lost", "number"), [(0, 0), (1, 1), (8, 1), (9, 2), (40, 5)])
def test_the_first_whole_box_tells_what_is_lost(lost: int, number: int) -> None:
    known = profile("generic-58")
    assert first_whole(paper(known, lost_left=lost), known) == number
    assert read_page(known, [], native_qr=True, first_whole_mm=number).left_dots >= lost


def test_pages_are_taken_in_our_order_and_once() -> None:
    known = profile("generic-58")
    numbers = {(line.codec, line.page): line.number for line in lines(known)}
    seen = read_page(
        known,
        [numbers["cp1252", 16], numbers["cp858", 53], numbers["cp437", 0], numbers["cp1252", 71]],
        native_qr=False,
        first_whole_mm=1,
    )
    assert list(seen.code_pages.items()) == [("cp858", 53), ("cp437", 0), ("cp1252", 16)]
    assert (seen.native_qr, seen.left_dots) == (False, 8)


def test_a_profile_of_another_kind_has_its_own_numbers_tried() -> None:
    own = profile("KR-306")
    tried = lines(own)
    assert [(line.codec, line.page) for line in tried[: len(own.code_pages)]] == list(own.code_pages.items())
    assert ("cp858", 19) in {(line.codec, line.page) for line in tried}
    assert own.code_pages["cp858"] != 19
    assert len(tried) == len({(line.codec, line.page) for line in tried})


def test_findings_correct_what_the_profile_promises() -> None:
    known = profile("generic-58")
    nothing = Findings(connection="usb")
    assert nothing.correct(known) == known
    found = replace(
        nothing,
        heard=Heard(questions=(1,), completion="gs_h"),
        seen=Seen(code_pages={"cp437": 0}, native_qr=False, left_dots=8),
        stored_logo="abc",
    )
    assert found.correct(known) == replace(
        known, completion="gs_h", code_pages={"cp437": 0}, native_qr=False, left_dots=8, stored_logo="abc"
    )
    assert replace(found, profile="generic-58").correct(known) == found.correct(known)


def test_what_people_saw_of_another_profile_is_not_applied_and_what_was_heard_is() -> None:
    known = profile("TM-T88V")
    seen = Seen(code_pages={"cp437": 0}, native_qr=False, left_dots=8)
    found = Findings(connection="usb", profile="generic-58", heard=Heard(completion="gs_r"), seen=seen, stored_logo="abc")
    assert found.correct(known) == replace(known, completion="gs_r")
