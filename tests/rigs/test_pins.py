"""The board of pins shows what another process does with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rigs.pins import PinBoard

PROGRAM = """
import sys
from gpiozero import LED, TonalBuzzer
from gpiozero.tones import Tone
led, buzzer = LED(17), TonalBuzzer(18)
led.on()
sys.stdin.readline()
led.blink(0.1, 0.1, n=2, background=False)
buzzer.play(Tone(440.0))
sys.stdin.readline()
"""


def test_a_program_in_another_process_drives_the_boards_pins(tmp_path: Path) -> None:
    with PinBoard(tmp_path) as board:
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=os.environ | board.environment, stdin=subprocess.PIPE, cwd=tmp_path
        )
        assert program.stdin is not None
        board.until(pin=17, value=1)
        assert board.value(18) == 0
        program.stdin.write(b"\n")
        program.stdin.flush()
        board.until(pin=18, value=0.5)
        assert [change.value for change in board.of(17)] == [1, 0, 1, 0]
        assert board.of(18)[-1].hz == 440
        program.communicate(b"\n", timeout=10)
        board.until(pin=18, value=0)
        assert program.returncode == 0


def test_a_wait_in_vain_says_what_was_seen(tmp_path: Path) -> None:
    with PinBoard(tmp_path) as board, pytest.raises(TimeoutError, match="GPIO 17 = 1"):
        board.until(pin=17, value=1, timeout=0.05)
