"""What the screen says, spoken by the real espeak-ng into a sound device of ALSA's that is a pipe: unread, it holds the engine
up as a sound card does, and a test hears all of it at once."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import re
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from html import unescape
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from firmware_py.config import SpeechTable
from firmware_py.desk.screen import _personal
from firmware_py.speech import FRESH_S, Speaker, spoken
from firmware_py.texts import load_page_texts
from kiosk.signals import Signal
from kiosk.values import Language
from tests.firmware_py.terminal.harness import Door, person
from tests.firmware_py.test_config import FIKATAP, GOOD
from tests.pages.screens import config_of, introduced, place_of, shown
from tests.rigs.stand_in import StandIn

PATIENCE_S = 30.0
RATE_HZ = 22_050
"""Of espeak-ng's voices, in 16 bits."""
ALSA = """
pcm.nothing {{ type null }}
pcm.jack {{ type file slave.pcm nothing file "{pipe}" format "raw" }}
"""
T = TypeVar("T")


def until(seen: Callable[[], T], what: str) -> T:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := seen()):
        assert time.monotonic() < deadline, f"not {what} in {PATIENCE_S} s"
        time.sleep(0.002)
    return found


def boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def words(text: str, language: Language = Language.EN, reader: str | None = "door", age_s: float = 0) -> dict[str, Any]:
    """Return an answer that says just that."""
    event = {**shown(Signal.NOT_YET, language), "words": text, "reader": reader}
    return {**event, "boot_ms": boot_ms() - int(age_s * 1000)}


class Jack:
    """The headphones."""

    def __init__(self, folder: Path) -> None:
        pipe = folder / "jack"
        os.mkfifo(pipe)
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        self.alsa = folder / "asound.conf"
        self.alsa.write_text(ALSA.format(pipe=pipe), "utf-8")

    def close(self) -> None:
        os.close(self._pipe)

    def waiting(self) -> int:
        """Return how many bytes nobody has heard yet."""
        count = array.array("i", [0])
        fcntl.ioctl(self._pipe, termios.FIONREAD, count)
        return count[0]

    def hear(self) -> bytes:
        """Return what there is to hear now."""
        heard = b""
        with suppress(BlockingIOError):
            while True:
                heard += os.read(self._pipe, 1 << 20)
        return heard


def is_stopped(process: int) -> bool:
    states = {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{process}/task").iterdir()}
    return states == {"T"}


def loudness(sound: bytes) -> int:
    return max(map(abs, array.array("h", sound)), default=0)


def longest_silence_s(sound: bytes) -> float:
    quiet = (len(list(run)) for is_quiet, run in groupby(array.array("h", sound), lambda each: abs(each) < 64) if is_quiet)
    return max(quiet, default=0) / RATE_HZ


class Booth:
    """`fikatap speak` at work, and its engine."""

    def __init__(self, jack: Jack, folder: Path, socket: Path) -> None:
        self.jack = jack
        self._said = folder / "said"
        file = folder / "terminal.toml"
        file.write_text(f'{GOOD}[control]\nsocket = "{socket}"\n[speech]\ndevice = "jack"\n', "utf-8")
        with self._said.open("wb") as said:
            command = [str(FIKATAP), "--config", str(file), "speak"]
            self._process = subprocess.Popen(command, stderr=said, env={**os.environ, "ALSA_CONFIG_PATH": str(jack.alsa)})

    def engines(self) -> set[int]:
        found: set[int] = set()
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end between two looks
                found.update(map(int, (task / "children").read_text().split()))
        return found

    def engine(self, other_than: int = 0) -> int:
        """Wait until an engine speaks that is another one, and return its process id."""

        def speaks() -> int:
            found = self.engines() - {other_than}
            return found.pop() if found and self.jack.waiting() else 0

        return until(speaks, "an engine that speaks")

    def hear(self) -> bytes:
        """Listen until all is said."""
        heard = b""

        def over() -> bool:
            nonlocal heard
            ended = not self.engines()
            heard += self.jack.hear()
            return ended and bool(heard)

        until(over, "a sound, and its end")
        return heard

    def end(self) -> str:
        """End it as systemd does, and return what it wrote into the journal."""
        engines = self.engines()
        self._process.terminate()
        assert self._process.wait(PATIENCE_S) == 0
        assert not [pid for pid in engines if Path(f"/proc/{pid}").exists()]
        return self._said.read_text("utf-8")


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with TemporaryDirectory(prefix="fikatap-") as folder, StandIn(Path(folder) / "s", {}).there() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def jack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jack]:
    jack = Jack(tmp_path_factory.mktemp("jack"))
    yield jack
    jack.close()


@pytest.fixture(scope="module")
def booth(stand_in: StandIn, jack: Jack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booth]:
    booth = Booth(jack, tmp_path_factory.mktemp("booth"), stand_in.path)
    try:
        until(lambda: len(stand_in.asked) == 2, "watched, and asked how it is")
        yield booth
    finally:
        journal = booth.end()
    # Of what it spoke, nothing; of what it was done to, what there is to know.
    assert set(re.findall(r"\(.*?\)", journal)) <= {"(espeak-ng ended with -9)", "(sudo apt install espeak-ng)", "(aplay -L)"}
    assert not re.search("Ada|Rosalind|Welcome|screen", journal)


@pytest.fixture
def say(stand_in: StandIn, booth: Booth) -> Callable[[str], bytes]:
    """Return what speaks a text, and returns its sound."""

    def say(text: str, language: Language = Language.EN) -> bytes:
        stand_in.say(words(text, language))
        return booth.hear()

    return say


LONG = "This is what the screen says to whoever can't see it, and it goes on for quite a while. " * 3


@pytest.mark.parametrize("language", Language)
def test_each_language_is_heard_and_more_words_take_longer(language: Language, say: Callable[..., bytes]) -> None:
    texts = load_page_texts()
    short, both = (texts.say(language, f"answer.{word}") for word in ("goodbye", "unknown_card"))
    sounds = [say(text, language) for text in (short, f"{short} {both}")]
    assert all(loudness(sound) > 1_000 for sound in sounds)
    assert len(sounds[1]) > 1.3 * len(sounds[0]) > RATE_HZ


def test_each_language_has_a_voice_of_its_own(say: Callable[..., bytes]) -> None:
    sounds = {say("Gå till biblioteket: blå triangel. 21.", language) for language in Language}
    assert len(sounds) == len(Language)


def test_a_newer_answer_cuts_the_older_one_off(stand_in: StandIn, booth: Booth, say: Callable[..., bytes]) -> None:
    whole, short = len(say(LONG)), len(say("Welcome."))
    stand_in.say(words(LONG))
    older = booth.engine()
    stand_in.say(words("Welcome."))
    until(lambda: older not in booth.engines(), "the older one gone")
    assert short <= len(booth.hear()) < whole / 2


def test_what_is_said_elsewhere_is_not_spoken_and_cuts_nobody_off(
    stand_in: StandIn, booth: Booth, say: Callable[..., bytes]
) -> None:
    whole = len(say(LONG))
    stand_in.say(words(LONG, reader="other"))
    stand_in.say(words(LONG, reader=None))
    stand_in.say(words(LONG))
    speaks = booth.engine()
    stand_in.say(words(LONG, reader="other"))
    stand_in.say({"kind": "Changed"})
    assert booth.engines() == {speaks}
    assert len(booth.hear()) == whole


def test_an_engine_that_was_killed_is_started_again(
    stand_in: StandIn, booth: Booth, jack: Jack, say: Callable[..., bytes]
) -> None:
    whole = say(LONG)
    stand_in.say(words(LONG))
    killed = booth.engine()
    os.kill(killed, signal.SIGSTOP)
    until(lambda: is_stopped(killed), "an engine that says no more")
    jack.hear()
    os.kill(killed, signal.SIGKILL)
    booth.engine(other_than=killed)
    assert booth.hear() == whole


def test_a_name_is_text_and_no_markup_option_or_command(say: Callable[..., bytes], tmp_path: Path) -> None:
    assert longest_silence_s(say('Ada <break time="9s"/> & <p>Bo</p>')) < 2
    for hostile, as_plain in {
        "[[h'E:]] Ada": "h'E: Ada",
        "Ada\x01200S\n\nsees you\x00": "Ada 200S sees you",
        f"-w {tmp_path}/out": f"-w {tmp_path}/out",
        '"; `reboot` $(reboot) \\': '"; `reboot` $(reboot) \\',
    }.items():
        sound = say(hostile)
        assert loudness(sound) > 1_000
        assert sound == say(as_plain)
    assert list(tmp_path.iterdir()) == []


def test_no_name_is_among_the_processes(stand_in: StandIn, booth: Booth) -> None:
    stand_in.say(words(f"Wilhelmina-Rosalind. {LONG}"))
    engine = booth.engine()
    lines = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines[path] = path.read_bytes()
    assert lines[Path(f"/proc/{engine}/cmdline")].startswith(b"/usr/bin/espeak-ng\0")
    assert not [line for line in lines.values() if b"Wilhelmina" in line]
    booth.hear()


def test_a_tap_at_a_real_door_is_spoken(jack: Jack, tmp_path: Path) -> None:
    named = replace(person(1), first_name="-v \"Ada\" <break time='9s'/>", language=Language.SV)
    with Door(tmp_path / "one") as door:
        booth = Booth(jack, tmp_path, door.socket)
        try:
            door.call("members.put", members=[msgspec.to_builtins(named)])
            until(lambda: door.terminal._watchers, "a door that is watched")
            door.tap(1)
            assert loudness(sound := booth.hear()) > 1_000
            assert longest_silence_s(sound) < 2
        finally:
            assert booth.end() == ""


# Without a process of its own


async def told(speaker: Speaker, event: dict[str, Any]) -> None:
    """Let the speaker hear something, and wait until it is done with it."""
    speaker.hear(event)
    assert speaker._speaking is not None
    await speaker._speaking


@pytest.fixture
def speech(jack: Jack, monkeypatch: pytest.MonkeyPatch) -> SpeechTable:
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(jack.alsa))
    return SpeechTable(reader="door", device="jack")


def test_what_is_old_is_not_spoken(speech: SpeechTable, jack: Jack) -> None:
    async def story() -> list[int]:
        speaker, heard = Speaker(speech), []
        for age_s in (FRESH_S, 0):
            await told(speaker, words("Hello.", age_s=age_s))
            heard.append(loudness(jack.hear()))
        return heard

    old, new = asyncio.run(story())
    assert old == 0
    assert new > 1_000


@pytest.mark.parametrize("other", ["demo-2", None])
def test_a_late_match_is_not_spoken_to_who_came_next_and_cuts_nobody_off(
    other: str | None, speech: SpeechTable, jack: Jack
) -> None:
    async def story() -> None:
        speaker = Speaker(speech)
        match = {**introduced(Language.EN), "boot_ms": boot_ms()}
        await told(speaker, {**words("Hello."), "signal": Signal.WELCOME})
        jack.hear()
        speaker.hear({**words("Hello."), "signal": Signal.WELCOME, "visit": other})
        being_said = speaker._speaking
        assert being_said is not None
        speaker.hear(match)
        assert speaker._speaking is being_said
        await being_said
        assert loudness(jack.hear()) > 1_000
        # Who taps again is there again.
        await told(speaker, {**words("Hello."), "signal": Signal.ALREADY_HERE})
        again = speaker._speaking
        speaker.hear(match)
        assert speaker._speaking is not again
        await speaker.end()

    asyncio.run(story())
    jack.hear()


def test_an_older_terminals_answer_is_spoken_though_it_does_not_say_when_it_was(speech: SpeechTable, jack: Jack) -> None:
    event = words("Hello.")
    del event["boot_ms"]

    async def story() -> None:
        await told(Speaker(speech), event)

    asyncio.run(story())
    assert loudness(jack.hear()) > 1_000


def test_an_engine_that_hangs_is_killed_and_the_next_answer_is_spoken(
    speech: SpeechTable, jack: Jack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def story() -> None:
        speaker = Speaker(speech, longest_s=4.0)
        # Nobody listens, and the pipe is full.
        await told(speaker, words(LONG, age_s=FRESH_S - 3))
        jack.hear()
        await told(speaker, words("Hello."))

    asyncio.run(story())
    assert loudness(jack.hear()) > 1_000
    assert [record.getMessage() for record in caplog.records if record.name == "fikatap"] == [
        "nothing can be spoken: espeak-ng hangs",
        "speech works again",
    ]


def test_a_sound_device_that_is_not_there_is_told_once_and_tried_again(
    speech: SpeechTable, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        speaker = Speaker(replace(speech, device="nowhere"))
        await told(speaker, words("Hello Wilhelmina.", age_s=FRESH_S - 3))

    asyncio.run(story())
    assert [record.getMessage() for record in caplog.records if record.name == "fikatap"] == [
        "nothing can be spoken: espeak-ng can't use 'nowhere'"
    ]


def test_systemds_watchdog_is_fed_while_it_speaks_to_nobody(tmp_path: Path) -> None:
    file = tmp_path / "terminal.toml"
    file.write_text(f'{GOOD}[control]\nsocket = "{tmp_path}/s"\n[speech]\n', "utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        watched = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}
        watched.pop("WATCHDOG_PID", None)
        with subprocess.Popen([str(FIKATAP), "--config", str(file), "speak"], env=watched) as speech:
            try:
                assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            finally:
                speech.terminate()
        assert speech.returncode == 0


def test_without_its_table_speech_says_so_and_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    path.write_text(GOOD, "utf-8")
    done = subprocess.run([FIKATAP, "--config", path, "speak"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"Tal är avstängt: {path} har inget [speech].\n"


# What is said


@pytest.mark.parametrize("language", Language)
def test_what_is_spoken_is_what_the_screens_reader_says(language: Language, tmp_path: Path) -> None:
    place = place_of(config_of(Language.SV, tmp_path), tmp_path)
    texts = load_page_texts()
    events = [introduced(language), {**introduced(language), "badge_later": True}, shown(Signal.UNKNOWN_CARD, language)]
    for event in events:
        said = spoken(event, texts)
        assert unescape(_personal(place, event)["spoken"]) == f'<p lang="{language}">{said}</p>'
        wanted = [event[key] for key in ("words", "partner", "reason", "starter") if event[key]]
        assert [said.index(each) for each in wanted] == sorted(said.index(each) for each in wanted)
        assert (texts.say(language, "screen.badge_later") in said) is event["badge_later"]
    no_badge = {**shown(Signal.WELCOME_NO_BADGE, language), "badge_later": True}
    assert spoken(no_badge, texts) == no_badge["words"], "it says so itself"
