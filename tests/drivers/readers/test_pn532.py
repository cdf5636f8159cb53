"""What is odd about nfcpy and the PN532, and that it does no harm."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import DeviceGarbled, DeviceLost, DeviceMissing, DeviceSilent
from drivers.ports import Kind, MessageState, PresentedCard
from drivers.readers.pn532 import Pn532Reader
from tests.rigs.cards import VirtualCard, text_message
from tests.rigs.pn532 import Pn532

READ_S = 10.0
"""How long a card may take to be read here: other tests use the machine, too."""
ANNA = bytes.fromhex("04A1B2C3D4E5F6")
HELLO = text_message("hello")
PRESENTED = PresentedCard(ANNA, state=MessageState.READ, message=HELLO)
LYING = PresentedCard(ANNA, state=MessageState.READ, message=HELLO, lying=True)
IN_LIST_PASSIVE_TARGET, RF_CONFIGURATION = 0x4A, 0x32
SLOW_DOWN = bytes.fromhex("0000FF03FDD410041800")
HALF_A_FRAME = bytes.fromhex("0000FF FFFF 0109 F6 D4 42")
"""The beginning of the longest frame that there is."""
TERMINAL = """
import sys
from drivers.readers.pn532 import Pn532Reader
reader = Pn532Reader(Pn532Reader.Settings(path=sys.argv[1]))
reader.open()
print("open", flush=True)
while True:
    reader.wait_for_card(1)
"""


@pytest.fixture
def chip() -> Iterator[Pn532]:
    with Pn532() as made:
        yield made


@pytest.fixture
def reader(chip: Pn532) -> Iterator[Pn532Reader]:
    made = opened(chip)
    yield made
    made.close()


def opened(chip: Pn532, read_deadline_s: float = READ_S) -> Pn532Reader:
    made = Pn532Reader(Pn532Reader.Settings(path=chip.path, read_deadline_s=read_deadline_s))
    made.open()
    return made


@pytest.mark.parametrize("ats", ["01", "0200", "037880", "032080", "0478 80 70", "06 75 77 81 02 80"])
def test_a_short_answer_to_select_is_enough(chip: Pn532, reader: Pn532Reader, ats: str) -> None:
    chip.touch(VirtualCard(ANNA, HELLO, 4, ats=bytes.fromhex(ats)))
    assert reader.wait_for_card(5) == PRESENTED


def test_read_binary_that_brings_nothing_is_refused(chip: Pn532, reader: Pn532Reader) -> None:
    chip.touch(VirtualCard(ANNA, HELLO, 4, empty_reads=True))
    shown = reader.wait_for_card(5)
    assert isinstance(shown, PresentedCard)
    assert shown.state is MessageState.REFUSED


def test_a_card_that_asks_for_more_time_for_ever_is_refused_at_the_deadline(chip: Pn532) -> None:
    reader = opened(chip, 0.3)
    began = time.monotonic()
    chip.touch(VirtualCard(ANNA, HELLO, 4, always_busy=True))
    shown = reader.wait_for_card(5)
    took = time.monotonic() - began
    reader.close()
    assert isinstance(shown, PresentedCard)
    assert (shown.state, shown.why) == (MessageState.REFUSED, "it was not read within 0.3 s")
    assert took < 5


def test_a_tag_that_refuses_its_memory_is_refused_and_not_torn(chip: Pn532, reader: Pn532Reader) -> None:
    chip.touch(VirtualCard(ANNA, HELLO, closed_from=4))
    shown = reader.wait_for_card(5)
    assert isinstance(shown, PresentedCard)
    assert (shown.state, shown.why) == (MessageState.REFUSED, "the card does not let page 4 be read")


def test_a_memory_card_of_another_kind_has_no_message(chip: Pn532, reader: Pn532Reader) -> None:
    chip.touch(VirtualCard(ANNA[:4], type=0))
    assert reader.wait_for_card(5) == PresentedCard(ANNA[:4])


def test_a_held_phone_is_presented_once_though_its_uid_changes(chip: Pn532, reader: Pn532Reader) -> None:
    chip.touch(VirtualCard(bytes.fromhex("08000000"), HELLO, 4, sak=0x60, random_uid=True))
    shown = reader.wait_for_card(5)
    assert isinstance(shown, PresentedCard)
    assert shown.kind is Kind.PHONE
    assert reader.wait_for_card(0.2) is None
    chip.touch(VirtualCard(ANNA, HELLO))
    assert reader.wait_for_card(5) == PRESENTED


def test_a_uid_of_a_strange_length_is_no_card(chip: Pn532, reader: Pn532Reader) -> None:
    chip.touch(VirtualCard(ANNA[:5], HELLO))
    assert not isinstance(reader.wait_for_card(0.1), PresentedCard)


def test_a_chip_that_does_not_answer_is_silent(chip: Pn532, reader: Pn532Reader) -> None:
    chip.hang()
    with pytest.raises(DeviceSilent):
        reader.wait_for_card(5)


def test_a_chip_that_babbles_is_garbled(chip: Pn532, reader: Pn532Reader) -> None:
    chip.babble(bytes.fromhex("0000FF00FF00 1337"))
    with pytest.raises(DeviceGarbled):
        reader.wait_for_card(5)


def test_a_frame_with_a_wrong_checksum_is_garbled(chip: Pn532, reader: Pn532Reader) -> None:
    chip.babble(bytes.fromhex("0000FF00FF00 0000FF02FED5330000"))
    with pytest.raises(DeviceGarbled):
        reader.wait_for_card(5)


def test_a_line_without_a_chip_is_a_missing_reader(chip: Pn532) -> None:
    chip.hang()
    with pytest.raises(DeviceMissing, match="no PN532 answers"):
        Pn532Reader(Pn532Reader.Settings(path=chip.path)).open()


def test_what_is_not_a_line_is_a_missing_reader(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(DeviceMissing, match=str(path)):
            Pn532Reader(Pn532Reader.Settings(path=str(path))).open()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceMissing):
        Pn532Reader(Pn532Reader.Settings(path=str(tmp_path / "file"))).open()


def test_a_lost_line_is_let_go(chip: Pn532, reader: Pn532Reader) -> None:
    chip.vanish()
    with pytest.raises(DeviceLost):
        reader.wait_for_card(5)
    reader.close()
    held = {_target(fd).removesuffix(" (deleted)") for fd in Path("/proc/self/fd").iterdir()}
    assert chip.path not in held


def _target(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except FileNotFoundError:  # the listing's own descriptor
        return ""


def test_a_chip_can_be_opened_again_and_again(chip: Pn532) -> None:
    for _ in range(3):
        reader = opened(chip)
        chip.touch(VirtualCard(ANNA, HELLO))
        assert reader.wait_for_card(5) == PRESENTED
        chip.lift()
        reader.close()


def test_taps_in_a_row_are_each_presented(chip: Pn532, reader: Pn532Reader) -> None:
    for n in range(5):
        uid = bytes((4, 0, 0, 0, 0, 0, n))
        chip.touch(VirtualCard(uid, HELLO, 4))
        shown = reader.wait_for_card(5)
        assert isinstance(shown, PresentedCard)
        assert shown.uid == uid


@contextmanager
def killed(chip: Pn532) -> Iterator[None]:
    """Have the reader open in a process of its own, and kill that."""
    with subprocess.Popen([sys.executable, "-c", TERMINAL, chip.path], stdout=subprocess.PIPE) as terminal:
        try:
            assert terminal.stdout is not None
            assert terminal.stdout.readline() == b"open\n"
            yield
        finally:
            terminal.kill()


def say(chip: Pn532, data: bytes, speed: int) -> None:
    """Write to the line and be gone."""
    line = os.open(chip.path, os.O_RDWR | os.O_NOCTTY)
    traits = termios.tcgetattr(line)
    traits[4] = traits[5] = speed
    termios.tcsetattr(line, termios.TCSANOW, traits)
    os.write(line, data)
    os.close(line)


def finds_a_card(chip: Pn532) -> bool:
    """Open the reader once; tell whether it reads a card."""
    reader = opened(chip)
    chip.touch(VirtualCard(ANNA, HELLO))
    shown = reader.wait_for_card(5)
    chip.lift()
    reader.close()
    return shown == PRESENTED


def test_a_chip_whose_terminal_was_killed_is_opened_at_once(chip: Pn532) -> None:
    for _ in range(2):
        with killed(chip):
            pass
        assert finds_a_card(chip)


def test_a_chip_whose_terminal_was_killed_while_it_looked_for_a_card_is_opened_at_once(chip: Pn532) -> None:
    with killed(chip):
        chip.dawdle(IN_LIST_PASSIVE_TARGET)
        assert chip.busy.wait(30)
    assert finds_a_card(chip)


def test_a_chip_whose_terminal_was_killed_in_the_middle_of_a_frame_is_opened_at_once(chip: Pn532) -> None:
    with killed(chip):
        pass
    say(chip, HALF_A_FRAME, termios.B921600)
    assert finds_a_card(chip)


@pytest.mark.parametrize("speed", [115_200, 230_400, 460_800, 921_600])
def test_a_chip_is_found_at_every_speed_that_nfcpy_may_have_left_it_at(chip: Pn532, speed: int) -> None:
    chip.left_at(speed)
    say(chip, HALF_A_FRAME, getattr(termios, f"B{speed}"))
    assert finds_a_card(chip)


def test_a_chip_that_was_asked_to_slow_down_and_never_told_to_is_opened_at_once(chip: Pn532) -> None:
    chip.left_at(921_600)
    say(chip, SLOW_DOWN, termios.B921600)
    assert finds_a_card(chip)


def test_a_chip_that_stops_in_the_middle_of_the_opening_is_opened_at_once(chip: Pn532) -> None:
    chip.dawdle(RF_CONFIGURATION)  # after nfcpy has raised its speed
    assert finds_a_card(chip)


def test_a_chip_that_lost_its_power_is_silent_and_opened_at_once(chip: Pn532, reader: Pn532Reader) -> None:
    chip.power_cycle()
    with pytest.raises(DeviceSilent):
        reader.wait_for_card(5)
    reader.close()
    assert finds_a_card(chip)


def test_a_chip_that_was_closed_is_not_looked_for_at_other_speeds(chip: Pn532) -> None:
    for _ in range(3):
        assert finds_a_card(chip)
    assert chip.noise == 0


def test_a_chip_that_missed_one_command_is_opened_at_once_and_its_card_is_lying(chip: Pn532, reader: Pn532Reader) -> None:
    chip.touch(VirtualCard(ANNA, HELLO))
    assert reader.wait_for_card(5) == PRESENTED
    chip.miss()
    with pytest.raises(DeviceSilent):
        reader.wait_for_card(5)
    reader.close()
    again = opened(chip)
    assert again.wait_for_card(5) == LYING
    assert chip.noise == 0
    again.close()
