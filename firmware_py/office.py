"""Where commands are carried out: in the running terminal through its socket, or here under the ledger's lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from drivers.errors import FikatapError


class CommandError(FikatapError):
    """A command can't be carried out; the message is a sentence for people."""


class Office(Protocol):
    """Carries out a command by name; its arguments and its result are plain JSON values."""

    def call(self, command: str, **arguments: Any) -> Any:
        """Carry out `command` and return its result; raise `CommandError` with a sentence for people when it can't be done."""


class LocalOffice(Office):
    """Carries out commands itself while the terminal does not run; holds the ledger's lock until it is closed."""

    def __init__(self, ledger: Path) -> None:
        # The database's library is loaded only where there is no running terminal to ask.
        from firmware_py.keys import VenueKey, key_path
        from firmware_py.ledger import Ledger

        self._ledger = Ledger.open(ledger)
        self._key = VenueKey(key_path(ledger))
        self._key_is_open = False

    def call(self, command: str, **arguments: Any) -> Any:
        """Carry out `command`; those that need the devices need the running terminal."""
        from firmware_py.commands import COMMANDS, carry_out, invoke
        from firmware_py.reads import READS

        if command in READS:
            return invoke(command, READS[command], arguments, self._ledger)
        if command not in COMMANDS:
            raise CommandError(f"'{command}' needs the running terminal; start it with 'systemctl start fikatap'")
        if not self._key_is_open and command != "venue.key.import":  # which may be there to bring a lost key back
            self._key.open(self._ledger)
            self._key_is_open = True
        return carry_out(command, arguments, self._ledger, self._key)

    def close(self) -> None:
        """Close the ledger and let its lock go."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@contextmanager
def open_office(config: Path) -> Iterator[Office]:
    """Give the running terminal of this configuration, or an office here when none runs; raise `FikatapError`.

    A terminal whose door is shut has no ledger: whoever mends it does that here.
    """
    from firmware_py.config import load
    from firmware_py.terminal.control import ControlClient, NotRunning

    loaded = load(config)
    try:
        client = ControlClient(loaded.control.socket)
    except NotRunning:
        client = None
    if client is not None:
        with client:
            if client.call("status").get("shut") is None:
                yield client
                return
    from firmware_py.recovery import require_sound

    require_sound(loaded.ledger.path, loaded.ledger.second)
    with LocalOffice(loaded.ledger.path) as office:
        yield office
