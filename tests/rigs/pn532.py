"""A PN532 chip on a pseudo-terminal: the host's frames and commands of NXP UM0701-02, with a virtual card in its field.

The chip has a speed of its own, and what the line brings at another one is noise. A pty tells the line's speed of now, not
that of each byte, and loses what its host throws away right after writing it; see `_hear`.
"""

from __future__ import annotations

import os
import pty
import select
import termios
import threading
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.rigs.cards import HAND_S, Gone, VirtualCard

ACK = bytes.fromhex("0000FF00FF00")
START = b"\x00\x00\xff"
RX_MODE, FIFO_DATA = 0x6303, 0x6339
CRC_ON = 0x80
SENS_REQ = 0x26
BEGINNING = 115_200
"""The speed of a chip that was just given power, in baud."""
SPEEDS = (9_600, 19_200, 38_400, 57_600, BEGINNING, 230_400, 460_800, 921_600)
"""The speeds by their number in SetSerialBaudRate (7.2.8)."""
LINE_SPEEDS = {getattr(termios, f"B{speed}"): speed for speed in SPEEDS}
TIMED_OUT = b"\x01"
DONE = b"\x00"


def crc_a(data: bytes) -> bytes:
    """The checksum of ISO 14443-3 type A."""
    crc = 0x6363
    for byte in data:
        mixed = byte ^ (crc & 0xFF)
        mixed ^= (mixed << 4) & 0xFF
        crc = (crc >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)
    return crc.to_bytes(2, "little")


class Pn532:
    """A chip on a line of its own, and the hand that lays cards on it."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()  # held open, so that a host may close the line and open it again
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._lock = threading.Lock()
        self._card: VirtualCard | None = None
        self._contact: _Contact | None = None
        self._babble = b""
        self._garble: Callable[[bytes], bytes] = bytes
        self.busy = threading.Event()
        """Set while it is at a command that does not end, see `dawdle`."""
        self.noise = 0
        """How many bytes came at another speed than the chip's."""
        self.power_cycle()
        self._wake_r, self._wake_w = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.vanish()
        os.close(self._wake_r)
        os.close(self._wake_w)

    # the hand

    def touch(self, card: VirtualCard) -> None:
        """Lay a card on the reader, in place of the one there."""
        card.laid()
        with self._lock:
            self._card, self._contact = card, None

    def lift(self) -> None:
        """Take the card away."""
        with self._lock:
            self._card = self._contact = None

    def tap(self, card: VirtualCard, timeout: float = 30) -> None:
        """Lay a card on the reader, hold it until it was read, take it away."""
        self.touch(card)
        if not card.read.wait(timeout):
            raise TimeoutError(f"nobody read the card in {timeout} s")
        time.sleep(HAND_S)
        self.lift()

    def hang(self) -> None:
        """Answer nothing any more."""
        self._hung = True

    def babble(self, nonsense: bytes) -> None:
        """Answer this to everything."""
        self._babble = nonsense

    def garble(self, change: Callable[[bytes], bytes]) -> None:
        """Let the line do this to each answer, acknowledgement and all."""
        self._garble = change

    def power_cycle(self) -> None:
        """Take the chip's power away and give it back."""
        with self._lock:
            self._contact = None
            self._registers = {RX_MODE: CRC_ON}
            self._hung = False
            self._misses = False
            self._dawdles: int | None = None
            self.busy.clear()
            self._heard = b""
            self._speed = BEGINNING
            self._next_speed: int | None = None
            """What it was asked for, and takes at the host's ACK."""

    def left_at(self, speed: int) -> None:
        """Have this speed, in baud, from a host that is gone."""
        self._speed = speed

    def dawdle(self, command: int) -> None:
        """Be at this command for ever when it comes next, deaf to everything but the ACK that aborts it."""
        self._dawdles = command

    def miss(self) -> None:
        """Give no answer to the next command."""
        self._misses = True

    def vanish(self) -> None:
        """Pull the cable: the line is gone for good."""
        if self._thread.is_alive():
            os.write(self._wake_w, b"!")
            self._thread.join()
            os.close(self._slave)
            os.close(self._master)

    # the chip

    def _serve(self) -> None:
        with suppress(PermissionError):
            # A chip answers within the 100 ms that nfcpy waits, however busy the machine is.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        while True:
            ready, _, _ = select.select([self._master, self._wake_r], [], [])
            if self._wake_r in ready:
                return
            self._hear(os.read(self._master, 4096))

    def _hear(self, data: bytes) -> None:
        speed = LINE_SPEEDS.get(termios.tcgetattr(self._master)[5])
        if speed is not None and speed == self._next_speed and (data.startswith(ACK) or speed > self._speed):
            # The host has changed its speed behind its ACK. When it raises it, nfcpy throws its output away between the
            # two: a UART has sent the ACK by then, a pty may have lost it.
            self._acknowledged()
        if speed != self._speed:
            self.noise += len(data)
            return
        self._heard += data
        while (start := self._heard.find(START)) >= 0:
            frame = self._heard[start:]
            head, size = 5, frame[3] if len(frame) > 3 else 0
            if frame[3:5] == b"\xff\xff":
                head, size = 8, int.from_bytes(frame[5:7], "big")
            end = head + size + 2
            if len(frame) < (6 if frame[3:5] == b"\x00\xff" else end) or len(frame) < 6:
                break
            if frame.startswith(ACK):
                self._heard = frame[len(ACK) :]
                self._acknowledged()
                continue
            self._heard = frame[end:]
            if sum(frame[head : end - 1]) & 0xFF == 0:
                self._command(frame[head : head + size])

    def _acknowledged(self) -> None:
        self.busy.clear()
        if self._next_speed is not None:
            self._speed, self._next_speed = self._next_speed, None

    def _command(self, data: bytes) -> None:
        self._next_speed = None
        if self._hung or self.busy.is_set():
            return
        if self._misses:
            self._misses = False
            return
        assert data[0] == 0xD4
        if data[1] == self._dawdles:
            self._dawdles = None
            os.write(self._master, ACK)
            self.busy.set()
            return
        reply = bytes((0xD5, data[1] + 1)) + self._answer(data[1], data[2:])
        if self._babble:
            os.write(self._master, self._babble)
            return
        size = len(reply)
        if size < 256:
            head = START + bytes((size, -size & 0xFF))
        else:
            head = START + b"\xff\xff" + size.to_bytes(2, "big") + bytes((-sum(size.to_bytes(2, "big")) & 0xFF,))
        os.write(self._master, self._garble(ACK + head + reply + bytes((-sum(reply) & 0xFF, 0))))

    def _answer(self, command: int, data: bytes) -> bytes:
        with self._lock:
            match command:
                case 0x00:  # Diagnose, communication line test
                    return data
                case 0x02:  # GetFirmwareVersion
                    return bytes.fromhex("32010607")
                case 0x06:  # ReadRegister
                    return bytes(self._registers.get(int.from_bytes(data[i : i + 2], "big"), 0) for i in range(0, len(data), 2))
                case 0x08:  # WriteRegister
                    for i in range(0, len(data), 3):
                        self._registers[int.from_bytes(data[i : i + 2], "big")] = data[i + 2]
                    return b""
                case 0x16:  # PowerDown
                    return DONE
                case 0x32 if data[0] == 1 and not data[1] & 1:  # RFConfiguration, field off
                    self._contact = None
                    return b""
                case 0x10:  # SetSerialBaudRate
                    self._next_speed = SPEEDS[data[0]]
                    return b""
                case 0x12 | 0x14 | 0x32:  # SetParameters, SAMConfiguration, RFConfiguration
                    return b""
                case 0x4A:  # InListPassiveTarget
                    return self._list(data[1])
                case 0x42:  # InCommunicateThru
                    return self._communicate(data)
                case _:
                    raise AssertionError(f"the chip does not know command {command:02x}")

    def _list(self, technology: int) -> bytes:
        self._registers[RX_MODE] = CRC_ON
        self._registers[FIFO_DATA] = 0
        card = self._card
        if card is None or card.mute or technology != 0:
            self._registers[FIFO_DATA] = SENS_REQ
            return b"\x00"
        card.selected_anew()
        if card.says_all_by_uid:
            card.read.set()
        self._contact = _Contact(card)
        return bytes((1, 1, 0x00, 0x44, card.sel_res, len(card.uid))) + card.uid

    def _communicate(self, frame: bytes) -> bytes:
        if self._contact is None:
            return TIMED_OUT
        try:
            reply = self._contact.frame(frame)
        except Gone:
            self._card = self._contact = None
            return TIMED_OUT
        if reply is None:
            return TIMED_OUT
        if not self._registers[RX_MODE] & CRC_ON and len(reply) > 1:
            reply += crc_a(reply)
        return DONE + reply


class _Contact:
    """A card from its selection to the end of the field: ISO 14443-4 blocks around a Type 4 tag, none around a Type 2."""

    def __init__(self, card: VirtualCard) -> None:
        self._card = card
        self._active = False
        self._block = 1
        self._rest = b""

    def frame(self, frame: bytes) -> bytes | None:
        card = self._card
        if frame[0] == 0xE0 and card.sel_res & 0x20:
            card.count()
            self._active = True
            return card.ats
        if self._active:
            return self._exchange(frame)
        if frame[0] == 0x30 and card.type == 2:
            reply = card.page(frame[1])
            return b"\x00" if reply is None else reply
        return None

    def _exchange(self, frame: bytes) -> bytes | None:
        if self._card.always_busy:
            return b"\xf2\x01"
        match frame[0] & 0xF6:
            case 0x02:  # I-block
                self._rest = self._card.apdu(frame[1:])
            case 0xA2 if self._rest:  # R(ACK): the rest of a chain
                pass
            case _:
                return None
        self._block = frame[0] & 1
        part, self._rest = self._rest[:200], self._rest[200:]
        return bytes(((0x12 if self._rest else 0x02) | self._block,)) + part
