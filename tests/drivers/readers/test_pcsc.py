"""What is odd about PC/SC, and that it does no harm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.errors import DeviceLost, DeviceMissing
from drivers.ports import Kind, MessageState, PresentedCard, TornRead
from drivers.readers.pcsc import PcscReader
from tests.rigs.cards import VirtualCard, text_message
from tests.rigs.pcsc import READER, PrivatePcscd

ANNA = bytes.fromhex("04A1B2C3D4E5F6")
HELLO = text_message("hello")
READ_S = 10.0
"""How long a card may take to be read here: other tests use the machine, too."""
LONG = bytes.fromhex("C10100000300") + b"T" + bytes(768)
PRESENTED = PresentedCard(ANNA, state=MessageState.READ, message=HELLO)


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[PrivatePcscd]:
    with PrivatePcscd(tmp_path) as made:
        made.here()
        yield made


@pytest.fixture
def reader(pcscd: PrivatePcscd) -> Iterator[PcscReader]:
    assert pcscd.socket.exists()
    made = opened()
    yield made
    made.close()


def opened() -> PcscReader:
    made = PcscReader(PcscReader.Settings(read_deadline_s=READ_S))
    made.open()
    return made


def lost(wait: Callable[[], object]) -> tuple[threading.Thread, list[DeviceLost]]:
    seen: list[DeviceLost] = []

    def run() -> None:
        try:
            wait()
        except DeviceLost as error:
            seen.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, seen


def test_a_pcscd_that_dies_ends_the_wait(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    assert reader.wait_for_card(0) is None
    waiting, seen = lost(lambda: reader.wait_for_card(30))
    waiting.join(0.2)  # surely blocked by now
    pcscd.kill()
    waiting.join(5)
    assert len(seen) == 1


def test_waiting_costs_nothing(reader: PcscReader) -> None:
    # What a reader that was plugged in counts differs between versions of pcscd; handed back wrongly, each wait ends at once.
    began = time.thread_time()
    assert reader.wait_for_card(1.0) is None
    assert time.thread_time() - began < 0.1


def test_a_pcscd_that_died_meanwhile_is_noticed(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.kill()
    with pytest.raises(DeviceLost):
        reader.wait_for_card(0)


def test_a_connection_stays_dead_when_pcscd_is_back_and_a_new_one_reads_the_lying_card(
    pcscd: PrivatePcscd, reader: PcscReader
) -> None:
    pcscd.touch(VirtualCard(ANNA, HELLO))
    assert reader.wait_for_card(5) == PRESENTED
    pcscd.kill()
    pcscd.start()
    with pytest.raises(DeviceLost):
        reader.wait_for_card(0)
    reader.close()
    again = opened()
    shown = again.wait_for_card(5)
    again.close()
    assert shown == PresentedCard(ANNA, state=MessageState.READ, message=HELLO, lying=True)


def test_without_a_pcscd_the_reader_is_missing(pcscd: PrivatePcscd) -> None:
    pcscd.kill()
    with pytest.raises(DeviceMissing, match="0x8010001d"):
        opened()


def test_a_pcscd_without_readers_is_a_missing_reader(pcscd: PrivatePcscd) -> None:
    pcscd.kill()
    pcscd.start(reader=False)
    with pytest.raises(DeviceMissing, match="pcscd knows none"):
        opened()


@pytest.mark.usefixtures("pcscd")
def test_a_reader_is_chosen_by_a_part_of_its_name() -> None:
    chosen = PcscReader(PcscReader.Settings(reader="Test Reader"))
    chosen.open()
    chosen.close()
    assert READER in chosen.describe()
    with pytest.raises(DeviceMissing, match=f"no reader called 'ACR'; pcscd knows '{READER}'"):
        PcscReader(PcscReader.Settings(reader="ACR")).open()


def test_a_hung_pcscd_holds_the_call(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.freeze()
    waiting = threading.Thread(target=lambda: reader.wait_for_card(0.1))
    waiting.start()
    waiting.join(0.5)
    held = waiting.is_alive()
    pcscd.resume()
    waiting.join(5)
    assert (held, waiting.is_alive()) == (True, False)


@pytest.mark.parametrize(("tag_type", "answers"), [(2, 0), (2, 1), (4, 0), (4, 1), (4, 4), (4, 5)])
def test_a_reply_without_a_status_word_is_a_torn_read(
    pcscd: PrivatePcscd, reader: PcscReader, tag_type: int, answers: int
) -> None:
    pcscd.swallow_status()
    pcscd.touch(VirtualCard(ANNA, HELLO, tag_type, tears_after=answers))
    assert reader.wait_for_card(5) == TornRead()


@pytest.mark.parametrize("tag_type", [2, 4])
def test_a_uid_told_without_a_card_is_a_torn_read(pcscd: PrivatePcscd, reader: PcscReader, tag_type: int) -> None:
    pcscd.touch(VirtualCard(ANNA, HELLO, tag_type, stale_uid=True, tears_after=0))
    assert reader.wait_for_card(5) == TornRead()


def test_a_uid_told_without_a_card_that_holds_no_message_is_a_torn_read(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA[:4], type=0, ghost_after=1))
    assert reader.wait_for_card(5) == TornRead()


def test_a_card_that_went_while_its_reader_answered_for_it_is_a_torn_read(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA, LONG, ghost_after=3, delay_s=0.01))  # 0.5 s to notice that it went
    assert reader.wait_for_card(5) == TornRead()


def test_a_card_half_on_the_reader_is_one_torn_read(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA, HELLO, mute=True))
    assert reader.wait_for_card(5) == TornRead()
    assert reader.wait_for_card(0.1) is None
    pcscd.touch(VirtualCard(ANNA, HELLO))
    assert reader.wait_for_card(5) == PRESENTED


def test_a_card_that_lay_half_on_the_reader_is_read_once_it_lies_there(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    card = VirtualCard(ANNA, HELLO, mute=True)
    pcscd.touch(card)
    card.mute = False
    assert reader.wait_for_card(5) == PRESENTED


def test_a_swap_for_a_card_with_the_same_answer_to_reset_is_noticed(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA, HELLO, 4))
    assert reader.wait_for_card(5) == PRESENTED
    for _ in range(3):
        pcscd.touch(VirtualCard(ANNA, HELLO, 4))
        assert reader.wait_for_card(0) == PRESENTED


def test_a_tag_that_closes_its_memory_is_refused_and_not_torn(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA, HELLO, closed_from=4))
    shown = reader.wait_for_card(5)
    assert isinstance(shown, PresentedCard)
    assert (shown.state, shown.why) == (MessageState.REFUSED, "the card does not let page 4 be read")


def test_a_memory_card_of_another_kind_has_no_message(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA[:4], type=0))
    assert reader.wait_for_card(5) == PresentedCard(ANNA[:4])


def test_a_phone_is_not_asked_for_a_message(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    phone = VirtualCard(bytes.fromhex("08010203"), HELLO, 4)
    pcscd.touch(phone)
    assert reader.wait_for_card(5) == PresentedCard(phone.uid, Kind.PHONE)
    assert phone.answers == 1


def test_a_uid_of_a_strange_length_is_no_card(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA[:5], HELLO))
    assert reader.wait_for_card(5) == TornRead()


def descriptors() -> set[str]:
    """Return which files and sockets this process has open."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own, and the far side's, which closes in its own time
            found.add(str(each.readlink()))
    return found


@pytest.mark.usefixtures("pcscd")
def test_a_closed_reader_leaves_nothing_open() -> None:
    opened().close()  # what the library keeps for itself from the first time on is not the reader's
    before = descriptors()
    for _ in range(3):
        opened().close()
    left, until = descriptors() - before, time.monotonic() + READ_S
    while left and time.monotonic() < until:
        left &= descriptors()  # the far side's go, with each call of pcscd
    assert left == set()


def test_a_slow_card_is_refused_at_the_deadline(pcscd: PrivatePcscd) -> None:
    reader = PcscReader(PcscReader.Settings(read_deadline_s=1.0))
    reader.open()
    card = VirtualCard(ANNA, LONG, delay_s=0.1)
    pcscd.touch(card)
    shown = reader.wait_for_card(5)
    reader.close()
    assert isinstance(shown, PresentedCard)
    assert (shown.uid, shown.state, shown.why) == (ANNA, MessageState.REFUSED, "it was not read within 1.0 s")
    assert card.answers <= 11


def test_a_card_that_is_connected_to_after_the_deadline_is_known_all_the_same(pcscd: PrivatePcscd) -> None:
    reader = PcscReader(PcscReader.Settings(read_deadline_s=1e-6))  # shorter than any connection takes
    reader.open()
    pcscd.touch(VirtualCard(ANNA, HELLO))
    shown = reader.wait_for_card(5)
    reader.close()
    assert shown == PresentedCard(ANNA, state=MessageState.REFUSED, why="it was not read within 1e-06 s")


def test_read_binary_that_brings_nothing_is_refused(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    pcscd.touch(VirtualCard(ANNA, HELLO, 4, empty_reads=True))
    shown = reader.wait_for_card(5)
    assert isinstance(shown, PresentedCard)
    assert shown.state is MessageState.REFUSED


def tap_all(pcscd: PrivatePcscd, uids: list[bytes]) -> None:
    for uid in uids:
        pcscd.tap(VirtualCard(uid, HELLO))


def test_many_taps_in_a_row_are_each_presented(pcscd: PrivatePcscd, reader: PcscReader) -> None:
    uids = [bytes((4, 0, 0, 0, 0, 0, n)) for n in range(10)]
    hand = threading.Thread(target=lambda: tap_all(pcscd, uids))
    hand.start()
    seen: list[bytes] = []
    while len(seen) < len(uids):
        shown = reader.wait_for_card(5)
        assert isinstance(shown, PresentedCard)
        seen.append(shown.uid)
    hand.join(5)
    assert seen == uids
