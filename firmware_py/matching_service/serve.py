"""Serves the application: TLS with a client certificate per terminal, or a token, and any number of processes."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from drivers.errors import ConfigError
from firmware_py.config import short
from firmware_py.matching_service.app import Service, application
from firmware_py.matching_service.database import Database

DATABASE = "FIKATAP_MATCHING_DATABASE"
"""The environment variable that names the database: there it is not seen in the list of processes."""
END_S = 3
"""How long what is under way may take when the service is stopped; terminals that wait for news ask again."""

KEEP_S = 300
"""How long a connection is kept for a door at which nobody taps: a new one costs a handshake."""
LINGER_S = 1.0
"""How long a client that still sends may take to read why that is in vain."""


class Listen(NamedTuple):
    """Where and how to listen: an address and port, or a Unix socket; files in PEM."""

    host: str = ""
    port: int = 0
    socket: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


class TerminalProtocol(HttpToolsProtocol):
    """HTTP that tells the application whom the client certificate names, as ASGI's TLS extension has no place for it."""

    _tls: dict[object, object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Look at the certificate once, when the handshake is done."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = None if tls is None else tls.getpeercert()
        if certificate:
            names = certificate.get("subjectAltName", ())
            self._tls = {
                "client_cert_uris": tuple(value for kind, value in names if kind == "URI"),
                "client_cert_from_s": ssl.cert_time_to_seconds(str(certificate["notBefore"])),
            }

    def on_message_begin(self) -> None:
        """Put it into each request."""
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": self._tls}

    def on_response_complete(self) -> None:
        """Cut the line where a body was answered before its end: closing alone would read and drop all the rest."""
        unread = self.cycle.more_body
        super().on_response_complete()
        if unread:
            self.loop.call_later(LINGER_S, self.transport.abort)


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, or [HOST]:PORT for IPv6; raise `ConfigError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError(f"{short(text)} is no address to listen at; write HOST:PORT, such as 0.0.0.0:8443")
    return host.strip("[]"), int(port)


def serve(database: str, listen: Listen, processes: int) -> None:
    """Serve until stopped; raise `ConfigError` when something is not as it must be."""
    _check(listen)
    if processes < 1:
        raise ConfigError(f"there can't be {processes} processes; 1 or more")
    asyncio.run(_check_database(database))
    os.environ[DATABASE] = database
    uvicorn.run(
        "firmware_py.matching_service.serve:from_environment",
        factory=True,
        host=listen.host,
        port=listen.port,
        uds=None if listen.socket is None else str(listen.socket),
        workers=processes,
        http=TerminalProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=END_S,
        timeout_keep_alive=KEEP_S,
        ssl_certfile=listen.certificate,
        ssl_keyfile=listen.key,
        ssl_ca_certs=None if listen.client_ca is None else str(listen.client_ca),
        ssl_cert_reqs=ssl.CERT_NONE if listen.client_ca is None else ssl.CERT_OPTIONAL,
    )


def from_environment() -> Starlette:
    """Return the application on the database that the environment names."""
    app = application(Service(Database(os.environ[DATABASE])))
    # What was loaded until now stays: looking through it for garbage again and again is what made the slowest answers slow.
    gc.collect()
    gc.freeze()
    return app


def _check(listen: Listen) -> None:
    """Raise `ConfigError` where a certificate is missing or damaged, or tokens would go over a network in the clear."""
    if listen.certificate is None:
        if listen.key is not None or listen.client_ca is not None:
            raise ConfigError("--tls-key and --client-ca are of use with --tls-certificate only")
        if listen.socket is None and not _is_local(listen.host):
            raise ConfigError(
                f"without --tls-certificate tokens would go over the network in the clear: listen at 127.0.0.1 or at --socket, "
                f"behind a proxy that does TLS, not at {short(listen.host)}"
            )
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(listen.certificate, listen.key)
        if listen.client_ca is not None:
            context.load_verify_locations(listen.client_ca)
    except OSError as error:  # of which SSLError is one
        files = ", ".join(str(each) for each in (listen.certificate, listen.key, listen.client_ca) if each is not None)
        raise ConfigError(
            f"certificate, key and client CA must be PEM files that belong together ({files}): {error}"
        ) from error


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _check_database(url: str) -> None:
    database = Database(url)
    try:
        await database.require_ready()
    finally:
        await database.close()
