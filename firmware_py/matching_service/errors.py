"""Why a request is not answered as asked; each becomes a problem document (RFC 9457)."""

from __future__ import annotations

from drivers.errors import FikatapError

SHOWN = 100
"""A value is shown up to so many characters."""


class Refused(FikatapError):
    """A request can't be answered: the status, a sentence, the value that was wrong, and what would have been right."""

    def __init__(
        self, status: int, detail: str, *, value: str = "", allowed: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.value = value if len(value) <= SHOWN else value[:SHOWN] + "…"
        self.allowed = allowed
        self.headers = headers or {}
