"""Whose request it is, over real TLS: the terminal's certificate, or a token."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from drivers.matching.wire import BATCH
from firmware_py.cli import main
from firmware_py.matching_service import certificates
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.serve import DATABASE
from tests.rigs.service import CHAIN, RunningService


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service"), tls=True) as service:
        service.add_venue("mitte")
        service.add_venue("nord")
        service.start()
        yield service


def client(service: RunningService, certificate: tuple[Path, Path] | None = None) -> httpx.Client:
    """Return a client that trusts the service and shows a certificate."""
    context = ssl.create_default_context(cafile=str(service.authority))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return httpx.Client(base_url=service.urls[0], verify=context, timeout=60)


def test_a_terminals_certificate_opens_its_venue(service: RunningService) -> None:
    with client(service, service.certificate("mitte", "front")) as http:
        for _ in range(2):  # the same connection
            assert http.get("/v1/venues/mitte/presence").status_code == 200


def test_a_certificate_of_another_venue_is_told_which_it_is(service: RunningService) -> None:
    with client(service, service.certificate("nord", "front")) as http:
        answer = http.get("/v1/venues/mitte/presence")
        assert (answer.status_code, answer.json()["value"], answer.json()["allowed"]) == (403, "mitte", "nord")
        assert http.get("/v1/venues/nord/presence").status_code == 200, "and its own is not affected"


def test_a_certificate_of_another_chain_opens_nothing(service: RunningService) -> None:
    with client(service, service.certificate("mitte", "front", chain="rival")) as http:
        answer = http.get("/v1/venues/mitte/presence")
        assert (answer.status_code, answer.json()["value"]) == (403, "fikatap://rival/mitte/front")


def test_a_certificate_counts_more_than_a_token(service: RunningService) -> None:
    with client(service, service.certificate("nord", "front")) as http:
        answer = http.get("/v1/venues/mitte/presence", headers={"Authorization": f"Bearer {service.token('mitte', 'front')}"})
        assert answer.status_code == 403


def test_a_certificate_that_is_not_a_terminals_gets_no_connection(service: RunningService) -> None:
    other = certificates.make_service_certificate(service.folder / "tls", ["elsewhere"])
    with client(service, other) as http, pytest.raises(httpx.TransportError):
        http.get("/v1/venues/mitte/presence")


def test_a_certificate_of_a_strange_authority_gets_no_connection(service: RunningService, tmp_path: Path) -> None:
    certificates.make_authority(tmp_path, CHAIN)
    strange = certificates.make_terminal_certificate(tmp_path, Identity(CHAIN, "mitte", "front"))
    with client(service, strange) as http, pytest.raises(httpx.TransportError):
        http.get("/v1/venues/mitte/presence")


def test_without_certificate_or_token_only_health_and_description_are_told(service: RunningService) -> None:
    with client(service) as http:
        assert http.get("/v1/health").status_code == 200
        assert http.get("/v1/openapi.json").status_code == 200
        assert http.get("/v1/venues/mitte/presence").status_code == 401
        token = service.token("mitte", "front")
        assert http.get("/v1/venues/mitte/presence", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def go_on(wire: ssl.SSLSocket, chunk: bytes) -> None:
    """Send for ever."""
    while True:
        wire.sendall(chunk)


def test_a_body_of_a_hundred_megabytes_is_cut_off_and_the_neighbour_is_served(service: RunningService) -> None:
    context = ssl.create_default_context(cafile=str(service.authority))
    context.load_cert_chain(*service.certificate("mitte", "front"))
    host, port = service.urls[0].removeprefix("https://").split(":")
    head = (
        "POST /v1/venues/mitte/check-ins HTTP/1.1\r\nHost: service\r\nIdempotency-Key: k\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        wire = context.wrap_socket(plain, server_hostname=host)
        # One byte too many and nothing behind it: a line that is cut while this is still sending takes no answer home.
        wire.sendall(head.encode() + chunk * 16 + b"1\r\n \r\n")
        answer = wire.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413")
        with pytest.raises(OSError, match=r"reset|pipe|EOF|violation"):
            go_on(wire, chunk)
        wire.close()
    with client(service, service.certificate("mitte", "back")) as http:
        assert http.get("/v1/venues/mitte/presence").status_code == 200


def until_refused(http: httpx.Client, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask until the answer is no."""
    until = time.monotonic() + 60
    while (answer := until_answered(http, headers)).status_code == 200:
        assert time.monotonic() < until
    return answer


def until_answered(http: httpx.Client, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask; a connection that is closed meanwhile is opened anew, as a terminal does.

    A certificate that was made in the second of a revocation holds from the next on: until then TLS closes the connection.
    """
    until = time.monotonic() + 60
    while True:
        assert time.monotonic() < until
        with suppress(httpx.TransportError):
            return http.get("/v1/venues/mitte/presence", headers=headers)


def test_a_stolen_terminal_is_shut_out_of_open_connections_too_and_its_successor_is_let_in(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DATABASE, service.database)
    word = {"Authorization": f"Bearer {service.token('mitte', 'stolen')}"}
    with (
        client(service, service.certificate("mitte", "stolen")) as stolen,
        client(service) as with_token,
        client(service, service.certificate("mitte", "honest")) as honest,
    ):
        version = stolen.get("/v1/venues/mitte/presence").json()["version"]
        assert with_token.get("/v1/venues/mitte/presence", headers=word).status_code == 200
        assert main(["matching", "terminal", "revoke", "mitte", "stolen"]) == 0
        assert capsys.readouterr().out.endswith("and 1 tokens\n")
        refused = until_refused(stolen)
        assert (refused.status_code, refused.json()["detail"]) == (401, "this certificate was revoked")
        assert refused.json()["value"] == "fikatap://kaffe/mitte/stolen"
        assert until_refused(with_token, word).status_code == 401
        assert honest.get(f"/v1/venues/mitte/presence?since={version}").status_code == 200
    assert main(["matching", "certificate", "terminal", str(service.folder / "tls"), "mitte", "stolen"]) == 0
    certificate, key = map(Path, capsys.readouterr().out.split())
    with client(service, (certificate, key)) as successor:
        assert until_answered(successor).status_code == 200


def test_who_is_shut_out_while_they_wait_for_news_is_not_told_them(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE, service.database)
    with client(service, service.certificate("nord", "listener")) as listener:
        fact = {"specversion": "1.0", "id": "1", "source": "x", "type": "unheard-of"}
        opened = {"presence": {"visit": "x-1", "member": "m", "number": 1, "door": "x"}}
        batch = [{**fact, "type": "se.fikatap.visit.opened.v1", "data": opened}]
        header = {"Content-Type": BATCH}
        assert listener.post("/v1/venues/nord/events", content=json.dumps(batch), headers=header).status_code == 200
        version = listener.get("/v1/venues/nord/presence").json()["version"]
        assert main(["matching", "terminal", "revoke", "nord", "listener"]) == 0
        waited = listener.get(f"/v1/venues/nord/presence?since={version}", headers={"Prefer": "wait=5"})
        assert waited.status_code == 401
