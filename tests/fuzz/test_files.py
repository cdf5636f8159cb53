"""Other files that people can lay hands on: a logo, what was found out about a printer, the venue's key, a ledger's rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from drivers.errors import ConfigError
from drivers.printers.findings import Findings, Heard, Seen
from drivers.printers.profiles import profile
from firmware_py.config import parse
from firmware_py.findings import FindingsError, FindingsFile
from firmware_py.keys import VenueKey, VenueKeyError
from firmware_py.ledger import Ledger, LedgerDamaged
from firmware_py.template import load_logo
from kiosk.values import CardId, MemberId
from tests.firmware_py.ledgers import at, check_in, job_of, person
from tests.fuzz.limits import bounded, fuzzed, process_mb, told
from tests.fuzz.mutants import hexes, json_values, mutants

WIDE = profile("generic-80")


def picture(form: str, mode: str = "L", size: tuple[int, int] = (60, 40), **options: Any) -> bytes:
    """Return a picture file, black in its middle."""
    image = Image.new(mode, size, "white" if mode != "P" else 1)
    image.paste(Image.new(mode, (size[0] // 2, size[1] // 2)), (5, 5))
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


PICTURES = [
    *(picture("PNG", mode) for mode in ("L", "RGBA", "1", "I;16", "P")),
    *(picture("GIF", "P"), picture("BMP", "RGB"), picture("JPEG", "RGB"), picture("JPEG", "CMYK", progressive=True)),
]
CHUNKS = [
    *b"IHDR IDAT IEND PLTE tRNS zTXt iCCP acTL GIF89a BM".split(),
    *hexes("00000001 FFFFFFFF FFD8 FFDA FFC2 21F904 2C 7FFFFFFF 00"),
]
LARGE = {
    "the largest": ("PNG", "L", (565, 565)),
    "the largest in colours": ("PNG", "RGBA", (565, 565)),
    "wide": ("PNG", "RGB", (800, 400)),
    "JPEG in all colours": ("JPEG", "CMYK", (565, 565)),
    "too large": ("PNG", "1", (20_000, 20_000)),
    "far too wide": ("PNG", "1", (60_000, 10)),
    "larger": ("PNG", "RGBA", (3_000, 3_000)),
    "BMP": ("BMP", "RGB", (565, 565)),
    "GIF": ("GIF", "P", (565, 565)),
}


@fuzzed(150)
@given(data=mutants(PICTURES, CHUNKS, 4))
def test_whatever_a_logo_is_it_is_read_or_told(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "logo.png"
        path.write_bytes(data)
        bounded(lambda: told(lambda: load_logo(path, WIDE), ConfigError), process_mb)


@pytest.mark.parametrize("name", LARGE)
def test_no_size_of_a_logo_takes_much(name: str, tmp_path: Path) -> None:
    form, mode, size = LARGE[name]
    path = tmp_path / "logo.png"
    path.write_bytes(picture(form, mode, size, **({"progressive": True, "quality": 100} if form == "JPEG" else {})))
    bounded(lambda: told(lambda: load_logo(path, WIDE), ConfigError), process_mb)


FINDINGS = [
    msgspec.json.encode(
        Findings(
            connection="usb-04b8",
            heard=Heard(questions=(1, 2, 3, 4), completion="gs_r", baud=19_200),
            seen=Seen(code_pages={"cp858": 19, "cp437": 0}, native_qr=True, left_dots=8),
        )
    ),
    b'{"connection":"x"}',
]
JSON_PIECES = [
    *rb"""{ } [ ] , : " \ \u0000 \ud800 1 -1 1e999 null "" "x":[], cp858 base64 ../x""".split(),
    b"\xff",
    b"[" * 2_000,
]


@fuzzed(150)
@given(data=mutants(FINDINGS, JSON_PIECES))
@example(data=FINDINGS[0].replace(b"cp437", b"cp\\u0000"))
@example(data=FINDINGS[0].replace(b"cp437", b"base64"))
@example(data=FINDINGS[0].replace(b"cp437", "\u0661".encode()))
@example(data=b'{"connection":' + b"[" * 50_000)
@example(data=b'{"connection":"' + b"x" * 2_000_000 + b'"}')
def test_whatever_the_findings_say_they_are_read_or_told(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        config = parse(
            f'[cafe]\nname = "x"\n[ledger]\npath = "{folder}/ledger.db"\n'
            '[[zone]]\nid = "a"\nname = "A"\nsymbol = "star"\ncolour = "red"\n[reader.a]\ndriver = "fake"\n'
            '[printer]\ndriver = "escpos"\nconnection = "usb"\nprofile = "generic-58"\n'
        )
        file = FindingsFile(config)
        file.path.parent.mkdir()
        file.path.write_bytes(data)
        found = bounded(lambda: told(file.read, FindingsError))
        for codec in found.seen.code_pages if found is not None and found.seen is not None else ():
            "Å".encode(codec, "replace")


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with TemporaryDirectory() as folder:
        ledger = Ledger.open(Path(folder) / "ledger.db")
        ledger.put_members([person(1)])
        ledger.bind_card(CardId("5e" * 32), MemberId("p1"))
        visit = check_in(ledger, 1, 1, at(1))
        check_in(ledger, 3, 1, at(3), job_of(visit, 2))
        yield ledger
        ledger.close()


KEYS = [b"fikatap venue key\n# Keep it.\nid: abcdefgh\nkey: " + b"A" * 52 + b"\n"]
KEY_PIECES = [b"id: ", b"key: ", b"=", b"A", b"1", b"\n", b"\x00", b"\xff", "ß".encode(), "é".encode(), "\u2028".encode(), b" "]


@fuzzed(150)
@given(data=mutants(KEYS, KEY_PIECES))
def test_whatever_the_file_of_the_key_says_it_is_told(ledger: Ledger, data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "venue.key"
        path.write_bytes(data)
        bounded(lambda: told(lambda: VenueKey(path).open(ledger), VenueKeyError))
        text = data.decode("utf-8", "replace")
        bounded(lambda: told(lambda: VenueKey(path).adopt(text, ledger), VenueKeyError))


def test_a_good_key_is_taken(tmp_path: Path) -> None:
    """Else the test above would show nothing."""
    with TemporaryDirectory() as folder:
        fresh = Ledger.open(Path(folder) / "ledger.db")
        text = VenueKey(tmp_path / "a.key").open(fresh).export()
        assert bounded(lambda: told(lambda: VenueKey(tmp_path / "b.key").adopt(text, fresh), VenueKeyError)) is None
        assert VenueKey(tmp_path / "b.key").open(fresh).export() == text
        fresh.close()


ROWS = ("profile", "members"), ("badge", "jobs"), ("met", "visits")
GOOD_ROWS = [
    b'{"id":"p1","first_name":"P","language":"en","consents":{"name":true}}',
    b'[{"member":"p2","name":"Bo","topics":["x"]}]',
    b'{"id":"t1-x-2","visit":"t1-x-1","member":"p1","badge":null,"queued":{"boot_id":"b","boot_ms":1},"process_id":2,"later":[1]}',
]


@fuzzed(60)
@given(row=st.sampled_from(ROWS), data=st.one_of(mutants(GOOD_ROWS, JSON_PIECES), json_values.map(msgspec.json.encode)))
@example(row=("badge", "jobs"), data=GOOD_ROWS[2].replace(b"t1-x-2", b"t1-x-?"))
def test_whatever_stands_in_a_row_of_the_ledger_it_is_read_or_the_ledger_is_damaged(
    ledger: Ledger, row: tuple[str, str], data: bytes
) -> None:
    column, table = row
    run = ledger._connection.execute
    run("SAVEPOINT fuzz")
    try:
        try:
            run(f"UPDATE {table} SET {column} = CAST(? AS TEXT)", (data,))
        except apsw.Error:
            return  # the schema does not take it
        holder, member = lambda: ledger.holder(CardId("5e" * 32)), lambda: ledger.member(MemberId("p1"))
        for read in (ledger.jobs, ledger.members, ledger.notices, holder, member):
            bounded(lambda read=read: told(read, LedgerDamaged))  # type: ignore[misc]
    finally:
        run("ROLLBACK TO fuzz")
        run("RELEASE fuzz")
