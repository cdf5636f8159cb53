"""What keeps strangers out of the desk: tried over the wire on the real process (what for: docs/security.md)."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from starlette.routing import Route

from firmware_py.desk import guard, staff
from firmware_py.desk.access import ADDRESS_TRIES, FREE_TRIES
from firmware_py.desk.guard import HEADERS, MOST_BODY
from firmware_py.desk.server import HANDSHAKE_S, HEAD_S, LONGEST_HEAD
from tests.rigs.pages import MANAGER, MANAGERS_PIN, NAME, PATIENCE_S, PIN, PagesProcess, sign_in

COOKIE = "__Host-fikatap"
ROUTES = [route for route in (*guard.routes(), *staff.routes()) if isinstance(route, Route)]
READ = sorted({route.path for route in ROUTES if "GET" in (route.methods or ())} - {guard.LOG_IN})
WRITTEN = sorted({route.path for route in ROUTES if "POST" in (route.methods or ())} - {guard.LOG_IN})
MB = 1 << 20


@pytest.fixture
def folder() -> Iterator[Path]:
    # A socket's path has at most 107 bytes, which pytest's folders may exceed.
    with TemporaryDirectory(prefix="fikatap-pages-") as name:
        yield Path(name)


@pytest.fixture
def pages(folder: Path) -> Iterator[PagesProcess]:
    with PagesProcess(folder) as running:
        yield running


@pytest.fixture(scope="module")
def lasting() -> Iterator[PagesProcess]:
    """Pages that no test of it changes for the next."""
    with TemporaryDirectory(prefix="fikatap-pages-") as name, PagesProcess(Path(name)) as running:
        yield running


@pytest.fixture
def visitor(lasting: PagesProcess) -> Iterator[httpx.Client]:
    with lasting.client() as browser:
        yield browser


@pytest.fixture
def client(pages: PagesProcess) -> Iterator[httpx.Client]:
    with pages.client() as browser:
        yield browser


def csrf_of(client: httpx.Client) -> str:
    """Return the token that the forms of whoever is logged in carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/desk").text)
    assert found
    return found[1]


def trail(pages: PagesProcess) -> list[dict[str, str]]:
    """Return what was written down, the latest last."""
    file = pages.folder / "audit.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def is_in(client: httpx.Client) -> bool:
    return client.get("/desk").headers.get("location") is None


def raw(pages: PagesProcess, request: bytes) -> bytes:
    """Send bytes over TLS, as they are, and return all that comes back until the end."""
    trust = ssl.create_default_context(cafile=str(pages.folder / "desk.pem"))
    line = socket.create_connection(("127.0.0.1", pages.port), PATIENCE_S)
    with line, trust.wrap_socket(line, server_hostname="127.0.0.1") as tls:
        tls.sendall(request)
        answer = b""
        while piece := tls.recv(1 << 16):
            answer += piece
        return answer


def test_each_test_that_the_documentation_names_is_there() -> None:
    tests = Path(__file__).parents[1]
    files = [*tests.glob("pages/*.py"), *tests.glob("firmware_py/desk/*.py"), *tests.glob("systemd/*.py")]
    there = set(re.findall(r"(?m)^def (test_\w+)", "".join(file.read_text("utf-8") for file in files)))
    named = re.findall(r"`(test_\w+)(?:…)?`", (tests.parent / "docs" / "security.md").read_text("utf-8"))
    assert len(named) > 30
    assert [name for name in named if not any(each.startswith(name) for each in there)] == []


# Who gets in


def test_nobody_sees_a_page_or_does_a_thing_without_a_session(pages: PagesProcess, client: httpx.Client) -> None:
    assert len(READ) > 5
    assert len(WRITTEN) > 5
    for made_up in ("", "A" * 43):
        if made_up:
            client.cookies.set(COOKIE, made_up, domain="127.0.0.1")
        for path in READ:
            answer = client.get(path)
            assert (path, answer.status_code) == (path, 303)
            assert answer.headers["location"].startswith("/desk/log-in")
        for path in WRITTEN:
            answer = client.post(path, data={"csrf": "x", "member": "m0001"})
            assert (path, answer.status_code, answer.headers.get("location")) == (path, 303, "/desk/log-in")
    assert trail(pages) == []


def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(visitor: httpx.Client) -> None:
    answer = sign_in(visitor)
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert {each.lower() for each in attributes} == {"httponly", "path=/", "samesite=strict", "secure"}
    assert is_in(visitor)


def test_a_token_that_was_there_before_the_log_in_is_worth_nothing_after_it(client: httpx.Client) -> None:
    planted = "B" * 43
    client.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/")
    sign_in(client)
    first = client.cookies[COOKIE]
    assert first != planted
    sign_in(client)
    second = client.cookies[COOKIE]
    for token, lets_in in ((planted, False), (first, False), (second, True)):
        client.cookies.clear()
        client.cookies.set(COOKIE, token, domain="127.0.0.1", path="/")
        assert is_in(client) == lets_in


def test_who_logged_out_is_out_whatever_cookie_is_sent(client: httpx.Client) -> None:
    sign_in(client)
    token = client.cookies[COOKIE]
    answer = client.post("/desk/log-out", data={"csrf": csrf_of(client)})
    assert answer.headers["location"].startswith("/desk/log-in")
    assert COOKIE not in client.cookies
    client.cookies.set(COOKIE, token, domain="127.0.0.1", path="/")
    assert not is_in(client)


def test_killed_pages_know_who_was_logged_in_and_who_was_not(pages: PagesProcess, client: httpx.Client) -> None:
    sign_in(client)
    pages.kill()
    pages.start()
    assert is_in(client)
    client.cookies.set(COOKIE, "C" * 43, domain="127.0.0.1", path="/")
    assert not is_in(client)


def test_a_new_pin_given_meanwhile_by_a_command_counts_at_once(pages: PagesProcess, client: httpx.Client) -> None:
    sign_in(client)
    pages.access.set_pin(NAME, pages.access.people()[0][1], "161803")
    assert not is_in(client)
    assert sign_in(client).status_code == 403
    assert sign_in(client, pin="161803").status_code == 303


def test_what_only_a_manager_may_do_is_refused_to_others(pages: PagesProcess, client: httpx.Client) -> None:
    sign_in(client)
    csrf = csrf_of(client)
    assert client.get("/desk/people").status_code == 403
    assert client.post("/desk/people/remove", data={"csrf": csrf, "name": MANAGER}).status_code == 403
    assert len(pages.access.people()) == 2
    assert [(deed["who"], deed["refused"]) for deed in trail(pages)[1:]] == [(NAME, "role")] * 2
    sign_in(client, MANAGER, MANAGERS_PIN)
    assert client.get("/desk/people").status_code != 403


@pytest.mark.parametrize(
    ("asked", "gone_to"),
    [
        ("/desk/members?text=a", "/desk/members?text=a"),
        ("https://evil.example/desk", "/desk"),
        ("//evil.example/desk", "/desk"),
        ("/desk/../../x", "/desk"),
        ("/desk\\evil.example", "/desk"),
        ("/deskevil", "/desk"),
        ("/desk/\r\nset-cookie: x=y", "/desk"),
        ("javascript:alert(1)", "/desk"),
        ("/desk/log-out", "/desk"),
    ],
)
def test_the_log_in_leads_to_the_desk_only(visitor: httpx.Client, asked: str, gone_to: str) -> None:
    answer = visitor.post("/desk/log-in", data={"name": NAME, "pin": PIN, "next": asked})
    assert answer.headers["location"] == gone_to


# Guessing


def from_address(pages: PagesProcess, number: int) -> httpx.Client:
    """Return a browser on another device, as the pages see it."""
    trust = ssl.create_default_context(cafile=str(pages.folder / "desk.pem"))
    there = httpx.HTTPTransport(verify=trust, local_address=f"127.0.0.{number}")
    return httpx.Client(base_url=pages.desk, transport=there, timeout=PATIENCE_S, headers={"accept-language": "en"})


def test_guessing_a_pin_is_stopped_from_however_many_devices_and_across_a_kill(pages: PagesProcess) -> None:
    for number in range(FREE_TRIES + 1):
        with from_address(pages, number + 10) as guesser:
            assert sign_in(guesser, pin=f"99999{number}").status_code == 403
    for _ in range(2):
        with from_address(pages, 2) as owner:
            answer = sign_in(owner)
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 61
            assert "Please wait" in answer.text
            assert COOKIE not in owner.cookies
        pages.kill()
        pages.start()
    with from_address(pages, 3) as other:  # nobody else is kept out
        assert sign_in(other, MANAGER, MANAGERS_PIN).status_code == 303


def test_many_guesses_at_once_are_counted_as_many(pages: PagesProcess) -> None:
    def guess(number: int) -> int:
        with from_address(pages, number % 200 + 10) as guesser:
            return sign_in(guesser, pin=f"{number:06}").status_code

    with ThreadPoolExecutor(20) as crowd:
        answers = Counter(crowd.map(guess, range(40)))
    assert answers[403] == FREE_TRIES + 1
    assert set(answers) <= {403, 429, 503}


def test_trying_many_names_from_one_device_is_stopped(pages: PagesProcess) -> None:
    with from_address(pages, 10) as guesser:
        for number in range(ADDRESS_TRIES):
            assert sign_in(guesser, name=f"Nobody {number}").status_code == 403
        assert sign_in(guesser).status_code == 429
    with from_address(pages, 11) as owner:
        assert sign_in(owner).status_code == 303


def test_a_wrong_name_looks_as_a_wrong_pin_does(client: httpx.Client) -> None:
    answers = [sign_in(client, name=name, pin=pin) for name, pin in ((NAME, "000111"), ("Made-Up Mona", PIN))]
    assert [answer.status_code for answer in answers] == [403, 403]
    one, other = (answer.text.replace(name, "") for answer, name in zip(answers, (NAME, "Made-Up Mona"), strict=True))
    assert one == other


def test_log_ins_are_written_down_without_their_pins(pages: PagesProcess, client: httpx.Client) -> None:
    sign_in(client, pin="998877")
    sign_in(client)
    deeds = trail(pages)
    assert [(deed["who"], deed["did"], deed.get("about", ""), deed.get("refused", "")) for deed in deeds] == [
        ("", "log_in", NAME, "wrong"),
        (NAME, "log_in", "", ""),
    ]
    assert {deed["address"] for deed in deeds} == {"127.0.0.1"}
    written = b"".join(each.read_bytes() for each in pages.folder.iterdir())
    assert b"998877" not in written
    assert PIN.encode() not in written
    assert client.cookies[COOKIE].encode() not in written


# Other sites


def test_a_deed_without_the_sessions_own_token_is_refused(pages: PagesProcess) -> None:
    with pages.client() as mine, pages.client() as others:
        sign_in(mine, MANAGER, MANAGERS_PIN)
        sign_in(others)
        stolen = csrf_of(others)
        for path in WRITTEN:
            for token in (None, "", "x" * 32, stolen):
                given = {} if token is None else {"csrf": token}
                answer = mine.post(path, data={**given, "name": NAME, "member": "m0001"})
                assert (path, token, answer.status_code) == (path, token, 403)
                assert "Nothing was changed" in answer.text
            assert mine.post(path, headers={"x-csrf": stolen}).status_code == 403
            assert mine.post(path, content=b"{}", headers={"content-type": "application/json"}).status_code == 403
        assert is_in(mine)
        assert len(pages.access.people()) == 2
        assert {deed["refused"] for deed in trail(pages) if deed["did"] == "csrf"} == {"csrf"}


def test_what_another_site_sends_is_refused_even_at_the_log_in(visitor: httpx.Client) -> None:
    for where in ("cross-site", "same-site"):
        answer = visitor.post("/desk/log-in", data={"name": NAME, "pin": PIN}, headers={"sec-fetch-site": where})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert visitor.post("/desk/log-in", data={"name": NAME, "pin": PIN}, headers={"sec-fetch-site": "same-origin"}).is_redirect


def test_no_other_method_and_no_method_in_disguise(visitor: httpx.Client) -> None:
    sign_in(visitor)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        assert visitor.request(method, "/desk").status_code == 405
    for path in (f"/desk/log-out?_method=POST&csrf={csrf_of(visitor)}", "/desk/log-out"):
        answer = visitor.get(
            path, headers={"x-http-method-override": "POST", "x-method-override": "POST", "x-http-method": "POST"}
        )
        assert answer.status_code == 405
    assert is_in(visitor)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8443", "127.0.0.1.evil.example", "kafe.local.evil.example", ""])
def test_another_name_that_leads_here_is_refused(lasting: PagesProcess, visitor: httpx.Client, host: str) -> None:
    with httpx.Client(base_url=lasting.screen) as screen:
        for browser, path in ((visitor, "/desk/log-in"), (screen, "/screen"), (visitor, "/static/house.css")):
            assert browser.get(path, headers={"host": host}).status_code in (400, 421)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8443", "[::1]:8443", "192.0.2.7", f"{guard.own_names()[0].upper()}.local"]
)
def test_an_address_or_an_own_name_is_answered(visitor: httpx.Client, host: str) -> None:
    assert visitor.get("/desk/log-in", headers={"host": host}).status_code == 200


def test_what_forwarders_say_is_not_believed(pages: PagesProcess, client: httpx.Client) -> None:
    lies = {"x-forwarded-for": "203.0.113.5", "x-forwarded-proto": "http", "x-forwarded-host": "evil.example"}
    answer = client.post("/desk/log-in", data={"name": NAME, "pin": PIN}, headers=lies)
    assert answer.headers["set-cookie"].startswith(COOKIE)
    assert trail(pages)[-1]["address"] == "127.0.0.1"


# What is answered


def test_every_answer_has_the_walls_headers(client: httpx.Client) -> None:
    sign_in(client)
    asked = [
        (client.get("/desk"), 503),  # no terminal is there
        (client.get("/desk/log-in"), 303),
        (client.get("/desk/nowhere"), 404),
        (client.post("/desk"), 405),
        (client.request("PUT", "/desk"), 405),
        (client.get("/desk", headers={"host": "evil.example"}), 421),
        (client.post("/desk/log-out"), 403),
        (client.post("/desk/log-in", content=b"x" * (MOST_BODY + 1)), 413),
        (client.get("/static/house.css"), 200),
    ]
    for answer, status in asked:
        assert answer.status_code == status
        assert {key: answer.headers.get(key) for key in HEADERS} == dict(HEADERS)
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
    sheet = re.search(r"/static/login\.css\?\w+", sign_in(client, pin="000111").text)
    assert sheet
    assert "immutable" in client.get(sheet[0]).headers["cache-control"]


def test_no_page_may_run_what_is_written_into_it() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in HEADERS["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../texts/sv.po",
        "/static/../login.html",
        "/static/%2e%2e/login.html",
        "/static/..%2flogin.html",
        "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..%5c..%5clogin.html",
        "/static/house.css%00.html",
        "/static/",
        "/static",
        "//etc/passwd",
        "/desk/../static/../login.html",
    ],
)
def test_no_file_but_the_static_ones_is_given_away(lasting: PagesProcess, path: str) -> None:
    answer = raw(lasting, f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
    assert int(answer.split(b" ", 2)[1]) in (303, 307, 400, 404, 405)
    assert b"root:" not in answer
    assert b"{%" not in answer


def test_a_files_name_in_the_import_leads_nowhere(pages: PagesProcess, client: httpx.Client) -> None:
    sign_in(client, MANAGER, MANAGERS_PIN)
    csrf = csrf_of(client)
    before = {each for each in pages.folder.parent.rglob("*") if each.name != "audit.jsonl"}
    for name in ("../../../../../../tmp/fikatap-evil.csv", "/tmp/fikatap-evil.csv", "..\\evil.csv", "access.json", "\x00"):
        client.post("/desk/import", data={"csrf": csrf}, files={"file": (name, b"id,first_name\nx,Evil\n", "text/csv")})
    assert {each for each in pages.folder.parent.rglob("*") if each.name != "audit.jsonl"} == before
    assert not Path("/tmp/fikatap-evil.csv").exists()
    assert len(pages.access.people()) == 2


# Too much, too slow


def test_giant_bodies_and_heads_are_refused_without_being_kept(pages: PagesProcess, client: httpx.Client) -> None:
    sign_in(client)
    before = pages.memory_mb("VmHWM")
    head = f"POST /desk/log-out HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {COOKIE}={client.cookies[COOKIE]}\r\nx-csrf: no\r\n"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    form = f"content-type: {kind['content-type']}\r\n"

    def endless() -> Iterator[bytes]:
        for _ in range(400):
            yield b"x" * (MB // 4)

    # Cut off while it is still sending is as good.
    with pages.client() as other, suppress(httpx.TransportError):
        assert other.post("/desk/log-in", content=b"x" * 40 * MB).status_code == 413
    for path in ("/desk/log-in", "/desk/do/check-in", "/desk/import"):
        with pages.client() as other, suppress(httpx.TransportError):
            assert other.post(path, content=endless(), headers=kind).status_code in (303, 413)
    answer = raw(pages, f"{head}{form}content-length: 99999999999\r\n\r\nname=".encode())
    assert answer.startswith(b"HTTP/1.1 4")
    answer = raw(pages, f"GET /desk HTTP/1.1\r\nhost: 127.0.0.1\r\nx: {'y' * LONGEST_HEAD * 2}".encode())
    assert answer.startswith(b"HTTP/1.1 4")
    fields = "&".join(f"f{number}=1" for number in range(3_000))
    assert client.post("/desk/log-in", content=fields, headers=kind).status_code == 400
    assert pages.memory_mb("VmHWM") < before + 20
    assert is_in(client)


def test_who_is_slow_holds_up_nobody_and_is_cut_off(pages: PagesProcess, client: httpx.Client) -> None:
    trust = ssl.create_default_context(cafile=str(pages.folder / "desk.pem"))
    with ExitStack() as slow:
        silent = [slow.enter_context(closing(socket.create_connection(("127.0.0.1", pages.port)))) for _ in range(200)]
        dripping = []
        for _ in range(20):
            line = slow.enter_context(closing(socket.create_connection(("127.0.0.1", pages.port), PATIENCE_S)))
            tls = slow.enter_context(trust.wrap_socket(line, server_hostname="127.0.0.1"))
            tls.sendall(b"POST /desk/log-in HTTP/1.1\r\nhost: 127")
            dripping.append(tls)
        assert sign_in(client).status_code == 303
        assert client.get("/desk/log-in").status_code == 303
        began = time.monotonic()
        for tls in dripping:
            assert tls.recv(1) == b""
        for line in silent:
            line.settimeout(PATIENCE_S)
            assert line.recv(1) == b""
        assert time.monotonic() - began < HANDSHAKE_S + HEAD_S + PATIENCE_S
