"""What was found out about one printer, against what its profile promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from drivers.printers.profiles import Completion, PrinterProfile


class Heard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a printer says: asked by the program itself."""

    questions: tuple[int, ...] = ()
    """The n of each DLE EOT n that it answers."""
    completion: Completion = "none"
    """By which means it tells that a page is printed."""
    pushes: bool = False
    """Whether it tells changes by itself (GS a)."""
    baud: int | None = None
    """The speed at which it answered, on a serial line."""

    @property
    def answers(self) -> bool:
        """Whether it can be asked how it is: whoever does not know the first question is not asked the others."""
        return 1 in self.questions


class Seen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a printer makes of our bytes: read from the page by people."""

    code_pages: Mapping[str, Annotated[int, Meta(ge=0, le=255)]]
    """Those that are right: Python codec and number for `ESC t`, in order of preference."""
    native_qr: bool
    """Whether it draws QR codes itself."""
    left_dots: Annotated[int, Meta(ge=0, le=128)]
    """How many dots it loses at the left."""


class Findings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one printer; what was not found out yet is None or empty."""

    connection: str
    """Where it hangs, without speed."""
    when: str = ""
    """Day and time of the last probe at the venue; empty when the clock was not to be trusted."""
    profile: str = ""
    """The profile that the page was made for."""
    program: str = ""
    """Version of the program that probed."""
    heard: Heard | None = None
    seen: Seen | None = None
    stored_logo: str = ""
    """Digest of the logo that was sent into its memory."""

    def fits(self, profile: str) -> bool:
        """Tell whether the page was made for this profile: people saw nothing of what another one does."""
        return self.profile in ("", profile)

    def correct(self, profile: PrinterProfile) -> PrinterProfile:
        """Return the profile with what was found instead of what its data promise; of another profile only what was heard."""
        if self.heard is not None:
            profile = replace(profile, completion=self.heard.completion)
        if not self.fits(profile.name):
            return profile
        if self.seen is not None:
            profile = replace(
                profile,
                code_pages=self.seen.code_pages,
                native_qr=self.seen.native_qr,
                left_dots=self.seen.left_dots,
            )
        return replace(profile, stored_logo=self.stored_logo)
