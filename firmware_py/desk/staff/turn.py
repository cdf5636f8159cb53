"""One request at the desk: who asks, in which language, and how they are answered; what is remembered until the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from firmware_py.desk.access import Role, Session
from firmware_py.desk.guard import cookie_name, did, hidden, person_of, signed_in
from firmware_py.desk.link import Gone
from firmware_py.desk.place import place_of
from firmware_py.desk.render import language_of
from firmware_py.desk.staff.words import Words
from firmware_py.office import CommandError

if TYPE_CHECKING:
    from firmware_py.desk.staff.enrolment import Enrolment
    from firmware_py.desk.staff.takein import TakeIn

HOME = "/desk"
MOST_SAID = 200
"""So many sentences wait for their readers at most."""
MAIN_PAGES = tuple(
    (name, HOME if name == "now" else f"{HOME}/{name}") for name in ("now", "members", "introductions", "badges")
)
"""What is always in reach of a thumb: names and addresses."""
MORE_PAGES = tuple((name, f"{HOME}/{name}") for name in ("devices", "evening"))
MANAGERS_PAGES = tuple((name, f"{HOME}/{name}") for name in ("import", "people"))


@dataclass(frozen=True)
class Said:
    """What came of a deed, in words, for the next page that its doer sees; `small` is what only a technician reads."""

    sentence: str
    bad: bool = False
    small: str = ""

    @classmethod
    def of(cls, words: Words, error: CommandError) -> Said:
        """Return why the terminal did not do something."""
        return cls(words.refusal(error), True, words.small(error))


@dataclass
class Memory:
    """What the desk remembers between two requests; a restart of the pages forgets it, and nothing is lost."""

    said: dict[str, Said] = field(default_factory=dict)
    """By the session's digest."""
    enrolments: dict[str, Enrolment] = field(default_factory=dict)
    """The cards that are waited for, or came, by the session's digest; the terminal waits for one at a time."""
    take_in: TakeIn | None = None
    """The list that is being imported; one at a time."""

    def tell(self, session: Session, said: Said) -> None:
        """Keep what came of a deed for the next page that this session asks for."""
        while len(self.said) >= MOST_SAID:
            del self.said[next(iter(self.said))]
        self.said[session.digest] = said


class Turn:
    """One request of somebody who is logged in."""

    def __init__(self, request: Request, memory: Memory) -> None:
        self.request = request
        self.memory = memory
        self.place = place_of(request)
        self.session = person_of(request)
        self.token = request.cookies.get(cookie_name(request), "")
        """What the browser shows to be let in."""
        self.manages = request.state.role is Role.MANAGER
        """Whether this person may do what can't be undone."""
        self.language = language_of(request, self.place.config.cafe.language)
        self.back = _address(request)
        """The address that forms come back to."""
        self.words = Words(self.place.renderer.texts, self.language, self.place.config.cafe.language)

    async def ask(self, command: str, **arguments: Any) -> Any:
        """Let the terminal carry out a command; raise as `link.ask` does."""
        return await self.place.ask(command, **arguments)

    async def read(self, command: str) -> Any:
        """Ask for what many pages ask for."""
        return await self.place.read(command)

    async def member(self, member: str) -> str:
        """Return what a member is called; the id alone for one who is not known."""
        try:
            known = (await self.ask("members.show", member=member))["member"]
        except Gone:
            raise
        except CommandError:
            return member
        return str(known["short_name"] or known["first_name"] or member)

    def html(self, template: str, **values: Any) -> str:
        """Return a piece of a page."""
        return self.place.renderer.html(
            f"desk/{template}.html",
            self.language,
            csrf=hidden(self.request),
            manages=self.manages,
            words=self.words,
            link=link,
            cafe=self.place.config.cafe,
            back=self.back,
            **values,
        )

    def page(self, template: str, status_code: int = 200, *, tab: str = "", **values: Any) -> Response:
        """Return a whole page below that tab, with what came of the last deed on it."""
        html = self.html(
            template,
            page=template,
            tab=tab or template,
            main_pages=MAIN_PAGES,
            more_pages=MORE_PAGES + MANAGERS_PAGES * self.manages,
            person=self.session.name,
            said=self.memory.said.pop(self.session.digest, None),
            **values,
        )
        return Response(html, status_code, media_type="text/html")

    def tell(self, to: str, sentence: str, *, bad: bool = False) -> Response:
        """Send the browser on to a page below `/desk` that says what came of a deed."""
        self.memory.tell(self.session, Said(sentence, bad))
        return RedirectResponse(inside(to), 303)

    def refuse(self, to: str, error: CommandError) -> Response:
        """Send the browser on to a page below `/desk` that says why the terminal did not do a deed."""
        self.memory.tell(self.session, Said.of(self.words, error))
        return RedirectResponse(inside(to), 303)

    async def note(self, command: str, about: str = "", refused: str = "") -> None:
        """Write a deed into the audit trail."""
        await did(self.request, command, about, refused)


Handler = Callable[[Turn], Awaitable[Response]]


def route(memory: Memory, path: str, handler: Handler, *, post: bool = False, role: Role = Role.STAFF) -> Route:
    """Return a page's route, or with `post` a deed's, for people of that role."""
    answer = signed_in(partial(_answer, memory, handler), role)
    return Route(path, answer, methods=["POST"] if post else ["GET"])


async def _answer(memory: Memory, handler: Handler, request: Request) -> Response:
    turn = Turn(request, memory)
    try:
        return await handler(turn)
    except Gone as error:
        if request.method == "GET":
            return turn.page("away", 503, tab="now", scene=None)
        return turn.refuse(HOME, error)
    except CommandError as error:
        return turn.page("wrong", 404, tab="now", scene=await turn.read("scene"), error=Said.of(turn.words, error))


def _address(request: Request) -> str:
    """Return a page's own address; a language that was asked for in it is not asked for again."""
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "language"]
    return link(request.url.path, **dict(query))


def link(path: str, **query: str) -> str:
    """Return an address with a query."""
    return f"{path}?{urlencode(query)}" if query else path


def inside(to: str) -> str:
    """Return an address if it is one of the desk's pages, else the desk's first."""
    path = to.split("?", 1)[0]
    own = path == HOME or path.startswith(f"{HOME}/")
    return to if own and to.isprintable() and "\\" not in to and ".." not in path else HOME
