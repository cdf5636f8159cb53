"""What the fake reader's hand can do, and when."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from drivers.errors import DeviceLost, DeviceMissing, DeviceSilent
from drivers.ports import PresentedCard, TornRead
from drivers.readers.fake import FakeReader, ReaderHand

ANNA, BO = PresentedCard(bytes.fromhex("04A1B2C3D4E5F6")), PresentedCard(bytes.fromhex("04B0B0B0B0B0B0"))


@pytest.fixture
def reader() -> FakeReader:
    made = FakeReader(FakeReader.Settings(name=uuid4().hex))
    made.open()
    return made


@pytest.fixture
def hand(reader: FakeReader) -> ReaderHand:
    return FakeReader.hand(reader.describe().split("'")[1])


def test_a_tapped_card_waits_to_be_read(reader: FakeReader, hand: ReaderHand) -> None:
    hand.tap(ANNA)
    hand.tap(BO)
    assert [reader.wait_for_card(0) for _ in range(3)] == [ANNA, BO, None]


def test_a_torn_read_is_one_and_leaves_no_card(reader: FakeReader, hand: ReaderHand) -> None:
    hand.tear()
    assert [reader.wait_for_card(0) for _ in range(2)] == [TornRead(), None]


def test_a_card_tapped_while_the_reader_is_closed_is_seen_by_nobody(reader: FakeReader, hand: ReaderHand) -> None:
    reader.close()
    hand.tap(ANNA)
    reader.open()
    assert reader.wait_for_card(0) is None


def test_an_unplugged_reader_stays_dead_until_it_is_opened_again(reader: FakeReader, hand: ReaderHand) -> None:
    hand.touch(ANNA)
    hand.unplug()
    with pytest.raises(DeviceLost):
        reader.wait_for_card(5)
    with pytest.raises(DeviceMissing):
        reader.open()
    hand.plug()
    with pytest.raises(DeviceLost):
        reader.wait_for_card(0)
    reader.open()
    assert reader.wait_for_card(0) == PresentedCard(ANNA.uid, lying=True)


def test_unplugging_ends_a_wait(reader: FakeReader, hand: ReaderHand) -> None:
    seen: list[DeviceLost] = []

    def wait() -> None:
        try:
            reader.wait_for_card(30)
        except DeviceLost as error:
            seen.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    hand.until_waited_for()
    hand.unplug()
    waiting.join(5)
    assert len(seen) == 1


def test_a_hung_reader_holds_the_call_past_its_time(reader: FakeReader, hand: ReaderHand) -> None:
    hand.hang()
    hand.touch(ANNA)
    seen: list[object] = []
    waiting = threading.Thread(target=lambda: seen.append(reader.wait_for_card(0)))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    hand.resume()
    waiting.join(5)
    assert seen == [ANNA]


def test_a_hand_notices_that_nobody_waits(reader: FakeReader, hand: ReaderHand) -> None:
    assert reader.wait_for_card(0) is None
    with pytest.raises(TimeoutError):
        hand.until_waited_for(0.01)


def test_a_name_has_one_hand() -> None:
    assert FakeReader.hand("door") is FakeReader.hand("door")
    assert FakeReader.hand("door") is not FakeReader.hand("desk")


def test_an_ailing_reader_raises_what_ails_it_until_it_recovers(reader: FakeReader, hand: ReaderHand) -> None:
    ailment = DeviceSilent("it says nothing")
    threading.Timer(0.05, hand.ail, [ailment]).start()
    with pytest.raises(DeviceSilent, match="it says nothing"):
        reader.wait_for_card(5)
    with pytest.raises(DeviceSilent):
        reader.open()
    hand.recover()
    reader.open()
    hand.tap(ANNA)
    assert reader.wait_for_card(5) == ANNA
