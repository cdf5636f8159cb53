"""What staff and the pages ask of the running door: badges once more, notices in words, and what a visitor wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from firmware_py.commands import jobs_list, notices_list
from firmware_py.keys import VenueKey
from firmware_py.ledger import Ledger
from firmware_py.office import CommandError
from firmware_py.terminal import scene
from firmware_py.wiring import Wiring
from kiosk.badge import SlipKind
from kiosk.door import DoorState, may_reprint
from kiosk.effects import Notice, TellStaff
from kiosk.events import DeskSlipAsked, Event, JobReprinted, MoodPressed, MoodTakenBack
from kiosk.slips import in_parts
from kiosk.values import Cause, JobId, Mood, Now, VisitId

NO_PRINTER = "there is no printer; 'fikatap desk slip' shows the desk's address"
MOST_ADDRESSES = 4
"""On one slip."""
LONGEST_ADDRESS = 100
"""Characters: the longest name of a machine, its port and the path."""
_ADDRESS = re.compile(r"https://[\w.:\[\]-]+/desk", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){7,31}")


class Staff:
    """Carries these commands out; each method but `commands` is one.

    `apply` takes an event and raises `CommandError` when it can't be stored.
    """

    def __init__(
        self,
        state: Callable[[], DoorState],
        apply: Callable[[Event], None],
        now: Callable[[], Now],
        wiring: Wiring,
        ledger: Ledger,
        key: VenueKey,
    ) -> None:
        self._state = state
        self._apply = apply
        self._now = now
        self._wiring = wiring
        self._ledger = ledger
        self._key = key

    @property
    def commands(self) -> dict[str, Callable[..., Any]]:
        """What can be asked for, by name."""
        return {
            "moods.choose": self.choose,
            "moods.forget": self.forget,
            "jobs.list": self.jobs,
            "jobs.reprint": self.reprint,
            "notices.list": self.notices,
            "desk.slip": self.desk_slip,
        }

    def choose(self, *, mood: Mood, reader: str | None = None, visit: VisitId | None = None, ahead: bool = False) -> Any:
        """Note what somebody beside a reader wants, as a button would: for who tapped just now, else for the next tap.

        With `visit` it is for that one only, with `ahead` for the next tap only. Without `reader` any is meant.
        """
        beside = self._beside(reader)
        if visit is not None and ((found := self._state().visit(visit)) is None or not found.confirmed):
            raise CommandError(f"visit {visit} has ended; hold the card to the reader again")
        self._apply(MoodPressed(mood, beside, visit, ahead))
        return {"applied": "next" if visit is None and beside in self._state().choices else "visit"}

    def forget(self, *, reader: str | None = None) -> Any:
        """Forget what waits for the next tap at a reader; without one, what waits for the next tap at any."""
        self._apply(MoodTakenBack(self._beside(reader)))
        return {}

    def _beside(self, reader: str | None) -> str | None:
        """Return the reader that is meant: an only one need not be named."""
        readers = self._wiring.config.readers
        if reader is not None and reader not in readers:
            raise CommandError(f"there is no reader '{reader}'; there are {', '.join(readers)}")
        return next(iter(readers)) if len(readers) == 1 else reader

    def jobs(self) -> Any:
        """Return the jobs, with what only the running door knows of them."""
        kept = self._ledger.jobs()
        found = {job.member: self._ledger.member(job.member) for job in kept if job.member}
        names = {member: profile.called for member, profile in found.items() if profile is not None}
        more = scene.jobs(self._state(), kept, names, self._now())
        return [row | told for row, told in zip(jobs_list(self._ledger, self._key), more, strict=True)]

    def reprint(self, *, job: JobId) -> Any:
        """Order a badge once more, marked as a copy."""
        kept = self._ledger.jobs()
        found = next((each for each in kept if each.id == job), None)
        if found is None or found.badge is None:
            raise CommandError(f"there is no badge {job} whose words are still kept; 'fikatap jobs list' shows them")
        if job not in scene.latest_badges(kept):
            raise CommandError(f"badge {job} says what holds no more: its visitor got another one")
        if not may_reprint(self._state(), found):
            why = "its visitor is no longer here" if self._state().visit(found.visit) is None else f"it is {found.state.value}"
            raise CommandError(f"badge {job} can't be reprinted: {why}")
        self._apply(JobReprinted(found))
        return {"job": job, "copy": f"{self._state().house.prefix}-{self._state().serial}"}

    def desk_slip(self, *, addresses: list[str], fingerprint: str) -> Any:
        """Order the slip by which a phone finds the desk and knows it; `cause` is why the printer can't print it at once."""
        if not self._state().house.prints:
            raise CommandError(NO_PRINTER)
        if not 1 <= len(addresses) <= MOST_ADDRESSES:
            raise CommandError(f"desk.slip takes 1 to {MOST_ADDRESSES} addresses, not {len(addresses)}")
        if wrong := [each for each in addresses if len(each) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(each)]:
            raise CommandError(
                f"'{wrong[0][:LONGEST_ADDRESS]}' is no address of a desk; one is 'https://kafe.local:8443/desk', "
                f"up to {LONGEST_ADDRESS} characters"
            )
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise CommandError(
                f"'{fingerprint[:LONGEST_ADDRESS]}' is not the beginning of a fingerprint: 8 to 32 bytes, such as 'AB:CD:…'"
            )
        self._apply(DeskSlipAsked(tuple(addresses), fingerprint))
        spool = self._state().spool
        (job,) = (job.id for job in spool.jobs.values() if job.kind is SlipKind.DESK)
        return {"job": job, "cause": spool.cause}

    def notices(self) -> Any:
        """Return the open notices: what happened, and what to do about it, in the café's language."""
        told = notices_list(self._ledger, self._key)
        return [notice | dict(zip(("words", "do"), self._in_parts(notice), strict=True)) for notice in told]

    def _in_parts(self, notice: dict[str, Any]) -> tuple[str, str]:
        cause = None if notice["cause"] is None else Cause(notice["cause"])
        told = TellStaff(Notice(notice["notice"]), notice["job"], cause, notice["detail"])
        return in_parts(told, self._wiring.texts, self._wiring.language)
