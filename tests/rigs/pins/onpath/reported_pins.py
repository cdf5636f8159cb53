"""gpiozero pins with nothing on them that report each change: to a function, or from another process to a socket.

A process gets the second kind when this file's folder is on its PYTHONPATH and GPIOZERO_PIN_FACTORY is `reported`; the
Unix datagram socket is named by FIKATAP_PINS_SOCKET. A datagram is `pin value frequency`; the frequency is 0 without PWM.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

from gpiozero.pins.mock import MockFactory, MockPWMPin

Report = Callable[[int, float, float], None]


class ReportedPin(MockPWMPin):  # type: ignore[misc]  # gpiozero ships no types
    """A pin with PWM that tells its factory of each change."""

    _told = (0.0, 0.0)

    def _change_state(self, value: float) -> bool:
        changed: bool = super()._change_state(value)
        self._tell()
        return changed

    def _get_state(self) -> float:
        if self.factory.lost:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        state: float = super()._get_state()
        return state

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        if self._gpio in self.factory.held:
            self._change_state(0)

    @property
    def _gpio(self) -> int:
        return int(self.info.name.removeprefix("GPIO"))

    def _set_frequency(self, value: float | None) -> None:
        super()._set_frequency(value)
        self._tell()

    def _tell(self) -> None:
        new = (float(self._state), self._frequency or 0.0)
        if new != self._told:
            self._told = new
            self.factory.report(self._gpio, *new)


class ReportedFactory(MockFactory):  # type: ignore[misc]  # gpiozero ships no types
    """Makes such pins; `report` is called with GPIO number, value and frequency, in the thread that made the change.

    While `lost` is True no pin can be read, as on a chip that went away; those in `held` are wired to ground.
    """

    lost = False
    held: frozenset[int] = frozenset()

    def __init__(self, report: Report) -> None:
        super().__init__(pin_class=ReportedPin)
        self.report = report


class SocketFactory(ReportedFactory):
    """Reports to the socket that the environment names."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(os.environ["FIKATAP_PINS_SOCKET"])
        super().__init__(self._send)

    def _send(self, pin: int, value: float, hz: float) -> None:
        self._socket.send(f"{pin} {value} {hz}".encode())

    def close(self) -> None:
        super().close()
        self._socket.close()
