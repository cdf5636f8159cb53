"""What every implementation of CardReader does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from drivers.errors import DeviceLost, DeviceMissing
from drivers.ports import CardReader, Kind, MessageState, PresentedCard, TornRead
from drivers.readers import tags
from drivers.readers.fake import FakeReader
from drivers.readers.pcsc import PcscReader
from drivers.readers.pn532 import Pn532Reader
from tests.rigs.cards import Gone, VirtualCard, text_message
from tests.rigs.pcsc import PrivatePcscd
from tests.rigs.pn532 import Pn532

ANNA, BO = bytes.fromhex("04A1B2C3D4E5F6"), bytes.fromhex("04B0B0B0B0B0B0")
HELLO = text_message("hello")
LONG, SHORT = 20.0, 0.15
READ_S = 10.0
"""How long a card may take to be read here: other tests use the machine, too."""


class Door(Protocol):
    """A place with one card reader, and somebody's hand."""

    sees_the_past: bool
    """Whether a card that came and went while nobody waited leaves a trace."""

    def make(self) -> CardReader: ...
    def touch(self, card: VirtualCard) -> None: ...
    def lift(self) -> None: ...
    def unplug(self) -> None: ...


class FakeDoor:
    sees_the_past = True

    def __init__(self) -> None:
        self._settings = FakeReader.Settings(name=uuid4().hex)
        self._hand = FakeReader.hand(self._settings.name)

    def make(self) -> CardReader:
        return FakeReader(self._settings)

    def touch(self, card: VirtualCard) -> None:
        card.laid()
        try:
            self._hand.touch(tags.presented(card.uid, self._message(card)))
        except Gone:
            self._hand.tear()

    def _message(self, card: VirtualCard) -> tags.Message:
        if card.type == 4:
            return tags.follow(tags.type4(), card.apdu)
        return tags.follow(tags.type2(), lambda page: card.page(page) or b"")

    def lift(self) -> None:
        self._hand.lift()

    def unplug(self) -> None:
        self._hand.unplug()


class PcscDoor:
    sees_the_past = True

    def __init__(self, pcscd: PrivatePcscd) -> None:
        self._pcscd = pcscd
        self.touch, self.lift, self.unplug = pcscd.touch, pcscd.lift, pcscd.unplug

    def make(self) -> CardReader:
        return PcscReader(PcscReader.Settings(read_deadline_s=READ_S))


class Pn532Door:
    # The chip is asked what is in its field now; it remembers nothing.
    sees_the_past = False

    def __init__(self, chip: Pn532) -> None:
        self._path = chip.path
        self.touch, self.lift, self.unplug = chip.touch, chip.lift, chip.vanish

    def make(self) -> CardReader:
        return Pn532Reader(Pn532Reader.Settings(path=self._path, read_deadline_s=READ_S))


@pytest.fixture(params=["fake", "pcsc", "pn532"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    match request.param:
        case "fake":
            yield FakeDoor()
        case "pcsc":
            with PrivatePcscd(tmp_path) as pcscd:
                pcscd.here()
                yield PcscDoor(pcscd)
        case _:
            with Pn532() as chip:
                yield Pn532Door(chip)


@pytest.fixture
def reader(door: Door) -> Iterator[CardReader]:
    made = door.make()
    made.open()
    yield made
    made.close()


def card(uid: bytes = ANNA, ndef: bytes | None = HELLO, type: int = 2, **traits: object) -> VirtualCard:  # noqa: A002  the card's own word
    return VirtualCard(uid, ndef, type, **traits)  # type: ignore[arg-type]


@pytest.mark.parametrize("tag_type", [2, 4])
def test_a_card_is_read_as_uid_and_message(door: Door, reader: CardReader, tag_type: int) -> None:
    door.touch(card(type=tag_type))
    assert reader.wait_for_card(LONG) == PresentedCard(ANNA, state=MessageState.READ, message=HELLO)


@pytest.mark.parametrize("tag_type", [2, 4])
def test_a_long_message_is_read_whole(door: Door, reader: CardReader, tag_type: int) -> None:
    message = bytes.fromhex("C10100000300") + b"T" + bytes(n % 251 for n in range(768))
    door.touch(card(ndef=message, type=tag_type))
    assert reader.wait_for_card(LONG) == PresentedCard(ANNA, state=MessageState.READ, message=message)


@pytest.mark.parametrize("tag_type", [2, 4])
def test_a_card_without_a_message_is_a_card(door: Door, reader: CardReader, tag_type: int) -> None:
    door.touch(card(ndef=None, type=tag_type))
    assert reader.wait_for_card(LONG) == PresentedCard(ANNA)


@pytest.mark.parametrize("uid", [bytes.fromhex("12345678"), ANNA, bytes.fromhex("0102030405060708090A")])
def test_uids_have_4_7_or_10_bytes(door: Door, reader: CardReader, uid: bytes) -> None:
    door.touch(card(uid))
    shown = reader.wait_for_card(LONG)
    assert isinstance(shown, PresentedCard)
    assert (shown.uid, shown.kind) == (uid, Kind.CARD)


def test_a_random_uid_is_a_phone(door: Door, reader: CardReader) -> None:
    uid = bytes.fromhex("08796BEB")
    door.touch(card(uid, type=4, sak=0x60))
    shown = reader.wait_for_card(LONG)
    assert isinstance(shown, PresentedCard)
    assert (shown.uid, shown.kind) == (uid, Kind.PHONE)


def test_a_held_card_is_presented_once(door: Door, reader: CardReader) -> None:
    door.touch(card())
    assert reader.wait_for_card(LONG) is not None
    assert [reader.wait_for_card(SHORT) for _ in range(3)] == [None] * 3


def test_a_card_tapped_again_is_presented_again(door: Door, reader: CardReader) -> None:
    for _ in range(3):
        door.touch(card())
        assert reader.wait_for_card(LONG) == PresentedCard(ANNA, state=MessageState.READ, message=HELLO)
        door.lift()
        assert reader.wait_for_card(SHORT) is None


def test_a_card_in_place_of_another_is_presented_at_once(door: Door, reader: CardReader) -> None:
    door.touch(card(ANNA))
    first = reader.wait_for_card(LONG)
    door.touch(card(BO))  # while nobody waits
    second = reader.wait_for_card(LONG)
    assert isinstance(first, PresentedCard)
    assert isinstance(second, PresentedCard)
    assert (first.uid, second.uid) == (ANNA, BO)


def test_a_card_laid_down_while_nobody_waited_is_presented(door: Door, reader: CardReader) -> None:
    assert reader.wait_for_card(SHORT) is None
    door.touch(card())
    shown = reader.wait_for_card(0)
    assert isinstance(shown, PresentedCard)
    assert not shown.lying


def test_a_card_that_came_and_went_while_nobody_waited_leaves_a_trace_where_it_can(door: Door, reader: CardReader) -> None:
    door.touch(card())
    door.lift()
    shown = reader.wait_for_card(SHORT)
    assert (shown is not None) == door.sees_the_past
    assert reader.wait_for_card(SHORT) is None


def test_a_card_there_at_the_opening_is_lying(door: Door) -> None:
    door.touch(card())
    reader = door.make()
    reader.open()
    try:
        assert reader.wait_for_card(LONG) == PresentedCard(ANNA, state=MessageState.READ, message=HELLO, lying=True)
        assert reader.wait_for_card(SHORT) is None
        door.lift()
        assert reader.wait_for_card(SHORT) is None
        door.touch(card())
        assert reader.wait_for_card(LONG) == PresentedCard(ANNA, state=MessageState.READ, message=HELLO)
    finally:
        reader.close()


@pytest.mark.parametrize("tag_type", [2, 4])
@pytest.mark.parametrize("answers", [1, 2, 3])
def test_a_card_taken_away_too_soon_is_a_torn_read(door: Door, reader: CardReader, tag_type: int, answers: int) -> None:
    door.touch(card(ndef=text_message("x" * 200), type=tag_type, tears_after=answers))
    assert reader.wait_for_card(LONG) == TornRead()
    assert reader.wait_for_card(SHORT) is None
    door.touch(card(type=tag_type))
    assert reader.wait_for_card(LONG) == PresentedCard(ANNA, state=MessageState.READ, message=HELLO)


def test_a_length_of_200_kb_is_refused_at_once(door: Door, reader: CardReader) -> None:
    door.touch(card(type=4, wide=True, length=200_000))
    shown = reader.wait_for_card(LONG)
    assert isinstance(shown, PresentedCard)
    assert (shown.uid, shown.state, shown.message) == (ANNA, MessageState.REFUSED, b"")
    assert "200000" in shown.why  # and not that it took too long


def test_a_record_that_claims_200_kb_is_refused(door: Door, reader: CardReader) -> None:
    door.touch(card(ndef=bytes.fromhex("C10100030D40") + b"T" + bytes(20)))
    shown = reader.wait_for_card(LONG)
    assert isinstance(shown, PresentedCard)
    assert (shown.state, "200000" in shown.why) == (MessageState.REFUSED, True)


def test_no_card_is_none_when_the_time_is_over(reader: CardReader) -> None:
    began = time.monotonic()
    assert reader.wait_for_card(0.3) is None
    assert 0.29 <= time.monotonic() - began < LONG


def test_a_card_ends_a_wait(door: Door, reader: CardReader) -> None:
    came: list[object] = []
    waiting = threading.Thread(target=lambda: came.append(reader.wait_for_card(LONG)))
    waiting.start()
    door.touch(card())
    waiting.join(LONG)
    assert came == [PresentedCard(ANNA, state=MessageState.READ, message=HELLO)]


def test_a_reader_that_is_not_there_is_missing(door: Door) -> None:
    door.unplug()
    reader = door.make()
    with pytest.raises(DeviceMissing):
        reader.open()
    reader.close()


def test_a_reader_that_goes_is_lost(door: Door, reader: CardReader) -> None:
    assert reader.wait_for_card(0) is None
    door.unplug()
    with pytest.raises(DeviceLost):
        reader.wait_for_card(LONG)


def test_a_closed_reader_waits_for_nobody(door: Door) -> None:
    reader = door.make()
    with pytest.raises(DeviceLost):
        reader.wait_for_card(0)


def test_closing_never_raises(door: Door) -> None:
    reader = door.make()
    reader.close()
    reader = door.make()
    reader.open()
    door.touch(card())
    assert reader.wait_for_card(LONG) is not None
    reader.close()
    reader.close()
    reader = door.make()
    reader.open()
    door.unplug()
    reader.close()
    reader.close()


def test_a_reader_tells_what_it_is_in_one_line(reader: CardReader) -> None:
    assert "\n" not in reader.describe()
    assert len(reader.describe()) > 10
