"""Whose request it is: the terminal that a client certificate or a token names."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from typing import NamedTuple

from sqlalchemy import select
from starlette.requests import HTTPConnection

from drivers.errors import ConfigError
from firmware_py.config import short
from firmware_py.matching_service.database import Database, DatabaseUnavailable
from firmware_py.matching_service.errors import Refused
from firmware_py.matching_service.tables import revoked, token, venue

log = logging.getLogger(__name__)

SCHEME = "fikatap://"
"""A certificate names its terminal in a URI of its subject's alternative names: fikatap://CHAIN/VENUE/TERMINAL."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
NAME_RULE = "1 to 63 of a-z, 0-9 and '-'"
LOOK_S = 1.0
"""How often is looked whom to shut out."""
TOKENS_S = 30.0
"""How long a token that was known is taken without asking anew, unless its terminal is shut out."""


class Identity(NamedTuple):
    """A terminal of a venue of a chain."""

    chain: str
    venue: str
    terminal: str

    @property
    def uri(self) -> str:
        """As a certificate has it."""
        return f"{SCHEME}{self.chain}/{self.venue}/{self.terminal}"


def require_name(name: str, what: str) -> str:
    """Return a name of a chain, venue or terminal; raise `ConfigError` when it can't be one."""
    if NAME.fullmatch(name) is None:
        raise ConfigError(f"{short(name)} can't be the name of a {what}; it has {NAME_RULE}")
    return name


class Door:
    """Tells whose request it is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chains: dict[str, str] = {}
        self._tokens: dict[bytes, tuple[float, Identity]] = {}
        self._shut_out: dict[tuple[str, str], int] = {}

    async def look(self) -> None:
        """Look whom to shut out."""
        async with self._database.begin() as connection:
            rows = await connection.execute(select(revoked.c.venue, revoked.c.terminal, revoked.c.until_s))
            found = {(row.venue, row.terminal): row.until_s for row in rows}
        news = {each for each, until_s in found.items() if self._shut_out.get(each) != until_s}
        self._shut_out = found
        self._tokens = {key: each for key, each in self._tokens.items() if (each[1].venue, each[1].terminal) not in news}

    async def keep_looking(self) -> None:
        """Go on looking; while the database is away, what was known holds."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except DatabaseUnavailable:
                pass  # the service says so elsewhere
            except Exception:
                log.exception("whom to shut out can't be read; tried again each %g s, and what was known holds", LOOK_S)

    async def identify(self, request: HTTPConnection) -> Identity:
        """Return the terminal of a request; raise `Refused` (401, 403) where there is none, or it is of another venue."""
        identity = self._certified(request) or await self._by_token(request)
        wanted = request.path_params["venue"]
        if wanted != identity.venue:
            raise Refused(
                403, f"this terminal is {identity.terminal} of the venue {identity.venue}", value=wanted, allowed=identity.venue
            )
        if await self._chain(identity.venue) != identity.chain:
            raise Refused(
                403,
                "this service has no such venue in that chain",
                value=identity.uri,
                allowed="a certificate for a venue that 'fikatap matching venue add' made",
            )
        return identity

    def _certified(self, request: HTTPConnection) -> Identity | None:
        """Return the terminal that the client certificate names, None without one."""
        uris = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_uris")
        if uris is None:
            return None
        for uri in uris:
            parts = uri.removeprefix(SCHEME).split("/")
            if uri.startswith(SCHEME) and len(parts) == 3 and all(map(NAME.fullmatch, parts)):
                identity = Identity(*parts)
                from_s = request.scope["extensions"]["tls"]["client_cert_from_s"]
                if from_s <= self._shut_out.get((identity.venue, identity.terminal), from_s - 1):
                    raise Refused(
                        401,
                        "this certificate was revoked",
                        value=uri,
                        allowed="one made since; 'fikatap matching certificate terminal' makes it",
                    )
                return identity
        raise Refused(
            401,
            "the client certificate names no terminal",
            value=" ".join(uris),
            allowed=f"a URI {SCHEME}CHAIN/VENUE/TERMINAL among the alternative names",
        )

    async def _by_token(self, request: HTTPConnection) -> Identity:
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not word.strip():
            raise _unknown("a client certificate, or the header 'Authorization: Bearer TOKEN'")
        hashed = hash_token(word.strip())
        until, identity = self._tokens.get(hashed, (0.0, None))
        if identity is None or time.monotonic() > until:
            self._tokens.pop(hashed, None)
            known = self._shut_out
            async with self._database.begin() as connection:
                query = select(venue.c.chain, token.c.venue, token.c.terminal).join(venue, venue.c.id == token.c.venue)
                row = (await connection.execute(query.where(token.c.hash == hashed))).one_or_none()
            if row is None:
                raise _unknown("a token that 'fikatap matching token' made")
            identity = Identity(*row)
            if self._shut_out is known:  # else the token may have been revoked after it was read
                self._tokens[hashed] = time.monotonic() + TOKENS_S, identity
        return identity

    async def _chain(self, venue_id: str) -> str | None:
        """Return the venue's chain, which never changes."""
        if venue_id not in self._chains:
            async with self._database.begin() as connection:
                found = await connection.scalar(select(venue.c.chain).where(venue.c.id == venue_id))
            if found is None:
                return None
            self._chains[venue_id] = found
        return self._chains[venue_id]


def make_token() -> str:
    """Return a new token of 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_token(word: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(word.encode()).digest()


def _unknown(allowed: str) -> Refused:
    return Refused(401, "nobody knows whose request this is", allowed=allowed, headers={"WWW-Authenticate": "Bearer"})
