"""Who gets in at the desk, and who does not."""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firmware_py.desk.access import (
    ADDRESS_TRIES,
    FIRST_LOCK_S,
    FREE_TRIES,
    IDLE_S,
    LONGEST_SESSION_S,
    SESSIONS_EACH,
    Access,
    AccessError,
    Known,
    Locked,
    Role,
)

PIN = "481516"
PATIENCE_S = 60.0


class Hands:
    """An access file, and a clock to turn."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access.json"
        self.time, self.boot = 100_000.0, "boot-1"
        self.access = self.again()
        self.access.set_pin("Made-Up Maja", Role.STAFF, PIN)

    def again(self) -> Access:
        """Start the process anew."""
        self.access = Access(self.path, self.boot, lambda: self.time)
        return self.access

    def wrong(self, times: int, address: str = "10.0.0.9") -> None:
        for _ in range(times):
            with pytest.raises(AccessError, match="do not go together"):
                self.access.log_in("Made-Up Maja", "999999", address)


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path)


def test_the_right_pin_lets_in_and_the_token_is_known_until_the_log_out(hands: Hands) -> None:
    token, session = hands.access.log_in(" made-up  MAJA ", PIN, "10.0.0.9")
    assert session.name == "Made-Up Maja"
    found = hands.access.session(token)
    assert found is not None
    assert (found[0].csrf, found[1].role) == (session.csrf, Role.STAFF)
    hands.access.log_out(token)
    assert hands.access.session(token) is None


def test_a_wrong_name_is_told_as_a_wrong_pin_is(hands: Hands) -> None:
    sentences = []
    for name, pin in (("Made-Up Maja", "000111"), ("Nobody", PIN)):
        with pytest.raises(AccessError) as refused:
            hands.access.log_in(name, pin, "10.0.0.9")
        sentences.append(str(refused.value))
    assert sentences[0] == sentences[1]


def test_after_a_few_wrong_pins_not_even_the_right_one_helps_until_the_lock_is_over(hands: Hands) -> None:
    hands.wrong(FREE_TRIES + 1)
    with pytest.raises(Locked) as locked:
        hands.access.log_in("Made-Up Maja", PIN, "10.0.0.1")
    assert FIRST_LOCK_S <= locked.value.wait_s <= FIRST_LOCK_S + 1
    hands.time += FIRST_LOCK_S
    hands.access.log_in("Made-Up Maja", PIN, "10.0.0.1")
    hands.wrong(FREE_TRIES)  # and the count began anew


def test_the_lock_doubles_and_survives_a_restart(hands: Hands) -> None:
    hands.wrong(FREE_TRIES + 1)
    hands.time += FIRST_LOCK_S
    hands.again()
    hands.wrong(1)
    with pytest.raises(Locked) as locked:
        hands.again().log_in("Made-Up Maja", PIN, "10.0.0.1")
    assert locked.value.wait_s >= 2 * FIRST_LOCK_S


def test_a_thousand_pins_in_an_hour_are_not_tried(hands: Hands) -> None:
    tried = 0
    for second in range(3_600):
        hands.time += 1
        try:
            hands.access.log_in("Made-Up Maja", f"{second:06}", f"10.0.{second % 256}.1")
        except Locked:
            continue
        except AccessError:
            tried += 1
    assert FREE_TRIES < tried <= FREE_TRIES + 7


def test_one_address_can_not_try_everybody(hands: Hands) -> None:
    for guess in range(ADDRESS_TRIES):
        with pytest.raises(AccessError, match="do not go together"):
            hands.access.log_in(f"nobody {guess}", PIN, "10.0.0.9")
    with pytest.raises(Locked):
        hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    hands.access.log_in("Made-Up Maja", PIN, "10.0.0.10")


def test_pulling_the_plug_neither_ends_a_lock_nor_keeps_a_session(hands: Hands) -> None:
    token, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    hands.wrong(FREE_TRIES + 1)
    hands.time, hands.boot = 5.0, "boot-2"
    with pytest.raises(Locked) as locked:
        hands.again().log_in("Made-Up Maja", PIN, "10.0.0.1")
    assert FIRST_LOCK_S <= locked.value.wait_s <= FIRST_LOCK_S + 1
    assert hands.access.session(token) is None


@pytest.mark.parametrize(("later", "runs"), [(IDLE_S - 1, True), (IDLE_S, False)], ids=["used lately", "forgotten"])
def test_a_session_ends_when_it_is_not_used(hands: Hands, later: float, runs: bool) -> None:
    token, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    hands.time += later
    assert (hands.access.session(token) is not None) == runs


def test_a_session_ends_however_much_it_is_used(hands: Hands) -> None:
    token, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    for _ in range(LONGEST_SESSION_S // 1_000):
        assert hands.access.session(token) is not None
        hands.time += 1_000
    hands.time += 1_000
    assert hands.access.session(token) is None


def test_a_session_survives_a_restart_of_the_pages(hands: Hands) -> None:
    token, session = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    found = hands.again().session(token)
    assert found is not None
    assert found[0] == session


@pytest.mark.parametrize(
    "change", [lambda a: a.set_pin("Made-Up Maja", Role.STAFF, "271828"), lambda a: a.remove("made-up maja")]
)
def test_another_pin_or_none_ends_the_sessions(hands: Hands, change: Callable[[Access], None]) -> None:
    token, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    change(hands.access)
    assert hands.access.session(token) is None


def test_the_oldest_session_gives_way(hands: Hands) -> None:
    tokens = []
    for _ in range(SESSIONS_EACH + 1):
        hands.time += 1
        tokens.append(hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")[0])
    assert [hands.access.session(token) is not None for token in tokens] == [False, *[True] * SESSIONS_EACH]


def test_the_file_lets_nobody_in_and_only_its_owner_reads_it(hands: Hands) -> None:
    token, session = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    text = hands.path.read_text()
    assert session.digest in text
    assert token not in text
    assert PIN not in text
    assert stat.S_IMODE(hands.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("pin", "why"), [("12345", "5 characters"), ("111111", "first"), ("345678", "first"), ("987654", "first")]
)
def test_a_pin_that_is_guessed_first_is_refused(hands: Hands, pin: str, why: str) -> None:
    with pytest.raises(AccessError, match=why):
        hands.access.set_pin("Made-Up Milo", Role.STAFF, pin)
    assert hands.access.people() == [("Made-Up Maja", Role.STAFF)]


def test_another_pin_takes_no_role_away_and_somebody_new_is_staff(hands: Hands) -> None:
    assert hands.access.set_pin("Made-Up Maja", Role.MANAGER, PIN) == (Role.MANAGER, False)
    assert hands.access.set_pin("made-up maja", None, PIN) == (Role.MANAGER, False)
    assert hands.access.set_pin("Made-Up Milo", None, PIN) == (Role.STAFF, True)
    assert hands.again().people() == [("Made-Up Milo", Role.STAFF), ("made-up maja", Role.MANAGER)]


@pytest.mark.parametrize("in_the_way", ["access.json.part", "access.lock"])
def test_where_nothing_can_be_written_who_goes_on_stays_logged_in_and_who_does_not_is_out(
    hands: Hands, in_the_way: str
) -> None:
    token, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    path = hands.path.with_name(in_the_way)
    path.unlink(missing_ok=True)
    path.mkdir()
    for _ in range(3):
        hands.time += IDLE_S - 1
        found = hands.access.session(token)
        assert found is not None
        assert found[0].used == hands.time
    hands.time += IDLE_S
    assert hands.access.session(token) is None


IN_THE_WAY = pytest.mark.parametrize("in_the_way", ["access.json.part", "access.lock"])


def block(hands: Hands, name: str) -> Path:
    """Let nothing be written any more; what is in the way is to be taken away."""
    path = hands.path.with_name(name)
    path.unlink(missing_ok=True)
    path.mkdir()
    return path


def test_staff_gets_in_and_out_where_nothing_can_be_written(hands: Hands) -> None:
    old, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    way = block(hands, "access.json.part")
    token, session = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    found = hands.access.session(token)
    assert found is not None
    assert found[0] == session
    hands.access.log_out(old)
    assert hands.access.session(old) is None
    assert hands.access.session(token) is not None
    assert hands.again().session(old) is None, "a log-out that could not be stored came back"
    way.rmdir()
    token, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    assert hands.again().session(token) is not None
    assert not hands.path.with_suffix(".ended").exists()


@IN_THE_WAY
def test_wrong_pins_lock_also_where_nothing_can_be_written(hands: Hands, in_the_way: str) -> None:
    block(hands, in_the_way)
    hands.wrong(FREE_TRIES + 1)
    with pytest.raises(Locked):
        hands.access.log_in("Made-Up Maja", PIN, "10.0.0.1")
    hands.time += FIRST_LOCK_S
    hands.access.log_in("Made-Up Maja", PIN, "10.0.0.1")


@IN_THE_WAY
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.set_pin("Made-Up Maja", Role.MANAGER, "271828"),
        lambda a: a.set_pin("New", Role.STAFF, PIN),
        lambda a: a.remove("Made-Up Maja"),
    ],
)
def test_people_are_not_changed_where_that_can_not_be_stored(
    hands: Hands, in_the_way: str, change: Callable[[Access], None]
) -> None:
    token, _ = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    block(hands, in_the_way)
    with pytest.raises(OSError, match=in_the_way):
        change(hands.access)
    assert hands.access.people() == [("Made-Up Maja", Role.STAFF)]
    assert hands.access.session(token) is not None
    hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")


def test_a_list_that_can_no_longer_be_read_lets_nobody_new_in(hands: Hands) -> None:
    hands.path.write_text("{")
    with pytest.raises(AccessError) as refused:
        hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    assert refused.value.key == "damaged"


def test_nobody_is_changed_who_was_not_meant(hands: Hands) -> None:
    with pytest.raises(Known) as refused:
        hands.access.set_pin("made-up MAJA", Role.MANAGER, "271828", new=True)
    assert refused.value.person.name == "Made-Up Maja"
    with pytest.raises(AccessError, match="no 'Milo' any more"):
        hands.access.set_pin("Milo", Role.MANAGER, "271828", new=False)
    assert hands.access.people() == [("Made-Up Maja", Role.STAFF)]


def test_the_last_manager_stays_one_unless_root_says_otherwise(hands: Hands) -> None:
    hands.access.set_pin("Max", Role.MANAGER, PIN)
    for change in (
        lambda: hands.access.set_pin("Max", Role.STAFF, PIN, keeps_manager=True),
        lambda: hands.access.remove("Max", keeps_manager=True),
    ):
        with pytest.raises(AccessError) as refused:
            change()
        assert refused.value.key == "last_manager"
    hands.access.set_pin("Max", Role.STAFF, PIN)


def test_a_look_does_not_wait_for_who_writes(hands: Hands) -> None:
    token, session = hands.access.log_in("Made-Up Maja", PIN, "10.0.0.9")
    with ThreadPoolExecutor(1) as other, hands.access._changing():
        found = other.submit(hands.access.peek, token).result(PATIENCE_S)
        people = other.submit(hands.access.people).result(PATIENCE_S)
    assert found is not None
    assert found[0] == session
    assert people == [("Made-Up Maja", Role.STAFF)]


def test_a_damaged_file_is_told_and_not_overwritten(hands: Hands) -> None:
    hands.path.write_text('{"people": ')
    with pytest.raises(AccessError, match="take it away"):
        hands.again()
    assert hands.path.read_text() == '{"people": '
